//! Runs the expression vectors: each case has to give the recorded result or an error of the recorded kind.
//!
//! `GATEPOST_VECTORS` names another folder with the same layout. Places of errors are a second figure.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod gates_types;
mod support;

use gatepost_expr::{CompileOptions, Error, ErrorKind, Program};
use gatepost_value::{Budget, Value, fmt};
use serde_json::Value as Json;
use std::io::Write;
use std::path::PathBuf;
use support::{codec, context, environment::environment, wide};

const MODES: [&str; 3] = ["plain", "notifications", "gates"];

/// What a case came to.
enum Got {
    Value(Value),
    Error { kind: &'static str, error: Option<Error>, message: String },
}

#[derive(Default)]
struct Figures {
    cases: usize,
    pass: usize,
    places: usize,
    places_right: usize,
    failures: Vec<String>,
}

fn folder() -> PathBuf {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors");
    std::env::var_os("GATEPOST_VECTORS").map_or_else(default, PathBuf::from).join("expressions")
}

fn failed(error: Error) -> Got {
    let kind = if error.kind == ErrorKind::Compile { "compile" } else { "runtime" };
    Got::Error { kind, message: error.message.clone(), error: Some(error) }
}

fn evaluate(case: &Json) -> Got {
    let field = |name: &str| case[name].as_str().unwrap_or_default();
    let (mode, using) = (field("mode"), field("use"));
    let text = if mode == "notifications" && field("expr").is_empty() { "false" } else { field("expr") };
    let options = CompileOptions { as_bool: mode == "gates" && using == "trigger", limits: wide() };
    let program = match Program::compile(text, &options) {
        Ok(program) => program,
        Err(error) => {
            // Limits of depth are ours; where Go has no limit, a recorded result shows it.
            return match failed(error) {
                Got::Error { error, message, .. } => Got::Error { kind: "compile", error, message },
                value => value,
            };
        }
    };
    let budget = Budget::new(wide());
    let random = |_: &mut [u8]| {};
    match program.run(&environment(mode, using, &case["env"]), &context(&budget, &random)) {
        Ok(value) => judge(mode, using, value),
        Err(error) => failed(error),
    }
}

/// What the caller makes of the value's type.
fn judge(mode: &str, using: &str, value: Value) -> Got {
    let boolean = matches!(value, Value::Bool(_));
    let type_name = fmt::type_name(&value);
    let map = type_name == "map[string]interface {}";
    let wanted = match (mode, using) {
        ("gates", "trigger") if !boolean => "bool",
        ("gates", "success") if !boolean && !map => "bool or map",
        ("gates", "trigger-data" | "success-data" | "response-data") if !map => "map",
        _ => return Got::Value(value),
    };
    Got::Error { kind: "result", error: None, message: format!("must return {wanted}, got {type_name}") }
}

fn check(case: &Json, figures: &mut Figures) {
    figures.cases += 1;
    let complaint = match (evaluate(case), case.get("error")) {
        (Got::Value(value), None) => check_value(case, &value),
        (Got::Error { kind, error, message }, Some(want)) if want["kind"] == kind => {
            check_place(case, want, error.as_ref(), &message, figures);
            None
        }
        (Got::Value(value), Some(want)) => Some(format!("want {want}, got {}", codec::encode(&value))),
        (Got::Error { kind, message, .. }, Some(want)) => Some(format!("want {want}, got {kind}: {message}")),
        (Got::Error { kind, message, .. }, None) => Some(format!("want {}, got {kind}: {message}", case["result"])),
    };
    match complaint {
        None => figures.pass += 1,
        Some(complaint) => figures.failures.push(format!("{} {}: {complaint}", case["id"], case["expr"])),
    }
}

fn check_value(case: &Json, value: &Value) -> Option<String> {
    let got = codec::encode(value);
    let unordered = case["unordered"].as_bool().unwrap_or_default();
    if !codec::same(&case["result"], &got, unordered) {
        return Some(format!("want {}, got {got}", case["result"]));
    }
    let text = fmt::sprint_v(value).to_string();
    match case.get("text").and_then(Json::as_str) {
        Some(want) if !unordered && want != text => Some(format!("want text {want:?}, got {text:?}")),
        _ => None,
    }
}

fn check_place(case: &Json, want: &Json, error: Option<&Error>, message: &str, figures: &mut Figures) {
    let (Some(line), Some(column)) = (want["line"].as_u64(), want["column"].as_u64()) else { return };
    figures.places += 1;
    let got = error.and_then(|error| error.position).map(|at| (u64::from(at.line), u64::from(at.column)));
    let verbose = std::env::var_os("GATEPOST_VECTORS_VERBOSE").is_some();
    if got == Some((line, column)) {
        figures.places_right += 1;
    } else if verbose {
        eprintln!("place {} {}: want {line}:{column}, got {got:?}", case["id"], case["expr"]);
    }
    if verbose && want["message"] != message {
        eprintln!("words {} {}: want {}, got {message:?}", case["id"], case["expr"], want["message"]);
    }
}

#[test]
fn expressions() {
    let mut figures = Figures::default();
    for mode in MODES {
        let file = folder().join(format!("{mode}.jsonl"));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            check(&serde_json::from_str(line).unwrap(), &mut figures);
        }
    }
    let Figures { cases, pass, places, places_right, failures } = figures;
    let report = format!("{pass} of {cases} cases pass\n{places_right} of {places} error places agree\n");
    std::io::stdout().write_all(report.as_bytes()).unwrap();
    assert!(cases > 0, "no cases in {}", folder().display());
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
}
