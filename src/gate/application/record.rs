//! What is kept of an Application: where it belongs, how it is. Not the object.
//!
//! Expressions see this as `app`, in the Application's own shape. What is not listed here is not there for them.

use serde_json::{Map, Value as Json, json};

/// Characters of an operation's message that are kept.
const LONGEST_MESSAGE: usize = 256;

/// One Application.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.labels`, which gates select by.
    pub labels: Vec<(String, String)>,
    /// As expressions see it.
    pub view: Json,
}

impl Record {
    /// Keeps what counts of an object.
    #[must_use]
    pub fn of(application: &Json) -> Self {
        let text = |path: &str| application.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned();
        let labels = application.pointer("/metadata/labels").and_then(Json::as_object).into_iter().flatten();
        let labels = labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        Self {
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            labels: labels.collect(),
            view: view(application),
        }
    }
    /// A text of the view; empty where there is none.
    pub(super) fn text(&self, path: &str) -> &str {
        self.view.pointer(path).and_then(Json::as_str).unwrap_or_default()
    }
}

fn view(application: &Json) -> Json {
    let of = |path: &str, members: &[&str]| pick(application.pointer(path), members);
    let source = ["repoURL", "path", "targetRevision", "chart"];
    let sources = application.pointer("/spec/sources").and_then(Json::as_array);
    let sources = sources.map(|all| all.iter().map(|one| pick(Some(one), &source)).collect::<Vec<_>>());
    let hydrator = application.pointer("/spec/sourceHydrator").filter(|hydrator| hydrator.is_object()).map(|_| {
        json!({
            "drySource": of("/spec/sourceHydrator/drySource", &source),
            "syncSource": of("/spec/sourceHydrator/syncSource", &["repoURL", "targetBranch", "path"]),
        })
    });
    let hydrated = application.pointer("/status/sourceHydrator").filter(|hydrator| hydrator.is_object()).map(|_| {
        let members = ["phase", "message", "drySHA", "hydratedSHA"];
        json!({"currentOperation": of("/status/sourceHydrator/currentOperation", &members)})
    });
    let mut operation = of("/status/operationState", &["phase", "message", "startedAt", "finishedAt"]);
    if operation.is_object() {
        operation["syncResult"] = of("/status/operationState/syncResult", &["revision", "revisions"]);
    }
    json!({
        "metadata": of("/metadata", &["name", "namespace", "uid", "labels"]),
        "spec": {
            "project": application.pointer("/spec/project"),
            "destination": of("/spec/destination", &["server", "name", "namespace"]),
            "source": of("/spec/source", &source),
            "sources": sources,
            "sourceHydrator": hydrator,
        },
        "status": {
            "health": of("/status/health", &["status", "lastTransitionTime"]),
            "sync": of("/status/sync", &["status", "revision", "revisions"]),
            "operationState": operation,
            "sourceHydrator": hydrated,
        },
    })
}

/// An object with some of its members, long texts cut; null where there is none.
fn pick(object: Option<&Json>, members: &[&str]) -> Json {
    let Some(object) = object.and_then(Json::as_object) else { return Json::Null };
    let kept = members.iter().filter_map(|name| Some(((*name).to_owned(), short(object.get(*name)?))));
    Json::Object(kept.collect::<Map<_, _>>())
}

fn short(value: &Json) -> Json {
    match value {
        Json::String(text) if text.chars().count() > LONGEST_MESSAGE => {
            Json::String(text.chars().take(LONGEST_MESSAGE).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_small_whatever_the_object_is() {
        let resources: Vec<_> = (0..500).map(|n| json!({"name": n, "status": "Synced"})).collect();
        let record = Record::of(&json!({
            "metadata": {"name": "a", "namespace": "argocd", "labels": {"x": "y"}, "annotations": {"big": "b".repeat(9000)}},
            "spec": {"source": {"repoURL": "r", "helm": {"values": "v".repeat(9000)}}},
            "status": {"resources": resources, "operationState": {"phase": "Failed", "message": "m".repeat(9000)}},
        }));
        assert!(record.view.to_string().len() < 1500, "{}", record.view.to_string().len());
        assert_eq!(record.labels, [("x".to_owned(), "y".to_owned())]);
        assert_eq!(record.text("/status/operationState/phase"), "Failed");
        assert_eq!(record.text("/status/health/status"), "");
    }
}
