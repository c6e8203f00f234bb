//! The variables that conditions and templates see (`spec/notifications.md` 4.1).
//!
//! Never here: the clock (it comes with the call context) and the repo-server (its two functions say that they have none).

use crate::notify::configuration::Configuration;
use gatepost_value::{CallContext, CallError, Func, GoType, Map, Signature, Str, Time, Value, time};
use std::sync::{Arc, OnceLock};

/// Names of the layouts that `time` offers.
const LAYOUTS: [&str; 16] = [
    "Layout",
    "ANSIC",
    "UnixDate",
    "RubyDate",
    "RFC822",
    "RFC822Z",
    "RFC850",
    "RFC1123",
    "RFC1123Z",
    "RFC3339",
    "RFC3339Nano",
    "Kitchen",
    "Stamp",
    "StampMilli",
    "StampMicro",
    "StampNano",
];
/// Units that `time` offers, in nanoseconds.
const UNITS: [(&str, i64); 6] = [
    ("Nanosecond", 1),
    ("Microsecond", 1_000),
    ("Millisecond", 1_000_000),
    ("Second", 1_000_000_000),
    ("Minute", 60_000_000_000),
    ("Hour", 3_600_000_000_000),
];

/// What conditions see.
pub fn of_conditions(config: &Configuration, object: &Value, project: Option<&Value>) -> Value {
    Value::map(common(config, object, project, ""))
}

/// What templates see.
pub fn of_templates(
    config: &Configuration,
    object: &Value,
    project: Option<&Value>,
    service: &str,
    recipient: &str,
) -> Value {
    let mut entries = common(config, object, project, service);
    entries.push((Str::from_static("serviceType"), Value::str(service)));
    entries.push((Str::from_static("recipient"), Value::str(recipient)));
    Value::map(entries)
}

fn common(config: &Configuration, object: &Value, project: Option<&Value>, service: &str) -> Vec<(Str, Value)> {
    let mut entries = vec![
        (Str::from_static("app"), object.clone()),
        (Str::from_static("context"), context(config, service)),
        (Str::from_static("appProject"), project.cloned().unwrap_or_else(|| Value::map(Vec::new()))),
    ];
    entries.extend(config.secrets().map(|secrets| (Str::from_static("secrets"), secrets.clone())));
    entries.extend(helpers().iter().cloned());
    entries
}

/// The user's `context`; `notificationType` is the service's name unless the user sets it.
fn context(config: &Configuration, service: &str) -> Value {
    let mut entries = vec![(Str::from_static("notificationType"), Value::str(service))];
    entries.extend(config.context().iter().map(|(key, value)| (key.as_str().into(), Value::str(value.as_str()))));
    Value::Map(Map::frozen_of(GoType::String, entries))
}

fn helpers() -> &'static [(Str, Value); 3] {
    static HELPERS: OnceLock<[(Str, Value); 3]> = OnceLock::new();
    HELPERS.get_or_init(|| {
        [
            (Str::from_static("time"), Value::map(time_members())),
            (Str::from_static("strings"), Value::map(string_members())),
            (Str::from_static("repo"), Value::map(repo_members())),
        ]
    })
}

/// A function with declared types; text parameters arrive as text.
fn typed(
    name: &'static str,
    params: usize,
    result: GoType,
    call: impl Fn(&CallContext<'_>, &[&str]) -> Result<Value, CallError> + Send + Sync + 'static,
) -> (Str, Value) {
    let signature = Signature { params: vec![GoType::String; params], variadic: false, result };
    let checked = move |context: &CallContext<'_>, args: &[Value]| {
        let texts: Option<Vec<&str>> = args.iter().map(Value::as_str).collect();
        match texts {
            Some(texts) if texts.len() == params => call(context, &texts),
            _ => Err(CallError::new(format!("{name} takes {params} texts"))),
        }
    };
    let function = Func { name: name.into(), signature: Some(Arc::new(signature)), call: Arc::new(checked) };
    (Str::from_static(name), Value::Func(function))
}

fn time_members() -> Vec<(Str, Value)> {
    let mut members = vec![
        typed("Parse", 1, GoType::Time, |context, args| {
            let local = &context.local;
            let layout = time::layout("RFC3339").unwrap_or_default();
            let utc = gatepost_value::Location::Utc;
            Time::parse(layout, args[0], &utc, local).map(Value::Time).map_err(CallError::new)
        }),
        typed("Now", 0, GoType::Time, |context, _| Ok(Value::Time(context.now.within(&context.local)))),
    ];
    members.extend(UNITS.map(|(name, nanoseconds)| (Str::from_static(name), Value::Duration(nanoseconds))));
    members.extend(LAYOUTS.map(|name| (Str::from_static(name), Value::str(time::layout(name).unwrap_or_default()))));
    members
}

