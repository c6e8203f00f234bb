//! Runs a parsed template: text, actions, `if`, `with`, `range`, `template`, and the variables.
//!
//! Decides what is written and in which order. Every node costs a step and every level of nesting counts, so that no
//! template can hang or exhaust the stack; data is never changed and never copied.

use crate::error::{Cause, Details, Error, Stage};
use crate::hint;
use crate::node::{Branch, Id, Kind, Tree};
use crate::output::{Output, SegmentKind};
use crate::overlay::Overlay;
use crate::scope::NOWHERE;
use crate::template::MissingKey;
use gatepost_value::{CallContext, IntKind, LimitError, Str, UintKind, Value, cast, fmt};

/// What an execution step gives.
pub(crate) type Done<T> = Result<T, Error>;

/// A value and whether Go holds it in an `interface {}`: an element of an untyped map or list. Error texts differ.
#[derive(Clone, Default)]
pub(crate) struct Bound {
    pub value: Value,
    pub boxed: bool,
}

impl Bound {
    pub(crate) const fn plain(value: Value) -> Self {
        Self { value, boxed: false }
    }
    /// The value behind the interface: a nil in one is no value at all.
    pub(crate) fn open(self) -> Value {
        match self.value {
            Value::Nil => Value::NoValue,
            value => value,
        }
    }
}

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Next,
    Break,
    Continue,
}

/// One render.
pub(crate) struct Run<'r> {
    pub tree: &'r Tree,
    pub context: &'r CallContext<'r>,
    pub overlay: Overlay,
    pub missing: MissingKey,
    out: Output<'r>,
    /// Variables of all running templates; each has a frame from its base on.
    variables: Vec<Option<Bound>>,
    base: usize,
    /// The node that an error is about.
    at: Id,
    running: &'r str,
}

