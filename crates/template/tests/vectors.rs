//! Cases recorded from Go, sprig and slim-sprig: the same output to the byte, the same refusals in the same words.
//!
//! `GATEPOST_VECTORS=<dir>` reads other cases of the same layout (`<dir>/templates/*.jsonl`).
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use gatepost_template::{Error, MissingKey, Profile, Stage, Template};
use gatepost_value::{CallContext, Limits};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

/// A deliberate difference from Go: which cases it covers, why, and what happens there instead.
struct Exception {
    reason: &'static str,
    covers: fn(&Case) -> bool,
    better: fn(&Case) -> bool,
}

const EXCEPTIONS: &[Exception] = &[
    Exception {
        reason: "functions that make keys, hash passwords or ask DNS are off until switched on",
        covers: |case| case.template().is_ok_and(|t| t.paths().functions.iter().any(|name| case.is_costly(name))),
        better: |case| case.render().is_err_and(|e| e.to_string().contains("set templates.costlyFunctions to true")),
    },
    Exception {
        reason: "Go's sortAlpha sorts the []string of the data in place; here data never change",
        covers: |case| case.calls("sortAlpha") && case.0["data"].to_string().contains("\"[]string\""),
        better: |case| {
            let data = support::decode(&case.0["data"]);
            let before = format!("{data:?}");
            let render = |context: &CallContext<'_>| case.template()?.render(&data, context, &mut Vec::new());
            support::with_context(Case::limits(), render).is_ok() && format!("{data:?}") == before
        },
    },
    Exception {
        reason: "complex numbers are refused: no function takes one",
        covers: |case| case.template().is_err_and(|e| e.to_string().contains("complex numbers")),
        better: |case| case.template().is_err_and(|e| e.stage() == Stage::Parse),
    },
];

struct Case(Json);

impl Case {
    fn field(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Json::as_str)
    }
    fn profile(&self) -> &'static Profile {
        match self.field("funcs") {
            Some("promoter") => Profile::gates(),
            Some("none") => Profile::builtins_only(),
            _ => Profile::notifications(),
        }
    }
    fn calls(&self, name: &str) -> bool {
        self.template().is_ok_and(|template| template.paths().functions.contains(name))
    }
    fn is_costly(&self, name: &str) -> bool {
        self.profile().get(name).is_some_and(|spec| spec.costly)
    }
    fn limits() -> Limits {
        Limits { time: Duration::from_secs(20), ..Limits::default() }
    }
    fn template(&self) -> Result<Template, Error> {
        let missing = match self.field("missingkey") {
            Some("zero") => MissingKey::Zero,
            Some("error") => MissingKey::Error,
            _ => MissingKey::Default,
        };
        let template = Template::parse("t", self.field("template").unwrap(), self.profile(), &Self::limits())?;
        Ok(template.with_missing_key(missing))
    }
    fn render(&self) -> Result<String, Error> {
        let template = self.template()?;
        let data = support::decode(self.0.get("data").unwrap_or(&Json::Null));
        let mut out = Vec::new();
        let render = |context: &CallContext<'_>| template.render(&data, context, &mut out);
        support::with_context(Self::limits(), render)?;
        Ok(as_recorded(&out))
    }
    /// Why the case fails; `None` where it passes.
    fn complaint(&self) -> Option<String> {
        match (self.render(), self.field("output"), self.field("error")) {
            (Ok(got), Some(want), _) if got == want => None,
            (Ok(got), Some(want), _) => Some(format!("wrote {got:?}\n  want  {want:?}")),
            (Ok(got), None, _) => Some(format!("wrote {got:?}\n  want  error {:?}", self.field("error_contains"))),
            (Err(error), None, Some(stage)) => self.judge(&error, stage),
            (Err(error), want, _) => Some(format!("failed {error}\n  want  {want:?}")),
        }
    }
    fn judge(&self, error: &Error, stage: &str) -> Option<String> {
        let at = if error.stage() == Stage::Parse { "parse" } else { "exec" };
        let cause = error.cause().to_string();
        let fits = self.field("error_contains").is_none_or(|part| cause.contains(part));
        let want = self.field("error_contains");
        (at != stage || !fits).then(|| format!("{at} error {cause:?}\n  want {stage} error {want:?}"))
    }
    /// Whether the error is at the recorded position; `None` where none is recorded.
    fn placed(&self) -> Option<bool> {
        let want = self.field("position")?;
        Some(self.render().err().is_some_and(|error| error.position() == want))
    }
}

/// Output as Go's JSON records it: each byte that is not UTF-8 is one U+FFFD.
fn as_recorded(out: &[u8]) -> String {
    let chunk = |chunk: std::str::Utf8Chunk<'_>| {
        let mut text = chunk.valid().to_owned();
        text.extend(chunk.invalid().iter().map(|_| '\u{FFFD}'));
        text
    };
    out.utf8_chunks().map(chunk).collect()
}

fn cases() -> Vec<Case> {
    let root = std::env::var("GATEPOST_VECTORS")
        .map_or_else(|_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors"), PathBuf::from);
    let folder = root.join("templates");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("no vectors in {}: {e}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "jsonl"));
    files.sort();
    let read = |path| std::fs::read_to_string(path).unwrap();
    let lines: Vec<String> = files.iter().map(read).collect();
    lines.iter().flat_map(|text| text.lines()).map(|line| Case(serde_json::from_str(line).unwrap())).collect()
}

#[test]
fn templates_render_as_in_go() {
    let cases = cases();
    assert!(!cases.is_empty(), "no cases");
    let mut excepted: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut passed, mut placed, mut places) = (0, 0, 0);
    let mut failures = String::new();
    for case in &cases {
        let complaint = case.complaint();
        let exception = complaint.as_ref().and_then(|_| EXCEPTIONS.iter().find(|rule| (rule.covers)(case)));
        match (complaint, exception) {
            (None, _) => passed += 1,
            (Some(_), Some(rule)) if (rule.better)(case) => *excepted.entry(rule.reason).or_default() += 1,
            (Some(complaint), _) => {
                failures += &format!("{}: {:?}\n  {complaint}\n", case.field("id").unwrap(), case.field("template"));
            }
        }
        if let Some(right) = case.placed() {
            places += 1;
            placed += usize::from(right);
        }
    }
    let held: usize = excepted.values().sum();
    let mut out = std::io::stdout();
    writeln!(out, "{failures}\n{} of {} cases pass", passed + held, cases.len()).unwrap();
    for (reason, count) in &excepted {
        writeln!(out, "  {count} by exception: {reason}").unwrap();
    }
    writeln!(out, "{placed} of {places} errors are at Go's line and column").unwrap();
    assert!(failures.is_empty(), "{} cases fail", cases.len() - passed - held);
}
