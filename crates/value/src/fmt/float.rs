//! Floats as `strconv.FormatFloat` writes them. The digits come from the standard library; only the layout is Go's.

use std::fmt::Write;

/// More decimals than any f64 has; beyond them there are only zeros. The standard library refuses precisions over 65,535.
const MOST_DECIMALS: usize = 1_100;

/// Decimal digits without leading or trailing zeros, and where the point stands: value = 0.DIGITS × 10^point.
struct Decimal {
    digits: Vec<u8>,
    point: i32,
}

/// `strconv.FormatFloat(f, style, prec, bits)`, `None` being the shortest form; style is one of `b e E f g G x X`.
#[must_use]
pub fn format_float(f: f64, style: char, prec: Option<usize>, bits: u32) -> String {
    if f.is_nan() {
        return "NaN".to_owned();
    }
    let sign = if f.is_sign_negative() { "-" } else { "" };
    if f.is_infinite() {
        return if f > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    let magnitude = f.abs();
    let body = match (style, prec) {
        ('b', _) => binary(magnitude, bits),
        ('x' | 'X', _) => hexadecimal(magnitude, style, prec, bits),
        ('f', None) => plain(magnitude, bits),
        ('f', Some(prec)) => fixed(magnitude, prec),
        ('e' | 'E', None) => exponent(&shortest(magnitude, bits), None, style),
        ('e' | 'E', Some(prec)) => exponent(&rounded(magnitude, prec + 1), Some(prec), style),
        _ => general(magnitude, style, prec, bits),
    };
    format!("{sign}{body}")
}

fn plain(f: f64, bits: u32) -> String {
    if bits == 32 { (f as f32).to_string() } else { f.to_string() }
}

fn fixed(f: f64, prec: usize) -> String {
    let shown = prec.min(MOST_DECIMALS);
    let mut out = format!("{f:.shown$}");
    out.extend(std::iter::repeat_n('0', prec - shown));
    out
}

fn shortest(f: f64, bits: u32) -> Decimal {
    let text = if bits == 32 { format!("{:e}", f as f32) } else { format!("{f:e}") };
    decimal(&text)
}

/// Rounded to a number of significant digits.
fn rounded(f: f64, digits: usize) -> Decimal {
    let decimals = digits.clamp(1, MOST_DECIMALS) - 1;
    decimal(&format!("{f:.decimals$e}"))
}

fn decimal(text: &str) -> Decimal {
    let (mantissa, exp) = text.split_once('e').unwrap_or((text, "0"));
    let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    let kept = digits.iter().rposition(|d| *d != b'0').map_or(0, |last| last + 1);
    digits.truncate(kept);
    let point = if digits.is_empty() { 0 } else { exp.parse::<i32>().unwrap_or(0) + 1 };
    Decimal { digits, point }
}

/// `%g`: the exponent form where the exponent is below -4 or not below the precision (6 for the shortest form).
fn general(f: f64, style: char, prec: Option<usize>, bits: u32) -> String {
    let digits = match prec {
        None => shortest(f, bits),
        Some(prec) => rounded(f, prec.max(1)),
    };
    let count = digits.digits.len();
    let mut threshold = prec.map_or(6, |p| p.max(1));
    if prec.is_some() && threshold > count && i32::try_from(count).is_ok_and(|n| n >= digits.point) {
        threshold = count;
    }
    let exp = digits.point - 1;
    if exp < -4 || i64::from(exp) >= i64::try_from(threshold).unwrap_or(i64::MAX) {
        return exponent(&digits, None, if style == 'G' { 'E' } else { 'e' });
    }
    positional(&digits)
}

fn positional(decimal: &Decimal) -> String {
    let Decimal { digits, point } = decimal;
    let mut out = String::new();
    let whole = usize::try_from(*point).unwrap_or(0);
    match whole {
        0 => out.push('0'),
        _ => out.extend((0..whole).map(|i| digits.get(i).map_or('0', |d| *d as char))),
    }
    if digits.len() > whole || (*point < 0 && !digits.is_empty()) {
        out.push('.');
        out.extend(std::iter::repeat_n('0', usize::try_from(-point).unwrap_or(0)));
        out.extend(digits.iter().skip(whole).map(|d| *d as char));
    }
    out
}

fn exponent(decimal: &Decimal, prec: Option<usize>, letter: char) -> String {
    let digits = &decimal.digits;
    let prec = prec.unwrap_or(digits.len().saturating_sub(1));
    let mut out = String::new();
    out.push(digits.first().map_or('0', |d| *d as char));
    if prec > 0 {
        out.push('.');
        out.extend(digits.iter().skip(1).take(prec).map(|d| *d as char));
        let zeros = prec - digits.len().saturating_sub(1).min(prec);
        out.extend(std::iter::repeat_n('0', zeros));
    }
    let exp = if digits.is_empty() { 0 } else { decimal.point - 1 };
    push_exponent(&mut out, letter, exp);
    out
}

fn push_exponent(out: &mut String, letter: char, exp: i32) {
    let sign = if exp < 0 { '-' } else { '+' };
    let _ = write!(out, "{letter}{sign}{:02}", exp.unsigned_abs());
}

/// Mantissa with its hidden bit, binary exponent of the mantissa's leading bit, and mantissa width.
fn parts(f: f64, bits: u32) -> (u64, i32, u32) {
    let (raw, width, exp_mask, bias) =
        if bits == 32 { (u64::from((f as f32).to_bits()), 23, 0xff, 127) } else { (f.to_bits(), 52, 0x7ff, 1023) };
    let fraction = raw & ((1 << width) - 1);
    let exp = i32::try_from((raw >> width) & exp_mask).unwrap_or(0);
    if exp == 0 { (fraction, 1 - bias, width) } else { (fraction | (1 << width), exp - bias, width) }
}

fn binary(f: f64, bits: u32) -> String {
    let (mantissa, exp, width) = parts(f, bits);
    let exp = exp - i32::try_from(width).unwrap_or(0);
    format!("{mantissa}p{}{}", if exp < 0 { '-' } else { '+' }, exp.unsigned_abs())
}

fn hexadecimal(f: f64, style: char, prec: Option<usize>, bits: u32) -> String {
    let (mut mantissa, mut exp, width) = parts(f, bits);
    if mantissa == 0 {
        exp = 0;
    } else {
        // The leading bit goes to bit 60, so that four more bits fit above the fraction.
        mantissa <<= 60 - width;
        let shift = mantissa.leading_zeros() - 3;
        mantissa <<= shift;
        exp -= i32::try_from(shift).unwrap_or(0);
    }
    if let Some(prec) = prec.filter(|p| *p < 15) {
        (mantissa, exp) = round_hexadecimal(mantissa, exp, prec);
    }
    let mut out = format!("0x{}", mantissa >> 60);
    let fraction = format!("{:015x}", mantissa & ((1 << 60) - 1));
    let shown = prec.unwrap_or(fraction.trim_end_matches('0').len());
    if shown > 0 {
        out.push('.');
        out.push_str(&fraction[..shown.min(15)]);
        out.extend(std::iter::repeat_n('0', shown.saturating_sub(15)));
    }
    push_exponent(&mut out, 'p', exp);
    if style == 'X' { out.to_ascii_uppercase() } else { out }
}

/// Rounds half to even at `prec` hexadecimal digits after the point.
fn round_hexadecimal(mantissa: u64, exp: i32, prec: usize) -> (u64, i32) {
    let dropped_bits = 60 - 4 * prec;
    let dropped = mantissa & ((1 << dropped_bits) - 1);
    let half = 1u64 << (dropped_bits - 1);
    let mut kept = mantissa >> dropped_bits;
    if dropped > half || (dropped == half && kept & 1 == 1) {
        kept += 1;
    }
    let whole = kept << dropped_bits;
    if whole >> 61 == 1 { (whole >> 1, exp + 1) } else { (whole, exp) }
}
