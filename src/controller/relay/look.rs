//! One look at one Application: whether anything changed, what is decided, and that it is durable before it is told.

use super::brake::{Counted, OPEN_MAX, Pressure};
use super::{Plan, Relay, Report};
use crate::controller::spans::{Began, Rows};
use crate::notify::interest::{Digest, Sight, digest_of, digest_of_all};
use crate::notify::{self, Configuration, Evaluation, Occurrence, Reason, Repository, World, history};
use crate::outbox::{self, Change};
use crate::source::{Cause, Object};
use crate::{clock, failpoint};
use gatepost_value::{Location, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Pause before a commit is tried again while the store is not available.
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// What one look came to, made durable.
pub(super) struct Decided {
    evaluations: Vec<Evaluation>,
    /// Something was taken out that the next look has to judge again.
    withheld: bool,
}

impl Relay {
    #[expect(clippy::too_many_arguments, reason = "a world has as many parts")]
    pub(super) fn with_world<T>(
        &self,
        config: &Configuration,
        object: &Object,
        states: &BTreeMap<String, notify::KeyState>,
        first_list: bool,
        trace: bool,
        repository: &Arc<Repository>,
        look: impl FnOnce(&World<'_>) -> T,
    ) -> T {
        let project = self.project_of(object.value());
        let now = clock::now();
        look(&World {
            config,
            object: object.value(),
            id: &object.id(),
            project: project.as_ref(),
            repository,
            states,
            event_resource_version: object.resource_version(),
            first_list,
            now: Time::unix(now.secs, now.nanos),
            local: Location::Utc,
            random: &fill_random,
            trace,
        })
    }

    /// Looks at an Application, unless nothing of it changed that its triggers and subscriptions read.
    pub(super) async fn look(&self, object: &Object, cause: Cause, received: Instant) {
        self.metrics.watch_events.with_label_values(&["Application"]).inc();
        self.sightings.is_there(&object.id().uid);
        self.roster.put(object, clock::now().secs);
        if !self.options.standing.decides() {
            // What it was by then may be another's decision already: all are read anew.
            self.options.standing.may_decide().await;
            return self.relist.notify_one();
        }
        let (plans, notified) = (self.plans(object.namespace()), object.annotation(history::ANNOTATION));
        let project = self.project_of(object.value());
        let sights: Vec<Sight> = plans
            .iter()
            .map(|plan| plan.interests.sight(plan.edition, &plan.config, object.value(), project.as_ref()))
            .collect();
        let digest = joined(&sights);
        if self.sightings.is_known(&object.id().uid, digest.as_ref(), notified.as_deref()) {
            self.metrics.looks.with_label_values(&["unchanged"]).inc();
            return;
        }
        let began = Began::now(&self.options.tracer, received);
        let decided = self.decide(&plans, object, cause == Cause::FirstList, began).await;
        if let Some(Decided { evaluations, withheld }) = decided {
            let undecided = evaluations.iter().any(|evaluation| evaluation.undecided);
            self.undecided.fetch_or(undecided, Ordering::AcqRel);
            self.note_subscribed(object, &evaluations);
            let timed = self.timed(&plans, object, &sights, &evaluations);
            let digest = digest.filter(|_| !undecided && !withheld);
            self.sightings.keep(&object.id().uid, digest, notified.as_deref(), timed);
            evaluations.iter().for_each(|evaluation| self.note(object, evaluation));
        }
        if cause == Cause::Change {
            self.measure(object, received);
        }
        self.metrics.looks.with_label_values(&["evaluated"]).inc();
    }

    /// Whether anybody is told of it; of a status that is out of date that is not known.
    fn note_subscribed(&self, object: &Object, evaluations: &[Evaluation]) {
        let is_subscribed = evaluations.iter().any(|one| !one.subscriptions.is_empty());
        let is_known = evaluations.iter().all(|one| one.skipped != Some(Reason::SyncStatusOutOfDate));
        if is_subscribed || is_known {
            self.roster.note_subscribed(&object.id(), is_subscribed);
        }
    }

    /// How late the decision is: by our own clock since the receipt, and by the API server's since the change.
    fn measure(&self, object: &Object, received: Instant) {
        self.metrics.decision_lag.observe(received.elapsed().as_secs_f64());
        if let Some(changed) = object.changed_at() {
            let age = clock::now().secs.saturating_sub(changed).max(0);
            self.metrics.change_age.observe(Duration::from_secs(age.unsigned_abs()).as_secs_f64());
        }
    }

    /// Decides and makes it durable; `None` where it cannot be stored.
    async fn decide(&self, plans: &[Plan], object: &Object, first_list: bool, began: Option<Began>) -> Option<Decided> {
        let mut counted = Counted::new();
        loop {
            match self.try_decide(plans, object, first_list, began, &mut counted).await {
                Ok(decided) => return Some(decided),
                Err(error) if error.is_transient() => {
                    tracing::warn!(object = ?object, error = %error, "decisions pause until the store is back");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
                Err(error) => {
                    self.unstorable(object, &error);
                    return None;
                }
            }
        }
    }

    async fn try_decide(
        &self,
        plans: &[Plan],
        object: &Object,
        first_list: bool,
        began: Option<Began>,
        counted: &mut Counted,
    ) -> Result<Decided, outbox::Error> {
        let states = self.store.states(&object.id().uid).await?;
        // Asked after the states were read: what the first list saw may be older than a patch that this process has made since.
        let first_list = first_list && !self.sightings.was_written(&object.id().uid);
        let look = |repository: &Arc<Repository>| -> Vec<Evaluation> {
            let one = |plan: &Plan| {
                self.with_world(&plan.config, object, &states, first_list, false, repository, notify::evaluate)
            };
            plans.iter().map(one).collect()
        };
        let mut evaluations = self.options.repo_server.consult(look).await;
        let (withheld, mut changes) = self.withhold(object, &mut evaluations);
        self.hold_back(object, plans, &mut evaluations, counted).await?;
        let pairs = plans.iter().zip(&evaluations);
        changes.extend(pairs.flat_map(|(plan, one)| self.changes(&plan.config, one)));
        changes.extend(self.keeping(plans, object));
        if !changes.is_empty() {
            self.commit(object, changes, began).await?;
        }
        Ok(Decided { evaluations, withheld })
    }

    /// Takes out what a tenant asks for beyond its bounds; it is decided when they are open again.
    pub(super) async fn hold_back(
        &self,
        object: &Object,
        plans: &[Plan],
        evaluations: &mut [Evaluation],
        counted: &mut Counted,
    ) -> Result<(), outbox::Error> {
        let now_ms = clock::now().millis();
        for (plan, evaluation) in plans.iter().zip(evaluations) {
            let tenant = plan.config.namespace();
            let delivers = evaluation.changes.iter().any(|change| matches!(change, notify::Change::Deliver { .. }));
            if delivers && !tenant.is_empty() && self.brake.asks_for_open(tenant, now_ms) {
                let open = self.store.open_of(tenant, OPEN_MAX).await?;
                self.brake.set_open(tenant, open, now_ms);
            }
            let mut held = BTreeSet::new();
            evaluation.changes.retain(|change| match change {
                notify::Change::Deliver { occurrence, state_key, .. } => {
                    let passes = *counted
                        .entry(state_key.clone())
                        .or_insert_with(|| self.passes(object, tenant, occurrence, now_ms));
                    if !passes {
                        held.insert(state_key.clone());
                    }
                    passes
                }
                _ => true,
            });
            evaluation.undecided |= !held.is_empty();
            let conditions = evaluation.triggers.iter_mut().flat_map(|trigger| &mut trigger.conditions);
            let outcomes = conditions.flat_map(|condition| &mut condition.destinations);
            for outcome in outcomes.filter(|outcome| held.contains(&outcome.state_key)) {
                outcome.reason = Reason::Quota;
            }
        }
        Ok(())
    }

    fn passes(&self, object: &Object, tenant: &str, occurrence: &Occurrence, now_ms: i64) -> bool {
        let to = &occurrence.destination;
        let parts = [&object.id().uid, tenant, &occurrence.trigger, &to.service, &to.recipient];
        let told = self.brake.tell(digest_of_all(&parts.map(|part| digest_of(Some(part)))), now_ms);
        let of_tenant = |pressure: &dyn Fn() -> Pressure| if tenant.is_empty() { Pressure::Fine } else { pressure() };
        let decided = of_tenant(&|| self.brake.decide(tenant, now_ms));
        let fits = told == Pressure::Fine && decided == Pressure::Fine;
        let open = if fits { of_tenant(&|| self.brake.open_one(tenant)) } else { Pressure::Fine };
        for (what, pressure) in [("Flood", told), ("Quota", decided), ("Pending", open)] {
            if pressure != Pressure::Fine {
                self.metrics.held.with_label_values(&[what]).inc();
            }
            if pressure == Pressure::Exceeded {
                self.tell_pressure(object, tenant, occurrence, what);
            }
        }
        tenant.is_empty() || (fits && open == Pressure::Fine)
    }

    fn tell_pressure(&self, object: &Object, tenant: &str, occurrence: &Occurrence, what: &str) {
        let to = &occurrence.destination;
        let held = if tenant.is_empty() { "they go on" } else { "the rest waits" };
        let message = match what {
            "Flood" => format!(
                "more than 60 notifications in an hour about {} to {}:{}; {held}. Does its condition change back and forth? oncePer helps",
                occurrence.trigger, to.service, to.recipient
            ),
            "Pending" => format!("the configuration of namespace {tenant} has {OPEN_MAX} open deliveries; {held}"),
            _ => format!("the configuration of namespace {tenant} decided more than 600 times in a minute; {held}"),
        };
        let (kind, reason) = ("Application", what.to_owned());
        self.report(Report { kind, object: object.id(), reason, message, warning: true });
    }

    pub(super) async fn commit(
        &self,
        object: &Object,
        changes: Vec<Change>,
        began: Option<Began>,
    ) -> Result<(), outbox::Error> {
        let keeping = changes.last().filter(|change| keeps(change)).cloned();
        let delivers = changes.iter().any(|change| matches!(change, Change::Deliver(_)));
        let disarms = changes.iter().any(|change| matches!(change, Change::Disarm { .. }));
        failpoint::pass("decision.begun");
        let rows = began.filter(|_| delivers).map(|began| Rows::of(began, &changes));
        if delivers {
            self.sightings.found(object);
        }
        let (id, now_ms) = (object.id(), clock::now().millis());
        let mut commit = self.store.commit(&id, changes, now_ms);
        // On its way to the store: a claim that starts now can share its transaction, and its fsync.
        let done = futures::poll!(&mut commit);
        if delivers && done.is_pending() {
            self.committed.notify_one();
        }
        let committed = match done {
            Poll::Ready(done) => done?,
            Poll::Pending => commit.await?,
        };
        if delivers {
            failpoint::pass("decision.committed");
        }
        if let Some(rows) = rows {
            rows.tell(&self.options.tracer, &id, now_ms, &committed);
        }
        if disarms {
            failpoint::pass("disarm.committed");
        }
        if delivers {
            if !committed.claimed {
                self.committed.notify_one();
            }
            self.changes.queue_moved();
        }
        if let Some(change) = keeping {
            self.kept.changed(&id.uid, &change);
        }
        self.owed.notify_one();
        Ok(())
    }

    pub(super) fn unstorable(&self, object: &Object, error: &outbox::Error) {
        let message = format!("failed to store what was decided: {error}");
        self.report(Report {
            kind: "Application",
            object: object.id(),
            reason: "Unstorable".into(),
            message,
            warning: true,
        });
    }
}

/// Whether a change is about what is kept of the object; such a one is the last of its piece.
const fn keeps(change: &Change) -> bool {
    matches!(change, Change::Keep { .. } | Change::Unkeep | Change::ForgetObject)
}

/// The digest of all sights together; none where one has none.
fn joined(sights: &[Sight]) -> Option<Digest> {
    let digests: Option<Vec<Digest>> = sights.iter().map(|sight| sight.digest).collect();
    digests.map(|digests| digest_of_all(&digests))
}

fn fill_random(buffer: &mut [u8]) {
    use rand::RngCore as _;
    rand::rng().fill_bytes(buffer);
}
