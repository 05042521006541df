//! What the agent counts of itself, under the names that Promtail has for it.
//!
//! Promises: counting never waits for long, and never fails.

pub(crate) mod custom;
mod intake;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::agent::metrics::custom::CustomMetrics;
use crate::agent::metrics::intake::IntakeMetrics;

/// Seconds that a request takes, in steps.
const REQUEST_SECS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Counters of one agent.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Mutex<Registry>,
    read_bytes: Family<OfPath, Gauge>,
    read_lines: Family<OfPath, Counter>,
    file_bytes: Family<OfPath, Gauge>,
    files_active: Gauge,
    targets_active: Gauge,
    targets_failed: Family<Because, Counter>,
    encoded_bytes: Family<ToHost, Counter>,
    sent_bytes: Family<ToHost, Counter>,
    sent_entries: Family<ToHost, Counter>,
    dropped_bytes: Family<LostAt, Counter>,
    dropped_entries: Family<LostAt, Counter>,
    retries: Family<ToHost, Counter>,
    requests: Family<Asked, Histogram>,
    stage_dropped: Family<Because, Counter>,
    stage_dropped_bytes: Family<Because, Counter>,
    stage_dropped_by_label: Family<LabelValue, Counter>,
    docker_entries: Counter,
    docker_errors: Counter,
    /// What `metrics` stages count.
    pub(crate) custom: CustomMetrics,
    /// What is received by syslog and from the journal.
    pub(crate) intake: IntakeMetrics,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LabelValue {
    label_name: String,
    label_value: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfPath {
    path: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ToHost {
    host: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LostAt {
    host: String,
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Because {
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Asked {
    status_code: String,
    host: String,
}

/// What a server took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    line_count: u64,
    message_bytes: u64,
    encoded_bytes: u64,
}

impl Sent {
    pub(crate) fn of(line_count: usize, message_bytes: usize, encoded_bytes: usize) -> Sent {
        let [line_count, message_bytes, encoded_bytes] =
            [line_count, message_bytes, encoded_bytes].map(|one| one as u64);
        Sent { line_count, message_bytes, encoded_bytes }
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        let metrics = Metrics {
            registry: Mutex::default(),
            read_bytes: Family::default(),
            read_lines: Family::default(),
            file_bytes: Family::default(),
            files_active: Gauge::default(),
            targets_active: Gauge::default(),
            targets_failed: Family::default(),
            encoded_bytes: Family::default(),
            sent_bytes: Family::default(),
            sent_entries: Family::default(),
            dropped_bytes: Family::default(),
            dropped_entries: Family::default(),
            retries: Family::default(),
            requests: Family::new_with_constructor(|| Histogram::new(REQUEST_SECS)),
            stage_dropped: Family::default(),
            stage_dropped_bytes: Family::default(),
            stage_dropped_by_label: Family::default(),
            docker_entries: Counter::default(),
            docker_errors: Counter::default(),
            custom: CustomMetrics::default(),
            intake: IntakeMetrics::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    /// Names as Promtail has them; the library writes the `_total` of counters itself.
    fn register(&self) {
        let mut registry = self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let registry = registry.sub_registry_with_prefix("promtail");
        self.intake.register(registry);
        registry.register("read_bytes_total", "Number of bytes read", self.read_bytes.clone());
        registry.register("read_lines", "Number of lines read", self.read_lines.clone());
        registry.register("file_bytes_total", "Number of bytes in a file", self.file_bytes.clone());
        registry.register("files_active_total", "Number of files that are read", self.files_active.clone());
        registry.register("targets_active_total", "Number of targets", self.targets_active.clone());
        registry.register("targets_failed", "Number of targets that failed", self.targets_failed.clone());
        registry.register("encoded_bytes", "Number of bytes sent, compressed", self.encoded_bytes.clone());
        registry.register("sent_bytes", "Number of bytes sent, before they were compressed", self.sent_bytes.clone());
        registry.register("sent_entries", "Number of lines that a server took", self.sent_entries.clone());
        registry.register("dropped_bytes", "Number of bytes that a server refused", self.dropped_bytes.clone());
        registry.register("dropped_entries", "Number of lines that a server refused", self.dropped_entries.clone());
        registry.register("batch_retries", "Number of times that a batch was sent again", self.retries.clone());
        registry.register("request_duration_seconds", "Duration of requests", self.requests.clone());
        registry.register("stage_dropped_lines", "Lines that stages dropped", self.stage_dropped.clone());
        registry.register(
            "stage_dropped_bytes",
            "Bytes of lines that stages dropped",
            self.stage_dropped_bytes.clone(),
        );
        registry.register(
            "stage_dropped_lines_by_label",
            "Lines that limit stages dropped, by the label that they limit",
            self.stage_dropped_by_label.clone(),
        );
        self.register_docker(registry);
    }

    /// Names as Promtail has them, of what is read from containers.
    fn register_docker(&self, registry: &mut Registry) {
        let entries = self.docker_entries.clone();
        registry.register("docker_target_entries", "Number of lines that came from containers", entries);
        let errors = self.docker_errors.clone();
        registry.register("docker_target_parsing_errors", "Number of their lines that had no time", errors);
    }

    /// Lines came from a container, some of them without a time.
    pub(crate) fn from_docker(&self, lines: usize, without_time: usize) {
        self.docker_entries.inc_by(lines as u64);
        self.docker_errors.inc_by(without_time as u64);
    }

    /// All of it as OpenMetrics text.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // writing into a String does not fail
        let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        let end = "# EOF\n";
        text.truncate(text.strip_suffix(end).map_or(text.len(), str::len));
        self.custom.render(Instant::now(), &mut text);
        text.push_str(end);
        text
    }

    /// A stage dropped a line, as its configuration says.
    pub(crate) fn dropped(&self, reason: &str, bytes: usize) {
        let because = Because { reason: reason.to_owned() };
        self.stage_dropped.get_or_create(&because).inc();
        self.stage_dropped_bytes.get_or_create(&because).inc_by(bytes as u64);
    }

    /// A stage dropped a line because there are too many with this value of a label.
    pub(crate) fn dropped_by_label(&self, name: &str, value: &str) {
        let label = LabelValue { label_name: name.to_owned(), label_value: value.to_owned() };
        self.stage_dropped_by_label.get_or_create(&label).inc();
    }

    /// The values of a label are forgotten: there were too many.
    pub(crate) fn forget_labels(&self) {
        self.stage_dropped_by_label.clear();
    }

    /// Lines were read of a file, up to a place.
    pub(crate) fn read(&self, path: &str, lines: usize, place: u64, file_bytes: u64) {
        let of_path = OfPath { path: path.to_owned() };
        self.read_lines.get_or_create(&of_path).inc_by(lines as u64);
        self.read_bytes.get_or_create(&of_path).set(place.cast_signed());
        self.file_bytes.get_or_create(&of_path).set(file_bytes.cast_signed());
    }

    /// A file is not read any more.
    pub(crate) fn forget(&self, path: &str) {
        let of_path = OfPath { path: path.to_owned() };
        self.read_lines.remove(&of_path);
        self.read_bytes.remove(&of_path);
        self.file_bytes.remove(&of_path);
    }

    pub(crate) fn active(&self, files: usize, targets: usize) {
        self.files_active.set(files as i64);
        self.targets_active.set(targets as i64);
    }

    pub(crate) fn target_failed(&self, reason: &str) {
        self.targets_failed.get_or_create(&Because { reason: reason.to_owned() }).inc();
    }

    pub(crate) fn requested(&self, host: &str, status: &str, took: Duration) {
        let asked = Asked { status_code: status.to_owned(), host: host.to_owned() };
        self.requests.get_or_create(&asked).observe(took.as_secs_f64());
    }

    pub(crate) fn sent(&self, host: &str, sent: &Sent) {
        let host = ToHost { host: host.to_owned() };
        self.sent_entries.get_or_create(&host).inc_by(sent.line_count);
        self.sent_bytes.get_or_create(&host).inc_by(sent.message_bytes);
        self.encoded_bytes.get_or_create(&host).inc_by(sent.encoded_bytes);
    }

    pub(crate) fn gave_up(&self, host: &str, lines: usize, bytes: usize) {
        let lost = LostAt { host: host.to_owned(), reason: "ingester_error".to_owned() };
        self.dropped_entries.get_or_create(&lost).inc_by(lines as u64);
        self.dropped_bytes.get_or_create(&lost).inc_by(bytes as u64);
    }

    pub(crate) fn retried(&self, host: &str) {
        self.retries.get_or_create(&ToHost { host: host.to_owned() }).inc();
    }
}
