//! Go's built-in template functions.

use crate::function::FunctionSpec;

/// All built-in functions.
pub fn table() -> &'static [FunctionSpec] {
    &[]
}
