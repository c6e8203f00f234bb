//! The second half of a look: what the answers mean (`spec/gates.md` 4, 5 and 8).

use super::retry::{Clock, commits, succeeded, try_again};
use super::values::{Session, Values, millis, response, rfc3339};
use super::verdict::Verdict;
use super::{
    Answer, Answers, AskError, Cause, CommitStatusDraft, Decision, Event, Failure, Input, Look, Outcome, Plan, Step,
};
use crate::gate::engine::Engine;
use crate::gate::memory::{Memory, Tries, Why};
use crate::gate::schedule;
use crate::gate::spec::{Context, Gate, Mode};
use crate::gate::status::{Kept, Phase, Status};
use crate::gate::strategy::Environment;
use gatepost_value::{Time, Value};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::time::Duration;

/// Variables that are remembered for the texts of a finished gate, in bytes of JSON.
const LARGEST_VARIABLES: usize = 16 << 10;

/// Judges the answers to what a plan asks. `input` is what the plan was made from, with the time of now. A request without
/// an answer counts as one that failed.
#[must_use]
pub fn conclude(engine: &Engine, input: &Input<'_>, plan: Plan, answers: &Answers) -> Outcome {
    if let Some(cause) = plan.refusal {
        return refuse(input.gate, input.memory, &input.now, input.random, cause);
    }
    let session = Session::new(engine, input);
    let mut ending = Ending::new(&session, plan.at_ms);
    for step in plan.steps {
        let done = ending.step(&step, answers);
        ending.add(step, done);
    }
    ending.finish()
}

/// What follows where a gate cannot be looked at, because what it names is not there or cannot be read: everything stays
/// as it is, and it is tried again.
#[must_use]
pub fn refuse(gate: &Gate, memory: &Memory, now: &Time, random: &dyn Fn(&mut [u8]), cause: Cause) -> Outcome {
    let same = memory.generation == gate.generation;
    let failures = if same { memory.failures.saturating_add(1) } else { 1 };
    let wait = schedule::delay(failures, gate.spec.mode.every(), schedule::chance(random));
    let next_try = millis(now).saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
    let scopes = memory.scopes.keys().map(|name| (name.clone(), memory.scope(name, gate.generation))).collect();
    Outcome {
        status: Status { observed_generation: gate.generation, ..gate.status.clone() },
        memory: Memory { generation: gate.generation, failures, scopes },
        failures: vec![Failure { branch: String::new(), cause }],
        next_try: Some(next_try),
        requeue_after: Some(wait),
        ..Outcome::default()
    }
}

/// What became of a step.
pub(super) struct Done {
    pub(super) look: Look,
    pub(super) tries: Tries,
    /// What is kept from now on; `None` where what was stored stays.
    pub(super) kept: Option<Kept>,
    /// One for each environment that has a phase.
    pub(super) drafts: Vec<Result<CommitStatusDraft, Failure>>,
    pub(super) failure: Option<Cause>,
}

/// A look that is being ended.
pub(super) struct Ending<'s> {
    pub(super) session: &'s Session<'s>,
    pub(super) out: Outcome,
    pub(super) clock: Clock,
    /// Since when the gate's interval runs, Unix milliseconds.
    asked_ms: i64,
}

