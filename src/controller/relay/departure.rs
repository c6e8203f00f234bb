//! The end of an Application, seen or not: what its deletion means is decided once, and then it is forgotten.
//!
//! A deletion that the watch brings is decided on the object that it brings. One that nobody saw (in a gap of the watch, while
//! Gatepost was not there) is found when a list of all is at its end, and decided on the last that is kept of the object. Whoever is still
//! there, and only not listed any more, is no departure.

use super::{Plan, Relay, Work, kept, slot};
use crate::clock;
use crate::controller::spans::Began;
use crate::notify::interest::{Digest, digest_of};
use crate::notify::{self, Evaluation, ObjectId, Repository};
use crate::outbox::{self, Change};
use crate::source::Object;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Known objects that are compared with a list at a time.
const PAGE: usize = 1_000;
/// Pause between two Applications that are found gone: each may cost a request.
const GONE_PAUSE: Duration = Duration::from_millis(10);
/// Pause before what could not be settled is tried again.
const AGAIN_PAUSE: Duration = Duration::from_secs(30);
/// Tries of one; the next list of all finds it again.
const TRIES: u32 = 10;
/// Pause before the store is asked again.
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// Whether there is nothing more to do about a departure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// It was decided, or there was nothing to decide.
    Yes,
    /// Not yet: something did not answer, or this process may not decide now.
    No,
}

impl Relay {
    /// A list of all Applications begins.
    pub(super) async fn begin_list(&self) {
        self.sightings.begin_list();
        self.roster.begin_list();
        let kept = patiently("read which objects are kept", || self.store.kept()).await;
        self.kept.load(&kept);
    }

    /// The list is at its end: whoever is known and was not in it is looked for one by one.
    pub(super) async fn settle_absent(self: Arc<Self>, present: HashSet<Digest>, workers: Vec<mpsc::WeakSender<Work>>) {
        let is_absent = |object: &ObjectId| !present.contains(&digest_of(Some(&object.uid)));
        let kept = patiently("read which objects are kept", || self.store.kept()).await;
        let kept: BTreeSet<ObjectId> = kept.into_iter().map(|one| one.object).filter(is_absent).collect();
        let mut count = kept.len();
        if !look_for(kept.iter().cloned(), &workers).await {
            return;
        }
        // Page by page: of those that are known there may be very many.
        let mut after = String::new();
        loop {
            let page = patiently("read which objects are known", || self.store.objects(&after, PAGE)).await;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.uid);
            let absent: Vec<_> = page.into_iter().filter(|one| is_absent(one) && !kept.contains(one)).collect();
            count += absent.len();
            if !look_for(absent, &workers).await {
                return;
            }
        }
        if count > 0 {
            tracing::info!(count, "Applications were known that the list did not have");
        }
    }

    /// The watch says that an Application is gone. Without a deletionTimestamp it may only have left the selection.
    pub(super) async fn gone(&self, object: &Object) -> Settled {
        self.metrics.watch_events.with_label_values(&["ApplicationDeleted"]).inc();
        let id = object.id();
        self.sightings.forget(&id.uid);
        self.roster.forget(&id);
        let plans = self.plans(object.namespace());
        let triggers = self.of_deletion(&plans, object);
        if triggers.iter().all(Vec::is_empty) {
            return self.forget(&id).await;
        }
        if !self.options.standing.decides() {
            return Settled::No;
        }
        if object.text(&["metadata", "deletionTimestamp"]).is_none() {
            match self.exists(&id).await {
                Ok(true) => return self.forget(&id).await,
                Ok(false) => {}
                Err(cause) => return unsettled(&id, &cause),
            }
        }
        self.depart(&plans, &triggers, object).await
    }

    /// An Application that is known and was not in the list of all.
    pub(super) async fn missed(&self, id: &ObjectId) -> Settled {
        if self.sightings.knows(&id.uid) {
            return Settled::Yes;
        }
        if !self.options.standing.decides() {
            return Settled::No;
        }
        match self.exists(id).await {
            Ok(true) => return Settled::Yes,
            Ok(false) => {}
            Err(cause) => return unsettled(id, &cause),
        }
        let content = match self.store.last_object(&id.uid).await {
            Ok(content) => content,
            Err(error) => return unsettled(id, &error.to_string()),
        };
        let Some(object) = content.as_deref().and_then(kept::unpack) else { return self.forget(id).await };
        let plans = self.plans(object.namespace());
        let triggers = self.of_deletion(&plans, &object);
        self.depart(&plans, &triggers, &object).await
    }

    /// Where there is nobody to ask (files), what is not there is gone.
    async fn exists(&self, id: &ObjectId) -> Result<bool, String> {
        match &self.options.reader {
            Some(reader) => reader.exists(id).await,
            None => Ok(false),
        }
    }

    /// For each configuration, the triggers that the deletion concerns.
    fn of_deletion(&self, plans: &[Plan], object: &Object) -> Vec<Vec<String>> {
        let project = self.project_of(object.value());
        let one = |plan: &Plan| plan.interests.of_deletion(&plan.config, object.value(), project.as_ref());
        plans.iter().map(one).collect()
    }

    /// What has to change of what is kept of an Application that was looked at.
    pub(super) fn keeping(&self, plans: &[Plan], object: &Object) -> Option<Change> {
        let wanted = self.of_deletion(plans, object).iter().any(|triggers| !triggers.is_empty());
        self.kept.change(object, wanted)
    }

    /// Decides what the deletion means and forgets the object, in one piece.
    async fn depart(&self, plans: &[Plan], triggers: &[Vec<String>], object: &Object) -> Settled {
        let object = object.deleted(&rfc3339(clock::now().secs));
        let mut counted = Default::default();
        loop {
            match self.try_depart(plans, triggers, &object, &mut counted).await {
                Ok(Some(evaluations)) => {
                    evaluations.iter().for_each(|evaluation| self.note(&object, evaluation));
                    self.metrics.departures.with_label_values(&["decided"]).inc();
                    return Settled::Yes;
                }
                Ok(None) => return Settled::No,
                Err(error) if error.is_transient() => {
                    tracing::warn!(object = ?object, error = %error, "decisions pause until the store is back");
                    tokio::time::sleep(STORE_PAUSE).await;
                }
                Err(error) => {
                    self.unstorable(&object, &error);
                    return Settled::Yes;
                }
            }
        }
    }

    /// `None` where something cannot be decided now.
    async fn try_depart(
        &self,
        plans: &[Plan],
        triggers: &[Vec<String>],
        object: &Object,
        counted: &mut super::brake::Counted,
    ) -> Result<Option<Vec<Evaluation>>, outbox::Error> {
        let began = Began::now(&self.options.tracer, Instant::now());
        let states = self.store.states(&object.id().uid).await?;
        let look = |repository: &Arc<Repository>| -> Vec<Evaluation> {
            let one = |(plan, triggers): (&Plan, &Vec<String>)| {
                let decide = |world: &notify::World<'_>| notify::evaluate_gone(world, triggers);
                self.with_world(&plan.config, object, &states, false, false, repository, decide)
            };
            plans.iter().zip(triggers).map(one).collect()
        };
        let mut evaluations = self.options.repo_server.consult(look).await;
        self.hold_back(object, plans, &mut evaluations, counted).await?;
        if evaluations.iter().any(|evaluation| evaluation.undecided) {
            return Ok(None);
        }
        let pairs = plans.iter().zip(&evaluations);
        let mut changes: Vec<Change> = pairs.flat_map(|(plan, one)| self.changes(&plan.config, one)).collect();
        changes.push(Change::ForgetObject);
        self.commit(object, changes, began).await?;
        Ok(Some(evaluations))
    }

    /// Nothing is to be told: its rows of state go.
    async fn forget(&self, id: &ObjectId) -> Settled {
        match self.store.commit(id, vec![Change::ForgetObject], clock::now().millis()).await {
            Ok(_) => {
                self.kept.changed(&id.uid, &Change::ForgetObject);
                self.metrics.departures.with_label_values(&["forgotten"]).inc();
                Settled::Yes
            }
            Err(error) => unsettled(id, &error.to_string()),
        }
    }
}

