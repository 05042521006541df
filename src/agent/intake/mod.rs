//! What is received and not read from files: each kind is a task, or a thread, that appends to a spool.
//!
//! Promises: what keeps one from listening is an error at the start; a stop leaves nothing in memory that was received.
//! Never: drops what its sender can be made to wait with.

pub(crate) mod docker;
pub(crate) mod journal;
pub(crate) mod keep;
pub(crate) mod labelling;
mod push_api;
#[cfg(test)]
pub(crate) mod rig;
pub(crate) mod seldom;
mod stdin;
pub(crate) mod syslog;

use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::agent::Config;
use crate::agent::config::scrape::{Journal, PushApi, Scrape, Syslog};
use crate::agent::discovery::Discovery;
use crate::agent::intake::stdin::Stdin;
use crate::agent::run::Parts;
use crate::model::Labels;

/// Tells intakes that they are to end.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// One of one's own.
    #[cfg(test)]
    pub(crate) fn of(told: watch::Receiver<bool>) -> Stop {
        Stop(told)
    }

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
    stdin: Option<Stdin>,
    stop: watch::Sender<bool>,
}

impl Intakes {
    /// Starts those that the configuration has; within the runtime.
    ///
    /// # Errors
    ///
    /// One of them cannot be started: an address is taken, a spool cannot be written. The others have ended then, so that
    /// their addresses are free.
    pub(crate) async fn start(config: &Config, parts: &Arc<Parts>) -> anyhow::Result<Intakes> {
        let mut intakes = Intakes { tasks: JoinSet::new(), stdin: None, stop: watch::Sender::new(false) };
        if let Err(error) = intakes.start_all(config, parts) {
            intakes.tasks.shutdown().await;
            return Err(error);
        }
        parts.spools.say_left_behind();
        Ok(intakes)
    }

    fn start_all(&mut self, config: &Config, parts: &Arc<Parts>) -> anyhow::Result<()> {
        if config.target_config.stdin {
            // nothing else is read then, as in Promtail
            return self.start_stdin(config, parts);
        }
        for (job, scrape) in config.scrape_configs.iter().enumerate() {
            let started = match &scrape.journal {
                Some(settings) => self.start_journal(job, &config.scrape_configs, settings, parts),
                None => self.start_job(job, scrape, parts),
            };
            started.with_context(|| format!("the job {:?}", scrape.job_name))?;
        }
        Ok(())
    }

    /// Starts what a job receives by, if it does. The number is that of its pipeline.
    fn start_job(&mut self, job: usize, scrape: &Scrape, parts: &Arc<Parts>) -> anyhow::Result<()> {
        if let Some(settings) = &scrape.syslog {
            self.start_syslog(job, scrape, settings, parts)?;
        }
        if let Some(settings) = &scrape.loki_push_api {
            self.start_push_api(job, scrape, settings, parts)?;
        }
        if !scrape.docker_sd_configs.is_empty() {
            self.start_docker(job, scrape, parts)?;
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

    fn start_docker(&mut self, job: usize, scrape: &Scrape, parts: &Arc<Parts>) -> anyhow::Result<()> {
        let labels = Labels::from([("job", scrape.job_name.as_str())]);
        let spool = parts.spools.begin(&docker::spool_name(scrape), job, &labels)?;
        for config in &scrape.docker_sd_configs {
            let docker = docker::Docker::new(scrape, config, spool.clone(), &parts.positions, &parts.metrics);
            self.tasks.spawn(docker.map_err(anyhow::Error::msg)?.run(self.stop_token()));
        }
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

    fn start_push_api(&mut self, job: usize, scrape: &Scrape, settings: &PushApi, parts: &Parts) -> anyhow::Result<()> {
        let listener = push_api::listen(&settings.server)?;
        let spool = parts.spools.begin(&format!("loki_push_api {}", scrape.job_name), job, &settings.labels)?;
        let api = push_api::Api::new(scrape, settings, spool, &parts.metrics);
        self.tasks.spawn(push_api::run(settings.server.clone(), listener, api, self.stop_token()));
        Ok(())
    }

    fn start_stdin(&mut self, config: &Config, parts: &Parts) -> anyhow::Result<()> {
        let labels = stdin::labels(config).context("relabel_configs drop all of standard input")?;
        let spool = parts.spools.begin("stdin", 0, &labels)?;
        self.stdin = Some(Stdin::start(std::io::stdin(), spool, labels, self.stop_token())?);
        Ok(())
    }

    /// Waits until there is nothing more to do: standard input ended, and every server has answered for all of it. Where
    /// it is not read, this waits for ever.
    pub(crate) async fn ended(&self, parts: &Parts) {
        match &self.stdin {
            Some(stdin) => stdin.answered(|| parts.bell.hurry()).await,
            None => std::future::pending().await,
        }
    }

    /// A token that is given to each.
    fn stop_token(&self) -> Stop {
        Stop(self.stop.subscribe())
    }

    /// Ends them all, after each kept what it had received.
    pub(crate) async fn stop(mut self) {
        let _ = self.stop.send(true);
        if let Some(stdin) = &self.stdin {
            stdin.keep_rest();
        }
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!("an intake failed: {error}");
            }
        }
    }
}
