//! What the vectors' runner is made of: cases, environments, the tagged JSON form of values.

pub mod codec;
pub mod environment;

use gatepost_value::{Budget, CallContext, Limits, Location, Time};
use std::time::Duration;

/// 2026-11-21T12:00:00Z: later than all times in the vectors.
const NOW: i64 = 1_795_262_400;

/// Wide limits: vectors go to the edge of expr's own budgets, which our own default limits lie below.
pub fn wide() -> Limits {
    Limits {
        steps: 100_000_000,
        time: Duration::from_secs(60),
        call_bytes: 256 << 20,
        live_bytes: 1 << 30,
        ..Limits::default()
    }
}

/// A context with a fixed time, in UTC.
pub fn context<'b>(budget: &'b Budget, random: &'b dyn Fn(&mut [u8])) -> CallContext<'b> {
    CallContext { budget, now: Time::unix(NOW, 0), local: Location::Utc, random, costly: false }
}
