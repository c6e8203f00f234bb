//! How long deliveries took: a bar for each bucket of the metric.

use super::scale::{Numbers, seconds};
use super::svg::{Px, Svg};
use super::{Area, Picture, Table, WIDTH, many, nothing};
use crate::controller::series::Latency;

const ID: &str = "latency";
const TITLE: &str = "Time from a decision to its delivery";
const AREA: Area = Area { left: 46.0, top: 12.0, width: WIDTH - 56.0, height: 130.0 };

/// Draws it.
pub(in crate::server::pages) fn latency(latency: &Latency) -> Picture {
    if latency.count == 0 {
        return nothing(ID, TITLE, "Nothing was delivered since the start.");
    }
    let mut svg = Svg::new(ID, WIDTH, 178.0, TITLE, &description(latency));
    let most = latency.buckets.iter().map(|(_, count)| *count).max().unwrap_or_default();
    let numbers = Numbers::up_to(most);
    numbers.draw(&mut svg, &AREA);
    let step = AREA.width / latency.buckets.len().max(1) as f64;
    let mut begin = 0.0;
    for (nth, (end, count)) in latency.buckets.iter().enumerate() {
        let left = AREA.left + step * nth as f64;
        let top = numbers.y(&AREA, *count as f64);
        if *count > 0 {
            // One in a million is still seen.
            let height = (AREA.bottom() - top).max(1.5);
            let words = format!("{}: {}", span(begin, *end), many(*count, "delivery", "deliveries"));
            let (x, y) = (Px(left + 2.0), Px(AREA.bottom() - height));
            let size = (Px(step - 4.0), Px(height));
            svg.shape(
                "rect",
                &[("class", &"bar"), ("x", &x), ("y", &y), ("width", &size.0), ("height", &size.1)],
                &words,
            );
        }
        svg.text(left + step / 2.0, AREA.bottom() + 14.0, "tick", &tick(*end));
        begin = *end;
    }
    svg.line((AREA.left, AREA.bottom()), (AREA.right(), AREA.bottom()), "axis");
    svg.text(AREA.left + AREA.width / 2.0, AREA.bottom() + 31.0, "tick", "took no longer than");
    Picture { id: ID, svg: svg.finish(), table: table(latency) }
}

fn tick(end: f64) -> String {
    if end.is_finite() { seconds(end) } else { "more".to_owned() }
}

fn span(begin: f64, end: f64) -> String {
    match end.is_finite() {
        true => format!("{} to {}", seconds(begin), seconds(end)),
        false => format!("longer than {}", seconds(begin)),
    }
}

fn description(latency: &Latency) -> String {
    let within = |share: f64| latency.within(share).map_or_else(String::new, seconds);
    format!(
        "{} since the start. Half took no longer than {}, 95 in 100 no longer than {}, 99 in 100 no longer than {}. The average is {}.",
        many(latency.count, "delivery", "deliveries"),
        within(0.5),
        within(0.95),
        within(0.99),
        seconds(latency.sum_secs / latency.count.max(1) as f64),
    )
}

fn table(latency: &Latency) -> Table {
    let begins = std::iter::once(0.0).chain(latency.buckets.iter().map(|(end, _)| *end));
    let rows = latency.buckets.iter().zip(begins).map(|((end, count), begin)| {
        let share = *count as f64 * 100.0 / latency.count.max(1) as f64;
        vec![span(begin, *end), count.to_string(), format!("{} %", Px(share))]
    });
    Table {
        caption: "Deliveries by the time they took",
        head: vec!["Time", "Deliveries", "Share"],
        rows: rows.collect(),
    }
}
