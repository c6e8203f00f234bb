//! What is there, in the form of the recording, and how strictly the two are compared (see the vectors' README).

use super::case::Case;
use super::script::Script;
use kube::api::DynamicObject;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Headers whose values are the client's own.
const OWN_HEADERS: [&str; 2] = ["user-agent", "accept-encoding"];
/// Headers that the recording leaves out.
const LEFT_OUT: [&str; 6] = ["host", "content-length", "connection", "accept", "traceparent", "idempotency-key"];

/// The Ready condition of a status; null where there is none.
pub fn ready(status: &Value) -> &Value {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.clone().find(|condition| condition["type"] == "Ready").unwrap_or(&Value::Null)
}

/// A CommitStatus as recorded.
pub fn child(object: &DynamicObject) -> Value {
    let metadata = &object.metadata;
    let owners = metadata.owner_references.iter().flatten().map(|owner| {
        json!({
            "apiVersion": owner.api_version, "blockOwnerDeletion": owner.block_owner_deletion,
            "controller": owner.controller, "kind": owner.kind, "name": owner.name,
        })
    });
    json!({
        "name": metadata.name, "labels": metadata.labels, "ownerReferences": owners.collect::<Vec<_>>(),
        "finalizers": metadata.finalizers.clone().unwrap_or_default(), "spec": object.data["spec"],
    })
}

/// A gate as recorded: times are only there or not.
pub fn gate(object: &DynamicObject) -> Value {
    let status = normal(&object.data["status"]);
    json!({"name": object.metadata.name, "status": status})
}

fn normal(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| *name != "lastTransitionTime");
            let field = |(name, value): (&String, &Value)| match name.as_str() {
                "lastRequestTime" => (name.clone(), json!("@@TIME@@")),
                _ => (name.clone(), normal(value)),
            };
            Value::Object(kept.map(field).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(normal).collect()),
        other => other.clone(),
    }
}

/// Whether what is there is what was recorded.
pub fn same(case: &Case, expected: &Value, actual: &Value) -> Result<(), String> {
    same_count(case, expected, actual)?;
    same_children(expected, actual)?;
    same_gates(expected, actual)
}

/// The requests so far; at least the recorded ones where timing decides.
pub fn same_count(case: &Case, expected: &Value, actual: &Value) -> Result<(), String> {
    let (wanted, found) = (expected["requestsMade"].as_u64(), actual["requestsMade"].as_u64());
    if wanted == found || (case.at_least() && found > wanted) {
        return Ok(());
    }
    Err(format!("{}: {found:?} requests instead of {wanted:?}", expected["name"]))
}

/// The CommitStatuses, exactly.
pub fn same_children(expected: &Value, actual: &Value) -> Result<(), String> {
    equal(&expected["name"], &expected["commitStatuses"], &actual["commitStatuses"])
}

/// The gates' status: exactly but for messages.
pub fn same_gates(expected: &Value, actual: &Value) -> Result<(), String> {
    let list = |json: &Value| json["webRequestCommitStatuses"].as_array().cloned().unwrap_or_default();
    let (wanted, found) = (list(expected), list(actual));
    for (wanted, found) in wanted.iter().zip(&found) {
        equal(&expected["name"], &without_messages(wanted), &without_messages(found))?;
        same_message(ready(&wanted["status"]), ready(&found["status"]))?;
    }
    equal(&expected["name"], &json!(wanted.len()), &json!(found.len()))
}

fn equal(at: &Value, expected: &Value, actual: &Value) -> Result<(), String> {
    if expected == actual { Ok(()) } else { Err(format!("{at}: expected {expected}\n      found    {actual}")) }
}

fn without_messages(gate: &Value) -> Value {
    let mut gate = gate.clone();
    for condition in gate["status"]["conditions"].as_array_mut().into_iter().flatten() {
        condition["message"] = json!("");
    }
    gate
}

