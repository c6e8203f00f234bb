//! What is remembered of gates beside their status: in the store, by UID, with the time it was last kept.
//!
//! Never here: what is remembered (`crate::gate::Memory`).

use super::super::memory::{with_time, without_time};
use super::lock;
use crate::gate::Memory;
use crate::outbox::{Error, Store};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Where memories lie among the store's values.
const PREFIX: &str = "gate/";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// How long a memory, or an intent, is kept that nothing uses.
const UNUSED_MAX_MS: i64 = 30 * DAY_MS;

/// The memories of the gates that this process handles; the store has them too.
pub(super) struct Memories {
    store: Arc<dyn Store>,
    known: Mutex<HashMap<String, Kept>>,
}

/// As it was last kept, as text: a tenth of its size as a value.
#[derive(Clone, Default)]
struct Kept {
    text: String,
    at_ms: i64,
}

impl Memories {
    /// Those of a store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, known: Mutex::default() }
    }

    /// What is remembered of a gate.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn recall(&self, uid: &str) -> Result<Memory, Error> {
        if let Some(kept) = lock(&self.known).get(uid) {
            return Ok(read(&kept.text));
        }
        let bytes = self.store.value(&format!("{PREFIX}{uid}")).await?;
        let text = bytes.and_then(|bytes| without_time(&bytes)).unwrap_or_default();
        let memory = read(&text);
        lock(&self.known).insert(uid.to_owned(), Kept { text, at_ms: 0 });
        Ok(memory)
    }

    /// Keeps what is to be remembered, if it is new, or was kept long ago.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn keep(&self, uid: &str, memory: &Memory, now_ms: i64) -> Result<(), Error> {
        let text = serde_json::to_string(memory).unwrap_or_default();
        let is_fresh = |kept: &Kept| kept.text == text && now_ms.saturating_sub(kept.at_ms) < DAY_MS;
        if lock(&self.known).get(uid).is_some_and(is_fresh) {
            return Ok(());
        }
        self.store.set_value(&format!("{PREFIX}{uid}"), with_time(&text, now_ms)).await?;
        lock(&self.known).insert(uid.to_owned(), Kept { text, at_ms: now_ms });
        Ok(())
    }

    /// A gate is gone, or handled elsewhere: the store forgets it in its time.
    pub fn release(&self, uid: &str) {
        lock(&self.known).remove(uid);
    }
}

/// One that cannot be read is as good as none.
fn read(text: &str) -> Memory {
    serde_json::from_str(text).unwrap_or_default()
}

/// Forgets memories and intents that nothing has used for a month; returns how many.
///
/// # Errors
/// The store cannot be written.
pub async fn forget_unused(store: &dyn Store, now_ms: i64) -> Result<u64, Error> {
    let before_ms = now_ms.saturating_sub(UNUSED_MAX_MS);
    let memories = store.forget_values(PREFIX, before_ms).await?;
    Ok(memories + store.forget_intents(before_ms).await?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::outbox::SqliteStore;

    #[tokio::test]
    async fn a_later_process_remembers_and_a_month_forgets() {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::in_memory().await.unwrap());
        let (first, now_ms) = (Memories::new(Arc::clone(&store)), 1_800_000_000_000);
        assert_eq!(first.recall("u").await.unwrap(), Memory::default());
        let memory = Memory { generation: 3, failures: 1, ..Memory::default() };
        first.keep("u", &memory, now_ms).await.unwrap();
        let second = Memories::new(Arc::clone(&store));
        assert_eq!(second.recall("u").await.unwrap(), memory);
        second.keep("u", &memory, now_ms + DAY_MS).await.unwrap();
        assert_eq!(
            forget_unused(store.as_ref(), now_ms + UNUSED_MAX_MS + 1).await.unwrap(),
            0,
            "it was kept a day later"
        );
        assert_eq!(forget_unused(store.as_ref(), now_ms + DAY_MS + UNUSED_MAX_MS + 1).await.unwrap(), 1);
        assert_eq!(Memories::new(store).recall("u").await.unwrap(), Memory::default());
    }
}
