//! The first half of a look: what is asked.

use super::{Input, Plan};
use crate::gate::engine::Engine;

/// Decides what is asked and renders it. Never fails: what fails is part of the plan.
#[must_use]
pub fn begin(_engine: &Engine, _input: &Input<'_>) -> Plan {
    Plan::default()
}
