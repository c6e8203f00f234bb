//! Defaults, emptiness, choice, and JSON in both directions.

use super::{Answer, fail, list, lists, nested};
use crate::function::{Call, FunctionSpec, Offered::Notifications, ParamType::*, SignatureSpec};
use gatepost_value::json::{self, Numbers};
use gatepost_value::{CallError, GoType, Map, Str, Value};

type Run = fn(&mut Call<'_>) -> Answer;

const fn any1(name: &'static str, run: Run) -> FunctionSpec {
    FunctionSpec::new(name, SignatureSpec::fixed(&[Any]), run)
}

pub(super) const TABLE: &[FunctionSpec] = &[
    FunctionSpec::new("default", SignatureSpec::variadic(&[Any, Any]), |call| {
        Ok(call.args.get(1).filter(|given| !empty(given)).unwrap_or(call.arg(0)).clone())
    }),
    any1("empty", |call| Ok(Value::Bool(empty(call.arg(0))))),
    FunctionSpec::new("coalesce", SignatureSpec::variadic(&[Any]), |call| {
        Ok(call.args.iter().find(|v| !empty(v)).cloned().unwrap_or_default())
    }),
    FunctionSpec::new("all", SignatureSpec::variadic(&[Any]), |call| Ok(Value::Bool(!call.args.iter().any(empty)))),
    FunctionSpec::new("any", SignatureSpec::variadic(&[Any]), |call| Ok(Value::Bool(!call.args.iter().all(empty)))),
    any1("compact", compact),
    any1("mustCompact", compact),
    FunctionSpec::new("ternary", SignatureSpec::fixed(&[Any, Any, Bool]), |call| {
        Ok(call.arg(usize::from(!call.flag(2))).clone())
    }),
    FunctionSpec::new("fromJson", SignatureSpec::fixed(&[String]), |call| quiet(from_json(call), Value::Nil)),
    FunctionSpec::new("mustFromJson", SignatureSpec::fixed(&[String]), from_json),
    any1("toJson", |call| quiet(to_json(call), Value::str(""))),
    any1("mustToJson", to_json),
    any1("toPrettyJson", |call| quiet(to_pretty_json(call), Value::str(""))),
    any1("mustToPrettyJson", to_pretty_json),
    any1("toRawJson", to_raw_json),
    any1("mustToRawJson", to_raw_json),
    any1("deepCopy", copy).offered(Notifications),
    any1("mustDeepCopy", copy).offered(Notifications),
];

/// sprig's emptiness: as text/template's falsehood, but structs (times too) are never empty.
pub(super) fn empty(value: &Value) -> bool {
    match value {
        Value::Nil | Value::NoValue | Value::TypedNil(_) => true,
        Value::Bool(b) => !b,
        Value::Int(_, n) | Value::Duration(n) | Value::Month(n) | Value::Weekday(n) => *n == 0,
        Value::Uint(_, n) => *n == 0,
        Value::Float(_, f) => *f == 0.0,
        Value::Str(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::List(list) => list.items.is_empty(),
        Value::Map(map) => map.is_empty(),
        Value::AnyMap(pairs) => pairs.is_empty(),
        Value::Named(named) => empty(&named.base),
        Value::Struct(_) | Value::Time(_) | Value::Location(_) | Value::Func(_) => false,
    }
}

fn compact(call: &mut Call<'_>) -> Answer {
    let items = lists::list_items(call.arg(0), "Cannot compact on type")?;
    list(call, items.iter().filter(|v| !empty(v)).cloned().collect())
}

/// The other answer for a failure; limits are reported nevertheless.
fn quiet(answer: Answer, otherwise: Value) -> Answer {
    match answer {
        Err(CallError::Message(_)) => Ok(otherwise),
        answer => answer,
    }
}

fn from_json(call: &mut Call<'_>) -> Answer {
    let source = call.bytes(0);
    call.budget().step(source.len() as u64 / 16)?;
    call.budget().allocate(source.len() as u64)?;
    json::parse(source, Numbers::Float).or_else(|e| fail(e.to_string()))
}

fn to_json(call: &mut Call<'_>) -> Answer {
    Ok(Value::str(json::marshal(call.budget(), call.arg(0))?))
}

fn to_pretty_json(call: &mut Call<'_>) -> Answer {
    Ok(Value::str(json::marshal_indent(call.budget(), call.arg(0), "  ")?))
}

fn to_raw_json(call: &mut Call<'_>) -> Answer {
    Ok(Value::str(json::marshal_raw(call.budget(), call.arg(0))?))
}

fn copy(call: &mut Call<'_>) -> Answer {
    if matches!(call.arg(0), Value::Nil | Value::NoValue) {
        return super::fail("reflect: call of reflect.Value.Type on zero Value");
    }
    deep_copy(call, call.arg(0))
}

/// The value with maps and lists of its own.
fn deep_copy(call: &Call<'_>, value: &Value) -> Answer {
    call.budget().step(1)?;
    match value {
        Value::Map(map) => nested(call.budget(), || copied_map(call, map)),
        Value::List(list) if matches!(list.elem, GoType::Any | GoType::Map(_) | GoType::Slice(_)) => {
            let copies = || list.items.iter().map(|item| deep_copy(call, item)).collect();
            let items: Vec<Value> = nested(call.budget(), copies)?;
            super::allocate_items(call, items.len())?;
            Ok(Value::list_of(list.elem.clone(), items))
        }
        other => Ok(other.clone()),
    }
}

fn copied_map(call: &Call<'_>, map: &Map) -> Answer {
    let entries = call.read(map).entries();
    super::allocate_items(call, entries.len())?;
    let mut copies: Vec<(Str, Value)> = Vec::with_capacity(entries.len());
    for (key, item) in entries {
        copies.push((key, deep_copy(call, &item)?));
    }
    Ok(Value::Map(Map::frozen_of(map.elem().clone(), copies)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use gatepost_value::Value;

    #[test]
    fn choice() {
        assert_eq!(shown("default", &[s("d"), s("")]), "d");
        assert_eq!(shown("default", &[s("d")]), "d");
        assert_eq!(shown("default", &[s("d"), f(0.5)]), "0.5");
        assert_eq!(shown("coalesce", &[i(0), Value::Nil, s("x")]), "x");
        assert_eq!(shown("ternary", &[i(1), i(2), Value::Bool(false)]), "2");
        assert_eq!(shown("all", &[i(1), s("")]), "false");
        assert_eq!(shown("any", &[i(0), s("x")]), "true");
        assert_eq!(shown("compact", &[l(&[i(0), s("a"), Value::Nil])]), "[a]");
        assert_eq!(refused("compact", &[s("a")]), "Cannot compact on type string");
    }

    #[test]
    fn json_both_ways() {
        assert_eq!(shown("toJson", &[m(&[("a", s("<")), ("b", l(&[i(1)]))])]), r#"{"a":"\u003c","b":[1]}"#);
        assert_eq!(shown("toRawJson", &[m(&[("a", s("<"))])]), r#"{"a":"<"}"#);
        assert_eq!(shown("toPrettyJson", &[m(&[("a", i(1))])]), "{\n  \"a\": 1\n}");
        assert_eq!(shown("fromJson", &[s(r#"{"a":[1,2.5]}"#)]), "map[a:[1 2.5]]");
        assert!(matches!(call("fromJson", &[s("{")]), Ok(Value::Nil)));
        assert_eq!(refused("mustFromJson", &[s("{")]), "unexpected end of JSON input");
        assert_eq!(shown("deepCopy", &[m(&[("a", l(&[i(1)]))])]), "map[a:[1]]");
    }
}
