//! Literals: quoted strings, characters and numbers, read as Go's `strconv` reads them.

use crate::node::Number;

/// The bytes of a quoted string with its quotes, `"…"` or `` `…` ``; `None` for what Go calls invalid syntax.
pub(crate) fn unquote(quoted: &str) -> Option<Vec<u8>> {
    let quote = quoted.chars().next()?;
    let body = quoted.get(1..quoted.len().checked_sub(1)?)?;
    if quote == '`' {
        return Some(body.bytes().filter(|b| *b != b'\r').collect());
    }
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while !rest.is_empty() {
        let (unit, tail) = unescape(rest, quote)?;
        match unit {
            Unit::Byte(byte) => out.push(byte),
            Unit::Char(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = tail;
    }
    Some(out)
}

/// One character of a quoted text.
enum Unit {
    /// From `\x41` or `\101`: a byte, not a character.
    Byte(u8),
    Char(char),
}

fn unescape(text: &str, quote: char) -> Option<(Unit, &str)> {
    let mut chars = text.chars();
    let c = chars.next()?;
    if c == quote || c == '\n' {
        return None;
    }
    if c != '\\' {
        return Some((Unit::Char(c), chars.as_str()));
    }
    let escape = chars.next()?;
    let rest = chars.as_str();
    let simple = match escape {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' => '\\',
        '\'' | '"' if escape == quote => escape,
        'x' => return digits(rest, 2, 16).map(|(n, tail)| (Unit::Byte(n as u8), tail)),
        'u' => return digits(rest, 4, 16).and_then(|(n, tail)| Some((Unit::Char(char::from_u32(n)?), tail))),
        'U' => return digits(rest, 8, 16).and_then(|(n, tail)| Some((Unit::Char(char::from_u32(n)?), tail))),
        '0'..='7' => return octal(&text[1..]),
        _ => return None,
    };
    Some((Unit::Char(simple), rest))
}

fn octal(text: &str) -> Option<(Unit, &str)> {
    let (n, tail) = digits(text, 3, 8)?;
    Some((Unit::Byte(u8::try_from(n).ok()?), tail))
}

fn digits(text: &str, count: usize, radix: u32) -> Option<(u32, &str)> {
    let (head, tail) = (text.get(..count)?, text.get(count..)?);
    if head.contains('+') {
        return None;
    }
    Some((u32::from_str_radix(head, radix).ok()?, tail))
}

/// The number that a token stands for.
///
/// # Errors
/// Go's text.
pub(crate) fn number(text: &str) -> Result<Number, String> {
    let mut number = Number { text: text.into(), ..Number::default() };
    if text.starts_with('\'') {
        return character(text).map(|c| {
            let code = i64::from(c);
            Number { int: Some(code), uint: u64::try_from(code).ok(), float: Some(f64::from(c)), ..number }
        });
    }
    if let Some(parts) = text.strip_suffix('i')
        && is_complex(parts)
    {
        return Err(format!("complex numbers such as {text} are not supported: no function takes one"));
    }
    let hex = text.starts_with("0x") || text.starts_with("0X");
    number.is_float = text.contains(if hex { &['p', 'P'][..] } else { &['.', 'e', 'E', 'p', 'P'] });
    number.uint = parse_uint(text);
    number.int = parse_int(text);
    if number.int == Some(0) {
        number.uint = Some(0);
    }
    #[allow(clippy::cast_precision_loss, reason = "Go converts constants the same way")]
    match (number.int, number.uint) {
        (Some(n), _) => number.float = Some(n as f64),
        (None, Some(n)) => number.float = Some(n as f64),
        (None, None) => float_constant(&mut number)?,
    }
    Ok(number)
}

/// Whether the text in front of an `i` is a number or a sum of two.
fn is_complex(parts: &str) -> bool {
    let sign = |(at, c): (usize, char)| {
        let exponent = parts[..at].ends_with(['e', 'E', 'p', 'P']);
        (at > 0 && !exponent && matches!(c, '+' | '-')).then_some(at)
    };
    let (real, imaginary) = match parts.char_indices().filter_map(sign).next_back() {
        Some(at) => (Some(&parts[..at]), &parts[at..]),
        None => (None, parts),
    };
    real.is_none_or(|real| parse_float(real).is_some()) && parse_float(imaginary).is_some()
}

/// A constant that is no integer by its look: also an integer where its value is whole.
fn float_constant(number: &mut Number) -> Result<(), String> {
    let quoted = || gatepost_value::fmt::quote(number.text.as_bytes());
    let Some(f) = parse_float(&number.text) else {
        return Err(format!("illegal number syntax: {}", quoted()));
    };
    if !number.text.contains(['.', 'e', 'E', 'p', 'P']) {
        return Err(format!("integer overflow: {}", quoted()));
    }
    number.float = Some(f);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked: the value is whole and in range"
    )]
    if f.fract() == 0.0 {
        if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&f) {
            number.int = Some(f as i64);
        }
        if (0.0..18_446_744_073_709_551_616.0).contains(&f) {
            number.uint = Some(f as u64);
        }
    }
    Ok(())
}

