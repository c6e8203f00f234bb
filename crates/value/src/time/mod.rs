//! Points in time with Go's zones, layouts and arithmetic.
//!
//! Decides what an instant is called and which instant a text names. Never asks for the current time or the machine's
//! zone: both come in as arguments.

mod duration;
mod layout;
mod parse;
mod zone;

pub use duration::{duration_string, parse_duration};
pub use layout::layout;
pub use zone::Location;

const DAY: i64 = 86_400;
/// Go's zero time in Unix seconds.
const YEAR_1: i64 = -62_135_596_800;
const BILLION: i128 = 1_000_000_000;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Go's `time.Time` without the monotonic part: whole years -292277022399…292277026596 are representable in seconds.
#[derive(Clone, Debug)]
pub struct Time {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub secs: i64,
    /// 0…999,999,999.
    pub nanos: u32,
    /// The zone it is shown in.
    pub loc: Location,
}

/// Broken-down civil time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Civil {
    pub year: i64,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    pub nanos: u32,
}

impl Time {
    /// Go's zero time, 0001-01-01T00:00:00Z.
    #[must_use]
    pub const fn zero() -> Self {
        Self::unix(YEAR_1, 0)
    }
    /// From Unix seconds and nanoseconds, in UTC.
    #[must_use]
    pub const fn unix(secs: i64, nanos: u32) -> Self {
        Self { secs, nanos, loc: Location::Utc }
    }
    /// `time.Date(…, loc)` with Go's normalising of overflowing fields (nanos within i64).
    #[must_use]
    #[allow(clippy::too_many_arguments)] // Go's own list of arguments.
    pub fn date(
        year: i64,
        month: i64,
        day: i64,
        hour: i64,
        minute: i64,
        second: i64,
        nanos: i64,
        loc: &Location,
    ) -> Self {
        let months = i128::from(month) - 1;
        let year = i128::from(year) + months.div_euclid(12);
        let days = days_from_civil(year, months.rem_euclid(12) + 1) + i128::from(day) - 1;
        let seconds = i128::from(hour) * 3_600 + i128::from(minute) * 60 + i128::from(second);
        let civil = clamp(days * i128::from(DAY) + seconds + i128::from(nanos).div_euclid(BILLION));
        let nanos = u32::try_from(i128::from(nanos).rem_euclid(BILLION)).unwrap_or(0);
        Self { secs: instant(civil, loc), nanos, loc: loc.clone() }
    }
    /// `time.ParseInLocation(layout, text, loc)`; error texts are Go's. `local` is Go's time.Local (offsets that match it take it).
    ///
    /// # Errors
    /// Go's `parsing time …` text.
    pub fn parse(layout: &str, text: &str, loc: &Location, local: &Location) -> Result<Self, String> {
        parse::parse(layout, text, loc, local)
    }
    /// `time.Parse(time.RFC3339, text)`.
    ///
    /// # Errors
    /// Go's `parsing time …` text.
    pub fn parse_rfc3339(text: &str) -> Result<Self, String> {
        Self::parse("2006-01-02T15:04:05Z07:00", text, &Location::Utc, &Location::Utc)
    }
    /// `t.Format(layout)`.
    #[must_use]
    pub fn format(&self, layout: &str) -> String {
        layout::format(self, layout)
    }
    /// `t.String()`.
    #[must_use]
    pub fn go_string(&self) -> String {
        self.format("2006-01-02 15:04:05.999999999 -0700 MST")
    }
    /// `t.GoString()`: the Go expression that makes this time.
    #[must_use]
    pub fn go_syntax(&self) -> String {
        let Civil { year, month, day, hour, minute, second, nanos } = self.civil();
        let month = month_name(i64::from(month));
        let loc = match &self.loc {
            Location::Utc => "time.UTC".to_owned(),
            Location::Zone { local: true, .. } => "time.Local".to_owned(),
            other => format!("time.Location({})", quote(other.name().as_bytes())),
        };
        format!("time.Date({year}, time.{month}, {day}, {hour}, {minute}, {second}, {nanos}, {loc})")
    }
    /// Seconds since 1970 on the clocks of its zone.
    fn wall(&self) -> i64 {
        self.secs.saturating_add(i64::from(self.loc.offset(self.secs)))
    }
    /// Civil fields in its zone.
    #[must_use]
    pub fn civil(&self) -> Civil {
        let wall = self.wall();
        let (year, month, day) = civil_from_days(wall.div_euclid(DAY));
        let second = wall.rem_euclid(DAY);
        let field = |n: i64| u8::try_from(n).unwrap_or(0);
        Civil {
            year,
            month,
            day,
            hour: field(second / 3_600),
            minute: field(second / 60 % 60),
            second: field(second % 60),
            nanos: self.nanos,
        }
    }
    /// `t.Add(ns)`.
    #[must_use]
    pub fn add(&self, nanoseconds: i64) -> Self {
        self.at_total(self.total() + i128::from(nanoseconds))
    }
    /// Nanoseconds since 1970.
    fn total(&self) -> i128 {
        i128::from(self.secs) * BILLION + i128::from(self.nanos)
    }
    fn at_total(&self, total: i128) -> Self {
        let nanos = u32::try_from(total.rem_euclid(BILLION)).unwrap_or(0);
        Self { secs: clamp(total.div_euclid(BILLION)), nanos, loc: self.loc.clone() }
    }
    /// `t.AddDate(y, m, d)`.
    #[must_use]
    pub fn add_date(&self, years: i64, months: i64, days: i64) -> Self {
        let at = self.civil();
        Self::date(
            at.year.saturating_add(years),
            i64::from(at.month).saturating_add(months),
            i64::from(at.day).saturating_add(days),
            i64::from(at.hour),
            i64::from(at.minute),
            i64::from(at.second),
            i64::from(at.nanos),
            &self.loc,
        )
    }
    /// `t.Sub(u)` in nanoseconds, saturating.
    #[must_use]
    pub fn sub(&self, other: &Self) -> i64 {
        clamp(self.total() - other.total())
    }
    /// Compares instants.
    #[must_use]
    pub fn compare(&self, other: &Self) -> std::cmp::Ordering {
        (self.secs, self.nanos).cmp(&(other.secs, other.nanos))
    }
    /// The same instant in another zone.
    #[must_use]
    pub fn within(&self, loc: &Location) -> Self {
        Self { loc: loc.clone(), ..self.clone() }
    }
    /// Whether it is Go's zero time.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.secs == YEAR_1 && self.nanos == 0
    }
    /// Day of week, Sunday = 0.
    #[must_use]
    pub fn weekday(&self) -> i64 {
        // 1970-01-01 was a Thursday.
        (self.wall().div_euclid(DAY) + 4).rem_euclid(7)
    }
    /// Day of year from 1.
    #[must_use]
    pub fn year_day(&self) -> i64 {
        let day = self.wall().div_euclid(DAY);
        i128::from(day)
            .saturating_sub(days_from_civil(i128::from(self.civil().year), 1))
            .try_into()
            .map_or(1, |n: i64| n + 1)
    }
    /// ISO 8601 year and week: a week belongs to the year that its Thursday is in.
    #[must_use]
    pub fn iso_week(&self) -> (i64, i64) {
        let day = self.wall().div_euclid(DAY);
        let thursday = day - (self.weekday() + 6) % 7 + 3;
        let (year, _, _) = civil_from_days(thursday);
        let first = clamp(days_from_civil(i128::from(year), 1));
        (year, (thursday - first) / 7 + 1)
    }
    /// `t.Truncate(d)` / `t.Round(d)`, d in nanoseconds.
    #[must_use]
    pub fn truncate(&self, d: i64) -> Self {
        if d <= 0 { self.clone() } else { self.at_total(self.total() - self.remainder(d)) }
    }
    /// See [`Time::truncate`].
    #[must_use]
    pub fn round(&self, d: i64) -> Self {
        if d <= 0 {
            return self.clone();
        }
        let below = self.remainder(d);
        let up = if below * 2 < i128::from(d) { 0 } else { i128::from(d) };
        self.at_total(self.total() - below + up)
    }
    /// What is left over when the time since year 1 is divided.
    fn remainder(&self, d: i64) -> i128 {
        (self.total() - i128::from(YEAR_1) * BILLION).rem_euclid(i128::from(d))
    }
}

