//! What people are shown of gates: the last look at each, in a few hundred bytes, and why it is pending.
//!
//! Error texts come redacted. What an endpoint answered is kept clipped, and shown without the values of the gate's Secret.

use super::asking::Shown;
use super::index::Name;
use super::lock;
use super::phases::{Phases, Present};
use super::status::rfc3339;
use crate::clock;
use crate::controller::{Changes, What};
use crate::gate::ready::Ready;
use crate::gate::spec::Mode;
use crate::gate::web_request::{Decision, Look, Outcome, Plan, Trigger};
use crate::gate::{Gate, Phase};
use crate::telemetry::Metrics;
use gatepost_value::Value;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// Characters of an answer that are shown.
const LONGEST_ANSWER: usize = 512;
/// Characters of a value that are shown.
const LONGEST_VALUE: usize = 200;

/// One gate, as its last look left it.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    uid: String,
    strategy: String,
    key: String,
    mode: &'static str,
    /// Name of the Secret that its requests authenticate with; `None` without one, empty where it is the SCM's.
    pub secret: Option<String>,
    phases: BTreeMap<String, Environment>,
    ready: Option<Ready>,
    looked_at_ms: i64,
    next_look_ms: Option<i64>,
    next_try_ms: Option<i64>,
    steps: Vec<Step>,
    error: Option<String>,
    answers: BTreeMap<String, Shown>,
    history: Phases,
}

/// An environment, as the last look left it.
#[derive(Debug, Clone)]
struct Environment {
    phase: Phase,
    /// The commit that it is about; empty where that is not known.
    sha: String,
    /// What its CommitStatus says.
    description: String,
}

/// A step of the last look.
#[derive(Debug, Clone)]
struct Step {
    scope: String,
    /// All of it as JSON, in text: a tenth of its size as a value.
    text: String,
}

impl Step {
    fn of(json: &Json) -> Self {
        Self { scope: json["scope"].as_str().unwrap_or_default().to_owned(), text: json.to_string() }
    }

    fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

/// Every gate's.
#[derive(Default)]
pub(super) struct Views {
    all: Mutex<BTreeMap<Name, View>>,
    changes: Changes,
}

impl View {
    /// What a look came to.
    pub fn of(gate: &Gate, plan: &Plan, outcome: &Outcome, ready: &Ready, again: Option<Duration>) -> Self {
        let now_ms = clock::now().millis();
        let sha = |branch: &str| {
            let all = plan.steps.iter().flat_map(|step| &step.environments);
            all.filter(|environment| environment.branch == branch).map(|environment| environment.sha.clone()).next()
        };
        let environment = |branch: &str, phase| {
            let draft = outcome.commit_statuses.iter().find(|draft| draft.branch == branch);
            let description = draft.map(|draft| clipped(&draft.description, LONGEST_VALUE)).unwrap_or_default();
            Environment { phase, sha: sha(branch).unwrap_or_default(), description }
        };
        let phases = outcome.status.phases().map(|(branch, phase)| (branch.to_owned(), environment(branch, phase)));
        Self {
            uid: gate.uid.clone(),
            strategy: gate.spec.strategy.clone(),
            key: gate.spec.key.clone(),
            mode: match gate.spec.mode {
                Mode::Polling { .. } => "polling",
                Mode::Trigger { .. } => "trigger",
            },
            secret: secret(gate),
            phases: phases.collect(),
            ready: Some(ready.clone()),
            looked_at_ms: now_ms,
            next_look_ms: again
                .map(|again| now_ms.saturating_add_unsigned(u64::try_from(again.as_millis()).unwrap_or(0))),
            next_try_ms: outcome.next_try,
            steps: outcome.looks.iter().map(|look| Step::of(&step(look))).collect(),
            error: outcome.error(),
            answers: BTreeMap::new(),
            history: Phases::default(),
        }
    }

