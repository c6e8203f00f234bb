//! Takes due deliveries out of the store, has them sent lane by lane, and records what came of it.
//!
//! One loop owns the lanes' queues; each try is a task of its own. A lane that hangs holds its own few slots and nothing else. The loop never
//! decides what an outcome means (`verdict.rs`), nor what may be claimed (the store), nor how long to wait (`schedule.rs`): it only moves rows.

mod switches;

use super::breaker::Breaker;
use super::delivery::{Attempt, Claimed, DeadReason, Hold, Lane, State, Transition, clip};
use super::lane::LaneQueue;
use super::sender::{Event, Observer, SendOutcome, Sender, Verdict};
use super::store::{ClaimLimits, Store};
use super::{schedule, verdict};
use crate::failpoint;
use futures::FutureExt;
use futures::future::join_all;
use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Pause after the store did not give or take.
const STORE_PAUSE_MS: i64 = 1_000;
/// The loop looks at the clocks at least so often.
const IDLE: Duration = Duration::from_secs(5);
/// Pause of a lane that waits for its token bucket.
const THROTTLE_PAUSE_MS: i64 = 50;
/// A difference between wall and monotonic clock above which the wall clock was stepped.
const CLOCK_STEP_MS: i64 = 5_000;

/// Limits of a dispatcher.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Rows of one lane in memory.
    pub per_lane: usize,
    /// Rows in memory.
    pub in_memory: usize,
    /// Longest that one try may take; what is cut off may have arrived.
    pub attempt_limit: Duration,
    /// How long a shutdown waits for tries in flight.
    pub grace: Duration,
    /// The wall clock in Unix milliseconds.
    pub clock: fn() -> i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            per_lane: 64,
            in_memory: 10_000,
            attempt_limit: Duration::from_secs(140),
            grace: Duration::from_secs(20),
            clock: || crate::clock::now().millis(),
        }
    }
}

/// Works the outbox off. Clones share it.
#[derive(Clone)]
pub struct Dispatcher {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    sender: Arc<dyn Sender>,
    observer: Arc<dyn Observer>,
    settings: Settings,
    wake: Arc<Notify>,
    resumed: Mutex<Vec<(String, String)>>,
    /// Somebody switched a destination.
    switched: AtomicBool,
}

impl Dispatcher {
    /// Makes one; nothing happens before [`Dispatcher::run`].
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        sender: Arc<dyn Sender>,
        settings: Settings,
        observer: Arc<dyn Observer>,
    ) -> Self {
        Self::woken_by(Arc::default(), store, sender, settings, observer)
    }

    /// The same, woken by who commits deliveries without anybody between them.
    #[must_use]
    pub fn woken_by(
        wake: Arc<Notify>,
        store: Arc<dyn Store>,
        sender: Arc<dyn Sender>,
        settings: Settings,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let (resumed, switched) = (Mutex::default(), AtomicBool::new(true));
        Self { shared: Arc::new(Shared { store, sender, observer, settings, wake, resumed, switched }) }
    }

    /// Something may have fallen due: call after every commit that decided a delivery, a replay or a release.
    pub fn wake(&self) {
        self.shared.wake.notify_one();
    }

    /// The service's resolved configuration changed: its breakers close at once.
    pub fn resume(&self, config_namespace: &str, service: &str) {
        let mut resumed = self.shared.resumed.lock().unwrap_or_else(PoisonError::into_inner);
        resumed.push((config_namespace.to_owned(), service.to_owned()));
        drop(resumed);
        self.wake();
    }

    /// A destination was switched off or on in the store.
    pub fn switched(&self) {
        self.shared.switched.store(true, Ordering::Release);
        self.wake();
    }

    /// Works until `shutdown`, then puts back what was not tried and waits for what is in flight, at most the grace.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut work = Loop::new(Arc::clone(&self.shared)).await;
        while !shutdown.is_cancelled() {
            work.gather().await;
            work.round().await;
            let pause = work.pause();
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.shared.wake.notified() => work.want_claim = true,
                () = self.shared.store.changed() => {
                    work.want_claim = true;
                    work.look_at_switches = true;
                }
                Some(answered) = work.answers.recv() => work.answered(answered).await,
                Some(landed) = work.flights.join_next(), if !work.flights.is_empty() => work.land(landed).await,
                () = tokio::time::sleep(pause) => {}
            }
        }
        work.finish().await;
    }
}

/// A try is over and its slot free; its outcome is on its way to the store.
struct Answered {
    lane: Lane,
    verdict: Verdict,
}

