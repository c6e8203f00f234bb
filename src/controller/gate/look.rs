//! One look at one gate: read, decide, ask, judge, write, in this order and each once.
//!
//! The decisions are `crate::gate`'s. Here they get what they need and their effects are made: CommitStatuses first, then the
//! status that says so, then what is remembered, and with it the end of the intents.

use super::asking::{Asked, Asking};
use super::commit_status::{MANAGER, Writer, said};
use super::index::{Index, LastRead, Name};
use super::memories::Memories;
use super::namespaces::Namespaces;
use super::queue::Want;
use super::recent::Recent;
use super::status::{self, Error as StatusError, rfc3339};
use super::told::Told;
use super::view::{View, Views};
use super::watch::{Kind, Partition};
use super::{application, kinds, lock};
use crate::clock;
use crate::controller::spans;
use crate::coordination;
use crate::gate::names::INSTANCE_LABEL;
use crate::gate::ready::{self, Ready};
use crate::gate::web_request::{
    self, Cause, CommitStatusDraft, Event, Failure, Input, NamespaceMetadata, Outcome, Plan,
};
use crate::gate::{Engine, Gate, Memory, Status, Strategy, schedule};
use crate::outbox::Error as StoreError;
use crate::telemetry::Metrics;
use crate::trace::Tracer;
use gatepost_value::{Location, Time};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::SetOnce;

/// Pause before a gate is looked at again that could not be read, or its outcome not be written.
const TROUBLE_PAUSE: Duration = Duration::from_secs(2);
/// Pause of a process that may not decide now.
const STANDBY_PAUSE: Duration = Duration::from_secs(1);

/// What becomes of a gate after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// Look again after this time, or only when something changes.
    Done(Option<Duration>),
    /// The timer stays as it is.
    AsBefore,
    /// There is no such gate, or it is not ours any more.
    Gone,
    /// More is wanted than was asked for.
    More(Want),
}

/// Why a look broke off: nothing follows from it.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("failed to read {what}: {cause}")]
    Read { what: &'static str, cause: String },
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Status(#[from] StatusError),
}

/// Looks at gates.
pub(super) struct Looker {
    pub client: kube::Client,
    pub engine: Engine,
    pub asking: Asking,
    pub writer: Writer,
    pub told: Told,
    pub index: Arc<Mutex<Index>>,
    pub recent: Arc<Recent>,
    pub memories: Memories,
    pub namespaces: Namespaces,
    pub views: Arc<Views>,
    pub application_views: Arc<application::Views>,
    /// Set when all CommitStatuses were listed once.
    pub children_listed: SetOnce<()>,
    pub partition: Partition,
    pub standing: coordination::Status,
    pub metrics: Arc<Metrics>,
    pub tracer: Tracer,
    /// Names of the CommitStatuses that the last look left, and tries of writes that failed since, by gate.
    pub kept: Mutex<HashMap<Name, Kept>>,
}

/// What one look leaves for the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    names: Option<Vec<String>>,
    unwritten: u32,
}

/// What a look is about, as it was read.
struct Read {
    gate: Gate,
    /// `Err`: why there is none.
    strategy: Result<Strategy, Cause>,
    namespace: NamespaceMetadata,
    memory: Memory,
}

/// A strategy, and what was found under its name.
type Guess = (Name, Option<Json>);

impl Looker {
    /// Does what is wanted of a gate.
    pub async fn look(&self, name: &Name, want: Want) -> Looked {
        if !self.standing.decides() {
            return Looked::Done(Some(STANDBY_PAUSE));
        }
        let spans = spans::Look::begin(&self.tracer);
        let looked = match want {
            Want::Readiness => self.readiness(name, spans.as_ref()).await,
            Want::Look | Want::Ask => self.whole(name, want, spans.as_ref()).await,
        };
        if let Some(spans) = spans {
            let trouble = looked.as_ref().err().map(ToString::to_string);
            spans.end(kinds::GATE, &name.namespace, &name.name, trouble.as_deref());
        }
        let result = match &looked {
            Ok(_) => "done",
            Err(_) => "trouble",
        };
        self.metrics.gates.looks.with_label_values(&[result]).inc();
        looked.unwrap_or_else(|trouble| {
            tracing::warn!(gate = %name, error = %trouble, "failed to look at a gate; trying again");
            let pause = self.trouble_pause(name);
            self.views.trouble(name, &trouble.to_string(), pause);
            Looked::Done(Some(pause))
        })
    }

