//! Failpoints: named places where a test makes the store fail, or the process die.
//!
//! A test writes what shall go wrong into a file, one line each (`blocks.write kill`, `wal.write enospc`,
//! `keeper.tend panic 3`), and names the file in `LOGCAFE_FAULTS`. The file is read at every point that is passed, so a
//! disk may be full now and have room later without a restart. A number says that it goes wrong only the n-th
//! time that the point is passed since the line is there.
//!
//! They are in debug builds alone (`debug_assertions`), which are what `cargo test` makes: a feature would need a second
//! build of everything for the tests, and a variable that a shipped binary heeds would be a way to make it lose its logs.
//! In a release build each function here is empty and costs nothing.
//!
//! Never: chance and clocks. The same test takes the same way every time.

#[cfg(not(debug_assertions))]
use std::io;

/// Fails, or ends the process, where a test says so.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) fn at(_point: &str) -> io::Result<()> {
    Ok(())
}

/// Writes `bytes`; where a test says so, half of them, and then it fails or the process ends.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) fn write(_point: &str, bytes: &[u8], write: impl FnOnce(&[u8]) -> io::Result<()>) -> io::Result<()> {
    write(bytes)
}

/// What the clock says, which a test may have set otherwise (`clock -3600`, in seconds).
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

#[cfg(debug_assertions)]
pub(crate) use in_tests::{at, now, write};

#[cfg(debug_assertions)]
mod in_tests {
    use std::collections::HashMap;
    use std::ffi::OsString;
    use std::io;
    use std::sync::{LazyLock, Mutex, PoisonError};
    use std::time::{Duration, SystemTime};

    /// The file that says what goes wrong, where there is one.
    static FILE: LazyLock<Option<OsString>> = LazyLock::new(|| std::env::var_os("LOGCAFE_FAULTS"));
    /// How often a line was looked at.
    static PASSED: LazyLock<Mutex<HashMap<String, u64>>> = LazyLock::new(Mutex::default);

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Fault {
        /// As if somebody sent SIGKILL.
        Kill,
        Panic,
        /// What the system says, by its number.
        Io(i32),
    }

    pub(crate) fn at(point: &str) -> io::Result<()> {
        match fault(point) {
            None => Ok(()),
            Some(fault) => strike(point, fault),
        }
    }

    pub(crate) fn write(point: &str, bytes: &[u8], write: impl FnOnce(&[u8]) -> io::Result<()>) -> io::Result<()> {
        match fault(point) {
            None => write(bytes),
            Some(fault) => {
                write(&bytes[..bytes.len() / 2])?;
                strike(point, fault)
            }
        }
    }

    pub(crate) fn now() -> SystemTime {
        let line = line_of("clock").unwrap_or_default();
        let seconds = line.split_whitespace().nth(1).and_then(|seconds| seconds.parse::<i64>().ok()).unwrap_or(0);
        let shift = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { SystemTime::now() - shift } else { SystemTime::now() + shift }
    }

    fn strike(point: &str, fault: Fault) -> io::Result<()> {
        match fault {
            Fault::Panic => panic!("the failpoint {point}"),
            Fault::Io(code) => Err(io::Error::from_raw_os_error(code)),
            Fault::Kill => {
                let killed = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                panic!("the process outlives its end: {killed:?}");
            }
        }
    }

    fn fault(point: &str) -> Option<Fault> {
        let line = line_of(point)?;
        let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
        let count = passed.entry(line.clone()).or_default();
        *count += 1;
        parse(&line, *count)
    }

    /// The line that begins with a word.
    fn line_of(word: &str) -> Option<String> {
        // between two writes of a test the file may be gone
        let text = std::fs::read_to_string(FILE.as_ref()?).unwrap_or_default();
        text.lines().find(|line| line.split_whitespace().next() == Some(word)).map(str::to_owned)
    }

    /// The fault that a line asks for when its point is passed for the `count`-th time.
    fn parse(line: &str, count: u64) -> Option<Fault> {
        let mut words = line.split_whitespace().skip(1);
        let (action, nth) = (words.next()?, words.next());
        if nth.is_some_and(|nth| nth.parse() != Ok(count)) {
            return None;
        }
        Some(match action {
            "kill" => Fault::Kill,
            "panic" => Fault::Panic,
            "enospc" => Fault::Io(libc::ENOSPC),
            "eio" => Fault::Io(libc::EIO),
            "erofs" => Fault::Io(libc::EROFS),
            "eacces" => Fault::Io(libc::EACCES),
            _ => panic!("there is no fault {action:?}"),
        })
    }

    #[cfg(test)]
    mod tests {
        use crate::store::fault::in_tests::{Fault, parse};

        #[test]
        fn a_fault_strikes_at_its_time() {
            assert_eq!(parse("wal.write enospc", 7), Some(Fault::Io(libc::ENOSPC)));
            assert_eq!(parse("blocks.write kill 3", 2), None);
            assert_eq!(parse("blocks.write kill 3", 3), Some(Fault::Kill));
        }
    }
}