fn string_members() -> Vec<(Str, Value)> {
    vec![
        typed("ReplaceAll", 3, GoType::String, |context, args| {
            let [text, old, new] = [args[0], args[1], args[2]];
            let times = if old.is_empty() { text.len() + 1 } else { text.len() / old.len() };
            context.budget.allocate((text.len() + times.saturating_mul(new.len())) as u64)?;
            Ok(Value::str(text.replace(old, new)))
        }),
        typed("ToUpper", 1, GoType::String, |context, args| {
            context.budget.allocate(args[0].len() as u64 * 3)?;
            Ok(Value::str(args[0].to_uppercase()))
        }),
        typed("ToLower", 1, GoType::String, |context, args| {
            context.budget.allocate(args[0].len() as u64 * 3)?;
            Ok(Value::str(args[0].to_lowercase()))
        }),
    ]
}

fn repo_members() -> Vec<(Str, Value)> {
    let absent = |name: &'static str| {
        let signature = Signature { params: vec![GoType::Any], variadic: true, result: GoType::Any };
        let call = move |_: &CallContext<'_>, _: &[Value]| -> Result<Value, CallError> {
            Err(CallError::new(format!("repo.{name} needs the repo-server, which this version does not ask")))
        };
        let function = Func { name: name.into(), signature: Some(Arc::new(signature)), call: Arc::new(call) };
        (Str::from_static(name), Value::Func(function))
    };
    vec![
        typed("RepoURLToHTTPS", 1, GoType::String, |_, args| Ok(Value::str(repository_https(args[0])))),
        typed("FullNameByRepoURL", 1, GoType::String, |_, args| Ok(Value::str(repository_name(args[0])))),
        typed("QueryEscape", 1, GoType::String, |context, args| {
            context.budget.allocate(args[0].len() as u64 * 3)?;
            Ok(Value::str(query_escape(args[0])))
        }),
        absent("GetCommitMetadata"),
        absent("GetAppDetails"),
    ]
}

/// Host and path of a repository URL; scp-like `git@host:owner/name` is understood.
fn repository(url: &str) -> (&str, &str) {
    if let Some((_, rest)) = url.split_once("://") {
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        return (host, path.split(['?', '#']).next().unwrap_or_default());
    }
    match url.split_once(':') {
        Some((authority, path)) if !authority.contains('/') => {
            (authority.rsplit_once('@').map_or(authority, |(_, host)| host), path)
        }
        _ => ("", url),
    }
}

fn repository_https(url: &str) -> String {
    let (host, path) = repository(url);
    let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
    format!("https://{host}{slash}{path}")
}

fn repository_name(url: &str) -> String {
    let (_, path) = repository(url);
    let path = path.strip_suffix(".git").unwrap_or(path);
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match segments.as_slice() {
        [owner, name, ..] => format!("{owner}/{name}"),
        _ => path.to_owned(),
    }
}

/// Go's `url.QueryEscape`.
fn query_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories() {
        assert_eq!(repository_https("git@github.com:o/r.git"), "https://github.com/o/r.git");
        assert_eq!(repository_https("ssh://git@h:22/o/r"), "https://h:22/o/r");
        assert_eq!(repository_name("https://github.com/myorg/guestbook.git"), "myorg/guestbook");
        assert_eq!(repository_name("git@github.com:o/r.git"), "o/r");
        assert_eq!(query_escape("a b/c~é"), "a+b%2Fc~%C3%A9");
    }

    #[test]
    fn the_users_notification_type_wins() {
        let mut input = crate::notify::ConfigInput::default();
        input.configmap.insert("context".into(), "notificationType: mine\n".into());
        let config = Configuration::load(&input, None, &crate::notify::LoadOptions::default());
        let vars = of_templates(&config, &Value::map(Vec::new()), None, "backstage", "r");
        let at = |path: &[&str]| vars.at(path).and_then(|value| value.as_str().map(str::to_owned));
        assert_eq!(at(&["context", "notificationType"]).as_deref(), Some("mine"));
        assert_eq!(at(&["serviceType"]).as_deref(), Some("backstage"));
    }
}
