//! Numbers: conversion, rounding, the largest, the smallest, mean and median.

use super::elements;
use crate::builtin_types::Builtin;
use crate::eval::Run;
use crate::eval::compare::{less, more};
use crate::eval::convert::{Number, Res, fault, number, number_by_kind, truncate, type_text};
use crate::eval::items::Items;
use crate::eval::number::wrap_int;
use gatepost_value::{FloatKind, LimitError, Value};

fn refuse<T>(name: &str, value: &Value) -> Res<T> {
    fault(format!("invalid argument for {name} (type {})", type_text(value)))
}

/// `abs`, within the argument's type.
pub(super) fn abs(value: &Value) -> Res<Value> {
    Ok(match value {
        Value::Float(kind, f) => Value::Float(*kind, if *f < 0.0 { -f } else { *f }),
        Value::Int(kind, i) => Value::Int(*kind, wrap_int(*kind, i.wrapping_abs())),
        Value::Uint(..) => value.clone(),
        other => return refuse("abs", other),
    })
}

/// `ceil`, `floor`, `round`: always a float.
pub(super) fn rounded(name: &str, value: &Value, how: fn(f64) -> f64) -> Res<Value> {
    match (value, number(value)) {
        (Value::Uint(_, u), _) => Ok(Value::float(*u as f64)),
        (_, Some(Number::Int(i))) => Ok(Value::float(i as f64)),
        (_, Some(Number::Float(f))) => Ok(Value::float(how(f))),
        _ => refuse(name, value),
    }
}

/// `int`
pub(super) fn int(value: &Value) -> Res<Value> {
    if let Value::Str(text) = value {
        return match text.as_str().and_then(|text| text.parse::<i64>().ok()) {
            Some(i) => Ok(Value::int(i)),
            None => fault(format!("invalid operation: int({text})")),
        };
    }
    match number_by_kind(value) {
        Some(Number::Int(i)) => Ok(Value::int(i)),
        Some(Number::Float(f)) => Ok(Value::int(truncate(f))),
        None => fault(format!("invalid operation: int({})", type_text(value))),
    }
}

/// `float`
pub(super) fn float(value: &Value) -> Res<Value> {
    if let Value::Str(text) = value {
        return match text.as_str().and_then(parse_float) {
            Some(f) => Ok(Value::float(f)),
            None => fault(format!("invalid operation: float({text})")),
        };
    }
    match (value, number(value)) {
        (Value::Uint(_, u), _) => Ok(Value::float(*u as f64)),
        (_, Some(n)) => Ok(Value::float(n.float())),
        _ => fault(format!("invalid operation: float({})", type_text(value))),
    }
}

/// Go's `strconv.ParseFloat`: underscores between digits, hexadecimal, infinities; what is too large is an error.
fn parse_float(text: &str) -> Option<f64> {
    let digits = text.trim_start_matches(['+', '-']);
    if text.len() - digits.len() > 1 {
        return None;
    }
    if digits.len() > 1 && digits.as_bytes()[0] == b'0' && matches!(digits.as_bytes()[1], b'x' | b'X') {
        let value = hexadecimal(&digits[2..])?;
        return Some(if text.starts_with('-') { -value } else { value });
    }
    let parsed: f64 = without_underscores(text)?.parse().ok()?;
    let infinite = digits.to_ascii_lowercase().starts_with("inf");
    (infinite || parsed.is_finite() || parsed.is_nan()).then_some(parsed)
}

/// The text without its underscores, each of which has to stand between two digits.
fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let proper = (0..bytes.len()).all(|i| bytes[i] != b'_' || (digit(i.checked_sub(1)) && digit(Some(i + 1))));
    proper.then(|| text.replace('_', ""))
}

/// `1.8p3` after `0x`; the exponent is required.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 || whole.len() + fraction.len() > 13 {
        return None;
    }
    let digits = u64::from_str_radix(&format!("{whole}{fraction}"), 16).ok()?;
    let exponent: i32 = exponent.parse().ok()?;
    let value = digits as f64 * 2_f64.powi(exponent.checked_sub(4 * fraction.len() as i32)?);
    value.is_finite().then_some(value)
}

fn deeper(run: &Run<'_>, depth: u32) -> Res<u32> {
    let allowed = run.ctx.budget.limits().depth;
    if depth >= allowed {
        return Err(LimitError { limit: "depth", allowed: u64::from(allowed) }.into());
    }
    Ok(depth + 1)
}

