//! Bodies, answers and runs of approvals encrypted at rest: XChaCha20-Poly1305, a random nonce for each, the id of the key beside the row.
//!
//! The row's id and what the bytes are (body, the answer of one attempt, a run) are authenticated with them, so that nothing can be moved
//! from one row to another. The first key of the file writes, all of them read: rotation is a new first line. Without keys nothing is
//! encrypted, and what is encrypted stays closed: [`Locked`] says which key is missing, and only what needs it waits.
//! Keys are never printed, neither in errors nor for debugging.

use super::delivery::DeliveryId;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use std::fmt;

const NONCE_BYTES: usize = 24;
const KEY_BYTES: usize = 32;
const MAX_ID_LEN: usize = 64;
/// How long a delivery waits before it is looked at again whether its key has come.
pub(super) const LOCKED_WAIT_MS: i64 = 60_000;

/// Keys that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the encryption keys cannot be used: line {line} {cause}; a line is `<id> <base64 of 32 bytes>`, as `echo k1 $(head -c 32 /dev/urandom | base64)` makes it"
)]
pub struct Error {
    line: usize,
    cause: &'static str,
}

/// Bytes that stay closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Locked {
    /// The key is not among those given.
    #[error(
        "encrypted with the key {0:?}, which is not among store.encryptionKeyFile or store.encryptionKeys; add its line there"
    )]
    MissingKey(String),
    /// The key is there and does not open it.
    #[error("the key {0:?} does not open it: another key had this id, or the row was altered")]
    Refused(String),
}

/// What is sealed; part of what is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The body of a delivery.
    Body,
    /// The answer to one attempt.
    Answer { at_ms: i64 },
}

/// Bytes as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub bytes: Vec<u8>,
    /// Id of the key; `None`: plain.
    pub key_id: Option<String>,
}

/// The keys in force, the writing one first. Empty: nothing is encrypted.
#[derive(Default)]
pub struct Keys {
    ring: Vec<(String, XChaCha20Poly1305)>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl Keys {
    /// Reads lines of `<id> <base64 of 32 bytes>`; empty lines and those that begin with `#` are skipped. Commas part lines as well.
    ///
    /// # Errors
    /// A line of another form, or an id twice.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut keys = Self::default();
        for (index, line) in text.split(['\n', ',']).enumerate() {
            let line_text = line.trim();
            if line_text.is_empty() || line_text.starts_with('#') {
                continue;
            }
            let failed = |cause| Error { line: index + 1, cause };
            let (id, key) =
                line_text.split_once(char::is_whitespace).ok_or_else(|| failed("has no key after the id"))?;
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if id.len() > MAX_ID_LEN || !id.chars().all(is_plain) {
                return Err(failed("has an id with other characters than A-Z a-z 0-9 . _ -, or a very long one"));
            }
            if keys.ids().any(|known| known == id) {
                return Err(failed("repeats an id"));
            }
            let bytes = STANDARD.decode(key.trim()).map_err(|_| failed("has a key that is not base64"))?;
            let bytes: [u8; KEY_BYTES] = bytes.try_into().map_err(|_| failed("has a key that is not 32 bytes long"))?;
            keys.ring.push((id.to_owned(), XChaCha20Poly1305::new(&bytes.into())));
        }
        Ok(keys)
    }

    /// Ids, the writing one first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.ring.iter().map(|(id, _)| id.as_str())
    }

    /// Whether what is stored from now on is encrypted.
    #[must_use]
    pub fn encrypts(&self) -> bool {
        !self.ring.is_empty()
    }

    /// Says in the log what waits for a key that is not there.
    pub(super) fn warn_if_missing(&self, key_id: &str, count: i64, of: &str) {
        if !self.ids().any(|known| known == key_id) {
            let missing = Locked::MissingKey(key_id.to_owned());
            tracing::warn!(count, "{of} are {missing}; they wait for it");
        }
    }

    /// Encrypts with the first key; without keys the bytes stay as they are.
    pub(super) fn seal(&self, id: DeliveryId, part: Part, plain: &[u8]) -> Result<Stored, super::store::Error> {
        self.encrypt(&bound(id, part), plain)
    }

    /// The same for the last that was seen of an object.
    pub(super) fn seal_object(&self, uid: &str, plain: &[u8]) -> Result<Stored, super::store::Error> {
        self.encrypt(&bound_to_object(uid), plain)
    }

    /// The same for a run of an approval.
    pub(super) fn seal_run(&self, id: &str, plain: &[u8]) -> Result<Stored, super::store::Error> {
        self.encrypt(&bound_to_run(id), plain)
    }

    fn encrypt(&self, aad: &[u8], plain: &[u8]) -> Result<Stored, super::store::Error> {
        let Some((key_id, cipher)) = self.ring.first() else {
            return Ok(Stored { bytes: plain.to_vec(), key_id: None });
        };
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad });
        let sealed = sealed.map_err(|_| super::store::Error::Unstorable("the body cannot be encrypted".to_owned()))?;
        Ok(Stored { bytes: [&nonce[..], &sealed].concat(), key_id: Some(key_id.clone()) })
    }

    /// Opens what [`Keys::seal`] made; plain bytes stay as they are.
    pub(super) fn open(
        &self,
        id: DeliveryId,
        part: Part,
        key_id: Option<&str>,
        bytes: Vec<u8>,
    ) -> Result<Vec<u8>, Locked> {
        self.decrypt(&bound(id, part), key_id, bytes)
    }

    /// Opens what [`Keys::seal_object`] made.
    pub(super) fn open_object(&self, uid: &str, key_id: Option<&str>, bytes: Vec<u8>) -> Result<Vec<u8>, Locked> {
        self.decrypt(&bound_to_object(uid), key_id, bytes)
    }

    /// Opens what [`Keys::seal_run`] made.
    pub(super) fn open_run(&self, id: &str, key_id: &str, bytes: Vec<u8>) -> Result<Vec<u8>, Locked> {
        self.decrypt(&bound_to_run(id), Some(key_id), bytes)
    }

    fn decrypt(&self, aad: &[u8], key_id: Option<&str>, bytes: Vec<u8>) -> Result<Vec<u8>, Locked> {
        let Some(key_id) = key_id else { return Ok(bytes) };
        let known = self.ring.iter().find(|(known, _)| known == key_id);
        let (_, cipher) = known.ok_or_else(|| Locked::MissingKey(key_id.to_owned()))?;
        let refused = || Locked::Refused(key_id.to_owned());
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or_else(refused)?;
        let payload = Payload { msg: sealed, aad };
        cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| refused())
    }
}

