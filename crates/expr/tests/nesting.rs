//! Texts made to exhaust the stack or memory while compiling: each ends in an error or a program, in a thread with 2 MiB.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use gatepost_expr::{CompileOptions, Error, ErrorKind, Program};

/// Compiles and drops the tree in a thread with a small stack.
fn compile(text: String) -> Result<(), Error> {
    let run = move || Program::compile(&text, &CompileOptions::default()).map(drop);
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap()
}

fn nested(open: &str, inner: &str, close: &str, times: usize) -> String {
    open.repeat(times) + inner + &close.repeat(times)
}

const NESTS: [(&str, &str, &str); 19] = [
    ("(", "1", ")"),
    ("[", "1", "]"),
    ("{a: ", "1", "}"),
    ("-", "1", ""),
    ("not ", "true", ""),
    ("f(", "1", ")"),
    ("string(", "1", ")"),
    ("len([", "1", "])"),
    ("map([1], {", "1", "})"),
    ("all([1], ", "true", ")"),
    ("if true { ", "1", " } else { 2 }"),
    ("if true { 1 } else ", "{ 2 }", ""),
    ("let x = ", "1", "; x"),
    ("let x = 1; ", "1", ""),
    ("true ? ", "1", " : 2"),
    ("x[", "1", "]"),
    ("x?.[", "1", "]"),
    ("1 + (", "1", ")"),
    ("1 < (", "1", ") < 1"),
];

#[test]
fn deep_nesting_is_an_error() {
    for (open, inner, close) in NESTS {
        let error = compile(nested(open, inner, close, 200_000)).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Limit | ErrorKind::Compile), "{open}: {error:.100}");
    }
}

#[test]
fn nesting_below_the_limit_compiles() {
    let refused = ["let x = 1; ", "let x = ", "1 < ("];
    for (open, inner, close) in NESTS.into_iter().filter(|(open, ..)| !refused.contains(open)) {
        let program = compile(nested(open, inner, close, 240));
        assert!(program.is_ok(), "{open}: {:.200}", program.unwrap_err());
    }
}

#[test]
fn every_depth_near_the_limit_is_safe() {
    for (open, inner, close) in NESTS {
        for times in [330, 499, 500, 990, 998, 999, 1_000, 1_001] {
            drop(compile(nested(open, inner, close, times)));
        }
    }
}

#[test]
fn long_chains_are_bounded() {
    for link in [" + 1", ".a", "?.a", "[0]", " | f()", " ?? x", " < 2", " ? 1 : 2", " ?: 2", " and x", ".f()"] {
        let error = compile("x".to_owned() + &link.repeat(100_000)).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Limit | ErrorKind::Compile), "{link}: {error:.100}");
    }
    for link in [" + 1", ".a", "?.a", "[0]", " | f()", " ?? x", " and x", ".f()"] {
        let program = compile("x".to_owned() + &link.repeat(450));
        assert!(program.is_ok(), "{link}: {:.200}", program.unwrap_err());
    }
}

#[test]
fn the_node_limit_is_go_s() {
    let list = |n: usize| format!("[{}]", "1,".repeat(n));
    assert!(compile(list(9_999)).is_ok());
    let error = compile(list(10_000)).unwrap_err();
    assert_eq!(error.message, "compilation failed: expression exceeds maximum allowed nodes");
    assert_eq!(error.kind, ErrorKind::Compile);
}

#[test]
fn rewrites_do_not_grow_trees_without_bound() {
    drop(compile(nested("sum([x, x, x, x, x, x, x, x, x, ", "x", "])", 240)));
    assert!(compile(nested("(", "1", " in 1..2 ? 1 : 2)", 240)).is_ok());
    assert!(compile(nested("join(", "[\"a\"]", ", \",\")", 240)).is_err());
}
