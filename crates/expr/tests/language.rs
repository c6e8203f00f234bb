//! Lexer, parser and checker seen from outside: shapes of trees, error texts, hints.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use gatepost_expr::ast::{BinaryOp, Kind, Node};
use gatepost_expr::builtin_types::Builtin;
use gatepost_expr::{CompileOptions, Error, Program};

fn root(text: &str) -> Node {
    Program::compile(text, &CompileOptions::default()).unwrap().root().clone()
}

fn error(text: &str) -> Error {
    Program::compile(text, &CompileOptions::default()).unwrap_err()
}

fn literal(text: &str) -> Vec<u8> {
    match root(text).kind {
        Kind::Str(text) => text.as_bytes().to_vec(),
        Kind::Bytes(bytes) => bytes.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn builtin(node: &Node) -> (Builtin, Option<i64>, bool) {
    match &node.kind {
        Kind::Builtin(call) => (call.builtin, call.threshold, call.map.is_some()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn literals_are_decoded() {
    assert_eq!(literal(r#""\x41\u00e9\u{1F600}\101\"""#), "Aé😀A\"".as_bytes());
    assert_eq!(literal(r#"b"\xff\101é""#), [0xff, b'A', 0xc3, 0xa9]);
    assert_eq!(literal("`a``b\\n`"), b"a`b\\n");
    assert_eq!(literal("'a\rb'"), b"a\nb");
    assert!(matches!(root("0x_FF").kind, Kind::Int(255)));
    assert!(matches!(root("1_0.5e1").kind, Kind::Float(n) if (n - 105.0).abs() < 1e-9));
}

#[test]
fn errors_are_printed_as_go_prints_them() {
    assert_eq!(
        error("1 +\n\ttrue").to_string(),
        "invalid operation: + (mismatched types int and bool) (1:3)\n | 1 +\n | ..^"
    );
    assert_eq!(error("é + )").to_string(), "unexpected token Bracket(\")\") (1:5)\n | é + )\n | ....^");
}

#[test]
fn stumbling_blocks_have_hints() {
    let hinted = [
        ("all(x, # r, r.ok)", "no parameter list"),
        ("a = 1", "`==`"),
        ("let last = 1; last", "another name"),
        ("'x' in 'xyz'", "contains"),
        ("not 1 == 2", "not (a == b)"),
        ("map(x, {a: 1})", "{{key: value}}"),
        ("'a' + 1", "string(x)"),
        ("now().Month() == 8", "English name"),
    ];
    for (text, wanted) in hinted {
        let hint = error(text).hint.unwrap_or_default();
        assert!(hint.contains(wanted), "{text}: {hint}");
    }
}

#[test]
fn comparisons_chain_and_operators_negate() {
    assert!(matches!(root("a < b < c").kind, Kind::Binary { op: BinaryOp::And, .. }));
    assert!(matches!(root("a not in b").kind, Kind::Unary { .. }));
    assert!(matches!(root("a ?? b | len()").kind, Kind::Builtin(_)));
}

#[test]
fn observable_rewrites_are_made() {
    assert_eq!(builtin(&root("count(x, .a) > 0")).0, Builtin::Any);
    assert_eq!(builtin(&root("map(filter(x, .a), .b)")), (Builtin::Filter, None, true));
    assert_eq!(builtin(&root("first(filter(x, .a))")).0, Builtin::Find);
    assert_eq!(builtin(&root("all(x, .a) && all(x, .b)")).0, Builtin::All);
    assert!(matches!(root("x and false").kind, Kind::Bool(false)));
    assert!(matches!(root("sum(1..1000000000)").kind, Kind::Int(500_000_000_500_000_000)));
    assert!(matches!(root("x in ['a']").kind, Kind::InStrings { .. }));
    assert!(matches!(root("x matches 'a+'").kind, Kind::Matches { .. }));
    assert_eq!(error("7 % (2 - 2)").message, "integer divide by zero");
}

#[test]
fn a_boolean_can_be_asked_for() {
    let options = CompileOptions { as_bool: true, ..CompileOptions::default() };
    assert_eq!(Program::compile("1", &options).unwrap_err().message, "expected bool, but got int");
    assert!(Program::compile("x", &options).is_ok());
}