/// What a try leaves for the loop when its outcome is committed.
struct Landed {
    lane: Lane,
    ordered: bool,
    /// When it falls due again, Unix milliseconds.
    due_ms: Option<i64>,
}

struct Loop {
    shared: Arc<Shared>,
    lanes: HashMap<Lane, LaneQueue>,
    flights: JoinSet<Landed>,
    /// Lanes that are switched off: nothing of theirs is claimed.
    off: HashSet<Lane>,
    /// Another process may have switched one.
    look_at_switches: bool,
    looked: Instant,
    answer: mpsc::UnboundedSender<Answered>,
    answers: mpsc::UnboundedReceiver<Answered>,
    want_claim: bool,
    more: bool,
    next_claim_ms: Option<i64>,
    started: Instant,
    /// Wall clock at `started`, moved along with every step.
    wall_start_ms: i64,
}

impl Loop {
    async fn new(shared: Arc<Shared>) -> Self {
        let kept = shared.store.breakers().await.unwrap_or_else(|error| {
            shared.observer.observe(&Event::StoreFailed { what: "read breakers", error: &error });
            Vec::new()
        });
        let open = kept.into_iter().filter(|(_, breaker)| *breaker != Breaker::default());
        let lanes = open.map(|(lane, breaker)| (lane, LaneQueue::with_breaker(breaker))).collect();
        let wall_start_ms = (shared.settings.clock)();
        let (answer, answers) = mpsc::unbounded_channel();
        Self {
            shared,
            lanes,
            flights: JoinSet::new(),
            off: HashSet::new(),
            look_at_switches: false,
            looked: Instant::now(),
            answer,
            answers,
            want_claim: true,
            more: false,
            next_claim_ms: None,
            started: Instant::now(),
            wall_start_ms,
        }
    }

    fn now_ms(&self) -> i64 {
        (self.shared.settings.clock)()
    }

    /// Takes in whatever is over by now, so that one round does for all of it.
    async fn gather(&mut self) {
        self.take_answers().await;
        while let Some(landed) = self.flights.try_join_next() {
            self.land(landed).await;
        }
    }

    async fn take_answers(&mut self) {
        while let Ok(answered) = self.answers.try_recv() {
            self.answered(answered).await;
        }
    }

    /// Its answer was sent before it landed, and is counted before.
    async fn land(&mut self, landed: Result<Landed, tokio::task::JoinError>) {
        self.take_answers().await;
        self.landed(landed);
    }

    /// Looks at the clocks, claims if there may be something, starts what the limits let go.
    async fn round(&mut self) {
        self.follow_clock().await;
        self.close_resumed().await;
        self.follow_switches().await;
        self.half_open();
        self.want_claim |= self.next_claim_ms.is_some_and(|at| at <= self.now_ms());
        if std::mem::take(&mut self.want_claim) {
            self.claim().await;
        }
        self.start();
    }

    async fn claim(&mut self) {
        let now_ms = self.now_ms();
        let held: HashMap<Lane, usize> = self
            .lanes
            .iter()
            .filter(|(_, queue)| queue.held() > 0)
            .map(|(lane, queue)| (lane.clone(), queue.held()))
            .collect();
        let blocked = self.lanes.iter().filter(|(_, queue)| queue.breaker.allows(1) == 0);
        let blocked: HashSet<Lane> = blocked.map(|(lane, _)| lane.clone()).chain(self.off.iter().cloned()).collect();
        let max = self.shared.settings.in_memory.saturating_sub(held.values().sum());
        let limits = ClaimLimits { max, per_lane: self.shared.settings.per_lane, held, blocked };
        match self.shared.store.claim(now_ms, limits).await {
            Ok(claims) => {
                self.next_claim_ms = claims.next_due_ms;
                self.more = claims.more;
                if !claims.rows.is_empty() {
                    failpoint::pass("claim.committed");
                    self.shared.observer.observe(&Event::Claimed { rows: &claims.rows, at_ms: self.now_ms() });
                }
                for claimed in claims.rows {
                    self.lanes.entry(claimed.delivery.lane.clone()).or_default().push(claimed);
                }
            }
            Err(error) => {
                self.next_claim_ms = Some(now_ms.saturating_add(STORE_PAUSE_MS));
                self.shared.observer.observe(&Event::StoreFailed { what: "claim", error: &error });
            }
        }
    }

    fn start(&mut self) {
        let now_ms = self.now_ms();
        for (lane, queue) in &mut self.lanes {
            let policy = self.shared.sender.policy(lane);
            while let Some(claimed) = queue.next(&policy, now_ms) {
                match self.shared.store.hold(&claimed) {
                    Hold::Sure => drop(self.flights.spawn(fly(Arc::clone(&self.shared), claimed, self.answer.clone()))),
                    Hold::Lost => queue.dropped(),
                    Hold::Doubtful => {
                        queue.keep(claimed);
                        break;
                    }
                }
            }
        }
        self.lanes.retain(|_, queue| !queue.is_idle());
    }