/// `max` and `min` over numbers and nested lists of numbers.
pub(super) fn extreme(run: &Run<'_>, builtin: Builtin, args: &[Value]) -> Res<Value> {
    let replaces = if builtin == Builtin::Max { less } else { more };
    let mut best = None;
    for value in args {
        match (Items::of(value), number_by_kind(value)) {
            (Some(items), _) => extreme_of(run, builtin, &items, &mut best, 0)?,
            (None, Some(_)) => offer(&mut best, value, replaces)?,
            (None, None) if args.len() == 1 => return Ok(value.clone()),
            (None, None) => return refuse(builtin.name(), value),
        }
    }
    Ok(best.unwrap_or_default())
}

fn extreme_of(run: &Run<'_>, builtin: Builtin, items: &Items, best: &mut Option<Value>, depth: u32) -> Res<()> {
    let depth = deeper(run, depth)?;
    let replaces = if builtin == Builtin::Max { less } else { more };
    for item in items.iter() {
        run.ctx.budget.step(1)?;
        match Items::of(&item) {
            Some(nested) => extreme_of(run, builtin, &nested, best, depth)?,
            None if number(&item).is_some() => offer(best, &item, replaces)?,
            None => return refuse(builtin.name(), &item),
        }
    }
    Ok(())
}

fn offer(best: &mut Option<Value>, value: &Value, replaces: fn(&Value, &Value) -> Res<bool>) -> Res<()> {
    let better = match best {
        Some(best) => replaces(best, value)?,
        None => true,
    };
    if better {
        *best = Some(value.clone());
    }
    Ok(())
}

/// All numbers in nested lists.
fn numbers(run: &Run<'_>, name: &str, value: &Value, depth: u32, out: &mut Vec<f64>) -> Res<()> {
    if let Some(items) = Items::of(value) {
        let depth = deeper(run, depth)?;
        elements(run, items.len())?;
        return items.iter().try_for_each(|item| numbers(run, name, &item, depth, out));
    }
    match (value, number_by_kind(value)) {
        (Value::Uint(_, u), _) => out.push(*u as f64),
        (_, Some(n)) => out.push(n.float()),
        _ => return refuse(name, value),
    }
    Ok(())
}

fn all_numbers(run: &Run<'_>, name: &str, args: &[Value]) -> Res<Vec<f64>> {
    let mut out = Vec::new();
    args.iter().try_for_each(|value| numbers(run, name, value, 0, &mut out))?;
    Ok(out)
}

/// `mean`; 0 of nothing.
pub(super) fn mean(run: &Run<'_>, args: &[Value]) -> Res<Value> {
    let all = all_numbers(run, "mean", args)?;
    let sum: f64 = all.iter().fold(0.0, |sum, n| sum + n);
    Ok(Value::Float(FloatKind::Float64, if all.is_empty() { 0.0 } else { sum / all.len() as f64 }))
}

/// `median`; 0 of nothing.
pub(super) fn median(run: &Run<'_>, args: &[Value]) -> Res<Value> {
    let mut all = all_numbers(run, "median", args)?;
    // Go sorts NaN before everything else.
    all.sort_by(|a, b| a.partial_cmp(b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan())));
    let middle = all.len() / 2;
    Ok(Value::float(match (all.len() % 2, all.get(middle)) {
        (_, None) => 0.0,
        (1, Some(n)) => *n,
        (_, Some(n)) => (all.get(middle.wrapping_sub(1)).copied().unwrap_or_default() + n) / 2.0,
    }))
}

#[cfg(test)]
mod tests {
    use super::parse_float;

    #[test]
    fn floats_are_read_as_go_reads_them() {
        let good =
            [("1.5", 1.5), ("+2", 2.0), ("1_000.5", 1000.5), ("0x1.8p1", 3.0), (".5", 0.5), ("5.", 5.0), ("1e3", 1e3)];
        for (text, want) in good {
            assert_eq!(parse_float(text), Some(want), "{text}");
        }
        for text in ["", " 1", "1 ", "--1", "1e999", "_1", "1_", "0x", "abc", "1__0"] {
            assert_eq!(parse_float(text), None, "{text}");
        }
        assert_eq!(parse_float("-Inf"), Some(f64::NEG_INFINITY));
        assert!(parse_float("NaN").is_some_and(f64::is_nan));
    }
}
