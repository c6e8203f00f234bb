//! Members, indexes, slices and `in`: what is inside a value, in Go's words where it is not.

use super::compare::equal;
use super::convert::{Res, as_text, assertion, deref, fault, plain, to_int, type_text, zero};
use super::items::Items;
use super::key;
use gatepost_value::{Budget, CallContext, Func, GoType, List, Map, Named, Str, UintKind, Value, fmt, method};
use std::sync::Arc;

/// Whether the value has a method of a name.
pub(crate) fn has_method(value: &Value, name: &Str) -> bool {
    method::may_have(value)
        && name.as_str().is_some_and(|name| method::has(value, name) || first_result(value, name).is_some())
}

/// Methods with several results, which templates cannot call: expr takes the first one.
fn first_result(receiver: &Value, name: &str) -> Option<Value> {
    let Value::Time(time) = receiver else { return None };
    Some(match name {
        "ISOWeek" => Value::int(time.iso_week().0),
        "Date" => Value::int(time.civil().year),
        "Clock" => Value::int(i64::from(time.civil().hour)),
        "Zone" => Value::str(time.loc.at(time.secs).0),
        _ => return None,
    })
}

/// Calls a method that [`has_method`] knows.
pub(crate) fn call_method(ctx: &CallContext<'_>, receiver: &Value, name: &str, args: &[Value]) -> Res<Value> {
    match first_result(receiver, name) {
        Some(result) if args.is_empty() => Ok(result),
        Some(_) => fault(format!("invalid number of arguments: expected 0, got {}", args.len())),
        None => method::call(ctx, receiver, name, args),
    }
}

/// The method as a function value.
fn bound(receiver: &Value, name: &str) -> Value {
    let (receiver, owned) = (receiver.clone(), name.to_owned());
    let signature = method::signature(&receiver, name).map(Arc::new);
    let call = move |ctx: &CallContext<'_>, args: &[Value]| call_method(ctx, &receiver, &owned, args);
    Value::Func(Func { name: name.into(), signature, call: Arc::new(call) })
}

fn absent<T>(from: &Value, key: &str) -> Res<T> {
    fault(format!("cannot fetch {key} from {}", fmt::type_name(from)))
}

/// `from.name`
pub(crate) fn fetch_name(from: &Value, name: &Str) -> Res<Value> {
    match from {
        Value::Map(map) => Ok(map.get(name.as_bytes()).unwrap_or_else(|| zero(map.elem()))),
        Value::Struct(view) => match name.as_str() {
            Some(text) if has_method(from, name) => Ok(bound(from, text)),
            Some(text) => view.field(text).map_or_else(|| absent(from, text), Ok),
            None => absent(from, &name.to_lossy()),
        },
        _ => fetch(from, &Value::Str(name.clone())),
    }
}

/// `from[key]`
pub(crate) fn fetch(from: &Value, key: &Value) -> Res<Value> {
    let printed = || fmt::sprint_v(key).to_lossy().into_owned();
    if let Value::Str(name) = key
        && has_method(from, name)
    {
        return Ok(bound(from, &name.to_lossy()));
    }
    match from {
        Value::Nil | Value::NoValue => absent(from, &printed()),
        Value::Map(map) => Ok(map_get(map, key)?.unwrap_or_else(|| zero(map.elem()))),
        Value::TypedNil(GoType::Map(elem)) => map_key(key).map(|_| zero(elem)),
        Value::TypedNil(GoType::AnyMap) => Ok(Value::Nil),
        Value::AnyMap(pairs) => Ok(key::find(pairs, key)?.cloned().unwrap_or_else(|| zero(&any_map_element(pairs)))),
        Value::Struct(_) => match key {
            Value::Str(name) => fetch_name(from, name),
            other => fault(assertion(other, "string")),
        },
        Value::Str(text) => index_text(text, key),
        Value::Named(named) if matches!(named.base, Value::Str(_)) => fetch(&named.base, key),
        other => match Items::of(other) {
            Some(items) => index(&items, key),
            None => absent(from, &printed()),
        },
    }
}

/// Element type of a map with any keys: what `groupBy` makes holds lists only.
fn any_map_element(pairs: &[(Value, Value)]) -> GoType {
    let lists = !pairs.is_empty() && pairs.iter().all(|(_, v)| matches!(v, Value::List(l) if l.elem == GoType::Any));
    if lists { GoType::Slice(Box::new(GoType::Any)) } else { GoType::Any }
}

/// The key of a map with string keys: nil stands for the empty string.
fn map_key(key: &Value) -> Res<Str> {
    match key {
        Value::Str(text) => Ok(text.clone()),
        Value::Nil | Value::NoValue => Ok(Str::default()),
        other => fault(format!(
            "reflect.Value.MapIndex: value of type {} is not assignable to type string",
            type_text(other)
        )),
    }
}

fn map_get(map: &Map, key: &Value) -> Res<Option<Value>> {
    Ok(map.get(map_key(key)?.as_bytes()))
}

fn index_text(text: &Str, key: &Value) -> Res<Value> {
    let at = position(text.len(), key)?;
    let byte = text.as_bytes().get(at).copied().unwrap_or_default();
    Ok(Value::Uint(UintKind::Uint8, u64::from(byte)))
}

fn index(items: &Items, key: &Value) -> Res<Value> {
    Ok(items.get(position(items.len(), key)?))
}

