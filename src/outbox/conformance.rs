//! What every store must do, as one suite over [`Store`]; run over the file and over the store in memory.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::change::{Change, NewDelivery};
use super::delivery::{Attempt, Claimed, DeadReason, Lane, State};
use super::sqlite::SqliteStore;
use super::store::{ClaimLimits, Error, Filter, Release, Retention, Store};
use crate::notify::{Destination, KeyState, ObjectId, Occurrence, Phase};
use std::collections::{HashMap, HashSet};

pub(super) fn object(name: &str) -> ObjectId {
    ObjectId { namespace: "argocd".into(), name: name.into(), uid: format!("uid-{name}") }
}

pub(super) fn new_delivery(app: &str, trigger: &str, arming: u64) -> NewDelivery {
    let occurrence = Occurrence {
        object: object(app),
        config_namespace: String::new(),
        trigger: trigger.into(),
        condition_key: "[0].abc".into(),
        once_per: String::new(),
        destination: Destination { service: "hook".into(), recipient: String::new() },
        arming,
    };
    NewDelivery {
        state_key: occurrence.state_key(),
        lane: Lane { config_namespace: String::new(), service: "hook".into(), host: "h".into() },
        occurrence,
        service_kind: "webhook".into(),
        payload: b"{}".to_vec(),
        ordering: None,
        supersedes: false,
        idempotent: false,
        digest: "d1".into(),
        dead: None,
    }
}

pub(super) fn deliver(new: NewDelivery) -> Change {
    Change::Deliver(Box::new(new))
}

pub(super) fn all() -> ClaimLimits {
    ClaimLimits { max: 1000, per_lane: 1000, held: HashMap::new(), blocked: HashSet::new() }
}

pub(super) fn attempt() -> Attempt {
    Attempt {
        at_ms: 1,
        duration_ms: 2,
        status: Some(500),
        target: "http://h".into(),
        excerpt: "no".into(),
        reason: "500".into(),
    }
}

async fn put(store: &dyn Store, new: NewDelivery) {
    store.commit(&new.occurrence.object.clone(), vec![deliver(new)], 1_000).await.unwrap();
}

async fn claim(store: &dyn Store, now_ms: i64) -> Vec<Claimed> {
    store.claim(now_ms, all()).await.unwrap().rows
}

async fn state(store: &dyn Store, new: &NewDelivery) -> KeyState {
    store.states(&new.occurrence.object.uid).await.unwrap()[&new.state_key].clone()
}

async fn one_occurrence_has_one_row(store: &dyn Store) {
    let new = new_delivery("one", "t", 1);
    let first = store.commit(&object("one"), vec![deliver(new.clone())], 1_000).await.unwrap();
    let second = store.commit(&object("one"), vec![deliver(new)], 2_000).await.unwrap();
    assert_eq!(first.ids, second.ids);
    assert_eq!(second.adopted, first.ids);
    assert_eq!(claim(store, 2_000).await.len(), 1);
}

async fn late_delivery_after_disarm_and_rearm(store: &dyn Store) {
    let (first, second) = (new_delivery("late", "t", 1), new_delivery("late", "t", 2));
    let key = first.state_key.clone();
    put(store, first.clone()).await;
    let early = claim(store, 2_000).await.remove(0);
    store.commit(&object("late"), vec![Change::Disarm { state_key: key.clone() }], 2_000).await.unwrap();
    let rise = vec![Change::Arm { state_key: key, arming: 2 }, deliver(second.clone())];
    store.commit(&object("late"), rise, 3_000).await.unwrap();
    store.record(Some(attempt()), early.delivered(4_000, String::new())).await.unwrap();
    assert_eq!(state(store, &first).await, KeyState { armed: true, arming: 2, phase: Phase::Pending });
    assert!(
        store.owed_annotations(10).await.unwrap().iter().all(|owed| owed.object.name != "late" || owed.set.is_empty())
    );
    let late = claim(store, 5_000).await.remove(0);
    store.record(Some(attempt()), late.delivered(6_000, String::new())).await.unwrap();
    assert_eq!(state(store, &second).await.phase, Phase::Delivered { at: 6 });
}

