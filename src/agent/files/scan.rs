//! A look through all targets: who moved, who is gone, who changed, and who is new.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::agent::files::archive::Format;
use crate::agent::files::identity::{Identity, Node, read_head};
use crate::agent::files::watched::Look;
use crate::agent::files::{Kind, Watch};

/// A file that no source reads yet.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) target: usize,
    pub(crate) path: PathBuf,
    pub(crate) look: Look,
    pub(crate) len: u64,
    pub(crate) is_link: bool,
}

/// A candidate that was looked into.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) target: usize,
    pub(crate) path: PathBuf,
    pub(crate) look: Look,
    pub(crate) len: u64,
    pub(crate) format: Option<Format>,
    /// How it begins, unpacked where it is compressed.
    pub(crate) head: Vec<u8>,
}

impl Examined {
    /// Whether it is by now what a source was, as far as that was read: a copy may have been half made when it was looked
    /// into, and its original truncated since.
    pub(crate) fn is_content_of(&self, identity: &Identity) -> io::Result<bool> {
        let opened = File::open(&self.path)?;
        match self.format {
            None => identity.is_content_of(&opened),
            Some(format) => identity.is_content_of_stream(&mut format.open(opened)),
        }
    }
}

/// A file that is not read yet because it may be a copy, or is to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deferred {
    pub(crate) first: Instant,
    /// Since when it is as it is.
    pub(crate) since: Instant,
    pub(crate) look: Look,
}

/// Who was at which path of which target, and is to be read before the one that is there now.
pub(crate) type Moves = HashMap<(usize, PathBuf), Vec<u32>>;

impl Watch {
    pub(crate) fn scan(&mut self, now: Instant) {
        let mut folders = BTreeSet::new();
        let mut problems: BTreeMap<PathBuf, io::Error> = BTreeMap::new();
        let mut candidates = Vec::new();
        let mut moves = Moves::new();
        let live = self.live();
        for (target, live) in live.iter().enumerate() {
            let mut found = self.targets[target].find();
            folders.append(&mut found.folders);
            if self.is_first_scan && found.files.is_empty() && found.problems.is_empty() {
                let pattern = self.targets[target].glob.text();
                tracing::info!("no file matches {pattern} yet; it is read as soon as there is one");
            }
            problems.append(&mut found.problems);
            self.meet(target, &found.files, live, &mut moves, now);
            candidates.extend(unread(target, found.files, live));
        }
        let paths: HashSet<(usize, PathBuf)> =
            candidates.iter().map(|candidate| (candidate.target, candidate.path.clone())).collect();
        self.deferred.retain(|key, _| paths.contains(key));
        let has_news = !(moves.is_empty() && candidates.is_empty());
        if has_news || self.has_orphans() {
            let examined = self.examine(candidates, &mut problems, now);
            self.settle(examined, &mut moves, now);
            self.index();
        }
        folders.extend(self.watched.values().filter_map(|watched| Some(watched.real.as_ref()?.parent()?.to_owned())));
        self.notice.watch(&folders);
        self.polled.retain(|folder| folders.contains(folder));
        for (path, error) in &problems {
            let reason = self.complain(path, error, now);
            self.status.set_problem(path, &reason);
        }
        self.metrics.active(self.watched.len(), self.targets.len());
        self.status.keep_problems(|path| problems.contains_key(path));
        self.problems.retain(|_, said| now < *said + crate::agent::files::SAID_AGAIN);
    }

    /// Which source reads a file, for each target.
    fn live(&self) -> Vec<HashMap<Node, u32>> {
        let mut live = vec![HashMap::new(); self.targets.len()];
        let targets: HashMap<&str, usize> =
            self.readers.iter().enumerate().map(|(target, reader)| (reader.as_str(), target)).collect();
        for (source, watched) in &self.watched {
            if let (Some(target), Some(look)) = (targets.get(watched.reader.as_str()), watched.look) {
                live[*target].insert(look.node, *source);
            }
        }
        live
    }

