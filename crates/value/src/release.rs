//! Letting go of values without recursion: a value may be nested deeper than a thread's stack would bear.
//!
//! Lists and maps empty themselves onto one worklist before they are dropped. Only what nobody else holds is taken.

use crate::{FrozenMap, List, Map, Value};
use std::sync::Arc;

/// Whether dropping this value could go deeper.
const fn nests(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Map(_) | Value::AnyMap(_) | Value::Named(_))
}

/// Drops values that own other values, level by level.
pub(crate) fn release(values: impl Iterator<Item = Value>) {
    let mut pending: Vec<Value> = values.filter(nests).collect();
    while let Some(mut value) = pending.pop() {
        match &mut value {
            Value::List(list) => {
                if let Some(items) = Arc::get_mut(&mut list.items) {
                    pending.extend(std::mem::take(items).into_iter().filter(nests));
                }
            }
            Value::Map(Map::Frozen(map)) => {
                if let Some(map) = Arc::get_mut(map) {
                    pending.extend(map.take().filter(nests));
                }
            }
            Value::Map(Map::Live(map)) => pending.extend(map.take_if_last().filter(nests)),
            Value::AnyMap(pairs) => {
                if let Some(pairs) = Arc::get_mut(pairs) {
                    pending.extend(std::mem::take(pairs).into_iter().flat_map(|(k, v)| [k, v]).filter(nests));
                }
            }
            Value::Named(named) => {
                if let Some(named) = Arc::get_mut(named) {
                    pending.extend(Some(std::mem::take(&mut named.base)).filter(nests));
                }
            }
            _ => {}
        }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        if let Some(items) = Arc::get_mut(&mut self.items)
            && items.iter().any(nests)
        {
            release(std::mem::take(items).into_iter());
        }
    }
}

impl Drop for FrozenMap {
    fn drop(&mut self) {
        if self.entries().iter().any(|(_, v)| nests(v)) {
            release(self.take());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::json::{Numbers, parse};
    use crate::{GoType, LiveMap, Map, Str, Value};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn nested(levels: usize, wrap: impl Fn(Value) -> Value) {
        drop((0..levels).fold(Value::Nil, |inner, _| wrap(inner)));
    }

    #[test]
    fn deep_values_are_dropped_level_by_level() {
        const LEVELS: usize = 200_000;
        nested(LEVELS, |v| Value::list(vec![v]));
        nested(LEVELS, |v| Value::map(vec![("k".into(), v)]));
        nested(LEVELS, |v| Value::list(vec![Value::AnyMap(Arc::new(vec![(Value::Nil, v)]))]));
        nested(LEVELS, |v| Value::Map(Map::Live(LiveMap::new(GoType::Any, BTreeMap::from([(Str::from("k"), v)])))));
    }

    #[test]
    fn the_deepest_json_is_read_printed_and_dropped_on_a_small_stack() {
        let run = || {
            let text = ["[".repeat(10_000), "]".repeat(10_000)].concat();
            let value = parse(text.as_bytes(), Numbers::Kubernetes).unwrap();
            assert_eq!(crate::fmt::sprint_v(&value), text.as_str());
            let budget = crate::Budget::new(crate::Limits::default());
            assert_eq!(crate::json::marshal(&budget, &value).unwrap(), text.as_bytes());
            assert_eq!(
                parse(format!("[{text}]").as_bytes(), Numbers::Kubernetes).unwrap_err().message,
                "exceeded max depth"
            );
        };
        std::thread::Builder::new().stack_size(256 << 10).spawn(run).unwrap().join().unwrap();
    }

    #[test]
    fn shared_parts_survive() {
        let inner = Value::list(vec![Value::list(vec![Value::int(1)])]);
        drop(Value::list(vec![inner.clone(), Value::map(vec![("a".into(), inner.clone())])]));
        assert_eq!(crate::fmt::sprint_v(&inner), "[[1]]");
    }
}
