//! Approvals by callback at work: who is believed, what is asked, what is shown, what follows.
//!
//! Decides nothing itself: a run's rules are in `gate::approval`, and what the store holds is what was decided. Never here: a
//! listener; the server hands over what it received.

pub mod access;
mod api;
mod callers;
pub mod cluster;
pub mod crd;
mod desk;
pub mod keys;
mod limits;
pub mod oidc;
mod ringkeeper;
mod shelf;
mod view;

pub use api::{Denied, Visitor};
pub use callers::{Admitted, Known, run_token};
pub use desk::{Changed, Desk, Issued};
pub use limits::{Limits, TooMany};
pub use ringkeeper::{Home, InSecret, Nowhere, RingKeeper};
pub use shelf::Shelf;
