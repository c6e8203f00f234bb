//! What happens to one Application, over and over: it fails, is reported, is annotated; it recovers, and the annotation goes again.
//! Each step is taken only when the one before has shown itself outside of Gatepost, so that each failure is decided once.

use crate::env::{Namespace, Receiver};
use crate::promises::{SUBSCRIBED, applications, create, status, trigger};
use gatepost::notify::history;
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long a step is waited for before it counts as lost: many deaths may lie between.
const STEP_PATIENCE: Duration = Duration::from_secs(180);

/// What happened to one Application.
pub struct Told {
    /// Its name.
    pub app: String,
    /// Failures that were to be reported: the messages `0`, `1`, … up to this.
    pub failures: usize,
    /// Where the story got stuck; then something was lost.
    pub stuck: Option<String>,
}

/// One service that sends its delivery's id, one trigger, one template.
pub fn config(url: &str) -> Value {
    let service = json!({
        "url": url, "sendDeliveryId": true, "headers": [{"name": "Content-Type", "value": "application/json"}],
        "answerTimeout": 3_000_000_000_u64, "retryMax": 3, "retryWaitMin": 200_000_000, "retryWaitMax": 200_000_000,
    });
    let body = r#"{"app": "{{.app.metadata.name}}", "message": "{{.app.status.operationState.message}}"}"#;
    json!({
        "service.webhook.hook": service.to_string(),
        "trigger.on-failed": trigger(""),
        "template.failed": json!({"webhook": {"hook": {"method": "POST", "path": "/", "body": body}}}).to_string(),
    })
}

/// Whether the Application holds the annotation.
pub fn is_annotated(app: &DynamicObject) -> bool {
    app.annotations().contains_key(history::ANNOTATION)
}

/// Tells the story until it is enough.
pub async fn tell(namespace: &Namespace, receiver: &Receiver, app: String, enough: CancellationToken) -> Told {
    create(namespace, &app, "Succeeded", json!({SUBSCRIBED: ""})).await;
    let api = applications(namespace).await;
    let mut told = Told { app, failures: 0, stuck: None };
    while !enough.is_cancelled() && told.stuck.is_none() {
        told.stuck = failure(&api, receiver, &told.app, told.failures).await.err();
        told.failures += 1;
    }
    told
}

async fn failure(api: &Api<DynamicObject>, receiver: &Receiver, app: &str, number: usize) -> Result<(), String> {
    let body = format!(r#"{{"app": "{app}", "message": "{number}"}}"#);
    set(api, app, "Failed", number).await;
    shown(&format!("{app} {number} reported"), 20, || async { receiver.has(body.as_bytes()) }).await?;
    shown(&format!("{app} {number} annotated"), 60, || async { annotated(api, app).await == Some(true) }).await?;
    set(api, app, "Succeeded", number).await;
    shown(&format!("{app} {number} forgotten"), 60, || async { annotated(api, app).await == Some(false) }).await
}

async fn set(api: &Api<DynamicObject>, app: &str, phase: &str, number: usize) {
    let status = Patch::Merge(json!({"status": status(phase, "r", &number.to_string())}));
    while api.patch(app, &PatchParams::default(), &status).await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn annotated(api: &Api<DynamicObject>, app: &str) -> Option<bool> {
    api.get(app).await.ok().map(|app| is_annotated(&app))
}

/// Waits for a step, looking every so many milliseconds.
async fn shown<F: Future<Output = bool>>(what: &str, beat_ms: u64, mut probe: impl FnMut() -> F) -> Result<(), String> {
    let begun = Instant::now();
    while begun.elapsed() < STEP_PATIENCE {
        if probe().await {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(beat_ms)).await;
    }
    Err(format!("waited {STEP_PATIENCE:?} in vain for {what}"))
}
