//! Lines as a file: their exact text, JSON lines, or CSV. Pure.
//!
//! Promises: text is each line as it is stored and a line feed; a cell of CSV is never a formula to a spreadsheet that
//! splits at commas, as RFC 4180 has it.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::model::{Labels, Timestamp};
use crate::query::{LogLine, Series};
use crate::web::explore::columns::cells;
use crate::web::explore::moment::zoned;
use crate::web::explore::rows::{level_of, source_of};

/// So that spreadsheets read the file as UTF-8, which without it they do not.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Format {
    Text,
    JsonLines,
    Csv,
}

impl Format {
    /// As the address and the file's name have it.
    pub(in crate::web) fn ending(self) -> &'static str {
        match self {
            Format::Text => "txt",
            Format::JsonLines => "jsonl",
            Format::Csv => "csv",
        }
    }

    pub(in crate::web) fn parse(text: &str) -> Format {
        match text {
            "csv" => Format::Csv,
            "jsonl" | "json" => Format::JsonLines,
            _ => Format::Text,
        }
    }

    pub(in crate::web) fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; charset=utf-8",
            Format::JsonLines => "application/x-ndjson",
            Format::Csv => "text/csv; charset=utf-8; header=present",
        }
    }
}

/// How lines are written.
#[derive(Clone, Debug)]
pub(in crate::web) struct Table {
    pub(in crate::web) format: Format,
    pub(in crate::web) zone: TimeZone,
    /// Fields or labels that are wanted instead of the whole.
    pub(in crate::web) columns: Vec<String>,
}

#[derive(Serialize)]
struct JsonLine<'a> {
    time: String,
    timestamp_ns: String,
    level: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<BTreeMap<&'a str, String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    fields: BTreeMap<&'a str, &'a str>,
    line: &'a str,
}

#[derive(Serialize)]
struct JsonPoint<'a> {
    time: String,
    labels: BTreeMap<&'a str, &'a str>,
    value: String,
}

impl Table {
    /// What stands before the first line.
    pub(in crate::web) fn head(&self) -> String {
        if self.format != Format::Csv {
            return String::new();
        }
        let mut names = vec!["time", "level"];
        match self.columns.is_empty() {
            true => names.extend(["source", "labels", "line"]),
            false => names.extend(self.columns.iter().map(String::as_str)),
        }
        BYTE_ORDER_MARK.to_owned() + &csv_row(names)
    }

    /// Puts a line at the end of `out`.
    pub(in crate::web) fn write(&self, line: &LogLine, out: &mut Vec<u8>) {
        match self.format {
            Format::Text => {
                out.extend_from_slice(line.line.as_bytes());
                out.push(b'\n');
            }
            Format::JsonLines => write_json(&self.json(line), out),
            Format::Csv => {
                let (time, level) = (self.time(line.timestamp), level_of(line).name());
                let row = if self.columns.is_empty() {
                    csv_row([&*time, level, source_of(&line.stream), &line.stream.to_string(), &line.line])
                } else {
                    let values = cells(line, &self.columns);
                    csv_row([&*time, level].into_iter().chain(values.iter().map(String::as_str)))
                };
                out.extend_from_slice(row.as_bytes());
            }
        }
    }

    /// What stands before the first point of a series.
    pub(in crate::web) fn series_head(&self) -> String {
        match self.format {
            Format::Csv => BYTE_ORDER_MARK.to_owned() + &csv_row(["time", "series", "value"]),
            Format::Text | Format::JsonLines => String::new(),
        }
    }

    /// Puts the points of a series at the end of `out`.
    pub(in crate::web) fn write_series(&self, series: &Series, out: &mut Vec<u8>) {
        let name = series.labels.to_string();
        for (timestamp, value) in &series.points {
            let (time, value) = (self.time(*timestamp), value.to_string());
            match self.format {
                Format::Text => out.extend_from_slice(format!("{time} {name} {value}\n").as_bytes()),
                Format::Csv => out.extend_from_slice(csv_row([&*time, &name, &value]).as_bytes()),
                Format::JsonLines => write_json(&JsonPoint { time, labels: pairs(&series.labels), value }, out),
            }
        }
    }

