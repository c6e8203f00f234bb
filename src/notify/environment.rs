//! The variables that conditions and templates see (`spec/notifications.md` 4.1).
//!
//! Never here: the clock (it comes with the call context) and the repo-server (its two functions say that they have none).

use crate::notify::configuration::Configuration;
use gatepost_value::{CallContext, CallError, Func, GoType, Map, Signature, Str, Value, namespace};
use std::sync::{Arc, OnceLock};

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
            (Str::from_static("time"), namespace::time()),
            (Str::from_static("strings"), namespace::strings()),
            (Str::from_static("repo"), Value::map(repo_members())),
        ]
    })
}

/// The pure members, and the two that ask the repo-server.
fn repo_members() -> Vec<(Str, Value)> {
    let absent = |name: &'static str| {
        let signature = Signature { params: vec![GoType::Any], variadic: true, result: GoType::Any };
        let call = move |_: &CallContext<'_>, _: &[Value]| -> Result<Value, CallError> {
            Err(CallError::new(format!("repo.{name} needs the repo-server, which this version does not ask")))
        };
        let function = Func { name: name.into(), signature: Some(Arc::new(signature)), call: Arc::new(call) };
        (Str::from_static(name), Value::Func(function))
    };
    let mut members = namespace::repo_pure();
    members.extend([absent("GetCommitMetadata"), absent("GetAppDetails")]);
    members
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gatepost_value::{Budget, Limits, Location, Time};

    #[test]
    fn repositories() {
        let repo = Value::map(repo_members());
        let call = |name: &str, text: &str| {
            let Some(Value::Func(function)) = repo.get(name) else { panic!("repo.{name} is not there") };
            let budget = Budget::new(Limits::default());
            let context = CallContext {
                budget: &budget,
                now: Time::unix(0, 0),
                local: Location::Utc,
                random: &|_| {},
                costly: false,
            };
            (function.call)(&context, &[Value::str(text)]).unwrap().as_str().unwrap().to_owned()
        };
        assert_eq!(call("RepoURLToHTTPS", "git@github.com:o/r.git"), "https://github.com/o/r.git");
        assert_eq!(call("RepoURLToHTTPS", "ssh://git@h:22/o/r"), "https://h:22/o/r");
        assert_eq!(call("FullNameByRepoURL", "https://github.com/myorg/guestbook.git"), "myorg/guestbook");
        assert_eq!(call("FullNameByRepoURL", "git@github.com:o/r.git"), "o/r");
        assert_eq!(call("QueryEscape", "a b/c~é"), "a+b%2Fc~%C3%A9");
    }

    #[test]
    fn the_users_notification_type_wins() {
        let mut input = crate::notify::ConfigInput::default();
        input.configmap.insert("context".into(), "notificationType: mine\n".into());
        let config = Configuration::load(&input, None, &crate::notify::LoadOptions::sample());
        let vars = of_templates(&config, &Value::map(Vec::new()), None, "backstage", "r");
        let at = |path: &[&str]| vars.at(path).and_then(|value| value.as_str().map(str::to_owned));
        assert_eq!(at(&["context", "notificationType"]).as_deref(), Some("mine"));
        assert_eq!(at(&["serviceType"]).as_deref(), Some("backstage"));
    }
}
