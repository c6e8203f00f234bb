//! What is stored of a gate: its status, typed, from and to the JSON of the custom resource.
//!
//! Decides what counts as a change worth writing. Never here: the `Ready` condition's words (`ready`).

use gatepost_value::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// How long a changed `lastRequestTime` alone waits to be written, in seconds.
const UNWRITTEN_SECS: i64 = 60;

/// What a gate says of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Not yet, or not known.
    Pending,
    /// It may pass.
    Success,
    /// It may not.
    Failure,
}

impl Phase {
    /// As the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
    /// From the API's spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Success, Self::Failure].into_iter().find(|phase| phase.as_str() == text)
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The status of a gate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Generation of the spec that it is about.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub observed_generation: i64,
    /// One entry for each environment, in context `environments`.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<EnvironmentStatus>,
    /// The shared state, in context `promotionstrategy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion_strategy_context: Option<StrategyContextStatus>,
    /// Conditions as they are stored.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The installation that wrote it.
    #[serde(default, rename = "instanceID", skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
}

/// State of one environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentStatus {
    /// The environment's branch.
    pub branch: String,
    /// The commit that the phase is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reported_sha: String,
    /// The commit that last succeeded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_successful_sha: String,
    /// What was said of the commit.
    pub phase: Phase,
    /// When the last answer came, and what was kept of it.
    #[serde(flatten)]
    pub kept: Kept,
}

/// State that a request leaves behind, for one environment or for all of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// When the last answer had been read, RFC 3339 to the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_request_time: Option<String>,
    /// Status code of the last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_response_status_code: Option<i64>,
    /// What `trigger.when.output` gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger_output: Option<Json>,
    /// What `trigger.response.output` gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_output: Option<Json>,
    /// What `success.when.output` gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_output: Option<Json>,
}

impl Kept {
    /// When the last answer had been read, in Unix seconds.
    #[must_use]
    pub fn last_request_secs(&self) -> Option<i64> {
        let text = self.last_request_time.as_deref()?;
        Time::parse_rfc3339(text).ok().map(|time| time.secs)
    }
}

/// State of a gate that asks once for all environments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StrategyContextStatus {
    /// What was said of each environment, by branch.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub phase_per_branch: Vec<BranchPhase>,
    /// Which commit last succeeded, by branch.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub last_successful_shas: Vec<BranchSha>,
    /// When the last answer came, and what was kept of it.
    #[serde(flatten)]
    pub kept: Kept,
}

impl StrategyContextStatus {
    /// What was said of a branch.
    #[must_use]
    pub fn phase(&self, branch: &str) -> Option<Phase> {
        self.phase_per_branch.iter().find(|item| item.branch == branch).map(|item| item.phase)
    }
    /// The commit of a branch that last succeeded.
    #[must_use]
    pub fn last_successful_sha(&self, branch: &str) -> Option<&str> {
        let item = self.last_successful_shas.iter().find(|item| item.branch == branch);
        item.map(|item| item.last_successful_sha.as_str())
    }
    /// One phase for all branches: failure if any failed, success if all succeeded, else pending.
    #[must_use]
    pub fn aggregate(&self) -> Phase {
        let mut phases = self.phase_per_branch.iter().map(|item| item.phase);
        if phases.clone().any(|phase| phase == Phase::Failure) {
            return Phase::Failure;
        }
        let all = !self.phase_per_branch.is_empty() && phases.all(|phase| phase == Phase::Success);
        if all { Phase::Success } else { Phase::Pending }
    }
}

/// What was said of a branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchPhase {
    /// The branch.
    pub branch: String,
    /// What was said.
    pub phase: Phase,
}

/// The commit of a branch that last succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BranchSha {
    /// The branch.
    pub branch: String,
    /// The commit.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_successful_sha: String,
}

/// A condition of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Its type, such as `Ready`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Generation that it was seen at.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub observed_generation: i64,
    /// When its status last changed, RFC 3339.
    #[serde(default)]
    pub last_transition_time: String,
    /// One word.
    #[serde(default)]
    pub reason: String,
    /// A sentence.
    #[serde(default)]
    pub message: String,
}

