//! The tantivy index of a day: one document for each block, which tells what makes the block a candidate.
//!
//! Promises: a search gives every block that may hold what is wanted; a commit is durable and names the lengths of the
//! data files that belong to it. Never: lines; nothing is stored here that cannot be made again from the blocks.
//!
//! Fields: `stream` (numbers of the block's streams) and `word` (its words, see `words`) are indexed; the rest are fast
//! fields with the block's place, span and counts.

mod verify;

use std::fs;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use tantivy::fastfield::Column;
use tantivy::index::SegmentReader;
use tantivy::indexer::IndexWriterOptions;
use tantivy::postings::{Postings, SegmentPostings};
use tantivy::query::RangeQuery;
use tantivy::schema::{BytesOptions, FAST, Field, INDEXED, IndexRecordOption, Schema};
use tantivy::{DocSet, Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, TERMINATED, TantivyDocument, Term};

use crate::model::{TimeRange, Timestamp};
use crate::store::error::{Error, damaged};
use crate::store::fault;
use crate::store::wal::sync_dir;
use crate::store::words::{Demand, Place};

/// The word of a block that has too many words to index: it is always a candidate.
const OPAQUE: &[u8] = b"\0";
/// A whole word of this length says enough to do without a walk through the dictionary.
const TELLING_BYTES_MIN: usize = 3;
/// What tantivy needs at least to collect documents before they are written.
const WRITER_BYTES: usize = 15_000_000;

/// Where a block lies and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockPlace {
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) entry_count: u64,
    pub(crate) text_bytes: u64,
    /// In `blocks.dat`.
    pub(crate) offset: u64,
    pub(crate) len: u64,
    /// Bytes of the block before its text.
    pub(crate) lead_len: u64,
    /// In `skip.dat`.
    pub(crate) skip_offset: u64,
    pub(crate) skip_len: u64,
    /// Blocks of a store are numbered in the order they were sealed.
    pub(crate) sequence: u64,
}

/// The words of a block: sorted, each once; or too many to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BlockWords {
    Known(Vec<Box<[u8]>>),
    Opaque,
}

impl BlockWords {
    /// Bytes of all words.
    pub(crate) fn text_bytes(&self) -> usize {
        match self {
            BlockWords::Opaque => OPAQUE.len(),
            BlockWords::Known(words) => words.iter().map(|word| word.len()).sum(),
        }
    }

    /// Whether a text with these words may have one as it is demanded.
    pub(crate) fn may_have(&self, demand: &Demand) -> bool {
        match self {
            BlockWords::Opaque => true,
            BlockWords::Known(words) if demand.place == Place::Whole => {
                words.binary_search_by(|word| (**word).cmp(&demand.bytes[..])).is_ok()
            }
            BlockWords::Known(words) => words.iter().any(|word| lies_in(demand, word)),
        }
    }
}

fn lies_in(demand: &Demand, word: &[u8]) -> bool {
    match demand.place {
        Place::Whole => word == demand.bytes,
        Place::Start => word.starts_with(&demand.bytes),
        Place::End => word.ends_with(&demand.bytes),
        Place::Within => memchr::memmem::find(word, &demand.bytes).is_some(),
    }
}

/// A block that is to be added.
#[derive(Debug)]
pub(crate) struct NewBlock<'b> {
    pub(crate) place: BlockPlace,
    pub(crate) streams: &'b [u64],
    pub(crate) words: &'b BlockWords,
}

/// What is searched for.
#[derive(Debug)]
pub(crate) struct Search<'s> {
    /// Numbers of the wanted streams; `None` is all.
    pub(crate) streams: Option<&'s [u64]>,
    pub(crate) range: TimeRange,
    pub(crate) words: &'s [Demand],
}

#[derive(Clone, Copy, Debug)]
struct Fields {
    stream: Field,
    word: Field,
    numbers: [Field; NUMBERS.len()],
    min: Field,
    max: Field,
}

/// The unsigned fast fields, in the order of `BlockPlace::numbers`.
const NUMBERS: [&str; 8] =
    ["entries", "text_bytes", "offset", "len", "lead_len", "skip_offset", "skip_len", "sequence"];

impl Fields {
    fn sequence(&self) -> Field {
        self.numbers[NUMBERS.len() - 1]
    }
}

impl BlockPlace {
    fn numbers(&self) -> [u64; NUMBERS.len()] {
        [
            self.entry_count,
            self.text_bytes,
            self.offset,
            self.len,
            self.lead_len,
            self.skip_offset,
            self.skip_len,
            self.sequence,
        ]
    }

