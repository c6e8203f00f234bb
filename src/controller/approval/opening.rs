//! Opens a run for each SHA that appears, and supersedes those whose SHA went: from a PromotionStrategy's status, or from an
//! Application's operation. What was opened stays opened: the store has one run for each approval, environment and SHA.

use super::cluster_objects as objects;
use super::crd::{StageName, WebhookApproval};
use super::desk::Desk;
use super::rollback;
use crate::clock;
use crate::gate::approval::{Event, Opening, Run, RunId, Subject, run};
use crate::gate::spec::ReportOn;
use crate::gate::strategy::Strategy;
use crate::outbox::runs::{Opened, RunFilter};
use crate::source::kubernetes::application;
use serde_json::Value as Json;

/// Why an approval can open no run whatever is deployed, as its `Ready` condition says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hindrance {
    /// CamelCase.
    pub reason: &'static str,
    /// For people, with what to do.
    pub message: String,
}

/// Opens what is to be opened for one approval. Returns what keeps it from ever opening a run, if something does.
///
/// # Errors
/// The API server or the store is away; to be tried again.
pub(super) async fn consider(
    desk: &Desk,
    client: &kube::Client,
    platform: &str,
    approval: &WebhookApproval,
) -> Result<Option<Hindrance>, String> {
    let namespace = approval.id().namespace;
    let (mut subjects, mut hindrance) = (Vec::new(), None);
    if let Some(strategy) = &approval.spec.promotion_strategy_ref {
        let found = objects::read(client, &namespace, &objects::strategy(), &strategy.name).await;
        let found =
            found.map_err(|error| format!("failed to read the PromotionStrategy {}: {error}", strategy.name))?;
        let found = found.map(Strategy::read);
        subjects.extend(found.iter().flat_map(|strategy| of_strategy(approval, strategy)));
        hindrance = in_strategy(approval, &strategy.name, found.as_ref());
    }
    if let Some(reference) = &approval.spec.application_ref {
        let home = reference.namespace.clone().unwrap_or_else(|| namespace.clone());
        let branch = format!("{home}/{}", reference.name);
        // A tenant's approval acts in its own namespace only.
        if home == namespace || namespace == platform {
            let found = objects::read(client, &home, &application(), &reference.name).await;
            let found = found.map_err(|error| format!("failed to read the Application {}: {error}", reference.name))?;
            if found.is_none() {
                let message = format!("there is no Application {branch}: no run is opened before it is there");
                hindrance = Some(Hindrance { reason: "ApplicationNotFound", message });
            }
            subjects.extend(found.and_then(|app| of_application(approval, &app)).map(|sha| Subject { branch, sha }));
        } else {
            let message = format!(
                "the Application {branch} is of another namespace, and an approval acts on those of its own only: \
                 move the WebhookApproval there"
            );
            hindrance = Some(Hindrance { reason: "ForeignApplication", message });
        }
    }
    for subject in subjects {
        open(desk, approval, subject).await?;
    }
    Ok(hindrance)
}

/// Which commit of an environment a stage is about; none where runs are opened by who deploys.
const fn report_on(stage: StageName) -> Option<ReportOn> {
    match stage {
        StageName::BeforeDeployment => Some(ReportOn::Proposed),
        StageName::AfterDeployment => Some(ReportOn::Active),
        StageName::WithinDeployment => None,
    }
}

/// What keeps an approval from opening runs for a strategy of this name, as it was found.
fn in_strategy(approval: &WebhookApproval, name: &str, found: Option<&Strategy>) -> Option<Hindrance> {
    let report_on = report_on(approval.spec.stage)?;
    let strategy = format!("{}/{name}", approval.id().namespace);
    let Some(found) = found else {
        let message = format!("there is no PromotionStrategy {strategy}: no run is opened before it is there");
        return Some(Hindrance { reason: "StrategyNotFound", message });
    };
    let key = &approval.spec.key;
    let message = format!(
        "PromotionStrategy {strategy} names the key {key:?} nowhere: no run is opened before its {} or those of an environment do",
        report_on.list()
    );
    let is_named = !found.branches(key, report_on).is_empty();
    (!is_named).then_some(Hindrance { reason: "KeyNotNamed", message })
}

/// The SHAs that a strategy shows for the environments that name the key.
fn of_strategy(approval: &WebhookApproval, strategy: &Strategy) -> Vec<Subject> {
    let Some(report_on) = report_on(approval.spec.stage) else { return Vec::new() };
    let branches = strategy.branches(&approval.spec.key, report_on).into_iter();
    // An environment without a SHA yet opens nothing, and keeps no other from it.
    branches.filter_map(|branch| Some(Subject { sha: strategy.sha(&branch, report_on).ok()?, branch })).collect()
}

/// The revision that an Application is synced to, or was.
fn of_application(approval: &WebhookApproval, app: &Json) -> Option<String> {
    let state = &app["status"]["operationState"];
    let (phase, id) = (state["phase"].as_str()?, approval.id());
    if rollback::is_own(app, &id) {
        return None;
    }
    let text = |value: &Json| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    match approval.spec.stage {
        StageName::BeforeDeployment if phase == "Running" => text(&state["syncResult"]["revision"])
            .or_else(|| text(&state["operation"]["sync"]["revision"]))
            .or_else(|| text(&app["status"]["sync"]["revision"])),
        StageName::AfterDeployment if phase == "Succeeded" => text(&state["syncResult"]["revision"]),
        _ => None,
    }
}

