//! What people and machines are shown of a run. Text from outside is one plain line here; its Markdown goes along for pages.

use crate::gate::approval::markdown::{clip, to_html, to_plain, without_control};
use crate::gate::approval::run::{Entry, Vote};
use crate::gate::approval::{Run, Subject};
use serde::Serialize;
use utoipa::ToSchema;

/// Characters of a message in lists.
const MESSAGE_MAX: usize = 512;

/// RFC 3339 with whole seconds.
#[must_use]
pub fn time(ms: i64) -> String {
    let at = jiff::Timestamp::from_second(ms.div_euclid(1000)).unwrap_or_default();
    at.to_string()
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunSummary {
    /// Its id.
    pub id: String,
    /// `<namespace>/<name>` of its approval.
    pub approval: String,
    /// Branch of the environment; `<namespace>/<name>` of the Application; empty for a run opened through the API.
    pub branch: String,
    /// The SHA that is judged, or the name that its caller gave it.
    pub sha: String,
    /// When in a deployment: `beforeDeployment`, `withinDeployment` or `afterDeployment`.
    pub stage: &'static str,
    /// `requesting`, `waiting`, `succeeded`, `failed`, `timedOut`, `superseded` or `cancelled`.
    pub phase: &'static str,
    /// Why it is where it is.
    pub reason: String,
    /// What the last callback said, as plain text.
    pub message: String,
    /// When it was opened.
    pub requested_at: String,
    /// When it times out.
    pub deadline: String,
    /// When it was decided; null while it is open.
    #[schema(required = true)]
    pub decided_at: Option<String>,
    /// What the outside process answered; null without an answer.
    #[schema(required = true)]
    pub success: Option<bool>,
    /// People who approved.
    pub approvals: u32,
    /// People who have to.
    pub needed: u32,
}

/// Everything of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunDetail {
    /// In short.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// Times that its request was tried.
    pub attempts: u32,
    /// Login that opened it, where one did.
    pub opened_by: String,
    /// What the last callback said, as harmless HTML.
    pub message_html: String,
    /// What people said.
    pub votes: Vec<VoteView>,
    /// The audit trail.
    pub trail: Vec<TrailEntry>,
}

/// What a person said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct VoteView {
    /// Login.
    pub user: String,
    /// Yes or no.
    pub approve: bool,
    /// When.
    pub at: String,
    /// Address.
    pub from: String,
    /// Why.
    pub reason: String,
}

/// An entry of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrailEntry {
    /// When.
    pub at: String,
    /// Who.
    pub by: String,
    /// Address.
    pub from: String,
    /// What happened.
    pub what: String,
    /// SHA-256 of the callback's body, in hex; empty without one.
    pub body_sha256: String,
}

/// A run in a list.
#[must_use]
pub fn short(run: &Run) -> RunSummary {
    let Subject { branch, sha } = &run.subject;
    RunSummary {
        id: run.id.to_string(),
        approval: format!("{}/{}", run.approval.namespace, run.approval.name),
        branch: without_control(branch),
        sha: without_control(sha),
        stage: run.stage.as_str(),
        phase: run.phase.as_str(),
        reason: clip(&without_control(&run.reason), MESSAGE_MAX),
        message: to_plain(&run.message, MESSAGE_MAX),
        requested_at: time(run.requested_ms),
        deadline: time(run.deadline_ms),
        decided_at: run.decided_ms.map(time),
        success: run.answer.as_ref().map(|answer| answer.success),
        approvals: run.approvals(),
        needed: run.needed,
    }
}

/// Everything of a run.
#[must_use]
pub fn whole(run: &Run) -> RunDetail {
    RunDetail {
        summary: short(run),
        attempts: run.attempts,
        opened_by: without_control(&run.opened_by),
        message_html: to_html(&run.message),
        votes: run.votes.iter().map(vote).collect(),
        trail: run.trail.iter().map(entry).collect(),
    }
}

fn vote(vote: &Vote) -> VoteView {
    VoteView {
        user: without_control(&vote.user),
        approve: vote.approve,
        at: time(vote.at_ms),
        from: vote.from.clone(),
        reason: clip(&without_control(&vote.reason), MESSAGE_MAX),
    }
}

fn entry(entry: &Entry) -> TrailEntry {
    TrailEntry {
        at: time(entry.at_ms),
        by: without_control(&entry.by.label()),
        from: entry.by.from.clone(),
        what: clip(&without_control(&entry.what), MESSAGE_MAX),
        body_sha256: entry.body_sha256.clone(),
    }
}