async fn annotations_are_owed_until_written(store: &dyn Store) {
    let new = new_delivery("owed", "t", 1);
    put(store, new.clone()).await;
    let claimed = claim(store, 2_000).await.remove(0);
    store.record(None, claimed.delivered(2_000, String::new())).await.unwrap();
    let owed = store.owed_annotations(10).await.unwrap().into_iter().find(|owed| owed.object.name == "owed").unwrap();
    assert_eq!(owed.set, [(new.state_key.clone(), 2)]);
    let written =
        Change::Annotated { state_keys: vec![new.state_key.clone()], removed: vec![], resource_version: "7".into() };
    store.commit(&object("owed"), vec![written], 3_000).await.unwrap();
    assert_eq!(state(store, &new).await.phase, Phase::Annotated { at: 2, resource_version: "7".into() });
    store.commit(&object("owed"), vec![Change::Disarm { state_key: new.state_key.clone() }], 4_000).await.unwrap();
    let owed = store.owed_annotations(10).await.unwrap().into_iter().find(|owed| owed.object.name == "owed").unwrap();
    assert_eq!(owed.remove, [new.state_key]);
}

async fn order_within_a_key_is_strict(store: &dyn Store) {
    for arming in 1..=3 {
        put(store, NewDelivery { ordering: Some("o".into()), ..new_delivery("order", "t", arming) }).await;
    }
    let mut seen = Vec::new();
    let head = claim(store, 2_000).await.remove(0);
    assert!(claim(store, 2_000).await.is_empty(), "behind a head in flight nothing goes");
    store.record(Some(attempt()), head.waiting(2_000, 9_000, 1, false, "x".into())).await.unwrap();
    assert!(claim(store, 2_000).await.is_empty(), "behind a waiting head nothing goes");
    for _ in 0..3 {
        let claimed = claim(store, 9_000).await;
        assert_eq!(claimed.len(), 1);
        seen.push(claimed[0].delivery.occurrence.arming);
        store.record(None, claimed[0].delivered(9_000, String::new())).await.unwrap();
    }
    assert_eq!(seen, [1, 2, 3]);
}

async fn a_newer_state_replaces_unsent_ones(store: &dyn Store) {
    let scoped =
        |arming| NewDelivery { ordering: Some("s".into()), supersedes: true, ..new_delivery("scope", "t", arming) };
    put(store, scoped(1)).await;
    let flying = claim(store, 2_000).await.remove(0);
    put(store, scoped(2)).await;
    let third = store.commit(&object("scope"), vec![deliver(scoped(3))], 2_000).await.unwrap();
    assert_eq!(third.superseded.len(), 1);
    assert!(claim(store, 2_000).await.is_empty());
    let state = store.record(Some(attempt()), flying.waiting(3_000, 3_000, 1, true, "x".into())).await.unwrap();
    assert_eq!(state, State::Superseded);
    assert_eq!(store.get(flying.delivery.id).await.unwrap().unwrap().delivery.successor, Some(third.ids[0]));
    let last = claim(store, 3_000).await;
    assert_eq!(last.len(), 1);
    assert_eq!(last[0].delivery.id, third.ids[0]);
    store.record(None, last[0].delivered(3_000, String::new())).await.unwrap();
}

async fn dead_letters_are_seen_replayed_and_discarded(store: &dyn Store) {
    let new = new_delivery("dead", "t", 1);
    put(store, new.clone()).await;
    let claimed = claim(store, 2_000).await.remove(0);
    store.record(Some(attempt()), claimed.dead(2_000, DeadReason::Rejected)).await.unwrap();
    assert_eq!(state(store, &new).await.phase, Phase::Dead { digest: "d1".into() });
    let filter =
        Filter { object: Some(("argocd".into(), "dead".into())), states: vec![State::Dead], ..Filter::default() };
    assert_eq!(store.list(&filter).await.unwrap()[0].reason, "rejected");
    assert_eq!(store.get(claimed.delivery.id).await.unwrap().unwrap().attempts, [attempt()]);
    assert_eq!(store.replay(&filter, true, 3_000).await.unwrap().moved, [claimed.delivery.id]);
    assert!(claim(store, 3_000).await.is_empty(), "a dry run moves nothing");
    store.replay(&filter, false, 3_000).await.unwrap();
    let again = claim(store, 3_000).await.remove(0);
    assert_eq!((again.delivery.id, again.delivery.since_ms), (claimed.delivery.id, 3_000));
    store.record(Some(attempt()), again.dead(3_000, DeadReason::Rejected)).await.unwrap();
    store.discard(&filter, false, 4_000).await.unwrap();
    assert_eq!(state(store, &new).await.phase, Phase::Truncated);
}

