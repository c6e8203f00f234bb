//! The suite and the model over SQLite, in a file and in memory; and what only a file can meet: a full disk, damage, space that is given back.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::change::NewDelivery;
use super::conformance::{self, ANSWER, PLAIN, Place, claim, deliver, new_delivery, object, put};
use super::model_tests::{cases, life, run};
use super::runs_conformance;
use super::seal::{Keys, tests::line};
use super::sqlite::{PAGE_BYTES, SqliteOptions, SqliteStore};
use super::store::{Error, Filter, Retention, Store};
use async_trait::async_trait;
use proptest::prelude::*;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file with the keys that it is opened with.
struct InFile {
    path: PathBuf,
    keys: String,
}

#[async_trait]
impl Place for InFile {
    async fn open(&self) -> Box<dyn Store> {
        let keys = Arc::new(Keys::parse(&self.keys).unwrap());
        let options = SqliteOptions { reserve_bytes: 0, keys, ..SqliteOptions::default() };
        Box::new(SqliteStore::open_with(&self.path, options).await.unwrap())
    }
}

struct InMemory;

#[async_trait]
impl Place for InMemory {
    async fn open(&self) -> Box<dyn Store> {
        Box::new(SqliteStore::in_memory().await.unwrap())
    }
}

fn in_file(folder: &tempfile::TempDir, keys: &str) -> InFile {
    InFile { path: folder.path().join("outbox.db"), keys: keys.to_owned() }
}

async fn limited(path: &Path, max_pages: Option<u32>) -> SqliteStore {
    let options = SqliteOptions { reserve_bytes: 0, max_pages, ..SqliteOptions::default() };
    SqliteStore::open_with(path, options).await.unwrap()
}

#[tokio::test]
async fn the_store_in_memory_conforms() {
    conformance::suite(InMemory.open().await.as_ref()).await;
}

#[tokio::test]
async fn the_store_in_a_file_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conformance::suite(in_file(&folder, "").open().await.as_ref()).await;
}

#[tokio::test]
async fn runs_of_approvals_are_kept_in_memory_and_in_a_file() {
    runs_conformance::check(&SqliteStore::in_memory().await.unwrap()).await;
    let folder = tempfile::tempdir().unwrap();
    runs_conformance::check(&SqliteStore::open(&folder.path().join("outbox.db"), 0).await.unwrap()).await;
    let folder = tempfile::tempdir().unwrap();
    runs_conformance::check(in_file(&folder, &line("k1", 1)).open().await.as_ref()).await;
}

#[tokio::test]
async fn the_store_in_an_encrypted_file_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conformance::suite(in_file(&folder, &line("k1", 1)).open().await.as_ref()).await;
}

#[tokio::test]
async fn a_restart_between_arming_and_delivery_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    conformance::a_restart_between_arming_and_delivery_loses_nothing(&in_file(&folder, "")).await;
}

#[tokio::test]
async fn rotated_keys_open_old_rows_and_a_missing_one_stops_only_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (line("k1", 1), line("k2", 2));
    let places = ["", &old, &format!("{new}{old}"), &new].map(|keys| in_file(&folder, keys));
    let places: [&dyn Place; 4] = [&places[0], &places[1], &places[2], &places[3]];
    conformance::rotation(places).await;
    runs_conformance::rotation(places).await;
}

#[tokio::test]
async fn an_encrypted_file_holds_no_word_of_a_body_an_answer_or_a_run() {
    for (keys, expected) in [(String::new(), true), (line("k1", 1), false)] {
        let folder = tempfile::tempdir().unwrap();
        let store = in_file(&folder, &keys).open().await;
        conformance::put_a_dead_letter(store.as_ref(), "a").await;
        runs_conformance::put_an_answered_run(store.as_ref(), 1).await;
        store.close().await;
        let mut written = Vec::new();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            written.extend(std::fs::read(file.unwrap().path()).unwrap());
        }
        for words in [PLAIN, ANSWER, runs_conformance::SAID] {
            let found = written.windows(words.len()).any(|window| window == words.as_bytes());
            assert_eq!(found, expected, "{words}");
        }
    }
}

