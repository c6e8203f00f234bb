//! Asks Go's expr and this crate about the same random expressions and reports where they disagree.
//!
//! `cargo run -p gatepost-expr --example differential -- --oracle PATH [--count N] [--seed N] [--show N] [--out FILE]`, or
//! `--cases FILE` with JSON lines `{expr, env}` of one's own. How to build the oracle stands in
//! `fuzz/differential/expr/README.md`. Same seed, same expressions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code, missing_docs)]
#[path = "../tests/support/codec.rs"]
mod codec;
#[path = "differential/grammar.rs"]
mod grammar;
#[path = "differential/random.rs"]
mod random;
#[path = "differential/samples.rs"]
mod samples;
#[path = "differential/words.rs"]
mod words;

use gatepost_expr::{CompileOptions, ErrorKind, Program};
use gatepost_value::{Budget, CallContext, Limits, Location, Time};
use serde_json::{Value as Json, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A fixed moment: no case may depend on the clock.
const NOW: i64 = 1_795_262_400;
const CHUNK: u64 = 2_000;

struct Options {
    count: u64,
    seed: u64,
    show: usize,
    oracle: String,
    out: String,
    /// A file of cases instead of random ones.
    cases: String,
}

#[derive(Default)]
struct Figures {
    cases: u64,
    values: u64,
    runtime: u64,
    compile: u64,
    places_off: u64,
    volatile: u64,
    differences: Vec<String>,
}

fn options() -> Options {
    let mut options = Options {
        count: 10_000,
        seed: 1,
        show: 20,
        oracle: String::new(),
        out: "differences.jsonl".to_owned(),
        cases: String::new(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(name) = words.next() {
        let value = words.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--count" => options.count = value.parse().expect("--count takes a number"),
            "--seed" => options.seed = value.parse().expect("--seed takes a number"),
            "--show" => options.show = value.parse().expect("--show takes a number"),
            "--oracle" => options.oracle = value,
            "--out" => options.out = value,
            "--cases" => options.cases = value,
            _ => panic!("unknown argument {name}: use --count, --seed, --show, --oracle, --out, --cases"),
        }
    }
    assert!(!options.oracle.is_empty(), "--oracle PATH is missing: the Go program to ask");
    options
}

/// Wide limits: ours lie below Go's on purpose, and that is not what is compared here.
fn wide() -> Limits {
    Limits {
        steps: 100_000_000,
        time: Duration::from_secs(60),
        call_bytes: 256 << 20,
        live_bytes: 1 << 30,
        ..Limits::default()
    }
}

fn failed(error: &gatepost_expr::Error, compiling: bool) -> Json {
    let kind = if compiling || error.kind == ErrorKind::Compile { "compile" } else { "runtime" };
    let place = error.position.filter(|_| !error.snippet.is_empty());
    match place {
        Some(at) => {
            json!({"error": {"kind": kind, "message": error.message, "line": at.line, "column": at.column}})
        }
        None => json!({"error": {"kind": kind, "message": error.message}}),
    }
}

fn ours(case: &Json) -> Json {
    let text = case["expr"].as_str().unwrap();
    let program = match Program::compile(text, &CompileOptions { as_bool: false, limits: wide() }) {
        Ok(program) => program,
        Err(error) => return failed(&error, true),
    };
    let budget = Budget::new(wide());
    let random = |_: &mut [u8]| {};
    let now = Time::unix(NOW, 0);
    let context = CallContext { budget: &budget, now, local: Location::Utc, random: &random, costly: false };
    match program.run(&codec::decode(&case["env"], false), &context) {
        Ok(value) => json!({"result": codec::encode(&value)}),
        Err(error) => failed(&error, false),
    }
}

/// Go's answers, in the order of the questions.
fn theirs(oracle: &str, cases: &[Json]) -> Vec<Json> {
    let mut child = Command::new(oracle)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start the oracle {oracle}: {error}"));
    let mut input = child.stdin.take().unwrap();
    let questions: String = cases.iter().map(|case| format!("{case}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(questions.as_bytes()));
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let answers: Vec<Json> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    writer.join().unwrap().expect("the oracle stopped reading");
    child.wait().unwrap();
    assert_eq!(answers.len(), cases.len(), "the oracle stopped before the last question");
    answers
}

fn agree(want: &Json, got: &Json) -> bool {
    match (want.get("error"), got.get("error")) {
        (Some(want), Some(got)) => want["kind"] == got["kind"],
        (None, None) => codec::same(&want["result"], &got["result"], want["unordered"] == true),
        _ => false,
    }
}

fn place(answer: &Json) -> (&Json, &Json) {
    (&answer["error"]["line"], &answer["error"]["column"])
}

fn compare(case: &Json, want: &Json, figures: &mut Figures) {
    figures.cases += 1;
    if want["volatile"] == true {
        figures.volatile += 1;
        return;
    }
    let got = ours(case);
    if !agree(want, &got) {
        figures
            .differences
            .push(json!({"expr": case["expr"], "go": want, "ours": got, "env": case["env"]}).to_string());
        return;
    }
    match want["error"]["kind"].as_str() {
        None => figures.values += 1,
        Some("compile") => figures.compile += 1,
        Some(_) => figures.runtime += 1,
    }
    if place(want) != place(&got) {
        figures.places_off += 1;
    }
}

fn print(options: &Options, figures: &Figures) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    for line in figures.differences.iter().take(options.show) {
        let case: Json = serde_json::from_str(line)?;
        writeln!(out, "{}\n  go   {}\n  ours {}", case["expr"], case["go"], case["ours"])?;
    }
    let Figures { cases, values, runtime, compile, places_off, volatile, differences } = figures;
    writeln!(out, "cases {cases}, agreed {}", values + runtime + compile)?;
    writeln!(out, "  values {values}, runtime errors {runtime}, compile errors {compile}")?;
    writeln!(out, "  of the errors {places_off} at another place")?;
    writeln!(out, "skipped {volatile}: Go itself answers differently each time")?;
    writeln!(out, "differences {} (all in {})", differences.len(), options.out)
}

/// The cases, a chunk at a time: made by the seed or read from the file.
fn chunks(options: &Options) -> Box<dyn Iterator<Item = Vec<Json>> + '_> {
    if options.cases.is_empty() {
        let starts = (0..options.count).step_by(usize::try_from(CHUNK).unwrap());
        let end = move |start: u64| (start + CHUNK).min(options.count);
        return Box::new(
            starts.map(move |start| (start..end(start)).map(|number| grammar::case(options.seed, number)).collect()),
        );
    }
    let text = std::fs::read_to_string(&options.cases)
        .unwrap_or_else(|error| panic!("cannot read the cases in {}: {error}", options.cases));
    let cases: Vec<Json> =
        text.lines().map(|line| serde_json::from_str(line).expect("a case is a line of JSON")).collect();
    let size = usize::try_from(CHUNK).unwrap();
    let chunks: Vec<Vec<Json>> = cases.chunks(size).map(<[Json]>::to_vec).collect();
    Box::new(chunks.into_iter())
}

fn main() {
    let options = options();
    let mut figures = Figures::default();
    for cases in chunks(&options) {
        for (case, want) in cases.iter().zip(theirs(&options.oracle, &cases)) {
            compare(case, &want, &mut figures);
        }
    }
    std::fs::write(&options.out, figures.differences.iter().map(|line| format!("{line}\n")).collect::<String>())
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", options.out));
    print(&options, &figures).expect("cannot write the report");
}
