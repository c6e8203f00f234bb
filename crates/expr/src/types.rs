//! What the checker knows about a value before it exists: Go's types as far as expressions can meet them.
//!
//! Without a declared environment nearly everything is [`Type::Unknown`]; only literals, built-ins and what is made of
//! them have types. Nothing here looks at values.

use std::fmt;
use std::sync::Arc;

/// The static type of a node.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Type {
    /// Nothing is known (Go: no type).
    #[default]
    Unknown,
    /// Known to be of type `interface {}`: as good as unknown, but prints by name.
    Any,
    /// The literal nil.
    Nil,
    /// bool
    Bool,
    /// int
    Int,
    /// Another integer type by its Go name (`uint8`, `int64`, …).
    Integer(&'static str),
    /// float64
    Float,
    /// string
    Str,
    /// []uint8
    Bytes,
    /// []string, as `split` makes it.
    Strings,
    /// []interface {} whose elements are known to be of a type.
    Array(Arc<Type>),
    /// map[string]interface {}
    Map,
    /// map[interface {}]interface {}, as `fromPairs` makes it.
    AnyMap,
    /// map[interface {}][]interface {}, as `groupBy` makes it.
    Groups,
    /// time.Time
    Time,
    /// time.Duration
    Duration,
    /// time.Month
    Month,
    /// time.Weekday
    Weekday,
    /// *time.Location
    Location,
    /// time.Location (what a Location pointer points to; no value has it).
    LocationStruct,
    /// error
    Error,
    /// A slice type that only parameters have, by its Go name.
    Other(&'static str),
    /// A function or method.
    Func(Arc<FuncType>),
}

/// The type of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct FuncType {
    /// Parameters without a method's receiver; of a variadic one the last is the element type.
    pub params: Vec<Type>,
    /// Whether the last parameter repeats.
    pub variadic: bool,
    /// Results; an error as the last one is raised and not seen.
    pub results: Vec<Type>,
    /// As Go prints the type, with the receiver.
    pub text: String,
    /// The built-in it is, if named without a call.
    pub builtin: Option<crate::builtin_types::Builtin>,
}

/// Go's reflect.Kind, as far as the checker compares kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum GoKind {
    Invalid,
    Interface,
    Bool,
    Int,
    Int64,
    OtherInt,
    Float,
    String,
    Slice,
    Map,
    Struct,
    Pointer,
    Func,
}

impl Type {
    /// An array with elements of a type.
    #[must_use]
    pub fn array_of(elem: Self) -> Self {
        Self::Array(Arc::new(elem))
    }
    /// `[]interface {}` of which nothing more is known.
    #[must_use]
    pub fn any_array() -> Self {
        Self::array_of(Self::Any)
    }
    /// Nothing useful is known.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown | Self::Any)
    }
    /// A plain integer type (not a named one such as a month).
    #[must_use]
    pub const fn is_integer(&self) -> bool {
        matches!(self, Self::Int | Self::Integer(_))
    }
    /// A plain number type.
    #[must_use]
    pub const fn is_number(&self) -> bool {
        self.is_integer() || matches!(self, Self::Float)
    }
    /// A slice of any kind, bytes too.
    #[must_use]
    pub const fn is_array(&self) -> bool {
        matches!(self, Self::Bytes | Self::Strings | Self::Array(_))
    }
    /// A map of any kind.
    #[must_use]
    pub const fn is_map(&self) -> bool {
        matches!(self, Self::Map | Self::AnyMap | Self::Groups)
    }
    /// A struct.
    #[must_use]
    pub const fn is_struct(&self) -> bool {
        matches!(self, Self::Time | Self::LocationStruct)
    }
    /// What a pointer points to; everything else is itself.
    #[must_use]
    pub fn deref(&self) -> Self {
        match self {
            Self::Location => Self::LocationStruct,
            other => other.clone(),
        }
    }
    /// Type of the elements of an array or map.
    #[must_use]
    pub fn elem(&self) -> Self {
        match self {
            Self::Array(elem) => (**elem).clone(),
            Self::Strings => Self::Str,
            Self::Bytes => Self::Integer("uint8"),
            Self::Map | Self::AnyMap => Self::Any,
            Self::Groups => Self::any_array(),
            _ => Self::Unknown,
        }
    }
    /// Type of the keys of a map.
    #[must_use]
    pub const fn key(&self) -> Self {
        match self {
            Self::Map => Self::Str,
            Self::AnyMap | Self::Groups => Self::Any,
            _ => Self::Unknown,
        }
    }
    /// Go's kind.
    #[must_use]
    pub fn kind(&self) -> GoKind {
        match self {
            Self::Unknown | Self::Nil => GoKind::Invalid,
            Self::Any | Self::Error => GoKind::Interface,
            Self::Bool => GoKind::Bool,
            Self::Int | Self::Month | Self::Weekday => GoKind::Int,
            Self::Duration | Self::Integer("int64") => GoKind::Int64,
            Self::Integer(_) => GoKind::OtherInt,
            Self::Float => GoKind::Float,
            Self::Str => GoKind::String,
            Self::Bytes | Self::Strings | Self::Array(_) | Self::Other(_) => GoKind::Slice,
            Self::Map | Self::AnyMap | Self::Groups => GoKind::Map,
            Self::Time | Self::LocationStruct => GoKind::Struct,
            Self::Location => GoKind::Pointer,
            Self::Func(_) => GoKind::Func,
        }
    }
    /// Whether Go would let a value of this type be assigned to a variable of the other.
    #[must_use]
    pub fn assignable_to(&self, to: &Self) -> bool {
        match (self, to) {
            (Self::Nil, _) => {
                matches!(to.kind(), GoKind::Pointer | GoKind::Interface | GoKind::Func | GoKind::Map | GoKind::Slice)
            }
            (Self::Unknown, _) | (_, Self::Unknown | Self::Nil) => false,
            (_, Self::Any) | (Self::Array(_), Self::Array(_)) => true,
            (Self::Func(a), Self::Func(b)) => a.text == b.text,
            (a, b) => a == b,
        }
    }
    /// Whether `==` may be asked of the two.
    #[must_use]
    pub fn comparable_to(&self, other: &Self) -> bool {
        let either = |test: fn(&Self) -> bool| test(self) || test(other);
        let both = |test: fn(&Self) -> bool| test(self) && test(other);
        either(Self::is_unknown)
            || either(|t| *t == Self::Nil)
            || both(Self::is_number)
            || both(Self::is_array)
            || self.assignable_to(other)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown | Self::Nil => "unknown",
            Self::Any => "interface {}",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Integer(name) | Self::Other(name) => name,
            Self::Float => "float64",
            Self::Str => "string",
            Self::Bytes => "[]uint8",
            Self::Strings => "[]string",
            Self::Array(_) => "[]interface {}",
            Self::Map => "map[string]interface {}",
            Self::AnyMap => "map[interface {}]interface {}",
            Self::Groups => "map[interface {}][]interface {}",
            Self::Time => "time.Time",
            Self::Duration => "time.Duration",
            Self::Month => "time.Month",
            Self::Weekday => "time.Weekday",
            Self::Location => "*time.Location",
            Self::LocationStruct => "time.Location",
            Self::Error => "error",
            Self::Func(func) => &func.text,
        })
    }
}
