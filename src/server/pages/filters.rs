//! Filters of the templates, for what no type of `parts` shows.

use super::Count;

/// `{{ number|thousands }}`: a number that is read in groups.
#[askama::filter_fn]
pub(super) fn thousands(number: &u64, _: &dyn askama::Values) -> askama::Result<Count> {
    Ok(Count(*number))
}
