//! Array literals that need not become arrays.

use super::{replace, synthetic, take};
use crate::ast::{BinaryOp, Kind, Node};
use crate::builtin_types::Builtin;
use std::sync::Arc;

/// `x in ["a", "b"]` becomes a look-up in a set of strings, which refuses a left side of another type when run.
pub(super) fn string_set(node: &mut Node) {
    let Kind::Binary { op: BinaryOp::In, left, right } = &mut node.kind else { return };
    let Kind::Array(nodes) = &right.kind else { return };
    if nodes.is_empty() {
        return;
    }
    let texts: Option<_> = nodes.iter().map(|node| node.as_literal().cloned()).collect();
    if let Some(set) = texts {
        let needle = Box::new(take(left));
        replace(node, Kind::InStrings { needle, set: Arc::new(set) });
    }
}

/// Each term is a level of the tree; what would grow higher is summed by the built-in.
const MAX_HEIGHT: usize = 1_000;

/// `sum([a, b, c])` becomes `a + (b + c)`, which also joins strings.
pub(super) fn sum_array(node: &mut Node) {
    let Kind::Builtin(call) = &mut node.kind else { return };
    if call.builtin != Builtin::Sum {
        return;
    }
    let [list] = call.args.as_mut_slice() else { return };
    let Kind::Array(nodes) = &mut list.kind else { return };
    let inner = nodes.iter().map(|node| node.height).max().unwrap_or_default();
    if nodes.len() < 2 || usize::try_from(inner).unwrap_or(usize::MAX).saturating_add(nodes.len()) > MAX_HEIGHT {
        return;
    }
    let folded = std::mem::take(nodes).into_iter().rev().reduce(|right, left| {
        synthetic(Kind::Binary { op: BinaryOp::Add, left: Box::new(left), right: Box::new(right) })
    });
    if let Some(sum) = folded {
        replace(node, sum.kind);
    }
}
