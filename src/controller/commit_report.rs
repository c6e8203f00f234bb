//! Writes the CommitStatus that a notification asks for, within its limits: the strategy named must show the commit as
//! proposed or active, no other object may report on the same key and commit, and only the platform's configuration may ask.

use super::gate::{kinds, write_commit_status};
use crate::egress::{Error, Response};
use crate::gate::names;
use crate::notify::ServiceConfig;
use crate::service::{Answer, CommitReport};
use async_trait::async_trait;
use kube::api::{Api, DynamicObject, ListParams};
use serde_json::{Value as Json, json};
use std::time::Duration;

/// The field manager.
const MANAGER: &str = "gatepost.dev/commitstatus";
/// Label that says which service wrote a CommitStatus.
const SERVICE_LABEL: &str = "gatepost.dev/commitstatus-service";

/// Writes CommitStatuses for notifications.
#[async_trait]
pub trait CommitReports: Send + Sync + 'static {
    /// Writes one. The answer's status: 200 written, 404 no such strategy, 409 somebody else reports, 412 the strategy does not
    /// show the commit, else the API server's.
    async fn report(&self, service: &ServiceConfig, report: &CommitReport) -> Answer;
}

/// Writes them to a cluster.
pub struct ClusterReports {
    client: kube::Client,
}

impl ClusterReports {
    /// Writes with this client.
    #[must_use]
    pub fn new(client: kube::Client) -> Self {
        Self { client }
    }

    async fn written(&self, service: &ServiceConfig, report: &CommitReport) -> Result<(), (u16, String)> {
        let strategy = self.strategy(report).await?;
        let Some(branch) = branch_of(&strategy, &report.sha) else {
            let CommitReport { namespace, strategy, sha, .. } = report;
            return Err((
                412,
                format!(
                    "PromotionStrategy {namespace}/{strategy} shows commit {sha} neither as proposed nor as active"
                ),
            ));
        };
        let wanted = object(service, report, &strategy, &branch);
        let name = wanted["metadata"]["name"].as_str().unwrap_or_default();
        if let Some(other) = self.other(report, name).await? {
            let CommitReport { key, sha, .. } = report;
            return Err((409, format!("CommitStatus {other} reports on key {key} and commit {sha} already")));
        }
        write_commit_status(&self.client, &report.namespace, name, &wanted, MANAGER)
            .await
            .map(drop)
            .map_err(|error| said(&error))
    }

    async fn strategy(&self, report: &CommitReport) -> Result<Json, (u16, String)> {
        let api = kinds::api(&self.client, &report.namespace, &kinds::strategy());
        match api.get_opt(&report.strategy).await {
            Ok(Some(found)) => serde_json::to_value(found).map_err(|error| (500, error.to_string())),
            Ok(None) => Err((404, format!("there is no PromotionStrategy {}/{}", report.namespace, report.strategy))),
            Err(error) => Err(said(&error)),
        }
    }

    /// Another CommitStatus on the same key and commit, anywhere: the Promoter takes two for none.
    async fn other(&self, report: &CommitReport, own: &str) -> Result<Option<String>, (u16, String)> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &kinds::commit_status());
        let of_key = ListParams::default().labels(&format!("{}={}", names::KEY_LABEL, report.key));
        let found = api.list(&of_key).await.map_err(|error| said(&error))?;
        let place = |one: &DynamicObject| {
            (one.metadata.namespace.clone().unwrap_or_default(), one.metadata.name.clone().unwrap_or_default())
        };
        let same_commit = found.items.iter().filter(|one| one.data["spec"]["sha"] == report.sha.as_str()).map(place);
        let mut others = same_commit.filter(|(namespace, name)| *namespace != report.namespace || name != own);
        Ok(others.next().map(|(namespace, name)| format!("{namespace}/{name}")))
    }
}

#[async_trait]
impl CommitReports for ClusterReports {
    async fn report(&self, service: &ServiceConfig, report: &CommitReport) -> Answer {
        if !service.namespace.is_empty() {
            return Err(Error::Refused {
                target: "the cluster's CommitStatuses".into(),
                rule: format!("the configuration of namespace '{}' may not write them", service.namespace),
                setting: "the service to the controller's own configuration".into(),
            });
        }
        let (status, words) = self.written(service, report).await.err().unwrap_or((200, String::new()));
        let body = words.into_bytes().into();
        Ok(Response { status, headers: Vec::new(), body, truncated: false, elapsed: Duration::ZERO })
    }
}

