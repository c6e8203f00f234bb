//! A ConfigMap and a Secret of any content: loading ends, twice with the same outcome, and every key that is broken is
//! named with a cause. What is in order stays usable.
#![no_main]

use gatepost_fuzz::targets::configuration;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| configuration::run(text));
