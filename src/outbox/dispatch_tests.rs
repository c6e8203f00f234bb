//! The dispatcher over the store in memory, with a scripted sender.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::conformance::{deliver, new_delivery, object};
use super::delivery::{Claimed, DeadReason, Lane, State};
use super::destination::{Off, OffBy};
use super::dispatch::{Dispatcher, Settings};
use super::schedule::QuickRetry;
use super::sender::{Event, Observer, Policy, SendOutcome, Sender, Verdict};
use super::sqlite::SqliteStore;
use super::store::{Filter, Store};
use async_trait::async_trait;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

type Script = dyn Fn(&Claimed) -> Option<Verdict> + Send + Sync;

/// Answers by script; `None` hangs for ever.
struct Scripted {
    script: Box<Script>,
}

#[async_trait]
impl Sender for Scripted {
    async fn send(&self, claimed: &Claimed) -> SendOutcome {
        match (self.script)(claimed) {
            Some(verdict) => SendOutcome { status: None, target: "http://h".into(), excerpt: String::new(), verdict },
            None => std::future::pending().await,
        }
    }

    fn policy(&self, _: &Lane) -> Policy {
        let quick = QuickRetry { max: 2, wait_min: Duration::from_millis(50), wait_max: Duration::from_millis(50) };
        Policy { quick, ..Policy::default() }
    }
}

/// Passes on which state each delivery reached.
struct Told(mpsc::UnboundedSender<(String, State, Option<DeadReason>)>);

impl Observer for Told {
    fn observe(&self, event: &Event<'_>) {
        if let Event::Attempted { delivery, state, dead, .. } = event {
            let _ = self.0.send((delivery.occurrence.object.name.clone(), *state, *dead));
        }
    }
}

pub(super) struct Run {
    pub(super) store: Arc<SqliteStore>,
    pub(super) dispatcher: Dispatcher,
    told: mpsc::UnboundedReceiver<(String, State, Option<DeadReason>)>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

pub(super) fn now_ms() -> i64 {
    crate::clock::now().millis()
}

impl Run {
    pub(super) async fn start(script: impl Fn(&Claimed) -> Option<Verdict> + Send + Sync + 'static) -> Self {
        Self::start_by(now_ms, script).await
    }

    /// The same by another clock.
    async fn start_by(
        clock: fn() -> i64,
        script: impl Fn(&Claimed) -> Option<Verdict> + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(Settings { grace: Duration::from_millis(10), clock, ..Settings::default() }, script).await
    }

    /// The same with these settings.
    pub(super) async fn start_with(
        settings: Settings,
        script: impl Fn(&Claimed) -> Option<Verdict> + Send + Sync + 'static,
    ) -> Self {
        Self::start_on(Arc::new(SqliteStore::in_memory().await.unwrap()), settings, script)
    }

    /// Another dispatcher on the same store, that delivers everything.
    async fn again(self) -> Self {
        let settings = Settings { grace: Duration::from_millis(10), clock: now_ms, ..Settings::default() };
        Self::start_on(self.stop().await, settings, |_| delivered())
    }

    fn start_on(
        store: Arc<SqliteStore>,
        settings: Settings,
        script: impl Fn(&Claimed) -> Option<Verdict> + Send + Sync + 'static,
    ) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        let sender = Arc::new(Scripted { script: Box::new(script) });
        let dispatcher = Dispatcher::new(store.clone(), sender, settings, Arc::new(Told(tell)));
        let shutdown = CancellationToken::new();
        let (running, token) = (dispatcher.clone(), shutdown.clone());
        let task = tokio::spawn(async move { running.run(token).await });
        Self { store, dispatcher, told, shutdown, task }
    }

    pub(super) async fn put(&self, app: &str, host: &str, ordering: Option<&str>) {
        let mut new = new_delivery(app, "t", 1);
        new.lane.host = host.into();
        new.ordering = ordering.map(str::to_owned);
        self.store.commit(&object(app), vec![deliver(new)], now_ms()).await.unwrap();
        self.dispatcher.wake();
    }

    pub(super) async fn next(&mut self) -> (String, State, Option<DeadReason>) {
        tokio::time::timeout(Duration::from_secs(30), self.told.recv()).await.expect("told in time").unwrap()
    }

    pub(super) async fn stop(self) -> Arc<SqliteStore> {
        self.shutdown.cancel();
        self.task.await.unwrap();
        self.store
    }
}

