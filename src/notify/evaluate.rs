//! One look at one object: who is subscribed, which conditions hold, what follows.
//!
//! The result says everything, also why something was *not* sent; acting on it is the controller's. Never here: the
//! clock, the store, the network.

mod condition;
pub(super) mod freshness;
#[cfg(test)]
mod tests;

use crate::notify::configuration::{Condition, Configuration, hex};
use crate::notify::model::{Destination, KeyState, ObjectId, Occurrence, Phase, Reason};
use crate::notify::notification::Notification;
use crate::notify::render::{self, Surroundings};
use crate::notify::repository::Repository;
use crate::notify::subscriptions::{self, BrokenSubscription, Subscribed, Subscription};
use crate::notify::{environment, history};
use gatepost_value::{Location, Time, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that one evaluation looks at.
pub struct World<'a> {
    /// The configuration; its namespace becomes part of the state keys.
    pub config: &'a Configuration,
    /// The Application.
    pub object: &'a Value,
    /// Its identity.
    pub id: &'a ObjectId,
    /// Its AppProject, where there is one.
    pub project: Option<&'a Value>,
    /// What is known of its repository.
    pub repository: &'a Arc<Repository>,
    /// What the store knows of the object, by state key.
    pub states: &'a BTreeMap<String, KeyState>,
    /// resourceVersion of the event that carried the object; empty without one.
    pub event_resource_version: &'a str,
    /// Whether the object comes from the first list after a start.
    pub first_list: bool,
    /// The time.
    pub now: Time,
    /// Go's `time.Local`.
    pub local: Location,
    /// Fills a buffer with random bytes.
    pub random: &'a dyn Fn(&mut [u8]),
    /// Whether conditions are traced (for `explain`).
    pub trace: bool,
}

/// What one look at one object came to.
#[derive(Debug, Clone, Default)]
pub struct Evaluation {
    /// Why nothing at all was evaluated.
    pub skipped: Option<Reason>,
    /// Who is subscribed, and by what.
    pub subscriptions: Vec<Subscription>,
    /// Annotations that should say it and cannot be read.
    pub broken: Vec<BrokenSubscription>,
    /// One entry for each subscribed trigger, by name.
    pub triggers: Vec<TriggerOutcome>,
    /// What is to be done, in order.
    pub changes: Vec<Change>,
    /// Whether something could not be decided because the repository did not answer: to be looked at again.
    pub undecided: bool,
}

/// What became of one trigger.
#[derive(Debug, Clone)]
pub struct TriggerOutcome {
    /// Name.
    pub name: String,
    /// `Triggered` if a condition holds, `ConditionFalse`, or why it was not evaluated.
    pub reason: Reason,
    /// Error text; empty without one.
    pub message: String,
    /// Its conditions in order.
    pub conditions: Vec<ConditionOutcome>,
}

/// What became of one condition.
#[derive(Debug, Clone)]
pub struct ConditionOutcome {
    /// `[<index>].<hash of the when text>`.
    pub key: String,
    /// The `when` text.
    pub when: String,
    /// Whether it holds.
    pub triggered: bool,
    /// Why it could not be evaluated.
    pub error: Option<String>,
    /// Printed oncePer value; empty where there is none.
    pub once_per: String,
    /// Templates it sends.
    pub templates: Vec<String>,
    /// Sub-expressions and their values, when asked for.
    pub trace: Vec<(String, String)>,
    /// What it means for each destination.
    pub destinations: Vec<DestinationOutcome>,
}

/// What a condition means for one destination.
#[derive(Debug, Clone)]
pub struct DestinationOutcome {
    /// Who.
    pub destination: Destination,
    /// Key in the `notified…` annotation.
    pub state_key: String,
    /// What was decided.
    pub reason: Reason,
    /// Error text; empty without one.
    pub message: String,
}

/// Why there is nothing to send although it should be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderFailure {
    /// `RenderFailed`, `TemplateNotConfigured`, `TemplateBroken`, `ServiceNotConfigured`, `ServiceBroken`.
    pub reason: Reason,
    /// The text; the Go controller's own words where it has words for it.
    pub message: String,
}

