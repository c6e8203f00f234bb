//! Sessions of browsers: in memory, bounded, known by the digest of an id that only the browser has.
//!
//! A session lives as long as it is used, and never longer than its absolute end. An id is made here and never taken from a browser, so
//! that nobody can be given one beforehand. Time comes in as an argument.

use super::known::{Known, Proof};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq as _;

/// Sessions at once; beyond it the one that was unused for longest ends.
const SESSIONS_MAX: usize = 4096;
/// Sessions of one name at once.
const OF_ONE_MAX: usize = 32;

/// A session as a request finds it.
#[derive(Clone)]
pub(super) struct Session {
    /// Who.
    pub known: Known,
    /// Token that changes carry.
    pub csrf: String,
    /// What it was made of.
    pub proof: Proof,
    /// When the proof was last looked at.
    pub checked: Instant,
    began: Instant,
    used: Instant,
}

impl Session {
    /// Whether a change carries this session's token; compared in constant time.
    pub fn is_meant(&self, csrf: &str) -> bool {
        bool::from(self.csrf.as_bytes().ct_eq(csrf.as_bytes()))
    }
}

/// All sessions.
pub(super) struct Sessions {
    idle: Duration,
    longest: Duration,
    kept: Mutex<HashMap<[u8; 32], Session>>,
}

impl Sessions {
    pub fn new(idle: Duration, longest: Duration) -> Self {
        Self { idle, longest, kept: Mutex::default() }
    }

    /// Begins a session; the answer is its id, for the browser alone.
    pub fn begin(&self, known: Known, proof: Proof, now: Instant) -> String {
        let (id, csrf) = (random(), random());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, session| self.lives(session, now));
        let of_same = kept.values().filter(|session| session.known.name == known.name).count();
        if of_same >= OF_ONE_MAX {
            end_oldest(&mut kept, |session| session.known.name == known.name);
        } else if kept.len() >= SESSIONS_MAX {
            end_oldest(&mut kept, |_| true);
        }
        kept.insert(digest(&id), Session { known, csrf, proof, checked: now, began: now, used: now });
        id
    }

    /// The session of an id, used now.
    pub fn find(&self, id: &str, now: Instant) -> Option<Session> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let key = digest(id);
        if !self.lives(kept.get(&key)?, now) {
            kept.remove(&key);
            return None;
        }
        let session = kept.get_mut(&key)?;
        session.used = now;
        Some(session.clone())
    }

    /// Notes what a look at the proof came to.
    pub fn checked(&self, id: &str, known: Known, now: Instant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = kept.get_mut(&digest(id)) {
            session.known = known;
            session.checked = now;
        }
    }

    /// Ends a session.
    pub fn end(&self, id: &str) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest(id));
    }

    fn lives(&self, session: &Session, now: Instant) -> bool {
        now.duration_since(session.used) < self.idle && now.duration_since(session.began) < self.longest
    }
}

fn end_oldest(kept: &mut HashMap<[u8; 32], Session>, among: impl Fn(&Session) -> bool) {
    let oldest = kept.iter().filter(|(_, session)| among(session)).min_by_key(|(_, session)| session.used);
    if let Some(key) = oldest.map(|(key, _)| *key) {
        kept.remove(&key);
    }
}

fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

fn digest(id: &str) -> [u8; 32] {
    Sha256::digest(id.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn sessions() -> (Sessions, Instant) {
        (Sessions::new(10 * MINUTE, 60 * MINUTE), Instant::now())
    }

    fn begin(sessions: &Sessions, name: &str, now: Instant) -> String {
        sessions.begin(Known { name: name.to_owned(), ..Known::keeper("x") }, Proof::Login, now)
    }

    #[test]
    fn a_session_ends_when_it_is_not_used_and_at_its_end_in_any_case() {
        let (sessions, start) = sessions();
        let id = begin(&sessions, "ann", start);
        assert!(sessions.find(&id, start + 9 * MINUTE).is_some());
        assert!(sessions.find(&id, start + 18 * MINUTE).is_some(), "it was used");
        assert!(sessions.find(&id, start + 28 * MINUTE).is_none(), "it was not");
        let id = begin(&sessions, "ann", start);
        assert!((0..12).all(|n| sessions.find(&id, start + n * 5 * MINUTE).is_some()));
        assert!(sessions.find(&id, start + 60 * MINUTE).is_none(), "used or not");
    }

    #[test]
    fn an_id_is_made_here_and_known_by_its_digest() {
        let (sessions, now) = sessions();
        let (one, two) = (begin(&sessions, "ann", now), begin(&sessions, "ann", now));
        assert!(one != two && one.len() == 43);
        assert!(sessions.find("chosen-by-somebody", now).is_none());
        let (first, second) = (sessions.find(&one, now).unwrap(), sessions.find(&two, now).unwrap());
        assert!(first.is_meant(&first.csrf) && !first.is_meant(&second.csrf) && !first.is_meant(""));
        sessions.end(&one);
        assert!(sessions.find(&one, now).is_none() && sessions.find(&two, now).is_some());
    }

    #[test]
    fn there_are_only_so_many() {
        let (sessions, now) = sessions();
        let first = begin(&sessions, "ann", now);
        for n in 1..=OF_ONE_MAX {
            begin(&sessions, "ann", now + Duration::from_millis(n as u64));
        }
        assert!(sessions.find(&first, now).is_none(), "the one that was unused for longest ends");
        for n in 0..SESSIONS_MAX + 10 {
            begin(&sessions, &format!("p{n}"), now + MINUTE);
        }
        assert!(sessions.kept.lock().unwrap().len() <= SESSIONS_MAX);
    }
}
