#![allow(clippy::unwrap_used)]

use super::*;
use crate::controller::series::{Latency, Sample};
use std::path::Path;

/// 2027-01-15 08:00:00 UTC.
const NOW: i64 = 1_800_000_000_000;
const MINUTE: i64 = 60_000;

/// Compares with a file of `tests/golden/pictures`; with `GATEPOST_BLESS` set it is written instead.
fn same_as_golden(name: &str, picture: &Picture) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pictures").join(format!("{name}.html"));
    // An element a line, so that a change can be read.
    let found = picture.to_string().replace("><", ">\n<") + "\n";
    if std::env::var_os("GATEPOST_BLESS").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == golden,
        "{} is not what is drawn now; look at it, then write it with GATEPOST_BLESS=1:\n{found}",
        path.display()
    );
}

/// What every picture holds to, whatever it is made of.
fn check(picture: &Picture) {
    let text = picture.to_string();
    assert!(text.contains("role=\"img\"") && text.contains("<title id=") && text.contains("<desc id="), "{text}");
    assert!(!text.contains("style=") && !text.contains("NaN") && !text.contains("inf\""), "{text}");
    assert!(text.len() < 150_000, "{} bytes", text.len());
}

fn latency_of(counts: [u64; 4]) -> Latency {
    let ends = [0.01, 0.1, 1.0, f64::INFINITY];
    let buckets: Vec<_> = ends.into_iter().zip(counts).collect();
    let count = counts.into_iter().fold(0, u64::saturating_add);
    Latency { buckets, count, sum_secs: count as f64 * 0.05 }
}

#[test]
fn latencies_are_drawn() {
    for (name, counts) in
        [("none", [0; 4]), ("one", [0, 1, 0, 0]), ("some", [120, 60, 3, 1]), ("huge", [u64::MAX, 1, 0, 0])]
    {
        let picture = latency(&latency_of(counts));
        check(&picture);
        same_as_golden(&format!("latency-{name}"), &picture);
    }
}

fn samples(count: i64, one: impl Fn(i64) -> Sample) -> Vec<Sample> {
    (0..count).map(|nth| Sample { at_ms: NOW - (count - 1 - nth) * 10_000, ..one(nth) }).collect()
}

#[test]
fn the_queue_is_drawn() {
    let busy = |nth: i64| Sample {
        delivered: u32::try_from(nth % 7).unwrap(),
        failed: u32::from(nth % 12 == 0),
        prepared: u32::try_from(nth % 5).unwrap(),
        claimed: 2,
        waiting: u32::try_from(nth / 3).unwrap(),
        dead: 1,
        oldest_secs: 30,
        ..Sample::default()
    };
    let huge =
        Sample { delivered: u32::MAX, failed: u32::MAX, waiting: u32::MAX, claimed: u32::MAX, ..Sample::default() };
    let mut gap = samples(24, busy);
    gap.drain(8..14);
    let cases = [
        ("none", Vec::new()),
        ("one", samples(1, busy)),
        ("zero", samples(30, |_| Sample::default())),
        ("hour", samples(360, busy)),
        ("gap", gap),
        ("huge", samples(3, |_| huge)),
    ];
    for (name, samples) in cases {
        for (kind, picture) in [("queue", queue(&samples)), ("rates", rates(&samples))] {
            check(&picture);
            same_as_golden(&format!("{kind}-{name}"), &picture);
        }
    }
}

fn change(minutes_ago: i64, phase: &'static str, tone: Tone) -> Change {
    Change { at_ms: NOW - minutes_ago * MINUTE, phase, tone, commit: "abcdef0123".to_owned() }
}

#[test]
fn phases_are_drawn() {
    let band = |name: &str, changes| Band { environment: name.to_owned(), changes };
    let some = vec![
        band("dev", vec![change(200, "success", Tone::Ok)]),
        band("test", vec![change(190, "pending", Tone::Warn), change(100, "success", Tone::Ok)]),
        band(
            "environments/<production>",
            vec![
                change(180, "pending", Tone::Warn),
                change(60, "failure", Tone::Bad),
                change(1, "pending", Tone::Warn),
            ],
        ),
        band("new", Vec::new()),
    ];
    let many =
        (0..60).map(|nth| band(&format!("env-{nth}"), (0..50).rev().map(|n| change(n, "success", Tone::Ok)).collect()));
    let one = vec![band("dev", vec![change(0, "pending", Tone::Warn)])];
    for (name, bands) in [("none", Vec::new()), ("one", one), ("some", some)] {
        let picture = phases(&bands, NOW);
        check(&picture);
        same_as_golden(&format!("phases-{name}"), &picture);
    }
    let many: Vec<Band> = many.collect();
    assert!(phases(&many, NOW).to_string().matches("<text").count() < 2_000);
}

fn mark(minutes_ago: i64, took: i64, tone: Tone, words: &str) -> Mark {
    let at_ms = NOW - minutes_ago * MINUTE;
    Mark { at_ms, until_ms: (took > 0).then(|| at_ms + took * MINUTE), tone, words: words.to_owned() }
}

#[test]
fn a_timeline_is_drawn() {
    let lane = |name: &str, marks| Lane { name: name.to_owned(), marks };
    let some = vec![
        lane("Argo CD", vec![mark(300_000, 0, Tone::Idle, "deployed aa"), mark(50, 2, Tone::Bad, "operation Failed")]),
        lane("Decisions", vec![mark(49, 0, Tone::Ok, "on-sync-failed triggered")]),
        lane(
            "backstage component:default/<orders> & \"friends\"",
            vec![mark(49, 20, Tone::Ok, "on-sync-failed delivered"), mark(40, 0, Tone::Warn, "waiting")],
        ),
        lane("slack #ops", vec![mark(49, 40, Tone::Bad, "dead"), mark(30, 0, Tone::Idle, "superseded")]),
    ];
    let one = vec![lane("Decisions", vec![mark(0, 0, Tone::Ok, "on-created triggered")])];
    for (name, lanes) in [("none", Vec::new()), ("one", one), ("some", some)] {
        let picture = timeline(&lanes, NOW);
        check(&picture);
        same_as_golden(&format!("timeline-{name}"), &picture);
    }
    let wild = [i64::MIN, -1, 0, i64::MAX].map(|at_ms| Mark {
        at_ms,
        until_ms: Some(0),
        tone: Tone::Ok,
        words: "w".repeat(60),
    });
    check(&timeline(&[lane("wild", wild.into())], NOW));
}
