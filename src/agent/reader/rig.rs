//! What tests of the reader share: a folder, an outlet that keeps lines, and runs that end without a goodbye.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::agent::files::bell::Bell;
use crate::agent::files::glob::Glob;
use crate::agent::files::handle::Handles;
use crate::agent::files::status::Status;
use crate::agent::files::target::Target;
use crate::agent::files::{Watch, WatchOptions};
use crate::agent::outlet::{Ledger as _, Outgoing, Outlet, Stretch};
use crate::agent::positions::{Options, Positions};
use crate::agent::reader::{LineLimits, Reader};
use crate::agent::stage::Pipeline;
use crate::model::Labels;

/// A line as it came out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Line {
    pub(crate) labels: String,
    pub(crate) timestamp: i64,
    pub(crate) line: String,
}

/// What the servers answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    AtOnce,
    Never,
    /// One in so many times.
    Sometimes(u32),
}

/// Keeps lines as if they were sent.
pub(crate) struct Kept {
    lines: Arc<Mutex<Vec<Line>>>,
    positions: Arc<Positions>,
    answers: Answers,
    count: u32,
    names: HashMap<u64, (Labels, String)>,
}

impl Outlet for Kept {
    fn ready(&mut self, _wait: Duration) -> bool {
        true
    }

    fn begin(&mut self, stretch: Stretch) {
        self.positions.begun(&[stretch]);
    }

    fn send(&mut self, line: Outgoing<'_>) {
        let key = line.labels.fingerprint();
        let (_, labels) = self.names.entry(key).or_insert_with(|| (line.labels.clone(), line.labels.to_string()));
        let kept = Line { labels: labels.clone(), timestamp: line.timestamp.nanos(), line: line.line.to_owned() };
        self.lines.lock().unwrap().push(kept);
    }

    fn reached(&mut self, source: u32, place: u64) {
        self.count += 1;
        let is_answered = match self.answers {
            Answers::AtOnce => true,
            Answers::Never => false,
            Answers::Sometimes(times) => self.count.is_multiple_of(times),
        };
        if is_answered {
            self.positions.answered(source, place);
        }
    }

    fn tick(&mut self, _now: Instant) -> Option<Instant> {
        None
    }
}

/// A folder with logs, and the agent's reader over them.
pub(crate) struct Rig {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) lines: Arc<Mutex<Vec<Line>>>,
    pub(crate) options: WatchOptions,
    pub(crate) limits: LineLimits,
    pub(crate) answers: Answers,
    pub(crate) handles: usize,
    pub(crate) make_pipelines: fn() -> Vec<Pipeline>,
    pub(crate) status: Status,
    pub(crate) bell: Arc<Bell>,
    pub(crate) positions: Option<Arc<Positions>>,
    thread: Option<JoinHandle<Kept>>,
}

impl Rig {
    pub(crate) fn new() -> Rig {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        let options = WatchOptions {
            sync_period: Duration::from_millis(500),
            poll_period: Duration::from_millis(50),
            grace: Duration::from_millis(400),
            doubt: Duration::from_millis(400),
            ..WatchOptions::default()
        };
        Rig {
            folder,
            lines: Arc::default(),
            options,
            limits: LineLimits::default(),
            answers: Answers::AtOnce,
            handles: 1000,
            make_pipelines: || vec![Pipeline::default()],
            status: Status::default(),
            bell: Arc::default(),
            positions: None,
            thread: None,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("logs").join(name)
    }

    pub(crate) fn target(&self, pattern: &str) -> Target {
        Target {
            job: 0,
            job_name: "job".to_owned(),
            labels: Labels::from([("job", "test")]),
            glob: Glob::parse(&self.path(pattern).to_string_lossy()).unwrap(),
            exclude: None,
            encoding: crate::agent::files::charset::EncodingName::default(),
            decompression: None,
        }
    }

    pub(crate) fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        append(&self.path(name), text);
    }

    pub(crate) fn start(&mut self, targets: Vec<Target>) {
        assert!(self.thread.is_none());
        let options = Options {
            path: self.folder.path().join("positions.yaml"),
            sync_period: Duration::from_millis(50),
            ignore_invalid_yaml: false,
        };
        let positions = Arc::new(Positions::open(options).unwrap());
        self.bell = Arc::default();
        self.status = Status::default();
        let metrics = Arc::default();
        let handles = Handles::new(self.handles);
        let watch = Watch::new(self.options, handles, &positions, &self.bell, &self.status, &metrics);
        let outlet = Kept {
            lines: self.lines.clone(),
            positions: positions.clone(),
            answers: self.answers,
            count: 0,
            names: HashMap::new(),
        };
        self.bell.set_targets(targets);
        let pipelines = (self.make_pipelines)();
        let reader = Reader::new(watch, &self.bell, &positions, pipelines, outlet, self.limits, &metrics);
        self.positions = Some(positions);
        self.thread = Some(std::thread::spawn(move || reader.run()));
    }

    /// Ends the run as a kill does: nothing is written any more.
    pub(crate) fn kill(&mut self) {
        self.bell.stop();
        self.positions = None;
        drop(self.thread.take().unwrap().join().unwrap());
    }

    /// Ends the run as it ends by itself: what was answered for is written.
    pub(crate) fn stop(&mut self) {
        let positions = self.positions.clone();
        self.kill();
        positions.unwrap().write().unwrap();
    }

    pub(crate) fn taken(&self) -> Vec<Line> {
        self.lines.lock().unwrap().clone()
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.lines.lock().unwrap().iter().map(|line| line.line.clone()).collect()
    }

    pub(crate) fn wait(&self, what: &str, is_so: impl Fn(&Rig) -> bool) {
        let until = Instant::now() + Duration::from_secs(30);
        while !is_so(self) {
            assert!(Instant::now() < until, "{what}: {:#?}", self.taken());
            std::thread::yield_now();
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// The same, with words of one's own about what is not so.
    pub(crate) fn wait_quietly(&self, what: &str, is_so: impl Fn(&Rig) -> bool, said: impl Fn() -> String) {
        let until = Instant::now() + Duration::from_secs(30);
        while !is_so(self) {
            assert!(Instant::now() < until, "{what}: {}", said());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Waits until these lines came, and no others.
    pub(crate) fn expect(&self, texts: &[&str]) {
        self.wait(&format!("{texts:?}"), |rig| rig.lines.lock().unwrap().len() >= texts.len());
        assert_eq!(self.texts(), texts);
    }

    /// Waits until nothing can come any more that is there now: a line that is written now has come.
    pub(crate) fn settle(&self, name: &str) {
        std::thread::park_timeout(self.options.grace + self.options.doubt + Duration::from_millis(600));
        let mark = format!("settled {}", self.taken().len());
        self.append(name, format!("{mark}\n"));
        self.wait(&mark, |rig| rig.texts().contains(&mark));
        self.lines.lock().unwrap().retain(|line| line.line != mark);
    }
}

pub(crate) fn append(path: &Path, text: impl AsRef<[u8]>) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_ref()).unwrap();
}
