//! The documents: every link leads somewhere, every YAML, TOML and JSON block can be read, and every page is in the book.

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

/// Code blocks of a language, with the line they begin at.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let (mut current, mut found) = (None::<(usize, bool, String)>, Vec::new());
    for (number, line) in text.lines().enumerate() {
        match (&mut current, line.trim_start().strip_prefix("```")) {
            (None, Some(named)) => current = Some((number + 1, named.trim() == language, String::new())),
            (Some(_), Some(_)) => {
                let (begin, wanted, block) = current.take().unwrap();
                if wanted {
                    found.push((begin, block));
                }
            }
            (Some((_, _, block)), None) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    found
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
