//! Evaluates pipelines: commands, their arguments, chains of fields, calls of functions and methods.
//!
//! Decides what a pipeline's value is and, where Go refuses it, says so in Go's words and at Go's place.

use crate::builtin;
use crate::exec::{Bound, Done, Run, descend};
use crate::function::{Call, FunctionSpec, ParamType};
use crate::node::{Form, Id, Kind, Number};
use crate::template::MissingKey;
use crate::want::{Reading, Want, zero};
use gatepost_value::{CallError, Func, GoType, Map, Signature, Str, StructView, Value, fmt, method};

/// Bytes of arguments from which on a call is paid for by size.
const LARGE: usize = 16 << 10;

/// Private fields, which Go tells from fields that are not there.
const UNEXPORTED: &[(&str, &[&str])] = &[
    ("time.Time", &["wall", "ext", "loc"]),
    ("*time.Location", &["name", "zone", "tx", "extend", "cacheStart", "cacheEnd", "cacheZone"]),
    ("*semver.Version", &["major", "minor", "patch", "pre", "metadata", "original"]),
];

/// What a command is given: its words, and the result of the command before it in the pipeline.
struct Given<'a> {
    words: &'a [Id],
    last: Option<Value>,
}

impl Given<'_> {
    const NOTHING: Given<'static> = Given { words: &[], last: None };
    const fn has_arguments(&self) -> bool {
        self.words.len() > 1 || self.last.is_some()
    }
    /// Number of arguments, the piped one included.
    fn count(&self) -> usize {
        self.arguments().len() + usize::from(self.last.is_some())
    }
    fn arguments(&self) -> &[Id] {
        self.words.get(1..).unwrap_or_default()
    }
}

/// Pipelines and commands.
impl<'r> Run<'r> {
    /// The value of a pipeline, with its variables set.
    pub(crate) fn pipeline(&mut self, dot: &Bound, id: Id) -> Done<Value> {
        self.at(id);
        let tree = self.tree;
        let pipe = tree.pipe(id);
        let mut value = None;
        for command in &pipe.commands {
            let result = self.command(dot, *command, value.take())?;
            value = Some(result.open());
        }
        let value = value.unwrap_or(Value::NoValue);
        for variable in &pipe.variables {
            self.set(*variable, Bound::plain(value.clone()))?;
        }
        Ok(value)
    }
    /// A pipeline in parentheses: one level deeper.
    fn inner_pipeline(&mut self, dot: &Bound, id: Id) -> Done<Value> {
        self.limited(self.context.budget.enter())?;
        let value = self.pipeline(dot, id);
        self.context.budget.leave();
        value
    }
    fn command(&mut self, dot: &Bound, id: Id, last: Option<Value>) -> Done<Bound> {
        self.limited(self.context.budget.step(1))?;
        let tree = self.tree;
        let words = tree.words(id);
        let Some(first) = words.first().copied() else { return Ok(Bound::default()) };
        let given = Given { words, last };
        match &tree.node(first).kind {
            Kind::Field(fields) => self.fields(dot, first, fields, given),
            Kind::Chain { term, fields } => self.chain(dot, first, *term, fields, given),
            Kind::Identifier { spec, form } => self.function(dot, first, spec, *form, id, given),
            Kind::Pipe(_) => {
                self.refuse_arguments(&given)?;
                self.inner_pipeline(dot, first).map(Bound::plain)
            }
            Kind::Variable(_) => self.variable_chain(dot, first, given),
            _ => {
                self.at(first);
                self.refuse_arguments(&given)?;
                self.literal_command(dot, first)
            }
        }
    }
    fn refuse_arguments(&self, given: &Given<'_>) -> Done<()> {
        match given.words.first() {
            Some(first) if given.has_arguments() => {
                Err(self.error(format!("can't give argument to non-function {}", self.tree.show(*first))))
            }
            _ => Ok(()),
        }
    }
    fn literal_command(&self, dot: &Bound, id: Id) -> Done<Bound> {
        match &self.tree.node(id).kind {
            Kind::Dot => Ok(dot.clone()),
            Kind::Nil => Err(self.error("nil is not a command")),
            kind => self.literal(kind).map(Bound::plain),
        }
    }
    /// A constant where nothing says what type is wanted.
    fn literal(&self, kind: &Kind) -> Done<Value> {
        match kind {
            Kind::Bool(b) => Ok(Value::Bool(*b)),
            Kind::String { text, .. } => Ok(Value::Str(text.clone())),
            Kind::Number(number) => self.ideal(number),
            _ => Err(self.error("unknown node")),
        }
    }
    fn ideal(&self, number: &Number) -> Done<Value> {
        match (number.float, number.int) {
            (Some(f), _) if number.is_float => Ok(Value::float(f)),
            (_, Some(n)) => Ok(Value::int(n)),
            _ => Err(self.error(format!("{} overflows int", number.text))),
        }
    }
}

