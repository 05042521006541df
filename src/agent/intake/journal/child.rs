//! The `journalctl` that reads for us.
//!
//! Promises: it ends when it is dropped; of what it writes, one entry at most is held, and of a huge one the beginning.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use anyhow::bail;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::agent::config::scrape::Journal;

const PROGRAM: &str = "journalctl";
/// Where it is when PATH does not say so: services are often started with a short one.
const PLACES: [&str; 4] = ["/usr/bin", "/bin", "/usr/local/bin", "/run/current-system/sw/bin"];
/// Read at once, and handed on at once.
const READ_BYTES: usize = 64 << 10;
/// Of a longer entry the end is left out: some hold the memory of a program that crashed.
const ENTRY_BYTES_MAX: usize = 4 << 20;
/// What is kept of what it complains of.
const COMPLAINT_BYTES_MAX: usize = 2048;

/// From where on entries are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    After { cursor: String },
    Since { secs: u64 },
}

/// Where the program is.
///
/// # Errors
///
/// It is nowhere.
pub(crate) fn find_program(path: Option<OsString>) -> anyhow::Result<PathBuf> {
    let path = path.unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(PLACES.iter().map(PathBuf::from));
    let found =
        folders.filter(|folder| folder.is_absolute()).map(|folder| folder.join(PROGRAM)).find(|it| is_program(it));
    match found {
        Some(program) => Ok(program),
        None => bail!(
            "the journal is read with journalctl, which is not in PATH: install systemd, mount the program into the \
             container, or take `journal` out; another machine can push its journal with `journalctl -f | logcafe agent`"
        ),
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// A program that runs, and the entries it writes.
pub(crate) struct Reading {
    child: Child,
    stdout: BufReader<ChildStdout>,
    complaint: JoinHandle<String>,
    entry: Vec<u8>,
}

impl Reading {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// The system does not let us.
    pub(crate) fn start(program: &Path, settings: &Journal, begin: &Begin) -> io::Result<Reading> {
        let mut command = Command::new(program);
        // `--all` for long fields, which are left out otherwise
        command.args(["--output=json", "--follow", "--no-tail", "--no-pager", "--all"]);
        if !settings.path.is_empty() {
            command.arg(format!("--directory={}", settings.path));
        }
        command.arg(match begin {
            Begin::After { cursor } => format!("--after-cursor={cursor}"),
            Begin::Since { secs } => format!("--since=@{secs}"),
        });
        command.arg("--").args(settings.matches.split_whitespace());
        command.env("LC_ALL", "C.UTF-8").env_remove("SYSTEMD_LOG_LEVEL");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // an interrupt from the keyboard is ours to handle
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn()?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(io::Error::other("it has no output"));
        };
        Ok(Reading {
            child,
            stdout: BufReader::with_capacity(READ_BYTES, stdout),
            complaint: tokio::spawn(listen(stderr)),
            entry: Vec::new(),
        })
    }

    /// Waits for entries and hands out those that came together; `false` at the end. Can be dropped while it waits.
    pub(crate) async fn read(&mut self, mut each: impl FnMut(&[u8])) -> io::Result<bool> {
        let bytes = self.stdout.fill_buf().await?;
        let count = bytes.len();
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            if self.entry.is_empty() {
                each(&rest[..end]);
            } else {
                push(&mut self.entry, &rest[..end]);
                each(&self.entry);
                self.entry.clear();
                self.entry.shrink_to(READ_BYTES);
            }
            rest = &rest[end + 1..];
        }
        push(&mut self.entry, rest);
        self.stdout.consume(count);
        Ok(count > 0)
    }

    /// Waits for its end, and says what it complained of.
    pub(crate) async fn end(mut self) -> io::Result<(ExitStatus, String)> {
        let status = self.child.wait().await?;
        Ok((status, self.complaint.await.unwrap_or_default()))
    }

    /// Ends it.
    pub(crate) async fn kill(mut self) {
        // it may have ended by itself
        let _ = self.child.kill().await;
    }
}

fn push(entry: &mut Vec<u8>, bytes: &[u8]) {
    let room = ENTRY_BYTES_MAX.saturating_sub(entry.len());
    entry.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

/// Reads what it complains of, says the first line at once, and gives back the first few.
async fn listen(mut stderr: ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        let is_first = kept.is_empty();
        let room = COMPLAINT_BYTES_MAX.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..count.min(room)]);
        if is_first {
            tracing::warn!("journalctl says: {}", one_line(&kept));
        }
    }
    one_line(&kept)
}

fn one_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).split_whitespace().collect::<Vec<_>>().join(" ")
}
