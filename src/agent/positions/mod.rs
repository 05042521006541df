//! How far each source was answered for: Promtail's positions file, and a companion that knows more.
//!
//! Promises: only what every server answered for is written as read; a file is known again by what it is and not by its
//! name; lines that were sent and not answered for get the same times when they are read again after a kill. Never:
//! opens a log file.

mod companion;
pub(crate) mod record;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use crate::agent::files::identity::{Head, Mark, Node};
use crate::agent::outlet::{Ledger, Stretch};
use crate::agent::positions::companion::Page;
use crate::agent::positions::record::{Record, Span, State};
use crate::agent::positions::yaml::Texts;

/// How long a file that ended is known, so that it is not read again should it come back under another name.
const KNOWN_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// And how many of them: at 300 bytes each, about a megabyte.
const KNOWN_COUNT_MAX: usize = 4096;
/// How often it is said again that positions cannot be written.
const SAID_AGAIN: Duration = Duration::from_secs(60);
/// How often positions of files that are gone are looked for, so that the file does not grow for ever.
const CLEANED_EVERY: Duration = Duration::from_secs(10 * 60);
/// Names of positions that are no paths: these belong to other kinds of sources.
const NO_PATHS: [&str; 2] = ["cursor-", "journal-"];

/// What the configuration says of positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) path: PathBuf,
    pub(crate) sync_period: Duration,
    pub(crate) ignore_invalid_yaml: bool,
}

/// Why there can be no positions.
#[derive(Debug, Error)]
pub(crate) enum PositionsError {
    #[error("cannot read the positions in {}: {reason}; let the agent read this file, or name another one under positions.filename", path.display())]
    Read { path: PathBuf, reason: io::Error },
    #[error("the positions in {} are not valid: {reason}\nmend or remove the file (removed, every log file is read from its start), or set positions.ignore_invalid_yaml to true", path.display())]
    Invalid { path: PathBuf, reason: String },
    #[error("cannot write positions to {}: {reason}; let the agent write in this folder, or name another file under positions.filename", path.display())]
    Write { path: PathBuf, reason: io::Error },
}

/// The positions of an agent, shared by who reads and who sends.
#[derive(Debug)]
pub(crate) struct Positions {
    options: Options,
    inner: Mutex<Inner>,
    /// Held while the files are written.
    before: Mutex<Option<SyncFirst>>,
}

/// Puts on the disk what positions tell of.
struct SyncFirst(Box<dyn Fn() + Send + Sync>);

impl fmt::Debug for SyncFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SyncFirst")
    }
}

#[derive(Debug, Default)]
struct Inner {
    /// The positions file.
    texts: Texts,
    /// What another program wrote there since we did.
    foreign: Texts,
    /// The hashes of the positions file as we wrote it and as we shall.
    ours: Vec<u64>,
    records: BTreeMap<u32, Record>,
    /// Which of them are being read in this run.
    live: BTreeSet<u32>,
    last_source: u32,
    /// Lines for the companion that are due before the next stretch is.
    due: String,
    companion: Option<File>,
    /// What came to the companion while the one that takes its place is written.
    meanwhile: Option<String>,
    is_changed: bool,
    written: Option<Instant>,
    cleaned: Option<Instant>,
    problem_said: Option<Instant>,
}

impl Positions {
    /// Reads what is there, and writes it, so that a folder that cannot be written is known at once.
    ///
    /// # Errors
    ///
    /// A file cannot be read or written, or is no positions file.
    pub(crate) fn open(options: Options) -> Result<Positions, PositionsError> {
        let path = options.path.clone();
        let (texts, hash) = read_texts(&options)?;
        let companion_path = companion_path(&path);
        let page = match read_lossy(&companion_path) {
            Ok(text) => companion::read(&text.unwrap_or_default()),
            Err(reason) => Err(reason),
        };
        let page = page.map_err(|reason| PositionsError::Read { path: companion_path.clone(), reason })?;
        if page.bad_lines > 0 {
            let count = page.bad_lines;
            tracing::warn!("{count} lines of {} are not readable and were left out", companion_path.display());
        }
        // numbers begin anew, so that they do not grow for ever
        let mut records: BTreeMap<u32, Record> = (1..).zip(page.records.into_values()).collect();
        records.values_mut().for_each(Record::reopen);
        let is_foreign = hash.is_some_and(|hash| !page.ours.contains(&hash));
        let inner = Inner {
            foreign: if is_foreign { texts.clone() } else { Texts::new() },
            // what is foreign stays so until it was replaced
            ours: hash.filter(|_| !is_foreign).into_iter().collect(),
            last_source: records.keys().last().copied().unwrap_or_default(),
            texts,
            records,
            ..Inner::default()
        };
        let positions = Positions { options, inner: Mutex::new(inner), before: Mutex::default() };
        positions.write().map_err(|reason| PositionsError::Write { path, reason })?;
        Ok(positions)
    }

