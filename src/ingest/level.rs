//! `detected_level`: how bad an entry is, found as Loki finds it, at the speed of memory.
//!
//! A line that looks like JSON or logfmt is asked for its level field first; then the first level word counts.
//! The word must stand alone: `terror` is no error. Letter case does not matter.

mod fields;
mod words;

/// The name under which the level is kept in the structured metadata.
pub(crate) const DETECTED_LEVEL: &str = "detected_level";

/// What Loki knows how to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
    Fatal,
    Unknown,
}

/// How many levels there are: `Level as usize` is below it.
pub(crate) const COUNT: usize = Level::Unknown as usize + 1;

/// Labels and metadata that say the level outright, in the order they are asked (Loki's `log_level_fields`).
const LABELS: [&str; 14] = [
    "level",
    "LEVEL",
    "Level",
    "log.level",
    "severity",
    "SEVERITY",
    "Severity",
    "SeverityText",
    "lvl",
    "LVL",
    "Lvl",
    "severity_text",
    "Severity_Text",
    "SEVERITY_TEXT",
];

impl Level {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
            Level::Critical => "critical",
            Level::Fatal => "fatal",
            Level::Unknown => "unknown",
        }
    }

    /// The level that a field's value names, long or short, in any letter case.
    pub(crate) fn parse(value: &[u8]) -> Option<Level> {
        const NAMES: [(&str, Level); 15] = [
            ("trace", Level::Trace),
            ("trc", Level::Trace),
            ("debug", Level::Debug),
            ("dbg", Level::Debug),
            ("info", Level::Info),
            ("inf", Level::Info),
            ("information", Level::Info),
            ("warn", Level::Warn),
            ("wrn", Level::Warn),
            ("warning", Level::Warn),
            ("error", Level::Error),
            ("err", Level::Error),
            ("critical", Level::Critical),
            ("fatal", Level::Fatal),
            ("unknown", Level::Unknown),
        ];
        let known = NAMES.iter().find(|(name, _)| value.eq_ignore_ascii_case(name.as_bytes()));
        known.map(|(_, level)| *level)
    }
}

/// The level of a line.
pub(crate) fn detect(line: &str) -> Level {
    let line = line.as_bytes();
    let field = if fields::looks_like_json(line) { fields::json(line) } else { fields::logfmt(line) };
    field.and_then(Level::parse).filter(|level| *level != Level::Unknown).unwrap_or_else(|| words::scan(line))
}

/// What labels or metadata say outright: a known level in its one spelling, anything else as it is.
pub(crate) fn stated<'l>(get: impl Fn(&str) -> Option<&'l str>) -> Option<&'l str> {
    let value = LABELS.iter().find_map(|name| get(name))?;
    Some(normal(value))
}

/// The one spelling of a known level, anything else as it is.
pub(crate) fn normal(value: &str) -> &str {
    Level::parse(value.as_bytes()).map_or(value, |level| level.name())
}

