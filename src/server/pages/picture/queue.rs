//! The last hour: what waited, and what was sent.

use super::scale::{Numbers, Times, clock};
use super::svg::{Px, Svg};
use super::{Area, Picture, Table, WIDTH, legend, many, nothing};
use crate::controller::series::{EVERY, Sample};
use std::fmt::Write as _;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// Time that a row of the tables stands for.
const ROW: i64 = 5 * MINUTE;
const AREA: Area = Area { left: 46.0, top: 24.0, width: WIDTH - 70.0, height: 120.0 };
const HEIGHT: f64 = 166.0;

/// A part of the queue: its class, its name, and its number.
type Layer = (&'static str, &'static str, fn(&Sample) -> u32);
/// From below.
const LAYERS: [Layer; 3] = [
    ("area-flight", "in flight", |sample| sample.claimed),
    ("area-new", "never tried", |sample| sample.prepared),
    ("area-waiting", "wait for their next try", |sample| sample.waiting),
];

fn open(sample: &Sample) -> u64 {
    LAYERS.iter().map(|(_, _, number)| u64::from(number(sample))).sum()
}

/// The hour that ends with the last sample.
fn hour(samples: &[Sample]) -> Option<Times> {
    let last = samples.last()?.at_ms;
    Some(Times::new(last.saturating_sub(HOUR), last))
}

/// Draws the queue over time; samples oldest first.
pub(in crate::server::pages) fn queue(samples: &[Sample]) -> Picture {
    const ID: &str = "queue-picture";
    const TITLE: &str = "Open deliveries in the last hour";
    let Some(times) = hour(samples) else { return nothing(ID, TITLE, "The first sample is taken within ten seconds.") };
    let most = samples.iter().map(open).max().unwrap_or_default();
    let mut svg = Svg::new(ID, WIDTH, HEIGHT, TITLE, &queue_description(samples, most));
    legend(&mut svg, AREA.left, 12.0, &LAYERS.map(|(class, name, _)| (class, name)));
    let numbers = Numbers::up_to(most);
    numbers.draw(&mut svg, &AREA);
    times.draw(&mut svg, &AREA);
    for run in runs(samples) {
        for nth in (0..LAYERS.len()).rev() {
            area(&mut svg, run, nth, &times, &numbers);
        }
    }
    Picture { id: ID, svg: svg.finish(), table: queue_table(samples) }
}

/// Samples without a gap between them.
fn runs(samples: &[Sample]) -> impl Iterator<Item = &[Sample]> {
    let gap = i64::try_from(EVERY.as_millis()).unwrap_or(i64::MAX).saturating_mul(3);
    samples.chunk_by(move |a, b| b.at_ms.saturating_sub(a.at_ms) <= gap)
}

/// One layer with all below it: those below are drawn over it.
fn area(svg: &mut Svg, run: &[Sample], nth: usize, times: &Times, numbers: &Numbers) {
    let (class, _, _) = LAYERS[nth];
    let sum = |sample: &Sample| LAYERS[..=nth].iter().map(|(_, _, number)| f64::from(number(sample))).sum::<f64>();
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return };
    if run.iter().all(|sample| sum(sample) == 0.0) {
        return;
    }
    let place = |sample: &Sample| (times.x(&AREA, sample.at_ms), numbers.y(&AREA, sum(sample)));
    let mut path = format!("M{} {}", Px(times.x(&AREA, first.at_ms)), Px(AREA.bottom()));
    for sample in run {
        let (x, y) = place(sample);
        let _ = write!(path, "L{} {}", Px(x), Px(y));
    }
    // A single sample is as wide as can be seen.
    let end = times.x(&AREA, last.at_ms).max(times.x(&AREA, first.at_ms) + 2.0);
    let _ = write!(path, "L{} {}L{} {}Z", Px(end), Px(place(last).1), Px(end), Px(AREA.bottom()));
    svg.element("path", &[("class", &class), ("d", &path)]);
}

fn queue_description(samples: &[Sample], most: u64) -> String {
    let Some(last) = samples.last() else { return String::new() };
    let parts = LAYERS.map(|(_, name, number)| format!("{} {name}", number(last))).join(", ");
    let oldest = match last.oldest_secs {
        0 => String::new(),
        secs => format!(" The oldest waits for {} s.", secs),
    };
    format!(
        "{} now ({parts}), at most {most} in the last hour. {}.{oldest}",
        many(open(last), "open delivery", "open deliveries"),
        many(last.dead.into(), "dead letter", "dead letters"),
    )
}

/// Samples by the five minutes that they are in, newest first.
fn by_row(samples: &[Sample]) -> impl Iterator<Item = (i64, &[Sample])> {
    let row = |sample: &Sample| sample.at_ms.div_euclid(ROW);
    let rows = samples.chunk_by(move |a, b| row(a) == row(b));
    rows.rev().filter_map(move |chunk| Some((row(chunk.first()?).saturating_mul(ROW), chunk)))
}

