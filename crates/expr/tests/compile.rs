//! The vectors' compile errors: refused where Go refuses, accepted where Go accepts, and how often at the same place.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use gatepost_expr::{CompileOptions, ErrorKind, Program};
use std::path::PathBuf;

fn folder() -> PathBuf {
    let base = std::env::var_os("GATEPOST_VECTORS").map(PathBuf::from);
    base.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors")).join("expressions")
}

#[test]
fn refuses_and_accepts_what_go_does() {
    let (mut refused, mut placed, mut worded, mut wrong) = (0, 0, 0, Vec::new());
    for file in ["plain", "notifications", "gates"] {
        let text = std::fs::read_to_string(folder().join(file).with_extension("jsonl")).unwrap();
        for line in text.lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let mut text = case["expr"].as_str().unwrap();
            if text.is_empty() && file == "notifications" {
                text = "false";
            }
            let options = CompileOptions { as_bool: case["use"] == "trigger", ..CompileOptions::default() };
            let wanted = (case["error"]["kind"] == "compile").then_some(&case["error"]);
            match (Program::compile(text, &options), wanted) {
                (Ok(_), None) => {}
                (Ok(_), Some(error)) => wrong.push(format!("{}: {text}: accepted, Go says {error}", case["id"])),
                (Err(error), None) => wrong.push(format!("{}: {text}: {error}", case["id"])),
                (Err(error), Some(wanted)) => {
                    assert_eq!(error.kind, ErrorKind::Compile);
                    refused += 1;
                    let place = error.position.map(|at| (u64::from(at.line), u64::from(at.column)));
                    let go = wanted["line"].as_u64().zip(wanted["column"].as_u64());
                    let same_words = wanted["message"] == error.message.as_str();
                    placed += usize::from(place == go);
                    worded += usize::from(same_words);
                    if place != go || !same_words {
                        println!("{}: {text}\n  Go:   {wanted}\n  here: {place:?} {}", case["id"], error.message);
                    }
                }
            }
        }
    }
    println!("{refused} compile errors, {placed} at the same place, {worded} in the same words");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(placed, refused);
}
