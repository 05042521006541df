//! `docker_sd_configs`: the containers of a Docker engine, and what they write.
//!
//! ```text
//! events, each refresh_interval → list of containers → labels by the rules
//!                                       ↓
//!                 a task for each: log from its cursor → frames → lines → spool
//! ```
//!
//! Promises: a container that starts is followed at once, and one that ended is read to its end; what a container wrote
//! while the agent was down is read as long as the engine has it; an engine that is away costs time and no line that it
//! keeps. Never: asks an engine to change something.

mod containers;
mod cursor;
mod engine;
mod follow;
mod frames;
mod places;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::Instant;

use crate::agent::config::scrape::{DockerDiscovery, Scrape};
use crate::agent::intake::Stop;
use crate::agent::intake::docker::containers::{Container, Known, Network, StreamLabels};
use crate::agent::intake::docker::cursor::Cursor;
use crate::agent::intake::docker::engine::{Engine, EngineError};
use crate::agent::intake::docker::follow::{Ended, Follow, Outcome};
use crate::agent::intake::docker::places::Places;
use crate::agent::intake::labelling::Labelling;
use crate::agent::metrics::Metrics;
use crate::agent::positions::Positions;
use crate::agent::spool::Spool;
use crate::model::Labels;

/// The first pause before something is tried again, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Lists are asked for at most so often, however many events there are.
const LIST_PAUSE: Duration = Duration::from_millis(250);
/// How often it is said again that an engine is away.
const SAID_AGAIN: Duration = Duration::from_secs(5 * 60);

/// What one entry of `docker_sd_configs` needs.
pub(crate) struct Docker {
    config: DockerDiscovery,
    job_name: String,
    labelling: Labelling,
    engine: Arc<Engine>,
    spool: Spool,
    places: Places,
    metrics: Arc<Metrics>,
    /// Unix time: what was created later is new.
    began: i64,
    containers: HashMap<String, Followed>,
    followers: JoinSet<Outcome>,
    /// The containers that they follow.
    followed_by: HashMap<task::Id, String>,
    refresh_due: Instant,
    refresh_pause: Duration,
    said: Option<Instant>,
    is_away: bool,
    /// Networks that may not be listed are said once.
    has_said_networks: bool,
}

/// A container that is followed, or was.
struct Followed {
    name: String,
    labels: Arc<Mutex<StreamLabels>>,
    /// With its follower while there is one.
    cursor: Option<Cursor>,
    phase: Phase,
    is_alive: bool,
    is_listed: bool,
    pause: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// To be followed from then on.
    Due(Instant),
    /// The follower began when the container lived, or did not any more.
    Following {
        was_alive: bool,
    },
    /// It ended, and was read to its end.
    Drained,
    Unreadable,
}

/// The name of a job's spool, the same in each run.
pub(crate) fn spool_name(scrape: &Scrape) -> String {
    let hosts: Vec<&str> = scrape.docker_sd_configs.iter().map(|config| config.host.as_str()).collect();
    format!("docker {} {}", scrape.job_name, hosts.join(" "))
}

