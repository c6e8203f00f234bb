//! Which events are evaluated and which bring nothing: the relay over a store in memory, without a cluster.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{Relay, RelayOptions};
use crate::controller::LogReporter;
use crate::notify::LoadOptions;
use crate::notify::json::JsonMode;
use crate::outbox::SqliteStore;
use crate::service;
use crate::source::{Cause, Event, Object};
use crate::telemetry::Metrics;
use futures::FutureExt as _;
use gatepost_value::json::{Numbers, from_serde};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

const FAILED: &str = "app.status.operationState.phase in ['Failed']";
const NOTIFIED: &str = "notified.notifications.argoproj.io";

struct House {
    relay: Arc<Relay>,
    events: mpsc::Sender<Event>,
    sent: u64,
}

impl House {
    async fn new(when: &str) -> Self {
        let store = Arc::new(SqliteStore::in_memory().await.unwrap());
        let options = RelayOptions {
            namespace: "argocd".into(),
            config_map: "cm".into(),
            load: LoadOptions { kinds: service::kinds(), ..LoadOptions::default() },
            service: service::Context { json: JsonMode::Repair, cluster: String::new() },
            give_up_after: Duration::from_secs(60),
            replay_per_second: 20,
            repo_server: Arc::new(crate::source::repo_server::RepoServer::absent()),
            standing: crate::coordination::Status::unguarded(),
        };
        let relay = Arc::new(Relay::new(store, options, Arc::new(Metrics::new().unwrap()), Arc::new(LogReporter)));
        let (events, receive) = mpsc::channel(8);
        tokio::spawn(Arc::clone(&relay).run(receive));
        let house = Self { relay, events, sent: 0 };
        house.events.send(Event::Resource { namespace: "argocd".into(), resource: None }).await.unwrap();
        house.configure(when, "one").await;
        house.secret("first").await;
        house.events.send(Event::Synced).await.unwrap();
        house.until(|house| house.relay.is_synced()).await;
        house
    }

    async fn configure(&self, when: &str, word: &str) {
        let data = [
            ("trigger.on-x", format!("- when: {when}\n  send: [t]\n")),
            ("template.t", format!("message: {word}\n")),
            ("service.webhook.hook", "url: http://127.0.0.1:9\nheaders: [{name: X, value: $token}]\n".into()),
        ];
        let data = data.into_iter().map(|(key, text)| (key.to_owned(), text)).collect();
        self.events
            .send(Event::ConfigMap { namespace: "argocd".into(), data: Some(data), uid: "cm".into() })
            .await
            .unwrap();
    }

    async fn secret(&self, token: &str) {
        let data = [("token".to_owned(), token.as_bytes().to_vec())].into();
        self.events.send(Event::Secret { namespace: "argocd".into(), data: Some(data) }).await.unwrap();
    }

    /// Sends an Application and waits until it was looked at; whether it was evaluated.
    async fn look(&mut self, object: &Value, cause: Cause) -> bool {
        let before = self.looks("evaluated");
        self.events
            .send(Event::application(Object::new(from_serde(object, Numbers::Kubernetes)), cause))
            .await
            .unwrap();
        self.sent += 1;
        let sent = self.sent;
        self.until(|house| house.looks("evaluated") + house.looks("unchanged") == sent).await;
        self.looks("evaluated") > before
    }

    fn looks(&self, result: &str) -> u64 {
        self.relay.metrics.looks.with_label_values(&[result]).get()
    }

    fn is_relist_asked(&self) -> bool {
        self.relay.relist.notified().now_or_never().is_some()
    }

    async fn until(&self, holds: impl Fn(&Self) -> bool) {
        for _ in 0..3_000 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never came about");
    }

    async fn configured(&self, loads: u64) {
        self.until(|house| house.relay.metrics.config_loads.get() == loads).await;
    }
}

fn app(change: impl FnOnce(&mut Value)) -> Value {
    let mut object = json!({
        "metadata": {"name": "a", "namespace": "argocd", "uid": "u", "annotations": {"notifications.argoproj.io/subscribe.on-x.hook": ""}},
        "spec": {"project": "p"},
        "status": {
            "operationState": {"phase": "Running", "message": "m", "finishedAt": "2026-01-01T10:01:00Z"},
            "reconciledAt": "2026-01-01T10:02:00Z",
        },
    });
    change(&mut object);
    object
}