/// Chains of fields.
impl<'r> Run<'r> {
    fn fields(&mut self, dot: &Bound, node: Id, fields: &[Str], given: Given<'_>) -> Done<Bound> {
        self.at(node);
        if !given.has_arguments()
            && self.overlay.is_empty()
            && let Some(bound) = found(dot, fields)
        {
            return Ok(bound);
        }
        self.field_chain(dot, dot.clone(), node, fields, given)
    }
    fn chain(&mut self, dot: &Bound, node: Id, term: Id, fields: &[Str], given: Given<'_>) -> Done<Bound> {
        self.at(node);
        if matches!(self.tree.node(term).kind, Kind::Nil) {
            return Err(self.error(format!("indirection through explicit nil in {}", self.tree.show(node))));
        }
        let receiver = self.argument(dot, Want::Free, term)?;
        self.field_chain(dot, receiver, node, fields, given)
    }
    fn variable_chain(&mut self, dot: &Bound, node: Id, given: Given<'_>) -> Done<Bound> {
        self.at(node);
        let tree = self.tree;
        let Kind::Variable(variable) = &tree.node(node).kind else { return Ok(Bound::default()) };
        let receiver = self.variable(&variable.name, variable.slot)?;
        if !given.has_arguments()
            && self.overlay.is_empty()
            && let Some(bound) = found(receiver, &variable.fields)
        {
            return Ok(bound);
        }
        let receiver = receiver.clone();
        if variable.fields.is_empty() {
            self.refuse_arguments(&given)?;
            return Ok(receiver);
        }
        self.field_chain(dot, receiver, node, &variable.fields, given)
    }
    /// `.a.b.c` from a receiver; arguments go to the last name.
    fn field_chain(&mut self, dot: &Bound, from: Bound, node: Id, names: &[Str], given: Given<'_>) -> Done<Bound> {
        let Some((last, names)) = names.split_last() else { return Ok(from) };
        let mut receiver = from;
        for name in names {
            receiver = self.field(dot, receiver, node, name, Given::NOTHING)?;
        }
        self.field(dot, receiver, node, last, given)
    }
    fn field(&mut self, dot: &Bound, receiver: Bound, node: Id, name: &Str, given: Given<'_>) -> Done<Bound> {
        match &receiver.value {
            Value::NoValue if self.missing == MissingKey::Error => {
                Err(self.error(format!("nil data; no entry for key {}", fmt::quote(name.as_bytes()))))
            }
            Value::NoValue => Ok(Bound::plain(Value::NoValue)),
            Value::Nil => Err(self.error(format!("nil pointer evaluating interface {{}}.{name}"))),
            Value::Map(map) => self.map_field(map, name, &given),
            Value::AnyMap(pairs) => {
                self.refuse_call(name, &given, "is not a method but has arguments")?;
                let value = builtin::any_map_entry(pairs, &Value::Str(name.clone()));
                Ok(Bound { value, boxed: true })
            }
            Value::TypedNil(kind) => self.field_of_nil(kind, &receiver, name, &given),
            other if method::may_have(other) && method::has(other, &name.to_lossy()) => {
                self.method(dot, other, node, name, given).map(Bound::plain)
            }
            other if method::results(other, &name.to_lossy()).is_some() => {
                self.refuse_results(other, &name.to_lossy(), &given)
            }
            Value::Struct(view) => self.struct_field(view.as_ref(), &receiver, name, &given),
            _ => Err(self.no_field(&receiver, name)),
        }
    }
    /// A method that a template cannot call because it answers several values.
    fn refuse_results(&self, receiver: &Value, name: &str, given: &Given<'_>) -> Done<Bound> {
        self.check_count(name, given, 0, false)?;
        Err(self.error(match method::results(receiver, name) {
            Some(2) => {
                let second = if name == "ZoneBounds" { "time.Time" } else { "int" };
                format!("invalid function signature for {name}: second return value should be error; is {second}")
            }
            results => format!("function {name} has {} return values; should be 1 or 2", results.unwrap_or_default()),
        }))
    }
    fn no_field(&self, receiver: &Bound, name: &Str) -> crate::error::Error {
        let kind = fmt::type_name(&receiver.value);
        if UNEXPORTED.iter().any(|(of, names)| *of == kind && names.iter().any(|own| *name == **own)) {
            return self.error(format!("{name} is an unexported field of struct type {kind}"));
        }
        self.error(format!("can't evaluate field {name} in type {}", static_type(receiver)))
    }
    fn refuse_call(&self, name: &Str, given: &Given<'_>, why: &str) -> Done<()> {
        if given.has_arguments() { Err(self.error(format!("{name} {why}"))) } else { Ok(()) }
    }
    fn map_field(&self, map: &Map, name: &Str, given: &Given<'_>) -> Done<Bound> {
        self.refuse_call(name, given, "is not a method but has arguments")?;
        let map = self.overlay.read(map);
        let boxed = *map.elem() == GoType::Any;
        match map.get(name.as_bytes()) {
            Some(value) => Ok(Bound { value, boxed }),
            None => self.missing_entry(map.elem(), name),
        }
    }
    fn missing_entry(&self, elem: &GoType, name: &Str) -> Done<Bound> {
        match self.missing {
            MissingKey::Default => Ok(Bound::plain(Value::NoValue)),
            MissingKey::Zero => Ok(Bound { value: zero(elem), boxed: *elem == GoType::Any }),
            MissingKey::Error => Err(self.error(format!("map has no entry for key {}", fmt::quote(name.as_bytes())))),
        }
    }
    fn field_of_nil(&self, kind: &GoType, receiver: &Bound, name: &Str, given: &Given<'_>) -> Done<Bound> {
        match kind {
            GoType::Map(elem) => {
                self.refuse_call(name, given, "is not a method but has arguments")?;
                self.missing_entry(elem, name)
            }
            GoType::AnyMap => self.missing_entry(&GoType::Any, name),
            GoType::Named(_) | GoType::Location => {
                Err(self.error(format!("nil pointer evaluating {}.{name}", static_type(receiver))))
            }
            _ => Err(self.no_field(receiver, name)),
        }
    }
    fn struct_field(&self, view: &dyn StructView, receiver: &Bound, name: &Str, given: &Given<'_>) -> Done<Bound> {
        let Some(value) = name.as_str().and_then(|name| view.field(name)) else {
            return Err(self.no_field(receiver, name));
        };
        self.refuse_call(name, given, "has arguments but cannot be invoked as function")?;
        Ok(Bound::plain(value))
    }
}

