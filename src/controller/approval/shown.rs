//! Who waits for a run to be shown: told of that run and of no other, so that many who wait do not wake each other.

use crate::gate::approval::RunId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Those who wait, by their run.
#[derive(Default)]
pub struct Shown {
    waiting: Mutex<HashMap<RunId, Arc<Notify>>>,
}

impl Shown {
    /// Waits until `look` says that a run is shown, for at most `patience`. It is asked at first, when the run is told of, and every
    /// `pause` again, since another replica may be the one that shows it.
    pub async fn wait<F>(&self, id: RunId, patience: Duration, pause: Duration, look: impl Fn() -> F) -> bool
    where
        F: Future<Output = bool>,
    {
        let waited = async {
            loop {
                let waiter = Waiter::new(self, id);
                let told = waiter.told.notified();
                tokio::pin!(told);
                // Before the look: what is told from here on is not missed.
                told.as_mut().enable();
                if look().await {
                    return;
                }
                let _ = tokio::time::timeout(pause, told).await;
            }
        };
        tokio::time::timeout(patience, waited).await.is_ok()
    }

    /// These runs are shown.
    pub fn tell(&self, ids: impl IntoIterator<Item = RunId>) {
        let mut waiting = self.held();
        for id in ids {
            if let Some(told) = waiting.remove(&id) {
                told.notify_waiters();
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<RunId, Arc<Notify>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits; forgotten with the last one of its run.
struct Waiter<'a> {
    shown: &'a Shown,
    id: RunId,
    told: Arc<Notify>,
}

impl<'a> Waiter<'a> {
    fn new(shown: &'a Shown, id: RunId) -> Self {
        let told = Arc::clone(shown.held().entry(id).or_default());
        Self { shown, id, told }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut waiting = self.shown.held();
        // One is in the map, one is this waiter's.
        if waiting.get(&self.id).is_some_and(|kept| Arc::ptr_eq(kept, &self.told) && Arc::strong_count(kept) <= 2) {
            waiting.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    const LONG: Duration = Duration::from_secs(600);
    const SHORT: Duration = Duration::from_millis(20);

    fn id(number: u8) -> RunId {
        RunId::new([number; 16])
    }

    #[tokio::test]
    async fn whoever_waits_is_told_of_their_run_only() {
        let (shown, is_shown, looks) = (Shown::default(), AtomicBool::new(false), AtomicUsize::new(0));
        let (is_shown, looks) = (&is_shown, &looks);
        let look = || async move { is_shown.load(Ordering::SeqCst) };
        let other = shown.wait(id(2), LONG, LONG, || async move { looks.fetch_add(1, Ordering::SeqCst) == 1 });
        let telling = async {
            tokio::task::yield_now().await;
            // An older version was shown: nobody takes that for theirs.
            shown.tell([id(1)]);
            tokio::task::yield_now().await;
            is_shown.store(true, Ordering::SeqCst);
            shown.tell([id(1), id(3)]);
            tokio::task::yield_now().await;
            assert_eq!(looks.load(Ordering::SeqCst), 1);
            shown.tell([id(2)]);
        };
        let both = (shown.wait(id(1), LONG, LONG, look), shown.wait(id(1), LONG, LONG, look));
        let (one, too, other, ()) = tokio::join!(both.0, both.1, other, telling);
        assert!(one && too && other);
        assert!(shown.held().is_empty(), "nobody is kept");
    }

    #[tokio::test]
    async fn what_is_shown_already_or_by_another_replica_is_found_and_patience_ends() {
        let (shown, looks) = (Shown::default(), AtomicUsize::new(0));
        let looks = &looks;
        assert!(shown.wait(id(1), LONG, LONG, || async { true }).await);
        assert!(shown.wait(id(1), LONG, SHORT, || async move { looks.fetch_add(1, Ordering::SeqCst) == 2 }).await);
        assert!(!shown.wait(id(1), SHORT, LONG, || async { false }).await);
        assert!(shown.held().is_empty());
    }
}
