//! Which operators take which types, and what comes out.

use super::Checker;
use crate::ast::{BinaryOp, Kind, Node};
use crate::error::{Error, Position};
use crate::pattern;
use crate::types::{GoKind, Type};

type Test = fn(&Type) -> bool;

fn is_bool(ty: &Type) -> bool {
    *ty == Type::Bool
}
fn is_string(ty: &Type) -> bool {
    *ty == Type::Str
}
fn is_time(ty: &Type) -> bool {
    *ty == Type::Time
}
fn is_duration(ty: &Type) -> bool {
    *ty == Type::Duration
}

/// One side is unknown and the other is unknown too or passes one of the tests.
fn maybe(left: &Type, right: &Type, tests: &[Test]) -> bool {
    match (left.is_unknown(), right.is_unknown()) {
        (true, true) => true,
        (true, false) => tests.iter().any(|test| test(right)),
        (false, true) => tests.iter().any(|test| test(left)),
        (false, false) => false,
    }
}

fn both(left: &Type, right: &Type, test: Test) -> bool {
    test(left) && test(right)
}

fn promoted(left: &Type, right: &Type) -> Type {
    if *left == Type::Float || *right == Type::Float { Type::Float } else { Type::Int }
}

/// The result's type, or `None` where the operator does not take the operands.
fn arithmetic(op: BinaryOp, left: &Type, right: &Type) -> Option<Type> {
    use Type::{Duration, Float, Int, Str, Time};
    let numbers = both(left, right, Type::is_number);
    let known = match (op, left, right) {
        (BinaryOp::Divide | BinaryOp::Power, ..) if numbers => Some(Float),
        (BinaryOp::Modulo, ..) if both(left, right, Type::is_integer) => Some(Int),
        (BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply, ..) if numbers => Some(promoted(left, right)),
        (BinaryOp::Add, Str, Str) => Some(Str),
        (BinaryOp::Add, Time, Duration) | (BinaryOp::Add, Duration, Time) | (BinaryOp::Subtract, Time, Duration) => {
            Some(Time)
        }
        (BinaryOp::Subtract, Time, Time) => Some(Duration),
        (BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply, Duration, Duration) => Some(Duration),
        (BinaryOp::Multiply, Duration, other) | (BinaryOp::Multiply, other, Duration) if other.is_number() => {
            Some(Duration)
        }
        _ => None,
    };
    known.or_else(|| {
        let (tests, result): (&[Test], Type) = match op {
            BinaryOp::Divide | BinaryOp::Power => (&[Type::is_number], Float),
            BinaryOp::Modulo => (&[Type::is_integer], Int),
            BinaryOp::Multiply => (&[Type::is_number, is_duration], Type::Unknown),
            BinaryOp::Subtract => (&[Type::is_number, is_time, is_duration], Type::Unknown),
            _ => (&[Type::is_number, is_string, is_time, is_duration], Type::Unknown),
        };
        maybe(left, right, tests).then_some(result)
    })
}

fn is_ordered(left: &Type, right: &Type) -> bool {
    let tests: [Test; 4] = [Type::is_number, is_string, is_time, is_duration];
    tests.iter().any(|test| both(left, right, *test)) || maybe(left, right, &tests)
}

fn coalesce(left: Type, right: Type) -> Type {
    match (&left, &right) {
        (Type::Nil, _) => right,
        (_, Type::Nil) => left,
        _ if right.assignable_to(&left) => left,
        _ => Type::Unknown,
    }
}

