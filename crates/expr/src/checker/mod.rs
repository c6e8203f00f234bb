//! Finds what cannot work whatever the environment holds, and notes each node's type.
//!
//! Environment names are unknown and never an error; literals, built-ins and predicates have types. The first error
//! counts; checking goes on in order to be as thorough as Go's, whose order of visits is kept because it decides which
//! error is the first.

mod binary;
mod function;
mod member;
mod method;
mod predicate;
mod signature;
mod validate;

use crate::ast::{Kind, Node, Pointer, UnaryOp};
use crate::builtin_types::Builtin;
use crate::error::{Error, Position};
use crate::types::Type;
use gatepost_value::Str;

/// Checks a tree.
///
/// # Errors
/// The first thing that cannot work.
pub(crate) fn check(root: &mut Node, source: &str, as_bool: bool) -> Result<(), Error> {
    let mut checker = Checker { source, error: None, variables: Vec::new(), predicates: Vec::new() };
    let ty = checker.visit(root);
    if let Some(error) = checker.error {
        return Err(error);
    }
    if as_bool && !ty.is_unknown() && ty != Type::Bool {
        return Err(Error::compile(format!("expected bool, but got {ty}")));
    }
    Ok(())
}

struct Checker<'a> {
    source: &'a str,
    error: Option<Error>,
    variables: Vec<(Str, Type)>,
    predicates: Vec<Scope>,
}

/// What a predicate's pointers stand for.
struct Scope {
    collection: Type,
    index: bool,
    acc: bool,
}

