//! From what a wire format says to what is stored: streams named, entries checked, levels found.
//!
//! A push goes through `Assembler::for_push`, which refuses single entries and streams and goes on; a record of the
//! write-ahead log goes through `Assembler::for_replay`, which takes everything.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

use crate::ingest::labels;
use crate::ingest::level;
use crate::ingest::metadata::{BareSets, LevelSource, Pairs, Sets};
use crate::ingest::service::with_service_name;
use crate::ingest::validate::{Checks, Refusals};
use crate::ingest::{Error, Levels, Room};
use crate::model::{Entry, Labels, StreamEntries, Timestamp};

/// What is added to what was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Derive<'l> {
    /// Labels that `service_name` is taken from; none leaves streams as they are.
    pub(crate) service_name_labels: &'l [&'l str],
    pub(crate) levels: Levels,
}

/// What is known of a stream once its label set is read.
#[derive(Debug)]
struct Named {
    labels: Labels,
    level: LevelSource,
    bare: BareSets,
}

/// Label sets that were read before: agents send the same ones over and over. Where there are more than are kept, those
/// that are stay for a while: thrown out for each other, none would be there when it comes again.
#[derive(Debug, Default)]
pub(crate) struct KnownStreams {
    by_text: RwLock<HashMap<String, Arc<Named>>>,
    /// Sets that found no room.
    left_out: AtomicUsize,
}

/// Texts and how many of them are remembered: about a kibibyte for each.
const KNOWN_STREAMS_MAX: usize = 16_384;
const KNOWN_TEXT_BYTES_MAX: usize = 1024;
/// So many sets that found no room mean that others come now than those that are kept.
const LEFT_OUT_MAX: usize = 16 * KNOWN_STREAMS_MAX;

impl KnownStreams {
    fn get(&self, text: &str) -> Option<Arc<Named>> {
        self.by_text.read().expect("no thread panics while it holds this lock").get(text).cloned()
    }

    fn put(&self, text: &str, named: Arc<Named>) {
        if text.len() > KNOWN_TEXT_BYTES_MAX {
            return;
        }
        if self.left_out.load(Ordering::Relaxed) > 0 && self.left_out.fetch_add(1, Ordering::Relaxed) < LEFT_OUT_MAX {
            return;
        }
        let mut known = self.by_text.write().expect("no thread panics while it holds this lock");
        if known.len() < KNOWN_STREAMS_MAX {
            known.insert(text.to_owned(), named);
        } else if self.left_out.fetch_add(1, Ordering::Relaxed) > LEFT_OUT_MAX {
            known.clear();
            self.left_out.store(0, Ordering::Relaxed);
        }
    }
}

/// Gathers the streams of one push.
pub(crate) struct Assembler<'a, 'l> {
    derive: Derive<'l>,
    checks: Option<Checks<'l>>,
    known: &'l KnownStreams,
    sets: Sets<'a>,
    streams: Vec<StreamEntries<'a>>,
    refusals: Refusals,
    /// Whether a line was cut, so that the request is no longer what is stored.
    cut: bool,
}

/// What came together.
pub(crate) struct Assembled<'a> {
    pub(crate) streams: Vec<StreamEntries<'a>>,
    pub(crate) refusals: Refusals,
    pub(crate) cut: bool,
}

/// One stream while its entries come in.
pub(crate) struct Draft<'a> {
    named: Arc<Named>,
    entries: Vec<Entry<'a>>,
}

/// Entries that room is made for before they are seen: more of them make room as they come.
const GUESS_MAX: usize = 1024;

impl Draft<'_> {
    /// Makes room for about so many entries.
    pub(crate) fn expect(&mut self, entry_count: usize) {
        self.entries.reserve(entry_count.min(GUESS_MAX));
    }
}

impl<'a, 'l> Assembler<'a, 'l> {
    pub(crate) fn for_push(derive: Derive<'l>, checks: Checks<'l>, known: &'l KnownStreams) -> Assembler<'a, 'l> {
        Assembler { checks: Some(checks), ..Assembler::for_replay(derive, known) }
    }

    pub(crate) fn for_replay(derive: Derive<'l>, known: &'l KnownStreams) -> Assembler<'a, 'l> {
        Assembler {
            derive,
            checks: None,
            known,
            sets: Sets::default(),
            streams: Vec::new(),
            refusals: Refusals::default(),
            cut: false,
        }
    }

