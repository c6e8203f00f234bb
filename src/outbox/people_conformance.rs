//! What every store must do with what people see and order: dead letters, replays, destinations and their switches. Run like
//! [`super::conformance`], whose hands it uses.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::change::NewDelivery;
use super::conformance::{all, at, attempt, claim, deliver, new_delivery, object, put, state};
use super::delivery::{DeadReason, Lane, State};
use super::destination::{Off, OffBy};
use super::notify::Phase;
use super::store::{Filter, Release, Replay, Store};

/// All of it.
pub(super) async fn suite(store: &dyn Store) {
    dead_letters_are_seen_replayed_and_discarded(store).await;
    a_replay_is_spaced_and_the_oldest_is_first(store).await;
    a_repeated_delivery_is_another_one(store).await;
    a_destination_is_seen_and_switched(store).await;
    dead_letters_are_told_by_destination_and_cause(store).await;
    a_changed_configuration_releases(store).await;
    an_unknown_outcome_is_not_made_anew(store).await;
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
    let failed = store.failed_objects(1_000).await.unwrap();
    assert_eq!(failed.iter().filter(|(_, name)| name == "dead").count(), 1, "each once: {failed:?}");
    assert!(store.failed_objects(0).await.unwrap().is_empty());
    assert_eq!(store.get(claimed.delivery.id).await.unwrap().unwrap().attempts, [attempt()]);
    assert_eq!(
        store.replay(&filter, Replay { dry_run: true, ..at(3_000) }).await.unwrap().moved,
        [claimed.delivery.id]
    );
    assert!(claim(store, 3_000).await.is_empty(), "a dry run moves nothing");
    store.replay(&filter, at(3_000)).await.unwrap();
    let again = claim(store, 3_000).await.remove(0);
    assert_eq!((again.delivery.id, again.delivery.since_ms), (claimed.delivery.id, 3_000));
    store.record(Some(attempt()), again.dead(3_000, DeadReason::Rejected)).await.unwrap();
    store.discard(&filter, false, 4_000).await.unwrap();
    assert_eq!(state(store, &new).await.phase, Phase::Truncated);
}

async fn a_replay_is_spaced_and_the_oldest_is_first(store: &dyn Store) {
    let mut made = Vec::new();
    for arming in 1..=3 {
        put(store, new_delivery("spaced", "t", arming)).await;
        let claimed = claim(store, 2_000).await.remove(0);
        store.record(Some(attempt()), claimed.dead(2_000, DeadReason::GaveUp)).await.unwrap();
        made.push(claimed.delivery.id);
    }
    let filter = Filter { object: Some(("argocd".into(), "spaced".into())), ..Filter::default() };
    assert_eq!(store.replay(&filter, at(3_000)).await.unwrap().moved, made);
    for (now_ms, id) in [(3_000, made[0]), (4_000, made[1]), (5_000, made[2])] {
        let due = claim(store, now_ms).await;
        assert_eq!(due.iter().map(|claimed| claimed.delivery.id).collect::<Vec<_>>(), [id]);
        store.record(None, due[0].delivered(now_ms, String::new())).await.unwrap();
    }
}

