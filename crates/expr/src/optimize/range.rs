//! Constant ranges that need not become arrays.

use super::{replace, synthetic, take};
use crate::ast::{BinaryOp, Kind, Node, Pointer};
use crate::builtin_types::Builtin;
use crate::types::{GoKind, Type};

/// Nodes that duplicating left sides may add to one tree.
const MAX_COPIES: usize = 10_000;

fn bounds(node: &Node) -> Option<(i64, i64)> {
    let Kind::Binary { op: BinaryOp::Range, left, right } = &node.kind else { return None };
    match (&left.kind, &right.kind) {
        (Kind::Int(from), Kind::Int(to)) => Some((*from, *to)),
        _ => None,
    }
}

/// `x in 1..5` for an int `x` becomes `x >= 1 and x <= 5`.
#[derive(Default)]
pub(super) struct InRange {
    copied: usize,
}

impl InRange {
    pub fn visit(&mut self, node: &mut Node) {
        let Kind::Binary { op: BinaryOp::In, left, right } = &mut node.kind else { return };
        if left.ty.kind() != GoKind::Int || bounds(right).is_none() {
            return;
        }
        self.copied = self.copied.saturating_add(size(left));
        if self.copied > MAX_COPIES {
            return;
        }
        let Kind::Binary { left: from, right: to, .. } = take(right).kind else { return };
        let needle = Box::new(take(left));
        let compare = |op, left, right| {
            let mut node = synthetic(Kind::Binary { op, left, right });
            node.ty = Type::Bool;
            Box::new(node)
        };
        let left = compare(BinaryOp::GreaterEqual, needle.clone(), from);
        let right = compare(BinaryOp::LessEqual, needle, to);
        replace(node, Kind::Binary { op: BinaryOp::And, left, right });
    }
}

fn size(node: &Node) -> usize {
    let mut nodes = 1;
    node.for_each_child(&mut |child| nodes += size(child));
    nodes
}

/// `sum` and `reduce(…, # + #acc)` over a constant range are computed.
pub(super) fn sum_range(node: &mut Node) {
    let Kind::Builtin(call) = &node.kind else { return };
    let total = match (call.builtin, call.args.as_slice()) {
        (Builtin::Sum, [range]) => series(range).map(|(total, _)| total),
        (Builtin::Sum, [range, predicate]) => mapped(range, predicate),
        (Builtin::Reduce, [range, predicate]) if adds_up(predicate) => series(range).map(|(total, _)| total),
        (Builtin::Reduce, [range, predicate, start]) if adds_up(predicate) => match &start.kind {
            Kind::Int(start) => series(range).map(|(total, _)| start.wrapping_add(total)),
            _ => None,
        },
        _ => None,
    };
    if let Some(total) = total {
        node.ty = Type::Int;
        replace(node, Kind::Int(total));
    }
}

/// Sum and number of the integers of a range that is not empty; overflow wraps as in Go.
fn series(range: &Node) -> Option<(i64, i64)> {
    let (from, to) = bounds(range)?;
    let count = to.wrapping_sub(from).wrapping_add(1);
    (to >= from).then(|| (count.wrapping_mul(from.wrapping_add(to)).wrapping_div(2), count))
}

fn mapped(range: &Node, predicate: &Node) -> Option<i64> {
    let (total, count) = series(range)?;
    let Kind::Predicate(body) = &predicate.kind else { return None };
    let element = |node: &Node| matches!(node.kind, Kind::Pointer(Pointer::Element));
    if element(body) {
        return Some(total);
    }
    let Kind::Binary { op, left, right } = &body.kind else { return None };
    let (constant, element_first) = match (&left.kind, &right.kind) {
        (_, Kind::Int(n)) if element(left) => (*n, true),
        (Kind::Int(n), _) if element(right) => (*n, false),
        _ => return None,
    };
    match op {
        BinaryOp::Multiply => Some(constant.wrapping_mul(total)),
        BinaryOp::Add => Some(total.wrapping_add(count.wrapping_mul(constant))),
        BinaryOp::Subtract if element_first => Some(total.wrapping_sub(count.wrapping_mul(constant))),
        BinaryOp::Subtract => Some(count.wrapping_mul(constant).wrapping_sub(total)),
        _ => None,
    }
}

fn adds_up(predicate: &Node) -> bool {
    let Kind::Predicate(body) = &predicate.kind else { return false };
    let Kind::Binary { op: BinaryOp::Add, left, right } = &body.kind else { return false };
    matches!(
        (&left.kind, &right.kind),
        (Kind::Pointer(Pointer::Element), Kind::Pointer(Pointer::Acc))
            | (Kind::Pointer(Pointer::Acc), Kind::Pointer(Pointer::Element))
    )
}
