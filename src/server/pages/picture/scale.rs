//! From numbers and times to places: round ends of axes, marks on them, words beside the marks. Times are UTC.

use super::svg::{Area, Px, Svg};

/// Marks of an axis of time, at most.
const MARKS_MAX: i64 = 7;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Time between two marks.
const STEPS: [i64; 16] = [
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    30 * DAY,
    90 * DAY,
    365 * DAY,
    3650 * DAY,
];

/// A span of time on an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub from_ms: i64,
    pub to_ms: i64,
}

impl Times {
    /// Never empty, whatever it is made of.
    pub fn new(from_ms: i64, to_ms: i64) -> Self {
        Self { from_ms, to_ms: to_ms.max(from_ms.saturating_add(MINUTE)) }
    }

    /// How far a time is along the axis, 0 to 1.
    pub fn share(&self, at_ms: i64) -> f64 {
        let whole = self.to_ms.saturating_sub(self.from_ms) as f64;
        (at_ms.saturating_sub(self.from_ms) as f64 / whole).clamp(0.0, 1.0)
    }

    /// Where a time is in an area.
    pub fn x(&self, area: &Area, at_ms: i64) -> f64 {
        area.left + area.width * self.share(at_ms)
    }

    /// Times that are marked.
    fn marks(&self) -> Vec<(i64, String)> {
        let whole = self.to_ms.saturating_sub(self.from_ms);
        let fits = |step: &&i64| whole / **step < MARKS_MAX;
        let step = STEPS.iter().find(fits).copied().unwrap_or(whole.max(1));
        let first = self.from_ms.div_euclid(step).saturating_add(1).saturating_mul(step);
        let marks = (0..MARKS_MAX).map(|nth| first.saturating_add(nth.saturating_mul(step)));
        marks.take_while(|at| *at <= self.to_ms).map(|at| (at, label(at, step))).collect()
    }

    /// Draws the marks below an area, with lines through it.
    pub fn draw(&self, svg: &mut Svg, area: &Area) {
        svg.line((area.left, area.bottom()), (area.right(), area.bottom()), "axis");
        for (at, words) in self.marks() {
            let x = self.x(area, at);
            svg.line((x, area.top), (x, area.bottom()), "grid");
            svg.text(x, area.bottom() + 14.0, "tick", &words);
        }
    }
}

/// A time as the axis says it.
fn label(at_ms: i64, step: i64) -> String {
    let whole = clock(at_ms);
    let part = match step {
        ..DAY if at_ms.rem_euclid(DAY) != 0 => whole.get(11..16),
        ..=31_536_000_000 => whole.get(5..10),
        _ => whole.get(..4),
    };
    part.unwrap_or("?").to_owned()
}

/// A time in full: `2027-01-15 07:57:00 UTC`.
pub(super) fn clock(at_ms: i64) -> String {
    let at = jiff::Timestamp::from_second(at_ms.div_euclid(1000)).map(|at| at.to_string());
    at.map_or_else(|_| "unknown".to_owned(), |at| at.replace('T', " ").replace('Z', " UTC"))
}

/// An axis of numbers that begins at nought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Numbers {
    pub top: f64,
}

impl Numbers {
    /// One that holds numbers up to `max`, with a round end that halves to whole numbers.
    pub fn up_to(max: u64) -> Self {
        let max = max.max(2) as f64;
        let power = 10_f64.powf(max.log10().floor());
        let rounds = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0].map(|digit| digit * power);
        Self { top: rounds.into_iter().find(|round| *round >= max).unwrap_or(max) }
    }

    /// Where a number is in an area.
    pub fn y(&self, area: &Area, number: f64) -> f64 {
        area.bottom() - area.height * (number / self.top).clamp(0.0, 1.0)
    }

    /// Draws lines at nought, half and all.
    pub fn draw(&self, svg: &mut Svg, area: &Area) {
        for number in [0.0, self.top / 2.0, self.top] {
            let y = self.y(area, number);
            svg.line((area.left, y), (area.right(), y), "grid");
            svg.text(area.left - 6.0, y + 4.0, "value", &short(number));
        }
    }
}

/// A number in few characters: `950`, `1.2k`, `3M`.
pub(super) fn short(number: f64) -> String {
    let (scaled, unit) = match number {
        1e9.. => (number / 1e9, "G"),
        1e6.. => (number / 1e6, "M"),
        1e3.. => (number / 1e3, "k"),
        _ => (number, ""),
    };
    format!("{}{unit}", Px(scaled))
}

/// Seconds in few characters: `5 ms`, `2.5 s`, `5 min`, `1 h`.
pub(super) fn seconds(secs: f64) -> String {
    match secs {
        f64::INFINITY => "longer".to_owned(),
        3600.0.. => format!("{} h", Px(secs / 3600.0)),
        60.0.. => format!("{} min", Px(secs / 60.0)),
        1.0.. => format!("{} s", Px(secs)),
        _ => format!("{} ms", Px(secs * 1000.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_handful_of_round_marks() {
        let start = 1_800_000_000_000;
        for span in [1, MINUTE, HOUR, 5 * HOUR, DAY, 9 * DAY, 400 * DAY, 20_000 * DAY] {
            let marks = Times::new(start, start + span).marks();
            assert!(marks.len() <= 7, "{span}: {marks:?}");
            assert!(span < 5 * MINUTE || marks.len() >= 2, "{span}: {marks:?}");
        }
        let hour = Times::new(start, start + HOUR).marks();
        assert_eq!(hour.iter().map(|mark| mark.1.as_str()).collect::<Vec<_>>()[..2], ["08:10", "08:20"]);
        assert!(Times::new(i64::MIN, i64::MAX).marks().len() <= 7);
        assert_eq!(clock(i64::MAX), "unknown");
    }

    #[test]
    fn times_have_a_place_whatever_they_are() {
        let times = Times::new(0, 0);
        assert_eq!((times.share(-5), times.share(30_000), times.share(i64::MAX)), (0.0, 0.5, 1.0));
    }

    #[test]
    fn numbers_end_round() {
        let tops = [0, 1, 3, 7, 10, 11, 99, 4_294_967_295].map(|max| Numbers::up_to(max).top);
        assert_eq!(tops, [2.0, 2.0, 4.0, 8.0, 10.0, 20.0, 100.0, 6e9]);
        let said = [0.0, 950.0, 1_200.0, 3e6, 6e9].map(short);
        assert_eq!(said, ["0", "950", "1.2k", "3M", "6G"]);
        let said = [0.002, 2.5, 300.0, 3600.0, f64::INFINITY].map(seconds);
        assert_eq!(said, ["2 ms", "2.5 s", "5 min", "1 h", "longer"]);
    }
}
