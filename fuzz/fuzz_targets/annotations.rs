//! An Application whose annotations, labels and status are anybody's: who is subscribed is found, the annotation of what
//! was notified is read, and a look at it ends with a reason for each destination, twice the same.
#![no_main]

use gatepost_fuzz::targets::annotations;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| annotations::run(text));
