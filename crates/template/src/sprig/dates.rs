//! Dates and durations. "Now" and the local zone come with the call; nothing here looks at a clock.

use super::{Answer, fail, parse_int};
use crate::function::{Call, Effect, FunctionSpec, ParamType, ParamType::*, SignatureSpec};
use gatepost_value::time::{duration_string, parse_duration};
use gatepost_value::{IntKind, Location, Time, Value};

type Run = fn(&mut Call<'_>) -> Answer;

const SECOND: i64 = 1_000_000_000;
const HTML: &str = "2006-01-02";

const fn fixed(name: &'static str, params: &'static [ParamType], run: Run) -> FunctionSpec {
    FunctionSpec::new(name, SignatureSpec::fixed(params), run)
}
/// Functions that fall back to the current time, or always use it.
const fn clocked(name: &'static str, params: &'static [ParamType], run: Run) -> FunctionSpec {
    fixed(name, params, run).effect(Effect::Clock)
}

pub(super) const TABLE: &[FunctionSpec] = &[
    clocked("now", &[], |call| Ok(Value::Time(call.context.now.within(&call.context.local)))),
    clocked("ago", &[Any], ago),
    clocked("date", &[String, Any], |call| Ok(in_zone(call, &layout(call), call.arg(1), "Local"))),
    clocked("dateInZone", &[String, Any, String], date_in_zone),
    clocked("date_in_zone", &[String, Any, String], date_in_zone),
    clocked("htmlDate", &[Any], |call| Ok(in_zone(call, HTML, call.arg(0), "Local"))),
    clocked("htmlDateInZone", &[Any, String], |call| Ok(in_zone(call, HTML, call.arg(0), &call.text(1).to_lossy()))),
    fixed("dateModify", &[String, ParamType::Time], date_modify),
    fixed("date_modify", &[String, ParamType::Time], date_modify),
    fixed("mustDateModify", &[String, ParamType::Time], must_date_modify),
    fixed("must_date_modify", &[String, ParamType::Time], must_date_modify),
    fixed("duration", &[Any], duration),
    clocked("durationRound", &[Any], duration_round),
    fixed("toDate", &[String, String], |call| Ok(Value::Time(parsed(call).unwrap_or_else(|_| time_zero())))),
    fixed("mustToDate", &[String, String], |call| parsed(call).map(Value::Time).or_else(fail)),
    fixed("unixEpoch", &[ParamType::Time], |call| Ok(Value::str(time(call, 0).secs.to_string()))),
];

fn time_zero() -> gatepost_value::Time {
    Time::zero()
}

fn layout(call: &Call<'_>) -> std::string::String {
    call.text(0).to_lossy().into_owned()
}

/// A parameter of type `time.Time`.
fn time(call: &Call<'_>, index: usize) -> gatepost_value::Time {
    match call.arg(index) {
        Value::Time(time) => time.clone(),
        _ => Time::zero(),
    }
}

/// The moment that a value stands for: a time, or Unix seconds in one of the given integer types; else now.
fn moment(call: &Call<'_>, value: &Value, kinds: &[IntKind]) -> gatepost_value::Time {
    match value {
        Value::Time(time) => time.clone(),
        Value::Int(kind, secs) if kinds.contains(kind) => {
            Time { loc: call.context.local.clone(), ..Time::unix(*secs, 0) }
        }
        _ => call.context.now.clone(),
    }
}

fn in_zone(call: &Call<'_>, layout: &str, value: &Value, zone: &str) -> Value {
    let zone = match zone {
        "Local" => call.context.local.clone(),
        name => Location::load(name).unwrap_or(Location::Utc),
    };
    let time = moment(call, value, &[IntKind::Int64, IntKind::Int, IntKind::Int32]);
    Value::str(time.within(&zone).format(layout))
}

fn date_in_zone(call: &mut Call<'_>) -> Answer {
    Ok(in_zone(call, &layout(call), call.arg(1), &call.text(2).to_lossy()))
}

fn ago(call: &mut Call<'_>) -> Answer {
    let then = moment(call, call.arg(0), &[IntKind::Int64, IntKind::Int]);
    Ok(Value::str(duration_string(to_seconds(call.context.now.sub(&then)))))
}

/// `Duration.Round(time.Second)`: halves away from zero, saturating.
fn to_seconds(nanoseconds: i64) -> i64 {
    let rest = nanoseconds % SECOND;
    let below = nanoseconds - rest;
    if rest.abs() * 2 < SECOND {
        return below;
    }
    below.checked_add(SECOND * rest.signum()).unwrap_or(if rest > 0 { i64::MAX } else { i64::MIN })
}

fn date_modify(call: &mut Call<'_>) -> Answer {
    let date = time(call, 1);
    Ok(Value::Time(parse_duration(&layout(call)).map_or(date.clone(), |d| date.add(d))))
}

fn must_date_modify(call: &mut Call<'_>) -> Answer {
    let change = parse_duration(&layout(call)).or_else(fail)?;
    Ok(Value::Time(time(call, 1).add(change)))
}

/// Seconds, as text or int64, printed as a duration; everything else is none.
fn duration(call: &mut Call<'_>) -> Answer {
    let seconds = match call.arg(0) {
        Value::Str(text) => parse_int(text.as_bytes(), 10).0,
        Value::Int(IntKind::Int64, n) => *n,
        _ => 0,
    };
    Ok(Value::str(duration_string(seconds.wrapping_mul(SECOND))))
}

/// The largest unit of a duration, of which more than one must have passed.
fn duration_round(call: &mut Call<'_>) -> Answer {
    const UNITS: [(u64, &str); 6] =
        [(365 * 86_400, "y"), (30 * 86_400, "mo"), (86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let nanoseconds = match call.arg(0) {
        Value::Str(text) => parse_duration(&text.to_lossy()).unwrap_or(0),
        Value::Int(IntKind::Int64, n) => *n,
        Value::Time(time) => call.context.now.sub(time),
        _ => 0,
    };
    let passed = nanoseconds.unsigned_abs();
    let fitting =
        UNITS.iter().map(|(secs, name)| (secs * SECOND.unsigned_abs(), name)).find(|(unit, _)| passed > *unit);
    Ok(Value::str(fitting.map_or_else(|| "0s".to_owned(), |(unit, name)| format!("{}{name}", passed / unit))))
}

fn parsed(call: &Call<'_>) -> Result<gatepost_value::Time, std::string::String> {
    let local = &call.context.local;
    Time::parse(&layout(call), &call.text(1).to_lossy(), local, local)
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn at(text: &str) -> Value {
        Value::Time(Time::parse_rfc3339(text).expect("time"))
    }

    #[test]
    fn dates_in_zones() {
        let moment = at("2026-01-02T03:04:05Z");
        assert_eq!(shown("date", &[s("2006-01-02 15:04"), moment.clone()]), "2026-01-02 03:04");
        let tokyo = [s("15:04"), moment.clone(), s("Asia/Tokyo")];
        assert_eq!(shown("dateInZone", &tokyo), "12:04");
        let unknown = [s("15:04"), moment.clone(), s("Nowhere/At")];
        assert_eq!(shown("dateInZone", &unknown), "03:04");
        assert_eq!(shown("htmlDate", &[Value::int64(0)]), "1970-01-01");
        assert_eq!(shown("htmlDate", &[s("x")]), "2026-03-04");
        assert_eq!(shown("unixEpoch", &[moment]), "1767323045");
    }

    #[test]
    fn durations() {
        assert_eq!(shown("duration", &[s("95")]), "1m35s");
        assert_eq!(shown("duration", &[i(95)]), "0s");
        assert_eq!(shown("durationRound", &[s("2h10m5s")]), "2h");
        assert_eq!(shown("durationRound", &[s("1h")]), "60m");
        assert_eq!(shown("durationRound", &[s("-2400h")]), "3mo");
        assert_eq!(shown("ago", &[Value::int64(NOW - 125)]), "2m5s");
        assert_eq!(to_seconds(-1_500_000_000), -2_000_000_000);
    }

    #[test]
    fn parsing() {
        assert_eq!(
            shown("unixEpoch", &[call("toDate", &[s("2006-01-02"), s("2026-01-02")]).expect("date")]),
            "1767312000"
        );
        assert!(shown("toDate", &[s("2006-01-02"), s("x")]).starts_with("0001-01-01 00:00:00"));
        assert!(refused("mustToDate", &[s("2006-01-02"), s("x")]).starts_with("parsing time"));
        assert!(refused("mustDateModify", &[s("x"), at("2026-01-02T03:04:05Z")]).contains("invalid duration"));
        assert_eq!(
            shown("unixEpoch", &[call("dateModify", &[s("-1s"), at("1970-01-01T00:00:01Z")]).expect("date")]),
            "0"
        );
    }
}
