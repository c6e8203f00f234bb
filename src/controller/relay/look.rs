//! One look at one Application: whether anything changed, what is decided, and that it is durable before it is told.

use super::{Relay, Report};
use crate::clock;
use crate::notify::{self, Evaluation, World, history};
use crate::outbox::{self, Change};
use crate::source::{Cause, Object};
use gatepost_value::{Location, Time};
use std::collections::BTreeMap;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Pause before a commit is tried again while the store is not available.
const STORE_PAUSE: Duration = Duration::from_millis(500);

impl Relay {
    pub(super) fn with_world<T>(
        &self,
        object: &Object,
        states: &BTreeMap<String, notify::KeyState>,
        first_list: bool,
        trace: bool,
        look: impl FnOnce(&World<'_>) -> T,
    ) -> T {
        let config = self.configuration();
        let project = self.project_of(object.value());
        let now = clock::now();
        look(&World {
            config: &config,
            object: object.value(),
            id: &object.id(),
            project: project.as_ref(),
            states,
            event_resource_version: object.resource_version(),
            first_list,
            now: Time::unix(now.secs, now.nanos),
            local: Location::Utc,
            random: &fill_random,
            trace,
        })
    }

    pub(super) async fn forget(&self, object: &Object) {
        self.metrics.watch_events.with_label_values(&["ApplicationDeleted"]).inc();
        self.sightings.forget(&object.id().uid);
        if let Err(error) = self.store.commit(&object.id(), vec![Change::ForgetObject], clock::now().millis()).await {
            tracing::warn!(object = ?object, error = %error, "failed to forget a deleted Application");
        }
    }

    /// Looks at an Application, unless nothing of it changed that its triggers and subscriptions read.
    pub(super) async fn look(&self, object: &Object, cause: Cause, received: Instant) {
        self.metrics.watch_events.with_label_values(&["Application"]).inc();
        let (plan, notified) = (self.plan(), object.annotation(history::ANNOTATION));
        let project = self.project_of(object.value());
        let sight = plan.interests.sight(plan.edition, &plan.config, object.value(), project.as_ref());
        if self.sightings.is_known(&object.id().uid, sight.digest.as_ref(), notified.as_deref()) {
            self.metrics.looks.with_label_values(&["unchanged"]).inc();
            return;
        }
        if let Some(evaluation) = self.decide(object, cause == Cause::FirstList).await {
            let timed = self.timed(&plan, object, &sight, &evaluation);
            self.sightings.keep(&object.id().uid, sight.digest, notified.as_deref(), timed);
            self.note(object, &evaluation);
        }
        if cause == Cause::Change {
            self.measure(object, received);
        }
        self.metrics.looks.with_label_values(&["evaluated"]).inc();
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
    async fn decide(&self, object: &Object, first_list: bool) -> Option<Evaluation> {
        loop {
            match self.try_decide(object, first_list).await {
                Ok(evaluation) => return Some(evaluation),
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

    async fn try_decide(&self, object: &Object, first_list: bool) -> Result<Evaluation, outbox::Error> {
        let states = self.store.states(&object.id().uid).await?;
        let evaluation = self.with_world(object, &states, first_list, false, notify::evaluate);
        let changes = self.changes(&evaluation);
        if !changes.is_empty() {
            self.commit(object, changes).await?;
        }
        Ok(evaluation)
    }

    async fn commit(&self, object: &Object, changes: Vec<Change>) -> Result<(), outbox::Error> {
        let delivers = changes.iter().any(|change| matches!(change, Change::Deliver(_)));
        let id = object.id();
        let mut commit = self.store.commit(&id, changes, clock::now().millis());
        // On its way to the store: a claim that starts now can share its transaction, and its fsync.
        let done = futures::poll!(&mut commit);
        if delivers && done.is_pending() {
            self.committed.notify_one();
        }
        match done {
            Poll::Ready(done) => done?,
            Poll::Pending => commit.await?,
        };
        if delivers {
            self.committed.notify_one();
        }
        self.owed.notify_one();
        Ok(())
    }

    fn unstorable(&self, object: &Object, error: &outbox::Error) {
        let message = format!("failed to store what was decided: {error}");
        self.reporter.report(Report {
            kind: "Application",
            object: object.id(),
            reason: "Unstorable".into(),
            message,
            warning: true,
        });
    }
}

fn fill_random(buffer: &mut [u8]) {
    use rand::RngCore as _;
    rand::rng().fill_bytes(buffer);
}
