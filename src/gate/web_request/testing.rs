//! A controller in miniature: stores what a look says, answers what it asks, moves the clock.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{
    Answer, Answers, AskError, Cause, Input, NamespaceMetadata, Outcome, RenderedRequest, begin, conclude, refuse,
};
use crate::gate::engine::{Engine, Integers};
use crate::gate::memory::Memory;
use crate::gate::ready::{Child, Ready};
use crate::gate::spec::Gate;
use crate::gate::status::Condition;
use crate::gate::strategy::Strategy;
use gatepost_value::{Limits, Location, Time};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::time::Duration;

type Respond = Box<dyn FnMut(&RenderedRequest) -> Result<Answer, AskError>>;

/// The cluster, the receiver and the clock of a test.
pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) gate: Json,
    pub(super) strategy: Option<Json>,
    pub(super) namespace: NamespaceMetadata,
    pub(super) memory: Memory,
    pub(super) now: Time,
    pub(super) respond: Respond,
    /// How long the answers of one look take.
    pub(super) takes: Duration,
    pub(super) requests: Vec<RenderedRequest>,
    /// By name: what is in the cluster.
    pub(super) commit_statuses: BTreeMap<String, Json>,
    /// Ready conditions of CommitStatuses by name.
    pub(super) children: BTreeMap<String, Condition>,
    pub(super) events: Vec<super::Event>,
    pub(super) last: Outcome,
    /// Statuses that were worth a write.
    pub(super) writes: usize,
}

pub(super) fn answer(status: u16, body: Json) -> Result<Answer, AskError> {
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    Ok(Answer { status, headers, body: body.to_string().into_bytes() })
}