    fn from_numbers(min: i64, max: i64, numbers: [u64; NUMBERS.len()]) -> BlockPlace {
        let [entry_count, text_bytes, offset, len, lead_len, skip_offset, skip_len, sequence] = numbers;
        BlockPlace { min, max, entry_count, text_bytes, offset, len, lead_len, skip_offset, skip_len, sequence }
    }

    pub(crate) fn overlaps(&self, range: TimeRange) -> bool {
        range.overlaps(Timestamp::from_nanos(self.min), Timestamp::from_nanos(self.max))
    }
}

/// An open index.
pub(crate) struct BlockIndex {
    dir: PathBuf,
    index: Index,
    reader: IndexReader,
    fields: Fields,
    /// Open while blocks come in: it costs threads and memory.
    writer: Option<IndexWriter>,
}

impl std::fmt::Debug for BlockIndex {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "BlockIndex({})", self.dir.display())
    }
}

impl BlockIndex {
    /// Opens the index of a folder, or makes an empty one. Gives the payload of its last commit.
    pub(crate) fn open(dir: &Path) -> Result<(BlockIndex, Option<String>), Error> {
        fs::create_dir_all(dir).map_err(crate::store::error::io_error("create", dir))?;
        let failed = |source| Error::Index { path: dir.to_owned(), source };
        let (schema, fields) = schema();
        let directory = tantivy::directory::MmapDirectory::open(dir).map_err(|error| failed(error.into()))?;
        let index = Index::open_or_create(directory, schema).map_err(failed)?;
        let payload = index.load_metas().map_err(failed)?.payload;
        if let Some((file, why)) = verify::damaged_file(&index).map_err(failed)? {
            return Err(damaged(&dir.join(file), why));
        }
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(failed)?;
        Ok((BlockIndex { dir: dir.to_owned(), index, reader, fields, writer: None }, payload))
    }

    /// Takes the blocks with the sequences of `replaced` out and adds others, in one durable commit that carries `payload`.
    pub(crate) fn commit(&mut self, blocks: &[NewBlock<'_>], replaced: &[u64], payload: &str) -> Result<(), Error> {
        let path = self.dir.clone();
        // whatever the library stumbles over, blocks and the write-ahead log are whole
        let commit = AssertUnwindSafe(|| self.try_commit(blocks, replaced, payload));
        let committed = catch_unwind(commit)
            .unwrap_or_else(|_| Err(tantivy::TantivyError::SystemError("a commit panicked".to_owned())));
        if committed.is_err() {
            // a writer that failed once may be beyond use: the next commit begins with a new one
            self.writer = None;
        }
        committed.map_err(|source| Error::Index { path, source })
    }

    fn try_commit(&mut self, blocks: &[NewBlock<'_>], replaced: &[u64], payload: &str) -> tantivy::Result<()> {
        let fields = self.fields;
        let writer = self.writer()?;
        for sequence in replaced {
            let term = Term::from_field_u64(fields.sequence(), *sequence);
            // what is added below comes after this, and stays
            writer.delete_query(Box::new(RangeQuery::new(Bound::Included(term.clone()), Bound::Included(term))))?;
        }
        for block in blocks {
            writer.add_document(document(fields, block))?;
        }
        fault::at("index.prepare")?;
        let mut commit = writer.prepare_commit()?;
        commit.set_payload(payload);
        fault::at("index.commit")?;
        commit.commit()?;
        fault::at("index.committed")?;
        // the commit renames its file of facts, and syncs the folder before that only
        sync_dir(&self.dir).map_err(|error| tantivy::TantivyError::SystemError(error.to_string()))?;
        self.reader.reload()
    }

    fn writer(&mut self) -> tantivy::Result<&mut IndexWriter> {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => {
                let options = IndexWriterOptions::builder()
                    .num_worker_threads(1)
                    .memory_budget_per_thread(WRITER_BYTES)
                    .num_merge_threads(1)
                    .build();
                self.index.writer_with_options(options)?
            }
        };
        Ok(self.writer.insert(writer))
    }

    /// Writes those parts of the index anew that hold words of replaced blocks, and removes the old ones.
    pub(crate) fn purge(&mut self) -> Result<(), Error> {
        let path = self.dir.clone();
        self.try_purge().map_err(|source| Error::Index { path, source })
    }

    fn try_purge(&mut self) -> tantivy::Result<()> {
        let metas = self.index.searchable_segment_metas()?;
        let stale: Vec<_> = metas.iter().filter(|meta| meta.has_deletes()).map(|meta| meta.id()).collect();
        let writer = self.writer()?;
        for segment in stale {
            // a merge that goes on by itself may have taken it meanwhile, and has purged it then
            if let Err(error) = writer.merge(&[segment]).wait() {
                tracing::debug!(%error, "a part of the index is being merged already");
            }
        }
        self.rest_now()?;
        fault::at("index.purge")?;
        self.reader.reload()?;
        self.writer()?.garbage_collect_files().wait()?;
        sync_dir(&self.dir).map_err(|error| tantivy::TantivyError::SystemError(error.to_string()))
    }

    /// Whether a folder holds an index that was made once.
    pub(crate) fn exists(dir: &Path) -> bool {
        dir.join("meta.json").exists()
    }

    /// Frees the writer's threads and memory. The next commit makes a new one.
    pub(crate) fn rest(&mut self) -> Result<(), Error> {
        self.rest_now().map_err(|source| Error::Index { path: self.dir.clone(), source })
    }

    fn rest_now(&mut self) -> tantivy::Result<()> {
        self.writer.take().map_or(Ok(()), IndexWriter::wait_merging_threads)
    }

    /// The index as it was committed last. It stays readable whatever happens later.
    pub(crate) fn view(&self) -> IndexView {
        IndexView { dir: self.dir.clone(), searcher: self.reader.searcher(), fields: self.fields }
    }
}

fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let fields = Fields {
        stream: builder.add_u64_field("stream", INDEXED),
        word: builder.add_bytes_field("word", BytesOptions::default().set_indexed()),
        min: builder.add_i64_field("min", FAST),
        max: builder.add_i64_field("max", FAST),
        numbers: NUMBERS.map(|name| builder.add_u64_field(name, FAST)),
    };
    (builder.build(), fields)
}

