//! What the API does with runs: list, show, vote, end, open. Everybody is known before anything is looked up, and the cluster
//! says what they may do; a client or subject that an approval believes may read its runs.

use super::callers::Known;
use super::crd::{StageName, WebhookApproval};
use super::deed::Deed;
use super::desk::{Changed, Desk};
use super::view::{self, RunDetail, RunSummary};
use crate::clock;
use crate::controller::identity::Identity;
use crate::gate::approval::people::may_vote;
use crate::gate::approval::{ApprovalId, Caller, Case, Event, Opening, Outcome, Run, RunId, Subject, run};
use crate::outbox::Error as StoreError;
use crate::outbox::runs::{Kept, Opened, RunFilter};
use serde::Serialize;
use std::net::IpAddr;
use std::sync::Arc;

/// Least time between two notes that a run was asked for.
const POLL_NOTED_MS: i64 = 60_000;
/// Longest name of a run that its caller chooses.
const NAME_MAX: usize = 128;
/// Longest reason that a person gives.
const REASON_MAX: usize = 1024;

/// A call of the API.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Who calls.
    pub who: Claimed<'a>,
    /// From which address.
    pub from: IpAddr,
}

/// Who calls, as far as the listener knows.
#[derive(Debug, Clone)]
pub enum Claimed<'a> {
    /// The bearer token, if one came; to be judged.
    Bearer(Option<&'a str>),
    /// Judged by the listener already.
    Known {
        /// Who.
        known: Known,
        /// Whether the listener lets them read everything.
        reads_all: bool,
    },
}

/// Runs, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunList {
    /// The runs.
    pub items: Vec<RunSummary>,
}

/// What a call of the API came to, besides its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// A case of the answer table: nobody known, too often, the store away.
    Case(Case),
    /// Known, but not for this; why.
    Forbidden(String),
    /// There is no such thing.
    NotFound(String),
    /// The request cannot be fulfilled as it is.
    Invalid(String),
    /// The run is decided already.
    Decided(Box<Run>),
    /// Too many runs are open.
    Full,
}

impl From<Case> for Denied {
    fn from(case: Case) -> Self {
        Self::Case(case)
    }
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "the API could not work on runs");
        Self::Case(Case::StoreAway)
    }
}

impl Desk {
    /// Who a caller is.
    async fn known(&self, call: &Call<'_>, about: Option<&Arc<WebhookApproval>>) -> Result<Known, Denied> {
        let known = match (&call.who, about) {
            (Claimed::Known { known, .. }, _) => Ok(known.clone()),
            (Claimed::Bearer(None | Some("")), _) => Err(Case::Unknown),
            (Claimed::Bearer(Some(bearer)), None) => self.identify_person(bearer, call.from).await,
            (Claimed::Bearer(Some(bearer)), about) => self.identify(bearer, about, call.from).await,
        };
        match known {
            Ok(known) => {
                self.count_call(&known.caller(call.from).label())?;
                Ok(known)
            }
            Err(Case::Unknown) => Err(self.wrong(call.from).into()),
            Err(case) => Err(case.into()),
        }
    }

    /// A caller that the cluster can be asked about: people and service accounts.
    async fn person(&self, call: &Call<'_>) -> Result<(Known, Identity), Denied> {
        let known = self.known(call, None).await?;
        match &known {
            Known::Cluster(identity) | Known::Person(identity) => Ok((known.clone(), identity.clone())),
            _ => Err(Denied::Forbidden(
                "decisions are made by people under their own login: log in with OIDC, or bring a token of the cluster with the audience gatepost"
                    .to_owned(),
            )),
        }
    }

    async fn require(&self, who: &Identity, deed: Deed, id: &ApprovalId) -> Result<(), Denied> {
        if self.may(who, deed, id).await? {
            return Ok(());
        }
        let what = match (id.namespace.as_str(), id.name.as_str()) {
            ("", _) => "WebhookApprovals of all namespaces".to_owned(),
            (namespace, "") => format!("WebhookApprovals of the namespace {namespace}"),
            (namespace, name) => format!("WebhookApproval {namespace}/{name}"),
        };
        Err(Denied::Forbidden(format!("the cluster does not let {} do this with the {what}", who.user)))
    }