/// The instant at which clocks of the zone show a civil time; in a gap or overlap the one that Go chooses.
fn instant(civil: i64, loc: &Location) -> i64 {
    let guess = loc.offset(civil);
    if guess == 0 {
        return civil;
    }
    let offset = loc.offset(civil.saturating_sub(i64::from(guess)));
    civil.saturating_sub(i64::from(offset))
}

fn clamp(n: i128) -> i64 {
    i64::try_from(n).unwrap_or(if n < 0 { i64::MIN } else { i64::MAX })
}

/// Days from 1970-01-01 to the first of a month. Years are counted from March, so that the leap day is the last.
fn days_from_civil(year: i128, month: i128) -> i128 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse: year, month, day of a number of days since 1970-01-01.
fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, u8::try_from(month).unwrap_or(1), u8::try_from(day).unwrap_or(1))
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// English month name, 1…12, else `%!Month(n)`.
#[must_use]
pub fn month_name(month: i64) -> String {
    let index = month.checked_sub(1).and_then(|i| usize::try_from(i).ok());
    let name = index.and_then(|i| MONTHS.get(i));
    name.map_or_else(|| format!("%!Month({})", month.cast_unsigned()), |name| (*name).to_owned())
}

/// English weekday name, Sunday = 0.
#[must_use]
pub fn weekday_name(day: i64) -> String {
    let name = usize::try_from(day).ok().and_then(|i| WEEKDAYS.get(i));
    name.map_or_else(|| format!("%!Weekday({})", day.cast_unsigned()), |name| (*name).to_owned())
}

/// A text in quotes as package time shows it: everything but printable ASCII in hexadecimal.
fn quote(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for byte in text {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(*byte as char);
            }
            0x20..0x80 => out.push(*byte as char),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}
