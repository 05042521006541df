//! What was written before RFC 5424, and still is: a time without a year, a host, a tag; by devices more or less of it.
//!
//! Promises: every text is read; what is not surely part of a header is part of the message.

use jiff::civil;

use crate::agent::intake::syslog::message::Header;
use crate::agent::intake::syslog::rfc5424;
use crate::model::Timestamp;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// A day.
const AHEAD_NANOS_MAX: i64 = 24 * 60 * 60 * 1_000_000_000;
/// RFC 3164 has 32; programs have longer names.
const TAG_BYTES_MAX: usize = 64;

/// Reads what follows the priority.
pub(crate) fn parse(rest: &str, now: Timestamp) -> (Header<'_>, &str) {
    let mut header = Header::default();
    let mut text = rest;
    if let Some((origin, timestamp, after)) = dated(rest, now) {
        header.timestamp = Some(timestamp);
        header.hostname = origin;
        text = after;
        if origin.is_none() {
            (header.hostname, text) = hostname(after);
        }
    }
    let text = text.strip_prefix(": ").unwrap_or(text);
    if let Some(mnemonic) = mnemonic(text) {
        // of Cisco's messages it is the best part, so it stays in the text too
        header.msg_id = Some(mnemonic);
        return (header, text);
    }
    match tag(text) {
        Some((name, process, after)) => {
            header.app_name = Some(name);
            header.proc_id = process;
            (header, after)
        }
        None => (header, text),
    }
}

/// The time in front, what names the sender before it, and what follows it. Routers put a number before it, too.
fn dated(rest: &str, now: Timestamp) -> Option<(Option<&str>, Timestamp, &str)> {
    let rest = rest.trim_start_matches(' ');
    if let Some((timestamp, after)) = timestamp(rest, now) {
        return Some((None, timestamp, after));
    }
    let (number, after) = rest.split_once(": ")?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if let Some((timestamp, after)) = timestamp(after, now) {
        return Some((None, timestamp, after));
    }
    let (origin, after) = after.split_once(": ")?;
    let (timestamp, after) = timestamp(after, now)?;
    Some((Some(origin).filter(|origin| !origin.contains(' ')), timestamp, after))
}

/// `Oct 11 22:14:15`, with a year before or behind the day, a fraction, a zone; or as RFC 3339 has it.
fn timestamp(text: &str, now: Timestamp) -> Option<(Timestamp, &str)> {
    // before it stands whether the clock of a router was set
    let text = text.trim_start_matches(['*', '.']);
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    if let Some(timestamp) = rfc5424::timestamp(first.trim_end_matches(':')) {
        return Some((timestamp, rest));
    }
    let (year, first, rest) = match year(first) {
        Some(year) => {
            let (month, rest) = rest.split_once(' ')?;
            (Some(year), month, rest)
        }
        None => (None, first, rest),
    };
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(first))? + 1;
    let (day, rest) = rest.trim_start_matches(' ').split_once(' ')?;
    let day: i8 = day.parse().ok()?;
    let (year, rest) = match rest.split_once(' ') {
        Some((word, after)) if year.is_none() && self::year(word).is_some() => (self::year(word), after),
        Some(_) | None => (year, rest),
    };
    let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let time = clock(word.trim_end_matches(':'))?;
    let rest = if word.ends_with(':') { rest } else { zone(rest) };
    let date = |year: i16| civil::Date::new(year, i8::try_from(month).ok()?, day).ok();
    let timestamp = |date: civil::Date| utc(date.to_datetime(time));
    let timestamp = match year {
        Some(year) => timestamp(date(year)?)?,
        None => latest(now, |year| timestamp(date(year)?))?,
    };
    Some((timestamp, rest))
}

fn year(word: &str) -> Option<i16> {
    let year = (word.len() == 4).then(|| word.parse().ok())??;
    (1970..=2261).contains(&year).then_some(year)
}

/// `22:14:15`, perhaps with a fraction.
fn clock(word: &str) -> Option<civil::Time> {
    let (whole, fraction) = word.split_once(['.', ',']).unwrap_or((word, ""));
    let mut parts = whole.split(':');
    let mut part = || parts.next().filter(|part| part.len() == 2).and_then(|part| part.parse::<i8>().ok());
    let (hour, minute, second) = (part()?, part()?, part()?);
    let digits = &fraction[..fraction.len().min(9)];
    let nanos: i32 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let nanos = nanos * 10_i32.pow(u32::try_from(9 - digits.len()).ok()?);
    // a leap second has no number of its own
    parts.next().is_none().then(|| civil::Time::new(hour, minute, second.min(59), nanos).ok())?
}

/// What follows a zone that ends with a colon, as routers write it: `UTC: text`.
fn zone(rest: &str) -> &str {
    let Some((word, after)) = rest.split_once(' ') else { return rest };
    let is_zone = |word: &str| (2..=5).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_uppercase());
    match word.strip_suffix(':') {
        Some(word) if is_zone(word) => after,
        Some(_) | None => rest,
    }
}

