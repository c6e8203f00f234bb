//! The value itself.

use crate::{Budget, LimitError, Location, Map, Str, Time};
use bytes::Bytes;
use std::sync::Arc;

/// Which signed integer type a number has in Go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum IntKind {
    Int,
    Int8,
    Int16,
    Int32,
    Int64,
}

/// Which unsigned integer type a number has in Go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum UintKind {
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
}

/// Which float type a number has in Go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum FloatKind {
    Float32,
    Float64,
}

/// The static Go type of list and map elements, typed nils and parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum GoType {
    Any,
    Bool,
    String,
    Bytes,
    Int(IntKind),
    Uint(UintKind),
    Float(FloatKind),
    Time,
    Duration,
    Location,
    Slice(Box<GoType>),
    /// `map[string]T`
    Map(Box<GoType>),
    /// `map[interface {}]interface {}`
    AnyMap,
    Func,
    /// A named type or pointer by its printed name, such as `v1alpha1.Phase` or `*bool`.
    Named(Arc<str>),
}

/// A list with the Go type of its elements (`Any` for `[]interface {}`).
#[derive(Clone)]
pub struct List {
    /// Element type.
    pub elem: GoType,
    /// The elements.
    pub items: Arc<Vec<Value>>,
}

/// A value of a named basic type, for example `v1alpha1.CommitStatusPhase`.
#[derive(Clone)]
pub struct Named {
    /// The type's printed name.
    pub type_name: Arc<str>,
    /// The value as its underlying basic type.
    pub base: Value,
}

/// A Go struct as templates and expressions see it: Go field names over whatever holds the data.
pub trait StructView: Send + Sync {
    /// The printed type name, such as `v1alpha1.EnvironmentStatus`.
    fn type_name(&self) -> &str;
    /// The value of a field by its Go name (promoted fields included); `None` where the struct has no such field.
    fn field(&self, name: &str) -> Option<Value>;
    /// Fields in declaration order: Go name, value. Promoted fields are not repeated; an embedded struct is one field.
    fn fields(&self) -> Vec<(Str, Value)>;
    /// As `encoding/json` names them: JSON name, value, whether it is left out where it is empty; `None` for an inline
    /// embedded struct's name. For a field with `omitempty` the last is true, unless the field is a pointer that points to
    /// something: a pointer to `false` or to 0 is not empty, and a value here does not tell that it was reached by one.
    fn json_fields(&self) -> Vec<(Option<Str>, Value, bool)> {
        self.fields().into_iter().map(|(name, value)| (Some(name), value, false)).collect()
    }
    /// What the struct's own `MarshalJSON` makes of it, where it has one.
    fn own_json(&self) -> Option<Value> {
        None
    }
    /// Names of the methods that can be called.
    fn has_method(&self, _name: &str) -> bool {
        false
    }
    /// Calls a method; only for names for which [`StructView::has_method`] says yes.
    ///
    /// # Errors
    /// What the method reports.
    fn call(&self, name: &str, _ctx: &CallContext<'_>, _args: &[Value]) -> Result<Value, CallError> {
        Err(CallError::new(format!("no method {name}")))
    }
    /// Whether Go code sees a pointer to the struct (prints as `&{…}`).
    fn is_pointer(&self) -> bool {
        false
    }
}

/// Parameter and result types of a function, for Go's arity and type errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Parameter types; with `variadic` the last one is the element type of the rest.
    pub params: Vec<GoType>,
    /// Whether the last parameter takes any number of values.
    pub variadic: bool,
    /// Result type.
    pub result: GoType,
}

/// What a function may ask of the world. Passed in, so that runs are repeatable.
pub struct CallContext<'a> {
    /// The meter of this run.
    pub budget: &'a Budget,
    /// The time that `now` answers.
    pub now: Time,
    /// Go's `time.Local`.
    pub local: Location,
    /// Fills a buffer with random bytes.
    pub random: &'a dyn Fn(&mut [u8]),
    /// Switch for functions that make keys or certificates, hash passwords or resolve names.
    pub costly: bool,
}

/// A host function or method failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The function's own words.
    #[error("{0}")]
    Message(String),
    /// A limit was hit; engines report it as such, never as the function's failure.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

impl CallError {
    /// A failure in the function's own words.
    pub fn new(text: impl Into<String>) -> Self {
        Self::Message(text.into())
    }
}

