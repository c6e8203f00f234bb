//! How one look at a gate is shown.

use crate::cli::output;
use crate::gate::spec::Authentication;
use crate::gate::web_request::{Ask, Decision, Look, Outcome};
use gatepost_value::{Time, Value, json};
use serde_json::{Value as Json, json as object};

/// A look and the requests that it wanted.
pub(super) struct Report<'r> {
    pub(super) asks: &'r [(String, Ask)],
    pub(super) outcome: &'r Outcome,
    /// Whether a request was not answered.
    pub(super) open: bool,
}

impl Report<'_> {
    /// Whether something failed that an answer would not have helped.
    pub(super) fn failed(&self) -> bool {
        self.failures().next().is_some()
    }
    fn failures(&self) -> impl Iterator<Item = String> {
        let unanswered = |branch: &str| self.open && self.asks.iter().any(|(scope, _)| scope == branch);
        let failures = self.outcome.failures.iter().filter(move |failure| !unanswered(&failure.branch));
        failures.map(ToString::to_string)
    }
    /// For machines.
    pub(super) fn json(&self) -> Json {
        let Outcome { status, commit_statuses, next_try, requeue_after, looks, .. } = self.outcome;
        object!({
            "requests": self.asks.iter().map(|(scope, ask)| request(scope, ask)).collect::<Vec<_>>(),
            "looks": looks.iter().map(look).collect::<Vec<_>>(),
            "commitStatuses": commit_statuses.iter().map(|draft| {
                object!({"name": draft.name, "labels": draft.labels, "spec": draft.spec()})
            }).collect::<Vec<_>>(),
            "status": status.to_json(),
            "failures": self.failures().collect::<Vec<_>>(),
            "nextTry": next_try.filter(|_| !self.open).map(time),
            "lookAgainAfter": requeue_after.filter(|_| !self.open).map(|after| after.as_secs_f64()),
        })
    }
    /// For people.
    pub(super) fn print(&self) {
        self.asks.iter().for_each(|(scope, ask)| print_request(scope, ask));
        if self.open {
            println!("not answered: give --status or --response to see what an answer means");
        }
        for look in &self.outcome.looks {
            print_look(look);
        }
        let rows: Vec<Vec<String>> = self
            .outcome
            .commit_statuses
            .iter()
            .map(|draft| {
                let sha = draft.sha.chars().take(7).collect();
                let url = draft.url.clone().unwrap_or_default();
                vec![draft.branch.clone(), draft.phase.to_string(), sha, output::shortened(&draft.description, 80), url]
            })
            .collect();
        if !rows.is_empty() {
            println!();
            output::table(&["ENVIRONMENT", "PHASE", "COMMIT", "DESCRIPTION", "URL"], &rows);
        }
        self.failures().for_each(|failure| eprintln!("{failure}"));
        if let Some(at) = self.outcome.next_try.filter(|_| !self.open) {
            println!("next try at {}", time(at));
        }
        if let Some(after) = self.outcome.requeue_after.filter(|_| !self.open) {
            println!("next look after {}", gatepost_value::time::duration_string(nanoseconds(after)));
        }
        if let Ok(status) = serde_yaml_ng::to_string(&object!({"status": self.outcome.status.to_json()})) {
            print!("\n{status}");
        }
    }
}

fn request(scope: &str, Ask { request, attempt }: &Ask) -> Json {
    object!({
        "environment": scope, "method": request.method, "url": request.url, "headers": request.headers,
        "body": request.body, "timeout": request.timeout.as_secs_f64(), "attempt": attempt,
        "authentication": request.authentication.as_ref().map(credentials),
    })
}

fn look(look: &Look) -> Json {
    object!({
        "environment": look.scope,
        "decision": decision(&look.decision),
        "triggerVariables": look.trigger.variables.as_ref().map(json::to_serde),
        "trigger": look.trigger.fires,
        "triggerOutput": look.trigger.output.as_ref().map(json::to_serde),
        "response": look.response.as_ref().map(json::to_serde),
        "responseOutput": look.response_output,
        "successVariables": look.success_variables.as_ref().map(json::to_serde),
        "result": look.result.as_ref().map(json::to_serde),
        "successOutput": look.success_output,
        "phases": look.phases,
        "notAskedAbout": look.unasked,
    })
}

fn decision(decision: &Decision) -> &'static str {
    match decision {
        Decision::Skip => "skip: the present commits have succeeded",
        Decision::Ask(_) => "ask",
        Decision::Carry { .. } => "do not ask",
        Decision::Hold { .. } => "wait for the next try",
        Decision::Failed(_) => "failed",
    }
}

fn credentials(authentication: &Authentication) -> String {
    match authentication {
        Authentication::Basic { secret } => format!("basic, from Secret {secret}"),
        Authentication::Bearer { secret } => format!("bearer, from Secret {secret}"),
        Authentication::OAuth2 { secret, token_url, .. } => format!("OAuth2 at {token_url}, from Secret {secret}"),
        Authentication::Tls { secret } => format!("client certificate, from Secret {secret}"),
        Authentication::Scm => "those of the strategy's source-code provider".to_owned(),
    }
}

fn print_request(scope: &str, Ask { request, .. }: &Ask) {
    let scope = if scope.is_empty() { "all environments" } else { scope };
    println!("{scope}: {} {}", request.method, request.url);
    for (name, value) in &request.headers {
        println!("    {name}: {value}");
    }
    if let Some(authentication) = &request.authentication {
        println!("    credentials: {}", credentials(authentication));
    }
    for line in request.body.iter().flat_map(|body| body.lines()) {
        println!("    | {line}");
    }
}

fn print_look(look: &Look) {
    let scope = if look.scope.is_empty() { "all environments" } else { &look.scope };
    println!("\n{scope}: {}", decision(&look.decision));
    let line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            println!("    {name}: {value}");
        }
    };
    let shown = |value: &Option<Value>| value.as_ref().map(|value| json::to_serde(value).to_string());
    line("trigger variables", shown(&look.trigger.variables));
    line("trigger", look.trigger.fires.map(|fires| fires.to_string()));
    line("trigger output", shown(&look.trigger.output));
    line("response output", look.response_output.as_ref().map(Json::to_string));
    line("success variables", shown(&look.success_variables));
    line("success", shown(&look.result));
    line("success output", look.success_output.as_ref().map(Json::to_string));
    for branch in &look.unasked {
        println!("    {branch} is pending: the success was carried over from a commit that is not this one");
    }
}

fn time(millis: i64) -> String {
    Time::unix(millis.div_euclid(1_000), 0).format("2006-01-02T15:04:05Z07:00")
}

fn nanoseconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
