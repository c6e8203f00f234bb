//! The keys of callbacks: those that run tokens are made with, and those that access tokens are signed with. All replicas share
//! one ring, kept in one Secret that is made by create-only.
//!
//! A new key is published ten minutes before it is used, so that everybody who verifies knows it by then; an old one is kept as
//! long as a token made with it may live.

use crate::gate::approval::{run, token};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How long before its use a key is published.
pub const PUBLISHED_BEFORE_MS: i64 = 10 * 60 * 1000;
/// How long an access token lives.
pub const ACCESS_TOKEN_LIFE_MS: i64 = 24 * 60 * 60 * 1000;
/// A key that is older gets a successor.
const ROTATED_AFTER_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No random numbers, or a key that cannot be read.
    #[error("failed to make a key: {0}")]
    Make(String),
    /// Signing failed.
    #[error("failed to sign a token: {0}")]
    Sign(String),
}

/// One key of either kind.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    id: String,
    /// Base64: 32 bytes, or PKCS#8.
    secret: String,
    /// Used from here on, Unix milliseconds.
    from_ms: i64,
}

/// All keys.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring {
    /// For run tokens, oldest first.
    run: Vec<Entry>,
    /// For access tokens, oldest first.
    signing: Vec<Entry>,
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.run.iter().chain(&self.signing).map(|entry| entry.id.as_str()).collect();
        f.debug_struct("Ring").field("ids", &ids).finish()
    }
}

impl Ring {
    /// The ring as it should be now; `None` if it is that already.
    ///
    /// # Errors
    /// No random numbers.
    pub fn tended(&self, now_ms: i64) -> Result<Option<Self>, Error> {
        let mut next = self.clone();
        tend(&mut next.run, now_ms, run::TIMEOUT_MAX_MS, || Ok(rand::random::<[u8; 32]>().to_vec()))?;
        tend(&mut next.signing, now_ms, ACCESS_TOKEN_LIFE_MS, signing_key)?;
        Ok((next != *self).then_some(next))
    }

    /// The key that run tokens are made with now.
    #[must_use]
    pub fn run_key(&self, now_ms: i64) -> Option<token::Key> {
        current(&self.run, now_ms).and_then(run_key)
    }

    /// Every key that a run token may have been made with.
    #[must_use]
    pub fn run_keys(&self) -> Vec<token::Key> {
        self.run.iter().filter_map(run_key).collect()
    }

    /// Id and key that access tokens are signed with now.
    pub(super) fn signing(&self, now_ms: i64) -> Option<(String, EncodingKey)> {
        let entry = current(&self.signing, now_ms)?;
        Some((entry.id.clone(), encoding(entry)?))
    }

    /// The public half of every signing key.
    #[must_use]
    pub fn public(&self) -> JwkSet {
        JwkSet { keys: self.signing.iter().filter_map(public).collect() }
    }

    /// The public half of one signing key.
    pub(super) fn public_of(&self, kid: &str) -> Option<Jwk> {
        self.signing.iter().find(|entry| entry.id == kid).and_then(public)
    }
}

fn public(entry: &Entry) -> Option<Jwk> {
    let mut jwk = Jwk::from_encoding_key(&encoding(entry)?, Algorithm::ES256).ok()?;
    jwk.common.key_id = Some(entry.id.clone());
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    Some(jwk)
}

fn run_key(entry: &Entry) -> Option<token::Key> {
    Some(token::Key { id: entry.id.clone(), secret: STANDARD.decode(&entry.secret).ok()? })
}

fn encoding(entry: &Entry) -> Option<EncodingKey> {
    Some(EncodingKey::from_ec_der(&STANDARD.decode(&entry.secret).ok()?))
}

fn signing_key() -> Result<Vec<u8>, Error> {
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    made.map(|key| key.as_ref().to_vec()).map_err(|error| Error::Make(error.to_string()))
}

/// The newest that is in use.
fn current(keys: &[Entry], now_ms: i64) -> Option<&Entry> {
    keys.iter().rev().find(|entry| entry.from_ms <= now_ms)
}

/// Adds a successor in time and drops what no living token was made with.
fn tend(
    keys: &mut Vec<Entry>,
    now_ms: i64,
    token_life_ms: i64,
    make: impl Fn() -> Result<Vec<u8>, Error>,
) -> Result<(), Error> {
    let from_ms = match keys.last() {
        // Nobody has verified anything yet: no reason to wait.
        None => Some(now_ms),
        Some(newest) if newest.from_ms.saturating_add(ROTATED_AFTER_MS) <= now_ms => Some(now_ms + PUBLISHED_BEFORE_MS),
        Some(_) => None,
    };
    if let Some(from_ms) = from_ms {
        let id = data_encoding::HEXLOWER.encode(&rand::random::<[u8; 8]>());
        keys.push(Entry { id, secret: STANDARD.encode(make()?), from_ms });
    }
    let replaced_at: Vec<i64> = keys.iter().skip(1).map(|entry| entry.from_ms).collect();
    let mut index = 0;
    keys.retain(|_| {
        let kept = replaced_at.get(index).is_none_or(|at| at.saturating_add(token_life_ms) > now_ms);
        index += 1;
        kept
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const DAY_MS: i64 = 24 * 60 * 60 * 1000;

    #[test]
    fn the_first_keys_are_used_at_once_and_stay() {
        let ring = Ring::default().tended(1_000).unwrap().unwrap();
        assert!(ring.run_key(1_000).is_some() && ring.signing(1_000).is_some() && ring.run_key(999).is_none());
        assert_eq!(ring.tended(1_000 + ROTATED_AFTER_MS - 1).unwrap(), None);
        assert!(!format!("{ring:?}").contains(&ring.run[0].secret));
    }

    #[test]
    fn a_new_key_is_published_before_it_is_used_and_the_old_one_kept_a_day() {
        let first = Ring::default().tended(0).unwrap().unwrap();
        let second = first.tended(ROTATED_AFTER_MS).unwrap().unwrap();
        let kid = |ring: &Ring, at| ring.signing(at).unwrap().0;
        let used = ROTATED_AFTER_MS + PUBLISHED_BEFORE_MS;
        assert_eq!((second.public().keys.len(), kid(&second, used - 1)), (2, kid(&first, 0)));
        assert_ne!(kid(&second, used), kid(&first, 0));
        assert_eq!(second.tended(used + DAY_MS - 1).unwrap(), None);
        let third = second.tended(used + DAY_MS).unwrap().unwrap();
        assert_eq!((third.signing.len(), third.run.len()), (1, 2), "run tokens live longer");
    }

    #[test]
    fn only_the_public_half_is_published() {
        let ring = Ring::default().tended(0).unwrap().unwrap();
        let text = serde_json::to_string(&ring.public()).unwrap();
        assert!(text.contains("\"ES256\"") && text.contains("\"sig\"") && !text.contains("\"d\""), "{text}");
    }
}
