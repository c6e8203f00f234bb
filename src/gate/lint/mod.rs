//! What `gatepost check` finds in a gate: texts that cannot be compiled, and habits that do not do what people mean.
//!
//! Pure; a finding never changes what a gate does. Places are in the field's text.

mod applications;
mod expressions;
#[cfg(test)]
mod tests;
mod texts;

use super::application::Dialect;
use super::spec::{Context, Gate, Method, Mode};
use super::web_request::probe;
use serde_json::Value as Json;
use std::time::Duration;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot work.
    Error,
    /// It works in a way that people seldom mean.
    Warning,
}

/// Something found in a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Name of the rule.
    pub rule: &'static str,
    /// Path of the field, such as `spec.success.when.expression`.
    pub field: String,
    /// Line and column in the field's text, from 1, where it has a place.
    pub place: Option<(u32, u32)>,
    /// What is wrong.
    pub message: String,
    /// What to write instead; empty where that is plain.
    pub fix: String,
}

/// Names and meanings of the rules, for reports.
pub const RULES: [(&str, &str); 8] = [
    ("gate-spec", "The gate's fields cannot be read."),
    ("gate-expression", "An expression of a gate cannot be compiled, or fails in each look."),
    ("gate-template", "A template of a gate cannot be parsed, or names what is not there."),
    ("gate-unanswered", "The success expression fails in a look that makes no request."),
    ("gate-named-string", "A value of a named string type is compared with text, which it never equals."),
    ("gate-unknown-name", "An expression uses a name that does not exist; it is nil."),
    ("gate-body", "A body that says it is JSON is none."),
    ("gate-interval", "A gate asks more often than every five seconds."),
];

/// Less between requests is seldom meant.
const SHORTEST: Duration = Duration::from_secs(5);

/// Whether objects of a kind can be checked.
#[must_use]
pub fn knows(kind: &str) -> bool {
    kind == "WebRequestCommitStatus" || Dialect::named(kind).is_some()
}

/// Checks a gate's object.
#[must_use]
pub fn check(object: &Json) -> Vec<Finding> {
    if let Some(dialect) = object["kind"].as_str().and_then(Dialect::named) {
        return applications::check(dialect, object);
    }
    let gate = match Gate::parse(object.clone()) {
        Ok(gate) => gate,
        Err(error) => return vec![Finding::error("gate-spec", "spec", error.to_string())],
    };
    let mut found = expressions::check(&gate);
    found.extend(texts::check(&gate));
    let compiled = found.iter().all(|finding| finding.severity != Severity::Error);
    if compiled {
        found.extend(tried(&gate));
    }
    found.extend(interval(&gate));
    found.sort_by_key(|finding| finding.severity);
    found
}

impl Finding {
    fn error(rule: &'static str, field: &str, message: String) -> Self {
        Self { severity: Severity::Error, rule, field: field.to_owned(), place: None, message, fix: String::new() }
    }
    fn warning(rule: &'static str, field: &str, message: String, fix: &str) -> Self {
        Self { severity: Severity::Warning, fix: fix.to_owned(), ..Self::error(rule, field, message) }
    }
}

/// What running the gate on a made-up strategy shows.
fn tried(gate: &Gate) -> Vec<Finding> {
    let trial = probe::trial(gate);
    let mut found = Vec::new();
    if let Some(cause) = &trial.unanswered {
        let message = format!("fails in a look that makes no request, where Response is nil: {}", first_line(cause));
        let fix = "guard it: Response != nil ? (…) : Phase == \"success\"";
        found.push(Finding::warning("gate-unanswered", "spec.success.when.expression", message, fix));
    }
    if let Some(cause) = &trial.first {
        let once = matches!(gate.spec.context, Context::PromotionStrategy);
        let fix = if once { "in context promotionstrategy Branch is empty" } else { "" };
        let field = if matches!(cause, super::web_request::Cause::Trigger(_)) {
            "spec.mode.trigger.when"
        } else {
            "spec.httpRequest"
        };
        let message = format!("fails where nothing was asked before: {}", first_line(cause));
        found.push(Finding::warning("gate-expression", field, message, fix));
    }
    let render = |(field, error): (&'static str, String)| Finding::error("gate-template", field, error);
    found.extend(trial.texts.into_iter().map(render));
    let body = trial.request.and_then(|ask| {
        let headers = &ask.request.headers;
        let json =
            headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("content-type") && value.contains("json"));
        ask.request.body.filter(|_| json)
    });
    found.extend(body.and_then(|body| texts::broken_json(&body)));
    found
}

fn interval(gate: &Gate) -> Option<Finding> {
    let every = gate.spec.mode.every().filter(|every| *every < SHORTEST)?;
    let field = match gate.spec.mode {
        Mode::Polling { .. } => "spec.mode.polling.interval",
        Mode::Trigger { .. } => "spec.mode.trigger.requeueDuration",
    };
    let message = format!("is {every:?}");
    Some(Finding::warning(
        "gate-interval",
        field,
        message,
        "a minute is usual: the strategy's changes are seen at once anyway",
    ))
}

fn first_line(cause: &super::web_request::Cause) -> String {
    cause.to_string().lines().next().unwrap_or_default().to_owned()
}

/// The templates of a gate by their fields.
fn templates(gate: &Gate) -> Vec<(String, &str)> {
    let request = &gate.spec.request;
    let mut all = vec![
        ("spec.descriptionTemplate".to_owned(), gate.spec.description.as_str()),
        ("spec.urlTemplate".to_owned(), gate.spec.url.as_str()),
        ("spec.httpRequest.urlTemplate".to_owned(), request.url.as_str()),
        ("spec.httpRequest.bodyTemplate".to_owned(), request.body.as_str()),
    ];
    if let Method::Template(text) = &request.method {
        all.push(("spec.httpRequest.methodTemplate".to_owned(), text));
    }
    let header = |(name, text)| (format!("spec.httpRequest.headerTemplates.{name}"), String::as_str(text));
    all.extend(request.headers.iter().map(header));
    all
}
