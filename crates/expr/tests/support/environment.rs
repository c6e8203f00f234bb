//! The environments of the three modes, as the controllers build them.

use super::codec::{decode, decode_plain};
use crate::gates_types;
use gatepost_value::namespace::{self, Record};
use gatepost_value::{CallError, GoType, Map, Str, Time, Value};
use serde_json::Value as Json;
use std::sync::Arc;

fn entry(name: &'static str, value: Value) -> (Str, Value) {
    (Str::from_static(name), value)
}

fn member<'j>(json: &'j Json, name: &str) -> &'j Json {
    json.get(name).unwrap_or(&Json::Null)
}

/// The environment of a case.
pub fn environment(mode: &str, using: &str, env: &Json) -> Value {
    match mode {
        "plain" if env.is_null() => Value::map(Vec::new()),
        "plain" => decode(env, false),
        "notifications" => notifications(env),
        _ => gates(env, using),
    }
}

fn texts(json: &Json, make: fn(&str) -> Value) -> Vec<(Str, Value)> {
    let entries = json.as_object().into_iter().flatten();
    entries.map(|(key, value)| (Str::from(key.as_str()), make(value.as_str().unwrap()))).collect()
}

fn object(json: &Json) -> Value {
    if json.is_null() { Value::map(Vec::new()) } else { decode(json, true) }
}

fn notifications(env: &Json) -> Value {
    let context = Map::frozen_of(GoType::String, texts(member(env, "context"), |text| Value::str(text)));
    let secrets = texts(member(env, "secrets"), |text| Value::Bytes(text.as_bytes().to_vec().into()));
    let app = object(member(env, "app"));
    Value::map(vec![
        entry("repo", repo(&app, member(env, "repo"))),
        entry("app", app),
        entry("appProject", object(member(env, "appProject"))),
        entry("context", Value::Map(context)),
        entry("secrets", Value::Map(Map::frozen_of(GoType::Bytes, secrets))),
        entry("time", namespace::time()),
        entry("strings", namespace::strings()),
    ])
}

fn repo(app: &Value, json: &Json) -> Value {
    let failure = member(json, "error").as_str().unwrap_or_default().to_owned();
    let commit = json.get("commit").map(commit);
    let details = json.get("appDetails").map(details);
    let absent = |path: &[&str]| app.at(path).and_then(|v| v.as_str().map(str::is_empty)).unwrap_or(true);
    let missing = if absent(&["spec", "source", "repoURL"]) {
        Some("failed to get application source repo URL")
    } else {
        absent(&["spec", "project"]).then_some("failed to get application project")
    };
    let words = failure.clone();
    let get_commit = namespace::typed("GetCommitMetadata", vec![GoType::String], GoType::Any, move |_, _| {
        match (missing, &commit) {
            (Some(missing), _) => Err(CallError::new(missing)),
            (None, Some(commit)) => Ok(commit.clone()),
            (None, None) => Err(CallError::new(words.clone())),
        }
    });
    let get_details = namespace::typed("GetAppDetails", Vec::new(), GoType::Any, move |_, _| {
        details.clone().ok_or_else(|| CallError::new(failure.clone()))
    });
    let mut members = namespace::repo_pure();
    members.extend([entry("GetCommitMetadata", get_commit), entry("GetAppDetails", get_details)]);
    Value::map(members)
}

fn text(json: &Json, name: &str) -> Value {
    Value::str(member(json, name).as_str().unwrap_or_default())
}

fn text_list(json: &Json) -> Value {
    match json.as_array() {
        Some(items) => Value::list_of(GoType::String, items.iter().map(|t| Value::str(t.as_str().unwrap())).collect()),
        None => Value::TypedNil(GoType::Slice(Box::new(GoType::String))),
    }
}

fn commit(json: &Json) -> Value {
    let date = member(json, "Date").as_str().map_or_else(Time::zero, |text| Time::parse_rfc3339(text).unwrap());
    Record::value(
        "shared.CommitMetadata",
        vec![
            entry("Message", text(json, "Message")),
            entry("Author", text(json, "Author")),
            entry("Date", Value::Time(date)),
            entry("Tags", text_list(member(json, "Tags"))),
        ],
    )
}

fn nil(name: &str) -> Value {
    Value::TypedNil(GoType::Named(name.into()))
}

fn details(json: &Json) -> Value {
    let pointer = |name: &'static str, of: &'static str, make: fn(&Json) -> Vec<(Str, Value)>| {
        let json = member(json, name);
        let made = Record { type_name: of.into(), fields: make(json), methods: Vec::new(), pointer: true };
        entry(name, if json.is_null() { nil(&format!("*{of}")) } else { Value::Struct(Arc::new(made)) })
    };
    let helm = member(json, "Helm");
    Record::value(
        "shared.AppDetail",
        vec![
            entry("Type", text(json, "Type")),
            entry("Helm", if helm.is_null() { nil("*shared.CustomHelmAppSpec") } else { helm_spec(helm) }),
            pointer("Kustomize", "struct { Images []string }", |json| {
                vec![entry("Images", text_list(member(json, "Images")))]
            }),
            pointer("Directory", "struct { Recurse bool }", |json| {
                vec![entry("Recurse", Value::Bool(member(json, "Recurse").as_bool().unwrap_or_default()))]
            }),
        ],
    )
}

