//! The reference pages of the book, made of what they describe: settings, custom resources and the command line. A page that says
//! something else fails here; `make reference` writes them anew.

mod commands;
mod resources;
mod settings;

use std::fmt::Write as _;
use std::path::Path;

/// Set, the pages are written instead of compared.
const WRITE: &str = "GATEPOST_WRITE_DOCS";

/// Compares a page with what it should be, or writes it.
fn same_as_written(page: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference").join(page);
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let held = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        held == found,
        "docs/reference/{page} says something else than the code: run `make reference` and read the difference"
    );
}

/// Plain text as Markdown that shows just that, in a table too.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for (nth, part) in text.split('`').enumerate() {
        let is_code = nth % 2 == 1;
        if nth > 0 {
            out.push('`');
        }
        for c in part.chars() {
            match c {
                '|' => out.push_str("\\|"),
                '<' if !is_code => out.push_str("&lt;"),
                '*' | '[' | ']' if !is_code => write!(out, "\\{c}").unwrap(),
                '\n' => out.push(' '),
                _ => out.push(c),
            }
        }
    }
    out
}

/// Text in code marks, in a table too; nothing where there is none.
fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{}`", text.replace('|', "\\|").replace('\n', " ")) }
}

/// A row of a table.
fn row(out: &mut String, cells: &[&str]) {
    writeln!(out, "| {} |", cells.join(" | ")).unwrap();
}

/// The head of a table.
fn head(out: &mut String, names: &[&str]) {
    row(out, names);
    writeln!(out, "|{}", "---|".repeat(names.len())).unwrap();
}

#[test]
fn text_is_shown_as_it_is() {
    assert_eq!(plain("a|b <c> 'team-*' `x|<y>`"), "a\\|b &lt;c> 'team-\\*' `x\\|<y>`");
    assert_eq!((code("a|b"), code("")), ("`a\\|b`".to_owned(), String::new()));
}