/// Arguments.
impl<'r> Run<'r> {
    fn argument(&mut self, dot: &Bound, want: Want<'_>, id: Id) -> Done<Bound> {
        self.at(id);
        let tree = self.tree;
        let bound = match &tree.node(id).kind {
            Kind::Dot => dot.clone(),
            Kind::Nil => return self.nil_argument(want),
            Kind::Field(fields) => self.fields(dot, id, fields, Given::NOTHING)?,
            Kind::Variable(_) => self.variable_chain(dot, id, Given::NOTHING)?,
            Kind::Pipe(_) => Bound::plain(self.inner_pipeline(dot, id)?),
            Kind::Identifier { spec, form } => self.function(dot, id, spec, *form, id, Given::NOTHING)?,
            Kind::Chain { term, fields } => self.chain(dot, id, *term, fields, Given::NOTHING)?,
            kind => return self.literal_argument(want, id, kind).map(Bound::plain),
        };
        self.validate(bound, want)
    }
    fn nil_argument(&self, want: Want<'_>) -> Done<Bound> {
        match want.nil() {
            Some(value) => Ok(Bound::plain(value)),
            None => Err(self.error(format!("cannot assign nil to {}", want.name()))),
        }
    }
    fn literal_argument(&self, want: Want<'_>, id: Id, kind: &Kind) -> Done<Value> {
        let expected = |what: &str| self.error(format!("expected {what}; found {}", self.tree.show(id)));
        match (want.reading(), kind) {
            (Reading::Any, kind) => self.literal(kind),
            (Reading::Bool, Kind::Bool(b)) => Ok(Value::Bool(*b)),
            (Reading::Bool, _) => Err(expected("bool")),
            (Reading::String, Kind::String { text, .. }) => Ok(Value::Str(text.clone())),
            (Reading::String, _) => Err(expected("string")),
            (Reading::Int(int), Kind::Number(number)) if number.int.is_some() => {
                let n = number.int.unwrap_or_default();
                Ok(if matches!(want, Want::Go(GoType::Duration)) { Value::Duration(n) } else { Value::Int(int, n) })
            }
            (Reading::Int(_), _) => Err(expected("integer")),
            (Reading::Uint(uint), Kind::Number(number)) if number.uint.is_some() => {
                Ok(Value::Uint(uint, number.uint.unwrap_or_default()))
            }
            (Reading::Uint(_), _) => Err(expected("unsigned integer")),
            (Reading::Float(float), Kind::Number(number)) if number.float.is_some() => {
                Ok(Value::Float(float, number.float.unwrap_or_default()))
            }
            (Reading::Float(_), _) => Err(expected("float")),
            (Reading::None, _) => {
                Err(self.error(format!("can't handle {} for arg of type {}", self.tree.show(id), want.name())))
            }
        }
    }
    /// Refuses a value of another type than wanted.
    fn validate(&self, bound: Bound, want: Want<'_>) -> Done<Bound> {
        if matches!(bound.value, Value::NoValue) {
            return match want.nil() {
                Some(value) => Ok(Bound::plain(value)),
                None => Err(self.error(format!("invalid value; expected {}", want.name()))),
            };
        }
        if want.admits(&bound.value) {
            return Ok(bound);
        }
        let got = match &bound.value {
            Value::Nil => "interface {}".to_owned(),
            value => fmt::type_name(value),
        };
        Err(self.error(format!("wrong type for value; expected {}; got {got}", want.name())))
    }
}

