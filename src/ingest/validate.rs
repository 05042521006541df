//! What may be stored: each limit checked, each refusal in Loki's words.

use std::time::Duration;

use crate::ingest::metadata::Pairs;
use crate::ingest::{Limits, LongLines};
use crate::model::{Labels, Timestamp};

/// Bytes of a label set that a refusal repeats.
const SHOWN_BYTES_MAX: usize = 16 << 10;

/// Different refusals that an answer lists; the others are counted.
const LISTED_MAX: usize = 10;

/// The first time that is no mistake of the unit: seconds, milliseconds and microseconds of today, taken for
/// nanoseconds, all lie in January 1970.
const WRONG_UNIT_END: Timestamp = Timestamp::from_secs(365 * 86_400);

/// The limits, as of one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checks<'l> {
    limits: &'l Limits,
    oldest: Timestamp,
    newest: Timestamp,
}

impl<'l> Checks<'l> {
    pub(crate) fn new(limits: &'l Limits, now: Timestamp) -> Checks<'l> {
        let nanos = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        // the border itself stands for times that nanoseconds cannot say
        let oldest = limits.age_max.map_or(Timestamp::MIN, |age| now.plus_nanos(-nanos(age)));
        let oldest = oldest.max(Timestamp::MIN.plus_nanos(1));
        let newest = now.plus_nanos(nanos(limits.future_max)).min(Timestamp::MAX.plus_nanos(-1));
        Checks { limits, oldest, newest }
    }

    /// Why a stream with these labels is not taken, if so. `doubled` is a name that was given twice.
    pub(crate) fn stream(&self, labels: &Labels, doubled: Option<&str>) -> Result<(), String> {
        let limits = self.limits;
        // the added label does not count, nor does one that was sent: Loki allows it one more in both cases
        let count = labels.len() - usize::from(labels.get("service_name").is_some());
        if count > limits.label_count_max {
            let set = shown(labels);
            return Err(format!("entry for stream '{set}' has {count} label names; limit {}", limits.label_count_max));
        }
        for (name, value) in labels.iter() {
            if name.len() > limits.label_name_bytes_max {
                return Err(format!("stream '{}' has label name too long: '{name}'", shown(labels)));
            }
            if value.len() > limits.label_value_bytes_max {
                return Err(format!("stream '{}' has label value too long: '{value}'", shown(labels)));
            }
        }
        match doubled {
            Some(name) => Err(format!("stream '{}' has duplicate label name: '{name}'", shown(labels))),
            None => Ok(()),
        }
    }

    /// Why an entry is not taken; or, if it is, the length that its line must be cut to.
    #[inline]
    pub(crate) fn entry(
        &self,
        labels: &Labels,
        timestamp: Timestamp,
        line: &str,
        metadata: &Pairs<'_>,
    ) -> Result<Option<usize>, String> {
        if timestamp < self.oldest || timestamp > self.newest || in_1970(timestamp) {
            return Err(self.wrong_time(labels, timestamp));
        }
        let limits = self.limits;
        let mut cut = None;
        if line.len() > limits.line_bytes_max {
            if limits.long_lines == LongLines::Reject {
                return Err(format!(
                    "max entry size '{}' bytes exceeded for stream '{}' while adding an entry with length '{}' bytes",
                    limits.line_bytes_max,
                    shown(labels),
                    line.len()
                ));
            }
            cut = Some(limits.line_bytes_max);
        }
        if !metadata.is_empty() {
            self.metadata(labels, metadata)?;
        }
        Ok(cut)
    }

    fn metadata(&self, labels: &Labels, metadata: &Pairs<'_>) -> Result<(), String> {
        let limits = self.limits;
        let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > limits.metadata_bytes_max {
            return Err(format!(
                "stream '{}' has structured metadata too large: '{bytes}' bytes, limit: '{}' bytes. Please see \
                 `limits_config.max_structured_metadata_size` or contact your Loki administrator to increase it",
                shown(labels),
                limits.metadata_bytes_max
            ));
        }
        if metadata.len() > limits.metadata_count_max {
            return Err(format!(
                "stream '{}' has too many structured metadata labels: '{}', limit: '{}'. Please see \
                 `limits_config.max_structured_metadata_entries_count` or contact your Loki administrator to increase it",
                shown(labels),
                metadata.len(),
                limits.metadata_count_max
            ));
        }
        Ok(())
    }

    #[cold]
    fn wrong_time(&self, labels: &Labels, timestamp: Timestamp) -> String {
        let (set, time) = (shown(labels), rfc3339(timestamp));
        if timestamp > self.newest {
            return format!("entry for stream '{set}' has timestamp too new: {time}");
        }
        if in_1970(timestamp) {
            let nanos = timestamp.nanos();
            return format!(
                "entry for stream '{set}' has timestamp too old: {time}; {nanos} is no time in nanoseconds since 1970: \
                 check the unit"
            );
        }
        let oldest = rfc3339(self.oldest);
        format!("entry for stream '{set}' has timestamp too old: {time}, oldest acceptable timestamp is: {oldest}")
    }
}

/// Whether a time lies in the year that only wrong units lead to.
fn in_1970(timestamp: Timestamp) -> bool {
    Timestamp::from_secs(0) <= timestamp && timestamp < WRONG_UNIT_END
}

/// A label set for a message, cut where it is too long to be read anyway.
fn shown(labels: &Labels) -> String {
    let mut text = labels.to_string();
    if text.len() > SHOWN_BYTES_MAX {
        text.truncate(text.floor_char_boundary(SHOWN_BYTES_MAX));
        text.push('…');
    }
    text
}

/// Whole seconds, as Loki prints them.
fn rfc3339(timestamp: Timestamp) -> String {
    match jiff::Timestamp::from_second(timestamp.nanos().div_euclid(1_000_000_000)) {
        Ok(time) => time.to_string(),
        Err(_) => format!("{} ns", timestamp.nanos()),
    }
}

/// Why entries and streams of one push were not taken.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    /// Each different reason once, with how often it came.
    listed: Vec<(String, u64)>,
    unlisted_count: u64,
}

