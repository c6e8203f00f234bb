//! Whether an Application's status can be believed (`spec/notifications.md` 3.1).
//!
//! Argo CD writes the end of an operation before it looks at the result: until it has looked, nothing is evaluated.

use crate::notify::model::Reason;
use gatepost_value::{Time, Value};
use std::cmp::Ordering;

/// Why the object is not evaluated, if so.
pub fn skipped(object: &Value) -> Option<Reason> {
    let text = |path: &[&str]| object.at(path).and_then(|value| value.as_str().map(str::to_owned));
    let phase = text(&["status", "operationState", "phase"])?;
    if !matches!(phase.as_str(), "Succeeded" | "Failed" | "Error") {
        return None;
    }
    let finished = text(&["status", "operationState", "finishedAt"]).and_then(|at| Time::parse_rfc3339(&at).ok());
    let Some(finished) = finished else { return Some(Reason::SyncStatusOutOfDate) };
    let looked_since = |field: &str| {
        let at = text(&["status", field]).and_then(|at| Time::parse_rfc3339(&at).ok());
        at.is_some_and(|at| at.compare(&finished) != Ordering::Less)
    };
    (!looked_since("reconciledAt") && !looked_since("observedAt")).then_some(Reason::SyncStatusOutOfDate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_value::json::{Numbers, from_serde};
    use serde_json::json;

    fn is_skipped(status: serde_json::Value) -> bool {
        skipped(&from_serde(&json!({"status": status}), Numbers::Kubernetes)).is_some()
    }

    #[test]
    fn an_operation_that_nobody_looked_at_is_waited_for() {
        let at = |s: u32| format!("2026-11-01T10:00:{s:02}Z");
        let done = |finished: u32| json!({"phase": "Succeeded", "finishedAt": at(finished)});
        assert!(!is_skipped(json!({"operationState": done(10), "reconciledAt": at(10)})));
        assert!(is_skipped(json!({"operationState": done(10), "reconciledAt": at(9)})));
        assert!(!is_skipped(json!({"operationState": done(10), "reconciledAt": at(9), "observedAt": at(11)})));
        assert!(is_skipped(json!({"operationState": {"phase": "Failed"}, "reconciledAt": at(9)})));
        assert!(is_skipped(json!({"operationState": {"phase": "Error", "finishedAt": "soon"}, "reconciledAt": at(9)})));
        assert!(!is_skipped(json!({"operationState": {"phase": "Running"}})));
        assert!(!is_skipped(json!({})));
    }
}
