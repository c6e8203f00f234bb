//! What one Application comes to, and what several of them come to together.

use super::Input;
use super::dialect::Together;
use super::place::Place;
use super::record::Record;
use super::spec::Rule;
use crate::gate::engine::{Engine, Surroundings};
use crate::gate::objects::{self, PROMOTION_STRATEGY};
use crate::gate::spec::When;
use crate::gate::status::Phase;
use crate::gate::web_request::verdict;
use gatepost_template::MissingKey;
use gatepost_value::json::{Numbers, from_serde, marshal};
use gatepost_value::{Str, Time, Value, fmt};
use serde_json::Value as Json;
use std::cell::OnceCell;

/// An environment that is looked at.
pub(super) struct Scene<'a> {
    pub branch: &'a str,
    /// The active commit, which Applications have to be at.
    pub judged_sha: &'a str,
    /// The commit that is reported on.
    pub reported_sha: &'a str,
    /// What was said before; empty the first time.
    pub before: &'static str,
}

/// What one Application came to.
pub(super) struct Judged<'r> {
    pub record: &'r Record,
    pub phase: Phase,
    /// The commit that it is at.
    pub sha: String,
    pub output: Option<Json>,
}

/// How many came to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub success: usize,
    pub failure: usize,
    pub pending: usize,
}

