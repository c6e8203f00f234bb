//! Lists: parts, order, duplicates, concatenation, flattening, joining.

use super::{arg, arity, elements};
use crate::eval::Run;
use crate::eval::compare::{self, equal, less};
use crate::eval::convert::{Number, Res, as_text, fault, number_by_kind, plain};
use crate::eval::items::Items;
use crate::eval::member::{self, cut};
use gatepost_value::{FloatKind, GoType, IntKind, LimitError, Str, Value, fmt};
use std::collections::HashSet;

fn kind(value: &Value) -> &'static str {
    if matches!(value, Value::Nil | Value::NoValue) { "invalid" } else { fmt::kind_name(value) }
}

fn items_of(value: &Value, what: &str) -> Res<Items> {
    Items::of(value).map_or_else(|| fault(format!("cannot {what} {}", kind(value))), Ok)
}

/// A `[]interface {}`, which Go leaves nil when nothing was appended to it.
fn appended(items: Vec<Value>) -> Value {
    if items.is_empty() { Value::TypedNil(GoType::Slice(Box::new(GoType::Any))) } else { Value::list(items) }
}

/// `take(list, n)`
pub(super) fn take(run: &Run<'_>, args: &[Value]) -> Res<Value> {
    if args.len() != 2 {
        return arity("2", args.len());
    }
    let list = arg(args, 0);
    let length = items_of(list, "take from")?.len();
    let wanted = match (arg(args, 1), number_by_kind(arg(args, 1))) {
        (Value::Uint(..) | Value::Float(..), _) | (_, None | Some(Number::Float(_))) => {
            return fault(format!("cannot take {} elements", kind(arg(args, 1))));
        }
        (_, Some(Number::Int(n))) => n,
    };
    let Ok(wanted) = usize::try_from(wanted) else {
        return fault("reflect.Value.Slice: slice index out of bounds");
    };
    let end = wanted.min(length);
    match list {
        Value::List(list) => cut(run.ctx.budget, list, 0, end),
        other => member::slice(run.ctx.budget, other, &Value::int(0), &Value::int(end as i64)),
    }
}

/// `reverse(list)`
pub(super) fn reverse(run: &Run<'_>, value: &Value) -> Res<Value> {
    let items = items_of(value, "reverse")?;
    run.grow(items.len() as u64)?;
    run.ctx.budget.step(items.len() as u64)?;
    Ok(Value::list((0..items.len()).rev().map(|index| items.get(index)).collect()))
}

/// `uniq(list)`: the first of equal elements stays.
pub(super) fn uniq(run: &Run<'_>, value: &Value) -> Res<Value> {
    let items = items_of(value, "uniq")?;
    let budget = run.ctx.budget;
    elements(run, items.len())?;
    let mut texts: HashSet<Str> = HashSet::new();
    let mut kept: Vec<Value> = Vec::new();
    for item in items.iter() {
        let known = match &item {
            // A string equals strings only, so these need no walk through all others.
            Value::Str(text) => !texts.insert(text.clone()),
            _ => contains(run, &kept, &item)?,
        };
        budget.step(1)?;
        if !known {
            kept.push(item);
        }
    }
    Ok(Value::list(kept))
}

fn contains(run: &Run<'_>, kept: &[Value], item: &Value) -> Res<bool> {
    for other in kept {
        run.ctx.budget.step(1)?;
        if equal(run.ctx.budget, item, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `concat(list, …)`
pub(super) fn concat(run: &Run<'_>, args: &[Value]) -> Res<Value> {
    if args.is_empty() {
        return fault("invalid number of arguments (expected at least 1, got 0)");
    }
    let lists: Vec<Items> = args.iter().map(|value| items_of(value, "concat")).collect::<Res<_>>()?;
    let size: usize = lists.iter().map(Items::len).sum();
    run.grow(size as u64)?;
    run.ctx.budget.step(size as u64)?;
    Ok(appended(lists.iter().flat_map(Items::iter).collect()))
}

/// `flatten(list)`: all levels.
pub(super) fn flatten(run: &Run<'_>, value: &Value) -> Res<Value> {
    let items = items_of(value, "flatten")?;
    let mut out = Vec::new();
    flatten_into(run, &items, &mut out, 0)?;
    run.grow(out.len() as u64)?;
    Ok(Value::list(out))
}

fn flatten_into(run: &Run<'_>, items: &Items, out: &mut Vec<Value>, depth: u32) -> Res<()> {
    let allowed = run.ctx.budget.limits().depth;
    if depth >= allowed {
        return Err(LimitError { limit: "depth", allowed: u64::from(allowed) }.into());
    }
    for item in items.iter().map(plain) {
        run.ctx.budget.step(1)?;
        match Items::of(&item) {
            Some(nested) => flatten_into(run, &nested, out, depth + 1)?,
            None if out.len() as u64 >= run.room() => return run.grow(out.len() as u64 + 1),
            None => out.push(item),
        }
    }
    Ok(())
}

/// `sort(list, order)`
pub(super) fn sort(run: &Run<'_>, args: &[Value]) -> Res<Value> {
    if args.is_empty() || args.len() > 2 {
        return arity("1 or 2", args.len());
    }
    let known = sortable(arg(args, 0));
    let descending = match args.get(1) {
        None => false,
        Some(Value::Str(order)) => match order.as_bytes() {
            b"asc" => false,
            b"desc" => true,
            _ => return fault(format!("invalid order {order}, expected asc or desc")),
        },
        Some(other) => {
            return fault(format!("sort order argument must be a string (got {})", fmt::type_name(other)));
        }
    };
    let Some(mut items) = known else { return Ok(appended(Vec::new())) };
    run.grow(items.len() as u64)?;
    let before = |a: &Value, b: &Value| if descending { less(b, a) } else { less(a, b) };
    compare::sort(run.ctx.budget, &mut items, &before)?;
    Ok(Value::list(items))
}

/// Go sorts four slice types and makes a nil list of everything else.
fn sortable(value: &Value) -> Option<Vec<Value>> {
    let known = |elem: &GoType| {
        matches!(elem, GoType::Any | GoType::String | GoType::Int(IntKind::Int) | GoType::Float(FloatKind::Float64))
    };
    match value {
        Value::List(list) if known(&list.elem) => Some(list.items.to_vec()),
        Value::TypedNil(GoType::Slice(elem)) if known(elem) => Some(Vec::new()),
        _ => None,
    }
}

/// `join(list, glue)`
pub(super) fn join(run: &Run<'_>, args: &[Value]) -> Res<Value> {
    let glue = match args.get(1) {
        Some(glue) => as_text(glue)?.clone(),
        None => Str::default(),
    };
    let items = match arg(args, 0) {
        Value::List(list) if matches!(list.elem, GoType::Any | GoType::String) => list.items.as_slice(),
        Value::TypedNil(GoType::Slice(elem)) if matches!(**elem, GoType::Any | GoType::String) => &[],
        Value::Nil | Value::NoValue => return fault("invalid argument for join (type %!s(<nil>))"),
        other => return fault(format!("invalid argument for join (type {})", fmt::type_name(other))),
    };
    let texts: Vec<&Str> = items.iter().map(as_text).collect::<Res<_>>()?;
    let size = texts.iter().map(|text| text.len() + glue.len()).sum::<usize>();
    run.ctx.budget.step(texts.len() as u64)?;
    run.ctx.budget.allocate(size as u64)?;
    let mut out = Vec::with_capacity(size);
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(glue.as_bytes());
        }
        out.extend_from_slice(text.as_bytes());
    }
    Ok(Value::Str(out.into()))
}