/// What is authenticated beside the bytes.
fn bound(id: DeliveryId, part: Part) -> Vec<u8> {
    let (word, at_ms) = match part {
        Part::Body => (&b"gatepost body"[..], 0),
        Part::Answer { at_ms } => (&b"gatepost answer"[..], at_ms),
    };
    [word, id.as_bytes(), &at_ms.to_be_bytes()].concat()
}

fn bound_to_object(uid: &str) -> Vec<u8> {
    [&b"gatepost object"[..], uid.as_bytes()].concat()
}

fn bound_to_run(id: &str) -> Vec<u8> {
    [&b"gatepost run"[..], id.as_bytes()].concat()
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    /// One line of a key file, from a repeated byte.
    pub fn line(id: &str, byte: u8) -> String {
        format!("{id} {}\n", STANDARD.encode([byte; KEY_BYTES]))
    }

    fn delivery(millis: i64) -> DeliveryId {
        DeliveryId::new(millis, [7; 10])
    }

    #[test]
    fn what_is_sealed_opens_for_the_same_row_and_part_only() {
        let keys = Keys::parse(&line("k1", 1)).unwrap();
        let sealed = keys.seal(delivery(1), Part::Body, b"plain words").unwrap();
        assert!(!sealed.bytes.windows(5).any(|window| window == b"plain"));
        let open = |id, part, bytes: Vec<u8>| keys.open(id, part, sealed.key_id.as_deref(), bytes);
        assert_eq!(open(delivery(1), Part::Body, sealed.bytes.clone()).unwrap(), b"plain words");
        assert!(open(delivery(2), Part::Body, sealed.bytes.clone()).is_err());
        assert!(open(delivery(1), Part::Answer { at_ms: 0 }, sealed.bytes.clone()).is_err());
        for index in 0..sealed.bytes.len() {
            let mut altered = sealed.bytes.clone();
            altered[index] ^= 1;
            assert_eq!(open(delivery(1), Part::Body, altered), Err(Locked::Refused("k1".into())));
        }
        assert!(open(delivery(1), Part::Body, vec![1, 2]).is_err());
    }

    #[test]
    fn an_object_opens_under_its_own_uid_only_and_a_run_under_its_own_id() {
        let keys = Keys::parse(&line("k1", 1)).unwrap();
        let sealed = keys.seal_run("u", b"plain words").unwrap();
        assert_eq!(keys.open_run("u", "k1", sealed.bytes.clone()).unwrap(), b"plain words");
        assert!(keys.open_run("v", "k1", sealed.bytes.clone()).is_err());
        assert!(keys.open_object("u", Some("k1"), sealed.bytes).is_err());
        let sealed = keys.seal_object("u", b"plain words").unwrap();
        assert_eq!(keys.open_object("u", Some("k1"), sealed.bytes.clone()).unwrap(), b"plain words");
        assert!(keys.open_object("v", Some("k1"), sealed.bytes).is_err());
    }

    #[test]
    fn a_new_first_line_writes_and_the_old_one_still_reads() {
        let old = Keys::parse(&line("k1", 1)).unwrap();
        let sealed = old.seal(delivery(1), Part::Body, b"x").unwrap();
        let both = Keys::parse(&(line("k2", 2) + &line("k1", 1))).unwrap();
        assert_eq!(both.open(delivery(1), Part::Body, sealed.key_id.as_deref(), sealed.bytes.clone()).unwrap(), b"x");
        assert_eq!(both.seal(delivery(1), Part::Body, b"x").unwrap().key_id.as_deref(), Some("k2"));
        let new = Keys::parse(&line("k2", 2)).unwrap();
        let missing = new.open(delivery(1), Part::Body, sealed.key_id.as_deref(), sealed.bytes).unwrap_err();
        assert!(missing.to_string().contains("\"k1\"") && missing.to_string().contains("store.encryptionKeyFile"));
    }

    #[test]
    fn broken_lines_are_named_and_keys_never_shown() {
        let cases =
            [("k1", "no key"), ("k1 !!", "not base64"), ("k1 AAAA", "32 bytes"), ("k\u{e9} AAAA", "characters")];
        for (text, part) in cases {
            let error = Keys::parse(&format!("# keys\n{text}")).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("line 2") && !error.contains("AAAA"), "{error}");
        }
        assert!(Keys::parse(&(line("a", 1) + &line("a", 2))).unwrap_err().to_string().contains("repeats"));
        assert_eq!(format!("{:?}", Keys::parse(&line("a", 1)).unwrap()), "[\"a\"]");
    }

    #[test]
    fn without_keys_nothing_is_encrypted() {
        let none = Keys::parse("# later\n\n").unwrap();
        let stored = none.seal(delivery(1), Part::Body, b"x").unwrap();
        assert_eq!(stored, Stored { bytes: b"x".to_vec(), key_id: None });
        assert_eq!(none.open(delivery(1), Part::Body, None, stored.bytes).unwrap(), b"x");
    }
}
