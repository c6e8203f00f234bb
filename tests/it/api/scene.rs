//! A Gatepost with something to show: two Applications, a receiver that takes everything, and one that refuses everything.

use crate::env::{Answer, PATIENCE, Receiver, wait_until};
use crate::running::Gatepost;
use serde_json::{Value, json};
use tempfile::TempDir;

/// In the Secret, in what is sent, and in what the refusing receiver answers.
pub const SECRET: &str = "s3cret-token-0123456789";

/// A running Gatepost with its receivers.
pub struct Scene {
    /// The process.
    pub gatepost: Gatepost,
    /// The folder that it watches.
    pub folder: TempDir,
    /// Takes everything.
    pub taking: Receiver,
    /// Answers 400 with what it heard.
    pub refusing: Receiver,
}

/// An Application that failed, subscribed by these annotations.
fn application(name: &str, subscriptions: &[(&str, String)]) -> Value {
    let annotation =
        |(to, recipients): &(&str, String)| (format!("notifications.argoproj.io/subscribe.{to}"), json!(recipients));
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd", "uid": name,
            "annotations": subscriptions.iter().map(annotation).collect::<serde_json::Map<_, _>>()},
        "spec": {"project": "default", "source": {"repoURL": "https://git.example.com/r.git"}},
        "status": {
            "operationState": {"phase": "Failed", "message": format!("no {SECRET}"), "startedAt": "2026-01-01T10:00:00Z",
                "finishedAt": "2026-01-01T10:01:00Z", "operation": {}},
            "sync": {"status": "OutOfSync"}, "health": {"status": "Degraded"}, "reconciledAt": "2026-01-01T10:02:00Z",
        },
    })
}

impl Scene {
    /// `orders` tells `hook` of `on-failed` and `on-degraded`; `shop` tells so many recipients of `refused` of `on-failed`.
    pub async fn start(recipients: usize) -> Self {
        let (taking, refusing) =
            (Receiver::start([Answer::status(200)]).await, Receiver::start([Answer::Echo(400)]).await);
        let folder = tempfile::tempdir().unwrap();
        let service =
            |url: &str| json!({"url": url, "retryMax": -1, "headers": [{"name": "X-Token", "value": "$token"}]});
        let request = json!({"method": "POST", "path": "/in", "body": "{{.app.metadata.name}}: {{.app.status.operationState.message}}"});
        let template = json!({"webhook": {"hook": request, "refused": request}});
        let data = json!({
            "service.webhook.hook": service(&taking.url()).to_string(),
            "service.webhook.refused": service(&refusing.url()).to_string(),
            "trigger.on-failed": json!([{"when": "app.status.operationState.phase == 'Failed'", "send": ["failed"]}]).to_string(),
            "trigger.on-degraded": json!([{"when": "app.status.health.status == 'Degraded'", "send": ["failed"]}]).to_string(),
            "trigger.on-nothing": "- when: app.[",
            "template.failed": template.to_string(),
        });
        let config = json!({"kind": "ConfigMap", "metadata": {"name": "argocd-notifications-cm"}, "data": data});
        let secret = json!({"kind": "Secret", "metadata": {"name": "argocd-notifications-secret"}, "stringData": {"token": SECRET}});
        std::fs::write(folder.path().join("config.yaml"), format!("{config}\n---\n{secret}\n")).unwrap();
        let gatepost = Gatepost::start_on_files(folder.path()).await;
        let scene = Self { gatepost, folder, taking, refusing };
        scene.apply("orders", &[("on-failed.hook", String::new()), ("on-degraded.hook", String::new())]);
        if recipients > 0 {
            let all: Vec<String> = (0..recipients).map(|number| format!("r{number}")).collect();
            scene.apply("shop", &[("on-failed.refused", all.join(";"))]);
        }
        scene.settled(2, recipients).await;
        scene
    }

    /// Writes an Application.
    pub fn apply(&self, name: &str, subscriptions: &[(&str, String)]) {
        let manifest = application(name, subscriptions).to_string();
        std::fs::write(self.folder.path().join(format!("{name}.yaml")), manifest).unwrap();
    }

    /// Waits until so many deliveries have arrived, and so many are dead letters.
    pub async fn settled(&self, delivered: usize, dead: usize) {
        wait_until("everything is sent or refused", PATIENCE, || async {
            let queue = self.gatepost.get("status").await["queue"].clone();
            let of = |state: &str| queue[state].as_u64().unwrap_or(0);
            (of("delivered"), of("dead")) == (delivered as u64, dead as u64)
        })
        .await;
    }

    /// Every page of a list, however many entries it has each, as one.
    pub async fn pages(&self, path: &str, limit: usize) -> Vec<Vec<Value>> {
        let join = if path.contains('?') { '&' } else { '?' };
        let first = format!("{path}{join}limit={limit}");
        let (mut pages, mut asked) = (Vec::new(), first.clone());
        loop {
            let page = self.gatepost.get(&asked).await;
            pages.push(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { return pages };
            let after: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
            asked = format!("{first}&after={after}");
        }
    }
}
