//! From the hooks listener to the gates: ask now. A wake-up never carries a decision.

use tokio::sync::mpsc;

/// A gate that is to be asked about now.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wake {
    /// The gate's namespace.
    pub namespace: String,
    /// The gate's name.
    pub name: String,
}

/// What the hooks listener holds. When it is full the wake-up is refused, and the caller may send it again.
pub type WakeSender = mpsc::Sender<Wake>;

/// What the gates read.
pub type WakeReceiver = mpsc::Receiver<Wake>;

/// Wake-ups that may wait.
const WAITING: usize = 1024;

/// Both ends.
#[must_use]
pub fn wakes() -> (WakeSender, WakeReceiver) {
    mpsc::channel(WAITING)
}
