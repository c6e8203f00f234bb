//! The scrubber in force: made when somebody first asks after a change, so that a thousand changes at the start cost one.

use super::{Relay, Report};
use crate::egress::redact::Scrubber;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// What was made last, and after which change.
#[derive(Default)]
pub(super) struct Secrecy {
    changes: AtomicU64,
    made: RwLock<(u64, Arc<Scrubber>)>,
}

impl Secrecy {
    /// Something secret may have come or gone.
    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// The last one made; `Err` where it is out of date.
    fn last(&self) -> Result<Arc<Scrubber>, Arc<Scrubber>> {
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        let scrubber = Arc::clone(&made.1);
        if made.0 == self.changes.load(Ordering::Acquire) { Ok(scrubber) } else { Err(scrubber) }
    }

    fn renew(&self, make: impl FnOnce() -> Scrubber) -> Arc<Scrubber> {
        let changes = self.changes.load(Ordering::Acquire);
        let scrubber = Arc::new(make());
        *self.made.write().unwrap_or_else(PoisonError::into_inner) = (changes, Arc::clone(&scrubber));
        scrubber
    }
}

impl Relay {
    /// Masks what is secret: values of Secrets and of options, of now and of before the last rotation.
    #[must_use]
    pub fn scrubber(&self) -> Arc<Scrubber> {
        self.secrecy.last().unwrap_or_else(|_| self.secrecy.renew(|| self.read().scrubber()))
    }

    /// The same for log lines, which may come from where the configuration is being changed: never waits, and takes the
    /// last one then.
    #[must_use]
    pub fn log_scrubber(&self) -> Arc<Scrubber> {
        self.secrecy.last().unwrap_or_else(|last| match self.current.try_read() {
            Ok(current) => self.secrecy.renew(|| current.scrubber()),
            Err(_) => last,
        })
    }

    /// Hides further secrets: those of the proxy and of the store.
    pub fn hide(&self, secrets: Vec<Vec<u8>>) {
        self.current.write().unwrap_or_else(PoisonError::into_inner).hide(secrets);
        self.secrecy.changed();
    }

    /// Tells an owner, without what is secret.
    pub(super) fn report(&self, report: Report) {
        let message = self.scrubber().scrub(&report.message);
        self.reporter.report(Report { message, ..report });
    }
}
