//! Every command line that the documents print is one that this binary takes.

use super::{Arguments, as_serve};
use clap::Parser as _;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md")];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    found.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    found
}

/// The words of a shell line up to a comment, pipe, redirection or `&`: single and double quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (None, '|' | '>' | '&' | ';' | ')') => break,
            (None, '#') if !begun => break,
            (None, c) if c.is_whitespace() => {
                if std::mem::take(&mut begun) {
                    words.push(std::mem::take(&mut word));
                }
            }
            (_, c) => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

/// The lines of code blocks that call this binary, with where they are.
fn commands(path: &Path) -> Vec<(String, Vec<String>)> {
    let text = std::fs::read_to_string(path).unwrap();
    let (mut inside, mut found) = (false, Vec::new());
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside && let Some(at) = line.find("gatepost ") {
            let before = line[..at].trim_end();
            if before.is_empty() || before.ends_with(['|', '$']) || before.ends_with("<(") {
                found.push((format!("{}:{}", path.display(), number + 1), words(&line[at..])));
            }
        }
    }
    found
}

#[test]
fn every_printed_command_is_one_that_there_is() {
    let mut tried = 0;
    for (place, line) in documents().iter().flat_map(|path| commands(path)) {
        // What stands for something: `<namespace>/<name>`, `…`.
        if line.iter().any(|word| word.contains(['…', '[', '{'])) {
            continue;
        }
        tried += 1;
        let parsed = Arguments::try_parse_from(as_serve(line.iter().map(OsString::from).collect()));
        let shown = parsed.err().filter(clap::Error::use_stderr).map(|error| error.to_string());
        assert_eq!(shown, None, "{place}: {line:?}");
    }
    assert!(tried >= 10, "{tried} command lines were found");
}