fn document(fields: Fields, block: &NewBlock<'_>) -> TantivyDocument {
    let mut document = TantivyDocument::default();
    for stream in block.streams {
        document.add_u64(fields.stream, *stream);
    }
    match block.words {
        BlockWords::Opaque => document.add_bytes(fields.word, OPAQUE),
        BlockWords::Known(words) => words.iter().for_each(|word| document.add_bytes(fields.word, word)),
    }
    document.add_i64(fields.min, block.place.min);
    document.add_i64(fields.max, block.place.max);
    for (field, number) in fields.numbers.into_iter().zip(block.place.numbers()) {
        document.add_u64(field, number);
    }
    document
}

/// A committed state of the index.
#[derive(Clone)]
pub(crate) struct IndexView {
    dir: PathBuf,
    searcher: Searcher,
    fields: Fields,
}

impl std::fmt::Debug for IndexView {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "IndexView({}, {} blocks)", self.dir.display(), self.searcher.num_docs())
    }
}

impl IndexView {
    /// Checks what it says of blocks against data files with so many bytes, and so many blocks ever made.
    pub(crate) fn check(&self, blocks: u64, skip: u64, sequence: u64) -> Result<(), Error> {
        let nonsense = self.nonsense(blocks, skip, sequence);
        match nonsense.map_err(|source| Error::Index { path: self.dir.clone(), source })? {
            Some(why) => Err(damaged(&self.dir, why)),
            None => Ok(()),
        }
    }

    pub(crate) fn block_count(&self) -> u64 {
        self.searcher.num_docs()
    }

    /// Entries of all blocks.
    pub(crate) fn entry_count(&self) -> Result<u64, Error> {
        let all = self.search(&Search { streams: None, range: TimeRange::ALL, words: &[] })?;
        Ok(all.iter().map(|place| place.entry_count).sum())
    }

    /// The blocks that may hold what is searched for, in the order in which they were sealed.
    pub(crate) fn search(&self, search: &Search<'_>) -> Result<Vec<BlockPlace>, Error> {
        let mut places = Vec::new();
        for segment in self.searcher.segment_readers() {
            let found = Segment::open(segment, self.fields).and_then(|segment| segment.search(search, &mut places));
            found.map_err(|source| Error::Index { path: self.dir.clone(), source })?;
        }
        // a commit that succeeded and could not be read back is done again, and names its blocks twice
        places.sort_unstable_by_key(|place| place.sequence);
        places.dedup_by_key(|place| place.sequence);
        Ok(places)
    }

    /// Calls `each` with every stream number and the span of every block that has entries of it.
    pub(crate) fn spans(&self, mut each: impl FnMut(u64, i64, i64)) -> Result<(), Error> {
        for segment in self.searcher.segment_readers() {
            let walked = Segment::open(segment, self.fields)
                .and_then(|segment| segment.each_stream(&mut |number, place| each(number, place.min, place.max)));
            walked.map_err(|source| Error::Index { path: self.dir.clone(), source })?;
        }
        Ok(())
    }
}

