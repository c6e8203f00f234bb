//! The outbox in a real PostgreSQL: the same suite and the same model as SQLite's, included from the source, and what only a server that is
//! shared and far away can meet ([`trouble`]).

#[path = "../../../src/outbox/conformance.rs"]
mod conformance;
#[path = "../../../src/outbox/model_tests.rs"]
mod model_tests;
#[path = "../../../src/outbox/people_conformance.rs"]
mod people_conformance;
#[path = "../../../src/outbox/runs_conformance.rs"]
mod runs_conformance;
mod slow;
mod tls;
mod trouble;

use crate::env::postgres;
use async_trait::async_trait;
use conformance::{ANSWER, PLAIN, Place};
use gatepost::gate::approval;
use gatepost::notify;
use gatepost::outbox::postgres::PostgresOptions;
use gatepost::outbox::seal::Keys;
use gatepost::outbox::{PostgresStore, breaker, change, delivery, destination, intents, runs, store};
use model_tests::{cases, life, run};
use proptest::test_runner::TestRunner;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use store::Store;

/// A schema of its own in a database, and the keys that it is opened with.
#[derive(Clone)]
struct Schema {
    url: String,
    options: PostgresOptions,
}

#[async_trait]
impl Place for Schema {
    async fn open(&self) -> Box<dyn Store> {
        Box::new(self.store().await)
    }
}

impl Schema {
    /// A new one in a new database.
    async fn new() -> Self {
        Self::at(&postgres().await.database().await)
    }

    /// A new one in this database.
    fn at(url: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let schema = format!("outbox_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        Self { url: url.to_owned(), options: PostgresOptions { schema, ..PostgresOptions::default() } }
    }

    fn with_keys(&self, keys: &str) -> Self {
        let keys = Arc::new(Keys::parse(keys).unwrap());
        Self { options: PostgresOptions { keys, ..self.options.clone() }, ..self.clone() }
    }

    async fn store(&self) -> PostgresStore {
        PostgresStore::open(&self.url, self.options.clone()).await.unwrap()
    }

    /// What the server answers to one statement, with this schema's tables.
    async fn query(&self, statement: &str) -> String {
        let database = self.url.rsplit('/').next().unwrap();
        let statement = format!("SET search_path = {}; {statement}", self.options.schema);
        postgres().await.query(database, &statement).await
    }
}

/// The line of a key file: the same byte 32 times.
fn key(id: &str, byte: u8) -> String {
    let pairs = match byte {
        1 => ("AQEB", "AQE="),
        _ => ("AgIC", "AgI="),
    };
    format!("{id} {}{}\n", pairs.0.repeat(10), pairs.1)
}

#[tokio::test]
async fn the_store_conforms() {
    conformance::suite(Schema::new().await.open().await.as_ref()).await;
}

#[tokio::test]
async fn runs_of_approvals_are_kept() {
    runs_conformance::check(&Schema::new().await.store().await).await;
    runs_conformance::check(&Schema::new().await.with_keys(&key("k1", 1)).store().await).await;
}

#[tokio::test]
async fn the_encrypted_store_conforms() {
    conformance::suite(Schema::new().await.with_keys(&key("k1", 1)).open().await.as_ref()).await;
}

#[tokio::test]
async fn a_restart_between_arming_and_delivery_loses_nothing() {
    conformance::a_restart_between_arming_and_delivery_loses_nothing(&Schema::new().await).await;
}

#[tokio::test]
async fn rotated_keys_open_old_rows_and_a_missing_one_stops_only_its_own() {
    let schema = Schema::new().await;
    let (old, new) = (key("k1", 1), key("k2", 2));
    let places = ["", &old, &format!("{new}{old}"), &new].map(|keys| schema.with_keys(keys));
    let places: [&dyn Place; 4] = [&places[0], &places[1], &places[2], &places[3]];
    conformance::rotation(places).await;
    runs_conformance::rotation(places).await;
}

#[tokio::test]
async fn encrypted_tables_hold_no_word_of_a_body_an_answer_or_a_run() {
    for (keys, expected) in [(String::new(), "1|1|1"), (key("k1", 1), "0|0|0")] {
        let schema = Schema::new().await.with_keys(&keys);
        let store = schema.open().await;
        conformance::put_a_dead_letter(store.as_ref(), "a").await;
        runs_conformance::put_an_answered_run(store.as_ref(), 1).await;
        let bodies = format!("SELECT count(*) FROM body WHERE position('{PLAIN}'::bytea IN payload) > 0");
        let answers = format!(
            "SELECT count(*) FROM attempt WHERE excerpt LIKE '%{ANSWER}%' OR position('{ANSWER}'::bytea IN sealed) > 0"
        );
        let said = runs_conformance::SAID;
        let runs = format!(
            "SELECT count(*) FROM approval_run WHERE document LIKE '%{said}%' OR position('{said}'::bytea IN sealed) > 0"
        );
        assert_eq!(schema.query(&format!("SELECT ({bodies}), ({answers}), ({runs})")).await, expected);
        store.close().await;
    }
}

#[test]
fn the_store_lives_as_the_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = runtime.block_on(async { postgres().await.database().await });
    let lives = TestRunner::new(cases(12)).run(&life(true), |steps| {
        runtime.block_on(run(&Schema::at(&url), steps));
        Ok(())
    });
    lives.unwrap();
}

#[tokio::test]
async fn a_copy_for_another_installation_sends_nothing_that_was_pending() {
    let schema = Schema::new().await;
    let store = schema.open().await;
    let theirs = change::NewDelivery { ordering: Some("key".into()), ..conformance::new_delivery("theirs", "t", 1) };
    conformance::put(store.as_ref(), theirs).await;
    store.close().await;
    schema.query("DELETE FROM meta WHERE name = 'install_id'").await;
    conformance::of_another_installation(schema.open().await.as_ref()).await;
}
