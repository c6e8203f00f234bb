//! Random lives of deliveries, with crashes, run against a store and against a model of a few lines. Included by `tests/it/outbox_postgres` as well.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::conformance::{Place, all, deliver, new_delivery, object};
use super::delivery::{Claimed, DeadReason, DeliveryId, State};
use super::store::{Filter, Replay, Store};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Decide { app: u8, arming: u64, ordered: bool, supersedes: bool },
    Claim,
    Deliver(u8),
    Retry(u8),
    Kill(u8),
    Replay,
    Crash,
}

/// A step of a life. `crashes`: the store outlives its process.
fn step(crashes: bool) -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..3, 1_u64..5, any::<bool>(), any::<bool>())
            .prop_map(|(app, arming, ordered, supersedes)| Step::Decide { app, arming, ordered, supersedes }),
        3 => Just(Step::Claim),
        3 => any::<u8>().prop_map(Step::Deliver),
        2 => any::<u8>().prop_map(Step::Retry),
        1 => any::<u8>().prop_map(Step::Kill),
        1 => Just(Step::Replay),
        u32::from(crashes) => Just(Step::Crash),
    ]
}

/// What the model knows of a row; rows are in the order of their sequence.
#[derive(Debug, Clone)]
struct Row {
    occurrence: (u8, u64),
    id: DeliveryId,
    key: Option<u8>,
    supersedes: bool,
    state: State,
}

#[derive(Default)]
struct Model {
    rows: Vec<Row>,
}

impl Model {
    fn decide(&mut self, row: Row) {
        if let (Some(key), true) = (row.key, row.supersedes) {
            for old in
                self.rows.iter_mut().filter(|old| old.key == Some(key) && old.supersedes && old.state.is_unsent())
            {
                old.state = State::Superseded;
            }
        }
        self.rows.push(row);
    }

    fn claimable(&self) -> Vec<DeliveryId> {
        let is_head = |index: usize, row: &Row| {
            row.key.is_none() || !self.rows[..index].iter().any(|other| other.key == row.key && other.state.is_open())
        };
        let open = self.rows.iter().enumerate().filter(|(index, row)| row.state.is_unsent() && is_head(*index, row));
        open.map(|(_, row)| row.id).collect()
    }

    fn has_newer(&self, index: usize) -> bool {
        let row = &self.rows[index];
        let is_live = |state: State| state.is_open() || state == State::Delivered;
        row.supersedes
            && row.key.is_some()
            && self.rows[index + 1..].iter().any(|n| n.key == row.key && n.supersedes && is_live(n.state))
    }

    fn set(&mut self, id: DeliveryId, state: State) {
        let index = self.rows.iter().position(|row| row.id == id).unwrap();
        let is_overtaken = state != State::Delivered && self.has_newer(index);
        self.rows[index].state = if is_overtaken { State::Superseded } else { state };
    }

    fn crash(&mut self) {
        for index in 0..self.rows.len() {
            if self.rows[index].state == State::Claimed {
                self.rows[index].state = State::Waiting;
            }
        }
        for index in 0..self.rows.len() {
            if self.rows[index].state == State::Waiting && self.has_newer(index) {
                self.rows[index].state = State::Superseded;
            }
        }
    }

    fn replay(&mut self) {
        for index in (0..self.rows.len()).rev() {
            if self.rows[index].state == State::Dead && !self.has_newer(index) {
                self.rows[index].state = State::Prepared;
            }
        }
    }
}

async fn decide(store: &dyn Store, model: &mut Model, app: u8, arming: u64, ordered: bool, supersedes: bool) {
    let name = format!("app{app}");
    let mut new = new_delivery(&name, "t", arming);
    new.ordering = ordered.then(|| name.clone());
    new.supersedes = ordered && supersedes;
    let committed = store.commit(&object(&name), vec![deliver(new)], 1_000).await.unwrap();
    let known = model.rows.iter().find(|row| row.occurrence == (app, arming)).map(|row| row.id);
    assert_eq!(committed.adopted, known.into_iter().collect::<Vec<_>>(), "one occurrence, one id");
    if known.is_none() {
        let (id, key) = (committed.ids[0], ordered.then_some(app));
        model.decide(Row {
            occurrence: (app, arming),
            id,
            key,
            supersedes: ordered && supersedes,
            state: State::Prepared,
        });
    }
}

async fn check(store: &dyn Store, model: &Model) {
    let kept = store.list(&Filter { limit: 1000, ..Filter::default() }).await.unwrap();
    let kept: BTreeMap<_, _> = kept.into_iter().map(|delivery| (delivery.id, delivery.state)).collect();
    let expected: BTreeMap<_, _> = model.rows.iter().map(|row| (row.id, row.state)).collect();
    let flat = |state: &State| if *state == State::Prepared { State::Waiting } else { *state };
    let flatten =
        |states: &BTreeMap<DeliveryId, State>| states.iter().map(|(id, s)| (*id, flat(s))).collect::<Vec<_>>();
    assert_eq!(flatten(&kept), flatten(&expected));
}

/// Runs one life in an empty place.
pub(super) async fn run(place: &dyn Place, steps: Vec<Step>) {
    let mut store = place.open().await;
    let mut model = Model::default();
    let mut held: Vec<Claimed> = Vec::new();
    for step in steps {
        let pick = |n: u8, held: &[Claimed]| (!held.is_empty()).then(|| usize::from(n) % held.len());
        match step {
            Step::Decide { app, arming, ordered, supersedes } => {
                decide(store.as_ref(), &mut model, app, arming, ordered, supersedes).await;
            }
            Step::Claim => {
                let rows = store.claim(1_000, all()).await.unwrap().rows;
                let mut ids: Vec<_> = rows.iter().map(|claimed| claimed.delivery.id).collect();
                let mut expected = model.claimable();
                ids.sort();
                expected.sort();
                assert_eq!(ids, expected);
                ids.iter()
                    .for_each(|id| model.rows.iter_mut().find(|row| row.id == *id).unwrap().state = State::Claimed);
                held.extend(rows);
            }
            Step::Deliver(n) | Step::Retry(n) | Step::Kill(n) => {
                let Some(index) = pick(n, &held) else { continue };
                let claimed = held.swap_remove(index);
                let transition = match step {
                    Step::Deliver(_) => claimed.delivered(1_000, String::new()),
                    Step::Retry(_) => claimed.waiting(1_000, 1_000, 1, false, String::new()),
                    _ => claimed.dead(1_000, DeadReason::Rejected),
                };
                model.set(claimed.delivery.id, transition.state());
                store.record(None, transition).await.unwrap();
            }
            Step::Replay => {
                let dead = Filter { states: vec![State::Dead], ..Filter::default() };
                store
                    .replay(&dead, Replay { dry_run: false, now_ms: 1_000, spacing_ms: 0, as_new: false })
                    .await
                    .unwrap();
                model.replay();
            }
            Step::Crash => {
                // What was claimed is forgotten without a word; the store is all that is left.
                held.clear();
                store.close().await;
                store = place.open().await;
                model.crash();
            }
        }
        check(store.as_ref(), &model).await;
    }
    store.close().await;
}

/// Lives of up to 40 steps.
pub(super) fn life(crashes: bool) -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(crashes), 1..40)
}

/// How many lives are tried; none is kept on the disk.
pub(super) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
