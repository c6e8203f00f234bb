//! What is stored of an object. Each kind has its own list in it, and not that of another.

use crate::gate::status::{Condition, Phase};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The status of a gate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// Generation of the spec that it is about.
    pub observed_generation: i64,
    /// One entry for each environment, in the strategy's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<EnvironmentStatus>,
    /// The Applications that are selected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub applications_selected: Vec<SelectedApplication>,
    /// Conditions as they are stored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The installation that wrote it.
    #[serde(rename = "instanceID", skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
}

/// An Application that is selected, as the Promoter's kind stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SelectedApplication {
    /// Empty for the cluster that this is.
    #[serde(default)]
    pub cluster_name: String,
    /// The branch that it follows.
    pub environment: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it comes to by itself, at whatever commit.
    pub phase: Phase,
    /// The commit that it is synced to; empty where it is not.
    #[serde(default)]
    pub sha: String,
    /// When its health changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<String>,
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
    /// What is said of it.
    pub phase: Phase,
    /// The same in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The Applications that it was judged by; at most [`MOST_APPLICATIONS`], those that are no success first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<ApplicationStatus>,
}

/// Applications of an environment that are stored.
pub const MOST_APPLICATIONS: usize = 20;

/// What one Application came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationStatus {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it came to.
    pub phase: Phase,
    /// The commit that it is at.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha: String,
    /// Argo CD's word for its health.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub health: String,
    /// Argo CD's word for its sync.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sync: String,
    /// What `when.output` gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Json>,
}

impl EnvironmentStatus {
    /// The entry of a branch.
    #[must_use]
    pub fn find<'e>(entries: &'e [Self], branch: &str) -> Option<&'e Self> {
        entries.iter().find(|entry| entry.branch == branch)
    }
}
