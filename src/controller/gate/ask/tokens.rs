//! Tokens that are used until shortly before their end. Whoever asks for one that somebody is already fetching waits for it.
//!
//! Keys are digests, so that no credential is kept beside its token. A failure is remembered for a second: those who waited
//! share it instead of each trying in turn.

use super::error::Denied;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Slots kept; beyond it those go whose token has ended, then those that nobody uses.
const MOST: usize = 1024;
/// How long a failure is everybody's.
const SHARED_FAILURE: Duration = Duration::from_secs(1);

/// What a token is kept by: everything that it depends on, the credentials' values included.
pub(super) type Key = [u8; 32];

/// A key of its parts.
pub(super) fn key(parts: &[&[u8]]) -> Key {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A token and how long it may be used.
#[derive(Clone)]
pub(super) struct Token {
    /// The token itself.
    pub value: Arc<str>,
    /// Time from its making.
    pub lifetime: Duration,
}

/// What was handed out.
#[derive(Clone)]
pub(super) struct Held {
    /// The token.
    pub value: Arc<str>,
    /// Whether it was there already: then a refusal may mean that it was revoked.
    pub reused: bool,
}

/// All tokens.
#[derive(Default)]
pub(super) struct Tokens {
    slots: Mutex<HashMap<Key, Arc<tokio::sync::Mutex<Slot>>>>,
}

#[derive(Default)]
struct Slot {
    token: Option<(Arc<str>, Instant)>,
    failure: Option<(Denied, Instant)>,
}

impl Tokens {
    /// The token of a key, fetched if there is none that is good.
    pub(super) async fn get<F>(&self, key: Key, fetch: F) -> Result<Held, Denied>
    where
        F: Future<Output = Result<Token, Denied>>,
    {
        let slot = self.slot(key);
        let mut slot = slot.lock().await;
        let now = Instant::now();
        if let Some((value, until)) = &slot.token
            && *until > now
        {
            return Ok(Held { value: Arc::clone(value), reused: true });
        }
        if let Some((denied, until)) = &slot.failure
            && *until > now
        {
            return Err(denied.clone());
        }
        match fetch.await {
            Ok(token) => {
                *slot =
                    Slot { token: Some((Arc::clone(&token.value), Instant::now() + token.lifetime)), failure: None };
                Ok(Held { value: token.value, reused: false })
            }
            Err(denied) => {
                *slot = Slot { token: None, failure: Some((denied.clone(), Instant::now() + SHARED_FAILURE)) };
                Err(denied)
            }
        }
    }

    /// Drops a token that was refused, unless another has taken its place.
    pub(super) async fn forget(&self, key: Key, refused: &str) {
        let slot = self.slot(key);
        let mut slot = slot.lock().await;
        if slot.token.as_ref().is_some_and(|(value, _)| &**value == refused) {
            slot.token = None;
        }
    }

    fn slot(&self, key: Key) -> Arc<tokio::sync::Mutex<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MOST && !slots.contains_key(&key) {
            make_room(&mut slots);
        }
        Arc::clone(slots.entry(key).or_default())
    }
}

fn make_room(slots: &mut HashMap<Key, Arc<tokio::sync::Mutex<Slot>>>) {
    let now = Instant::now();
    let good = |slot: &tokio::sync::Mutex<Slot>| {
        slot.try_lock().is_ok_and(|slot| slot.token.as_ref().is_some_and(|(_, until)| *until > now))
    };
    slots.retain(|_, slot| Arc::strong_count(slot) > 1 || good(slot));
    if slots.len() >= MOST {
        slots.retain(|_, slot| Arc::strong_count(slot) > 1);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn token(value: &str, lifetime: u64) -> Token {
        Token { value: value.into(), lifetime: Duration::from_secs(lifetime) }
    }

    #[tokio::test]
    async fn many_who_ask_at_once_fetch_once() {
        let (tokens, fetched) = (Tokens::default(), AtomicUsize::new(0));
        let all = (0..20).map(|_| {
            tokens.get(key(&[b"a"]), async {
                fetched.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(token("t", 60))
            })
        });
        let held = futures::future::join_all(all).await;
        assert_eq!(fetched.load(Ordering::SeqCst), 1);
        assert_eq!(held.iter().filter(|one| one.as_ref().unwrap().reused).count(), 19);
    }

    #[tokio::test]
    async fn those_who_waited_share_the_failure() {
        let (tokens, fetched) = (Tokens::default(), AtomicUsize::new(0));
        let all = (0..5).map(|_| {
            tokens.get(key(&[b"a"]), async {
                fetched.fetch_add(1, Ordering::SeqCst);
                Err(Denied::lasting("no"))
            })
        });
        assert!(futures::future::join_all(all).await.iter().all(Result::is_err));
        assert_eq!(fetched.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn one_that_ended_or_was_refused_is_fetched_anew() {
        let tokens = Tokens::default();
        let get = |value: &'static str, lifetime| tokens.get(key(&[b"a"]), async move { Ok(token(value, lifetime)) });
        assert_eq!(&*get("1", 0).await.unwrap().value, "1");
        assert_eq!(&*get("2", 60).await.unwrap().value, "2");
        tokens.forget(key(&[b"a"]), "1").await;
        assert_eq!(&*get("3", 60).await.unwrap().value, "2", "another was refused");
        tokens.forget(key(&[b"a"]), "2").await;
        assert_eq!(&*get("3", 60).await.unwrap().value, "3");
    }

    #[tokio::test]
    async fn slots_are_bounded() {
        let tokens = Tokens::default();
        for n in 0..MOST * 2 {
            tokens.get(key(&[&n.to_le_bytes()]), async { Ok(token("t", 60)) }).await.unwrap();
        }
        assert!(tokens.slots.lock().unwrap().len() <= MOST);
    }
}
