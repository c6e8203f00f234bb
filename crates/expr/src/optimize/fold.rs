//! Constants: arithmetic on literals, boolean operators with a literal side, array literals, filters of filters.

use super::{replace, synthetic, take, with_predicate};
use crate::ast::{BinaryOp, Kind, Node, UnaryOp};
use crate::builtin_types::Builtin;
use crate::error::Error;
use crate::types::Type;
use gatepost_value::Value;

/// One round over the tree.
#[derive(Default)]
pub(super) struct Fold {
    pub applied: bool,
    pub error: Option<Error>,
}

/// What folding a node gives.
enum Outcome {
    Leave,
    Put(Kind, Type),
    Left,
    Right,
    DivisionByZero,
}

impl Fold {
    pub fn visit(&mut self, node: &mut Node) {
        if self.error.is_some() {
            return;
        }
        let outcome = match &node.kind {
            Kind::Unary { op, operand } => unary(*op, &operand.kind),
            Kind::Binary { op: op @ (BinaryOp::And | BinaryOp::Or), left, right } => {
                logic(*op == BinaryOp::And, &left.kind, &right.kind)
            }
            Kind::Binary { op, left, right } => binary(*op, &left.kind, &right.kind),
            Kind::Array(nodes) => array(nodes),
            Kind::Builtin(_) => {
                self.applied |= filter_of_filter(node);
                Outcome::Leave
            }
            _ => Outcome::Leave,
        };
        self.apply(node, outcome);
    }
    fn apply(&mut self, node: &mut Node, outcome: Outcome) {
        match outcome {
            Outcome::Leave => return,
            Outcome::Put(kind, ty) => {
                node.ty = ty;
                replace(node, kind);
            }
            Outcome::Left => keep(node, |left, _| left),
            Outcome::Right => keep(node, |_, right| right),
            Outcome::DivisionByZero => {
                self.error = Some(Error::compile("integer divide by zero").at(node.position));
                return;
            }
        }
        self.applied = true;
    }
}

/// Puts one side of a binary operator in its place.
fn keep(node: &mut Node, choose: fn(Node, Node) -> Node) {
    let (position, ty) = (node.position, node.ty.clone());
    if let Kind::Binary { left, right, .. } = take(node).kind {
        *node = choose(*left, *right);
    }
    (node.position, node.ty) = (position, ty);
}

fn put_bool(value: bool) -> Outcome {
    Outcome::Put(Kind::Bool(value), Type::Bool)
}
fn put_int(value: i64) -> Outcome {
    Outcome::Put(Kind::Int(value), Type::Int)
}

fn unary(op: UnaryOp, operand: &Kind) -> Outcome {
    match (op, operand) {
        (UnaryOp::Minus, Kind::Int(n)) => put_int(n.wrapping_neg()),
        (UnaryOp::Plus, Kind::Int(n)) => put_int(*n),
        (UnaryOp::Minus, Kind::Float(n)) => Outcome::Put(Kind::Float(-n), Type::Float),
        (UnaryOp::Plus, Kind::Float(n)) => Outcome::Put(Kind::Float(*n), Type::Float),
        (UnaryOp::Not, Kind::Bool(b)) => put_bool(!b),
        _ => Outcome::Leave,
    }
}

/// `x and true` is `x`, whatever `x` is; `x and false` is false without a look at `x`. `or` is the mirror image.
fn logic(and: bool, left: &Kind, right: &Kind) -> Outcome {
    match (left, right) {
        (Kind::Bool(l), _) if *l == and => Outcome::Right,
        (_, Kind::Bool(r)) if *r == and => Outcome::Left,
        (Kind::Bool(_), _) | (_, Kind::Bool(_)) => put_bool(!and),
        _ => Outcome::Leave,
    }
}

fn binary(op: BinaryOp, left: &Kind, right: &Kind) -> Outcome {
    match (left, right) {
        (Kind::Int(a), Kind::Int(b)) => integers(op, *a, *b),
        (Kind::Int(_) | Kind::Float(_), Kind::Int(_) | Kind::Float(_)) => floats(op, number(left), number(right)),
        (Kind::Str(a), Kind::Str(b)) => match op {
            BinaryOp::Add => Outcome::Put(Kind::Str([a.as_bytes(), b.as_bytes()].concat().into()), Type::Str),
            BinaryOp::Equal => put_bool(a == b),
            _ => Outcome::Leave,
        },
        (Kind::Bool(a), Kind::Bool(b)) if op == BinaryOp::Equal => put_bool(a == b),
        _ => Outcome::Leave,
    }
}

fn integers(op: BinaryOp, a: i64, b: i64) -> Outcome {
    match op {
        BinaryOp::Add => put_int(a.wrapping_add(b)),
        BinaryOp::Subtract => put_int(a.wrapping_sub(b)),
        BinaryOp::Multiply => put_int(a.wrapping_mul(b)),
        BinaryOp::Modulo if b == 0 => Outcome::DivisionByZero,
        BinaryOp::Modulo => put_int(a.wrapping_rem(b)),
        BinaryOp::Equal => put_bool(a == b),
        BinaryOp::Divide => floats(op, to_float(a), to_float(b)),
        _ => Outcome::Leave,
    }
}

fn floats(op: BinaryOp, a: f64, b: f64) -> Outcome {
    let value = match op {
        BinaryOp::Add => a + b,
        BinaryOp::Subtract => a - b,
        BinaryOp::Multiply => a * b,
        BinaryOp::Divide => a / b,
        _ => return Outcome::Leave,
    };
    Outcome::Put(Kind::Float(value), Type::Float)
}

/// As Go converts: rounded to the nearest float.
#[allow(clippy::cast_precision_loss)]
const fn to_float(n: i64) -> f64 {
    n as f64
}

const fn number(kind: &Kind) -> f64 {
    match kind {
        Kind::Int(n) => to_float(*n),
        Kind::Float(n) => *n,
        _ => 0.0,
    }
}

fn array(nodes: &[Node]) -> Outcome {
    if nodes.is_empty() {
        return Outcome::Leave;
    }
    let constant = |node: &Node| match &node.kind {
        Kind::Int(n) => Some(Value::int(*n)),
        Kind::Float(n) => Some(Value::float(*n)),
        Kind::Str(text) => Some(Value::Str(text.clone())),
        Kind::Bool(b) => Some(Value::Bool(*b)),
        _ => None,
    };
    match nodes.iter().map(constant).collect::<Option<Vec<Value>>>() {
        Some(values) => Outcome::Put(Kind::Constant(Value::list(values)), Type::any_array()),
        None => Outcome::Leave,
    }
}

/// `filter(filter(a, p), q)` becomes `filter(a, p && q)`: both are asked of one element before the next one.
fn filter_of_filter(node: &mut Node) -> bool {
    let Some(outer) = with_predicate(node, Builtin::Filter) else { return false };
    let [list, predicate] = outer.args.as_mut_slice() else { return false };
    let Some(inner) = with_predicate(list, Builtin::Filter) else { return false };
    let [source, first] = inner.args.as_mut_slice() else { return false };
    let (Kind::Predicate(p), Kind::Predicate(q)) = (&mut first.kind, &mut predicate.kind) else { return false };
    let left = Box::new(take(p));
    let right = Box::new(take(q));
    let body = synthetic(Kind::Binary { op: BinaryOp::And, left, right });
    let source = take(source);
    outer.args = vec![source, synthetic(Kind::Predicate(Box::new(body)))];
    true
}
