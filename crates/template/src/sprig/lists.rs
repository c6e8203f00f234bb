//! Lists. Results are new lists; the elements are shared, never copied.

use super::numbers::{Cast, Convert, Plain};
use super::reflection::deep_equal;
use super::{Answer, allocate_items, fail, list};
use crate::function::Offered::{Gates, Notifications};
use crate::function::{Call, FunctionSpec, ParamType, ParamType::*, SignatureSpec};
use gatepost_value::{CallError, GoType, UintKind, Value, fmt};
use std::borrow::Cow;

type Run = fn(&mut Call<'_>) -> Answer;

const fn fixed(name: &'static str, params: &'static [ParamType], run: Run) -> FunctionSpec {
    FunctionSpec::new(name, SignatureSpec::fixed(params), run)
}
const fn variadic(name: &'static str, params: &'static [ParamType], run: Run) -> FunctionSpec {
    FunctionSpec::new(name, SignatureSpec::variadic(params), run)
}

pub(super) const TABLE: &[FunctionSpec] = &[
    variadic("list", &[Any], |call| list(call, call.args.to_vec())),
    variadic("tuple", &[Any], |call| list(call, call.args.to_vec())),
    fixed("append", &[Any, Any], push),
    fixed("push", &[Any, Any], push),
    fixed("mustAppend", &[Any, Any], push),
    fixed("mustPush", &[Any, Any], push),
    fixed("prepend", &[Any, Any], prepend),
    fixed("mustPrepend", &[Any, Any], prepend),
    fixed("first", &[Any], first),
    fixed("mustFirst", &[Any], first),
    fixed("last", &[Any], last),
    fixed("mustLast", &[Any], last),
    fixed("rest", &[Any], rest),
    fixed("mustRest", &[Any], rest),
    fixed("initial", &[Any], initial),
    fixed("mustInitial", &[Any], initial),
    fixed("reverse", &[Any], reverse),
    fixed("mustReverse", &[Any], reverse),
    fixed("uniq", &[Any], uniq),
    fixed("mustUniq", &[Any], uniq),
    variadic("without", &[Any, Any], without),
    variadic("mustWithout", &[Any, Any], without),
    fixed("has", &[Any, Any], has),
    fixed("mustHas", &[Any, Any], has),
    variadic("slice", &[Any, Any], slice::<Cast>).offered(Notifications),
    variadic("slice", &[Any, Any], slice::<Plain>).offered(Gates),
    variadic("mustSlice", &[Any, Any], slice::<Cast>).offered(Notifications),
    variadic("mustSlice", &[Any, Any], slice::<Plain>).offered(Gates),
    variadic("concat", &[Any], concat),
    fixed("chunk", &[Int, Any], chunk),
    fixed("mustChunk", &[Int, Any], chunk),
];

/// The elements of any slice; `None` for everything else.
pub(super) fn items(value: &Value) -> Option<Cow<'_, [Value]>> {
    match value {
        Value::List(list) => Some(Cow::Borrowed(&list.items)),
        Value::Bytes(bytes) => Some(bytes.iter().map(|&b| Value::Uint(UintKind::Uint8, u64::from(b))).collect()),
        Value::TypedNil(GoType::Slice(_) | GoType::Bytes) => Some(Cow::Borrowed(&[])),
        _ => None,
    }
}

/// The elements, or sprig's complaint about the kind of the argument.
pub(super) fn list_items<'v>(value: &'v Value, complaint: &str) -> Result<Cow<'v, [Value]>, CallError> {
    if matches!(value, Value::Nil | Value::NoValue) {
        return fail("runtime error: invalid memory address or nil pointer dereference");
    }
    items(value).map_or_else(|| fail(format!("{complaint} {}", fmt::kind_name(value))), Ok)
}

/// A nil `[]interface {}`, which prints as an empty list.
fn nil_list() -> Value {
    Value::TypedNil(GoType::Slice(Box::new(GoType::Any)))
}

fn push(call: &mut Call<'_>) -> Answer {
    let items = list_items(call.arg(0), "Cannot push on type")?;
    allocate_items(call, items.len() + 1)?;
    Ok(Value::list(items.iter().chain([call.arg(1)]).cloned().collect()))
}

fn prepend(call: &mut Call<'_>) -> Answer {
    let items = list_items(call.arg(0), "Cannot prepend on type")?;
    allocate_items(call, items.len() + 1)?;
    Ok(Value::list([call.arg(1)].into_iter().chain(items.iter()).cloned().collect()))
}

fn first(call: &mut Call<'_>) -> Answer {
    Ok(list_items(call.arg(0), "Cannot find first on type")?.first().cloned().unwrap_or_default())
}

fn last(call: &mut Call<'_>) -> Answer {
    Ok(list_items(call.arg(0), "Cannot find last on type")?.last().cloned().unwrap_or_default())
}

fn rest(call: &mut Call<'_>) -> Answer {
    match &*list_items(call.arg(0), "Cannot find rest on type")? {
        [] => Ok(nil_list()),
        [_, rest @ ..] => list(call, rest.to_vec()),
    }
}

fn initial(call: &mut Call<'_>) -> Answer {
    match &*list_items(call.arg(0), "Cannot find initial on type")? {
        [] => Ok(nil_list()),
        [initial @ .., _] => list(call, initial.to_vec()),
    }
}

fn reverse(call: &mut Call<'_>) -> Answer {
    let items = list_items(call.arg(0), "Cannot find reverse on type")?;
    list(call, items.iter().rev().cloned().collect())
}