    /// A gate is gone or handled elsewhere.
    pub fn forget(&self, name: &Name, uid: &str) {
        self.memories.release(uid);
        self.views.remove(name, &self.metrics);
        lock(&self.kept).remove(name);
    }

    fn trouble_pause(&self, name: &Name) -> Duration {
        let mut kept = lock(&self.kept);
        let tries = &mut kept.entry(name.clone()).or_default().unwritten;
        *tries = tries.saturating_add(1);
        TROUBLE_PAUSE.max(schedule::delay(*tries, None, 0.5) / 2)
    }

    async fn whole(&self, name: &Name, want: Want, spans: Option<&spans::Look>) -> Result<Looked, Trouble> {
        let Some(mut read) = self.read(name).await? else { return Ok(Looked::Gone) };
        if want == Want::Ask {
            ask_now(&mut read);
        }
        let (plan, asked, outcome) = self.decide(&read, spans).await?;
        // A process that lost its Lease meanwhile leaves the answer: its successor asks under the same key.
        if !self.standing.decides() {
            return Ok(Looked::Done(Some(STANDBY_PAUSE)));
        }
        self.effect(name, &read, &plan, (asked, outcome), spans).await
    }

    async fn read(&self, name: &Name) -> Result<Option<Read>, Trouble> {
        let (object, guessed, namespace) = self.fetch(name).await?;
        let Some(object) = object else { return Ok(None) };
        let instance = text(&object, &format!("/metadata/labels/{}", INSTANCE_LABEL.replace('/', "~1")));
        let is_ours = self.partition.holds(Some(instance.as_str()).filter(|instance| !instance.is_empty()));
        if !is_ours || object.pointer("/metadata/deletionTimestamp").is_some() {
            return Ok(None);
        }
        let status = Status::parse(&object["status"]).unwrap_or_default();
        let mut gate = Gate::parse(without_ready(object))
            .map_err(|error| Trouble::Read { what: "the gate", cause: error.to_string() })?;
        gate.status = status;
        let strategy = Name { namespace: name.namespace.clone(), name: gate.spec.strategy.clone() };
        let found = match guessed {
            Some((guess, found)) if guess == strategy => found,
            _ => self.get(Kind::Strategy, &strategy).await?,
        };
        let missing = || Cause::NoStrategy {
            name: strategy.name.clone(),
            reason: format!("PromotionStrategy.promoter.argoproj.io {:?} not found", strategy.name),
        };
        let version = found.as_ref().map(|found| text(found, "/metadata/resourceVersion"));
        let version = version.and_then(|version| version.parse().ok()).unwrap_or_default();
        let last = LastRead { uid: gate.uid.clone(), generation: gate.generation, strategy: version };
        lock(&self.index).note_read(name, last);
        let strategy = found.map(Strategy::read).ok_or_else(missing);
        let memory = self.memories.recall(&gate.uid).await?;
        Ok(Some(Read { gate, strategy, namespace, memory }))
    }

    /// The gate, the strategy that it was last known to name, and the namespace, all asked for at once.
    async fn fetch(&self, name: &Name) -> Result<(Option<Json>, Option<Guess>, NamespaceMetadata), Trouble> {
        let known = lock(&self.index).gate(name).map(|record| record.strategy.clone());
        let guess = known.map(|strategy| Name { namespace: name.namespace.clone(), name: strategy });
        let strategy = async {
            let Some(guess) = guess else { return Ok(None) };
            let found = self.get(Kind::Strategy, &guess).await?;
            Ok(Some((guess, found)))
        };
        let namespace = async {
            let found = self.namespaces.get(&name.namespace).await;
            found.map_err(|error| Trouble::Read { what: "the namespace", cause: said(&error) })
        };
        futures::try_join!(self.get(Kind::Gate, name), strategy, namespace)
    }