/// An index from the front or, where negative, from the back.
fn position(len: usize, key: &Value) -> Res<usize> {
    let length = len as i64;
    let wanted = to_int(key)?;
    let at = if wanted < 0 { length.wrapping_add(wanted) } else { wanted };
    if at < 0 || at >= length {
        return fault(format!("index out of range: {at} (array length is {length})"));
    }
    Ok(at as usize)
}

/// `get(from, key)`: as [`fetch`], with nil where nothing is found.
pub(crate) fn get(from: &Value, key: &Value) -> Res<Value> {
    if let Value::Str(name) = key
        && has_method(from, name)
    {
        return Ok(bound(from, &name.to_lossy()));
    }
    let length = |len: usize| -> Res<bool> {
        let (wanted, length) = (to_int(key)?, len as i64);
        Ok((-length..length).contains(&wanted))
    };
    match from {
        Value::Map(map) => Ok(map_get(map, key)?.unwrap_or_default()),
        Value::AnyMap(pairs) => Ok(key::find(pairs, key)?.cloned().unwrap_or_default()),
        Value::Struct(view) => {
            let name = as_text(key)?;
            Ok(name.as_str().and_then(|name| view.field(name)).unwrap_or_default())
        }
        Value::Str(text) => {
            if length(text.len())? {
                index_text(text, key)
            } else {
                Ok(Value::Nil)
            }
        }
        other => match Items::of(other) {
            Some(items) if length(items.len())? => index(&items, key),
            _ => Ok(Value::Nil),
        },
    }
}

/// Go's `len` of slices, maps and strings (in bytes), as slices without an end use it.
pub(crate) fn len(value: &Value) -> Res<usize> {
    match value {
        Value::Str(text) => Ok(text.len()),
        Value::Map(map) => Ok(map.len()),
        Value::AnyMap(pairs) => Ok(pairs.len()),
        Value::TypedNil(GoType::Map(_) | GoType::AnyMap) => Ok(0),
        Value::Named(named) if matches!(named.base, Value::Str(_)) => len(&named.base),
        other => match Items::of(other) {
            Some(items) => Ok(items.len()),
            None => fault(format!("invalid argument for len (type {})", fmt::type_name(value))),
        },
    }
}

/// `object[from:to]`, clamped to what is there.
pub(crate) fn slice(budget: &Budget, object: &Value, from: &Value, to: &Value) -> Res<Value> {
    if let Some(pointee) = deref(object) {
        return match pointee {
            Value::Nil => fault(format!("cannot slice {}", fmt::sprint_v(from))),
            other => slice(budget, &other, from, to),
        };
    }
    let length = match object {
        Value::Str(_) | Value::List(_) | Value::Bytes(_) | Value::TypedNil(GoType::Slice(_) | GoType::Bytes) => {
            len(object)?
        }
        Value::Named(named) if matches!(named.base, Value::Str(_)) => {
            let base = slice(budget, &named.base, from, to)?;
            return Ok(Value::Named(Arc::new(Named { type_name: Arc::clone(&named.type_name), base })));
        }
        _ => return fault(format!("cannot slice {}", fmt::sprint_v(from))),
    };
    let (start, end) = clamp(length, to_int(from)?, to_int(to)?);
    Ok(match object {
        Value::Str(text) => Value::Str(text.slice(start, end)),
        Value::Bytes(bytes) => Value::Bytes(bytes.slice(start..end)),
        Value::List(list) => cut(budget, list, start, end)?,
        other => other.clone(),
    })
}

/// Part of a list.
pub(crate) fn cut(budget: &Budget, list: &List, start: usize, end: usize) -> Res<Value> {
    budget.step((end - start) as u64)?;
    Ok(Value::list_of(list.elem.clone(), list.items.get(start..end).unwrap_or_default().to_vec()))
}

fn clamp(length: usize, from: i64, to: i64) -> (usize, usize) {
    let length = length as i64;
    let absolute = |n: i64| if n < 0 { length.wrapping_add(n).max(0) } else { n };
    let end = absolute(to).min(length);
    let start = absolute(from).min(end);
    (start as usize, end as usize)
}

/// `needle in container`
pub(crate) fn contains(budget: &Budget, needle: &Value, container: &Value) -> Res<bool> {
    match container {
        Value::Nil | Value::NoValue => Ok(false),
        Value::Map(map) => Ok(map_get(map, needle)?.is_some()),
        Value::AnyMap(pairs) => Ok(key::find(pairs, needle)?.is_some()),
        Value::TypedNil(GoType::Map(_)) => map_key(needle).map(|_| false),
        Value::TypedNil(GoType::AnyMap) => Ok(false),
        Value::Struct(view) => match plain(needle.clone()) {
            Value::Str(name) => Ok(name.as_str().is_some_and(|name| view.field(name).is_some())),
            other => {
                let (needle, of) = (fmt::type_name(&other), type_text(container));
                fault(format!("cannot use {needle} as field name of {of}"))
            }
        },
        other => match Items::of(other) {
            Some(items) => contains_item(budget, needle, &items),
            None => fault(format!("operator \"in\" not defined on {}", type_text(container))),
        },
    }
}

fn contains_item(budget: &Budget, needle: &Value, items: &Items) -> Res<bool> {
    if let (Items::Range { first, len }, Some(n)) = (items, super::convert::number(needle)) {
        let (from, to) = (*first as f64, first.wrapping_add(*len as i64) as f64);
        let n = n.float();
        return Ok(n >= from && n < to && n.fract() == 0.0);
    }
    for at in 0..items.len() {
        budget.step(1)?;
        let found = match items.peek(at) {
            Some(item) => equal(budget, item, needle)?,
            None => equal(budget, &items.get(at), needle)?,
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