    /// The outcome is committed.
    fn landed(&mut self, landed: Result<Landed, tokio::task::JoinError>) {
        let landed = match landed {
            Ok(landed) => landed,
            Err(error) => {
                tracing::error!(%error, "a try ended without an outcome; its delivery stays claimed until the next start");
                return;
            }
        };
        self.next_claim_ms = self.next_claim_ms.into_iter().chain(landed.due_ms).min();
        let low_water = self.shared.settings.per_lane / 4;
        let Some(queue) = self.lanes.get_mut(&landed.lane) else { return };
        queue.recorded();
        self.want_claim |= landed.ordered || (self.more && queue.held() <= low_water);
    }

    async fn answered(&mut self, answered: Answered) {
        let now_ms = self.now_ms();
        let Some(queue) = self.lanes.get_mut(&answered.lane) else { return };
        queue.answered();
        if let Verdict::Gone { cause, switches_off: true } = &answered.verdict {
            self.switch_off(answered.lane, cause).await;
            return;
        }
        let before = queue.breaker;
        queue.breaker = after(before, &answered.verdict, now_ms);
        let breaker = queue.breaker;
        if before.as_str() != breaker.as_str() {
            let unsent = if breaker.allows(1) == 0 { queue.drain() } else { Vec::new() };
            self.want_claim |= breaker.allows(1) > 0;
            self.breaker_changed(&answered.lane, &breaker).await;
            self.put_back(unsent, "the destination is paused").await;
        }
    }

    async fn breaker_changed(&self, lane: &Lane, breaker: &Breaker) {
        self.shared.observer.observe(&Event::Breaker { lane, breaker });
        if let Err(error) = self.shared.store.set_breaker(lane, breaker).await {
            self.shared.observer.observe(&Event::StoreFailed { what: "keep a breaker", error: &error });
        }
    }

    async fn put_back(&self, unsent: Vec<Claimed>, why: &str) {
        let now_ms = self.now_ms();
        // All at once, so that the store commits them as one group.
        let releases = unsent.iter().map(|claimed| claimed.released(now_ms, now_ms, why.to_owned()));
        join_all(releases.map(|transition| record(&self.shared, None, transition))).await;
    }

    fn half_open(&mut self) {
        let now_ms = self.now_ms();
        for (lane, queue) in &mut self.lanes {
            let breaker = queue.breaker.at(now_ms);
            if breaker != queue.breaker {
                queue.breaker = breaker;
                self.want_claim = true;
                self.shared.observer.observe(&Event::Breaker { lane, breaker: &breaker });
            }
        }
    }

    async fn close_resumed(&mut self) {
        let resumed = std::mem::take(&mut *self.shared.resumed.lock().unwrap_or_else(PoisonError::into_inner));
        let mut closed = Vec::new();
        for (lane, queue) in &mut self.lanes {
            let is_meant = resumed
                .iter()
                .any(|(namespace, service)| *namespace == lane.config_namespace && *service == lane.service);
            if is_meant && queue.breaker != Breaker::default() {
                queue.breaker = Breaker::default();
                closed.push(lane.clone());
            }
        }
        self.want_claim |= !resumed.is_empty();
        for lane in closed {
            self.breaker_changed(&lane, &Breaker::default()).await;
        }
    }

    /// Moves all due times when somebody set the wall clock.
    async fn follow_clock(&mut self) {
        let passed = schedule::millis(self.started.elapsed());
        let delta_ms = self.now_ms().saturating_sub(self.wall_start_ms.saturating_add(passed));
        if delta_ms.abs() <= CLOCK_STEP_MS {
            return;
        }
        match self.shared.store.shift_due(delta_ms).await {
            Ok(()) => {
                self.wall_start_ms = self.wall_start_ms.saturating_add(delta_ms);
                for queue in self.lanes.values_mut() {
                    queue.breaker = queue.breaker.shifted(delta_ms);
                }
                self.want_claim = true;
                self.shared.observer.observe(&Event::ClockStepped { delta_ms });
            }
            Err(error) => self.shared.observer.observe(&Event::StoreFailed { what: "move due times", error: &error }),
        }
    }

