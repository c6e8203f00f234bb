//! Limits that both engines share, and the meter that one render or evaluation runs on.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// What one render or evaluation may use. All are settable.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of output of one render.
    pub output_bytes: u64,
    /// Steps: nodes executed, loop rounds, elements visited by built-ins.
    pub steps: u64,
    /// Wall time of one run.
    pub time: Duration,
    /// Bytes that one function call may make.
    pub call_bytes: u64,
    /// Bytes made by all calls and concatenations of one run.
    pub live_bytes: u64,
    /// Nesting of templates and of evaluation.
    pub depth: u32,
    /// Nesting of the source text when parsing.
    pub parse_depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            output_bytes: 1 << 20,
            steps: 1_000_000,
            time: Duration::from_millis(500),
            call_bytes: 1 << 20,
            live_bytes: 64 << 20,
            depth: 1_000,
            parse_depth: 1_000,
        }
    }
}

/// Which limit was hit and how large it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("limit `{limit}` exceeded (allowed: {allowed})")]
pub struct LimitError {
    /// Name of the limit as in [`Limits`].
    pub limit: &'static str,
    /// The limit's value in its own unit (time: milliseconds).
    pub allowed: u64,
}

/// Meter of one run. Not shared between threads.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    steps: Cell<u64>,
    live: Cell<u64>,
    depth: Cell<u32>,
    deadline: Cell<Instant>,
}

impl Budget {
    /// Starts the meter; the clock of the time limit runs from here.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let deadline = Cell::new(Self::deadline(&limits));
        Self { limits, steps: Cell::new(0), live: Cell::new(0), depth: Cell::new(0), deadline }
    }
    fn deadline(limits: &Limits) -> Instant {
        Instant::now() + limits.time
    }
    /// The limits this run has.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
    /// Counts `n` steps; looks at the clock now and then.
    ///
    /// # Errors
    /// `steps` or `time`.
    pub fn step(&self, n: u64) -> Result<(), LimitError> {
        let before = self.steps.get();
        let after = before.saturating_add(n);
        self.steps.set(after);
        if after > self.limits.steps {
            return Err(LimitError { limit: "steps", allowed: self.limits.steps });
        }
        if before / 1024 != after / 1024 { self.check_time() } else { Ok(()) }
    }
    /// Looks at the clock.
    ///
    /// # Errors
    /// `time`.
    pub fn check_time(&self) -> Result<(), LimitError> {
        if Instant::now() < self.deadline.get() {
            return Ok(());
        }
        let allowed = u64::try_from(self.limits.time.as_millis()).unwrap_or(u64::MAX);
        Err(LimitError { limit: "time", allowed })
    }
    /// Runs what the time limit does not count: work that the operator switched on, and that is bounded by its steps.
    pub fn uncounted<T>(&self, run: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let answer = run();
        self.deadline.set(self.deadline.get() + started.elapsed());
        answer
    }
    /// Asked before a call makes `n` bytes (or `n` elements of 16 bytes): nothing is allocated when this fails.
    ///
    /// # Errors
    /// `call_bytes` or `live_bytes`.
    pub fn allocate(&self, n: u64) -> Result<(), LimitError> {
        if n > self.limits.call_bytes {
            return Err(LimitError { limit: "call_bytes", allowed: self.limits.call_bytes });
        }
        let live = self.live.get().saturating_add(n);
        self.live.set(live);
        if live > self.limits.live_bytes {
            return Err(LimitError { limit: "live_bytes", allowed: self.limits.live_bytes });
        }
        Ok(())
    }
    /// Goes one level deeper; pair with [`Budget::leave`].
    ///
    /// # Errors
    /// `depth`.
    pub fn enter(&self) -> Result<(), LimitError> {
        let depth = self.depth.get() + 1;
        if depth > self.limits.depth {
            return Err(LimitError { limit: "depth", allowed: u64::from(self.limits.depth) });
        }
        self.depth.set(depth);
        Ok(())
    }
    /// Comes back one level.
    pub fn leave(&self) {
        self.depth.set(self.depth.get().saturating_sub(1));
    }
}
