//! Who new files are: one that was read before under another name, a copy of one, or really new; and where the files are
//! that are not where they were.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::agent::files::archive::{Archive, Begin};
use crate::agent::files::identity::{Head, Identity, Mark, Node};
use crate::agent::files::scan::{Examined, Moves, Stems, add_stems, is_copy_name, look_into};
use crate::agent::files::tail::Tail;
use crate::agent::files::watched::{Look, real_of};
use crate::agent::files::{Kind, Watch, Watched};
use crate::agent::positions::record::{Record, State};

/// How long a file that is not where it was is looked for: archives are whole by then.
const LOOKED_FOR: Duration = Duration::from_secs(10);
/// Less does not tell a file that has the same content from one that is the same.
const TELLING_BYTES: u64 = 64;

/// A source whose file is not where it was.
#[derive(Debug)]
pub(crate) struct Orphan {
    pub(crate) record: Record,
    pub(crate) since: Instant,
}

/// Where a source comes from.
enum Origin {
    Known(u32, Record),
    New,
}

impl Watch {
    pub(crate) fn has_orphans(&self) -> bool {
        !self.orphans.is_empty() || self.is_first_scan
    }

    /// Finds out who new files are, and begins to read them.
    pub(crate) fn settle(&mut self, files: Vec<Examined>, moves: &mut Moves, now: Instant) {
        let mut known: HashMap<u32, Record> = self.positions.remembered().into_iter().collect();
        known.retain(|_, record| !record.reader.is_empty());
        self.elsewhere.clear();
        for record in known.values().filter(|record| !self.readers.contains(&record.reader)) {
            self.elsewhere.entry(record.identity.node).or_default().push(record.clone());
        }
        known.extend(self.orphans.iter().map(|(source, orphan)| (*source, orphan.record.clone())));
        let mut by_node: HashMap<Node, Vec<u32>> = HashMap::new();
        for (source, record) in &known {
            by_node.entry(record.identity.node).or_default().push(*source);
        }
        let mut begun = Vec::new();
        let mut rest = Vec::new();
        let mut fresh = Vec::new();
        for file in files {
            let sources = by_node.get(&file.look.node).map_or(&[][..], Vec::as_slice);
            match self.same_file(&file, sources, &known) {
                Some(source) => begun.extend(known.remove(&source).map(|record| (file, Origin::Known(source, record)))),
                None => rest.push(file),
            }
        }
        for file in rest {
            match self.copied_file(&file, &known) {
                Some(source) => begun.extend(known.remove(&source).map(|record| (file, Origin::Known(source, record)))),
                None => fresh.push(file),
            }
        }
        let there = begun.iter().map(|(file, _)| file).chain(&fresh);
        let there: BTreeSet<(usize, PathBuf)> = there.map(|file| (file.target, file.path.clone())).collect();
        self.seek(known, &there, moves, now);
        // those that were read before, the oldest first: who has their names now comes after them
        begun.sort_by_key(|(file, _)| file.look.changed());
        for (file, origin) in begun {
            let Origin::Known(source, record) = &origin else {
                self.begin(file, origin, moves, now);
                continue;
            };
            let source = *source;
            let old = record_paths(record).map(PathBuf::from).filter(|path| *path != file.path);
            let old: BTreeSet<(usize, PathBuf)> = old.map(|path| (file.target, path)).collect();
            self.begin(file, origin, moves, now);
            if !old.is_empty() {
                self.fall_behind(source);
            }
            for key in old {
                moves.entry(key).or_default().push(source);
            }
        }
        self.begin_fresh(fresh, moves, now);
        self.elsewhere = HashMap::new();
    }

    /// Begins to read new files, but for those that may be copies: of what is read already, also since a moment ago, as
    /// a copy may be being made while we start.
    fn begin_fresh(&mut self, mut files: Vec<Examined>, moves: &Moves, now: Instant) {
        if files.is_empty() {
            return;
        }
        files.sort_by_key(|file| file.look.changed());
        let mut stems = Stems::new();
        self.watched.iter().for_each(|(source, watched)| add_stems(&mut stems, &watched.path, *source));
        for file in files {
            // renamed since it was found: the next look finds it where it is
            let is_there = fs::metadata(&file.path).is_ok_and(|metadata| Node::of(&metadata) == file.look.node);
            if is_there && !self.is_in_doubt(&file, &stems, now) {
                let path = file.path.clone();
                let source = self.begin(file, Origin::New, moves, now);
                add_stems(&mut stems, &path, source);
            }
        }
    }

