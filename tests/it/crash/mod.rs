//! Gatepost is killed between every two durable steps, and at random, and what its receivers got is compared with what was decided:
//! nothing is lost, no occurrence has two ids, and only what was under way between its sending and its record is repeated.
//!
//! A *site* is one installation: the real binary, a namespace of the real API server, a receiver, a store. *Stories* happen to its
//! Applications one after the other (`story.rs`), while the site's process dies at one fail point after the other (`site.rs`).
//! `make chaos KILLS=1000 MINUTES=15` is the same for longer; `CHAOS_KILLS` and `CHAOS_MINUTES` say how long.

mod site;
mod story;
mod tally;

use crate::env::{cluster, postgres};
use gatepost::failpoint::POINTS;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use site::{Death, Site, StorePlace};
use std::time::{Duration, Instant};
use tally::Tally;

/// Sites that die at one point after the other while one Application has its story; the others have several, and die anywhere.
const SINGLE: usize = 2;
/// Sites in all, side by side.
const SITES: usize = 4;
/// Applications of a site that has several.
const CROWD: usize = 5;
/// Kills of a site with several in the short form.
const SHORT_STORM: usize = 8;

/// How long one store is tried.
#[derive(Clone, Copy)]
struct Length {
    /// Kills in all; `None`: each point once, and a few anywhere.
    kills: Option<usize>,
    until: Instant,
}

impl Length {
    fn of_environment() -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let minutes = number("CHAOS_MINUTES").unwrap_or(60);
        let kills = number("CHAOS_KILLS").map(|kills| usize::try_from(kills).unwrap());
        Self { kills, until: Instant::now() + Duration::from_secs(minutes * 60) }
    }
}

/// The deaths of one site, in a random order. Those with one Application share the points between them.
fn deaths(index: usize, kills: Option<usize>) -> Vec<Death> {
    let mut rng = rand::rng();
    let all: Vec<Death> = POINTS.iter().copied().map(Death::Point).chain([Death::Written, Death::AnyTime]).collect();
    let Some(kills) = kills else {
        let mut own: Vec<Death> = match index < SINGLE {
            true => all.into_iter().skip(index).step_by(SINGLE).collect(),
            false => (0..SHORT_STORM).map(|_| Death::AnyTime).collect(),
        };
        own.shuffle(&mut rng);
        return own;
    };
    let anywhere = |rng: &mut rand::rngs::ThreadRng| match index < SINGLE {
        true => *all.choose(rng).unwrap(),
        // Half of them by the clock: that also meets what no point stands for.
        false => *all.choose(rng).filter(|_| rand::random()).unwrap_or(&Death::AnyTime),
    };
    (0..kills.div_ceil(SITES)).map(|_| anywhere(&mut rng)).collect()
}

async fn try_store(name: &str, places: Vec<StorePlace>) {
    let length = Length::of_environment();
    let sites = places.into_iter().enumerate().map(|(index, place)| async move {
        let apps = if index < SINGLE { 1 } else { CROWD };
        let mut site = Site::new(cluster().await, place, apps).await;
        site.live_through(&deaths(index, length.kills), length.until).await;
        site.settle().await
    });
    let tallies: Vec<Tally> = futures::future::join_all(sites).await;
    let wrong: Vec<String> = tallies.iter().flat_map(|tally| tally.wrong.clone()).collect();
    tally::print(name, &tallies);
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_sqlite_loses_and_doubles_nothing() {
    try_store("SQLite", (0..SITES).map(|_| StorePlace::File).collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_postgresql_loses_and_doubles_nothing() {
    let mut places = Vec::new();
    for _ in 0..SITES {
        places.push(StorePlace::Url(postgres().await.database().await));
    }
    try_store("PostgreSQL", places).await;
}
