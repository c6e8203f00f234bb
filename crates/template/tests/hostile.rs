//! Templates that want too much: each ends within a second of processor time and 256 MiB, on a small stack, with an error
//! that names the limit.
//!
//! Each case runs in a process of its own (this test binary, called for one case), so that its peak of memory is its own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod hostile_cases;
mod support;

use gatepost_template::{Error, Profile, Template};
use gatepost_value::{Limits, Str, Value};
use hostile_cases::{Case, End, cases};
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

/// What an async runtime gives its threads.
const STACK: usize = 2 << 20;
/// Processor time from the parsing on, until all of it is dropped again.
const SECONDS: f64 = 1.0;
const KIBIBYTES: u64 = 256 << 10;
/// Names the case that the process is for.
const CASE: &str = "GATEPOST_HOSTILE_CASE";

fn render(text: &str, limits: Limits) -> Result<Vec<u8>, Error> {
    let template = Template::parse("t", text, Profile::notifications(), &limits)?;
    let mut out = Vec::new();
    let list = Value::list((0..1000).map(Value::int64).collect());
    let data = Value::map(vec![(Str::from_static("list"), list)]);
    support::with_context(limits, |context| template.render(&data, context, &mut out))?;
    Ok(out)
}

/// Renders on a small stack.
fn attempt(text: String) -> Result<Vec<u8>, Error> {
    let run = move || render(&text, Limits::default());
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(run).unwrap();
    thread.join().expect("the render must not panic")
}

/// Processor time so far, and the peak of resident memory.
#[cfg(target_os = "linux")]
fn used() -> (f64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // Fields 14 and 15 of proc(5), in hundredths of a second.
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    (ticks / 100.0, peak.trim().trim_end_matches(" kB").parse().unwrap())
}
#[cfg(not(target_os = "linux"))]
fn used() -> (f64, u64) {
    (0.0, 0)
}

/// Why the end of a case is not the one it must have.
fn complaint(case: &Case, result: &Result<Vec<u8>, Error>) -> Option<String> {
    match (case.end, result) {
        (End::Any, _) => None,
        (End::Limit, Err(error)) if error.limit().is_some() => None,
        (End::Says(words), Err(error)) if error.to_string().contains(words) => None,
        (wanted, Ok(out)) => Some(format!("rendered {} bytes, wanted {wanted:?}", out.len())),
        (wanted, Err(error)) => {
            let text: String = error.to_string().chars().rev().take(200).collect();
            Some(format!("…{}, wanted {wanted:?}", text.chars().rev().collect::<String>()))
        }
    }
}

/// What the process for one case does; nothing in the run of all tests.
#[test]
fn one_case() {
    let Ok(name) = std::env::var(CASE) else { return };
    let case = cases().into_iter().find(|case| case.name == name).unwrap();
    let (before, _) = used();
    let result = attempt(case.text.clone());
    let complaint = complaint(&case, &result);
    drop(result);
    let (seconds, kibibytes) = used();
    let slow = (seconds - before > SECONDS).then(|| format!("took {} s", seconds - before));
    let large = (kibibytes > KIBIBYTES).then(|| format!("needed {} MiB", kibibytes >> 10));
    let complaints: Vec<String> = [complaint, slow, large].into_iter().flatten().collect();
    assert!(complaints.is_empty(), "HOSTILE {name}: {}", complaints.join("; "));
}

#[test]
fn every_hostile_template_ends_soon_and_small() {
    let mut failures = String::new();
    let cases = cases();
    for case in &cases {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let child = command.args(["--exact", "one_case", "--nocapture"]).env(CASE, &case.name).output().unwrap();
        if !child.status.success() {
            let said = String::from_utf8_lossy(&child.stderr).into_owned();
            let line = said.lines().find(|line| line.contains("HOSTILE")).unwrap_or("the process died").to_owned();
            failures += &format!("{}: {line}\n", case.name);
        }
    }
    writeln!(std::io::stdout(), "{} hostile templates", cases.len()).unwrap();
    assert!(failures.is_empty(), "{failures}");
}

fn nested(depth: usize, open: &str, middle: &str, close: &str) -> String {
    format!("{}{middle}{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn the_limit_that_was_hit_is_named() {
    let limit = |text: String| attempt(text).unwrap_err().limit().unwrap().limit;
    assert_eq!(limit(format!("{{{{{}}}}}", nested(2_000, "(", "1", ")"))), "parse_depth");
    assert_eq!(limit("{{define \"r\"}}{{template \"r\" .}}{{end}}{{template \"r\" .}}".to_owned()), "depth");
    assert_eq!(limit("{{repeat 1000000000 \"x\"}}".to_owned()), "call_bytes");
    let error = attempt("{{repeat 1000000000 \"x\"}}".to_owned()).unwrap_err();
    assert!(error.to_string().contains("limit `call_bytes` exceeded (allowed: 1048576)"), "{error}");
}

#[test]
fn deepest_that_is_allowed() {
    let calls = format!("{{{{{}}}}}", nested(990, "(not ", "1", ")"));
    assert_eq!(attempt(calls).unwrap(), b"true");
    let blocks = nested(990, "{{if 1}}", "x", "{{end}}");
    assert_eq!(attempt(blocks).unwrap(), b"x");
    let loops = nested(990, "{{range slice .list 0 1}}", "x", "{{end}}").replace(".list", "$.list");
    assert_eq!(attempt(loops).unwrap(), b"x");
    let chains = format!("{{{{len {}.list}}}}", nested(990, "(", "$", ")"));
    assert_eq!(attempt(chains).unwrap(), b"1000");
}

#[test]
fn time_runs_out_between_steps() {
    let limits = Limits { time: Duration::ZERO, ..Limits::default() };
    assert_eq!(render("{{range 100000}}{{end}}", limits).unwrap_err().limit().unwrap().limit, "time");
}