/// A stored status is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Status {
    /// Reads a stored status. Fields that are not known are left out.
    ///
    /// # Errors
    /// Where a field is of another shape than the schema allows.
    pub fn parse(json: &Json) -> Result<Self, Error> {
        if json.is_null() {
            return Ok(Self::default());
        }
        serde_json::from_value(json.clone()).map_err(|error| Error(error.to_string()))
    }
    /// As the custom resource's schema wants it.
    #[must_use]
    pub fn to_json(&self) -> Json {
        serde_json::to_value(self).unwrap_or(Json::Null)
    }
    /// The entry of a branch.
    #[must_use]
    pub fn environment(&self, branch: &str) -> Option<&EnvironmentStatus> {
        self.environments.iter().find(|entry| entry.branch == branch)
    }
    /// The condition of a type.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }
    /// Phases by branch, whatever the context.
    pub fn phases(&self) -> impl Iterator<Item = (&str, Phase)> {
        let shared = self.promotion_strategy_context.iter().flat_map(|context| &context.phase_per_branch);
        let shared = shared.map(|item| (item.branch.as_str(), item.phase));
        self.environments.iter().map(|entry| (entry.branch.as_str(), entry.phase)).chain(shared)
    }
    /// Whether this status has to be written over the stored one. A later `lastRequestTime` alone waits up to a minute,
    /// so that polling does not write at each request.
    #[must_use]
    pub fn differs_from(&self, stored: &Self) -> bool {
        if self.without_times() != stored.without_times() {
            return true;
        }
        let late = |(new, old): (&Kept, &Kept)| match (new.last_request_secs(), old.last_request_secs()) {
            (Some(new), Some(old)) => new.abs_diff(old) >= UNWRITTEN_SECS.unsigned_abs(),
            (new, old) => new.is_some() != old.is_some(),
        };
        self.kept().zip(stored.kept()).any(late)
    }
    fn kept(&self) -> impl Iterator<Item = &Kept> {
        let shared = self.promotion_strategy_context.iter().map(|context| &context.kept);
        self.environments.iter().map(|entry| &entry.kept).chain(shared)
    }
    fn without_times(&self) -> Self {
        let mut out = self.clone();
        let shared = out.promotion_strategy_context.iter_mut().map(|context| &mut context.kept);
        for kept in out.environments.iter_mut().map(|entry| &mut entry.kept).chain(shared) {
            kept.last_request_time = kept.last_request_time.take().map(|_| String::new());
        }
        for condition in &mut out.conditions {
            condition.last_transition_time.clear();
        }
        out
    }
}

fn is_zero(n: &i64) -> bool {
    *n == 0
}

fn or_default<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn polled(at: &str, code: i64) -> Status {
        let entry = json!({"branch": "b", "phase": "pending", "lastRequestTime": at, "lastResponseStatusCode": code});
        Status::parse(&json!({"environments": [entry]})).unwrap()
    }

    #[test]
    fn a_status_goes_to_json_and_back() {
        let json = json!({
            "observedGeneration": 3, "instanceID": "gatepost",
            "conditions": [{"type": "Ready", "status": "True", "reason": "R", "message": "m",
                "observedGeneration": 3, "lastTransitionTime": "2026-01-02T03:04:05Z"}],
            "environments": [{"branch": "b", "reportedSha": "aa", "lastSuccessfulSha": "bb", "phase": "failure",
                "lastRequestTime": "2026-01-02T03:04:05Z", "lastResponseStatusCode": 503,
                "triggerOutput": {"a": 1}, "responseOutput": {}, "successOutput": {"x": [null]}}],
            "promotionStrategyContext": {"phasePerBranch": [{"branch": "b", "phase": "success"}],
                "lastSuccessfulShas": [{"branch": "b", "lastSuccessfulSha": "cc"}]}});
        let status = Status::parse(&json).unwrap();
        assert_eq!(status.to_json(), json);
        assert_eq!(status.environments[0].kept.last_request_secs(), Some(1_767_323_045));
        assert!(Status::parse(&json!({"environments": [{"branch": "b", "phase": "maybe"}]})).is_err());
        assert_eq!(Status::default().to_json(), json!({}));
    }

    #[test]
    fn better_a_later_request_time_alone_is_not_written_for_a_minute() {
        let stored = polled("2026-01-02T03:00:00Z", 200);
        assert!(!polled("2026-01-02T03:00:00Z", 200).differs_from(&stored));
        assert!(!polled("2026-01-02T03:00:59Z", 200).differs_from(&stored));
        assert!(polled("2026-01-02T03:01:00Z", 200).differs_from(&stored));
        assert!(polled("2026-01-02T03:00:01Z", 503).differs_from(&stored));
    }

    #[test]
    fn the_aggregate_is_the_worst() {
        let of = |phases: &[Phase]| {
            let item = |phase: &Phase| BranchPhase { branch: String::new(), phase: *phase };
            let phase_per_branch = phases.iter().map(item).collect();
            StrategyContextStatus { phase_per_branch, ..StrategyContextStatus::default() }.aggregate()
        };
        assert_eq!(of(&[]), Phase::Pending);
        assert_eq!(of(&[Phase::Success, Phase::Success]), Phase::Success);
        assert_eq!(of(&[Phase::Success, Phase::Pending]), Phase::Pending);
        assert_eq!(of(&[Phase::Pending, Phase::Failure]), Phase::Failure);
    }
}
