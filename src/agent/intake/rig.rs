//! A spool in a temporary folder, and what comes out of it: for tests of intakes.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::agent::config::Variables;
use crate::agent::config::scrape::Scrape;
use crate::agent::files::bell::Bell;
use crate::agent::files::status::Status;
use crate::agent::intake::Stop;
use crate::agent::metrics::Metrics;
use crate::agent::positions::{Options, Positions};
use crate::agent::source::Source;
use crate::agent::spool::{Spool, SpoolOptions, Spools};
use crate::agent::{Config, config::problem::Problem};
use crate::model::{Labels, Timestamp};

/// What came out of a spool.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Out {
    pub(crate) timestamp: Option<Timestamp>,
    pub(crate) labels: Labels,
    pub(crate) line: String,
}

/// Parts of an agent, without its reader.
pub(crate) struct Rig {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) positions: Arc<Positions>,
    pub(crate) metrics: Arc<Metrics>,
    bell: Arc<Bell>,
    spools: Spools,
    stop: watch::Sender<bool>,
    sources: Mutex<Vec<Box<dyn Source>>>,
    read: Mutex<Vec<Out>>,
}

impl Rig {
    pub(crate) fn new(spool_bytes_max: u64) -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("positions.yaml");
        let options = Options { path, sync_period: Duration::from_secs(3600), ignore_invalid_yaml: false };
        let positions = Arc::new(Positions::open(options).unwrap());
        let (bell, metrics) = (Arc::<Bell>::default(), Arc::<Metrics>::default());
        let options = SpoolOptions::new(folder.path().join("spool"), spool_bytes_max);
        let spools = Spools::open(options, &bell, &positions, &Status::default(), &metrics).unwrap();
        let (sources, read) = (Mutex::default(), Mutex::default());
        Rig { folder, positions, metrics, bell, spools, stop: watch::Sender::new(false), sources, read }
    }

    pub(crate) fn spool(&self) -> Spool {
        self.spools.begin("test", 0, &Labels::default()).unwrap()
    }

    pub(crate) fn stop_token(&self) -> Stop {
        Stop(self.stop.subscribe())
    }

    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<Out> {
        let mut sources = self.sources.lock().unwrap();
        sources.extend(self.bell.wait(Duration::ZERO).others.into_iter().map(|other| other.reading));
        let mut read = self.read.lock().unwrap();
        for source in &mut *sources {
            let mut is_more = true;
            while is_more {
                let before = read.len();
                let each = &mut |record: crate::agent::source::Record<'_>| {
                    let labels = record.labels.cloned().unwrap_or_default();
                    read.push(Out { timestamp: record.timestamp, labels, line: record.line.to_owned() });
                };
                source.read(each).unwrap();
                is_more = read.len() > before;
            }
        }
        read.clone()
    }

    /// Where reading came to.
    pub(crate) fn place(&self) -> u64 {
        self.sources.lock().unwrap().iter().map(|source| source.place()).max().unwrap_or_default()
    }

    /// Waits until there are so many lines.
    pub(crate) async fn wait(&self, count: usize) -> Vec<Out> {
        self.wait_until(&format!("{count} lines"), || self.lines().len() >= count).await;
        let lines = self.lines();
        assert_eq!(lines.len(), count, "{lines:?}");
        lines
    }

    /// Waits until something is so.
    pub(crate) async fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < Duration::from_secs(30), "there is not {what}: {:?}", self.lines());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whether this is among the metrics.
    pub(crate) fn has_metric(&self, line: &str) -> bool {
        self.metrics.render().lines().any(|one| one == line)
    }
}

/// The only job of a configuration.
pub(crate) fn scrape(job: &str) -> Scrape {
    let text =
        format!("clients: [{{url: 'http://localhost/push'}}]\nscrape_configs:\n- {}\n", job.replace('\n', "\n  "));
    let config = Config::parse("test", &text, Variables::Keep);
    config
        .map_err(|problem: Problem| problem.to_string())
        .unwrap_or_else(|error| panic!("{error}"))
        .scrape_configs
        .remove(0)
}