/// One immutable piece of the index.
struct Segment<'s> {
    reader: &'s SegmentReader,
    fields: Fields,
    min: Column<i64>,
    max: Column<i64>,
    numbers: Vec<Column<u64>>,
}

impl<'s> Segment<'s> {
    fn open(reader: &'s SegmentReader, fields: Fields) -> tantivy::Result<Segment<'s>> {
        let fast = reader.fast_fields();
        let numbers = NUMBERS.iter().map(|name| fast.u64(name)).collect::<tantivy::Result<Vec<_>>>()?;
        Ok(Segment { reader, fields, min: fast.i64("min")?, max: fast.i64("max")?, numbers })
    }

    fn search(&self, search: &Search<'_>, places: &mut Vec<BlockPlace>) -> tantivy::Result<()> {
        let mut wanted = Documents::all(self.reader.max_doc());
        if let Some(streams) = search.streams {
            wanted.keep(&self.with_streams(streams)?);
        }
        let telling = |demand: &Demand| demand.place == Place::Whole && demand.bytes.len() >= TELLING_BYTES_MIN;
        let walk = !search.words.iter().any(telling);
        for demand in search.words.iter().filter(|demand| walk || demand.place == Place::Whole) {
            if wanted.is_empty() {
                return Ok(());
            }
            wanted.keep(&self.with_word(demand)?);
        }
        for doc in wanted.iter().filter(|doc| !self.reader.is_deleted(*doc)) {
            let place = self.place(doc);
            if place.overlaps(search.range) {
                places.push(place);
            }
        }
        Ok(())
    }

    fn with_streams(&self, streams: &[u64]) -> tantivy::Result<Documents> {
        let inverted = self.reader.inverted_index(self.fields.stream)?;
        let mut found = Documents::none(self.reader.max_doc());
        for stream in streams {
            let term = Term::from_field_u64(self.fields.stream, *stream);
            if let Some(postings) = inverted.read_postings(&term, IndexRecordOption::Basic)? {
                found.add(postings);
            }
        }
        Ok(found)
    }

    fn with_word(&self, demand: &Demand) -> tantivy::Result<Documents> {
        let inverted = self.reader.inverted_index(self.fields.word)?;
        let mut found = Documents::none(self.reader.max_doc());
        let mut add = |info: &tantivy::postings::TermInfo| -> tantivy::Result<()> {
            found.add(inverted.read_postings_from_terminfo(info, IndexRecordOption::Basic)?);
            Ok(())
        };
        let words = inverted.terms();
        if let Some(info) = words.get(OPAQUE)? {
            add(&info)?;
        }
        if demand.place == Place::Whole {
            if let Some(info) = words.get(&demand.bytes)? {
                add(&info)?;
            }
            return Ok(found);
        }
        let mut all = if demand.place == Place::Start {
            words.range().ge(&demand.bytes).into_stream()?
        } else {
            words.stream()?
        };
        while all.advance() {
            if lies_in(demand, all.key()) {
                add(all.value())?;
            } else if demand.place == Place::Start {
                break;
            }
        }
        Ok(found)
    }

    /// Calls `each` with every stream number and every block that has entries of it.
    fn each_stream(&self, each: &mut impl FnMut(u64, BlockPlace)) -> tantivy::Result<()> {
        let inverted = self.reader.inverted_index(self.fields.stream)?;
        let mut streams = inverted.terms().stream()?;
        while streams.advance() {
            let number = <[u8; 8]>::try_from(streams.key()).map(u64::from_be_bytes);
            let number =
                number.map_err(|_| tantivy::TantivyError::SystemError("a stream number has 8 bytes".into()))?;
            let mut postings = inverted.read_postings_from_terminfo(streams.value(), IndexRecordOption::Basic)?;
            while postings.doc() != TERMINATED {
                if !self.reader.is_deleted(postings.doc()) {
                    each(number, self.place(postings.doc()));
                }
                postings.advance();
            }
        }
        Ok(())
    }

    fn place(&self, doc: u32) -> BlockPlace {
        let number = |at: usize| self.numbers[at].first(doc).unwrap_or(0);
        let numbers = std::array::from_fn(number);
        BlockPlace::from_numbers(self.min.first(doc).unwrap_or(0), self.max.first(doc).unwrap_or(0), numbers)
    }
}

/// A set of documents of one segment.
#[derive(Debug)]
struct Documents {
    bits: Vec<u64>,
}

impl Documents {
    fn none(count: u32) -> Documents {
        Documents { bits: vec![0; (count as usize).div_ceil(64)] }
    }