    /// The record of a file that has the same node and content, be it under another name: of several the one that was read
    /// farthest, for a run that ended while a file was renamed may have taken it for two.
    fn same_file(&self, file: &Examined, sources: &[u32], known: &HashMap<u32, Record>) -> Option<u32> {
        let is_same = |source: &&u32| {
            let record = known.get(source);
            record.is_some_and(|record| {
                record.reader == self.readers[file.target] && file.is_content_of(&record.identity).unwrap_or(false)
            })
        };
        sources.iter().filter(is_same).max_by_key(|source| known[source].identity.mark.at).copied()
    }

    /// The record of a file that this one is a copy of.
    fn copied_file(&self, file: &Examined, known: &HashMap<u32, Record>) -> Option<u32> {
        let reader = &self.readers[file.target];
        let is_copy = |record: &Record| {
            let is_growing = record.state == State::Growing;
            let is_named = record_paths(record).any(|path| is_copy_name(Path::new(path), &file.path));
            // under the same name it is one that was put into its place: told by much content only
            let is_same_name = record_paths(record).any(|path| Path::new(path) == file.path);
            let least = if is_named && is_growing { 1 } else { TELLING_BYTES };
            let is_telling =
                (is_named && record.identity.head.len >= least) || (is_same_name && record.identity.head.is_whole());
            record.reader == *reader && is_telling && file.is_content_of(&record.identity).unwrap_or(false)
        };
        let mut copies: Vec<(&u32, &Record)> = known.iter().filter(|(_, record)| is_copy(record)).collect();
        copies.sort_by_key(|(source, record)| (record.identity.mark.at, **source));
        copies.last().map(|(source, _)| **source)
    }

    /// Looks for the files of sources that are nowhere among the targets' files: they were renamed away or compressed.
    fn seek(
        &mut self,
        known: HashMap<u32, Record>,
        there: &BTreeSet<(usize, PathBuf)>,
        moves: &mut Moves,
        now: Instant,
    ) {
        self.is_first_scan = false;
        let mut found = Vec::new();
        for (source, record) in known {
            let Some(target) = self.readers.iter().position(|reader| *reader == record.reader) else { continue };
            // one that was read and answered for, or is on its way, has nothing more
            if record.state != State::Growing {
                continue;
            }
            match self.find_elsewhere(&record, target, there) {
                Some(file) => found.push((file, source, record)),
                None => {
                    self.orphans.entry(source).or_insert(Orphan { record, since: now });
                }
            }
        }
        for (file, source, record) in found {
            let name = PathBuf::from(&record.name);
            let target = file.target;
            tracing::info!("{} is read on in {}", record.name, file.path.display());
            self.begin(file, Origin::Known(source, record), &Moves::new(), now);
            // no target finds it: it is read to its end and left
            if let Some(watched) = self.watched.get_mut(&source) {
                watched.gone = Some(now);
            }
            self.fall_behind(source);
            moves.entry((target, name)).or_default().push(source);
        }
        self.give_up(now);
    }

    fn find_elsewhere(&self, record: &Record, target: usize, taken: &BTreeSet<(usize, PathBuf)>) -> Option<Examined> {
        let folder = Path::new(record.path.as_deref().unwrap_or(&record.name)).parent()?;
        let mut copies = Vec::new();
        for entry in fs::read_dir(folder).ok()?.flatten() {
            let path = entry.path();
            let is_named = record_paths(record).any(|own| is_copy_name(Path::new(own), &path));
            let is_node = std::os::unix::fs::DirEntryExt::ino(&entry) == record.identity.node.inode;
            if !(is_named || is_node) || taken.contains(&(target, path.clone())) {
                continue;
            }
            let Ok(metadata) = fs::metadata(&path) else { continue };
            let look = Look::of(&metadata);
            let is_read = |watched: &Watched| {
                watched.reader == record.reader && watched.look.is_some_and(|own| own.node == look.node)
            };
            if !metadata.is_file() || self.watched.values().any(is_read) {
                continue;
            }
            let expected = self.targets[target].decompression.map(|decompression| decompression.format);
            let Ok(file) = look_into(&path, target, look, metadata.len(), expected) else { continue };
            let is_telling = look.node == record.identity.node || record.identity.is_telling();
            if is_telling && file.is_content_of(&record.identity).unwrap_or(false) {
                copies.push((look.node == record.identity.node, file));
            }
        }
        // the file itself before its copies
        copies.sort_by_key(|(is_node, _)| !is_node);
        copies.into_iter().next().map(|(_, file)| file)
    }

    /// What is nowhere to be found ends where it was read last.
    fn give_up(&mut self, now: Instant) {
        let over = self.orphans.iter().filter(|(_, orphan)| now >= orphan.since + LOOKED_FOR);
        for source in over.map(|(source, _)| *source).collect::<Vec<u32>>() {
            let Some(Orphan { record, .. }) = self.orphans.remove(&source) else { continue };
            if record.place < record.identity.mark.at {
                tracing::warn!(
                    "{} was removed or replaced before all of it was sent: bytes {} to {} and later are gone",
                    record.name,
                    record.place,
                    record.identity.mark.at
                );
            }
            self.positions.ended(source, record.place);
            self.positions.release(source);
        }
    }

