//! What happened to an Application and whom it was told: a lane for Argo CD's outcomes, one for decisions, one for each destination.

use super::scale::{Times, clock};
use super::svg::{Px, Svg};
use super::{Area, Picture, Table, Tone, WIDTH, class, many, nothing};

const ID: &str = "timeline";
const TITLE: &str = "Outcomes and deliveries over time";
const LEFT: f64 = 190.0;
const TOP: f64 = 8.0;
const ROW: f64 = 28.0;
/// Lanes that are drawn; all are in the table.
const LANES_MAX: usize = 16;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Spans that a picture may have.
const SPANS: [i64; 7] = [HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY, 365 * DAY, i64::MAX];

/// A row of marks.
pub(in crate::server::pages) struct Lane {
    pub name: String,
    pub marks: Vec<Mark>,
}

/// One thing that happened, or that took a while.
pub(in crate::server::pages) struct Mark {
    pub at_ms: i64,
    /// When it was over, or how it is now.
    pub until_ms: Option<i64>,
    pub tone: Tone,
    pub words: String,
}

impl Mark {
    fn end_ms(&self) -> i64 {
        self.until_ms.unwrap_or(self.at_ms).max(self.at_ms)
    }
}

/// Draws them up to `now_ms`.
pub(in crate::server::pages) fn timeline(lanes: &[Lane], now_ms: i64) -> Picture {
    // Whole minutes: a picture that shows the same looks the same.
    let to_ms = now_ms.div_euclid(MINUTE).saturating_add(1).saturating_mul(MINUTE);
    let mut all: Vec<i64> = lanes.iter().flat_map(|lane| &lane.marks).map(Mark::end_ms).collect();
    if all.is_empty() {
        return nothing(ID, TITLE, "Nothing is known to have happened yet.");
    }
    all.sort_unstable();
    let times = span(&all, to_ms);
    let older = all.iter().filter(|at| **at < times.from_ms).count();
    let drawn = lanes.len().min(LANES_MAX);
    let area = Area { left: LEFT, top: TOP, width: WIDTH - LEFT - 26.0, height: ROW * drawn as f64 };
    let mut svg = Svg::new(ID, WIDTH, area.bottom() + 22.0, TITLE, &description(lanes, &times, older));
    times.draw(&mut svg, &area);
    for (nth, lane) in lanes.iter().take(LANES_MAX).enumerate() {
        let middle = TOP + ROW * (nth as f64 + 0.5);
        svg.text(LEFT - 8.0, middle + 4.0, "value", &clipped(&lane.name));
        svg.line((area.left, middle), (area.right(), middle), "lane");
        let marks = lane.marks.iter().filter(|mark| mark.end_ms() >= times.from_ms);
        marks.for_each(|mark| draw(&mut svg, &lane.name, mark, &times, &area, middle));
    }
    Picture { id: ID, svg: svg.finish(), table: table(lanes) }
}

/// The shortest span that shows three of four; what is older is in the table.
fn span(sorted: &[i64], to_ms: i64) -> Times {
    let wanted = sorted.get(sorted.len() / 4).copied().unwrap_or(to_ms);
    let length = SPANS.into_iter().find(|span| to_ms.saturating_sub(*span) <= wanted).unwrap_or(i64::MAX);
    let first = sorted.first().copied().unwrap_or(to_ms);
    Times::new(to_ms.saturating_sub(length).max(first.saturating_sub(MINUTE)), to_ms)
}

/// A shape for each tone: a disc, a cross, a ring, a square.
fn draw(svg: &mut Svg, lane: &str, mark: &Mark, times: &Times, area: &Area, y: f64) {
    let (begin, x) = (times.x(area, mark.at_ms), times.x(area, mark.end_ms()));
    let words = format!("{}, {lane}: {}", clock(mark.end_ms()), mark.words);
    let class = class(mark.tone);
    if x - begin > 3.0 {
        svg.line((begin, y), (x, y), &format!("span {class}"));
    }
    let mark_class = format!("mark {class}");
    match mark.tone {
        Tone::Ok => svg.shape("circle", &[("class", &mark_class), ("cx", &Px(x)), ("cy", &Px(y)), ("r", &5)], &words),
        Tone::Warn => {
            let ring = format!("ring {class}");
            svg.shape("circle", &[("class", &ring), ("cx", &Px(x)), ("cy", &Px(y)), ("r", &4.5)], &words);
        }
        Tone::Bad => {
            let (left, right, top, bottom) = (Px(x - 5.0), Px(x + 5.0), Px(y - 5.0), Px(y + 5.0));
            let path = format!("M{left} {top}L{right} {bottom}M{left} {bottom}L{right} {top}");
            svg.shape("path", &[("class", &format!("cross {class}")), ("d", &path)], &words);
        }
        Tone::Idle => {
            let (left, top) = (Px(x - 4.0), Px(y - 4.0));
            let place: [(&str, &dyn std::fmt::Display); 5] =
                [("class", &mark_class), ("x", &left), ("y", &top), ("width", &8), ("height", &8)];
            svg.shape("rect", &place, &words);
        }
    }
}

fn clipped(name: &str) -> String {
    const MAX: usize = 26;
    match name.chars().count() {
        ..=MAX => name.to_owned(),
        _ => name.chars().take(MAX - 1).chain(['…']).collect(),
    }
}

fn description(lanes: &[Lane], times: &Times, older: usize) -> String {
    let shown = lanes.iter().take(LANES_MAX).map(|lane| {
        let marks = lane.marks.iter().filter(|mark| mark.end_ms() >= times.from_ms).count();
        let last = lane.marks.iter().max_by_key(|mark| mark.end_ms());
        let last = last.map_or_else(String::new, |mark| format!(", the last: {}", mark.words));
        format!("{}: {marks}{last}", lane.name)
    });
    let shown = shown.collect::<Vec<_>>().join("; ");
    let older = match older {
        0 => String::new(),
        more => format!(" {} not drawn; the table has them.", many(more as u64, "older one is", "older ones are")),
    };
    format!("From {} to {}. {shown}.{older}", clock(times.from_ms), clock(times.to_ms))
}

fn table(lanes: &[Lane]) -> Table {
    let mut marks: Vec<(&str, &Mark)> =
        lanes.iter().flat_map(|lane| lane.marks.iter().map(|mark| (lane.name.as_str(), mark))).collect();
    marks.sort_by_key(|(_, mark)| std::cmp::Reverse(mark.end_ms()));
    let row = |(lane, mark): (&str, &Mark)| vec![clock(mark.end_ms()), lane.to_owned(), mark.words.clone()];
    let rows = marks.into_iter().map(row).collect();
    Table { caption: "What happened, newest first", head: vec!["When", "Where", "What"], rows }
}
