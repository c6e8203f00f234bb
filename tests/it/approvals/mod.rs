//! Approvals by callback: the answer table row by row with callers of all four kinds, the seed's two command lines, and whole
//! stories on the real API server.

mod admission;
mod answers;
mod callers;
pub mod house;
pub mod stories;
mod waiting;
