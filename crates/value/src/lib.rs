//! Dynamic values as Go programs see them, shared by the template and the expression engine.
//!
//! What lives here: the [`Value`] model, Go's `fmt` ([`fmt`]), spf13-style casts ([`cast`]), JSON as Go reads and writes it
//! ([`json`]), Go's time layouts and zones ([`time`]), Go's regular expressions ([`regex`]), runes ([`runes`]), numbers as
//! text ([`strconv`]), methods of the types that people call ([`method`]) and the limits both engines share ([`budget`]).
//! What must never be here: tokio, kube, I/O.

pub mod budget;
pub mod cast;
pub mod fmt;
pub mod json;
pub mod map;
pub mod method;
pub mod namespace;
pub mod regex;
mod release;
pub mod runes;
pub mod strconv;
pub mod text;
pub mod time;
mod value;

pub use budget::{Budget, LimitError, Limits};
pub use map::{FrozenMap, LiveMap, Map};
pub use text::Str;
pub use time::{Location, Time};
pub use value::{
    CallContext, CallError, FloatKind, Func, Function, GoType, IntKind, List, Named, Signature, StructView, UintKind,
    Value,
};

/// The example of the README is compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
