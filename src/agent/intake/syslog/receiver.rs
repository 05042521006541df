//! From the bytes of a message to a line with its labels.
//!
//! Promises: two messages with one time stay two; what cannot be read is counted, and said seldom, without its text.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use crate::agent::config::scrape::Syslog;
use crate::agent::intake::keep::Line;
use crate::agent::intake::labelling::{Facts, Labelling};
use crate::agent::intake::seldom::Seldom;
use crate::agent::intake::syslog::frame::Frame;
use crate::agent::intake::syslog::message::{self, Form, Message, Unreadable};
use crate::agent::intake::syslog::names::Peer;
use crate::agent::metrics::Metrics;
use crate::agent::spool::Spool;
use crate::agent::stage::generations::Generations;
use crate::model::Timestamp;

const ADDRESS: &str = "__syslog_connection_ip_address";
const HOSTNAME: &str = "__syslog_connection_hostname";
/// Labels of each message.
const OF_MESSAGE: [&str; 6] = [
    "__syslog_message_severity",
    "__syslog_message_facility",
    "__syslog_message_hostname",
    "__syslog_message_app_name",
    "__syslog_message_proc_id",
    "__syslog_message_msg_id",
];
/// What labels of structured data begin with.
const STRUCTURED: &str = "__syslog_message_sd_";
/// The longest message where the configuration says 0.
const BYTES_MAX: usize = 8192;
/// Times that are remembered at least: more messages than that do not come with times of one another in between.
const TIMES_MAX: usize = 4096;

/// What all connections of one listener share.
pub(crate) struct Receiver {
    settings: Syslog,
    labelling: Labelling,
    pub(crate) spool: Spool,
    pub(crate) metrics: Arc<Metrics>,
    /// Which of `OF_MESSAGE` a rule reads.
    is_read: [bool; OF_MESSAGE.len()],
    /// How many messages had a time.
    times: Mutex<Generations<Timestamp, i64>>,
    unreadable: Seldom,
    cut: Seldom,
}

impl Receiver {
    pub(crate) fn new(settings: Syslog, labelling: Labelling, spool: Spool, metrics: Arc<Metrics>) -> Receiver {
        Receiver {
            is_read: OF_MESSAGE.map(|name| labelling.reads(name)),
            times: Mutex::new(Generations::new(TIMES_MAX)),
            unreadable: Seldom::default(),
            cut: Seldom::default(),
            settings,
            labelling,
            spool,
            metrics,
        }
    }

    pub(crate) fn settings(&self) -> &Syslog {
        &self.settings
    }

    /// The longest message; what is longer is cut.
    pub(crate) fn bytes_max(&self) -> usize {
        match usize::try_from(self.settings.max_message_length.0) {
            Ok(0) => BYTES_MAX,
            Ok(bytes_max) => bytes_max,
            Err(_) => usize::MAX,
        }
    }

    /// Whether someone wants to know what a sender is called.
    pub(crate) fn wants_hostname(&self) -> bool {
        self.labelling.reads(HOSTNAME)
    }

    /// The line of a message, where it has one and no rule drops it.
    pub(crate) fn read(&self, frame: &Frame, peer: &Peer) -> Option<Line> {
        let text = String::from_utf8_lossy(&frame.bytes);
        if text.trim().is_empty() {
            return None;
        }
        if frame.is_cut {
            self.say_cut(peer);
        }
        let message = match message::parse(&text, SystemTime::now().into()) {
            Ok(message) => message,
            Err(reason) => {
                self.say_unreadable(reason, peer);
                return None;
            }
        };
        let line = match message.form {
            // the whole of it says something though its text does not
            Form::Rfc5424 if self.settings.use_rfc5424_message => Some(text.as_ref())
                .filter(|_| !message.text.is_empty() || !message.header.structured.is_empty())
                .unwrap_or_default(),
            Form::Rfc5424 | Form::Rfc3164 => message.text,
        };
        if line.is_empty() {
            self.metrics.intake.syslog_empty();
            return None;
        }
        Some(Line {
            timestamp: self.timestamp(&message),
            labels: self.labelling.label(self.facts(&message, peer))?,
            text: line.to_owned(),
        })
    }

    /// What is known of a message, as far as rules read it.
    fn facts(&self, message: &Message<'_>, peer: &Peer) -> Facts {
        let header = &message.header;
        let values = [
            Some(message.severity()),
            Some(message.facility()),
            header.hostname,
            header.app_name,
            header.proc_id,
            header.msg_id,
        ];
        let mut facts = Facts::new();
        for ((name, value), is_read) in OF_MESSAGE.into_iter().zip(values).zip(self.is_read) {
            if let Some(value) = value.filter(|_| is_read) {
                facts.push((name.to_owned(), value.to_owned()));
            }
        }
        if self.settings.label_structured_data {
            for param in &header.structured {
                let name = format!("{STRUCTURED}{}_{}", label_part(param.id), label_part(param.name));
                if self.labelling.reads(&name) {
                    facts.push((name, param.value.clone().into_owned()));
                }
            }
        }
        if self.labelling.reads(ADDRESS) {
            facts.push((ADDRESS.to_owned(), peer.address.clone()));
        }
        if let Some(hostname) = &peer.hostname {
            facts.push((HOSTNAME.to_owned(), hostname.clone()));
        }
        facts
    }

    /// The time of the message, where it is wanted. Most have whole seconds; the second one with the same time comes a
    /// nanosecond later, as servers take two equal lines at one time for one.
    fn timestamp(&self, message: &Message<'_>) -> Option<Timestamp> {
        let timestamp = message.header.timestamp.filter(|_| self.settings.use_incoming_timestamp)?;
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = times.get(timestamp) else {
            times.insert(timestamp, 0);
            return Some(timestamp);
        };
        *count += 1;
        Some(timestamp.plus_nanos(*count))
    }

    fn say_unreadable(&self, reason: Unreadable, peer: &Peer) {
        self.metrics.intake.syslog_unreadable();
        if let Some(count) = self.unreadable.happened(1, Instant::now()) {
            let (listener, sender) = (&self.settings.listen_address, &peer.address);
            tracing::warn!(
                "syslog on {listener}: {count} messages could not be read, the last one from {sender}: {reason}; let the \
                 sender write RFC 5424 or RFC 3164"
            );
        }
    }

    fn say_cut(&self, peer: &Peer) {
        self.metrics.intake.syslog_unreadable();
        if let Some(count) = self.cut.happened(1, Instant::now()) {
            let (listener, sender, bytes_max) = (&self.settings.listen_address, &peer.address, self.bytes_max());
            tracing::warn!(
                "syslog on {listener}: {count} messages were cut, the last one from {sender}: they came in part, or had \
                 more than {bytes_max} bytes; set max_message_length to more"
            );
        }
    }
}

/// A part of a label's name: what no name can have becomes an underscore, so that rules can name it.
fn label_part(text: &str) -> String {
    text.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
}
