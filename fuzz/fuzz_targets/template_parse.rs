//! Parsing any template ends in a template or an error that can be shown, and so does the question what it reads.
#![no_main]

use gatepost_fuzz::{limits, within_limits};
use gatepost_template::{Profile, Template};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    within_limits(|_| {
        for profile in [Profile::notifications(), Profile::gates(), Profile::builtins_only()] {
            match Template::parse("t", text, profile, &limits()) {
                Ok(template) => drop(template.paths()),
                Err(error) => drop(error.to_string()),
            }
        }
    });
});