async fn a_changed_configuration_releases(store: &dyn Store) {
    let lane = Lane { config_namespace: String::new(), service: "parked".into(), host: "h".into() };
    let mut new = NewDelivery { lane, ..new_delivery("park", "t", 1) };
    new.occurrence.destination.service = "parked".into();
    put(store, new.clone()).await;
    let claimed = claim(store, 2_000).await.remove(0);
    store.record(Some(attempt()), claimed.dead(2_000, DeadReason::Rejected)).await.unwrap();
    let release = |digest: &str| Release {
        config_namespace: String::new(),
        service: "parked".into(),
        digest: Some(digest.into()),
        since_ms: 0,
        spacing_ms: 100,
        limit: 10,
    };
    assert_eq!(store.release_parked(release("d1"), 3_000).await.unwrap(), 0);
    assert_eq!(store.release_parked(release("d2"), 3_000).await.unwrap(), 1);
    let again = claim(store, 3_000).await.remove(0);
    store.record(None, again.dead(3_000, DeadReason::RenderFailed)).await.unwrap();
    let mended = NewDelivery { digest: "d3".into(), payload: b"new".to_vec(), ..new };
    let committed = store.commit(&object("park"), vec![deliver(mended)], 4_000).await.unwrap();
    assert_eq!(committed.adopted, [claimed.delivery.id]);
    let revived = claim(store, 4_000).await.remove(0);
    assert_eq!(&revived.payload[..], b"new");
    store.record(None, revived.delivered(4_000, String::new())).await.unwrap();
}

async fn poison_is_isolated(store: &dyn Store) {
    let huge = NewDelivery { payload: vec![0; 2 * 1024 * 1024], ..new_delivery("poison", "t", 1) };
    let mut long = new_delivery("poison2", "t", 1);
    long.occurrence.once_per = "x".repeat(1_000_000);
    let mut nul = new_delivery("poison3", "t", 1);
    nul.occurrence.once_per = "a\0b".into();
    let (poison, poison2, poison3, good) = (object("poison"), object("poison2"), object("poison3"), object("good"));
    let (a, b, c, d) = futures::join!(
        store.commit(&poison, vec![Change::Arm { state_key: "k".into(), arming: 1 }, deliver(huge)], 1_000),
        store.commit(&poison2, vec![deliver(long)], 1_000),
        store.commit(&poison3, vec![deliver(nul)], 1_000),
        store.commit(&good, vec![deliver(new_delivery("good", "t", 1))], 1_000),
    );
    assert!(matches!(a, Err(Error::Unstorable(_))) && matches!(b, Err(Error::Unstorable(_))));
    assert!(c.is_ok() && d.is_ok());
    assert!(store.states("uid-poison").await.unwrap().is_empty(), "the whole evaluation is taken back");
    for claimed in claim(store, 2_000).await {
        store.record(None, claimed.delivered(2_000, String::new())).await.unwrap();
    }
}

async fn limits_and_turns_hold(store: &dyn Store) {
    for (tenant, count) in [("big", 50), ("small", 1)] {
        for number in 0..count {
            let mut new = new_delivery(&format!("{tenant}{number}"), "t", 1);
            new.occurrence.config_namespace = tenant.into();
            new.lane.config_namespace = tenant.into();
            put(store, new).await;
        }
    }
    let claims = store.claim(2_000, ClaimLimits { max: 4, ..all() }).await.unwrap();
    assert!(claims.more);
    assert!(claims.rows.iter().any(|row| row.delivery.lane.config_namespace == "small"));
    let big = Lane { config_namespace: "big".into(), service: "hook".into(), host: "h".into() };
    let blocked = ClaimLimits { blocked: HashSet::from([big]), ..all() };
    assert!(store.claim(2_000, blocked).await.unwrap().rows.is_empty());
    for claimed in claim(store, 2_000).await.into_iter().chain(claims.rows) {
        store.record(None, claimed.delivered(2_000, String::new())).await.unwrap();
    }
}

async fn a_claim_is_recorded_once(store: &dyn Store) {
    put(store, new_delivery("twice", "t", 1)).await;
    let claimed = claim(store, 2_000).await.remove(0);
    store.record(None, claimed.delivered(2_000, String::new())).await.unwrap();
    let again = store.record(None, claimed.dead(2_000, DeadReason::Gone)).await;
    assert!(matches!(again, Err(Error::ClaimLost(_))));
}

async fn adoption_truncation_and_forgetting(store: &dyn Store) {
    let adopt = Change::Adopt { state_key: "k".into(), at: 9 };
    store.commit(&object("adopt"), vec![adopt], 1_000).await.unwrap();
    let found = Phase::Annotated { at: 9, resource_version: String::new() };
    assert_eq!(store.states("uid-adopt").await.unwrap()["k"].phase, found);
    store.commit(&object("adopt"), vec![Change::Truncated { state_keys: vec!["k".into()] }], 1_000).await.unwrap();
    assert_eq!(store.states("uid-adopt").await.unwrap()["k"].phase, Phase::Truncated);
    store.commit(&object("adopt"), vec![Change::ForgetObject], 1_000).await.unwrap();
    assert!(store.states("uid-adopt").await.unwrap().is_empty());
}

