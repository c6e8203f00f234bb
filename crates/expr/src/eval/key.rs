//! Keys of `map[interface {}]…` as Go compares them: type and value have to agree, lists and maps cannot be keys.

use super::convert::{Res, fault, type_text};
use gatepost_value::{FloatKind, IntKind, Str, UintKind, Value};
use std::sync::Arc;

/// A value that can be a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Nil,
    Bool(bool),
    Int(IntKind, i64),
    Uint(UintKind, u64),
    Float(FloatKind, u64),
    Str(Str),
    Named(Arc<str>, Box<Key>),
    /// Duration, month, weekday: which one, and the number.
    Count(u8, i64),
    Time(i64, u32, String),
    Location(String),
    /// A struct behind a pointer: the same one only.
    Address(usize),
}

/// The key that a value is.
///
/// # Errors
/// Lists, maps and functions cannot be keys.
pub(crate) fn key(value: &Value) -> Res<Key> {
    Ok(match value {
        Value::Nil | Value::NoValue | Value::TypedNil(_) => Key::Nil,
        Value::Bool(b) => Key::Bool(*b),
        Value::Int(kind, i) => Key::Int(*kind, *i),
        Value::Uint(kind, u) => Key::Uint(*kind, *u),
        // Go takes 0.0 and -0.0 for one key.
        Value::Float(kind, f) => Key::Float(*kind, if *f == 0.0 { 0 } else { f.to_bits() }),
        Value::Str(text) => Key::Str(text.clone()),
        Value::Named(named) => Key::Named(Arc::clone(&named.type_name), Box::new(key(&named.base)?)),
        Value::Duration(n) => Key::Count(0, *n),
        Value::Month(n) => Key::Count(1, *n),
        Value::Weekday(n) => Key::Count(2, *n),
        Value::Time(t) => Key::Time(t.secs, t.nanos, t.loc.name().to_owned()),
        Value::Location(location) => Key::Location(location.name().to_owned()),
        Value::Struct(view) => Key::Address(Arc::as_ptr(view).cast::<()>() as usize),
        Value::List(_) | Value::Map(_) | Value::AnyMap(_) | Value::Bytes(_) | Value::Func(_) => {
            return fault(format!("runtime error: hash of unhashable type {}", type_text(value)));
        }
    })
}

/// The value of a key in pairs with unique keys.
pub(crate) fn find<'p>(pairs: &'p [(Value, Value)], wanted: &Value) -> Res<Option<&'p Value>> {
    let wanted = key(wanted)?;
    for (candidate, value) in pairs {
        if key(candidate)? == wanted {
            return Ok(Some(value));
        }
    }
    Ok(None)
}
