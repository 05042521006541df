//! Files that list targets, in the form that Prometheus has for them, JSON or YAML: written by scripts, and read on while
//! they change.
//!
//! Promises: a file that cannot be read or understood is said once for each of its versions, and its last good version
//! holds; a file that is gone has no targets any more.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::agent::config::problem::Problem;
use crate::agent::config::scrape::{FileDiscovery, TargetGroup};
use crate::agent::discovery::target::{Discovered, PATH, Place, bounded, discovered};
use crate::agent::files::glob::{Found, Glob};

/// The label that tells in which file a target is listed.
const META_FILE: &str = "__meta_filepath";
/// Longer files are no lists of targets: that is some ten thousand of them.
const BYTES_MAX: u64 = 16 << 20;

/// One entry of `file_sd_configs`.
#[derive(Debug)]
pub(crate) struct Listed {
    globs: Vec<Glob>,
    interval: Duration,
    read_all: Option<Instant>,
    files: BTreeMap<PathBuf, ListFile>,
}

#[derive(Debug, Default)]
struct ListFile {
    look: Option<Look>,
    /// What was wrong with it last, so that it is not said again.
    problem: Option<String>,
    groups: Vec<Discovered>,
}

/// What tells that a file may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    node: (u64, u64),
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Look {
    fn of(metadata: &Metadata) -> Look {
        Look {
            node: (metadata.dev(), metadata.ino()),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Listed {
    pub(crate) fn new(config: &FileDiscovery) -> Listed {
        let glob = |text: &String| match Glob::parse(text) {
            Ok(glob) => Some(glob),
            Err(why) => {
                tracing::error!("file_sd_configs: {why}");
                None
            }
        };
        Listed {
            globs: config.files.iter().filter_map(glob).collect(),
            interval: bounded(config.refresh_interval.0),
            read_all: None,
            files: BTreeMap::new(),
        }
    }

    /// The targets that are listed now.
    pub(crate) fn groups(&self) -> Vec<Discovered> {
        self.files.values().flat_map(|file| file.groups.iter().cloned()).collect()
    }

    /// Reads the files that changed, and all of them now and then. Whether targets are others now.
    pub(crate) fn refresh(&mut self, now: Instant) -> bool {
        let mut found = Found::default();
        for glob in &self.globs {
            glob.find(&mut found);
        }
        let is_all = self.read_all.is_none_or(|at| now >= at + self.interval);
        if is_all {
            self.read_all = Some(now);
        }
        let mut is_changed = false;
        for (path, error) in found.problems {
            // what stands there is known, as long as it is not known to be gone
            let known: Vec<PathBuf> = self.files.keys().filter(|known| known.starts_with(&path)).cloned().collect();
            for known in known.into_iter().chain([path]) {
                self.files.entry(known.clone()).or_default().fail(unreadable(&known, &error));
                found.files.remove(&known);
            }
        }
        for (path, metadata) in &found.files {
            let file = self.files.entry(path.clone()).or_default();
            let look = Look::of(metadata);
            if is_all || file.look != Some(look) {
                file.look = Some(look);
                is_changed |= file.read(path, metadata.len());
            }
        }
        self.files.retain(|path, file| {
            let is_there =
                found.files.contains_key(path) || (file.problem.is_some() && path.try_exists().unwrap_or(true));
            if !is_there {
                is_changed |= !file.groups.is_empty();
                tracing::info!("{} is gone; its targets are not read any more", path.display());
            }
            is_there
        });
        is_changed
    }
}

impl ListFile {
    /// Whether it lists other targets now.
    fn read(&mut self, path: &Path, len: u64) -> bool {
        let groups = if len > BYTES_MAX {
            Err(format!("{}: it is longer than {BYTES_MAX} bytes, and no list of targets is", path.display()))
        } else {
            match fs::read_to_string(path) {
                Ok(text) => parse(path, &text),
                Err(error) => Err(unreadable(path, &error)),
            }
        };
        match groups {
            Ok(groups) => {
                if self.problem.take().is_some() {
                    tracing::info!("{} can be read again", path.display());
                }
                let is_changed = self.groups != groups;
                self.groups = groups;
                is_changed
            }
            Err(problem) => {
                self.fail(problem);
                false
            }
        }
    }

    fn fail(&mut self, problem: String) {
        if self.problem.as_ref() != Some(&problem) {
            let held = match self.groups.len() {
                0 => "it lists no targets until then".to_owned(),
                count => format!("the {count} targets that it listed before are read on"),
            };
            tracing::error!("cannot read the targets in {problem}\n{held}");
            self.problem = Some(problem);
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "; let the agent's user read it",
        _ => "; it is tried again",
    };
    format!("{}: {error}{hint}", path.display())
}

/// What a file lists; what is wrong with it in words, with its place.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Vec<Discovered>, String> {
    let name = path.display().to_string();
    let is_json = path.extension().is_some_and(|ending| ending == "json");
    let groups: Option<Vec<TargetGroup>> = if is_json {
        serde_json::from_str(text).map_err(|error| json_problem(&name, text, &error))?
    } else if text.trim().is_empty() {
        None
    } else {
        serde_saphyr::from_str(text).map_err(|error| Problem::of(&error, &name, text, text).to_string())?
    };
    let mut all = Vec::new();
    for (index, group) in groups.unwrap_or_default().iter().enumerate() {
        let place = Place { source: name.clone(), entry: index + 1 };
        if group.targets.is_empty() && group.labels.get(PATH).is_some() {
            tracing::warn!(
                "{place}: it has no targets, so it means none; write targets: [localhost] to read its files"
            );
        }
        all.extend(discovered(&place, &group.targets, &group.labels, &[(META_FILE, &name)]));
    }
    Ok(all)
}

fn json_problem(name: &str, text: &str, error: &serde_json::Error) -> String {
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    Problem::at(name, text, error.line(), error.column(), message).to_string()
}