/// Calls.
impl<'r> Run<'r> {
    /// Calls a function of the table; `node` is where the call's own failure is reported.
    fn function(
        &mut self,
        dot: &Bound,
        word: Id,
        spec: &'static FunctionSpec,
        form: Form,
        node: Id,
        given: Given<'_>,
    ) -> Done<Bound> {
        self.at(word);
        let required = spec.signature.required();
        self.check_count(spec.name, &given, required, spec.signature.variadic)?;
        if matches!(form, Form::And | Form::Or) {
            return self.short_circuit(dot, form, given).map(Bound::plain);
        }
        let callee = given.arguments().first().copied();
        let values = self.arguments(dot, given, |index| Want::Spec(spec.signature.param(index)))?;
        let result = if form == Form::Value {
            let name = match (callee, values.first()) {
                (Some(id), _) => self.tree.show(id),
                // Go names what came out of the pipe by `reflect.Value.String`.
                (None, Some(Value::Str(text))) => text.to_lossy().into_owned(),
                (None, value) => format!("<{} Value>", value.map_or_else(|| "invalid".to_owned(), fmt::type_name)),
            };
            self.call_value(&name, &values)
        } else if spec.costly && !self.context.costly {
            Err(CallError::new(format!(
                "{} is switched off because it is costly; set templates.costlyFunctions to true to allow it",
                spec.name
            )))
        } else {
            self.pay(&values)?;
            (spec.run)(&mut Call::new(self.context, &values, &self.overlay).with_patterns(&self.tree.patterns))
        };
        self.called(spec.name, node, result).map(Bound::plain)
    }
    /// What a call costs by the size of what it is given: large texts and lists are looked at whole, and then the clock is.
    fn pay(&self, values: &[Value]) -> Done<()> {
        let size = values.iter().map(|value| match value {
            Value::Str(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::List(list) => list.items.len() * 16,
            _ => 0,
        });
        let size: usize = size.sum();
        if size < LARGE {
            return Ok(());
        }
        self.limited(self.context.budget.step(size as u64 / 1024))?;
        self.limited(self.context.budget.check_time())
    }
    fn called(&mut self, name: &str, node: Id, result: Result<Value, CallError>) -> Done<Value> {
        result.map_err(|error| {
            self.at(node);
            match error {
                CallError::Message(text) => self.error(format!("error calling {name}: {text}")),
                CallError::Limit(limit) => self.fail(limit),
            }
        })
    }
    fn check_count(&self, name: &str, given: &Given<'_>, required: usize, variadic: bool) -> Done<()> {
        let (count, written) = (given.count(), given.arguments().len());
        if variadic && count < required {
            return Err(self.error(format!("wrong number of args for {name}: want at least {required} got {written}")));
        }
        if !variadic && count != required {
            return Err(self.error(format!("wrong number of args for {name}: want {required} got {count}")));
        }
        Ok(())
    }
    /// `and`, `or`: the rest is not evaluated once the answer is known.
    fn short_circuit(&mut self, dot: &Bound, form: Form, given: Given<'_>) -> Done<Value> {
        let mut value = Value::NoValue;
        for word in given.arguments() {
            value = self.argument(dot, Want::Spec(ParamType::Reflect), *word)?.value;
            if self.truth(&value) == (form == Form::Or) {
                return Ok(value);
            }
        }
        Ok(given.last.unwrap_or(value))
    }
    /// Evaluates all arguments, each for the type its parameter has.
    fn arguments<'w>(&mut self, dot: &Bound, given: Given<'_>, want: impl Fn(usize) -> Want<'w>) -> Done<Vec<Value>> {
        let mut values = Vec::with_capacity(given.count());
        for (index, word) in given.arguments().iter().enumerate() {
            values.push(self.argument(dot, want(index), *word)?.value);
        }
        if let Some(last) = given.last {
            values.push(self.validate(Bound::plain(last), want(values.len()))?.value);
        }
        if !self.overlay.is_empty() {
            for value in &mut values {
                let resolved = self.overlay.resolve(self.context, value);
                resolved.map_err(|error| self.fail(error))?;
            }
        }
        Ok(values)
    }
    fn method(&mut self, dot: &Bound, receiver: &Value, node: Id, name: &Str, given: Given<'_>) -> Done<Value> {
        let name = name.to_lossy();
        let signature = method::signature(receiver, &name);
        if let Some(signature) = &signature {
            let required = required(signature);
            self.check_count(&name, &given, required, signature.variadic)?;
        }
        let values = self.arguments(dot, given, |index| match &signature {
            Some(signature) => parameter(signature, index),
            None => Want::Spec(ParamType::Any),
        })?;
        let result = method::call(self.context, receiver, &name, &values);
        self.called(&name, node, result)
    }
    /// The built-in `call`: a function value with its arguments.
    fn call_value(&self, name: &str, values: &[Value]) -> Result<Value, CallError> {
        let Some((callee, rest)) = values.split_first() else { return Err(CallError::new("call of nil")) };
        let func = match callee {
            Value::Func(func) => func,
            Value::Nil | Value::NoValue => return Err(CallError::new("call of nil")),
            other => {
                return Err(CallError::new(format!("non-function {name} of type {}", fmt::type_name(other))));
            }
        };
        let values = prepare_all(func, name, rest)?;
        (func.call)(self.context, &values)
    }
}

