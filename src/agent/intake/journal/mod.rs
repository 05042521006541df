//! `journal`: reads the journal of systemd through `journalctl`, into the spool.
//!
//! Promises: where reading came to is remembered, in Promtail's positions and as Promtail does, after the lines are in
//! the spool; what is read again after a kill is the same to the nanosecond. A `journalctl` that ends is started again
//! where it was. Never: links to systemd.

mod child;
mod record;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::agent::config::scrape::{Journal, Scrape};
use crate::agent::intake::Stop;
use crate::agent::intake::journal::child::{Begin, Reading};
use crate::agent::intake::journal::record::Entry;
use crate::agent::intake::keep::{Kept, Line, keep};
use crate::agent::intake::labelling::{Facts, Labelling};
use crate::agent::metrics::Metrics;
use crate::agent::positions::Positions;
use crate::agent::spool::Spool;

/// Before it is started again, at first and at last.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// One that ran so long is no failure of the start.
const GOOD_RUN: Duration = Duration::from_secs(60);

/// A journal and where reading came to.
pub(crate) struct Reader {
    program: PathBuf,
    settings: Journal,
    labelling: Labelling,
    spool: Spool,
    positions: Arc<Positions>,
    metrics: Arc<Metrics>,
    /// The name of the position.
    key: String,
    begin: Begin,
    /// From where on there is something to read that nobody read.
    since_secs: u64,
    pauses: [Duration; 2],
    /// Why nothing comes.
    problem: Option<String>,
}

/// Why there is nothing more.
enum End {
    Stopped,
    Closed { lines: u64 },
}

/// The name of the position of a job, as Promtail has it. Of several of one name each has its own.
pub(crate) fn position_key(scrapes: &[Scrape], job: usize) -> String {
    let name = &scrapes[job].job_name;
    let earlier = scrapes[..job].iter().filter(|scrape| scrape.journal.is_some() && scrape.job_name == *name).count();
    match earlier {
        0 => format!("cursor-{name}"),
        earlier => format!("cursor-{name}-{}", earlier + 1),
    }
}

impl Reader {
    /// # Errors
    ///
    /// There is no journalctl.
    pub(crate) fn new(
        scrape: &Scrape,
        settings: &Journal,
        key: String,
        spool: Spool,
        positions: &Arc<Positions>,
        metrics: &Arc<Metrics>,
    ) -> anyhow::Result<Reader> {
        let program = child::find_program(std::env::var_os("PATH"))?;
        Ok(Reader::with_program(program, scrape, settings, key, spool, positions, metrics))
    }

    fn with_program(
        program: PathBuf,
        scrape: &Scrape,
        settings: &Journal,
        key: String,
        spool: Spool,
        positions: &Arc<Positions>,
        metrics: &Arc<Metrics>,
    ) -> Reader {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since_secs = now.saturating_sub(settings.max_age.0).as_secs();
        let cursor = positions.text(&key).filter(|cursor| !cursor.is_empty());
        Reader {
            program,
            settings: settings.clone(),
            labelling: Labelling::new(&scrape.relabel_configs, &settings.labels, &scrape.job_name, "journal"),
            spool,
            positions: Arc::clone(positions),
            metrics: Arc::clone(metrics),
            key,
            begin: cursor.map_or(Begin::Since { secs: since_secs }, |cursor| Begin::After { cursor }),
            since_secs,
            pauses: PAUSES,
            problem: None,
        }
    }