impl Docker {
    /// # Errors
    ///
    /// In words: what of the configuration cannot be used.
    pub(crate) fn new(
        scrape: &Scrape,
        config: &DockerDiscovery,
        spool: Spool,
        positions: &Arc<Positions>,
        metrics: &Arc<Metrics>,
    ) -> Result<Docker, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Ok(Docker {
            engine: Arc::new(Engine::new(config)?),
            config: config.clone(),
            job_name: scrape.job_name.clone(),
            labelling: Labelling::new(&scrape.relabel_configs, &Labels::default(), &scrape.job_name, "docker"),
            spool,
            places: Places::new(positions, &spool_name(scrape)),
            metrics: Arc::clone(metrics),
            began: i64::try_from(now).unwrap_or(i64::MAX),
            containers: HashMap::new(),
            followers: JoinSet::new(),
            followed_by: HashMap::new(),
            refresh_due: Instant::now(),
            refresh_pause: PAUSES.0,
            said: None,
            is_away: false,
            has_said_networks: false,
        })
    }

    /// Follows containers until the agent stops.
    pub(crate) async fn run(mut self, mut stop: Stop) {
        let started = Arc::new(Notify::new());
        let hearing = tokio::spawn(hear(Arc::clone(&self.engine), Arc::clone(&started)));
        loop {
            let due = self.next_due();
            tokio::select! {
                () = stop.stopped() => break,
                () = tokio::time::sleep_until(due) => {}
                () = started.notified() => self.refresh_due = self.refresh_due.min(Instant::now() + LIST_PAUSE),
                Some(joined) = self.followers.join_next_with_id() => self.joined(joined, Instant::now()),
            }
            if Instant::now() >= self.refresh_due {
                tokio::select! {
                    () = stop.stopped() => break,
                    () = self.refresh() => {}
                }
            }
            self.start_due(&stop);
        }
        hearing.abort();
        // each lets go at its next line at the latest
        while self.followers.join_next().await.is_some() {}
    }

    fn next_due(&self) -> Instant {
        let due = self.containers.values().filter(|followed| followed.is_listed);
        let due = due.filter_map(|followed| match followed.phase {
            Phase::Due(at) => Some(at),
            Phase::Following { .. } | Phase::Drained | Phase::Unreadable => None,
        });
        due.fold(self.refresh_due, Instant::min)
    }

    /// Asks which containers there are.
    async fn refresh(&mut self) {
        match self.list().await {
            Ok((containers, networks)) => {
                if std::mem::take(&mut self.is_away) {
                    self.spool.set_problem(None);
                    tracing::info!("Docker at {} answers again", self.engine.shown);
                }
                self.said = None;
                self.refresh_pause = PAUSES.0;
                self.refresh_due = Instant::now() + self.config.refresh_interval.0.max(LIST_PAUSE);
                self.meet(&containers, &networks);
                self.forget_gone().await;
            }
            Err(error) => {
                let now = Instant::now();
                self.is_away = true;
                self.refresh_due = now + self.refresh_pause;
                self.refresh_pause = (self.refresh_pause * 2).min(PAUSES.1);
                let (shown, job) = (&self.engine.shown, &self.job_name);
                self.spool.set_problem(Some(format!("Docker at {shown}: {error}; it is tried again")));
                if self.said.is_none_or(|said| now >= said + SAID_AGAIN) {
                    self.said = Some(now);
                    tracing::warn!("Docker at {shown} (the job {job:?}): {error}; it is tried again");
                }
            }
        }
    }

    async fn list(&mut self) -> Result<(Vec<Container>, Vec<Network>), EngineError> {
        let mut filters: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for filter in &self.config.filters {
            filters.entry(&filter.name).or_default().extend(filter.values.iter().map(String::as_str));
        }
        let filters = serde_json::to_string(&filters).unwrap_or_default();
        // those that ended too: they may have written since
        let mut query = vec![("all", "1")];
        if !self.config.filters.is_empty() {
            query.push(("filters", &filters));
        }
        let containers = self.engine.get("/containers/json", &query).await?;
        let networks = match self.engine.get("/networks", &[]).await {
            Ok(networks) => networks,
            Err(EngineError::Refused { status, message }) => {
                if !std::mem::replace(&mut self.has_said_networks, true) {
                    let shown = &self.engine.shown;
                    tracing::warn!(
                        "Docker at {shown} does not tell of its networks ({status} {message}): rules see no \
                         __meta_docker_network_ labels but that of the address"
                    );
                }
                Vec::new()
            }
            Err(error @ EngineError::Away(_)) => return Err(error),
        };
        Ok((containers, networks))
    }

    /// Holds what is listed against what is followed.
    fn meet(&mut self, containers: &[Container], networks: &[Network]) {
        let now = Instant::now();
        let known = Known::new(containers, networks);
        self.containers.values_mut().for_each(|followed| followed.is_listed = false);
        for container in containers {
            let labels = known.labels(container, &self.config, &self.labelling);
            if let Some(followed) = self.containers.get_mut(&container.id) {
                *followed.labels.lock().unwrap_or_else(PoisonError::into_inner) = labels;
                followed.is_listed = true;
                followed.is_alive = container.is_alive();
                if followed.is_alive && followed.phase == Phase::Drained {
                    followed.phase = Phase::Due(now);
                }
                continue;
            }
            if labels.is_dropped() {
                continue;
            }
            let cursor = self.places.read(&container.id);
            // one that ended before we came is not read, as Promtail does not, unless we read it before
            if container.is_alive() || cursor.is_some() || container.was_created_since(self.began) {
                let followed = Followed {
                    name: container.name().to_owned(),
                    labels: Arc::new(Mutex::new(labels)),
                    cursor,
                    phase: Phase::Due(now),
                    is_alive: container.is_alive(),
                    is_listed: true,
                    pause: PAUSES.0,
                };
                self.containers.insert(container.id.clone(), followed);
            }
        }
    }

    /// Forgets containers that are not there any more; those that a filter hides stay known.
    async fn forget_gone(&mut self) {
        let is_idle = |followed: &Followed| !followed.is_listed && !matches!(followed.phase, Phase::Following { .. });
        let unlisted = self.containers.iter().filter(|(_, followed)| is_idle(followed)).map(|(id, _)| id.clone());
        for id in unlisted.collect::<Vec<String>>() {
            let inspected = self.engine.get::<serde::de::IgnoredAny>(&format!("/containers/{id}/json"), &[]).await;
            if let Err(EngineError::Refused { status: 404, .. }) = inspected {
                self.forget(&id);
            }
        }
    }

    fn forget(&mut self, id: &str) {
        self.containers.remove(id);
        self.places.forget(id);
    }

    fn start_due(&mut self, stop: &Stop) {
        let now = Instant::now();
        for (id, followed) in &mut self.containers {
            let is_due = matches!(followed.phase, Phase::Due(at) if now >= at) && followed.is_listed;
            if !is_due {
                continue;
            }
            followed.phase = Phase::Following { was_alive: followed.is_alive };
            let follow = Follow {
                engine: Arc::clone(&self.engine),
                spool: self.spool.clone(),
                places: self.places.clone(),
                metrics: Arc::clone(&self.metrics),
                id: id.clone(),
                cursor: followed.cursor.take().unwrap_or_default(),
                labels: Arc::clone(&followed.labels),
                stop: stop.clone(),
            };
            let follower = self.followers.spawn(follow.run());
            self.followed_by.insert(follower.id(), id.clone());
        }
    }

    /// A follower ended, be it by a fault of its own: then its container is followed anew from what is in the spool.
    fn joined(&mut self, joined: Result<(task::Id, Outcome), JoinError>, now: Instant) {
        let task = joined.as_ref().map_or_else(JoinError::id, |(task, _)| *task);
        let id = self.followed_by.remove(&task);
        match (joined, id) {
            (Ok((_, outcome)), _) => self.ended(outcome, now),
            (Err(error), Some(id)) => {
                tracing::error!("reading the log of the container {} failed, it is begun again: {error}", short(&id));
                let cursor = self.places.read(&id).unwrap_or_default();
                let ended = Ended::Broken("its reading failed".to_owned());
                self.ended(Outcome { id, cursor, ended, line_count: 0 }, now);
            }
            (Err(error), None) => tracing::error!("reading the log of a container failed: {error}"),
        }
    }

    /// A follower ended: what is to be done with its container.
    fn ended(&mut self, outcome: Outcome, now: Instant) {
        let Outcome { id, cursor, ended, line_count } = outcome;
        let Some(followed) = self.containers.get_mut(&id) else { return };
        followed.cursor = Some(cursor);
        let was_alive = followed.phase == Phase::Following { was_alive: true };
        if line_count > 0 {
            followed.pause = PAUSES.0;
        }
        let again = Phase::Due(now + followed.pause);
        match ended {
            Ended::Whole if !was_alive => followed.phase = Phase::Drained,
            Ended::Whole => {
                // it stopped, or its engine does: the list says whether to look again
                followed.phase = again;
                followed.pause = (followed.pause * 2).min(PAUSES.1);
                self.refresh_due = self.refresh_due.min(now + LIST_PAUSE);
            }
            Ended::Gone => self.forget(&id),
            Ended::Unreadable(why) => {
                tracing::error!("the container {} ({}) is not read: {why}", followed.name, short(&id));
                followed.phase = Phase::Unreadable;
            }
            Ended::Broken(why) => {
                tracing::debug!("the log of {} ({}) broke off: {why}", followed.name, short(&id));
                if followed.pause >= PAUSES.1 && !self.is_away {
                    tracing::warn!("the log of {} cannot be read: {why}; it is tried again", followed.name);
                }
                followed.phase = again;
                followed.pause = (followed.pause * 2).min(PAUSES.1);
                self.refresh_due = self.refresh_due.min(now + LIST_PAUSE);
            }
            Ended::Stopped => followed.phase = again,
        }
    }
}

/// As much of an id as people see.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// Rings when a container starts or ends, as far as the engine tells. Without it, lists are asked for now and then.
async fn hear(engine: Arc<Engine>, started: Arc<Notify>) {
    let filters = r#"{"type":["container"],"event":["start","die","rename","destroy"]}"#;
    let mut pause = PAUSES.0;
    loop {
        match engine.open("/events", &[("filters", filters)]).await {
            Ok(mut answer) => {
                pause = PAUSES.0;
                // what happened until now was not heard
                started.notify_one();
                while let Ok(Some(_)) = answer.part().await {
                    started.notify_one();
                }
            }
            Err(error) => tracing::debug!("Docker at {} tells of no events: {error}", engine.shown),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}