/// The level behind OpenTelemetry's `severity_number`.
pub(crate) fn of_severity_number(value: &str) -> Level {
    match value.parse() {
        Ok(1..=4_u32) => Level::Trace,
        Ok(5..=8) => Level::Debug,
        Ok(9..=12) => Level::Info,
        Ok(13..=16) => Level::Warn,
        Ok(17..=20) => Level::Error,
        Ok(21..=24) => Level::Fatal,
        Ok(_) | Err(_) => Level::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::ingest::level::{Level, detect, stated};

    fn check(level: &str, lines: &[&str]) {
        for line in lines {
            assert_eq!(detect(line).name(), level, "{line}");
        }
    }

    #[test]
    fn lines_have_the_level_that_loki_finds() {
        check(
            "critical",
            &["CRITICAL core", "critical lower", r#"level="critical" msg=x"#, r#"{"severity":"critical"}"#],
        );
        check("debug", &["DEBUG x=1", "debug lower", "level=debug msg=x", r#"{"lvl":"dbg"}"#, "debug: err=nil"]);
        check("error", &["ERROR something broke", "error: lower", "Error mixed", "level=err msg=x", "lvl=error msg=x"]);
        check("error", &["LEVEL=error msg=x", r#"{"level":"ERROR"}"#, r#"{"log":{"level":"error"}}"#]);
        check(
            "error",
            &[r#"{"msg":"no level but error inside"}"#, "2026-11-20 ERR short", "level=unknownish msg=error"],
        );
        check("error", &["error info warn all three", "level: error yaml style", "severity_text=ERROR"]);
        check("fatal", &["FATAL exit", "fatal lower"]);
        check("info", &["INFO started", "[INFO] bracketed", "info lower", "level=INFO msg=x", r#"{"level":"info"}"#]);
        check("info", &["info then error later", "level=info error=true"]);
        check("trace", &["TRACE enter", "level=trace"]);
        check(
            "warn",
            &["WARN low disk", "warning: deprecated", "Warning mixed", "level=warn msg=x", "severity=warning m=x"],
        );
        check(
            "warn",
            &[
                "Level=Warn msg=x",
                r#"{"SEVERITY":"WARN"}"#,
                r#"{"Level":"Warning"}"#,
                "W1120 glog warn",
                "loglevel=warn",
            ],
        );
        check("unknown", &["PANIC: goroutine", "EMERG system", "ALERT now", "NOTICE n", r#"{"level":"verbose"}"#]);
        check("unknown", &[r#"{"level":50}"#, "no keyword here", "terror in the errorless land", "information desk"]);
        check(
            "unknown",
            &["E1120 00:00:01 glog style", "<3> syslog pri", "2026-11-20 WRN short", "INF short", "DBG short"],
        );
        check("unknown", &["exception without keyword", "status=500 failed", "", " ", "=", "{}", "{", "한글"]);
    }

    #[test]
    fn labels_say_it_outright_and_unknown_words_stay() {
        let stated = |name: &'static str, value: &'static str| stated(|asked| (asked == name).then_some(value));
        assert_eq!(stated("level", "ERROR"), Some("error"));
        assert_eq!(stated("severity_text", "Warn"), Some("warn"));
        assert_eq!(stated("lvl", "W"), Some("W"));
        assert_eq!(stated("log_level", "error"), None);
    }

    /// The rule without any cleverness: every word between boundaries, from the left.
    fn slow_scan(line: &str) -> Level {
        let line = line.to_ascii_lowercase();
        let words = ["trace", "debug", "fatal", "critical", "error", "err", "warning", "warn", "info"];
        for at in (0..line.len()).filter(|at| line.is_char_boundary(*at)) {
            let left = line[..at].chars().next_back().is_none_or(|c| " \t\n[({\"'=|".contains(c));
            for word in words.iter().filter(|word| left && line[at..].starts_with(**word)) {
                let right = line[at + word.len()..].chars().next();
                if right.is_none_or(|c| " \t\n[](){}:,!\"'=|".contains(c)) {
                    return Level::parse(word.as_bytes()).unwrap();
                }
            }
        }
        Level::Unknown
    }

    proptest! {
        #[test]
        fn the_quick_scan_finds_what_the_slow_one_finds(
            pieces in prop::collection::vec(
                "[a-z ]{0,9}|[ \t\n\\[({\"'|:.-]|(?i)trace|(?i)debug|(?i)fatal|(?i)critical|(?i)error|(?i)err|(?i)warning|(?i)warn|(?i)info|한",
                0..20,
            ),
        ) {
            let line = pieces.concat();
            prop_assert_eq!(crate::ingest::level::words::scan(line.as_bytes()), slow_scan(&line), "{:?}", line);
        }

        #[test]
        fn arbitrary_lines_never_panic(line in "[{}\\[\\]\":=, \\\\levrinfo\n한]{0,60}") {
            detect(&line);
        }
    }
}
