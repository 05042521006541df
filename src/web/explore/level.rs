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
        match text.to_ascii_lowercase().as_str() {
            "critical" | "fatal" | "emergency" | "emerg" | "alert" | "crit" | "panic" => Level::Critical,
            "error" | "err" | "eror" => Level::Error,
            "warn" | "warning" | "wrn" => Level::Warn,
            "info" | "information" | "inf" | "notice" => Level::Info,
            "debug" | "dbg" => Level::Debug,
            "trace" | "trc" => Level::Trace,
            _ => Level::Unknown,
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
