//! Go's layout language and formatting. A layout is literal text with reference values (`2006`, `Jan`, `15`, …) in between.

use super::{MONTHS, Time, WEEKDAYS};
use std::fmt::Write;

/// How an offset from UTC is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offset {
    /// `Z` instead of an offset of zero.
    pub(super) z: bool,
    pub(super) colon: bool,
    pub(super) minutes: bool,
    pub(super) seconds: bool,
}

/// An element of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    ZoneName,
    Offset(Offset),
    /// `.000` or `.999`, with its separator and number of digits.
    Fraction {
        trim: bool,
        separator: u8,
        digits: usize,
    },
}

/// Elements by their spelling where that alone decides; of those that begin alike the longest comes first.
const SPELLINGS: &[(&str, Element)] = &[
    ("January", Element::LongMonth),
    ("Monday", Element::LongWeekday),
    ("MST", Element::ZoneName),
    ("01", Element::ZeroMonth),
    ("02", Element::ZeroDay),
    ("03", Element::ZeroHour12),
    ("04", Element::ZeroMinute),
    ("05", Element::ZeroSecond),
    ("06", Element::Year),
    ("002", Element::ZeroYearDay),
    ("15", Element::Hour),
    ("1", Element::NumMonth),
    ("2006", Element::LongYear),
    ("2", Element::Day),
    ("__2", Element::UnderYearDay),
    ("_2", Element::UnderDay),
    ("3", Element::Hour12),
    ("4", Element::Minute),
    ("5", Element::Second),
    ("PM", Element::UpperPm),
    ("pm", Element::LowerPm),
    ("-070000", offset(false, false, true, true)),
    ("-07:00:00", offset(false, true, true, true)),
    ("-0700", offset(false, false, true, false)),
    ("-07:00", offset(false, true, true, false)),
    ("-07", offset(false, false, false, false)),
    ("Z070000", offset(true, false, true, true)),
    ("Z07:00:00", offset(true, true, true, true)),
    ("Z0700", offset(true, false, true, false)),
    ("Z07:00", offset(true, true, true, false)),
    ("Z07", offset(true, false, false, false)),
];

const fn offset(z: bool, colon: bool, minutes: bool, seconds: bool) -> Element {
    Element::Offset(Offset { z, colon, minutes, seconds })
}

/// The first element of a layout: where it starts and ends.
pub(super) fn next_element(layout: &[u8]) -> Option<(usize, usize, Element)> {
    (0..layout.len()).find_map(|at| element_at(layout, at))
}

fn element_at(layout: &[u8], at: usize) -> Option<(usize, usize, Element)> {
    let rest = &layout[at..];
    match rest[0] {
        b'.' | b',' => return fraction(rest).map(|(len, element)| (at, at + len, element)),
        // An underscore before a year is literal.
        b'_' if rest.starts_with(b"_2006") => return Some((at + 1, at + 5, Element::LongYear)),
        b'J' | b'M' => {
            if let Some(element) = short_name(rest) {
                return Some((at, at + 3, element));
            }
        }
        b'0'..=b'5' | b'_' | b'P' | b'p' | b'-' | b'Z' => {}
        _ => return None,
    }
    let (spelling, element) = SPELLINGS.iter().find(|(spelling, _)| rest.starts_with(spelling.as_bytes()))?;
    Some((at, at + spelling.len(), *element))
}

/// `Jan` and `Mon`, unless they begin a longer word.
fn short_name(rest: &[u8]) -> Option<Element> {
    if rest.get(3).is_some_and(u8::is_ascii_lowercase) {
        return None;
    }
    match rest.get(..3)? {
        b"Jan" => Some(Element::Month),
        b"Mon" => Some(Element::Weekday),
        _ => None,
    }
}

fn fraction(rest: &[u8]) -> Option<(usize, Element)> {
    let digit = *rest.get(1).filter(|d| matches!(d, b'0' | b'9'))?;
    let digits = rest[1..].iter().take_while(|d| **d == digit).count();
    if rest.get(1 + digits).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    Some((1 + digits, Element::Fraction { trim: digit == b'9', separator: rest[0], digits }))
}

/// `t.Format(layout)`.
pub(super) fn format(time: &Time, layout: &str) -> String {
    let civil = time.civil();
    let (zone, offset) = time.loc.at(time.secs);
    let mut out = String::with_capacity(layout.len() + 10);
    let mut rest = layout.as_bytes();
    while let Some((start, end, element)) = next_element(rest) {
        out.push_str(&String::from_utf8_lossy(&rest[..start]));
        rest = &rest[end..];
        match element {
            Element::Offset(form) => push_offset(&mut out, form, offset),
            Element::ZoneName if !zone.is_empty() => out.push_str(&zone),
            Element::ZoneName => {
                push_offset(&mut out, Offset { z: false, colon: false, minutes: true, seconds: false }, offset);
            }
            Element::Fraction { trim, separator, digits } => {
                push_fraction(&mut out, civil.nanos, trim, separator as char, digits);
            }
            _ => push_civil(&mut out, time, &civil, element),
        }
    }
    out.push_str(&String::from_utf8_lossy(rest));
    out
}

