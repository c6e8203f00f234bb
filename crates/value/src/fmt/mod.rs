//! Go's `fmt`: verbs, flags, `%!d(string=x)` errors, `%v` of every value.
//!
//! Decides how values look as text. Never recurses into values (their depth is data), never allocates a width or a
//! precision before the budget allowed it, and never prints a real address.

mod float;
mod printable;
mod printer;
mod printf;
mod quote;
mod types;
mod verbs;
mod walk;

pub use float::format_float;
pub use types::{go_type_name, kind_name, type_name};
pub(crate) use walk::own_text;

use crate::{Budget, LimitError, Str, Value};
use printer::Printer;
use std::io::Write;

/// `fmt.Sprintf(format, args…)`; width, precision and output are checked against the budget before allocating.
///
/// # Errors
/// `steps`, `time`, `call_bytes` or `live_bytes`.
pub fn sprintf(budget: &Budget, format: &[u8], args: &[Value]) -> Result<Str, LimitError> {
    let mut printer = Printer::new(Vec::with_capacity(format.len().min(4096)), Some(budget));
    printf::printf(&mut printer, format, args);
    output(printer)
}

/// `fmt.Sprint(args…)`: spaces between operands when neither is a string.
///
/// # Errors
/// As [`sprintf`].
pub fn sprint(budget: &Budget, args: &[Value]) -> Result<Str, LimitError> {
    let mut printer = Printer::new(Vec::new(), Some(budget));
    let mut after_text = true;
    for arg in args {
        let text = is_text(arg);
        if !text && !after_text {
            printer.write_str(" ");
        }
        printer.print_arg(arg, 'v');
        after_text = text;
    }
    output(printer)
}

/// `fmt.Sprintln(args…)`.
///
/// # Errors
/// As [`sprintf`].
pub fn sprintln(budget: &Budget, args: &[Value]) -> Result<Str, LimitError> {
    let mut printer = Printer::new(Vec::new(), Some(budget));
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            printer.write_str(" ");
        }
        printer.print_arg(arg, 'v');
    }
    printer.write_str("\n");
    output(printer)
}

fn output(printer: Printer<'_>) -> Result<Str, LimitError> {
    match printer.finish(0) {
        (_, Some(error)) => Err(error),
        (out, None) => Ok(out.into()),
    }
}

fn is_text(value: &Value) -> bool {
    match value {
        Value::Named(named) => is_text(&named.base),
        _ => matches!(value, Value::Str(_)),
    }
}

/// `%v` without a budget, cut off at 4 MiB; never panics.
#[must_use]
pub fn sprint_v(value: &Value) -> Str {
    let mut out = Vec::new();
    append_v(&mut out, value);
    out.into()
}

/// `%s` without a budget, cut off at 4 MiB; never panics.
#[must_use]
pub fn sprint_s(value: &Value) -> Str {
    let mut printer = Printer::new(Vec::new(), None);
    printer.print_arg(value, 's');
    printer.finish(0).0.into()
}

/// Appends `%v` of one value to a buffer, cut off at 4 MiB: for values that no template or expression made.
pub fn append_v(out: &mut Vec<u8>, value: &Value) {
    if !append_scalar(out, value) {
        let _ = append_walked(out, value, None);
    }
}

/// Appends `%v` of one value to a buffer: the fast path of templates. Nothing is charged for scalars.
///
/// # Errors
/// `steps`, `time`, `call_bytes` or `live_bytes`; the buffer may hold a part of the text then.
pub fn append_metered(budget: &Budget, out: &mut Vec<u8>, value: &Value) -> Result<(), LimitError> {
    if append_scalar(out, value) { Ok(()) } else { append_walked(out, value, Some(budget)) }
}

fn append_scalar(out: &mut Vec<u8>, value: &Value) -> bool {
    match value {
        Value::Str(text) => out.extend_from_slice(text.as_bytes()),
        Value::Int(_, n) => drop(write!(out, "{n}")),
        Value::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        Value::Nil => out.extend_from_slice(b"<nil>"),
        Value::NoValue => out.extend_from_slice(b"<no value>"),
        _ => return false,
    }
    true
}

fn append_walked(out: &mut Vec<u8>, value: &Value, budget: Option<&Budget>) -> Result<(), LimitError> {
    let before = out.len();
    let mut printer = Printer::new(std::mem::take(out), budget);
    printer.print_arg(value, 'v');
    let (text, error) = printer.finish(before);
    *out = text;
    error.map_or(Ok(()), Err)
}

/// Go's `strconv.Quote`.
#[must_use]
pub fn quote(text: &[u8]) -> String {
    quote::quote_text(text, false)
}

/// Go's `%v` of a float64: the shortest digits, in the exponent form below 1e-4 and from 1e6 with few digits on, as
/// `strconv.FormatFloat(f, 'g', -1, 64)` decides (123456, but `1.234567e+06`).
#[must_use]
pub fn float(f: f64) -> String {
    format_float(f, 'g', None, 64)
}
