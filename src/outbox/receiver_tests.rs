//! What receivers do to a dispatcher: refuse for a while, hang with all they have, answer at random, and what they hold in the end.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::conformance::{deliver, new_delivery, object};
use super::delivery::{DeadReason, State};
use super::dispatch::Settings;
use super::dispatch_tests::{Run, delivered, now_ms};
use super::sender::Verdict;
use super::store::{Filter, Store};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MINUTE_MS: i64 = 60_000;

/// Milliseconds until the newest waiting delivery is due.
async fn left_ms(run: &Run) -> i64 {
    let waiting = Filter { states: vec![State::Waiting], ..Filter::default() };
    let newest = run.store.list(&waiting).await.unwrap().into_iter().next();
    newest.map_or(0, |delivery| delivery.due_ms - now_ms()).max(0)
}

/// Lets time pass.
async fn pass(run: &Run, millis: i64) {
    run.store.shift_due(-millis).await.unwrap();
    run.dispatcher.wake();
}

#[tokio::test]
async fn a_receiver_that_is_missing_for_ten_minutes_gets_it_without_a_person() {
    let until_ms = Arc::new(Mutex::new(0));
    let passed_ms = Arc::clone(&until_ms);
    let mut run = Run::start(move |_| match *passed_ms.lock().unwrap() < 10 * MINUTE_MS {
        true => Some(Verdict::SlowRetry { cause: "404".into() }),
        false => delivered(),
    })
    .await;
    run.put("a", "h", None).await;
    let mut tries = 1;
    while run.next().await.1 != State::Delivered {
        let wait = left_ms(&run).await;
        assert!(wait > MINUTE_MS, "a roll-out is not hurried: {wait} ms");
        *until_ms.lock().unwrap() += wait;
        pass(&run, wait).await;
        tries += 1;
    }
    let passed = *until_ms.lock().unwrap();
    assert!(passed < 15 * MINUTE_MS && tries == 3, "{tries} tries, {passed} ms");
    run.stop().await;
}

#[tokio::test]
async fn a_try_that_does_not_end_is_cut_off_and_may_have_arrived() {
    let limit = Duration::from_millis(20);
    let mut run = Run::start_with(Settings { attempt_limit: limit, ..Settings::default() }, |_| None).await;
    run.put("a", "h", None).await;
    assert_eq!(run.next().await.1, State::Waiting);
    assert_eq!(run.next().await.1, State::Waiting);
    assert_eq!(run.next().await, ("a".into(), State::Dead, Some(DeadReason::UnknownOutcome)));
    let store = run.stop().await;
    let id = store.list(&Filter::default()).await.unwrap()[0].id;
    let attempts = store.get(id).await.unwrap().unwrap().attempts;
    assert!(attempts.iter().all(|attempt| attempt.reason.contains("delivery.attemptLimit")), "{attempts:?}");
}

#[tokio::test]
async fn thousands_pending_to_a_tenants_hung_host_cost_the_others_no_slot() {
    const PENDING: usize = 3_000;
    let mut run = Run::start(|claimed| match claimed.delivery.lane.host.as_str() {
        "hung" => None,
        _ => delivered(),
    })
    .await;
    let hung = (0..PENDING).map(|number| {
        let mut new = new_delivery(&format!("hung{number}"), "t", 1);
        (new.lane.config_namespace, new.lane.host) = ("big".into(), "hung".into());
        new.occurrence.config_namespace = "big".into();
        let store = Arc::clone(&run.store);
        async move { store.commit(&new.occurrence.object.clone(), vec![deliver(new)], now_ms()).await.unwrap() }
    });
    futures::future::join_all(hung).await;
    for number in 0..100 {
        run.put(&format!("good{number}"), &format!("host{}", number % 5), None).await;
        // Each at once, however much waits behind the hung host.
        assert_eq!(run.next().await, (format!("good{number}"), State::Delivered, None));
    }
    let counts = run.store.counts().await.unwrap();
    assert!(counts.by_state[&State::Claimed] <= 64, "a lane holds 64 in memory, not what it has");
    run.stop().await;
}

/// What a receiver does with one request.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Takes it.
    Take,
    /// Refuses it and stays as it is.
    Refuse,
    /// Takes it, and the answer is lost.
    TakeSilently,
    /// Nothing arrives, and no answer either.
    Lose,
}

/// Between decisions: how many tries the receiver sees before the next one is decided.
fn scripts() -> impl Strategy<Value = Vec<(u8, Vec<Act>)>> {
    let act = prop_oneof![Just(Act::Take), Just(Act::Refuse), Just(Act::TakeSilently), Just(Act::Lose)];
    proptest::collection::vec((0..3_u8, proptest::collection::vec(act, 0..3)), 1..5)
}

async fn play(decisions: Vec<(u8, Vec<Act>)>) {
    let held = Arc::new(Mutex::new(None));
    let acts: VecDeque<Act> = decisions.iter().flat_map(|(_, acts)| acts.clone()).collect();
    let (holding, acts) = (Arc::clone(&held), Mutex::new(acts));
    let mut run = Run::start(move |claimed| {
        let act = acts.lock().unwrap().pop_front().unwrap_or(Act::Take);
        if matches!(act, Act::Take | Act::TakeSilently) {
            *holding.lock().unwrap() = Some(claimed.payload.to_vec());
        }
        match act {
            Act::Take => delivered(),
            Act::Refuse => Some(Verdict::Retry { after: None, cause: "503".into() }),
            Act::TakeSilently | Act::Lose => Some(Verdict::Unknown { cause: "no answer".into() }),
        }
    })
    .await;
    let last = decisions.len();
    for (number, (tries, _)) in decisions.into_iter().enumerate() {
        let mut new = new_delivery("state", "t", number as u64 + 1);
        (new.payload, new.ordering) = (vec![number as u8], Some("scope".into()));
        (new.supersedes, new.idempotent) = (true, true);
        run.store.commit(&object("state"), vec![deliver(new)], now_ms()).await.unwrap();
        run.dispatcher.wake();
        for _ in 0..tries {
            let _ = tokio::time::timeout(Duration::from_millis(80), run.next()).await;
        }
    }
    let open = || async {
        let counts = run.store.counts().await.unwrap();
        [State::Prepared, State::Claimed, State::Waiting].iter().any(|state| counts.by_state.contains_key(state))
    };
    let ended = async {
        while open().await {
            pass(&run, left_ms(&run).await).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("nothing stays open");
    assert_eq!(*held.lock().unwrap(), Some(vec![last as u8 - 1]), "the last state held is the last decided");
    run.stop().await;
}

#[test]
fn whatever_a_receiver_does_the_last_state_it_holds_is_the_last_decided() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    let played = TestRunner::new(config).run(&scripts(), |decisions| {
        runtime.block_on(play(decisions));
        Ok(())
    });
    played.unwrap();
}
