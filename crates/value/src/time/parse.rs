//! `time.Parse` and its words for what is wrong.

use super::layout::{Element, Offset, next_element};
use super::{Location, MONTHS, Time, WEEKDAYS, days_in, is_leap, quote};

/// Why an element could not be read.
enum Bad {
    /// The text is not of the element's form.
    Form,
    /// The number is not one that this unit can have.
    Range(&'static str),
}

/// What was read so far; `None` where the layout had no such element.
#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: i64,
    morning: bool,
    afternoon: bool,
    utc: bool,
    offset: Option<i32>,
    zone: String,
}

struct Reader<'t> {
    layout: &'t str,
    text: &'t str,
    rest: &'t [u8],
    fields: Fields,
}

/// `parse(layout, text, loc, local)` of package time.
pub(super) fn parse(layout: &str, text: &str, loc: &Location, local: &Location) -> Result<Time, String> {
    let mut reader = Reader { layout, text, rest: text.as_bytes(), fields: Fields::default() };
    reader.read()?;
    reader.fields.settle_half_of_day();
    reader.settle_day()?;
    Ok(reader.fields.resolve(loc, local))
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), String> {
        let mut layout = self.layout.as_bytes();
        loop {
            let element = next_element(layout);
            let prefix = &layout[..element.map_or(layout.len(), |e| e.0)];
            self.skip(prefix)?;
            let Some((start, end, element)) = element else {
                return if self.rest.is_empty() { Ok(()) } else { Err(self.wrong(": extra text: ", quote(self.rest))) };
            };
            let hold = self.rest;
            let spelling = &layout[start..end];
            layout = &layout[end..];
            match self.element(element, layout) {
                Ok(()) => {}
                Err(Bad::Range(unit)) => return Err(self.wrong(": ", format!("{unit} out of range"))),
                Err(Bad::Form) => return Err(self.cannot(hold, spelling)),
            }
        }
    }

    fn wrong(&self, lead: &str, what: String) -> String {
        format!("parsing time {}{lead}{what}", quote(self.text.as_bytes()))
    }

    fn cannot(&self, rest: &[u8], element: &[u8]) -> String {
        let (text, layout) = (quote(self.text.as_bytes()), quote(self.layout.as_bytes()));
        format!("parsing time {text} as {layout}: cannot parse {} as {}", quote(rest), quote(element))
    }

    /// Steps over literal text; runs of spaces match any number of spaces.
    fn skip(&mut self, prefix: &[u8]) -> Result<(), String> {
        let mut left = prefix;
        while let Some((&expected, after)) = left.split_first() {
            if expected == b' ' {
                if self.rest.first().is_some_and(|b| *b != b' ') {
                    return Err(self.cannot(self.rest, prefix));
                }
                left = trim_spaces(left);
                self.rest = trim_spaces(self.rest);
                continue;
            }
            if self.rest.first() != Some(&expected) {
                return Err(self.cannot(self.rest, prefix));
            }
            left = after;
            self.rest = &self.rest[1..];
        }
        Ok(())
    }

    fn element(&mut self, element: Element, following: &[u8]) -> Result<(), Bad> {
        match element {
            Element::Year => {
                let year = atoi(self.take(2)?)?;
                self.fields.year = if year >= 69 { year + 1900 } else { year + 2000 };
            }
            Element::LongYear => {
                if !self.rest.first().is_some_and(u8::is_ascii_digit) {
                    return Err(Bad::Form);
                }
                self.fields.year = atoi(self.take(4)?)?;
            }
            Element::Month => self.fields.month = Some(self.name(&MONTHS, 3)?),
            Element::LongMonth => self.fields.month = Some(self.name(&MONTHS, usize::MAX)?),
            Element::Weekday => drop(self.name(&WEEKDAYS, 3)?),
            Element::LongWeekday => drop(self.name(&WEEKDAYS, usize::MAX)?),
            Element::NumMonth | Element::ZeroMonth => {
                let month = self.number(element == Element::ZeroMonth)?;
                in_range(month, 1, 12, "month")?;
                self.fields.month = Some(month);
            }
            Element::Day | Element::UnderDay | Element::ZeroDay => {
                self.skip_space(element == Element::UnderDay);
                self.fields.day = Some(self.number(element == Element::ZeroDay)?);
            }
            Element::UnderYearDay | Element::ZeroYearDay => self.year_day(element == Element::ZeroYearDay)?,
            Element::Hour => {
                self.fields.hour = self.number(false)?;
                in_range(self.fields.hour, 0, 23, "hour")?;
            }
            Element::Hour12 | Element::ZeroHour12 => {
                self.fields.hour = self.number(element == Element::ZeroHour12)?;
                in_range(self.fields.hour, 0, 12, "hour")?;
            }
            Element::Minute | Element::ZeroMinute => {
                self.fields.minute = self.number(element == Element::ZeroMinute)?;
                in_range(self.fields.minute, 0, 59, "minute")?;
            }
            Element::Second | Element::ZeroSecond => self.second(element == Element::ZeroSecond, following)?,
            Element::UpperPm => self.half_of_day(b"AM", b"PM")?,
            Element::LowerPm => self.half_of_day(b"am", b"pm")?,
            Element::ZoneName => self.zone_name()?,
            Element::Offset(form) => self.offset(form)?,
            Element::Fraction { trim, digits, .. } => self.fraction(trim, digits)?,
        }
        Ok(())
    }

    fn take(&mut self, n: usize) -> Result<&[u8], Bad> {
        if self.rest.len() < n {
            return Err(Bad::Form);
        }
        let (taken, rest) = self.rest.split_at(n);
        self.rest = rest;
        Ok(taken)
    }

    /// One or two digits; two if `fixed`.
    fn number(&mut self, fixed: bool) -> Result<i64, Bad> {
        let digits = self.rest.iter().take(2).take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 || (fixed && digits < 2) {
            return Err(Bad::Form);
        }
        atoi(self.take(digits)?)
    }

    /// The number, from 1, of a name, of whose letters only the first `len` are written.
    fn name(&mut self, names: &[&str], len: usize) -> Result<i64, Bad> {
        for (number, name) in (1..).zip(names) {
            let name = &name.as_bytes()[..name.len().min(len)];
            if self.rest.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name)) {
                self.rest = &self.rest[name.len()..];
                return Ok(number);
            }
        }
        Err(Bad::Form)
    }

    fn skip_space(&mut self, allowed: bool) {
        if allowed && self.rest.first() == Some(&b' ') {
            self.rest = &self.rest[1..];
        }
    }

    fn year_day(&mut self, zeros: bool) -> Result<(), Bad> {
        self.skip_space(!zeros);
        self.skip_space(!zeros);
        let digits = self.rest.iter().take(3).take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 || (zeros && digits < 3) {
            return Err(Bad::Form);
        }
        self.fields.year_day = Some(atoi(self.take(digits)?)?);
        Ok(())
    }

    /// Seconds may be followed by a fraction even where the layout has none.
    fn second(&mut self, fixed: bool, following: &[u8]) -> Result<(), Bad> {
        self.fields.second = self.number(fixed)?;
        in_range(self.fields.second, 0, 59, "second")?;
        let expected = matches!(next_element(following), Some((_, _, Element::Fraction { .. })));
        if expected || !self.at_fraction() {
            return Ok(());
        }
        self.all_digits()
    }

    fn at_fraction(&self) -> bool {
        matches!(self.rest, [b'.' | b',', digit, ..] if digit.is_ascii_digit())
    }

    fn all_digits(&mut self) -> Result<(), Bad> {
        let digits = self.rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
        let text = self.take(1 + digits)?;
        self.fields.nanos = nanoseconds(text)?;
        Ok(())
    }

    fn fraction(&mut self, optional: bool, digits: usize) -> Result<(), Bad> {
        if optional {
            return if self.at_fraction() { self.all_digits() } else { Ok(()) };
        }
        let text = self.take(1 + digits)?;
        self.fields.nanos = nanoseconds(text)?;
        Ok(())
    }

    fn half_of_day(&mut self, am: &[u8], pm: &[u8]) -> Result<(), Bad> {
        let text = self.take(2)?;
        let (morning, afternoon) = (text == am, text == pm);
        self.fields.morning |= morning;
        self.fields.afternoon |= afternoon;
        if morning || afternoon { Ok(()) } else { Err(Bad::Form) }
    }

    fn zone_name(&mut self) -> Result<(), Bad> {
        if self.rest.starts_with(b"UTC") {
            self.rest = &self.rest[3..];
            self.fields.utc = true;
            return Ok(());
        }
        let len = zone_name_len(self.rest).ok_or(Bad::Form)?;
        self.fields.zone = String::from_utf8_lossy(self.take(len)?).into_owned();
        Ok(())
    }

    fn offset(&mut self, form: Offset) -> Result<(), Bad> {
        if form.z && self.rest.first() == Some(&b'Z') {
            self.rest = &self.rest[1..];
            self.fields.utc = true;
            return Ok(());
        }
        let parts = 1 + usize::from(form.minutes) + usize::from(form.seconds);
        let text = self.take(1 + 2 * parts + if form.colon { parts - 1 } else { 0 })?;
        let mut numbers = [0i32; 3];
        let step = if form.colon { 3 } else { 2 };
        for (i, number) in numbers.iter_mut().enumerate().take(parts) {
            let at = 1 + i * step;
            if form.colon && i > 0 && text[at - 1] != b':' {
                return Err(Bad::Form);
            }
            let digits = &text[at..at + 2];
            if !digits.iter().all(u8::is_ascii_digit) {
                return Err(Bad::Form);
            }
            *number = i32::from(digits[0] - b'0') * 10 + i32::from(digits[1] - b'0');
        }
        let sign = match text[0] {
            b'+' => 1,
            b'-' => -1,
            _ => 0,
        };
        let [hours, minutes, seconds] = numbers;
        // Some people write offsets of 24 hours or 60 minutes.
        in_range(i64::from(hours), 0, 24, "time zone offset hour")?;
        in_range(i64::from(minutes), 0, 60, "time zone offset minute")?;
        in_range(i64::from(seconds), 0, 60, "time zone offset second")?;
        self.fields.offset = Some(sign * ((hours * 60 + minutes) * 60 + seconds));
        if sign == 0 { Err(Bad::Form) } else { Ok(()) }
    }

    /// Month and day from the day of the year, and whether the month has that day.
    fn settle_day(&mut self) -> Result<(), String> {
        if let Some(year_day) = self.fields.year_day {
            let year = self.fields.year;
            let (month, day) =
                month_and_day(year, year_day).ok_or_else(|| self.wrong(": ", "day-of-year out of range".to_owned()))?;
            if self.fields.month.is_some_and(|m| m != month) {
                return Err(self.wrong(": ", "day-of-year does not match month".to_owned()));
            }
            if self.fields.day.is_some_and(|d| d != day) {
                return Err(self.wrong(": ", "day-of-year does not match day".to_owned()));
            }
            (self.fields.month, self.fields.day) = (Some(month), Some(day));
        }
        let (month, day) = (self.fields.month.unwrap_or(1), self.fields.day.unwrap_or(1));
        if day < 1 || day > days_in(self.fields.year, month) {
            return Err(self.wrong(": ", "day out of range".to_owned()));
        }
        Ok(())
    }
}

