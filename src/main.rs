//! The `gatepost` binary. Everything is in the library.

use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;

/// A quarter of the time of a look went into the C library's allocator, which also keeps more than it is given back.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    gatepost::cli::run(std::env::args_os())
}