/// The code of a function.
pub type Function = dyn Fn(&CallContext<'_>, &[Value]) -> Result<Value, CallError> + Send + Sync;

/// A function value, as the members of `time`, `strings`, `repo` are.
#[derive(Clone)]
pub struct Func {
    /// Name for error texts.
    pub name: Arc<str>,
    /// Types, where known.
    pub signature: Option<Arc<Signature>>,
    /// The code.
    pub call: Arc<Function>,
}

/// A dynamic Go value. Cloning is cheap: contents are shared.
#[derive(Clone, Default)]
pub enum Value {
    /// Untyped nil.
    #[default]
    Nil,
    /// Go's zero `reflect.Value`: what an absent map key is to a template (prints `<no value>`).
    NoValue,
    /// A nil pointer, map or slice that has a type; equal to nil in expressions.
    TypedNil(GoType),
    /// bool
    Bool(bool),
    /// Signed integers.
    Int(IntKind, i64),
    /// Unsigned integers.
    Uint(UintKind, u64),
    /// Floats (a float32 is held as the float64 of the same number).
    Float(FloatKind, f64),
    /// string
    Str(Str),
    /// []byte
    Bytes(Bytes),
    /// Any slice but []byte.
    List(List),
    /// map[string]T
    Map(Map),
    /// map[interface {}]interface {} (expr's groupBy, fromPairs): pairs in order of insertion, keys unique.
    AnyMap(Arc<Vec<(Value, Value)>>),
    /// A struct or pointer to a struct.
    Struct(Arc<dyn StructView>),
    /// A value of a named basic type.
    Named(Arc<Named>),
    /// time.Time
    Time(Time),
    /// time.Duration in nanoseconds
    Duration(i64),
    /// time.Month, January = 1
    Month(i64),
    /// time.Weekday, Sunday = 0
    Weekday(i64),
    /// *time.Location
    Location(Location),
    /// A function.
    Func(Func),
}

impl Value {
    /// Go's `int`.
    #[must_use]
    pub const fn int(n: i64) -> Self {
        Self::Int(IntKind::Int, n)
    }
    /// Go's `int64`, as Kubernetes decodes whole numbers.
    #[must_use]
    pub const fn int64(n: i64) -> Self {
        Self::Int(IntKind::Int64, n)
    }
    /// Go's `float64`.
    #[must_use]
    pub const fn float(n: f64) -> Self {
        Self::Float(FloatKind::Float64, n)
    }
    /// A string.
    pub fn str(text: impl Into<Str>) -> Self {
        Self::Str(text.into())
    }
    /// `[]interface {}`.
    #[must_use]
    pub fn list(items: Vec<Value>) -> Self {
        Self::List(List { elem: GoType::Any, items: Arc::new(items) })
    }
    /// A list with typed elements.
    #[must_use]
    pub fn list_of(elem: GoType, items: Vec<Value>) -> Self {
        Self::List(List { elem, items: Arc::new(items) })
    }
    /// A frozen `map[string]interface {}`.
    #[must_use]
    pub fn map(entries: Vec<(Str, Value)>) -> Self {
        Self::Map(Map::frozen(entries))
    }
    /// A function without a declared signature.
    pub fn func(
        name: &str,
        call: impl Fn(&CallContext<'_>, &[Value]) -> Result<Value, CallError> + Send + Sync + 'static,
    ) -> Self {
        Self::Func(Func { name: name.into(), signature: None, call: Arc::new(call) })
    }
    /// Nil, typed or not, or no value.
    #[must_use]
    pub const fn is_nil(&self) -> bool {
        matches!(self, Self::Nil | Self::NoValue | Self::TypedNil(_))
    }
    /// The member of a string-keyed map or struct by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value> {
        match self {
            Self::Map(map) => map.get(name.as_bytes()),
            Self::Struct(view) => view.field(name),
            _ => None,
        }
    }
    /// The member at a path of map keys, `None` as soon as one is absent.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<Value> {
        let mut at = self.clone();
        for name in path {
            at = at.get(name)?;
        }
        Some(at)
    }
    /// The string, if this is one in valid UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => text.as_str(),
            _ => None,
        }
    }
    /// The boolean, if this is one.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            _ => None,
        }
    }
    /// Whether the map with identity `id` ([`Map::id`]) is this value or inside it. Bounded: beyond `depth` levels, or
    /// where too much would have to be searched (a list may hold one list many times over), the answer is yes.
    #[must_use]
    pub fn contains_map(&self, id: usize, depth: u32) -> bool {
        /// Values looked at before giving up.
        const MOST: usize = 100_000;
        let mut pending = vec![(self.clone(), depth)];
        let mut seen = 0;
        while let Some((value, depth)) = pending.pop() {
            seen += 1;
            if depth == 0 || seen > MOST {
                return true;
            }
            let nested = |v: &&Self| matches!(v, Self::Map(_) | Self::List(_) | Self::AnyMap(_));
            match &value {
                Self::Map(map) if map.id() == id => return true,
                Self::Map(map) => {
                    pending.extend(map.entries().iter().map(|e| &e.1).filter(nested).map(|v| (v.clone(), depth - 1)))
                }
                Self::List(list) => pending.extend(list.items.iter().filter(nested).map(|v| (v.clone(), depth - 1))),
                Self::AnyMap(pairs) => {
                    pending.extend(pairs.iter().map(|p| &p.1).filter(nested).map(|v| (v.clone(), depth - 1)))
                }
                _ => {}
            }
        }
        false
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::fmt::sprint_v(self).to_lossy())
    }
}