fn push_civil(out: &mut String, time: &Time, civil: &super::Civil, element: Element) {
    let hour12 = match civil.hour % 12 {
        0 => 12,
        hour => hour,
    };
    let month = MONTHS[usize::from(civil.month.clamp(1, 12)) - 1];
    let weekday = WEEKDAYS[usize::try_from(time.weekday()).unwrap_or(0)];
    let _ = match element {
        Element::LongMonth => write!(out, "{month}"),
        Element::Month => write!(out, "{}", &month[..3]),
        Element::NumMonth => write!(out, "{}", civil.month),
        Element::ZeroMonth => write!(out, "{:02}", civil.month),
        Element::LongWeekday => write!(out, "{weekday}"),
        Element::Weekday => write!(out, "{}", &weekday[..3]),
        Element::Day => write!(out, "{}", civil.day),
        Element::UnderDay => write!(out, "{:2}", civil.day),
        Element::ZeroDay => write!(out, "{:02}", civil.day),
        Element::UnderYearDay => write!(out, "{:3}", time.year_day()),
        Element::ZeroYearDay => write!(out, "{:03}", time.year_day()),
        Element::Hour => write!(out, "{:02}", civil.hour),
        Element::Hour12 => write!(out, "{hour12}"),
        Element::ZeroHour12 => write!(out, "{hour12:02}"),
        Element::Minute => write!(out, "{}", civil.minute),
        Element::ZeroMinute => write!(out, "{:02}", civil.minute),
        Element::Second => write!(out, "{}", civil.second),
        Element::ZeroSecond => write!(out, "{:02}", civil.second),
        Element::LongYear => {
            let sign = if civil.year < 0 { "-" } else { "" };
            write!(out, "{sign}{:04}", civil.year.unsigned_abs())
        }
        Element::Year => write!(out, "{:02}", civil.year.unsigned_abs() % 100),
        Element::UpperPm => write!(out, "{}", if civil.hour >= 12 { "PM" } else { "AM" }),
        Element::LowerPm => write!(out, "{}", if civil.hour >= 12 { "pm" } else { "am" }),
        Element::ZoneName | Element::Offset(_) | Element::Fraction { .. } => Ok(()),
    };
}

fn push_offset(out: &mut String, form: Offset, seconds: i32) {
    if form.z && seconds == 0 {
        out.push('Z');
        return;
    }
    // The sign is that of whole minutes: half a minute west of Greenwich counts as east.
    let sign = if seconds / 60 < 0 { '-' } else { '+' };
    let minutes = (seconds / 60).unsigned_abs();
    let colon = if form.colon { ":" } else { "" };
    let _ = write!(out, "{sign}{:02}", minutes / 60);
    if form.minutes {
        let _ = write!(out, "{colon}{:02}", minutes % 60);
    }
    if form.seconds {
        let _ = write!(out, "{colon}{:02}", seconds.unsigned_abs() % 60);
    }
}

fn push_fraction(out: &mut String, nanos: u32, trim: bool, separator: char, digits: usize) {
    let all = format!("{nanos:09}");
    let shown = &all[..digits.min(9)];
    let shown = if trim { shown.trim_end_matches('0') } else { shown };
    if !shown.is_empty() {
        out.push(separator);
        out.push_str(shown);
    }
}

/// Go's layout constants by name (`RFC3339`, `ANSIC`, `Kitchen`, …).
#[must_use]
pub fn layout(name: &str) -> Option<&'static str> {
    Some(match name {
        "Layout" => "01/02 03:04:05PM '06 -0700",
        "ANSIC" => "Mon Jan _2 15:04:05 2006",
        "UnixDate" => "Mon Jan _2 15:04:05 MST 2006",
        "RubyDate" => "Mon Jan 02 15:04:05 -0700 2006",
        "RFC822" => "02 Jan 06 15:04 MST",
        "RFC822Z" => "02 Jan 06 15:04 -0700",
        "RFC850" => "Monday, 02-Jan-06 15:04:05 MST",
        "RFC1123" => "Mon, 02 Jan 2006 15:04:05 MST",
        "RFC1123Z" => "Mon, 02 Jan 2006 15:04:05 -0700",
        "RFC3339" => "2006-01-02T15:04:05Z07:00",
        "RFC3339Nano" => "2006-01-02T15:04:05.999999999Z07:00",
        "Kitchen" => "3:04PM",
        "Stamp" => "Jan _2 15:04:05",
        "StampMilli" => "Jan _2 15:04:05.000",
        "StampMicro" => "Jan _2 15:04:05.000000",
        "StampNano" => "Jan _2 15:04:05.000000000",
        "DateTime" => "2006-01-02 15:04:05",
        "DateOnly" => "2006-01-02",
        "TimeOnly" => "15:04:05",
        _ => return None,
    })
}