fn utc(time: civil::DateTime) -> Option<Timestamp> {
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    i64::try_from(time.as_nanosecond()).ok().map(Timestamp::from_nanos)
}

/// The time in the last year in which it has come. A sender's clock may be ahead, and its zone is not known.
fn latest(now: Timestamp, of_year: impl Fn(i16) -> Option<Timestamp>) -> Option<Timestamp> {
    let this = jiff::Timestamp::from_nanosecond(now.nanos().into()).ok()?.to_zoned(jiff::tz::TimeZone::UTC).year();
    let limit = now.plus_nanos(AHEAD_NANOS_MAX);
    // the 29th of February comes every eighth year at least
    (this - 8..=this + 1).rev().filter_map(of_year).find(|time| *time <= limit)
}

/// The host in front; a tag in its place says that the sender left the host out.
fn hostname(text: &str) -> (Option<&str>, &str) {
    let text = text.trim_start_matches(' ');
    match text.split_once(' ') {
        Some((word, _)) if word.is_empty() || word.starts_with('%') || word.ends_with(':') || tag(text).is_some() => {
            (None, text)
        }
        Some((word, rest)) => (Some(word), rest),
        None => (None, text),
    }
}

/// `name: text`, `name[process]: text`.
fn tag(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-_./@()+".contains(letter);
    let end = text.find(|letter| !is_name(letter))?;
    let (name, rest) = text.split_at(end);
    if name.is_empty() || end > TAG_BYTES_MAX {
        return None;
    }
    if let Some(bracketed) = rest.strip_prefix('[') {
        let (process, rest) = bracketed.split_once(']')?;
        let rest = rest.strip_prefix(':').or(Some(rest).filter(|rest| rest.starts_with(' ')))?;
        let is_process = !process.contains([' ', '[']) && process.len() <= TAG_BYTES_MAX;
        let process = Some(process).filter(|process| !process.is_empty());
        return is_process.then(|| (name, process, rest.strip_prefix(' ').unwrap_or(rest)));
    }
    let rest = rest.strip_prefix(':')?;
    // `http://…` is no tag
    match rest.strip_prefix(' ') {
        Some(rest) => Some((name, None, rest)),
        None => rest.is_empty().then_some((name, None, rest)),
    }
}

/// The name of a message by Cisco's devices: `%LINK-3-UPDOWN: text`.
fn mnemonic(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('%')?.split_once(':')?;
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (name.contains('-') && name.bytes().all(is_letter)).then_some(name)
}

#[cfg(test)]
mod tests {
    use crate::agent::intake::syslog::rfc3164::*;

    /// 2024-03-02 12:00:00 UTC
    const NOW: Timestamp = Timestamp::from_secs(1_709_380_800);

    /// Time, host, app, process, message id, text; `-` where there is none.
    #[track_caller]
    fn check(rest: &str, expected: [&str; 6]) {
        let (header, text) = parse(rest, NOW);
        let or_dash = |name: Option<&str>| name.unwrap_or("-").to_owned();
        let time = header.timestamp.map(|time| jiff::Timestamp::from_nanosecond(time.nanos().into()).unwrap());
        let found = [
            time.map_or("-".to_owned(), |time| time.to_string()),
            or_dash(header.hostname),
            or_dash(header.app_name),
            or_dash(header.proc_id),
            or_dash(header.msg_id),
            text.to_owned(),
        ];
        assert_eq!(found, expected, "{rest}");
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        check(
            "Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
            ["2023-10-11T22:14:15Z", "mymachine", "su", "-", "-", "'su root' failed for lonvick on /dev/pts/8"],
        );
        check("Use the BFG!", ["-", "-", "-", "-", "-", "Use the BFG!"]);
        check(
            "Aug 24 05:34:00 CST 1987 mymachine myproc[10]: %% It's time",
            ["2023-08-24T05:34:00Z", "CST", "-", "-", "-", "1987 mymachine myproc[10]: %% It's time"],
        );
    }

