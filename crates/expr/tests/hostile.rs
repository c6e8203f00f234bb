//! Hostile expressions: each ends within a second of computing, below 256 MiB, on a stack of 2 MiB, with an error that
//! names a limit. The second is measured as the thread's own time, so that a busy machine does not fail the test.
//! Values never change, so a list or map that holds itself cannot be made.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use gatepost_expr::{CompileOptions, Error, Program};
use gatepost_value::{Budget, CallContext, GoType, Limits, Location, Str, Time, Value, namespace};
use peak_alloc::PeakAlloc;
use rustix::time::{ClockId, clock_gettime};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One attack at a time: the peak is the whole process's.
static ALONE: Mutex<()> = Mutex::new(());

/// What tokio gives its workers, where expressions run.
const STACK: usize = 2 << 20;
const SLOWEST: Duration = Duration::from_secs(1);
const MOST_MEMORY: usize = 256 << 20;

/// What an error says when a limit was hit: the fields of `Limits`, and Go's own two budgets.
const LIMITS: [&str; 9] = [
    "limit `parse_depth`",
    "limit `depth`",
    "limit `steps`",
    "limit `time`",
    "limit `call_bytes`",
    "limit `live_bytes`",
    "limit `output_bytes`",
    "memory budget exceeded",
    "exceeds maximum allowed nodes",
];

fn environment() -> Value {
    let items: Vec<Value> = (0..1000).map(Value::int).collect();
    Value::map(vec![
        (Str::from_static("items"), Value::list(items)),
        (Str::from_static("text"), Value::str("a".repeat(100_000))),
        (Str::from_static("strings"), namespace::strings()),
        (Str::from_static("names"), Value::list_of(GoType::String, vec![Value::str("x"); 1000])),
    ])
}

/// Compiles, runs, prints what went wrong, and drops all of it.
fn evaluate(text: &str, env: &Value) -> Result<(), String> {
    let shown = |error: Error| error.to_string().lines().next().unwrap_or_default().to_owned();
    let program = Program::compile(text, &CompileOptions::default()).map_err(shown)?;
    let budget = Budget::new(Limits::default());
    let random = |_: &mut [u8]| {};
    let ctx =
        CallContext { budget: &budget, now: Time::unix(0, 0), local: Location::Utc, random: &random, costly: false };
    program.run(env, &ctx).map(drop).map_err(shown)
}

/// How long this thread has been computing.
fn computed() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.try_into().unwrap(), now.tv_nsec.try_into().unwrap())
}

/// Runs on a small stack and measures.
#[track_caller]
fn attack(text: String) -> Result<(), String> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let name: String = text.chars().take(60).collect();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let run = move || {
        let env = environment();
        let start = computed();
        let result = evaluate(&text, &env);
        (result, computed() - start)
    };
    let (result, took) = std::thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap();
    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert!(took < SLOWEST, "{name}: computed for {took:?}");
    assert!(taken < MOST_MEMORY, "{name}: took {taken} bytes");
    result
}

#[track_caller]
fn stops(text: impl Into<String>) {
    let text = text.into();
    let name: String = text.chars().take(80).collect();
    match attack(text) {
        Ok(()) => panic!("{name}: ran to its end"),
        Err(message) => assert!(LIMITS.iter().any(|limit| message.contains(limit)), "{name}: {message:.300}"),
    }
}

/// Ends in time, below the memory and without overflowing the stack, whatever it says.
#[track_caller]
fn ends(text: impl Into<String>) {
    let _ = attack(text.into());
}

const DEEP: usize = 200_000;

