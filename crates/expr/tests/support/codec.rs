//! The tagged JSON form of values, as the vectors' README describes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_value::{GoType, List, Str, Time, UintKind, Value, fmt, time};
use serde_json::{Value as Json, json};

/// Reads a tagged value; whole numbers are int64 where `kubernetes`, else int.
pub fn decode(json: &Json, kubernetes: bool) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => match n.as_i64() {
            Some(i) if kubernetes => Value::int64(i),
            Some(i) => Value::int(i),
            None => Value::float(n.as_f64().unwrap()),
        },
        Json::String(text) => Value::str(text.as_str()),
        Json::Array(items) => Value::list(items.iter().map(|item| decode(item, kubernetes)).collect()),
        Json::Object(entries) => {
            let tagged = entries.iter().find(|(key, _)| key.starts_with('$'));
            if let Some(value) = tagged.and_then(|(tag, value)| decode_tagged(tag, value.as_str()?)) {
                return value;
            }
            Value::map(entries.iter().map(|(k, v)| (Str::from(k.as_str()), decode(v, kubernetes))).collect())
        }
    }
}

fn decode_tagged(tag: &str, text: &str) -> Option<Value> {
    Some(match tag {
        "$float" => Value::float(text.parse().unwrap()),
        "$uint" => Value::Uint(UintKind::Uint64, text.parse().unwrap()),
        "$time" => Value::Time(Time::parse_rfc3339(text).unwrap()),
        "$duration" => Value::Duration(time::parse_duration(text).unwrap()),
        "$bytes" => Value::Bytes(STANDARD.decode(text).unwrap().into()),
        "$nil" if text == "map" => Value::TypedNil(GoType::Map(Box::new(GoType::Any))),
        "$nil" => Value::TypedNil(GoType::Slice(Box::new(GoType::Any))),
        _ => return None,
    })
}

/// As `encoding/json` decodes into `any`: all numbers are floats.
pub fn decode_plain(json: &Json) -> Value {
    gatepost_value::json::from_serde(json, gatepost_value::json::Numbers::Float)
}

/// Writes a value in the tagged form.
pub fn encode(value: &Value) -> Json {
    match value {
        Value::Nil | Value::NoValue => Json::Null,
        Value::Bool(b) => json!(b),
        Value::Int(_, i) => json!(i),
        Value::Uint(_, u) => json!({"$uint": u.to_string()}),
        Value::Float(_, f) => json!({"$float": float(*f)}),
        Value::Str(text) => encode_text(text),
        Value::Bytes(bytes) => json!({"$bytes": STANDARD.encode(bytes)}),
        Value::List(List { items, .. }) => Json::Array(items.iter().map(encode).collect()),
        Value::Map(map) => encode_map(map.entries().into_iter().map(|(k, v)| (Value::Str(k), v)).collect(), true),
        Value::AnyMap(pairs) => encode_map(pairs.to_vec(), false),
        Value::Struct(view) => {
            let fields = view.fields().into_iter().map(|(k, v)| (k.to_string(), encode(&v))).collect();
            json!({"$struct": view.type_name(), "fields": Json::Object(fields)})
        }
        Value::Named(named) if named.type_name.starts_with('*') => encode(&named.base),
        Value::Named(named) => wrapped(&named.type_name, encode(&named.base), value),
        Value::Month(n) => wrapped("time.Month", json!(n), value),
        Value::Weekday(n) => wrapped("time.Weekday", json!(n), value),
        Value::Time(t) => {
            let (zone, offset) = t.loc.at(t.secs);
            json!({"$time": t.format(time::layout("RFC3339Nano").unwrap()), "zone": zone, "offset": offset})
        }
        Value::Duration(n) => json!({"$duration": time::duration_string(*n), "ns": n}),
        Value::Location(location) => json!({"$location": location.name()}),
        Value::Func(_) => json!({"$func": true}),
        Value::TypedNil(GoType::Map(_) | GoType::AnyMap) => json!({"$nil": "map"}),
        Value::TypedNil(GoType::Bytes) => json!({"$bytes": ""}),
        Value::TypedNil(GoType::Slice(_)) => json!({"$nil": "array"}),
        Value::TypedNil(_) => json!({"$nil": "pointer"}),
    }
}

fn wrapped(type_name: &str, base: Json, value: &Value) -> Json {
    json!({"$named": type_name, "value": base, "text": fmt::sprint_v(value).to_string()})
}

fn float(f: f64) -> String {
    match f {
        f if f.is_nan() => "NaN".to_owned(),
        f if f == f64::INFINITY => "+Inf".to_owned(),
        f if f == f64::NEG_INFINITY => "-Inf".to_owned(),
        f => f.to_string(),
    }
}

fn encode_text(text: &Str) -> Json {
    match text.as_str() {
        Some(valid) => json!(valid),
        None => json!({"$string64": STANDARD.encode(text.as_bytes())}),
    }
}

fn encode_map(pairs: Vec<(Value, Value)>, text_keys: bool) -> Json {
    let plain = |key: &Value| key.as_str().is_some_and(|key| !key.starts_with('$'));
    if text_keys && pairs.iter().all(|(key, _)| plain(key)) {
        let entries = pairs.iter().map(|(k, v)| (k.as_str().unwrap().to_owned(), encode(v)));
        return Json::Object(entries.collect());
    }
    let mut entries: Vec<Json> = pairs.iter().map(|(k, v)| json!([encode(k), encode(v)])).collect();
    entries.sort_by_key(|pair| pair[0].to_string());
    json!({"$map": entries})
}

/// Whether two tagged values are the same: floats by number, typed nils as nil.
pub fn same(want: &Json, got: &Json, unordered: bool) -> bool {
    match (want, got) {
        (Json::Object(w), Json::Object(g)) => match (w.get("$float"), g.get("$float")) {
            (Some(w), Some(g)) => same_float(w.as_str().unwrap(), g.as_str().unwrap()),
            _ if w.contains_key("$map") => same_pairs(&w["$map"], g.get("$map"), unordered),
            _ => w.len() == g.len() && w.iter().all(|(k, v)| g.get(k).is_some_and(|o| same(v, o, unordered))),
        },
        (Json::Object(typed), Json::Null) => typed.contains_key("$nil"),
        (Json::Array(w), Json::Array(g)) if w.len() != g.len() => false,
        (Json::Array(w), Json::Array(g)) if unordered => same_set(w, g),
        (Json::Array(w), Json::Array(g)) => w.iter().zip(g).all(|(w, g)| same(w, g, unordered)),
        _ => want == got,
    }
}

fn same_float(want: &str, got: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().unwrap();
    number(want) == number(got) || want == got
}

fn same_pairs(want: &Json, got: Option<&Json>, unordered: bool) -> bool {
    let (Some(w), Some(g)) = (want.as_array(), got.and_then(Json::as_array)) else { return false };
    let matched = |pair: &Json| g.iter().any(|other| same(pair, other, unordered));
    w.len() == g.len() && w.iter().all(matched)
}

fn same_set(want: &[Json], got: &[Json]) -> bool {
    let mut left: Vec<&Json> = got.iter().collect();
    // The very same first: a typed nil would take the plain nil that another one needs.
    let place = |left: &[&Json], w: &Json| {
        left.iter().position(|g| *g == w).or_else(|| left.iter().position(|g| same(w, g, true)))
    };
    want.iter().all(|w| match place(&left, w) {
        Some(at) => {
            left.swap_remove(at);
            true
        }
        None => false,
    })
}
