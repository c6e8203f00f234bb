//! Reading numbers as Go's `strconv` does: base prefixes, underscores, hexadecimal floats, infinities.

/// Why a text is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not a number at all.
    #[error("invalid syntax")]
    Syntax,
    /// A number that the type cannot hold.
    #[error("value out of range")]
    Range,
}

/// `strconv.ParseInt(text, base, bits)`; base 0 reads the prefixes `0x`, `0o`, `0b`, `0` and allows underscores.
///
/// # Errors
/// Syntax, or a number that does not fit.
pub fn parse_int(text: &str, base: u32, bits: u32) -> Result<i64, NumberError> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = i128::from(parse_uint(digits, base, 64)?);
    let number = if negative { -magnitude } else { magnitude };
    let bits = if bits == 0 { 64 } else { bits };
    let limit = 1i128 << (bits - 1);
    if (-limit..limit).contains(&number) {
        i64::try_from(number).map_err(|_| NumberError::Range)
    } else {
        Err(NumberError::Range)
    }
}

/// `strconv.ParseUint(text, base, bits)`.
///
/// # Errors
/// Syntax, or a number that does not fit.
pub fn parse_uint(text: &str, base: u32, bits: u32) -> Result<u64, NumberError> {
    let (digits, radix) = if base == 0 { split_prefix(text)? } else { (text.to_owned(), base) };
    if digits.is_empty() || !(2..=36).contains(&radix) {
        return Err(NumberError::Syntax);
    }
    let mut number: u128 = 0;
    for c in digits.chars() {
        let digit = c.to_digit(radix).ok_or(NumberError::Syntax)?;
        // Saturates far above u64, so that syntax errors further on are still seen first.
        number = number.saturating_mul(u128::from(radix)).saturating_add(u128::from(digit));
    }
    let bits = if bits == 0 { 64 } else { bits };
    if number >= 1u128 << bits {
        Err(NumberError::Range)
    } else {
        u64::try_from(number).map_err(|_| NumberError::Range)
    }
}

/// Digits and radix of a literal, without its prefix and underscores.
fn split_prefix(text: &str) -> Result<(String, u32), NumberError> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = if let Some(rest) = lower.strip_prefix("0x") {
        (rest, 16)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (rest, 2)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (rest, 8)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (&lower[1..], 8)
    } else {
        (lower.as_str(), 10)
    };
    if !underscores_ok(digits, radix != 10) {
        return Err(NumberError::Syntax);
    }
    Ok((digits.replace('_', ""), radix))
}

/// Underscores stand between digits only, or between a prefix and a digit.
fn underscores_ok(digits: &str, after_prefix: bool) -> bool {
    let mut digit_before = after_prefix;
    for byte in digits.bytes() {
        if byte == b'_' && !digit_before {
            return false;
        }
        digit_before = byte != b'_';
    }
    !digits.ends_with('_')
}

/// The digits of a decimal number; each underscore must stand between two digits.
fn without_underscores(text: &str) -> Result<std::borrow::Cow<'_, str>, NumberError> {
    if !text.contains('_') {
        return Ok(text.into());
    }
    let bytes = text.as_bytes();
    let digit_at = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let between = |(at, _): (usize, &str)| digit_at(at.checked_sub(1)) && digit_at(Some(at + 1));
    if text.match_indices('_').all(between) { Ok(text.replace('_', "").into()) } else { Err(NumberError::Syntax) }
}

/// `strconv.ParseFloat(text, 64)`; a number that is too large is a range error, one that is too small is 0.
///
/// # Errors
/// Syntax, or a number that does not fit.
pub fn parse_float(text: &str) -> Result<f64, NumberError> {
    let (sign, rest) = match text.as_bytes().first() {
        Some(b'-') => (-1.0, &text[1..]),
        Some(b'+') => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let lower = rest.to_ascii_lowercase();
    match lower.as_str() {
        "inf" | "infinity" => return Ok(sign * f64::INFINITY),
        "nan" if rest.len() == text.len() => return Ok(f64::NAN),
        _ => {}
    }
    let magnitude = match lower.strip_prefix("0x") {
        Some(hex) => parse_hex_float(hex)?,
        None if lower.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
            without_underscores(&lower)?.parse::<f64>().map_err(|_| NumberError::Syntax)?
        }
        None => return Err(NumberError::Syntax),
    };
    if magnitude.is_infinite() { Err(NumberError::Range) } else { Ok(sign * magnitude) }
}

