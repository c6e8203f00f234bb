//! The dashboard in a real browser: what people see, do and are kept from.

mod actions;
mod approvals;
mod live;
mod walk;
