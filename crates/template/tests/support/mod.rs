//! What the test targets share: values from JSON with `$go` wrappers, and a context that is the same in every run.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use gatepost_value::namespace::{self, Record};
use gatepost_value::{Budget, CallContext, GoType, Limits, Location, Map, Str, Time, UintKind, Value, fmt, time};
use serde_json::Value as Json;

/// 2026-03-04T05:06:07Z
pub const NOW: i64 = 1_772_600_767;

/// Random bytes that are none.
pub fn fill(buffer: &mut [u8]) {
    for (i, byte) in buffer.iter_mut().enumerate() {
        *byte = u8::try_from((i * 167 + 89) % 256).unwrap();
    }
}

/// A context with these limits, costly functions off.
pub fn with_context<R>(limits: Limits, run: impl FnOnce(&CallContext<'_>) -> R) -> R {
    let budget = Budget::new(limits);
    let now = Time::unix(NOW, 0);
    run(&CallContext { budget: &budget, now, local: Location::Utc, random: &fill, costly: false })
}

/// The value that a case's `data` stands for.
pub fn decode(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => n.as_i64().map_or_else(|| Value::float(n.as_f64().unwrap()), Value::int64),
        Json::String(text) => Value::str(text.as_str()),
        Json::Array(items) => Value::list(items.iter().map(decode).collect()),
        Json::Object(members) => match members.get("$go") {
            Some(kind) => typed(kind.as_str().unwrap(), json),
            None => Value::map(members.iter().map(|(k, v)| (Str::from(k.as_str()), decode(v))).collect()),
        },
    }
}

fn typed(kind: &str, json: &Json) -> Value {
    let v = &json["v"];
    let any = || Box::new(GoType::Any);
    match kind {
        "nilmap" => Value::TypedNil(GoType::Map(any())),
        "nilslice" => Value::TypedNil(GoType::Slice(any())),
        "map[string]string" => map_of(GoType::String, v, decode),
        "map[string][]byte" => map_of(GoType::Bytes, v, bytes),
        "[]byte" => bytes(v),
        "[]string" => Value::list_of(GoType::String, v.as_array().unwrap().iter().map(decode).collect()),
        "[]int" => {
            let kind = GoType::Int(gatepost_value::IntKind::Int);
            Value::list_of(kind, v.as_array().unwrap().iter().map(|n| Value::int(n.as_i64().unwrap())).collect())
        }
        "int" => Value::int(v.as_i64().unwrap()),
        "uint64" => Value::Uint(UintKind::Uint64, v.as_u64().unwrap()),
        "float64" => Value::float(v.as_f64().unwrap()),
        "time.Time" => Value::Time(Time::parse_rfc3339(v.as_str().unwrap()).unwrap()),
        "time.Duration" => Value::Duration(time::parse_duration(v.as_str().unwrap()).unwrap()),
        "struct" => structure(json),
        "argocd.strings" => namespace::strings(),
        "argocd.time" => namespace::time(),
        "argocd.repo" => repo(json["commit"].clone()),
        other => panic!("unknown $go type {other}"),
    }
}

fn bytes(v: &Json) -> Value {
    Value::Bytes(v.as_str().unwrap().as_bytes().to_vec().into())
}

fn map_of(elem: GoType, v: &Json, decode: impl Fn(&Json) -> Value) -> Value {
    let entries = v.as_object().unwrap().iter().map(|(k, v)| (Str::from(k.as_str()), decode(v))).collect();
    Value::Map(Map::frozen_of(elem, entries))
}

/// An anonymous Go struct with the members as fields.
fn structure(json: &Json) -> Value {
    let members = json["v"].as_object().unwrap();
    let mut names: Vec<&str> = members.keys().map(String::as_str).collect();
    names.sort_unstable();
    if let Some(order) = json.get("order").and_then(Json::as_array) {
        names = order.iter().map(|name| name.as_str().unwrap()).collect();
    }
    let fields: Vec<(Str, Value)> = names.iter().map(|name| (Str::from(*name), decode(&members[*name]))).collect();
    let typed = |(name, value): &(Str, Value)| match value {
        Value::Nil => format!("{name} interface {{}}"),
        value => format!("{name} {}", fmt::type_name(value)),
    };
    let type_name = format!("struct {{ {} }}", fields.iter().map(typed).collect::<Vec<_>>().join("; "));
    Record::value(&type_name, fields)
}

fn repo(commit: Json) -> Value {
    let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
    let metadata = namespace::typed("GetCommitMetadata", vec![GoType::String], GoType::Any, move |_, _| {
        let date = Time::parse_rfc3339(&text(&commit["date"])).unwrap();
        let tags = commit["tags"].as_array().into_iter().flatten().map(decode).collect();
        let fields = [
            ("Message", Value::str(text(&commit["message"]))),
            ("Author", Value::str(text(&commit["author"]))),
            ("Date", Value::Time(date)),
            ("Tags", Value::list_of(GoType::String, tags)),
        ];
        let fields = fields.into_iter().map(|(name, value)| (Str::from_static(name), value)).collect();
        Ok(Record::value("main.commitMetadata", fields))
    });
    let mut members = namespace::repo_pure();
    members.push((Str::from_static("GetCommitMetadata"), metadata));
    Value::map(members)
}
