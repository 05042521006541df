//! Files, and whatever else is read from places: which there are, which have something to read, and in which order.
//!
//! ```text
//! targets → scan → candidates ─┬→ a file that is known by its node or content: read on where it was left
//!                              └→ a new file: read from its start, after the one whose name it took
//! bell (inotify, polling, spools) → queue → read → Over | Idle | More
//! ```
//!
//! Promises: a file that was rotated is read to its end, wherever it went, before the one that took its name; no file is
//! read twice because it was renamed, copied or compressed; idle files cost one look in a sync period.

mod adopt;
pub(crate) mod archive;
pub(crate) mod bell;
pub(crate) mod charset;
pub(crate) mod glob;
pub(crate) mod handle;
pub(crate) mod identity;
mod notice;
mod scan;
pub(crate) mod status;
pub(crate) mod tail;
pub(crate) mod target;
mod watched;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::agent::files::adopt::Orphan;
use crate::agent::files::bell::{Bell, Rung};
use crate::agent::files::handle::Handles;
use crate::agent::files::identity::Node;
use crate::agent::files::notice::Notice;
use crate::agent::files::scan::Deferred;
use crate::agent::files::status::Status;
use crate::agent::files::target::Target;
use crate::agent::files::watched::{Kind, Watched};
use crate::agent::metrics::Metrics;
use crate::agent::positions::Positions;
use crate::agent::positions::record::Record as Remembered;
use crate::agent::source::{Progress, Record};
use crate::model::Labels;

/// How often small matters are looked after: files that wait, files that are gone.
const TICK: Duration = Duration::from_secs(1);
/// A scan takes at most this part of the time.
const SCAN_SHARE: u32 = 20;
/// How soon after one scan another may follow.
const SCAN_PAUSE: Duration = Duration::from_millis(20);
/// A file that cannot be read is tried again so soon,
const RETRY: Duration = Duration::from_secs(10);
/// an archive less often, because it is unpacked from its start each time,
const ARCHIVE_RETRY: Duration = Duration::from_secs(60);
/// and it is said again so often.
const SAID_AGAIN: Duration = Duration::from_secs(5 * 60);

/// How files are looked after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WatchOptions {
    /// How often all targets are looked through (`target_config.sync_period`).
    pub(crate) sync_period: Duration,
    /// How often files are looked at that the system tells nothing of.
    pub(crate) poll_period: Duration,
    /// How long a file that lost its name is read on after it grew last.
    pub(crate) grace: Duration,
    /// How long a file that looks like the copy of another one waits to be told from it.
    pub(crate) doubt: Duration,
    pub(crate) hearing: Hearing,
}

/// Whether the system is asked for word of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// Where it has any.
    Asked,
    /// All files are polled.
    Never,
}

impl Default for WatchOptions {
    fn default() -> WatchOptions {
        WatchOptions {
            // Promtail's
            sync_period: Duration::from_secs(10),
            poll_period: Duration::from_secs(1),
            // daemons open their log anew within seconds of the rotation
            grace: Duration::from_secs(15),
            // logrotate truncates at once after it copied
            doubt: Duration::from_secs(5),
            hearing: Hearing::Asked,
        }
    }
}

/// All sources of an agent.
pub(crate) struct Watch {
    options: WatchOptions,
    positions: Arc<Positions>,
    bell: Arc<Bell>,
    notice: Notice,
    handles: Handles,
    status: Status,
    metrics: Arc<Metrics>,
    targets: Vec<Target>,
    readers: Vec<String>,
    watched: HashMap<u32, Watched>,
    by_path: HashMap<PathBuf, Vec<u32>>,
    queue: VecDeque<u32>,
    polled: HashSet<PathBuf>,
    deferred: BTreeMap<(usize, PathBuf), Deferred>,
    /// Sources whose file is not where it was, and since when it is looked for.
    orphans: HashMap<u32, Orphan>,
    /// What targets that are no more have read, while new files are settled.
    elsewhere: HashMap<Node, Vec<Remembered>>,
    is_first_scan: bool,
    problems: HashMap<PathBuf, Instant>,
    scan_due: Instant,
    scan_earliest: Instant,
    tick_due: Instant,
    poll_due: Instant,
}

