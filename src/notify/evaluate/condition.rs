//! One run of one condition: whether it holds, its oncePer value, and the values of its parts.

use crate::notify::configuration::{Condition, Configuration};
use crate::notify::render::Surroundings;
use gatepost_value::{Value, fmt};

/// What a condition came to.
#[derive(Default)]
pub(super) struct Tried {
    pub(super) triggered: bool,
    pub(super) error: Option<String>,
    pub(super) once_per: String,
    /// Told only where it is the repository's silence.
    pub(super) once_per_error: Option<String>,
    pub(super) trace: Vec<(String, String)>,
}

/// Runs a condition: only `true` counts, and oncePer is asked only then; where it fails it counts as absent.
pub(super) fn run(
    condition: &Condition,
    vars: &Value,
    config: &Configuration,
    surroundings: &Surroundings<'_>,
    traced: bool,
) -> Tried {
    let mut out = Tried::default();
    let Some(program) = &condition.program else { return out };
    let result = surroundings.with(config, |context| {
        if !traced {
            return program.run(vars, context);
        }
        let (result, trace) = program.run_traced(vars, context);
        out.trace = trace.into_iter().map(|step| (step.text, shown(step.outcome))).collect();
        result
    });
    match result {
        Ok(value) => out.triggered = value.as_bool() == Some(true),
        Err(error) => out.error = Some(error.to_string()),
    }
    if let (true, Some(program)) = (out.triggered, &condition.once_per_program) {
        let value = surroundings.with(config, |context| program.run(vars, context));
        match value {
            Ok(value) => out.once_per = fmt::sprint_v(&value).to_lossy().into_owned(),
            Err(error) => out.once_per_error = Some(error.to_string()),
        }
    }
    out
}

/// A traced value, cut to what fits a table.
fn shown(outcome: Result<Value, String>) -> String {
    match outcome {
        Ok(value) => fmt::sprint_v(&value).to_lossy().chars().take(200).collect(),
        Err(error) => format!("error: {error}"),
    }
}
