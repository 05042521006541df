//! One syslog message, read: RFC 5424 and RFC 3164, and what devices and programs make of them.
//!
//! Promises: whichever of the two a message is, it is read as that; with a priority in front, nothing of a text is
//! lost: what is no header is the message. Never looks at a clock: `now` comes in.

use std::borrow::Cow;

use thiserror::Error;

use crate::agent::intake::syslog::{rfc3164, rfc5424};
use crate::model::Timestamp;

/// Names of facilities as Promtail has them.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "security", "console", "cron2", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];
/// Names of severities as Promtail has them.
const SEVERITIES: [&str; 8] =
    ["emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"];
/// What some senders put before UTF-8.
const BOM: char = '\u{feff}';

/// Why a text is no syslog message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Unreadable {
    #[error("it does not begin with a priority such as <34>")]
    NoPriority,
    #[error("its priority is greater than 191")]
    PriorityTooGreat,
}

/// Which of the two a message was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Rfc5424,
    Rfc3164,
}

/// A message and what its header says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message<'a> {
    pub(crate) form: Form,
    pub(crate) priority: u8,
    pub(crate) header: Header<'a>,
    pub(crate) text: &'a str,
}

/// What stands before the text; what the sender does not know is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Header<'a> {
    pub(crate) timestamp: Option<Timestamp>,
    pub(crate) hostname: Option<&'a str>,
    pub(crate) app_name: Option<&'a str>,
    pub(crate) proc_id: Option<&'a str>,
    pub(crate) msg_id: Option<&'a str>,
    pub(crate) structured: Vec<Param<'a>>,
}

/// One value of the structured data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Param<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) value: Cow<'a, str>,
}

impl Message<'_> {
    pub(crate) fn facility(&self) -> &'static str {
        FACILITIES[usize::from(self.priority >> 3)]
    }

    pub(crate) fn severity(&self) -> &'static str {
        SEVERITIES[usize::from(self.priority & 7)]
    }
}

/// Reads a message. `now` tells the year, which RFC 3164 leaves out.
///
/// # Errors
///
/// There is no priority in front.
pub(crate) fn parse(text: &str, now: Timestamp) -> Result<Message<'_>, Unreadable> {
    let text = text.trim_start_matches(BOM);
    let (priority, rest) = priority(text)?;
    let (form, header, text) = match rfc5424::parse(rest) {
        Some((header, text)) => (Form::Rfc5424, header, text),
        None => {
            let (header, text) = rfc3164::parse(rest, now);
            (Form::Rfc3164, header, text)
        }
    };
    Ok(Message { form, priority, header, text: text.strip_prefix(BOM).unwrap_or(text) })
}

/// The number in front, and what follows it.
fn priority(text: &str) -> Result<(u8, &str), Unreadable> {
    let (digits, rest) = text.strip_prefix('<').and_then(|text| text.split_once('>')).ok_or(Unreadable::NoPriority)?;
    if digits.is_empty() || digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Unreadable::NoPriority);
    }
    let priority = digits.parse().ok().filter(|priority| *priority <= 191).ok_or(Unreadable::PriorityTooGreat)?;
    Ok((priority, rest))
}

#[cfg(test)]
mod tests {
    use crate::agent::intake::syslog::message::*;

    #[test]
    fn priorities_are_facility_and_severity() {
        let now = Timestamp::from_secs(1_700_000_000);
        let names = |text: &'static str| parse(text, now).map(|message| (message.facility(), message.severity()));
        assert_eq!(names("<34>x"), Ok(("auth", "critical")));
        assert_eq!(names("<0>x"), Ok(("kern", "emergency")));
        assert_eq!(names("<191>x"), Ok(("local7", "debug")));
        assert_eq!(names("\u{feff}<13>x"), Ok(("user", "notice")));
        assert_eq!(names("<192>x"), Err(Unreadable::PriorityTooGreat));
        for text in ["", "x", "<>x", "<1", "<12345>x", "<-1>x", "< 3>x"] {
            assert_eq!(names(text), Err(Unreadable::NoPriority), "{text:?}");
        }
    }

    #[test]
    fn each_form_is_told_by_itself() {
        let now = Timestamp::from_secs(1_700_000_000);
        let form = |text: &'static str| parse(text, now).unwrap().form;
        assert_eq!(form("<34>1 - - - - - -"), Form::Rfc5424);
        assert_eq!(form("<34>1 apple a day keeps it away"), Form::Rfc3164);
        assert_eq!(form("<34>Oct 11 22:14:15 mymachine su: x"), Form::Rfc3164);
        let message = parse("<34>1 - - - - - - \u{feff}text", now).unwrap();
        assert_eq!(message.text, "text");
    }
}
