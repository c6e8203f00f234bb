//! What a site's receiver got, beside what was decided: what was lost, doubled and repeated, and after which death.

use super::site::Death;
use super::story::Told;
use crate::env::receiver::Received;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::time::Instant;

/// One death; what was received before `at` is the dead process's.
pub struct Kill {
    /// How.
    pub death: Death,
    /// When it was over.
    pub at: Instant,
}

/// What came of one site.
#[derive(Default)]
pub struct Tally {
    /// Deaths and repeats by name of the death.
    by_death: BTreeMap<&'static str, (usize, usize)>,
    /// Repeats within the life of one process, after an attempt without an answer.
    own_repeats: usize,
    occurrences: usize,
    lost: usize,
    doubled: usize,
    /// Everything that must not be.
    pub wrong: Vec<String>,
}

impl Tally {
    /// Compares; `single` is a site with one Application, where at most one delivery is under way.
    pub fn of(kills: &[Kill], told: &[Told], received: &[Received], rows: &[Value], single: bool) -> Self {
        let mut tally = Self::default();
        for kill in kills {
            tally.by_death.entry(kill.death.name()).or_default().0 += 1;
        }
        let mut by_body: BTreeMap<Vec<u8>, Vec<&Received>> = BTreeMap::new();
        for request in received {
            by_body.entry(request.body.clone()).or_default().push(request);
        }
        tally.compare(told, &by_body, rows);
        for requests in by_body.values() {
            tally.judge(kills, requests, rows, single);
        }
        tally
    }

    /// Every failure has one row and arrived under one id.
    fn compare(&mut self, told: &[Told], by_body: &BTreeMap<Vec<u8>, Vec<&Received>>, rows: &[Value]) {
        for story in told {
            self.occurrences += story.failures;
            self.wrong.extend(story.stuck.clone());
            for number in 0..story.failures {
                let body = format!(r#"{{"app": "{}", "message": "{number}"}}"#, story.app);
                match by_body.get(body.as_bytes()) {
                    None => self.lost += 1,
                    Some(requests) if ids(requests).len() > 1 => self.doubled += 1,
                    Some(_) => {}
                }
            }
        }
        if rows.len() != self.occurrences {
            self.wrong.push(format!("{} occurrences have {} rows", self.occurrences, rows.len()));
        }
        if self.lost + self.doubled + by_body.len().abs_diff(self.occurrences) > 0 {
            let of = (self.occurrences, by_body.len());
            self.wrong.push(format!("{} lost, {} doubled of {of:?}", self.lost, self.doubled));
        }
    }

    /// One delivery's requests: each but the last was cut off by a death before its outcome was recorded, or recorded as without an answer.
    fn judge(&mut self, kills: &[Kill], requests: &[&Received], rows: &[Value], single: bool) {
        let id = requests[0].header("webhook-id").unwrap_or_default();
        let attempts = rows.iter().find(|row| row["id"] == id).and_then(|row| row["attempts"].as_u64());
        let mut unrecorded = 0;
        for pair in requests.windows(2) {
            let death = kills.iter().find(|kill| kill.at >= pair[0].at).filter(|kill| kill.at <= pair[1].at);
            let Some(kill) = death else {
                self.own_repeats += 1;
                continue;
            };
            unrecorded += 1;
            self.by_death.entry(kill.death.name()).or_default().1 += 1;
            if single && !kill.death.may_repeat() {
                self.wrong.push(format!("{id} was repeated after a death at {}", kill.death.name()));
            }
        }
        // Once delivered is recorded nothing is sent again: all others are the dead's.
        if attempts.is_none_or(|attempts| attempts + unrecorded < requests.len() as u64) {
            self.wrong.push(format!("{id} has {attempts:?} recorded attempts, {} requests", requests.len()));
        }
    }
}

fn ids<'a>(requests: &[&'a Received]) -> BTreeSet<Option<&'a str>> {
    requests.iter().map(|request| request.header("webhook-id")).collect()
}

/// Prints the sums of all sites on the standard output itself, so that they show without `--nocapture`.
pub fn print(store: &str, tallies: &[Tally]) {
    let mut sums: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (name, (kills, repeats)) in tallies.iter().flat_map(|tally| &tally.by_death) {
        let sum = sums.entry(name).or_default();
        *sum = (sum.0 + kills, sum.1 + repeats);
    }
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    let mut text = format!("{store}: killed at       kills  repeats\n");
    for (name, (kills, repeats)) in &sums {
        text.push_str(&format!("  {name:<22} {kills:>6} {repeats:>8}\n"));
    }
    let (kills, repeats) = sums.values().fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    text.push_str(&format!(
        "  all {kills:>25} {repeats:>8}\n{store}: {kills} kills, {} occurrences: lost {}, doubled ids {}, repeats {repeats} after a kill and {} without\n",
        sum(|t| t.occurrences), sum(|t| t.lost), sum(|t| t.doubled), sum(|t| t.own_repeats),
    ));
    std::io::stdout().lock().write_all(text.as_bytes()).unwrap();
}
