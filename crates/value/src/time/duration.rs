//! `time.Duration`: its text both ways.

use super::quote;

const SECOND: u64 = 1_000_000_000;

/// `Duration.String()`.
#[must_use]
pub fn duration_string(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let ns = nanoseconds.unsigned_abs();
    match ns {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{ns}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", with_fraction(ns, 1_000, 3)),
        1_000_000..SECOND => format!("{sign}{}ms", with_fraction(ns, 1_000_000, 6)),
        _ => {
            let minutes = ns / SECOND / 60;
            let seconds = with_fraction(ns % (60 * SECOND), SECOND, 9);
            match minutes {
                0 => format!("{sign}{seconds}s"),
                1..60 => format!("{sign}{minutes}m{seconds}s"),
                _ => format!("{sign}{}h{}m{seconds}s", minutes / 60, minutes % 60),
            }
        }
    }
}

fn with_fraction(n: u64, unit: u64, digits: usize) -> String {
    let fraction = format!("{:0digits$}", n % unit);
    match fraction.trim_end_matches('0') {
        "" => (n / unit).to_string(),
        shown => format!("{}.{shown}", n / unit),
    }
}

/// `time.ParseDuration`.
///
/// # Errors
/// Go's text.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quote(text.as_bytes()));
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let term = Term::read(rest).ok_or_else(invalid)?;
        let unit = match term.unit {
            "" => return Err(format!("time: missing unit in duration {}", quote(text.as_bytes()))),
            name => unit(name).ok_or_else(|| {
                format!("time: unknown unit {} in duration {}", quote(name.as_bytes()), quote(text.as_bytes()))
            })?,
        };
        rest = term.rest;
        let sum = term.nanoseconds(unit).and_then(|ns| total.checked_add(ns));
        total = sum.filter(|sum| *sum <= 1 << 63).ok_or_else(invalid)?;
    }
    if negative {
        return Ok(total.wrapping_neg().cast_signed());
    }
    i64::try_from(total).map_err(|_| invalid())
}

/// A number with its unit.
struct Term<'t> {
    whole: Option<u64>,
    fraction: &'t str,
    unit: &'t str,
    rest: &'t str,
}

impl<'t> Term<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let (digits, after) = split_digits(text);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("", after),
        };
        if digits.is_empty() && fraction.is_empty() {
            return None;
        }
        let whole = if digits.is_empty() { Some(0) } else { digits.parse().ok() };
        whole.filter(|n: &u64| *n <= 1 << 63)?;
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        Some(Self { whole, fraction, unit: &after[..end], rest: &after[end..] })
    }

    fn nanoseconds(&self, unit: u64) -> Option<u64> {
        let whole = self.whole?.checked_mul(unit).filter(|ns| *ns <= 1 << 63)?;
        // As Go: digits that would not fit the integer do not count.
        let (mut digits, mut scale) = (0u64, 1f64);
        for digit in self.fraction.bytes() {
            match digits.checked_mul(10).and_then(|n| n.checked_add(u64::from(digit - b'0'))) {
                Some(more) if more <= 1 << 63 => {
                    digits = more;
                    scale *= 10.0;
                }
                _ => break,
            }
        }
        whole.checked_add((digits as f64 * (unit as f64 / scale)) as u64)
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn unit(name: &str) -> Option<u64> {
    Some(match name {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        _ => return None,
    })
}
