//! Lengths, types, ends of lists, and maps as keys, values and pairs.

use super::elements;
use crate::builtin_types::Builtin;
use crate::eval::Run;
use crate::eval::convert::{Res, fault, plain, type_text};
use crate::eval::items::Items;
use crate::eval::{key, member};
use gatepost_value::{GoType, List, Str, Value, fmt};
use std::collections::HashMap;
use std::sync::Arc;

/// `len`: characters of strings, elements of everything else.
pub(super) fn len(value: &Value) -> Res<Value> {
    let count = match value {
        Value::Str(text) => characters(text),
        Value::Named(named) => match &named.base {
            Value::Str(text) => characters(text),
            _ => return fault(format!("invalid argument for len (type {})", type_text(value))),
        },
        Value::Struct(_) => return fault(format!("invalid argument for len (type {})", type_text(value))),
        other => member::len(other)?,
    };
    Ok(Value::int(count as i64))
}

/// Characters as Go counts them: each byte that is not UTF-8 is one.
fn characters(text: &Str) -> usize {
    text.as_bytes().utf8_chunks().map(|chunk| chunk.valid().chars().count() + chunk.invalid().len()).sum()
}

/// `type`
pub(super) fn type_of(value: &Value) -> String {
    match value {
        Value::Nil | Value::NoValue => "nil",
        Value::Bool(_) => "bool",
        Value::Int(..) => "int",
        Value::Uint(..) => "uint",
        Value::Float(..) => "float",
        Value::Str(_) => "string",
        Value::List(_) | Value::Bytes(_) | Value::TypedNil(GoType::Slice(_) | GoType::Bytes) => "array",
        Value::Map(_) | Value::AnyMap(_) | Value::TypedNil(GoType::Map(_) | GoType::AnyMap) => "map",
        Value::Func(_) | Value::TypedNil(GoType::Func) => "func",
        Value::TypedNil(_) => "unknown",
        Value::Location(_) => "time.Location",
        Value::Time(_) | Value::Duration(_) | Value::Month(_) | Value::Weekday(_) => return type_text(value),
        Value::Struct(_) | Value::Named(_) => return type_text(value),
    }
    .to_owned()
}

/// `first` and `last`: nil where there is nothing, or where nothing could be.
pub(super) fn end(value: &Value, index: i64) -> Value {
    member::fetch(value, &Value::int(index)).unwrap_or_default()
}

fn kind(value: &Value) -> &'static str {
    if matches!(value, Value::Nil | Value::NoValue) { "invalid" } else { fmt::kind_name(value) }
}

/// `keys`, `values`, `toPairs`: in the order of the keys, or as they were put in.
pub(super) fn entries(run: &Run<'_>, builtin: Builtin, value: &Value) -> Res<Value> {
    let pairs: Vec<(Value, Value)> = match value {
        Value::Map(map) => {
            elements(run, map.len())?;
            map.entries().into_iter().map(|(key, value)| (Value::Str(key), value)).collect()
        }
        Value::AnyMap(pairs) => {
            elements(run, pairs.len())?;
            pairs.to_vec()
        }
        Value::TypedNil(GoType::Map(_) | GoType::AnyMap) => Vec::new(),
        other if builtin == Builtin::ToPairs => return fault(format!("cannot transform {} to pairs", kind(other))),
        other => return fault(format!("cannot get {} from {}", builtin.name(), kind(other))),
    };
    Ok(match builtin {
        Builtin::Keys => Value::list(pairs.into_iter().map(|(key, _)| key).collect()),
        Builtin::Values => Value::list(pairs.into_iter().map(|(_, value)| value).collect()),
        _ => {
            elements(run, pairs.len() * 2)?;
            let pair = GoType::Named("[2]interface {}".into());
            Value::list_of(pair, pairs.into_iter().map(|(key, value)| as_pair(key, value)).collect())
        }
    })
}

/// Go's `[2]any`. Its element type is spelt out, so that it equals no slice, as in Go.
fn as_pair(key: Value, value: Value) -> Value {
    Value::List(List { elem: GoType::Named("interface {}".into()), items: Arc::new(vec![key, value]) })
}

/// `fromPairs`: the last of equal keys wins.
pub(super) fn from_pairs(run: &Run<'_>, value: &Value) -> Res<Value> {
    let Some(items) = Items::of(value) else {
        let printed = match value {
            Value::Nil | Value::NoValue => "<invalid reflect.Value>".to_owned(),
            other => fmt::sprint_v(other).to_lossy().into_owned(),
        };
        return fault(format!("cannot transform {printed} from pairs"));
    };
    elements(run, items.len())?;
    let mut places = HashMap::new();
    let mut pairs: Vec<(Value, Value)> = Vec::new();
    for item in items.iter().map(plain) {
        let Some(pair) = Items::of(&item) else {
            return fault(format!("invalid pair {}", fmt::sprint_v(&item)));
        };
        if pair.len() != 2 {
            return fault(format!("invalid pair length {}", fmt::sprint_v(&item)));
        }
        let (name, value) = (pair.get(0), pair.get(1));
        let place = *places.entry(key::key(&name)?).or_insert(pairs.len());
        match pairs.get_mut(place) {
            Some(known) => known.1 = value,
            None => pairs.push((name, value)),
        }
    }
    Ok(Value::AnyMap(Arc::new(pairs)))
}