/// The environment that shows a commit.
fn branch_of(strategy: &Json, sha: &str) -> Option<String> {
    let shows = |entry: &&Json| ["proposed", "active"].iter().any(|side| entry[side]["hydrated"]["sha"] == sha);
    let entries = strategy.pointer("/status/environments")?.as_array()?;
    entries.iter().find(shows)?["branch"].as_str().map(str::to_owned)
}

fn object(service: &ServiceConfig, report: &CommitReport, strategy: &Json, branch: &str) -> Json {
    let text = |path: &str| strategy.pointer(path).and_then(Json::as_str).unwrap_or_default();
    let CommitReport { namespace, key, phase, description, url, sha, .. } = report;
    let mut labels = json!({
        names::KEY_LABEL: key, names::ENVIRONMENT_LABEL: names::label(branch), SERVICE_LABEL: names::label(&service.name),
    });
    // What the Promoter must read carries the label that its strategy carries.
    if let Some(instance) = strategy["metadata"]["labels"][names::INSTANCE_LABEL].as_str() {
        labels[names::INSTANCE_LABEL] = instance.into();
    }
    let name = names::unique(&format!("{}-{key}-{branch}-commitstatus", report.strategy));
    let repository = json!({"name": text("/spec/gitRepositoryRef/name")});
    let mut spec = json!({
        "gitRepositoryRef": repository, "sha": sha, "name": format!("{key}/{branch}"), "description": description, "phase": phase,
    });
    if !url.is_empty() {
        spec["url"] = url.as_str().into();
    }
    // Gone with its strategy; nobody's controller.
    let owner = json!({"apiVersion": kinds::API_VERSION, "kind": "PromotionStrategy", "name": report.strategy, "uid": text("/metadata/uid")});
    json!({
        "apiVersion": kinds::API_VERSION, "kind": "CommitStatus",
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": [owner]},
        "spec": spec,
    })
}

fn said(error: &kube::Error) -> (u16, String) {
    match error {
        kube::Error::Api(status) => (status.code, status.message.clone()),
        other => (503, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn strategy() -> Json {
        json!({
            "metadata": {"uid": "u", "labels": {names::INSTANCE_LABEL: "blue"}}, "spec": {"gitRepositoryRef": {"name": "repo"}},
            "status": {"environments": [
                {"branch": "dev", "proposed": {"hydrated": {"sha": "aa"}}, "active": {"hydrated": {"sha": "bb"}}},
                {"branch": "prod", "proposed": {"hydrated": {"sha": "cc"}}}]},
        })
    }

    #[test]
    fn a_commit_counts_where_the_strategy_shows_it() {
        for (sha, branch) in [("aa", Some("dev")), ("bb", Some("dev")), ("cc", Some("prod")), ("dd", None)] {
            assert_eq!(branch_of(&strategy(), sha).as_deref(), branch, "{sha}");
        }
        assert_eq!(branch_of(&json!({}), "aa"), None);
    }

    #[test]
    fn the_object_is_what_the_promoter_looks_for() {
        let (name, kind) = ("gate".to_owned(), "commitstatus".to_owned());
        let service =
            ServiceConfig { namespace: String::new(), name, kind, options: Json::Null, digest: String::new() };
        let report = CommitReport {
            namespace: "team".into(),
            strategy: "app".into(),
            key: "sync".into(),
            phase: "success".into(),
            description: "ok".into(),
            url: String::new(),
            sha: "aa".into(),
        };
        let object = object(&service, &report, &strategy(), "dev");
        assert_eq!(object["metadata"]["labels"][names::KEY_LABEL], "sync");
        assert_eq!(object["metadata"]["labels"][names::INSTANCE_LABEL], "blue");
        assert_eq!((&object["spec"]["name"], &object["spec"]["sha"]), (&json!("sync/dev"), &json!("aa")));
        assert!(object["spec"].get("url").is_none());
        assert_eq!(object["metadata"]["ownerReferences"][0]["kind"], "PromotionStrategy");
    }
}
