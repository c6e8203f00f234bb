//! The table of operators: what binds how tightly.

use crate::ast::{BinaryOp, UnaryOp};

/// A binary operator's place in the table.
#[derive(Clone, Copy)]
pub(super) struct Infix {
    /// `None` is the pipe.
    pub op: Option<BinaryOp>,
    pub precedence: u32,
    /// Groups from the right.
    pub right: bool,
}

/// The binary operator of a word.
pub(super) fn infix(word: &str) -> Option<Infix> {
    let (op, precedence) = match word {
        "|" => return Some(Infix { op: None, precedence: 0, right: false }),
        "or" | "||" => (BinaryOp::Or, 10),
        "and" | "&&" => (BinaryOp::And, 15),
        "==" => (BinaryOp::Equal, 20),
        "!=" => (BinaryOp::NotEqual, 20),
        "<" => (BinaryOp::Less, 20),
        ">" => (BinaryOp::Greater, 20),
        ">=" => (BinaryOp::GreaterEqual, 20),
        "<=" => (BinaryOp::LessEqual, 20),
        "in" => (BinaryOp::In, 20),
        "matches" => (BinaryOp::Matches, 20),
        "contains" => (BinaryOp::Contains, 20),
        "startsWith" => (BinaryOp::StartsWith, 20),
        "endsWith" => (BinaryOp::EndsWith, 20),
        ".." => (BinaryOp::Range, 25),
        "+" => (BinaryOp::Add, 30),
        "-" => (BinaryOp::Subtract, 30),
        "*" => (BinaryOp::Multiply, 60),
        "/" => (BinaryOp::Divide, 60),
        "%" => (BinaryOp::Modulo, 60),
        "**" | "^" => (BinaryOp::Power, 100),
        "??" => (BinaryOp::Coalesce, 500),
        _ => return None,
    };
    Some(Infix { op: Some(op), precedence, right: op == BinaryOp::Power })
}

/// The unary operator of a word and how tightly it binds.
pub(super) fn prefix(word: &str) -> Option<(UnaryOp, u32)> {
    match word {
        "not" | "!" => Some((UnaryOp::Not, 50)),
        "-" => Some((UnaryOp::Minus, 90)),
        "+" => Some((UnaryOp::Plus, 90)),
        _ => None,
    }
}

/// Operators that chain.
pub(super) const fn is_comparison(op: BinaryOp) -> bool {
    matches!(op, BinaryOp::Less | BinaryOp::Greater | BinaryOp::LessEqual | BinaryOp::GreaterEqual)
}

/// Operators that `not` may stand before.
pub(super) fn is_negatable(word: &str) -> bool {
    matches!(word, "contains" | "matches" | "startsWith" | "endsWith" | "in")
}