/// One thing to be made durable.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "few at a time, short-lived, and most are the large one")]
pub enum Change {
    /// The condition rose (or is tried again): `occurrence.arming` becomes the key's arming, armed, pending.
    /// `rendered: Err` is a dead letter at once, parked under `digest`.
    Deliver {
        /// What happened, for whom.
        occurrence: Occurrence,
        /// Key in the `notified…` annotation.
        state_key: String,
        /// What to send.
        rendered: Result<Notification, RenderFailure>,
        /// Digest of the service, the templates and what they use of the Secret.
        digest: String,
        /// `Triggered`, `ResendRequested` or `Released`.
        reason: Reason,
    },
    /// The condition no longer holds.
    Disarm {
        /// Key in the `notified…` annotation.
        state_key: String,
        /// Whether the annotation holds the key, so that it has to be taken out.
        annotation_present: bool,
    },
    /// The annotation says that it was sent, the store did not know: armed, annotated.
    Adopt {
        /// Key in the `notified…` annotation.
        state_key: String,
        /// Unix seconds as found.
        at: i64,
    },
}

/// Looks at one object.
#[must_use]
pub fn evaluate(world: &World<'_>) -> Evaluation {
    if let Some(reason) = freshness::skipped(world.object) {
        return Evaluation { skipped: Some(reason), ..Evaluation::default() };
    }
    evaluate_subscribed(world, subscriptions::of(world.config, world.object, world.project))
}

/// The last look at an object that is gone: only these triggers, and whatever its status is worth, for there will be no other.
/// A key that somebody took out of the annotation just before asks for nothing any more.
#[must_use]
pub fn evaluate_gone(world: &World<'_>, triggers: &[String]) -> Evaluation {
    let mut subscribed = subscriptions::of(world.config, world.object, world.project);
    subscribed.all.retain(|subscription| triggers.contains(&subscription.trigger));
    let mut evaluation = evaluate_subscribed(world, subscribed);
    evaluation.changes.retain(|change| !matches!(change, Change::Deliver { reason: Reason::ResendRequested, .. }));
    evaluation
}

fn evaluate_subscribed(world: &World<'_>, Subscribed { all, broken }: Subscribed) -> Evaluation {
    if all.is_empty() {
        return Evaluation { skipped: Some(Reason::NoDestinations), broken, ..Evaluation::default() };
    }
    let mut look = Look::new(world);
    let triggers = by_trigger(&all).into_iter().map(|(name, to)| look.trigger(name, &to)).collect();
    let undecided = world.repository.stumbles() > 0;
    Evaluation { skipped: None, triggers, changes: look.changes, subscriptions: all, broken, undecided }
}

/// Runs one trigger for nobody: what `trigger run` shows.
#[must_use]
pub fn try_trigger(world: &World<'_>, name: &str) -> TriggerOutcome {
    Look::new(world).trigger(name, &[])
}

/// Renders templates for one destination without deciding anything: what `template notify` sends.
///
/// # Errors
/// Unknown templates, and templates that fail.
pub fn render_for(world: &World<'_>, templates: &[String], to: &Destination) -> Result<Notification, RenderFailure> {
    let vars = environment::of_templates(&subject(world), &to.service, &to.recipient);
    render::render(world.config, templates, &to.service, &vars, &surroundings(world))
}

fn surroundings<'a>(world: &World<'a>) -> Surroundings<'a> {
    let World { now, local, random, .. } = world;
    Surroundings { now: now.clone(), local: local.clone(), random: *random }
}

fn subject<'a>(world: &World<'a>) -> environment::Subject<'a> {
    let World { config, object, project, repository, .. } = *world;
    environment::Subject { config, object, project, repository }
}

fn by_trigger(subscriptions: &[Subscription]) -> BTreeMap<&str, Vec<&Destination>> {
    let mut out: BTreeMap<&str, Vec<&Destination>> = BTreeMap::new();
    for subscription in subscriptions {
        out.entry(&subscription.trigger).or_default().push(&subscription.destination);
    }
    out
}

/// One look: what is computed once for all triggers, and the changes as they come.
struct Look<'a> {
    world: &'a World<'a>,
    vars: Value,
    annotated: BTreeMap<String, i64>,
    changes: Vec<Change>,
}

