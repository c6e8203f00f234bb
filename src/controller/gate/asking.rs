//! From what a look decided to ask to what was answered: the intent on record, the call, the numbers.
//!
//! Nothing is asked before its intent is committed. One without an answer stays open, and is the same question next time.

use super::ask::{self, Asker, Question};
use crate::clock;
use crate::controller::spans;
use crate::gate::web_request::{Answer, Answers, Ask, AskError, Decision, Plan, Step};
use crate::gate::{Gate, Strategy};
use crate::outbox::{About, Error as StoreError, Intent, Store};
use crate::telemetry::Metrics;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// Hexadecimal digits of a key: 128 bits.
const KEY_LEN: usize = 32;

/// Asks, for all gates.
pub(super) struct Asking {
    asker: Arc<Asker>,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
}

/// What came of the questions of one look.
#[derive(Default)]
pub(super) struct Asked {
    /// Answers and failures by scope.
    pub answers: Answers,
    /// Intents that are over once the look's outcome is where it belongs.
    pub answered: Vec<Intent>,
    /// What was answered, for people.
    pub shown: BTreeMap<String, Shown>,
}

/// What people may see of an answer. The body is raw: it is scrubbed when it is shown.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub at_ms: i64,
    pub status: u16,
    pub took: Duration,
    pub kind: String,
    pub size: usize,
    pub excerpt: Bytes,
    pub attempt: i64,
}

/// Bytes of a body that are kept for people: more than they are shown, so that no secret is cut before it is looked for.
const EXCERPT_LEN: usize = 4096;

impl Asking {
    /// Asks with this asker, intents in this store.
    pub fn new(asker: Arc<Asker>, store: Arc<dyn Store>, metrics: Arc<Metrics>) -> Self {
        Self { asker, store, metrics }
    }

    /// Asks what a plan says, side by side.
    ///
    /// # Errors
    /// The store did not take the intents: nothing was asked.
    pub async fn ask(
        &self,
        gate: &Gate,
        strategy: &Strategy,
        plan: &Plan,
        spans: Option<&spans::Look>,
    ) -> Result<Asked, StoreError> {
        let asks: Vec<(&Step, &Ask)> = plan.steps.iter().filter_map(|step| Some((step, ask_of(step)?))).collect();
        if asks.is_empty() {
            return Ok(Asked::default());
        }
        let abouts = asks.iter().map(|(step, _)| about(step)).collect();
        let intents = self.store.intend(&gate.uid, abouts, clock::now().millis()).await?;
        let questions = asks.iter().zip(intents).map(|((step, ask), intent)| async move {
            let mut question = question(gate, strategy, ask, &intent);
            let call = spans.map(|spans| spans.asks(&mut question));
            let answer = self.asker.ask(&question).await;
            if let Some(call) = call {
                call.end(spans::Ended::from(&answer));
            }
            self.count(gate, &answer);
            (step.scope.clone(), intent, answer)
        });
        let mut asked = Asked::default();
        for (scope, intent, answer) in futures::future::join_all(questions).await {
            if let Ok(answer) = &answer {
                asked.shown.insert(scope.clone(), shown(answer, &intent));
                asked.answered.push(intent);
            }
            asked.answers.insert(scope, answer.map(whole).map_err(|error| AskError(error.to_string())));
        }
        Ok(asked)
    }

    /// What was answered is where it belongs: the intents are over.
    ///
    /// # Errors
    /// The store did not take it: the same questions would be asked again, under the same keys.
    pub async fn end(&self, asked: &Asked) -> Result<(), StoreError> {
        match asked.answered.is_empty() {
            true => Ok(()),
            false => self.store.fulfil(asked.answered.clone()).await,
        }
    }

    fn count(&self, gate: &Gate, answer: &Result<ask::Answer, ask::AskError>) {
        let (namespace, name) = (gate.namespace.as_str(), gate.name.as_str());
        match answer {
            Ok(answer) => {
                let labels = [namespace, name, &answer.status.to_string()];
                self.metrics.gates.requests.with_label_values(&labels).inc();
                self.metrics.gates.request_seconds.with_label_values(&labels).observe(answer.took.as_secs_f64());
            }
            Err(error) => {
                self.metrics.gates.request_failures.with_label_values(&[namespace, name, reason(error)]).inc();
            }
        }
    }
}

