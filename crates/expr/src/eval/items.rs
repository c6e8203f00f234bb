//! Lists of any making, seen as elements by index: slices, bytes, typed nils, ranges that were never written out.

use bytes::Bytes;
use gatepost_value::{GoType, Str, UintKind, Value};
use std::sync::Arc;

/// Elements by index.
#[derive(Clone)]
pub(crate) enum Items {
    /// A slice.
    Values(Arc<Vec<Value>>),
    /// `[]byte`, or a string's bytes.
    Bytes(Bytes),
    /// Consecutive integers.
    Range {
        /// The first one.
        first: i64,
        /// How many.
        len: usize,
    },
    /// The entries of a map, so many: loops count them, but cannot read one.
    Entries(usize),
    /// A nil slice.
    Empty,
}

impl Items {
    /// The elements of what Go calls a slice or an array; `None` for everything else.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::List(list) => Some(Self::Values(Arc::clone(&list.items))),
            Value::Bytes(bytes) => Some(Self::Bytes(bytes.clone())),
            Value::TypedNil(GoType::Slice(_) | GoType::Bytes) => Some(Self::Empty),
            _ => None,
        }
    }
    /// The bytes of a string.
    pub(crate) fn of_text(text: &Str) -> Self {
        Self::Bytes(text.clone().into_bytes())
    }
    /// How many.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Range { len, .. } | Self::Entries(len) => *len,
            Self::Empty => 0,
        }
    }
    /// The element at an index below [`Items::len`]; nil beyond.
    pub(crate) fn get(&self, index: usize) -> Value {
        match self {
            Self::Values(values) => values.get(index).cloned().unwrap_or_default(),
            Self::Bytes(bytes) => {
                bytes.get(index).map_or(Value::Nil, |byte| Value::Uint(UintKind::Uint8, u64::from(*byte)))
            }
            Self::Range { first, .. } => Value::int(first.wrapping_add(index as i64)),
            Self::Entries(_) | Self::Empty => Value::Nil,
        }
    }
    /// The element without a copy, where it lies in memory.
    pub(crate) fn peek(&self, index: usize) -> Option<&Value> {
        match self {
            Self::Values(values) => values.get(index),
            _ => None,
        }
    }
    /// All elements in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Value> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }
}
