//! What Go does, recorded by `tests/data/record`, replayed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use gatepost_value::json::Numbers;
use gatepost_value::{
    Budget, FloatKind, GoType, IntKind, Limits, Location, Map, Named, Str, StructView, Time, UintKind, Value, fmt,
    json, time,
};
use serde_json::Value as Json;
use std::sync::Arc;

/// A Go struct of the recorder.
struct Recorded {
    name: &'static str,
    pointer: bool,
    fields: Vec<(&'static str, Value)>,
}

impl StructView for Recorded {
    fn type_name(&self) -> &str {
        self.name
    }
    fn field(&self, name: &str) -> Option<Value> {
        self.fields.iter().find(|f| f.0 == name).map(|f| f.1.clone())
    }
    fn fields(&self) -> Vec<(Str, Value)> {
        self.fields.iter().map(|(name, value)| (Str::from(*name), value.clone())).collect()
    }
    fn is_pointer(&self) -> bool {
        self.pointer
    }
}

fn record(name: &'static str, pointer: bool, names: &[&'static str], row: &Json) -> Value {
    let fields = names.iter().copied().zip(items(row)).collect();
    Value::Struct(Arc::new(Recorded { name, pointer, fields }))
}

fn items(row: &Json) -> Vec<Value> {
    row["v"].as_array().unwrap().iter().map(value).collect()
}

fn entries(row: &Json) -> Vec<(Str, Value)> {
    let pairs = row["v"].as_array().unwrap().iter();
    pairs.map(|pair| (Str::from(pair[0].as_str().unwrap()), value(&pair[1]))).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn number(row: &Json) -> i64 {
    row["v"].as_str().unwrap().parse().unwrap()
}

fn zone(name: &str) -> Location {
    match name {
        "fixed" => Location::Fixed("".into(), -(5 * 3600 + 30 * 60 + 15)),
        "XYZ" => Location::Fixed("XYZ".into(), 3600),
        _ => Location::load(name).unwrap(),
    }
}

/// The value that the recorder described.
fn value(row: &Json) -> Value {
    let int = |kind| Value::Int(kind, number(row));
    let uint = |kind| Value::Uint(kind, row["v"].as_str().unwrap().parse().unwrap());
    let float = |kind| Value::Float(kind, f64::from_bits(row["v"].as_str().unwrap().parse().unwrap()));
    let bytes = || from_hex(row["v"].as_str().unwrap());
    match row["t"].as_str().unwrap() {
        "nil" => Value::Nil,
        "bool" => Value::Bool(row["v"].as_bool().unwrap()),
        "int" => int(IntKind::Int),
        "int8" => int(IntKind::Int8),
        "int64" => int(IntKind::Int64),
        "uint8" => uint(UintKind::Uint8),
        "uint64" => uint(UintKind::Uint64),
        "float32" => float(FloatKind::Float32),
        "float64" => float(FloatKind::Float64),
        "string" => Value::str(bytes()),
        "phase" => Value::Named(Arc::new(Named { type_name: "main.phase".into(), base: Value::str(bytes()) })),
        "bytes" => Value::Bytes(bytes().into()),
        "duration" => Value::Duration(number(row)),
        "month" => Value::Month(number(row)),
        "weekday" => Value::Weekday(number(row)),
        "time" => {
            let nanos = row["n"].as_str().unwrap().parse().unwrap();
            Value::Time(Time { secs: number(row), nanos, loc: zone(row["z"].as_str().unwrap()) })
        }
        "list" => Value::list(items(row)),
        "[]string" => Value::list_of(GoType::String, items(row)),
        "[]int" => Value::list_of(GoType::Int(IntKind::Int), items(row)),
        "[]float64" => Value::list_of(GoType::Float(FloatKind::Float64), items(row)),
        "map" => Value::map(entries(row)),
        "map[string]string" => Value::Map(Map::frozen_of(GoType::String, entries(row))),
        "pair" => record("main.pair", false, &["A", "B"], row),
        "*pair" => record("main.pair", true, &["A", "B"], row),
        "nest" => record("main.nest", false, &["P", "L", "T", "D", "N"], row),
        "nil *bool" => Value::TypedNil(GoType::Named("*bool".into())),
        "nil map[string]int" => Value::TypedNil(GoType::Map(Box::new(GoType::Int(IntKind::Int)))),
        "nil []bool" => Value::TypedNil(GoType::Slice(Box::new(GoType::Bool))),
        other => panic!("unknown type {other}"),
    }
}

/// A recorded text, which is in hexadecimal where JSON cannot hold it.
fn text(row: &Json, key: &str) -> Vec<u8> {
    match row[key].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => from_hex(row[format!("{key}x")].as_str().unwrap_or_default()),
    }
}