#[tokio::test]
async fn what_no_trigger_reads_is_not_evaluated() {
    let mut house = House::new(FAILED).await;
    assert!(house.look(&app(|_| {}), Cause::FirstList).await);
    assert!(!house.look(&app(|o| o["status"]["operationState"]["message"] = json!("other")), Cause::Change).await);
    assert!(!house.look(&app(|_| {}), Cause::Again).await);
    assert!(house.look(&app(|o| o["status"]["operationState"]["phase"] = json!("Failed")), Cause::Change).await);
    assert_eq!(house.relay.store.counts().await.unwrap().by_state.values().sum::<u64>(), 1);
    assert!(house.look(&app(|o| o["metadata"]["annotations"] = json!({})), Cause::Change).await);
}

#[tokio::test]
async fn the_echo_of_our_own_patch_is_not_evaluated_and_an_edit_is() {
    let mut house = House::new(FAILED).await;
    house.look(&app(|_| {}), Cause::FirstList).await;
    let with = |text: &'static str| app(move |o| o["metadata"]["annotations"][NOTIFIED] = json!(text));
    house.relay.sightings.expect("u", Some("{\"k\":1}"));
    assert!(!house.look(&with("{\"k\":1}"), Cause::Change).await);
    house.relay.sightings.recorded("u");
    assert!(house.look(&with("{\"k\":2}"), Cause::Change).await);
}

#[tokio::test]
async fn a_changed_configuration_is_looked_at_and_a_secret_only_where_it_is_read() {
    let mut house = House::new(FAILED).await;
    house.look(&app(|_| {}), Cause::FirstList).await;
    house.configure(FAILED, "two").await;
    house.configured(2).await;
    house.until(House::is_relist_asked).await;
    assert!(house.look(&app(|_| {}), Cause::Again).await);
    house.secret("second").await;
    house.configured(3).await;
    assert!(!house.look(&app(|_| {}), Cause::Again).await, "credentials decide nothing");
    assert!(!house.is_relist_asked());
    house.configure("string(secrets.token) == 'third'", "two").await;
    house.configured(4).await;
    house.until(House::is_relist_asked).await;
    house.look(&app(|_| {}), Cause::Again).await;
    house.secret("third").await;
    house.configured(5).await;
    house.until(House::is_relist_asked).await;
    assert!(house.look(&app(|_| {}), Cause::Again).await);
}

#[tokio::test]
async fn a_project_matters_by_what_is_read_of_it() {
    let mut house = House::new("appProject.spec.tier == 'gold'").await;
    house.look(&app(|_| {}), Cause::FirstList).await;
    let project = |value: Value| Event::Project(Object::new(from_serde(&value, Numbers::Kubernetes)));
    let seen = |nth: u64| {
        move |house: &House| house.relay.metrics.watch_events.with_label_values(&["AppProject"]).get() == nth
    };
    house.events.send(project(json!({"metadata": {"name": "p"}, "spec": {"tier": "tin"}}))).await.unwrap();
    house.until(House::is_relist_asked).await;
    assert!(house.look(&app(|_| {}), Cause::Again).await);
    house.events.send(project(json!({"metadata": {"name": "p"}, "spec": {"tier": "tin", "roles": []}}))).await.unwrap();
    house.until(seen(2)).await;
    assert!(!house.look(&app(|_| {}), Cause::Again).await);
    assert!(!house.is_relist_asked());
    house.events.send(project(json!({"metadata": {"name": "p"}, "spec": {"tier": "gold"}}))).await.unwrap();
    house.until(House::is_relist_asked).await;
    assert!(house.look(&app(|_| {}), Cause::Again).await);
}

#[tokio::test]
async fn a_condition_that_reads_the_clock_falls_due_without_an_event() {
    let due_at = crate::clock::now().secs + 3;
    let mut house =
        House::new(&format!("time.Now().Unix() >= {due_at} and app.status.operationState.phase == 'Running'")).await;
    assert!(house.look(&app(|_| {}), Cause::FirstList).await);
    assert!(house.look(&app(|_| {}), Cause::Change).await, "the clock is never skipped");
    if crate::clock::now().secs + 1 < due_at {
        assert_eq!(house.relay.due_by_clock().await, []);
    }
    house.until(|_| crate::clock::now().secs >= due_at).await;
    let due = house.relay.due_by_clock().await;
    assert_eq!(due.iter().map(|id| id.name.as_str()).collect::<Vec<_>>(), ["a"]);
    house.look(&app(|_| {}), Cause::Again).await;
    assert_eq!(house.relay.due_by_clock().await, [], "once it was looked at it is due no more");
}