    pub(crate) fn derive(&self) -> Derive<'l> {
        self.derive
    }

    /// Begins a stream that is named by the text form of its labels. Nothing if the stream is refused; an error if
    /// the text is no label set, which fails the whole push.
    pub(crate) fn open_text(&mut self, text: &str) -> Result<Option<Draft<'a>>, Error> {
        if let Some(named) = self.known.get(text) {
            return Ok(Some(Draft { named, entries: Vec::new() }));
        }
        let pairs = labels::parse(text).map_err(|error| Error::Labels(error.to_string()))?;
        let draft = self.open(pairs);
        if let Some(draft) = &draft {
            self.known.put(text, draft.named.clone());
        }
        Ok(draft)
    }

    /// Begins a stream. Nothing if the stream is refused.
    pub(crate) fn open(&mut self, pairs: labels::Pairs) -> Option<Draft<'a>> {
        let (labels, doubled) = match labels::unique(pairs) {
            Ok(labels) => (labels, None),
            Err((labels, name)) => (labels, Some(name)),
        };
        let text = labels.to_string();
        if doubled.is_none()
            && let Some(named) = self.known.get(&text)
        {
            return Some(Draft { named, entries: Vec::new() });
        }
        let labels = match self.derive.service_name_labels {
            [] => labels,
            sources => with_service_name(labels, sources),
        };
        if let Some(checks) = &self.checks
            && let Err(reason) = checks.stream(&labels, doubled.as_deref())
        {
            self.refusals.add(reason);
            return None;
        }
        let level = match self.derive.levels {
            Levels::Leave => LevelSource::Left,
            Levels::Detect => level::stated(|name| labels.get(name))
                .map_or(LevelSource::Entry, |level| LevelSource::Stream(level.to_owned())),
        };
        let named = Arc::new(Named { labels, level, bare: BareSets::default() });
        self.known.put(&text, named.clone());
        Some(Draft { named, entries: Vec::new() })
    }

    /// Adds an entry, or notes why not.
    #[inline]
    pub(crate) fn entry(
        &mut self,
        draft: &mut Draft<'a>,
        timestamp: Timestamp,
        line: Cow<'a, str>,
        metadata: Pairs<'a>,
    ) {
        let mut line = line;
        if let Some(checks) = &self.checks {
            match checks.entry(&draft.named.labels, timestamp, &line, &metadata) {
                Ok(None) => {}
                Ok(Some(line_bytes)) => {
                    self.cut = true;
                    line = shorten(line, line_bytes);
                }
                Err(reason) => return self.refusals.add(reason),
            }
        }
        let set = match metadata.is_empty() {
            true => Ok(draft.named.bare.set(&draft.named.level, &line)),
            false => self.sets.set(metadata, &draft.named.level, &line),
        };
        match set {
            Ok(metadata) => draft.entries.push(Entry { timestamp, line, metadata }),
            Err(reason) => self.refusals.add(reason),
        }
    }

    /// Ends a stream; one without entries is nothing.
    pub(crate) fn close(&mut self, draft: Draft<'a>) {
        if !draft.entries.is_empty() {
            self.streams.push(StreamEntries { labels: draft.named.labels.clone(), entries: draft.entries });
        }
    }

    pub(crate) fn finish(self) -> Assembled<'a> {
        Assembled { streams: self.streams, refusals: self.refusals, cut: self.cut }
    }
}

/// Memory that an entry takes beside its text.
pub(crate) fn entry_room(room: &mut Room, pair_count: usize) -> Result<(), Error> {
    room.spend(size_of::<Entry<'_>>() + pair_count * 2 * size_of::<(String, String)>())
}

/// The first `bytes` of a line, less what would be half a character.
fn shorten(line: Cow<'_, str>, bytes: usize) -> Cow<'_, str> {
    let end = line.floor_char_boundary(bytes);
    match line {
        Cow::Borrowed(line) => Cow::Borrowed(&line[..end]),
        Cow::Owned(mut line) => {
            line.truncate(end);
            Cow::Owned(line)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::ingest::assemble::{KNOWN_STREAMS_MAX, KnownStreams, LEFT_OUT_MAX, Named};
    use crate::ingest::metadata::{BareSets, LevelSource};
    use crate::model::Labels;

    #[test]
    fn streams_that_are_known_stay_until_many_others_came() {
        let known = KnownStreams::default();
        let named = Arc::new(Named { labels: Labels::default(), level: LevelSource::Left, bare: BareSets::default() });
        let put = |number: usize| known.put(&number.to_string(), named.clone());
        let count = |to: usize| (0..to).filter(|number| known.get(&number.to_string()).is_some()).count();
        (0..KNOWN_STREAMS_MAX + 1000).for_each(put);
        assert_eq!(count(KNOWN_STREAMS_MAX + 1000), KNOWN_STREAMS_MAX);
        (0..LEFT_OUT_MAX).for_each(|number| put(KNOWN_STREAMS_MAX + number));
        put(usize::MAX);
        assert_eq!(count(KNOWN_STREAMS_MAX), 0, "others come now");
        put(1);
        assert_eq!(count(2), 1);
    }
}
