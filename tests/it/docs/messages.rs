//! The page of troubleshooting: every message that it quotes is one that Gatepost says, and what Gatepost says is on the page.
//!
//! A message is compared with the texts of the source: `…` on the page stands for what is filled in.

use super::{ROOT, fenced};
use gatepost::gate::approval::Phase;
use gatepost::outbox::delivery::{DeadReason, State};
use regex::Regex;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// What stands for something that is filled in, in the source and on the page.
const FILLED: char = '…';

/// Files whose errors are all on the page: those that users meet.
const EXPLAINED: [&str; 25] = [
    "src/settings.rs",
    "src/settings/auth.rs",
    "src/server/auth/posture.rs",
    "src/controller/identity/flow.rs",
    "src/controller/identity/people.rs",
    "src/outbox/store.rs",
    "src/outbox/seal.rs",
    "src/egress/request.rs",
    "src/egress/body.rs",
    "src/egress/headers.rs",
    "src/service/entity.rs",
    "src/service/mod.rs",
    "src/source/mod.rs",
    "src/source/repo_server/mod.rs",
    "src/server/callbacks/tls.rs",
    "src/gate/spec.rs",
    "src/gate/strategy.rs",
    "src/gate/application/spec.rs",
    "src/gate/web_request/error.rs",
    "src/controller/gate/ask/error.rs",
    "src/controller/gate/status.rs",
    "src/controller/approval/rollback.rs",
    "src/gate/approval/people.rs",
    "src/gate/approval/body.rs",
    "src/gate/approval/record.rs",
];

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

/// The Rust files below a folder without tests.
fn sources(folder: &str) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![Path::new(ROOT).join(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            match path.is_dir() {
                true => folders.push(path),
                false if name.ends_with(".rs") && !name.ends_with("tests.rs") => found.push(path),
                false => {}
            }
        }
    }
    found
}

/// A file up to the tests in it.
fn product(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    static TESTS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"#\[cfg\(test\)\]\nmod \w+ \{").unwrap());
    TESTS.splitn(&text, 2).next().unwrap_or_default().to_owned()
}

/// The texts of a Rust source, with `…` for what is filled in.
fn texts(source: &str) -> Vec<String> {
    static TOKEN: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r##"(?s)//[^\n]*|'(?:\\.[^']*|[^'\\])'|r#"(.*?)"#|"((?:[^"\\]|\\.)*)""##).unwrap());
    let found = TOKEN.captures_iter(source).filter_map(|found| {
        let raw = found.get(1).map(|text| text.as_str().to_owned());
        raw.or_else(|| found.get(2).map(|text| unescaped(text.as_str())))
    });
    found.map(|text| filled(&text)).collect()
}

fn unescaped(text: &str) -> String {
    static CONTINUED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\\\n\s*").unwrap());
    CONTINUED.replace_all(text, "").replace("\\n", "\n").replace("\\\"", "\"").replace("\\\\", "\\")
}

/// Places of a format string become `…`.
fn filled(text: &str) -> String {
    let text = text.replace("{{", "\u{1}").replace("}}", "\u{2}");
    static PLACE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{[^{}\n]*\}").unwrap());
    PLACE.replace_all(&text, "…").replace('\u{1}', "{").replace('\u{2}', "}")
}

/// Whether a text of the source may say a message: its parts are there in their order.
fn says(text: &str, message: &str) -> bool {
    let mut rest = text;
    message.split(FILLED).all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

/// What is quoted in the first column of the page's tables.
fn quoted(page: &str) -> Vec<String> {
    let mut prose = page.to_owned();
    fenced(page).iter().for_each(|block| prose = prose.replace(&block.text, ""));
    let cells = prose.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line[2..].split(" | ").next());
    let spans = cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2).map(|span| span.replace("\\|", "|")).collect::<Vec<_>>());
    spans.collect()
}

fn page() -> Vec<String> {
    let found = quoted(&read("docs/troubleshooting.md"));
    assert!(found.len() > 150, "{} messages were found", found.len());
    found
}

#[test]
fn every_message_that_is_explained_is_said_somewhere() {
    let files = ["src", "crates"].iter().flat_map(|folder| sources(folder));
    let all: BTreeSet<String> = files.flat_map(|path| texts(&product(&path))).collect();
    // As `filled` leaves them.
    let as_text = |message: &str| message.replace("{{", "{").replace("}}", "}");
    let is_said = |message: &String| match message.contains(' ') {
        true => all.iter().any(|text| says(text, &as_text(message))),
        false => all.contains(message),
    };
    let unsaid: Vec<_> = page().into_iter().filter(|message| !is_said(message)).collect();
    assert!(unsaid.is_empty(), "nothing in the source says {unsaid:#?}");
}

