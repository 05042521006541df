//! Standard input, line by line into its spool.
//!
//! Promises: the last line is kept though it has no end; a full spool holds whoever writes to the pipe; bytes that are
//! no UTF-8 are replaced. Never: takes a line that is not in the spool for done.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::agent::config::Config;
use crate::agent::discovery::own_name;
use crate::agent::files::tail::LINE_BYTES_MAX;
use crate::agent::intake::Stop;
use crate::agent::relabel;
use crate::agent::spool::{Received, Spool, SpoolError};
use crate::model::Labels;

/// What is read at once.
const PART_BYTES: usize = 64 << 10;
/// How often it is looked whether there is room, and whether the servers have answered.
const PERIOD: Duration = Duration::from_millis(20);

/// Standard input as it is read.
pub(crate) struct Stdin(Arc<Shared>);

struct Shared {
    spool: Spool,
    labels: Labels,
    /// What was read and is not in the spool.
    rest: Mutex<Vec<u8>>,
    is_over: AtomicBool,
}

/// The labels of its lines: those of the first job, or where there is none, what Promtail says in its place.
pub(crate) fn labels(config: &Config) -> Option<Labels> {
    let Some(job) = config.scrape_configs.first() else {
        return Some(Labels::from([("job", "stdin"), ("hostname", own_name().as_str())]));
    };
    let groups = job.static_configs.iter();
    let pairs = groups.flat_map(|group| group.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    let labels = relabel::public(&relabel::apply(&job.relabel_configs, &pairs.collect())?);
    // a line without any label is taken nowhere
    Some(if labels.is_empty() { Labels::from([("job", "stdin")]) } else { labels })
}

impl Stdin {
    /// Reads an input on a thread of its own, which may wait for ever in it.
    ///
    /// # Errors
    ///
    /// There is no thread.
    pub(crate) fn start(
        input: impl Read + Send + 'static,
        spool: Spool,
        labels: Labels,
        stop: Stop,
    ) -> io::Result<Stdin> {
        let shared = Arc::new(Shared { spool, labels, rest: Mutex::default(), is_over: AtomicBool::new(false) });
        let own = Arc::clone(&shared);
        std::thread::Builder::new().name("stdin".to_owned()).spawn(move || own.run(input, &stop))?;
        Ok(Stdin(shared))
    }

    /// Waits for the end of the input, and until every server has answered for all of it.
    pub(crate) async fn answered(&self, hurry: impl Fn()) {
        while !self.0.is_over.load(Ordering::Acquire) {
            tokio::time::sleep(PERIOD).await;
        }
        while !self.0.spool.is_read() {
            tokio::time::sleep(PERIOD).await;
        }
        // nothing comes any more that a stage or a batch could wait for
        hurry();
        while !self.0.spool.is_answered() {
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Keeps what was read of a line without an end, for an end before that of the input.
    pub(crate) fn keep_rest(&self) {
        let mut rest = self.0.rest();
        if self.0.keep(&mut rest, Lines::Last).is_err() {
            tracing::error!("{} bytes of standard input are lost: the disk does not take them", rest.len());
        }
    }
}

/// Which lines are ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lines {
    Whole,
    All,
    /// All, and there will be no other time to keep them.
    Last,
}

impl Shared {
    fn rest(&self) -> MutexGuard<'_, Vec<u8>> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut input: impl Read, stop: &Stop) {
        let mut part = vec![0; PART_BYTES];
        loop {
            let lines = match input.read(&mut part) {
                Ok(0) => Lines::All,
                Ok(count) => {
                    self.rest().extend_from_slice(&part[..count]);
                    Lines::Whole
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!("cannot read standard input any more: {error}");
                    Lines::All
                }
            };
            while self.keep(&mut self.rest(), lines).is_err() {
                if stop.is_stopped() {
                    return;
                }
                std::thread::sleep(PERIOD);
            }
            if lines == Lines::All {
                self.is_over.store(true, Ordering::Release);
                return;
            }
        }
    }

    /// Puts lines into the spool; on an error all stays where it is.
    fn keep(&self, rest: &mut Vec<u8>, lines: Lines) -> Result<(), SpoolError> {
        let (texts, end) = split(rest, lines);
        let received = |line| Received { timestamp: None, labels: &self.labels, line, structured: &[] };
        let received: Vec<Received<'_>> = texts.iter().map(|text| received(text.as_ref())).collect();
        match lines {
            Lines::Whole | Lines::All => self.spool.append(&received)?,
            Lines::Last => self.spool.append_last(&received)?,
        }
        drop(received);
        drop(texts);
        rest.drain(..end);
        Ok(())
    }
}

/// The lines that are ready, and where they end. One that is too long is cut.
fn split(bytes: &[u8], lines: Lines) -> (Vec<std::borrow::Cow<'_, str>>, usize) {
    let mut texts = Vec::new();
    let mut start = 0;
    loop {
        let rest = &bytes[start..];
        let end = memchr::memchr(b'\n', &rest[..rest.len().min(LINE_BYTES_MAX)]);
        let (line, next) = match end {
            Some(end) => (&rest[..end], end + 1),
            None if rest.len() >= LINE_BYTES_MAX => (&rest[..LINE_BYTES_MAX], LINE_BYTES_MAX),
            None if lines != Lines::Whole && !rest.is_empty() => (rest, rest.len()),
            None => return (texts, start),
        };
        texts.push(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)));
        start += next;
    }
}

#[cfg(test)]
mod tests {
    use crate::agent::intake::stdin::*;

    #[test]
    fn lines_are_split_as_they_come() {
        let check = |bytes: &[u8], lines, wanted: &[&str], end| {
            let (texts, found) = split(bytes, lines);
            assert_eq!((texts, found), (wanted.iter().map(|text| (*text).into()).collect(), end));
        };
        check(b"one\r\n\ntwo\nthr", Lines::Whole, &["one", "", "two"], 10);
        check(b"one\n\xff\xfe two", Lines::All, &["one", "\u{fffd}\u{fffd} two"], 10);
        check(b"", Lines::All, &[], 0);
        check(b"\n", Lines::All, &[""], 1);
        let long = vec![b'x'; LINE_BYTES_MAX + 5];
        let (texts, end) = split(&long, Lines::Whole);
        assert_eq!((texts.len(), texts[0].len(), end), (1, LINE_BYTES_MAX, LINE_BYTES_MAX));
    }
}
