//! What a plain scalar is in YAML 1.1 as go-yaml v2 resolves it.

/// A resolved scalar.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// Null.
    Null,
    /// Boolean.
    Bool(bool),
    /// Whole number.
    Int(i64),
    /// Whole number beyond `i64`.
    Uint(u64),
    /// Other number.
    Float(f64),
    /// Text, dates included.
    Text(String),
}

/// Resolves a scalar.
#[must_use]
pub fn resolve(text: &str, plain: bool, tag: &str) -> Scalar {
    match tag {
        "str" | "binary" => return Scalar::Text(text.to_owned()),
        "" if !plain => return Scalar::Text(text.to_owned()),
        _ => {}
    }
    let resolved = word(text).or_else(|| number(text));
    match (tag, resolved) {
        ("float", Some(Scalar::Int(n))) => Scalar::Float(n as f64),
        (_, Some(value)) => value,
        (_, None) => Scalar::Text(text.to_owned()),
    }
}

/// Whether the text, written plain, is text in YAML 1.2 but a boolean in YAML 1.1 (`yes`, `no`, `on`, `off`, `y`, `n`).
///
/// The Go controller writes a substituted value with YAML 1.2 rules and reads it with YAML 1.1 rules.
#[must_use]
pub fn same_in_yaml_1_2(text: &str) -> bool {
    let is_bool = matches!(word(text), Some(Scalar::Bool(_)));
    !is_bool || matches!(text.to_ascii_lowercase().as_str(), "true" | "false")
}

fn word(text: &str) -> Option<Scalar> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        _ => return None,
    })
}

fn number(text: &str) -> Option<Scalar> {
    let first = text.bytes().next()?;
    if !matches!(first, b'+' | b'-' | b'.' | b'0'..=b'9') {
        return None;
    }
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    integer(&digits).or_else(|| float(&digits))
}

fn integer(text: &str) -> Option<Scalar> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = rest.to_ascii_lowercase();
    let (digits, radix) = if let Some(hex) = lower.strip_prefix("0x") {
        (hex, 16)
    } else if let Some(binary) = lower.strip_prefix("0b") {
        (binary, 2)
    } else if let Some(octal) = lower.strip_prefix("0o") {
        (octal, 8)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (&lower[1..], 8)
    } else {
        (lower.as_str(), 10)
    };
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return i64::try_from(-i128::from(magnitude)).ok().map(Scalar::Int);
    }
    Some(i64::try_from(magnitude).map_or(Scalar::Uint(magnitude), Scalar::Int))
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn float(text: &str) -> Option<Scalar> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let starts = unsigned.strip_prefix('.').unwrap_or(unsigned);
    let shape = starts.bytes().next()?.is_ascii_digit()
        && unsigned.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if !shape {
        return None;
    }
    text.parse().ok().map(Scalar::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Scalar {
        resolve(text, true, "")
    }

    #[test]
    fn booleans_are_those_of_yaml_1_1() {
        assert_eq!(plain("yes"), Scalar::Bool(true));
        assert_eq!(plain("Off"), Scalar::Bool(false));
        assert_eq!(plain("yEs"), Scalar::Text("yEs".into()));
        assert_eq!(resolve("yes", false, ""), Scalar::Text("yes".into()));
        assert!(!same_in_yaml_1_2("no"));
        assert!(same_in_yaml_1_2("true"));
    }

    #[test]
    fn numbers_are_those_of_go() {
        assert_eq!(plain("0123"), Scalar::Int(83));
        assert_eq!(plain("1_000"), Scalar::Int(1000));
        assert_eq!(plain("0x1F"), Scalar::Int(31));
        assert_eq!(plain("1.50"), Scalar::Float(1.5));
        assert_eq!(plain("1e3"), Scalar::Float(1000.0));
        assert_eq!(plain("1:30"), Scalar::Text("1:30".into()));
        assert_eq!(plain("-"), Scalar::Text("-".into()));
        assert_eq!(plain("18446744073709551615"), Scalar::Uint(u64::MAX));
        assert_eq!(plain("2026-11-01"), Scalar::Text("2026-11-01".into()));
    }
}
