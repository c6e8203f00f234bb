//! Requests of any form to the API: every answer is JSON or the page, none is a failure of the server, and nothing that
//! is not JSON changes anything.
#![no_main]

use gatepost_fuzz::targets::api;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| api::run(bytes));
