//! The server that is measured: a process of its own, and what the system tells of it (Linux).
//!
//! Promises: it is gone when this is dropped. Never: a look into its folder while it runs, except at sizes.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

/// Of the clock that `/proc/PID/stat` counts by.
const TICK: Duration = Duration::from_millis(10);

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) base: String,
    /// From the start of the process until it said that it is ready.
    pub(crate) ready_after: Duration,
}

impl Server {
    pub(crate) fn start(program: &Path, data: &Path) -> anyhow::Result<Server> {
        let started = Instant::now();
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--anonymous-push", "--query-timeout", "10m", "--log", "warn"])
            .arg("--data")
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let mut lines = BufReader::new(child.stdout.take().context("stdout is piped")?).lines();
        let base = loop {
            let line = lines.next().context("the server ended before it was ready")??;
            if let Some(base) = line.split_whitespace().find(|word| word.starts_with("http://")) {
                break base.trim_end_matches('/').to_owned();
            }
        };
        let ready_after = started.elapsed();
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Server { child, base, ready_after })
    }

    /// A token to read with.
    pub(crate) fn token(program: &Path, data: &Path) -> anyhow::Result<String> {
        let mut command = Command::new(program);
        let output = command.args(["token", "add", "table", "--scope", "read", "--data"]).arg(data).output()?;
        ensure!(output.status.success(), "no token: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout)?;
        Ok(text.lines().last().context("a token in the answer")?.trim().to_owned())
    }

    /// Asks it to stop, and waits until it has; tells how long that took.
    pub(crate) fn stop(mut self) -> anyhow::Result<Duration> {
        let asked = Instant::now();
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).context("a pid")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the server ended with {status}");
        }
        Ok(asked.elapsed())
    }

    /// Ends it at once, as a power cut would.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn proc(&self, file: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(&path).with_context(|| format!("read {path}: this needs Linux and a server that lives"))
    }

    /// Processor time of the whole process, in steps of 10 ms.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = self.proc("stat")?;
        // behind the name in brackets, which may hold blanks
        let fields = stat.rsplit(')').next().context("fields")?.split_ascii_whitespace();
        let ticks: u32 = fields.skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
        Ok(TICK * ticks)
    }

    /// Processor time of the threads that it has now, exactly.
    pub(crate) fn cpu_of_threads(&self) -> Duration {
        let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", self.child.id())) else { return Duration::ZERO };
        let nanos = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0)
        };
        Duration::from_nanos(tasks.flatten().map(nanos).sum())
    }

    /// A line of its memory, in bytes: `VmRSS` is resident now, `VmHWM` was at most.
    pub(crate) fn memory(&self, name: &str) -> anyhow::Result<u64> {
        Ok(number_of(&self.proc("status")?, name)? << 10)
    }

    /// A line of what it read and wrote: `wchar` is what it wrote to files and sockets, `write_bytes` what reached the disk.
    pub(crate) fn io(&self, name: &str) -> anyhow::Result<u64> {
        number_of(&self.proc("io")?, name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nothing can be done where it is gone already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn number_of(text: &str, name: &str) -> anyhow::Result<u64> {
    let wanted = |line: &str| line.strip_prefix(name)?.strip_prefix(':')?.split_whitespace().next()?.parse().ok();
    text.lines().find_map(wanted).with_context(|| format!("{name} in the process's state"))
}

/// Bytes in a data folder's logs, by what they are: blocks, filters, streams, index, write-ahead log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sizes {
    pub(crate) blocks: u64,
    pub(crate) filters: u64,
    pub(crate) streams: u64,
    pub(crate) index: u64,
    pub(crate) log: u64,
    pub(crate) files: u64,
}

impl Sizes {
    pub(crate) fn of(data: &Path) -> anyhow::Result<Sizes> {
        let mut sizes = Sizes::default();
        sizes.add(&data.join("logs"), "")?;
        Ok(sizes)
    }

    pub(crate) fn all(&self) -> u64 {
        self.blocks + self.filters + self.streams + self.index + self.log
    }

    fn add(&mut self, dir: &Path, folder: &str) -> anyhow::Result<()> {
        for entry in fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))? {
            let entry = entry?;
            let (name, metadata) = (entry.file_name(), entry.metadata()?);
            let name = name.to_string_lossy();
            if metadata.is_dir() {
                self.add(&entry.path(), &name)?;
                continue;
            }
            self.files += 1;
            let place = match (folder, name.as_ref()) {
                ("index", _) => &mut self.index,
                (_, "blocks.dat") => &mut self.blocks,
                (_, "skip.dat") => &mut self.filters,
                ("wal", _) => &mut self.log,
                _ => &mut self.streams,
            };
            *place += metadata.len();
        }
        Ok(())
    }
}
