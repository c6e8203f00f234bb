//! Methods of `time.Duration`.

use super::{INT64, Row, nanoseconds};
use crate::{CallError, FloatKind, GoType, Value};

const FLOAT64: GoType = GoType::Float(FloatKind::Float64);

pub(super) const METHODS: &[Row] = &[
    ("Abs", &[], GoType::Duration),
    ("Hours", &[], FLOAT64),
    ("Microseconds", &[], INT64),
    ("Milliseconds", &[], INT64),
    ("Minutes", &[], FLOAT64),
    ("Nanoseconds", &[], INT64),
    ("Round", &[GoType::Duration], GoType::Duration),
    ("Seconds", &[], FLOAT64),
    ("String", &[], GoType::String),
    ("Truncate", &[GoType::Duration], GoType::Duration),
];

/// The answer, `None` for a name that is not in the table.
pub(super) fn call(ns: i64, name: &str, args: &[Value]) -> Result<Option<Value>, CallError> {
    Ok(Some(match name {
        "Abs" => Value::Duration(ns.saturating_abs()),
        "Hours" => Value::float(in_units(ns, 3_600_000_000_000)),
        "Microseconds" => Value::int64(ns / 1_000),
        "Milliseconds" => Value::int64(ns / 1_000_000),
        "Minutes" => Value::float(in_units(ns, 60_000_000_000)),
        "Nanoseconds" => Value::int64(ns),
        "Round" => Value::Duration(round(ns, nanoseconds(args, 0)?)),
        "Seconds" => Value::float(in_units(ns, 1_000_000_000)),
        "String" => Value::str(crate::time::duration_string(ns)),
        "Truncate" => Value::Duration(truncate(ns, nanoseconds(args, 0)?)),
        _ => return Ok(None),
    }))
}

/// Whole units and the rest are divided apart, so that large durations keep their precision.
fn in_units(ns: i64, unit: i64) -> f64 {
    (ns / unit) as f64 + (ns % unit) as f64 / unit as f64
}

const fn truncate(ns: i64, unit: i64) -> i64 {
    if unit <= 0 { ns } else { ns - ns % unit }
}

/// To the nearest multiple, half away from zero; what overflows is the largest duration.
fn round(ns: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return ns;
    }
    let (rest, unit) = (i128::from(ns % unit), i128::from(unit));
    let down = i128::from(ns) - rest;
    let rounded = if rest.abs() * 2 < unit { down } else { down + unit * rest.signum() };
    i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX })
}
