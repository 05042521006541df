//! What is counted of listeners and of the journal.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Why an entry of the journal gave no line.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Because {
    error: &'static str,
}

/// Counters of syslog and the journal.
#[derive(Debug, Default)]
pub(crate) struct IntakeMetrics {
    syslog_entries: Counter,
    syslog_errors: Counter,
    syslog_empty: Counter,
    syslog_dropped: Counter,
    journal_lines: Counter,
    journal_errors: Family<Because, Counter>,
}

impl IntakeMetrics {
    /// Names as Promtail has them, but for the dropped ones, which it does not count.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("syslog_target_entries", "Number of syslog messages taken", self.syslog_entries.clone());
        registry.register(
            "syslog_target_parsing_errors",
            "Number of syslog messages that could not be read whole",
            self.syslog_errors.clone(),
        );
        registry.register("syslog_empty_messages", "Number of syslog messages without text", self.syslog_empty.clone());
        registry.register(
            "syslog_target_dropped",
            "Number of syslog datagrams for which the spool had no room",
            self.syslog_dropped.clone(),
        );
        registry.register("journal_target_lines", "Number of lines taken from the journal", self.journal_lines.clone());
        registry.register(
            "journal_target_parsing_errors",
            "Number of entries of the journal without a line",
            self.journal_errors.clone(),
        );
    }

    pub(crate) fn syslog_taken(&self, count: u64) {
        self.syslog_entries.inc_by(count);
    }

    pub(crate) fn syslog_unreadable(&self) {
        self.syslog_errors.inc();
    }

    pub(crate) fn syslog_empty(&self) {
        self.syslog_empty.inc();
    }

    pub(crate) fn syslog_dropped(&self, count: u64) {
        self.syslog_dropped.inc_by(count);
    }

    pub(crate) fn journal_taken(&self, count: u64) {
        self.journal_lines.inc_by(count);
    }

    pub(crate) fn journal_unreadable(&self, error: &'static str) {
        self.journal_errors.get_or_create(&Because { error }).inc();
    }
}
