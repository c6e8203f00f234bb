//! What a result of `success.when.expression` means (`spec/gates.md` 4 and 5).

use super::values::entries;
use crate::gate::status::Phase;
use gatepost_value::{GoType, Str, Value, fmt};
use std::collections::BTreeMap;

/// The phases that a result names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gate) struct Verdict {
    default: Phase,
    branches: BTreeMap<String, Phase>,
}

impl Verdict {
    pub(in crate::gate) fn phase(&self, branch: &str) -> Phase {
        self.branches.get(branch).copied().unwrap_or(self.default)
    }
}

/// Whether a result is a map.
pub(in crate::gate) fn is_object(result: &Value) -> bool {
    entries(result).is_some()
}

/// For one environment: a boolean, or an object with `phase`.
pub(in crate::gate) fn of_environment(result: &Value) -> Result<Verdict, String> {
    let single = |default| Ok(Verdict { default, branches: BTreeMap::new() });
    if let Value::Bool(passed) = result {
        return single(of_bool(*passed));
    }
    let Some(entries) = entries(result) else {
        return Err(format!("validation expression must return bool or object {{ phase }}, got {}", name(result)));
    };
    if let Some(key) = ["defaultPhase", "environments"].into_iter().find(|key| entries.iter().any(|(n, _)| n == key)) {
        return Err(format!(
            "validation expression object must be {{ phase }} in environments context, got key {key:?}, which is only \
             supported with mode.context: promotionstrategy"
        ));
    }
    let phase = phase(&entries, "phase", Phase::Pending);
    single(phase.map_err(|why| format!("validation expression phase: {why}"))?)
}

/// For all environments: a boolean, or an object with `defaultPhase` and `environments`.
pub(super) fn of_strategy(result: &Value) -> Result<Verdict, String> {
    if let Value::Bool(passed) = result {
        return Ok(Verdict { default: of_bool(*passed), branches: BTreeMap::new() });
    }
    let Some(entries) = entries(result) else {
        return Err(format!(
            "validation expression (promotionstrategy context) must return bool or object {{ defaultPhase?, \
             environments? }}, got {}",
            name(result)
        ));
    };
    let default = phase(&entries, "defaultPhase", Phase::Pending);
    let default = default.map_err(|why| format!("validation expression defaultPhase: {why}"))?;
    let branches = match get(&entries, "environments") {
        None | Some(Value::Nil | Value::NoValue) => BTreeMap::new(),
        Some(list) => branches(list, default).map_err(|why| format!("validation expression environments{why}"))?,
    };
    Ok(Verdict { default, branches })
}

fn branches(list: &Value, default: Phase) -> Result<BTreeMap<String, Phase>, String> {
    let Value::List(items) = list else { return Err(format!(" must be an array, got {}", name(list))) };
    if items.elem != GoType::Any {
        return Err(format!(" must be an array, got {}", name(list)));
    }
    let mut found = BTreeMap::new();
    for (at, item) in items.items.iter().enumerate() {
        let wrong = || format!("[{at}] must be object with branch and phase, got {}", name(item));
        let entries = entries(item).ok_or_else(wrong)?;
        let branch = text(&entries, "branch").map_err(|why| format!("[{at}].branch: {why}"))?;
        if branch.is_empty() {
            return Err(format!("[{at}]: branch is required"));
        }
        let phase = phase(&entries, "phase", default).map_err(|why| format!("[{at}].phase: {why}"))?;
        if found.insert(branch.clone(), phase).is_some() {
            return Err(format!("[{at}]: duplicate branch {branch:?}"));
        }
    }
    Ok(found)
}

const fn of_bool(passed: bool) -> Phase {
    if passed { Phase::Success } else { Phase::Pending }
}

fn phase(entries: &[(Str, Value)], key: &str, default: Phase) -> Result<Phase, String> {
    let text = text(entries, key)?;
    if text.is_empty() {
        return Ok(default);
    }
    let unknown = || format!("unrecognized phase {text:?}, must be one of: success, pending, failure");
    Phase::parse(&text).ok_or_else(unknown)
}

/// A text, empty where there is none. A string whose type has a name is none either.
fn text(entries: &[(Str, Value)], key: &str) -> Result<String, String> {
    match get(entries, key) {
        None | Some(Value::Nil | Value::NoValue) => Ok(String::new()),
        Some(Value::Str(text)) => Ok(text.to_lossy().into_owned()),
        Some(other) => Err(format!("field {key:?} must be a string, got {}", name(other))),
    }
}

fn get<'e>(entries: &'e [(Str, Value)], key: &str) -> Option<&'e Value> {
    entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

fn name(value: &Value) -> String {
    fmt::type_name(value).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gatepost_value::json::{Numbers, from_serde};
    use serde_json::{Value as Json, json};

    fn environment(result: Json) -> Result<Phase, String> {
        of_environment(&from_serde(&result, Numbers::Float)).map(|verdict| verdict.phase("b"))
    }
    fn strategy(result: Json) -> Result<[Phase; 2], String> {
        of_strategy(&from_serde(&result, Numbers::Float)).map(|verdict| ["a", "b"].map(|branch| verdict.phase(branch)))
    }

    #[test]
    fn one_environment() {
        use Phase::{Failure, Pending, Success};
        assert_eq!(environment(json!(true)), Ok(Success));
        assert_eq!(environment(json!(false)), Ok(Pending));
        assert_eq!(environment(json!({"phase": "failure", "other": 1})), Ok(Failure));
        assert_eq!(environment(json!({})), Ok(Pending));
        assert_eq!(environment(json!({"phase": null})), Ok(Pending));
        assert_eq!(environment(json!({"phase": ""})), Ok(Pending));
        let refused = |result| environment(result).unwrap_err();
        assert!(refused(json!("success")).ends_with("must return bool or object { phase }, got string"));
        assert!(refused(json!({"phase": "Success"})).contains("phase: unrecognized phase \"Success\", must be one of"));
        assert!(refused(json!({"phase": 1})).ends_with("field \"phase\" must be a string, got float64"));
        assert!(
            refused(json!({"defaultPhase": "success"})).contains("got key \"defaultPhase\", which is only supported")
        );
        assert!(refused(json!(null)).ends_with("got <nil>"));
    }

    #[test]
    fn all_environments() {
        use Phase::{Failure, Pending, Success};
        assert_eq!(strategy(json!(true)), Ok([Success, Success]));
        assert_eq!(strategy(json!({"phase": "success"})), Ok([Pending, Pending]));
        assert_eq!(strategy(json!({"defaultPhase": "failure", "environments": []})), Ok([Failure, Failure]));
        let listed = json!({"defaultPhase": "failure", "environments": [
            {"branch": "b", "phase": "success"}, {"branch": "x"}, {"branch": "a", "phase": ""}]});
        assert_eq!(strategy(listed), Ok([Failure, Success]));
        let refused = |environments: Json| strategy(json!({"environments": environments})).unwrap_err();
        assert_eq!(refused(json!("x")), "validation expression environments must be an array, got string");
        assert!(refused(json!([1])).contains("environments[0] must be object with branch and phase, got float64"));
        assert!(refused(json!([{"phase": "success"}])).ends_with("environments[0]: branch is required"));
        assert!(
            refused(json!([{"branch": "a"}, {"branch": "a"}])).ends_with("environments[1]: duplicate branch \"a\"")
        );
        assert!(refused(json!([{"branch": "a", "phase": "ok"}])).contains("environments[0].phase: unrecognized"));
        assert!(strategy(json!([])).unwrap_err().ends_with("got []interface {}"));
    }
}
