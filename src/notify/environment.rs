//! The variables that conditions and templates see (`spec/notifications.md` 4.1).
//!
//! Never here: the clock (it comes with the call context) and the repo-server (its answers come with [`Repository`]).

use crate::notify::configuration::Configuration;
use crate::notify::repository::{self, Repository};
use gatepost_value::{GoType, Map, Str, Value, namespace};
use std::sync::{Arc, OnceLock};

/// What the variables are about.
pub struct Subject<'a> {
    /// The configuration: context and Secret.
    pub config: &'a Configuration,
    /// The Application.
    pub object: &'a Value,
    /// Its AppProject, where there is one.
    pub project: Option<&'a Value>,
    /// What is known of its repository.
    pub repository: &'a Arc<Repository>,
}

/// What conditions see.
pub fn of_conditions(subject: &Subject<'_>) -> Value {
    Value::map(common(subject, ""))
}

/// What templates see.
pub fn of_templates(subject: &Subject<'_>, service: &str, recipient: &str) -> Value {
    let mut entries = common(subject, service);
    entries.push((Str::from_static("serviceType"), Value::str(service)));
    entries.push((Str::from_static("recipient"), Value::str(recipient)));
    Value::map(entries)
}

fn common(subject: &Subject<'_>, service: &str) -> Vec<(Str, Value)> {
    let Subject { config, object, project, repository } = subject;
    let mut entries = vec![
        (Str::from_static("app"), (*object).clone()),
        (Str::from_static("context"), context(config, service)),
        (Str::from_static("appProject"), project.cloned().unwrap_or_else(|| Value::map(Vec::new()))),
    ];
    entries.extend(config.secrets().map(|secrets| (Str::from_static("secrets"), secrets.clone())));
    entries.extend(helpers().iter().cloned());
    entries.push((Str::from_static("repo"), repo(object, repository)));
    entries
}

/// The user's `context`; `notificationType` is the service's name unless the user sets it.
fn context(config: &Configuration, service: &str) -> Value {
    let mut entries = vec![(Str::from_static("notificationType"), Value::str(service))];
    entries.extend(config.context().iter().map(|(key, value)| (key.as_str().into(), Value::str(value.as_str()))));
    Value::Map(Map::frozen_of(GoType::String, entries))
}

fn helpers() -> &'static [(Str, Value); 2] {
    static HELPERS: OnceLock<[(Str, Value); 2]> = OnceLock::new();
    HELPERS.get_or_init(|| {
        [(Str::from_static("time"), namespace::time()), (Str::from_static("strings"), namespace::strings())]
    })
}

/// The pure members, and the two that ask about the repository of this Application.
fn repo(object: &Value, repository: &Arc<Repository>) -> Value {
    static PURE: OnceLock<Vec<(Str, Value)>> = OnceLock::new();
    let mut members = PURE.get_or_init(namespace::repo_pure).clone();
    members.extend(repository::members(object, repository));
    Value::map(members)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gatepost_value::{Budget, CallContext, Limits, Location, Time};

    #[test]
    fn repositories() {
        let repo = repo(&Value::map(Vec::new()), &Repository::absent("none"));
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
        let (object, repository) = (Value::map(Vec::new()), Repository::absent("none"));
        let subject = Subject { config: &config, object: &object, project: None, repository: &repository };
        let vars = of_templates(&subject, "backstage", "r");
        let at = |path: &[&str]| vars.at(path).and_then(|value| value.as_str().map(str::to_owned));
        assert_eq!(at(&["context", "notificationType"]).as_deref(), Some("mine"));
        assert_eq!(at(&["serviceType"]).as_deref(), Some("backstage"));
    }
}