/// What a message must name: the inner cause of an error, the object that is not ready.
pub fn same_message(expected: &Value, actual: &Value) -> Result<(), String> {
    let (wanted, found) =
        (expected["message"].as_str().unwrap_or_default(), actual["message"].as_str().unwrap_or_default());
    match stable(wanted) {
        Some(part) if !found.contains(part) => Err(format!("the message `{found}` does not hold `{part}`")),
        _ => Ok(()),
    }
}

/// The part of a recorded message that is an interface; `None` for texts of Go's network stack.
fn stable(message: &str) -> Option<&str> {
    const GO_NETWORK: [&str; 4] = ["dial tcp", "context deadline exceeded", "tls: ", "net/http: "];
    if GO_NETWORK.iter().any(|text| message.contains(text)) {
        return None;
    }
    let line = message.lines().next().unwrap_or_default().trim();
    if let Some((name, _)) = line.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        return Some(name);
    }
    let tail = line.rsplit(": ").next().unwrap_or_default();
    // Names of Go types come last.
    let tail = tail.split(" in type ").next().unwrap_or_default();
    let tail = tail.split(", got v1alpha1.").next().unwrap_or_default();
    Some(tail)
}

/// The requests in the form of the recording.
pub fn requests(script: &Script) -> Vec<Value> {
    let shown = script.seen().into_iter().map(|seen| {
        let mut headers = Map::new();
        for (name, value) in &seen.request.headers {
            if LEFT_OUT.contains(&name.as_str()) || OWN_HEADERS.contains(&name.as_str()) {
                continue;
            }
            let values = headers.entry(name.clone()).or_insert_with(|| json!([]));
            values.as_array_mut().unwrap().push(json!(value));
        }
        json!({
            "method": seen.request.method, "path": seen.request.path, "headers": headers,
            "body": seen.request.text(), "tls": seen.tls,
        })
    });
    shown.collect()
}

/// Whether the recorded requests were made: environments of one gate go side by side, so their order says nothing.
pub fn same_requests(case: &Case, actual: &[Value]) -> Result<(), String> {
    let expected = case.json["expected"]["requests"].as_array().cloned().unwrap_or_default();
    let expected: Vec<Value> = expected.iter().map(recorded).collect();
    let sorted = |requests: &[Value]| {
        let mut texts: Vec<String> = requests.iter().map(Value::to_string).collect();
        texts.sort();
        texts
    };
    let (mut wanted, mut found) = (sorted(&expected), sorted(actual));
    if case.at_least() {
        // One that was repeated counts once.
        (wanted, found) = (unique(wanted), unique(found));
    }
    if wanted == found { Ok(()) } else { Err(format!("requests: expected {wanted:#?}\nfound {found:#?}")) }
}

fn unique(texts: Vec<String>) -> Vec<String> {
    texts.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

fn recorded(request: &Value) -> Value {
    let headers = request["headers"].as_object().into_iter().flatten();
    let headers = headers.map(|(name, values)| (name.to_ascii_lowercase(), values.clone()));
    let headers = headers.filter(|(name, _)| !OWN_HEADERS.contains(&name.as_str()) && name != "referer");
    json!({
        "method": request["method"], "path": request["path"], "headers": headers.collect::<Map<_, _>>(),
        "body": request["body"], "tls": request["tls"] == true,
    })
}

/// Recorded Events (type, reason, action) that were not told.
pub fn missing_events(case: &Case, events: &[DynamicObject]) -> Vec<Value> {
    let told: BTreeSet<_> =
        events.iter().map(|event| event_key(&event.data, &event.data["involvedObject"]["name"])).collect();
    let expected = case.json["expected"]["events"].as_array().into_iter().flatten();
    expected.filter(|event| !told.contains(&event_key(event, &event["object"]))).cloned().collect()
}

fn event_key(event: &Value, object: &Value) -> String {
    format!("{object} {} {} {}", event["type"], event["reason"], event["action"])
}