    /// How long there is nothing to do, if nobody wakes the loop.
    fn pause(&self) -> Duration {
        let now_ms = self.now_ms();
        let throttled = self.lanes.iter().any(|(lane, queue)| queue.is_throttled(&self.shared.sender.policy(lane)));
        let throttle = throttled.then_some(now_ms.saturating_add(THROTTLE_PAUSE_MS));
        let probes = self.lanes.values().filter_map(|queue| queue.breaker.until_ms());
        let next = probes.chain(self.next_claim_ms).chain(throttle).min();
        let wait = next.map_or(i64::MAX, |at| at.saturating_sub(now_ms).max(1));
        Duration::from_millis(wait.unsigned_abs()).min(IDLE)
    }

    async fn finish(mut self) {
        let unsent = self.lanes.values_mut().flat_map(LaneQueue::drain).collect();
        self.put_back(unsent, "shut down before it was tried").await;
        let all = async { while self.flights.join_next().await.is_some() {} };
        if tokio::time::timeout(self.shared.settings.grace, all).await.is_err() {
            tracing::warn!(
                "tries were still in flight at the end of the grace; their outcome is unknown and they will be repeated"
            );
        }
    }
}

/// The breaker after a try.
fn after(breaker: Breaker, verdict: &Verdict, now_ms: i64) -> Breaker {
    match verdict {
        Verdict::Retry { .. } | Verdict::Unknown { .. } => breaker.failed(now_ms),
        Verdict::Credentials { .. } => breaker.refused(now_ms),
        // It answers, whatever it thinks of this one request.
        Verdict::Delivered { .. } | Verdict::SlowRetry { .. } | Verdict::Permanent { .. } | Verdict::Gone { .. } => {
            breaker.succeeded()
        }
        Verdict::TakenOver { .. } | Verdict::NotReady { .. } => breaker,
    }
}

/// One try from start to its committed outcome.
async fn fly(shared: Arc<Shared>, claimed: Claimed, answer: mpsc::UnboundedSender<Answered>) -> Landed {
    let began_ms = (shared.settings.clock)();
    let began = Instant::now();
    failpoint::pass("attempt.begun");
    let limit = shared.settings.attempt_limit;
    let sent = tokio::time::timeout(limit, AssertUnwindSafe(shared.sender.send(&claimed)).catch_unwind()).await;
    let outcome = match sent {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => without_end("the sender failed within itself; this is a bug of Gatepost".to_owned()),
        Err(_) => without_end(format!("no end within {} s (delivery.attemptLimit)", limit.as_secs_f64())),
    };
    // Without a listener the loop is over, and its slots with it.
    let _ = answer.send(Answered { lane: claimed.delivery.lane.clone(), verdict: outcome.verdict.clone() });
    let now_ms = (shared.settings.clock)();
    let policy = shared.sender.policy(&claimed.delivery.lane);
    let jitter = rand::random_range(-0.2..=0.2);
    let transition = verdict::judge(&claimed, &outcome.verdict, &policy, now_ms, jitter);
    let attempt = Attempt {
        at_ms: began_ms,
        duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        status: outcome.status,
        target: outcome.target,
        excerpt: clip(&outcome.excerpt, super::delivery::MAX_EXCERPT_BYTES).to_owned(),
        reason: verdict::describe(&outcome.verdict),
    };
    let was_tried = !matches!(outcome.verdict, Verdict::TakenOver { .. } | Verdict::NotReady { .. });
    let (dead, due_ms) = (transition.dead_reason(), transition.due_ms());
    if let Some(state) = record(&shared, was_tried.then(|| attempt.clone()), transition).await {
        failpoint::pass("outcome.committed");
        let dead: Option<DeadReason> = dead.filter(|_| state == State::Dead);
        let (delivery, verdict) = (&claimed.delivery, &outcome.verdict);
        shared.observer.observe(&Event::Attempted { delivery, attempt: &attempt, verdict, state, dead });
    }
    let ordered = claimed.delivery.ordering.is_some();
    Landed { ordered, lane: claimed.delivery.lane, due_ms }
}

/// A try that did not come to its end: it may have arrived.
fn without_end(cause: String) -> SendOutcome {
    SendOutcome { status: None, target: String::new(), excerpt: String::new(), verdict: Verdict::Unknown { cause } }
}

/// Records an outcome; while the store is away it is kept and tried again.
async fn record(shared: &Shared, attempt: Option<Attempt>, transition: Transition) -> Option<State> {
    loop {
        match shared.store.record(attempt.clone(), transition.clone()).await {
            Ok(state) => return Some(state),
            Err(error) => {
                shared.observer.observe(&Event::StoreFailed { what: "record an outcome", error: &error });
                if !error.is_transient() {
                    return None;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(STORE_PAUSE_MS.unsigned_abs())).await;
    }
}
