//! The functions a template can call: how one is described, what it is given, and which profile offers it.
//!
//! The executor checks argument counts and types against [`SignatureSpec`] before a function runs, with Go's error
//! texts, so the code of a function may rely on them. A function must never change data it was given: maps are written
//! through [`Call::thaw`] only.

use crate::overlay::Overlay;
use crate::patterns::Patterns;
use gatepost_value::{Budget, CallContext, CallError, LiveMap, Map, Str, Value};
use regex::bytes::Regex;
use std::collections::HashMap;
use std::sync::OnceLock;

/// The Go type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamType {
    /// `interface {}`
    Any,
    /// `reflect.Value`: what the built-in functions take.
    Reflect,
    /// `bool`
    Bool,
    /// `string`
    String,
    /// `int`
    Int,
    /// `int64`
    Int64,
    /// `uint32`
    Uint32,
    /// `float64`
    Float64,
    /// `time.Time`
    Time,
    /// `map[string]interface {}`
    Map,
    /// `[]interface {}`
    List,
    /// `[]string`
    Strings,
    /// A struct by its printed type name, such as `sprig.certificate`.
    Struct(&'static str),
}

/// Parameters of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureSpec {
    /// Parameter types; with `variadic` the last one is the element type of the rest.
    pub params: &'static [ParamType],
    /// Whether the last parameter takes any number of values.
    pub variadic: bool,
}

impl SignatureSpec {
    /// A fixed number of parameters.
    #[must_use]
    pub const fn fixed(params: &'static [ParamType]) -> Self {
        Self { params, variadic: false }
    }
    /// The last parameter repeats, or is left out.
    #[must_use]
    pub const fn variadic(params: &'static [ParamType]) -> Self {
        Self { params, variadic: true }
    }
    /// Number of parameters that must be given.
    #[must_use]
    pub const fn required(&self) -> usize {
        self.params.len() - self.variadic as usize
    }
    /// The type of the argument at `index`.
    pub(crate) fn param(&self, index: usize) -> ParamType {
        let last = self.params.last().copied().unwrap_or(ParamType::Any);
        self.params.get(index).copied().unwrap_or(last)
    }
}

/// What else than its arguments a function's result depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Pure,
    /// The current time.
    Clock,
    /// Random numbers.
    Random,
    /// An answer from the network.
    Network,
}

/// Which profiles offer a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// Notification templates only (sprig v3 without `env`, `expandenv`).
    Notifications,
    /// Gate templates only.
    Gates,
    /// Both.
    Both,
}

