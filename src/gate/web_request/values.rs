//! What expressions and templates see (`spec/gates.md` 6 and 7).

use super::{Answer, Input, Step};
use crate::gate::engine::{Engine, Surroundings};
use crate::gate::objects::{self, PROMOTION_STRATEGY, WEB_REQUEST_COMMIT_STATUS};
use crate::gate::ready;
use crate::gate::spec::{Context, Gate};
use crate::gate::status::{Kept, Phase, Status};
use gatepost_value::json::Numbers;
use gatepost_value::namespace::Record;
use gatepost_value::{GoType, Map, Str, Time, Value, json};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// One look: what all of its steps share.
pub(super) struct Session<'a> {
    pub(super) engine: &'a Engine,
    pub(super) input: &'a Input<'a>,
    /// The stored status, with request times that were not worth a write.
    pub(super) stored: Status,
    strategy: Value,
    gate: Value,
    namespace: Value,
}

/// What was stored of a step.
pub(super) struct Before {
    /// `None` the first time.
    pub(super) phase: Option<Phase>,
    pub(super) kept: Kept,
}

impl<'a> Session<'a> {
    pub(super) fn new(engine: &'a Engine, input: &'a Input<'a>) -> Self {
        let stored = with_times(input);
        let namespace = vec![
            (Str::from_static("Labels"), texts(&input.namespace.labels)),
            (Str::from_static("Annotations"), texts(&input.namespace.annotations)),
        ];
        Self {
            engine,
            input,
            strategy: objects::object(&PROMOTION_STRATEGY, &input.strategy.object),
            gate: objects::object(&WEB_REQUEST_COMMIT_STATUS, &snapshot(input.gate, &stored)),
            namespace: Record::value("webrequest.NamespaceMetadata", namespace),
            stored,
        }
    }
    pub(super) fn around(&self) -> Surroundings<'a> {
        let Input { now, local, random, .. } = self.input;
        Surroundings { now: now.clone(), local: local.clone(), random: *random }
    }
    pub(super) fn gate(&self) -> &'a Gate {
        self.input.gate
    }
    /// What was stored of a step.
    pub(super) fn before(&self, scope: &str) -> Before {
        match self.gate().spec.context {
            Context::Environments => {
                let entry = self.stored.environment(scope);
                Before {
                    phase: entry.map(|entry| entry.phase),
                    kept: entry.map(|entry| entry.kept.clone()).unwrap_or_default(),
                }
            }
            Context::PromotionStrategy => {
                let context = self.stored.promotion_strategy_context.as_ref();
                Before {
                    phase: context.map(|context| context.aggregate()),
                    kept: context.map(|context| context.kept.clone()).unwrap_or_default(),
                }
            }
        }
    }
    /// The values of a step before anything was asked.
    pub(super) fn values(&self, scope: &str) -> Values<'_> {
        let before = self.before(scope);
        let output = |stored: &Option<Json>| self.output(stored.as_ref());
        Values {
            session: self,
            branch: scope.to_owned(),
            phase: before.phase.map_or("", Phase::as_str),
            trigger_output: output(&before.kept.trigger_output),
            response_output: output(&before.kept.response_output),
            success_output: output(&before.kept.success_output),
            trigger_variables: None,
            success_variables: None,
        }
    }
    /// The values of a step that was begun.
    pub(super) fn values_of(&self, step: &Step) -> Values<'_> {
        Values { trigger_variables: step.trigger.variables.clone(), ..self.values(&step.scope) }
    }
    /// A stored output: a map, or Go's nil map.
    pub(super) fn output(&self, stored: Option<&Json>) -> Value {
        match stored {
            Some(json @ Json::Object(_)) => json::from_serde(json, self.engine.numbers()),
            _ => nil_map(),
        }
    }
}

/// What expressions and templates of one step see.
#[derive(Clone)]
pub(super) struct Values<'s> {
    session: &'s Session<'s>,
    pub(super) branch: String,
    pub(super) phase: &'static str,
    pub(super) trigger_output: Value,
    pub(super) response_output: Value,
    pub(super) success_output: Value,
    pub(super) trigger_variables: Option<Value>,
    pub(super) success_variables: Option<Value>,
}

impl Values<'_> {
    /// The environment of the expressions of a `when`.
    pub(super) fn environment(&self, variables: Option<&Value>, response: Option<&Value>) -> Value {
        let mut entries = vec![
            ("Branch", Value::str(self.branch.as_str())),
            ("Phase", Value::str(self.phase)),
            ("PromotionStrategy", self.session.strategy.clone()),
            ("WebRequestCommitStatus", self.session.gate.clone()),
            ("TriggerOutput", self.trigger_output.clone()),
            ("ResponseOutput", self.response_output.clone()),
            ("SuccessOutput", self.success_output.clone()),
        ];
        entries.extend(variables.map(|variables| ("Variables", variables.clone())));
        entries.extend(response.map(|response| ("Response", response.clone())));
        map(entries)
    }
    /// The data of templates: a struct, so that a name it does not have is an error.
    pub(super) fn template_data(&self) -> Value {
        let variables = |variables: &Option<Value>| variables.clone().unwrap_or_else(nil_map);
        let fields = [
            ("NamespaceMetadata", self.session.namespace.clone()),
            ("PromotionStrategy", self.session.strategy.clone()),
            ("WebRequestCommitStatus", self.session.gate.clone()),
            ("TriggerOutput", self.trigger_output.clone()),
            ("ResponseOutput", self.response_output.clone()),
            ("SuccessOutput", self.success_output.clone()),
            ("TriggerVariables", variables(&self.trigger_variables)),
            ("SuccessVariables", variables(&self.success_variables)),
            ("Branch", Value::str(self.branch.as_str())),
            ("Phase", Value::str(self.phase)),
        ];
        let fields = fields.into_iter().map(|(name, value)| (Str::from_static(name), value)).collect();
        Record::value("webrequest.TemplateData", fields)
    }
    /// Renders a template.
    pub(super) fn render(&self, text: &str) -> Result<String, String> {
        self.session.engine.render(text, &self.template_data(), &self.session.around())
    }
}