    /// An object as it was seen a moment ago, or else as it is.
    async fn get(&self, kind: Kind, name: &Name) -> Result<Option<Json>, Trouble> {
        if let Some(seen) = self.recent.get(kind, name, Instant::now()) {
            return Ok(Some(seen));
        }
        let (resource, what) = match kind {
            Kind::Gate => (kinds::gate(), "the gate"),
            Kind::Strategy => (kinds::strategy(), "the strategy"),
            Kind::Child => (kinds::commit_status(), "the CommitStatus"),
        };
        let found = kinds::get(&self.client, &resource, name).await;
        found.map_err(|error| Trouble::Read { what, cause: said(&error) })
    }

    /// What follows from what was read, answers included.
    async fn decide(&self, read: &Read, spans: Option<&spans::Look>) -> Result<(Plan, Asked, Outcome), Trouble> {
        let strategy = match &read.strategy {
            Ok(strategy) => strategy,
            Err(cause) => {
                let outcome = web_request::refuse(&read.gate, &read.memory, &time(), &fill_random, cause.clone());
                return Ok((Plan::default(), Asked::default(), outcome));
            }
        };
        let plan = web_request::begin(&self.engine, &read.input(strategy));
        let asked = self.asking.ask(&read.gate, strategy, &plan, spans).await?;
        let outcome = web_request::conclude(&self.engine, &read.input(strategy), plan.clone(), &asked.answers);
        Ok((plan, asked, outcome))
    }

    /// Makes the outcome be so.
    async fn effect(
        &self,
        name: &Name,
        read: &Read,
        plan: &Plan,
        (asked, mut outcome): (Asked, Outcome),
        spans: Option<&spans::Look>,
    ) -> Result<Looked, Trouble> {
        let instance = read.strategy.as_ref().ok().and_then(|strategy| {
            let labels = strategy.object.pointer("/metadata/labels")?;
            labels.get(INSTANCE_LABEL)?.as_str().map(str::to_owned)
        });
        let unwritten = self.commit_statuses(&read.gate, &outcome.commit_statuses, instance.as_deref(), spans).await;
        let children = self.children_after(&read.gate, &outcome);
        let orphans = self.orphans(&read.gate, &outcome).await;
        outcome.failures.extend(unwritten);
        outcome.failures.extend(orphans.1);
        for event in outcome.events.iter().chain(&orphans.0) {
            self.told.tell(&read.gate, event);
        }
        let again = self.again(name, &outcome);
        let ready = self.ready(&read.gate, &outcome, &children, again);
        self.write_status(&read.gate, &mut outcome, &ready, spans).await?;
        let now_ms = clock::now().millis();
        let kept = self.memories.keep(&read.gate.uid, &outcome.memory, now_ms);
        let (kept, ended) = futures::join!(kept, self.asking.end(&asked));
        kept.and(ended)?;
        lock(&self.kept).entry(name.clone()).or_default().names = Some(children);
        self.views.put(name, View::of(&read.gate, plan, &outcome, &ready, again), asked.shown, &self.metrics);
        Ok(Looked::Done(again))
    }

    /// Applies what is to be there; what could not be applied is its environment's failure.
    async fn commit_statuses(
        &self,
        gate: &Gate,
        drafts: &[CommitStatusDraft],
        instance: Option<&str>,
        spans: Option<&spans::Look>,
    ) -> Vec<Failure> {
        let applied = drafts.iter().map(|draft| async move {
            let wanted = draft.object(gate, instance);
            let fits = |existing: &Json| draft.is_applied(existing, gate, instance);
            let applied = self.writer.apply_traced(&wanted, MANAGER, fits, spans).await;
            if let Ok(written) = applied {
                let what = if written { "commitStatus" } else { "nothing" };
                self.metrics.gates.writes.with_label_values(&[what]).inc();
            }
            let cause = Cause::CommitStatus(applied.err()?);
            Some(Failure { branch: draft.branch.clone(), cause })
        });
        futures::future::join_all(applied).await.into_iter().flatten().collect()
    }

