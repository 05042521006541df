//! The program: everything is in the library, so that tests can start it too.

use std::process::ExitCode;

fn main() -> ExitCode {
    bound_allocator();
    logcafe::cli::run()
}

/// Keeps memory that was used for a moment from staying with the process.
///
/// Pushes and blocks take and give back pieces of a mebibyte on many threads. By default the C library keeps an arena
/// for each of up to eight threads a core, and what is given back in them: taking in 1 GiB of logs peaked at 276 MiB of
/// memory so, and at 129 MiB with these bounds (464 MiB with mimalloc).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the C library's allocator can be set in no other way from inside")]
fn bound_allocator() {
    const ARENAS: i32 = 2;
    /// Pieces from here on go back to the system at once.
    const LARGE_BYTES: i32 = 1 << 20;
    // SAFETY: mallopt takes two numbers, and no other thread runs yet
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, LARGE_BYTES);
    }
}

/// Other C libraries have no such settings.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn bound_allocator() {}
