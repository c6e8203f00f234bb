//! The sprig and slim-sprig function library.

use crate::function::FunctionSpec;

/// All functions, each with the profiles that offer it.
#[must_use]
pub fn table() -> &'static [FunctionSpec] {
    &[]
}
