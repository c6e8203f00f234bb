//! Rewrites the checked tree as Go's optimizer does, as far as it can be observed.
//!
//! Speed is not the point: these passes decide which errors a user sees (`x and false` never looks at `x`, `7 % 0` is
//! refused before running) and what counts against the memory budget (`sum(1..1000000000)` makes no array). Rewrites that
//! nobody can observe are left out. The order of the passes matters and is Go's.

mod fold;
mod fuse;
mod range;
mod shape;

use crate::ast::{BuiltinCall, Kind, Node};
use crate::builtin_types::Builtin;
use crate::error::{Error, Position};

/// How often folding may be repeated, as in Go.
const ROUNDS: usize = 1_000;

/// Rewrites a tree in place.
///
/// # Errors
/// An integer division by a constant zero.
pub(crate) fn optimize(root: &mut Node) -> Result<(), Error> {
    walk(root, &mut shape::string_set);
    for _ in 0..ROUNDS {
        let mut pass = fold::Fold::default();
        walk(root, &mut |node| pass.visit(node));
        if let Some(error) = pass.error {
            return Err(error);
        }
        if !pass.applied {
            break;
        }
    }
    let mut range = range::InRange::default();
    walk(root, &mut |node| range.visit(node));
    let passes: [fn(&mut Node); 9] = [
        fuse::filter_map,
        fuse::filter_len,
        |node| fuse::filter_end(node, -1, Builtin::Last, Builtin::FindLast),
        |node| fuse::filter_end(node, 0, Builtin::First, Builtin::Find),
        fuse::combine,
        range::sum_range,
        shape::sum_array,
        fuse::sum_map,
        fuse::count,
    ];
    for mut pass in passes {
        walk(root, &mut pass);
    }
    Ok(())
}

/// Visits children before their parent.
fn walk(node: &mut Node, visit: &mut dyn FnMut(&mut Node)) {
    node.for_each_child_mut(&mut |child| walk(child, visit));
    node.measure();
    visit(node);
}

/// Puts another kind in a node's place; position and type stay.
fn replace(node: &mut Node, kind: Kind) {
    node.kind = kind;
    node.measure();
}

/// Takes a node out of the tree.
fn take(node: &mut Node) -> Node {
    std::mem::replace(node, synthetic(Kind::Nil))
}

/// A node that no text stands for; Go points to the beginning for these.
fn synthetic(kind: Kind) -> Node {
    Node::new(kind, Position { offset: 0, line: 1, column: 1 })
}

/// A call of a certain built-in with two arguments, the second one a predicate.
fn with_predicate(node: &mut Node, builtin: Builtin) -> Option<&mut BuiltinCall> {
    match &mut node.kind {
        Kind::Builtin(call) if call.builtin == builtin && call.args.len() == 2 => Some(call),
        _ => None,
    }
}
