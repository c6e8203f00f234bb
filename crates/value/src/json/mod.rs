//! JSON as Go reads and writes it.
//!
//! Decides which values a text means and which text a value becomes. Neither direction recurses: hostile nesting costs
//! memory that is counted, never the stack.

mod bridge;
mod parse;
mod write;

use crate::{Budget, CallError, Value};
use write::{Style, Writer};

/// How whole numbers are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// Whole numbers are int64, others float64 (Kubernetes' unstructured objects).
    Kubernetes,
    /// All are float64 (`encoding/json` into `any`).
    Float,
    /// Whole numbers are int, others float64 (test vectors).
    Int,
}

/// A JSON text that could not be read: Go's words and the byte offset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// What is wrong, as encoding/json says it.
    pub message: String,
    /// Byte offset in the text.
    pub offset: usize,
}

/// Reads one JSON text into frozen maps and lists. Nesting is limited to 10,000 as in Go; deep input must not overflow the stack.
///
/// # Errors
/// Where the text is not JSON.
pub fn parse(text: &[u8], numbers: Numbers) -> Result<Value, ParseError> {
    parse::Parser::new(text, numbers).document()
}
/// Go's `json.Marshal`: keys sorted, `<`, `>`, `&`, U+2028, U+2029 escaped, floats as encoding/json prints them, structs by JSON names.
///
/// # Errors
/// What encoding/json refuses (functions, NaN, …), or a limit.
pub fn marshal(budget: &Budget, value: &Value) -> Result<Vec<u8>, CallError> {
    Writer::new(budget, Style { indent: None, html: true }).document(value)
}
/// Go's `json.MarshalIndent(value, "", indent)`.
///
/// # Errors
/// As [`marshal`].
pub fn marshal_indent(budget: &Budget, value: &Value, indent: &str) -> Result<Vec<u8>, CallError> {
    Writer::new(budget, Style { indent: Some(indent), html: true }).document(value)
}
/// As [`marshal`], with `SetEscapeHTML(false)` (sprig's `toRawJson`).
///
/// # Errors
/// As [`marshal`].
pub fn marshal_raw(budget: &Budget, value: &Value) -> Result<Vec<u8>, CallError> {
    Writer::new(budget, Style { indent: None, html: false }).document(value)
}
/// From serde_json, with the same rules for numbers as [`parse`].
#[must_use]
pub fn from_serde(value: &serde_json::Value, numbers: Numbers) -> Value {
    bridge::from_serde(value, numbers)
}
/// To serde_json (maps, lists, scalars; anything else as text); for annotations, APIs, logs.
#[must_use]
pub fn to_serde(value: &Value) -> serde_json::Value {
    bridge::to_serde(value, 0)
}
