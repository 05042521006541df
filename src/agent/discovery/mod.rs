//! Which files the jobs read: those of `static_configs`, and those of the files that `file_sd_configs` name.
//!
//! ```text
//! static_configs ───────────────┐
//! file_sd_configs → read again → groups → relabelling → targets → bell
//! ```
//!
//! Promises: a list of targets that cannot be read is said, and what it said last holds; the reader hears of targets only
//! when they are others than before. Never: opens a log file.

mod listed;
mod target;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::agent::Config;
use crate::agent::config::scrape::Scrape;
use crate::agent::discovery::listed::Listed;
use crate::agent::discovery::target::{Failed, Job, Place, static_groups};
pub(crate) use crate::agent::discovery::target::{own_name, sanitized};
use crate::agent::files::bell::Bell;
use crate::agent::files::target::Target;
use crate::agent::intake::Stop;
use crate::agent::metrics::Metrics;

/// How often files of `file_sd_configs` are looked at: one look in a folder, and nothing is read that did not change.
const LOOK: Duration = Duration::from_secs(1);

/// The files of all jobs, as they are listed now.
pub(crate) struct Discovery {
    jobs: Vec<Watched>,
    host: String,
    bell: Arc<Bell>,
    metrics: Arc<Metrics>,
    /// What the reader was told last.
    told: Option<Vec<String>>,
}

/// A job, and the lists that it names.
struct Watched {
    job: Job,
    lists: Vec<Listed>,
}

impl Discovery {
    /// Reads what is listed, and tells the reader.
    ///
    /// # Errors
    ///
    /// Something is wrong with a target of `static_configs`. What is wrong in other files is said, and ends nothing.
    pub(crate) fn begin(config: &Config, bell: &Arc<Bell>, metrics: &Arc<Metrics>) -> anyhow::Result<Discovery> {
        let watched = |(index, scrape): (usize, &Scrape)| {
            let now = Instant::now();
            let mut lists: Vec<Listed> = scrape.file_sd_configs.iter().map(Listed::new).collect();
            for list in &mut lists {
                list.refresh(now);
            }
            Watched { job: Job::of(index, scrape), lists }
        };
        // with standard input nothing else is read
        let jobs = config.scrape_configs.iter().enumerate().filter(|_| !config.target_config.stdin);
        let jobs = jobs.map(watched).collect();
        let (bell, metrics) = (Arc::clone(bell), Arc::clone(metrics));
        let mut discovery = Discovery { jobs, host: own_name(), bell, metrics, told: None };
        discovery.check_static(config)?;
        discovery.tell();
        Ok(discovery)
    }

    /// Looks after the lists until it is asked to stop.
    pub(crate) async fn run(mut self, mut stop: Stop) {
        if self.jobs.iter().all(|watched| watched.lists.is_empty()) {
            return;
        }
        while tokio::time::timeout(LOOK, stop.stopped()).await.is_err() {
            // a folder may lie on a network that does not answer, and others run on this thread
            let looked = tokio::task::spawn_blocking(move || {
                self.look(Instant::now());
                self
            });
            match looked.await {
                Ok(discovery) => self = discovery,
                Err(error) => return tracing::error!("target files are not looked at any more: {error}"),
            }
        }
    }

    /// Reads what changed.
    fn look(&mut self, now: Instant) {
        let mut is_changed = false;
        for list in self.jobs.iter_mut().flat_map(|watched| &mut watched.lists) {
            is_changed |= list.refresh(now);
        }
        if is_changed {
            self.tell();
        }
    }

    fn check_static(&self, config: &Config) -> anyhow::Result<()> {
        for Watched { job, .. } in &self.jobs {
            for group in static_groups(job) {
                match job.target(&group, &self.host) {
                    Ok(_) | Err(Failed::Dropped | Failed::OtherHost(_)) => {}
                    Err(failed @ (Failed::NoPath | Failed::Invalid(_))) => {
                        let message = format!("the job {:?}: {failed}", job.name);
                        return Err(config.problem_of_target(job.index, group.place.entry - 1, message).into());
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells the reader of all targets, where they are others than before.
    fn tell(&mut self) {
        let mut targets: Vec<Target> = Vec::new();
        let mut keys: Vec<String> = Vec::new();
        for Watched { job, lists } in &self.jobs {
            let first = keys.len();
            let groups = static_groups(job).into_iter().chain(lists.iter().flat_map(Listed::groups));
            for group in groups {
                let target = match job.target(&group, &self.host) {
                    Ok(target) => target,
                    Err(failed) => {
                        self.metrics.target_failed(failed.reason());
                        say(job, &group.place, &failed);
                        continue;
                    }
                };
                let exclude = target.exclude.as_ref().map_or("", |glob| glob.text());
                let key = format!("{} {} {exclude}", target.job, target.reader());
                if keys[first..].contains(&key) {
                    self.metrics.target_failed("exists");
                    continue;
                }
                keys.push(key);
                targets.push(target);
            }
        }
        if self.told.as_ref() != Some(&keys) {
            tracing::debug!("{} targets are read", targets.len());
            self.bell.set_targets(targets);
            self.told = Some(keys);
        }
    }
}

/// What a target is not read for. Those of other machines and those that rules drop are meant so.
fn say(job: &Job, place: &Place, failed: &Failed) {
    match failed {
        Failed::Dropped => tracing::debug!("{place}: rules of the job {:?} drop the target", job.name),
        Failed::OtherHost(_) => tracing::debug!("{place}: {failed}"),
        Failed::NoPath | Failed::Invalid(_) => {
            tracing::error!("{place}: {failed} (the job {:?}); the other targets are read", job.name);
        }
    }
}

#[cfg(test)]
mod tests;