    /// Reads until it is stopped.
    pub(crate) async fn run(mut self, mut stop: Stop) {
        let [first, last] = self.pauses;
        let mut pause = first;
        loop {
            let started = Instant::now();
            let complaint = match self.follow(&mut stop).await {
                Ok((End::Stopped, _)) => return,
                Ok((End::Closed { lines }, complaint)) => {
                    if lines > 0 || started.elapsed() > GOOD_RUN {
                        pause = first;
                    } else {
                        self.forget_bad_cursor(&complaint);
                    }
                    complaint
                }
                Err(error) => error.to_string(),
            };
            let program = self.program.display();
            let problem = format!("{program} ended: {complaint}; it is started again, and no entry is left out");
            // while it stays the same it is said once; the page has it all the time
            if self.problem.as_ref() != Some(&problem) {
                tracing::warn!("{problem}");
            }
            self.spool.set_problem(Some(problem.clone()));
            self.problem = Some(problem);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.stopped() => return,
            }
            pause = last.min(pause * 2);
        }
    }

    /// Runs one journalctl to its end; why it ended.
    async fn follow(&mut self, stop: &mut Stop) -> std::io::Result<(End, String)> {
        let mut reading = Reading::start(&self.program, &self.settings, &self.begin)?;
        let mut line_count = 0;
        let good = tokio::time::Instant::now() + GOOD_RUN;
        loop {
            let mut entries = Vec::new();
            let mut unreadable_count = 0;
            let is_more = tokio::select! {
                is_more = reading.read(|line| match Entry::parse(line) {
                    Some(entry) => entries.push(entry),
                    None => unreadable_count += u64::from(!line.is_empty() && !line.starts_with(b"-- ")),
                }) => is_more?,
                () = tokio::time::sleep_until(good), if self.problem.is_some() => {
                    self.is_well();
                    continue;
                }
                () = stop.stopped() => {
                    reading.kill().await;
                    return Ok((End::Stopped, String::new()));
                }
            };
            (0..unreadable_count).for_each(|_| self.metrics.intake.journal_unreadable("no_entry"));
            line_count += entries.len() as u64;
            if self.take(&entries, stop).await == Kept::None {
                reading.kill().await;
                return Ok((End::Stopped, String::new()));
            }
            if !is_more {
                let (status, complaint) = reading.end().await?;
                let complaint =
                    if complaint.is_empty() { status.to_string() } else { format!("{status}, {complaint}") };
                return Ok((End::Closed { lines: line_count }, complaint));
            }
        }
    }

    fn is_well(&mut self) {
        if self.problem.take().is_some() {
            self.spool.set_problem(None);
        }
    }

    /// Keeps the lines of entries, then remembers the last one.
    async fn take(&mut self, entries: &[Entry], stop: &mut Stop) -> Kept {
        let Some(cursor) = entries.last().and_then(|entry| entry.cursor.clone()) else { return Kept::All };
        let lines: Vec<Line> = entries.iter().filter_map(|entry| self.line(entry)).collect();
        if !lines.is_empty() && keep(&self.spool, &lines, stop).await == Kept::None {
            return Kept::None;
        }
        self.metrics.intake.journal_taken(lines.len() as u64);
        self.is_well();
        self.positions.set_text(&self.key, &cursor);
        self.begin = Begin::After { cursor };
        Kept::All
    }

    fn line(&self, entry: &Entry) -> Option<Line> {
        let text = if self.settings.json { Some(entry.json()) } else { entry.message().map(str::to_owned) };
        let Some(text) = text else {
            self.metrics.intake.journal_unreadable("no_message");
            return None;
        };
        let own = |(name, value): (String, &str)| (name, value.to_owned());
        let facts: Facts = entry.facts().filter(|(name, _)| self.labelling.reads(name)).map(own).collect();
        Some(Line { timestamp: entry.timestamp(), labels: self.labelling.label(facts)?, text })
    }

    /// A position that is no cursor would be refused for ever.
    fn forget_bad_cursor(&mut self, complaint: &str) {
        if matches!(self.begin, Begin::After { .. }) && complaint.to_lowercase().contains("cursor") {
            let max_age = self.settings.max_age;
            tracing::warn!(
                "journalctl does not take the cursor that is remembered as {:?}; entries of the last {max_age} are read",
                self.key
            );
            self.begin = Begin::Since { secs: self.since_secs };
        }
    }
}