impl Checker<'_> {
    /// Remembers the first error; the node's type is unknown then.
    fn fail(&mut self, position: Position, message: impl Into<String>) -> Type {
        self.fail_with(Error::compile(message).at(position))
    }
    fn fail_with(&mut self, error: Error) -> Type {
        self.error.get_or_insert(error);
        Type::Unknown
    }
    fn visit(&mut self, node: &mut Node) -> Type {
        let ty = self.infer(node);
        node.ty = ty.clone();
        ty
    }
    fn visit_all(&mut self, nodes: &mut [Node]) {
        for node in nodes {
            self.visit(node);
        }
    }
    fn infer(&mut self, node: &mut Node) -> Type {
        let position = node.position;
        match &mut node.kind {
            Kind::Nil => Type::Nil,
            Kind::Bool(_) => Type::Bool,
            Kind::Int(_) => Type::Int,
            Kind::Float(_) => Type::Float,
            Kind::Str(_) => Type::Str,
            Kind::Bytes(_) => Type::Bytes,
            Kind::Constant(_) => Type::any_array(),
            Kind::Identifier { name, .. } => self.identifier(name),
            Kind::Pointer(pointer) => self.pointer(pointer, position),
            Kind::Member { .. } => self.member(node),
            Kind::Chain(inner) => self.visit(inner),
            Kind::Slice { object, from, to } => self.slice(object, from.as_deref_mut(), to.as_deref_mut(), position),
            Kind::Call { callee, args } => self.call(callee, args, position),
            Kind::Builtin(call) => self.builtin(call, position),
            Kind::Predicate(body) => self.visit(body),
            Kind::Unary { op, operand } => self.unary(*op, operand, position),
            Kind::Binary { op, left, right } => self.binary(*op, left, right, position),
            Kind::Matches { subject: one, .. } | Kind::InStrings { needle: one, .. } => {
                self.visit(one);
                Type::Bool
            }
            Kind::Conditional { condition, then, otherwise } => self.conditional(condition, then, otherwise),
            Kind::Let { name, value, body, .. } => self.variable(name, value, body, position),
            Kind::Sequence(nodes) => {
                self.visit_all(nodes);
                nodes.last().map_or(Type::Unknown, |last| last.ty.clone())
            }
            Kind::Array(nodes) => self.array(nodes),
            Kind::Map(pairs) => {
                for pair in pairs {
                    self.visit(&mut pair.key);
                    self.visit(&mut pair.value);
                }
                Type::Map
            }
        }
    }
    fn identifier(&mut self, name: &Str) -> Type {
        if let Some((_, ty)) = self.variables.iter().rev().find(|(known, _)| known == name) {
            return ty.clone();
        }
        match name.as_str().and_then(Builtin::from_name) {
            Some(builtin) => signature::of_name(builtin),
            None => Type::Unknown,
        }
    }
    fn pointer(&mut self, pointer: &Pointer, position: Position) -> Type {
        let Some(scope) = self.predicates.last() else {
            return self.fail(position, "cannot use pointer accessor outside predicate");
        };
        match pointer {
            Pointer::Element if scope.collection.is_unknown() => Type::Unknown,
            Pointer::Element => scope.collection.elem(),
            Pointer::Index if scope.index => Type::Int,
            Pointer::Acc if scope.acc => Type::Unknown,
            Pointer::Index => self.fail(position, "unknown pointer #index"),
            Pointer::Acc => self.fail(position, "unknown pointer #acc"),
            Pointer::Unknown(name) => {
                let message = format!("unknown pointer #{name}");
                self.fail(position, message)
            }
        }
    }
    fn unary(&mut self, op: UnaryOp, operand: &mut Node, position: Position) -> Type {
        let ty = self.visit(operand).deref();
        match op {
            UnaryOp::Not if ty == Type::Bool || ty.is_unknown() => return Type::Bool,
            UnaryOp::Plus | UnaryOp::Minus if ty.is_number() => return ty,
            UnaryOp::Plus | UnaryOp::Minus if ty.is_unknown() => return Type::Unknown,
            _ => {}
        }
        let written = self.written(position);
        let mut error = Error::compile(format!("invalid operation: {written} (mismatched type {ty})")).at(position);
        if op == UnaryOp::Not {
            error = error.with_hint("`not` binds tighter than comparisons: write `not (a == b)`");
        }
        self.fail_with(error)
    }
    /// The operator at a place as the user wrote it.
    fn written(&self, position: Position) -> String {
        let offset = usize::try_from(position.offset).unwrap_or(usize::MAX);
        let mut rest = self.source.chars().skip(offset).peekable();
        let word = rest.peek().is_some_and(|c| c.is_alphabetic());
        rest.take_while(|c| if word { c.is_alphabetic() } else { "+-*/%^<>=!&|?.".contains(*c) })
            .take(if word { 10 } else { self.symbol_length(offset) })
            .collect()
    }
    fn symbol_length(&self, offset: usize) -> usize {
        let two: String = self.source.chars().skip(offset).take(2).collect();
        let double = matches!(two.as_str(), "==" | "!=" | "<=" | ">=" | "&&" | "||" | "**" | "??" | "..");
        if double { 2 } else { 1 }
    }
    fn conditional(&mut self, condition: &mut Node, then: &mut Node, otherwise: &mut Node) -> Type {
        let ty = self.visit(condition).deref();
        if ty != Type::Bool && !ty.is_unknown() {
            let message = format!("non-bool expression (type {ty}) used as condition");
            return self.fail(condition.position, message);
        }
        let first = self.visit(then);
        let second = self.visit(otherwise);
        match (&first, &second) {
            (Type::Nil, _) => second,
            (_, Type::Nil) => first,
            (Type::Array(a), Type::Array(b)) if !(a.assignable_to(b) && b.assignable_to(a)) => Type::any_array(),
            _ if first.assignable_to(&second) => first,
            _ => Type::Unknown,
        }
    }
    fn variable(&mut self, name: &Str, value: &mut Node, body: &mut Node, position: Position) -> Type {
        if name.as_str().and_then(Builtin::from_name).is_some() {
            let error = Error::compile(format!("cannot redeclare builtin {name}"))
                .at(position)
                .with_hint(format!("`{name}` is a built-in function; give the variable another name"));
            return self.fail_with(error);
        }
        if self.variables.iter().any(|(known, _)| known == name) {
            return self.fail(position, format!("cannot redeclare variable {name}"));
        }
        let ty = self.visit(value);
        self.variables.push((name.clone(), ty));
        let result = self.visit(body);
        self.variables.pop();
        result
    }
    fn array(&mut self, nodes: &mut [Node]) -> Type {
        let mut previous: Option<Type> = None;
        let mut same = true;
        for node in nodes {
            let ty = self.visit(node);
            same &= previous.as_ref().is_none_or(|before| before.kind() == ty.kind());
            previous = Some(ty);
        }
        if same { Type::array_of(previous.unwrap_or_default()) } else { Type::any_array() }
    }
}