pub(super) fn delivered() -> Option<Verdict> {
    Some(Verdict::Delivered { reached: None, note: String::new() })
}

#[tokio::test]
async fn a_hung_lane_of_21_delays_none_of_the_other_20() {
    let mut run = Run::start(|claimed| if claimed.delivery.lane.host == "hung" { None } else { delivered() }).await;
    for number in 0..100 {
        run.put(&format!("hung{number}"), "hung", None).await;
    }
    for number in 0..200 {
        run.put(&format!("good{number}"), &format!("host{}", number % 20), None).await;
    }
    for _ in 0..200 {
        let (name, state, _) = run.next().await;
        assert!(name.starts_with("good"));
        assert_eq!(state, State::Delivered);
    }
    let store = run.stop().await;
    let counts = store.counts().await.unwrap();
    assert_eq!(counts.by_state[&State::Claimed], 4, "four in flight at the hung host, the rest put back");
    assert_eq!(counts.by_state[&State::Waiting] + counts.by_state.get(&State::Prepared).copied().unwrap_or(0), 96);
}

#[tokio::test]
async fn a_receiver_that_wants_no_more_is_left_alone_until_it_is_switched_on() {
    let mut run = Run::start(|claimed| {
        let first = claimed.delivery.occurrence.object.name == "first";
        let gone = Verdict::Gone { cause: "410".into(), switches_off: true };
        if first { Some(gone) } else { delivered() }
    })
    .await;
    run.put("first", "h", None).await;
    assert_eq!(run.next().await, ("first".into(), State::Dead, Some(DeadReason::Gone)));
    let off = loop {
        if let Some((lane, off)) = run.store.switched_off().await.unwrap().pop() {
            break (lane, off);
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((off.0.host.as_str(), off.1.by), ("h", OffBy::Receiver));
    run.put("second", "h", None).await;
    run.put("other", "elsewhere", None).await;
    assert_eq!(run.next().await.0, "other");
    let waiting = Filter { object: Some(("argocd".into(), "second".into())), ..Filter::default() };
    assert_eq!(run.store.list(&waiting).await.unwrap()[0].state, State::Prepared, "kept, and not due");
    run.store.switch(&off.0, None).await.unwrap();
    run.dispatcher.switched();
    assert_eq!(run.next().await, ("second".into(), State::Delivered, None));
    run.stop().await;
}

#[tokio::test]
async fn what_was_switched_off_is_off_for_the_next_process() {
    let mut run = Run::start(|_| delivered()).await;
    run.put("first", "h", None).await;
    run.next().await;
    let lane = Lane { config_namespace: String::new(), service: "hook".into(), host: "h".into() };
    run.store.switch(&lane, Some(&Off::new(1, OffBy::Person, "maintenance"))).await.unwrap();
    run.dispatcher.switched();
    run.put("second", "h", None).await;
    run.put("other", "elsewhere", None).await;
    assert_eq!(run.next().await.0, "other");
    let run = run.again().await;
    run.put("third", "elsewhere", None).await;
    let mut run = run;
    assert_eq!(run.next().await.0, "third");
    let store = run.stop().await;
    assert_eq!(store.destinations().await.unwrap().iter().find(|one| one.lane == lane).unwrap().pending, 1);
}

#[tokio::test]
async fn an_unknown_outcome_is_repeated_retry_max_times_only() {
    let mut run = Run::start(|_| Some(Verdict::Unknown { cause: "timeout".into() })).await;
    run.put("a", "h", None).await;
    assert_eq!(run.next().await.1, State::Waiting);
    assert_eq!(run.next().await.1, State::Waiting);
    assert_eq!(run.next().await, ("a".into(), State::Dead, Some(DeadReason::UnknownOutcome)));
    run.stop().await;
}

#[tokio::test]
async fn a_failed_try_is_repeated_and_the_order_of_a_key_holds() {
    let failed = Mutex::new(false);
    let mut run = Run::start(move |claimed| {
        let mut failed = failed.lock().unwrap();
        if claimed.delivery.occurrence.object.name == "first" && !std::mem::replace(&mut *failed, true) {
            return Some(Verdict::Retry { after: None, cause: "503".into() });
        }
        delivered()
    })
    .await;
    run.put("first", "h", Some("key")).await;
    run.put("second", "h", Some("key")).await;
    let told = [run.next().await, run.next().await, run.next().await];
    let names: Vec<_> = told.iter().map(|(name, state, _)| (name.as_str(), *state)).collect();
    assert_eq!(names, [("first", State::Waiting), ("first", State::Delivered), ("second", State::Delivered)]);
    run.stop().await;
}

#[tokio::test]
async fn a_refusal_is_a_dead_letter_and_a_panic_hurts_nobody_else() {
    let mut run = Run::start(|claimed| match claimed.delivery.occurrence.object.name.as_str() {
        "bad" => Some(Verdict::Permanent { cause: "400".into() }),
        "panics" => panic!("scripted"),
        _ => delivered(),
    })
    .await;
    run.put("bad", "h", None).await;
    assert_eq!(run.next().await, ("bad".into(), State::Dead, Some(DeadReason::Rejected)));
    run.put("panics", "h", None).await;
    assert_eq!(run.next().await.1, State::Waiting);
    run.put("good", "h", None).await;
    while run.next().await.0 != "good" {}
    run.stop().await;
}

#[tokio::test]
async fn refused_credentials_pause_the_lane_until_it_is_resumed() {
    let fixed = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = Arc::clone(&fixed);
    let mut run = Run::start(move |_| {
        let ok = seen.load(std::sync::atomic::Ordering::SeqCst);
        if ok { delivered() } else { Some(Verdict::Credentials { cause: "401".into() }) }
    })
    .await;
    run.put("first", "h", None).await;
    assert_eq!(run.next().await.1, State::Waiting);
    run.put("second", "h", None).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(run.told.try_recv().is_err(), "a paused lane sends nothing");
    fixed.store(true, std::sync::atomic::Ordering::SeqCst);
    run.dispatcher.resume("", "hook");
    assert_eq!(run.next().await.1, State::Delivered);
    let store = run.stop().await;
    assert_eq!(store.list(&Filter::default()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_shutdown_puts_back_what_was_not_tried() {
    let mut run = Run::start(|_| delivered()).await;
    run.put("a", "h", None).await;
    assert_eq!(run.next().await.1, State::Delivered);
    let store = run.stop().await;
    assert_eq!(store.counts().await.unwrap().by_state.get(&State::Claimed), None);
}

/// Hours by which a clock is wrong.
static FORWARDS: AtomicI64 = AtomicI64::new(0);
static BACKWARDS: AtomicI64 = AtomicI64::new(0);
const HOUR_MS: i64 = 3_600_000;

fn steps_forwards() -> i64 {
    now_ms() + FORWARDS.load(Ordering::SeqCst)
}

fn steps_backwards() -> i64 {
    now_ms() + BACKWARDS.load(Ordering::SeqCst)
}

/// Fails at first, to be tried again after `wait`; then delivers.
fn second_time_lucky(wait: Duration) -> impl Fn(&Claimed) -> Option<Verdict> + Send + Sync + 'static {
    move |claimed| match claimed.delivery.attempts {
        0 => Some(Verdict::Retry { after: Some(wait), cause: "503".into() }),
        _ => delivered(),
    }
}

async fn due_ms(run: &Run) -> i64 {
    run.store.list(&Filter::default()).await.unwrap()[0].due_ms
}

#[tokio::test]
async fn a_clock_that_steps_forwards_makes_nothing_due_early() {
    let mut run = Run::start_by(steps_forwards, second_time_lucky(Duration::from_secs(600))).await;
    run.put("a", "h", None).await;
    assert_eq!(run.next().await.1, State::Waiting);
    let before = due_ms(&run).await;
    FORWARDS.store(HOUR_MS, Ordering::SeqCst);
    run.dispatcher.wake();
    let moved = async {
        while due_ms(&run).await == before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), moved).await.expect("the step is seen");
    let by = due_ms(&run).await - before;
    assert!((by - HOUR_MS).abs() < 60_000, "moved by {by} ms");
    assert!(run.told.try_recv().is_err(), "nothing was sent");
    run.stop().await;
}

#[tokio::test]
async fn a_clock_that_steps_backwards_keeps_nobody_waiting() {
    let mut run = Run::start_by(steps_backwards, second_time_lucky(Duration::from_secs(1))).await;
    run.put("a", "h", None).await;
    assert_eq!(run.next().await.1, State::Waiting);
    BACKWARDS.store(-HOUR_MS, Ordering::SeqCst);
    run.dispatcher.wake();
    assert_eq!(run.next().await.1, State::Delivered, "a second later, not an hour");
    run.stop().await;
}