fn hint(op: BinaryOp, left: &Type, right: &Type) -> Option<&'static str> {
    match (op, left, right) {
        (BinaryOp::In, Type::Str, Type::Str) => Some("to look for a text in a text, write `text contains part`"),
        (BinaryOp::Add, Type::Str, _) | (BinaryOp::Add, _, Type::Str) => Some("make it a text first: `string(x)`"),
        (BinaryOp::Equal | BinaryOp::NotEqual, Type::Month | Type::Weekday, _)
        | (BinaryOp::Equal | BinaryOp::NotEqual, _, Type::Month | Type::Weekday) => {
            Some("a month or weekday is no number: compare `.String()` with its English name")
        }
        (_, Type::Duration, other) | (_, other, Type::Duration) if !other.is_unknown() => {
            Some("a duration goes with a duration: `duration(\"5m\")`")
        }
        (_, Type::Time, Type::Str) | (_, Type::Str, Type::Time) => Some("make the text a time first: `date(text)`"),
        _ => None,
    }
}

/// `in`: the result's type, nothing where the operands do not fit, or the message of a more telling error.
fn membership(left: &Type, right: &Type) -> Result<Option<Type>, String> {
    if right.is_struct() && (is_string(left) || left.is_unknown()) {
        return Ok(Some(Type::Bool));
    }
    if right.is_map() {
        if !left.is_unknown() && !left.assignable_to(&right.key()) {
            return Err(format!("cannot use {left} as type {} in map key", right.key()));
        }
        return Ok(Some(Type::Bool));
    }
    if right.is_array() {
        let elem = right.elem();
        if !left.comparable_to(&elem) {
            return Err(format!("cannot use {left} as type {elem} in array"));
        }
        return Ok(Some(Type::Bool));
    }
    let maybe = right.is_unknown() || (left.is_unknown() && right.kind() == GoKind::String);
    Ok(maybe.then_some(Type::Bool))
}

impl Checker<'_> {
    pub(super) fn binary(&mut self, op: BinaryOp, left: &mut Node, right: &mut Node, position: Position) -> Type {
        let l = self.visit(left).deref();
        let r = self.visit(right).deref();
        let result = match op {
            BinaryOp::Equal | BinaryOp::NotEqual => l.comparable_to(&r).then_some(Type::Bool),
            BinaryOp::Or | BinaryOp::And => (both(&l, &r, is_bool) || maybe(&l, &r, &[is_bool])).then_some(Type::Bool),
            BinaryOp::Less | BinaryOp::Greater | BinaryOp::LessEqual | BinaryOp::GreaterEqual => {
                is_ordered(&l, &r).then_some(Type::Bool)
            }
            BinaryOp::In => match membership(&l, &r) {
                Ok(result) => result,
                Err(message) => return self.fail(position, message),
            },
            BinaryOp::Matches => match self.pattern(right, position) {
                Ok(()) => {
                    let fits = matches!(l, Type::Str | Type::Bytes) && is_string(&r);
                    (fits || maybe(&l, &r, &[is_string])).then_some(Type::Bool)
                }
                Err(error) => return self.fail_with(error),
            },
            BinaryOp::Contains | BinaryOp::StartsWith | BinaryOp::EndsWith => {
                (both(&l, &r, is_string) || maybe(&l, &r, &[is_string])).then_some(Type::Bool)
            }
            BinaryOp::Range => (both(&l, &r, Type::is_integer) || maybe(&l, &r, &[Type::is_integer]))
                .then(|| Type::array_of(Type::Int)),
            BinaryOp::Coalesce => Some(coalesce(l.clone(), r.clone())),
            _ => arithmetic(op, &l, &r),
        };
        result.unwrap_or_else(|| self.mismatch(op, &l, &r, position))
    }
    fn mismatch(&mut self, op: BinaryOp, left: &Type, right: &Type, position: Position) -> Type {
        let written = self.written(position);
        let message = format!("invalid operation: {written} (mismatched types {left} and {right})");
        let mut error = Error::compile(message).at(position);
        if let Some(hint) = hint(op, left, right) {
            error = error.with_hint(hint);
        }
        self.fail_with(error)
    }
    fn pattern(&self, right: &Node, position: Position) -> Result<(), Error> {
        let Kind::Str(text) = &right.kind else { return Ok(()) };
        pattern::compile(&text.to_lossy()).map(|_| ()).map_err(|message| Error::compile(message).at(position))
    }
}
