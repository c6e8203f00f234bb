//! Go strings: any bytes, cheap to clone, compared and hashed by their bytes.

use bytes::Bytes;
use std::borrow::{Borrow, Cow};

/// A Go string: usually UTF-8, but any byte sequence is allowed (slicing may cut a character).
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Str(Bytes);

impl Str {
    /// A string that lives as long as the program; no allocation.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
    /// The text, if it is valid UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
    /// The text with invalid UTF-8 replaced by U+FFFD.
    #[must_use]
    pub fn to_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
    /// Length in bytes, as Go's `len`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether the string is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The bytes from `start` to `end` without copying; panics like slices do, so callers check bounds.
    #[must_use]
    pub fn slice(&self, start: usize, end: usize) -> Self {
        Self(self.0.slice(start..end))
    }
    /// The underlying buffer.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl std::fmt::Debug for Str {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.to_lossy())
    }
}
impl std::fmt::Display for Str {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_lossy())
    }
}
impl Borrow<[u8]> for Str {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}
impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}
impl From<String> for Str {
    fn from(text: String) -> Self {
        Self(Bytes::from(text.into_bytes()))
    }
}
impl From<Vec<u8>> for Str {
    fn from(text: Vec<u8>) -> Self {
        Self(Bytes::from(text))
    }
}
impl From<&[u8]> for Str {
    fn from(text: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(text))
    }
}
impl From<Bytes> for Str {
    fn from(text: Bytes) -> Self {
        Self(text)
    }
}
impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}
impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}
