//! What people are shown of gates by Argo CD's outcomes: the last look at each, and why an environment has not passed.

use super::super::lock;
use super::super::phases::{Phases, Present};
use super::super::status::rfc3339;
use super::super::view::unpushed;
use super::Id;
use crate::clock;
use crate::controller::{Changes, What};
use crate::gate::Phase;
use crate::gate::application::{Dialect, EnvironmentStatus, Gate, Outcome};
use crate::gate::ready::Ready;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// One gate, as its last look left it.
#[derive(Debug, Clone, Default)]
pub(in crate::controller::gate) struct View {
    uid: String,
    strategy: String,
    key: String,
    environments: Vec<EnvironmentStatus>,
    ready: Option<Ready>,
    error: Option<String>,
    looked_at_ms: i64,
    next_look_ms: Option<i64>,
    phases: Phases,
}

/// Every gate's.
#[derive(Default)]
pub(in crate::controller::gate) struct Views {
    all: Mutex<BTreeMap<Id, View>>,
    /// Why kinds are not handled that are there.
    obstacles: Mutex<BTreeMap<&'static Dialect, String>>,
    changes: Changes,
}

impl View {
    /// What a look came to.
    pub fn of(gate: &Gate, outcome: &Outcome, ready: &Ready, again: Duration) -> Self {
        let now_ms = clock::now().millis();
        Self {
            uid: gate.uid.clone(),
            strategy: gate.spec.strategy.clone(),
            key: gate.spec.key.clone(),
            environments: outcome.environments.clone(),
            ready: Some(ready.clone()),
            error: outcome.error(gate.dialect),
            looked_at_ms: now_ms,
            next_look_ms: Some(later(now_ms, again)),
            phases: Phases::default(),
        }
    }

    fn summary(&self, Id { dialect, name }: &Id) -> Json {
        let phase = |one: &EnvironmentStatus| {
            let view = json!({"phase": one.phase.as_str(), "sha": one.reported_sha, "description": one.description});
            (one.branch.clone(), view)
        };
        let ready = self.ready.as_ref();
        json!({
            "kind": dialect.kind, "namespace": name.namespace, "name": name.name, "strategy": self.strategy, "key": self.key,
            "mode": "applications", "phases": self.environments.iter().map(phase).collect::<serde_json::Map<_, _>>(),
            "ready": ready.map(|ready| json!({"status": ready.status, "reason": ready.reason, "message": ready.message})),
            "error": self.error, "lookedAt": (self.looked_at_ms > 0).then(|| time(self.looked_at_ms)),
            "nextLook": self.next_look_ms.map(time), "nextTry": null,
        })
    }

    fn whole(&self, id: &Id) -> Json {
        let mut view = self.summary(id);
        view["environments"] = json!(self.environments);
        view["history"] = self.phases.shown();
        view["why"] = self.why().into();
        view
    }

    /// Why the gate is not passed, in sentences, the most important first.
    fn why(&self) -> Vec<String> {
        let next = self.next_look_ms.map_or_else(|| "the next change".to_owned(), time);
        let error = self.error.iter();
        let mut why: Vec<String> =
            error.map(|error| format!("the last look failed: {error}; it is tried again at {next}")).collect();
        let held = self.environments.iter().filter(|one| one.phase != Phase::Success);
        why.extend(held.map(|one| {
            let commit = if one.reported_sha.is_empty() { "its last commit" } else { &one.reported_sha };
            format!("{} is {} for {commit}: {}", one.branch, one.phase, one.description)
        }));
        why.extend(self.ready.as_ref().filter(|_| self.error.is_none()).and_then(unpushed));
        if why.is_empty() {
            why.push(match self.environments.is_empty() {
                true => "the strategy has no environment that names this gate's key".to_owned(),
                false => "every environment has passed".to_owned(),
            });
        }
        why
    }
}

impl Views {
    /// Keeps what a look came to.
    pub fn put(&self, id: &Id, mut view: View) {
        let mut all = lock(&self.all);
        view.phases = all.remove(id).unwrap_or_default().phases;
        let present = view.environments.iter();
        let present = present.map(|one| Present { branch: &one.branch, phase: one.phase, sha: &one.reported_sha });
        view.phases.note(present, view.looked_at_ms);
        all.insert(id.clone(), view);
        self.changes.bump(What::Gates);
    }

