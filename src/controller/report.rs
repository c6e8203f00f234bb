//! Telling the owner where the owner looks: Kubernetes Events on the Application or the ConfigMap, and the log.

use crate::notify::ObjectId;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Api, PostParams};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;

/// Reports that wait to be written as Events; beyond it they are only logged.
const QUEUE: usize = 1024;
/// Distinct reports remembered, so that the same one is not written again and again.
const REMEMBERED: usize = 4096;

/// One thing an owner should know.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Report {
    /// Kind of the object it is about: `Application`, `AppProject` or `ConfigMap`.
    pub kind: &'static str,
    /// The object.
    pub object: ObjectId,
    /// CamelCase reason of the Event.
    pub reason: String,
    /// What happened and what to do.
    pub message: String,
    /// Whether it is a warning.
    pub warning: bool,
}

/// Takes reports. Called inline: must be quick.
pub trait Reporter: Send + Sync + 'static {
    /// Tells it.
    fn report(&self, report: Report);
}

/// Writes reports to the log only (files mode).
#[derive(Debug, Default)]
pub struct LogReporter;

impl Reporter for LogReporter {
    fn report(&self, report: Report) {
        log(&report);
    }
}

fn log(report: &Report) {
    let resource = format!("{}/{}", report.object.namespace, report.object.name);
    if report.warning {
        tracing::warn!(resource, reason = report.reason, "{}", report.message);
    } else {
        tracing::info!(resource, reason = report.reason, "{}", report.message);
    }
}

/// Writes reports as Kubernetes Events; where that is forbidden it says so once and goes on with the log.
pub struct KubernetesReporter {
    queue: mpsc::Sender<Report>,
    seen: Mutex<HashSet<Report>>,
}

impl KubernetesReporter {
    /// Starts the writer.
    #[must_use]
    pub fn start(client: kube::Client) -> Self {
        let (queue, reports) = mpsc::channel(QUEUE);
        tokio::spawn(write_all(client, reports));
        Self { queue, seen: Mutex::default() }
    }

    fn is_new(&self, report: &Report) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(report.clone())
    }
}

impl Reporter for KubernetesReporter {
    fn report(&self, report: Report) {
        log(&report);
        if self.is_new(&report) && self.queue.try_send(report).is_err() {
            tracing::debug!("too many reports at once; this one is only in the log");
        }
    }
}

async fn write_all(client: kube::Client, mut reports: mpsc::Receiver<Report>) {
    let mut forbidden_said = false;
    while let Some(report) = reports.recv().await {
        let api: Api<Event> = Api::namespaced(client.clone(), &report.object.namespace);
        match api.create(&PostParams::default(), &event(&report)).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 403 && forbidden_said => {}
            Err(error) => {
                forbidden_said |= matches!(&error, kube::Error::Api(status) if status.code == 403);
                tracing::warn!(error = %error, "failed to write an Event; reports are in the log (give the Role create on events)");
            }
        }
    }
}

fn event(report: &Report) -> Event {
    let now = Time(k8s_openapi::jiff::Timestamp::from_second(crate::clock::now().secs).unwrap_or_default());
    let api_version = if report.kind == "ConfigMap" { "v1" } else { "argoproj.io/v1alpha1" };
    let name = if report.object.name.is_empty() { "gatepost" } else { &report.object.name };
    Event {
        metadata: ObjectMeta {
            generate_name: Some(format!("{name}.")),
            namespace: Some(report.object.namespace.clone()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some(api_version.into()),
            kind: Some(report.kind.into()),
            name: Some(report.object.name.clone()),
            namespace: Some(report.object.namespace.clone()),
            uid: Some(report.object.uid.clone()),
            ..ObjectReference::default()
        },
        reason: Some(report.reason.clone()),
        message: Some(report.message.chars().take(1000).collect()),
        type_: Some(if report.warning { "Warning" } else { "Normal" }.into()),
        source: Some(EventSource { component: Some("gatepost".into()), host: None }),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now),
        count: Some(1),
        ..Event::default()
    }
}