/// One function a template can call.
#[derive(Debug, Clone, Copy)]
pub struct FunctionSpec {
    /// Name in templates.
    pub name: &'static str,
    /// Parameters, checked before `run`.
    pub signature: SignatureSpec,
    /// The code.
    pub run: fn(&mut Call<'_>) -> Result<Value, CallError>,
    /// Makes keys or certificates, hashes passwords or resolves names: refused unless [`CallContext::costly`].
    pub costly: bool,
    /// What else the result depends on.
    pub effect: Effect,
    /// Which profiles offer it.
    pub offered: Offered,
}

impl FunctionSpec {
    /// A pure, cheap function that both profiles offer.
    #[must_use]
    pub const fn new(
        name: &'static str,
        signature: SignatureSpec,
        run: fn(&mut Call<'_>) -> Result<Value, CallError>,
    ) -> Self {
        Self { name, signature, run, costly: false, effect: Effect::Pure, offered: Offered::Both }
    }
    /// The same, offered elsewhere.
    #[must_use]
    pub const fn offered(self, offered: Offered) -> Self {
        Self { offered, ..self }
    }
    /// The same, with another effect.
    #[must_use]
    pub const fn effect(self, effect: Effect) -> Self {
        Self { effect, ..self }
    }
    /// The same, refused unless switched on.
    #[must_use]
    pub const fn costly(self) -> Self {
        Self { costly: true, ..self }
    }
}

/// One call of a function: its checked arguments and what it may use.
pub struct Call<'a> {
    /// Time, zone, randomness and the meter of this run.
    pub context: &'a CallContext<'a>,
    /// The arguments; counts and types fit the signature. An absent value of type `Any` is [`Value::Nil`], of a map or
    /// list type [`Value::TypedNil`].
    pub args: &'a [Value],
    overlay: &'a Overlay,
    patterns: Option<&'a Patterns>,
}

impl<'a> Call<'a> {
    pub(crate) const fn new(context: &'a CallContext<'a>, args: &'a [Value], overlay: &'a Overlay) -> Self {
        Self { context, args, overlay, patterns: None }
    }
    /// With what the template keeps.
    pub(crate) const fn with_patterns(self, patterns: &'a Patterns) -> Self {
        Self { patterns: Some(patterns), ..self }
    }
    /// The compiled form of a pattern that the template has as a literal.
    pub(crate) fn kept_pattern(&self, pattern: &[u8]) -> Option<&'a Regex> {
        self.patterns?.get(pattern)
    }
    /// The meter of this run.
    #[must_use]
    pub const fn budget(&self) -> &'a Budget {
        self.context.budget
    }
    /// The argument at `index`; `Nil` past the end.
    #[must_use]
    pub fn arg(&self, index: usize) -> &'a Value {
        static NIL: Value = Value::Nil;
        self.args.get(index).unwrap_or(&NIL)
    }
    /// The arguments from `index` on.
    #[must_use]
    pub fn rest(&self, index: usize) -> &'a [Value] {
        self.args.get(index..).unwrap_or_default()
    }
    /// A parameter of type `String`.
    #[must_use]
    pub fn text(&self, index: usize) -> Str {
        match self.arg(index) {
            Value::Str(text) => text.clone(),
            _ => Str::default(),
        }
    }
    /// The bytes of a parameter of type `String`, without a copy.
    #[must_use]
    pub fn bytes(&self, index: usize) -> &'a [u8] {
        match self.arg(index) {
            Value::Str(text) => text.as_bytes(),
            _ => &[],
        }
    }
    /// A parameter of type `Int`, `Int64` or `Uint32`.
    #[must_use]
    pub fn int(&self, index: usize) -> i64 {
        match self.arg(index) {
            Value::Int(_, n) => *n,
            Value::Uint(_, n) => i64::try_from(*n).unwrap_or(i64::MAX),
            _ => 0,
        }
    }
    /// A parameter of type `Float64`.
    #[must_use]
    pub fn float(&self, index: usize) -> f64 {
        match self.arg(index) {
            Value::Float(_, f) => *f,
            _ => 0.0,
        }
    }
    /// A parameter of type `Bool`.
    #[must_use]
    pub fn flag(&self, index: usize) -> bool {
        matches!(self.arg(index), Value::Bool(true))
    }
    /// A map as this render sees it; `None` where the argument is no map with string keys, or a nil map.
    #[must_use]
    pub fn map(&self, index: usize) -> Option<Map> {
        match self.arg(index) {
            Value::Map(map) => Some(self.read(map)),
            _ => None,
        }
    }
    /// The map as this render sees it: a frozen map that was written to is its live copy.
    #[must_use]
    pub fn read(&self, map: &Map) -> Map {
        self.overlay.read(map)
    }
    /// The map to write to. A frozen map is copied at the first write; this render reads the copy from then on.
    #[must_use]
    pub fn thaw(&self, map: &Map) -> LiveMap {
        self.overlay.thaw(map)
    }
}

/// A named set of functions: what a template may call.
#[derive(Debug)]
pub struct Profile {
    name: &'static str,
    functions: HashMap<&'static str, &'static FunctionSpec>,
}

impl Profile {
    fn new(name: &'static str, wanted: impl Fn(&FunctionSpec) -> bool) -> Self {
        let own = crate::sprig::table().iter().filter(|spec| wanted(spec));
        let functions = crate::builtin::table().iter().chain(own).map(|spec| (spec.name, spec)).collect();
        Self { name, functions }
    }
    /// What notification templates can call: sprig v3 without `env` and `expandenv`.
    #[must_use]
    pub fn notifications() -> &'static Self {
        static PROFILE: OnceLock<Profile> = OnceLock::new();
        PROFILE.get_or_init(|| Self::new("notifications", |spec| spec.offered != Offered::Gates))
    }
    /// What gate templates can call: slim-sprig v3 without `env`, `expandenv`, `getHostByName`, plus `urlQueryEscape`.
    #[must_use]
    pub fn gates() -> &'static Self {
        static PROFILE: OnceLock<Profile> = OnceLock::new();
        PROFILE.get_or_init(|| Self::new("gates", |spec| spec.offered != Offered::Notifications))
    }
    /// Go's built-in functions only.
    #[must_use]
    pub fn builtins_only() -> &'static Self {
        static PROFILE: OnceLock<Profile> = OnceLock::new();
        PROFILE.get_or_init(|| Self::new("builtins", |_| false))
    }
    /// Name for messages.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
    /// The function of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'static FunctionSpec> {
        self.functions.get(name).copied()
    }
    /// All names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.functions.keys().copied()
    }
}
