//! Keeps runs going: opens them, makes their requests durable, ends those whose time is over, shows what changed and does what
//! follows. What is owed is in the store, so that a process that is killed anywhere leaves nothing undone: each step may be done
//! again and does no harm then.

use super::cluster_objects as objects;
use super::crd::{Condition, WebhookApproval};
use super::desk::Desk;
use super::pauses::Pauses;
use super::{asking, opening, rollback, showing, view};
use crate::clock;
use crate::controller::gate::commit_status;
use crate::controller::links::{Links, with_link};
use crate::controller::report::{Report, Reporter};
use crate::coordination::Status as Standing;
use crate::gate::approval::request::{Asked, Templates, World};
use crate::gate::approval::{ApprovalId, Event, Phase, Run, RunId, markdown};
use crate::gate::engine::{Engine, Surroundings};
use crate::notify::ObjectId;
use crate::outbox::Store;
use crate::outbox::runs::{Kept, Left, RunFilter};
use crate::source::Namespaces;
use crate::source::kubernetes::application;
use futures::StreamExt as _;
use gatepost_value::{Location, Time};
use kube::Client;
use rand::RngCore as _;
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};

/// Longest pause between two rounds.
pub(super) const BEAT: Duration = Duration::from_secs(1);
/// Pause between two looks at Applications.
pub(super) const LOOK_PAUSE: Duration = Duration::from_secs(3);
/// Pause between two looks at everything that is open.
const SWEEP_PAUSE: Duration = Duration::from_secs(30);
/// Runs that are read at once when everything open is looked at: memory does not grow with them.
const SWEPT_MAX: usize = 256;
/// Runs that one round works on.
const ROUND_MAX: usize = 512;
/// Approvals that are worked on at once.
const CONCURRENT: usize = 16;
/// A run opened through the API that nobody has asked for that long is cancelled: ten intervals of the sample.
const UNPOLLED_MAX_MS: i64 = 10 * 30_000;
/// Versions whose status is left that one round works on.
const STATUSES_MAX: usize = 10_000;
/// Shortest time from the start of one round to the next.
const ROUND_PAUSE: Duration = Duration::from_millis(10);
/// Why nothing is shown for an approval before all of them were seen.
const UNKNOWN: &str = "the approval is not known yet";
/// Where rollbacks are remembered among the store's values.
pub const ROLLBACKS: &str = "approval-rollback/";

/// What a keeper works with.
pub struct Keeper {
    /// The desk.
    pub desk: Arc<Desk>,
    /// Deliveries and values.
    pub store: Arc<dyn Store>,
    /// The cluster.
    pub client: Client,
    /// Templates.
    pub engine: Arc<Engine>,
    /// Whether this process decides.
    pub standing: Standing,
    /// Woken when a request was committed.
    pub committed: Arc<dyn Fn() + Send + Sync>,
    /// Tells owners.
    pub reporter: Arc<dyn Reporter>,
    /// Where pages of runs are.
    pub links: Links,
    /// Whose approvals are kept: Gatepost's own namespace and those beside it. Another Gatepost of the cluster keeps others.
    pub namespaces: Namespaces,
    /// When approvals are worked on again.
    pub pauses: Pauses,
    /// Whether the approvals that there are were all seen.
    pub synced: AtomicBool,
    /// Woken when an approval or a strategy changed.
    pub seen: Notify,
}

impl Keeper {
    /// Watches approvals and strategies, and keeps runs going while this process decides.
    pub async fn run(self: Arc<Self>) {
        let (send, changes) = mpsc::channel(256);
        tokio::join!(
            Arc::clone(&self).watch_approvals(send.clone()),
            Arc::clone(&self).watch_strategies(send),
            Arc::clone(&self).open_all(changes),
            Arc::clone(&self).rounds(),
        );
    }

