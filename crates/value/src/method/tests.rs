#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::{Budget, Limits, Location, Named, Time};
use std::sync::Arc;

fn run(receiver: &Value, name: &str, args: &[Value]) -> Result<Value, CallError> {
    let budget = Budget::new(Limits::default());
    let local = Location::load("Europe/Berlin").unwrap().into_local();
    let ctx = CallContext { budget: &budget, now: Time::unix(0, 0), local, random: &|_| {}, costly: false };
    call(&ctx, receiver, name, args)
}

fn shown(receiver: &Value, name: &str, args: &[Value]) -> String {
    match run(receiver, name, args) {
        Ok(value) => format!("{}:{}", crate::fmt::type_name(&value), crate::fmt::sprint_v(&value)),
        Err(error) => format!("error:{error}"),
    }
}

#[test]
fn time_methods_answer_as_go() {
    let t = Value::Time(Time::parse_rfc3339("2024-02-29T23:04:05.123456789Z").unwrap());
    let later = Value::Time(Time::parse_rfc3339("2024-03-01T00:00:00Z").unwrap());
    let hour = Value::Duration(3_600_000_000_000);
    let cases: &[(&str, &[Value], &str)] = &[
        ("Add", std::slice::from_ref(&hour), "time.Time:2024-03-01 00:04:05.123456789 +0000 UTC"),
        (
            "AddDate",
            &[Value::int(1), Value::int(0), Value::int(0)],
            "time.Time:2025-03-01 23:04:05.123456789 +0000 UTC",
        ),
        ("After", std::slice::from_ref(&later), "bool:false"),
        ("Before", std::slice::from_ref(&later), "bool:true"),
        ("Compare", std::slice::from_ref(&later), "int:-1"),
        ("Sub", std::slice::from_ref(&later), "time.Duration:-55m54.876543211s"),
        ("Format", &[Value::str("Mon Jan _2")], "string:Thu Feb 29"),
        ("Local", &[], "time.Time:2024-03-01 00:04:05.123456789 +0100 CET"),
        ("Month", &[], "time.Month:February"),
        ("Weekday", &[], "time.Weekday:Thursday"),
        ("YearDay", &[], "int:60"),
        ("Unix", &[], "int64:1709247845"),
        ("UnixMilli", &[], "int64:1709247845123"),
        ("Location", &[], "*time.Location:UTC"),
        ("GoString", &[], "string:time.Date(2024, time.February, 29, 23, 4, 5, 123456789, time.UTC)"),
        (
            "MarshalJSON",
            &[],
            "[]uint8:[34 50 48 50 52 45 48 50 45 50 57 84 50 51 58 48 52 58 48 53 46 49 50 51 52 53 54 55 56 57 90 34]",
        ),
        ("Truncate", std::slice::from_ref(&hour), "time.Time:2024-02-29 23:00:00 +0000 UTC"),
        ("Add", &[], "error:wrong number of args for Add: want 1 got 0"),
        ("Add", &[Value::str("1h")], "error:wrong type for value; expected time.Duration; got string"),
        ("In", &[Value::Nil], "error:time: missing Location in call to Time.In"),
        ("Nope", &[], "error:time.Time has no method Nope"),
    ];
    for (name, args, want) in cases {
        assert_eq!(shown(&t, name, args), *want, "{name}");
    }
    let text = run(&t, "MarshalText", &[]).unwrap();
    assert_eq!(crate::cast::to_str(&text), "2024-02-29T23:04:05.123456789Z");
}

#[test]
fn duration_methods_answer_as_go() {
    let d = Value::Duration(-5_430_000_000_000);
    let minute = Value::Duration(60_000_000_000);
    assert_eq!(shown(&d, "Hours", &[]), "float64:-1.5083333333333333");
    assert_eq!(shown(&d, "Milliseconds", &[]), "int64:-5430000");
    assert_eq!(shown(&d, "Round", std::slice::from_ref(&minute)), "time.Duration:-1h31m0s");
    assert_eq!(shown(&d, "Truncate", &[minute]), "time.Duration:-1h30m0s");
    assert_eq!(shown(&d, "Abs", &[]), "time.Duration:1h30m30s");
    assert_eq!(shown(&Value::Duration(i64::MIN), "Abs", &[]), "time.Duration:2562047h47m16.854775807s");
}

#[test]
fn every_method_in_a_table_has_an_answer() {
    let month = Value::Month(3);
    for receiver in
        [Value::Time(Time::zero()), Value::Duration(1), month, Value::Weekday(2), Value::Location(Location::Utc)]
    {
        for (name, params, _) in table(&receiver) {
            let args: Vec<Value> = params
                .iter()
                .map(|param| match param {
                    GoType::Duration => Value::Duration(1),
                    GoType::Time => Value::Time(Time::zero()),
                    GoType::Location => Value::Location(Location::Utc),
                    GoType::String => Value::str("2006"),
                    GoType::Bytes => Value::Bytes("at ".into()),
                    _ => Value::int(1),
                })
                .collect();
            assert!(run(&receiver, name, &args).is_ok(), "{name}");
            let result = crate::fmt::type_name(&run(&receiver, name, &args).unwrap());
            assert_eq!(crate::fmt::go_type_name(&signature(&receiver, name).unwrap().result), result, "{name}");
        }
    }
}

#[test]
fn named_times_have_the_methods_of_time() {
    let named = Value::Named(Arc::new(Named { type_name: "v1.Time".into(), base: Value::Time(Time::unix(0, 0)) }));
    assert!(has(&named, "Year"));
    assert_eq!(shown(&named, "Year", &[]), "int:1970");
    let phase = Value::Named(Arc::new(Named { type_name: "v1alpha1.Phase".into(), base: Value::str("x") }));
    assert!(!has(&phase, "String"));
    assert_eq!(results(&named, "ISOWeek"), Some(2));
    assert!(!has(&named, "ISOWeek"));
}
