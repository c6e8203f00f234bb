//! A PromotionStrategy as gates see it: which environments a gate is about, and their commits.

use super::spec::{ReportOn, Spec};
use serde_json::Value as Json;

/// A PromotionStrategy object.
#[derive(Debug, Clone)]
pub struct Strategy {
    /// `metadata.name`.
    pub name: String,
    /// Name of the GitRepository.
    pub repository: String,
    /// The whole object, as expressions and templates see it.
    pub object: Json,
}

/// The commit of an environment cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The Promoter has not reported on the environment yet.
    #[error("environment {0:?} not found in PromotionStrategy status")]
    NotReported(String),
    /// It has, and knows no commit.
    #[error("no SHA available for environment {branch:?} (reportOn: {report_on:?})")]
    NoSha {
        /// The environment's branch.
        branch: String,
        /// `proposed` or `active`.
        report_on: &'static str,
    },
}

/// An environment that a gate is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its branch.
    pub branch: String,
    /// The commit to judge.
    pub sha: String,
}

impl Strategy {
    /// Reads an object; what it lacks is empty.
    #[must_use]
    pub fn read(object: Json) -> Self {
        let text = |path: &str| object.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned();
        Self { name: text("/metadata/name"), repository: text("/spec/gitRepositoryRef/name"), object }
    }
    /// Branches of the environments that name a key, in the strategy's order.
    #[must_use]
    pub fn branches(&self, key: &str, report_on: ReportOn) -> Vec<String> {
        let list = report_on.list();
        let names = |of: Option<&Json>| {
            let selectors = of.and_then(|of| of.get(list)).and_then(Json::as_array).into_iter().flatten();
            selectors.filter_map(|selector| selector.get("key")?.as_str()).any(|name| name == key)
        };
        let everywhere = names(self.object.get("spec"));
        self.branches_where(|environment| everywhere || names(Some(environment)))
    }
    /// Branches of all environments, in the strategy's order.
    #[must_use]
    pub fn every_branch(&self) -> Vec<String> {
        self.branches_where(|_| true)
    }
    fn branches_where(&self, applies: impl Fn(&Json) -> bool) -> Vec<String> {
        let environments = self.object.pointer("/spec/environments").and_then(Json::as_array).into_iter().flatten();
        let branch = |environment: &Json| environment.get("branch").and_then(Json::as_str).map(str::to_owned);
        environments.filter(|environment| applies(environment)).filter_map(branch).collect()
    }
    /// The environments that a gate is about, with their commits: all of them, or none and why.
    ///
    /// # Errors
    /// Where one commit cannot be told.
    pub fn environments(&self, spec: &Spec) -> Result<Vec<Environment>, Error> {
        let with_sha = |branch: String| {
            let sha = self.sha(&branch, spec.report_on)?;
            Ok(Environment { branch, sha })
        };
        self.branches(&spec.key, spec.report_on).into_iter().map(with_sha).collect()
    }
    /// The commit of an environment.
    ///
    /// # Errors
    /// Where it cannot be told.
    pub fn sha(&self, branch: &str, report_on: ReportOn) -> Result<String, Error> {
        let entries = self.object.pointer("/status/environments").and_then(Json::as_array).into_iter().flatten();
        let mut of_branch = entries.filter(|entry| entry.get("branch").and_then(Json::as_str) == Some(branch));
        // Of two entries the Promoter's own map keeps the later one.
        let entry = of_branch.next_back().ok_or_else(|| Error::NotReported(branch.to_owned()))?;
        let sha = entry.pointer(&format!("/{}/hydrated/sha", report_on.as_str())).and_then(Json::as_str);
        let no_sha = || Error::NoSha { branch: branch.to_owned(), report_on: report_on.as_str() };
        sha.filter(|sha| !sha.is_empty()).map(str::to_owned).ok_or_else(no_sha)
    }
}

impl ReportOn {
    /// As the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Active => "active",
        }
    }
    /// The field of a strategy, or of an environment, that names keys for it.
    #[must_use]
    pub const fn list(self) -> &'static str {
        match self {
            Self::Proposed => "proposedCommitStatuses",
            Self::Active => "activeCommitStatuses",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn strategy() -> Strategy {
        Strategy::read(json!({"metadata": {"name": "app"}, "spec": {
            "gitRepositoryRef": {"name": "repo"}, "activeCommitStatuses": [{"key": "health"}],
            "environments": [{"branch": "dev"}, {"branch": "prod", "proposedCommitStatuses": [{"key": "change"}]}]},
            "status": {"environments": [
                {"branch": "dev", "active": {"hydrated": {"sha": "a1"}}, "proposed": {"hydrated": {"sha": ""}}},
                {"branch": "prod", "active": {"hydrated": {"sha": "a2"}}}]}}))
    }

    #[test]
    fn a_key_applies_everywhere_or_where_it_is_named() {
        let strategy = strategy();
        assert_eq!(strategy.branches("health", ReportOn::Active), ["dev", "prod"]);
        assert_eq!(strategy.branches("change", ReportOn::Proposed), ["prod"]);
        // Only the list of `reportOn` counts.
        assert_eq!(strategy.branches("health", ReportOn::Proposed), [""; 0]);
        assert_eq!(strategy.repository, "repo");
    }

    #[test]
    fn commits_are_told_or_missed_by_name() {
        let strategy = strategy();
        assert_eq!(strategy.sha("prod", ReportOn::Active).unwrap(), "a2");
        let missing = |branch, report_on| strategy.sha(branch, report_on).unwrap_err().to_string();
        assert_eq!(
            missing("dev", ReportOn::Proposed),
            "no SHA available for environment \"dev\" (reportOn: \"proposed\")"
        );
        assert_eq!(missing("test", ReportOn::Active), "environment \"test\" not found in PromotionStrategy status");
    }
}
