//! The phases of a gate: a band for each environment, from its first known change to now.

use super::scale::{Times, clock};
use super::svg::{Px, Svg};
use super::{Area, Picture, Table, Tone, WIDTH, class, many, nothing};

const ID: &str = "phases";
const TITLE: &str = "Phases of each environment";
/// Environments that are drawn; all are in the table.
const BANDS_MAX: usize = 24;
const LEFT: f64 = 150.0;
const TOP: f64 = 8.0;
const ROW: f64 = 26.0;
const THICK: f64 = 16.0;
/// Shortest span that is drawn: what happened a second ago is no whole picture.
const SPAN_MIN_MS: i64 = 10 * 60_000;

/// What an environment went through, oldest first.
pub(in crate::server::pages) struct Band {
    pub environment: String,
    pub changes: Vec<Change>,
}

/// Another phase, or the same for another commit.
pub(in crate::server::pages) struct Change {
    pub at_ms: i64,
    pub phase: &'static str,
    pub tone: Tone,
    pub commit: String,
}

/// Draws them; `now_ms` ends the last phase.
pub(in crate::server::pages) fn phases(bands: &[Band], now_ms: i64) -> Picture {
    let first = bands.iter().filter_map(|band| band.changes.first()).map(|change| change.at_ms).min();
    let Some(first) = first else { return nothing(ID, TITLE, "No phase is known yet: the gate was not looked at.") };
    let times = Times::new(first.min(now_ms.saturating_sub(SPAN_MIN_MS)), now_ms);
    let drawn = bands.len().min(BANDS_MAX);
    let area = Area { left: LEFT, top: TOP, width: WIDTH - LEFT - 26.0, height: ROW * drawn as f64 };
    let mut svg = Svg::new(ID, WIDTH, area.bottom() + 22.0, TITLE, &description(bands));
    times.draw(&mut svg, &area);
    for (nth, band) in bands.iter().take(BANDS_MAX).enumerate() {
        let top = TOP + ROW * nth as f64 + (ROW - THICK) / 2.0;
        svg.text(LEFT - 8.0, top + 12.0, "value", &clipped(&band.environment));
        band_of(&mut svg, band, &times, &area, top);
    }
    Picture { id: ID, svg: svg.finish(), table: table(bands) }
}

fn band_of(svg: &mut Svg, band: &Band, times: &Times, area: &Area, top: f64) {
    let ends = band.changes.iter().skip(1).map(|change| change.at_ms).chain([times.to_ms]);
    for (change, end) in band.changes.iter().zip(ends) {
        let left = times.x(area, change.at_ms);
        let width = (times.x(area, end) - left).max(1.0);
        let words = format!(
            "{}: {} for {} from {} to {}",
            band.environment,
            change.phase,
            change.commit,
            clock(change.at_ms),
            clock(end)
        );
        // A phase is seen without its colour: what waits is half as thick, what failed is crossed out.
        let (y, height) = if change.tone == Tone::Warn { (top + THICK / 4.0, THICK / 2.0) } else { (top, THICK) };
        let shape = format!("band {}", class(change.tone));
        let (x, w) = (Px(left), Px(width));
        svg.shape(
            "rect",
            &[("class", &shape), ("x", &x), ("y", &Px(y)), ("width", &w), ("height", &Px(height))],
            &words,
        );
        if change.tone == Tone::Bad {
            svg.line((left, top), ((left + THICK).min(left + width), top + THICK), "strike");
        }
        // Seven units a character is enough for the usual fonts.
        if change.tone != Tone::Warn && width > 7.0 * change.phase.len() as f64 + 20.0 {
            svg.text(left + width / 2.0, top + 12.0, "inside", change.phase);
        }
    }
}

fn clipped(name: &str) -> String {
    const MAX: usize = 20;
    match name.chars().count() {
        ..=MAX => name.to_owned(),
        _ => name.chars().take(MAX - 1).chain(['…']).collect(),
    }
}

fn description(bands: &[Band]) -> String {
    const SAID: usize = 12;
    let now = bands.iter().filter_map(|band| Some((&band.environment, band.changes.last()?)));
    let mut said: Vec<String> = now
        .take(SAID)
        .map(|(environment, last)| format!("{environment} is {} since {}", last.phase, clock(last.at_ms)))
        .collect();
    if let Some(more @ 1..) = bands.len().checked_sub(SAID) {
        said.push(many(more as u64, "environment more", "environments more"));
    }
    format!("{}.", said.join("; "))
}

fn table(bands: &[Band]) -> Table {
    let mut rows: Vec<(i64, Vec<String>)> = Vec::new();
    for band in bands {
        rows.extend(band.changes.iter().map(|change| {
            let row =
                vec![clock(change.at_ms), band.environment.clone(), change.phase.to_owned(), change.commit.clone()];
            (change.at_ms, row)
        }));
    }
    rows.sort_by_key(|(at_ms, _)| std::cmp::Reverse(*at_ms));
    let head = vec!["Since", "Environment", "Phase", "Commit"];
    Table { caption: "Changes of phases, newest first", head, rows: rows.into_iter().map(|(_, row)| row).collect() }
}
