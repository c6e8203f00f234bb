//! How many deliveries a second the stores take, hand out and settle: `benches/outbox/run` starts a PostgreSQL and runs this.
//!
//! `rows/s` are deliveries with a body of a kilobyte. "stages" does one after the other, "together" has all three at once, as in service.
//! "drain" has a dispatcher work off what is pending with a sender that answers at once; "drain over HTTP" is the real binary, posting to
//! receivers on loopback ([`drain`]), beside what these can take.

mod drain;
mod receivers;

use anyhow::Context as _;
use async_trait::async_trait;
use drain::Place;
use futures::future::try_join_all;
use gatepost::notify::{Destination, ObjectId, Occurrence};
use gatepost::outbox::postgres::PostgresOptions;
use gatepost::outbox::store::ClaimLimits;
use gatepost::outbox::{
    Change, Claimed, Dispatcher, Event, Lane, NewDelivery, Observer, Policy, PostgresStore, SendOutcome, Sender,
    Settings, SqliteStore, State, Store, Verdict,
};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Deliveries of one measurement; `BENCH_ROWS` overrides.
const ROWS: u64 = 20_000;
/// Decisions under way at once: the relay's workers of several replicas.
const DECIDING: usize = 256;
/// Rows of one claim.
const CLAIM: usize = 1_000;
/// Time that rows are decided and due at.
const NOW_MS: i64 = 1_000;

fn main() -> anyhow::Result<()> {
    let rows = std::env::var("BENCH_ROWS").map_or(Ok(ROWS), |text| text.parse()).context("BENCH_ROWS is no number")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let drained =
        std::env::var("BENCH_DRAIN").map_or(Ok(rows), |text| text.parse()).context("BENCH_DRAIN is no number")?;
    runtime.block_on(run(rows, drained))
}

async fn run(rows: u64, drained: u64) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = Arc::new(SqliteStore::open(&folder.path().join("outbox.db"), 0).await?);
    println!("SQLite in {} (synchronous = FULL), {rows} rows", folder.path().display());
    let batches = measure(file, rows).await?;
    let path = folder.path().join("drain.db");
    let environment = vec![("GATEPOST_STORE__PATH", path.display().to_string())];
    let store = Box::new(SqliteStore::open(&path, 0).await?);
    drain::measure(store, Place { name: "SQLite", environment }, drained, batches).await?;
    println!("SQLite in memory, {rows} rows");
    measure(Arc::new(SqliteStore::in_memory().await?), rows).await?;
    match std::env::var("BENCH_POSTGRES_URL") {
        Ok(url) => {
            println!("PostgreSQL on loopback, {rows} rows");
            let batches = measure(Arc::new(PostgresStore::open(&url, PostgresOptions::default()).await?), rows).await?;
            let options = PostgresOptions { schema: "drain".to_owned(), ..PostgresOptions::default() };
            let store = Box::new(PostgresStore::open(&url, options).await?);
            let environment = vec![("GATEPOST_STORE__URL", url), ("GATEPOST_STORE__SCHEMA", "drain".to_owned())];
            drain::measure(store, Place { name: "PostgreSQL", environment }, drained, batches).await
        }
        Err(_) => {
            println!("PostgreSQL is left out: BENCH_POSTGRES_URL is not set (benches/outbox/run sets it)");
            Ok(())
        }
    }
}

/// Answers with the rows a second that the store hands out and settles in batches.
async fn measure<S: Store>(store: Arc<S>, rows: u64) -> anyhow::Result<f64> {
    let decided = timed("  stages: decide", rows, decide(store.as_ref(), 0, rows, &delivery)).await?;
    let begun = Instant::now();
    let claimed = claim(store.as_ref()).await?;
    let claiming = begun.elapsed();
    say("  stages: claim", rows, claiming);
    let settled = timed("  stages: record", rows, settle(store.as_ref(), &claimed)).await?;
    say("  stages: all", rows, decided + claiming + settled);
    anyhow::ensure!(claimed.len() as u64 == rows, "{} rows were claimed", claimed.len());
    timed("  together", rows, together(store.as_ref(), rows)).await?;
    decide(store.as_ref(), 2 * rows, rows, &delivery).await?;
    timed("  drain", rows, work_off(Arc::clone(&store), Arc::new(AtOnce), 3 * rows)).await?;
    store.close().await;
    Ok(rate(rows, claiming + settled))
}