    /// What earlier runs left and this one has not begun to read.
    pub(crate) fn remembered(&self) -> Vec<(u32, Record)> {
        let inner = self.lock();
        let records = inner.records.iter().filter(|(source, _)| !inner.live.contains(source));
        records.map(|(source, record)| (*source, record.clone())).collect()
    }

    /// What the positions file said of a path at the start, where another program wrote it. Told once: it is about the
    /// file that was there then.
    pub(crate) fn take_offset(&self, path: &str) -> Option<u64> {
        self.lock().foreign.remove(path)?.parse().ok()
    }

    /// Ends the reading of a source for now; what is known of it stays.
    pub(crate) fn release(&self, source: u32) {
        let mut inner = self.lock();
        inner.live.remove(&source);
        inner.is_changed = true;
    }

    /// A source goes on in a copy of the file that it was.
    pub(crate) fn copied(&self, source: u32, node: Node) {
        self.lock().change(source, |record| record.identity.node = node);
    }

    /// Begins to remember a source; its number. It is remembered at once, even by who comes after a kill: a file that
    /// is rotated away meanwhile is found by what it is.
    pub(crate) fn begin(&self, record: Record) -> u32 {
        let mut inner = self.lock();
        inner.last_source += 1;
        let source = inner.last_source;
        companion::push_record(&mut inner.due, source, &record);
        inner.records.insert(source, record);
        inner.live.insert(source);
        inner.is_changed = true;
        let appended = inner.append();
        drop(inner);
        if let Err(reason) = appended {
            self.complain(&reason, Instant::now());
        }
        source
    }

    /// Goes on with a source of an earlier run.
    pub(crate) fn take_up(&self, source: u32, path: Option<&str>) {
        let mut inner = self.lock();
        inner.live.insert(source);
        inner.change(source, |record| {
            record.path = path.map(str::to_owned);
            record.state = State::Growing;
            record.ended = None;
        });
    }

    /// A place that is known better than the record has it: from Promtail, or where reading begins anew.
    pub(crate) fn set_place(&self, source: u32, place: u64) {
        self.lock().change(source, |record| {
            record.place = place;
            record.stretches.clear();
        });
    }

    /// The number of a source that is no file, under a name that is the same in each run, and its place.
    pub(crate) fn named(&self, name: &str) -> (u32, u64) {
        let known = {
            let inner = self.lock();
            let is_it = |record: &Record| record.reader.is_empty() && record.name == name;
            inner.records.iter().find(|(_, record)| is_it(record)).map(|(source, record)| (*source, record.place))
        };
        match known {
            Some((source, place)) => {
                self.take_up(source, None);
                (source, place)
            }
            None => (self.begin(Record { name: name.to_owned(), ..Record::default() }), 0),
        }
    }

    /// A source is somewhere else now, or nowhere.
    pub(crate) fn moved(&self, source: u32, path: Option<&str>) {
        self.lock().change(source, |record| record.path = path.map(str::to_owned));
    }

