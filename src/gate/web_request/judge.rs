//! The expressions of a gate, run in their order: variables, expression, output.

use super::values::{Session, Values, entries, response_environment};
use super::verdict::{self, Verdict};
use super::{Cause, Look, Trigger};
use crate::gate::spec::{Context, When};
use gatepost_value::{Value, fmt, json};
use serde_json::Value as Json;

impl Session<'_> {
    /// Runs `trigger.when`.
    pub(super) fn trigger(&self, when: &When, values: &Values<'_>) -> Result<Trigger, String> {
        let variables = self.variables(when, &values.environment(None, None));
        let variables = variables.map_err(|why| format!("failed to evaluate trigger.when.variables: {why}"))?;
        let environment = values.environment(variables.as_ref(), None);
        let fires = self.evaluate(&when.expression, true, &environment);
        let fires = fires.map_err(|why| format!("failed to evaluate trigger expression: {why}"))?;
        let output = self.output_of(when, &environment, "trigger data expression");
        let output = output.map_err(|why| format!("failed to evaluate trigger data expression: {why}"))?;
        Ok(Trigger { variables, fires: Some(fires.as_bool() == Some(true)), output })
    }
    /// Runs `trigger.response.output` over an answer.
    pub(super) fn response_output(&self, source: &str, response: &Value) -> Result<Json, Cause> {
        let output = self.mapped(source, &response_environment(response), "response data expression");
        output.and_then(|output| self.to_json(&output)).map_err(Cause::ResponseOutput)
    }
    /// Runs `success.when`. What it gives on the way is noted, also where it fails in the end.
    pub(super) fn judge(&self, values: &Values<'_>, look: &mut Look) -> Result<Verdict, Cause> {
        let when = &self.gate().spec.success;
        let response = look.response.clone();
        let variables = self.success_variables(values, response.as_ref())?;
        look.success_variables.clone_from(&variables);
        let environment = values.environment(variables.as_ref(), response.as_ref());
        let result = self.evaluate(&when.expression, false, &environment).map_err(Cause::Success)?;
        look.result = Some(result.clone());
        let verdict = match self.gate().spec.context {
            Context::Environments => verdict::of_environment(&result),
            Context::PromotionStrategy => verdict::of_strategy(&result),
        };
        let verdict = verdict.map_err(Cause::Success)?;
        let output = self.output_of(when, &environment, "success data expression").map_err(Cause::SuccessOutput)?;
        // A nil map is stored as nothing at all.
        let output = output.filter(|output| !output.is_nil()).map(|output| self.to_json(&output)).transpose();
        look.success_output = output.map_err(Cause::SuccessOutput)?;
        Ok(verdict)
    }
    /// Runs `success.when.variables` alone.
    pub(super) fn success_variables(
        &self,
        values: &Values<'_>,
        response: Option<&Value>,
    ) -> Result<Option<Value>, Cause> {
        let when = &self.gate().spec.success;
        self.variables(when, &values.environment(None, response)).map_err(Cause::SuccessVariables)
    }
    fn variables(&self, when: &When, environment: &Value) -> Result<Option<Value>, String> {
        let source = when.variables.as_deref();
        source.map(|source| self.mapped(source, environment, "when.variables expression")).transpose()
    }
    fn output_of(&self, when: &When, environment: &Value, what: &str) -> Result<Option<Value>, String> {
        when.output.as_deref().map(|source| self.mapped(source, environment, what)).transpose()
    }
    /// Runs an expression that has to give a map.
    fn mapped(&self, source: &str, environment: &Value, what: &str) -> Result<Value, String> {
        let value = self.evaluate(source, false, environment)?;
        match entries(&value) {
            Some(_) => Ok(value),
            None => Err(format!("{what} must return a map/object, got {}", fmt::type_name(&value))),
        }
    }
    fn evaluate(&self, source: &str, as_bool: bool, environment: &Value) -> Result<Value, String> {
        let program = self.engine.compile(source, as_bool);
        let program = program.map_err(|error| format!("failed to compile expression: {error}"))?;
        self.engine.run(&program, environment, &self.around())
    }
    /// As it is stored: through Go's JSON, which writes 1.0 as 1 and a nil map as null.
    pub(super) fn to_json(&self, value: &Value) -> Result<Json, String> {
        let bytes = self.engine.metered(&self.around(), |context| json::marshal(context.budget, value));
        let bytes = bytes.map_err(|error| format!("failed to write the result as JSON: {error}"))?;
        serde_json::from_slice(&bytes).map_err(|error| format!("failed to write the result as JSON: {error}"))
    }
}
