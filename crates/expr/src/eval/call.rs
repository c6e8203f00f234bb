//! Calls: methods, functions of the environment, built-ins without predicates. Arguments come first, then the function.

use super::convert::{Res, assertion, fault, plain, zero};
use super::{Frame, Outcome, Run, Stop, at, member};
use crate::ast::{BuiltinCall, Kind, Node};
use crate::builtin;
use crate::error::Position;
use crate::types::Type;
use gatepost_value::{GoType, Signature, Str, Value, fmt, method};

/// What is called.
enum Callee {
    Method(Value, Str),
    Value(Value),
}

impl Run<'_> {
    #[inline(never)]
    pub(super) fn call(&self, place: Position, callee: &Node, args: &[Node], frame: Frame<'_>) -> Outcome {
        let mut values = Vec::with_capacity(args.len());
        for node in args {
            values.push(self.eval(node, frame)?);
        }
        let result = match self.callee(callee, frame)? {
            Callee::Method(receiver, name) => self.call_method(callee, &receiver, &name.to_lossy(), values),
            Callee::Value(function) => self.call_value(&function, values),
        };
        at(place, result)
    }
    /// A method is called on its receiver at once, without a function value in between.
    fn callee(&self, node: &Node, frame: Frame<'_>) -> Result<Callee, Stop> {
        let Kind::Member { object, property, optional, .. } = &node.kind else {
            return self.eval(node, frame).map(Callee::Value);
        };
        let Kind::Str(name) = &property.kind else { return self.eval(node, frame).map(Callee::Value) };
        let receiver = self.eval(object, frame)?;
        if *optional && receiver.is_nil() {
            return Err(Stop::Skip);
        }
        if member::has_method(&receiver, name) {
            return Ok(Callee::Method(receiver, name.clone()));
        }
        at(node.position, member::fetch_name(&receiver, name)).map(Callee::Value)
    }
    fn call_method(&self, callee: &Node, receiver: &Value, name: &str, args: Vec<Value>) -> Res<Value> {
        let args = match method::signature(receiver, name) {
            Some(signature) if is_asserted(callee, name) => assert_types(&signature, args)?,
            Some(signature) => fit(&signature, args)?,
            None => args,
        };
        member::call_method(self.ctx, receiver, name, &args)
    }
    fn call_value(&self, function: &Value, args: Vec<Value>) -> Res<Value> {
        match function {
            Value::Nil | Value::NoValue => fault("invalid operation: cannot call nil"),
            Value::Func(func) => {
                let args = match &func.signature {
                    Some(signature) => fit(signature, args)?,
                    None => args,
                };
                (func.call)(self.ctx, &args)
            }
            other => fault(format!("invalid operation: cannot call non-function of type {}", fmt::type_name(other))),
        }
    }
    #[inline(never)]
    pub(super) fn builtin(&self, place: Position, call: &BuiltinCall, frame: Frame<'_>) -> Outcome {
        if call.builtin.predicate_slots().is_some() {
            return self.predicate_builtin(place, call, frame);
        }
        let mut args = Vec::with_capacity(call.args.len());
        for node in &call.args {
            let value = self.eval(node, frame)?;
            args.push(if node.ty == Type::Location { value } else { plain(value) });
        }
        at(place, builtin::run(self, call.builtin, &args))
    }
}

/// Checks the arguments against the function's types; nil becomes the parameter's zero value.
fn fit(signature: &Signature, mut args: Vec<Value>) -> Res<Vec<Value>> {
    check_count(signature, args.len())?;
    for (index, arg) in args.iter_mut().enumerate() {
        let Some(wanted) = signature.params.get(index).or_else(|| signature.params.last()) else { break };
        if matches!(arg, Value::Nil | Value::NoValue) {
            *arg = zero(wanted);
        } else if !accepts(wanted, arg) {
            let (have, wanted) = (fmt::type_name(arg), fmt::go_type_name(wanted));
            return fault(format!("reflect: Call using {have} as type {wanted}"));
        }
    }
    Ok(args)
}

/// Whether Go calls the method without reflection: the receiver's type is known from the text, and its signature is one
/// of those that expr has ready. Then nil is no zero value but an error.
fn is_asserted(callee: &Node, name: &str) -> bool {
    let Kind::Member { object, .. } = &callee.kind else { return false };
    matches!(object.ty, Type::Time | Type::Duration) && !matches!(name, "AddDate" | "Compare" | "In")
}

fn assert_types(signature: &Signature, args: Vec<Value>) -> Res<Vec<Value>> {
    check_count(signature, args.len())?;
    match args.iter().zip(&signature.params).find(|(arg, wanted)| !accepts(wanted, arg)) {
        Some((arg, wanted)) => fault(assertion(arg, &fmt::go_type_name(wanted))),
        None => Ok(args),
    }
}

fn check_count(signature: &Signature, count: usize) -> Res<()> {
    let params = signature.params.len();
    if signature.variadic && count + 1 < params {
        return fault(format!("invalid number of arguments: expected at least {}, got {count}", params - 1));
    }
    if !signature.variadic && count != params {
        return fault(format!("invalid number of arguments: expected {params}, got {count}"));
    }
    Ok(())
}

/// Whether Go would pass the value for a parameter of the type.
fn accepts(wanted: &GoType, value: &Value) -> bool {
    match (wanted, value) {
        (GoType::Any, _) | (GoType::String, Value::Str(_)) | (GoType::Bool, Value::Bool(_)) => true,
        (GoType::Int(kind), Value::Int(have, _)) => kind == have,
        (GoType::Float(kind), Value::Float(have, _)) => kind == have,
        (wanted, value) => fmt::go_type_name(wanted) == fmt::type_name(value),
    }
}