    /// Opens runs for what changed; Applications are looked at from time to time.
    async fn open_all(self: Arc<Self>, mut changes: mpsc::Receiver<ApprovalId>) {
        let mut later: HashMap<String, (Instant, ApprovalId)> = HashMap::new();
        let mut looked = Instant::now();
        loop {
            let mut ids: Vec<ApprovalId> = match tokio::time::timeout(BEAT, changes.recv()).await {
                Ok(Some(id)) => vec![id],
                Ok(None) => return,
                Err(_) => Vec::new(),
            };
            while let Ok(id) = changes.try_recv() {
                ids.push(id);
            }
            let now = Instant::now();
            if looked.elapsed() >= LOOK_PAUSE {
                looked = now;
                let all = self.desk.shelf.all();
                ids.extend(all.iter().filter(|approval| approval.spec.application_ref.is_some()).map(|a| a.id()));
            }
            ids.extend(later.values().filter(|(at, _)| *at <= now).map(|(_, id)| id.clone()));
            self.standing.may_decide().await;
            for id in ids.into_iter().collect::<HashSet<_>>() {
                later.remove(&id.uid);
                if let Err(cause) = self.consider(&id).await {
                    tracing::warn!(approval = %format!("{}/{}", id.namespace, id.name), cause, "no run could be opened now");
                    later.insert(id.uid.clone(), (Instant::now() + LOOK_PAUSE, id));
                }
            }
        }
    }

    async fn consider(&self, id: &ApprovalId) -> Result<(), String> {
        let Some(approval) = self.desk.shelf.of(id) else { return Ok(()) };
        let hindrance = opening::consider(&self.desk, &self.client, &self.namespaces.own, &approval).await?;
        // As it is by now: a run that was opened may have been shown.
        let Some(approval) = self.desk.shelf.of(id) else { return Ok(()) };
        let ready = showing::ready(&approval, hindrance.as_ref(), &now());
        match showing::ready_before(&approval) == Some(&ready) {
            true => Ok(()),
            false => self.write_status(&approval, ready).await,
        }
    }

    async fn rounds(self: Arc<Self>) {
        let (mut swept, mut began) = (Instant::now(), Instant::now());
        loop {
            let _ = tokio::time::timeout(BEAT, self.desk.changed.notified()).await;
            // In a burst one round works on many.
            tokio::time::sleep(ROUND_PAUSE.saturating_sub(began.elapsed())).await;
            began = Instant::now();
            self.standing.may_decide().await;
            if let Err(error) = self.end_overdue().await {
                tracing::warn!(%error, "deadlines cannot be kept now");
            }
            if swept.elapsed() >= SWEEP_PAUSE {
                swept = Instant::now();
                self.desk.limits.tidy();
                if let Err(error) = self.sweep().await {
                    tracing::warn!(%error, "open runs cannot be looked at now");
                }
            }
            if let Err(error) = self.show_owed().await {
                tracing::warn!(%error, "runs cannot be shown now");
            }
            if let Err(error) = self.show_statuses().await {
                tracing::warn!(%error, "statuses of approvals cannot be written now");
            }
        }
    }

    async fn end_overdue(&self) -> Result<(), crate::outbox::Error> {
        for kept in self.store.due_runs(clock::now().millis(), ROUND_MAX).await? {
            self.desk.apply_to(kept, Event::Clock).await?;
        }
        Ok(())
    }

    /// Ends runs whose approval is gone, and those that nobody asks for any more.
    async fn sweep(&self) -> Result<(), crate::outbox::Error> {
        let now_ms = clock::now().millis();
        let (open, oldest) = self.store.open_runs().await?;
        self.desk.metrics.approval_open.set(i64::try_from(open).unwrap_or(i64::MAX));
        self.desk.metrics.approval_oldest.set(oldest.map_or(0, |at| now_ms.saturating_sub(at).max(0) / 1000));
        let mut filter = RunFilter { is_open: Some(true), limit: SWEPT_MAX, ..RunFilter::default() };
        loop {
            let page = self.store.runs(&filter).await?;
            let Some(last) = page.last() else { return Ok(()) };
            filter.after = Some(last.run.id);
            for kept in page {
                self.sweep_one(kept, now_ms).await?;
            }
        }
    }

    async fn sweep_one(&self, kept: Kept, now_ms: i64) -> Result<(), crate::outbox::Error> {
        let unpolled = kept.run.polled_ms.is_some_and(|at| now_ms.saturating_sub(at) > UNPOLLED_MAX_MS);
        if self.synced.load(Ordering::Acquire) && self.desk.shelf.of(&kept.run.approval).is_none() {
            return self.desk.abandon(kept, "its WebhookApproval is gone").await;
        }
        if unpolled { self.desk.abandon(kept, "nobody has asked for it any more").await } else { Ok(()) }
    }

