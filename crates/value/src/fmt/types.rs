//! How Go prints types (`%T`) and kinds.

use crate::{FloatKind, GoType, IntKind, Signature, UintKind, Value};

/// The type as `%T` prints it, for example `map[string]interface {}`, `int64`, `<nil>`.
#[must_use]
pub fn type_name(value: &Value) -> String {
    let fixed = match value {
        Value::Nil => "<nil>",
        Value::NoValue => "reflect.Value",
        Value::Bool(_) => "bool",
        Value::Int(kind, _) => int_name(*kind),
        Value::Uint(kind, _) => uint_name(*kind),
        Value::Float(kind, _) => float_name(*kind),
        Value::Str(_) => "string",
        Value::Bytes(_) => "[]uint8",
        Value::AnyMap(_) => "map[interface {}]interface {}",
        Value::Time(_) => "time.Time",
        Value::Duration(_) => "time.Duration",
        Value::Month(_) => "time.Month",
        Value::Weekday(_) => "time.Weekday",
        Value::Location(_) => "*time.Location",
        Value::Named(named) => &named.type_name,
        Value::TypedNil(t) => return nil_type_name(t),
        Value::List(list) => return format!("[]{}", go_type_name(&list.elem)),
        Value::Map(map) => return format!("map[string]{}", go_type_name(map.elem())),
        Value::Struct(view) => {
            let name = view.type_name();
            let star = if view.is_pointer() && !name.starts_with('*') { "*" } else { "" };
            return format!("{star}{name}");
        }
        Value::Func(func) => {
            return func.signature.as_ref().map_or_else(|| "func()".to_owned(), |s| signature_name(s));
        }
    };
    fixed.to_owned()
}

/// A nil of a type that is no pointer, slice, map or function can only be a nil pointer to it.
fn nil_type_name(t: &GoType) -> String {
    match t {
        GoType::Bool | GoType::String | GoType::Int(_) | GoType::Uint(_) | GoType::Float(_) => {
            format!("*{}", go_type_name(t))
        }
        GoType::Time | GoType::Duration => format!("*{}", go_type_name(t)),
        _ => go_type_name(t),
    }
}

fn signature_name(signature: &Signature) -> String {
    let last = signature.params.len().saturating_sub(1);
    let params = signature.params.iter().enumerate().map(|(i, t)| {
        let dots = if signature.variadic && i == last { "..." } else { "" };
        format!("{dots}{}", go_type_name(t))
    });
    format!("func({}) {}", params.collect::<Vec<_>>().join(", "), go_type_name(&signature.result))
}

/// The kind as `reflect.Kind.String` prints it: `map`, `slice`, `int64`, `struct`, `ptr`, `invalid`.
#[must_use]
pub fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::Nil | Value::NoValue => "invalid",
        Value::TypedNil(t) => nil_kind_name(t),
        Value::Bool(_) => "bool",
        Value::Int(kind, _) => int_name(*kind),
        Value::Uint(kind, _) => uint_name(*kind),
        Value::Float(kind, _) => float_name(*kind),
        Value::Str(_) => "string",
        Value::Bytes(_) | Value::List(_) => "slice",
        Value::Map(_) | Value::AnyMap(_) => "map",
        Value::Struct(view) if view.is_pointer() => "ptr",
        Value::Struct(_) | Value::Time(_) => "struct",
        Value::Named(named) => kind_name(&named.base),
        Value::Duration(_) => "int64",
        Value::Month(_) | Value::Weekday(_) => "int",
        Value::Location(_) => "ptr",
        Value::Func(_) => "func",
    }
}

fn nil_kind_name(t: &GoType) -> &'static str {
    match t {
        GoType::Any => "invalid",
        GoType::Bytes | GoType::Slice(_) => "slice",
        GoType::Map(_) | GoType::AnyMap => "map",
        GoType::Func => "func",
        _ => "ptr",
    }
}

/// A [`GoType`] as Go prints it.
#[must_use]
pub fn go_type_name(t: &GoType) -> String {
    let fixed = match t {
        GoType::Any => "interface {}",
        GoType::Bool => "bool",
        GoType::String => "string",
        GoType::Bytes => "[]uint8",
        GoType::Int(kind) => int_name(*kind),
        GoType::Uint(kind) => uint_name(*kind),
        GoType::Float(kind) => float_name(*kind),
        GoType::Time => "time.Time",
        GoType::Duration => "time.Duration",
        GoType::Location => "*time.Location",
        GoType::AnyMap => "map[interface {}]interface {}",
        GoType::Func => "func()",
        GoType::Named(name) => name,
        GoType::Slice(elem) => return format!("[]{}", go_type_name(elem)),
        GoType::Map(elem) => return format!("map[string]{}", go_type_name(elem)),
    };
    fixed.to_owned()
}

const fn int_name(kind: IntKind) -> &'static str {
    match kind {
        IntKind::Int => "int",
        IntKind::Int8 => "int8",
        IntKind::Int16 => "int16",
        IntKind::Int32 => "int32",
        IntKind::Int64 => "int64",
    }
}

const fn uint_name(kind: UintKind) -> &'static str {
    match kind {
        UintKind::Uint => "uint",
        UintKind::Uint8 => "uint8",
        UintKind::Uint16 => "uint16",
        UintKind::Uint32 => "uint32",
        UintKind::Uint64 => "uint64",
    }
}

const fn float_name(kind: FloatKind) -> &'static str {
    match kind {
        FloatKind::Float32 => "float32",
        FloatKind::Float64 => "float64",
    }
}