async fn timed(what: &str, rows: u64, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    work.await?;
    let took = begun.elapsed();
    say(what, rows, took);
    Ok(took)
}

fn say(what: &str, rows: u64, took: Duration) {
    println!("{what:<18} {:>9.0} rows/s ({took:.2?})", rate(rows, took));
}

fn rate(rows: u64, took: Duration) -> f64 {
    Duration::from_secs(rows).div_duration_f64(took)
}

/// Decides deliveries number `from` to `from + count`.
async fn decide(store: &dyn Store, from: u64, count: u64, make: &impl Fn(u64) -> NewDelivery) -> anyhow::Result<()> {
    let next = AtomicU64::new(from);
    let worker = || async {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= from + count {
                return anyhow::Ok(());
            }
            let new = make(number);
            store.commit(&new.occurrence.object.clone(), vec![Change::Deliver(Box::new(new))], NOW_MS).await?;
        }
    };
    try_join_all((0..DECIDING).map(|_| worker())).await?;
    Ok(())
}

/// Everything that is due.
async fn claim(store: &dyn Store) -> anyhow::Result<Vec<Claimed>> {
    let mut all = Vec::new();
    loop {
        let claims = store.claim(NOW_MS, limits()).await?;
        if claims.rows.is_empty() {
            return Ok(all);
        }
        all.extend(claims.rows);
    }
}

async fn settle(store: &dyn Store, claimed: &[Claimed]) -> anyhow::Result<()> {
    try_join_all(claimed.iter().map(|row| store.record(None, row.delivered(NOW_MS, String::new())))).await?;
    Ok(())
}

/// Decides, claims and records at once.
async fn together(store: &dyn Store, rows: u64) -> anyhow::Result<()> {
    let working_off = async {
        let mut settled = 0;
        while settled < rows {
            let claims = store.claim(NOW_MS, limits()).await?;
            settle(store, &claims.rows).await?;
            settled += claims.rows.len() as u64;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(decide(store, rows, rows, &delivery), working_off)?;
    Ok(())
}

/// Has a dispatcher work off what is pending, until `delivered` rows are delivered in all.
async fn work_off(store: Arc<impl Store>, sender: Arc<dyn Sender>, delivered: u64) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let dispatcher = Dispatcher::new(Arc::clone(&store) as _, sender, Settings::default(), Arc::new(Deaf));
    let working = tokio::spawn({
        let stop = stop.clone();
        async move { dispatcher.run(stop).await }
    });
    while store.counts().await?.by_state.get(&State::Delivered) < Some(&delivered) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    working.await.context("the dispatcher ended badly")
}

/// A receiver that is infinitely quick.
struct AtOnce;

#[async_trait]
impl Sender for AtOnce {
    async fn send(&self, _: &Claimed) -> SendOutcome {
        let verdict = Verdict::Delivered { reached: None, note: String::new() };
        SendOutcome { status: Some(200), target: String::new(), excerpt: String::new(), verdict }
    }

    fn policy(&self, _: &Lane) -> Policy {
        Policy { in_flight: 64, ..Policy::default() }
    }
}

struct Deaf;

impl Observer for Deaf {
    fn observe(&self, _: &Event<'_>) {}
}

fn limits() -> ClaimLimits {
    ClaimLimits { max: CLAIM, per_lane: CLAIM, held: HashMap::new(), blocked: HashSet::new() }
}

fn delivery(number: u64) -> NewDelivery {
    let object = ObjectId { namespace: "argocd".into(), name: format!("app{number}"), uid: format!("uid-{number}") };
    let occurrence = Occurrence {
        object,
        config_namespace: String::new(),
        trigger: "on-deployed".into(),
        condition_key: "[0].abc".into(),
        once_per: "8ad9be04ae5a8f5c5c0a3a0b1e5e7e6a2f1f0c11".into(),
        destination: Destination { service: "hook".into(), recipient: String::new() },
        arming: 1,
    };
    let lane = Lane { config_namespace: String::new(), service: "hook".into(), host: format!("host{}", number % 20) };
    NewDelivery {
        state_key: occurrence.state_key(),
        occurrence,
        lane,
        service_kind: "webhook".into(),
        payload: vec![b'x'; 1_000],
        ordering: None,
        supersedes: false,
        idempotent: false,
        digest: "d".into(),
        dead: None,
    }
}
