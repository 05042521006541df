//! Lines on the terminal in place of a server: what would be sent, and what each stage changes.
//!
//! Promises: a log line cannot change the terminal; a file or a pipe gets no colours.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};

use crate::agent::entry::Entry;
use crate::agent::outlet::{Ledger, Outgoing, Outlet, Stretch};
use crate::agent::stage::{Flow, Stage};
use crate::model::Timestamp;
use crate::model::harmless::harmless;

const ADDED: Style = AnsiColor::Green.on_default();
const REMOVED: Style = AnsiColor::Red.on_default();
const NAME: Style = AnsiColor::Yellow.on_default();
const DIM: Style = Style::new().dimmed();

/// Prints lines in place of sending them.
pub(crate) struct Terminal<W> {
    out: W,
    ledger: Arc<dyn Ledger>,
}

impl<W: Write> Terminal<W> {
    /// What was printed counts as answered for: the ledger is told so.
    pub(crate) fn new(out: W, ledger: Arc<dyn Ledger>) -> Terminal<W> {
        Terminal { out, ledger }
    }
}

impl<W: Write> Outlet for Terminal<W> {
    fn ready(&mut self, _wait: Duration) -> bool {
        true
    }

    fn begin(&mut self, _stretch: Stretch) {}

    fn send(&mut self, line: Outgoing<'_>) {
        // a terminal that went away ends the agent by its signal
        let _ = writeln!(self.out, "{}", sent(&line));
    }

    fn reached(&mut self, source: u32, place: u64) {
        self.ledger.answered(source, place);
    }

    fn tick(&mut self, _now: Instant) -> Option<Instant> {
        None
    }
}

/// Time, labels and text with tabs between, as Promtail prints them.
fn sent(line: &Outgoing<'_>) -> String {
    let mut text = format!("{DIM}{}\t{}{DIM:#}\t", time(line.timestamp), harmless(&line.labels.to_string()));
    text.push_str(&harmless(line.line));
    for (name, value) in line.structured {
        let _ = write!(text, "\t{DIM}{}{DIM:#}", harmless(&format!("{name}={value:?}")));
    }
    if let Some(tenant) = line.tenant {
        let _ = write!(text, "\t{DIM}tenant {}{DIM:#}", harmless(tenant));
    }
    text
}

fn time(timestamp: Timestamp) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(timestamp.nanos())) {
        Ok(time) => time.to_string(),
        Err(_) => timestamp.nanos().to_string(),
    }
}

/// A stage that tells what it changes.
pub(crate) struct Inspected {
    name: &'static str,
    stage: Box<dyn Stage>,
    before: Entry,
    out: Box<dyn Write + Send>,
}

impl Inspected {
    pub(crate) fn new(name: &'static str, stage: Box<dyn Stage>, out: Box<dyn Write + Send>) -> Inspected {
        Inspected { name, stage, before: Entry::default(), out }
    }
}

impl Stage for Inspected {
    fn run(&mut self, entry: &mut Entry, now: Instant) -> Flow {
        self.before.clone_from(entry);
        let flow = self.stage.run(entry, now);
        let text = match flow {
            Flow::Pass => changes(self.name, &self.before, entry),
            Flow::Drop => format!("{NAME}{}{NAME:#} {REMOVED}drops the line{REMOVED:#}\n", self.name),
            Flow::Hold => format!("{NAME}{}{NAME:#} {DIM}keeps the line for later{DIM:#}\n", self.name),
        };
        let _ = self.out.write_all(text.as_bytes());
        flow
    }

    fn due(&mut self, now: Instant, all: bool) -> Option<Entry> {
        let entry = self.stage.due(now, all)?;
        let text = format!("{NAME}{}{NAME:#} lets go of\n  {ADDED}+ {:?}{ADDED:#}\n", self.name, entry.line);
        let _ = self.out.write_all(text.as_bytes());
        Some(entry)
    }

    fn held_since(&self, source: u32) -> Option<u64> {
        self.stage.held_since(source)
    }

    fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.stage.paused_until(now)
    }
}

