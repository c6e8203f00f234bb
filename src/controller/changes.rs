//! That something changed, for those who watch: a number a subject, which only grows. What changed is not said; who wants to know
//! reads it anew.
//!
//! Whoever changes something pays one addition in memory, watched or not: no lock, no wake-up, no allocation.

use std::sync::atomic::{AtomicU64, Ordering};

/// What can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// How much waits, and destinations.
    Queue,
    /// Deliveries.
    Deliveries,
    /// Applications and what is decided for them.
    Applications,
    /// Gates.
    Gates,
    /// Runs of approvals.
    Approvals,
    /// The configuration.
    Configuration,
}

impl What {
    /// Everything that can change.
    pub const ALL: [Self; 6] =
        [Self::Queue, Self::Deliveries, Self::Applications, Self::Gates, Self::Approvals, Self::Configuration];

    /// As watchers read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Deliveries => "deliveries",
            Self::Applications => "applications",
            Self::Gates => "gates",
            Self::Approvals => "approvals",
            Self::Configuration => "configuration",
        }
    }
}

/// How often each thing changed since the process began.
#[derive(Debug, Default)]
pub struct Changes {
    counts: [AtomicU64; What::ALL.len()],
}

impl Changes {
    /// Something changed. It is there to be read by now.
    pub fn bump(&self, what: What) {
        self.counts[what as usize].fetch_add(1, Ordering::Release);
    }

    /// Deliveries were made, sent or moved.
    pub fn queue_moved(&self) {
        self.bump(What::Queue);
        self.bump(What::Deliveries);
    }

    /// How often each changed, in the order of [`What::ALL`].
    #[must_use]
    pub fn counts(&self) -> [u64; What::ALL.len()] {
        self.counts.each_ref().map(|count| count.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_counted_for_itself() {
        let changes = Changes::default();
        changes.bump(What::Configuration);
        changes.queue_moved();
        changes.bump(What::Queue);
        assert_eq!(changes.counts(), [2, 1, 0, 0, 0, 1]);
        assert!(What::ALL.iter().enumerate().all(|(place, what)| *what as usize == place));
    }
}