    /// Names of the CommitStatuses that are the gate's after this look.
    fn children_after(&self, gate: &Gate, outcome: &Outcome) -> Vec<String> {
        match &outcome.keep {
            Some(names) => names.clone(),
            None => {
                let all = lock(&self.index).children_of(&gate.uid);
                all.into_iter().map(|(name, _)| name.name).collect()
            }
        }
    }

    /// Deletes what the gate controls and does not want any more.
    async fn orphans(&self, gate: &Gate, outcome: &Outcome) -> (Vec<Event>, Vec<Failure>) {
        let (mut events, mut failures) = (Vec::new(), Vec::new());
        let Some(keep) = &outcome.keep else { return (events, failures) };
        let owned = lock(&self.index).children_of(&gate.uid);
        for (name, record) in owned.into_iter().filter(|(name, _)| !keep.contains(&name.name)) {
            match self.writer.delete(&name, &record.uid).await {
                Ok(()) => events.push(Event {
                    warning: false,
                    reason: "OrphanedCommitStatusDeleted",
                    action: "CleaningOrphanedResources",
                    note: format!("Deleted orphaned CommitStatus {}", name.name),
                }),
                Err(error) => failures.push(Failure { branch: String::new(), cause: Cause::CommitStatus(error) }),
            }
        }
        (events, failures)
    }

    /// When to look again: at the gate's own time, or earlier where something failed.
    fn again(&self, name: &Name, outcome: &Outcome) -> Option<Duration> {
        let now_ms = clock::now().millis();
        let until = |at_ms: i64| Duration::from_millis(u64::try_from(at_ms.saturating_sub(now_ms)).unwrap_or(0));
        let mut again = [outcome.requeue_after, outcome.next_try.map(until)].into_iter().flatten().min();
        if outcome.failures.iter().any(|failure| matches!(failure.cause, Cause::CommitStatus(_))) {
            let pause = self.trouble_pause(name);
            again = Some(again.map_or(pause, |again| again.min(pause)));
        } else if let Some(kept) = lock(&self.kept).get_mut(name) {
            kept.unwritten = 0;
        }
        again
    }

    fn ready(&self, gate: &Gate, outcome: &Outcome, children: &[String], again: Option<Duration>) -> Ready {
        match outcome.error() {
            Some(error) => {
                let next_try = outcome.next_try.map(|at_ms| at_ms / 1000);
                let in_secs = |again: Duration| clock::now().secs.saturating_add_unsigned(again.as_secs());
                Ready::failed(&error, next_try.or(again.map(in_secs)).map(rfc3339).as_deref())
            }
            None => self.ready_by_children(gate, children),
        }
    }

    /// As ready as the CommitStatuses are; one that another answers too is never ready.
    fn ready_by_children(&self, gate: &Gate, children: &[String]) -> Ready {
        let index = lock(&self.index);
        if let Some((own, other, sha)) = index.rival(&gate.uid) {
            let key = &gate.spec.key;
            return Ready {
                status: "False".into(),
                reason: RIVAL,
                message: format!(
                    "CommitStatus {other} reports on key {key:?} and commit {sha} as CommitStatus {own} does: the Promoter takes neither. \
                     Delete one of them, or give one of the gates another key"
                ),
            };
        }
        Ready::of_children(&index.readiness(&gate.uid, children))
    }

