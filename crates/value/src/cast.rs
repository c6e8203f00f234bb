//! Casts as `spf13/cast` does them (what sprig's `int`, `float64`, `add`, … use): bad text is 0, floats truncate.
#![allow(unused, clippy::todo)]

use crate::{Str, Value};

/// `cast.ToInt64`: 0 where it cannot be done.
#[must_use]
pub fn to_i64(value: &Value) -> i64 { todo!() }
/// `cast.ToFloat64`: 0 where it cannot be done.
#[must_use]
pub fn to_f64(value: &Value) -> f64 { todo!() }
/// sprig's `strval`: strings, bytes, errors and Stringers as they are, else `%v`.
#[must_use]
pub fn to_str(value: &Value) -> Str { todo!() }
/// text/template's truth: empty strings, maps, lists, zero numbers, nil and no value are false.
#[must_use]
pub fn truth(value: &Value) -> bool { todo!() }
