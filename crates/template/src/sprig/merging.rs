//! `merge` and `mergeOverwrite` by mergo's rules for maps.
//!
//! Maps in both are merged in place; lists are taken whole; without overwriting, a value that is there and not empty
//! stays. What is taken over is shared, not copied, as in Go.

use super::defaults::empty;
use super::dicts::insert;
use super::{Answer, fail, nested};
use crate::function::Call;
use gatepost_value::{CallError, GoType, LiveMap, Map, Value};

pub(super) fn merge(call: &mut Call<'_>) -> Answer {
    quiet(all(call, false))
}
pub(super) fn must_merge(call: &mut Call<'_>) -> Answer {
    all(call, false)
}
pub(super) fn merge_overwrite(call: &mut Call<'_>) -> Answer {
    quiet(all(call, true))
}
pub(super) fn must_merge_overwrite(call: &mut Call<'_>) -> Answer {
    all(call, true)
}

/// sprig answers an empty text where mergo fails.
fn quiet(answer: Answer) -> Answer {
    match answer {
        Err(CallError::Message(_)) => Ok(Value::str("")),
        answer => answer,
    }
}

fn all(call: &mut Call<'_>, overwrite: bool) -> Answer {
    let Value::Map(target) = call.arg(0) else {
        // A nil map becomes a new one as soon as something is merged into it.
        return merged_into_nothing(call, overwrite);
    };
    let target = call.thaw(target);
    for index in 1..call.args.len() {
        if let Some(source) = call.map(index) {
            into(call, &target, &source, overwrite)?;
        }
    }
    Ok(Value::Map(Map::Live(target)))
}

fn merged_into_nothing(call: &mut Call<'_>, overwrite: bool) -> Answer {
    let sources: Vec<Map> = (1..call.args.len()).filter_map(|index| call.map(index)).collect();
    if sources.is_empty() {
        return Ok(call.arg(0).clone());
    }
    let target = LiveMap::new(GoType::Any, std::collections::BTreeMap::new());
    for source in &sources {
        into(call, &target, source, overwrite)?;
    }
    Ok(Value::Map(Map::Live(target)))
}

fn into(call: &Call<'_>, target: &LiveMap, source: &Map, overwrite: bool) -> Result<(), CallError> {
    let seen = Map::Live(target.clone());
    if seen.id() == source.id() {
        return Ok(());
    }
    if *seen.elem() != GoType::Any && seen.elem() != source.elem() {
        return fail("src and dst must be of same type");
    }
    nested(call.budget(), || merge_entries(call, target, source, overwrite))
}

fn merge_entries(call: &Call<'_>, target: &LiveMap, source: &Map, overwrite: bool) -> Result<(), CallError> {
    let seen = Map::Live(target.clone());
    for (key, new) in source.entries() {
        call.budget().step(1)?;
        let old = seen.get(key.as_bytes()).unwrap_or_default();
        if let (Value::Map(old), Value::Map(new)) = (&old, &new)
            && !call.read(old).is_empty()
        {
            let inner = call.thaw(old);
            into(call, &inner, &call.read(new), overwrite)?;
            target.insert(key, Value::Map(Map::Live(inner)));
        } else if new.is_nil() && !overwrite && !matches!(new, Value::TypedNil(_)) {
            // An absent or nil source leaves the target alone.
        } else if overwrite || empty(&old) {
            insert(call, target, key, new)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use gatepost_value::{Map, Value};

    #[test]
    fn what_is_there_stays_unless_overwritten() {
        let left = || m(&[("a", i(1)), ("e", s("")), ("n", m(&[("x", i(1))])), ("l", l(&[i(1)]))]);
        let right = m(&[("a", i(2)), ("e", s("e")), ("n", m(&[("x", i(2)), ("y", i(3))])), ("l", l(&[i(2), i(3)]))]);
        assert_eq!(shown("merge", &[left(), right.clone()]), "map[a:1 e:e l:[1] n:map[x:1 y:3]]");
        assert_eq!(shown("mergeOverwrite", &[left(), right]), "map[a:2 e:e l:[2 3] n:map[x:2 y:3]]");
    }

    #[test]
    fn nested_live_maps_are_merged_in_place() {
        let inner = Value::Map(Map::live());
        call("set", &[inner.clone(), s("x"), i(1)]).expect("set");
        let left = call("dict", &[s("n"), inner.clone()]).expect("dict");
        call("merge", &[left, m(&[("n", m(&[("y", i(2))]))])]).expect("merge");
        assert_eq!(shown("keys", &[inner]), "[x y]");
    }

    #[test]
    fn nothing_is_merged_into_itself() {
        let map = Value::Map(Map::live());
        assert_eq!(shown("merge", &[map.clone(), map.clone()]), "map[]");
        assert!(refused("mustMerge", &[map.clone(), m(&[("k", l(&[map]))])]).contains("into itself"));
    }
}
