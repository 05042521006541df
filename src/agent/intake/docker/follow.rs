//! One container: its log from where it was read last, as long as it goes on.
//!
//! Promises: a line is in the spool before the cursor says so; what comes again is not kept twice. Never: asks for more
//! while the spool has no room.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use crate::agent::intake::Stop;
use crate::agent::intake::docker::containers::StreamLabels;
use crate::agent::intake::docker::cursor::{Cursor, Replay};
use crate::agent::intake::docker::engine::{Engine, EngineError};
use crate::agent::intake::docker::frames::{Decoder, Line, Wire};
use crate::agent::intake::docker::places::Places;
use crate::agent::intake::keep::{self, Kept};
use crate::agent::metrics::Metrics;
use crate::agent::spool::Spool;

/// What following a container needs.
pub(crate) struct Follow {
    pub(crate) engine: Arc<Engine>,
    pub(crate) spool: Spool,
    pub(crate) places: Places,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) id: String,
    pub(crate) cursor: Cursor,
    /// Those of now; rules may see other facts while it is followed.
    pub(crate) labels: Arc<Mutex<StreamLabels>>,
    pub(crate) stop: Stop,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All that the container wrote until now was read.
    Whole,
    /// There is no such container any more.
    Gone,
    /// Its log cannot be read, ever; why, and what to do.
    Unreadable(String),
    /// The engine went away, or says something odd.
    Broken(String),
    Stopped,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) id: String,
    pub(crate) cursor: Cursor,
    pub(crate) ended: Ended,
    pub(crate) line_count: usize,
}

/// `/containers/{id}/json`, as far as it matters.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Inspected {
    config: InspectedConfig,
    host_config: InspectedHost,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct InspectedConfig {
    tty: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct InspectedHost {
    log_config: LogConfig,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct LogConfig {
    #[serde(rename = "Type")]
    driver: String,
}

impl Follow {
    /// Reads until the log ends, breaks off, or the agent stops.
    pub(crate) async fn run(mut self) -> Outcome {
        let mut stop = self.stop.clone();
        let mut line_count = 0;
        let ended = tokio::select! {
            ended = self.read(&mut line_count) => ended.unwrap_or_else(|ended| ended),
            () = stop.stopped() => Ended::Stopped,
        };
        Outcome { id: self.id, cursor: self.cursor, ended, line_count }
    }

    async fn read(&mut self, line_count: &mut usize) -> Result<Ended, Ended> {
        let path = format!("/containers/{}", self.id);
        let inspected: Inspected =
            self.engine.get(&format!("{path}/json"), &[]).await.map_err(|error| refused(error, ""))?;
        let since = self.cursor.since();
        let mut query = vec![("follow", "1"), ("stdout", "1"), ("stderr", "1"), ("timestamps", "1")];
        query.extend(since.as_deref().map(|since| ("since", since)));
        let driver = &inspected.host_config.log_config.driver;
        let answer = self.engine.open(&format!("{path}/logs"), &query).await;
        let mut answer = answer.map_err(|error| refused(error, driver))?;
        let mut decoder = Decoder::new(if inspected.config.tty { Wire::Terminal } else { Wire::Frames });
        let mut replay = self.cursor.replay();
        let mut lines = Vec::new();
        loop {
            let part = answer.part().await.map_err(Ended::Broken)?;
            let Some(part) = part else { break };
            let fed = decoder.feed(&part, &mut |line| lines.push(line));
            *line_count += lines.len();
            self.keep(&mut lines, &mut replay).await?;
            fed.map_err(Ended::Broken)?;
        }
        if !decoder.finish(&mut |line| lines.push(line)) {
            return Err(Ended::Broken("the log broke off in its middle".to_owned()));
        }
        *line_count += lines.len();
        self.keep(&mut lines, &mut replay).await?;
        Ok(Ended::Whole)
    }

    /// Lines into the spool, and then the cursor after them.
    async fn keep(&mut self, lines: &mut Vec<Line>, replay: &mut Replay) -> Result<(), Ended> {
        lines.retain(|line| !replay.is_kept(line.stream, line.timestamp));
        if lines.is_empty() {
            return Ok(());
        }
        let without_time = lines.iter().filter(|line| line.timestamp.is_none()).count();
        let seen: Vec<_> = lines.iter().filter_map(|line| Some((line.stream, line.timestamp?))).collect();
        let kept = self.labelled(std::mem::take(lines));
        if keep::keep(&self.spool, &kept, &mut self.stop).await == Kept::None {
            return Err(Ended::Stopped);
        }
        for (stream, timestamp) in seen {
            self.cursor.saw(stream, timestamp);
        }
        self.places.write(&self.id, &self.cursor);
        self.metrics.docker_lines(kept.len(), without_time);
        Ok(())
    }

    /// Without those whose stream rules drop.
    fn labelled(&self, lines: Vec<Line>) -> Vec<keep::Line> {
        let labels = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |line: Line| {
            let labels = labels.of(line.stream)?.clone();
            Some(keep::Line { timestamp: line.timestamp, labels, text: line.text })
        };
        lines.into_iter().filter_map(one).collect()
    }
}

/// What a refusal means for a container.
fn refused(error: EngineError, driver: &str) -> Ended {
    match error {
        EngineError::Refused { status: 404, .. } => Ended::Gone,
        // a container that is being removed
        EngineError::Refused { status: 409, .. } => Ended::Gone,
        EngineError::Refused { message, .. } if message.contains("does not support reading") => {
            Ended::Unreadable(format!(
                "it logs with the driver {driver:?}, which Docker cannot read from; start it with --log-driver local, \
                 json-file or journald"
            ))
        }
        error @ (EngineError::Refused { .. } | EngineError::Away(_)) => Ended::Broken(error.to_string()),
    }
}