impl<'a> Look<'a> {
    fn new(world: &'a World<'a>) -> Self {
        let annotation = subscriptions::annotation(world.object, history::ANNOTATION).unwrap_or_default();
        Self {
            world,
            vars: environment::of_conditions(&subject(world)),
            annotated: history::parse(&annotation),
            changes: Vec::new(),
        }
    }
    fn trigger(&mut self, name: &str, destinations: &[&Destination]) -> TriggerOutcome {
        let config = self.world.config;
        let Some(trigger) = config.triggers().get(name) else {
            let broken = config.trigger_is_broken(name);
            return TriggerOutcome {
                name: name.to_owned(),
                reason: if broken { Reason::TriggerBroken } else { Reason::TriggerNotConfigured },
                message: format!("trigger '{name}' is not configured"),
                conditions: Vec::new(),
            };
        };
        let look = |condition| self.condition(name, condition, destinations);
        let conditions: Vec<ConditionOutcome> = trigger.conditions.iter().map(look).collect();
        TriggerOutcome { name: name.to_owned(), reason: summary(&conditions), message: String::new(), conditions }
    }
    fn condition(&mut self, trigger: &str, condition: &Condition, destinations: &[&Destination]) -> ConditionOutcome {
        let before = self.world.repository.stumbles();
        let condition::Tried { triggered, error, once_per, once_per_error, trace } =
            condition::run(condition, &self.vars, self.world.config, &surroundings(self.world), self.world.trace);
        let undecided = self.world.repository.stumbles() != before;
        let mut out = ConditionOutcome {
            key: condition.key.clone(),
            when: condition.when.clone(),
            triggered,
            error: if undecided { error.or(once_per_error) } else { error },
            once_per,
            templates: condition.send.clone(),
            trace,
            destinations: Vec::new(),
        };
        let outcome = |to: &&Destination| match undecided {
            true => self.undecided(trigger, &out, to),
            false => self.destination(trigger, condition, &out, to),
        };
        out.destinations = destinations.iter().map(outcome).collect();
        out
    }
    fn destination(
        &mut self,
        trigger: &str,
        condition: &Condition,
        outcome: &ConditionOutcome,
        to: &Destination,
    ) -> DestinationOutcome {
        let occurrence = self.occurrence(trigger, outcome, to);
        let state_key = occurrence.state_key();
        let (reason, message) = if outcome.triggered {
            self.rose(condition, occurrence, &state_key)
        } else {
            self.fell(&state_key, outcome)
        };
        DestinationOutcome { destination: to.clone(), state_key, reason, message }
    }
    fn occurrence(&self, trigger: &str, outcome: &ConditionOutcome, to: &Destination) -> Occurrence {
        Occurrence {
            object: self.world.id.clone(),
            config_namespace: self.world.config.namespace().to_owned(),
            trigger: trigger.to_owned(),
            condition_key: outcome.key.clone(),
            once_per: outcome.once_per.clone(),
            destination: to.clone(),
            arming: 0,
        }
    }
    /// The repository did not answer: whether the condition holds is not known, so nothing is sent and nothing disarmed.
    fn undecided(&self, trigger: &str, outcome: &ConditionOutcome, to: &Destination) -> DestinationOutcome {
        let state_key = self.occurrence(trigger, outcome, to).state_key();
        let message = outcome.error.clone().unwrap_or_default();
        DestinationOutcome { destination: to.clone(), state_key, reason: Reason::RepositoryUnavailable, message }
    }
    /// Not triggered: an armed key is disarmed. Keys with a oncePer value are other keys and stay.
    fn fell(&mut self, state_key: &str, outcome: &ConditionOutcome) -> (Reason, String) {
        let annotation_present = self.annotated.contains_key(state_key);
        let disarm = match self.world.states.get(state_key) {
            Some(state) => state.armed,
            None => annotation_present,
        };
        if disarm {
            self.changes.push(Change::Disarm { state_key: state_key.to_owned(), annotation_present });
        }
        match &outcome.error {
            Some(error) => (Reason::ConditionError, error.clone()),
            None => (Reason::ConditionFalse, String::new()),
        }
    }
    /// Triggered: deliver, or say why not.
    fn rose(&mut self, condition: &Condition, mut occurrence: Occurrence, state_key: &str) -> (Reason, String) {
        let entity = subscriptions::annotation(self.world.object, subscriptions::ENTITY).unwrap_or_default();
        let digest = digest(self.world.config, &occurrence.destination.service, &condition.send, &entity);
        let verdict = self.verdict(state_key, &digest);
        let (reason, new_arming) = match verdict {
            Known::Send { reason, new_arming } => (reason, new_arming),
            Known::Adopt(at) => {
                self.changes.push(Change::Adopt { state_key: state_key.to_owned(), at });
                return (Reason::AlreadySent, String::new());
            }
            Known::Nothing(reason) => return (reason, String::new()),
        };
        let previous = self.world.states.get(state_key).map(|state| state.arming);
        occurrence.arming = match previous {
            Some(previous) if new_arming => previous.saturating_add(1),
            Some(previous) => previous,
            None => u64::from(occurrence.once_per.is_empty()),
        };
        let before = self.world.repository.stumbles();
        let rendered = self.rendered(condition, &occurrence.destination);
        if self.world.repository.stumbles() != before {
            return (Reason::RepositoryUnavailable, rendered.err().map(|failure| failure.message).unwrap_or_default());
        }
        let (shown, message) = match &rendered {
            Ok(_) => (reason, String::new()),
            Err(failure) => (failure.reason, failure.message.clone()),
        };
        self.changes.push(Change::Deliver { occurrence, state_key: state_key.to_owned(), rendered, digest, reason });
        (shown, message)
    }
    fn verdict(&self, state_key: &str, digest: &str) -> Known {
        let annotated = self.annotated.get(state_key);
        let risen = Known::Send { reason: Reason::Triggered, new_arming: true };
        let Some(state) = self.world.states.get(state_key) else {
            return annotated.map_or(risen, |at| Known::Adopt(*at));
        };
        if !state.armed {
            return risen;
        }
        match &state.phase {
            Phase::Pending => Known::Nothing(Reason::AlreadyPending),
            Phase::Delivered { .. } | Phase::Truncated => Known::Nothing(Reason::AlreadySent),
            Phase::Annotated { resource_version, .. } => match annotated {
                None if self.saw_patch(resource_version) => {
                    Known::Send { reason: Reason::ResendRequested, new_arming: true }
                }
                _ => Known::Nothing(Reason::AlreadySent),
            },
            Phase::Dead { digest: parked } if parked == digest => Known::Nothing(Reason::DeadLetter),
            Phase::Dead { .. } => Known::Send { reason: Reason::Released, new_arming: false },
        }
    }
    /// Whether the event is not older than our own patch: only then the absence of a key means something.
    fn saw_patch(&self, patch: &str) -> bool {
        let number = |text: &str| text.parse::<u128>().ok();
        patch != history::NOWHERE
            && (self.world.first_list
                || patch.is_empty()
                || matches!((number(self.world.event_resource_version), number(patch)), (Some(event), Some(patch)) if event >= patch))
    }
    fn rendered(&self, condition: &Condition, to: &Destination) -> Result<Notification, RenderFailure> {
        let config = self.world.config;
        if config.service(&to.service).is_none() {
            let broken = config.service_is_broken(&to.service);
            return Err(RenderFailure {
                reason: if broken { Reason::ServiceBroken } else { Reason::ServiceNotConfigured },
                message: format!("notification service '{}' is not supported", to.service),
            });
        }
        render_for(self.world, &condition.send, to)
    }
}

