//! The desk: where callbacks, people and the API meet the runs. A decision is durable before anybody hears of it; of two who
//! decide at once the store's version lets one win, and the other one is answered with what is recorded.

use super::access::{Issuer, Refusal, Wanted};
use super::callers::{Admitted, too_many};
use super::clients::Clients;
use super::ringkeeper::RingKeeper;
use super::shelf::Shelf;
use super::shown::Shown;
use crate::clock;
use crate::controller::identity::{Cluster, Issuers, Limits, People};
use crate::controller::{Changes, Links, What};
use crate::gate::approval::{Body, Case, Event, Outcome, Run, RunId};
use crate::outbox::Error as StoreError;
use crate::outbox::runs::{Kept, Runs};
use crate::telemetry::Metrics;
use serde_json::Value;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How long a callback waits for its CommitStatus.
const SHOWN_PATIENCE: Duration = Duration::from_secs(5);
/// Times that a change is tried against others who change the same run.
const TRIES: usize = 16;

/// Everything that is needed to judge a callback.
pub struct Desk {
    /// The runs.
    pub store: Arc<dyn Runs>,
    /// The approvals.
    pub shelf: Arc<Shelf>,
    /// The keys.
    pub ring: Arc<RingKeeper>,
    /// Gatepost's own token endpoint.
    pub issuer: Issuer,
    /// Issuers of others.
    pub issuers: Arc<Issuers>,
    /// Who knows people and service accounts; `None` on a folder.
    pub cluster: Option<Arc<dyn Cluster>>,
    /// Clients of the token endpoint; `None` on a folder.
    pub clients: Option<Arc<dyn Clients>>,
    /// People of the issuer that the settings name.
    pub people: Option<Arc<People>>,
    /// How often somebody may come.
    pub limits: Limits,
    /// Woken when a run changed: status and CommitStatus are owed.
    pub changed: Notify,
    /// The same, for those who only watch.
    pub changes: Changes,
    /// Those who wait until their run is shown.
    pub shown: Shown,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Where the dashboard shows a run.
    pub links: Links,
}

/// What a token request came to.
pub enum Issued {
    /// The body of the answer.
    Token(Value),
    /// Refused.
    Refused(Refusal),
    /// Too often.
    TooMany(u32),
    /// Keys or cluster are away.
    Away,
}

/// A run as it is after an event.
pub struct Changed {
    /// The run.
    pub run: Run,
    /// What the event came to.
    pub outcome: Outcome,
}

impl Desk {
    /// Where a run is answered.
    #[must_use]
    pub fn callback_url(&self, id: RunId) -> String {
        format!("{}/callbacks/v1/runs/{id}", self.issuer.url)
    }

    /// Takes the body of a caller that was admitted.
    pub async fn take(&self, admitted: Admitted, bytes: &[u8]) -> Case {
        let body = match Body::parse(bytes) {
            Ok(body) => body,
            Err(why) => return Case::Unusable(why),
        };
        let (decision, by) = (body.success.is_some(), admitted.caller);
        let (message, body_sha256) = (body.message, body.sha256);
        let event = match body.success {
            Some(success) => Event::Decision { success, message, body_sha256, by },
            None => Event::Progress { message, body_sha256, by },
        };
        match self.apply_to(admitted.kept, event).await {
            Ok(Changed { run, outcome }) => {
                let shown = !self.is_to_be_shown(&run, outcome, decision) || self.is_shown(run.id).await;
                Case::Judged { outcome, decision, shown, run: Box::new(run) }
            }
            Err(error) => {
                tracing::warn!(%error, "a callback was not recorded");
                Case::StoreAway
            }
        }
    }

    /// Applies an event to a run of this id; `None`: there is no such run.
    ///
    /// # Errors
    /// The store did not take it; nothing is recorded.
    pub async fn apply(&self, id: RunId, event: Event) -> Result<Option<Changed>, StoreError> {
        match self.store.run(id).await? {
            Some(kept) => self.apply_to(kept, event).await.map(Some),
            None => Ok(None),
        }
    }