async fn pruning_drops_the_old_only(store: &dyn Store) {
    put(store, new_delivery("old", "t", 1)).await;
    let claimed = claim(store, 2_000).await.remove(0);
    store.record(Some(attempt()), claimed.dead(2_000, DeadReason::GaveUp)).await.unwrap();
    let keep = Retention::default();
    assert_eq!(store.prune(keep, 3_000).await.unwrap().dead, 0);
    assert!(store.prune(Retention { dead_max: 0, ..keep }, 3_000).await.unwrap().dead >= 1);
    assert!(store.get(claimed.delivery.id).await.unwrap().is_none());
    assert!(store.prune(keep, keep.finished_age_ms + 10_000_000).await.unwrap().finished >= 1);
}

async fn old_values_are_forgotten(store: &dyn Store) {
    for (name, value) in [("m/a", "999 x"), ("m/b", "1000 x"), ("m/ä", "5"), ("n/a", "5 x")] {
        store.set_value(name, value.into()).await.unwrap();
    }
    assert_eq!(store.forget_values("m/", 1_000).await.unwrap(), 2);
    assert_eq!(store.forget_values("m/", 1_000).await.unwrap(), 0);
    assert!(store.value("m/a").await.unwrap().is_none());
    assert!(store.value("m/b").await.unwrap().is_some() && store.value("n/a").await.unwrap().is_some());
}

async fn suite(store: &dyn Store) {
    one_occurrence_has_one_row(store).await;
    late_delivery_after_disarm_and_rearm(store).await;
    annotations_are_owed_until_written(store).await;
    order_within_a_key_is_strict(store).await;
    a_newer_state_replaces_unsent_ones(store).await;
    dead_letters_are_seen_replayed_and_discarded(store).await;
    a_changed_configuration_releases(store).await;
    poison_is_isolated(store).await;
    limits_and_turns_hold(store).await;
    a_claim_is_recorded_once(store).await;
    adoption_truncation_and_forgetting(store).await;
    pruning_drops_the_old_only(store).await;
    old_values_are_forgotten(store).await;
    store.set_value("cursor", b"7".to_vec()).await.unwrap();
    assert_eq!(store.value("cursor").await.unwrap().unwrap(), b"7");
    store.health().await.unwrap();
    store.close().await;
    assert!(matches!(store.health().await, Err(Error::Closed)));
}

#[tokio::test]
async fn the_store_in_memory_conforms() {
    suite(&SqliteStore::in_memory().await.unwrap()).await;
}

#[tokio::test]
async fn the_store_in_a_file_conforms() {
    let folder = tempfile::tempdir().unwrap();
    suite(&SqliteStore::open(&folder.path().join("outbox.db"), 0).await.unwrap()).await;
}

#[tokio::test]
async fn a_restart_between_arming_and_delivery_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox.db");
    let store = SqliteStore::open(&path, 0).await.unwrap();
    let new = new_delivery("restart", "t", 1);
    put(&store, new.clone()).await;
    let held = claim(&store, 2_000).await.remove(0);
    let (install, epoch) = (store.install_id().to_owned(), store.epoch());
    store.close().await;
    let store = SqliteStore::open(&path, 0).await.unwrap();
    assert_eq!((store.install_id(), store.epoch()), (install.as_str(), epoch));
    assert_eq!(state(&store, &new).await, KeyState { armed: true, arming: 1, phase: Phase::Pending });
    let again = claim(&store, 2_000).await.remove(0);
    assert_eq!(again.delivery.id, held.delivery.id);
    assert!(again.earlier_process);
    let committed = store.commit(&object("restart"), vec![deliver(new)], 3_000).await.unwrap();
    assert_eq!(committed.adopted, [held.delivery.id]);
    store.close().await;
}

#[tokio::test]
async fn below_the_reserve_decisions_pause_and_outcomes_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox.db");
    let store = SqliteStore::open(&path, 0).await.unwrap();
    put(&store, new_delivery("full", "t", 1)).await;
    store.close().await;
    let store = SqliteStore::open(&path, u64::MAX).await.unwrap();
    let new = new_delivery("full", "t", 2);
    let refused = store.commit(&object("full"), vec![deliver(new)], 1_000).await;
    assert!(matches!(refused, Err(Error::Reserve { .. })));
    let claimed = claim(&store, 2_000).await.remove(0);
    store.record(None, claimed.delivered(2_000, String::new())).await.unwrap();
    store.close().await;
}
