//! Built-ins over built-ins done in one loop, and loops that stop as soon as the answer is known.

use super::{replace, synthetic, take, with_predicate};
use crate::ast::{BinaryOp, BuiltinCall, Kind, Node, Pointer};
use crate::builtin_types::Builtin;

fn builtin(node: &mut Node) -> Option<&mut BuiltinCall> {
    match &mut node.kind {
        Kind::Builtin(call) => Some(call),
        _ => None,
    }
}

/// `map(filter(a, p), m)` maps each hit at once, unless `m` asks for its index among the hits.
pub(super) fn filter_map(node: &mut Node) {
    let Some(outer) = with_predicate(node, Builtin::Map) else { return };
    let [list, mapper] = outer.args.as_mut_slice() else { return };
    if uses_index(mapper) {
        return;
    }
    let Some(inner) = builtin(list) else { return };
    if inner.builtin != Builtin::Filter || inner.map.is_some() {
        return;
    }
    let Kind::Predicate(body) = &mut mapper.kind else { return };
    let map = Some(Box::new(take(body)));
    let args = std::mem::take(&mut inner.args);
    *outer = BuiltinCall { builtin: Builtin::Filter, args, throws: false, map, threshold: None };
}

fn uses_index(node: &Node) -> bool {
    let mut found = matches!(node.kind, Kind::Pointer(Pointer::Index));
    node.for_each_child(&mut |child| found = found || uses_index(child));
    found
}

/// `len(filter(a, p))` is `count(a, p)`.
pub(super) fn filter_len(node: &mut Node) {
    let Some(outer) = builtin(node) else { return };
    let (Builtin::Len, [list]) = (outer.builtin, outer.args.as_mut_slice()) else { return };
    let Some(inner) = with_predicate(list, Builtin::Filter) else { return };
    let args = std::mem::take(&mut inner.args);
    *outer = BuiltinCall { builtin: Builtin::Count, args, throws: false, map: None, threshold: None };
}

/// `filter(a, p)[0]` and `first(filter(a, p))` are `find(a, p)`; the same from the other end.
pub(super) fn filter_end(node: &mut Node, index: i64, end: Builtin, find: Builtin) {
    let (list, throws) = match &mut node.kind {
        Kind::Member { object, property, optional: false, .. } => match property.kind {
            Kind::Int(n) if n == index => (object.as_mut(), true),
            _ => return,
        },
        Kind::Builtin(call) if call.builtin == end => match call.args.as_mut_slice() {
            [list] => (list, false),
            _ => return,
        },
        _ => return,
    };
    let Some(inner) = with_predicate(list, Builtin::Filter) else { return };
    let (args, map) = (std::mem::take(&mut inner.args), inner.map.take());
    let call = BuiltinCall { builtin: find, args, throws, map, threshold: None };
    replace(node, Kind::Builtin(Box::new(call)));
}

/// `sum(map(a, m))` is `sum(a, m)`.
pub(super) fn sum_map(node: &mut Node) {
    let Some(outer) = builtin(node) else { return };
    let (Builtin::Sum, [list]) = (outer.builtin, outer.args.as_mut_slice()) else { return };
    let Some(inner) = with_predicate(list, Builtin::Map) else { return };
    outer.args = std::mem::take(&mut inner.args);
}

/// `all(a, p) && all(a, q)` asks both of one element before the next; `any` with or, `none` with and likewise.
pub(super) fn combine(node: &mut Node) {
    let Kind::Binary { op: op @ (BinaryOp::And | BinaryOp::Or), left, right } = &mut node.kind else { return };
    let (Some(first), Some(second)) = (builtin(left), builtin(right)) else { return };
    let combined = match (first.builtin, *op) {
        (Builtin::All, BinaryOp::And) => BinaryOp::And,
        (Builtin::Any, BinaryOp::Or) | (Builtin::None, BinaryOp::And) => BinaryOp::Or,
        _ => return,
    };
    if first.builtin != second.builtin {
        return;
    }
    let ([list, p], [other, q]) = (first.args.as_mut_slice(), second.args.as_mut_slice()) else { return };
    if !same(list, other) {
        return;
    }
    let (Kind::Predicate(p), Kind::Predicate(q)) = (&mut p.kind, &mut q.kind) else { return };
    let mut body = synthetic(Kind::Binary { op: combined, left: Box::new(take(p)), right: Box::new(take(q)) });
    combine(&mut body);
    let args = vec![take(list), synthetic(Kind::Predicate(Box::new(body)))];
    let call = BuiltinCall { builtin: first.builtin, args, throws: false, map: None, threshold: None };
    replace(node, Kind::Builtin(Box::new(call)));
}

/// Whether two trees are the same text and type; equal parts only, so a mere difference in brackets counts as the same.
fn same(a: &Node, b: &Node) -> bool {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    a.for_each_child(&mut |child| left.push(child));
    b.for_each_child(&mut |child| right.push(child));
    same_head(&a.kind, &b.kind) && left.len() == right.len() && left.iter().zip(&right).all(|(a, b)| same(a, b))
}

fn same_head(a: &Kind, b: &Kind) -> bool {
    match (a, b) {
        (Kind::Bool(a), Kind::Bool(b)) => a == b,
        (Kind::Int(a), Kind::Int(b)) => a == b,
        (Kind::Float(a), Kind::Float(b)) => a.to_bits() == b.to_bits(),
        (Kind::Str(a), Kind::Str(b)) => a == b,
        (Kind::Bytes(a), Kind::Bytes(b)) => a == b,
        (Kind::Identifier { name: a, .. }, Kind::Identifier { name: b, .. }) => a == b,
        (Kind::Pointer(a), Kind::Pointer(b)) => a == b,
        (Kind::Member { optional: a, .. }, Kind::Member { optional: b, .. }) => a == b,
        (Kind::Slice { from: a, .. }, Kind::Slice { from: b, .. }) => a.is_some() == b.is_some(),
        (Kind::Builtin(a), Kind::Builtin(b)) => {
            a.builtin == b.builtin && a.throws == b.throws && a.map.is_some() == b.map.is_some()
        }
        (Kind::Unary { op: a, .. }, Kind::Unary { op: b, .. }) => a == b,
        (Kind::Binary { op: a, .. }, Kind::Binary { op: b, .. }) => a == b,
        (Kind::InStrings { set: a, .. }, Kind::InStrings { set: b, .. }) => a == b,
        (Kind::Let { name: a, .. }, Kind::Let { name: b, .. }) => a == b,
        (Kind::Constant(_) | Kind::Matches { .. }, _) => false,
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

/// `count(a, p) > 0` is `any(a, p)`; compared with another constant, counting stops when the answer is settled.
pub(super) fn count(node: &mut Node) {
    let Kind::Binary { op, left, right } = &mut node.kind else { return };
    let Kind::Int(n) = right.kind else { return };
    let Some(call) = with_predicate(left, Builtin::Count) else { return };
    let threshold = match op {
        BinaryOp::Greater | BinaryOp::LessEqual => n.wrapping_add(1),
        BinaryOp::GreaterEqual | BinaryOp::Less => n,
        _ => return,
    };
    if threshold == 1 && matches!(op, BinaryOp::Greater | BinaryOp::GreaterEqual) {
        let args = std::mem::take(&mut call.args);
        let any = BuiltinCall { builtin: Builtin::Any, args, throws: false, map: None, threshold: None };
        replace(node, Kind::Builtin(Box::new(any)));
    } else if n >= 0 && threshold > 1 {
        call.threshold = Some(threshold);
    }
}
