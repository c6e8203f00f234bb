//! The documents: every link leads somewhere, every YAML, TOML and JSON block can be read, every page is in the book, the examples
//! give what they say, and the messages that are explained are those that there are.

mod admission;
mod examples;
mod messages;
mod walk;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every tracked Markdown file of the product.
fn pages() -> Vec<PathBuf> {
    let listed = std::process::Command::new("git").args(["ls-files", "*.md"]).current_dir(ROOT).output().unwrap();
    assert!(listed.status.success(), "git lists the documents");
    let text = String::from_utf8(listed.stdout).unwrap();
    let pages: Vec<_> = text.lines().map(|line| Path::new(ROOT).join(line)).filter(|path| path.exists()).collect();
    assert!(pages.len() > 20, "the documents were found");
    pages
}

/// A heading's anchor, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

fn anchors(page: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(page).unwrap();
    text.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#'))).collect()
}

/// Targets of `[text](target)` outside code.
fn links(text: &str) -> Vec<String> {
    let (mut inside, mut found) = (false, Vec::new());
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        }
        if inside {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for (at, _) in prose.match_indices("](") {
            let rest = &prose[at + 2..];
            found.extend(rest.find(')').map(|end| rest[..end].to_owned()));
        }
    }
    found
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        for link in links(&std::fs::read_to_string(&page).unwrap()) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, part) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            if !target.exists() || (!part.is_empty() && !anchors(&target).contains(part)) {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "these lead nowhere: {broken:#?}");
}

/// A fenced block.
struct Block {
    /// The line that it begins at.
    line: usize,
    /// What stands behind the fence: a language, and what the block is for.
    info: String,
    text: String,
}

/// The fenced blocks of a page.
fn fenced(text: &str) -> Vec<Block> {
    let (mut current, mut found) = (None::<Block>, Vec::new());
    for (number, line) in text.lines().enumerate() {
        match (&mut current, line.trim_start().strip_prefix("```")) {
            (None, Some(info)) => {
                current = Some(Block { line: number + 1, info: info.trim().to_owned(), text: String::new() });
            }
            (Some(_), Some(_)) => found.extend(current.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// Code blocks of a language, with the line they begin at.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let of_language = |block: &Block| block.info.split(' ').next() == Some(language);
    fenced(text).into_iter().filter(of_language).map(|block| (block.line, block.text)).collect()
}

#[test]
fn every_block_of_a_data_language_can_be_read() {
    use serde::Deserialize as _;
    let mut read = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for (line, block) in blocks(&text, "yaml") {
            for document in serde_yaml_ng::Deserializer::from_str(&block) {
                let parsed = serde_json::Value::deserialize(document);
                assert!(parsed.is_ok(), "{}:{line}: {}", page.display(), parsed.unwrap_err());
                read += 1;
            }
        }
        for (line, block) in blocks(&text, "json") {
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(&block);
            assert!(parsed.is_ok(), "{}:{line}: {}", page.display(), parsed.unwrap_err());
            read += 1;
        }
    }
    assert!(read > 10, "{read} blocks were found");
}

#[test]
fn every_page_is_in_the_book() {
    let summary = Path::new(ROOT).join("docs/SUMMARY.md");
    let listed: BTreeSet<PathBuf> = links(&std::fs::read_to_string(&summary).unwrap())
        .iter()
        .map(|link| summary.parent().unwrap().join(link).canonicalize().unwrap())
        .collect();
    let docs = Path::new(ROOT).join("docs");
    let missing: Vec<_> = pages()
        .into_iter()
        .filter(|page| page.starts_with(&docs) && *page != summary)
        .filter(|page| !listed.contains(&page.canonicalize().unwrap()))
        .collect();
    assert!(missing.is_empty(), "not in docs/SUMMARY.md: {missing:?}");
}
