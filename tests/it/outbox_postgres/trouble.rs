//! Several processes on one schema, and a server that goes away: nothing is lost, nothing is sent by two.

use super::Schema;
use super::conformance::{all, claim, deliver, new_delivery, object, put};
use super::store::{Error, Filter, Store};
use crate::env::postgres::own;
use crate::env::{PATIENCE, postgres, wait_until};
use async_trait::async_trait;
use gatepost::outbox::postgres::PostgresOptions;
use gatepost::outbox::{
    Claimed, DeliveryId, Dispatcher, Event, Lane, Observer, Policy, PostgresStore, SendOutcome, Sender, Settings,
    State, Verdict,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Counts what is sent.
#[derive(Default)]
struct Counting {
    sent: Mutex<HashMap<DeliveryId, usize>>,
}

#[async_trait]
impl Sender for Counting {
    async fn send(&self, claimed: &Claimed) -> SendOutcome {
        *self.sent.lock().unwrap().entry(claimed.delivery.id).or_default() += 1;
        tokio::time::sleep(Duration::from_millis(2)).await;
        let verdict = Verdict::Delivered { reached: None, note: String::new() };
        SendOutcome { status: Some(200), target: "http://h".into(), excerpt: String::new(), verdict }
    }

    fn policy(&self, _: &Lane) -> Policy {
        Policy::default()
    }
}

struct Deaf;

impl Observer for Deaf {
    fn observe(&self, _: &Event<'_>) {}
}

/// Processes that work one schema off together.
struct Crew {
    stores: Vec<Arc<PostgresStore>>,
    sender: Arc<Counting>,
    stop: CancellationToken,
    working: tokio::task::JoinSet<()>,
}

impl Crew {
    async fn start(schema: &Schema, size: usize) -> Self {
        let (sender, stop) = (Arc::new(Counting::default()), CancellationToken::new());
        let (mut stores, mut working) = (Vec::new(), tokio::task::JoinSet::new());
        for _ in 0..size {
            let store = Arc::new(schema.store().await);
            let dispatcher = Dispatcher::new(store.clone(), sender.clone(), Settings::default(), Arc::new(Deaf));
            let stop = stop.clone();
            working.spawn(async move { dispatcher.run(stop).await });
            stores.push(store);
        }
        Self { stores, sender, stop, working }
    }

    /// Decides `count` deliveries, each by one of the processes, again and again until the store takes it.
    async fn decide(&self, count: usize) {
        let decisions = (0..count).map(|number| {
            let store = Arc::clone(&self.stores[number % self.stores.len()]);
            async move {
                let name = format!("app{number}");
                let mut new = new_delivery(&name, "t", 1);
                new.lane.host = format!("host{}", number % 7);
                new.ordering = (number % 3 == 0).then(|| format!("key{}", number % 5));
                while let Err(error) = store.commit(&object(&name), vec![deliver(new.clone())], 1_000).await {
                    assert!(error.is_transient(), "{error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        });
        futures::future::join_all(decisions).await;
    }

    /// Waits until all are delivered; each was sent once.
    async fn finish(mut self, count: usize) {
        let done = || async {
            let counts = self.stores[0].counts().await;
            counts.is_ok_and(|counts| counts.by_state.get(&State::Delivered) == Some(&(count as u64)))
        };
        wait_until("all are delivered", PATIENCE * 4, done).await;
        let sent = self.sender.sent.lock().unwrap().clone();
        assert_eq!(sent.len(), count);
        assert!(sent.values().all(|times| *times == 1), "one was sent by two");
        self.stop.cancel();
        while self.working.join_next().await.is_some() {}
        for store in &self.stores {
            store.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_dispatchers_send_each_delivery_once() {
    let crew = Crew::start(&Schema::new().await, 4).await;
    crew.decide(300).await;
    crew.finish(300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_killed_all_the_time_lose_and_double_nothing() {
    let schema = Schema::new().await;
    let crew = Crew::start(&schema, 2).await;
    let killing = async {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            schema
                .query(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                     WHERE datname = current_database() AND application_name = 'gatepost'",
                )
                .await;
        }
    };
    tokio::join!(crew.decide(200), killing);
    crew.finish(200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashes_and_comes_back_loses_and_doubles_nothing() {
    let mut server = own().await;
    let crew = Crew::start(&Schema::at(&server.database().await), 2).await;
    let crash = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.restart();
    };
    tokio::join!(crew.decide(200), crash);
    crew.finish(200).await;
}

/// A process that is not heard of for a second counts as dead.
async fn hasty() -> Schema {
    let schema = Schema::new().await;
    Schema { options: PostgresOptions { lease: Duration::from_secs(1), ..schema.options }, ..schema }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_process_held_is_put_back_when_its_lease_ends() {
    let schema = hasty().await;
    let (dying, other) = (schema.store().await, schema.store().await);
    put(&dying, new_delivery("a", "t", 1)).await;
    let held = claim(&dying, 2_000).await.remove(0);
    assert!(claim(&other, 2_000).await.is_empty(), "the lease holds");
    drop(dying);
    let again = crate::env::wait_for("the claim is put back", PATIENCE, || async { claim(&other, 2_000).await.pop() });
    let again = again.await;
    assert_eq!(again.delivery.id, held.delivery.id);
    assert!(again.earlier_process, "the object is to be read before it is sent");
    let stale = other.record(None, held.delivered(2_000, String::new())).await;
    assert!(matches!(stale, Err(Error::ClaimLost(_))), "the old claim records nothing");
    other.record(None, again.delivered(2_000, String::new())).await.unwrap();
    other.close().await;
}

#[tokio::test]
async fn a_living_process_keeps_its_claims_over_many_leases() {
    let schema = hasty().await;
    let (living, other) = (schema.store().await, schema.store().await);
    put(&living, new_delivery("a", "t", 1)).await;
    let held = claim(&living, 2_000).await.remove(0);
    let beats = async {
        loop {
            other.changed().await;
            assert!(claim(&other, 2_000).await.is_empty());
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(3), beats).await.is_err());
    living.record(None, held.delivered(2_000, String::new())).await.unwrap();
    for store in [living, other] {
        store.close().await;
    }
}

#[tokio::test]
async fn a_row_of_another_process_is_told_of_without_waiting_for_a_beat() {
    let schema = Schema::new().await;
    let never = Duration::from_secs(100_000);
    let options = PostgresOptions { lease: never, beat: never, ..schema.options.clone() };
    let schema = Schema { options, ..schema };
    let (deciding, other) = (schema.store().await, schema.store().await);
    let listening = || async {
        let asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";
        schema.query(asked).await == "2"
    };
    wait_until("both listen", PATIENCE, listening).await;
    put(&deciding, new_delivery("a", "t", 1)).await;
    tokio::time::timeout(PATIENCE, other.changed()).await.expect("told");
    assert_eq!(claim(&other, 2_000).await.len(), 1);
    for store in [deciding, other] {
        store.close().await;
    }
}

#[tokio::test]
async fn order_and_replacement_hold_between_processes() {
    let schema = Schema::new().await;
    let (first, second) = (schema.store().await, schema.store().await);
    let scoped = |arming| {
        let mut new = new_delivery("scope", "t", arming);
        (new.ordering, new.supersedes) = (Some("s".into()), true);
        new
    };
    put(&first, scoped(1)).await;
    let flying = claim(&first, 2_000).await.remove(0);
    put(&second, scoped(2)).await;
    assert!(claim(&second, 2_000).await.is_empty(), "behind a head in flight at another process nothing goes");
    let state = first.record(None, flying.waiting(3_000, 3_000, 1, true, "x".into())).await.unwrap();
    assert_eq!(state, State::Superseded);
    assert_eq!(claim(&first, 3_000).await.len(), 1);
    for store in [first, second] {
        store.close().await;
    }
}

#[tokio::test]
async fn a_clock_that_steps_at_one_process_moves_nothing_of_the_other() {
    let schema = Schema::new().await;
    let (stepped, other) = (schema.store().await, schema.store().await);
    for (store, name) in [(&stepped, "mine"), (&other, "yours")] {
        put(store, new_delivery(name, "t", 1)).await;
        let claimed = claim(store, 2_000).await.remove(0);
        store.record(None, claimed.waiting(2_000, 5_000, 1, false, "x".into())).await.unwrap();
    }
    stepped.shift_due(1_000).await.unwrap();
    let due = other.list(&Filter::default()).await.unwrap();
    let due: Vec<_> = due.iter().map(|row| (row.occurrence.object.name.as_str(), row.due_ms)).collect();
    assert_eq!(due, [("yours", 5_000), ("mine", 6_000)]);
    for store in [stepped, other] {
        store.close().await;
    }
}

#[tokio::test]
async fn processes_that_start_together_make_one_schema() {
    let schema = Schema::new().await;
    let stores = futures::future::join_all((0..4).map(|_| schema.store())).await;
    let ids: std::collections::HashSet<_> = stores.iter().map(|store| (store.install_id(), store.epoch())).collect();
    assert_eq!(ids.len(), 1);
    for store in &stores {
        store.close().await;
    }
}

async fn refusal(url: &str, options: PostgresOptions) -> String {
    let options = PostgresOptions { patience: Duration::ZERO, ..options };
    PostgresStore::open(url, options).await.err().expect("refused").to_string()
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let schema = Schema::new().await;
    schema.store().await.close().await;
    schema.query("INSERT INTO schema_version VALUES (99)").await;
    let told = refusal(&schema.url, schema.options).await;
    assert!(told.contains("version 99") && told.contains("run the newer one"), "{told}");
}

#[tokio::test]
async fn whoever_cannot_connect_is_told_why_and_never_the_password() {
    let url = postgres().await.database().await;
    let password = url.split(':').nth(2).unwrap().split('@').next().unwrap();
    let cases = [
        (url.replace(password, "hunter2"), "password authentication failed"),
        (format!("{url}?sslmode=require"), "TLS"),
        ("postgres://me:hunter2@127.0.0.1:1/x".to_owned(), "refused"),
        (format!("{url}_none"), "does not exist"),
    ];
    for (url, expected) in cases {
        let told = refusal(&url, PostgresOptions::default()).await;
        assert!(told.contains(expected), "{told}");
        assert!(told.contains("postgres://") && !told.contains("hunter2") && !told.contains(password), "{told}");
    }
}

#[tokio::test]
async fn claims_of_two_processes_at_once_share_the_rows() {
    let schema = Schema::new().await;
    let (first, second) = (schema.store().await, schema.store().await);
    for number in 0..40 {
        put(&first, new_delivery(&format!("app{number}"), "t", 1)).await;
    }
    let (a, b) = tokio::join!(first.claim(2_000, all()), second.claim(2_000, all()));
    let mut ids: Vec<_> = a.unwrap().rows.iter().chain(&b.unwrap().rows).map(|row| row.delivery.id).collect();
    ids.extend(claim(&first, 2_000).await.iter().map(|row| row.delivery.id));
    let taken = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!((taken, ids.len()), (40, 40));
    for store in [first, second] {
        store.close().await;
    }
}
