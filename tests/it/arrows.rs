//! The arrows of the house may not turn: which room may use which, and what the pure rooms never mention.
//!
//! Read from the source text: every path that starts at the crate's root (`crate::room`, `super` climbing out of a room)
//! and every dependency of the inner crates. The rules are the tables below and nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Rooms of `src`, and the rooms each may use besides itself. Only what is listed here may exist.
const ROOMS: &[(&str, &[&[&str]])] = &[
    ("settings", &[]),
    ("telemetry", &[]),
    ("clock", &[]),
    ("any_certificate", &[]),
    ("failpoint", &[]),
    ("trace", &[]),
    ("notify", &[]),
    ("gate", &[]),
    // A service turns a rendered notification into a request: the request's types are egress's.
    ("service", &[PURE, LEAVES, &["egress"]]),
    ("outbox", &[PURE, LEAVES]),
    ("egress", &[PURE, LEAVES]),
    ("source", &[PURE, LEAVES]),
    ("coordination", &[PURE, LEAVES]),
    ("controller", &[PURE, LEAVES, WORKERS]),
    ("server", &[PURE, LEAVES, WORKERS, &["controller"]]),
    // `serve` is a command: it puts the house together, its server included.
    ("cli", &[PURE, LEAVES, WORKERS, &["controller", "server"]]),
];
const LEAVES: &[&str] = &["settings", "telemetry", "trace", "clock", "any_certificate", "failpoint"];
const PURE: &[&str] = &["notify", "gate"];
const WORKERS: &[&str] = &["service", "outbox", "egress", "source", "coordination"];

/// What the pure rooms never mention: crates that reach the world, the clock, and waiting.
const IMPURE: &[&str] = &["tokio", "kube", "reqwest", "sqlx", "rusqlite", "SystemTime", "async", "await"];

/// Crates under `crates/`, and the dependencies each must do without.
const CRATES: &[(&str, &[&str])] = &[
    ("value", &["gatepost-template", "gatepost-expr", "gatepost", "tokio", "kube"]),
    ("template", &["gatepost-expr", "gatepost", "tokio", "kube"]),
    ("expr", &["gatepost-template", "gatepost", "tokio", "kube"]),
];

#[test]
fn rooms_use_only_the_rooms_below_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut turned = Vec::new();
    for file in rust_files(&root) {
        let module = module_path(file.strip_prefix(&root).unwrap());
        // lib.rs and main.rs only name the rooms.
        if module.is_empty() {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        turned.extend(violations(&module, &text).into_iter().map(|why| format!("{}: {why}", file.display())));
    }
    assert!(turned.is_empty(), "arrows turned:\n{}", turned.join("\n"));
}

#[test]
fn inner_crates_depend_on_nothing_outward() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    for (name, forbidden) in CRATES {
        let manifest = std::fs::read_to_string(root.join(name).join("Cargo.toml")).unwrap();
        let wrong: Vec<_> = dependencies(&manifest).into_iter().filter(|d| forbidden.contains(&d.as_str())).collect();
        assert!(wrong.is_empty(), "crates/{name} depends on {wrong:?}");
    }
    let known: BTreeSet<_> = CRATES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let found = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(found.collect::<BTreeSet<_>>(), known, "a crate without a rule");
}

#[test]
fn a_turned_arrow_is_seen() {
    let caught = [
        ("notify", "use crate::outbox::Store;", "notify uses outbox"),
        ("outbox", "use crate::{clock, egress::{self, Request}};", "outbox uses egress"),
        ("outbox::store", "use super::super::egress;", "outbox uses egress"),
        ("outbox", "fn f() { crate::source::now() }", "outbox uses source"),
        ("gate", "mod tests { use super::super::cli; }", "gate uses cli"),
        ("server", "pub(in crate::cli) fn f() {}", "server uses cli"),
        ("clock", "use crate::settings;", "clock uses settings"),
        ("attic", "", "attic is no room"),
        ("notify", "use crate::attic::Box;", "notify uses attic"),
        ("notify", "let t = std::time::SystemTime::now();", "notify mentions SystemTime"),
        ("gate::http", "pub async fn f() {}", "gate mentions async"),
        ("gate", "use tokio;", "gate mentions tokio"),
        ("notify", "let c: kube::Client;", "notify mentions kube"),
    ];
    for (module, text, expected) in caught {
        let found = violations(&split(module), text);
        assert!(found.iter().any(|why| why.starts_with(expected)), "{module}: {text}: {found:?}");
    }
}

#[test]
fn a_right_arrow_is_left_alone() {
    let fine = [
        ("service", "use crate::{egress::Request, notify::{Reason, model}, settings};"),
        (
            "notify",
            "// use crate::outbox\n/* crate::cli /* nested */ */ let s = \"crate::outbox\"; let r = r#\"tokio::\"#;",
        ),
        ("notify", "use self::model::A; use super::notify::B; use crate::notify::C; let kube = 1; x.kube;"),
        ("gate", "mod tests { use super::*; use super::super::gate; mod deep { use super::super::x; } }"),
        ("gate::http", "use super::{state, phase}; let c = 'x'; let l: &'static str = \"a\\\"b crate::cli\";"),
        ("cli::serve", "use crate::{server, controller}; use gatepost_value::Value;"),
    ];
    for (module, text) in fine {
        assert_eq!(violations(&split(module), text), Vec::<String>::new(), "{module}: {text}");
    }
}

