//! What one Go value is when another type is asked for: numbers, booleans, strings, what a pointer points to.
//!
//! Nothing here looks at the tree, and nothing here converts silently what Go would refuse.

use gatepost_value::{CallError, GoType, Str, Value, fmt};

/// Result of an operation on values; the place is added by the evaluator.
pub(crate) type Res<T> = Result<T, CallError>;

/// An error in Go's words.
pub(crate) fn fault<T>(text: impl Into<String>) -> Res<T> {
    Err(CallError::new(text))
}

/// A plain number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    /// Any integer type, as Go's `int`.
    Int(i64),
    /// Any float type.
    Float(f64),
}

impl Number {
    /// As a float.
    pub(crate) const fn float(self) -> f64 {
        match self {
            Self::Int(i) => i as f64,
            Self::Float(f) => f,
        }
    }
}

/// The number, if the value is of an unnamed number type.
pub(crate) const fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Int(_, i) => Some(Number::Int(*i)),
        Value::Uint(_, u) => Some(Number::Int(u.cast_signed())),
        Value::Float(_, f) => Some(Number::Float(*f)),
        _ => None,
    }
}

/// The number as a float: unsigned integers beyond `int` keep their size.
pub(crate) const fn float_of(value: &Value) -> Option<f64> {
    match (value, number(value)) {
        (Value::Uint(_, u), _) => Some(*u as f64),
        (_, Some(n)) => Some(n.float()),
        _ => None,
    }
}

/// The number, if the value's kind is a number: named types such as durations count too.
pub(crate) fn number_by_kind(value: &Value) -> Option<Number> {
    match value {
        Value::Duration(n) | Value::Month(n) | Value::Weekday(n) => Some(Number::Int(*n)),
        Value::Named(named) if !is_pointer_type(&named.type_name) => number(&named.base),
        other => number(other),
    }
}

/// Go's conversion of a float to `int` on amd64: what does not fit is the smallest integer.
pub(crate) fn truncate(f: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&f) { f as i64 } else { i64::MIN }
}

/// Go's `int` of a plain number.
pub(crate) fn to_int(value: &Value) -> Res<i64> {
    match number(value) {
        Some(Number::Int(i)) => Ok(i),
        Some(Number::Float(f)) => Ok(truncate(f)),
        None => fault(format!("invalid operation: int({})", type_text(value))),
    }
}

/// Go's `float64` of a plain number.
pub(crate) fn to_float(value: &Value) -> Res<f64> {
    match float_of(value) {
        Some(f) => Ok(f),
        None => fault(format!("invalid operation: float({})", type_text(value))),
    }
}

/// Go's type assertion to bool.
pub(crate) fn as_bool(value: &Value) -> Res<bool> {
    match value {
        Value::Bool(b) => Ok(*b),
        other => fault(assertion(other, "bool")),
    }
}

/// Go's type assertion to string: named strings are refused.
pub(crate) fn as_text(value: &Value) -> Res<&Str> {
    match value {
        Value::Str(text) => Ok(text),
        other => fault(assertion(other, "string")),
    }
}

/// Go's words for a failed type assertion.
pub(crate) fn assertion(value: &Value, wanted: &str) -> String {
    match value {
        Value::Nil | Value::NoValue => format!("interface conversion: interface {{}} is nil, not {wanted}"),
        other => format!("interface conversion: interface {{}} is {}, not {wanted}", type_text(other)),
    }
}

/// The type as `%T` prints it, of a value that was dereferenced first.
pub(crate) fn type_text(value: &Value) -> String {
    let text = fmt::type_name(value);
    match value {
        Value::Struct(_) => text.strip_prefix('*').map_or_else(|| text.clone(), str::to_owned),
        _ => text,
    }
}

/// Whether a printed type name is a pointer's.
pub(crate) fn is_pointer_type(name: &str) -> bool {
    name.starts_with('*')
}

/// What a pointer points to; a nil pointer is nil, everything else is itself. `None` where nothing changes.
pub(crate) fn deref(value: &Value) -> Option<Value> {
    match value {
        Value::Named(named) if is_pointer_type(&named.type_name) => Some(named.base.clone()),
        Value::TypedNil(GoType::Named(name)) if is_pointer_type(name) => Some(Value::Nil),
        Value::TypedNil(GoType::Location) | Value::NoValue => Some(Value::Nil),
        _ => None,
    }
}

/// [`deref`] of an owned value.
pub(crate) fn plain(value: Value) -> Value {
    deref(&value).unwrap_or(value)
}

/// Go's zero value of a type: what an absent key of a typed map gives.
pub(crate) fn zero(of: &GoType) -> Value {
    match of {
        GoType::Any => Value::Nil,
        GoType::Bool => Value::Bool(false),
        GoType::String => Value::Str(Str::default()),
        GoType::Int(kind) => Value::Int(*kind, 0),
        GoType::Uint(kind) => Value::Uint(*kind, 0),
        GoType::Float(kind) => Value::Float(*kind, 0.0),
        GoType::Time => Value::Time(gatepost_value::Time::zero()),
        GoType::Duration => Value::Duration(0),
        GoType::Named(name) if !is_pointer_type(name) => Value::Nil,
        other => Value::TypedNil(other.clone()),
    }
}
