//! Kubernetes Events on gates. Told in the background: no look waits for one.

use crate::controller::links::{Links, with_link};
use crate::gate::Gate;
use crate::gate::web_request::{Event, Owner};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event as KubeEvent, EventType, Recorder, Reporter};
use tokio::sync::mpsc;

/// Events that wait; beyond it they are only logged.
const QUEUE: usize = 1024;
/// What the API lets a note be long.
const LONGEST_NOTE: usize = 1000;

/// Tells people of gates.
#[derive(Clone)]
pub(super) struct Told {
    queue: mpsc::Sender<(ObjectReference, KubeEvent)>,
    links: Links,
}

impl Told {
    /// Starts the writer.
    pub fn start(client: kube::Client, links: Links) -> Self {
        let (queue, events) = mpsc::channel(QUEUE);
        tokio::spawn(write_all(client, events));
        Self { queue, links }
    }

    /// Tells of one thing that happened to a gate.
    pub fn tell(&self, gate: &Gate, event: &Event) {
        self.tell_of(&Owner::from(gate), event);
    }

    /// Tells of one thing that happened to an object.
    pub fn tell_of(&self, object: &Owner<'_>, event: &Event) {
        let Event { warning, reason, action, note } = event;
        let shown = format!("{}/{}", object.namespace, object.name);
        let page = self.links.gate(object.namespace, object.name);
        match warning {
            true => tracing::warn!(gate = shown, page, reason, "{note}"),
            false => tracing::info!(gate = shown, page, reason, "{note}"),
        }
        let reference = ObjectReference {
            api_version: Some(object.api_version.into()),
            kind: Some(object.kind.into()),
            name: Some(object.name.into()),
            namespace: Some(object.namespace.into()),
            uid: Some(object.uid.into()),
            ..ObjectReference::default()
        };
        let event = KubeEvent {
            type_: if *warning { EventType::Warning } else { EventType::Normal },
            reason: (*reason).to_owned(),
            note: Some(with_link(note.clone(), page.as_deref()).chars().take(LONGEST_NOTE).collect()),
            action: (*action).to_owned(),
            secondary: None,
        };
        if self.queue.try_send((reference, event)).is_err() {
            tracing::debug!("too many Events at once; this one is only in the log");
        }
    }
}

async fn write_all(client: kube::Client, mut events: mpsc::Receiver<(ObjectReference, KubeEvent)>) {
    let recorder = Recorder::new(client, Reporter { controller: "gatepost".into(), instance: None });
    let mut forbidden_said = false;
    while let Some((reference, event)) = events.recv().await {
        match recorder.publish(&event, &reference).await {
            Ok(()) => {}
            Err(kube::Error::Api(status)) if status.code == 403 && forbidden_said => {}
            Err(error) => {
                forbidden_said |= matches!(&error, kube::Error::Api(status) if status.code == 403);
                tracing::warn!(error = %error, "failed to write an Event; it is in the log (give the ClusterRole create and patch on events of events.k8s.io)");
            }
        }
    }
}