async fn open(desk: &Desk, approval: &WebhookApproval, subject: Subject) -> Result<(), String> {
    let opening = Opening {
        id: RunId::new(rand::random()),
        approval: approval.id(),
        subject: subject.clone(),
        stage: approval.spec.stage.into(),
        timeout_ms: approval.timeout_ms(),
        needed: approval.needed(),
        opened_by: String::new(),
        polled: false,
    };
    // Before the new one: an approval that is full makes room so.
    supersede(desk, approval, &subject).await?;
    let step = Run::open(opening, clock::now().millis());
    let opened = desk.store.open_run(&step.run, run::OPEN_MAX).await.map_err(|error| error.to_string())?;
    match opened {
        Opened::New(kept) => {
            let name = format!("{}/{}", kept.run.approval.namespace, kept.run.approval.name);
            tracing::info!(approval = name, run = %kept.run.id, branch = subject.branch, sha = subject.sha, "a run was opened");
            desk.has_changed();
        }
        Opened::Known(_) => {}
        Opened::Full => tracing::warn!(
            approval = approval.id().name,
            branch = subject.branch,
            "as many runs are open as one approval may have ({}); no run was opened",
            run::OPEN_MAX
        ),
    }
    Ok(())
}

async fn supersede(desk: &Desk, approval: &WebhookApproval, subject: &Subject) -> Result<(), String> {
    let id = approval.id();
    let filter = RunFilter {
        namespace: Some(id.namespace),
        name: Some(id.name),
        branch: Some(subject.branch.clone()),
        is_open: Some(true),
        ..RunFilter::default()
    };
    let open = desk.store.runs(&filter).await.map_err(|error| error.to_string())?;
    for kept in open.into_iter().filter(|kept| kept.run.approval.uid == id.uid && kept.run.subject.sha != subject.sha) {
        let event = Event::Superseded { by_sha: subject.sha.clone() };
        desk.apply_to(kept, event).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use serde_json::json;

    fn approval(stage: &str) -> WebhookApproval {
        serde_json::from_value(json!({
            "apiVersion": "gatepost.dev/v1alpha1", "kind": "WebhookApproval",
            "metadata": {"name": "tests", "namespace": "team", "uid": "u"},
            "spec": {"key": "tests", "stage": stage, "httpRequest": {"urlTemplate": "http://x", "method": "POST"}},
        }))
        .unwrap()
    }

    #[test]
    fn a_strategy_shows_the_proposed_or_the_active_sha() {
        let strategy = json!({"metadata": {"name": "app"}, "spec": {
            "proposedCommitStatuses": [{"key": "tests"}], "activeCommitStatuses": [{"key": "tests"}],
            "environments": [{"branch": "dev"}, {"branch": "prod"}]},
            "status": {"environments": [
                {"branch": "dev", "proposed": {"hydrated": {"sha": "p"}}, "active": {"hydrated": {"sha": "a"}}},
                {"branch": "prod", "proposed": {"hydrated": {"sha": ""}}}]}});
        let strategy = Strategy::read(strategy);
        let shas =
            |stage| of_strategy(&approval(stage), &strategy).into_iter().map(|s| (s.branch, s.sha)).collect::<Vec<_>>();
        assert_eq!(shas("beforeDeployment"), [("dev".to_owned(), "p".to_owned())]);
        assert_eq!(shas("afterDeployment"), [("dev".to_owned(), "a".to_owned())]);
        assert!(shas("withinDeployment").is_empty());
    }

    #[test]
    fn a_strategy_that_is_not_there_or_does_not_name_the_key_hinders() {
        let hindered =
            |stage, found: Option<&Strategy>| in_strategy(&approval(stage), "app", found).map(|it| it.reason);
        let of = |list: &str| {
            Strategy::read(json!({"spec": {list: [{"key": "tests"}], "environments": [{"branch": "dev"}]}}))
        };
        assert_eq!(hindered("beforeDeployment", None), Some("StrategyNotFound"));
        assert_eq!(hindered("withinDeployment", None), None, "its runs are opened through the API");
        assert_eq!(hindered("beforeDeployment", Some(&of("proposedCommitStatuses"))), None);
        let other = of("activeCommitStatuses");
        assert_eq!(hindered("beforeDeployment", Some(&other)), Some("KeyNotNamed"));
        assert_eq!(hindered("afterDeployment", Some(&other)), None);
        let said = in_strategy(&approval("beforeDeployment"), "app", Some(&other)).unwrap().message;
        assert!(said.starts_with("PromotionStrategy team/app names the key \"tests\" nowhere"), "{said}");
        assert!(said.contains("its proposedCommitStatuses or those of an environment"), "{said}");
    }

    #[test]
    fn an_application_opens_a_run_before_or_after_its_sync() {
        let app =
            |phase: &str| json!({"status": {"operationState": {"phase": phase, "syncResult": {"revision": "r"}}}});
        assert_eq!(of_application(&approval("afterDeployment"), &app("Succeeded")).as_deref(), Some("r"));
        assert_eq!(of_application(&approval("afterDeployment"), &app("Running")), None);
        assert_eq!(of_application(&approval("beforeDeployment"), &app("Running")).as_deref(), Some("r"));
        let mut own = app("Succeeded");
        own["status"]["operationState"]["operation"]["initiatedBy"]["username"] = json!("gatepost:team/tests");
        assert_eq!(of_application(&approval("afterDeployment"), &own), None, "its own rollback");
    }
}