async fn a_repeated_delivery_is_another_one(store: &dyn Store) {
    let new = NewDelivery { payload: b"once more".to_vec(), ..new_delivery("again", "t", 1) };
    put(store, new.clone()).await;
    let filter = Filter { object: Some(("argocd".into(), "again".into())), ..Filter::default() };
    let repeat = |now_ms| Replay { as_new: true, ..at(now_ms) };
    let open = store.replay(&filter, repeat(2_000)).await.unwrap();
    assert_eq!((open.moved.len(), open.skipped.len()), (0, 1), "what is on its way is not repeated");
    let first = claim(store, 2_000).await.remove(0);
    store.record(Some(attempt()), first.delivered(2_000, String::new())).await.unwrap();
    let dry = store.replay(&filter, Replay { dry_run: true, ..repeat(3_000) }).await.unwrap();
    assert_eq!((dry.moved, dry.made.len()), (vec![first.delivery.id], 0));
    let made = store.replay(&filter, repeat(3_000)).await.unwrap().made;
    assert_eq!((made.len(), made[0].0), (1, first.delivery.id));
    let second = claim(store, 3_000).await.remove(0);
    assert_eq!((second.delivery.id, &second.payload[..]), (made[0].1, &b"once more"[..]));
    assert_ne!(second.delivery.id, first.delivery.id);
    assert_eq!(second.delivery.occurrence, first.delivery.occurrence);
    store.record(Some(attempt()), second.dead(3_000, DeadReason::Rejected)).await.unwrap();
    assert_eq!(state(store, &new).await.phase, Phase::Delivered { at: 2 }, "the first one stays delivered");
    let dead = Filter { ids: vec![second.delivery.id], ..Filter::default() };
    let third = store.replay(&dead, repeat(4_000)).await.unwrap().made[0].1;
    let gave_way = store.get(second.delivery.id).await.unwrap().unwrap().delivery;
    assert_eq!((gave_way.state, gave_way.successor), (State::Superseded, Some(third)));
    let third = claim(store, 4_000).await.remove(0);
    store.record(None, third.delivered(4_000, String::new())).await.unwrap();
}

async fn a_destination_is_seen_and_switched(store: &dyn Store) {
    let lane = Lane { config_namespace: "team".into(), service: "seen".into(), host: "h".into() };
    let placed = |app: &str| {
        let mut new = NewDelivery { lane: lane.clone(), ..new_delivery(app, "t", 1) };
        new.occurrence.config_namespace = "team".into();
        new.occurrence.destination.service = "seen".into();
        new
    };
    assert!(!store.switch(&lane, Some(&Off::new(1, OffBy::Person, ""))).await.unwrap(), "there is none yet");
    put(store, placed("seen1")).await;
    put(store, placed("seen2")).await;
    let found = async || store.destinations().await.unwrap().into_iter().find(|one| one.lane == lane).unwrap();
    let fresh = found().await;
    assert_eq!((fresh.pending, fresh.oldest_pending_ms, fresh.last, fresh.off), (2, Some(1_000), None, None));
    let held = store.claim(2_000, all()).await.unwrap().rows;
    assert_eq!(held.len(), 2);
    store.record(Some(attempt()), held[0].delivered(2_500, String::new())).await.unwrap();
    store.record(Some(attempt()), held[1].waiting(3_000, 9_000, 1, false, "status 503".into())).await.unwrap();
    let later = found().await;
    let last = later.last.unwrap();
    assert_eq!((later.pending, last.delivery, last.at_ms), (1, held[1].delivery.id, 3_000));
    assert_eq!((last.state, last.reason.as_str()), (State::Waiting, "status 503"));
    let off = Off::new(4_000, OffBy::Receiver, "gone");
    assert!(store.switch(&lane, Some(&off)).await.unwrap());
    assert!(
        !store.switch(&lane, Some(&Off::new(5_000, OffBy::Person, "late"))).await.unwrap(),
        "the first word counts"
    );
    assert_eq!(store.switched_off().await.unwrap(), [(lane.clone(), off.clone())]);
    assert_eq!(found().await.off, Some(off));
    let broken = super::breaker::Breaker::default().refused(5_000);
    store.set_breaker(&lane, &broken).await.unwrap();
    assert_eq!((found().await.breaker, found().await.off.is_some()), (broken, true), "a breaker switches nothing");
    assert!(store.switch(&lane, None).await.unwrap() && !store.switch(&lane, None).await.unwrap());
    assert!(store.switched_off().await.unwrap().is_empty());
    for claimed in claim(store, 9_000).await {
        store.record(None, claimed.delivered(9_000, String::new())).await.unwrap();
    }
}