    #[test]
    fn programs_write_more_or_less_of_a_header() {
        // nginx, haproxy without a host, rsyslog's own format, what systemd's programs write to /dev/log
        check(
            "Feb 29 22:14:15 web1 nginx: 10.0.0.1 - - [29/Feb/2024] \"GET / HTTP/1.1\" 200",
            ["2024-02-29T22:14:15Z", "web1", "nginx", "-", "-", "10.0.0.1 - - [29/Feb/2024] \"GET / HTTP/1.1\" 200"],
        );
        check(
            "Mar  2 11:59:59 haproxy[1234]: 10.0.1.2:33317 [02/Mar/2024:11:59:59.655] http-in static/srv1 10/0/30",
            [
                "2024-03-02T11:59:59Z",
                "-",
                "haproxy",
                "1234",
                "-",
                "10.0.1.2:33317 [02/Mar/2024:11:59:59.655] http-in static/srv1 10/0/30",
            ],
        );
        check(
            "2024-03-02T11:59:59.123456+01:00 host1 postfix/smtpd[99]: connect from unknown[192.0.2.1]",
            ["2024-03-02T10:59:59.123456Z", "host1", "postfix/smtpd", "99", "-", "connect from unknown[192.0.2.1]"],
        );
        check(
            "Mar  2 12:00:01 systemd[1]: Started Daily apt.",
            ["2024-03-02T12:00:01Z", "-", "systemd", "1", "-", "Started Daily apt."],
        );
        check(
            "Mar  2 12:00:01 h kernel: [12345.678901] eth0: link up",
            ["2024-03-02T12:00:01Z", "h", "kernel", "-", "-", "[12345.678901] eth0: link up"],
        );
        check(
            "Mar  2 12:00:01 h message repeated 3 times: [ x]",
            ["2024-03-02T12:00:01Z", "h", "-", "-", "-", "message repeated 3 times: [ x]"],
        );
        check("tag: no time at all", ["-", "-", "tag", "-", "-", "no time at all"]);
        check("Mar  2 12:00:01 h http://x is down", ["2024-03-02T12:00:01Z", "h", "-", "-", "-", "http://x is down"]);
        check("Mar  2 12:00:01 alone", ["2024-03-02T12:00:01Z", "-", "-", "-", "-", "alone"]);
        check("Mar  2 12:00:01 h", ["2024-03-02T12:00:01Z", "-", "-", "-", "-", "h"]);
        check("", ["-", "-", "-", "-", "-", ""]);
    }

    #[test]
    fn routers_and_firewalls_have_forms_of_their_own() {
        check(
            "29: *Mar  1 18:48:50.483 UTC: %SYS-5-CONFIG_I: Configured from console by vty2 (10.34.195.36)",
            [
                "2024-03-01T18:48:50.483Z",
                "-",
                "-",
                "-",
                "SYS-5-CONFIG_I",
                "%SYS-5-CONFIG_I: Configured from console by vty2 (10.34.195.36)",
            ],
        );
        check(
            "2310: router1: Oct 11 22:14:15: %LINK-3-UPDOWN: Interface Gi0/1, changed state to down",
            [
                "2023-10-11T22:14:15Z",
                "router1",
                "-",
                "-",
                "LINK-3-UPDOWN",
                "%LINK-3-UPDOWN: Interface Gi0/1, changed state to down",
            ],
        );
        check(
            "Oct 11 2022 22:14:15 fw1 : %ASA-6-302013: Built outbound TCP connection",
            ["2022-10-11T22:14:15Z", "fw1", "-", "-", "ASA-6-302013", "%ASA-6-302013: Built outbound TCP connection"],
        );
        check(
            "%ASA-4-106023: Deny tcp src outside",
            ["-", "-", "-", "-", "ASA-4-106023", "%ASA-4-106023: Deny tcp src outside"],
        );
        check(
            "2024 Mar  2 12:00:00 n9k %ETHPORT-5-IF_UP: Interface up",
            ["2024-03-02T12:00:00Z", "n9k", "-", "-", "ETHPORT-5-IF_UP", "%ETHPORT-5-IF_UP: Interface up"],
        );
        check(
            "date=2024-03-02 time=12:00:00 devname=\"fg\" type=traffic",
            ["-", "-", "-", "-", "-", "date=2024-03-02 time=12:00:00 devname=\"fg\" type=traffic"],
        );
    }

    #[test]
    fn the_year_is_the_last_one_in_which_the_time_has_come() {
        let year = |text: &str, now: &str| {
            let now: jiff::Timestamp = now.parse().unwrap();
            let now = Timestamp::from_nanos(i64::try_from(now.as_nanosecond()).unwrap());
            let time = parse(text, now).0.timestamp.unwrap();
            jiff::Timestamp::from_nanosecond(time.nanos().into()).unwrap().to_string()
        };
        assert_eq!(year("Dec 31 23:59:59 h x", "2024-01-01T00:00:05Z"), "2023-12-31T23:59:59Z");
        assert_eq!(year("Jan  1 00:00:03 h x", "2023-12-31T23:59:58Z"), "2024-01-01T00:00:03Z");
        assert_eq!(year("Feb 29 10:00:00 h x", "2025-02-28T00:00:00Z"), "2024-02-29T10:00:00Z");
        assert_eq!(year("Aug 24 00:00:00 h x", "2024-03-02T12:00:00Z"), "2023-08-24T00:00:00Z");
        assert_eq!(year("Jun 30 23:59:60 h x", "2024-07-01T00:00:00Z"), "2024-06-30T23:59:59Z");
    }

    #[test]
    fn what_looks_like_a_time_and_is_none_is_text() {
        for text in ["Feb 30 10:00:00 h x: y", "Oct 11 22:14 h", "Oct 11", "Mar 99 00:00:00 x", "Oct 11 25:00:00 h x"] {
            let (header, found) = parse(text, NOW);
            assert_eq!((header.timestamp, found), (None, text));
        }
    }
}
