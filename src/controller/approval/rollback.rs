//! Argo CD's own rollback of an Application after a failed approval: read, judged, written in one update against the version that
//! was read. Only where the Application itself allows it; refused with a reason otherwise.

use super::crd::{OnFailure, WebhookApproval};
use crate::gate::approval::{ApprovalId, Run};
use crate::source::kubernetes::application;
use kube::api::{Api, DynamicObject, PostParams};
use serde_json::{Map, Value as Json, json};

/// Annotation by which an Application lets an approval roll it back. Read, never written.
pub const ALLOWED_BY: &str = "gatepost.dev/allow-rollback-by";
/// Tries against others who change the Application.
const TRIES: usize = 5;

/// Why there is no rollback.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another approval's, or nobody's.
    #[error("the Application does not allow it: it needs the annotation {ALLOWED_BY}: {0}")]
    NotAllowed(String),
    /// On its way out.
    #[error("the Application is being deleted")]
    Deleting,
    /// Something else is being done.
    #[error("an operation is running or waiting")]
    Busy,
    /// It would be synced forward again at once.
    #[error(
        "automated sync is on and would sync forward again at once; switch it off, or set onFailure.suspendAutomation"
    )]
    Automated,
    /// The SHA that failed is not what is deployed.
    #[error("the Application is not at the revision that failed any more")]
    MovedOn,
    /// Nothing to go back to.
    #[error("there is no earlier revision to go back to")]
    NoTarget,
}

/// Who starts the rollbacks of an approval, as Argo CD shows it.
#[must_use]
pub fn initiator(id: &ApprovalId) -> String {
    format!("gatepost:{}/{}", id.namespace, id.name)
}

/// The Application as it is to be written, to roll a failed revision back. `rejected`: revisions that a rollback must not lead to.
///
/// # Errors
/// Why it is not rolled back.
pub fn planned(app: &Json, id: &ApprovalId, rules: OnFailure, sha: &str, rejected: &[String]) -> Result<Json, Refusal> {
    let owner = format!("{}/{}", id.namespace, id.name);
    if app["metadata"]["annotations"].get(ALLOWED_BY).and_then(Json::as_str) != Some(owner.as_str()) {
        return Err(Refusal::NotAllowed(owner));
    }
    if !app["metadata"]["deletionTimestamp"].is_null() {
        return Err(Refusal::Deleting);
    }
    let running = matches!(app["status"]["operationState"]["phase"].as_str(), Some("Running" | "Terminating"));
    if !app["operation"].is_null() || running {
        return Err(Refusal::Busy);
    }
    let mut next = app.clone();
    if is_automated(app) {
        if !rules.suspend_automation {
            return Err(Refusal::Automated);
        }
        next["spec"]["syncPolicy"]["automated"]["enabled"] = json!(false);
    }
    let history = app["status"]["history"].as_array().map_or(&[][..], Vec::as_slice);
    if !history.last().is_some_and(|entry| revisions(entry).contains(&sha)) {
        return Err(Refusal::MovedOn);
    }
    let is_good = |entry: &&Json| {
        let at = revisions(entry);
        !at.is_empty()
            && !at.contains(&sha)
            && !at.iter().any(|r| rejected.iter().any(|bad| bad == r))
            && has_source(entry)
    };
    let target = history.iter().rev().find(is_good).ok_or(Refusal::NoTarget)?;
    next["operation"] = operation(app, target, id);
    next["status"]["operationState"] = Json::Null;
    Ok(next)
}

fn is_automated(app: &Json) -> bool {
    let automated = &app["spec"]["syncPolicy"]["automated"];
    !automated.is_null() && automated["enabled"] != json!(false)
}

/// Revisions of an entry of the history.
fn revisions(entry: &Json) -> Vec<&str> {
    let several = entry["revisions"].as_array().into_iter().flatten().filter_map(Json::as_str);
    entry["revision"].as_str().into_iter().chain(several).filter(|revision| !revision.is_empty()).collect()
}

fn has_source(entry: &Json) -> bool {
    let filled = |value: &Json| value.as_object().is_some_and(|object| !object.is_empty());
    filled(&entry["source"]) || entry["sources"].as_array().is_some_and(|all| !all.is_empty())
}

fn operation(app: &Json, target: &Json, id: &ApprovalId) -> Json {
    let mut sync = Map::new();
    for name in ["revision", "revisions", "source", "sources"] {
        if let Some(value) = target.get(name).filter(|value| !value.is_null()) {
            sync.insert(name.to_owned(), value.clone());
        }
    }
    let policy = &app["spec"]["syncPolicy"];
    if let Some(options) = policy.get("syncOptions").filter(|options| !options.is_null()) {
        sync.insert("syncOptions".to_owned(), options.clone());
    }
    sync.insert("prune".to_owned(), policy["automated"].get("prune").cloned().unwrap_or(json!(false)));
    sync.insert("syncStrategy".to_owned(), json!({"apply": {}}));
    json!({"sync": sync, "initiatedBy": {"username": initiator(id)}})
}

/// Whether the last operation of an Application is a rollback of this approval.
#[must_use]
pub fn is_own(app: &Json, id: &ApprovalId) -> bool {
    app["status"]["operationState"]["operation"]["initiatedBy"]["username"].as_str() == Some(initiator(id).as_str())
}

/// What became of a rollback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// It was started.
    Started,
    /// It was refused.
    Refused(String),
}

