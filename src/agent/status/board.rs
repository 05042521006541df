//! What there is to tell: put there by who runs the agent, read by the pages.

use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::SystemTime;

use tokio::sync::mpsc;

use crate::agent::Config;
use crate::agent::files::status::Status;
use crate::agent::metrics::Metrics;
use crate::agent::push::status::{ServerStatus, Waiting};
use crate::agent::run::Parts;
use crate::agent::status::pages::Wish;

/// Shared by all pages. It outlives the parts that it tells of, as they are started anew.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    pub(crate) metrics: Arc<Metrics>,
    pub(in crate::agent::status) started: SystemTime,
    /// Where wishes for a new configuration go.
    pub(in crate::agent::status) wishes: mpsc::Sender<Wish>,
    told: Arc<RwLock<Arc<Told>>>,
}

/// What one configuration amounts to.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) status: Status,
    pub(crate) servers: Vec<ServerTold>,
    pub(crate) spools: Option<Spooled>,
    pub(in crate::agent::status) jobs: Vec<JobTold>,
    /// The configuration without secrets.
    pub(in crate::agent::status) yaml: String,
    /// Whether who asks if it is ready is told when there is nothing to read.
    pub(in crate::agent::status) is_target_wanted: bool,
    pub(in crate::agent::status) positions: String,
}

/// Asks how much lies in the spools.
pub(crate) struct Spooled(Weak<Parts>);

impl std::fmt::Debug for Spooled {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Spooled").finish_non_exhaustive()
    }
}

impl Spooled {
    /// The spools are those of parts that may have stopped.
    pub(crate) fn of(parts: &Arc<Parts>) -> Spooled {
        Spooled(Arc::downgrade(parts))
    }

    pub(in crate::agent::status) fn bytes(&self) -> u64 {
        self.0.upgrade().map_or(0, |parts| parts.spools.bytes())
    }
}

/// A server, and what waits for it.
#[derive(Debug)]
pub(crate) struct ServerTold {
    pub(crate) status: ServerStatus,
    pub(crate) waiting: Arc<Waiting>,
}

/// A scrape configuration.
#[derive(Debug)]
pub(in crate::agent::status) struct JobTold {
    pub(in crate::agent::status) name: String,
    pub(in crate::agent::status) kind: &'static str,
    /// What of it is read: patterns, addresses.
    pub(in crate::agent::status) reads: Vec<String>,
}

impl Told {
    pub(crate) fn of(config: &Config, status: &Status, yaml: String) -> Told {
        let jobs = config.scrape_configs.iter().map(|scrape| {
            let paths = scrape.static_configs.iter().filter_map(|group| group.labels.get("__path__"));
            let mut reads: Vec<String> = paths.map(str::to_owned).collect();
            reads.extend(scrape.file_sd_configs.iter().flat_map(|one| one.files.clone()));
            reads.extend(scrape.docker_sd_configs.iter().map(|one| one.host.clone()));
            reads.extend(scrape.syslog.iter().map(|one| one.listen_address.clone()));
            JobTold { name: scrape.job_name.clone(), kind: scrape.kind(), reads }
        });
        Told {
            status: status.clone(),
            servers: Vec::new(),
            spools: None,
            jobs: jobs.collect(),
            yaml,
            is_target_wanted: config.server.health_check_target,
            positions: config.positions.filename.display().to_string(),
        }
    }

    /// Why nothing is read yet; none where something is.
    pub(in crate::agent::status) fn unready(&self) -> Option<&'static str> {
        let is_ready = !self.is_target_wanted || self.status.has_sources();
        (!is_ready).then_some(
            "Not ready: there is nothing to read yet. /targets says what is looked for and what is wrong: look at \
             __path__, at the permissions of files and folders, and at what is mounted",
        )
    }
}

impl Board {
    /// With what comes of wishes.
    pub(crate) fn new(metrics: Arc<Metrics>) -> (Board, mpsc::Receiver<Wish>) {
        let (wishes, wished) = mpsc::channel(1);
        (Board { metrics, started: SystemTime::now(), wishes, told: Arc::default() }, wished)
    }

    /// This is what there is from now on.
    pub(crate) fn tell(&self, told: Told) {
        *self.told.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(told);
    }

    pub(in crate::agent::status) fn told(&self) -> Arc<Told> {
        Arc::clone(&self.told.read().unwrap_or_else(PoisonError::into_inner))
    }
}
