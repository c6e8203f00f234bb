//! `==`, `<` and friends: numbers by value, lists element-wise, everything else as Go's `reflect.DeepEqual`.

use super::convert::{Number, Res, fault, float_of, number, type_text};
use super::items::Items;
use gatepost_value::{Budget, GoType, LimitError, UintKind, Value};
use std::cmp::Ordering;

/// `a == b`
pub(crate) fn equal(budget: &Budget, a: &Value, b: &Value) -> Res<bool> {
    equal_at(budget, a, b, 0)
}

fn equal_at(budget: &Budget, a: &Value, b: &Value, depth: u32) -> Res<bool> {
    match (a, b) {
        (Value::Str(x), Value::Str(y)) => Ok(x == y),
        (Value::Bool(x), Value::Bool(y)) => Ok(x == y),
        (Value::Time(x), Value::Time(y)) => Ok(x.compare(y) == Ordering::Equal),
        (Value::Duration(x), Value::Duration(y)) => Ok(x == y),
        _ => match (number(a), number(b)) {
            (Some(Number::Int(x)), Some(Number::Int(y))) => Ok(x == y),
            (Some(_), Some(_)) => Ok(float_of(a) == float_of(b)),
            _ => equal_compound(budget, a, b, depth),
        },
    }
}

fn equal_compound(budget: &Budget, a: &Value, b: &Value, depth: u32) -> Res<bool> {
    if let (Some(x), Some(y)) = (element_type(a), element_type(b))
        && by_element(&x, &y)
        && let (Some(left), Some(right)) = (Items::of(a), Items::of(b))
    {
        return equal_items(budget, &left, &right, depth);
    }
    if a.is_nil() && b.is_nil() {
        return Ok(true);
    }
    deep(budget, a, b, depth)
}

/// Type of the elements of a slice.
fn element_type(value: &Value) -> Option<GoType> {
    match value {
        Value::List(list) => Some(list.elem.clone()),
        Value::TypedNil(GoType::Slice(elem)) => Some((**elem).clone()),
        Value::Bytes(_) | Value::TypedNil(GoType::Bytes) => Some(GoType::Uint(UintKind::Uint8)),
        _ => None,
    }
}

/// The pairs of slice types that expr compares element by element.
fn by_element(x: &GoType, y: &GoType) -> bool {
    let basic = |t: &GoType| matches!(t, GoType::String | GoType::Int(_) | GoType::Uint(_) | GoType::Float(_));
    match (x, y) {
        (GoType::Any, GoType::Any) => true,
        (GoType::Any, t) | (t, GoType::Any) => basic(t),
        (x, y) => x == y && basic(x),
    }
}

fn descend(budget: &Budget, depth: u32) -> Res<u32> {
    budget.step(1)?;
    let allowed = budget.limits().depth;
    if depth >= allowed {
        return Err(LimitError { limit: "depth", allowed: u64::from(allowed) }.into());
    }
    Ok(depth + 1)
}

