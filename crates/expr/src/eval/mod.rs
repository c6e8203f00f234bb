//! The evaluator: walks the resolved tree over an environment of values.
//!
//! Decides what each node is worth and where an error points to. It never does I/O, never reads the clock (the call
//! context carries the time) and stops at the limits of the context's budget and at expr's own memory budget.

mod call;
pub(crate) mod compare;
pub(crate) mod convert;
pub(crate) mod items;
pub(crate) mod key;
pub(crate) mod member;
pub mod number;
mod operator;
mod predicate;
#[cfg(test)]
mod tests;
mod text;
mod trace;

pub use trace::Trace;

use crate::ast::{Kind, Node, Pair, Pointer, Target};
use crate::error::{Error, ErrorKind, Position};
use crate::pattern::Regex;
use crate::program::Program;
use convert::{Res, as_text, assertion, fault, plain, type_text};
use gatepost_value::{CallContext, CallError, GoType, LimitError, Map, Str, Value};
use std::cell::{Cell, RefCell};

/// Elements that one run may make with ranges, literals and list functions; the same number as in Go's expr.
const MEMORY_BUDGET: u64 = 1_000_000;
const MEMORY: &str = "memory";

/// Why a node gave no value.
enum Stop {
    /// A nil before `?.`: the chain around it is nil.
    Skip,
    /// An error, and where.
    Fault(Box<(CallError, Position)>),
}

type Outcome = Result<Value, Stop>;

/// Puts a place to an error.
fn at<T>(position: Position, result: Res<T>) -> Result<T, Stop> {
    result.map_err(|error| Stop::Fault(Box::new((error, position))))
}

/// What `#`, `#index` and `#acc` are.
struct Element<'a> {
    /// What `#` is, or why it cannot be read.
    item: Result<&'a Value, &'static str>,
    index: usize,
    acc: Option<&'a Value>,
}

/// A variable made by `let`, and those around it.
struct Variable<'a> {
    slot: u32,
    value: &'a Value,
    outer: Option<&'a Variable<'a>>,
}

/// What names without the environment mean at a place in the tree.
#[derive(Clone, Copy, Default)]
struct Frame<'a> {
    element: Option<&'a Element<'a>>,
    variables: Option<&'a Variable<'a>>,
}

impl<'a> Frame<'a> {
    fn variable(self, slot: u32) -> Option<&'a Value> {
        let mut at = self.variables;
        while let Some(variable) = at {
            if variable.slot == slot {
                return Some(variable.value);
            }
            at = variable.outer;
        }
        None
    }
}

/// One evaluation of one program.
pub(crate) struct Run<'r> {
    pub(crate) ctx: &'r CallContext<'r>,
    env: &'r Value,
    memory: Cell<u64>,
    /// The pattern that `matches` compiled last: loops ask for the same one again.
    pattern: RefCell<Option<(Str, Regex)>>,
    trace: Option<RefCell<Vec<Trace>>>,
}

impl Program {
    /// Evaluates the expression over an environment, a map or a struct; unknown names are nil.
    ///
    /// # Errors
    /// What Go's `expr.Run` reports, and limits of the context's budget.
    pub fn run(&self, env: &Value, ctx: &CallContext<'_>) -> Result<Value, Error> {
        self.finish(Run::new(env, ctx, None).eval(&self.root, Frame::default()))
    }
    /// As [`Program::run`], and lists what each sub-expression gave, in the order in which they were evaluated.
    pub fn run_traced(&self, env: &Value, ctx: &CallContext<'_>) -> (Result<Value, Error>, Vec<Trace>) {
        let run = Run::new(env, ctx, Some(RefCell::default()));
        let result = self.finish(run.eval(&self.root, Frame::default()));
        (result, run.trace.map(RefCell::into_inner).unwrap_or_default())
    }
    fn finish(&self, outcome: Outcome) -> Result<Value, Error> {
        let value = match outcome {
            Ok(value) => value,
            Err(Stop::Skip) => Value::Nil,
            Err(Stop::Fault(fault)) => return Err(to_error(fault.0).at(fault.1).bind(self.source())),
        };
        if !self.as_bool() {
            return Ok(value);
        }
        match value {
            Value::Bool(_) => Ok(value),
            Value::Nil | Value::NoValue => Ok(Value::Bool(false)),
            other => {
                let start = Position { offset: 0, line: 1, column: 1 };
                let message = format!("invalid operation: bool({})", type_text(&other));
                Err(Error::runtime(message).at(start).bind(self.source()))
            }
        }
    }
}

fn to_error(error: CallError) -> Error {
    match error {
        CallError::Limit(LimitError { limit: MEMORY, .. }) => Error::new(ErrorKind::Limit, "memory budget exceeded"),
        other => other.into(),
    }
}

