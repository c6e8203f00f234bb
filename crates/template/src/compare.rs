//! `eq`, `ne`, `lt`, `le`, `gt`, `ge`: basic kinds by value, int against uint by number, all else by Go's rules for `==`.

use gatepost_value::fmt::{kind_name, sprint_s, sprint_v, type_name};
use gatepost_value::{CallError, Time, Value};
use std::cmp::Ordering;

/// A value as its basic kind.
enum Basic<'v> {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Str(&'v [u8]),
    Other,
}

fn basic(value: &Value) -> Basic<'_> {
    match value {
        Value::Bool(b) => Basic::Bool(*b),
        Value::Int(_, n) | Value::Duration(n) | Value::Month(n) | Value::Weekday(n) => Basic::Int(*n),
        Value::Uint(_, n) => Basic::Uint(*n),
        Value::Float(_, f) => Basic::Float(*f),
        Value::Str(text) => Basic::Str(text.as_bytes()),
        Value::Named(named) => match &named.base {
            Value::Named(_) => Basic::Other,
            base => basic(base),
        },
        _ => Basic::Other,
    }
}

/// The order of two values of one kind; `None` inside for NaN, `None` outside where the kinds differ.
fn order(a: &Basic<'_>, b: &Basic<'_>) -> Option<Option<Ordering>> {
    Some(match (a, b) {
        (Basic::Bool(a), Basic::Bool(b)) => Some(a.cmp(b)),
        (Basic::Int(a), Basic::Int(b)) => Some(a.cmp(b)),
        (Basic::Uint(a), Basic::Uint(b)) => Some(a.cmp(b)),
        (Basic::Int(a), Basic::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Basic::Uint(a), Basic::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Basic::Float(a), Basic::Float(b)) => a.partial_cmp(b),
        (Basic::Str(a), Basic::Str(b)) => Some(a.cmp(b)),
        _ => return None,
    })
}

fn incompatible(a: &Value, b: &Value) -> CallError {
    CallError::new(format!("incompatible types for comparison: {} and {}", type_name(a), type_name(b)))
}

/// `a == b`.
pub(crate) fn equal(a: &Value, b: &Value) -> Result<bool, CallError> {
    let (left, right) = (basic(a), basic(b));
    if let Some(order) = order(&left, &right) {
        return Ok(order == Some(Ordering::Equal));
    }
    let absent = |value: &Value| matches!(value, Value::Nil | Value::NoValue);
    match (left, right) {
        (Basic::Other, Basic::Other) => equal_other(a, b),
        _ if absent(a) || absent(b) => Ok(false),
        _ => Err(incompatible(a, b)),
    }
}

fn equal_other(a: &Value, b: &Value) -> Result<bool, CallError> {
    let absent = |value: &Value| matches!(value, Value::Nil | Value::NoValue);
    if !absent(a) && !absent(b) && kind_name(a) != kind_name(b) {
        let (at, bt) = (type_name(a), type_name(b));
        return Err(CallError::new(format!("non-comparable types {}: {at}, {bt}: {}", sprint_s(a), sprint_v(b))));
    }
    if a.is_nil() || b.is_nil() {
        return Ok(a.is_nil() == b.is_nil());
    }
    match (a, b) {
        (Value::Time(a), Value::Time(b)) => Ok(same_time(a, b)),
        (Value::Location(a), Value::Location(b)) => Ok(a.name() == b.name()),
        (Value::Struct(a), Value::Struct(b)) if a.is_pointer() || b.is_pointer() => Ok(std::sync::Arc::ptr_eq(a, b)),
        (Value::Struct(x), Value::Struct(y)) => {
            let same = x.type_name() == y.type_name() && x.fields().len() == y.fields().len();
            Ok(same && x.fields().iter().zip(y.fields()).all(|((_, a), (_, b))| equal(a, &b).unwrap_or(false)))
        }
        _ => Err(CallError::new(format!("non-comparable type {}: {}", sprint_s(b), type_name(b)))),
    }
}

/// Go compares the struct, so the zone counts too.
fn same_time(a: &Time, b: &Time) -> bool {
    a.compare(b) == Ordering::Equal && a.loc.name() == b.loc.name()
}

/// `a < b`.
pub(crate) fn less(a: &Value, b: &Value) -> Result<bool, CallError> {
    let (left, right) = (basic(a), basic(b));
    if matches!(left, Basic::Other) || matches!(right, Basic::Other) {
        return Err(CallError::new("invalid type for comparison"));
    }
    if matches!((&left, &right), (Basic::Bool(_), Basic::Bool(_))) {
        return Err(CallError::new("invalid type for comparison"));
    }
    match order(&left, &right) {
        Some(order) => Ok(order == Some(Ordering::Less)),
        None => Err(incompatible(a, b)),
    }
}

/// `a <= b`.
pub(crate) fn less_or_equal(a: &Value, b: &Value) -> Result<bool, CallError> {
    Ok(less(a, b)? || equal(a, b)?)
}