    /// Its number.
    fn begin(&mut self, file: Examined, origin: Origin, moves: &Moves, now: Instant) -> u32 {
        let path_text = file.path.to_string_lossy().into_owned();
        let offset = self.positions.take_offset(&path_text);
        let is_done = matches!(&origin, Origin::Known(_, record) if record.is_done());
        let (source, record, begin) = match origin {
            Origin::Known(source, record) => self.go_on(source, record, &file, &path_text, offset),
            Origin::New => self.begin_new(&file, path_text, offset),
        };
        self.orphans.remove(&source);
        let target = &self.targets[file.target];
        let place = match begin {
            Begin::Place(place) => place,
            Begin::Line(_) => 0,
        };
        let kind = match file.format {
            None => {
                let (handles, positions) = (&self.handles, &self.positions);
                let mut tail =
                    Tail::new(&file.path, source, place, record.identity, target.encoding, handles, positions);
                tail.hold();
                Kind::Tail(tail)
            }
            Some(format) => {
                let positions = &self.positions;
                let mut archive =
                    Archive::new(&file.path, format, source, begin, record.identity, target.encoding, positions);
                if is_done {
                    archive.rest();
                    self.positions.ended(source, place);
                }
                Kind::Archive(archive)
            }
        };
        let labels = target.labels_of(&record.name);
        self.status.set(source, |status| {
            status.path.clone_from(&file.path);
            status.job.clone_from(&target.job_name);
            status.labels = target.labels.to_string();
            status.job_index = target.job;
            status.place = place;
            status.size = file.len.max(place);
        });
        let mut watched = Watched::file(kind, record.reader, target.job, labels, now);
        watched.name = PathBuf::from(record.name);
        watched.look = Some(file.look);
        watched.real = real_of(&file.path);
        let before = moves.get(&(file.target, file.path.clone())).map_or(&[][..], Vec::as_slice);
        watched.path = file.path;
        for earlier in before.iter().filter(|earlier| **earlier != source) {
            if let Some(earlier) = self.watched.get_mut(earlier).filter(|earlier| earlier.is_behind) {
                earlier.followers.push(source);
                watched.waits_for += 1;
            }
        }
        self.watched.insert(source, watched);
        self.enqueue(source);
        source
    }

    /// Where a source that is known is read on.
    fn go_on(
        &mut self,
        source: u32,
        mut record: Record,
        file: &Examined,
        path: &str,
        offset: Option<u64>,
    ) -> (u32, Record, Begin) {
        let mut place = record.next_place();
        self.positions.take_up(source, Some(path));
        if record.identity.node != file.look.node {
            record.identity.node = file.look.node;
            self.positions.copied(source, file.look.node);
        }
        // a Promtail read on since
        if let Some(offset) = offset.filter(|offset| place < *offset && *offset <= file.len && file.format.is_none()) {
            place = offset;
            record.identity.mark = Mark::default();
            self.positions.set_place(source, offset);
        }
        (source, record, Begin::Place(place))
    }

    fn begin_new(&mut self, file: &Examined, path: String, offset: Option<u64>) -> (u32, Record, Begin) {
        let elsewhere = self.other_reader_place(file);
        let begin = match (file.format, elsewhere, offset) {
            (_, Some(place), _) => Begin::Place(place),
            (None, None, Some(offset)) if offset <= file.len => Begin::Place(offset),
            (Some(_), None, Some(lines)) => Begin::Line(lines),
            (None, None, Some(_)) | (_, None, None) => Begin::Place(0),
        };
        let head = if file.format.is_none() { Head::of(&file.head) } else { Head::default() };
        let record = Record {
            reader: self.readers[file.target].clone(),
            name: path.clone(),
            path: Some(path),
            identity: Identity { node: file.look.node, head, mark: Mark::default() },
            place: if let Begin::Place(place) = begin { place } else { 0 },
            ..Record::default()
        };
        (self.positions.begin(record.clone()), record, begin)
    }

    /// How far a target that is no more had read this file: its labels were changed in the configuration.
    fn other_reader_place(&self, file: &Examined) -> Option<u64> {
        let mut records = self.elsewhere.get(&file.look.node)?.iter();
        let is_it = |record: &&Record| file.is_content_of(&record.identity).unwrap_or(false);
        records.find(is_it).map(Record::next_place)
    }
}

/// Where a record's file was.
fn record_paths(record: &Record) -> impl Iterator<Item = &str> {
    record.path.as_deref().into_iter().chain([record.name.as_str()])
}
