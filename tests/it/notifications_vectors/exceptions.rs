//! Where Gatepost differs from the Go controller on purpose: when, why, and what must hold instead.

use super::case::Case;
use super::play;
use gatepost::notify::Configuration;
use gatepost::notify::Phase;
use serde_json::Value as Json;

/// A reason to differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    NamespaceWithoutConfiguration,
    SecretStaysText,
    SecretLineBreak,
    JsonMended,
    NoEntityReference,
    RefusedIsParked,
}

/// Texts that are booleans in YAML 1.1 only.
const BOOLEANS: [&str; 6] = ["yes", "no", "on", "off", "y", "n"];

impl Rule {
    /// The rule that applies to a case, judged by its input and by what Go made of it.
    pub fn of(case: &Case) -> Option<Self> {
        let input = &case.input;
        let namespace = input["app"]["metadata"]["namespace"].as_str().unwrap_or_default();
        if case.op == "process" && input["selfService"] == true && input["namespaceConfig"][namespace].is_null() {
            return Some(Self::NamespaceWithoutConfiguration);
        }
        if referenced(case).iter().any(|value| BOOLEANS.contains(&value.to_ascii_lowercase().as_str())) {
            return Some(Self::SecretStaysText);
        }
        if case.expected["error"].as_str().is_some_and(|error| error.contains("invalid header field value"))
            && referenced(case).iter().any(|value| value.ends_with('\n'))
        {
            return Some(Self::SecretLineBreak);
        }
        let requests = requests(case);
        if requests.iter().any(|request| is_backstage(request) && reference(request) == Some("<no value>")) {
            return Some(Self::NoEntityReference);
        }
        let broken = |request: &&Json| {
            let body = request["body"].as_str().unwrap_or_default();
            body.starts_with('{') && serde_json::from_str::<Json>(body).is_err()
        };
        if requests.iter().any(broken) {
            return Some(Self::JsonMended);
        }
        let refused = |text: &str| case.op == "process" && text.contains("has failed with error code 400");
        refused(&case.expected.to_string()).then_some(Self::RefusedIsParked)
    }
    /// Why it is better so.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NamespaceWithoutConfiguration => {
                "a namespace without a ConfigMap is no error at each subscribed trigger"
            }
            Self::SecretStaysText => "a Secret's yes or no stays text",
            Self::SecretLineBreak => "a line break at the end of a Secret's value is left out",
            Self::JsonMended => "a value with quotes or line breaks stays inside its JSON string",
            Self::NoEntityReference => "a notification that names no entity is a dead letter that says what to add",
            Self::RefusedIsParked => "what a receiver refused is parked and released by a change, not repeated blindly",
        }
    }
    /// What must hold instead.
    pub fn check(self, case: &Case) -> Result<(), String> {
        match self {
            Self::NamespaceWithoutConfiguration => same_but_for_the_errors(case),
            Self::SecretStaysText => header_is_the_secret(case),
            Self::SecretLineBreak => sent_without_the_line_break(case),
            Self::JsonMended => body_is_json(case),
            Self::NoEntityReference => advice_names_the_annotation(case),
            Self::RefusedIsParked => parked_with_one_try_each(case),
        }
    }
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// Values of the Secret that a service's text names.
fn referenced(case: &Case) -> Vec<&str> {
    let services = case.input["configmap"].as_object().into_iter().flatten();
    let texts: Vec<&str> =
        services.filter(|(key, _)| key.starts_with("service.")).filter_map(|(_, text)| text.as_str()).collect();
    let secret = case.input["secret"].as_object().into_iter().flatten();
    secret
        .filter(|(key, _)| {
            texts
                .iter()
                .any(|text| text.contains(&format!("value: ${key}")) || text.contains(&format!("Bearer ${key}")))
        })
        .filter_map(|(_, value)| value.as_str())
        .collect()
}

fn requests(case: &Case) -> Vec<&Json> {
    let steps = case.expected["steps"].as_array().into_iter().flatten();
    let all = std::iter::once(&case.expected).chain(steps);
    all.filter_map(|holder| holder["requests"].as_array()).flatten().collect()
}

fn is_backstage(request: &Json) -> bool {
    request["url"].as_str().is_some_and(|url| url.ends_with("/api/notifications/notifications"))
}

fn reference(request: &Json) -> Option<&'static str> {
    let body: Json = serde_json::from_str(request["body"].as_str()?).ok()?;
    (body["recipients"]["entityRef"] == "<no value>").then_some("<no value>")
}

fn same_but_for_the_errors(case: &Case) -> Result<(), String> {
    let (ours, _) = play::process(case);
    for (ours, go) in ours["steps"].as_array().into_iter().flatten().zip(case.expected["steps"].as_array().unwrap()) {
        for field in ["requests", "notifiedKeys", "skipped"] {
            ensure(ours[field] == go[field], || format!("{field}: {} instead of {}", ours[field], go[field]))?;
        }
        ensure(ours["errors"] == serde_json::json!([]), || format!("errors {}", ours["errors"]))?;
    }
    Ok(())
}

fn header_is_the_secret(case: &Case) -> Result<(), String> {
    let sent = play::deliver_all(case, 200)?;
    let header = sent[0]["headers"]["Authorization"][0].as_str().unwrap_or_default();
    ensure(referenced(case).iter().any(|value| header.ends_with(value)), || format!("header '{header}'"))
}

fn sent_without_the_line_break(case: &Case) -> Result<(), String> {
    let sent = play::deliver_all(case, 200)?;
    let header = sent[0]["headers"]["Authorization"][0].as_str().unwrap_or_default();
    ensure(referenced(case).iter().any(|value| header.ends_with(value.trim_end())), || format!("header '{header}'"))?;
    let config = Configuration::load(&case.config_input(), None, &case.options());
    ensure(config.problems().iter().any(|problem| problem.cause.contains("line break")), || "not said".into())
}

fn body_is_json(case: &Case) -> Result<(), String> {
    for request in play::deliver_all(case, 200)? {
        let body = request["body"].as_str().unwrap_or_default();
        serde_json::from_str::<Json>(body).map_err(|error| format!("{error}: {body}"))?;
    }
    Ok(())
}

fn advice_names_the_annotation(case: &Case) -> Result<(), String> {
    let (error, requests) = if case.op == "process" {
        let step = play::process(case).0["steps"][0].clone();
        (step["errors"].to_string(), step["requests"].as_array().map_or(0, Vec::len))
    } else {
        let result = play::deliver_all(case, 200);
        (result.clone().err().unwrap_or_default(), result.map_or(0, |requests| requests.len()))
    };
    ensure(requests == 0 && error.contains("backstage.io/entity-ref"), || format!("{requests} requests, {error}"))
}

/// Each destination is tried once; what was delivered is annotated, what was refused is parked.
fn parked_with_one_try_each(case: &Case) -> Result<(), String> {
    let (out, states) = play::process(case);
    let steps = out["steps"].as_array().cloned().unwrap_or_default();
    let tries: usize = steps.iter().map(|step| step["requests"].as_array().map_or(0, Vec::len)).sum();
    ensure(tries == states.len(), || format!("{tries} tries for {} keys", states.len()))?;
    let last = &steps[steps.len() - 1]["notifiedKeys"];
    let annotated = |key: &String| last.as_array().is_some_and(|keys| keys.contains(&Json::from(key.as_str())));
    let wrong = states.iter().find(|(key, state)| annotated(key) == matches!(state.phase, Phase::Dead { .. }));
    ensure(wrong.is_none(), || format!("{wrong:?}"))
}
