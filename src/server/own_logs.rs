//! Our own logs: on standard error, and into the store under `{job="logcafe"}`, so that Explore is never empty.
//!
//! Promises: logging never waits for the disk: what does not fit the queue is counted and dropped. What happens while
//! our own lines are stored is not stored again, so a failing store does not feed itself.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::{self, Write as _};
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

use crate::ingest::Intake;
use crate::model::{Entry, Labels, StreamEntries, Timestamp};

/// Lines that wait to be stored; beyond it they reach standard error only.
const QUEUE_LINES_MAX: usize = 4096;
/// Lines stored with one sync of the disk.
const BATCH_LINES_MAX: usize = 1024;

/// How lines look on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// One line of our own log.
#[derive(Debug)]
struct Line {
    timestamp: Timestamp,
    level: &'static str,
    /// In logfmt.
    text: String,
}

enum Message {
    Line(Line),
    Stop,
}

/// The lines on their way to the store; what `start` is given to store them.
#[derive(Debug)]
pub struct OwnLogs {
    queue: Receiver<Message>,
    stop: Stop,
}

/// Ends the storing of our own lines.
#[derive(Clone, Debug)]
struct Stop(SyncSender<Message>);

thread_local! {
    /// Set on the thread that stores our lines.
    static STORING: Cell<bool> = const { Cell::new(false) };
}

/// Switches logging on for the whole process; call it once. `filter` is as in `info,logcafe::store=debug`.
pub fn init(filter: &str, format: Format) -> anyhow::Result<OwnLogs> {
    let filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|error| anyhow::anyhow!("{filter:?} is no log filter ({error}); try info or info,logcafe=debug"))?;
    let (sender, queue) = sync_channel(QUEUE_LINES_MAX);
    let to_store = StoreLayer { queue: sender.clone(), dropped_count: Arc::default() };
    let stderr = match format {
        Format::Text => tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .boxed(),
        Format::Json => tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr).boxed(),
    };
    Registry::default().with(filter).with(stderr).with(to_store).try_init()?;
    Ok(OwnLogs { queue, stop: Stop(sender) })
}

impl OwnLogs {
    /// Hands lines to `store` in batches until it is stopped. Blocks: give it a thread of its own.
    fn store_all(self, mut store: impl FnMut(Vec<Line>)) {
        STORING.set(true);
        let mut batch = Vec::new();
        while let Ok(first) = self.queue.recv() {
            let mut next = Some(first);
            let mut stopped = false;
            while let Some(message) = next {
                match message {
                    Message::Line(line) => batch.push(line),
                    Message::Stop => stopped = true,
                }
                next = if stopped || batch.len() >= BATCH_LINES_MAX { None } else { self.queue.try_recv().ok() };
            }
            if !batch.is_empty() {
                store(std::mem::take(&mut batch));
            }
            if stopped {
                return;
            }
        }
    }
}

impl Stop {
    /// What was logged before this is still stored.
    fn stop(&self) {
        // an error means that the other end is gone already
        let _ = self.0.send(Message::Stop);
    }
}

/// Stores our own lines until it is told to finish.
#[derive(Debug)]
pub(crate) struct OwnLogsThread {
    stop: Stop,
    thread: JoinHandle<()>,
}

impl OwnLogsThread {
    pub(crate) fn spawn(own_logs: OwnLogs, intake: Arc<Intake>) -> std::io::Result<OwnLogsThread> {
        let stop = own_logs.stop.clone();
        let labels = Labels::from([("job", "logcafe")]);
        let store = move |lines| {
            let append = AssertUnwindSafe(|| intake.append(&[stream_of(&labels, lines)]));
            match catch_unwind(append) {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "cannot store our own log lines"),
                Err(_) => tracing::warn!("storing our own log lines panicked"),
            }
        };
        let thread = std::thread::Builder::new().name("own-logs".into()).spawn(move || own_logs.store_all(store))?;
        Ok(OwnLogsThread { stop, thread })
    }

    /// What was logged so far is stored; then the thread ends. Blocks.
    pub(crate) fn finish(self) {
        self.stop.stop();
        if self.thread.join().is_err() {
            tracing::error!("the thread that stores our own log lines panicked");
        }
    }
}