impl<'r> Run<'r> {
    fn new(env: &'r Value, ctx: &'r CallContext<'r>, trace: Option<RefCell<Vec<Trace>>>) -> Self {
        Self { ctx, env, memory: Cell::new(0), pattern: RefCell::new(None), trace }
    }
    /// Counts elements against expr's memory budget; asked before they are made.
    pub(crate) fn grow(&self, elements: u64) -> Res<()> {
        let total = self.memory.get().saturating_add(elements);
        self.memory.set(total);
        if total >= MEMORY_BUDGET {
            return Err(LimitError { limit: MEMORY, allowed: MEMORY_BUDGET }.into());
        }
        Ok(())
    }
    /// How many elements may still be made.
    pub(crate) fn room(&self) -> u64 {
        MEMORY_BUDGET.saturating_sub(self.memory.get())
    }
    /// The value of a node.
    fn eval(&self, node: &Node, frame: Frame<'_>) -> Outcome {
        at(node.position, self.ctx.budget.step(1).map_err(CallError::from))?;
        match &self.trace {
            None => self.dispatch(node, frame),
            Some(trace) => {
                let outcome = self.dispatch(node, frame);
                trace::record(trace, node, &outcome);
                outcome
            }
        }
    }
    fn dispatch(&self, node: &Node, frame: Frame<'_>) -> Outcome {
        match &node.kind {
            Kind::Nil => Ok(Value::Nil),
            Kind::Bool(b) => Ok(Value::Bool(*b)),
            Kind::Int(i) => Ok(Value::int(*i)),
            Kind::Float(f) => Ok(Value::float(*f)),
            Kind::Str(text) => Ok(Value::Str(text.clone())),
            Kind::Bytes(bytes) => Ok(Value::Bytes(bytes.clone())),
            Kind::Constant(value) => Ok(value.clone()),
            Kind::Identifier { name, target } => Ok(self.name(name, *target, frame)),
            Kind::Pointer(pointer) => at(node.position, pointed(pointer, frame)),
            Kind::Member { .. } => self.member(node, frame),
            Kind::Chain(inner) => self.chain(inner, frame),
            Kind::Slice { object, from, to } => {
                self.slice(node.position, object, from.as_deref(), to.as_deref(), frame)
            }
            Kind::Call { callee, args } => self.call(node.position, callee, args, frame),
            Kind::Builtin(call) => self.builtin(node.position, call, frame),
            Kind::Predicate(inner) => self.eval(inner, frame),
            Kind::Unary { op, operand } => self.unary(node.position, *op, operand, frame),
            Kind::Binary { op, left, right } => self.binary(node.position, *op, left, right, frame),
            Kind::Matches { subject, regex } => self.matches_constant(node.position, subject, regex, frame),
            Kind::InStrings { needle, set } => self.in_strings(node.position, needle, set, frame),
            Kind::Conditional { condition, then, otherwise } => {
                let chosen = if self.condition(node.position, condition, frame)? { then } else { otherwise };
                self.eval(chosen, frame)
            }
            Kind::Let { slot, value, body, .. } => self.bind(*slot, value, body, frame),
            Kind::Sequence(nodes) => self.sequence(nodes, frame),
            Kind::Array(nodes) => self.array(node.position, nodes, frame),
            Kind::Map(pairs) => self.map(node.position, pairs, frame),
        }
    }
    #[inline(never)]
    fn name(&self, name: &Str, target: Target, frame: Frame<'_>) -> Value {
        match target {
            Target::Whole => self.env.clone(),
            Target::Slot(slot) => frame.variable(slot).cloned().unwrap_or_default(),
            Target::Env => match self.env {
                Value::Map(map) => map.get(name.as_bytes()).unwrap_or_default(),
                Value::Struct(view) => name.as_str().and_then(|name| view.field(name)).unwrap_or_default(),
                _ => Value::Nil,
            },
        }
    }
    /// The value of a path of names where all of it lies in memory already: the fast way through the environment.
    fn look<'v>(&'v self, node: &'v Node, frame: Frame<'v>) -> Option<&'v Value> {
        match &node.kind {
            Kind::Constant(value) => Some(value),
            Kind::Pointer(Pointer::Element) => frame.element.and_then(|element| element.item.ok()),
            Kind::Identifier { target: Target::Slot(slot), .. } => frame.variable(*slot),
            Kind::Identifier { name, target: Target::Env } => frozen(self.env, name),
            Kind::Member { object, property, .. } => match &property.kind {
                Kind::Str(name) => frozen(self.look(object, frame)?, name),
                _ => None,
            },
            _ => None,
        }
    }
    #[inline(never)]
    fn member(&self, node: &Node, frame: Frame<'_>) -> Outcome {
        let Kind::Member { object, property, optional, .. } = &node.kind else { return Ok(Value::Nil) };
        if self.trace.is_none()
            && let Some(value) = self.look(node, frame)
        {
            return Ok(value.clone());
        }
        let from = self.eval(object, frame)?;
        if *optional && from.is_nil() {
            return Err(Stop::Skip);
        }
        if let Kind::Str(name) = &property.kind {
            return at(node.position, member::fetch_name(&from, name));
        }
        let key = plain(self.eval(property, frame)?);
        at(node.position, member::fetch(&from, &key))
    }
    #[inline(never)]
    fn chain(&self, inner: &Node, frame: Frame<'_>) -> Outcome {
        match self.eval(inner, frame) {
            Err(Stop::Skip) => Ok(Value::Nil),
            Ok(value) if value.is_nil() => Ok(Value::Nil),
            other => other,
        }
    }
    #[inline(never)]
    fn slice(
        &self,
        place: Position,
        object: &Node,
        from: Option<&Node>,
        to: Option<&Node>,
        frame: Frame<'_>,
    ) -> Outcome {
        let object = self.eval(object, frame)?;
        let to = match to {
            Some(node) => plain(self.eval(node, frame)?),
            None => Value::int(at(place, member::len(&object))? as i64),
        };
        let from = match from {
            Some(node) => plain(self.eval(node, frame)?),
            None => Value::int(0),
        };
        at(place, member::slice(self.ctx.budget, &object, &from, &to))
    }
    #[inline(never)]
    fn bind(&self, slot: u32, value: &Node, body: &Node, frame: Frame<'_>) -> Outcome {
        let value = self.eval(value, frame)?;
        let variable = Variable { slot, value: &value, outer: frame.variables };
        self.eval(body, Frame { variables: Some(&variable), ..frame })
    }
    #[inline(never)]
    fn sequence(&self, nodes: &[Node], frame: Frame<'_>) -> Outcome {
        let mut last = Value::Nil;
        for node in nodes {
            last = self.eval(node, frame)?;
        }
        Ok(last)
    }
    #[inline(never)]
    fn array(&self, place: Position, nodes: &[Node], frame: Frame<'_>) -> Outcome {
        let mut items = Vec::with_capacity(nodes.len());
        for node in nodes {
            items.push(self.eval(node, frame)?);
        }
        at(place, self.grow(nodes.len() as u64))?;
        Ok(Value::list(items))
    }
    #[inline(never)]
    fn map(&self, place: Position, pairs: &[Pair], frame: Frame<'_>) -> Outcome {
        let mut entries = Vec::with_capacity(pairs.len());
        for pair in pairs {
            entries.push((self.eval(&pair.key, frame)?, self.eval(&pair.value, frame)?));
        }
        at(place, self.grow(pairs.len() as u64))?;
        // Go fills the map from the last pair on: the first of equal keys stays, the last bad key is reported.
        let entries: Res<Vec<_>> =
            entries.into_iter().rev().map(|(key, value)| Ok((as_text(&key)?.clone(), value))).collect();
        Ok(Value::Map(Map::frozen(at(place, entries)?)))
    }
    /// A node that has to be true or false.
    fn condition(&self, place: Position, node: &Node, frame: Frame<'_>) -> Result<bool, Stop> {
        match plain(self.eval(node, frame)?) {
            Value::Bool(b) => Ok(b),
            other => at(place, Err(CallError::new(assertion(&other, "bool")))),
        }
    }
}

fn pointed(pointer: &Pointer, frame: Frame<'_>) -> Res<Value> {
    let Some(element) = frame.element else { return Ok(Value::Nil) };
    match (pointer, element.item) {
        (Pointer::Element, Ok(item)) => Ok(item.clone()),
        (Pointer::Element, Err(reason)) => fault(reason),
        (Pointer::Index, _) => Ok(Value::int(element.index as i64)),
        (Pointer::Acc, _) => Ok(element.acc.cloned().unwrap_or_default()),
        (Pointer::Unknown(_), _) => Ok(Value::Nil),
    }
}

/// The member of a map that never changes; nil where a map of anything lacks it.
fn frozen<'v>(from: &'v Value, name: &Str) -> Option<&'v Value> {
    static ABSENT: Value = Value::Nil;
    let Value::Map(map) = from else { return None };
    let Map::Frozen(entries) = map else { return None };
    entries.get(name.as_bytes()).or_else(|| matches!(map.elem(), GoType::Any).then_some(&ABSENT))
}