impl<'r> Run<'r> {
    pub(crate) fn new(tree: &'r Tree, context: &'r CallContext<'r>, missing: MissingKey, out: Output<'r>) -> Self {
        let variables = Vec::with_capacity(8);
        let overlay = Overlay::default();
        Self { tree, context, overlay, missing, out, variables, base: 0, at: Id(0), running: &tree.name }
    }
    /// Renders the main template.
    pub(crate) fn start(&mut self, data: &Value) -> Done<()> {
        let Some(body) = self.tree.templates.get(&self.tree.name) else { return Ok(()) };
        let root = Bound::plain(Bound { value: data.clone(), boxed: false }.open());
        self.variables.push(Some(root.clone()));
        self.list(&root, body)?;
        Ok(())
    }
    pub(crate) fn into_output(self) -> Output<'r> {
        self.out
    }

    /// Names the node that errors are about from here on.
    pub(crate) const fn at(&mut self, node: Id) {
        self.at = node;
    }
    pub(crate) fn fail(&self, cause: impl Into<Cause>) -> Error {
        let cause = cause.into();
        let hint = match &cause {
            Cause::Message(message) => hint::for_exec_error(message),
            Cause::Limit(_) => None,
        };
        let (line, column) = self.tree.position(self.at);
        Error::new(Details {
            stage: Stage::Execute,
            name: self.tree.name.to_string(),
            running: self.running.to_owned(),
            line,
            column: Some(column),
            context: self.tree.show(self.at),
            cause,
            hint,
        })
    }
    pub(crate) fn error(&self, message: impl Into<String>) -> Error {
        self.fail(Cause::text(message))
    }
    pub(crate) fn limited<T>(&self, result: Result<T, LimitError>) -> Done<T> {
        result.map_err(|limit| self.fail(limit))
    }

    fn list(&mut self, dot: &Bound, list: &'r [Id]) -> Done<Flow> {
        for id in list {
            let flow = self.item(dot, *id)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }
    fn item(&mut self, dot: &Bound, id: Id) -> Done<Flow> {
        self.at = id;
        self.limited(self.context.budget.step(1))?;
        match &self.tree.node(id).kind {
            Kind::Text(range) => {
                let text = self.tree.source(range).as_bytes();
                let written = self.out.write(SegmentKind::Static, id, text);
                self.limited(written)?;
                Ok(Flow::Next)
            }
            Kind::Action(pipe) => self.action(dot, id, *pipe),
            Kind::Break => Ok(Flow::Break),
            Kind::Continue => Ok(Flow::Continue),
            Kind::If(branch) => self.branch(dot, branch, false),
            Kind::With(branch) => self.branch(dot, branch, true),
            Kind::Range(branch) => self.range(dot, branch),
            Kind::Template { name, pipe } => self.template(dot, name, *pipe),
            _ => Err(self.error("unknown node")),
        }
    }
    /// A list inside something: one level deeper.
    fn nested(&mut self, dot: &Bound, list: &'r [Id]) -> Done<Flow> {
        self.limited(self.context.budget.enter())?;
        let flow = self.list(dot, list);
        self.context.budget.leave();
        flow
    }

    fn action(&mut self, dot: &Bound, id: Id, pipe: Id) -> Done<Flow> {
        if self.print_directly(dot, id, pipe)? {
            return Ok(Flow::Next);
        }
        let value = self.pipeline(dot, pipe)?;
        if self.tree.pipe(pipe).variables.is_empty() {
            self.at = id;
            self.print(id, value)?;
        }
        Ok(Flow::Next)
    }
    /// The common `{{.a.b.c}}`: finds a text in frozen maps and writes it without counting references.
    fn print_directly(&mut self, dot: &Bound, id: Id, pipe: Id) -> Done<bool> {
        let pipe = self.tree.pipe(pipe);
        let ([command], []) = (&pipe.commands[..], &pipe.variables[..]) else { return Ok(false) };
        let [word] = self.tree.words(*command) else { return Ok(false) };
        if !self.overlay.is_empty() {
            return Ok(false);
        }
        let found = match &self.tree.node(*word).kind {
            Kind::Field(fields) => descend(&dot.value, fields),
            Kind::Variable(variable) => {
                let slot = self.base + variable.slot as usize;
                let bound = self.variables.get(slot).and_then(Option::as_ref);
                bound.and_then(|bound| descend(&bound.value, &variable.fields))
            }
            _ => None,
        };
        let Some(Value::Str(text)) = found else { return Ok(false) };
        let written = self.out.write(SegmentKind::Printed, id, text.as_bytes());
        self.limited(written)?;
        Ok(true)
    }
    fn print(&mut self, id: Id, mut value: Value) -> Done<()> {
        let written = match &value {
            Value::Nil | Value::NoValue => self.out.write(SegmentKind::Printed, id, b"<no value>"),
            Value::Str(text) => self.out.write(SegmentKind::Printed, id, text.as_bytes()),
            Value::Func(_) => {
                let message = format!("can't print {} of type {}", self.tree.show(id), fmt::type_name(&value));
                return Err(self.error(message));
            }
            Value::Map(_) | Value::List(_) | Value::AnyMap(_) | Value::Struct(_) | Value::Bytes(_) => {
                let resolved = self.overlay.resolve(self.context, &mut value);
                resolved.map_err(|error| self.fail(error))?;
                let text = self.limited(fmt::sprint(self.context.budget, std::slice::from_ref(&value)))?;
                self.out.write(SegmentKind::Printed, id, text.as_bytes())
            }
            _ => {
                let budget = self.context.budget;
                self.out.print(id, |out| fmt::append_metered(budget, out, &value))
            }
        };
        self.limited(written)
    }

    fn branch(&mut self, dot: &Bound, branch: &'r Branch, moves_dot: bool) -> Done<Flow> {
        let value = self.pipeline(dot, branch.pipe)?;
        let truth = self.truth(&value);
        let flow = match (&branch.otherwise, truth) {
            (_, true) if moves_dot => self.nested(&Bound::plain(value), &branch.body)?,
            (_, true) => self.nested(dot, &branch.body)?,
            (Some(otherwise), false) => self.nested(dot, otherwise)?,
            (None, false) => Flow::Next,
        };
        self.forget(branch.outer);
        Ok(flow)
    }
    /// Whether a value counts as true, as this render sees it.
    pub(crate) fn truth(&self, value: &Value) -> bool {
        match value {
            Value::Map(map) => !self.overlay.read(map).is_empty(),
            other => cast::truth(other),
        }
    }

    fn template(&mut self, dot: &Bound, name: &'r str, pipe: Option<Id>) -> Done<Flow> {
        let here = self.at;
        let Some((name, body)) = self.tree.templates.get_key_value(name) else {
            let quoted = fmt::quote(name.as_bytes());
            return Err(self.error(format!("template {quoted} not defined")));
        };
        let data = match pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Value::NoValue,
        };
        self.at = here;
        let (outer_base, outer_name) = (self.base, self.running);
        self.limited(self.context.budget.enter())?;
        self.base = self.variables.len();
        self.running = name;
        let root = Bound::plain(data);
        self.variables.push(Some(root.clone()));
        self.list(&root, body)?;
        self.variables.truncate(self.base);
        self.base = outer_base;
        self.running = outer_name;
        self.context.budget.leave();
        Ok(Flow::Next)
    }
}

