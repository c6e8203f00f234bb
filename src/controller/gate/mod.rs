//! What gates need of the world: asking endpoints, being woken.

pub mod ask;
mod wake;

pub use wake::{Wake, WakeReceiver, WakeSender, wakes};
