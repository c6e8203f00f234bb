//! The second half of a look: what the answers mean.

use super::{Answers, Cause, Input, Outcome, Plan};
use crate::gate::engine::Engine;

/// Judges the answers to what a plan asks. `input` is what the plan was made from, with the time of now. A request without
/// an answer counts as one that failed.
#[must_use]
pub fn conclude(_engine: &Engine, _input: &Input<'_>, _plan: Plan, _answers: &Answers) -> Outcome {
    Outcome::default()
}

/// What follows where a gate cannot be looked at, because what it names is not there or cannot be read.
#[must_use]
pub fn refuse(_input: &Input<'_>, _cause: Cause) -> Outcome {
    Outcome::default()
}