impl Fields {
    fn settle_half_of_day(&mut self) {
        if self.afternoon && self.hour < 12 {
            self.hour += 12;
        } else if self.morning && !self.afternoon && self.hour == 12 {
            self.hour = 0;
        }
    }

    fn within(&self, loc: &Location) -> Time {
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        Time::date(self.year, month, day, self.hour, self.minute, self.second, self.nanos, loc)
    }

    fn resolve(&self, loc: &Location, local: &Location) -> Time {
        if self.utc {
            return self.within(&Location::Utc);
        }
        let mut time = self.within(&Location::Utc);
        // An offset of -1 second is Go's mark for "none was read".
        if let Some(offset) = self.offset.filter(|o| *o != -1) {
            time.secs -= i64::from(offset);
            let (name, in_effect) = local.at(time.secs);
            let matches = in_effect == offset && (self.zone.is_empty() || name == self.zone);
            time.loc = if matches { local.clone() } else { Location::Fixed(self.zone.as_str().into(), offset) };
            return time;
        }
        if self.zone.is_empty() {
            return self.within(loc);
        }
        if let Some(offset) = local.offset_of(&self.zone, time.secs) {
            time.secs -= i64::from(offset);
            time.loc = local.clone();
            return time;
        }
        let hours = self.zone.strip_prefix("GMT").and_then(|hours| hours.parse::<i32>().ok()).unwrap_or(0);
        time.loc = Location::Fixed(self.zone.as_str().into(), hours * 3600);
        time
    }
}

