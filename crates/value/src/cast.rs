//! Casts as `spf13/cast` does them (what sprig's `int`, `float64`, `add`, … use): bad text is 0, floats truncate.

use crate::strconv::{parse_float, parse_int};
use crate::{Budget, GoType, LimitError, Str, Value};

/// `cast.ToInt64`: 0 where it cannot be done.
#[must_use]
pub fn to_i64(value: &Value) -> i64 {
    match value {
        Value::Int(_, n) | Value::Month(n) | Value::Weekday(n) => *n,
        Value::Uint(_, n) => n.cast_signed(),
        Value::Float(_, f) => float_to_i64(*f),
        Value::Str(text) => text.as_str().and_then(|s| parse_int(without_zero_decimals(s), 0, 64).ok()).unwrap_or(0),
        Value::Bool(b) => i64::from(*b),
        _ => 0,
    }
}

/// `int64(f)` as Go does it on amd64: what does not fit is the smallest number.
#[must_use]
pub fn float_to_i64(f: f64) -> i64 {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if (-BEYOND..BEYOND).contains(&f) { f as i64 } else { i64::MIN }
}

/// `8.00` is read as `8`; other decimals make the text no integer.
fn without_zero_decimals(text: &str) -> &str {
    let trimmed = text.trim_end_matches('0');
    match trimmed.strip_suffix('.') {
        Some(whole) if trimmed.len() < text.len() => whole,
        _ => text,
    }
}

/// `cast.ToFloat64`: 0 where it cannot be done.
#[must_use]
pub fn to_f64(value: &Value) -> f64 {
    match value {
        Value::Int(_, n) | Value::Month(n) | Value::Weekday(n) => *n as f64,
        Value::Uint(_, n) => *n as f64,
        Value::Float(_, f) => *f,
        Value::Str(text) => text.as_str().and_then(|s| parse_float(s).ok()).unwrap_or(0.0),
        Value::Bool(b) => f64::from(u8::from(*b)),
        _ => 0.0,
    }
}

/// sprig's `strval`: strings, bytes, errors and Stringers as they are, else `%v`. No value is nil to a function.
#[must_use]
pub fn to_str(value: &Value) -> Str {
    match value {
        Value::Str(text) => text.clone(),
        Value::Bytes(bytes) => bytes.clone().into(),
        Value::TypedNil(GoType::Bytes) => Str::default(),
        Value::NoValue => Str::from_static("<nil>"),
        _ => crate::fmt::own_text(value, None).unwrap_or_else(|| crate::fmt::sprint_v(value)),
    }
}

/// [`to_str`] of a value of any size: what is printed is counted.
///
/// # Errors
/// `call_bytes`, `steps` or `time`.
pub fn to_str_metered(budget: &Budget, value: &Value) -> Result<Str, LimitError> {
    match value {
        Value::List(_) | Value::Map(_) | Value::AnyMap(_) | Value::Struct(_) | Value::Named(_) => {
            match crate::fmt::own_text(value, Some(budget)) {
                Some(text) => Ok(text),
                None => crate::fmt::sprint(budget, std::slice::from_ref(value)),
            }
        }
        _ => Ok(to_str(value)),
    }
}

/// text/template's truth: empty strings, maps, lists, zero numbers, nil and no value are false.
#[must_use]
pub fn truth(value: &Value) -> bool {
    match value {
        Value::Nil | Value::NoValue | Value::TypedNil(_) => false,
        Value::Bool(b) => *b,
        Value::Int(_, n) | Value::Duration(n) | Value::Month(n) | Value::Weekday(n) => *n != 0,
        Value::Uint(_, n) => *n != 0,
        Value::Float(_, f) => *f != 0.0,
        Value::Str(text) => !text.is_empty(),
        Value::Bytes(bytes) => !bytes.is_empty(),
        Value::List(list) => !list.items.is_empty(),
        Value::Map(map) => !map.is_empty(),
        Value::AnyMap(pairs) => !pairs.is_empty(),
        Value::Named(named) => truth(&named.base),
        Value::Struct(_) | Value::Time(_) | Value::Location(_) | Value::Func(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Named, UintKind};
    use std::sync::Arc;

    #[test]
    fn integers_from_anything() {
        for (text, want) in [
            ("8.00", 8),
            ("8.50", 0),
            ("0x10", 16),
            ("010", 8),
            (" 1", 0),
            ("", 0),
            ("1.", 0),
            ("9223372036854775808", 0),
        ] {
            assert_eq!(to_i64(&Value::str(text)), want, "{text}");
        }
        assert_eq!(to_i64(&Value::float(-3.9)), -3);
        assert_eq!(to_i64(&Value::float(1e19)), i64::MIN);
        assert_eq!(to_i64(&Value::float(f64::NAN)), i64::MIN);
        assert_eq!(to_i64(&Value::Uint(UintKind::Uint64, u64::MAX)), -1);
        assert_eq!(to_i64(&Value::Duration(5)), 0);
        assert_eq!(to_i64(&Value::Month(5)), 5);
        assert_eq!(to_i64(&Value::Bool(true)), 1);
        assert_eq!(to_i64(&Value::list(vec![])), 0);
    }

    #[test]
    fn floats_from_anything() {
        assert_eq!(to_f64(&Value::str("1.5")), 1.5);
        assert_eq!(to_f64(&Value::str("1.5 ")), 0.0);
        assert_eq!(to_f64(&Value::int(3)), 3.0);
    }

    #[test]
    fn text_from_anything() {
        assert_eq!(to_str(&Value::Bytes("hi".into())), "hi");
        assert_eq!(to_str(&Value::Nil), "<nil>");
        assert_eq!(to_str(&Value::list(vec![Value::int(1), Value::str("a")])), "[1 a]");
        assert_eq!(to_str(&Value::Duration(90_000_000_000)), "1m30s");
    }

    #[test]
    fn truth_of_zero_values() {
        for value in [
            Value::Nil,
            Value::NoValue,
            Value::int(0),
            Value::float(-0.0),
            Value::str(""),
            Value::map(vec![]),
            Value::Duration(0),
        ] {
            assert!(!truth(&value), "{value:?}");
        }
        let named = Value::Named(Arc::new(Named { type_name: "v1.Phase".into(), base: Value::str("x") }));
        for value in [named, Value::float(f64::NAN), Value::str(" "), Value::list(vec![Value::Nil])] {
            assert!(truth(&value), "{value:?}");
        }
    }
}
