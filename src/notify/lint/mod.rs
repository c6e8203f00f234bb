//! What a configuration does that its author probably does not want, although every key can be read: for `gatepost check`.
//!
//! Pure. A finding never changes what is sent. Broken keys are not findings but problems of the configuration.

mod schema;

use crate::notify::Configuration;
use crate::notify::configuration::{Condition, Trigger};
use gatepost_expr::analysis::Usage;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something will not work.
    Warning,
    /// It works, and may surprise.
    Note,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Name of the rule.
    pub rule: Rule,
    /// Key of the ConfigMap.
    pub key: String,
    /// Line in the key's value, from 1, where known.
    pub line: Option<u32>,
    /// Column, from 1, where known.
    pub column: Option<u32>,
    /// What is found.
    pub message: String,
    /// What to do.
    pub advice: String,
}

/// The rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A template is named that is not there.
    UnknownTemplate,
    /// A trigger is named that is not there.
    UnknownTrigger,
    /// A service is named that is not there.
    UnknownService,
    /// Nothing sends a template.
    UnusedTemplate,
    /// A key means nothing to anybody.
    IgnoredKey,
    /// A name in an expression that does not exist.
    UnknownName,
    /// A field that no Application has.
    UnknownField,
    /// A member is read off something that may be absent.
    MayBeNil,
    /// Without oncePer a second sync may go untold.
    NoOncePer,
    /// A credential goes over plain HTTP.
    PlainHttp,
    /// A JSON text inside a JSON string: its values are escaped for one level only.
    JsonInJson,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::UnknownTemplate,
        Self::UnknownTrigger,
        Self::UnknownService,
        Self::UnusedTemplate,
        Self::IgnoredKey,
        Self::UnknownName,
        Self::UnknownField,
        Self::MayBeNil,
        Self::NoOncePer,
        Self::PlainHttp,
        Self::JsonInJson,
    ];
    /// Its name, as in output and documentation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownTemplate => "unknown-template",
            Self::UnknownTrigger => "unknown-trigger",
            Self::UnknownService => "unknown-service",
            Self::UnusedTemplate => "unused-template",
            Self::IgnoredKey => "ignored-key",
            Self::UnknownName => "unknown-name",
            Self::UnknownField => "unknown-field",
            Self::MayBeNil => "may-be-nil",
            Self::NoOncePer => "no-once-per",
            Self::PlainHttp => "plain-http",
            Self::JsonInJson => "json-in-json",
        }
    }
    /// How much it matters.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::UnusedTemplate | Self::MayBeNil | Self::NoOncePer | Self::JsonInJson => Level::Note,
            _ => Level::Warning,
        }
    }
    /// What it looks for, for people.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::UnknownTemplate => "A condition sends a template that is not configured.",
            Self::UnknownTrigger => "A subscription or default names a trigger that is not configured.",
            Self::UnknownService => "A subscription names a service that is not configured.",
            Self::UnusedTemplate => "No condition sends the template.",
            Self::IgnoredKey => "The key means nothing to Gatepost or to the Argo CD controller.",
            Self::UnknownName => "An expression uses a name that does not exist; it is nil.",
            Self::UnknownField => "An expression reads a field that no Application has; it is nil.",
            Self::MayBeNil => {
                "An expression reads a member of something that may be absent; the condition is false then."
            }
            Self::NoOncePer => "A condition about an operation has no oncePer: a second one may go untold.",
            Self::PlainHttp => "Credentials go over plain HTTP.",
            Self::JsonInJson => "A JSON text stands inside a JSON string; values in it are escaped once only.",
        }
    }
}

/// Names that expressions are offered.
const NAMES: [&str; 7] = ["app", "context", "secrets", "appProject", "time", "strings", "repo"];
/// First parts of keys that mean something.
const KEYS: [&str; 8] =
    ["service", "template", "trigger", "defaultTriggers", "subscriptions", "context", "config", "gatepost"];