fn ask_of(step: &Step) -> Option<&Ask> {
    match &step.decision {
        Decision::Ask(ask) => Some(ask),
        _ => None,
    }
}

/// The word under which a failure is counted.
const fn reason(error: &ask::AskError) -> &'static str {
    match error {
        ask::AskError::Refused { .. } => "refused",
        ask::AskError::Transport { .. } => "transport",
        ask::AskError::Body { .. } => "body",
        ask::AskError::Request(_) => "request",
        _ => "authentication",
    }
}

/// What an intent says that a step is about: one commit, or all of them in one word.
fn about(step: &Step) -> About {
    let sha = match step.environments.as_slice() {
        [one] if !step.scope.is_empty() => one.sha.clone(),
        all => {
            let commits: Vec<String> = all.iter().map(|one| format!("{}={}", one.branch, one.sha)).collect();
            hex(&Sha256::digest(commits.join("\n")))
        }
    };
    About { branch: step.scope.clone(), sha }
}

/// The same for a repetition of one attempt, another for everything else.
fn key(intent: &Intent) -> String {
    let Intent { gate, about, attempt, .. } = intent;
    let mut key = hex(&Sha256::digest(format!("{gate}\n{}\n{}\n{attempt}", about.branch, about.sha)));
    key.truncate(KEY_LEN);
    key
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn question(gate: &Gate, strategy: &Strategy, ask: &Ask, intent: &Intent) -> Question {
    let request = &ask.request;
    Question {
        namespace: gate.namespace.clone(),
        gate: gate.name.clone(),
        method: request.method.clone(),
        url: request.url.clone(),
        headers: request.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        body: request.body.clone().map(Bytes::from),
        timeout: request.timeout,
        authentication: request.authentication.clone(),
        repository: strategy.repository.clone(),
        key: key(intent),
    }
}

fn whole(answer: ask::Answer) -> Answer {
    let headers = answer.headers.into_iter();
    let headers = headers.flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)));
    Answer { status: answer.status, headers: headers.collect(), body: answer.body.to_vec() }
}

fn shown(answer: &ask::Answer, intent: &Intent) -> Shown {
    let kind = answer.headers.get("Content-Type").and_then(|values| values.first());
    Shown {
        at_ms: clock::now().millis(),
        status: answer.status,
        took: answer.took,
        kind: kind.cloned().unwrap_or_default(),
        size: answer.body.len(),
        // A copy: a slice would keep the whole body.
        excerpt: Bytes::copy_from_slice(&answer.body[..answer.body.len().min(EXCERPT_LEN)]),
        attempt: intent.attempt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::strategy::Environment;
    use crate::gate::web_request::Trigger;

    fn step(scope: &str, commits: &[(&str, &str)]) -> Step {
        let environments =
            commits.iter().map(|(branch, sha)| Environment { branch: (*branch).into(), sha: (*sha).into() });
        Step {
            scope: scope.into(),
            environments: environments.collect(),
            decision: Decision::Skip,
            trigger: Trigger::default(),
        }
    }

    #[test]
    fn a_key_is_the_same_for_one_attempt_only() {
        let of = |gate: &str, scope: &str, commits: &[(&str, &str)], attempt| {
            let about = about(&step(scope, commits));
            key(&Intent { gate: gate.into(), about, attempt, since_ms: 0, open: true })
        };
        let first = of("u", "dev", &[("dev", "aa")], 1);
        assert_eq!(first, of("u", "dev", &[("dev", "aa")], 1));
        assert_eq!(first.len(), KEY_LEN);
        let others = [
            of("u", "dev", &[("dev", "aa")], 2),
            of("u", "dev", &[("dev", "ab")], 1),
            of("v", "dev", &[("dev", "aa")], 1),
            of("u", "", &[("dev", "aa")], 1),
            of("u", "", &[("dev", "aa"), ("prod", "aa")], 1),
        ];
        assert!(others.iter().all(|other| *other != first));
    }

    #[test]
    fn one_question_for_all_is_about_all_their_commits() {
        let both = about(&step("", &[("dev", "aa"), ("prod", "bb")]));
        assert_eq!((both.branch.as_str(), both.sha.len()), ("", 64));
        assert_ne!(both, about(&step("", &[("dev", "aa"), ("prod", "cc")])));
    }
}
