//! Renders random templates here and with Go, and tells where the two differ.
//!
//! `cargo run --release -p gatepost-template --example differential -- --oracle PATH [--count N] [--seed N] [--report FILE] [--cases FILE]`
//!
//! `--cases` compares the cases of a file (JSON lines, as the oracle reads them) in place of random ones.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod calls;
mod generate;
mod pools;
#[path = "../../tests/support/mod.rs"]
mod support;

use gatepost_template::{Error, MissingKey, Profile, Stage, Template};
use gatepost_value::{CallContext, Limits};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

const CHUNK: u64 = 2_000;
const SHOWN: usize = 20;

struct Arguments {
    count: u64,
    seed: u64,
    oracle: String,
    report: String,
    cases: Option<String>,
}

fn arguments() -> Arguments {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut words = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        found.insert(name, value);
    }
    let number = |name: &str, default: u64| found.get(name).map_or(default, |n| n.parse().expect("a number"));
    let text = |name: &str| found.get(name).cloned();
    Arguments {
        count: number("--count", 10_000),
        seed: number("--seed", 1),
        oracle: text("--oracle").expect("--oracle PATH: the program built in fuzz/differential/template/oracle"),
        report: text("--report").unwrap_or_else(|| "differences.txt".to_owned()),
        cases: text("--cases"),
    }
}

/// What one side made of a case.
enum Answer {
    Output(String),
    Failed { stage: String, text: String },
    Limit,
}