fn equal_items(budget: &Budget, a: &Items, b: &Items, depth: u32) -> Res<bool> {
    let depth = descend(budget, depth)?;
    if a.len() != b.len() {
        return Ok(false);
    }
    for (x, y) in a.iter().zip(b.iter()) {
        budget.step(1)?;
        if !equal_at(budget, &x, &y, depth)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Go's `reflect.DeepEqual`: the types have to agree too.
fn deep(budget: &Budget, a: &Value, b: &Value, depth: u32) -> Res<bool> {
    let depth = descend(budget, depth)?;
    match (a, b) {
        (Value::Nil | Value::NoValue, Value::Nil | Value::NoValue) => Ok(true),
        (Value::TypedNil(x), Value::TypedNil(y)) => Ok(x == y),
        (Value::Bool(x), Value::Bool(y)) => Ok(x == y),
        (Value::Int(k, x), Value::Int(l, y)) => Ok(k == l && x == y),
        (Value::Uint(k, x), Value::Uint(l, y)) => Ok(k == l && x == y),
        (Value::Float(k, x), Value::Float(l, y)) => Ok(k == l && x == y),
        (Value::Str(x), Value::Str(y)) => Ok(x == y),
        (Value::Bytes(x), Value::Bytes(y)) => Ok(x == y),
        (Value::Duration(x), Value::Duration(y))
        | (Value::Month(x), Value::Month(y))
        | (Value::Weekday(x), Value::Weekday(y)) => Ok(x == y),
        (Value::Time(x), Value::Time(y)) => Ok(x.compare(y) == Ordering::Equal && x.loc.name() == y.loc.name()),
        (Value::Location(x), Value::Location(y)) => Ok(x.name() == y.name()),
        (Value::Named(x), Value::Named(y)) => Ok(x.type_name == y.type_name && deep(budget, &x.base, &y.base, depth)?),
        _ => deep_containers(budget, a, b, depth),
    }
}

fn deep_containers(budget: &Budget, a: &Value, b: &Value, depth: u32) -> Res<bool> {
    match (a, b) {
        (Value::List(x), Value::List(y)) => {
            if x.elem != y.elem || x.items.len() != y.items.len() {
                return Ok(false);
            }
            all(x.items.iter().zip(y.items.iter()), |(x, y)| deep(budget, x, y, depth))
        }
        (Value::Map(x), Value::Map(y)) => {
            if x.elem() != y.elem() || x.len() != y.len() {
                return Ok(false);
            }
            let (x, y) = (x.entries(), y.entries());
            all(x.iter().zip(y.iter()), |(x, y)| Ok(x.0 == y.0 && deep(budget, &x.1, &y.1, depth)?))
        }
        (Value::AnyMap(x), Value::AnyMap(y)) => {
            if x.len() != y.len() {
                return Ok(false);
            }
            all(x.iter(), |(key, value)| {
                for (other_key, other) in y.iter() {
                    if deep(budget, key, other_key, depth)? {
                        return deep(budget, value, other, depth);
                    }
                }
                Ok(false)
            })
        }
        (Value::Struct(x), Value::Struct(y)) => {
            if x.type_name() != y.type_name() {
                return Ok(false);
            }
            let (x, y) = (x.fields(), y.fields());
            all(x.iter().zip(y.iter()), |(x, y)| Ok(x.0 == y.0 && deep(budget, &x.1, &y.1, depth)?))
        }
        _ => Ok(false),
    }
}

fn all<T>(items: impl Iterator<Item = T>, test: impl Fn(T) -> Res<bool>) -> Res<bool> {
    for item in items {
        if !test(item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How two values are ordered by `<`, `<=`, `>`, `>=`; `None` where a NaN is involved.
pub(crate) fn order(a: &Value, b: &Value, op: &str) -> Res<Option<Ordering>> {
    match (a, b) {
        (Value::Str(x), Value::Str(y)) => Ok(Some(x.cmp(y))),
        (Value::Time(x), Value::Time(y)) => Ok(Some(x.compare(y))),
        (Value::Duration(x), Value::Duration(y)) => Ok(Some(x.cmp(y))),
        _ => match (number(a), number(b)) {
            (Some(Number::Int(x)), Some(Number::Int(y))) => Ok(Some(x.cmp(&y))),
            (Some(_), Some(_)) => Ok(float_of(a).zip(float_of(b)).and_then(|(x, y)| x.partial_cmp(&y))),
            _ => fault(format!("invalid operation: {} {op} {}", type_text(a), type_text(b))),
        },
    }
}

/// `a < b`
pub(crate) fn less(a: &Value, b: &Value) -> Res<bool> {
    Ok(order(a, b, "<")? == Some(Ordering::Less))
}

/// `a > b`
pub(crate) fn more(a: &Value, b: &Value) -> Res<bool> {
    Ok(order(a, b, ">")? == Some(Ordering::Greater))
}

/// Sorts by `before`, which may fail and need not be a total order; stable.
pub(crate) fn sort<T: Clone>(budget: &Budget, items: &mut Vec<T>, before: &dyn Fn(&T, &T) -> Res<bool>) -> Res<()> {
    const RUN: usize = 12;
    for run in items.chunks_mut(RUN) {
        for end in 1..run.len() {
            let mut at = end;
            while at > 0 && before(&run[at], &run[at - 1])? {
                budget.step(1)?;
                run.swap(at, at - 1);
                at -= 1;
            }
        }
    }
    let mut width = RUN;
    while width < items.len() {
        *items = merge_runs(budget, items, width, before)?;
        width *= 2;
    }
    Ok(())
}

fn merge_runs<T: Clone>(
    budget: &Budget,
    items: &[T],
    width: usize,
    before: &dyn Fn(&T, &T) -> Res<bool>,
) -> Res<Vec<T>> {
    let mut out = Vec::with_capacity(items.len());
    for pair in items.chunks(width * 2) {
        let (mut left, mut right) = pair.split_at(width.min(pair.len()));
        while let ([a, ..], [b, ..]) = (left, right) {
            budget.step(1)?;
            if before(b, a)? {
                out.push(b.clone());
                right = &right[1..];
            } else {
                out.push(a.clone());
                left = &left[1..];
            }
        }
        out.extend_from_slice(left);
        out.extend_from_slice(right);
    }
    Ok(out)
}
