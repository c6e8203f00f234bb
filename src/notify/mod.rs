//! Pure decisions: configuration, subscriptions, triggers, templates, history. No clock, no I/O, no async.

pub mod model;

pub use model::{Destination, KeyState, ObjectId, Occurrence, Phase, Reason};