/// What a stage changed of an entry. Texts are quoted, so they cannot change the terminal.
fn changes(name: &str, before: &Entry, after: &Entry) -> String {
    let mut list = String::new();
    let mut change = |what: &str, old: Option<String>, new: Option<String>| {
        if old == new {
            return;
        }
        let _ = writeln!(list, "  {}", harmless(what));
        if let Some(old) = old {
            let _ = writeln!(list, "    {REMOVED}- {}{REMOVED:#}", harmless(&old));
        }
        if let Some(new) = new {
            let _ = writeln!(list, "    {ADDED}+ {}{ADDED:#}", harmless(&new));
        }
    };
    let quoted = |text: &str| Some(format!("{text:?}"));
    change("line", quoted(&before.line), quoted(&after.line));
    change("timestamp", before.timestamp.map(time), after.timestamp.map(time));
    let pairs = [
        ("label", texts(before.labels.iter()), texts(after.labels.iter())),
        ("metadata", texts(structured(before)), texts(structured(after))),
        ("extracted", texts(before.extracted.iter()), texts(after.extracted.iter())),
    ];
    for (kind, old, new) in &pairs {
        for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
            change(&format!("{kind} {name}"), old.get(name).cloned(), new.get(name).cloned());
        }
    }
    match list.is_empty() {
        true => format!("{NAME}{name}{NAME:#} {DIM}changes nothing{DIM:#}\n"),
        false => format!("{NAME}{name}{NAME:#}\n{list}"),
    }
}

fn structured(entry: &Entry) -> impl Iterator<Item = (&str, &str)> {
    entry.structured.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

fn texts<V: AsRef<str>>(pairs: impl Iterator<Item = (impl AsRef<str>, V)>) -> BTreeMap<String, String> {
    pairs.map(|(name, value)| (name.as_ref().to_owned(), format!("{:?}", value.as_ref()))).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use crate::agent::config::pipeline::{StageConfig, build_inspected};
    use crate::agent::entry::Place;
    use crate::agent::show::*;
    use crate::agent::stage::Surroundings;
    use crate::model::Labels;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        /// Without colours.
        fn text(&self) -> String {
            let bytes = self.0.lock().unwrap().clone();
            anstream::adapter::strip_str(&String::from_utf8(bytes).unwrap()).to_string()
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn labels() -> Labels {
        Labels::from_pairs([("job".to_owned(), "x".to_owned())])
    }

    struct Nobody;

    impl Ledger for Nobody {
        fn begun(&self, _stretches: &[Stretch]) {}

        fn answered(&self, _source: u32, _place: u64) {}
    }

    #[test]
    fn a_line_is_printed_with_time_and_labels() {
        let shared = Shared::default();
        let mut terminal = Terminal::new(shared.clone(), Arc::new(Nobody));
        let labels = labels();
        let structured = [("trace".to_owned(), "7".to_owned())];
        let timestamp = Timestamp::from_secs(1_700_000_000);
        terminal.send(Outgoing { labels: &labels, timestamp, line: "a\x1b[2J", structured: &structured, tenant: None });
        let printed = shared.text();
        assert_eq!(printed, "2023-11-14T22:13:20Z\t{job=\"x\"}\ta\\u{1b}[2J\ttrace=\"7\"\n");
    }

    #[test]
    fn each_stage_tells_what_it_changes() {
        let stages: Vec<StageConfig> = serde_saphyr::from_str(
            "- regex: {expression: '^(?P<level>\\w+) (?P<text>.*)$'}\n- labels: {level: }\n- output: {source: text}\n\
             - drop: {expression: 'none'}\n- match: {selector: '{level=\"warn\"}', action: drop}\n",
        )
        .unwrap();
        let shared = Shared::default();
        let out = || -> Box<dyn Write + Send> { Box::new(shared.clone()) };
        let mut pipeline = build_inspected(&stages, &Surroundings::default(), &out);
        let mut entry = Entry::default();
        entry.begin(&labels(), Timestamp::from_secs(1), "warn disk full", Place::default());
        pipeline.run(&mut entry, Instant::now(), &mut |_| panic!("it is dropped"));
        let printed = shared.text();
        let expected = "regex\n  extracted level\n    + \"warn\"\n  extracted text\n    + \"disk full\"\n\
                        labels\n  label level\n    + \"warn\"\n\
                        output\n  line\n    - \"warn disk full\"\n    + \"disk full\"\n\
                        drop changes nothing\nmatch drops the line\n";
        assert_eq!(printed, expected);
    }
}