    async fn show_owed(&self) -> Result<(), crate::outbox::Error> {
        let mut groups: BTreeMap<ApprovalId, Vec<Kept>> = BTreeMap::new();
        for kept in self.store.owed_runs(ROUND_MAX).await? {
            groups.entry(kept.run.approval.clone()).or_default().push(kept);
        }
        let due = groups.into_iter().filter(|(id, _)| self.pauses.may_try(&id.uid, Instant::now()));
        futures::stream::iter(due)
            .for_each_concurrent(CONCURRENT, |(id, runs)| async move {
                self.noted(&id, self.show_group(&runs).await);
            })
            .await;
        Ok(())
    }

    /// Writes the statuses that were left, one for all runs of an approval.
    async fn show_statuses(&self) -> Result<(), crate::outbox::Error> {
        let mut groups: BTreeMap<ApprovalId, Vec<(RunId, i64)>> = BTreeMap::new();
        for unshown in self.store.owed_statuses(STATUSES_MAX).await? {
            groups.entry(unshown.approval).or_default().push((unshown.id, unshown.version));
        }
        let due = groups.into_iter().filter(|(id, _)| {
            let now = Instant::now();
            self.pauses.may_try(&id.uid, now) && self.pauses.may_write_status(&id.uid, now)
        });
        futures::stream::iter(due)
            .for_each_concurrent(CONCURRENT, |(id, versions)| async move {
                self.noted(&id, self.show_status(&id, versions).await);
            })
            .await;
        Ok(())
    }

    async fn show_status(&self, id: &ApprovalId, versions: Vec<(RunId, i64)>) -> Result<(), String> {
        match self.desk.shelf.of(id) {
            Some(approval) => self.renew_status(&approval).await?,
            None if !self.synced.load(Ordering::Acquire) => return Err(UNKNOWN.to_owned()),
            None => {}
        }
        self.store.shown_runs(versions, Left::Nothing).await.map_err(|error| error.to_string())
    }

    fn noted(&self, id: &ApprovalId, worked: Result<(), String>) {
        match worked {
            Ok(()) => self.pauses.worked(&id.uid),
            Err(cause) => {
                let approval = format!("{}/{}", id.namespace, id.name);
                tracing::warn!(approval, cause, "runs could not be shown; tried again");
                self.pauses.failed(&id.uid, Instant::now());
            }
        }
    }

    /// Does what is owed for runs of one approval, and notes what is done. Its status may be left for later.
    async fn show_group(&self, runs: &[Kept]) -> Result<(), String> {
        let Some(first) = runs.first() else { return Ok(()) };
        let mut left = Left::Nothing;
        match self.desk.shelf.of(&first.run.approval) {
            Some(approval) => {
                let strategy = self.strategy(&approval).await?;
                for kept in runs {
                    self.follow(&approval, &kept.run, strategy.as_ref()).await?;
                }
                match self.pauses.may_write_status(&first.run.approval.uid, Instant::now()) {
                    true => self.renew_status(&approval).await?,
                    false => left = Left::Status,
                }
            }
            // Nobody is left to be shown anything, once it is certain that the approval is gone.
            None if !self.synced.load(Ordering::Acquire) => return Err(UNKNOWN.to_owned()),
            None => {}
        }
        let versions = runs.iter().map(|kept| (kept.run.id, kept.version)).collect();
        self.store.shown_runs(versions, left).await.map_err(|error| error.to_string())?;
        self.desk.shown.tell(runs.iter().map(|kept| kept.run.id));
        Ok(())
    }

    async fn follow(&self, approval: &WebhookApproval, run: &Run, strategy: Option<&Json>) -> Result<(), String> {
        if run.phase == Phase::Requesting && run.attempts == 0 {
            self.request(approval, run, strategy.cloned()).await?;
        }
        if showing::has_commit_status(approval, run) && self.is_newest(run).await? {
            // Without its strategy there is nobody to report to.
            if let Some(strategy) = strategy {
                self.write_commit_status(approval, run, strategy).await?;
            }
        }
        if !run.phase.is_open() {
            self.tell(run);
            self.roll_back(approval, run).await?;
        }
        Ok(())
    }

