//! A past for the store: deliveries of all states with their attempts, and runs of approvals, written through the store itself before
//! the relay starts. No annotation is owed for them, so that what is measured afterwards is not disturbed by patches.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use gatepost::gate::approval::{ApprovalId, Event, Opening, Run, RunId, Stage, Subject};
use gatepost::notify::{Destination, ObjectId, Occurrence};
use gatepost::outbox::runs::Left;
use gatepost::outbox::store::{ClaimLimits, Filter};
use gatepost::outbox::{
    Attempt, Change, Claimed, DeadReason, Lane, NewDelivery, Off, OffBy, Runs as _, SqliteStore, State, Store,
    Transition,
};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Deliveries of one Application in a row.
const ROW: u64 = 10;
/// Commits, and outcomes, under way at once.
const AT_ONCE: usize = 256;
/// Rows of a claim, and of a discard.
const TAKEN: usize = 1_000;
/// Since when things happen.
const DAYS: u64 = 6;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const HOUR_MS: i64 = 60 * 60 * 1000;
const MINUTE_MS: u64 = 60 * 1000;
/// Runs of approvals, and those of them that wait.
const RUNS: u64 = 1_000;
const RUNS_OPEN: u64 = 60;
/// One in so many is of this trigger, and of this service: what a filter finds last.
const RARE: u64 = 20_000;
pub const RARE_TRIGGER: &str = "on-once-in-a-while";
pub const RARE_SERVICE: &str = "hardly-used";
const TRIGGERS: [&str; 4] = ["on-deployed", "on-sync-failed", "on-health-degraded", "on-sync-running"];
/// Destinations that work, and those that gave up for one cause each.
const WORKING: u64 = 20;
const BROKEN: [DeadReason; 4] =
    [DeadReason::Rejected, DeadReason::Credentials, DeadReason::GaveUp, DeadReason::UnknownOutcome];
/// Destinations that are not sent to: switched off, thrown away.
const PAUSED: &str = "paused";
const UNWANTED: &str = "unwanted";

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Delivered,
    Dead(DeadReason),
    Superseded,
    TakenOver,
    Waiting,
    Prepared,
    Discarded,
}

/// By its number: of a hundred, eighty are delivered and ten are dead. The three that are superseded are followed by what replaces them.
fn fate(number: u64) -> Fate {
    match number % 100 {
        0..80 => Fate::Delivered,
        80..90 => Fate::Dead(BROKEN[usize::try_from(number % 4).unwrap_or_default()]),
        90..93 => Fate::Superseded,
        93 => Fate::Delivered,
        94..96 => Fate::TakenOver,
        96 => Fate::Waiting,
        97 => Fate::Prepared,
        _ => Fate::Discarded,
    }
}

/// An installation's past.
pub struct Past<'a> {
    /// Where the Applications are.
    pub namespace: &'a str,
    /// Their names and UIDs.
    pub applications: &'a [(String, String)],
    /// How many deliveries there were.
    pub deliveries: u64,
    /// Whose runs there were.
    pub approval: ApprovalId,
}

impl Past<'_> {
    /// Writes it into a new store file.
    pub async fn write(&self, path: &Path) {
        let store = SqliteStore::open(path, 0).await.expect("the store can be made");
        let now_ms = gatepost::clock::now().millis();
        let rows = stream::iter(0..self.deliveries.div_ceil(ROW)).map(|row| self.decide(&store, row * ROW, now_ms));
        rows.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
        while settle(&store, now_ms).await > 0 {}
        let unwanted =
            Filter { service: Some(UNWANTED.into()), states: vec![State::Prepared], limit: TAKEN, ..Filter::default() };
        while !store.discard(&unwanted, false, now_ms).await.expect("deliveries can be discarded").moved.is_empty() {}
        let off = Off::new(now_ms, OffBy::Person, "it is being moved");
        store.switch(&lane(PAUSED), Some(&off)).await.expect("a destination can be switched off");
        self.approvals(&store, now_ms).await;
        store.close().await;
    }

    /// Ten decisions about one Application in one commit.
    async fn decide(&self, store: &SqliteStore, first: u64, now_ms: i64) {
        let nth = usize::try_from(first / ROW).unwrap_or_default() % self.applications.len();
        let (name, uid) = self.applications[nth].clone();
        let object = ObjectId { namespace: self.namespace.to_owned(), name, uid };
        let numbers = first..self.deliveries.min(first + ROW);
        let changes = numbers.map(|number| Change::Deliver(Box::new(delivery(&object, number)))).collect();
        let ago = (self.deliveries - first) * (DAYS * DAY_MS / self.deliveries);
        store.commit(&object, changes, now_ms.saturating_sub_unsigned(ago)).await.expect("deliveries can be decided");
    }

    /// Runs of one approval; the last of them wait, and their requests count as sent.
    async fn approvals(&self, store: &SqliteStore, now_ms: i64) {
        for number in 0..RUNS {
            let subject = Subject { branch: String::new(), sha: format!("{number:040x}") };
            let at_ms = now_ms.saturating_sub_unsigned((RUNS - number) * MINUTE_MS);
            let opening = Opening {
                id: RunId::new(rand::random()),
                approval: self.approval.clone(),
                subject,
                stage: Stage::WithinDeployment,
                timeout_ms: 48 * HOUR_MS,
                needed: 1,
                opened_by: "system:serviceaccount:rollouts:analysis".into(),
                polled: false,
            };
            let run = Run::open(opening, at_ms).run;
            let id = run.id;
            store.open_run(&run, usize::MAX).await.expect("a run can be opened");
            let is_over = number < RUNS - RUNS_OPEN;
            if is_over {
                let over = run.on(Event::Superseded { by_sha: format!("{:040x}", number + 1) }, at_ms + 1_000).run;
                store.put_run(&over, 1, at_ms + 1_000).await.expect("a run can be changed");
            }
            store
                .shown_runs(vec![(id, if is_over { 2 } else { 1 })], Left::Nothing)
                .await
                .expect("a run can be noted as shown");
        }
    }
}