fn character(text: &str) -> Result<u32, String> {
    let malformed = || format!("malformed character constant: {text}");
    let (unit, tail) = unescape(&text[1..], '\'').ok_or_else(|| "invalid syntax".to_owned())?;
    if tail != "'" {
        return Err(malformed());
    }
    Ok(match unit {
        Unit::Byte(byte) => u32::from(byte),
        Unit::Char(c) => u32::from(c),
    })
}

/// Go's `strconv.ParseUint(text, 0, 64)`, as far as it succeeds.
fn parse_uint(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (&lower[..], 10),
    };
    if digits.starts_with('+') || !underscores_ok(&lower) {
        return None;
    }
    u64::from_str_radix(&digits.replace('_', ""), radix).ok()
}

fn parse_int(text: &str) -> Option<i64> {
    if let Some(digits) = text.strip_prefix('-') {
        return 0i64.checked_sub_unsigned(parse_uint(digits)?);
    }
    i64::try_from(parse_uint(text.strip_prefix('+').unwrap_or(text))?).ok()
}

/// Underscores stand between digits, or between a base prefix and a digit.
fn underscores_ok(lower: &str) -> bool {
    let number = lower.trim_start_matches(['+', '-']);
    let prefixed = matches!(number.as_bytes(), [b'0', b'x' | b'o' | b'b', ..]);
    let hex = number.starts_with("0x");
    let digits = if prefixed { &number[2..] } else { number };
    let mut before = if prefixed { '0' } else { '^' };
    for c in digits.chars() {
        let class = match c {
            '_' => '_',
            '0'..='9' => '0',
            'a'..='f' if hex => '0',
            _ => '!',
        };
        if (class == '_' && before != '0') || (before == '_' && class != '0') {
            return false;
        }
        before = class;
    }
    before != '_'
}

fn parse_float(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    if !underscores_ok(&lower) {
        return None;
    }
    let plain = lower.replace('_', "");
    let unsigned = plain.trim_start_matches(['+', '-']);
    let parsed = match unsigned.strip_prefix("0x") {
        Some(hex) => hex_float(hex)?,
        None if unsigned.bytes().any(|b| b.is_ascii_digit()) => unsigned.parse::<f64>().ok()?,
        None => return None,
    };
    let signed = if plain.starts_with('-') { -parsed } else { parsed };
    signed.is_finite().then_some(signed)
}

/// A hexadecimal float after its `0x`: digits, an optional point, and an exponent, which it must have.
fn hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let bits = u64::from_str_radix(&digits, 16).ok()?;
    let exponent: i32 = exponent.parse().ok()?;
    let scale = exponent.checked_sub(i32::try_from(fraction.len()).ok()?.checked_mul(4)?)?;
    #[allow(clippy::cast_precision_loss, reason = "more digits than a float holds are rounded")]
    Some(bits as f64 * 2f64.powi(scale))
}
