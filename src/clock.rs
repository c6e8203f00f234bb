//! The one room that reads the wall clock. Everything else is given the time.

/// Nanosecond-precise time since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Whole seconds.
    pub secs: i64,
    /// 0…999,999,999.
    pub nanos: u32,
}

impl Now {
    /// Milliseconds since the Unix epoch, the unit of stored times.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.secs.saturating_mul(1000).saturating_add(i64::from(self.nanos / 1_000_000))
    }

    /// Nanoseconds since the Unix epoch, the unit of spans.
    #[must_use]
    pub fn unix_nanos(self) -> u64 {
        self.secs.max(0).unsigned_abs().saturating_mul(1_000_000_000).saturating_add(u64::from(self.nanos))
    }
}

/// Reads the wall clock.
#[must_use]
#[allow(clippy::disallowed_methods)]
pub fn now() -> Now {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Now { secs: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), nanos: since.subsec_nanos() }
}
