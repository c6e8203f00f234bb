//! Unary and binary operators: which operands are evaluated, in which order, and what is made of them.

use super::convert::{Res, as_bool, as_text, assertion, deref, fault, float_of, plain, to_int};
use super::items::Items;
use super::{Frame, Outcome, Run, Stop, at, compare, member, number};
use crate::ast::{BinaryOp, Kind, Node, UnaryOp};
use crate::error::Position;
use crate::pattern::{self, Regex};
use gatepost_value::{CallError, GoType, IntKind, Str, Value};
use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

/// A value that is borrowed where it can be.
pub(super) enum Operand<'v> {
    Borrowed(&'v Value),
    Owned(Value),
}

impl std::ops::Deref for Operand<'_> {
    type Target = Value;
    fn deref(&self) -> &Value {
        match self {
            Self::Borrowed(value) => value,
            Self::Owned(value) => value,
        }
    }
}

impl Run<'_> {
    /// The value of an operand, pointers followed.
    fn operand<'v>(&'v self, node: &'v Node, frame: Frame<'v>) -> Result<Operand<'v>, Stop> {
        if self.trace.is_none()
            && let Some(value) = self.look(node, frame)
        {
            return Ok(deref(value).map_or(Operand::Borrowed(value), Operand::Owned));
        }
        Ok(Operand::Owned(plain(self.eval(node, frame)?)))
    }
    #[inline(never)]
    pub(super) fn unary(&self, place: Position, op: UnaryOp, operand: &Node, frame: Frame<'_>) -> Outcome {
        let value = plain(self.eval(operand, frame)?);
        match op {
            UnaryOp::Plus => Ok(value),
            UnaryOp::Minus => at(place, number::negate(&value)),
            UnaryOp::Not => Ok(Value::Bool(!at(place, as_bool(&value))?)),
        }
    }
    #[inline(never)]
    pub(super) fn binary(&self, place: Position, op: BinaryOp, left: &Node, right: &Node, frame: Frame<'_>) -> Outcome {
        match op {
            BinaryOp::And | BinaryOp::Or | BinaryOp::Coalesce => self.short(place, op, left, right, frame),
            BinaryOp::In if is_range(right) => self.in_range(place, left, right, frame),
            BinaryOp::Equal | BinaryOp::NotEqual if right.as_literal().is_some() => {
                self.equals_text(place, op, left, right, frame)
            }
            _ => {
                let a = self.operand(left, frame)?;
                let b = self.operand(right, frame)?;
                at(place, self.apply(op, &a, &b))
            }
        }
    }
    /// Comparison with a literal, the most common condition of all: nothing is copied.
    fn equals_text(&self, place: Position, op: BinaryOp, left: &Node, right: &Node, frame: Frame<'_>) -> Outcome {
        let a = self.operand(left, frame)?;
        let same = match (&*a, right.as_literal()) {
            (Value::Str(text), Some(literal)) => text == literal,
            _ => at(place, compare::equal(self.ctx.budget, &a, &self.eval(right, frame)?))?,
        };
        Ok(Value::Bool(same == (op == BinaryOp::Equal)))
    }
    /// `and`, `or` and `??` evaluate the right side only if they must.
    fn short(&self, place: Position, op: BinaryOp, left: &Node, right: &Node, frame: Frame<'_>) -> Outcome {
        let value = plain(self.eval(left, frame)?);
        let done = match op {
            BinaryOp::Coalesce => !value.is_nil(),
            BinaryOp::And => !at(place, as_bool(&value))?,
            _ => at(place, as_bool(&value))?,
        };
        if done { Ok(value) } else { Ok(plain(self.eval(right, frame)?)) }
    }
    fn apply(&self, op: BinaryOp, a: &Value, b: &Value) -> Res<Value> {
        let budget = self.ctx.budget;
        match op {
            BinaryOp::Equal => compare::equal(budget, a, b).map(Value::Bool),
            BinaryOp::NotEqual => compare::equal(budget, a, b).map(|same| Value::Bool(!same)),
            BinaryOp::Less => compare::less(a, b).map(Value::Bool),
            BinaryOp::Greater => compare::more(a, b).map(Value::Bool),
            BinaryOp::LessEqual => {
                Ok(Value::Bool(matches!(compare::order(a, b, "<=")?, Some(Ordering::Less | Ordering::Equal))))
            }
            BinaryOp::GreaterEqual => {
                Ok(Value::Bool(matches!(compare::order(a, b, ">=")?, Some(Ordering::Greater | Ordering::Equal))))
            }
            BinaryOp::In => member::contains(budget, a, b).map(Value::Bool),
            BinaryOp::Add => number::add(budget, a, b),
            BinaryOp::Subtract => number::subtract(a, b),
            BinaryOp::Multiply => number::multiply(a, b),
            BinaryOp::Divide => number::divide(a, b),
            BinaryOp::Modulo => number::modulo(a, b),
            BinaryOp::Power => number::power(a, b),
            BinaryOp::Range => Ok(written_out(&self.range(a, b)?)),
            BinaryOp::Matches => self.matches(a, b).map(Value::Bool),
            BinaryOp::Contains | BinaryOp::StartsWith | BinaryOp::EndsWith => self.text_test(op, a, b).map(Value::Bool),
            BinaryOp::And | BinaryOp::Or | BinaryOp::Coalesce => fault(format!("unknown operator ({})", op.text())),
        }
    }
    fn text_test(&self, op: BinaryOp, a: &Value, b: &Value) -> Res<bool> {
        if a.is_nil() || b.is_nil() {
            return Ok(false);
        }
        let needle = as_text(b)?;
        let (text, needle) = (as_text(a)?.as_bytes(), needle.as_bytes());
        self.ctx.budget.step(text.len() as u64 / 64)?;
        Ok(match op {
            BinaryOp::StartsWith => text.starts_with(needle),
            BinaryOp::EndsWith => text.ends_with(needle),
            _ => crate::builtin::find_bytes(text, needle).is_some(),
        })
    }
    /// The integers from `a` to `b`, counted against the memory budget, not yet written out.
    fn range(&self, a: &Value, b: &Value) -> Res<Items> {
        let (first, last) = (to_int(a)?, to_int(b)?);
        // Wraps as Go's does: a range wider than `int` is an empty one.
        let len = last.wrapping_sub(first).wrapping_add(1).max(0);
        self.grow(len.unsigned_abs())?;
        Ok(Items::Range { first, len: usize::try_from(len).unwrap_or_default() })
    }
    /// The elements of a range node without making a list of them.
    pub(super) fn range_items(&self, node: &Node, frame: Frame<'_>) -> Result<Option<Items>, Stop> {
        let Kind::Binary { op: BinaryOp::Range, left, right } = &node.kind else { return Ok(None) };
        if self.trace.is_some() {
            return Ok(None);
        }
        let a = self.operand(left, frame)?;
        let b = self.operand(right, frame)?;
        at(node.position, self.range(&a, &b)).map(Some)
    }
    fn in_range(&self, place: Position, left: &Node, right: &Node, frame: Frame<'_>) -> Outcome {
        let needle = self.operand(left, frame)?;
        match self.range_items(right, frame)? {
            Some(Items::Range { first, len }) if float_of(&needle).is_some() => {
                let n = float_of(&needle).unwrap_or(f64::NAN);
                let (from, to) = (first as f64, first.wrapping_add(len as i64) as f64);
                Ok(Value::Bool(n >= from && n < to && n.fract() == 0.0))
            }
            Some(_) => Ok(Value::Bool(false)),
            None => {
                let list = self.eval(right, frame)?;
                at(place, member::contains(self.ctx.budget, &needle, &list).map(Value::Bool))
            }
        }
    }
    fn matches(&self, subject: &Value, pattern: &Value) -> Res<bool> {
        if subject.is_nil() || pattern.is_nil() {
            return Ok(false);
        }
        let wanted = as_text(pattern)?;
        if let Some((text, regex)) = &*self.pattern.borrow()
            && text == wanted
        {
            return self.is_match(regex, subject);
        }
        self.ctx.budget.step(64 + wanted.as_bytes().len() as u64)?;
        self.ctx.budget.check_time()?;
        let regex = pattern::compile(&wanted.to_lossy()).map_err(CallError::new)?;
        let found = self.is_match(&regex, subject);
        *self.pattern.borrow_mut() = Some((wanted.clone(), regex));
        found
    }
    fn is_match(&self, regex: &Regex, subject: &Value) -> Res<bool> {
        let haystack: &[u8] = match subject {
            Value::Str(text) => text.as_bytes(),
            Value::Bytes(bytes) => bytes,
            other => return fault(assertion(other, "[]uint8")),
        };
        self.ctx.budget.step(haystack.len() as u64 / 16)?;
        Ok(regex.is_match(haystack))
    }
    #[inline(never)]
    pub(super) fn matches_constant(&self, place: Position, subject: &Node, regex: &Regex, frame: Frame<'_>) -> Outcome {
        let subject = self.operand(subject, frame)?;
        if subject.is_nil() {
            return Ok(Value::Bool(false));
        }
        at(place, self.is_match(regex, &subject).map(Value::Bool))
    }
    #[inline(never)]
    pub(super) fn in_strings(&self, place: Position, needle: &Node, set: &HashSet<Str>, frame: Frame<'_>) -> Outcome {
        let needle = self.operand(needle, frame)?;
        let found = match &*needle {
            Value::Str(text) => Ok(set.contains(text)),
            // Go looks up the zero key for an untyped nil.
            Value::Nil | Value::NoValue => Ok(set.contains(&Str::default())),
            other => fault(format!(
                "reflect.Value.MapIndex: value of type {} is not assignable to type string",
                super::convert::type_text(other)
            )),
        };
        at(place, found.map(Value::Bool))
    }
}

fn is_range(node: &Node) -> bool {
    matches!(node.kind, Kind::Binary { op: BinaryOp::Range, .. })
}

/// A range as the list that Go makes of it.
pub(super) fn written_out(items: &Items) -> Value {
    Value::List(gatepost_value::List { elem: GoType::Int(IntKind::Int), items: Arc::new(items.iter().collect()) })
}
