//! The first half of a look: what is asked (`spec/gates.md` 4 to 7).

use super::retry::{Waiting, commits, waiting};
use super::values::{Before, Session, Values, millis};
use super::{Ask, Cause, Decision, Input, Plan, RenderedRequest, Step, Trigger};
use crate::gate::engine::Engine;
use crate::gate::memory::{Commits, Tries};
use crate::gate::spec::{Context, Method, Mode, ReportOn};
use crate::gate::status::Phase;
use crate::gate::strategy::Environment;
use std::time::Duration;

/// Methods that a request may have.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Decides what is asked and renders it. Never fails: what fails is part of the plan.
#[must_use]
pub fn begin(engine: &Engine, input: &Input<'_>) -> Plan {
    let at_ms = millis(&input.now);
    let environments = match input.strategy.environments(&input.gate.spec) {
        Ok(environments) => environments,
        Err(error) => return Plan { steps: Vec::new(), refusal: Some(error.into()), at_ms },
    };
    let session = Session::new(engine, input);
    let steps = match input.gate.spec.context {
        Context::Environments => {
            let alone = |environment: Environment| (environment.branch.clone(), vec![environment]);
            environments.into_iter().map(alone).map(|(scope, of)| session.step(scope, of)).collect()
        }
        Context::PromotionStrategy if environments.is_empty() => Vec::new(),
        Context::PromotionStrategy => vec![session.step(String::new(), environments)],
    };
    Plan { steps, refusal: None, at_ms }
}

/// What a decision is made from.
struct Standing {
    before: Before,
    tries: Tries,
    commits: Commits,
    now_ms: i64,
}

impl Session<'_> {
    fn step(&self, scope: String, environments: Vec<Environment>) -> Step {
        let mut step = Step { scope, environments, decision: Decision::Skip, trigger: Trigger::default() };
        if self.has_succeeded(&step) {
            return step;
        }
        let standing = Standing {
            before: self.before(&step.scope),
            tries: self.input.memory.scope(&step.scope, self.gate().generation),
            commits: commits(&step.environments),
            now_ms: millis(&self.input.now),
        };
        step.decision = self.decide(&mut step, &standing).unwrap_or_else(Decision::Failed);
        step
    }
    /// Whether there is nothing left to ask: polling for proposed commits ends with their success.
    fn has_succeeded(&self, step: &Step) -> bool {
        let spec = &self.gate().spec;
        let ends = matches!(spec.mode, Mode::Polling { .. }) && spec.report_on == ReportOn::Proposed;
        ends && step.environments.iter().all(|Environment { branch, sha }| match spec.context {
            Context::Environments => self
                .stored
                .environment(branch)
                .is_some_and(|entry| entry.phase == Phase::Success && entry.last_successful_sha == *sha),
            Context::PromotionStrategy => self.stored.promotion_strategy_context.as_ref().is_some_and(|context| {
                context.phase(branch) == Some(Phase::Success) && context.last_successful_sha(branch) == Some(sha)
            }),
        })
    }
    fn decide(&self, step: &mut Step, standing: &Standing) -> Result<Decision, Cause> {
        let waiting = waiting(&standing.tries, &standing.commits, standing.now_ms);
        if let Waiting::Failed { until, error } = waiting {
            return Ok(Decision::Hold { until, error });
        }
        let mut values = self.values(&step.scope);
        let carry = match &self.gate().spec.mode {
            Mode::Polling { interval } => self.poll(step, standing, *interval),
            Mode::Trigger { when, .. } => {
                step.trigger = self.trigger(when, &values).map_err(Cause::Trigger)?;
                values.trigger_variables.clone_from(&step.trigger.variables);
                (step.trigger.fires != Some(true)).then_some(None)
            }
        };
        match (waiting, carry) {
            (Waiting::Answered { until }, _) => Ok(Decision::Carry { until: Some(until) }),
            (Waiting::No, Some(until)) => Ok(Decision::Carry { until }),
            _ => self.ask(&values, standing),
        }
    }
    /// Not now, and until when, in polling mode. A commit that was not asked about yet is asked about at once.
    fn poll(&self, step: &Step, standing: &Standing, interval: Duration) -> Option<Option<i64>> {
        let last = standing.before.kept.last_request_secs()?;
        let interval = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
        let until = last.saturating_mul(1_000).saturating_add(interval);
        let fresh = step.environments.iter().any(|environment| self.is_new(environment, &standing.tries));
        (standing.now_ms < until && !fresh).then_some(Some(until))
    }
    /// Whether an environment has another commit than the one that was last asked about.
    fn is_new(&self, Environment { branch, sha }: &Environment, tries: &Tries) -> bool {
        if let Some(asked) = tries.asked.get(branch) {
            return asked != sha;
        }
        match self.gate().spec.context {
            Context::Environments => self.stored.environment(branch).is_some_and(|entry| entry.reported_sha != *sha),
            // Which commits are pending is not stored here: what is neither new nor successful waits for its turn.
            Context::PromotionStrategy => self.stored.promotion_strategy_context.as_ref().is_some_and(|context| {
                let succeeded = context.last_successful_sha(branch) == Some(sha);
                !succeeded && context.phase(branch) != Some(Phase::Pending)
            }),
        }
    }
    fn ask(&self, values: &Values<'_>, standing: &Standing) -> Result<Decision, Cause> {
        let request = self.request(values).map_err(Cause::Render)?;
        let again = standing.tries.tried == standing.commits;
        let attempt = if again { standing.tries.attempt.saturating_add(1) } else { 1 };
        Ok(Decision::Ask(Box::new(Ask { request, attempt })))
    }
    pub(super) fn request(&self, values: &Values<'_>) -> Result<RenderedRequest, String> {
        let spec = &self.gate().spec.request;
        let render = |what: &str, text: &str| {
            values.render(text).map_err(|error| format!("failed to render {what} template: {error}"))
        };
        let method = match &spec.method {
            Method::Fixed(method) => method.clone(),
            Method::Template(text) => render("method", text)?.trim().to_uppercase(),
        };
        if !METHODS.contains(&method.as_str()) {
            return Err(format!("invalid HTTP method {method:?} (must be one of {})", METHODS.join(", ")));
        }
        let url = render("URL", &spec.url)?;
        let body = Some(&spec.body).filter(|body| !body.is_empty()).map(|body| render("body", body)).transpose()?;
        let header = |(name, text): (&String, &String)| {
            Ok::<_, String>((name.clone(), render(&format!("header {name:?}"), text)?))
        };
        let headers = spec.headers.iter().map(header).collect::<Result<_, _>>()?;
        let (timeout, authentication) = (spec.timeout, spec.authentication.clone());
        Ok(RenderedRequest { method, url, headers, body, timeout, authentication })
    }
}
