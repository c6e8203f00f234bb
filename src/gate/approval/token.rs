//! Run tokens: proof that its bearer was given this run's request. HMAC-SHA256 under a key that is named, over the approval's
//! UID, run, SHA and deadline; all of it is in the token, so that it is checked before anything is looked up. Never stored.

use super::run::{ApprovalId, Run, RunId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// First part of every run token.
pub const PREFIX: &str = "gpr1";
/// Longest token that is looked at.
const LENGTH_MAX: usize = 1024;

/// A key that run tokens are made with.
#[derive(Clone)]
pub struct Key {
    /// Its name in the token: letters, digits, `-` and `_`.
    pub id: String,
    /// 32 random bytes.
    pub secret: Vec<u8>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a token says, once it is known as ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// UID of the approval.
    #[serde(rename = "a")]
    pub approval_uid: String,
    /// The run.
    #[serde(rename = "r")]
    pub run: RunId,
    /// The SHA it is bound to.
    #[serde(rename = "s")]
    pub sha: String,
    /// Its deadline, Unix milliseconds.
    #[serde(rename = "d")]
    pub deadline_ms: i64,
}

impl Claims {
    /// What the token of a run says.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        let ApprovalId { uid, .. } = &run.approval;
        Self { approval_uid: uid.clone(), run: run.id, sha: run.subject.sha.clone(), deadline_ms: run.deadline_ms }
    }
}

/// The token of a run.
#[must_use]
pub fn make(key: &Key, claims: &Claims) -> String {
    let said = serde_json::to_vec(claims).unwrap_or_default();
    let signed = format!("{PREFIX}.{}.{}", key.id, URL_SAFE_NO_PAD.encode(said));
    let code = code(key, signed.as_bytes()).map(|mac| mac.finalize().into_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(code.unwrap_or_default()))
}

/// Whether a bearer's text has the form of a run token, right or wrong.
#[must_use]
pub fn is_one(bearer: &str) -> bool {
    bearer.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with('.'))
}

/// What a token says, if one of the keys made it. Compared in constant time.
#[must_use]
pub fn verify(keys: &[Key], token: &str) -> Option<Claims> {
    if token.len() > LENGTH_MAX || !is_one(token) {
        return None;
    }
    let (signed, given) = token.rsplit_once('.')?;
    let (head, said) = signed.rsplit_once('.')?;
    let id = head.strip_prefix(PREFIX)?.strip_prefix('.')?;
    let key = keys.iter().find(|key| key.id == id)?;
    let given = URL_SAFE_NO_PAD.decode(given).ok()?;
    code(key, signed.as_bytes())?.verify_slice(&given).ok()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(said).ok()?).ok()
}

fn code(key: &Key, signed: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.secret).ok()?;
    mac.update(signed);
    Some(mac)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn key(id: &str, byte: u8) -> Key {
        Key { id: id.to_owned(), secret: vec![byte; 32] }
    }

    fn claims() -> Claims {
        Claims { approval_uid: "u".into(), run: RunId::new([7; 16]), sha: "abc".into(), deadline_ms: 5 }
    }

    #[test]
    fn the_key_that_made_it_knows_it_and_no_other() {
        let token = make(&key("k1", 1), &claims());
        assert_eq!(verify(&[key("k2", 2), key("k1", 1)], &token).unwrap(), claims());
        assert!(verify(&[key("k1", 2)], &token).is_none() && verify(&[key("k2", 1)], &token).is_none());
        assert!(is_one(&token) && !is_one("eyJhbGciOi.x.y") && !format!("{:?}", key("k1", 1)).contains("[1"));
    }

    proptest! {
        #[test]
        fn a_changed_token_is_no_token(at in 0_usize..400, with in any::<char>()) {
            let token = make(&key("k1", 1), &claims());
            let mut chars: Vec<char> = token.chars().collect();
            let at = at % chars.len();
            let old = std::mem::replace(&mut chars[at], with);
            let changed: String = chars.into_iter().collect();
            // The last character of a part carries bits that no byte has.
            let said = verify(&[key("k1", 1)], &changed);
            prop_assert!(old == with || said.is_none() || said == Some(claims()));
        }

        #[test]
        fn nonsense_is_no_token(text in ".{0,300}") {
            let token = format!("{PREFIX}.k1.{text}");
            prop_assert!(verify(&[key("k1", 1)], &token).is_none());
        }
    }
}
