//! Methods that Go's types have for templates and expressions: time.Time, Duration, Month, Weekday, Location, named types and structs.
#![allow(unused, clippy::todo)]

use crate::{CallContext, CallError, Signature, Value};

/// Whether `receiver` has a method `name` (exported Go methods only).
#[must_use]
pub fn has(receiver: &Value, name: &str) -> bool { todo!() }
/// Parameter and result types of a method, where known.
#[must_use]
pub fn signature(receiver: &Value, name: &str) -> Option<Signature> { todo!() }
/// Calls the method. Argument count and types are checked here too; never panics.
///
/// # Errors
/// What Go's method or call would report.
pub fn call(ctx: &CallContext<'_>, receiver: &Value, name: &str, args: &[Value]) -> Result<Value, CallError> { todo!() }

/// What `t.GoString()` says.
pub(crate) fn go_syntax(time: &crate::Time) -> String { time.go_string() }
