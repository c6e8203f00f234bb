//! The dashboard in a real browser: what people see, do and are kept from.

mod actions;
mod approvals;
pub mod cluster;
mod demo;
mod live;
mod walk;
