//! Points in time with Go's zones, layouts and arithmetic.
#![allow(unused, clippy::todo)]

use std::sync::Arc;

/// A time zone as Go's `*time.Location`.
#[derive(Clone, Debug)]
pub enum Location {
    /// UTC.
    Utc,
    /// A fixed offset in seconds east of UTC, with its name (may be empty).
    Fixed(Arc<str>, i32),
    /// An IANA zone; `local` where it is `time.Local` (prints as `Local`).
    Zone { /// The rules.
        tz: jiff::tz::TimeZone, /// IANA name.
        name: Arc<str>, /// Whether this is time.Local.
        local: bool },
}

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
pub struct Civil { pub year: i64, pub month: u8, pub day: u8, pub hour: u8, pub minute: u8, pub second: u8, pub nanos: u32 }

impl Location {
    /// `time.LoadLocation`: IANA names, "" and "UTC" are UTC, "Local" is `local`.
    #[must_use]
    pub fn load(name: &str) -> Option<Self> { todo!() }
    /// Name as `Location.String()`.
    #[must_use]
    pub fn name(&self) -> &str { todo!() }
    /// Abbreviation and offset in seconds at an instant.
    #[must_use]
    pub fn at(&self, secs: i64) -> (String, i32) { todo!() }
}

impl Time {
    /// Go's zero time, 0001-01-01T00:00:00Z.
    #[must_use]
    pub fn zero() -> Self { todo!() }
    /// From Unix seconds and nanoseconds, in UTC.
    #[must_use]
    pub const fn unix(secs: i64, nanos: u32) -> Self { Self { secs, nanos, loc: Location::Utc } }
    /// `time.Date(…, loc)` with Go's normalising of overflowing fields (nanos within i64).
    #[must_use]
    pub fn date(year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64, nanos: i64, loc: &Location) -> Self { todo!() }
    /// `time.ParseInLocation(layout, text, loc)`; error texts are Go's. `local` is Go's time.Local (offsets that match it take it).
    ///
    /// # Errors
    /// Go's `parsing time …` text.
    pub fn parse(layout: &str, text: &str, loc: &Location, local: &Location) -> Result<Self, String> { todo!() }
    /// `time.Parse(time.RFC3339, text)`.
    ///
    /// # Errors
    /// Go's `parsing time …` text.
    pub fn parse_rfc3339(text: &str) -> Result<Self, String> { todo!() }
    /// `t.Format(layout)`.
    #[must_use]
    pub fn format(&self, layout: &str) -> String { todo!() }
    /// `t.String()`.
    #[must_use]
    pub fn go_string(&self) -> String { todo!() }
    /// Civil fields in its zone.
    #[must_use]
    pub fn civil(&self) -> Civil { todo!() }
    /// `t.Add(ns)`.
    #[must_use]
    pub fn add(&self, nanoseconds: i64) -> Self { todo!() }
    /// `t.AddDate(y, m, d)`.
    #[must_use]
    pub fn add_date(&self, years: i64, months: i64, days: i64) -> Self { todo!() }
    /// `t.Sub(u)` in nanoseconds, saturating.
    #[must_use]
    pub fn sub(&self, other: &Self) -> i64 { todo!() }
    /// Compares instants.
    #[must_use]
    pub fn compare(&self, other: &Self) -> std::cmp::Ordering { (self.secs, self.nanos).cmp(&(other.secs, other.nanos)) }
    /// The same instant in another zone.
    #[must_use]
    pub fn within(&self, loc: &Location) -> Self { Self { loc: loc.clone(), ..self.clone() } }
    /// Whether it is Go's zero time.
    #[must_use]
    pub fn is_zero(&self) -> bool { todo!() }
    /// Day of week, Sunday = 0.
    #[must_use]
    pub fn weekday(&self) -> i64 { todo!() }
    /// Day of year from 1.
    #[must_use]
    pub fn year_day(&self) -> i64 { todo!() }
    /// ISO 8601 year and week.
    #[must_use]
    pub fn iso_week(&self) -> (i64, i64) { todo!() }
    /// `t.Truncate(d)` / `t.Round(d)`, d in nanoseconds.
    #[must_use]
    pub fn truncate(&self, d: i64) -> Self { todo!() }
    /// See [`Time::truncate`].
    #[must_use]
    pub fn round(&self, d: i64) -> Self { todo!() }
}

/// `Duration.String()`.
#[must_use]
pub fn duration_string(nanoseconds: i64) -> String { todo!() }
/// `time.ParseDuration`.
///
/// # Errors
/// Go's text.
pub fn parse_duration(text: &str) -> Result<i64, String> { todo!() }
/// English month name, 1…12, else `%!Month(n)`.
#[must_use]
pub fn month_name(month: i64) -> String { todo!() }
/// English weekday name, Sunday = 0.
#[must_use]
pub fn weekday_name(day: i64) -> String { todo!() }
/// Go's layout constants by name (`RFC3339`, `ANSIC`, `Kitchen`, …).
#[must_use]
pub fn layout(name: &str) -> Option<&'static str> { todo!() }