/// `1.8p3` after its `0x`. Digits beyond 60 bits only matter as "there was something", which rounding needs to know.
fn parse_hex_float(text: &str) -> Result<f64, NumberError> {
    let (digits, exp) = text.split_once('p').ok_or(NumberError::Syntax)?;
    let exp = parse_int(exp, 10, 32)?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(NumberError::Syntax);
    }
    let mut mantissa: u64 = 0;
    let mut shift: i64 = 0;
    for (i, c) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = u64::from(c.to_digit(16).ok_or(NumberError::Syntax)?);
        let after_point = i >= whole.len();
        if mantissa >> 58 == 0 {
            mantissa = mantissa << 4 | digit;
            shift -= if after_point { 4 } else { 0 };
        } else {
            mantissa |= u64::from(digit != 0);
            shift += if after_point { 0 } else { 4 };
        }
    }
    Ok(scale(mantissa, exp.saturating_add(shift)))
}

/// mantissa × 2^exp, rounded once.
fn scale(mantissa: u64, exp: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let bits = 64 - i64::from(mantissa.leading_zeros());
    let top = exp.saturating_add(bits);
    if top > 1024 {
        return f64::INFINITY;
    }
    // Subnormal numbers keep fewer bits; round to what is left, half to even.
    let kept = if top < -1021 { 53 - (-1021 - top) } else { 53 };
    if kept < 0 {
        return 0.0;
    }
    let drop = bits - kept;
    let (rounded, exp) = if drop > 0 { (round_half_even(mantissa, drop), exp + drop) } else { (mantissa, exp) };
    let half = i32::try_from(exp / 2).unwrap_or(0);
    let rest = i32::try_from(exp).unwrap_or(0) - half;
    (rounded as f64) * 2f64.powi(half) * 2f64.powi(rest)
}

fn round_half_even(mantissa: u64, drop: i64) -> u64 {
    if drop >= 64 {
        return 0;
    }
    let kept = mantissa >> drop;
    let dropped = mantissa & ((1 << drop) - 1);
    let half = 1u64 << (drop - 1);
    kept + u64::from(dropped > half || (dropped == half && kept & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ints_as_go() {
        assert_eq!(parse_int("-0x1F", 0, 64), Ok(-31));
        assert_eq!(parse_int("010", 0, 64), Ok(8));
        assert_eq!(parse_int("010", 10, 64), Ok(10));
        assert_eq!(parse_int("1_000", 0, 64), Ok(1000));
        assert_eq!(parse_int("1__0", 0, 64), Err(NumberError::Syntax));
        assert_eq!(parse_int("1_", 0, 64), Err(NumberError::Syntax));
        assert_eq!(parse_int("09", 0, 64), Err(NumberError::Syntax));
        assert_eq!(parse_int("-9223372036854775808", 10, 64), Ok(i64::MIN));
        assert_eq!(parse_int("9223372036854775808", 10, 64), Err(NumberError::Range));
        assert_eq!(parse_int("+-1", 10, 64), Err(NumberError::Syntax));
        assert_eq!(parse_int("", 0, 64), Err(NumberError::Syntax));
    }

    #[test]
    fn floats_as_go() {
        assert_eq!(parse_float("1e3"), Ok(1000.0));
        assert_eq!(parse_float("-.5"), Ok(-0.5));
        assert_eq!(parse_float("0x1.8p1"), Ok(3.0));
        assert_eq!(parse_float("0x1p-1074"), Ok(5e-324));
        assert_eq!(parse_float("1e400"), Err(NumberError::Range));
        assert_eq!(parse_float("1e"), Err(NumberError::Syntax));
        assert_eq!(parse_float("1_0"), Ok(10.0));
        assert_eq!(parse_float("."), Err(NumberError::Syntax));
        assert!(parse_float("NaN").is_ok_and(f64::is_nan));
        assert_eq!(parse_float("1_000.5"), Ok(1000.5));
        assert_eq!(parse_float("1__0"), Err(NumberError::Syntax));
        assert_eq!(parse_float("1_"), Err(NumberError::Syntax));
        assert_eq!(parse_float("-Inf"), Ok(f64::NEG_INFINITY));
    }
}
