//! A CommitStatus as a gate wants it.

use crate::gate::names;
use crate::gate::spec::{Gate, Spec};
use crate::gate::status::Phase;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// A CommitStatus as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitStatusDraft {
    /// Name of the object.
    pub name: String,
    /// The environment's branch.
    pub branch: String,
    /// The gate's labels; the instance's label is the controller's to add.
    pub labels: BTreeMap<String, String>,
    /// Name of the GitRepository.
    pub repository: String,
    /// The commit.
    pub sha: String,
    /// Name that people see: `<key>/<branch>`.
    pub title: String,
    /// What is said of the commit.
    pub phase: Phase,
    /// A sentence; may be empty.
    pub description: String,
    /// Where to read more; `None` without a template for it.
    pub url: Option<String>,
}

/// The object that a CommitStatus belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// Its group and version.
    pub api_version: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace, which is the CommitStatus's too.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its UID.
    pub uid: &'a str,
}

impl<'a> From<&'a Gate> for Owner<'a> {
    fn from(gate: &'a Gate) -> Self {
        let (namespace, name, uid) = (gate.namespace.as_str(), gate.name.as_str(), gate.uid.as_str());
        Self { api_version: "promoter.argoproj.io/v1alpha1", kind: "WebRequestCommitStatus", namespace, name, uid }
    }
}

impl CommitStatusDraft {
    pub(super) fn new(gate: &Gate, repository: &str, branch: &str, sha: &str, phase: Phase) -> Self {
        let key = &gate.spec.key;
        let labels = [
            (names::KEY_LABEL, key.clone()),
            (names::ENVIRONMENT_LABEL, names::label(branch)),
            (names::GATE_LABEL, names::label(&gate.name)),
        ];
        Self {
            name: names::commit_status(&gate.name, branch),
            branch: branch.to_owned(),
            labels: labels.map(|(name, value)| (name.to_owned(), value)).into(),
            repository: repository.to_owned(),
            sha: sha.to_owned(),
            title: format!("{key}/{branch}"),
            phase,
            description: String::new(),
            url: None,
        }
    }
    /// With its texts rendered.
    pub(super) fn described(
        mut self,
        spec: &Spec,
        render: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Self, String> {
        let drawn =
            |what: &str, text: &str| render(text).map_err(|error| format!("failed to render {what} template: {error}"));
        self.description = drawn("description", &spec.description)?;
        if !spec.url.is_empty() {
            self.url = Some(drawn("URL", &spec.url)?);
        }
        Ok(self)
    }
    /// The object's `spec`.
    #[must_use]
    pub fn spec(&self) -> Json {
        let mut spec = json!({
            "gitRepositoryRef": {"name": self.repository},
            "sha": self.sha,
            "name": self.title,
            "description": self.description,
            "phase": self.phase.as_str(),
        });
        if let Some(url) = &self.url {
            spec["url"] = Json::from(url.as_str());
        }
        spec
    }
    /// The whole object as it is applied: owned by the gate, and labelled for the instance that has to read it.
    #[must_use]
    pub fn object<'a>(&self, owner: impl Into<Owner<'a>>, instance: Option<&str>) -> Json {
        let owner = owner.into();
        let mut labels = self.labels.clone();
        labels.extend(instance.map(|instance| (names::INSTANCE_LABEL.to_owned(), instance.to_owned())));
        json!({
            "apiVersion": "promoter.argoproj.io/v1alpha1",
            "kind": "CommitStatus",
            "metadata": {
                "name": self.name,
                "namespace": owner.namespace,
                "labels": labels,
                "ownerReferences": [{
                    "apiVersion": owner.api_version,
                    "kind": owner.kind,
                    "name": owner.name,
                    "uid": owner.uid,
                    "controller": true,
                    "blockOwnerDeletion": true,
                }],
            },
            "spec": self.spec(),
        })
    }
    /// Whether an object in the cluster is as this one would make it, so that nothing need be written.
    #[must_use]
    pub fn is_applied<'a>(&self, existing: &Json, owner: impl Into<Owner<'a>>, instance: Option<&str>) -> bool {
        let wanted = self.object(owner, instance);
        let labels = wanted.pointer("/metadata/labels").and_then(Json::as_object).into_iter().flatten();
        let mut labels = labels.map(|(name, value)| (existing.pointer("/metadata/labels"), name, value));
        let labelled = labels.all(|(on, name, value)| on.and_then(|on| on.get(name)) == Some(value));
        let strange = instance.is_none()
            && existing.pointer("/metadata/labels").is_some_and(|on| on.get(names::INSTANCE_LABEL).is_some());
        let owners = existing.pointer("/metadata/ownerReferences").and_then(Json::as_array);
        let owner = wanted.pointer("/metadata/ownerReferences/0");
        let owned = owners.is_some_and(|owners| owners.iter().any(|on| Some(on) == owner));
        labelled && !strange && owned && existing.get("spec") == wanted.get("spec")
    }
}