fn block_on(life: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(life);
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn the_store_in_a_file_lives_as_the_model_does(steps in life(true)) {
        let folder = tempfile::tempdir().unwrap();
        block_on(run(&in_file(&folder, ""), steps));
    }

    #[test]
    fn the_store_in_memory_lives_as_the_model_does(steps in life(false)) {
        block_on(run(&InMemory, steps));
    }
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

/// Fills the store with bodies until it takes no more; answers with the error.
async fn fill(store: &dyn Store) -> Error {
    for arming in 1.. {
        let new = NewDelivery { payload: vec![b'x'; 100_000], ..new_delivery("fill", "t", arming) };
        if let Err(error) = store.commit(&object("fill"), vec![deliver(new)], 1_000).await {
            return error;
        }
    }
    unreachable!("the disk is never full")
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_lost_and_work_goes_on_when_there_is_space() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox.db");
    let store = limited(&path, Some(400)).await;
    let full = fill(&store).await;
    assert!(
        matches!(&full, Error::Unavailable { cause, .. } if cause.contains("full")) && full.is_transient(),
        "{full}"
    );
    let kept = store.list(&Filter::default()).await.unwrap().len();
    assert!(kept > 10);
    store.close().await;
    // More space, as after somebody made the volume larger.
    let store = limited(&path, None).await;
    assert_eq!(store.list(&Filter::default()).await.unwrap().len(), kept, "what was committed is there");
    let claimed = claim(&store, 2_000).await;
    assert_eq!(claimed.len(), kept);
    assert!(claimed.iter().all(|claimed| claimed.payload.len() == 100_000));
    store.health().await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn what_was_pruned_is_given_back_to_the_file_system() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox.db");
    let store = limited(&path, None).await;
    for arming in 1..=100 {
        let new = NewDelivery { payload: vec![b'x'; 100_000], ..new_delivery("big", "t", arming) };
        put(&store, new).await;
    }
    for claimed in claim(&store, 2_000).await {
        store.record(None, claimed.delivered(2_000, String::new())).await.unwrap();
    }
    store.prune(Retention { finished_max: 0, ..Retention::default() }, 3_000).await.unwrap();
    store.close().await;
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert!(bytes < 1_000_000, "{bytes} bytes are left of ten million");
}

#[tokio::test]
async fn a_damaged_page_is_told_and_stops_readiness_but_not_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox.db");
    let store = limited(&path, None).await;
    for arming in 1..=200 {
        put(&store, NewDelivery { payload: vec![b'x'; 5_000], ..new_delivery("hurt", "t", arming) }).await;
    }
    store.close().await;
    // Everything but the first pages, which name the tables: whatever is read meets it.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[20 * PAGE_BYTES as usize..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let told = match SqliteStore::open(&path, 0).await {
        Err(error) => error,
        Ok(store) => {
            let claimed = store.claim(2_000, conformance::all()).await;
            let error = claimed.expect_err("the bodies cannot be read");
            let unready = store.health().await.expect_err("readiness tells of it");
            assert_eq!(unready.to_string(), error.to_string());
            store.close().await;
            error
        }
    };
    assert!(matches!(told, Error::Damaged { .. }) && told.is_transient(), "{told}");
    assert!(told.to_string().contains("malformed") && told.to_string().contains("restore a copy"), "{told}");
}

#[tokio::test]
async fn a_file_that_is_no_store_and_one_of_a_newer_version_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox.db");
    std::fs::write(&path, vec![b'?'; 20_000]).unwrap();
    let error = SqliteStore::open(&path, 0).await.unwrap_err().to_string();
    assert!(error.contains("not a database") && error.contains("outbox.db"), "{error}");
    std::fs::remove_file(&path).unwrap();
    SqliteStore::open(&path, 0).await.unwrap().close().await;
    let mut bytes = std::fs::read(&path).unwrap();
    // `user_version`, bytes 60 to 64 of the header.
    bytes[63] = 99;
    std::fs::write(&path, bytes).unwrap();
    let error = SqliteStore::open(&path, 0).await.unwrap_err().to_string();
    assert!(error.contains("version 99") && error.contains("run the newer one"), "{error}");
}

#[tokio::test]
async fn a_copy_for_another_installation_sends_nothing_that_was_pending() {
    let folder = tempfile::tempdir().unwrap();
    let place = in_file(&folder, "");
    let store = place.open().await;
    let install = store.install_id().to_owned();
    put(store.as_ref(), NewDelivery { ordering: Some("key".into()), ..new_delivery("theirs", "t", 1) }).await;
    store.close().await;
    let connection = Connection::open(&place.path).unwrap();
    connection.execute("DELETE FROM meta WHERE name = 'install_id'", []).unwrap();
    connection.close().unwrap();
    let store = place.open().await;
    assert_ne!(store.install_id(), install);
    conformance::of_another_installation(store.as_ref()).await;
}