impl Watch {
    pub(crate) fn new(
        options: WatchOptions,
        handles: Handles,
        positions: &Arc<Positions>,
        bell: &Arc<Bell>,
        status: &Status,
        metrics: &Arc<Metrics>,
    ) -> Watch {
        let now = Instant::now();
        Watch {
            options,
            positions: positions.clone(),
            bell: bell.clone(),
            notice: Notice::new(bell, options.hearing),
            handles,
            status: status.clone(),
            metrics: metrics.clone(),
            targets: Vec::new(),
            readers: Vec::new(),
            watched: HashMap::new(),
            by_path: HashMap::new(),
            queue: VecDeque::new(),
            polled: HashSet::new(),
            deferred: BTreeMap::new(),
            orphans: HashMap::new(),
            elsewhere: HashMap::new(),
            is_first_scan: true,
            problems: HashMap::new(),
            scan_due: now,
            scan_earliest: now,
            tick_due: now,
            poll_due: now,
        }
    }

    /// The next source that has something to read; waits for one.
    pub(crate) fn next(&mut self, wait: Duration) -> Option<u32> {
        self.look_after(wait);
        loop {
            let source = self.queue.pop_front()?;
            let Some(watched) = self.watched.get_mut(&source) else { continue };
            watched.is_queued = false;
            if watched.waits_for == 0 {
                return Some(source);
            }
        }
    }

    /// Waits until something happens, not where a source has something to read, and does what is due.
    pub(crate) fn look_after(&mut self, wait: Duration) {
        let now = Instant::now();
        let mut due = self.scan_due.max(self.scan_earliest).min(self.tick_due);
        if !self.polled.is_empty() {
            due = due.min(self.poll_due);
        }
        let wait = if self.queue.is_empty() { wait.min(due.saturating_duration_since(now)) } else { Duration::ZERO };
        let rung = self.bell.wait(wait);
        let now = Instant::now();
        self.hear(rung, now);
        self.work(now);
    }

    /// Whether a source has something to read.
    pub(crate) fn is_waiting(&self, source: u32) -> bool {
        self.watched.get(&source).is_some_and(|watched| watched.is_queued)
    }

    /// Which pipeline the lines of a source go through.
    pub(crate) fn job_of(&self, source: u32) -> Option<usize> {
        Some(self.watched.get(&source)?.job)
    }

    /// Where the next part of a source begins, and how far it goes as far as is known.
    pub(crate) fn span_of(&mut self, source: u32) -> Option<(u64, u64)> {
        let reading = self.watched.get_mut(&source)?.kind.source();
        Some((reading.place(), reading.ahead()))
    }

