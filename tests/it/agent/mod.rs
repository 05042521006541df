//! The agent, started as people start it: the real binary with a `promtail.yaml`, before a real server or a recorder.

mod chaos;
mod delivery;
mod docker;
mod files;
mod flags;
mod kept;
mod many;
mod received;
pub(crate) mod recorder;
mod status;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use logcafe::db::Db;
use logcafe::db::tokens::{self, Scope};
use logcafe::model::Timestamp;

use crate::harness::{Client, ProcessServer, lines_of, logcafe, now_nanos};

/// Long enough for a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at a condition: the machine has other things to do.
pub(crate) fn pause() {
    std::thread::park_timeout(Duration::from_millis(3));
}

/// Waits until `is_so`; fails with `what` and what `shown` says when it never is.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool, shown: impl Fn() -> String) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}; {}", shown());
        pause();
    }
}

/// A folder with logs, a `promtail.yaml` and positions.
#[derive(Debug)]
pub(crate) struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    pub(crate) fn new() -> Ground {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("logs")).expect("a folder for logs");
        Ground { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file beside the configuration.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A log.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join("logs").join(name)
    }

    /// Adds to a log, which is made where it is not there.
    #[track_caller]
    pub(crate) fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        append(&self.log(name), text);
    }

    /// Writes a file; `FOLDER` in its text is this one.
    #[track_caller]
    pub(crate) fn write(&self, name: &str, text: &str) {
        let text = text.replace("FOLDER", &self.folder.path().to_string_lossy());
        std::fs::write(self.path(name), text).expect("it can be written");
    }

    /// Writes a `promtail.yaml` whose clients are these addresses and whose positions are in this folder. What follows
    /// is given: `scrape_configs` and what else there is.
    #[track_caller]
    pub(crate) fn configure(&self, urls: &[&str], rest: &str) {
        let backoff = "backoff_config: {min_period: 20ms, max_period: 200ms}";
        let client = |url: &&str| format!("- {{url: '{url}', batchwait: 50ms, {backoff}}}\n");
        self.configure_clients(&urls.iter().map(client).collect::<String>(), rest);
    }

    /// The same with the lines of YAML below `clients`.
    #[track_caller]
    pub(crate) fn configure_clients(&self, clients: &str, rest: &str) {
        let sync = if rest.contains("target_config") { "" } else { "target_config: {sync_period: 500ms}\n" };
        let text = format!(
            "server: {{disable: true}}\npositions: {{filename: FOLDER/positions.yaml, sync_period: 100ms}}\n{sync}\
             clients:\n{clients}{rest}"
        );
        self.write("promtail.yaml", &text);
    }

    /// The same with one job that reads logs; `stages` are lines of YAML, or nothing.
    #[track_caller]
    pub(crate) fn configure_logs(&self, urls: &[&str], pattern: &str, stages: &str) {
        self.configure(urls, &job(pattern, stages));
    }

    /// Starts the agent with `promtail.yaml`.
    #[track_caller]
    pub(crate) fn agent(&self) -> Agent {
        self.agent_with(&["--config", "promtail.yaml"])
    }

    #[track_caller]
    pub(crate) fn agent_with(&self, arguments: &[&str]) -> Agent {
        Agent::start(self.command(arguments))
    }

    /// The agent as a command that is not started yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = logcafe(self.folder.path());
        command.arg("agent").args(arguments);
        command
    }

    /// Runs the agent to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().expect("the binary runs")
    }

    /// What the positions file says.
    pub(crate) fn positions(&self) -> String {
        std::fs::read_to_string(self.path("positions.yaml")).unwrap_or_default()
    }
}

/// A job that reads the logs of a pattern.
pub(crate) fn job(pattern: &str, stages: &str) -> String {
    let stages = if stages.is_empty() { String::new() } else { format!("  pipeline_stages:\n{stages}\n") };
    format!(
        "scrape_configs:\n- job_name: logs\n{stages}  static_configs:\n  - labels:\n      job: test\n      \
         __path__: 'FOLDER/logs/{pattern}'\n"
    )
}

