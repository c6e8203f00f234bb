//! Which events are evaluated and which bring nothing: the relay over a store in memory, without a cluster.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{Relay, RelayOptions};
use crate::controller::{LogReporter, ObjectReader};
use crate::notify::json::JsonMode;
use crate::notify::{LoadOptions, ObjectId};
use crate::outbox::store::ClaimLimits;
use crate::outbox::{Change, SqliteStore};
use crate::service;
use crate::settings::{AnnotationLost, ProjectNamespace};
use crate::source::{Cause, Event, Object};
use crate::telemetry::Metrics;
use base64::Engine as _;
use futures::FutureExt as _;
use gatepost_value::json::{Numbers, from_serde};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
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
        Self::with(when, None, AnnotationLost::Hold).await
    }

    async fn with(when: &str, reader: Option<Arc<dyn ObjectReader>>, annotation_lost: AnnotationLost) -> Self {
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
            reader,
            annotation_lost,
            project_namespace: ProjectNamespace::Controller,
            tracer: crate::trace::Tracer::default(),
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

    /// The watch was away, and now lists these.
    async fn list(&mut self, objects: &[Value]) {
        self.events.send(Event::Listing).await.unwrap();
        for object in objects {
            self.look(object, Cause::Again).await;
        }
        self.events.send(Event::Synced).await.unwrap();
    }

    async fn delete(&self, object: &Value) {
        let object = Object::new(from_serde(object, Numbers::Kubernetes));
        self.events.send(Event::ApplicationDeleted(object)).await.unwrap();
    }

    async fn departed(&self, result: &str, count: u64) {
        self.until(|house| house.relay.metrics.departures.with_label_values(&[result]).get() == count).await;
    }

    /// Bodies of all deliveries.
    async fn bodies(&self) -> Vec<String> {
        let mut bodies = Vec::new();
        for delivery in self.relay.store.list(&Default::default()).await.unwrap() {
            let detail = self.relay.store.get(delivery.id).await.unwrap().unwrap();
            let payload: Value = serde_json::from_slice(&detail.payload).unwrap();
            let body = base64::engine::general_purpose::STANDARD.decode(payload["body"].as_str().unwrap()).unwrap();
            bodies.push(String::from_utf8(body).unwrap());
        }
        bodies
    }

    fn looks(&self, result: &str) -> u64 {
        self.relay.metrics.looks.with_label_values(&[result]).get()
    }

    async fn decided(&self) -> u64 {
        self.relay.store.counts().await.unwrap().by_state.values().sum()
    }

    /// What is pending is delivered, and the patch that says so is on record with this version.
    async fn deliver_and_annotate(&self, version: &str) {
        let (store, now_ms) = (&self.relay.store, crate::clock::now().millis());
        let limits = ClaimLimits { max: 10, per_lane: 10, held: HashMap::new(), blocked: HashSet::new() };
        for claimed in store.claim(now_ms, limits).await.unwrap().rows {
            store.record(None, claimed.delivered(now_ms, String::new())).await.unwrap();
            let state_keys = vec![claimed.delivery.state_key.clone()];
            let written = Change::Annotated { state_keys, removed: Vec::new(), resource_version: version.to_owned() };
            store.commit(&claimed.delivery.occurrence.object, vec![written], now_ms).await.unwrap();
        }
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
async fn a_first_list_that_is_older_than_our_own_patch_asks_for_no_resend() {
    // Resent at once: else a key that is missing is first held, in case many are.
    let mut house = House::with(FAILED, None, AnnotationLost::Resend).await;
    let failed = app(|o| {
        o["metadata"]["resourceVersion"] = json!("10");
        o["status"]["operationState"]["phase"] = json!("Failed");
    });
    house.look(&failed, Cause::FirstList).await;
    house.deliver_and_annotate("20").await;
    // What was listed when this process started, looked at after its projector has caught up.
    house.relay.sightings.forget("u");
    house.relay.sightings.expect("u", Some("{}"));
    house.relay.sightings.recorded("u");
    assert!(house.look(&failed, Cause::FirstList).await);
    assert_eq!(house.decided().await, 1);
    // Without a patch of our own the first list is as good as any later event: somebody took the key out.
    house.relay.sightings.forget("u");
    assert!(house.look(&failed, Cause::FirstList).await);
    assert_eq!(house.decided().await, 2);
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
    house
        .events
        .send(project(json!({"metadata": {"name": "p", "namespace": "argocd"}, "spec": {"tier": "tin"}})))
        .await
        .unwrap();
    house.until(House::is_relist_asked).await;
    assert!(house.look(&app(|_| {}), Cause::Again).await);
    house
        .events
        .send(project(json!({"metadata": {"name": "p", "namespace": "argocd"}, "spec": {"tier": "tin", "roles": []}})))
        .await
        .unwrap();
    house.until(seen(2)).await;
    assert!(!house.look(&app(|_| {}), Cause::Again).await);
    assert!(!house.is_relist_asked());
    house
        .events
        .send(project(json!({"metadata": {"name": "p", "namespace": "argocd"}, "spec": {"tier": "gold"}})))
        .await
        .unwrap();
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

const DELETED: &str = "app.metadata.deletionTimestamp != nil";

/// Says of these UIDs that they are there.
struct There(&'static [&'static str]);

#[async_trait::async_trait]
impl ObjectReader for There {
    async fn notified(&self, _: &ObjectId) -> Result<Option<String>, String> {
        Ok(None)
    }
    async fn exists(&self, object: &ObjectId) -> Result<bool, String> {
        Ok(self.0.contains(&object.uid.as_str()))
    }
}

#[tokio::test]
async fn a_deletion_without_a_timestamp_is_told_with_one() {
    let mut house = House::new(DELETED).await;
    house.configure(DELETED, "gone since {{.app.metadata.deletionTimestamp}}").await;
    house.configured(2).await;
    house.look(&app(|_| {}), Cause::Change).await;
    assert_eq!(house.relay.store.kept().await.unwrap().len(), 1);
    house.delete(&app(|_| {})).await;
    house.departed("decided", 1).await;
    let bodies = house.bodies().await;
    assert_eq!(bodies.len(), 1);
    assert!(bodies[0].contains("gone since 20"), "{bodies:?}");
    assert_eq!(house.relay.store.kept().await.unwrap(), []);
    assert!(house.relay.store.states("u").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_deletion_that_was_told_before_its_end_is_not_told_again() {
    let mut house = House::new(DELETED).await;
    let deleted = app(|o| o["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"));
    house.look(&deleted, Cause::Change).await;
    house.delete(&deleted).await;
    house.departed("decided", 1).await;
    assert_eq!(house.bodies().await.len(), 1);
}

#[tokio::test]
async fn who_vanished_while_nobody_looked_is_told_of_on_what_is_kept() {
    let mut house = House::new(DELETED).await;
    let other = app(|o| {
        (o["metadata"]["uid"], o["metadata"]["name"]) = (json!("v"), json!("b"));
        o["metadata"]["annotations"] = json!({"notifications.argoproj.io/subscribe.on-other.hook": ""});
    });
    house.configure(DELETED, "gone {{.app.metadata.name}} since {{.app.metadata.deletionTimestamp}}").await;
    house.configured(2).await;
    house.list(&[app(|_| {}), other.clone()]).await;
    let kept = house.relay.store.kept().await.unwrap();
    assert_eq!(
        kept.iter().map(|one| one.object.uid.as_str()).collect::<Vec<_>>(),
        ["u"],
        "only whose end is asked for"
    );
    house.list(&[other]).await;
    house.departed("decided", 1).await;
    let bodies = house.bodies().await;
    assert!(bodies.len() == 1 && bodies[0].contains("a since 20"), "{bodies:?}");
    house.list(&[]).await;
    house.until(|house| house.relay.is_synced()).await;
    assert_eq!(house.bodies().await.len(), 1, "nobody goes twice");
}

#[tokio::test]
async fn who_is_there_and_only_not_listed_is_no_departure() {
    let mut house = House::with(DELETED, Some(Arc::new(There(&["u"]))), AnnotationLost::Hold).await;
    let unselected = app(|_| {});
    let gone = app(|o| (o["metadata"]["uid"], o["metadata"]["name"]) = (json!("v"), json!("b")));
    house.list(&[unselected.clone(), gone]).await;
    house.list(&[]).await;
    house.departed("decided", 1).await;
    assert_eq!(house.bodies().await.len(), 1, "only the one that is gone");
    assert_eq!(house.relay.store.kept().await.unwrap().len(), 1);
    house.delete(&unselected).await;
    house.departed("forgotten", 1).await;
    assert_eq!(house.bodies().await.len(), 1);
}

#[tokio::test]
async fn who_nobody_asks_about_any_more_is_not_kept() {
    let mut house = House::new(DELETED).await;
    house.look(&app(|_| {}), Cause::Change).await;
    house.look(&app(|o| o["metadata"]["annotations"] = json!({})), Cause::Change).await;
    assert_eq!(house.relay.store.kept().await.unwrap(), []);
    house.delete(&app(|o| o["metadata"]["annotations"] = json!({}))).await;
    house.departed("forgotten", 1).await;
    assert_eq!(house.bodies().await.len(), 0);
}

const ACCIDENT: usize = 6;

/// Applications with the key of a delivered notification in their annotation, or without.
fn annotated(nth: usize, with: bool, key: &str) -> Value {
    app(|o| {
        (o["metadata"]["uid"], o["metadata"]["name"]) = (json!(format!("u{nth}")), json!(format!("a{nth}")));
        if with {
            o["metadata"]["annotations"][NOTIFIED] = json!(json!({key: 1_760_000_000}).to_string());
        }
    })
}

async fn key_of(house: &House) -> String {
    let object = Object::new(from_serde(&annotated(0, false, ""), Numbers::Kubernetes));
    let explained = house.relay.explain(&object).await.unwrap();
    explained[0].evaluation.triggers[0].conditions[0].destinations[0].state_key.clone()
}

/// A house where all that are annotated lose that.
async fn after_an_accident(rule: AnnotationLost) -> House {
    let mut house = House::with("app.status.operationState.phase == 'Running'", None, rule).await;
    let key = key_of(&house).await;
    for nth in 0..ACCIDENT {
        house.look(&annotated(nth, true, &key), Cause::Change).await;
    }
    assert_eq!(house.bodies().await.len(), 0);
    for nth in 0..ACCIDENT {
        house.look(&annotated(nth, false, &key), Cause::Change).await;
    }
    house
}

#[tokio::test]
async fn many_lost_annotations_are_held() {
    let mut house = after_an_accident(AnnotationLost::Hold).await;
    house.until(|house| house.relay.metrics.annotations_lost.get() == 6).await;
    assert!(house.look(&annotated(0, false, ""), Cause::Change).await, "it is looked at, and held again");
    assert_eq!(house.bodies().await.len(), 0);
    assert_eq!(house.relay.take_refreshes(), []);
    let key = key_of(&house).await;
    for nth in 0..ACCIDENT {
        house.look(&annotated(nth, true, &key), Cause::Change).await;
    }
    house.look(&annotated(0, false, &key), Cause::Change).await;
    house.until(|house| !house.relay.refreshes.lock().unwrap().is_empty()).await;
    house.look(&annotated(0, false, &key), Cause::Again).await;
    assert_eq!(house.bodies().await.len(), 1, "when all have theirs again, one is a wish again");
}

#[tokio::test]
async fn many_lost_annotations_are_owed_again_where_that_is_wished() {
    let mut house = after_an_accident(AnnotationLost::Restore).await;
    house.until(House::is_relist_asked).await;
    for nth in 0..ACCIDENT {
        house.look(&annotated(nth, false, ""), Cause::Again).await;
    }
    assert_eq!(house.relay.store.owed_annotations(100).await.unwrap().len(), ACCIDENT);
    assert_eq!(house.bodies().await.len(), 0);
}

#[tokio::test]
async fn many_lost_annotations_are_resent_where_that_is_wished() {
    let house = after_an_accident(AnnotationLost::Resend).await;
    assert_eq!(house.bodies().await.len(), ACCIDENT);
}

#[tokio::test]
async fn a_subscription_that_cannot_be_read_is_told_and_the_others_go_on() {
    let mut house = House::new(FAILED).await;
    let broken = |text: &'static str| {
        app(move |o| {
            o["status"]["operationState"]["phase"] = json!("Failed");
            o["metadata"]["annotations"]["notifications.argoproj.io/subscriptions"] = json!(text);
        })
    };
    house.look(&broken("trigger: x"), Cause::Change).await;
    assert_eq!(house.bodies().await.len(), 1, "the other annotation counts");
    let told = |house: &House| {
        house.relay.decisions().iter().filter(|one| one.reason == crate::notify::Reason::SubscriptionBroken).count()
    };
    assert_eq!(told(&house), 1);
    assert!(!house.look(&broken("trigger: x"), Cause::Change).await, "told once");
    assert!(house.look(&broken("trigger: [y"), Cause::Change).await, "broken in another way");
    assert_eq!(told(&house), 2);
}

#[tokio::test]
async fn a_tenant_that_has_too_much_open_waits() {
    let mut house = House::new(FAILED).await;
    let data = [
        ("trigger.on-x", format!("- when: {FAILED}\n  send: [t]\n")),
        ("template.t", "message: m\n".to_owned()),
        ("service.webhook.hook", "url: http://127.0.0.1:9\n".to_owned()),
    ];
    let data = data.into_iter().map(|(key, text)| (key.to_owned(), text)).collect();
    let map = Event::ConfigMap { namespace: "team".into(), data: Some(data), uid: String::new() };
    house.events.send(map).await.unwrap();
    house.configured(2).await;
    let of_team = |uid: &'static str| {
        app(move |o| {
            o["metadata"]["namespace"] = json!("team");
            o["metadata"]["uid"] = json!(uid);
            o["status"]["operationState"]["phase"] = json!("Failed");
        })
    };
    let far = crate::clock::now().millis() + 600_000;
    house.relay.brake.set_open("team", super::brake::OPEN_MAX, far);
    // An answer of the future counts as none: the store is asked, and there is room.
    house.look(&of_team("v"), Cause::Change).await;
    assert_eq!(house.bodies().await.len(), 2, "the tenant's and the controller's");
    house.relay.brake.set_open("team", super::brake::OPEN_MAX, crate::clock::now().millis());
    house.look(&of_team("w"), Cause::Change).await;
    let quota = house.relay.decisions().iter().filter(|one| one.reason == crate::notify::Reason::Quota).count();
    assert_eq!((house.bodies().await.len(), quota), (3, 1), "the controller's goes on");
}