    /// Applies an event to a run that was read.
    ///
    /// # Errors
    /// The store did not take it; nothing is recorded.
    pub async fn apply_to(&self, mut kept: Kept, event: Event) -> Result<Changed, StoreError> {
        for _ in 0..TRIES {
            let now_ms = clock::now().millis();
            let step = kept.run.clone().on(event.clone(), now_ms);
            if step.run == kept.run {
                return Ok(Changed { run: step.run, outcome: step.outcome });
            }
            if self.store.put_run(&step.run, kept.version, now_ms).await? {
                self.told(&kept.run, &step.run, &event);
                self.has_changed();
                return Ok(Changed { run: step.run, outcome: step.outcome });
            }
            let Some(anew) = self.store.run(kept.run.id).await? else { break };
            kept = anew;
        }
        Err(StoreError::Unavailable { what: "change a run", cause: "others changed it again and again".to_owned() })
    }

    /// A run changed: what shows it is woken, and whoever watches sees it.
    pub(super) fn has_changed(&self) {
        self.changed.notify_one();
        self.changes.bump(What::Approvals);
    }

    /// Metrics and the log.
    fn told(&self, before: &Run, run: &Run, event: &Event) {
        if !before.phase.is_open() || run.phase.is_open() {
            return;
        }
        let seconds = std::time::Duration::from_millis(
            run.decided_ms.unwrap_or(run.requested_ms).saturating_sub(run.requested_ms).max(0).unsigned_abs(),
        );
        self.metrics.approval_runs.with_label_values(&[run.phase.as_str()]).inc();
        self.metrics.approval_decided.observe(seconds.as_secs_f64());
        let by = match event {
            Event::Decision { by, .. } | Event::Cancelled { by, .. } => by.label(),
            Event::Vote { person, .. } => format!("person:{}", person.user),
            _ => "gatepost".to_owned(),
        };
        let message = crate::gate::approval::markdown::to_plain(&run.message, 512);
        let approval = format!("{}/{}", run.approval.namespace, run.approval.name);
        tracing::info!(approval, run = %run.id, branch = run.subject.branch, sha = run.subject.sha,
            phase = run.phase.as_str(), by, reason = run.reason, message, page = self.links.run(run.id), "a run was decided");
    }

    /// Whether a caller is kept waiting for the CommitStatus: a fresh decision that ended a run of a strategy.
    fn is_to_be_shown(&self, run: &Run, outcome: Outcome, decision: bool) -> bool {
        let approval = self.shelf.of(&run.approval);
        let of_strategy = approval.is_some_and(|approval| approval.spec.promotion_strategy_ref.is_some());
        decision && outcome == Outcome::Changed && !run.phase.is_open() && of_strategy
    }

    /// Waits until a run is shown as it is.
    async fn is_shown(&self, id: RunId) -> bool {
        const LOOK: Duration = Duration::from_millis(500);
        let look = || async move { matches!(self.store.run(id).await, Ok(Some(kept)) if !kept.owed) };
        self.shown.wait(id, SHOWN_PATIENCE, LOOK, look).await
    }

    /// Answers a token request.
    pub async fn issue(&self, form: &[u8], authorization: Option<&str>, from: IpAddr) -> Issued {
        let wanted = match Wanted::read(form, authorization) {
            Ok(wanted) => wanted,
            Err(refusal) => return Issued::Refused(refusal),
        };
        if let Err(wait) = self.limits.token(from, &wanted.client_id) {
            return Issued::TooMany(wait.0);
        }
        let Some(clients) = &self.clients else { return Issued::Away };
        let client = match clients.client(&wanted.client_id).await {
            Ok(client) => client,
            Err(error) => {
                tracing::warn!(%error, "no token can be issued now");
                return Issued::Away;
            }
        };
        match self.issuer.issue(&self.ring.ring(), &wanted, client.as_ref(), clock::now().millis()) {
            Ok(Ok(token)) => Issued::Token(token),
            Ok(Err(refusal)) => Issued::Refused(refusal),
            Err(error) => {
                tracing::error!(%error, "no token can be issued");
                Issued::Away
            }
        }
    }

    /// Counts a call of somebody known to the API.
    ///
    /// # Errors
    /// Too often.
    pub fn count_call(&self, name: &str) -> Result<(), Case> {
        self.limits.caller(name).map_err(too_many)
    }
}
