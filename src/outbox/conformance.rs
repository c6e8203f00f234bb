//! What every store must do, as one suite over [`Store`]: run over the file and the store in memory by `sqlite_tests.rs`, and over
//! PostgreSQL by `tests/it/outbox_postgres`, which includes this file; so it names its neighbours through `super`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::change::{Change, NewDelivery};
use super::delivery::{Attempt, Claimed, DeadReason, Lane, State};
use super::intents::About;
use super::notify::{Destination, KeyState, ObjectId, Occurrence, Phase};
use super::people_conformance;
use super::store::{ClaimLimits, Error, Filter, Replay, Retention, Store};
use async_trait::async_trait;
use std::collections::{HashMap, HashSet};

/// A place for a store that can be opened again and again, as a process that starts anew does.
#[async_trait]
pub(super) trait Place: Sync {
    async fn open(&self) -> Box<dyn Store>;
}

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

/// A replay at `now_ms` under the old ids, one a second.
pub(super) fn at(now_ms: i64) -> Replay {
    Replay { dry_run: false, now_ms, spacing_ms: 1_000, as_new: false }
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

pub(super) async fn put(store: &dyn Store, new: NewDelivery) {
    store.commit(&new.occurrence.object.clone(), vec![deliver(new)], 1_000).await.unwrap();
}

pub(super) async fn claim(store: &dyn Store, now_ms: i64) -> Vec<Claimed> {
    store.claim(now_ms, all()).await.unwrap().rows
}

pub(super) async fn state(store: &dyn Store, new: &NewDelivery) -> KeyState {
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

async fn the_last_of_an_object_is_kept_until_it_is_forgotten(store: &dyn Store) {
    let (one, two) = (object("last-1"), object("last-2"));
    let keep = |digest: u8, content: &str| vec![Change::Keep { digest: vec![digest], content: content.into() }];
    store.commit(&one, keep(1, "first"), 1_000).await.unwrap();
    store.commit(&one, keep(2, "second"), 2_000).await.unwrap();
    store.commit(&two, keep(3, "other"), 2_000).await.unwrap();
    let kept = store.kept().await.unwrap();
    let shown: Vec<_> = kept.iter().map(|k| (k.object.name.as_str(), k.digest.as_slice())).collect();
    assert_eq!(shown, [("last-1", &[2][..]), ("last-2", &[3][..])]);
    assert!(kept[0].bytes >= 6, "{kept:?}");
    assert_eq!(store.last_object(&one.uid).await.unwrap().unwrap(), b"second");
    store.commit(&two, vec![Change::Unkeep], 3_000).await.unwrap();
    assert_eq!(store.last_object(&two.uid).await.unwrap(), None);
    store.commit(&one, vec![Change::ForgetObject], 3_000).await.unwrap();
    assert_eq!(store.kept().await.unwrap(), []);
}

async fn known_objects_come_in_pages(store: &dyn Store) {
    for name in ["page-a", "page-b", "page-c"] {
        let changes =
            vec![Change::Adopt { state_key: "k1".into(), at: 1 }, Change::Adopt { state_key: "k2".into(), at: 1 }];
        store.commit(&object(name), changes, 1_000).await.unwrap();
    }
    let first = store.objects("uid-page-", 2).await.unwrap();
    assert_eq!(first, [object("page-a"), object("page-b")]);
    assert_eq!(store.objects(&first[1].uid, 1).await.unwrap(), [object("page-c")]);
}

async fn a_lost_annotation_is_owed_again(store: &dyn Store) {
    let lost = object("restored");
    store.commit(&lost, vec![Change::Adopt { state_key: "k".into(), at: 5 }], 1_000).await.unwrap();
    store.commit(&lost, vec![Change::Restore { state_keys: vec!["k".into()] }], 2_000).await.unwrap();
    assert_eq!(store.states(&lost.uid).await.unwrap()["k"].phase, Phase::Delivered { at: 5 });
    let owed = store.owed_annotations(100).await.unwrap().into_iter().find(|owed| owed.object == lost).unwrap();
    assert_eq!(owed.set, [("k".to_owned(), 5)]);
    let written = Change::Annotated { state_keys: vec!["k".into()], removed: vec![], resource_version: "9".into() };
    store.commit(&lost, vec![written], 3_000).await.unwrap();
}

async fn open_deliveries_are_counted_by_tenant(store: &dyn Store) {
    let tenant = |arming| {
        let mut new = new_delivery("counted", "t", arming);
        new.occurrence.config_namespace = "team-counted".into();
        new.lane.config_namespace = "team-counted".into();
        new
    };
    for arming in 1..=3 {
        put(store, tenant(arming)).await;
    }
    assert_eq!(store.open_of("team-counted", 100).await.unwrap(), 3);
    assert_eq!(store.open_of("team-counted", 2).await.unwrap(), 2);
    for claimed in claim(store, 2_000).await {
        store.record(None, claimed.delivered(2_000, String::new())).await.unwrap();
    }
    assert_eq!(store.open_of("team-counted", 100).await.unwrap(), 0);
}

async fn named_ids_only(store: &dyn Store) {
    let mut made = Vec::new();
    for arming in 1..=3 {
        let new = new_delivery("named", "t", arming);
        made.extend(store.commit(&object("named"), vec![deliver(new)], 1_000).await.unwrap().ids);
    }
    let named = Filter { ids: vec![made[2], made[0]], ..Filter::default() };
    let found: Vec<_> = store.list(&named).await.unwrap().into_iter().map(|delivery| delivery.id).collect();
    assert_eq!(found, [made[2], made[0]], "newest first, and no other");
    store.discard(&Filter { ids: made, ..Filter::default() }, false, 2_000).await.unwrap();
}

async fn a_stepped_clock_moves_what_is_open(store: &dyn Store) {
    put(store, new_delivery("clock", "t", 1)).await;
    let claimed = claim(store, 2_000).await.remove(0);
    store.record(Some(attempt()), claimed.waiting(2_000, 5_000, 1, false, "x".into())).await.unwrap();
    store.shift_due(1_000_000).await.unwrap();
    assert!(claim(store, 1_004_999).await.is_empty(), "not due before its time, forwards");
    store.shift_due(-1_000_000).await.unwrap();
    let claimed = claim(store, 5_000).await.remove(0);
    assert_eq!(claimed.delivery.since_ms, 1_000);
    store.record(None, claimed.delivered(5_000, String::new())).await.unwrap();
    let before = store.get(claimed.delivery.id).await.unwrap().unwrap().delivery;
    store.shift_due(77).await.unwrap();
    assert_eq!(store.get(before.id).await.unwrap().unwrap().delivery, before, "what is over stays as it is");
}

async fn pruning_keeps_to_a_size(store: &dyn Store) {
    for arming in 1..=4 {
        put(store, NewDelivery { payload: vec![b'x'; 1_000], ..new_delivery("size", "t", arming) }).await;
    }
    for claimed in claim(store, 2_000).await {
        store.record(None, claimed.delivered(2_000, String::new())).await.unwrap();
    }
    let keep = Retention { finished_bytes: 2_500, ..Retention::default() };
    store.prune(keep, 3_000).await.unwrap();
    let left =
        store.list(&Filter { object: Some(("argocd".into(), "size".into())), ..Filter::default() }).await.unwrap();
    let armings: Vec<_> = left.iter().map(|delivery| delivery.occurrence.arming).collect();
    assert_eq!(armings, [4, 3], "the newest stay");
}

async fn what_no_annotation_tells_of_owes_none(store: &dyn Store) {
    let new = NewDelivery { state_key: String::new(), ..new_delivery("untold", "t", 1) };
    put(store, new).await;
    let claimed = claim(store, 9_000_000).await.into_iter().find(|c| c.delivery.occurrence.object.name == "untold");
    let claimed = claimed.unwrap();
    assert_eq!(
        store.record(Some(attempt()), claimed.delivered(9_000_000, String::new())).await.unwrap(),
        State::Delivered
    );
    assert!(store.states("uid-untold").await.unwrap().is_empty());
    assert!(store.owed_annotations(100).await.unwrap().iter().all(|owed| owed.object.name != "untold"));
}

async fn an_intent_without_an_answer_stays_the_same_one(store: &dyn Store) {
    let about = |branch: &str, sha: &str| About { branch: branch.into(), sha: sha.into() };
    let abouts = vec![about("prod", "a"), about("dev", "a")];
    let first = store.intend("g", abouts.clone(), 1_000).await.unwrap();
    assert_eq!(first.iter().map(|intent| intent.about.clone()).collect::<Vec<_>>(), abouts);
    assert!(first.iter().all(|intent| intent.attempt == 1 && intent.open && intent.since_ms == 1_000));
    assert_eq!(store.intend("g", abouts.clone(), 2_000).await.unwrap(), first, "as a later process asks again");
    store.fulfil(first).await.unwrap();
    assert!(store.intents("g").await.unwrap().iter().all(|intent| !intent.open));
    let second = store.intend("g", abouts, 3_000).await.unwrap();
    assert!(second.iter().all(|intent| intent.attempt == 2 && intent.since_ms == 3_000));
    let moved = store.intend("g", vec![about("dev", "b")], 4_000).await.unwrap().remove(0);
    assert_eq!(moved.attempt, 3, "another commit is another question");
    let back = store.intend("g", vec![about("dev", "a")], 5_000).await.unwrap().remove(0);
    assert_eq!(back.attempt, 4, "no key is used twice");
    store.fulfil(vec![moved]).await.unwrap();
    assert!(store.intents("g").await.unwrap().iter().all(|intent| intent.open), "an answer that nobody waits for");
    assert_eq!(store.intend("other", vec![about("dev", "a")], 1_000).await.unwrap()[0].attempt, 1);
    assert_eq!(store.forget_intents(4_000).await.unwrap(), 2);
    assert_eq!(store.intents("g").await.unwrap(), [back]);
}

/// Everything that one store does in one life.
pub(super) async fn suite(store: &dyn Store) {
    one_occurrence_has_one_row(store).await;
    late_delivery_after_disarm_and_rearm(store).await;
    annotations_are_owed_until_written(store).await;
    order_within_a_key_is_strict(store).await;
    a_newer_state_replaces_unsent_ones(store).await;
    people_conformance::suite(store).await;
    poison_is_isolated(store).await;
    limits_and_turns_hold(store).await;
    a_claim_is_recorded_once(store).await;
    adoption_truncation_and_forgetting(store).await;
    the_last_of_an_object_is_kept_until_it_is_forgotten(store).await;
    known_objects_come_in_pages(store).await;
    a_lost_annotation_is_owed_again(store).await;
    open_deliveries_are_counted_by_tenant(store).await;
    named_ids_only(store).await;
    what_no_annotation_tells_of_owes_none(store).await;
    a_stepped_clock_moves_what_is_open(store).await;
    pruning_keeps_to_a_size(store).await;
    pruning_drops_the_old_only(store).await;
    old_values_are_forgotten(store).await;
    an_intent_without_an_answer_stays_the_same_one(store).await;
    store.set_value("cursor", b"7".to_vec()).await.unwrap();
    assert_eq!(store.value("cursor").await.unwrap().unwrap(), b"7");
    store.health().await.unwrap();
    store.close().await;
    assert!(matches!(store.health().await, Err(Error::Closed)));
}

/// One delivery with the ordering key `key` is pending of another installation: it is seen, neither sent nor in the way.
pub(super) async fn of_another_installation(store: &dyn Store) {
    assert!(claim(store, 2_000).await.is_empty());
    put(store, NewDelivery { ordering: Some("key".into()), ..new_delivery("ours", "t", 1) }).await;
    let claimed = claim(store, 2_000).await;
    assert_eq!(claimed.iter().map(|row| row.delivery.occurrence.object.name.as_str()).collect::<Vec<_>>(), ["ours"]);
    store.record(None, claimed[0].delivered(2_000, String::new())).await.unwrap();
    assert_eq!(store.list(&Filter::default()).await.unwrap().len(), 2);
    store.close().await;
}

/// What is left after a process ended between arming and delivery.
pub(super) async fn a_restart_between_arming_and_delivery_loses_nothing(place: &dyn Place) {
    let store = place.open().await;
    let new = new_delivery("restart", "t", 1);
    put(store.as_ref(), new.clone()).await;
    let held = claim(store.as_ref(), 2_000).await.remove(0);
    let (install, epoch) = (store.install_id().to_owned(), store.epoch());
    store.close().await;
    let store = place.open().await;
    assert_eq!((store.install_id(), store.epoch()), (install.as_str(), epoch));
    assert_eq!(state(store.as_ref(), &new).await, KeyState { armed: true, arming: 1, phase: Phase::Pending });
    let again = claim(store.as_ref(), 2_000).await.remove(0);
    assert_eq!(again.delivery.id, held.delivery.id);
    assert!(again.earlier_process);
    let lost = store.record(None, held.delivered(2_000, String::new())).await;
    assert!(matches!(lost, Err(Error::ClaimLost(_))), "the claim of the earlier process is no more");
    let committed = store.commit(&object("restart"), vec![deliver(new)], 3_000).await.unwrap();
    assert_eq!(committed.adopted, [held.delivery.id]);
    store.close().await;
}

/// A body whose words can be looked for.
pub(super) const PLAIN: &str = "plain words of a body";
/// What a receiver said, which may repeat what it was sent.
pub(super) const ANSWER: &str = "plain words of an answer";

/// A dead letter with a body and an answer whose words can be looked for in whatever the store wrote.
pub(super) async fn put_a_dead_letter(store: &dyn Store, app: &str) -> super::delivery::DeliveryId {
    let new = NewDelivery { payload: PLAIN.into(), ..new_delivery(app, "t", 1) };
    put(store, new).await;
    let claimed = claim(store, 2_000).await.remove(0);
    assert_eq!(&claimed.payload[..], PLAIN.as_bytes());
    let attempt = Attempt { excerpt: ANSWER.into(), ..attempt() };
    store.record(Some(attempt), claimed.dead(2_000, DeadReason::Rejected)).await.unwrap();
    claimed.delivery.id
}

/// What is encrypted opens with its key, old or new; without it only what needs it stops, and says so.
/// `places`: without keys, with `k1`, with `k2` and `k1`, with `k2` alone; all of the same store.
pub(super) async fn rotation([none, old, both, new]: [&dyn Place; 4]) {
    let store = none.open().await;
    let plain = put_a_dead_letter(store.as_ref(), "plain").await;
    store.close().await;
    let store = old.open().await;
    let first = put_a_dead_letter(store.as_ref(), "first").await;
    store.close().await;
    let store = both.open().await;
    let second = put_a_dead_letter(store.as_ref(), "second").await;
    for id in [plain, first, second] {
        let detail = store.get(id).await.unwrap().unwrap();
        assert_eq!((detail.payload.as_slice(), detail.locked), (PLAIN.as_bytes(), None));
        assert_eq!(detail.attempts[0].excerpt, ANSWER);
    }
    store.close().await;

    let store = new.open().await;
    let detail = store.get(first).await.unwrap().unwrap();
    assert!(detail.payload.is_empty() && detail.locked.unwrap().contains("\"k1\""));
    assert!(detail.attempts[0].excerpt.contains("\"k1\""));
    let all_dead = Filter { states: vec![State::Dead], ..Filter::default() };
    assert_eq!(store.replay(&all_dead, Replay { spacing_ms: 0, ..at(3_000) }).await.unwrap().moved.len(), 3);
    let mut open: Vec<_> = claim(store.as_ref(), 3_000).await.iter().map(|claimed| claimed.delivery.id).collect();
    let mut expected = [plain, second];
    open.sort();
    expected.sort();
    assert_eq!(open, expected, "what can be opened goes out");
    let waiting = store.get(first).await.unwrap().unwrap().delivery;
    assert_eq!((waiting.state, waiting.attempts), (State::Waiting, 1));
    assert!(
        waiting.reason.contains("\"k1\"") && waiting.reason.contains("store.encryptionKeyFile"),
        "{}",
        waiting.reason
    );
    assert!(claim(store.as_ref(), 3_000).await.is_empty(), "it does not come round at once");
    store.close().await;

    let store = both.open().await;
    let late = claim(store.as_ref(), 200_000).await;
    assert!(late.iter().any(|claimed| claimed.delivery.id == first && &claimed.payload[..] == PLAIN.as_bytes()));
    store.close().await;
}
