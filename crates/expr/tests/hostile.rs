//! Hostile expressions: each ends within a second on an idle machine, with an error that names a limit, on a stack of
//! 2 MiB.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use gatepost_expr::{CompileOptions, Error, ErrorKind, Program};
use gatepost_value::{Budget, CallContext, GoType, Limits, Location, Str, Time, Value, namespace};
use std::time::{Duration, Instant};

/// What tokio gives its workers, where expressions run.
const STACK: usize = 2 << 20;
/// Runs end at the time limit of half a second; the rest is room for a machine that is busy with other tests.
const SLOWEST: Duration = Duration::from_secs(5);

fn environment() -> Value {
    let items: Vec<Value> = (0..1000).map(Value::int).collect();
    Value::map(vec![
        (Str::from_static("items"), Value::list(items)),
        (Str::from_static("text"), Value::str("a".repeat(100_000))),
        (Str::from_static("strings"), namespace::strings()),
        (Str::from_static("names"), Value::list_of(GoType::String, vec![Value::str("x"); 1000])),
    ])
}

fn evaluate(text: &str) -> Result<Value, Error> {
    let program = Program::compile(text, &CompileOptions::default())?;
    let budget = Budget::new(Limits::default());
    let random = |_: &mut [u8]| {};
    let ctx =
        CallContext { budget: &budget, now: Time::unix(0, 0), local: Location::Utc, random: &random, costly: false };
    program.run(&environment(), &ctx)
}

/// Runs on a small stack and measures.
fn attack(text: String) -> Result<Value, Error> {
    let name: String = text.chars().take(60).collect();
    let run = move || {
        let start = Instant::now();
        let result = evaluate(&text);
        (result.map(|_| Value::Nil), start.elapsed())
    };
    let (result, took) = std::thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap();
    assert!(took < SLOWEST, "{name}: took {took:?}");
    result
}

#[track_caller]
fn stops(text: impl Into<String>) {
    let text = text.into();
    let name: String = text.chars().take(80).collect();
    match attack(text) {
        Ok(_) => panic!("{name}: ran to its end"),
        Err(error) => assert_eq!(error.kind, ErrorKind::Limit, "{name}: {error}"),
    }
}

/// Ends in time and without overflowing the stack, whatever it says.
#[track_caller]
fn ends(text: impl Into<String>) {
    let _ = attack(text.into());
}

#[test]
fn deep_nesting_is_refused() {
    const DEEP: usize = 200_000;
    for (open, inner, close) in
        [("(", "1", ")"), ("[", "1", "]"), ("{a: ", "1", "}"), ("not ", "true", ""), ("len(", "[]", ")")]
    {
        let text = format!("{}{inner}{}", open.repeat(DEEP), close.repeat(DEEP));
        assert!(attack(text).is_err(), "{open}");
    }
    assert!(attack(format!("a{}", ".b".repeat(DEEP))).is_err());
    assert!(attack(format!("1{}", " + 1".repeat(DEEP))).is_err());
    assert!(attack(format!("1{}", " ** 1".repeat(DEEP))).is_err());
    assert!(attack("true ? 1 : ".repeat(DEEP) + "1").is_err());
    assert!(attack("let a = 1; ".repeat(DEEP)).is_err());
}

#[test]
fn nesting_below_the_limit_runs_on_a_small_stack() {
    for (open, inner, close) in [
        ("[", "1", "]"),
        ("{a: ", "1", "}"),
        ("any([1], ", "true", ")"),
        ("map(items[0:1], ", "#", ")"),
        ("reduce([1], ", "#acc", ", 1)"),
        ("items[", "0", "]"),
        ("strings.ToUpper(", "text", ")"),
        ("items != nil ? ", "1", " : 2"),
        ("-", "items[0]", ""),
    ] {
        for deep in [200, 400, 450, 490, 900, 990] {
            ends(format!("{}{inner}{}", open.repeat(deep), close.repeat(deep)));
        }
    }
    for deep in [400, 900, 990, 2000, 4000] {
        ends(format!("items[0]{}", " + items[0]".repeat(deep)));
        ends(format!("items{}", "?.x".repeat(deep)));
    }
    let variables: String = (0..400).map(|n| format!("let v{n} = [1]; ")).collect();
    ends(variables + "v0");
}

#[test]
fn loops_stop() {
    stops("let r = 1..1000; any(r, any(r, any(r, false)))");
    stops("find(1..1000000000, # > 5)");
    stops("count(1..999998, # > 0)");
    stops("filter(items, any(items, # < 0)) | len()");
    stops("sort(map(1..400000, -#))");
    stops("uniq(1..100000)");
    stops("map(items, sum(map(items, # * 2)))");
}

#[test]
fn memory_stops() {
    stops("reduce(1..27, #acc + #acc, \"a\")");
    stops("reduce(1..40, concat(#acc, #acc), [1])");
    stops("reduce(1..60, [#acc, #acc], [1]) | flatten()");
    stops("repeat(\"abcdefghij\", 100001)");
    stops("repeat(\"a\", 1000000000)");
    stops("map(1..1000, repeat(\"x\", 1000)) | len()");
    stops("replace(text, \"a\", text)");
    stops("strings.ReplaceAll(text, \"a\", text)");
    stops("join(map(items, text), \",\")");
    stops("map(1..2000, split(text, \"\"))");
    stops("[1..400000, 1..400000, 1..400000]");
    stops("flatten(map(items, items[0:999])) | len() > 1 ? 1..900000 : 1..900000");
}

#[test]
fn deep_values_stop() {
    stops("reduce(1..100000, [#acc], 0)");
    stops("reduce(1..100000, {{a: #acc}}, 0)");
    stops(format!("reduce(1..10000, [#acc, {}#acc{}], 0)", "[".repeat(300), "]".repeat(300)));
    stops("reduce(1..60, [#acc, #acc], 1) == reduce(1..60, [#acc, #acc], 1)");
    stops("mean(reduce(1..60, [#acc, #acc], 1))");
    stops("max(reduce(1..60, [#acc, #acc], 1))");
    ends("toJSON(reduce(1..60, [#acc, #acc], 1))");
    ends("string(reduce(1..60, [#acc, #acc], 1))");
    ends(format!("fromJSON(repeat('[', {0}) + repeat(']', {0}))", 20_000));
    stops(format!("fromJSON(repeat('[', {0}) + repeat(']', {0}))", 9_000));
}

#[test]
fn patterns_end() {
    ends("text matches '(a+)+$'");
    ends("text matches '(a|aa)*b'");
    ends("text matches '((a{1000}){1000})'");
    ends("'x' matches repeat('(', 100000)");
    ends("any(items, text matches '(a{0,' + string(# % 90) + '}){90}b')");
    ends("text matches '(?i)(\\\\pL{50}){50}'");
}