    fn json<'a>(&'a self, line: &'a LogLine) -> JsonLine<'a> {
        let all = |set: &'a Labels| if self.columns.is_empty() { pairs(set) } else { BTreeMap::new() };
        let named = || self.columns.iter().map(String::as_str).zip(cells(line, &self.columns)).collect();
        JsonLine {
            time: self.time(line.timestamp),
            timestamp_ns: line.timestamp.nanos().to_string(),
            level: level_of(line).name(),
            columns: (!self.columns.is_empty()).then(named),
            labels: all(&line.stream),
            metadata: all(&line.structured),
            fields: all(&line.parsed),
            line: &line.line,
        }
    }

    fn time(&self, timestamp: Timestamp) -> String {
        zoned(timestamp, &self.zone).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()
    }
}

fn pairs(set: &Labels) -> BTreeMap<&str, &str> {
    set.iter().collect()
}

fn write_json(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, value).expect("texts and maps of texts are always JSON");
    out.push(b'\n');
}

/// A row as RFC 4180 has it.
fn csv_row<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let mut row = String::new();
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            row.push(',');
        }
        let guard = if is_formula(cell) { "'" } else { "" };
        if guard.is_empty() && !cell.contains(['"', ',', '\n', '\r']) {
            row.push_str(cell);
        } else {
            row.push('"');
            row.push_str(guard);
            row.push_str(&cell.replace('"', "\"\""));
            row.push('"');
        }
    }
    row.push_str("\r\n");
    row
}

/// Whether a spreadsheet would take the text for a formula. Numbers with a sign are none.
fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) && cell.parse::<f64>().is_err()
}

#[cfg(test)]
mod tests {
    use crate::web::keep::table::*;

    fn line(text: &str) -> LogLine {
        LogLine {
            timestamp: Timestamp::from_nanos(1_795_358_760_123_456_789),
            line: text.to_owned(),
            stream: Labels::from([("app", "pay,ments")]),
            structured: Labels::from([("detected_level", "error"), ("trace", "t1")]),
            parsed: Labels::from([("status", "=1+1")]),
            rewritten: None,
        }
    }

    fn written(format: Format, columns: &[&str], text: &str) -> String {
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        let table = Table { format, zone: TimeZone::get("Asia/Seoul").unwrap(), columns };
        let mut out = table.head().into_bytes();
        table.write(&line(text), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_is_the_stored_bytes() {
        let odd = "=cmd \"x\",\t\u{202e}\u{0}\r\n  at a.b(c)\u{1b}[31m ";
        assert_eq!(written(Format::Text, &["status"], odd), format!("{odd}\n"));
    }

    #[test]
    fn csv_quotes_what_it_must_and_holds_no_formula() {
        assert_eq!(
            written(Format::Csv, &[], "=HYPERLINK(\"http://evil\")\nsecond"),
            "\u{feff}time,level,source,labels,line\r\n2026-11-22T23:46:00.123456789+09:00,error,\"pay,ments\",\
             \"{app=\"\"pay,ments\"\"}\",\"'=HYPERLINK(\"\"http://evil\"\")\nsecond\"\r\n"
        );
        assert_eq!(
            written(Format::Csv, &["status", "trace", "none"], "x").lines().nth(1),
            Some("2026-11-22T23:46:00.123456789+09:00,error,\"'=1+1\",t1,")
        );
        for (cell, row) in
            [("-5.2", "-5.2\r\n"), ("+a", "\"'+a\"\r\n"), ("-a", "\"'-a\"\r\n"), ("@SUM(A1)", "\"'@SUM(A1)\"\r\n")]
        {
            assert_eq!(csv_row([cell]), row);
        }
    }

    #[test]
    fn json_lines_hold_everything_or_the_columns() {
        let all: serde_json::Value = serde_json::from_str(&written(Format::JsonLines, &[], "a\nb")).unwrap();
        assert_eq!(all["line"], "a\nb");
        assert_eq!((&all["labels"]["app"], &all["metadata"]["trace"]), (&"pay,ments".into(), &"t1".into()));
        assert_eq!(all["timestamp_ns"], "1795358760123456789");
        let some: serde_json::Value = serde_json::from_str(&written(Format::JsonLines, &["trace"], "a")).unwrap();
        assert_eq!(some["columns"], serde_json::json!({ "trace": "t1" }));
        assert!(some.get("labels").is_none());
    }
}