#[test]
fn dependencies_are_read_in_every_spelling() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na = \"1\"\nb.workspace = true # why\n\
                    [dependencies.c]\nversion = \"1\"\n[target.'cfg(unix)'.dependencies]\nd = { version = \"1\" }\n\
                    [dev-dependencies]\ntokio = \"1\"\n[features]\ne = []\n";
    assert_eq!(dependencies(manifest), ["a", "b", "c", "d"]);
}

/// Every rule that the text of the module `path` breaks, as a sentence.
fn violations(path: &[String], text: &str) -> Vec<String> {
    let room = path[0].as_str();
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{room} is no room: give it a line in tests/it/arrows.rs, or a place in another")];
    };
    let tokens = tokens(text);
    let used = rooms_used(path, &tokens);
    let mut found: Vec<_> = used
        .iter()
        .filter(|used| *used != room && !allowed.iter().any(|group| group.contains(&used.as_str())))
        .map(|used| format!("{room} uses {used}"))
        .collect();
    if PURE.contains(&room) {
        found.extend(impure(&tokens).into_iter().map(|word| format!("{room} mentions {word}, and is pure")));
    }
    found
}

/// The rooms that paths from the crate's root name.
fn rooms_used(path: &[String], tokens: &[String]) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    // Open braces; true for those of an inline module, which `super` climbs as well.
    let mut braces: Vec<bool> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = |n: usize| at.checked_sub(n).map(|i| tokens[i].as_str());
        match token.as_str() {
            "{" => braces.push(before(2) == Some("mod")),
            "}" => {
                braces.pop();
            }
            "crate" if tokens.get(at + 1).is_some_and(|next| next == "::") => heads(tokens, at + 2, &mut used),
            "super" if before(1) != Some("::") => {
                let depth = path.len() + braces.iter().filter(|inline| **inline).count();
                let climbs =
                    tokens[at..].chunks(2).take_while(|pair| matches!(pair, [s, c] if s == "super" && c == "::"));
                let climbs = climbs.count();
                if climbs == depth {
                    heads(tokens, at + 2 * climbs, &mut used);
                }
            }
            _ => {}
        }
    }
    used
}

/// The first names of the path, or of each path of the group, that starts at `at`.
fn heads(tokens: &[String], at: usize, into: &mut BTreeSet<String>) {
    let Some(first) = tokens.get(at) else { return };
    if first != "{" {
        into.insert(first.clone());
        return;
    }
    let mut depth = 0;
    for (offset, token) in tokens[at..].iter().enumerate() {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ if depth == 1 && matches!(tokens[at + offset - 1].as_str(), "{" | ",") => {
                into.insert(token.clone());
            }
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

/// The impure words of the text: a crate where a path begins, a type or keyword anywhere.
fn impure(tokens: &[String]) -> BTreeSet<&str> {
    let begins_path = |at: usize| {
        let (before, after) = (at.checked_sub(1).map(|i| tokens[i].as_str()), tokens.get(at + 1).map(String::as_str));
        before != Some("::") && (after == Some("::") || before == Some("use"))
    };
    let everywhere = |word: &str| matches!(word, "SystemTime" | "async" | "await");
    let words = tokens.iter().enumerate().filter(|(_, token)| IMPURE.contains(&token.as_str()));
    words.filter(|(at, token)| everywhere(token) || begins_path(*at)).map(|(_, token)| token.as_str()).collect()
}

/// Names, `::` and other signs, without comments and literals.
fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest);
        if length > 0 {
            rest = &rest[length..];
            continue;
        }
        let length = if rest.starts_with("::") { 2 } else { name_length(rest).max(first.len_utf8()) };
        if !first.is_whitespace() {
            found.push(rest[..length].to_owned());
        }
        rest = &rest[length..];
    }
    found
}

fn name_length(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// The length of the comment or literal that the text begins with; 0 if it begins with neither.
fn skipped(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    let raw = text.strip_prefix("br").or_else(|| text.strip_prefix('r')).map(|rest| rest.trim_start_matches('#'));
    if let Some(rest) = raw.filter(|rest| rest.starts_with('"')) {
        let head = text.len() - rest.len();
        let end = format!("\"{}", "#".repeat(text[..head].matches('#').count()));
        return rest[1..].find(&end).map_or(text.len(), |at| head + 1 + at + end.len());
    }
    let quoted = text.strip_prefix('b').unwrap_or(text);
    let prefix = text.len() - quoted.len();
    match quoted.chars().next() {
        Some('"') => prefix + quoted_length(quoted, '"'),
        // A lifetime has no closing quote after its first letter.
        Some('\'') if quoted[1..].starts_with('\\') || quoted.chars().nth(2) == Some('\'') => {
            prefix + quoted_length(quoted, '\'')
        }
        _ => 0,
    }
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let step = match text.as_bytes().get(at..at + 2) {
            Some(b"/*") => 1,
            Some(b"*/") => -1,
            _ => 0,
        };
        depth += step;
        at += if step == 0 { 1 } else { 2 };
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + c.len_utf8();
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// The names of the normal and build dependencies of a manifest.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            inside = section.ends_with("dependencies") && !section.ends_with("dev-dependencies");
            found.extend(section.strip_prefix("dependencies.").map(str::to_owned));
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            found.extend(line.split(['=', '.', ' ']).next().map(str::to_owned));
        }
    }
    found
}

/// `outbox/store.rs` → outbox, store; `outbox/mod.rs` → outbox; lib.rs and main.rs → nothing.
fn module_path(file: &Path) -> Vec<String> {
    let names = file.with_extension("");
    let names = names.iter().map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| !matches!(name.as_str(), "mod" | "lib" | "main")).collect()
}

fn split(module: &str) -> Vec<String> {
    module.split("::").map(str::to_owned).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}
