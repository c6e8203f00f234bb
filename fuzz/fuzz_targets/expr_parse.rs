//! Compiling any text ends in a program or an error that can be shown, and so do the questions about the program.
#![no_main]

use gatepost_expr::{CompileOptions, Program};
use gatepost_fuzz::{limits, within_limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    within_limits(|_| {
        for as_bool in [false, true] {
            match Program::compile(text, &CompileOptions { as_bool, limits: limits() }) {
                Ok(program) => drop(program.usage()),
                Err(error) => drop(error.to_string()),
            }
        }
    });
});
