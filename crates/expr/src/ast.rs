//! The tree that the parser makes, the checker types, the optimizer rewrites and the evaluator walks.
//!
//! After [`crate::Program::compile`] every variable is a slot number and every pointer is known, so that running an
//! expression looks up no names but the environment's. The tree's height is bounded by `Limits::parse_depth`, so walking
//! and dropping it recursively is safe.

use crate::builtin_types::Builtin;
use crate::error::Position;
use crate::pattern::Regex;
use crate::types::Type;
use bytes::Bytes;
use gatepost_value::{Str, Value};
use std::collections::HashSet;
use std::sync::Arc;

/// One node of the tree.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Where an error about it points to.
    pub position: Position,
    /// What the checker knows about its value.
    pub ty: Type,
    /// Levels below and including this one.
    pub(crate) height: u32,
}

/// Which name an identifier stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A member of the environment: absent is nil.
    Env,
    /// `$env`: the environment itself.
    Whole,
    /// A variable made by `let`, by slot number below [`crate::Program::slots`].
    Slot(u32),
}

/// What a pointer in a predicate stands for; always of the innermost predicate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pointer {
    /// `#`, or the left side of `.name`.
    Element,
    /// `#index`
    Index,
    /// `#acc` in `reduce`.
    Acc,
    /// Any other name; refused before a program is made.
    Unknown(Arc<str>),
}

/// Unary operators. `+` is kept because it refuses what is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryOp {
    /// `!` or `not` (the text as written is in error messages only)
    Not,
    /// `-`
    Minus,
    /// `+`
    Plus,
}

/// Binary operators. `a not in b` is [`UnaryOp::Not`] over [`BinaryOp::In`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BinaryOp {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    Greater,
    LessEqual,
    GreaterEqual,
    In,
    Matches,
    Contains,
    StartsWith,
    EndsWith,
    Range,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Coalesce,
}

/// A call of a built-in function.
#[derive(Debug, Clone)]
pub struct BuiltinCall {
    /// Which one.
    pub builtin: Builtin,
    /// Arguments; a predicate argument is a [`Kind::Predicate`].
    pub args: Vec<Node>,
    /// `find`/`findLast` made from `filter(…)[0]`/`[-1]`: no hit is the error `reflect: slice index out of range`.
    pub throws: bool,
    /// `filter` fused with a `map` over it: the body evaluated for each hit, in the scope of the filter's predicate.
    pub map: Option<Box<Node>>,
    /// `count` whose result is compared with a constant: stop as soon as this many hits are counted.
    pub threshold: Option<i64>,
}

/// One `key: value` of a map literal. Among equal keys the first wins.
#[derive(Debug, Clone)]
pub struct Pair {
    /// A [`Kind::Str`], or an expression that must give a string.
    pub key: Node,
    /// The value.
    pub value: Node,
    /// The map's opening brace.
    pub position: Position,
}

/// All kinds of nodes.
#[derive(Debug, Clone)]
pub enum Kind {
    /// `nil`
    Nil,
    /// `true`, `false`
    Bool(bool),
    /// Go's `int`.
    Int(i64),
    /// Go's `float64`.
    Float(f64),
    /// A string.
    Str(Str),
    /// `b"…"`
    Bytes(Bytes),
    /// A folded array literal; clones are cheap and cost no memory budget.
    Constant(Value),
    /// A name.
    Identifier {
        /// As written.
        name: Str,
        /// What it stands for.
        target: Target,
    },
    /// `#`, `#index`, `#acc`.
    Pointer(Pointer),
    /// `object.name`, `object[property]`, `object?.name`, `object?.[property]`.
    Member {
        /// Left of the dot.
        object: Box<Node>,
        /// [`Kind::Str`] for a name.
        property: Box<Node>,
        /// Written with `?.`: a nil object makes the nearest [`Kind::Chain`] around it nil.
        optional: bool,
        /// The member is called at once.
        method: bool,
    },
    /// The extent that a nil before `?.` skips.
    Chain(Box<Node>),
    /// `object[from:to]`
    Slice {
        /// What is cut.
        object: Box<Node>,
        /// First index; the start where absent.
        from: Option<Box<Node>>,
        /// Index after the last; the end where absent.
        to: Option<Box<Node>>,
    },
    /// A call of something that is no built-in.
    Call {
        /// The function.
        callee: Box<Node>,
        /// Its arguments.
        args: Vec<Node>,
    },
    /// A call of a built-in.
    Builtin(Box<BuiltinCall>),
    /// The body of a predicate argument.
    Predicate(Box<Node>),
    /// `-x`, `not x`
    Unary {
        /// Operator.
        op: UnaryOp,
        /// Operand.
        operand: Box<Node>,
    },
    /// `a op b`
    Binary {
        /// Operator.
        op: BinaryOp,
        /// Left operand.
        left: Box<Node>,
        /// Right operand.
        right: Box<Node>,
    },
    /// `x matches "constant"` with the pattern compiled; nil gives false, strings and bytes are matched.
    Matches {
        /// What is matched.
        subject: Box<Node>,
        /// The pattern.
        regex: Regex,
    },
    /// `x in ["a", "b"]` with only string literals: looked up by key, so a left side that is not a plain string is the
    /// error that a map look-up with the wrong key type gives, and nil is in no set.
    InStrings {
        /// What is looked for.
        needle: Box<Node>,
        /// The strings.
        set: Arc<HashSet<Str>>,
    },
    /// `c ? a : b` and `if c { a } else { b }`.
    Conditional {
        /// Condition.
        condition: Box<Node>,
        /// When true.
        then: Box<Node>,
        /// When false.
        otherwise: Box<Node>,
    },
    /// `let name = value; body`
    Let {
        /// As written.
        name: Str,
        /// Where the value is kept.
        slot: u32,
        /// The value.
        value: Box<Node>,
        /// What may use it.
        body: Box<Node>,
    },
    /// `a; b; c`: the last one counts.
    Sequence(Vec<Node>),
    /// `[a, b]`
    Array(Vec<Node>),
    /// `{a: b}`
    Map(Vec<Pair>),
}