impl Answer {
    fn show(&self) -> String {
        match self {
            Self::Output(text) => format!("{text:?}"),
            Self::Failed { stage, text } => format!("{stage} error: {text}"),
            Self::Limit => "limit".to_owned(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Verdict {
    SameOutput,
    SameError,
    OverLimit,
    MapIntoItself,
    OtherOutput,
    OtherStage,
    OtherWords,
}

/// The text with every address the same: functions and pointers print theirs, and no two runs of Go agree.
fn without_addresses(text: &str) -> String {
    let mut parts = text.split("0x");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.find(|c: char| !matches!(c, '0'..='9' | 'a'..='f')).unwrap_or(part.len());
        out += "0x";
        out += if (6..13).contains(&digits) { &part[digits..] } else { part };
    }
    out
}

fn judge(ours: &Answer, go: &Answer) -> Verdict {
    match (ours, go) {
        (Answer::Limit, _) | (_, Answer::Limit) => Verdict::OverLimit,
        // Listed in the README: Go makes the loop and dies when it is printed.
        (Answer::Failed { text, .. }, _) if text.contains("cannot put a map into itself") => Verdict::MapIntoItself,
        (Answer::Output(a), Answer::Output(b)) if a == b || without_addresses(a) == without_addresses(b) => {
            Verdict::SameOutput
        }
        (Answer::Output(_), Answer::Output(_)) => Verdict::OtherOutput,
        (Answer::Failed { stage: a, text: x }, Answer::Failed { stage: b, text: y }) => {
            match (a == b, without_addresses(y).contains(&without_addresses(x))) {
                (true, true) => Verdict::SameError,
                (true, false) => Verdict::OtherWords,
                _ => Verdict::OtherStage,
            }
        }
        _ => Verdict::OtherStage,
    }
}

fn make(seed: u64) -> Json {
    let (name, profile) =
        if seed.is_multiple_of(3) { ("promoter", Profile::gates()) } else { ("argocd", Profile::notifications()) };
    let functions = generate::functions(profile);
    let mut generator = generate::Generator::new(seed, &functions);
    let data = generator.data();
    json!({"id": seed.to_string(), "template": generator.template(), "data": data, "funcs": name})
}

fn limits() -> Limits {
    Limits { time: Duration::from_secs(20), ..Limits::default() }
}

fn render(case: &Json) -> Result<String, Error> {
    let profile = match case["funcs"].as_str() {
        Some("promoter") => Profile::gates(),
        Some("none") => Profile::builtins_only(),
        _ => Profile::notifications(),
    };
    let missing = match case["missingkey"].as_str() {
        Some("zero") => MissingKey::Zero,
        Some("error") => MissingKey::Error,
        _ => MissingKey::Default,
    };
    let template =
        Template::parse("t", case["template"].as_str().unwrap(), profile, &limits())?.with_missing_key(missing);
    let data = support::decode(&case["data"]);
    let mut out = Vec::new();
    support::with_context(limits(), |context: &CallContext<'_>| template.render(&data, context, &mut out))?;
    // As Go's JSON records it: each byte that is not UTF-8 is one U+FFFD.
    let mut text = String::new();
    for chunk in out.utf8_chunks() {
        text += chunk.valid();
        text.extend(chunk.invalid().iter().map(|_| '\u{FFFD}'));
    }
    Ok(text)
}

fn ours(case: &Json) -> Answer {
    match render(case) {
        Ok(text) => Answer::Output(text),
        Err(error) if error.limit().is_some() => Answer::Limit,
        Err(error) => {
            let stage = if error.stage() == Stage::Parse { "parse" } else { "exec" };
            Answer::Failed { stage: stage.to_owned(), text: error.cause().to_string() }
        }
    }
}

fn go(line: &str) -> Answer {
    let answer: Json = serde_json::from_str(line).unwrap();
    match (answer["output"].as_str(), answer["stage"].as_str()) {
        (Some(text), _) => Answer::Output(text.to_owned()),
        (None, Some("limit")) => Answer::Limit,
        (None, stage) => {
            let text = answer["error"].as_str().unwrap_or_default().to_owned();
            Answer::Failed { stage: stage.unwrap_or_default().to_owned(), text }
        }
    }
}

/// Go's answers, in the order of the cases. A case that kills Go's process (a map put into itself) has no answer.
fn ask(oracle: &str, cases: &[Json]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while answers.len() < cases.len() {
        if !ask_once(oracle, &cases[answers.len()..], &mut answers) && answers.len() < cases.len() {
            answers.push(Answer::Limit);
        }
    }
    answers
}

fn ask_once(oracle: &str, cases: &[Json], answers: &mut Vec<Answer>) -> bool {
    let mut command = Command::new(oracle);
    command.args(["-max-output", "1048576", "-timeout", "5s"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the oracle runs");
    let mut input = child.stdin.take().unwrap();
    let text: String = cases.iter().map(|case| format!("{case}\n")).collect();
    // A killed process no longer reads; what it answered before counts.
    let writer = std::thread::spawn(move || drop(input.write_all(text.as_bytes())));
    answers.extend(BufReader::new(child.stdout.take().unwrap()).lines().map(|line| go(&line.unwrap())));
    writer.join().unwrap();
    child.wait().unwrap().success()
}

/// The cases, a chunk at a time.
fn chunks(arguments: &Arguments) -> Box<dyn Iterator<Item = Vec<Json>> + '_> {
    if let Some(path) = &arguments.cases {
        let text = std::fs::read_to_string(path).expect("the cases can be read");
        let cases: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).expect("a case a line")).collect();
        return Box::new(std::iter::once(cases));
    }
    let end = arguments.seed + arguments.count;
    let chunk = move |start: u64| (start..(start + CHUNK).min(end)).map(make).collect();
    Box::new((arguments.seed..end).step_by(CHUNK as usize).map(chunk))
}

fn main() {
    let arguments = arguments();
    let (mut counts, mut differences) = (BTreeMap::<Verdict, u64>::new(), Vec::new());
    for cases in chunks(&arguments) {
        for (case, go) in cases.iter().zip(ask(&arguments.oracle, &cases)) {
            let ours = ours(case);
            let verdict = judge(&ours, &go);
            *counts.entry(verdict).or_default() += 1;
            if verdict >= Verdict::OtherOutput {
                let [id, template, funcs] = ["id", "template", "funcs"].map(|key| &case[key]);
                let (here, there) = (ours.show(), go.show());
                differences.push(format!("{verdict:?} seed {id} {funcs} {template}\n  here {here}\n  go   {there}\n"));
            }
        }
    }
    std::fs::write(&arguments.report, differences.concat()).expect("the report can be written");
    let mut out = std::io::stdout();
    for difference in differences.iter().take(SHOWN) {
        write!(out, "{difference}").unwrap();
    }
    let (total, from) = (counts.values().sum::<u64>(), arguments.seed);
    let (differing, report) = (differences.len(), &arguments.report);
    writeln!(out, "{total} cases from seed {from}: {counts:?}; {differing} differences in {report}").unwrap();
}