    /// Holds the sources of a target against the files that are there.
    fn meet(
        &mut self,
        target: usize,
        files: &BTreeMap<PathBuf, Metadata>,
        live: &HashMap<Node, u32>,
        moves: &mut Moves,
        now: Instant,
    ) {
        let mut found: HashMap<u32, (&PathBuf, Look)> = HashMap::new();
        for (path, metadata) in files {
            let look = Look::of(metadata);
            let Some(source) = live.get(&look.node) else { continue };
            let is_there = self.watched.get(source).is_some_and(|watched| watched.path == *path);
            if is_there || !found.contains_key(source) {
                found.insert(*source, (path, look));
            }
        }
        for source in live.values() {
            let Some(watched) = self.watched.get_mut(source) else { continue };
            let mut is_moved = false;
            match found.get(source) {
                Some((path, look)) => {
                    watched.gone = None;
                    let is_changed = watched.look != Some(*look);
                    watched.look = Some(*look);
                    if watched.path != **path {
                        is_moved = true;
                        moves.entry((target, watched.path.clone())).or_default().push(*source);
                        watched.move_to(path);
                        self.positions.moved(*source, path.to_str());
                    } else if is_changed {
                        self.changed(*source);
                    }
                }
                None if watched.gone.is_none() => {
                    is_moved = true;
                    watched.gone = Some(now);
                    moves.entry((target, watched.path.clone())).or_default().push(*source);
                    self.positions.moved(*source, None);
                }
                None => {}
            }
            if is_moved {
                self.fall_behind(*source);
            }
        }
    }

    /// A source lost its name: whoever has it now waits until this one was read to its end.
    pub(crate) fn fall_behind(&mut self, source: u32) {
        if let Some(watched) = self.watched.get_mut(&source) {
            watched.is_behind = watched.failed.is_none();
            self.changed(source);
        }
    }

