//! Shows runs where people and the Promoter look: the CommitStatus on the SHA, and `status.runs` of the approval. Derived from what
//! the store holds, so that a decided run never goes back, whoever shows it. Nothing is written that is there already.

use super::crd::{Condition, RunStatus, WebhookApproval, WebhookApprovalStatus};
use super::opening::Hindrance;
use super::view;
use crate::gate::approval::markdown::{DESCRIPTION_MAX, clip, to_plain, without_control};
use crate::gate::approval::request::{World, commit_phase, text_about};
use crate::gate::approval::{Phase, Run, run};
use crate::gate::engine::{Engine, Surroundings};
use crate::gate::names;
use crate::outbox::runs::Kept;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value as Json, json};

/// The field manager of everything that is shown.
const MANAGER: &str = "gatepost.dev/approvals";
/// Decided runs that the status keeps beside the open ones.
const DECIDED_SHOWN: usize = 10;
/// Characters of a message in the status.
const MESSAGE_MAX: usize = 256;

/// The CommitStatus of a run, as it is applied.
pub(super) fn commit_status(
    approval: &WebhookApproval,
    strategy: &Json,
    run: &Run,
    (engine, callback_url, around): (&Engine, &str, &Surroundings<'_>),
) -> Json {
    let world = World {
        approval: serde_json::to_value(approval).unwrap_or_default(),
        strategy: Some(strategy.clone()),
        ..World::default()
    };
    let text = |name: &str, source: &str| match source.trim() {
        "" => String::new(),
        _ => text_about(engine, (name, source), &world, run, callback_url, around)
            .unwrap_or_else(|failure| failure.to_string()),
    };
    let description = match text("descriptionTemplate", &approval.spec.description_template) {
        empty if empty.is_empty() => described(run),
        text => text,
    };
    let key = &approval.spec.key;
    let mut spec = json!({
        "gitRepositoryRef": {"name": strategy.pointer("/spec/gitRepositoryRef/name").cloned().unwrap_or_default()},
        "sha": run.subject.sha,
        "name": format!("{key}/{}", run.subject.branch),
        "description": clip(&without_control(&description).replace('\n', " "), DESCRIPTION_MAX),
        "phase": commit_phase(run.phase),
    });
    let url = text("urlTemplate", &approval.spec.url_template);
    if url::Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
        spec["url"] = json!(url);
    }
    let (id, branch) = (approval.id(), &run.subject.branch);
    let mut labels = json!({
        names::KEY_LABEL: key,
        names::ENVIRONMENT_LABEL: names::label(branch),
        "gatepost.dev/webhook-approval": names::label(&id.name),
    });
    // The Promoter reads only what carries its strategy's instance id.
    if let Some(instance) = strategy.pointer("/metadata/labels").and_then(|labels| labels.get(names::INSTANCE_LABEL)) {
        labels[names::INSTANCE_LABEL] = instance.clone();
    }
    json!({
        "apiVersion": "promoter.argoproj.io/v1alpha1",
        "kind": "CommitStatus",
        "metadata": {
            "name": names::unique(&format!("{}-{branch}-webhook-approval", id.name)),
            "namespace": id.namespace,
            "labels": labels,
            "ownerReferences": [{
                "apiVersion": "gatepost.dev/v1alpha1", "kind": "WebhookApproval", "name": id.name, "uid": id.uid,
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": spec,
    })
}

/// What people read of a run without a template.
fn described(run: &Run) -> String {
    let said = to_plain(&run.message, DESCRIPTION_MAX);
    if said.is_empty() { run.reason.clone() } else { said }
}

/// The `Ready` condition of an approval: not ready where something hinders it.
pub(super) fn ready(approval: &WebhookApproval, hindrance: Option<&Hindrance>, now: &str) -> Condition {
    let (status, reason, message) = match hindrance {
        Some(hindrance) => ("False", hindrance.reason, hindrance.message.as_str()),
        None => ("True", "Watching", "runs are opened and answered"),
    };
    let since = ready_before(approval).filter(|before| before.status == status);
    Condition {
        type_: "Ready".to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        last_transition_time: since.map_or_else(|| now.to_owned(), |since| since.last_transition_time.clone()),
        observed_generation: approval.metadata.generation,
    }
}

/// The condition as it is stored.
pub(super) fn ready_before(approval: &WebhookApproval) -> Option<&Condition> {
    approval.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == "Ready")
}

/// The status of an approval with these runs, newest first.
pub(super) fn status(approval: &WebhookApproval, runs: &[Kept], ready: Condition) -> WebhookApprovalStatus {
    let mut decided = 0;
    let shown = runs.iter().filter(|kept| {
        decided += usize::from(!kept.run.phase.is_open());
        kept.run.phase.is_open() || decided <= DECIDED_SHOWN
    });
    let runs = shown.take(run::OPEN_MAX).map(|kept| run_status(&kept.run)).collect();
    WebhookApprovalStatus { observed_generation: approval.metadata.generation, runs, conditions: vec![ready] }
}

fn run_status(run: &Run) -> RunStatus {
    RunStatus {
        id: run.id.to_string(),
        branch: without_control(&run.subject.branch),
        sha: without_control(&run.subject.sha),
        phase: run.phase.as_str().to_owned(),
        requested_at: view::time(run.requested_ms),
        deadline: view::time(run.deadline_ms),
        answered_at: run.answer.as_ref().map(|answer| view::time(answer.at_ms)),
        answered_by: run.answer.as_ref().map(|answer| without_control(&answer.by.label())),
        message: to_plain(&run.message, MESSAGE_MAX),
        reason: clip(&without_control(&run.reason), MESSAGE_MAX),
        approvals: run.votes.iter().filter(|vote| vote.approve).map(|vote| without_control(&vote.user)).collect(),
        attempts: run.attempts,
    }
}

/// Writes the status of an approval, and returns the approval as it is then; none where it is gone.
pub(super) async fn write_status(
    client: &kube::Client,
    approval: &WebhookApproval,
    status: &WebhookApprovalStatus,
) -> Result<Option<WebhookApproval>, String> {
    let id = approval.id();
    let api: Api<WebhookApproval> = Api::namespaced(client.clone(), &id.namespace);
    let body = json!({
        "apiVersion": "gatepost.dev/v1alpha1", "kind": "WebhookApproval",
        "metadata": {"name": id.name, "uid": id.uid}, "status": status,
    });
    match api.patch_status(&id.name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&body)).await {
        Ok(written) => Ok(Some(written)),
        // Gone, or another one of the same name.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
        Err(error) => Err(format!("failed to write the status of {}/{}: {error}", id.namespace, id.name)),
    }
}

/// Whether a run has a CommitStatus: superseded ones leave it to their successor.
pub(super) fn has_commit_status(approval: &WebhookApproval, run: &Run) -> bool {
    approval.spec.promotion_strategy_ref.is_some() && !run.subject.branch.is_empty() && run.phase != Phase::Superseded
}
