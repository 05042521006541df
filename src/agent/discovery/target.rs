//! From what a job says of files to what is read: relabelling, whose machine it is for, and the patterns.
//!
//! Promises: as Promtail has it, but for what it leaves out in silence.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::agent::config::scrape::{Scrape, TargetGroup};
use crate::agent::files::archive::Decompression;
use crate::agent::files::charset::EncodingName;
use crate::agent::files::glob::Glob;
use crate::agent::files::target::Target;
use crate::agent::relabel::{self, Rule};
use crate::model::Labels;

/// The label that names what is read.
pub(crate) const PATH: &str = "__path__";
/// The label that names what of it is not.
const EXCLUDE: &str = "__path_exclude__";
/// The label that names the machine that is to read it.
const HOST: &str = "__host__";
/// The label that `targets` are.
const ADDRESS: &str = "__address__";

/// What of a scrape configuration is about files.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) index: usize,
    pub(crate) name: String,
    rules: Vec<Rule>,
    encoding: EncodingName,
    decompression: Option<Decompression>,
    statics: Vec<TargetGroup>,
}

/// One target as it was found, before relabelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Discovered {
    pub(crate) place: Place,
    pub(crate) labels: Labels,
}

/// Where a target is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// A file, or the key of the configuration.
    pub(crate) source: String,
    /// Which of its entries, counted from 1.
    pub(crate) entry: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}, entry {}", self.source, self.entry)
    }
}

/// Why a target is not read.
#[derive(Debug, Error)]
pub(crate) enum Failed {
    #[error("rules drop it")]
    Dropped,
    #[error("it is for the host {0:?}")]
    OtherHost(String),
    #[error("a target has no {PATH}: name the files to read, as in {PATH}: /var/log/app/*.log")]
    NoPath,
    #[error("{0}")]
    Invalid(String),
}

impl Failed {
    /// As the metric of Promtail calls it.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Failed::Dropped => "empty_labels",
            Failed::OtherHost(_) => "wrong_host",
            Failed::NoPath => "no_path",
            Failed::Invalid(_) => "error",
        }
    }
}

impl Job {
    pub(crate) fn of(index: usize, scrape: &Scrape) -> Job {
        Job {
            index,
            name: scrape.job_name.clone(),
            rules: scrape.relabel_configs.clone(),
            encoding: scrape.encoding,
            decompression: scrape.decompression,
            statics: scrape.static_configs.clone(),
        }
    }

    /// What is to be read on a machine.
    ///
    /// # Errors
    ///
    /// Nothing is to be read, or it cannot be told what.
    pub(crate) fn target(&self, found: &Discovered, host: &str) -> Result<Target, Failed> {
        let labels = relabel::apply(&self.rules, &found.labels).ok_or(Failed::Dropped)?;
        if let Some(other) = labels.get(HOST).filter(|other| *other != host) {
            return Err(Failed::OtherHost(other.to_owned()));
        }
        let path = labels.get(PATH).filter(|path| !path.is_empty()).ok_or(Failed::NoPath)?;
        let glob = |name: &str, text: &str| Glob::parse(text).map_err(|why| Failed::Invalid(format!("{name}: {why}")));
        let exclude = labels.get(EXCLUDE).filter(|text| !text.is_empty());
        Ok(Target {
            job: self.index,
            job_name: self.name.clone(),
            labels: relabel::public(&labels),
            glob: glob(PATH, path)?,
            exclude: exclude.map(|text| glob(EXCLUDE, text)).transpose()?,
            encoding: self.encoding,
            decompression: self.decompression,
        })
    }
}

/// The targets of `static_configs`; an entry without `targets` is about this machine.
pub(crate) fn static_groups(job: &Job) -> Vec<Discovered> {
    let here = ["localhost".to_owned()];
    let groups = job.statics.iter().enumerate().flat_map(|(index, group)| {
        let names = if group.targets.is_empty() { &here[..] } else { &group.targets };
        let place = Place { source: "static_configs".to_owned(), entry: index + 1 };
        discovered(&place, names, &group.labels, &[])
    });
    groups.collect()
}

/// One for each name; `added` labels and the name win over labels of the group.
pub(crate) fn discovered(place: &Place, names: &[String], labels: &Labels, added: &[(&str, &str)]) -> Vec<Discovered> {
    let one = |name: &String| {
        let added = added.iter().copied().chain([(ADDRESS, name.as_str())]);
        let own = labels.iter().filter(|(own, _)| added.clone().all(|(label, _)| label != *own));
        let pairs = own.chain(added.clone()).map(|(label, value)| (label.to_owned(), value.to_owned()));
        Discovered { place: place.clone(), labels: Labels::from_pairs(pairs) }
    };
    names.iter().map(one).collect()
}

/// A text as part of a label's name, as Prometheus writes it.
pub(crate) fn sanitized(text: &str) -> String {
    text.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
}

/// The name of this machine, as Promtail takes it.
pub(crate) fn own_name() -> String {
    let variable = || std::env::var("HOSTNAME").ok();
    let kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    // where there is no /proc, on macOS
    let command = || {
        let output = std::process::Command::new("uname").arg("-n").output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let known = |name: Option<String>| name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    known(variable()).or_else(|| known(kernel())).or_else(|| known(command())).unwrap_or_default()
}

/// How long nothing may change before a list is read anew all the same.
pub(crate) fn bounded(interval: Duration) -> Duration {
    // of 0 nothing would be gained: changes are noticed by themselves
    interval.max(Duration::from_secs(1))
}