#[test]
fn deep_nesting_is_refused() {
    for (open, inner, close) in [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("{a: ", "1", "}"),
        ("{(", "'a'", "): 1}"),
        ("not ", "true", ""),
        ("!", "true", ""),
        ("-", "1", ""),
        ("+", "1", ""),
        ("len(", "[]", ")"),
        ("f(", "1", ")"),
        ("items[", "0", "]"),
        ("items[0:", "0", "]"),
        ("map([1], {", "1", "})"),
        ("any(items, ", "true", ")"),
        ("true ? (", "1", ") : 1"),
        ("if true { ", "1", " } else { 1 }"),
        ("(let a = ", "1", "; a)"),
        ("1 + (", "1", ")"),
        ("1 in [", "1", "]"),
    ] {
        stops(format!("{}{inner}{}", open.repeat(DEEP), close.repeat(DEEP)));
        ends(open.repeat(DEEP));
    }
}

#[test]
fn long_chains_are_refused() {
    for link in [
        ".b",
        "?.b",
        "[0]",
        "[1:]",
        " + 1",
        " ** 1",
        " == 1",
        " < 1",
        " and b",
        " or b",
        " ?? b",
        " ?: b",
        " ? 1 : 1",
        " | len()",
        " | map(#)",
        ".f()",
        " in b",
        " not in b",
        " matches 'a'",
        "; 1",
    ] {
        stops(format!("a{}", link.repeat(DEEP)));
    }
    stops("true ? 1 : ".repeat(DEEP) + "1");
    stops("if true { 1 } else ".repeat(DEEP) + "{ 1 }");
    stops((0..DEEP).map(|n| format!("let a{n} = 1; ")).collect::<String>() + "1");
    stops(format!("[{}]", "1,".repeat(DEEP)));
    stops(format!("{{{}}}", "a: 1,".repeat(DEEP)));
    stops(format!("f({}1)", "1,".repeat(DEEP)));
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
fn long_texts_end() {
    const LONG: usize = 2_000_000;
    for text in [
        " ".repeat(LONG),
        "a".repeat(LONG),
        "9".repeat(LONG),
        "9_".repeat(LONG / 2),
        format!("1e{}", "9".repeat(LONG)),
        format!("0x{}", "f".repeat(LONG)),
        format!("1.{}", "3".repeat(LONG)),
        format!("'{}'", "é".repeat(LONG)),
        format!("'{}", "é".repeat(LONG)),
        format!("`{}", "`".repeat(LONG)),
        format!("\"{}\"", "\\u{1F600}".repeat(LONG / 10)),
        format!("/*{}", "*".repeat(LONG)),
        "//\n".repeat(LONG / 3) + "1 +",
        "é\n".repeat(LONG / 2) + ")",
        "/**/".repeat(LONG / 4) + "1",
    ] {
        ends(text);
    }
    let words: Vec<String> = (0..9_000).map(|n| format!("'w{n}'")).collect();
    ends(format!("map(items, string(#) in [{}])", words.join(",")));
}

#[test]
fn loops_stop() {
    stops("let r = 1..1000; any(r, any(r, any(r, false)))");
    stops("find(1..1000000000, # > 5)");
    stops("1..1000000000");
    stops("len(0..9223372036854775806)");
    stops("count(1..999998, # > 0)");
    stops("filter(items, any(items, # < 0)) | len()");
    stops("map(items, sum(map(items, # * 2)))");
    stops("all(items, all(items, text == text + ''))");
    stops("map(items, items == items)");
    stops("count(items, any(items, text contains 'b'))");
    stops("count(items, any(items, upper(text) == lower(text)))");
}

#[test]
fn sorting_and_grouping_stop() {
    stops("sort(map(1..400000, -#))");
    stops("uniq(1..100000)");
    stops("sortBy(1..990000, -#)");
    stops("sortBy(1..300000, string(#))");
    stops("groupBy(1..990000, #)");
    ends("groupBy(1..990000, 'x')");
    stops("map(items, sortBy(items, -#))");
    stops("map(items, groupBy(items, # % 7))");
    ends("median(1..400000)");
    ends("reverse(1..400000)");
    ends("uniq(1..9000)");
    ends("sort(map(1..9000, text))");
}

#[test]
fn memory_stops() {
    stops("reduce(1..27, #acc + #acc, \"a\")");
    stops("let a = text + text; let b = a + a; let c = b + b; let d = c + c; let e = d + d; e + e");
    stops("reduce(1..40, concat(#acc, #acc), [1])");
    stops("reduce(1..60, [#acc, #acc], [1]) | flatten()");
    stops("repeat(\"abcdefghij\", 100001)");
    stops("repeat(\"a\", 1000000000)");
    ends("repeat('x', 1e9)");
    ends("1..1e9");
    stops("map(1..1000, repeat(\"x\", 1000)) | len()");
    stops("replace(text, \"a\", text)");
    stops("replace(text, '', text)");
    stops("strings.ReplaceAll(text, \"a\", text)");
    stops("join(map(items, text), \",\")");
    stops("join(split(text, ''), text)");
    stops("map(1..2000, split(text, \"\"))");
    stops("map(1..2000, splitAfter(text, \"\"))");
    stops("[1..400000, 1..400000, 1..400000]");
    stops("flatten(map(items, items[0:999])) | len() > 1 ? 1..900000 : 1..900000");
    ends("map(1..900, toJSON(items))");
    ends("map(1..900, toBase64(text))");
    ends("map(1..900, string(items))");
    ends("map(1..900, toPairs(fromPairs(map(items, [#, text]))))");
    ends("[1..300000, 1..300000, 1..300000]");
    ends("flatten([1..300000, 1..300000])");
}

#[test]
fn numbers_end() {
    ends("string(1e308) + string(-1e308) + string(5e-324) + toJSON(1e308)");
    ends("map(items, string(1e308 / (# + 1)))");
    ends("[int(repeat('9', 100000)), 1]");
    ends("[float(repeat('9', 100000)), 1]");
    ends("float('0.' + repeat('3', 100000))");
    ends("float('1e' + repeat('9', 100000))");
    ends("fromJSON(repeat('9', 100000))");
    ends("duration(repeat('1h', 50000))");
    ends("date(repeat('2', 100000), repeat('2006', 20000))");
    ends("2 ** 99999999999999 + 1e308 ** 1e308");
    ends("bitshl(1, 9223372036854775807)");
}

#[test]
fn deep_values_stop() {
    stops("reduce(1..100000, [#acc], 0)");
    stops("reduce(1..100000, {{a: #acc}}, 0)");
    stops(format!("reduce(1..10000, [#acc, {}#acc{}], 0)", "[".repeat(300), "]".repeat(300)));
    stops("reduce(1..60, [#acc, #acc], 1) == reduce(1..60, [#acc, #acc], 1)");
    stops("reduce(1..60, {{a: #acc, b: #acc}}, 1) == reduce(1..60, {{a: #acc, b: #acc}}, 1)");
    stops("mean(reduce(1..60, [#acc, #acc], 1))");
    stops("max(reduce(1..60, [#acc, #acc], 1))");
    stops("reduce(1..60, [#acc, #acc], 1) | uniq() | flatten() | len() > 0 ? 1..999998 | sum(# + 1) : 1");
    ends("groupBy(items, reduce(1..60, [#acc, #acc], 1))");
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
    ends("'x' matches repeat('a?', 50000) + repeat('a', 50000)");
    ends("any(items, text matches '(a{0,' + string(# % 90) + '}){90}b')");
    ends("text matches '(?i)(\\\\pL{50}){50}'");
    ends("count(items, text matches '(.*)(.*)(.*)b')");
    let digits = "let d = join(map(1..40000, string(# * # % 7)), '');";
    for pattern in [
        "[0-3]{0,300}[0-9]{300}x",
        "(.*?[0-3].{300}){5}x",
        "([0-3].{500}|[2-5].{400})x",
        "[0-3].{3000}x",
        "(.{900}){200}x",
    ] {
        ends(format!("{digits} d matches '{pattern}'"));
        ends(format!("{digits} any(items, d matches '{pattern}' + string(#))"));
    }
    ends("count(items, text matches '(.*)(.*)(.*)[' + string(#) + 'b]')");
}
