//! Maps with string keys. `set`, `unset` and the merges write to the map they are given, as in Go, by way of
//! [`Call::thaw`]; a map is never put into itself, which Go allows and then dies printing it.

use super::merging::{merge, merge_overwrite, must_merge, must_merge_overwrite};
use super::{Answer, allocate_items, fail, list, nested, strings};
use crate::function::{Call, FunctionSpec, Offered::Notifications, ParamType, ParamType::*, SignatureSpec};
use gatepost_value::{CallError, GoType, LiveMap, Map, Str, Value, cast, fmt};
use std::collections::{BTreeMap, HashSet};

type Run = fn(&mut Call<'_>) -> Answer;

const fn fixed(name: &'static str, params: &'static [ParamType], run: Run) -> FunctionSpec {
    FunctionSpec::new(name, SignatureSpec::fixed(params), run)
}
const fn variadic(name: &'static str, params: &'static [ParamType], run: Run) -> FunctionSpec {
    FunctionSpec::new(name, SignatureSpec::variadic(params), run)
}

pub(super) const TABLE: &[FunctionSpec] = &[
    variadic("dict", &[Any], dict),
    fixed("get", &[ParamType::Map, String], |call| {
        Ok(call.map(0).and_then(|map| map.get(call.bytes(1))).unwrap_or_else(|| Value::str("")))
    }),
    fixed("set", &[ParamType::Map, String, Any], set),
    fixed("unset", &[ParamType::Map, String], unset),
    fixed("hasKey", &[ParamType::Map, String], |call| {
        Ok(Value::Bool(call.map(0).is_some_and(|map| map.get(call.bytes(1)).is_some())))
    }),
    variadic("pluck", &[String, ParamType::Map], pluck),
    variadic("keys", &[ParamType::Map], keys),
    variadic("pick", &[ParamType::Map, String], pick),
    variadic("omit", &[ParamType::Map, String], omit),
    fixed("values", &[ParamType::Map], |call| {
        let entries = call.map(0).map(|map| map.entries()).unwrap_or_default();
        list(call, entries.into_iter().map(|(_, value)| value).collect())
    }),
    variadic("dig", &[Any], dig),
    variadic("merge", &[ParamType::Map, ParamType::Map], merge).offered(Notifications),
    variadic("mustMerge", &[ParamType::Map, ParamType::Map], must_merge).offered(Notifications),
    variadic("mergeOverwrite", &[ParamType::Map, ParamType::Map], merge_overwrite).offered(Notifications),
    variadic("mustMergeOverwrite", &[ParamType::Map, ParamType::Map], must_merge_overwrite).offered(Notifications),
];

/// A new map that templates may write to.
pub(super) fn live(call: &Call<'_>, entries: BTreeMap<Str, Value>) -> Answer {
    allocate_items(call, entries.len().saturating_mul(2))?;
    Ok(Value::Map(Map::Live(LiveMap::new(GoType::Any, entries))))
}

fn dict(call: &mut Call<'_>) -> Answer {
    let entry = |pair: &[Value]| {
        let value = pair.get(1).cloned().unwrap_or_else(|| Value::str(""));
        Ok((cast::to_str_metered(call.budget(), &pair[0])?, value))
    };
    let entries: Result<_, CallError> = call.args.chunks(2).map(entry).collect();
    live(call, entries?)
}

fn set(call: &mut Call<'_>) -> Answer {
    let Value::Map(map) = call.arg(0) else { return fail("assignment to entry in nil map") };
    let target = call.thaw(map);
    insert(call, &target, call.text(1), call.arg(2).clone())?;
    Ok(Value::Map(Map::Live(target)))
}

fn unset(call: &mut Call<'_>) -> Answer {
    let Value::Map(map) = call.arg(0) else { return Ok(call.arg(0).clone()) };
    if call.read(map).get(call.bytes(1)).is_none() {
        return Ok(call.arg(0).clone());
    }
    let target = call.thaw(map);
    target.remove(call.bytes(1));
    Ok(Value::Map(Map::Live(target)))
}

/// Puts an element into a map, unless the map is that element or inside it.
pub(super) fn insert(call: &Call<'_>, target: &LiveMap, key: Str, value: Value) -> Result<(), CallError> {
    let id = Map::Live(target.clone()).id();
    if contains(call, &value, id)? {
        return fail(format!("cannot put a map into itself (key {})", fmt::quote(key.as_bytes())));
    }
    call.budget().allocate(key.len() as u64 + 32)?;
    target.insert(key, value);
    Ok(())
}

/// Whether the map with that identity is in the value. Every node is a step.
fn contains(call: &Call<'_>, value: &Value, id: usize) -> Result<bool, CallError> {
    call.budget().step(1)?;
    let holds_maps = |elem: &GoType| matches!(elem, GoType::Any | GoType::Map(_) | GoType::Slice(_));
    match value {
        Value::Map(map) => {
            let map = call.read(map);
            if map.id() == id || !holds_maps(map.elem()) {
                return Ok(map.id() == id);
            }
            any_contains(call, map.entries().iter().map(|(_, item)| item), id)
        }
        Value::List(list) if holds_maps(&list.elem) => any_contains(call, list.items.iter(), id),
        _ => Ok(false),
    }
}

fn any_contains<'v>(call: &Call<'_>, items: impl Iterator<Item = &'v Value>, id: usize) -> Result<bool, CallError> {
    nested(call.budget(), || {
        for item in items {
            if contains(call, item, id)? {
                return Ok(true);
            }
        }
        Ok(false)
    })
}

