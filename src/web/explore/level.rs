//! Levels of lines: how serious, which letter, which colour, in which order.

use crate::web::language::Language;

/// How serious a line is, as Loki's `detected_level` names it. The most serious comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Level {
    Critical,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
    Unknown,
}

impl Level {
    pub(crate) const ALL: [Level; 7] =
        [Level::Critical, Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace, Level::Unknown];

    /// The level that a label's value names. What is not known is unknown.
    pub(crate) fn named(text: &str) -> Level {
        let is_of = |level: &Level| level.names().iter().any(|name| name.eq_ignore_ascii_case(text));
        Level::ALL.into_iter().find(is_of).unwrap_or(Level::Unknown)
    }

    /// The words that name it, in any case; none for what is unknown, which is all that is not named here.
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Level::Error => &["error", "err"],
            Level::Warn => &["warn", "warning", "wrn"],
            Level::Info => &["info", "notice", "information", "inf"],
            Level::Debug => &["debug", "dbg"],
            Level::Trace => &["trace", "trc"],
            Level::Critical | Level::Unknown => self.stored_names(),
        }
    }

    /// Those of them that are stored. What comes in under another name of a level that Loki knows gets its one spelling;
    /// the others stay as they are, in any case.
    pub(crate) fn stored_names(self) -> &'static [&'static str] {
        match self {
            Level::Critical => &["critical", "fatal", "emergency", "emerg", "alert", "crit", "panic"],
            Level::Error => &["error"],
            Level::Warn => &["warn"],
            Level::Info => &["info", "notice"],
            Level::Debug => &["debug"],
            Level::Trace => &["trace"],
            Level::Unknown => &[],
        }
    }

    /// The word for it, which is also the ending of its CSS class.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Critical => "critical",
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
            Level::Unknown => "unknown",
        }
    }

    /// One letter for the edge of a row: a colour alone is not seen by everyone.
    pub(crate) fn letter(self) -> &'static str {
        match self {
            Level::Critical => "C",
            Level::Error => "E",
            Level::Warn => "W",
            Level::Info => "I",
            Level::Debug => "D",
            Level::Trace => "T",
            Level::Unknown => "–",
        }
    }

    /// The word for it in the language of the page.
    pub(crate) fn said(self, say: Language) -> &'static str {
        match self {
            Level::Critical => say.critical(),
            Level::Error => say.error(),
            Level::Warn => say.warn(),
            Level::Info => say.info(),
            Level::Debug => say.debug(),
            Level::Trace => say.trace(),
            Level::Unknown => say.unknown_level(),
        }
    }
}
