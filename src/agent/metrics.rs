//! What the agent counts of itself, under the names that Promtail has for it.
//!
//! Promises: counting never waits for long, and never fails.

pub(crate) mod custom;
mod intake;
mod process;

use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
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
    mutated_bytes: Family<LostAt, Counter>,
    mutated_entries: Family<LostAt, Counter>,
    retries: Family<ToTenant, Counter>,
    reloads: Counter,
    failed_reloads: Counter,
    requests: Family<Asked, Histogram>,
    stage_dropped: Family<Because, Counter>,
    stage_dropped_bytes: Family<Because, Counter>,
    stage_dropped_by_label: Family<LabelValue, Counter>,
    docker_entries: Counter,
    docker_errors: Counter,
    /// The servers that are pushed to.
    hosts: Mutex<Vec<String>>,
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
    tenant: String,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ToTenant {
    host: String,
    tenant: String,
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

/// Why lines did not reach a server, or not as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The server will never take them.
    Refused,
    /// It takes no more, and the configuration says not to wait.
    RateLimited,
    /// There are more streams than `max_streams`.
    Streams,
    /// Longer than `max_line_size`.
    LineTooLong,
}

impl Loss {
    const ALL: [Loss; 4] = [Loss::Refused, Loss::RateLimited, Loss::Streams, Loss::LineTooLong];

    /// As Promtail has it.
    fn reason(self) -> &'static str {
        match self {
            Loss::Refused => "ingester_error",
            Loss::RateLimited => "rate_limited",
            Loss::Streams => "stream_limited",
            Loss::LineTooLong => "line_too_long",
        }
    }
}

/// What becomes of a line that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Dropped,
    Cut,
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
            mutated_bytes: Family::default(),
            mutated_entries: Family::default(),
            retries: Family::default(),
            reloads: Counter::default(),
            failed_reloads: Counter::default(),
            hosts: Mutex::default(),
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
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = &mut *registry;
        let build = [("version", env!("CARGO_PKG_VERSION")), ("revision", ""), ("branch", "")];
        let build = build.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let promtail = registry.sub_registry_with_prefix("promtail");
        self.intake.register(promtail);
        self.register_docker(promtail);
        promtail.register("build", "What this is: logcafe's agent, in Promtail's place", Info::new(build));
        promtail.register("read_bytes_total", "Bytes read of a file", self.read_bytes.clone());
        promtail.register("read_lines", "Lines read of a file", self.read_lines.clone());
        promtail.register("file_bytes_total", "Bytes in a file", self.file_bytes.clone());
        promtail.register("files_active_total", "Files that are read", self.files_active.clone());
        promtail.register("targets_active_total", "Targets", self.targets_active.clone());
        promtail.register("targets_failed", "Targets that failed", self.targets_failed.clone());
        promtail.register("encoded_bytes", "Bytes that were made ready to send", self.encoded_bytes.clone());
        promtail.register("sent_bytes", "Bytes that a server took", self.sent_bytes.clone());
        promtail.register("sent_entries", "Lines that a server took", self.sent_entries.clone());
        promtail.register("dropped_bytes", "Bytes that were given up", self.dropped_bytes.clone());
        promtail.register("dropped_entries", "Lines that were given up", self.dropped_entries.clone());
        promtail.register("mutated_bytes", "Bytes that were cut off", self.mutated_bytes.clone());
        promtail.register("mutated_entries", "Lines that were cut", self.mutated_entries.clone());
        promtail.register("batch_retries", "Times that a batch was sent again", self.retries.clone());
        promtail.register("request_duration_seconds", "Duration of requests", self.requests.clone());
        promtail.register("config_reload_success", "Times that the configuration was read anew", self.reloads.clone());
        let help = "Times that a new configuration could not be followed";
        promtail.register("config_reload_fail", help, self.failed_reloads.clone());
        let stages = registry.sub_registry_with_prefix("logentry");
        stages.register("dropped_lines", "Lines that stages dropped", self.stage_dropped.clone());
        stages.register("dropped_bytes", "Bytes of lines that stages dropped", self.stage_dropped_bytes.clone());
        let help = "Lines that limit stages dropped, by the label that they limit";
        stages.register("dropped_lines_by_label", help, self.stage_dropped_by_label.clone());
    }

    /// Names as Promtail has them, of what is read from containers.
    fn register_docker(&self, registry: &mut Registry) {
        let entries = self.docker_entries.clone();
        registry.register("docker_target_entries", "Number of lines that came from containers", entries);
        let errors = self.docker_errors.clone();
        registry.register("docker_target_parsing_errors", "Number of their lines that had no time", errors);
    }

    /// Lines came from a container, some of them without a time.
    pub(crate) fn docker_lines(&self, lines: usize, without_time: usize) {
        self.docker_entries.inc_by(lines as u64);
        self.docker_errors.inc_by(without_time as u64);
    }

    /// All of it in the text form of Prometheus, which is Promtail's.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        {
            let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
            // writing into a String does not fail
            let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        }
        let mut out = classic(&text);
        self.custom.render(Instant::now(), &mut out);
        process::render(&mut out);
        out
    }

    /// A server is pushed to from now on: what is counted for it begins with zero, so that the first loss is a change.
    pub(crate) fn host(&self, host: &str) {
        let to_host = ToHost { host: host.to_owned() };
        for family in [&self.encoded_bytes, &self.sent_bytes, &self.sent_entries] {
            family.get_or_create(&to_host).inc_by(0);
        }
        self.retries.get_or_create(&ToTenant { host: host.to_owned(), tenant: String::new() }).inc_by(0);
        for reason in Loss::ALL.map(Loss::reason) {
            let lost = LostAt { host: host.to_owned(), tenant: String::new(), reason };
            for family in [&self.dropped_bytes, &self.dropped_entries, &self.mutated_bytes, &self.mutated_entries] {
                family.get_or_create(&lost).inc_by(0);
            }
        }
        self.hosts().push(host.to_owned());
    }

    /// The parts are started anew: what is counted for each file, and by stages, begins anew.
    pub(crate) fn begin_anew(&self) {
        self.read_bytes.clear();
        self.read_lines.clear();
        self.file_bytes.clear();
        self.custom.clear();
        self.hosts().clear();
    }

    /// The configuration was read anew, and is followed or not.
    pub(crate) fn reloaded(&self, is_followed: bool) {
        if is_followed {
            self.reloads.inc()
        } else {
            self.failed_reloads.inc()
        };
    }

    /// A line was longer than it may be. It goes to no server, or to each without its end: that many bytes.
    pub(crate) fn too_long(&self, tenant: Option<&str>, change: Change, bytes: usize) {
        for host in self.hosts().iter() {
            let lost = lost(host, tenant.unwrap_or_default(), Loss::LineTooLong);
            let (entries, of_bytes) = match change {
                Change::Dropped => (&self.dropped_entries, &self.dropped_bytes),
                Change::Cut => (&self.mutated_entries, &self.mutated_bytes),
            };
            entries.get_or_create(&lost).inc();
            of_bytes.get_or_create(&lost).inc_by(bytes as u64);
        }
    }

    fn hosts(&self) -> MutexGuard<'_, Vec<String>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// A batch is ready to be sent.
    pub(crate) fn encoded(&self, host: &str, bytes: usize) {
        self.encoded_bytes.get_or_create(&ToHost { host: host.to_owned() }).inc_by(bytes as u64);
    }

    pub(crate) fn sent(&self, host: &str, lines: usize, bytes: usize) {
        let host = ToHost { host: host.to_owned() };
        self.sent_entries.get_or_create(&host).inc_by(lines as u64);
        self.sent_bytes.get_or_create(&host).inc_by(bytes as u64);
    }

    pub(crate) fn gave_up(&self, host: &str, tenant: &str, loss: Loss, lines: usize, bytes: usize) {
        let lost = lost(host, tenant, loss);
        self.dropped_entries.get_or_create(&lost).inc_by(lines as u64);
        self.dropped_bytes.get_or_create(&lost).inc_by(bytes as u64);
    }

    pub(crate) fn retried(&self, host: &str, tenant: &str) {
        self.retries.get_or_create(&ToTenant { host: host.to_owned(), tenant: tenant.to_owned() }).inc();
    }
}