    /// What tells a file, as far as it has been read.
    pub(crate) fn seen(&self, source: u32, head: Head, mark: Mark) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let Some(record) = inner.records.get_mut(&source) else { return };
        let is_head_new = record.identity.head != head;
        record.identity.head = head;
        record.identity.mark = mark;
        inner.is_changed = true;
        if is_head_new {
            companion::push_record(&mut inner.due, source, record);
        }
    }

    /// A source was read to its end and will not grow.
    pub(crate) fn ended(&self, source: u32, end: u64) {
        let mut inner = self.lock();
        inner.change(source, |record| {
            record.state = State::Read(end);
            record.ended = Some(now_secs());
            record.answered(record.place);
        });
    }

    pub(crate) fn record(&self, source: u32) -> Option<Record> {
        self.lock().records.get(&source).cloned()
    }

    /// All servers answered for what of a source begins before.
    pub(crate) fn place_of(&self, source: u32) -> u64 {
        self.lock().records.get(&source).map_or(0, |record| record.place)
    }

    /// The stretch in which a place was read and sent, where it was not answered for.
    pub(crate) fn stretch_at(&self, source: u32, place: u64) -> Option<Stretch> {
        let span = self.lock().records.get(&source)?.span_at(place)?;
        Some(span.of_source(source))
    }

    /// A position that is no number: a cursor of the journal. Written with the next ones.
    pub(crate) fn set_text(&self, name: &str, value: &str) {
        let mut inner = self.lock();
        inner.texts.insert(name.to_owned(), value.to_owned());
        inner.is_changed = true;
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.lock().texts.get(name).cloned()
    }

    /// The same, where another program wrote it since we did.
    pub(crate) fn foreign_text(&self, name: &str) -> Option<String> {
        self.lock().foreign.get(name).cloned()
    }

    /// A position of something that will not be there again.
    pub(crate) fn forget_text(&self, name: &str) {
        let mut inner = self.lock();
        inner.is_changed |= inner.texts.remove(name).is_some();
    }

    /// Writes, where something changed and the last time was long enough ago. A failure is said and tried again.
    pub(crate) fn sync(&self, now: Instant) {
        let is_due = {
            let inner = self.lock();
            let is_old = inner.written.is_none_or(|written| now >= written + self.options.sync_period);
            inner.is_changed && is_old
        };
        if is_due && let Err(reason) = self.write() {
            self.lock().written = Some(now);
            self.complain(&reason, now);
        }
    }

    /// What is to be on the disk before positions are that tell of it, such as a cursor that tells of lines. Of several the
    /// last holds.
    pub(crate) fn sync_first(&self, sync: impl Fn() + Send + Sync + 'static) {
        *self.before.lock().unwrap_or_else(PoisonError::into_inner) = Some(SyncFirst(Box::new(sync)));
    }

    /// Writes both files, each at once and synced: a kill leaves the old one or the new one. Who reads and who sends need
    /// not wait for the disk meanwhile.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub(crate) fn write(&self) -> io::Result<()> {
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let draft = self.lock().draft();
        // after the draft: what it tells of is there now
        if let Some(SyncFirst(sync)) = &*before {
            sync();
        }
        let written = self.put(&draft);
        let mut inner = self.lock();
        // from its end on, so that a slow disk does not keep the reader at it
        inner.written = Some(Instant::now());
        inner.meanwhile = None;
        match &written {
            Ok(()) => inner.ours = vec![draft.hash],
            Err(_) => inner.is_changed = true,
        }
        written
    }

    fn put(&self, draft: &Draft) -> io::Result<()> {
        let new = New::write(&companion_path(&self.options.path), &draft.companion)?;
        {
            let mut inner = self.lock();
            let meanwhile = inner.meanwhile.take().unwrap_or_default();
            inner.companion = Some(new.take_place(&meanwhile)?);
        }
        new.sync_folder()?;
        if draft.is_page_new || !self.options.path.exists() {
            let new = New::write(&self.options.path, &draft.page)?;
            new.take_place("")?;
            new.sync_folder()?;
        }
        Ok(())
    }

    fn complain(&self, reason: &io::Error, now: Instant) {
        let mut inner = self.lock();
        if inner.problem_said.is_none_or(|said| now >= said + SAID_AGAIN) {
            inner.problem_said = Some(now);
            let path = self.options.path.display();
            tracing::warn!(
                "cannot write positions to {path}: {reason}; reading goes on, and lines since the last time are read \
                 again after a restart; free the disk or let the agent write there"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for Positions {
    fn begun(&self, stretches: &[Stretch]) {
        let result = {
            let mut guard = self.lock();
            let inner = &mut *guard;
            for stretch in stretches {
                let Some(record) = inner.records.get_mut(&stretch.source) else { continue };
                record.begun(Span::of(stretch));
                companion::push_begun(&mut inner.due, stretch.source, Span::of(stretch));
            }
            inner.is_changed = true;
            inner.append()
        };
        if let Err(reason) = result {
            self.complain(&reason, Instant::now());
        }
    }

    fn answered(&self, source: u32, place: u64) {
        let mut inner = self.lock();
        inner.change(source, |record| record.answered(place));
    }
}

/// Both files as they are to be.
struct Draft {
    page: String,
    is_page_new: bool,
    hash: u64,
    companion: String,
}

impl Inner {
    /// What is to be written now. What changes from here on is for the next time.
    fn draft(&mut self) -> Draft {
        self.prune(Instant::now());
        self.texts = self.current_texts();
        let page = yaml::write(&self.texts);
        let hash = xxh3_64(page.as_bytes());
        let mut ours = self.ours.clone();
        if !ours.contains(&hash) {
            ours.push(hash);
        }
        // should writing fail, the old companion knows it; a failure of this one fails that one too
        let _ = self.append();
        let records = Page { ours, records: std::mem::take(&mut self.records), bad_lines: 0 };
        let companion = companion::write(&records);
        self.records = records.records;
        self.due.clear();
        self.meanwhile = Some(String::new());
        self.is_changed = false;
        Draft { page, is_page_new: self.ours != [hash], hash, companion }
    }

    fn change(&mut self, source: u32, how: impl FnOnce(&mut Record)) {
        if let Some(record) = self.records.get_mut(&source) {
            how(record);
            self.is_changed = true;
        }
    }

    /// Writes what is due to the companion: the page cache keeps it over a kill of the agent.
    fn append(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.companion else { return Ok(()) };
        if self.due.is_empty() {
            return Ok(());
        }
        if let Some(meanwhile) = &mut self.meanwhile {
            meanwhile.push_str(&self.due);
        }
        let result = file.write_all(self.due.as_bytes());
        if result.is_err() {
            // what was written by half ends here, and does not spoil the next line
            let _ = file.write_all(b"\n");
        }
        self.due.clear();
        result
    }

    /// What the positions file is to say: of a path that several read, the first place.
    fn current_texts(&self) -> Texts {
        let mut places: BTreeMap<&str, u64> = BTreeMap::new();
        for record in self.live.iter().filter_map(|source| self.records.get(source)) {
            if let Some(path) = &record.path {
                let place = places.entry(path).or_insert(u64::MAX);
                *place = record.place.min(*place);
            }
        }
        let mut texts = self.texts.clone();
        texts.extend(places.into_iter().map(|(path, place)| (path.to_owned(), place.to_string())));
        texts
    }

    /// Leaves out what is known for too long, and positions of files that are gone.
    fn prune(&mut self, now: Instant) {
        let limit = now_secs().saturating_sub(KNOWN_FOR.as_secs());
        let is_over = |record: &Record| record.is_done() && record.ended.is_some_and(|ended| ended < limit);
        self.records.retain(|_, record| !is_over(record));
        let done = self.records.iter().filter(|(_, record)| record.is_done()).map(|(source, _)| *source);
        let done: Vec<u32> = done.collect();
        for source in done.iter().take(done.len().saturating_sub(KNOWN_COUNT_MAX)) {
            self.records.remove(source);
        }
        self.live.retain(|source| self.records.contains_key(source));
        // not at the start: a folder may be mounted later
        let Some(cleaned) = self.cleaned else {
            self.cleaned = Some(now);
            return;
        };
        if now >= cleaned + CLEANED_EVERY {
            self.cleaned = Some(now);
            let is_kept = |name: &str| NO_PATHS.iter().any(|kind| name.starts_with(kind)) || Path::new(name).exists();
            self.texts.retain(|name, _| is_kept(name));
        }
    }
}

/// Where the companion of a positions file is.
fn companion_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".logcafe");
    PathBuf::from(name)
}

fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The positions file and the hash of its text.
fn read_texts(options: &Options) -> Result<(Texts, Option<u64>), PositionsError> {
    let path = &options.path;
    let text = read_lossy(path).map_err(|reason| PositionsError::Read { path: path.clone(), reason })?;
    let Some(text) = text else { return Ok((Texts::new(), None)) };
    let hash = Some(xxh3_64(text.as_bytes()));
    match yaml::read(&text) {
        Ok(texts) => Ok((texts, hash)),
        Err(reason) if options.ignore_invalid_yaml => {
            tracing::warn!("the positions in {} are not valid and are ignored: {reason}", path.display());
            Ok((Texts::new(), hash))
        }
        Err(reason) => Err(PositionsError::Invalid { path: path.clone(), reason }),
    }
}

/// A file's text, `None` where there is no file.
fn read_lossy(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A file that is to take the place of an old one.
struct New {
    file: File,
    path: PathBuf,
    place: PathBuf,
}

impl New {
    /// Writes it beside the old one, and syncs it.
    fn write(place: &Path, text: &str) -> io::Result<New> {
        // a link stays one, and what it leads to is replaced
        let place = fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
        let mut path = place.as_os_str().to_owned();
        path.push(".new");
        let path = PathBuf::from(path);
        let mut file = File::create(&path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(New { file, path, place })
    }

    /// Takes the place, with a little more at its end; the file, to go on with.
    fn take_place(&self, more: &str) -> io::Result<File> {
        let mut file = self.file.try_clone()?;
        file.write_all(more.as_bytes())?;
        fs::rename(&self.path, &self.place)?;
        Ok(file)
    }

    fn sync_folder(&self) -> io::Result<()> {
        let folder = self.place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests;
