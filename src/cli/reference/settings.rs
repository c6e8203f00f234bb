//! `docs/reference/settings.md`, of the file that holds the defaults and the reason of each.

use super::{code, head, plain, row, same_as_written};
use crate::settings::DEFAULTS;
use std::fmt::Write as _;

const HEAD: &str = "<!-- Made of config/gatepost.toml by `make reference`. -->
# Settings

One file, in TOML or YAML: `gatepost serve --config gatepost.toml` or `GATEPOST_CONFIG`. What it does not name has the default below.
A variable of the environment is stronger than the file; the parts of a list are parted by commas. A setting that does not exist is refused, with the one that is meant.
`gatepost config print` shows what is in force, and where each value comes from.

In the chart, `settings` takes the same keys as YAML.
";

/// A section of the file.
#[derive(Default)]
struct Section {
    name: String,
    why: Vec<String>,
    keys: Vec<Key>,
}

/// A key with what stands above it.
struct Key {
    name: String,
    default: String,
    comment: Vec<String>,
}

/// The sections of the defaults. The first comment of the file is about the file.
fn sections(text: &str) -> Vec<Section> {
    let (mut all, mut comment) = (Vec::<Section>::new(), Vec::new());
    for line in text.lines() {
        if let Some(said) = line.strip_prefix('#') {
            comment.push(said.trim().to_owned());
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let why = std::mem::take(&mut comment);
            all.push(Section { name: name.to_owned(), why, keys: Vec::new() });
        } else if let Some((name, default)) = line.split_once(" = ") {
            let comment = std::mem::take(&mut comment);
            let key = Key { name: name.to_owned(), default: default.to_owned(), comment };
            all.last_mut().unwrap().keys.push(key);
        } else if all.is_empty() {
            comment.clear();
        }
    }
    all
}

/// Whether a line of a comment is an example of the file, and no sentence.
fn is_example(line: &str) -> bool {
    let names_a_key = line.split_once(" = ").is_some_and(|(name, _)| name.chars().all(char::is_alphanumeric));
    line.starts_with('[') || names_a_key
}

/// Sentences and examples of a comment.
fn told(comment: &[String]) -> (String, Vec<&String>) {
    let (examples, sentences): (Vec<_>, Vec<_>) = comment.iter().partition(|line| is_example(line));
    (sentences.iter().map(|line| line.as_str()).collect::<Vec<_>>().join(" "), examples)
}

fn variable(section: &str, key: &str) -> String {
    format!("GATEPOST_{}__{}", section.replace('.', "__"), key).to_uppercase()
}

fn section(out: &mut String, section: &Section) {
    writeln!(out, "\n## {}", section.name).unwrap();
    let (why, mut examples) = told(&section.why);
    if !why.is_empty() {
        writeln!(out, "{}", plain(&why)).unwrap();
    }
    if !section.keys.is_empty() {
        head(out, &["key", "default", "environment", "what and why"]);
    }
    for key in &section.keys {
        let (why, shown) = told(&key.comment);
        // A list of tables has no form that a variable could have.
        let is_of_tables = shown.iter().any(|line| line.starts_with("[["));
        let variable = if is_of_tables { "".to_owned() } else { code(&variable(&section.name, &key.name)) };
        let why = if why.is_empty() { "as the one above".to_owned() } else { plain(&why) };
        row(out, &[&code(&key.name), &code(&key.default), &variable, &why]);
        examples.extend(shown);
    }
    if !examples.is_empty() {
        let text = examples.iter().map(|line| line.as_str()).collect::<Vec<_>>().join("\n");
        writeln!(out, "\n```toml\n{text}\n```").unwrap();
    }
}

#[test]
fn the_page_of_the_settings_says_what_the_defaults_say() {
    let mut page = HEAD.to_owned();
    let all = sections(DEFAULTS);
    all.iter().for_each(|one| section(&mut page, one));
    assert!(all.iter().map(|one| one.keys.len()).sum::<usize>() > 40, "the keys were found");
    same_as_written("settings.md", &page);
}

#[test]
fn every_key_has_a_reason() {
    for section in sections(DEFAULTS) {
        // One comment may be for several keys.
        let first = section.keys.first().map(|key| told(&key.comment).0);
        assert_ne!(first.as_deref(), Some(""), "{}", section.name);
    }
}
