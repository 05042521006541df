//! Prints lines and series. What a log line holds cannot change the terminal: control characters are shown, not sent.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use anstyle::{AnsiColor, Style};
use jiff::tz::TimeZone;
use serde_json::json;

use crate::cli::query::Output;
use crate::cli::query::client::{Line, Series};
use crate::model::Timestamp;
use crate::model::harmless::{harmless, turns_text};

/// Labels that the server adds; beside a line they would only repeat what the others say.
const LABELS_HIDDEN: [&str; 2] = ["service_name", "detected_level"];

#[derive(Debug)]
pub(crate) struct Printer {
    output: Output,
    is_terminal: bool,
    zone: TimeZone,
}

impl Printer {
    pub(crate) fn new(output: Output, is_terminal: bool, zone: TimeZone) -> Printer {
        Printer { output, is_terminal, zone }
    }

    pub(crate) fn line(&mut self, out: &mut impl Write, line: &Line) -> anyhow::Result<()> {
        match self.output {
            Output::Text => {
                let (dim, colour) = (Style::new().dimmed(), level_style(&line.labels));
                let time = self.time(line.timestamp);
                let labels = label_text(&line.labels, &LABELS_HIDDEN);
                let text = harmless(&line.text).replace('\n', "\n    ");
                writeln!(out, "{colour}{time}{colour:#} {dim}{labels}{dim:#} {text}")?;
            }
            // a file or a pipe gets the line as it was sent
            Output::Raw if self.is_terminal => writeln!(out, "{}", harmless(&line.text))?,
            Output::Raw => writeln!(out, "{}", line.text)?,
            Output::Jsonl => {
                let object = json!({"timestamp": rfc3339(line.timestamp), "labels": line.labels, "line": line.text});
                writeln!(out, "{}", self.json(&object))?;
            }
        }
        Ok(())
    }

    pub(crate) fn series(&mut self, out: &mut impl Write, all: &[Series]) -> anyhow::Result<()> {
        for series in all {
            if self.output == Output::Text {
                let bold = Style::new().bold();
                writeln!(out, "{bold}{}{bold:#}", label_text(&series.labels, &[]))?;
            }
            for (time, value) in &series.points {
                match self.output {
                    Output::Text => writeln!(out, "  {} {}", self.time(*time), harmless(value))?,
                    Output::Raw => writeln!(out, "{}", harmless(value))?,
                    Output::Jsonl => {
                        let object = json!({"timestamp": rfc3339(*time), "labels": series.labels, "value": value});
                        writeln!(out, "{}", self.json(&object))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// JSON escapes the control characters of ASCII by itself. On a terminal the others are escaped as well, which is
    /// the same JSON: they can only stand within strings.
    fn json(&self, object: &serde_json::Value) -> String {
        let text = object.to_string();
        if !self.is_terminal {
            return text;
        }
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            match c.is_control() || turns_text(c) {
                true => {
                    let _ = write!(out, "\\u{:04x}", u32::from(c));
                }
                false => out.push(c),
            }
        }
        out
    }

    fn time(&self, time: Timestamp) -> String {
        let zoned = utc(time).to_zoned(self.zone.clone());
        zoned.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
    }
}

fn utc(time: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(time.nanos())).expect("64 bits of nanoseconds are within its reach")
}

fn rfc3339(time: Timestamp) -> String {
    utc(time).to_string()
}

fn label_text(labels: &BTreeMap<String, String>, hidden: &[&str]) -> String {
    let mut text = String::from("{");
    for (name, value) in labels.iter().filter(|(name, _)| !hidden.contains(&name.as_str())) {
        let _ = write!(text, "{}{name}={value:?}", if text.len() > 1 { ", " } else { "" });
    }
    text.push('}');
    harmless(&text)
}

fn level_style(labels: &BTreeMap<String, String>) -> Style {
    let level = labels.get("detected_level").or_else(|| labels.get("level")).map_or("", String::as_str);
    let colour = match level {
        "fatal" | "critical" => AnsiColor::Magenta,
        "error" => AnsiColor::Red,
        "warn" | "warning" => AnsiColor::Yellow,
        "info" => AnsiColor::Green,
        "debug" | "trace" => AnsiColor::Blue,
        _ => return Style::new(),
    };
    colour.on_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::tz::TimeZone;

    use crate::cli::query::Output;
    use crate::cli::query::client::{Line, Series};
    use crate::cli::query::print::Printer;
    use crate::model::Timestamp;

    fn check(output: Output, is_terminal: bool, text: &str, wanted: &str) {
        let labels = BTreeMap::from([("app".to_owned(), "a".to_owned()), ("service_name".to_owned(), "a".to_owned())]);
        let line = Line { timestamp: Timestamp::from_nanos(1_500_000_001), labels, text: text.to_owned() };
        let mut out = anstream::StripStream::new(Vec::new());
        Printer::new(output, is_terminal, TimeZone::UTC).line(&mut out, &line).unwrap();
        assert_eq!(String::from_utf8(out.into_inner()).unwrap(), wanted);
    }

    #[test]
    fn a_line_cannot_paint_the_terminal_or_forge_a_row() {
        let hostile = "a\x1b[31mred\rb\n1970 c\u{202e}d";
        let shown = "1970-01-01 00:00:01.500 {app=\"a\"} a\\u{1b}[31mred\\rb\n    1970 c\\u{202e}d\n";
        check(Output::Text, false, hostile, shown);
        check(Output::Raw, true, "x\x07y", "x\\u{7}y\n");
    }

    #[test]
    fn a_series_is_told_by_all_its_labels() {
        let labels = BTreeMap::from([("detected_level".to_owned(), "info".to_owned())]);
        let series = Series { labels, points: vec![(Timestamp::from_nanos(0), "7".to_owned())] };
        let mut out = anstream::StripStream::new(Vec::new());
        Printer::new(Output::Text, false, TimeZone::UTC).series(&mut out, &[series]).unwrap();
        let shown = String::from_utf8(out.into_inner()).unwrap();
        assert_eq!(shown, "{detected_level=\"info\"}\n  1970-01-01 00:00:00.000 7\n");
    }

    #[test]
    fn a_json_line_holds_the_whole_time() {
        let wanted = "{\"labels\":{\"app\":\"a\",\"service_name\":\"a\"},\"line\":\"x\",\
                      \"timestamp\":\"1970-01-01T00:00:01.500000001Z\"}\n";
        check(Output::Jsonl, false, "x", wanted);
    }

    #[test]
    fn a_json_line_cannot_paint_the_terminal_and_stays_as_sent_in_a_pipe() {
        let hostile = "\u{9b}31m\u{7f}\u{202e}\u{2066}한";
        let json = |line: &str| {
            format!(
                "{{\"labels\":{{\"app\":\"a\",\"service_name\":\"a\"}},\"line\":\"{line}\",\
                 \"timestamp\":\"1970-01-01T00:00:01.500000001Z\"}}\n"
            )
        };
        check(Output::Jsonl, true, hostile, &json("\\u009b31m\\u007f\\u202e\\u2066한"));
        check(Output::Jsonl, false, "\u{9b}31m\u{202e}", &json("\u{9b}31m\u{202e}"));
    }
}