fn trim_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|b| **b == b' ').count();
    &text[spaces..]
}

const fn in_range(n: i64, least: i64, most: i64, unit: &'static str) -> Result<(), Bad> {
    if n < least || n > most { Err(Bad::Range(unit)) } else { Ok(()) }
}

/// Decimal digits with an optional sign.
fn atoi(text: &[u8]) -> Result<i64, Bad> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(Bad::Form);
    }
    let number = digits.iter().fold(0i64, |n, d| n.saturating_mul(10).saturating_add(i64::from(d - b'0')));
    Ok(if negative { -number } else { number })
}

/// Nanoseconds of `.123…`; digits beyond the ninth are dropped.
fn nanoseconds(text: &[u8]) -> Result<i64, Bad> {
    if !matches!(text.first(), Some(b'.' | b',')) {
        return Err(Bad::Form);
    }
    let digits = &text[1..text.len().min(10)];
    let number = atoi(digits)?;
    if number < 0 {
        return Err(Bad::Range("fractional second"));
    }
    Ok((digits.len()..9).fold(number, |n, _| n * 10))
}

/// Length of what looks like a zone's abbreviation: zones are made by people, so this can only guess.
fn zone_name_len(text: &[u8]) -> Option<usize> {
    if text.len() < 3 {
        return None;
    }
    if text.starts_with(b"ChST") || text.starts_with(b"MeST") {
        return Some(4);
    }
    if text.starts_with(b"GMT") {
        return Some(3 + signed_offset_len(&text[3..]));
    }
    if matches!(text[0], b'+' | b'-') {
        return Some(signed_offset_len(text)).filter(|len| *len > 0);
    }
    match text.iter().take(6).take_while(|b| b.is_ascii_uppercase()).count() {
        3 => Some(3),
        4 if text[3] == b'T' || text.starts_with(b"WITA") => Some(4),
        5 if text[4] == b'T' => Some(5),
        _ => None,
    }
}

/// Length of a sign and a number up to 23, else 0.
fn signed_offset_len(text: &[u8]) -> usize {
    if !matches!(text.first(), Some(b'+' | b'-')) {
        return 0;
    }
    let digits = text[1..].iter().take_while(|b| b.is_ascii_digit()).count();
    let hours = atoi(&text[1..=digits]).unwrap_or(i64::MAX);
    if digits == 0 || hours > 23 { 0 } else { 1 + digits }
}

fn month_and_day(year: i64, year_day: i64) -> Option<(i64, i64)> {
    if !(1..=365 + i64::from(is_leap(year))).contains(&year_day) {
        return None;
    }
    let mut day = year_day;
    for month in 1..=12 {
        let days = days_in(year, month);
        if day <= days {
            return Some((month, day));
        }
        day -= days;
    }
    None
}
