//! To and from serde: values are read straight from any deserializer, without a serde_json value in between.

use super::Numbers;
use super::write::struct_members;
use crate::{FloatKind, Str, Value};
use base64::Engine;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeMap, SerializeSeq};

/// Nesting up to which serde's recursive traits are followed.
const DEEPEST: u32 = 256;

/// Whole numbers of a size that the kind of numbers can hold, others as float64.
fn whole(n: i64, numbers: Numbers) -> Value {
    match numbers {
        Numbers::Kubernetes => Value::int64(n),
        Numbers::Int => Value::int(n),
        Numbers::Float => Value::float(n as f64),
    }
}

pub(super) fn from_serde(value: &serde_json::Value, numbers: Numbers) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => {
            n.as_i64().map_or_else(|| Value::float(n.as_f64().unwrap_or_default()), |n| whole(n, numbers))
        }
        Json::String(text) => Value::str(text.as_str()),
        Json::Array(items) => Value::list(items.iter().map(|v| from_serde(v, numbers)).collect()),
        Json::Object(map) => {
            Value::map(map.iter().map(|(k, v)| (Str::from(k.as_str()), from_serde(v, numbers))).collect())
        }
    }
}

pub(super) fn to_serde(value: &Value, depth: u32) -> serde_json::Value {
    use serde_json::Value as Json;
    if depth > DEEPEST {
        return as_text(value);
    }
    match value {
        Value::Nil | Value::NoValue | Value::TypedNil(_) => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(_, n) | Value::Duration(n) | Value::Month(n) | Value::Weekday(n) => Json::from(*n),
        Value::Uint(_, n) => Json::from(*n),
        Value::Float(..) => float(value).map_or(Json::Null, Json::Number),
        Value::Str(text) => Json::String(text.to_lossy().into_owned()),
        Value::Bytes(bytes) => Json::String(base64::engine::general_purpose::STANDARD.encode(bytes)),
        Value::List(list) => list.items.iter().map(|v| to_serde(v, depth + 1)).collect(),
        Value::Map(map) => object(&map.entries(), depth),
        Value::Struct(_) => object(&struct_members(value), depth),
        Value::Named(named) => to_serde(&named.base, depth + 1),
        Value::Time(time) => Json::String(time.format("2006-01-02T15:04:05.999999999Z07:00")),
        Value::AnyMap(_) | Value::Location(_) | Value::Func(_) => as_text(value),
    }
}

fn as_text(value: &Value) -> serde_json::Value {
    serde_json::Value::String(crate::fmt::sprint_v(value).to_lossy().into_owned())
}

fn object(entries: &[(Str, Value)], depth: u32) -> serde_json::Value {
    entries.iter().map(|(k, v)| (k.to_lossy().into_owned(), to_serde(v, depth + 1))).collect()
}

fn float(value: &Value) -> Option<serde_json::Number> {
    match value {
        // The shortest decimal of a float32, not that of the float64 with the same value.
        Value::Float(FloatKind::Float32, f) => {
            serde_json::Number::from_f64(crate::fmt::format_float(*f, 'g', None, 32).parse().ok()?)
        }
        Value::Float(_, f) => serde_json::Number::from_f64(*f),
        _ => None,
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }
    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(Value::int64(n))
    }
    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(i64::try_from(n).map_or_else(|_| Value::float(n as f64), Value::int64))
    }
    fn visit_f64<E>(self, f: f64) -> Result<Value, E> {
        Ok(Value::float(f))
    }
    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::str(text))
    }
    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::str(text))
    }
    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(bytes::Bytes::copy_from_slice(bytes)))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }
    fn visit_some<D: serde::Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        inner.deserialize_any(self)
    }
    fn visit_newtype_struct<D: serde::Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        inner.deserialize_any(self)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(1024));
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::list(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(0).min(1024));
        while let Some(key) = map.next_key_seed(KeySeed)? {
            entries.push((key, map.next_value()?));
        }
        Ok(Value::map(entries))
    }
}

/// Keys become strings without a detour.
struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Str;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Str, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Str;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string key")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Str, E> {
        Ok(text.into())
    }
    fn visit_string<E: Error>(self, text: String) -> Result<Str, E> {
        Ok(text.into())
    }
}

/// Deserializes straight into a [`Value`] with [`Numbers::Kubernetes`], so that an Application is built once and never copied.
impl<'de> serde::Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

/// A value at a depth of nesting.
struct At<'v>(&'v Value, u32);

impl serde::Serialize for At<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(value, depth) = *self;
        if depth > DEEPEST {
            return Err(S::Error::custom(format!("failed to serialize a value nested over {DEEPEST} levels deep")));
        }
        match value {
            Value::List(list) => {
                let mut seq = serializer.serialize_seq(Some(list.items.len()))?;
                list.items.iter().try_for_each(|v| seq.serialize_element(&At(v, depth + 1)))?;
                seq.end()
            }
            Value::Map(map) => serialize_entries(serializer, &map.entries(), depth),
            Value::Struct(_) => serialize_entries(serializer, &struct_members(value), depth),
            Value::Named(named) => At(&named.base, depth + 1).serialize(serializer),
            Value::Str(text) => serializer.serialize_str(&text.to_lossy()),
            Value::Int(_, n) => serializer.serialize_i64(*n),
            Value::Bool(b) => serializer.serialize_bool(*b),
            _ => to_serde(value, depth).serialize(serializer),
        }
    }
}

fn serialize_entries<S: serde::Serializer>(
    serializer: S,
    entries: &[(Str, Value)],
    depth: u32,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(entries.len()))?;
    entries.iter().try_for_each(|(k, v)| map.serialize_entry(&k.to_lossy(), &At(v, depth + 1)))?;
    map.end()
}

/// Maps, lists, structs by their JSON names, scalars; what JSON has no form for as its text.
impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        At(self, 0).serialize(serializer)
    }
}