fn contains(call: &Call<'_>, items: &[Value], wanted: &Value) -> Result<bool, CallError> {
    for item in items {
        if deep_equal(call.budget(), wanted, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn uniq(call: &mut Call<'_>) -> Answer {
    let mut kept = Vec::new();
    for item in list_items(call.arg(0), "Cannot find uniq on type")?.iter() {
        if !contains(call, &kept, item)? {
            kept.push(item.clone());
        }
    }
    list(call, kept)
}

fn without(call: &mut Call<'_>) -> Answer {
    let mut kept = Vec::new();
    for item in list_items(call.arg(0), "Cannot find without on type")?.iter() {
        if !contains(call, call.rest(1), item)? {
            kept.push(item.clone());
        }
    }
    list(call, kept)
}

fn has(call: &mut Call<'_>) -> Answer {
    if matches!(call.arg(1), Value::Nil | Value::NoValue) {
        return Ok(Value::Bool(false));
    }
    let items = list_items(call.arg(1), "Cannot find has on type")?;
    Ok(Value::Bool(contains(call, &items, call.arg(0))?))
}

fn slice<C: Convert>(call: &mut Call<'_>) -> Answer {
    let whole = call.arg(0);
    let items = list_items(whole, "list should be type of slice or array but")?;
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    let start = call.args.get(1).map_or(0, C::int);
    let end = call.args.get(2).map_or(items.len() as i64, C::int);
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let Some(kept) = range.and_then(|(start, end)| items.get(start..end)) else {
        return fail("reflect.Value.Slice: slice index out of bounds");
    };
    allocate_items(call, kept.len())?;
    Ok(match whole {
        Value::Bytes(bytes) => Value::Bytes(bytes.slice(start as usize..end as usize)),
        Value::List(list) => Value::list_of(list.elem.clone(), kept.to_vec()),
        _ => Value::Nil,
    })
}

fn concat(call: &mut Call<'_>) -> Answer {
    let mut joined: Vec<Value> = Vec::new();
    for value in call.args {
        if matches!(value, Value::Nil | Value::NoValue) {
            return fail("runtime error: invalid memory address or nil pointer dereference");
        }
        let Some(items) = items(value) else {
            return fail(format!("Cannot concat type {} as list", fmt::kind_name(value)));
        };
        allocate_items(call, items.len())?;
        joined.extend(items.iter().cloned());
    }
    if joined.is_empty() {
        return Ok(nil_list());
    }
    list(call, joined)
}

fn chunk(call: &mut Call<'_>) -> Answer {
    let items = list_items(call.arg(1), "Cannot chunk type")?;
    let elem = GoType::Slice(Box::new(GoType::Any));
    let Some(size) = usize::try_from(call.int(0)).ok().filter(|&size| size > 0) else {
        return chunk_backwards(call.int(0), &items, elem);
    };
    allocate_items(call, items.len())?;
    Ok(Value::list_of(elem, items.chunks(size).map(|part| Value::list(part.to_vec())).collect()))
}

/// What Go's arithmetic makes of a size that is no size: `floor((length - 1) / size) + 1` chunks.
fn chunk_backwards(size: i64, items: &[Value], elem: GoType) -> Answer {
    let Some(steps) = (items.len() as u64).checked_sub(1) else {
        return fail("runtime error: makeslice: len out of range");
    };
    match (steps, size) {
        (0, ..=-2) => Ok(Value::list_of(elem, vec![Value::list(items.to_vec())])),
        (1.., ..=-1) if steps <= size.unsigned_abs() => Ok(Value::list_of(elem, Vec::new())),
        _ => fail("runtime error: makeslice: len out of range"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use gatepost_value::Value;

    #[test]
    fn ends_of_lists() {
        let three = l(&[i(1), i(2), i(3)]);
        assert_eq!(shown("first", std::slice::from_ref(&three)), "1");
        assert_eq!(shown("last", std::slice::from_ref(&three)), "3");
        assert_eq!(shown("rest", std::slice::from_ref(&three)), "[2 3]");
        assert_eq!(shown("initial", std::slice::from_ref(&three)), "[1 2]");
        assert!(matches!(call("first", &[l(&[])]), Ok(Value::Nil)));
        assert_eq!(shown("rest", &[l(&[])]), "[]");
        assert_eq!(refused("first", &[s("x")]), "Cannot find first on type string");
        assert!(refused("last", &[Value::Nil]).contains("nil pointer"));
    }

    #[test]
    fn building_and_cutting() {
        assert_eq!(shown("append", &[l(&[i(1)]), i(2)]), "[1 2]");
        assert_eq!(shown("prepend", &[l(&[i(1)]), i(2)]), "[2 1]");
        assert_eq!(shown("concat", &[l(&[i(1)]), l(&[i(2)])]), "[1 2]");
        assert_eq!(shown("chunk", &[i(2), l(&[i(1), i(2), i(3)])]), "[[1 2] [3]]");
        assert_eq!(shown("slice", &[l(&[i(1), i(2), i(3)]), i(1), i(2)]), "[2]");
        assert!(refused("slice", &[l(&[i(1)]), i(0), i(5)]).contains("out of bounds"));
        assert!(refused("chunk", &[i(0), l(&[i(1)])]).contains("makeslice"));
        assert_eq!(shown("reverse", &[l(&[i(1), i(2)])]), "[2 1]");
    }

    #[test]
    fn membership_needs_equal_types() {
        assert_eq!(shown("has", &[i(1), l(&[Value::int64(1)])]), "false");
        assert_eq!(shown("has", &[i(1), Value::Nil]), "false");
        assert_eq!(shown("uniq", &[l(&[i(1), i(1), s("1")])]), "[1 1]");
        assert_eq!(shown("without", &[l(&[i(1), i(2), i(3)]), i(1), i(3)]), "[2]");
    }
}