fn prepare_all(func: &Func, name: &str, given: &[Value]) -> Result<Vec<Value>, CallError> {
    let Some(signature) = &func.signature else { return Ok(given.to_vec()) };
    let (required, got) = (required(signature), given.len());
    if signature.variadic && got < required {
        let message = format!("wrong number of args for {name}: got {got} want at least {required}");
        return Err(CallError::new(message));
    }
    if !signature.variadic && got != required {
        return Err(CallError::new(format!("wrong number of args for {name}: got {got} want {required}")));
    }
    let prepare = |(index, value): (usize, &Value)| {
        let Want::Go(wanted) = parameter(signature, index) else { return Ok(value.clone()) };
        builtin::prepare(value.clone(), wanted).map_err(|error| match error {
            CallError::Message(text) => CallError::new(format!("arg {index}: {text}")),
            limit @ CallError::Limit(_) => limit,
        })
    };
    given.iter().enumerate().map(prepare).collect()
}

fn required(signature: &Signature) -> usize {
    signature.params.len() - usize::from(signature.variadic && !signature.params.is_empty())
}

fn parameter(signature: &Signature, index: usize) -> Want<'_> {
    match signature.params.get(index).or(signature.params.last()) {
        Some(wanted) => Want::Go(wanted),
        None => Want::Spec(ParamType::Any),
    }
}

/// The value at the end of a chain through frozen maps.
fn found(from: &Bound, fields: &[Str]) -> Option<Bound> {
    let value = descend(&from.value, fields)?;
    Some(Bound { value: value.clone(), boxed: from.boxed || !fields.is_empty() })
}

/// The type that error texts give for the receiver of a field.
fn static_type(receiver: &Bound) -> String {
    if receiver.boxed { "interface {}".to_owned() } else { fmt::type_name(&receiver.value) }
}