    async fn strategy(&self, approval: &WebhookApproval) -> Result<Option<Json>, String> {
        let Some(reference) = &approval.spec.promotion_strategy_ref else { return Ok(None) };
        let namespace = approval.id().namespace;
        let found = objects::read(&self.client, &namespace, &objects::strategy(), &reference.name).await;
        found.map_err(|error| format!("failed to read the PromotionStrategy {}: {error}", reference.name))
    }

    /// An older run of the same environment must not take back what a newer one says.
    async fn is_newest(&self, run: &Run) -> Result<bool, String> {
        let filter = RunFilter {
            namespace: Some(run.approval.namespace.clone()),
            name: Some(run.approval.name.clone()),
            branch: Some(run.subject.branch.clone()),
            limit: 1,
            ..RunFilter::default()
        };
        let newest = self.store.runs(&filter).await.map_err(|error| error.to_string())?;
        Ok(newest.first().is_some_and(|newest| newest.run.id == run.id))
    }

    /// Makes a run's request durable; made again, the one that is there is adopted.
    async fn request(&self, approval: &WebhookApproval, run: &Run, strategy: Option<Json>) -> Result<(), String> {
        let (labels, annotations) = objects::namespace(&self.client, &run.approval.namespace).await;
        let application = match (&approval.spec.application_ref, run.subject.branch.split_once('/')) {
            (Some(_), Some((namespace, name))) => {
                let found = objects::read(&self.client, namespace, &application(), name).await;
                found.map_err(|error| format!("failed to read the Application {namespace}/{name}: {error}"))?
            }
            _ => None,
        };
        let mut shown = serde_json::to_value(approval).unwrap_or_default();
        if let Some(metadata) = shown["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        let spec = &approval.spec.http_request;
        let method = spec.method.map(|method| serde_json::to_value(method).unwrap_or_default());
        let fixed = method.as_ref().and_then(Json::as_str).map(str::to_owned);
        let asked = Asked {
            run: run.id,
            approval: run.approval.clone(),
            subject: run.subject.clone(),
            stage: run.stage,
            deadline_ms: run.deadline_ms,
            templates: Templates {
                url: spec.url_template.clone(),
                method: fixed.or_else(|| spec.method_template.clone()).unwrap_or_default(),
                headers: spec.header_templates.clone(),
                body: spec.body_template.clone(),
            },
            world: World { approval: shown, strategy, application, labels, annotations },
        };
        let (object, change) = asking::delivery(&asked)?;
        match self.store.commit(&object, vec![change], clock::now().millis()).await {
            Ok(_) => {
                (self.committed)();
                Ok(())
            }
            Err(error @ crate::outbox::Error::Unstorable(_)) => {
                let event = Event::Undeliverable { cause: error.to_string() };
                self.desk.apply(run.id, event).await.map(|_| ()).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// What an open run says may be there already; that of a decided one cannot be.
    async fn write_commit_status(&self, approval: &WebhookApproval, run: &Run, strategy: &Json) -> Result<(), String> {
        let wanted = self.commit_status(approval, run, strategy);
        commit_status::apply_for_approval(&self.client, &wanted, run.phase.is_open()).await
    }

    fn commit_status(&self, approval: &WebhookApproval, run: &Run, strategy: &Json) -> Json {
        let now = clock::now();
        let fill = |buffer: &mut [u8]| rand::rng().fill_bytes(buffer);
        let around = Surroundings { now: Time::unix(now.secs, now.nanos), local: Location::Utc, random: &fill };
        let url = self.desk.callback_url(run.id);
        showing::commit_status(approval, strategy, run, (&self.engine, &url, &around))
    }

    /// The status of an approval with the condition that it has.
    async fn renew_status(&self, approval: &WebhookApproval) -> Result<(), String> {
        let before = showing::ready_before(approval).cloned();
        self.write_status(approval, before.unwrap_or_else(|| showing::ready(approval, None, &now()))).await
    }

    /// The status of an approval; runs opened through the API are in the store only.
    async fn write_status(&self, approval: &WebhookApproval, ready: Condition) -> Result<(), String> {
        let id = approval.id();
        let filter = RunFilter {
            namespace: Some(id.namespace.clone()),
            name: Some(id.name.clone()),
            limit: 200,
            ..RunFilter::default()
        };
        let mut runs = self.store.runs(&filter).await.map_err(|error| error.to_string())?;
        runs.retain(|kept| kept.run.approval.uid == id.uid && !kept.run.subject.branch.is_empty());
        let status = showing::status(approval, &runs, ready);
        if approval.status.as_ref() == Some(&status) {
            return Ok(());
        }
        self.pauses.wrote_status(&id.uid, Instant::now());
        if let Some(written) = showing::write_status(&self.client, approval, &status).await? {
            self.desk.shelf.renew(written);
        }
        Ok(())
    }

    /// An Event on the approval.
    fn tell(&self, run: &Run) {
        let ApprovalId { namespace, name, uid } = run.approval.clone();
        let (reason, warning) = match run.phase {
            Phase::Succeeded => ("RunSucceeded", false),
            Phase::Failed => ("RunFailed", true),
            Phase::TimedOut => ("RunTimedOut", true),
            Phase::Cancelled => ("RunCancelled", false),
            Phase::Superseded | Phase::Requesting | Phase::Waiting => return,
        };
        let said = markdown::to_plain(&run.message, 256);
        let message = format!(
            "run {} for {} at {}: {}{}{said}",
            run.id,
            markdown::without_control(&run.subject.branch),
            markdown::without_control(&run.subject.sha),
            markdown::without_control(&run.reason),
            if said.is_empty() { "" } else { ": " },
        );
        let message = with_link(message, self.links.run(run.id).as_deref());
        let object = ObjectId { namespace, name, uid };
        self.reporter.report(Report { kind: "WebhookApproval", object, reason: reason.to_owned(), message, warning });
    }

    /// Starts Argo CD's rollback, once for each Application and SHA.
    async fn roll_back(&self, approval: &WebhookApproval, run: &Run) -> Result<(), String> {
        let wanted = approval.spec.on_failure.is_some_and(|rules| rules.rollback);
        if !wanted || approval.spec.application_ref.is_none() || !matches!(run.phase, Phase::Failed | Phase::TimedOut) {
            return Ok(());
        }
        let mark = format!("{ROLLBACKS}{}/{}", run.subject.branch, run.subject.sha);
        if self.store.value(&mark).await.map_err(|error| error.to_string())?.is_some() {
            return Ok(());
        }
        let rejected = self.rejected(run).await?;
        let done = rollback::start(&self.client, approval, run, &rejected).await?;
        let ApprovalId { namespace, name, uid } = run.approval.clone();
        let (reason, message, warning) = match done {
            rollback::Done::Started => {
                ("RollbackStarted", format!("{} is rolled back from {}", run.subject.branch, run.subject.sha), false)
            }
            rollback::Done::Refused(why) => {
                ("RollbackRefused", format!("{} is not rolled back: {why}", run.subject.branch), true)
            }
        };
        let object = ObjectId { namespace, name, uid };
        self.reporter.report(Report { kind: "WebhookApproval", object, reason: reason.to_owned(), message, warning });
        let noted = format!("{} {reason}", clock::now().millis());
        self.store.set_value(&mark, noted.into_bytes()).await.map_err(|error| error.to_string())
    }

    /// Revisions of an Application that were rejected.
    async fn rejected(&self, run: &Run) -> Result<Vec<String>, String> {
        let filter = RunFilter {
            namespace: Some(run.approval.namespace.clone()),
            name: Some(run.approval.name.clone()),
            branch: Some(run.subject.branch.clone()),
            is_open: Some(false),
            limit: 1_000,
            ..RunFilter::default()
        };
        let over = self.store.runs(&filter).await.map_err(|error| error.to_string())?;
        let bad = over.into_iter().filter(|kept| matches!(kept.run.phase, Phase::Failed | Phase::TimedOut));
        Ok(bad.map(|kept| kept.run.subject.sha).collect())
    }
}

/// The time as conditions have it.
fn now() -> String {
    view::time(clock::now().millis())
}