    /// A gate could not be looked at; without a pause it is not tried again before it changes.
    pub fn trouble(&self, id: &Id, error: &str, pause: Option<Duration>) {
        let mut all = lock(&self.all);
        let view = all.entry(id.clone()).or_default();
        view.error = Some(error.to_owned());
        view.next_look_ms = pause.map(|pause| later(clock::now().millis(), pause));
        self.changes.bump(What::Gates);
    }

    /// A gate is gone, or handled elsewhere.
    pub fn remove(&self, id: &Id) {
        if lock(&self.all).remove(id).is_some() {
            self.changes.bump(What::Gates);
        }
    }

    /// What keeps a kind from being handled, empty for nothing; whether that is news.
    pub fn note(&self, dialect: &'static Dialect, obstacle: &str) -> bool {
        let before = lock(&self.obstacles).insert(dialect, obstacle.to_owned());
        let is_news = before.unwrap_or_default() != obstacle;
        if is_news {
            self.changes.bump(What::Gates);
        }
        is_news
    }

    /// What keeps kinds from being handled.
    pub fn obstacles(&self) -> Vec<String> {
        lock(&self.obstacles).values().filter(|obstacle| !obstacle.is_empty()).cloned().collect()
    }

    /// How often any of them changed.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// All of them, in short.
    pub fn list(&self) -> Vec<Json> {
        lock(&self.all).iter().map(|(id, view)| view.summary(id)).collect()
    }

    /// One of them with its UID, whole.
    pub fn show(&self, id: &Id) -> Option<(String, Json)> {
        lock(&self.all).get(id).map(|view| (view.uid.clone(), view.whole(id)))
    }
}

fn later(now_ms: i64, pause: Duration) -> i64 {
    now_ms.saturating_add_unsigned(u64::try_from(pause.as_millis()).unwrap_or(0))
}

fn time(at_ms: i64) -> String {
    rfc3339(at_ms.div_euclid(1000))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::controller::gate::index::Name;
    use crate::gate::application::{APPLICATION_GATE, ARGOCD_COMMIT_STATUS};

    fn view(phase: Phase) -> View {
        let prod = EnvironmentStatus {
            branch: "prod".into(),
            reported_sha: "aa".into(),
            phase,
            description: "1 of 2 Applications is degraded".into(),
            applications: Vec::new(),
        };
        let ready = Ready { status: "True".into(), reason: "ReconciliationSuccess", message: String::new() };
        View { environments: vec![prod], ready: Some(ready), looked_at_ms: 1_000, ..View::default() }
    }

    #[test]
    fn what_holds_says_why_and_the_phases_are_remembered() {
        let name = Name { namespace: "n".into(), name: "g".into() };
        let (views, name) = (Views::default(), Id { dialect: &APPLICATION_GATE, name });
        views.put(&name, view(Phase::Failure));
        let (_, shown) = views.show(&name).unwrap();
        assert_eq!(shown["why"][0], "prod is failure for aa: 1 of 2 Applications is degraded");
        views.put(&name, view(Phase::Success));
        let (_, shown) = views.show(&name).unwrap();
        assert_eq!(shown["why"][0], "every environment has passed");
        assert_eq!(shown["history"]["prod"].as_array().unwrap().len(), 2);
        assert_eq!(views.list()[0]["phases"]["prod"]["phase"], "success");
        views.trouble(&name, "no route", Some(Duration::from_secs(15)));
        let (_, shown) = views.show(&name).unwrap();
        assert!(
            shown["why"][0].as_str().unwrap().starts_with("the last look failed: no route; it is tried again at 2")
        );
        let other = Id { dialect: &ARGOCD_COMMIT_STATUS, ..name.clone() };
        assert!(views.show(&other).is_none(), "two kinds may have one name");
        views.remove(&name);
        assert!(views.show(&name).is_none() && views.list().is_empty());
    }

    #[test]
    fn why_a_kind_is_not_handled_is_told_once() {
        let views = Views::default();
        assert!(!views.note(&ARGOCD_COMMIT_STATUS, "") && views.note(&ARGOCD_COMMIT_STATUS, "too old"));
        assert!(!views.note(&ARGOCD_COMMIT_STATUS, "too old"));
        assert_eq!(views.obstacles(), ["too old"]);
        assert!(views.note(&ARGOCD_COMMIT_STATUS, "") && views.obstacles().is_empty());
    }

    #[test]
    fn a_gate_that_nothing_names_says_so() {
        assert_eq!(View::default().why(), ["the strategy has no environment that names this gate's key"]);
    }
}