impl World {
    pub(super) fn new(gate: Json, strategy: Json) -> Self {
        Self {
            engine: Engine::new(Limits { time: Duration::from_secs(20), ..Limits::default() }, Integers::AsGo),
            gate,
            strategy: Some(strategy),
            namespace: NamespaceMetadata::default(),
            memory: Memory::default(),
            now: Time::parse_rfc3339("2026-01-02T03:04:05Z").unwrap(),
            respond: Box::new(|_| answer(200, json!({"approved": true}))),
            takes: Duration::ZERO,
            requests: Vec::new(),
            commit_statuses: BTreeMap::new(),
            children: BTreeMap::new(),
            events: Vec::new(),
            last: Outcome::default(),
            writes: 0,
        }
    }
    /// A gate for the branches of [`strategy`], its spec given as YAML over defaults.
    pub(super) fn with_spec(spec: &str, strategy: Json) -> Self {
        let mut gate = json!({"apiVersion": "promoter.argoproj.io/v1alpha1", "kind": "WebRequestCommitStatus",
            "metadata": {"name": "gate", "namespace": "apps", "uid": "u-1", "generation": 1}, "spec": {
                "promotionStrategyRef": {"name": "app"}, "key": "gate",
                "httpRequest": {"urlTemplate": "https://x.example/{{ .Branch }}", "methodTemplate": "GET"}}});
        let spec: Json = serde_yaml_ng::from_str(spec).unwrap();
        json_patch::merge(&mut gate["spec"], &spec);
        Self::new(gate, strategy)
    }
    pub(super) fn answering(
        mut self,
        respond: impl FnMut(&RenderedRequest) -> Result<Answer, AskError> + 'static,
    ) -> Self {
        self.respond = Box::new(respond);
        self
    }
    pub(super) fn responds(&mut self, status: u16, body: Json) {
        self.respond = Box::new(move |_| answer(status, body.clone()));
    }
    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now.add(i64::try_from(time.as_nanos()).unwrap());
    }
    /// One look, with everything that follows from it.
    pub(super) fn look(&mut self) -> &Outcome {
        let gate = Gate::parse(self.gate.clone()).unwrap();
        let outcome = match &self.strategy {
            Some(strategy) => self.look_with(&gate, &Strategy::read(strategy.clone())),
            None => {
                let (name, reason) = (gate.spec.strategy.clone(), "not found".to_owned());
                refuse(&gate, &self.memory, &self.now, &|_| {}, Cause::NoStrategy { name, reason })
            }
        };
        self.store(&gate, outcome);
        &self.last
    }
    fn look_with(&mut self, gate: &Gate, strategy: &Strategy) -> Outcome {
        let mut input = Input {
            gate,
            strategy,
            namespace: &self.namespace,
            memory: &self.memory,
            now: self.now.clone(),
            local: Location::Utc,
            random: &|buffer| buffer.fill(0),
        };
        let plan = begin(&self.engine, &input);
        let mut answers = Answers::new();
        for (scope, ask) in plan.asks() {
            self.requests.push(ask.request.clone());
            answers.insert(scope.to_owned(), (self.respond)(&ask.request));
        }
        if !answers.is_empty() {
            input.now = input.now.add(i64::try_from(self.takes.as_nanos()).unwrap());
            self.now = input.now.clone();
        }
        conclude(&self.engine, &input, plan, &answers)
    }
    fn store(&mut self, gate: &Gate, outcome: Outcome) {
        // Through JSON, as both are stored.
        self.memory = serde_json::from_str(&serde_json::to_string(&outcome.memory).unwrap()).unwrap();
        for draft in &outcome.commit_statuses {
            let existing = self.commit_statuses.insert(draft.name.clone(), draft.object(gate, None));
            let same = existing.as_ref().is_some_and(|existing| draft.is_applied(existing, gate, None));
            assert_eq!(same, existing == Some(draft.object(gate, None)));
        }
        if let Some(keep) = &outcome.keep {
            self.commit_statuses.retain(|name, _| keep.contains(name));
        }
        let mut status = outcome.status.clone();
        let now = self.now.format("2006-01-02T15:04:05Z07:00");
        let condition = self.ready(&outcome).condition(gate.status.condition("Ready"), gate.generation, &now);
        status.conditions.retain(|condition| condition.kind != "Ready");
        status.conditions.push(condition);
        if status.differs_from(&gate.status) {
            self.writes += 1;
            self.gate["status"] = status.to_json();
        }
        self.events.extend(outcome.events.iter().cloned());
        self.last = outcome;
    }
    fn ready(&self, outcome: &Outcome) -> Ready {
        let next_try = outcome.next_try.map(|at| Time::unix(at / 1_000, 0).format("2006-01-02T15:04:05Z07:00"));
        let child =
            |name: &String| Child { name: name.clone(), generation: 1, ready: self.children.get(name).cloned() };
        match outcome.error() {
            Some(error) => Ready::failed(&error, next_try.as_deref()),
            None => Ready::of_children(&self.commit_statuses.keys().map(child).collect::<Vec<_>>()),
        }
    }
    pub(super) fn status(&self) -> Json {
        self.gate.get("status").cloned().unwrap_or_default()
    }
    /// Status and message of the Ready condition.
    pub(super) fn ready_now(&self) -> (String, String, String) {
        let status = crate::gate::Status::parse(&self.status()).unwrap();
        status.condition("Ready").map(|c| (c.status.clone(), c.reason.clone(), c.message.clone())).unwrap_or_default()
    }
    /// Phase and commit of a branch's CommitStatus, `None` without one.
    pub(super) fn says(&self, branch: &str) -> Option<(String, String)> {
        let name = crate::gate::names::commit_status(self.gate["metadata"]["name"].as_str().unwrap(), branch);
        let spec = &self.commit_statuses.get(&name)?["spec"];
        Some((spec["phase"].as_str().unwrap().to_owned(), spec["sha"].as_str().unwrap().to_owned()))
    }
    pub(super) fn description(&self, branch: &str) -> &str {
        let name = crate::gate::names::commit_status(self.gate["metadata"]["name"].as_str().unwrap(), branch);
        self.commit_statuses[&name]["spec"]["description"].as_str().unwrap()
    }
    /// The branch has another proposed, and another active commit.
    pub(super) fn push(&mut self, branch: &str, sha: &str) {
        let environments = self.strategy.as_mut().unwrap()["status"]["environments"].as_array_mut().unwrap();
        let entry = environments.iter_mut().find(|entry| entry["branch"] == branch).unwrap();
        entry["proposed"]["hydrated"]["sha"] = json!(sha);
        entry["active"]["hydrated"]["sha"] = json!(format!("active-{sha}"));
    }
}

/// A strategy that names `gate` everywhere; the commit of the branch `dev` is `dev-1`.
pub(super) fn strategy(branches: &[&str]) -> Json {
    let entry = |branch: &&str| {
        json!({"branch": branch, "proposed": {"hydrated": {"sha": format!("{branch}-1")}},
            "active": {"hydrated": {"sha": format!("active-{branch}-1")}}})
    };
    let environments: Vec<_> = branches.iter().map(|branch| json!({"branch": branch})).collect();
    json!({"apiVersion": "promoter.argoproj.io/v1alpha1", "kind": "PromotionStrategy",
        "metadata": {"name": "app", "namespace": "apps"},
        "spec": {"gitRepositoryRef": {"name": "repo"}, "environments": environments,
            "proposedCommitStatuses": [{"key": "gate"}], "activeCommitStatuses": [{"key": "gate"}]},
        "status": {"environments": branches.iter().map(entry).collect::<Vec<_>>()}})
}
