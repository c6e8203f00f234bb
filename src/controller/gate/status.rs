//! Writes a gate's status: the whole of it, server-side, or at least why it could not be written.

use super::commit_status::{MANAGER, said};
use super::index::Name;
use super::kinds::{self, API_VERSION, GATE};
use crate::clock;
use crate::gate::Gate;
use crate::gate::ready::{self, Ready};
use crate::gate::status::Status;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value as Json, json};

/// Why a status was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The schema refuses it. The conditions say so, where they could be written.
    #[error("Reconciliation succeeded but failed to apply status: {0}")]
    Refused(String),
    /// The API server did not take it; it may another time.
    #[error("failed to write the status of {gate}: {cause}")]
    Unwritten {
        /// Which.
        gate: Name,
        /// Its words.
        cause: String,
    },
}

/// Writes it, and returns the gate as it is then. A gate that is gone, or another one of the same name, is left alone.
pub(super) async fn write(client: &kube::Client, gate: &Gate, status: &Status) -> Result<Option<DynamicObject>, Error> {
    match apply(client, gate, status.to_json(), MANAGER).await {
        Err(kube::Error::Api(refusal)) if refusal.code == 422 => {
            let error = Error::Refused(refusal.message.clone());
            let stored = gate.status.condition(ready::TYPE);
            let ready = Ready { status: "False".into(), reason: ready::FAILED, message: error.to_string() };
            let condition = ready.condition(stored, gate.generation, &now());
            let conditions = json!({"conditions": [condition]});
            let manager = format!("{MANAGER}-fallback");
            apply(client, gate, conditions, &manager).await.map_err(|error| unwritten(gate, &error))?;
            Err(error)
        }
        other => other.map_err(|error| unwritten(gate, &error)),
    }
}

async fn apply(
    client: &kube::Client,
    gate: &Gate,
    status: Json,
    manager: &str,
) -> Result<Option<DynamicObject>, kube::Error> {
    let api = kinds::api(client, &gate.namespace, &kinds::gate());
    let body = json!({
        "apiVersion": API_VERSION, "kind": GATE,
        "metadata": {"name": gate.name, "namespace": gate.namespace, "uid": gate.uid},
        "status": status,
    });
    match api.patch_status(&gate.name, &PatchParams::apply(manager).force(), &Patch::Apply(&body)).await {
        Ok(written) => Ok(Some(written)),
        // Gone, or of another UID.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
        Err(error) => Err(error),
    }
}

fn unwritten(gate: &Gate, error: &kube::Error) -> Error {
    let name = Name { namespace: gate.namespace.clone(), name: gate.name.clone() };
    Error::Unwritten { gate: name, cause: said(error) }
}

/// The time as conditions have it.
pub(super) fn now() -> String {
    rfc3339(clock::now().secs)
}

/// Unix seconds as conditions have them.
pub(super) fn rfc3339(secs: i64) -> String {
    jiff::Timestamp::from_second(secs).unwrap_or_default().to_string()
}