fn stream_of(labels: &Labels, lines: Vec<Line>) -> StreamEntries<'static> {
    let entry = |line: Line| Entry {
        timestamp: line.timestamp,
        line: Cow::Owned(line.text),
        metadata: Labels::from([("level", line.level)]),
    };
    StreamEntries { labels: labels.clone(), entries: lines.into_iter().map(entry).collect() }
}

/// Sends each event of level info and above to the queue.
struct StoreLayer {
    queue: SyncSender<Message>,
    dropped_count: Arc<AtomicU64>,
}

impl<S: Subscriber> Layer<S> for StoreLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() > Level::INFO || STORING.get() {
            return;
        }
        let dropped_count = self.dropped_count.swap(0, Ordering::Relaxed);
        let line = line_of(event, dropped_count);
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.dropped_count.fetch_add(dropped_count + 1, Ordering::Relaxed);
        }
    }
}

fn line_of(event: &Event<'_>, dropped_count: u64) -> Line {
    let metadata = event.metadata();
    let level = match *metadata.level() {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    };
    let mut fields = Logfmt { message: String::new(), rest: String::new() };
    event.record(&mut fields);
    let mut text = format!("level={level} msg={}", Value(&fields.message));
    text.push_str(&fields.rest);
    if dropped_count > 0 {
        let _ = write!(text, " lines_dropped_before={dropped_count}");
    }
    let _ = write!(text, " target={}", Value(metadata.target()));
    Line { timestamp: Timestamp::from(SystemTime::now()), level, text }
}

/// Collects an event's fields as `name=value` pairs.
struct Logfmt {
    message: String,
    rest: String,
}

impl Visit for Logfmt {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            name => {
                let _ = write!(self.rest, " {name}={}", Value(value));
            }
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// A value of logfmt: quoted where it would not stand alone.
struct Value<'v>(&'v str);

impl fmt::Display for Value<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stands_alone =
            !self.0.is_empty() && self.0.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"\"=\\".contains(c));
        if stands_alone { out.write_str(self.0) } else { write!(out, "{:?}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use crate::server::own_logs::{Line, OwnLogs, QUEUE_LINES_MAX, Stop, StoreLayer, sync_channel};

    /// What is queued for the store while `log` runs.
    fn stored(log: impl FnOnce()) -> Vec<Line> {
        let (sender, queue) = sync_channel(QUEUE_LINES_MAX);
        let own_logs = OwnLogs { queue, stop: Stop(sender.clone()) };
        let layer = StoreLayer { queue: sender, dropped_count: std::sync::Arc::default() };
        tracing::subscriber::with_default(tracing_subscriber::Registry::default().with(layer), log);
        own_logs.stop.stop();
        let mut lines = Vec::new();
        std::thread::spawn(move || {
            own_logs.store_all(|batch| {
                tracing::info!("said while storing");
                lines.extend(batch);
            });
            lines
        })
        .join()
        .unwrap()
    }

    #[test]
    fn an_event_becomes_a_line_that_no_value_can_forge() {
        let lines = stored(|| {
            tracing::warn!(user = "eve\" level=info msg=\"all is well\n", count = 3, "a login failed");
            tracing::debug!("not for the store");
        });
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].level, "warn");
        assert_eq!(
            lines[0].text,
            "level=warn msg=\"a login failed\" user=\"eve\\\" level=info msg=\\\"all is well\\n\" count=3 \
             target=logcafe::server::own_logs::tests"
        );
    }

    #[test]
    fn a_full_queue_drops_lines_and_says_so_later() {
        let (sender, queue) = sync_channel(1);
        let layer = StoreLayer { queue: sender, dropped_count: std::sync::Arc::default() };
        tracing::subscriber::with_default(tracing_subscriber::Registry::default().with(layer), || {
            tracing::info!("one");
            tracing::info!("two");
            tracing::info!("three");
            let _ = queue.recv();
            tracing::info!("four");
        });
        let crate::server::own_logs::Message::Line(line) = queue.recv().unwrap() else { panic!("a line") };
        assert!(line.text.contains("lines_dropped_before=2"), "{}", line.text);
    }
}