    /// Looks into files that are new. What cannot be read is a problem and no candidate.
    fn examine(
        &mut self,
        candidates: Vec<Candidate>,
        problems: &mut BTreeMap<PathBuf, io::Error>,
        now: Instant,
    ) -> Vec<Examined> {
        let mut examined = Vec::new();
        for candidate in candidates {
            let key = (candidate.target, candidate.path.clone());
            let deferred = self.deferred.get(&key).copied();
            let mut deferred = deferred.unwrap_or(Deferred { first: now, since: now, look: candidate.look });
            if deferred.look != candidate.look {
                deferred.look = candidate.look;
                deferred.since = now;
            }
            let decompression = self.targets[candidate.target].decompression;
            let expected = decompression.map(|decompression| decompression.format);
            match look_into(&candidate.path, candidate.target, candidate.look, candidate.len, expected) {
                Ok(file) if file.format.is_some() && decompression.is_none() => {
                    let reason = "it is compressed; set `decompression` for the scrape configuration, or leave it out with \
                                  `__path_exclude__`";
                    problems.insert(candidate.path, io::Error::new(io::ErrorKind::InvalidData, reason));
                }
                Ok(mut file) => {
                    // what has neither the name nor the first bytes of an archive is read as it is
                    if let (Some(format), Some(decompression)) = (&mut file.format, decompression) {
                        *format = decompression.format;
                        if now < deferred.first + decompression.initial_delay {
                            self.deferred.insert(key, deferred);
                            continue;
                        }
                    }
                    if let Some(known) = self.deferred.get_mut(&key) {
                        *known = deferred;
                    }
                    examined.push(file);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => drop(problems.insert(candidate.path, error)),
            }
        }
        examined
    }

    /// Whether a new file begins as one that is being read, has a name like a copy of it, and cannot be told from it yet.
    pub(crate) fn is_in_doubt(&mut self, file: &Examined, stems: &Stems, now: Instant) -> bool {
        let reader = &self.readers[file.target];
        let mut is_like = false;
        let mut is_like_gone = false;
        let alike = before_separators(&file.path).filter_map(|stem| stems.get(&stem)).flatten();
        for watched in alike.filter_map(|source| self.watched.get(source)) {
            if watched.reader == *reader && is_copy_name(&watched.path, &file.path) && watched.begins_like(file) {
                is_like = true;
                is_like_gone |= watched.gone.is_some();
            }
        }
        let key = (file.target, file.path.clone());
        if !is_like {
            self.deferred.remove(&key);
            return false;
        }
        let deferred = self.deferred.entry(key.clone()).or_insert(Deferred { first: now, since: now, look: file.look });
        let is_in_doubt = is_like_gone || now < deferred.since + self.options.doubt;
        if !is_in_doubt {
            self.deferred.remove(&key);
        }
        is_in_doubt
    }

    /// Which sources a path means.
    fn index(&mut self) {
        self.by_path.clear();
        for (source, watched) in &self.watched {
            if matches!(watched.kind, Kind::Other(_)) {
                continue;
            }
            for path in watched.paths() {
                self.by_path.entry(path.to_owned()).or_default().push(*source);
            }
        }
    }
}

/// The files that no source reads; of several names for one the first that is no link.
fn unread(target: usize, files: BTreeMap<PathBuf, Metadata>, live: &HashMap<Node, u32>) -> Vec<Candidate> {
    let mut by_node: HashMap<Node, usize> = HashMap::new();
    let mut candidates: Vec<Candidate> = Vec::new();
    for (path, metadata) in files {
        let look = Look::of(&metadata);
        if live.contains_key(&look.node) {
            continue;
        }
        let is_link = path.is_symlink();
        let candidate = Candidate { target, path, look, len: metadata.len(), is_link };
        match by_node.get(&look.node) {
            Some(index) if candidates[*index].is_link && !is_link => candidates[*index] = candidate,
            Some(_) => {}
            None => {
                by_node.insert(look.node, candidates.len());
                candidates.push(candidate);
            }
        }
    }
    candidates
}

/// Reads how a file begins.
pub(crate) fn look_into(
    path: &Path,
    target: usize,
    look: Look,
    len: u64,
    expected: Option<Format>,
) -> io::Result<Examined> {
    let raw = read_head(&File::open(path)?)?;
    let format = Format::of(path, &raw, expected);
    let head = match format {
        // an archive that cannot be unpacked yet is told when it is read
        Some(format) => format.read_head(File::open(path)?).unwrap_or_default(),
        None => raw,
    };
    Ok(Examined { target, path: path.to_owned(), look, len, format, head })
}

/// Sources by what names of their copies begin with: thousands of files are not each held against each.
pub(crate) type Stems = HashMap<PathBuf, Vec<u32>>;

pub(crate) fn add_stems(stems: &mut Stems, path: &Path, source: u32) {
    stems.entry(path.to_owned()).or_default().push(source);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if let Some((stem, _)) = name.rsplit_once('.') {
        stems.entry(path.with_file_name(stem)).or_default().push(source);
    }
}

/// What a name begins with, as far as each of its dots, dashes and underlines.
fn before_separators(path: &Path) -> impl Iterator<Item = PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let ends: Vec<usize> = name.match_indices(['.', '-', '_']).map(|(at, _)| at).filter(|at| *at > 0).collect();
    ends.into_iter().map(move |at| path.with_file_name(&name[..at]))
}

/// Whether a name is what rotation makes of another one in the same folder: `app.log.1`, `app.log-20260101`,
/// `app-2026.log`, each perhaps compressed.
pub(crate) fn is_copy_name(path: &Path, copy: &Path) -> bool {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let (Some(own), Some(other)) = (name(path), name(copy)) else { return false };
    if path.parent() != copy.parent() || own == other {
        return false;
    }
    let follows = |start: &str| other.strip_prefix(start).is_some_and(|rest| rest.starts_with(['.', '-', '_']));
    follows(&own) || own.rsplit_once('.').is_some_and(|(stem, _)| follows(stem))
}

#[cfg(test)]
mod tests {
    use crate::agent::files::scan::*;

    #[test]
    fn names_of_copies_are_those_that_rotation_makes() {
        for (own, other, expected) in [
            ("/a/app.log", "/a/app.log.1", true),
            ("/a/app.log", "/a/app.log-20260101.gz", true),
            ("/a/app.log", "/a/app-2026.log", true),
            ("/a/app.log", "/a/app.log", false),
            ("/a/app.log", "/b/app.log.1", false),
            ("/a/app.log", "/a/apple.log", false),
            ("/a/app.log.1", "/a/app.log", false),
        ] {
            assert_eq!(is_copy_name(Path::new(own), Path::new(other)), expected, "{own} {other}");
        }
    }
}