fn lost(host: &str, tenant: &str, loss: Loss) -> LostAt {
    LostAt { host: host.to_owned(), tenant: tenant.to_owned(), reason: loss.reason() }
}

/// The library writes OpenMetrics; in Prometheus' older form, which Promtail has, a counter is told of by its whole name.
fn classic(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut lines = text.lines().filter(|line| *line != "# EOF").peekable();
    while let Some(line) = lines.next() {
        let of_type = if line.starts_with("# HELP ") { lines.peek().copied().unwrap_or_default() } else { line };
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let is_counter = of_type.starts_with("# TYPE ") && of_type.ends_with(" counter");
        match words.as_slice() {
            ["#", kind, name, rest] if is_counter => {
                let _ = writeln!(out, "# {kind} {name}_total {rest}");
            }
            ["#", "TYPE", name, "info"] => {
                let _ = writeln!(out, "# TYPE {name}_info gauge");
            }
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::agent::metrics::*;

    #[test]
    fn what_is_told_is_in_the_form_that_promtail_has() {
        let metrics = Metrics::default();
        metrics.host("logs:3100");
        metrics.read("/var/log/x", 2, 7, 9);
        metrics.sent("logs:3100", 2, 40);
        metrics.gave_up("logs:3100", "t", Loss::RateLimited, 3, 30);
        metrics.too_long(None, Change::Cut, 5);
        metrics.dropped("drop_stage", 4);
        metrics.reloaded(false);
        let text = metrics.render();
        for line in [
            "# TYPE promtail_sent_entries_total counter",
            "# HELP promtail_sent_entries_total Lines that a server took.",
            "promtail_sent_entries_total{host=\"logs:3100\"} 2",
            "promtail_sent_bytes_total{host=\"logs:3100\"} 40",
            "promtail_batch_retries_total{host=\"logs:3100\",tenant=\"\"} 0",
            "# TYPE promtail_read_bytes_total gauge",
            "promtail_read_bytes_total{path=\"/var/log/x\"} 7",
            "promtail_read_lines_total{path=\"/var/log/x\"} 2",
            "promtail_dropped_entries_total{host=\"logs:3100\",tenant=\"t\",reason=\"rate_limited\"} 3",
            "promtail_dropped_entries_total{host=\"logs:3100\",tenant=\"\",reason=\"stream_limited\"} 0",
            "promtail_mutated_bytes_total{host=\"logs:3100\",tenant=\"\",reason=\"line_too_long\"} 5",
            "logentry_dropped_lines_total{reason=\"drop_stage\"} 1",
            "promtail_config_reload_fail_total 1",
            "# TYPE promtail_build_info gauge",
            "# TYPE process_resident_memory_bytes gauge",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("# EOF") && text.contains("promtail_build_info{version="), "{text}");
        metrics.begin_anew();
        assert!(!metrics.render().contains("/var/log/x"));
    }
}