/// Puts what was not settled back into its worker's queue, later.
pub(super) fn again(worker: mpsc::WeakSender<Work>, object: ObjectId, tries: u32) {
    if tries >= TRIES {
        let resource = format!("{}/{}", object.namespace, object.name);
        tracing::warn!(resource, "its deletion could not be decided; the next list of all Applications tries again");
        return;
    }
    tokio::spawn(async move {
        tokio::time::sleep(AGAIN_PAUSE).await;
        if let Some(worker) = worker.upgrade() {
            drop(worker.send(Work::Missed { object, tries: tries + 1 }).await);
        }
    });
}

/// Hands out who is to be looked for, spaced; `false` where nobody works any more.
async fn look_for(absent: impl IntoIterator<Item = ObjectId>, workers: &[mpsc::WeakSender<Work>]) -> bool {
    for object in absent {
        let Some(worker) = workers.get(slot(&object.uid)).and_then(mpsc::WeakSender::upgrade) else { return false };
        drop(worker.send(Work::Missed { object, tries: 0 }).await);
        tokio::time::sleep(GONE_PAUSE).await;
    }
    true
}

fn unsettled(id: &ObjectId, cause: &str) -> Settled {
    let resource = format!("{}/{}", id.namespace, id.name);
    tracing::warn!(resource, cause, "failed to settle the deletion of an Application; trying again");
    Settled::No
}

/// Asks the store until it answers.
async fn patiently<T, F>(what: &str, ask: impl Fn() -> F) -> T
where
    F: Future<Output = Result<T, outbox::Error>>,
    T: Default,
{
    loop {
        match ask().await {
            Ok(found) => return found,
            Err(outbox::Error::Closed) => return T::default(),
            Err(error) => {
                tracing::warn!(what, error = %error, "the store does not answer; trying again");
                tokio::time::sleep(STORE_PAUSE).await;
            }
        }
    }
}

fn rfc3339(secs: i64) -> String {
    jiff::Timestamp::from_second(secs).unwrap_or_default().to_string()
}
