//! A gate tried on a made-up strategy, so that what can never work is found before it runs: for the linter.

use super::values::Session;
use super::{Ask, Cause, Decision, Input, Look, NamespaceMetadata, Step, Trigger, begin};
use crate::gate::engine::{Engine, Integers};
use crate::gate::memory::Memory;
use crate::gate::spec::{Context, Gate};
use crate::gate::status::Status;
use crate::gate::strategy::Strategy;
use gatepost_value::{Limits, Location, Time, Value};
use serde_json::{Value as Json, json};

/// Branch of the made-up environment.
const BRANCH: &str = "environment/example";

/// What a trial showed.
#[derive(Debug, Clone, Default)]
pub(in crate::gate) struct Trial {
    /// The request of a gate that never asked before.
    pub(in crate::gate) request: Option<Ask>,
    /// Why there is none.
    pub(in crate::gate) first: Option<Cause>,
    /// What the success expression makes of a look without an answer.
    pub(in crate::gate) unanswered: Option<Cause>,
    /// Why the texts of the CommitStatus fail.
    pub(in crate::gate) texts: Vec<(&'static str, String)>,
}

/// Tries a gate.
pub(in crate::gate) fn trial(gate: &Gate) -> Trial {
    let gate = Gate { status: Status::default(), ..gate.clone() };
    let engine = Engine::new(Limits::default(), Integers::AsGo);
    let strategy = Strategy::read(strategy(&gate));
    let input = Input {
        gate: &gate,
        strategy: &strategy,
        namespace: &NamespaceMetadata::default(),
        memory: &Memory::default(),
        now: Time::unix(1_767_323_045, 0),
        local: Location::Utc,
        random: &|buffer| buffer.fill(0),
    };
    let plan = begin(&engine, &input);
    let session = Session::new(&engine, &input);
    let mut out = Trial::default();
    match plan.steps.into_iter().next().map(|step| step.decision) {
        Some(Decision::Ask(ask)) => out.request = Some(*ask),
        Some(Decision::Failed(cause)) => out.first = Some(cause),
        _ => out.request = session.forced(),
    }
    out.unanswered = ["", "pending", "success"].into_iter().find_map(|phase| session.unanswered(phase).err());
    let values = session.values(&session.scope());
    for (field, text) in [("spec.descriptionTemplate", &gate.spec.description), ("spec.urlTemplate", &gate.spec.url)] {
        out.texts.extend(values.render(text).err().map(|error| (field, error)));
    }
    out
}

impl Session<'_> {
    fn scope(&self) -> String {
        match self.gate().spec.context {
            Context::Environments => BRANCH.to_owned(),
            Context::PromotionStrategy => String::new(),
        }
    }
    /// The request, whatever the trigger says.
    fn forced(&self) -> Option<Ask> {
        let request = self.request(&self.values(&self.scope())).ok()?;
        Some(Ask { request, attempt: 1 })
    }
    fn unanswered(&self, phase: &'static str) -> Result<(), Cause> {
        let step = Step {
            scope: self.scope(),
            environments: Vec::new(),
            decision: Decision::Carry { until: None },
            trigger: Trigger::default(),
        };
        let mut values = self.values(&step.scope);
        values.phase = phase;
        let mut look = Look::new(&step);
        look.response = Some(Value::Nil);
        self.judge(&values, &mut look).map(drop)
    }
}

/// A strategy with all that a gate may look for.
fn strategy(gate: &Gate) -> Json {
    let commit = |digit: &str| {
        json!({"sha": digit.repeat(40), "commitTime": "2026-01-02T03:00:00Z", "author": "A <a@example.com>",
            "subject": "a change", "repoURL": "https://git.example.com/o/r"})
    };
    let state = |digit: &str| {
        json!({"dry": commit("d"), "hydrated": commit(digit), "note": {"drySha": "d".repeat(40)},
            "commitStatuses": [{"key": "example", "phase": "success", "url": "https://example.com"}]})
    };
    let selectors = json!([{"key": gate.spec.key}]);
    json!({
        "apiVersion": "promoter.argoproj.io/v1alpha1",
        "kind": "PromotionStrategy",
        "metadata": {"name": gate.spec.strategy, "namespace": gate.namespace},
        "spec": {"gitRepositoryRef": {"name": "example"}, "environments": [{"branch": BRANCH}],
            "proposedCommitStatuses": selectors, "activeCommitStatuses": selectors},
        "status": {"environments": [{"branch": BRANCH, "proposed": state("a"), "active": state("b"),
            "pullRequest": {"id": "1", "state": "open", "url": "https://git.example.com/o/r/1"}}]},
    })
}