fn queue_table(samples: &[Sample]) -> Table {
    let most =
        |chunk: &[Sample], number: fn(&Sample) -> u32| chunk.iter().map(number).max().unwrap_or_default().to_string();
    let rows = by_row(samples).map(|(at, chunk)| {
        let layers = LAYERS.iter().map(|(_, _, number)| most(chunk, *number));
        let rest = [most(chunk, |sample| sample.dead), most(chunk, |sample| sample.oldest_secs)];
        std::iter::once(clock(at)).chain(layers).chain(rest).collect()
    });
    Table {
        caption: "Most open deliveries in each five minutes",
        head: vec!["From", "In flight", "Never tried", "Waiting", "Dead letters", "Oldest, seconds"],
        rows: rows.collect(),
    }
}

/// Draws what was sent each minute; samples oldest first.
pub(in crate::server::pages) fn rates(samples: &[Sample]) -> Picture {
    const ID: &str = "rates-picture";
    const TITLE: &str = "Attempts each minute in the last hour";
    let minutes = by_minute(samples);
    let Some(last) = minutes.last() else { return nothing(ID, TITLE, "The first sample is taken within ten seconds.") };
    let end_ms = last.at_ms.saturating_add(MINUTE);
    let times = Times::new(end_ms.saturating_sub(HOUR), end_ms);
    let sum = |number: fn(&Minute) -> u64| minutes.iter().map(number).sum::<u64>();
    let (delivered, failed) = (sum(|minute| minute.delivered), sum(|minute| minute.failed));
    let most = minutes.iter().map(|minute| minute.delivered.saturating_add(minute.failed)).max().unwrap_or_default();
    let words = format!("{delivered} delivered and {failed} failed in the last hour, at most {most} in a minute.");
    let mut svg = Svg::new(ID, WIDTH, HEIGHT, TITLE, &words);
    legend(&mut svg, AREA.left, 12.0, &[("bar ok", "delivered"), ("bar bad", "failed")]);
    let numbers = Numbers::up_to(most);
    numbers.draw(&mut svg, &AREA);
    times.draw(&mut svg, &AREA);
    minutes.iter().for_each(|minute| bars(&mut svg, minute, &times, &numbers));
    Picture { id: ID, svg: svg.finish(), table: rates_table(samples) }
}

/// Attempts of a minute.
#[derive(Debug, Clone, Copy, Default)]
struct Minute {
    at_ms: i64,
    delivered: u64,
    failed: u64,
}

fn by_minute(samples: &[Sample]) -> Vec<Minute> {
    let minute = |sample: &Sample| sample.at_ms.div_euclid(MINUTE);
    let of = |chunk: &[Sample]| Minute {
        at_ms: chunk.first().map_or(0, |sample| minute(sample).saturating_mul(MINUTE)),
        delivered: chunk.iter().map(|sample| u64::from(sample.delivered)).sum(),
        failed: chunk.iter().map(|sample| u64::from(sample.failed)).sum(),
    };
    samples.chunk_by(|a, b| minute(a) == minute(b)).map(of).collect()
}

/// What failed stands on what was delivered, and is narrower: it is seen without its colour.
fn bars(svg: &mut Svg, minute: &Minute, times: &Times, numbers: &Numbers) {
    let left = times.x(&AREA, minute.at_ms);
    let width = (times.x(&AREA, minute.at_ms.saturating_add(MINUTE)) - left).max(2.0);
    let words = format!("{}: {} delivered, {} failed", clock(minute.at_ms), minute.delivered, minute.failed);
    let mut bar = |from: u64, to: u64, class: &str, inset: f64| {
        if to > from {
            let (low, top) = (numbers.y(&AREA, from as f64), numbers.y(&AREA, to as f64));
            let (x, y) = (Px(left + inset), Px(top.min(low - 1.0)));
            let (width, height) = (Px((width - 2.0 * inset).max(1.0)), Px((low - top).max(1.0)));
            let place: [(&str, &dyn std::fmt::Display); 5] =
                [("class", &class), ("x", &x), ("y", &y), ("width", &width), ("height", &height)];
            svg.shape("rect", &place, &words);
        }
    };
    let all = minute.delivered.saturating_add(minute.failed);
    bar(0, minute.delivered, "bar ok", 0.5);
    bar(minute.delivered, all, "bar bad", 2.5);
}

fn rates_table(samples: &[Sample]) -> Table {
    let sum = |chunk: &[Sample], number: fn(&Sample) -> u32| {
        chunk.iter().map(|sample| u64::from(number(sample))).sum::<u64>().to_string()
    };
    let rows = by_row(samples)
        .map(|(at, chunk)| vec![clock(at), sum(chunk, |sample| sample.delivered), sum(chunk, |sample| sample.failed)]);
    Table { caption: "Attempts in each five minutes", head: vec!["From", "Delivered", "Failed"], rows: rows.collect() }
}