    fn summary(&self, name: &Name) -> Json {
        let phases: BTreeMap<&str, Json> = self
            .phases
            .iter()
            .map(|(branch, Environment { phase, sha, description })| {
                (branch.as_str(), json!({"phase": phase.as_str(), "sha": sha, "description": description}))
            })
            .collect();
        let ready = self
            .ready
            .as_ref()
            .map(|Ready { status, reason, message }| json!({"status": status, "reason": reason, "message": message}));
        json!({
            "kind": super::kinds::GATE, "namespace": name.namespace, "name": name.name, "strategy": self.strategy, "key": self.key, "mode": self.mode,
            "phases": phases, "ready": ready, "error": self.error, "lookedAt": time(Some(self.looked_at_ms)),
            "nextLook": time(self.next_look_ms), "nextTry": time(self.next_try_ms),
        })
    }

    fn whole(&self, name: &Name, scrub: &dyn Fn(&str) -> String) -> Json {
        let mut view = self.summary(name);
        view["steps"] = self.steps.iter().map(Step::json).collect();
        let answers = self.answers.iter().map(|(scope, answer)| (scope.clone(), shown(answer, scrub)));
        view["answers"] = answers.collect::<serde_json::Map<_, _>>().into();
        view["history"] = self.history.shown();
        view["why"] = self.why().into();
        view
    }

    /// Why the gate is not passed, in sentences, the most important first.
    fn why(&self) -> Vec<String> {
        let mut why = Vec::new();
        if let Some(error) = &self.error {
            let next = time(self.next_try_ms.or(self.next_look_ms));
            why.push(format!(
                "the last look failed: {error}; it is tried again at {}",
                next.unwrap_or_else(|| "the next change".into())
            ));
        }
        let pending = self.phases.iter().filter(|(_, environment)| environment.phase != Phase::Success);
        for (branch, Environment { phase, sha, .. }) in pending {
            let steps = self.steps.iter();
            let mut of_branch = steps.filter(|step| step.scope == *branch || step.scope.is_empty());
            let reason = of_branch.next().map_or("it was not looked at yet".to_owned(), |step| because(&step.json()));
            let commit = if sha.is_empty() { "its last commit" } else { sha };
            why.push(format!("{branch} is {phase} for {commit}: {reason}"));
        }
        why.extend(self.ready.as_ref().filter(|_| self.error.is_none()).and_then(unpushed));
        if why.is_empty() {
            why.push("every environment has passed".to_owned());
        }
        why
    }
}

/// That a CommitStatus is written and the Promoter has not pushed it, of whichever kind the gate is.
pub(super) fn unpushed(ready: &Ready) -> Option<String> {
    (ready.status != "True").then(|| {
        format!("the CommitStatus is written, but {}; until the Promoter has pushed it nothing moves on", ready.message)
    })
}

impl Views {
    /// Keeps what a look came to; answers of earlier looks stay until there are newer ones.
    pub fn put(&self, name: &Name, mut view: View, answers: BTreeMap<String, Shown>, metrics: &Metrics) {
        let mut all = lock(&self.all);
        let before = all.remove(name).unwrap_or_default();
        count(name, &before, metrics, 0);
        count(name, &view, metrics, 1);
        let present = view.phases.iter();
        let present = present.map(|(branch, of)| Present { branch, phase: of.phase, sha: &of.sha });
        view.history = before.history;
        view.history.note(present, view.looked_at_ms);
        view.answers = before.answers;
        view.answers.extend(answers);
        view.answers.retain(|scope, _| view.steps.iter().any(|step| step.scope == *scope));
        all.insert(name.clone(), view);
        metrics.gates.count.set(i64::try_from(all.len()).unwrap_or(i64::MAX));
        self.changes.bump(What::Gates);
    }

    /// A gate could not be looked at.
    pub fn trouble(&self, name: &Name, error: &str, pause: Duration) {
        let mut all = lock(&self.all);
        let view = all.entry(name.clone()).or_default();
        view.error = Some(error.to_owned());
        let pause = u64::try_from(pause.as_millis()).unwrap_or(0);
        view.next_look_ms = Some(clock::now().millis().saturating_add_unsigned(pause));
        self.changes.bump(What::Gates);
    }

    /// The `Ready` condition changed.
    pub fn ready(&self, name: &Name, ready: &Ready) {
        if let Some(view) = lock(&self.all).get_mut(name) {
            view.ready = Some(ready.clone());
            self.changes.bump(What::Gates);
        }
    }

