//! Receivers that answer anything to any kind of service: an attempt ends in bounded rounds with a verdict, and what it
//! says of it is bounded too.
#![no_main]

use gatepost_fuzz::targets::answers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| answers::run(bytes));
