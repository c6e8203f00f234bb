//! What each sub-expression gave, for people who ask why a condition did or did not hold.

use super::text::text;
use super::{Outcome, Stop, to_error};
use crate::ast::{Kind, Node};
use crate::error::Position;
use gatepost_value::Value;
use std::cell::RefCell;

/// Steps that one trace keeps; loops over long lists would drown the rest.
const KEPT: usize = 2_000;

/// The value of one sub-expression, or why it has none.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Where errors about it point to.
    pub position: Position,
    /// The sub-expression, printed anew from the tree.
    pub text: String,
    /// The value, or the error's message. `Ok(nil)` where `?.` skipped the rest of a chain.
    pub outcome: Result<Value, String>,
}

/// Keeps what a node gave; literals and wrappers say nothing new and are left out.
pub(super) fn record(trace: &RefCell<Vec<Trace>>, node: &Node, outcome: &Outcome) {
    let silent = matches!(
        node.kind,
        Kind::Nil
            | Kind::Bool(_)
            | Kind::Int(_)
            | Kind::Float(_)
            | Kind::Str(_)
            | Kind::Bytes(_)
            | Kind::Constant(_)
            | Kind::Chain(_)
            | Kind::Predicate(_)
    );
    let mut steps = trace.borrow_mut();
    if silent || steps.len() >= KEPT {
        return;
    }
    let outcome = match outcome {
        Ok(value) => Ok(value.clone()),
        Err(Stop::Skip) => Ok(Value::Nil),
        Err(Stop::Fault(fault)) => Err(to_error(fault.0.clone()).message),
    };
    steps.push(Trace { position: node.position, text: text(node), outcome });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use crate::{CompileOptions, Program};
    use gatepost_value::{Budget, CallContext, Limits, Location, Str, Time, Value};

    #[test]
    fn every_step_is_listed() {
        let program = Program::compile("app.phase == 'Failed' or app.health.status == 'x'", &CompileOptions::default());
        let app = Value::map(vec![(Str::from_static("phase"), Value::str("Running"))]);
        let env = Value::map(vec![(Str::from_static("app"), app)]);
        let budget = Budget::new(Limits::default());
        let (now, random) = (Time::unix(0, 0), |_: &mut [u8]| {});
        let ctx = CallContext { budget: &budget, now, local: Location::Utc, random: &random, costly: false };
        let (result, steps) = program.unwrap().run_traced(&env, &ctx);
        assert!(result.is_err());
        let lines: Vec<String> = steps
            .iter()
            .map(|step| match &step.outcome {
                Ok(value) => format!("{} = {value:?}", step.text),
                Err(error) => format!("{}: {error}", step.text),
            })
            .collect();
        assert!(
            lines.contains(&"app.phase = \"Running\"".to_owned()) || lines.contains(&"app.phase = Running".to_owned())
        );
        assert!(lines.contains(&"app.health.status: cannot fetch status from <nil>".to_owned()), "{lines:?}");
    }
}