impl Node {
    /// A node of unknown type; its height follows from its children.
    #[must_use]
    pub fn new(kind: Kind, position: Position) -> Self {
        let mut node = Self { kind, position, ty: Type::Unknown, height: 1 };
        node.measure();
        node
    }
    /// Sets the height from the children's.
    pub(crate) fn measure(&mut self) {
        let mut below = 0;
        self.for_each_child(&mut |child| below = below.max(child.height));
        self.height = below + 1;
    }
    /// The same with a type.
    #[must_use]
    pub fn typed(kind: Kind, position: Position, ty: Type) -> Self {
        Self { ty, ..Self::new(kind, position) }
    }
    /// The text, if this is a string literal.
    #[must_use]
    pub fn as_literal(&self) -> Option<&Str> {
        match &self.kind {
            Kind::Str(text) => Some(text),
            _ => None,
        }
    }
    /// Visits the direct children in the order in which they are evaluated.
    pub fn for_each_child<'a>(&'a self, visit: &mut dyn FnMut(&'a Node)) {
        match &self.kind {
            Kind::Chain(one) | Kind::Predicate(one) => visit(one),
            Kind::Unary { operand: one, .. }
            | Kind::Matches { subject: one, .. }
            | Kind::InStrings { needle: one, .. } => visit(one),
            Kind::Member { object: a, property: b, .. }
            | Kind::Binary { left: a, right: b, .. }
            | Kind::Let { value: a, body: b, .. } => [a, b].into_iter().for_each(|n| visit(n)),
            Kind::Slice { object, from, to } => {
                [Some(object), to.as_ref(), from.as_ref()].into_iter().flatten().for_each(|n| visit(n));
            }
            Kind::Call { callee, args } => {
                args.iter().for_each(&mut *visit);
                visit(callee);
            }
            Kind::Builtin(call) => {
                call.args.iter().for_each(&mut *visit);
                call.map.iter().for_each(|n| visit(n));
            }
            Kind::Conditional { condition, then, otherwise } => {
                [condition, then, otherwise].into_iter().for_each(|n| visit(n));
            }
            Kind::Sequence(nodes) | Kind::Array(nodes) => nodes.iter().for_each(visit),
            Kind::Map(pairs) => pairs.iter().flat_map(|p| [&p.key, &p.value]).for_each(visit),
            _ => {}
        }
    }
    /// Visits the direct children, which may be rewritten.
    pub fn for_each_child_mut(&mut self, visit: &mut dyn FnMut(&mut Node)) {
        match &mut self.kind {
            Kind::Chain(one) | Kind::Predicate(one) => visit(one),
            Kind::Unary { operand: one, .. }
            | Kind::Matches { subject: one, .. }
            | Kind::InStrings { needle: one, .. } => visit(one),
            Kind::Member { object: a, property: b, .. }
            | Kind::Binary { left: a, right: b, .. }
            | Kind::Let { value: a, body: b, .. } => [a, b].into_iter().for_each(|n| visit(n)),
            Kind::Slice { object, from, to } => {
                [Some(object), from.as_mut(), to.as_mut()].into_iter().flatten().for_each(|n| visit(n));
            }
            Kind::Call { callee, args } => {
                visit(callee);
                args.iter_mut().for_each(visit);
            }
            Kind::Builtin(call) => {
                call.args.iter_mut().for_each(&mut *visit);
                call.map.iter_mut().for_each(|n| visit(n));
            }
            Kind::Conditional { condition, then, otherwise } => {
                [condition, then, otherwise].into_iter().for_each(|n| visit(n));
            }
            Kind::Sequence(nodes) | Kind::Array(nodes) => nodes.iter_mut().for_each(visit),
            Kind::Map(pairs) => pairs.iter_mut().flat_map(|p| [&mut p.key, &mut p.value]).for_each(visit),
            _ => {}
        }
    }
}

impl BinaryOp {
    /// As users write it (`and`, `or`, `^` are told apart by nobody but the parser).
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::Greater => ">",
            Self::LessEqual => "<=",
            Self::GreaterEqual => ">=",
            Self::In => "in",
            Self::Matches => "matches",
            Self::Contains => "contains",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
            Self::Range => "..",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Power => "**",
            Self::Coalesce => "??",
        }
    }
}
