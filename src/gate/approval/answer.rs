//! The answer table of the callback (`spec/approvals.md`), as a function from the case to status and body.
//!
//! Whoever is not known learns nothing: no token, a wrong one and an unknown run read alike.

use super::body::Unusable;
use super::run::{Outcome, Phase, Run};
use serde_json::{Value, json};

/// Seconds after which a caller may come again when the store is away.
const STORE_RETRY_SECONDS: u32 = 5;

/// What a callback came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Case {
    /// Nobody that is known.
    Unknown,
    /// A caller that is known, and no such run.
    NoSuchRun,
    /// A caller that is known, for something else.
    Forbidden,
    /// The body cannot be used.
    Unusable(Unusable),
    /// Too many calls.
    TooMany {
        /// Seconds to wait.
        retry_after: u32,
    },
    /// The store did not take it: nothing is recorded.
    StoreAway,
    /// The run took it, or not.
    Judged {
        /// What the event came to.
        outcome: Outcome,
        /// Whether it was a decision, and not just news.
        decision: bool,
        /// Whether the CommitStatus of a fresh decision is written; `true` where there is none to write.
        shown: bool,
        /// The run as it is now.
        run: Box<Run>,
    },
}

/// Status and body of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// JSON body.
    pub body: Value,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u32>,
}

/// The answer to a case.
#[must_use]
pub fn reply(case: &Case) -> Reply {
    match case {
        Case::Unknown => refusal(401, "Unauthorized", "a valid bearer token for this run is needed"),
        Case::NoSuchRun => refusal(404, "No such run", "there is no run of this id"),
        Case::Forbidden => refusal(403, "Forbidden", "this caller is known, but not for this run"),
        Case::Unusable(why) => unusable(why),
        Case::TooMany { retry_after } => {
            let reply = refusal(429, "Too many requests", "come again later");
            Reply { retry_after: Some(*retry_after), ..reply }
        }
        Case::StoreAway => {
            let reply = refusal(503, "The store is not available", "nothing was recorded; send the same again");
            Reply { retry_after: Some(STORE_RETRY_SECONDS), ..reply }
        }
        Case::Judged { outcome, decision, shown, run } => judged(*outcome, *decision, *shown, run),
    }
}

fn unusable(why: &Unusable) -> Reply {
    match why {
        Unusable::TooLarge | Unusable::MessageTooLarge(_) => refusal(413, "Too large", &why.to_string()),
        Unusable::Form(_) => refusal(400, "Invalid callback", &why.to_string()),
    }
}

fn judged(outcome: Outcome, decision: bool, shown: bool, run: &Run) -> Reply {
    let mut body = state(run);
    let status = match (outcome, decision) {
        (Outcome::Late, _) => 410,
        (Outcome::Conflict, _) => 409,
        (Outcome::Same | Outcome::Nothing, _) => 200,
        (Outcome::Changed, false) => 202,
        (Outcome::Changed, true) if shown => 200,
        (Outcome::Changed, true) => {
            body["commitStatus"] = json!("pending");
            202
        }
    };
    if matches!(status, 409 | 410) {
        let (title, detail) = match status {
            410 => ("The deadline has passed", run.reason.clone()),
            _ => ("Decided already", format!("the run is {}: {}", run.phase.as_str(), run.reason)),
        };
        body["title"] = json!(title);
        body["detail"] = json!(detail);
        body["status"] = json!(status);
    }
    Reply { status, body, retry_after: None }
}

/// What a caller is told of a run.
fn state(run: &Run) -> Value {
    let mut body = json!({"run": run.id, "phase": run.phase, "reason": run.reason});
    if let Some(answer) = &run.answer {
        body["success"] = json!(answer.success);
    } else if run.phase == Phase::Failed {
        body["success"] = json!(false);
    }
    if let Some(at_ms) = run.decided_ms {
        body["decidedMs"] = json!(at_ms);
    }
    body
}

fn refusal(status: u16, title: &str, detail: &str) -> Reply {
    let body = json!({"type": "about:blank", "status": status, "title": title, "detail": detail});
    Reply { status, body, retry_after: None }
}