/// Rolls an Application back, against others who change it meanwhile.
///
/// # Errors
/// The API server cannot be asked; to be tried again.
pub async fn start(
    client: &kube::Client,
    approval: &WebhookApproval,
    run: &Run,
    rejected: &[String],
) -> Result<Done, String> {
    let id = approval.id();
    let Some((namespace, name)) = run.subject.branch.split_once('/') else {
        return Ok(Done::Refused("the run is bound to no Application".to_owned()));
    };
    let rules = approval.spec.on_failure.unwrap_or_default();
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &application());
    for _ in 0..TRIES {
        let found = api.get_opt(name).await.map_err(|error| format!("failed to read the Application: {error}"))?;
        let Some(found) = found else { return Ok(Done::Refused("the Application is gone".to_owned())) };
        let app = serde_json::to_value(&found).map_err(|error| error.to_string())?;
        let next = match planned(&app, &id, rules, &run.subject.sha, rejected) {
            Ok(next) => next,
            Err(refusal) => return Ok(Done::Refused(refusal.to_string())),
        };
        let next: DynamicObject = serde_json::from_value(next).map_err(|error| error.to_string())?;
        match api.replace(name, &PostParams::default(), &next).await {
            Ok(_) => return Ok(Done::Started),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(kube::Error::Api(status)) if status.code == 403 => {
                return Ok(Done::Refused(
                    "Gatepost may not update Applications; see the Role of docs/approvals.md".to_owned(),
                ));
            }
            Err(error) => return Err(format!("failed to write the Application: {error}")),
        }
    }
    Err(format!("others changed the Application {TRIES} times in a row"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn id() -> ApprovalId {
        ApprovalId { namespace: "team".into(), name: "tests".into(), uid: "u".into() }
    }

    fn app() -> Json {
        let entry =
            |revision: &str| json!({"id": 1, "revision": revision, "source": {"repoURL": "https://g", "path": "."}});
        json!({
            "metadata": {"annotations": {ALLOWED_BY: "team/tests"}},
            "spec": {"syncPolicy": {"syncOptions": ["CreateNamespace=true"]}},
            "status": {"history": [entry("r1"), entry("r2"), entry("r3")], "operationState": {"phase": "Succeeded"}},
        })
    }

    fn plan(app: &Json, rejected: &[&str]) -> Result<Json, Refusal> {
        let rejected: Vec<String> = rejected.iter().map(|r| (*r).to_owned()).collect();
        planned(app, &id(), OnFailure::default(), "r3", &rejected)
    }

    #[test]
    fn the_newest_revision_that_was_not_rejected_is_gone_back_to() {
        let next = plan(&app(), &[]).unwrap();
        assert_eq!(
            next["operation"],
            json!({
                "sync": {"revision": "r2", "source": {"repoURL": "https://g", "path": "."}, "prune": false,
                    "syncOptions": ["CreateNamespace=true"], "syncStrategy": {"apply": {}}},
                "initiatedBy": {"username": "gatepost:team/tests"},
            })
        );
        assert!(next["status"]["operationState"].is_null());
        assert_eq!(plan(&app(), &["r2"]).unwrap()["operation"]["sync"]["revision"], "r1");
        assert_eq!(plan(&app(), &["r2", "r1"]), Err(Refusal::NoTarget));
    }

    #[test]
    fn it_is_refused_where_the_application_does_not_let_it() {
        let with = |path: &str, value: Json| {
            let mut app = app();
            *app.pointer_mut(path).unwrap() = value;
            plan(&app, &[]).unwrap_err()
        };
        assert!(matches!(with("/metadata/annotations", json!({})), Refusal::NotAllowed(_)));
        assert_eq!(
            with("/metadata", json!({"annotations": {ALLOWED_BY: "team/tests"}, "deletionTimestamp": "x"})),
            Refusal::Deleting
        );
        assert_eq!(with("/status/operationState", json!({"phase": "Running"})), Refusal::Busy);
        assert_eq!(with("/spec/syncPolicy", json!({"automated": {}})), Refusal::Automated);
        assert_eq!(with("/status/history", json!([{"revision": "r4", "source": {"path": "."}}])), Refusal::MovedOn);
        let sourceless = json!([{"revision": "r2", "source": {}}, {"revision": "r3", "source": {"path": "."}}]);
        assert_eq!(with("/status/history", sourceless), Refusal::NoTarget);
        let mut busy = app();
        busy["operation"] = json!({"sync": {}});
        assert_eq!(plan(&busy, &[]), Err(Refusal::Busy));
    }

    #[test]
    fn automation_is_suspended_only_where_it_is_wanted() {
        let mut app = app();
        app["spec"]["syncPolicy"]["automated"] = json!({"prune": true, "enabled": true});
        let rules = OnFailure { rollback: true, suspend_automation: true };
        let next = planned(&app, &id(), rules, "r3", &[]).unwrap();
        assert_eq!(next["spec"]["syncPolicy"]["automated"]["enabled"], false);
        assert_eq!(next["operation"]["sync"]["prune"], true);
        app["spec"]["syncPolicy"]["automated"]["enabled"] = json!(false);
        assert!(plan(&app, &[]).is_ok(), "switched off already");
    }

    #[test]
    fn its_own_rollback_is_known() {
        let mut app = app();
        assert!(!is_own(&app, &id()));
        app["status"]["operationState"]["operation"] = json!({"initiatedBy": {"username": "gatepost:team/tests"}});
        assert!(is_own(&app, &id()));
    }
}