fn rows(file: &str) -> Vec<Json> {
    file.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn budget() -> Budget {
    Budget::new(Limits { call_bytes: 4 << 20, time: std::time::Duration::from_secs(60), ..Limits::default() })
}

/// All differences at once, the first of them in full.
fn report(wrong: &[String], total: usize) {
    assert!(wrong.is_empty(), "{} of {total} differ:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
}

#[test]
fn fmt_prints_as_go() {
    let rows = rows(include_str!("data/fmt.jsonl"));
    let mut wrong = Vec::new();
    for row in &rows {
        let args: Vec<Value> = row["a"].as_array().unwrap().iter().map(value).collect();
        let got = match row["k"].as_str() {
            Some("print") => fmt::sprint(&budget(), &args),
            Some(_) => fmt::sprintln(&budget(), &args),
            None => fmt::sprintf(&budget(), &text(row, "f"), &args),
        };
        let (got, want) = (got.unwrap(), Str::from(text(row, "w")));
        if got != want {
            wrong.push(format!("{:?} {}: got {got:?}, want {want:?}", Str::from(text(row, "f")), row["a"]));
        }
    }
    report(&wrong, rows.len());
}

fn at(row: &Json) -> Time {
    let nanos = row["n"].as_u64().unwrap().try_into().unwrap();
    Time { secs: row["s"].as_i64().unwrap(), nanos, loc: zone(row["z"].as_str().unwrap()) }
}

/// What the row's function says, and what Go said.
fn timed(row: &Json) -> (String, String) {
    let want = row["w"].as_str().or(row["err"].as_str()).unwrap_or_default().to_owned();
    let got = match row["k"].as_str().unwrap() {
        "format" => at(row).format(row["layout"].as_str().unwrap()),
        "parts" => {
            let t = at(row);
            let want = format!("{} {} {} {} {}", row["string"], row["go"], row["weekday"], row["yday"], row["iso"]);
            let (year, week) = t.iso_week();
            let (string, go) = (Json::from(t.go_string()), Json::from(t.go_syntax()));
            return (format!("{string} {go} {} {} [{year},{week}]", t.weekday(), t.year_day()), want);
        }
        "round" => {
            let (t, d) = (at(row), row["d"].as_i64().unwrap());
            let nano = time::layout("RFC3339Nano").unwrap();
            let want = format!("{} {}", row["t"].as_str().unwrap(), row["r"].as_str().unwrap());
            return (format!("{} {}", t.truncate(d).format(nano), t.round(d).format(nano)), want);
        }
        "adddate" => {
            let by = |i: usize| row["d"][i].as_i64().unwrap();
            at(row).add_date(by(0), by(1), by(2)).go_string()
        }
        "duration" => time::duration_string(row["d"].as_str().unwrap().parse().unwrap()),
        "parseduration" => match time::parse_duration(row["text"].as_str().unwrap()) {
            Ok(ns) => ns.to_string(),
            Err(error) => error,
        },
        _ => {
            let source = String::from_utf8(text(row, "text")).unwrap();
            let (loc, local) = (zone(row["loc"].as_str().unwrap()), zone(row["local"].as_str().unwrap()));
            match Time::parse(row["layout"].as_str().unwrap(), &source, &loc, &local) {
                Ok(t) => format!("{} {}", t.format("2006-01-02T15:04:05.999999999 -07:00:00 MST"), t.loc.name()),
                Err(error) => error,
            }
        }
    };
    (got, want)
}

#[test]
fn time_formats_and_parses_as_go() {
    let rows = rows(include_str!("data/time.jsonl"));
    let mut wrong = Vec::new();
    for row in &rows {
        let (got, want) = timed(row);
        if got != want {
            wrong.push(format!("{row}\n  got  {got}\n  want {want}"));
        }
    }
    report(&wrong, rows.len());
}

#[test]
fn json_reads_and_writes_as_go() {
    let rows = rows(include_str!("data/json.jsonl"));
    let mut wrong = Vec::new();
    let mut check = |row: &Json, got: String, want: String| {
        if got != want {
            wrong.push(format!("{row}\n  got  {got}\n  want {want}"));
        }
    };
    for row in &rows {
        if row["k"] == "parse" {
            let got = json::parse(&text(row, "text"), Numbers::Float);
            let shown = |v: &Value| fmt::sprintf(&budget(), b"%#v", std::slice::from_ref(v)).unwrap().to_string();
            let want =
                if row["w"].is_null() { row["err"].as_str().unwrap().to_owned() } else { shown(&value(&row["w"])) };
            check(row, got.map_or_else(|e| e.message, |v| shown(&v)), want);
            continue;
        }
        let (value, budget) = (value(&row["a"]), budget());
        let written = |got: Result<Vec<u8>, _>| {
            got.map_or_else(|e: gatepost_value::CallError| e.to_string(), |b| Str::from(b).to_string())
        };
        for (key, got) in [
            ("w", json::marshal(&budget, &value)),
            ("i", json::marshal_indent(&budget, &value, "  ")),
            ("raw", json::marshal_raw(&budget, &value)),
        ] {
            let want = row["err"].as_str().map_or_else(|| Str::from(text(row, key)).to_string(), str::to_owned);
            check(row, written(got), want);
        }
    }
    report(&wrong, rows.len());
}