impl<'s> Ending<'s> {
    fn new(session: &'s Session<'s>, began_ms: i64) -> Self {
        let (gate, input) = (session.gate(), session.input);
        let status = Status {
            observed_generation: gate.generation,
            environments: Vec::new(),
            promotion_strategy_context: None,
            conditions: gate.status.conditions.clone(),
            instance_id: gate.status.instance_id.clone(),
        };
        let memory = Memory { generation: gate.generation, ..Memory::default() };
        let clock =
            Clock { now_ms: millis(&input.now), every: gate.spec.mode.every(), chance: schedule::chance(input.random) };
        let out = Outcome { status, memory, keep: Some(Vec::new()), ..Outcome::default() };
        let asked_ms = clock.asked_ms(began_ms);
        Self { session, out, clock, asked_ms }
    }
    /// What is left of the gate's interval.
    pub(super) fn until_next(&self) -> Option<Duration> {
        let passed = u64::try_from(self.clock.now_ms.saturating_sub(self.asked_ms)).unwrap_or(0);
        self.clock.every.map(|every| every.saturating_sub(Duration::from_millis(passed)))
    }
    fn step(&mut self, step: &Step, answers: &Answers) -> Done {
        let mut done = Done {
            look: Look::new(step),
            tries: self.session.input.memory.scope(&step.scope, self.session.gate().generation),
            kept: None,
            drafts: Vec::new(),
            failure: None,
        };
        let result = match &step.decision {
            Decision::Skip => {
                self.skip(step, &mut done);
                Ok(())
            }
            Decision::Carry { .. } => self.carry(step, &mut done),
            Decision::Hold { error, .. } => Err(Cause::Still(error.clone())),
            Decision::Failed(cause) => {
                if let Cause::Render(_) = cause {
                    self.out.events.push(request_failed(&self.session.gate().spec.key, cause));
                }
                try_again(&mut done.tries, &commits(&step.environments), &self.clock, Why::Undecided, None);
                Err(cause.clone())
            }
            Decision::Ask(ask) => {
                done.tries.attempt = ask.attempt;
                let unanswered = || Err(AskError("the request was not made".into()));
                let answer = answers.get(&step.scope).cloned().unwrap_or_else(unanswered);
                self.answered(step, &mut done, answer)
            }
        };
        done.failure = result.err();
        done
    }
    /// All commits have succeeded: their texts are rendered again, from what was known when they did.
    fn skip(&self, step: &Step, done: &mut Done) {
        let mut values = self.session.values(&step.scope);
        values.phase = Phase::Success.as_str();
        let remembered = done.tries.success_variables.as_ref().map(|json| self.session.output(Some(json)));
        let computed = || self.session.success_variables(&values, None).ok().flatten();
        values.success_variables = remembered.or_else(computed);
        done.look.success_variables.clone_from(&values.success_variables);
        done.look.phases = step.environments.iter().map(|of| (of.branch.clone(), Phase::Success)).collect();
        self.draft(step, &values, done);
        self.settle(step, done, None);
    }
    fn carry(&self, step: &Step, done: &mut Done) -> Result<(), Cause> {
        let about = commits(&step.environments);
        let mut values = self.session.values_of(step);
        done.look.response = Some(Value::Nil);
        let verdict = self.session.judge(&values, &mut done.look).inspect_err(|_| {
            try_again(&mut done.tries, &about, &self.clock, Why::Unjudged, None);
        })?;
        self.resolve(step, &verdict, false, done);
        let before = self.session.before(&step.scope).kept;
        // A trigger that fired in vain fires again: what it notes of the request would be wrong.
        let in_vain = step.trigger.fires == Some(true);
        let trigger_output = if in_vain { before.trigger_output.clone() } else { self.trigger_output(step)? };
        let success_output = done.look.success_output.clone();
        self.latest(step, &mut values, None, done);
        self.draft(step, &values, done);
        // Only trouble outlives a look that went well: its next try is still to come.
        if !matches!(&done.tries.retry, Some(retry) if retry.why == Why::Trouble && retry.about == about) {
            self.settle(step, done, None);
        }
        done.kept = Some(Kept { trigger_output, success_output, ..before });
        Ok(())
    }
    /// What a step that came to its end remembers: texts that failed are tried again, trouble is asked again.
    fn settle(&self, step: &Step, done: &mut Done, trouble: Option<&Answer>) {
        let about = commits(&step.environments);
        if done.drafts.iter().any(Result::is_err) {
            return try_again(&mut done.tries, &about, &self.clock, Why::Undecided, None);
        }
        match trouble {
            Some(answer) => try_again(&mut done.tries, &about, &self.clock, Why::Trouble, self.told(answer)),
            None => succeeded(&mut done.tries),
        }
    }
    fn answered(&mut self, step: &Step, done: &mut Done, answer: Result<Answer, AskError>) -> Result<(), Cause> {
        let about = commits(&step.environments);
        done.tries.tried.clone_from(&about);
        let judged = answer.map_err(|error| Cause::Ask(error.0)).and_then(|answer| {
            let verdict = self.judge_answer(step, &answer, done)?;
            Ok((answer, verdict))
        });
        let (answer, verdict) = match judged {
            Ok(judged) => judged,
            Err(cause) => {
                try_again(&mut done.tries, &about, &self.clock, Why::Failed(cause.to_string()), None);
                if let Cause::Ask(_) = cause {
                    self.out.events.push(request_failed(&self.session.gate().spec.key, &cause));
                }
                return Err(cause);
            }
        };
        self.resolve(step, &verdict, true, done);
        done.tries.asked = about;
        self.keep_answer(step, &answer, done)
    }
    fn judge_answer(&self, step: &Step, answer: &Answer, done: &mut Done) -> Result<Verdict, Cause> {
        let response = response(answer, self.session.engine.numbers());
        done.look.response = Some(response.clone());
        let mut values = self.session.values_of(step);
        if let Mode::Trigger { response_output: Some(source), .. } = &self.session.gate().spec.mode {
            let output = self.session.response_output(source, &response)?;
            values.response_output = self.known(&output, values.response_output.clone());
            done.look.response_output = Some(output);
        }
        self.session.judge(&values, &mut done.look)
    }
    fn keep_answer(&self, step: &Step, answer: &Answer, done: &mut Done) -> Result<(), Cause> {
        let mut values = self.session.values_of(step);
        let response_output = done.look.response_output.clone();
        self.latest(step, &mut values, response_output.as_ref(), done);
        self.draft(step, &values, done);
        let all_well = done.drafts.iter().all(Result::is_ok);
        if !all_well && self.session.gate().spec.context == Context::PromotionStrategy {
            // The shared state is stored when all of its CommitStatuses can be written, so the answer is asked for again.
            let words =
                done.drafts.iter().find_map(|draft| draft.as_ref().err()).map(|failure| failure.cause.to_string());
            let why = Why::Failed(words.unwrap_or_default());
            try_again(&mut done.tries, &commits(&step.environments), &self.clock, why, None);
            return Ok(());
        }
        let pending = done.look.phases.values().any(|phase| *phase == Phase::Pending);
        self.settle(step, done, Some(answer).filter(|answer| pending && schedule::is_trouble(answer.status)));
        let asked = self.asked_ms.div_euclid(1_000);
        done.tries.last_request = Some(asked);
        done.tries.success_variables = self.variables_to_remember(done);
        done.kept = Some(Kept {
            last_request_time: Some(rfc3339(asked)),
            last_response_status_code: Some(i64::from(answer.status)),
            trigger_output: self.trigger_output(step)?,
            response_output,
            success_output: done.look.success_output.clone(),
        });
        Ok(())
    }
    /// What the receiver asks to wait.
    fn told(&self, answer: &Answer) -> Option<Duration> {
        let mut named = answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
        named.find_map(|(_, value)| schedule::retry_after(value, &self.session.input.now))
    }
    /// The variables of a success, for the texts of the looks that evaluate nothing any more.
    fn variables_to_remember(&self, done: &Done) -> Option<Json> {
        let all = done.look.phases.values().all(|phase| *phase == Phase::Success);
        let variables = done.look.success_variables.as_ref().filter(|_| all)?;
        let json = self.session.to_json(variables).ok()?;
        Some(json).filter(|json| json.to_string().len() <= LARGEST_VARIABLES)
    }
    /// The phase of each environment. A success without an answer counts only for a commit that was asked about.
    fn resolve(&self, step: &Step, verdict: &Verdict, asked: bool, done: &mut Done) {
        for environment in &step.environments {
            let said = verdict.phase(&environment.branch);
            let unasked = !asked && said == Phase::Success && !self.was_asked(environment, &done.tries);
            if unasked {
                done.look.unasked.push(environment.branch.clone());
            }
            let phase = if unasked { Phase::Pending } else { said };
            done.look.phases.insert(environment.branch.clone(), phase);
        }
    }
    fn was_asked(&self, Environment { branch, sha }: &Environment, tries: &Tries) -> bool {
        let stored = &self.session.stored;
        let succeeded = match self.session.gate().spec.context {
            Context::Environments => stored.environment(branch).map(|entry| entry.last_successful_sha.as_str()),
            Context::PromotionStrategy => {
                stored.promotion_strategy_context.as_ref().and_then(|context| context.last_successful_sha(branch))
            }
        };
        tries.asked.get(branch) == Some(sha) || succeeded == Some(sha)
    }
    fn trigger_output(&self, step: &Step) -> Result<Option<Json>, Cause> {
        let output = step.trigger.output.as_ref().filter(|output| !output.is_nil());
        output.map(|output| self.session.to_json(output)).transpose().map_err(Cause::Trigger)
    }
    /// The values of the CommitStatus's texts: the newest outputs, or the stored ones where there is none.
    fn latest(&self, step: &Step, values: &mut Values<'_>, response_output: Option<&Json>, done: &Done) {
        if let Some(output) = &step.trigger.output {
            values.trigger_output = output.clone();
        }
        if let Some(output) = response_output {
            values.response_output = self.known(output, values.response_output.clone());
        }
        if let Some(output) = &done.look.success_output {
            values.success_output = self.known(output, values.success_output.clone());
        }
        values.success_variables.clone_from(&done.look.success_variables);
    }
    /// A new output as it will be read back; nothing in place of a map keeps the old one.
    fn known(&self, output: &Json, old: Value) -> Value {
        if output.is_object() { self.session.output(Some(output)) } else { old }
    }
    fn draft(&self, step: &Step, values: &Values<'_>, done: &mut Done) {
        for Environment { branch, sha } in &step.environments {
            let Some(phase) = done.look.phases.get(branch) else { continue };
            let mut values = values.clone();
            values.branch.clone_from(branch);
            values.phase = phase.as_str();
            let input = self.session.input;
            let draft = CommitStatusDraft::new(input.gate, &input.strategy.repository, branch, sha, *phase);
            let drawn = draft.described(&input.gate.spec, |text| values.render(text));
            let failed = |why| Failure { branch: branch.clone(), cause: Cause::CommitStatus(why) };
            done.drafts.push(drawn.map_err(failed));
        }
    }
}

impl Look {
    pub(super) fn new(step: &Step) -> Self {
        Self {
            scope: step.scope.clone(),
            decision: step.decision.clone(),
            trigger: step.trigger.clone(),
            response: None,
            response_output: None,
            success_variables: None,
            result: None,
            success_output: None,
            phases: BTreeMap::new(),
            unasked: Vec::new(),
        }
    }
}

fn request_failed(key: &str, cause: &Cause) -> Event {
    Event {
        warning: true,
        reason: "WebRequestFailed",
        action: "MakingHTTPRequest",
        note: format!("HTTP request for commit status {key:?} failed: {cause}"),
    }
}