/// What is known of a key whose condition holds.
enum Known {
    /// It is to be sent, as a new rise or as the same one again.
    Send { reason: Reason, new_arming: bool },
    /// The annotation knows it, the store does not.
    Adopt(i64),
    /// Nothing is to be done.
    Nothing(Reason),
}

fn summary(conditions: &[ConditionOutcome]) -> Reason {
    if conditions.iter().any(|condition| condition.triggered) {
        Reason::Triggered
    } else if conditions.iter().any(|condition| condition.error.is_some()) {
        Reason::ConditionError
    } else {
        Reason::ConditionFalse
    }
}

/// What a delivery is made and sent with: service, templates, the Secret where a template reads it, and the entity of the Application.
fn digest(config: &Configuration, service: &str, send: &[String], entity: &str) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    };
    add(config.service(service).map_or("", |service| service.digest.as_str()));
    let mut reads_secret = false;
    for name in send {
        let template = config.templates().get(name);
        add(template.map_or("", |template| template.digest.as_str()));
        reads_secret |= template.is_some_and(|template| template.reads_secret);
    }
    if reads_secret {
        add(config.secret_digest());
    }
    for (key, value) in config.context() {
        add(key);
        add(value);
    }
    if !entity.is_empty() {
        add(subscriptions::ENTITY);
        add(entity);
    }
    hex(&hash.finalize())
}
