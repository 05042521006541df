//! The program: everything is in the library, so that tests can start it too.

use std::process::ExitCode;

// The system's allocator gives memory of many threads back late; under bursts of pushes that doubles what is held.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    logcafe::cli::run()
}
