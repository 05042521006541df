//! One source as the reader knows it: what reads it, whose lines they are, and what it waits for.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use crate::agent::files::archive::Archive;
use crate::agent::files::bell::Other;
use crate::agent::files::identity::{Identity, Node};
use crate::agent::files::scan::{Examined, look_into};
use crate::agent::files::tail::Tail;
use crate::agent::source::Source;
use crate::model::Labels;

/// A name with another date in it is that of a copy only where so much is alike.
const TELLING_BYTES: usize = 64;

/// What reads it.
pub(crate) enum Kind {
    Tail(Tail),
    Archive(Archive),
    Other(Box<dyn Source>),
}

impl Kind {
    pub(crate) fn source(&mut self) -> &mut dyn Source {
        match self {
            Kind::Tail(tail) => tail,
            Kind::Archive(archive) => archive,
            Kind::Other(other) => &mut **other,
        }
    }

    /// Its content may have changed.
    pub(crate) fn changed(&mut self) {
        match self {
            Kind::Tail(tail) => tail.changed(),
            Kind::Archive(archive) => archive.changed(),
            Kind::Other(_) => {}
        }
    }

    /// Nobody will add to it.
    pub(crate) fn finish(&mut self) {
        if let Kind::Tail(tail) = self {
            tail.finish();
        }
    }

    pub(crate) fn size(&self) -> u64 {
        match self {
            Kind::Tail(tail) => tail.size(),
            Kind::Archive(_) | Kind::Other(_) => 0,
        }
    }

    fn moved(&mut self, path: &Path) {
        match self {
            Kind::Tail(tail) => tail.moved(path),
            Kind::Archive(archive) => archive.moved(path),
            Kind::Other(_) => {}
        }
    }
}

/// What a look at a file shows when it changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) node: Node,
    len: u64,
    changed: Option<SystemTime>,
}

impl Look {
    pub(crate) fn of(metadata: &Metadata) -> Look {
        Look { node: Node::of(metadata), len: metadata.len(), changed: metadata.modified().ok() }
    }

    /// When it was written to last.
    pub(crate) fn changed(&self) -> Option<SystemTime> {
        self.changed
    }
}

/// A source.
pub(crate) struct Watched {
    pub(crate) kind: Kind,
    /// Which target reads it; empty where it is no file.
    pub(crate) reader: String,
    pub(crate) job: usize,
    pub(crate) labels: Labels,
    /// What its `filename` label says.
    pub(crate) name: PathBuf,
    pub(crate) path: PathBuf,
    /// Where the path leads, where links are in between.
    pub(crate) real: Option<PathBuf>,
    pub(crate) look: Option<Look>,
    /// Since when no target finds it.
    pub(crate) gone: Option<Instant>,
    pub(crate) grew: Instant,
    /// When it is tried again.
    pub(crate) failed: Option<Instant>,
    pub(crate) is_queued: bool,
    /// It lost its name and was not read to its end since.
    pub(crate) is_behind: bool,
    /// Who is read when this one was read to its end.
    pub(crate) followers: Vec<u32>,
    /// How many this one follows.
    pub(crate) waits_for: usize,
}

impl Watched {
    pub(crate) fn other(other: Other, now: Instant) -> Watched {
        Watched::file(Kind::Other(other.reading), String::new(), other.job, other.labels, now)
    }

    pub(crate) fn file(kind: Kind, reader: String, job: usize, labels: Labels, now: Instant) -> Watched {
        Watched {
            kind,
            reader,
            job,
            labels,
            name: PathBuf::new(),
            path: PathBuf::new(),
            real: None,
            look: None,
            gone: None,
            grew: now,
            failed: None,
            is_queued: false,
            is_behind: false,
            followers: Vec::new(),
            waits_for: 0,
        }
    }

    /// It is found at another path.
    pub(crate) fn move_to(&mut self, path: &Path) {
        path.clone_into(&mut self.path);
        self.real = real_of(path);
        self.kind.moved(path);
    }

    /// Where word of its changes comes from.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.paths().filter_map(Path::parent)
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.path.as_path()).chain(self.real.as_deref())
    }

    /// Whether a new file may be the beginning of a copy of this one.
    pub(crate) fn begins_like(&self, file: &Examined) -> bool {
        let identity = match &self.kind {
            Kind::Tail(tail) => tail.identity(),
            Kind::Archive(_) | Kind::Other(_) => Identity::default(),
        };
        // looked at first: should it have been truncated by now, the copy is whole by now
        let own = look_into(&self.path, file.target, file.look, 0, file.format).map(|own| own.head).unwrap_or_default();
        if identity.is_telling() && file.is_content_of(&identity).unwrap_or(false) {
            return true;
        }
        let len = own.len().min(file.head.len());
        let is_suffixed = file.path.to_string_lossy().starts_with(&*self.path.to_string_lossy());
        !own.is_empty() && own[..len] == file.head[..len] && (is_suffixed || len >= TELLING_BYTES)
    }

    /// Whether its last line has no end and will hardly get one, because it was rotated: it had another name, or its name
    /// is that of another file with a number behind it.
    pub(crate) fn has_old_rest(&self, paths: &HashMap<PathBuf, Vec<u32>>) -> bool {
        let is_rotated = || self.path != self.name || rotated_from(&self.path).any(|path| paths.contains_key(&path));
        matches!(&self.kind, Kind::Tail(tail) if tail.has_rest()) && is_rotated()
    }

    pub(crate) fn is_at(&self, metadata: &Metadata) -> bool {
        self.look.is_some_and(|look| look.node == Node::of(metadata))
    }

    pub(crate) fn is_changed(&self, metadata: &Metadata) -> bool {
        self.look != Some(Look::of(metadata))
    }
}

/// Which names rotation would have made this one of: `app.log` of `app.log.1` and of `app.log-20260101.1`.
fn rotated_from(path: &Path) -> impl Iterator<Item = PathBuf> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_before_number = |at: usize| name[at + 1..].starts_with(|letter: char| letter.is_ascii_digit());
    let ends = name.match_indices(['.', '-', '_']).map(|(at, _)| at).filter(|at| is_before_number(*at));
    ends.map(|at| path.with_file_name(&name[..at])).collect::<Vec<_>>().into_iter()
}

/// Where a path leads, where that is elsewhere.
pub(crate) fn real_of(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok().filter(|real| real != path)
}