    /// A gate is gone.
    pub fn remove(&self, name: &Name, metrics: &Metrics) {
        let mut all = lock(&self.all);
        if let Some(view) = all.remove(name) {
            count(name, &view, metrics, 0);
            self.changes.bump(What::Gates);
        }
        metrics.gates.count.set(i64::try_from(all.len()).unwrap_or(i64::MAX));
    }

    /// How often any of them changed.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// All of them, in short.
    pub fn list(&self) -> Vec<Json> {
        lock(&self.all).iter().map(|(name, view)| view.summary(name)).collect()
    }

    /// The UID of one of them.
    pub fn uid(&self, name: &Name) -> Option<String> {
        lock(&self.all).get(name).map(|view| view.uid.clone())
    }

    /// One of them; its Secret's name comes with it so that it can be scrubbed.
    pub fn secret(&self, name: &Name) -> Option<Option<String>> {
        lock(&self.all).get(name).map(|view| view.secret.clone())
    }

    /// One of them, whole.
    pub fn show(&self, name: &Name, scrub: &dyn Fn(&str) -> String) -> Option<Json> {
        lock(&self.all).get(name).map(|view| view.whole(name, scrub))
    }
}

/// The phase of each environment as a gauge; 0 takes it away.
fn count(name: &Name, view: &View, metrics: &Metrics, value: i64) {
    for (branch, Environment { phase, .. }) in &view.phases {
        let labels = [name.namespace.as_str(), name.name.as_str(), branch, phase.as_str()];
        match value {
            // It may not be there: then there is nothing to take away.
            0 => drop(metrics.gates.phases.remove_label_values(&labels)),
            value => metrics.gates.phases.with_label_values(&labels).set(value),
        }
    }
}

fn secret(gate: &Gate) -> Option<String> {
    use crate::gate::spec::Authentication;
    match gate.spec.request.authentication.as_ref()? {
        Authentication::Basic { secret }
        | Authentication::Bearer { secret }
        | Authentication::OAuth2 { secret, .. }
        | Authentication::Tls { secret } => Some(secret.clone()),
        Authentication::Scm => Some(String::new()),
    }
}

fn step(look: &Look) -> Json {
    let (decision, until, error) = match &look.decision {
        Decision::Skip => ("skipped", None, None),
        Decision::Ask(_) => ("asked", None, None),
        Decision::Carry { until } => ("carried", *until, None),
        Decision::Hold { until, error } => ("held", Some(*until), Some(error.clone())),
        Decision::Failed(cause) => ("failed", None, Some(cause.to_string())),
    };
    let Trigger { fires, variables, output } = &look.trigger;
    let mut view = json!({"scope": look.scope, "decision": decision});
    let details = [
        ("until", time(until).map(Json::from)),
        ("error", error.map(Json::from)),
        ("trigger", fires.map(Json::from)),
        ("triggerVariables", variables.as_ref().map(value)),
        ("triggerOutput", output.as_ref().map(value)),
        ("variables", look.success_variables.as_ref().map(value)),
        ("result", look.result.as_ref().map(value)),
        ("unasked", (!look.unasked.is_empty()).then(|| json!(look.unasked))),
    ];
    for (name, detail) in details {
        if let Some(detail) = detail {
            view[name] = detail;
        }
    }
    view
}

/// A step's part in why its environments have not passed.
fn because(step: &Json) -> String {
    let text = |name: &str| step[name].as_str().unwrap_or_default().to_owned();
    let result = step["result"].as_str().map(|result| format!("the expression gave {result}"));
    match step["decision"].as_str().unwrap_or_default() {
        "failed" => text("error"),
        "held" => format!("it waits for its next try at {}, because {}", text("until"), text("error")),
        "carried" if step["trigger"] == false => {
            format!("the trigger does not fire; {} without an answer", result.unwrap_or_default())
        }
        "carried" => {
            let why = match step["unasked"].is_array() {
                true => "its commit was not asked about yet".to_owned(),
                false => format!("{} without an answer", result.unwrap_or_default()),
            };
            step["until"].as_str().map_or(why.clone(), |until| format!("{why}; it is asked next at {until}"))
        }
        _ => result.map_or("there is no result yet".to_owned(), |result| format!("{result} on the last answer")),
    }
}

fn value(value: &Value) -> Json {
    let text = String::from_utf8_lossy(gatepost_value::fmt::sprint_v(value).as_bytes()).into_owned();
    clipped(&text, LONGEST_VALUE).into()
}

fn clipped(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn shown(answer: &Shown, scrub: &dyn Fn(&str) -> String) -> Json {
    let body = scrub(&String::from_utf8_lossy(&answer.excerpt));
    let body = clipped(&body, LONGEST_ANSWER);
    let cut = if answer.excerpt.len() < answer.size && !body.ends_with('…') { "…" } else { "" };
    json!({
        "at": time(Some(answer.at_ms)), "status": answer.status, "contentType": clipped(&answer.kind, LONGEST_VALUE),
        "milliseconds": u64::try_from(answer.took.as_millis()).unwrap_or(0), "bytes": answer.size,
        "attempt": answer.attempt, "body": format!("{body}{cut}"),
    })
}

fn time(at_ms: Option<i64>) -> Option<String> {
    at_ms.map(|at_ms| rfc3339(at_ms.div_euclid(1000)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use bytes::Bytes;

    fn view() -> View {
        View {
            phases: [("dev", Phase::Success, "aa"), ("prod", Phase::Pending, "bb")]
                .map(|(branch, phase, sha)| {
                    (branch.to_owned(), Environment { phase, sha: sha.into(), description: "it is so".into() })
                })
                .into(),
            ready: Some(Ready { status: "True".into(), reason: "ReconciliationSuccess", message: "fine".into() }),
            ..View::default()
        }
    }

    fn why(step: Json) -> String {
        View { steps: vec![Step::of(&json!({"scope": "dev"})), Step::of(&step)], ..view() }.why().join(" | ")
    }

    #[test]
    fn what_is_pending_says_why() {
        let asked = why(json!({"scope": "prod", "decision": "asked", "result": "false"}));
        assert_eq!(asked, "prod is pending for bb: the expression gave false on the last answer");
        let until = "2026-01-02T03:04:05Z";
        let carried = why(json!({"scope": "prod", "decision": "carried", "result": "false", "until": until}));
        assert!(
            carried.ends_with("the expression gave false without an answer; it is asked next at 2026-01-02T03:04:05Z")
        );
        let unasked = why(json!({"scope": "prod", "decision": "carried", "unasked": ["prod"]}));
        assert!(unasked.ends_with("its commit was not asked about yet"), "{unasked}");
        let held = why(json!({"scope": "prod", "decision": "held", "until": until, "error": "no route"}));
        assert!(held.ends_with("it waits for its next try at 2026-01-02T03:04:05Z, because no route"), "{held}");
        let idle = why(json!({"scope": "prod", "decision": "carried", "trigger": false, "result": "false"}));
        assert!(idle.contains("the trigger does not fire"), "{idle}");
    }

    #[test]
    fn an_environment_is_shown_with_what_its_commit_status_says() {
        let shown = view().summary(&Name { namespace: "shop".into(), name: "g".into() });
        assert_eq!(shown["phases"]["prod"], json!({"phase": "pending", "sha": "bb", "description": "it is so"}));
    }

    #[test]
    fn a_push_that_fails_is_told_from_a_gate_that_does_not_pass() {
        let message = "CommitStatus \"x\" is not Ready because \"Push\": 401".to_owned();
        let ready = Ready { status: "False".into(), reason: "CommitStatusesNotReady", message };
        let view = View { phases: BTreeMap::new(), ready: Some(ready), ..view() };
        assert!(view.why()[0].contains("until the Promoter has pushed it nothing moves on"));
        assert_eq!(View::default().why(), ["every environment has passed"]);
    }

    #[test]
    fn answers_are_clipped_and_scrubbed() {
        let answer = Shown {
            at_ms: 0,
            status: 200,
            took: Duration::from_millis(5),
            kind: "text/plain".into(),
            size: 9,
            excerpt: Bytes::from_static(b"key=s3cr3t"),
            attempt: 1,
        };
        let shown = shown(&Shown { size: 99, ..answer }, &|text| text.replace("s3cr3t", "***"));
        assert_eq!((shown["body"].as_str(), shown["bytes"].as_u64()), (Some("key=***…"), Some(99)));
    }
}