#[track_caller]
pub(crate) fn append(path: &Path, text: impl AsRef<[u8]>) {
    use std::io::Write as _;
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    file.expect("it can be opened").write_all(text.as_ref()).expect("it can be written");
}

/// What a process has written so far.
#[derive(Clone, Debug, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn keep(&self, mut from: impl std::io::Read + Send + 'static) -> JoinHandle<()> {
        let own = self.clone();
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut part) {
                own.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&part[..count]);
            }
        })
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

/// A running agent, killed when dropped.
#[derive(Debug)]
pub(crate) struct Agent {
    child: Child,
    out: Written,
    log: Written,
    readers: Vec<JoinHandle<()>>,
}

impl Agent {
    /// Starts a prepared command. Its standard input is that which the command has: nothing, unless it was given one.
    #[track_caller]
    pub(crate) fn start(mut command: Command) -> Agent {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let (out, log) = (Written::default(), Written::default());
        let readers =
            vec![out.keep(child.stdout.take().expect("a pipe")), log.keep(child.stderr.take().expect("a pipe"))];
        Agent { child, out, log, readers }
    }

    /// What it has written to standard error.
    pub(crate) fn log(&self) -> String {
        self.log.text()
    }

    /// What it has written to standard output.
    pub(crate) fn out(&self) -> String {
        self.out.text()
    }

    #[track_caller]
    pub(crate) fn wait_for_log(&self, part: &str) {
        wait_for(part, || self.log().contains(part), || self.log());
    }

    #[track_caller]
    pub(crate) fn wait_for_out(&self, part: &str) {
        wait_for(part, || self.out().contains(part), || format!("{}{}", self.out(), self.log()));
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it is fed with, where the command was given a pipe.
    pub(crate) fn stdin(&mut self) -> std::process::ChildStdin {
        self.child.stdin.take().expect("a pipe that was not taken yet")
    }

    /// Sends SIGKILL and waits for the end.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// Sends SIGTERM and waits for the end; what it logged.
    #[track_caller]
    pub(crate) fn terminate(self) -> String {
        let (status, log) = self.stop();
        assert!(status.success(), "{status}: {log}");
        log
    }

    /// The same, also where it has hardly begun and the signal ends it.
    pub(crate) fn stop(self) -> (ExitStatus, String) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the process lives");
        self.ended()
    }

    /// Waits until it ends by itself; how, and what it logged.
    #[track_caller]
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let mut status = None;
        let log = self.log.clone();
        let is_ended = || {
            status = self.child.try_wait().expect("its state");
            status.is_some()
        };
        wait_for("the agent's end", is_ended, || log.text());
        for reader in self.readers.drain(..) {
            reader.join().expect("it reads to the end");
        }
        (status.expect("it was waited for"), self.log.text())
    }

    /// How much time of the processor it has used.
    pub(crate) fn cpu(&self) -> Duration {
        let text = self.proc("stat");
        let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = [11, 12].iter().map(|index| fields[*index].parse::<u64>().expect("ticks")).sum();
        // the kernel's unit for these is always a hundredth of a second
        Duration::from_millis(ticks * 10)
    }

    /// The memory that it holds, in KiB.
    pub(crate) fn rss_kib(&self) -> u64 {
        let text = self.proc("status");
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
    }

    fn proc(&self, name: &str) -> String {
        let mut text = String::new();
        let file = std::fs::File::open(format!("/proc/{}/{name}", self.pid()));
        file.expect("the process lives").read_to_string(&mut text).expect("text");
        text
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the agent's log:\n{}", self.log());
        }
    }
}

/// A real server that keeps its address, data and tokens when it is started again.
#[derive(Debug)]
pub(crate) struct Server {
    folder: tempfile::TempDir,
    address: String,
    push_token: String,
    read_token: String,
    process: Option<ProcessServer>,
}

impl Server {
    pub(crate) fn start() -> Server {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = logcafe(folder.path());
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        let process = ProcessServer::spawn_without_credentials(command, folder.path());
        let db = Db::open(&logcafe::server::db_path(&folder.path().join("data"))).expect("the database opens");
        let make = |name: &str, scope: Scope| {
            let secret = tokens::create(&db, name, scope, Timestamp::from(SystemTime::now()));
            secret.unwrap_or_else(|error| panic!("{error}")).reveal().to_owned()
        };
        let (push_token, read_token) = (make("agent", Scope::Push), make("test", Scope::Read));
        let address = process.client.base.trim_start_matches("http://").to_owned();
        Server { folder, address, push_token, read_token, process: Some(process) }
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/loki/api/v1/push", self.base())
    }