    async fn write_status(
        &self,
        gate: &Gate,
        outcome: &mut Outcome,
        ready: &Ready,
        spans: Option<&spans::Look>,
    ) -> Result<(), Trouble> {
        let stored = gate.status.condition(ready::TYPE).cloned();
        let status = &mut outcome.status;
        status.observed_generation = gate.generation;
        status.instance_id = instance_of(gate);
        status.conditions.retain(|condition| condition.kind != ready::TYPE);
        status.conditions.push(ready.condition(stored.as_ref(), gate.generation, &status::now()));
        if status.differs_from(&gate.status) {
            let writing = spans.map(|spans| (spans, spans::now()));
            if let Some(mut written) = status::write(&self.client, gate, status).await? {
                written.metadata.managed_fields = None;
                let name = Name { namespace: gate.namespace.clone(), name: gate.name.clone() };
                self.recent.put(Kind::Gate, &name, &written, Instant::now());
            }
            self.metrics.gates.writes.with_label_values(&["status"]).inc();
            if let Some((spans, began)) = writing {
                spans.status_written(began);
            }
        }
        if ready.differs_from(stored.as_ref()) {
            let note = ready.message.clone();
            let event = Event { warning: ready.status == "False", reason: ready.reason, action: "Reconciling", note };
            self.told.tell(gate, &event);
        }
        Ok(())
    }

    /// Lets the condition follow the CommitStatuses. One that was edited or deleted asks for a whole look.
    async fn readiness(&self, name: &Name, spans: Option<&spans::Look>) -> Result<Looked, Trouble> {
        let names = lock(&self.kept).get(name).and_then(|kept| kept.names.clone());
        let (Some(names), Some(record)) = (names, lock(&self.index).gate(name).cloned()) else {
            return Ok(Looked::AsBefore);
        };
        if lock(&self.index).was_edited(&name.namespace, &record.uid, &names) {
            return Ok(Looked::More(Want::Look));
        }
        let Some(object) = self.get(Kind::Gate, name).await? else { return Ok(Looked::Gone) };
        let gate = Gate::parse(object).map_err(|error| Trouble::Read { what: "the gate", cause: error.to_string() })?;
        let stored = gate.status.condition(ready::TYPE);
        // What failed is not mended by a CommitStatus, and a changed spec is looked at anyway.
        if stored.is_none_or(|stored| stored.reason == ready::FAILED || stored.observed_generation != gate.generation) {
            return Ok(Looked::AsBefore);
        }
        let ready = self.ready_by_children(&gate, &names);
        let mut outcome = Outcome { status: gate.status.clone(), ..Outcome::default() };
        self.write_status(&gate, &mut outcome, &ready, spans).await?;
        self.views.ready(name, &ready);
        Ok(Looked::AsBefore)
    }
}

/// Reason of a gate whose CommitStatus is not the only one on its key and commit.
const RIVAL: &str = "TooManyMatchingSha";

impl Read {
    fn input<'a>(&'a self, strategy: &'a Strategy) -> Input<'a> {
        Input {
            gate: &self.gate,
            strategy,
            namespace: &self.namespace,
            memory: &self.memory,
            now: time(),
            local: Location::Utc,
            random: &fill_random,
        }
    }
}

/// Lets the next decision ask: as if nothing had been asked yet, but for what was answered.
fn ask_now(read: &mut Read) {
    for tries in read.memory.scopes.values_mut() {
        (tries.last_request, tries.retry) = (None, None);
    }
    let shared = read.gate.status.promotion_strategy_context.iter_mut().map(|context| &mut context.kept);
    for kept in read.gate.status.environments.iter_mut().map(|entry| &mut entry.kept).chain(shared) {
        kept.last_request_time = None;
    }
}

/// Expressions see the gate without its `Ready` condition, as it is made anew in each look.
fn without_ready(mut object: Json) -> Json {
    if let Some(conditions) = object.pointer_mut("/status/conditions").and_then(Json::as_array_mut) {
        conditions.retain(|condition| condition["type"] != ready::TYPE);
    }
    object
}

fn instance_of(gate: &Gate) -> Option<String> {
    gate.object.pointer("/metadata/labels")?.get(INSTANCE_LABEL)?.as_str().map(str::to_owned)
}

fn text(object: &Json, path: &str) -> String {
    object.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned()
}

pub(super) fn time() -> Time {
    let now = clock::now();
    Time::unix(now.secs, now.nanos)
}

pub(super) fn fill_random(buffer: &mut [u8]) {
    use rand::RngCore as _;
    rand::rng().fill_bytes(buffer);
}
