//! Running any expression ends within its limits, twice the same.
#![no_main]

use gatepost_expr::{CompileOptions, Program};
use gatepost_fuzz::{environment, limits, within_limits};
use gatepost_value::{Value, fmt};
use libfuzzer_sys::fuzz_target;
use std::cell::LazyCell;

thread_local! {
    static ENVIRONMENT: LazyCell<Value> = const { LazyCell::new(environment) };
}

/// What the run makes, in a form that can be compared; times of `now()` are fixed.
fn outcome(program: &Program, env: &Value) -> Result<String, String> {
    within_limits(|ctx| match program.run(env, ctx) {
        Ok(value) => Ok(fmt::type_name(&value).to_string()),
        Err(error) => Err(error.to_string()),
    })
}

fuzz_target!(|text: &str| {
    let Ok(program) = Program::compile(text, &CompileOptions { as_bool: false, limits: limits() }) else { return };
    ENVIRONMENT.with(|env| assert_eq!(outcome(&program, env), outcome(&program, env), "another outcome"));
});
