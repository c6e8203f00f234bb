//! placeholder
use crate::function::FunctionSpec;
pub(super) const TABLE: &[FunctionSpec] = &[];
