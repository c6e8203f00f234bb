//! Go's `fmt`: verbs, flags, `%!d(string=x)` errors, `%v` of every value.
#![allow(unused, clippy::todo)]

use crate::{Budget, LimitError, Str, Value};

/// `fmt.Sprintf(format, args…)`; width, precision and output are checked against the budget before allocating.
pub fn sprintf(budget: &Budget, format: &[u8], args: &[Value]) -> Result<Str, LimitError> { todo!() }
/// `fmt.Sprint(args…)`: spaces between operands when neither is a string.
pub fn sprint(budget: &Budget, args: &[Value]) -> Result<Str, LimitError> { todo!() }
/// `fmt.Sprintln(args…)`.
pub fn sprintln(budget: &Budget, args: &[Value]) -> Result<Str, LimitError> { todo!() }
/// `%v` without a budget, cut off at a great depth; never panics.
#[must_use]
pub fn sprint_v(value: &Value) -> Str { todo!() }
/// Appends `%v` of one value to a buffer: the fast path of templates and of `oncePer`.
pub fn append_v(out: &mut Vec<u8>, value: &Value) { todo!() }
/// Go's `strconv.Quote`.
#[must_use]
pub fn quote(text: &[u8]) -> String { todo!() }
/// Go's `%v` of a float64 (`strconv.FormatFloat(f, 'g', -1, 64)` with `%e` below 1e-4 and from 1e21; `%v`'s shortest form).
#[must_use]
pub fn float(f: f64) -> String { todo!() }
/// The type as `%T` prints it, for example `map[string]interface {}`, `int64`, `<nil>`.
#[must_use]
pub fn type_name(value: &Value) -> String { todo!() }
/// The kind as `reflect.Kind.String` prints it: `map`, `slice`, `int64`, `struct`, `ptr`, `invalid`.
#[must_use]
pub fn kind_name(value: &Value) -> &'static str { todo!() }
/// A [`crate::GoType`] as Go prints it.
#[must_use]
pub fn go_type_name(t: &crate::GoType) -> String { todo!() }