/// Looks at a configuration; `keys` are all keys as written, those without a meaning included.
#[must_use]
pub fn lint<'a>(config: &Configuration, keys: impl Iterator<Item = &'a str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(keys.filter_map(ignored));
    for trigger in config.triggers().values() {
        for (index, condition) in trigger.conditions.iter().enumerate() {
            findings.extend(of_condition(config, trigger, index, condition));
        }
    }
    findings.extend(unused(config));
    findings.extend(of_subscriptions(config));
    findings.extend(of_services(config));
    findings.extend(nested_json(config));
    findings
        .sort_by(|a, b| (a.rule.level(), &a.key, a.line, a.column).cmp(&(b.rule.level(), &b.key, b.line, b.column)));
    findings
}

fn finding(rule: Rule, key: &str, message: String, advice: impl Into<String>) -> Finding {
    Finding { rule, key: key.to_owned(), line: None, column: None, message, advice: advice.into() }
}

fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    schema::nearest(name, known).map(|near| format!("; did you mean '{near}'?")).unwrap_or_default()
}

fn ignored(key: &str) -> Option<Finding> {
    let first = key.split('.').next().unwrap_or(key);
    let whole = matches!(first, "subscriptions" | "context");
    let known = KEYS.contains(&first) && (whole || first == "defaultTriggers" || key.contains('.'));
    let message = format!("the key '{key}' is ignored{}", did_you_mean(first, KEYS.into_iter()));
    (!known).then(|| finding(Rule::IgnoredKey, key, message, "correct its name or remove it"))
}

fn of_condition(config: &Configuration, trigger: &Trigger, index: usize, condition: &Condition) -> Vec<Finding> {
    let key = format!("trigger.{}", trigger.name);
    let mut out = Vec::new();
    for name in condition.send.iter().filter(|name| !config.templates().contains_key(*name)) {
        let near = did_you_mean(name, config.templates().keys().map(String::as_str));
        let message = format!("condition {index} sends template '{name}', which is not configured{near}");
        out.push(finding(Rule::UnknownTemplate, &key, message, "add the template or correct the name"));
    }
    let Some(usage) = condition.program.as_ref().map(gatepost_expr::Program::usage) else { return out };
    out.extend(of_names(&key, &usage));
    out.extend(of_nil(&key, condition, &usage));
    if condition.once_per.is_empty() && usage.reads(&["app", "status", "operationState"]) {
        let message = format!("condition {index} is about an operation and has no oncePer");
        let advice = "add `oncePer: app.status?.operationState?.syncResult?.revision`, so that a second sync is told even if \
                      what was between is never seen";
        out.push(finding(Rule::NoOncePer, &key, message, advice));
    }
    for one in &mut out {
        one.line = one.line.or(Some(condition.line).filter(|line| *line > 0));
    }
    out
}

fn of_names(key: &str, usage: &Usage) -> Vec<Finding> {
    let mut out = Vec::new();
    for name in usage.unknown_names(&NAMES) {
        let message = format!("'{name}' does not exist{}", did_you_mean(&name, NAMES.into_iter()));
        out.push(finding(Rule::UnknownName, key, message, format!("names are {}", NAMES.join(", "))));
    }
    let paths = usage.paths.keys().filter(|path| path.first().is_some_and(|name| name == "app"));
    let mut told = BTreeSet::new();
    for path in paths {
        if let schema::Known::NoField { object, field, nearest } = schema::look_up(&path[1..])
            && told.insert((object.clone(), field.clone()))
        {
            let near = nearest.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
            let message = format!("{object} has no field '{field}'{near}");
            out.push(finding(Rule::UnknownField, key, message, "correct the name: it is nil"));
        }
    }
    out
}

/// What the expression reads without `?.`, where the CRD says that it may be absent: each path once, at its first place.
fn of_nil(key: &str, condition: &Condition, usage: &Usage) -> Vec<Finding> {
    let may_be_absent = |path: &str| {
        let names: Vec<String> = path.split('.').skip(1).map(str::to_owned).collect();
        path.starts_with("app.") && schema::look_up(&names) == schema::Known::Optional
    };
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    usage.nil_warnings.iter().for_each(|warning| *places.entry(&warning.path).or_default() += 1);
    let absent = usage.nil_warnings.iter().filter(|warning| may_be_absent(&warning.path));
    let first = absent.filter_map(|warning| Some((warning, places.remove(warning.path.as_str())?)));
    first
        .map(|(warning, places)| {
            let message = format!("{} may be nil; then the condition is false with an error", warning.path);
            let others = match places {
                1 => String::new(),
                2 => ", and so in the other place".to_owned(),
                more => format!(", and so in {} other places", more - 1),
            };
            let advice = format!("write {}?.{}{others}", warning.path, warning.member);
            let line = condition.line.max(1) + warning.position.line - 1;
            // Later lines of an expression begin wherever their author indented them.
            let first = warning.position.line == 1;
            let column = first.then(|| condition.column.max(1) + warning.position.column - 1);
            Finding { line: Some(line), column, ..finding(Rule::MayBeNil, key, message, advice) }
        })
        .collect()
}