fn pluck(call: &mut Call<'_>) -> Answer {
    let found = (1..call.args.len()).filter_map(|i| call.map(i)?.get(call.bytes(0)));
    list(call, found.collect())
}

fn keys(call: &mut Call<'_>) -> Answer {
    let mut found = Vec::new();
    for map in (0..call.args.len()).filter_map(|i| call.map(i)) {
        allocate_items(call, map.len())?;
        found.extend(map.entries().into_iter().map(|(key, _)| Value::Str(key)));
    }
    strings(call, found)
}

fn pick(call: &mut Call<'_>) -> Answer {
    let Some(map) = call.map(0) else { return live(call, BTreeMap::new()) };
    let wanted = (1..call.args.len()).map(|i| call.text(i));
    let entries = wanted.filter_map(|key| map.get(key.as_bytes()).map(|value| (key, value)));
    live(call, entries.collect())
}

fn omit(call: &mut Call<'_>) -> Answer {
    let unwanted: HashSet<&[u8]> = (1..call.args.len()).map(|i| call.bytes(i)).collect();
    let entries = call.map(0).map(|map| map.entries()).unwrap_or_default();
    live(call, entries.into_iter().filter(|(key, _)| !unwanted.contains(key.as_bytes())).collect())
}

fn dig(call: &mut Call<'_>) -> Answer {
    let [path @ .., default, dict] = call.args else { return fail("dig needs at least three arguments") };
    if path.is_empty() {
        return fail("dig needs at least three arguments");
    }
    let keys: Result<Vec<&Str>, CallError> = path.iter().map(key_text).collect();
    let mut at = dict.clone();
    any_map(&at)?;
    for key in keys? {
        let step = any_map(&at)?.and_then(|map| call.read(map).get(key.as_bytes()));
        let Some(step) = step else { return Ok(default.clone()) };
        at = step;
    }
    Ok(at)
}

fn key_text(value: &Value) -> Result<&Str, CallError> {
    match value {
        Value::Str(key) => Ok(key),
        other => fail(conversion(other, "string")),
    }
}

/// The `map[string]interface {}` a value is; `None` for a nil one.
fn any_map(value: &Value) -> Result<Option<&Map>, CallError> {
    match value {
        Value::Map(map) if *map.elem() == GoType::Any => Ok(Some(map)),
        Value::TypedNil(GoType::Map(elem)) if **elem == GoType::Any => Ok(None),
        other => fail(conversion(other, "map[string]interface {}")),
    }
}

fn conversion(value: &Value, wanted: &str) -> std::string::String {
    let found = match value {
        Value::Nil | Value::NoValue => "nil".to_owned(),
        value => fmt::type_name(value),
    };
    format!("interface conversion: interface {{}} is {found}, not {wanted}")
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use gatepost_value::{Map, Value};

    #[test]
    fn reading() {
        let map = m(&[("a", i(1)), ("b", m(&[("c", s("x"))]))]);
        assert_eq!(shown("get", &[map.clone(), s("z")]), "");
        assert_eq!(shown("hasKey", &[map.clone(), s("a")]), "true");
        assert_eq!(shown("keys", std::slice::from_ref(&map)), "[a b]");
        assert_eq!(shown("values", std::slice::from_ref(&map)), "[1 map[c:x]]");
        assert_eq!(shown("pick", &[map.clone(), s("a"), s("z")]), "map[a:1]");
        assert_eq!(shown("omit", &[map.clone(), s("a")]), "map[b:map[c:x]]");
        assert_eq!(shown("pluck", &[s("a"), map.clone(), m(&[("a", i(2))])]), "[1 2]");
        assert_eq!(shown("dig", &[s("b"), s("c"), s("none"), map.clone()]), "x");
        assert_eq!(shown("dig", &[s("z"), s("c"), s("none"), map.clone()]), "none");
        assert_eq!(
            refused("dig", &[s("a"), s("c"), s("none"), map]),
            "interface conversion: interface {} is int, not map[string]interface {}"
        );
    }

    #[test]
    fn writing_goes_to_the_map_itself() {
        let map = Value::Map(Map::live());
        call("set", &[map.clone(), s("k"), i(1)]).expect("set");
        assert_eq!(shown("get", &[map.clone(), s("k")]), "1");
        call("unset", &[map.clone(), s("k")]).expect("unset");
        assert_eq!(shown("hasKey", &[map, s("k")]), "false");
        assert_eq!(shown("dict", &[s("a"), i(1), s("b")]), "map[a:1 b:]");
    }

    #[test]
    fn a_map_is_not_put_into_itself() {
        let map = Value::Map(Map::live());
        assert!(refused("set", &[map.clone(), s("k"), l(&[m(&[("x", map.clone())])])]).contains("into itself"));
        let mut shared = l(&[]);
        for _ in 0..60 {
            shared = l(&[shared.clone(), shared]);
        }
        assert!(limited("set", &[map, s("k"), shared]));
    }
}