async fn dead_letters_are_told_by_destination_and_cause(store: &dyn Store) {
    let lane = |host: &str| Lane { config_namespace: "graves".into(), service: "grave".into(), host: host.into() };
    let deaths = [
        ("g1", "one", DeadReason::GaveUp, 1_000),
        ("g2", "one", DeadReason::Rejected, 2_000),
        ("g3", "two", DeadReason::Rejected, 3_000),
        ("g4", "one", DeadReason::Rejected, 4_000),
    ];
    for (app, host, reason, at_ms) in deaths {
        let mut new = NewDelivery { lane: lane(host), ..new_delivery(app, "t", 1) };
        new.occurrence.config_namespace = "graves".into();
        new.occurrence.destination.service = "grave".into();
        store.commit(&object(app), vec![deliver(new)], at_ms).await.unwrap();
        let claimed = claim(store, at_ms).await.remove(0);
        store.record(Some(attempt()), claimed.dead(at_ms, reason)).await.unwrap();
    }
    let groups: Vec<_> = store.dead_letters().await.unwrap();
    assert!(groups.is_sorted_by_key(|group| std::cmp::Reverse(group.count)));
    let ours = groups.iter().filter(|group| group.lane.service == "grave");
    let told: Vec<_> = ours
        .map(|one| (one.lane.host.as_str(), one.reason.as_str(), one.count, one.oldest_ms, one.newest_ms))
        .collect();
    let expected = [
        ("one", "rejected", 2, 2_000, 4_000),
        ("one", "gaveUp", 1, 1_000, 1_000),
        ("two", "rejected", 1, 3_000, 3_000),
    ];
    assert_eq!(told, expected);
    let chosen = async |host: &str, service: Option<&str>, reason: Option<&str>| {
        let filter = Filter {
            config_namespace: Some("graves".into()),
            service: service.map(str::to_owned),
            host: Some(host.into()),
            reason: reason.map(str::to_owned),
            states: vec![State::Dead],
            ..Filter::default()
        };
        let found = store.list(&filter).await.unwrap();
        found.into_iter().map(|one| one.occurrence.object.name).collect::<Vec<_>>()
    };
    assert_eq!(chosen("one", Some("grave"), Some("rejected")).await, ["g4", "g2"]);
    assert_eq!(chosen("one", None, Some("gaveUp")).await, ["g1"]);
    assert_eq!(chosen("two", Some("grave"), None).await, ["g3"]);
    assert!(chosen("three", Some("grave"), None).await.is_empty());
    let all = Filter { service: Some("grave".into()), ..Filter::default() };
    assert_eq!(store.discard(&all, false, 5_000).await.unwrap().moved.len(), 4);
    assert!(store.dead_letters().await.unwrap().iter().all(|group| group.lane.service != "grave"));
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

/// What may have arrived is repeated by nobody but a person, whatever changed.
async fn an_unknown_outcome_is_not_made_anew(store: &dyn Store) {
    let new = new_delivery("unsure", "t", 1);
    put(store, new.clone()).await;
    let claimed = claim(store, 2_000).await.remove(0);
    store.record(Some(attempt()), claimed.dead(2_000, DeadReason::UnknownOutcome)).await.unwrap();
    let mended = NewDelivery { digest: "d3".into(), payload: b"new".to_vec(), ..new };
    let committed = store.commit(&object("unsure"), vec![deliver(mended)], 3_000).await.unwrap();
    assert_eq!(committed.adopted, [claimed.delivery.id]);
    assert!(claim(store, 4_000).await.is_empty());
    let kept = store.get(claimed.delivery.id).await.unwrap().unwrap().delivery;
    assert_eq!((kept.state, kept.digest.as_str()), (State::Dead, "d3"));
    let states = store.states("uid-unsure").await.unwrap();
    assert!(states.values().all(|state| state.phase == Phase::Dead { digest: "d3".into() }), "{states:?}");
    let all = Filter { ids: vec![claimed.delivery.id], ..Filter::default() };
    assert_eq!(store.discard(&all, false, 5_000).await.unwrap().moved.len(), 1);
}