    /// Reads a part of a source, and looks after what became of it. Where it stands then; `None` when it failed.
    pub(crate) fn read(&mut self, source: u32, each: &mut dyn FnMut(&Labels, Record<'_>)) -> Option<u64> {
        let watched = self.watched.get_mut(&source)?;
        let labels = watched.labels.clone();
        let before = watched.kind.source().place();
        let mut lines = 0;
        let result = watched.kind.source().read(&mut |record| {
            lines += 1;
            each(record.labels.unwrap_or(&labels), record);
        });
        let place = watched.kind.source().place();
        let now = Instant::now();
        if place > before {
            watched.grew = now;
        }
        let size = watched.kind.size();
        if lines > 0 && !watched.reader.is_empty() {
            self.metrics.read(&watched.path.to_string_lossy(), lines, place, size.max(place));
        }
        if lines > 0 || result.is_err() || watched.failed.is_some() {
            self.status.set(source, |status| {
                status.lines += lines as u64;
                status.bytes += place - before;
                if lines > 0 {
                    status.read = Some(std::time::SystemTime::now());
                }
                status.place = place;
                status.size = size.max(place);
            });
        }
        match result {
            Ok(progress) => {
                self.read_well(source, progress);
                Some(place)
            }
            Err(error) => {
                self.read_badly(source, &error, now);
                (place > before).then_some(place)
            }
        }
    }

    fn read_well(&mut self, source: u32, progress: Progress) {
        let Some(watched) = self.watched.get_mut(&source) else { return };
        if watched.failed.take().is_some() {
            self.status.set(source, |status| status.problem = None);
        }
        match progress {
            Progress::More => self.enqueue(source),
            Progress::Idle => self.caught_up(source),
            Progress::Over => self.over(source),
        }
    }

    fn read_badly(&mut self, source: u32, error: &std::io::Error, now: Instant) {
        let Some(watched) = self.watched.get_mut(&source) else { return };
        if error.kind() == std::io::ErrorKind::NotFound && watched.gone.is_some() {
            // it was not held open, and lost its name
            return self.lose(source, now);
        }
        let again = if matches!(watched.kind, Kind::Archive(_)) { ARCHIVE_RETRY } else { RETRY };
        watched.failed = Some(now + again);
        let path = watched.path.clone();
        let reason = self.complain(&path, error, now);
        self.status.set(source, |status| status.problem = Some(reason));
        // who waits for it would wait for ever
        self.release_followers(source);
    }

    /// Says that a path cannot be read, at once and then every few minutes.
    fn complain(&mut self, path: &Path, error: &std::io::Error, now: Instant) -> String {
        let hint = match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                "; let the agent's user read it, by a group such as adm or with setfacl -m u:USER:r"
            }
            _ => "; it is tried again",
        };
        let reason = format!("{error}{hint}");
        if self.problems.get(path).is_none_or(|said| now >= *said + SAID_AGAIN) {
            self.problems.insert(path.to_owned(), now);
            tracing::warn!("cannot read {}: {reason}", path.display());
        }
        reason
    }

    /// There is something to read of a source, as far as is known.
    pub(crate) fn enqueue(&mut self, source: u32) {
        if let Some(watched) = self.watched.get_mut(&source)
            && !watched.is_queued
        {
            watched.is_queued = true;
            self.queue.push_back(source);
        }
    }

    /// A source was read to where it ends now.
    fn caught_up(&mut self, source: u32) {
        if self.watched.get(&source).is_some_and(|watched| watched.is_behind) {
            self.release_followers(source);
        }
    }

    /// Whoever waited for a source is read from now on.
    fn release_followers(&mut self, source: u32) {
        let Some(watched) = self.watched.get_mut(&source) else { return };
        watched.is_behind = false;
        for follower in std::mem::take(&mut watched.followers) {
            if let Some(watched) = self.watched.get_mut(&follower) {
                watched.waits_for = watched.waits_for.saturating_sub(1);
                self.enqueue(follower);
            }
        }
    }

    /// A source will never have more; or what it has more of is elsewhere.
    fn over(&mut self, source: u32) {
        let Some(watched) = self.watched.get_mut(&source) else { return };
        match &mut watched.kind {
            Kind::Tail(tail) if tail.is_lost() => self.lose(source, Instant::now()),
            // it has another name and is there still
            Kind::Tail(tail) if watched.gone.is_none() => {
                tail.reopen();
                self.caught_up(source);
            }
            // it may be added to
            Kind::Archive(archive) if watched.gone.is_none() => {
                use crate::agent::source::Source as _;
                self.positions.ended(source, archive.place());
                self.caught_up(source);
            }
            Kind::Tail(_) | Kind::Archive(_) | Kind::Other(_) => {
                self.positions.ended(source, watched.kind.source().place());
                self.positions.release(source);
                self.release_followers(source);
                self.forget(source);
            }
        }
    }

    fn forget(&mut self, source: u32) -> Option<Watched> {
        self.status.remove(source);
        let watched = self.watched.remove(&source)?;
        if !watched.reader.is_empty() {
            self.metrics.forget(&watched.path.to_string_lossy());
        }
        Some(watched)
    }

    /// The file of a source is not where it was: the next scan looks for it.
    fn lose(&mut self, source: u32, now: Instant) {
        self.release_followers(source);
        let Some(mut watched) = self.forget(source) else { return };
        if let Some(mut record) = self.positions.record(source) {
            // what was read is on its way
            record.place = watched.kind.source().place();
            self.orphans.insert(source, Orphan { record, since: now });
        }
        self.positions.moved(source, None);
        self.scan_due = now;
    }

    fn hear(&mut self, rung: Rung, now: Instant) {
        if let Some(targets) = rung.targets {
            self.set_targets(targets);
            self.scan_due = now;
        }
        for other in rung.others {
            let source = other.source;
            self.status.set(source, |status| {
                status.labels = other.labels.to_string();
                status.job_index = other.job;
            });
            self.watched.insert(source, Watched::other(other, now));
            self.enqueue(source);
        }
        for source in rung.sources {
            self.enqueue(source);
        }
        if rung.is_named_anew || rung.is_missed {
            self.scan_due = now;
        }
        for path in rung.changed {
            let Some(sources) = self.by_path.get(&path) else {
                // a file whose coming was not told, or one that nobody wants
                if self.targets.iter().any(|target| target.glob.is_match(&path)) {
                    self.scan_due = now;
                }
                continue;
            };
            for source in sources.clone() {
                self.changed(source);
            }
        }
        self.polled.extend(rung.unwatched);
    }

    fn changed(&mut self, source: u32) {
        if let Some(watched) = self.watched.get_mut(&source) {
            watched.kind.changed();
            self.enqueue(source);
        }
    }

    fn set_targets(&mut self, targets: Vec<Target>) {
        let mut readers = BTreeSet::new();
        self.targets = targets.into_iter().filter(|target| readers.insert(target.reader())).collect();
        self.readers = self.targets.iter().map(Target::reader).collect();
        self.is_first_scan = true;
        self.deferred.clear();
        let is_left = |watched: &Watched| !watched.reader.is_empty() && !readers.contains(&watched.reader);
        let left = self.watched.iter().filter(|(_, watched)| is_left(watched)).map(|(source, _)| *source);
        for source in left.collect::<Vec<u32>>() {
            self.release_followers(source);
            self.forget(source);
            self.positions.release(source);
        }
    }

    /// Does what is due.
    fn work(&mut self, now: Instant) {
        if now >= self.scan_due && now >= self.scan_earliest {
            self.scan(now);
            let took = now.elapsed();
            let now = now + took;
            self.scan_earliest = now + SCAN_PAUSE.max(took * SCAN_SHARE);
            self.scan_due = now + self.options.sync_period;
        }
        if now >= self.tick_due {
            self.tick_due = now + TICK.min(self.options.grace / 2).min(self.options.doubt / 2);
            self.tick(now);
        }
        if !self.polled.is_empty() && now >= self.poll_due {
            self.poll_due = now + self.options.poll_period;
            self.poll();
        }
    }

    fn tick(&mut self, now: Instant) {
        if !self.deferred.is_empty() || !self.orphans.is_empty() {
            self.scan_due = now;
        }
        let mut due = Vec::new();
        for (source, watched) in &mut self.watched {
            if watched.failed.is_some_and(|at| now >= at) {
                due.push(*source);
            }
            if watched.gone.is_some() {
                let grew = watched.grew.max(watched.gone.unwrap_or(now));
                if now >= grew + self.options.grace {
                    watched.kind.finish();
                }
                due.push(*source);
            } else if watched.has_old_rest(&self.by_path) && now >= watched.grew + self.options.grace {
                watched.kind.finish();
                due.push(*source);
            }
        }
        for source in due {
            self.changed(source);
        }
    }

    /// Looks at files that the system tells nothing of.
    fn poll(&mut self) {
        let is_polled = |watched: &Watched| watched.folders().any(|folder| self.polled.contains(folder));
        let polled = self.watched.iter().filter(|(_, watched)| watched.gone.is_none() && is_polled(watched));
        let mut changed = Vec::new();
        for (source, watched) in polled {
            match std::fs::metadata(&watched.path) {
                Ok(metadata) if watched.is_at(&metadata) => {
                    if watched.is_changed(&metadata) {
                        changed.push(*source);
                    }
                }
                Ok(_) | Err(_) => self.scan_due = Instant::now(),
            }
        }
        for source in changed {
            self.changed(source);
        }
    }
}