    async fn require_read(&self, call: &Call<'_>, known: &Known, id: &ApprovalId) -> Result<(), Denied> {
        if matches!(call.who, Claimed::Known { reads_all: true, .. }) {
            return Ok(());
        }
        if let Known::Cluster(identity) | Known::Person(identity) = known {
            return self.require(identity, Deed::Read, id).await;
        }
        let believed = match self.shelf.of(id) {
            Some(approval) => self.may_answer(known, &approval).await?,
            None => false,
        };
        if believed {
            Ok(())
        } else {
            Err(Denied::Forbidden("this caller is not believed by that approval".to_owned()))
        }
    }

    /// Runs of one namespace, or of one approval, newest first.
    ///
    /// # Errors
    /// Denied, or the store is away.
    pub async fn list_runs(&self, call: Call<'_>, filter: RunFilter) -> Result<RunList, Denied> {
        let named = filter.namespace.as_deref().zip(filter.name.as_deref());
        let approval = named.and_then(|(namespace, name)| self.shelf.named(namespace, name));
        let known = self.known(&call, approval.as_ref()).await?;
        let id = approval.map_or_else(
            || ApprovalId {
                namespace: filter.namespace.clone().unwrap_or_default(),
                name: filter.name.clone().unwrap_or_default(),
                uid: String::new(),
            },
            |approval| approval.id(),
        );
        self.require_read(&call, &known, &id).await?;
        let found = self.store.runs(&filter).await?;
        Ok(RunList { items: found.iter().map(|kept| view::short(&kept.run)).collect() })
    }

    /// One run with everything.
    ///
    /// # Errors
    /// Denied, no such run, or the store is away.
    pub async fn show_run(&self, call: Call<'_>, id: &str) -> Result<RunDetail, Denied> {
        let kept = self.read_run(id).await?;
        let approval = kept.as_ref().and_then(|kept| self.shelf.of(&kept.run.approval));
        let known = self.known(&call, approval.as_ref()).await?;
        let kept = kept.ok_or_else(|| no_run(id))?;
        self.require_read(&call, &known, &kept.run.approval).await?;
        Ok(view::whole(&kept.run))
    }

    async fn read_run(&self, id: &str) -> Result<Option<Kept>, Denied> {
        match id.parse::<RunId>() {
            Ok(id) => Ok(self.store.run(id).await?),
            Err(_) => Ok(None),
        }
    }

    /// A person's vote.
    ///
    /// # Errors
    /// Denied, no such run, decided already, or the store is away.
    pub async fn vote(&self, call: Call<'_>, id: &str, approve: bool, reason: &str) -> Result<RunDetail, Denied> {
        let (_, who) = self.person(&call).await?;
        let kept = self.read_run(id).await?.ok_or_else(|| no_run(id))?;
        self.require(&who, Deed::Approve, &kept.run.approval).await?;
        let approval = self.shelf.of(&kept.run.approval).ok_or_else(|| gone(&kept.run))?;
        let person = who.person();
        may_vote(approval.voters().as_ref(), &kept.run, &person).map_err(|why| Denied::Forbidden(why.to_string()))?;
        let event = Event::Vote { person, approve, reason: cleaned(reason)?, from: call.from.to_string() };
        self.decided(kept, event).await
    }

    /// Whether somebody known may vote on a run as it is: for those who show it. A vote is judged anew.
    pub async fn may_vote(&self, known: &Known, run: &Run) -> bool {
        let (Known::Cluster(who) | Known::Person(who)) = known else { return false };
        let Some(approval) = self.shelf.of(&run.approval) else { return false };
        let listed = run.phase.is_open() && may_vote(approval.voters().as_ref(), run, &who.person()).is_ok();
        listed && self.may(who, Deed::Approve, &run.approval).await.unwrap_or(false)
    }

    /// Ends a run without a decision.
    ///
    /// # Errors
    /// Denied, no such run, decided already, or the store is away.
    pub async fn cancel(&self, call: Call<'_>, id: &str, reason: &str) -> Result<RunDetail, Denied> {
        let (known, who) = self.person(&call).await?;
        let kept = self.read_run(id).await?.ok_or_else(|| no_run(id))?;
        self.require(&who, Deed::Cancel, &kept.run.approval).await?;
        let by = known.caller(call.from);
        self.decided(kept, Event::Cancelled { by, reason: format!("cancelled: {}", cleaned(reason)?) }).await
    }

