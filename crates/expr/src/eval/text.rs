//! Prints a node back as an expression, for traces. Long ones are cut: the text is for eyes, it is never parsed again.

use crate::ast::{Kind, Node, Pointer, UnaryOp};
use gatepost_value::{Value, fmt};

const LONGEST: usize = 200;

/// The node as text.
pub(super) fn text(node: &Node) -> String {
    let mut out = String::new();
    write(&mut out, node);
    if out.len() > LONGEST {
        out = out.chars().take(LONGEST).chain(['…']).collect();
    }
    out
}

fn write(out: &mut String, node: &Node) {
    if out.len() > LONGEST {
        return;
    }
    match &node.kind {
        Kind::Nil => out.push_str("nil"),
        Kind::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Kind::Int(i) => out.push_str(&i.to_string()),
        Kind::Float(f) => out.push_str(&fmt::float(*f)),
        Kind::Str(s) => out.push_str(&fmt::quote(s.as_bytes())),
        Kind::Bytes(b) => out.push_str(&format!("b{}", fmt::quote(b))),
        Kind::Constant(value) => constant(out, value),
        Kind::Identifier { name, .. } => out.push_str(&name.to_lossy()),
        Kind::Pointer(pointer) => out.push_str(&match pointer {
            Pointer::Element => "#".to_owned(),
            Pointer::Index => "#index".to_owned(),
            Pointer::Acc => "#acc".to_owned(),
            Pointer::Unknown(name) => format!("#{name}"),
        }),
        Kind::Chain(one) | Kind::Predicate(one) => write(out, one),
        Kind::Unary { op, operand } => {
            out.push_str(match op {
                UnaryOp::Not => "not ",
                UnaryOp::Minus => "-",
                UnaryOp::Plus => "+",
            });
            operand_text(out, operand);
        }
        _ => write_compound(out, node),
    }
}

fn write_compound(out: &mut String, node: &Node) {
    match &node.kind {
        Kind::Binary { op, left, right } => {
            operand_text(out, left);
            out.push_str(&format!(" {} ", op.text()));
            operand_text(out, right);
        }
        Kind::Matches { subject, regex } => {
            operand_text(out, subject);
            out.push_str(&format!(" matches {}", fmt::quote(regex.as_str().as_bytes())));
        }
        Kind::InStrings { needle, set } => {
            operand_text(out, needle);
            let mut names: Vec<_> = set.iter().map(|s| fmt::quote(s.as_bytes())).collect();
            names.sort();
            out.push_str(&format!(" in [{}]", names.join(", ")));
        }
        Kind::Member { object, property, optional, .. } => member(out, object, property, *optional),
        Kind::Slice { object, from, to } => {
            operand_text(out, object);
            out.push('[');
            from.iter().for_each(|n| write(out, n));
            out.push(':');
            to.iter().for_each(|n| write(out, n));
            out.push(']');
        }
        Kind::Call { callee, args } => {
            write(out, callee);
            list(out, "(", args.iter(), ")");
        }
        Kind::Builtin(call) => {
            out.push_str(call.builtin.name());
            list(out, "(", call.args.iter(), ")");
        }
        _ => write_block(out, node),
    }
}

fn write_block(out: &mut String, node: &Node) {
    match &node.kind {
        Kind::Conditional { condition, then, otherwise } => {
            operand_text(out, condition);
            out.push_str(" ? ");
            operand_text(out, then);
            out.push_str(" : ");
            operand_text(out, otherwise);
        }
        Kind::Let { name, value, body, .. } => {
            out.push_str(&format!("let {name} = "));
            write(out, value);
            out.push_str("; ");
            write(out, body);
        }
        Kind::Sequence(nodes) => {
            for (index, one) in nodes.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "; " });
                write(out, one);
            }
        }
        Kind::Array(nodes) => list(out, "[", nodes.iter(), "]"),
        Kind::Map(pairs) => {
            out.push('{');
            for (index, pair) in pairs.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write(out, &pair.key);
                out.push_str(": ");
                write(out, &pair.value);
            }
            out.push('}');
        }
        _ => {}
    }
}

fn member(out: &mut String, object: &Node, property: &Node, optional: bool) {
    if !matches!(object.kind, Kind::Pointer(Pointer::Element)) || !matches!(property.kind, Kind::Str(_)) {
        operand_text(out, object);
    }
    out.push_str(if optional { "?." } else { "" });
    match &property.kind {
        Kind::Str(name) if is_name(&name.to_lossy()) => {
            out.push_str(if optional { "" } else { "." });
            out.push_str(&name.to_lossy());
        }
        _ => {
            out.push('[');
            write(out, property);
            out.push(']');
        }
    }
}

fn is_name(text: &str) -> bool {
    let word = |c: char| c == '_' || c == '$' || c.is_alphanumeric();
    text.chars().all(word) && !text.starts_with(|c: char| c.is_ascii_digit()) && !text.is_empty()
}

fn list<'n>(out: &mut String, open: &str, nodes: impl Iterator<Item = &'n Node>, close: &str) {
    out.push_str(open);
    for (index, one) in nodes.enumerate() {
        out.push_str(if index == 0 { "" } else { ", " });
        write(out, one);
    }
    out.push_str(close);
}

fn operand_text(out: &mut String, node: &Node) {
    let open = matches!(
        node.kind,
        Kind::Binary { .. }
            | Kind::Matches { .. }
            | Kind::InStrings { .. }
            | Kind::Conditional { .. }
            | Kind::Let { .. }
            | Kind::Sequence(_)
    );
    out.push_str(if open { "(" } else { "" });
    write(out, node);
    out.push_str(if open { ")" } else { "" });
}

fn constant(out: &mut String, value: &Value) {
    match value {
        Value::Str(text) => out.push_str(&fmt::quote(text.as_bytes())),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                constant(out, item);
            }
            out.push(']');
        }
        other => out.push_str(&fmt::sprint_v(other).to_lossy()),
    }
}