impl Refusals {
    pub(crate) fn add(&mut self, reason: String) {
        let known = self.listed.iter().position(|(listed, _)| *listed == reason);
        match known {
            Some(index) => self.listed[index].1 += 1,
            None if self.listed.len() < LISTED_MAX => self.listed.push((reason, 1)),
            None => self.unlisted_count += 1,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// One line for the answer: a single reason as it is, more of them with their counts, as Loki groups them.
    pub(crate) fn text(&self) -> String {
        if let [(reason, 1)] = self.listed.as_slice()
            && self.unlisted_count == 0
        {
            return reason.clone();
        }
        let listed: Vec<String> =
            self.listed.iter().map(|(reason, count)| format!("{count} errors like: {reason}")).collect();
        let mut text = listed.join("; ");
        if self.unlisted_count > 0 {
            text.push_str(&format!("; and {} more", self.unlisted_count));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::time::Duration;

    use crate::ingest::validate::{Checks, Refusals};
    use crate::ingest::{Limits, LongLines};
    use crate::model::{Labels, Timestamp};

    const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

    fn check_entry(limits: &Limits, seconds: i64, line_bytes: usize, wanted: Result<Option<usize>, &str>) {
        let labels = Labels::from([("job", "a")]);
        let checks = Checks::new(limits, NOW);
        let found = checks.entry(&labels, Timestamp::from_secs(seconds), &"x".repeat(line_bytes), &Vec::new());
        assert_eq!(found, wanted.map_err(str::to_owned));
    }

    #[test]
    fn any_age_is_taken_unless_a_limit_is_set() {
        let limits = Limits::default();
        check_entry(&limits, 31_536_000, 1, Ok(None));
        check_entry(&limits, -1, 1, Ok(None));
        check_entry(&limits, -1_000_000_000, 1, Ok(None));
        let too_old = "entry for stream '{job=\"a\"}' has timestamp too old: 1677-09-21T00:12:43Z, \
                       oldest acceptable timestamp is: 1677-09-21T00:12:43Z";
        check_entry(&limits, i64::MIN, 1, Err(too_old));
        let limits = Limits { age_max: Some(Duration::from_secs(7 * 86400)), ..limits };
        let too_old = "entry for stream '{job=\"a\"}' has timestamp too old: 1971-01-01T00:00:00Z, \
                       oldest acceptable timestamp is: 2026-11-11T11:06:40Z";
        check_entry(&limits, 31_536_000, 1, Err(too_old));
        check_entry(&limits, NOW.nanos() / 1_000_000_000 - 86400, 1, Ok(None));
    }

    #[test]
    fn a_time_in_1970_is_taken_for_a_wrong_unit() {
        let wrong = "entry for stream '{job=\"a\"}' has timestamp too old: 1970-01-01T00:00:01Z; 1000000000 is no time in \
                     nanoseconds since 1970: check the unit";
        check_entry(&Limits::default(), 1, 1, Err(wrong));
    }

    #[test]
    fn the_far_future_is_refused() {
        let limits = Limits::default();
        let too_new = "entry for stream '{job=\"a\"}' has timestamp too new: 2200-01-01T00:00:00Z";
        check_entry(&limits, 7_258_118_400, 1, Err(too_new));
        check_entry(&limits, NOW.nanos() / 1_000_000_000 + 599, 1, Ok(None));
    }

    #[test]
    fn long_lines_are_refused_or_cut() {
        let limits = Limits { line_bytes_max: 10, ..Limits::default() };
        let too_long = "max entry size '10' bytes exceeded for stream '{job=\"a\"}' while adding an entry with \
                        length '11' bytes";
        check_entry(&limits, 1_000_000_000, 11, Err(too_long));
        check_entry(&limits, 1_000_000_000, 10, Ok(None));
        check_entry(&Limits { long_lines: LongLines::Truncate, ..limits }, 1_000_000_000, 11, Ok(Some(10)));
    }

    #[test]
    fn streams_have_limits_of_names_and_values() {
        let limits =
            Limits { label_count_max: 2, label_name_bytes_max: 4, label_value_bytes_max: 3, ..Limits::default() };
        let checks = Checks::new(&limits, NOW);
        let check = |labels: &[(&str, &str)], doubled, wanted: Option<&str>| {
            let labels: Labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(checks.stream(&labels, doubled).err().as_deref(), wanted);
        };
        check(&[("a", "1"), ("b", "2")], None, None);
        let three = "entry for stream '{a=\"1\", b=\"2\", c=\"3\"}' has 3 label names; limit 2";
        check(&[("a", "1"), ("b", "2"), ("c", "3")], None, Some(three));
        check(&[("abcde", "1")], None, Some("stream '{abcde=\"1\"}' has label name too long: 'abcde'"));
        check(&[("a", "1234")], None, Some("stream '{a=\"1234\"}' has label value too long: '1234'"));
        check(&[("a", "1")], Some("a"), Some("stream '{a=\"1\"}' has duplicate label name: 'a'"));
    }

    #[test]
    fn metadata_has_limits_of_size_and_number() {
        let limits = Limits { metadata_bytes_max: 6, metadata_count_max: 2, ..Limits::default() };
        let checks = Checks::new(&limits, NOW);
        let labels = Labels::from([("job", "a")]);
        let check = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(*value))).collect();
            checks.entry(&labels, NOW, "x", &pairs).err().unwrap_or_default()
        };
        assert_eq!(check(&[("a", "1"), ("b", "2")]), "");
        assert!(
            check(&[("a", "123456")]).starts_with("stream '{job=\"a\"}' has structured metadata too large: '7' bytes")
        );
        let many = check(&[("a", "1"), ("b", "2"), ("c", "3")]);
        assert!(many.starts_with("stream '{job=\"a\"}' has too many structured metadata labels: '3', limit: '2'. "));
    }

    #[test]
    fn refusals_are_grouped_and_their_number_is_bounded() {
        let mut refusals = Refusals::default();
        assert!(refusals.is_empty());
        refusals.add("one".to_owned());
        assert_eq!(refusals.text(), "one");
        refusals.add("one".to_owned());
        refusals.add("other".to_owned());
        assert_eq!(refusals.text(), "2 errors like: one; 1 errors like: other");
        (0..100).for_each(|n| refusals.add(format!("reason {n}")));
        assert!(refusals.text().ends_with("; 1 errors like: reason 7; and 92 more"), "{}", refusals.text());
    }
}