/// The environment of `trigger.response.output`.
pub(super) fn response_environment(response: &Value) -> Value {
    map(vec![("Response", response.clone())])
}

/// An answer as expressions see it. A body that is JSON is read, any other is text.
pub(super) fn response(answer: &Answer, numbers: Numbers) -> Value {
    let body = json::parse(&answer.body, numbers).unwrap_or_else(|_| Value::str(answer.body.clone()));
    let mut by_name: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (name, value) in &answer.headers {
        by_name.entry(canonical(name)).or_default().push(Value::str(value.as_str()));
    }
    let headers = by_name.into_iter().map(|(name, values)| (Str::from(name), Value::list_of(GoType::String, values)));
    let list = GoType::Slice(Box::new(GoType::String));
    map(vec![
        ("StatusCode", Value::int(i64::from(answer.status))),
        ("Body", body),
        ("Headers", Value::Map(Map::frozen_of(list, headers.collect()))),
    ])
}

/// A header's name as Go writes it: `x-request-id` is `X-Request-Id`.
fn canonical(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        let first = out.is_empty() || out.ends_with('-');
        out.push(if first { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
    }
    out
}

/// A map result, Go's `map[string]interface {}`; a nil one is empty.
pub(super) fn entries(value: &Value) -> Option<Vec<(Str, Value)>> {
    match value {
        Value::Map(map) if *map.elem() == GoType::Any => Some(map.entries()),
        Value::TypedNil(GoType::Map(elem)) if **elem == GoType::Any => Some(Vec::new()),
        _ => None,
    }
}

/// Unix milliseconds.
pub(super) fn millis(time: &Time) -> i64 {
    time.secs.saturating_mul(1_000).saturating_add(i64::from(time.nanos / 1_000_000))
}

/// An RFC 3339 time to the second, as Kubernetes writes it.
pub(super) fn rfc3339(secs: i64) -> String {
    Time::unix(secs, 0).format("2006-01-02T15:04:05Z07:00")
}

pub(super) fn nil_map() -> Value {
    Value::TypedNil(GoType::Map(Box::new(GoType::Any)))
}

fn map(entries: Vec<(&'static str, Value)>) -> Value {
    Value::map(entries.into_iter().map(|(name, value)| (Str::from_static(name), value)).collect())
}

fn texts(entries: &BTreeMap<String, String>) -> Value {
    if entries.is_empty() {
        return Value::TypedNil(GoType::Map(Box::new(GoType::String)));
    }
    let entries = entries.iter().map(|(name, value)| (Str::from(name.as_str()), Value::str(value.as_str())));
    Value::Map(Map::frozen_of(GoType::String, entries.collect()))
}

/// The stored status with the times of requests that were not worth a write.
fn with_times(input: &Input<'_>) -> Status {
    let mut status = input.gate.status.clone();
    let remembered = |scope: &str| input.memory.scopes.get(scope).and_then(|tries| tries.last_request);
    let newer = |kept: &mut Kept, scope: &str| {
        if let Some(secs) = remembered(scope).filter(|secs| kept.last_request_secs().is_some_and(|old| old < *secs)) {
            kept.last_request_time = Some(rfc3339(secs));
        }
    };
    for entry in &mut status.environments {
        newer(&mut entry.kept, &entry.branch);
    }
    if let Some(context) = &mut status.promotion_strategy_context {
        newer(&mut context.kept, "");
    }
    status
}

/// The gate as it was before this look, without the `Ready` condition that a look makes anew.
fn snapshot(gate: &Gate, stored: &Status) -> Json {
    let mut status = stored.clone();
    status.conditions.retain(|condition| condition.kind != ready::TYPE);
    let mut object = gate.object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.insert("status".into(), status.to_json());
    }
    object
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gatepost_value::fmt::sprint_v;

    #[test]
    fn bodies_are_json_or_text_and_headers_have_gos_names() {
        let answer = |body: &str| Answer {
            status: 200,
            headers: vec![("x-request-id".into(), "1".into()), ("X-REQUEST-ID".into(), "2".into())],
            body: body.as_bytes().to_vec(),
        };
        let body = |text| response(&answer(text), Numbers::Float).at(&["Body"]).unwrap();
        assert_eq!(format!("{:?}", body(r#"{"a": [1, 2.5]}"#)), "map[a:[1 2.5]]");
        assert_eq!(body("").as_str(), Some(""));
        assert_eq!(body("{} x").as_str(), Some("{} x"));
        assert!(body(" null\n").is_nil());
        let headers = response(&answer(""), Numbers::Float).at(&["Headers"]).unwrap();
        assert_eq!(sprint_v(&headers).to_lossy(), "map[X-Request-Id:[1 2]]");
    }

    #[test]
    fn better_integers_print_as_integers_where_that_is_set() {
        let answer = Answer { status: 200, headers: Vec::new(), body: br#"{"id": 12345678, "rate": 0.5}"#.to_vec() };
        let shown = |numbers| sprint_v(&response(&answer, numbers).at(&["Body"]).unwrap()).to_lossy().into_owned();
        assert_eq!(shown(Numbers::Float), "map[id:1.2345678e+07 rate:0.5]");
        assert_eq!(shown(Numbers::Int), "map[id:12345678 rate:0.5]");
    }
}