    /// Makes another token, as people do.
    #[track_caller]
    pub(crate) fn add_token(&self, name: &str) -> String {
        let output = logcafe(self.folder.path()).args(["token", "add", name]).output().expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    /// The lines of `clients` for a configuration.
    pub(crate) fn client_yaml(&self) -> String {
        format!(
            "- url: {}\n  bearer_token: {}\n  batchwait: 50ms\n  backoff_config: {{min_period: 20ms, max_period: 200ms}}\n",
            self.url(),
            self.push_token
        )
    }

    /// Sends SIGKILL, and waits for the end.
    pub(crate) fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }

    /// Sends SIGTERM, and waits for the end.
    pub(crate) fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.terminate();
        }
    }

    /// Starts it where it was.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let mut command = logcafe(self.folder.path());
        command.args(["serve", "--listen", &self.address]);
        self.process = Some(ProcessServer::spawn_without_credentials(command, self.folder.path()));
    }

    fn client(&self) -> Client {
        Client::new(self.base()).with_token(&self.read_token)
    }

    /// The lines that it has for a query over the last hour, oldest first; all of them, however many.
    #[track_caller]
    pub(crate) fn lines(&self, query: &str) -> Vec<String> {
        const AT_ONCE: usize = 5000;
        let client = self.client();
        let (mut start, end) = (now_nanos() - 3_600_000_000_000, now_nanos() + 60_000_000_000);
        let mut found: Vec<String> = Vec::new();
        loop {
            let (from, to, limit) = (start.to_string(), end.to_string(), AT_ONCE.to_string());
            let asked =
                [("query", query), ("start", &*from), ("end", &*to), ("limit", &*limit), ("direction", "forward")];
            let answer = client.get_with("/loki/api/v1/query_range", &asked).expect(200).json();
            let page = lines_of(&answer);
            let count = page.len();
            if count < AT_ONCE {
                found.extend(page);
                return found;
            }
            let times = answer["data"]["result"].as_array().into_iter().flatten();
            let times = times.flat_map(|stream| stream["values"].as_array().into_iter().flatten());
            let last = times.filter_map(|value| value[0].as_str()?.parse::<i64>().ok()).max().expect("a time");
            assert!(last > start, "more than {AT_ONCE} lines have one time");
            // those of the last time come again with the next page
            let of_last: usize = answer["data"]["result"]
                .as_array()
                .into_iter()
                .flatten()
                .flat_map(|stream| stream["values"].as_array().into_iter().flatten())
                .filter(|value| value[0].as_str() == Some(&last.to_string()))
                .count();
            found.extend(page.into_iter().take(count - of_last));
            start = last;
        }
    }

    /// Labels and times of the lines in which a text occurs, for who wonders where one came from.
    pub(crate) fn seen(&self, text: &str) -> Vec<String> {
        let query = format!("{{job=~\".+\"}} |= `{text}`");
        let answer = self.client().get_with("/loki/api/v1/query_range", &[("query", &*query), ("limit", "10")]);
        let answer = answer.json();
        let streams = answer["data"]["result"].as_array().into_iter().flatten();
        streams.map(|stream| format!("{} {}", stream["stream"], stream["values"])).collect()
    }

    /// Waits until it has so many lines for a query, or more; they are given.
    #[track_caller]
    pub(crate) fn wait_for_count(&self, query: &str, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        let mut last = 0;
        let is_there = || {
            lines = self.lines(query);
            last = lines.len();
            last >= count
        };
        wait_for(&format!("{count} lines for {query}"), is_there, || "fewer are there".to_owned());
        lines
    }

    /// Waits until it has exactly these lines, in this order.
    #[track_caller]
    pub(crate) fn expect(&self, query: &str, expected: &[&str]) {
        assert_eq!(self.wait_for_count(query, expected.len()), expected);
    }
}