/// The texts of a file's errors.
fn errors(path: &str) -> Vec<String> {
    let source = product(&Path::new(ROOT).join(path));
    let begins = Regex::new(r#"#\[error\(\s*""#).unwrap();
    let of = |found: regex::Match<'_>| texts(&source[found.end() - 1..]).into_iter().next();
    begins.find_iter(&source).filter_map(of).collect()
}

#[test]
fn every_error_that_users_meet_is_explained() {
    let page = page();
    let has_words = |text: &str| text.chars().filter(|c| c.is_alphabetic()).count() > 9;
    let is_explained = |text: &String| page.iter().any(|message| has_words(message) && says(text, message));
    let mut missing = Vec::new();
    for path in EXPLAINED {
        let errors = errors(path);
        assert!(!errors.is_empty(), "{path} has no errors");
        missing
            .extend(errors.into_iter().filter(|text| has_words(text) && !is_explained(text)).map(|text| (path, text)));
    }
    assert!(missing.is_empty(), "docs/troubleshooting.md says nothing of {missing:#?}");
}

/// The words of `as_str` of a type.
fn words(path: &str, of: &str) -> Vec<String> {
    let source = read(path);
    let body = source.split(&format!("impl {of} {{")).nth(1).unwrap().split("\n}\n").next().unwrap();
    let word = Regex::new(r#"Self::\w+ => "([^"]+)""#).unwrap();
    word.captures_iter(body).map(|found| found[1].to_owned()).collect()
}

#[test]
fn every_reason_and_state_is_explained() {
    let page: BTreeSet<String> = page().into_iter().collect();
    let mut all = words("src/notify/model.rs", "Reason");
    assert!(all.len() > 20, "the reasons were found");
    all.extend(DeadReason::ALL.map(|reason| reason.as_str().to_owned()));
    all.extend(State::ALL.map(|state| state.as_str().to_owned()));
    let phases = [
        Phase::Requesting,
        Phase::Waiting,
        Phase::Succeeded,
        Phase::Failed,
        Phase::TimedOut,
        Phase::Superseded,
        Phase::Cancelled,
    ];
    all.extend(phases.map(|phase| phase.as_str().to_owned()));
    let missing: Vec<_> = all.into_iter().filter(|word| !page.contains(word)).collect();
    assert!(missing.is_empty(), "docs/troubleshooting.md says nothing of {missing:?}");
}

#[test]
fn every_event_is_explained() {
    let page: BTreeSet<String> = page().into_iter().collect();
    let word = Regex::new("^(?:[A-Z][a-z]+){2,}$").unwrap();
    // Kinds of objects, and what metrics call them.
    let kinds = ["AppProject", "ApplicationDeleted", "ConfigMap", "WebhookApproval"];
    let named =
        sources("src/controller/relay").into_iter().chain([Path::new(ROOT).join("src/controller/approval/keeping.rs")]);
    let mut all: BTreeSet<String> =
        named.flat_map(|path| texts(&product(&path))).filter(|text| word.is_match(text)).collect();
    let reason = Regex::new(r#"reason: "([A-Z]\w+)""#).unwrap();
    for path in sources("src/controller/gate").into_iter().chain(sources("src/gate")) {
        all.extend(reason.captures_iter(&product(&path)).map(|found| found[1].to_owned()));
    }
    assert!(all.len() > 15, "the Events were found: {all:?}");
    let missing: Vec<_> =
        all.into_iter().filter(|word| !page.contains(word) && !kinds.contains(&word.as_str())).collect();
    assert!(missing.is_empty(), "docs/troubleshooting.md says nothing of the Events {missing:?}");
}

#[test]
fn every_answer_of_the_callback_is_explained() {
    let page = page();
    let answer = Regex::new(r#"refusal\(\d+, "([^"]+)", "([^"]+)"\)"#).unwrap();
    let source = product(&Path::new(ROOT).join("src/gate/approval/answer.rs"));
    let all: Vec<String> = answer.captures_iter(&source).map(|found| found[2].to_owned()).collect();
    assert!(all.len() >= 5, "the answers were found");
    let missing: Vec<_> = all.iter().filter(|detail| !page.contains(detail)).collect();
    assert!(missing.is_empty(), "docs/troubleshooting.md says nothing of {missing:?}");
}

#[test]
fn texts_are_found_in_source() {
    let source = "let a = '\"'; // \"no\"\nlet b = \"x {name} {{y}} \\\n   z\"; let c = r#\"raw \"q\"\"#; let d: &'static str = \"d\";";
    assert_eq!(texts(source), ["x … {y} z", "raw \"q\"", "d"]);
    assert!(says("a … b c", "a … c") && says("whole text", "whole") && !says("a b", "b a") && !says("a b", "a … a"));
}