fn lane(service: &str) -> Lane {
    Lane { config_namespace: String::new(), service: service.into(), host: format!("{service}.example.com") }
}

/// Those that replace one another go to one recipient.
fn destination(number: u64) -> Destination {
    let service = match fate(number) {
        _ if is_grouped(number) => return Destination { service: "team-0".into(), recipient: "group".into() },
        _ if number % RARE == 1 => RARE_SERVICE.into(),
        Fate::Dead(reason) => format!("broken-{}", reason.as_str()),
        Fate::Waiting => "slow".into(),
        Fate::Prepared => PAUSED.into(),
        Fate::Discarded => UNWANTED.into(),
        _ => format!("team-{}", number % WORKING),
    };
    Destination { service, recipient: format!("channel-{}", number % 300) }
}

fn is_grouped(number: u64) -> bool {
    (90..94).contains(&(number % 100))
}

fn trigger(number: u64) -> &'static str {
    if number % RARE == 2 { RARE_TRIGGER } else { TRIGGERS[usize::try_from(number % 4).unwrap_or_default()] }
}

fn delivery(object: &ObjectId, number: u64) -> NewDelivery {
    let destination = destination(number);
    let body = json!({"text": format!("{} is told of {number}", object.name), "filling": "x".repeat(500)});
    let payload = json!({"method": "POST", "path": "/in", "body": STANDARD.encode(body.to_string())});
    NewDelivery {
        state_key: String::new(),
        lane: lane(&destination.service),
        occurrence: Occurrence {
            object: object.clone(),
            config_namespace: String::new(),
            trigger: trigger(number).into(),
            condition_key: "[0].y7b5sbwa2Q329JYH755peeq-fBs".into(),
            once_per: format!("{number:040x}"),
            destination,
            // Its number: what becomes of it is known by that when it is claimed.
            arming: number,
        },
        service_kind: "webhook".into(),
        payload: payload.to_string().into_bytes(),
        ordering: is_grouped(number).then(|| format!("{}/{}", object.name, number / 100)),
        supersedes: is_grouped(number),
        idempotent: false,
        digest: "d".into(),
        dead: None,
    }
}

/// Claims what is due and records what became of it; answers with how many.
async fn settle(store: &SqliteStore, now_ms: i64) -> usize {
    let blocked = HashSet::from([lane(PAUSED), lane(UNWANTED)]);
    let limits = ClaimLimits { max: TAKEN, per_lane: TAKEN, held: HashMap::new(), blocked };
    let claimed = store.claim(now_ms, limits).await.expect("deliveries can be claimed").rows;
    let outcomes = stream::iter(&claimed).map(|row| {
        let (attempt, transition) = outcome(row, now_ms);
        store.record(attempt, transition)
    });
    let done: Result<Vec<State>, _> = outcomes.buffer_unordered(AT_ONCE).try_collect().await;
    done.expect("outcomes can be recorded").len()
}

/// What became of one attempt; dead ones, and one of ten that are delivered, failed before.
fn outcome(row: &Claimed, now_ms: i64) -> (Option<Attempt>, Transition) {
    let (number, before) = (row.delivery.occurrence.arming, row.delivery.attempts);
    let at_ms = row.delivery.created_ms + 1_000 * i64::from(before + 1);
    let fails = match fate(number) {
        Fate::Dead(_) => before < 2,
        Fate::Delivered => before < 1 && number % 10 == 7,
        _ => false,
    };
    let attempt = |status: u16, excerpt: &str| Attempt {
        at_ms,
        duration_ms: 5 + number % 200,
        status: Some(status),
        target: format!("https://{}", row.delivery.lane.host),
        excerpt: format!("{{\"said\": \"{excerpt}\", \"filling\": \"{}\"}}", "y".repeat(200)),
        reason: format!("{status} {excerpt}"),
    };
    if fails {
        let cause = "503 Service Unavailable".to_owned();
        return (Some(attempt(503, "come again")), row.waiting(at_ms, now_ms, before + 1, false, cause));
    }
    match fate(number) {
        Fate::Dead(reason) => (Some(attempt(422, "not like this")), row.dead(at_ms, reason)),
        Fate::TakenOver => (None, row.taken_over(at_ms, at_ms / 1000)),
        Fate::Waiting => (
            Some(attempt(503, "come again")),
            row.waiting(at_ms, now_ms + 6 * HOUR_MS, 1, false, "503 Service Unavailable".into()),
        ),
        _ => (Some(attempt(200, "ok")), row.delivered(at_ms, String::new())),
    }
}
