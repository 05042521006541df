//! What is received and not read from files: each kind is a task, or a thread, that appends to a spool.
//!
//! Promises: what keeps one from listening is an error at the start; a stop leaves nothing in memory that was received.
//! Never: drops what its sender can be made to wait with.

pub(crate) mod journal;
pub(crate) mod keep;
pub(crate) mod labelling;
#[cfg(test)]
pub(crate) mod rig;
pub(crate) mod seldom;
pub(crate) mod syslog;

use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::agent::Config;
use crate::agent::config::scrape::{Journal, Scrape, Syslog};
use crate::agent::discovery::Discovery;
use crate::agent::run::Parts;

/// Tells intakes that they are to end.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    pub(crate) fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for the end.
    pub(crate) async fn stopped(&mut self) {
        // who dropped the sender is gone too
        let _ = self.0.wait_for(|is_stopped| *is_stopped).await;
    }
}

/// All that are running.
pub(crate) struct Intakes {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Intakes {
    /// Starts those that the configuration has; within the runtime.
    ///
    /// # Errors
    ///
    /// One of them cannot be started: an address is taken, a spool cannot be written.
    pub(crate) fn start(config: &Config, parts: &Arc<Parts>) -> anyhow::Result<Intakes> {
        let mut intakes = Intakes { tasks: JoinSet::new(), stop: watch::Sender::new(false) };
        for (job, scrape) in config.scrape_configs.iter().enumerate() {
            let started = match &scrape.journal {
                Some(settings) => intakes.start_journal(job, &config.scrape_configs, settings, parts),
                None => intakes.start_job(job, scrape, parts),
            };
            started.with_context(|| format!("the job {:?}", scrape.job_name))?;
        }
        parts.spools.say_left_behind();
        Ok(intakes)
    }

    /// Starts what a job receives by, if it does. The number is that of its pipeline.
    fn start_job(&mut self, job: usize, scrape: &Scrape, parts: &Arc<Parts>) -> anyhow::Result<()> {
        if let Some(settings) = &scrape.syslog {
            self.start_syslog(job, scrape, settings, parts)?;
        }
        Ok(())
    }

    fn start_journal(
        &mut self,
        job: usize,
        scrapes: &[Scrape],
        settings: &Journal,
        parts: &Arc<Parts>,
    ) -> anyhow::Result<()> {
        let key = journal::position_key(scrapes, job);
        let spool = parts.spools.begin(&format!("journal {key}"), job, &settings.labels)?;
        let (positions, metrics) = (&parts.positions, &parts.metrics);
        let reader = journal::Reader::new(&scrapes[job], settings, key, spool, positions, metrics)?;
        self.tasks.spawn(reader.run(self.stop_token()));
        Ok(())
    }

    fn start_syslog(
        &mut self,
        job: usize,
        scrape: &Scrape,
        settings: &Syslog,
        parts: &Arc<Parts>,
    ) -> anyhow::Result<()> {
        let spool = parts.spools.begin(&syslog::spool_name(scrape, settings), job, &settings.labels)?;
        let listener = syslog::Listener::bind(scrape, settings, spool, &parts.metrics)?;
        self.tasks.spawn(listener.run(self.stop_token()));
        Ok(())
    }

    /// Lists of targets are looked after beside them.
    pub(crate) fn look_after(&mut self, discovery: Discovery) {
        self.tasks.spawn(discovery.run(self.stop_token()));
    }

    /// A token that is given to each.
    fn stop_token(&self) -> Stop {
        Stop(self.stop.subscribe())
    }

    /// Ends them all, after each kept what it had received.
    pub(crate) async fn stop(mut self) {
        let _ = self.stop.send(true);
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!("an intake failed: {error}");
            }
        }
    }
}