    fn all(count: u32) -> Documents {
        let mut all = Documents { bits: vec![u64::MAX; (count as usize).div_ceil(64)] };
        if let (Some(last), used @ 1..) = (all.bits.last_mut(), count % 64) {
            *last = (1 << used) - 1;
        }
        all
    }

    fn add(&mut self, mut postings: SegmentPostings) {
        debug_assert!(postings.term_freq() > 0);
        while postings.doc() != TERMINATED {
            self.bits[postings.doc() as usize / 64] |= 1 << (postings.doc() % 64);
            postings.advance();
        }
    }

    fn keep(&mut self, others: &Documents) {
        self.bits.iter_mut().zip(&others.bits).for_each(|(mine, other)| *mine &= other);
    }

    fn is_empty(&self) -> bool {
        self.bits.iter().all(|bits| *bits == 0)
    }

    fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let set = |(index, bits): (usize, &u64)| {
            let bits = *bits;
            (0..64u32).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| index as u32 * 64 + bit)
        };
        self.bits.iter().enumerate().flat_map(set)
    }
}

#[cfg(test)]
mod tests {
    use crate::model::TimeRange;
    use crate::store::index::{BlockIndex, BlockPlace, BlockWords, NewBlock, Search};
    use crate::store::words::Demands;

    fn place(sequence: u64) -> BlockPlace {
        BlockPlace {
            min: sequence as i64 * 10,
            max: sequence as i64 * 10 + 9,
            entry_count: 3,
            text_bytes: 30,
            offset: 0,
            len: 20,
            lead_len: 10,
            skip_offset: 0,
            skip_len: 5,
            sequence,
        }
    }

    fn words(text: &str) -> BlockWords {
        let mut words: Vec<Box<[u8]>> = text.split(' ').map(|word| word.as_bytes().into()).collect();
        words.sort();
        BlockWords::Known(words)
    }

    #[test]
    fn blocks_are_found_by_stream_word_and_time_after_reopening() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let (mut index, payload) = BlockIndex::open(dir.path()).expect("it opens");
        assert_eq!(payload, None);
        let (texts, opaque) = ([words("request failed timeout"), words("request done")], BlockWords::Opaque);
        let blocks = [
            NewBlock { place: place(0), streams: &[7], words: &texts[0] },
            NewBlock { place: place(1), streams: &[7, u64::MAX], words: &texts[1] },
            NewBlock { place: place(2), streams: &[9], words: &opaque },
        ];
        index.commit(&blocks, &[], "abc").expect("it commits");
        drop(index);
        let (index, payload) = BlockIndex::open(dir.path()).expect("it opens again");
        assert_eq!(payload.as_deref(), Some("abc"));
        let view = index.view();
        let find = |streams: Option<&[u64]>, needle: &str, range: TimeRange| {
            let words = Demands::of(needle.as_bytes()).words;
            let found = view.search(&Search { streams, range, words: &words }).expect("it searches");
            let mut sequences: Vec<u64> = found.iter().map(|place| place.sequence).collect();
            sequences.sort_unstable();
            sequences
        };
        assert_eq!(find(None, "", TimeRange::ALL), [0, 1, 2]);
        assert_eq!(find(Some(&[7]), "", TimeRange::ALL), [0, 1]);
        assert_eq!(find(Some(&[u64::MAX, 9]), "", TimeRange::ALL), [1, 2]);
        assert_eq!(find(None, " failed ", TimeRange::ALL), [0, 2]);
        assert_eq!(find(None, "meou", TimeRange::ALL), [0, 2]);
        assert_eq!(find(None, " time", TimeRange::ALL), [0, 2]);
        assert_eq!(find(None, "quest do", TimeRange::ALL), [1, 2]);
        let early = TimeRange::new(crate::model::Timestamp::from_nanos(0), crate::model::Timestamp::from_nanos(10));
        assert_eq!(find(None, "", early), [0]);
        let mut spans = Vec::new();
        view.spans(|number, min, max| spans.push((number, min, max))).expect("it walks");
        assert_eq!(spans, [(7, 0, 9), (7, 10, 19), (9, 20, 29), (u64::MAX, 10, 19)]);
        assert_eq!(view.search(&Search { streams: None, range: early, words: &[] }).expect("it searches"), [place(0)]);
    }
}
