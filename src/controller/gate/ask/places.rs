//! How many questions are on their way at once: a namespace's slow endpoints take its own places, not everybody's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places, in all and for each namespace.
pub(super) struct Places {
    all: Arc<Semaphore>,
    each: usize,
    namespaces: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A place; given back when dropped.
pub(super) struct Place {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(all: usize, each: usize) -> Self {
        let all = Arc::new(Semaphore::new(all.max(1)));
        Self { all, each: each.max(1), namespaces: Mutex::new(HashMap::new()) }
    }

    /// Waits for a place of the namespace, then for one of all. `None` never comes: the semaphores are not closed.
    pub(super) async fn take(&self, namespace: &str) -> Option<Place> {
        let own = self.of(namespace).acquire_owned().await.ok()?;
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Place { _own: own, _all: all })
    }

    fn of(&self, namespace: &str) -> Arc<Semaphore> {
        let mut known = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody holds or waits for are as good as new ones.
        known.retain(|name, places| name == namespace || Arc::strong_count(places) > 1);
        Arc::clone(known.entry(namespace.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(self.each))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[tokio::test]
    async fn a_namespace_waits_for_itself_only() {
        let places = Places::new(3, 2);
        let (first, _second) = (places.take("a").await, places.take("a").await);
        assert!(places.take("a").now_or_never().is_none());
        let other = places.take("b").await;
        assert!(places.take("b").now_or_never().is_none(), "three in all");
        drop(first);
        assert!(places.take("b").now_or_never().is_some());
        drop(other);
        assert!(places.take("c").now_or_never().is_some());
        assert!(places.namespaces.lock().unwrap_or_else(PoisonError::into_inner).len() <= 2, "unused ones go");
    }
}
