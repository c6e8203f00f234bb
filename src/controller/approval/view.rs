//! What people and machines are shown of a run. Text from outside is one plain line here; its Markdown goes along for pages.

use crate::gate::approval::markdown::{clip, to_html, to_plain, without_control};
use crate::gate::approval::{Run, Subject};
use serde_json::{Value, json};

/// Characters of a message in lists.
const MESSAGE_MAX: usize = 512;

/// RFC 3339 with whole seconds.
#[must_use]
pub fn time(ms: i64) -> String {
    let at = jiff::Timestamp::from_second(ms.div_euclid(1000)).unwrap_or_default();
    at.to_string()
}

/// A run in a list.
#[must_use]
pub fn short(run: &Run) -> Value {
    let Subject { branch, sha } = &run.subject;
    json!({
        "id": run.id,
        "approval": format!("{}/{}", run.approval.namespace, run.approval.name),
        "branch": without_control(branch),
        "sha": without_control(sha),
        "stage": run.stage.as_str(),
        "phase": run.phase.as_str(),
        "reason": clip(&without_control(&run.reason), MESSAGE_MAX),
        "message": to_plain(&run.message, MESSAGE_MAX),
        "requestedAt": time(run.requested_ms),
        "deadline": time(run.deadline_ms),
        "decidedAt": run.decided_ms.map(time),
        "success": run.answer.as_ref().map(|answer| answer.success),
        "approvals": run.approvals(),
        "needed": run.needed,
    })
}

/// Everything of a run.
#[must_use]
pub fn whole(run: &Run) -> Value {
    let mut view = short(run);
    let entry = |entry: &crate::gate::approval::run::Entry| {
        json!({"at": time(entry.at_ms), "by": without_control(&entry.by.label()), "from": entry.by.from,
            "what": clip(&without_control(&entry.what), MESSAGE_MAX), "bodySha256": entry.body_sha256})
    };
    let vote = |vote: &crate::gate::approval::Vote| {
        json!({"user": without_control(&vote.user), "approve": vote.approve, "at": time(vote.at_ms), "from": vote.from,
            "reason": clip(&without_control(&vote.reason), MESSAGE_MAX)})
    };
    view["attempts"] = json!(run.attempts);
    view["openedBy"] = json!(without_control(&run.opened_by));
    view["messageHtml"] = json!(to_html(&run.message));
    view["votes"] = run.votes.iter().map(vote).collect();
    view["trail"] = run.trail.iter().map(entry).collect();
    view
}