/// Loops.
impl<'r> Run<'r> {
    fn range(&mut self, dot: &Bound, branch: &'r Branch) -> Done<Flow> {
        let value = self.pipeline(dot, branch.pipe)?;
        let flow = if self.rounds(branch, &value)? {
            Flow::Next
        } else {
            match &branch.otherwise {
                // As in Go, a `break` here ends this range, which is over anyway; `continue` is for the one around it.
                Some(otherwise) => match self.nested(dot, otherwise)? {
                    Flow::Break => Flow::Next,
                    flow => flow,
                },
                None => Flow::Next,
            }
        };
        self.forget(branch.outer);
        Ok(flow)
    }
    /// Runs the body for each element; says whether there was any.
    fn rounds(&mut self, branch: &'r Branch, value: &Value) -> Done<bool> {
        match value {
            Value::Nil | Value::NoValue => Ok(false),
            Value::List(list) => {
                let boxed = list.elem == gatepost_value::GoType::Any;
                let items = list.items.iter().enumerate();
                let pairs = items.map(|(i, item)| (index_value(i), Bound { value: item.clone(), boxed }));
                self.each(branch, pairs)
            }
            Value::Bytes(bytes) => {
                let byte = |b: u8| Bound::plain(Value::Uint(UintKind::Uint8, u64::from(b)));
                self.each(branch, bytes.iter().enumerate().map(|(i, b)| (index_value(i), byte(*b))))
            }
            Value::Map(map) => {
                let map = self.overlay.read(map);
                let boxed = *map.elem() == gatepost_value::GoType::Any;
                let entries = map.entries().into_iter();
                self.each(branch, entries.map(|(key, item)| (Value::Str(key), Bound { value: item, boxed })))
            }
            Value::AnyMap(pairs) => {
                let entry = |(key, item): &(Value, Value)| (key.clone(), Bound { value: item.clone(), boxed: true });
                let mut entries: Vec<_> = pairs.iter().map(entry).collect();
                entries.sort_by_cached_key(|(key, _)| fmt::sprint_v(key));
                self.each(branch, entries.into_iter())
            }
            Value::Int(..) | Value::Uint(..) | Value::Duration(_) | Value::Month(_) | Value::Weekday(_)
                if self.tree.pipe(branch.pipe).variables.len() > 1 =>
            {
                let shown = fmt::sprint_v(value);
                Err(self.error(format!("can't use {shown} to iterate over more than one variable")))
            }
            Value::Int(kind, n) => self.count(branch, *n, |i| Value::Int(*kind, i)),
            Value::Duration(n) => self.count(branch, *n, Value::Duration),
            Value::Month(n) => self.count(branch, *n, Value::Month),
            Value::Weekday(n) => self.count(branch, *n, Value::Weekday),
            Value::Uint(kind, n) => {
                let n = i64::try_from(*n).unwrap_or(i64::MAX);
                self.count(branch, n, |i| Value::Uint(*kind, i.unsigned_abs()))
            }
            Value::Named(named) => self.rounds_of_named(branch, &named.base, value),
            Value::TypedNil(kind) if !is_pointer(kind) => Ok(false),
            other => Err(self.error(format!("range can't iterate over {}", fmt::sprint_v(other)))),
        }
    }
    fn rounds_of_named(&mut self, branch: &'r Branch, base: &Value, named: &Value) -> Done<bool> {
        match base {
            Value::Named(_) | Value::Str(_) => {
                Err(self.error(format!("range can't iterate over {}", fmt::sprint_v(named))))
            }
            base => self.rounds(branch, base),
        }
    }
    fn count(&mut self, branch: &'r Branch, n: i64, make: impl Fn(i64) -> Value) -> Done<bool> {
        if self.tree.pipe(branch.pipe).variables.len() > 1 {
            return Err(self.error(format!("can't use {n} to iterate over more than one variable")));
        }
        self.each(branch, (0..n).map(|i| (Value::NoValue, Bound::plain(make(i)))))
    }
    fn each(&mut self, branch: &'r Branch, items: impl Iterator<Item = (Value, Bound)>) -> Done<bool> {
        let mut any = false;
        for (index, item) in items {
            any = true;
            self.limited(self.context.budget.step(1))?;
            self.set_loop_variables(branch, index, &item)?;
            let flow = self.nested(&item, &branch.body)?;
            self.forget(branch.inner);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(any)
    }
    fn set_loop_variables(&mut self, branch: &'r Branch, index: Value, item: &Bound) -> Done<()> {
        let variables = &self.tree.pipe(branch.pipe).variables;
        match &variables[..] {
            [] => Ok(()),
            [element] => self.set(*element, item.clone()),
            [first, element, ..] => {
                self.set(*first, Bound::plain(index))?;
                self.set(*element, item.clone())
            }
        }
    }
}

/// Variables.
impl Run<'_> {
    /// Sets a variable, by the node that names it.
    pub(crate) fn set(&mut self, node: Id, bound: Bound) -> Done<()> {
        let Kind::Variable(variable) = &self.tree.node(node).kind else { return Ok(()) };
        if variable.slot == NOWHERE {
            return Err(self.undefined(&variable.name));
        }
        let index = self.base + variable.slot as usize;
        if self.variables.len() <= index {
            self.variables.resize_with(index + 1, || None);
        }
        self.variables[index] = Some(bound);
        Ok(())
    }
    pub(crate) fn variable(&self, name: &Str, slot: u32) -> Done<&Bound> {
        let index = self.base + slot as usize;
        self.variables.get(index).and_then(Option::as_ref).ok_or_else(|| self.undefined(name))
    }
    fn undefined(&self, name: &Str) -> Error {
        self.error(format!("undefined variable: {name}"))
    }
    /// Drops the variables of a block that ended.
    fn forget(&mut self, kept: u32) {
        self.variables.truncate(self.base + kept as usize);
    }
}

/// Follows fields through frozen maps; `None` as soon as anything else is met.
pub(crate) fn descend<'v>(from: &'v Value, fields: &[Str]) -> Option<&'v Value> {
    let mut here = from;
    for field in fields {
        let Value::Map(gatepost_value::Map::Frozen(map)) = here else { return None };
        here = map.get(field.as_bytes())?;
    }
    Some(here)
}

fn index_value(i: usize) -> Value {
    Value::Int(IntKind::Int, i64::try_from(i).unwrap_or(i64::MAX))
}

fn is_pointer(kind: &gatepost_value::GoType) -> bool {
    matches!(kind, gatepost_value::GoType::Named(_) | gatepost_value::GoType::Location | gatepost_value::GoType::Func)
}