fn unused(config: &Configuration) -> Vec<Finding> {
    let conditions = config.triggers().values().flat_map(|trigger| &trigger.conditions);
    let sent: BTreeSet<&String> = conditions.flat_map(|condition| &condition.send).collect();
    let unused = config.templates().keys().filter(|name| !sent.contains(name));
    let tell = |name: &String| {
        let message = format!("no condition sends template '{name}'");
        finding(
            Rule::UnusedTemplate,
            &format!("template.{name}"),
            message,
            "name it in a trigger's `send` or remove it",
        )
    };
    unused.map(tell).collect()
}

fn of_subscriptions(config: &Configuration) -> Vec<Finding> {
    let mut out = Vec::new();
    let mut trigger = |key: &str, name: &String| {
        if !config.triggers().contains_key(name) {
            let near = did_you_mean(name, config.triggers().keys().map(String::as_str));
            let message = format!("trigger '{name}' is not configured{near}");
            out.push(finding(Rule::UnknownTrigger, key, message, "add the trigger or correct the name"));
        }
    };
    config.default_triggers().into_iter().flatten().for_each(|name| trigger("defaultTriggers", name));
    for (service, names) in config.service_default_triggers() {
        names.iter().for_each(|name| trigger(&format!("defaultTriggers.{service}"), name));
    }
    for subscription in config.subscriptions() {
        subscription.triggers.iter().flatten().for_each(|name| trigger("subscriptions", name));
    }
    let recipients = config.subscriptions().iter().flat_map(|subscription| &subscription.recipients);
    let names: BTreeSet<&str> = recipients.map(|text| text.split(':').next().unwrap_or(text)).collect();
    for name in names.into_iter().filter(|name| config.service(name).is_none()) {
        let near = did_you_mean(name, config.services().keys().map(String::as_str));
        let message = format!("service '{name}' is not configured{near}");
        out.push(finding(Rule::UnknownService, "subscriptions", message, "add the service or correct the name"));
    }
    out
}

fn of_services(config: &Configuration) -> Vec<Finding> {
    let mut out = Vec::new();
    for service in config.services().values() {
        let text = |name: &str| service.options.get(name).and_then(Json::as_str).unwrap_or_default();
        let plain = ["url", "apiURL", "apiUrl"].into_iter().any(|name| text(name).starts_with("http://"));
        let named =
            |header: &Json| header["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case("authorization"));
        let headers = service.options.get("headers").and_then(Json::as_array);
        let credential = headers.into_iter().flatten().any(named)
            || service.options.get("basicAuth").is_some()
            || ["token", "apiKey"].into_iter().any(|name| !text(name).is_empty());
        if plain && credential {
            let message = format!("service '{}' sends its credential over plain HTTP", service.name);
            let own = if service.kind == "backstage" { "gatepost.service" } else { "service" };
            let key = format!("{own}.{}.{}", service.kind, service.name);
            out.push(finding(Rule::PlainHttp, &key, message, "use https, or keep it inside the cluster's network"));
        }
    }
    out
}

/// `"text": "{\"a\": \"{{.x}}\"}"`: the rule for JSON knows one level.
fn nested_json(config: &Configuration) -> Vec<Finding> {
    let mut out = Vec::new();
    for template in config.templates().values() {
        for (service, hook) in &template.webhook {
            let nested = hook.body.text.split("\"{\\\"").skip(1).any(|rest| {
                let end = rest.find("}\"").unwrap_or(rest.len());
                rest[..end].contains("{{")
            });
            if nested {
                let message = format!("the body for '{service}' prints values into a JSON text inside a JSON string");
                let advice = "make the inner text with toJson twice: `{{ dict \"a\" .x | toJson | toJson }}`";
                out.push(finding(Rule::JsonInJson, &format!("template.{}", template.name), message, advice));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests;