    async fn decided(&self, kept: Kept, event: Event) -> Result<RunDetail, Denied> {
        let is_cancel = matches!(event, Event::Cancelled { .. });
        let Changed { run, outcome } = self.apply_to(kept, event).await?;
        match outcome {
            Outcome::Changed | Outcome::Same => Ok(view::whole(&run)),
            Outcome::Nothing if is_cancel && run.phase == run::Phase::Cancelled => Ok(view::whole(&run)),
            Outcome::Conflict | Outcome::Late | Outcome::Nothing => Err(Denied::Decided(Box::new(run))),
        }
    }

    /// Opens a run of a name that the caller chooses, or says how it stands: the same call each time.
    ///
    /// # Errors
    /// Denied, no such approval, one whose runs are not opened so, too many open runs, or the store is away.
    pub async fn put_run(&self, call: Call<'_>, namespace: &str, name: &str, run: &str) -> Result<RunSummary, Denied> {
        let (_, who) = self.person(&call).await?;
        let asked = ApprovalId { namespace: namespace.to_owned(), name: name.to_owned(), uid: String::new() };
        self.require(&who, Deed::Run, &asked).await?;
        let approval = self.shelf.named(namespace, name);
        let approval =
            approval.ok_or_else(|| Denied::NotFound(format!("there is no WebhookApproval {namespace}/{name}")))?;
        check_opening(&approval, run)?;
        let opening = Opening {
            id: RunId::new(rand::random()),
            approval: approval.id(),
            subject: Subject { branch: String::new(), sha: run.to_owned() },
            stage: approval.spec.stage.into(),
            timeout_ms: approval.timeout_ms(),
            needed: approval.needed(),
            opened_by: who.user,
            polled: true,
        };
        let step = Run::open(opening, clock::now().millis());
        match self.store.open_run(&step.run, run::OPEN_MAX).await? {
            Opened::New(kept) => {
                self.has_changed();
                Ok(view::short(&kept.run))
            }
            Opened::Known(kept) => self.polled(kept).await,
            Opened::Full => Err(Denied::Full),
        }
    }

    async fn polled(&self, kept: Kept) -> Result<RunSummary, Denied> {
        let is_stale = kept.run.polled_ms.is_none_or(|at| clock::now().millis().saturating_sub(at) >= POLL_NOTED_MS);
        if !kept.run.phase.is_open() || !is_stale {
            return Ok(view::short(&kept.run));
        }
        Ok(view::short(&self.apply_to(kept, Event::Polled).await?.run))
    }

    /// Counts somebody unknown.
    pub(super) fn wrong(&self, from: IpAddr) -> Case {
        self.limits.wrong(from).err().map_or(Case::Unknown, super::callers::too_many)
    }

    /// Ends a run whose approval is gone.
    ///
    /// # Errors
    /// The store is away.
    pub async fn abandon(&self, kept: Kept, why: &str) -> Result<(), StoreError> {
        self.apply_to(kept, Event::Cancelled { by: Caller::own(), reason: why.to_owned() }).await.map(|_| ())
    }
}

fn check_opening(approval: &WebhookApproval, run: &str) -> Result<(), Denied> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if run.is_empty() || run.len() > NAME_MAX || !run.bytes().all(plain) {
        return Err(Denied::Invalid(format!("a run's name is 1 to {NAME_MAX} letters, digits, -, _ and .")));
    }
    let spec = &approval.spec;
    let bound = spec.promotion_strategy_ref.is_some() || spec.application_ref.is_some();
    if bound && spec.stage != StageName::WithinDeployment {
        return Err(Denied::Invalid(
            "the runs of this approval are opened by what it refers to, not through the API".to_owned(),
        ));
    }
    Ok(())
}

fn cleaned(reason: &str) -> Result<String, Denied> {
    if reason.len() > REASON_MAX {
        return Err(Denied::Invalid(format!("a reason has at most {REASON_MAX} bytes")));
    }
    Ok(crate::gate::approval::markdown::without_control(reason))
}

fn no_run(id: &str) -> Denied {
    Denied::NotFound(format!(
        "there is no run {}",
        crate::gate::approval::markdown::clip(&id.escape_default().to_string(), 64)
    ))
}

fn gone(run: &Run) -> Denied {
    Denied::NotFound(format!(
        "the WebhookApproval {}/{} of this run is gone",
        run.approval.namespace, run.approval.name
    ))
}