fn records(json: &Json, type_name: &str, elem: &str, fields: &[&'static str]) -> Value {
    let one = |json: &Json| Record::value(type_name, fields.iter().map(|f| entry(f, text(json, f))).collect());
    match json.as_array() {
        Some(items) => Value::list_of(GoType::Named(elem.into()), items.iter().map(one).collect()),
        None => Value::TypedNil(GoType::Slice(Box::new(GoType::Named(elem.into())))),
    }
}

fn helm_spec(json: &Json) -> Value {
    let spec = member(json, "HelmAppSpec");
    let app = Record::value(
        "shared.HelmAppSpec",
        vec![
            entry("Name", text(spec, "Name")),
            entry("ValueFiles", text_list(member(spec, "ValueFiles"))),
            entry(
                "Parameters",
                records(
                    member(spec, "Parameters"),
                    "shared.HelmParameter",
                    "*shared.HelmParameter",
                    &["Name", "Value"],
                ),
            ),
            entry("Values", text(spec, "Values")),
            entry(
                "FileParameters",
                records(
                    member(spec, "FileParameters"),
                    "shared.HelmFileParameter",
                    "*shared.HelmFileParameter",
                    &["Name", "Path"],
                ),
            ),
        ],
    );
    let overrides = member(json, "HelmParameterOverrides");
    let lookup = |name: &'static str, lists: Vec<Json>, field: &'static str| {
        let find = move |wanted: &Value| {
            let all = lists.iter().filter_map(Json::as_array).flatten();
            let mut hits = all.filter(|p| p["Name"].as_str() == wanted.as_str());
            Value::str(hits.next().and_then(|p| p[field].as_str()).unwrap_or_default())
        };
        entry(name, namespace::typed(name, vec![GoType::String], GoType::String, move |_, args| Ok(find(&args[0]))))
    };
    let parameters = vec![overrides.clone(), member(spec, "Parameters").clone()];
    let files = vec![member(spec, "FileParameters").clone()];
    let methods = vec![
        lookup("GetParameterValueByName", parameters, "Value"),
        lookup("GetFileParameterPathByName", files, "Path"),
    ];
    let fields = vec![
        entry("HelmAppSpec", app),
        entry(
            "HelmParameterOverrides",
            records(overrides, "shared.HelmParameter", "shared.HelmParameter", &["Name", "Value"]),
        ),
    ];
    Value::Struct(Arc::new(Record { type_name: "shared.CustomHelmAppSpec".into(), fields, methods, pointer: true }))
}

fn response(json: &Json) -> Value {
    if json.is_null() {
        return Value::Nil;
    }
    let list = GoType::Slice(Box::new(GoType::String));
    let headers = member(json, "Headers").as_object().map(|entries| {
        let entries = entries.iter().map(|(key, values)| (Str::from(key.as_str()), text_list(values))).collect();
        Value::Map(Map::frozen_of(list.clone(), entries))
    });
    Value::map(vec![
        entry("StatusCode", Value::int(member(json, "StatusCode").as_i64().unwrap_or_default())),
        entry("Body", decode_plain(member(json, "Body"))),
        entry("Headers", headers.unwrap_or(Value::TypedNil(GoType::Map(Box::new(list))))),
    ])
}

fn output(json: &Json) -> Value {
    if json.is_null() { Value::TypedNil(GoType::Map(Box::new(GoType::Any))) } else { decode_plain(json) }
}

fn gates(env: &Json, using: &str) -> Value {
    let response = entry("Response", response(member(env, "Response")));
    if using == "response-data" {
        return Value::map(vec![response]);
    }
    let mut members = vec![
        entry("Branch", text(env, "Branch")),
        entry("Phase", text(env, "Phase")),
        entry(
            "PromotionStrategy",
            gates_types::object(&gates_types::PROMOTION_STRATEGY, member(env, "PromotionStrategy")),
        ),
        entry(
            "WebRequestCommitStatus",
            gates_types::object(&gates_types::WEB_REQUEST_COMMIT_STATUS, member(env, "WebRequestCommitStatus")),
        ),
        entry("TriggerOutput", output(member(env, "TriggerOutput"))),
        entry("ResponseOutput", output(member(env, "ResponseOutput"))),
        entry("SuccessOutput", output(member(env, "SuccessOutput"))),
    ];
    if let Some(variables) = env.get("Variables").filter(|v| !v.is_null()) {
        members.push(entry("Variables", decode_plain(variables)));
    }
    if using.starts_with("success") {
        members.push(response);
    }
    Value::map(members)
}
