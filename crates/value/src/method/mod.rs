//! Methods that Go's types have for templates and expressions: time.Time, Duration, Month, Weekday, Location, named types and structs.
//!
//! Decides which methods exist, what they take and what they answer. A method that Go gives several results cannot be
//! called from either language and is not one here; [`results`] tells how many it has, for the error text.

mod duration;
mod instant;

use crate::{CallContext, CallError, GoType, IntKind, Signature, Value};

const INT: GoType = GoType::Int(IntKind::Int);
const INT64: GoType = GoType::Int(IntKind::Int64);

/// One row of a type's table of methods: name, parameters, result.
type Row = (&'static str, &'static [GoType], GoType);

const TEXT_ONLY: &[Row] = &[("String", &[], GoType::String)];

fn table(receiver: &Value) -> &'static [Row] {
    match receiver {
        Value::Time(_) => instant::METHODS,
        Value::Duration(_) => duration::METHODS,
        Value::Month(_) | Value::Weekday(_) | Value::Location(_) | Value::TypedNil(GoType::Location) => TEXT_ONLY,
        // Named types whose base has methods are structs that embed it, as metav1.Time does.
        Value::Named(named) => table(&named.base),
        _ => &[],
    }
}

fn row(receiver: &Value, name: &str) -> Option<&'static Row> {
    table(receiver).iter().find(|row| row.0 == name)
}

/// Whether a value is of a type that may have methods at all; cheaper than asking for one by name.
#[must_use]
pub const fn may_have(value: &Value) -> bool {
    matches!(
        value,
        Value::Time(_)
            | Value::Duration(_)
            | Value::Month(_)
            | Value::Weekday(_)
            | Value::Location(_)
            | Value::Named(_)
            | Value::Struct(_)
    )
}

/// Whether `receiver` has a method `name` (exported Go methods only).
#[must_use]
pub fn has(receiver: &Value, name: &str) -> bool {
    match receiver {
        Value::Struct(view) => view.has_method(name),
        _ => row(receiver, name).is_some(),
    }
}

/// How many results a method has that cannot be called because they are several.
#[must_use]
pub fn results(receiver: &Value, name: &str) -> Option<usize> {
    match (receiver, name) {
        (Value::Time(_), "Clock" | "Date") => Some(3),
        (Value::Time(_), "ISOWeek" | "Zone" | "ZoneBounds") => Some(2),
        (Value::Named(named), _) => results(&named.base, name),
        _ => None,
    }
}

/// Parameter and result types of a method, where known.
#[must_use]
pub fn signature(receiver: &Value, name: &str) -> Option<Signature> {
    let (_, params, result) = row(receiver, name)?;
    // The tables are constants, which cannot hold the names of these two.
    let result = match (result, name) {
        (&INT, "Month") => GoType::Named("time.Month".into()),
        (&INT, "Weekday") => GoType::Named("time.Weekday".into()),
        _ => result.clone(),
    };
    Some(Signature { params: params.to_vec(), variadic: false, result })
}

/// Calls the method. Argument count and types are checked here too; never panics.
///
/// # Errors
/// What Go's method or call would report.
pub fn call(ctx: &CallContext<'_>, receiver: &Value, name: &str, args: &[Value]) -> Result<Value, CallError> {
    if let Value::Named(named) = receiver {
        return call(ctx, &named.base, name, args);
    }
    if let Value::Struct(view) = receiver {
        return if view.has_method(name) { view.call(name, ctx, args) } else { Err(unknown(receiver, name)) };
    }
    let (_, params, _) = row(receiver, name).ok_or_else(|| unknown(receiver, name))?;
    if params.len() != args.len() {
        return Err(CallError::new(format!(
            "wrong number of args for {name}: want {} got {}",
            params.len(),
            args.len()
        )));
    }
    let answer = match receiver {
        Value::Time(time) => instant::call(ctx, time, name, args)?,
        Value::Duration(ns) => duration::call(*ns, name, args)?,
        _ if name == "String" => crate::fmt::own_text(receiver, Some(ctx.budget)).map(Value::Str),
        _ => None,
    };
    answer.ok_or_else(|| unknown(receiver, name))
}

fn unknown(receiver: &Value, name: &str) -> CallError {
    CallError::new(format!("{} has no method {name}", crate::fmt::type_name(receiver)))
}

fn wrong_type(expected: &GoType, got: &Value) -> CallError {
    let (expected, got) = (crate::fmt::go_type_name(expected), crate::fmt::type_name(got));
    CallError::new(format!("wrong type for value; expected {expected}; got {got}"))
}

/// An argument, or a nil where the count was not checked.
fn arg(args: &[Value], at: usize) -> &Value {
    match args.get(at) {
        Some(Value::Named(named)) => &named.base,
        Some(value) => value,
        None => &Value::Nil,
    }
}

/// A whole number, which constants are whatever type the method wants.
fn int(args: &[Value], at: usize) -> Result<i64, CallError> {
    match arg(args, at) {
        Value::Int(_, n) => Ok(*n),
        other => Err(wrong_type(&INT, other)),
    }
}

/// A duration, or a constant in nanoseconds.
fn nanoseconds(args: &[Value], at: usize) -> Result<i64, CallError> {
    match arg(args, at) {
        Value::Duration(n) | Value::Int(_, n) => Ok(*n),
        other => Err(wrong_type(&GoType::Duration, other)),
    }
}

#[cfg(test)]
mod tests;
