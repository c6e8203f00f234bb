//! Methods of `time.Time`.

use super::{INT, INT64, Row, arg, int, nanoseconds, wrong_type};
use crate::{Budget, CallContext, CallError, GoType, Location, Time, Value};

pub(super) const METHODS: &[Row] = &[
    ("Add", &[GoType::Duration], GoType::Time),
    ("AddDate", &[INT, INT, INT], GoType::Time),
    ("After", &[GoType::Time], GoType::Bool),
    ("AppendFormat", &[GoType::Bytes, GoType::String], GoType::Bytes),
    ("AppendText", &[GoType::Bytes], GoType::Bytes),
    ("Before", &[GoType::Time], GoType::Bool),
    ("Compare", &[GoType::Time], INT),
    ("Day", &[], INT),
    ("Equal", &[GoType::Time], GoType::Bool),
    ("Format", &[GoType::String], GoType::String),
    ("GoString", &[], GoType::String),
    ("Hour", &[], INT),
    ("In", &[GoType::Location], GoType::Time),
    ("IsDST", &[], GoType::Bool),
    ("IsZero", &[], GoType::Bool),
    ("Local", &[], GoType::Time),
    ("Location", &[], GoType::Location),
    ("MarshalJSON", &[], GoType::Bytes),
    ("MarshalText", &[], GoType::Bytes),
    ("Minute", &[], INT),
    ("Month", &[], INT),
    ("Nanosecond", &[], INT),
    ("Round", &[GoType::Duration], GoType::Time),
    ("Second", &[], INT),
    ("String", &[], GoType::String),
    ("Sub", &[GoType::Time], GoType::Duration),
    ("Truncate", &[GoType::Duration], GoType::Time),
    ("UTC", &[], GoType::Time),
    ("Unix", &[], INT64),
    ("UnixMicro", &[], INT64),
    ("UnixMilli", &[], INT64),
    ("UnixNano", &[], INT64),
    ("Weekday", &[], INT),
    ("Year", &[], INT),
    ("YearDay", &[], INT),
];

/// The answer, `None` for a name that is not in the table.
pub(super) fn call(ctx: &CallContext<'_>, t: &Time, name: &str, args: &[Value]) -> Result<Option<Value>, CallError> {
    Ok(Some(match name {
        "Add" => Value::Time(t.add(nanoseconds(args, 0)?)),
        "AddDate" => Value::Time(t.add_date(int(args, 0)?, int(args, 1)?, int(args, 2)?)),
        "After" => Value::Bool(t.compare(time(args)?).is_gt()),
        "AppendFormat" => appended(ctx.budget, args, &formatted(ctx.budget, t, args.get(1..).unwrap_or_default())?)?,
        "AppendText" => appended(ctx.budget, args, &marshalled_text(ctx.budget, t)?)?,
        "Before" => Value::Bool(t.compare(time(args)?).is_lt()),
        "Compare" => Value::int(t.compare(time(args)?) as i64),
        "Equal" => Value::Bool(t.compare(time(args)?).is_eq()),
        "Format" => formatted(ctx.budget, t, args)?,
        "In" => Value::Time(t.within(location(args)?)),
        "Local" => Value::Time(t.within(&ctx.local)),
        "MarshalJSON" => Value::Bytes(crate::json::marshal(ctx.budget, &Value::Time(t.clone()))?.into()),
        "MarshalText" => marshalled_text(ctx.budget, t)?,
        "Round" => Value::Time(t.round(nanoseconds(args, 0)?)),
        "Sub" => Value::Duration(t.sub(time(args)?)),
        "Truncate" => Value::Time(t.truncate(nanoseconds(args, 0)?)),
        _ => return Ok(part(t, name)),
    }))
}

/// Methods without arguments.
fn part(t: &Time, name: &str) -> Option<Value> {
    let civil = t.civil();
    Some(match name {
        "Day" => Value::int(i64::from(civil.day)),
        "GoString" => Value::str(t.go_syntax()),
        "Hour" => Value::int(i64::from(civil.hour)),
        "IsDST" => Value::Bool(t.loc.is_dst(t.secs)),
        "IsZero" => Value::Bool(t.is_zero()),
        "Location" => Value::Location(t.loc.clone()),
        "Minute" => Value::int(i64::from(civil.minute)),
        "Month" => Value::Month(i64::from(civil.month)),
        "Nanosecond" => Value::int(i64::from(t.nanos)),
        "Second" => Value::int(i64::from(civil.second)),
        "String" => Value::str(t.go_string()),
        "UTC" => Value::Time(t.within(&Location::Utc)),
        "Unix" => Value::int64(t.secs),
        "UnixMicro" => Value::int64(unix(t, 1_000_000)),
        "UnixMilli" => Value::int64(unix(t, 1_000)),
        "UnixNano" => Value::int64(unix(t, 1_000_000_000)),
        "Weekday" => Value::Weekday(t.weekday()),
        "Year" => Value::int(civil.year),
        "YearDay" => Value::int(t.year_day()),
        _ => return None,
    })
}

/// Since 1970 in units of which a second has so many; wraps around as Go does.
fn unix(t: &Time, per_second: i64) -> i64 {
    let part = i64::from(t.nanos) / (1_000_000_000 / per_second);
    t.secs.wrapping_mul(per_second).wrapping_add(part)
}

/// No element becomes longer than forty-fold (`2` is a day, `MST` at most the zone's name).
fn formatted(budget: &Budget, t: &Time, args: &[Value]) -> Result<Value, CallError> {
    let Value::Str(layout) = arg(args, 0) else { return Err(wrong_type(&GoType::String, arg(args, 0))) };
    let text = t.format(&layout.to_lossy());
    budget.allocate(u64::try_from(text.len()).unwrap_or(u64::MAX))?;
    Ok(Value::str(text))
}

/// The bytes of the first argument with a text behind them.
fn appended(budget: &Budget, args: &[Value], text: &Value) -> Result<Value, CallError> {
    let front = match arg(args, 0) {
        Value::Bytes(bytes) => bytes.clone(),
        Value::TypedNil(GoType::Bytes) | Value::Nil => bytes::Bytes::new(),
        other => return Err(wrong_type(&GoType::Bytes, other)),
    };
    let text = crate::cast::to_str(text);
    budget.allocate((front.len() + text.len()) as u64)?;
    Ok(Value::Bytes([&front[..], text.as_bytes()].concat().into()))
}

fn marshalled_text(budget: &Budget, t: &Time) -> Result<Value, CallError> {
    let json = crate::json::marshal(budget, &Value::Time(t.clone()))?;
    let inside = json.len().saturating_sub(1).max(1);
    Ok(Value::Bytes(bytes::Bytes::copy_from_slice(json.get(1..inside).unwrap_or_default())))
}

fn time(args: &[Value]) -> Result<&Time, CallError> {
    match arg(args, 0) {
        Value::Time(time) => Ok(time),
        other => Err(wrong_type(&GoType::Time, other)),
    }
}

fn location(args: &[Value]) -> Result<&Location, CallError> {
    match arg(args, 0) {
        Value::Location(loc) => Ok(loc),
        Value::TypedNil(GoType::Location) | Value::Nil => {
            Err(CallError::new("time: missing Location in call to Time.In"))
        }
        other => Err(wrong_type(&GoType::Location, other)),
    }
}