/// One look's expressions.
pub(super) struct Judge<'a> {
    engine: &'a Engine,
    input: &'a Input<'a>,
    strategy: OnceCell<Value>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(engine: &'a Engine, input: &'a Input<'a>) -> Self {
        Self { engine, input, strategy: OnceCell::new() }
    }

    fn around(&self) -> Surroundings<'a> {
        let Input { now, local, random, .. } = self.input;
        Surroundings { now: now.clone(), local: local.clone(), random: *random }
    }

    pub(super) fn render(&self, text: &str, data: &Value, missing: MissingKey) -> Result<String, String> {
        self.engine.render_with(text, data, &self.around(), missing)
    }

    pub(super) fn strategy(&self) -> Value {
        let made = || objects::object(&PROMOTION_STRATEGY, &self.input.strategy.object);
        self.strategy.get_or_init(made).clone()
    }

    /// Judges one. One that is not at the commit is pending, whatever else it is.
    pub(super) fn judge<'r>(&self, scene: &Scene<'_>, record: &'r Record, place: &Place) -> Result<Judged<'r>, String> {
        let sha = place.revision(record).to_owned();
        if sha != scene.judged_sha {
            return Ok(Judged { record, phase: Phase::Pending, sha, output: None });
        }
        let (phase, output) = match &self.input.gate.spec.rule {
            Rule::Expression(when) => self.by_expression(when, scene, record, place)?,
            Rule::HealthAndSync => (health_and_sync(record), None),
        };
        Ok(Judged { record, phase, sha, output })
    }

    fn by_expression(
        &self,
        when: &When,
        scene: &Scene<'_>,
        record: &Record,
        place: &Place,
    ) -> Result<(Phase, Option<Json>), String> {
        let mut names = self.names(scene, record, place);
        if let Some(source) = &when.variables {
            let variables = self.mapped(source, &names, "when.variables expression")?;
            names.push(("Variables", variables));
        }
        let result = self.evaluate(&when.expression, &names)?;
        let phase = verdict::of_environment(&result)?.phase(scene.branch);
        let output = when.output.as_deref().map(|source| self.mapped(source, &names, "when.output expression"));
        Ok((phase, output.transpose()?.map(|output| self.to_json(&output)).transpose()?))
    }

    fn names(&self, scene: &Scene<'_>, record: &Record, place: &Place) -> Vec<(&'static str, Value)> {
        vec![
            ("app", from_serde(&record.view, Numbers::Kubernetes)),
            ("Environment", environment(scene)),
            ("Revision", Value::str(place.revision(record))),
            ("OperationRevision", Value::str(place.operation_revision(record))),
            ("PromotionStrategy", self.strategy()),
            ("Phase", Value::str(scene.before)),
        ]
    }

    fn mapped(&self, source: &str, names: &[(&'static str, Value)], what: &str) -> Result<Value, String> {
        let value = self.evaluate(source, names)?;
        match verdict::is_object(&value) {
            true => Ok(value),
            false => Err(format!("{what} must return a map/object, got {}", fmt::type_name(&value))),
        }
    }

    fn evaluate(&self, source: &str, names: &[(&'static str, Value)]) -> Result<Value, String> {
        let program = self.engine.compile(source, false);
        let program = program.map_err(|error| format!("failed to compile expression: {error}"))?;
        self.engine.run(&program, &map(names.to_vec()), &self.around())
    }

    fn to_json(&self, value: &Value) -> Result<Json, String> {
        let bytes = self.engine.metered(&self.around(), |context| marshal(context.budget, value));
        let bytes = bytes.map_err(|error| format!("failed to write the output as JSON: {error}"))?;
        serde_json::from_slice(&bytes).map_err(|error| format!("failed to write the output as JSON: {error}"))
    }
}

/// What an Application comes to by the Promoter's own rule, wherever it is.
pub(super) fn health_and_sync(record: &Record) -> Phase {
    match (record.text("/status/health/status"), record.text("/status/sync/status")) {
        ("Healthy", "Synced") => Phase::Success,
        ("Degraded", _) => Phase::Failure,
        _ => Phase::Pending,
    }
}

/// An environment as expressions and templates see it.
pub(super) fn environment(scene: &Scene<'_>) -> Value {
    map(vec![
        ("Branch", Value::str(scene.branch)),
        ("Sha", Value::str(scene.judged_sha)),
        ("ReportedSha", Value::str(scene.reported_sha)),
    ])
}

fn map(entries: Vec<(&'static str, Value)>) -> Value {
    Value::map(entries.into_iter().map(|(name, value)| (Str::from_static(name), value)).collect())
}

impl Counts {
    pub(super) fn of(judged: &[Judged<'_>]) -> Self {
        let count = |phase| judged.iter().filter(|one| one.phase == phase).count();
        Self { success: count(Phase::Success), failure: count(Phase::Failure), pending: count(Phase::Pending) }
    }

    pub(super) const fn total(self) -> usize {
        self.success + self.failure + self.pending
    }

    /// All successes succeed; of none nothing is known.
    pub(super) const fn phase(self, together: Together) -> Phase {
        match (self, together) {
            (Self { success: 1.., failure: 0, pending: 0 }, _) => Phase::Success,
            (Self { failure: 1.., .. }, Together::AnyFailure) => Phase::Failure,
            (Self { success: 0, failure: 1.., pending: 0 }, Together::AllFailures) => Phase::Failure,
            _ => Phase::Pending,
        }
    }

    /// In the words of the Promoter's own gate.
    pub(super) fn words(self, together: Together) -> String {
        let Self { success, failure, pending } = self;
        match self.phase(together) {
            Phase::Success => format!("{success}/{success} apps are healthy"),
            Phase::Failure => format!("{failure}/{} apps are degraded", self.total()),
            Phase::Pending => {
                format!("Waiting for apps to be healthy ({success} healthy, {failure} degraded, {pending} pending)")
            }
        }
    }
}

/// Until when the health of these has not stood still for long enough, in Unix milliseconds; `None` where it has.
pub(super) fn unsettled_until(judged: &[Judged<'_>], settle: std::time::Duration, now: &Time) -> Option<i64> {
    let changed = |one: &Judged<'_>| Time::parse_rfc3339(one.record.text("/status/health/lastTransitionTime")).ok();
    let newest = judged.iter().filter_map(changed).map(|time| time.secs).max()?;
    // The time is written to the second; it was at its end at the latest.
    let wait = i64::try_from(settle.as_millis()).unwrap_or(i64::MAX);
    let until = newest.saturating_add(1).saturating_mul(1000).saturating_add(wait);
    let now = now.secs.saturating_mul(1000).saturating_add(i64::from(now.nanos / 1_000_000));
    (!settle.is_zero() && now < until).then_some(until)
}
