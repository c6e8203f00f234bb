//! What type an argument must have, and whether a value fits.

use crate::function::ParamType;
use gatepost_value::fmt::{go_type_name, type_name};
use gatepost_value::{FloatKind, GoType, IntKind, Time, UintKind, Value};

/// The wanted type.
#[derive(Clone, Copy)]
pub(crate) enum Want<'a> {
    /// Anything: the term in front of a chain of fields.
    Free,
    /// A parameter of a function of the table.
    Spec(ParamType),
    /// A parameter of a method or function value.
    Go(&'a GoType),
}

/// How a literal is read for a wanted type.
pub(crate) enum Reading {
    Any,
    Bool,
    Int(IntKind),
    Uint(UintKind),
    Float(FloatKind),
    String,
    /// No literal fits.
    None,
}

impl Want<'_> {
    pub(crate) fn name(self) -> String {
        let spec = match self {
            Self::Free => return "interface {}".to_owned(),
            Self::Go(wanted) => return go_type_name(wanted),
            Self::Spec(spec) => spec,
        };
        match spec {
            ParamType::Any => "interface {}",
            ParamType::Reflect => "reflect.Value",
            ParamType::Bool => "bool",
            ParamType::String => "string",
            ParamType::Int => "int",
            ParamType::Int64 => "int64",
            ParamType::Uint32 => "uint32",
            ParamType::Float64 => "float64",
            ParamType::Time => "time.Time",
            ParamType::Map => "map[string]interface {}",
            ParamType::List => "[]interface {}",
            ParamType::Strings => "[]string",
            ParamType::Struct(name) => name,
        }
        .to_owned()
    }
    /// What nil becomes; `None` where the type has no nil.
    pub(crate) fn nil(self) -> Option<Value> {
        match self {
            Self::Free | Self::Spec(ParamType::Reflect) => Some(Value::NoValue),
            Self::Spec(ParamType::Any) | Self::Go(GoType::Any) => Some(Value::Nil),
            Self::Spec(ParamType::Map) => Some(Value::TypedNil(GoType::Map(Box::new(GoType::Any)))),
            Self::Spec(ParamType::List) => Some(Value::TypedNil(GoType::Slice(Box::new(GoType::Any)))),
            Self::Spec(ParamType::Strings) => Some(Value::TypedNil(GoType::Slice(Box::new(GoType::String)))),
            Self::Go(wanted) if is_nilable(wanted) => Some(Value::TypedNil(wanted.clone())),
            Self::Spec(_) | Self::Go(_) => None,
        }
    }
    pub(crate) fn reading(self) -> Reading {
        match self {
            Self::Free | Self::Spec(ParamType::Any | ParamType::Reflect) | Self::Go(GoType::Any) => Reading::Any,
            Self::Spec(ParamType::Bool) | Self::Go(GoType::Bool) => Reading::Bool,
            Self::Spec(ParamType::String) | Self::Go(GoType::String) => Reading::String,
            Self::Spec(ParamType::Int) => Reading::Int(IntKind::Int),
            Self::Spec(ParamType::Int64) => Reading::Int(IntKind::Int64),
            Self::Go(GoType::Int(kind)) => Reading::Int(*kind),
            Self::Spec(ParamType::Uint32) => Reading::Uint(UintKind::Uint32),
            Self::Go(GoType::Uint(kind)) => Reading::Uint(*kind),
            Self::Spec(ParamType::Float64) => Reading::Float(FloatKind::Float64),
            Self::Go(GoType::Float(kind)) => Reading::Float(*kind),
            Self::Go(GoType::Duration) => Reading::Int(IntKind::Int64),
            Self::Spec(_) | Self::Go(_) => Reading::None,
        }
    }
    /// Whether the value can be assigned without a conversion.
    pub(crate) fn admits(self, value: &Value) -> bool {
        let spec = match self {
            Self::Free => return true,
            Self::Go(wanted) => return is_of(value, wanted),
            Self::Spec(spec) => spec,
        };
        match (spec, value) {
            (ParamType::Any | ParamType::Reflect, _)
            | (ParamType::Bool, Value::Bool(_))
            | (ParamType::String, Value::Str(_))
            | (ParamType::Int, Value::Int(IntKind::Int, _))
            | (ParamType::Int64, Value::Int(IntKind::Int64, _))
            | (ParamType::Uint32, Value::Uint(UintKind::Uint32, _))
            | (ParamType::Float64, Value::Float(FloatKind::Float64, _))
            | (ParamType::Time, Value::Time(_)) => true,
            (ParamType::Map, Value::Map(map)) => *map.elem() == GoType::Any,
            (ParamType::Map, Value::TypedNil(GoType::Map(elem))) => **elem == GoType::Any,
            (ParamType::List, Value::List(list)) => list.elem == GoType::Any,
            (ParamType::Strings, Value::List(list)) => list.elem == GoType::String,
            (ParamType::List, Value::TypedNil(GoType::Slice(elem))) => **elem == GoType::Any,
            (ParamType::Strings, Value::TypedNil(GoType::Slice(elem))) => **elem == GoType::String,
            (ParamType::Struct(name), Value::Struct(view)) => view.type_name() == name,
            _ => false,
        }
    }
}

/// Whether a value has exactly this type, or the type is an interface.
fn is_of(value: &Value, wanted: &GoType) -> bool {
    match (wanted, value) {
        (GoType::Any, _) => true,
        (_, Value::TypedNil(own)) => own == wanted,
        (GoType::Bool, Value::Bool(_))
        | (GoType::String, Value::Str(_))
        | (GoType::Bytes, Value::Bytes(_))
        | (GoType::Time, Value::Time(_))
        | (GoType::Duration, Value::Duration(_))
        | (GoType::Location, Value::Location(_))
        | (GoType::AnyMap, Value::AnyMap(_))
        | (GoType::Func, Value::Func(_)) => true,
        (GoType::Int(kind), Value::Int(own, _)) => kind == own,
        (GoType::Uint(kind), Value::Uint(own, _)) => kind == own,
        (GoType::Float(kind), Value::Float(own, _)) => kind == own,
        (GoType::Slice(elem), Value::List(list)) => **elem == list.elem,
        (GoType::Map(elem), Value::Map(map)) => **elem == *map.elem(),
        (GoType::Named(name), value) => **name == *type_name(value),
        _ => false,
    }
}

fn is_nilable(wanted: &GoType) -> bool {
    match wanted {
        GoType::Any | GoType::Bytes | GoType::Slice(_) | GoType::Map(_) | GoType::AnyMap | GoType::Func => true,
        GoType::Location => true,
        GoType::Named(name) => name.starts_with('*'),
        _ => false,
    }
}

/// Go's zero value of a type.
pub(crate) fn zero(wanted: &GoType) -> Value {
    match wanted {
        GoType::Any => Value::Nil,
        GoType::Bool => Value::Bool(false),
        GoType::String => Value::str(""),
        GoType::Int(kind) => Value::Int(*kind, 0),
        GoType::Uint(kind) => Value::Uint(*kind, 0),
        GoType::Float(kind) => Value::Float(*kind, 0.0),
        GoType::Time => Value::Time(Time::zero()),
        GoType::Duration => Value::Duration(0),
        GoType::Named(name) if !name.starts_with('*') => {
            Value::Named(std::sync::Arc::new(gatepost_value::Named { type_name: name.clone(), base: Value::str("") }))
        }
        other => Value::TypedNil(other.clone()),
    }
}
