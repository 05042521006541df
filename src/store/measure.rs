//! What benchmarks measure: the stages of making a block and of reading it, one by one, on blocks in memory.
//!
//! Never: part of what the server does; the server seals and reads through `seal` and `reader`.

use std::hint::black_box;

use crate::model::Labels;
use crate::store::block::{Codec, ColumnWriter, Content, Lead, Lines, encode, encode_lead};
use crate::store::seal::{BLOCK_TEXT_BYTES, LookUps, Sealer};

/// A part of making or reading a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Telling digits, letters and signs apart.
    Mark,
    /// Marking, taking rows to pieces and finding their templates.
    Gather,
    /// The text's section whole: gathering, and writing templates and columns.
    Columns,
    /// Words and filter of a block.
    LookUps,
    /// The block without its text: times, lengths, metadata.
    Lead,
    /// All of it, as the server does it.
    Seal,
    /// Reading back what comes before the text.
    OpenLead,
    /// Reading back all lines.
    Render,
}

/// How large what was made is, in bytes, over all blocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sizes {
    pub blocks: usize,
    /// Blocks whose text became templates and columns.
    pub in_columns: usize,
    pub raw: usize,
    /// Times, lengths, metadata, headers.
    pub lead: usize,
    pub text: usize,
    pub filter: usize,
    /// Words that go into the index, as text.
    pub words: usize,
}

impl Sizes {
    /// Bytes on disk without the index.
    pub fn stored(&self) -> usize {
        self.lead + self.text + self.filter
    }
}

/// The blocks of some streams, and what is needed to make them.
#[derive(Debug)]
pub struct Blocks {
    contents: Vec<Content>,
    sealed: Vec<(Vec<u8>, usize)>,
    sealer: Sealer,
    columns: ColumnWriter,
    codec: Codec,
}

impl Default for Blocks {
    fn default() -> Blocks {
        Blocks {
            contents: Vec::new(),
            sealed: Vec::new(),
            sealer: Sealer::new(),
            columns: ColumnWriter::default(),
            codec: Codec::new(),
        }
    }
}

impl Blocks {
    /// Adds the lines of a stream, sorted by their times in nanoseconds, in blocks of the usual size.
    pub fn add<'l>(&mut self, stream: u64, lines: impl IntoIterator<Item = (i64, &'l str)>) {
        let mut content = Content::default();
        for (time, line) in lines {
            content.times.push(time);
            content.set_of.push(0);
            content.text_lengths.push(line.len() as u32);
            content.text.extend_from_slice(line.as_bytes());
            if content.text.len() >= BLOCK_TEXT_BYTES {
                self.close(stream, std::mem::take(&mut content));
            }
        }
        self.close(stream, content);
    }

    fn close(&mut self, stream: u64, mut content: Content) {
        if !content.times.is_empty() {
            content.streams.push((stream, content.times.len()));
            content.sets.push(Labels::from([("detected_level", "info")]));
            self.contents.push(content);
        }
    }

    /// Makes all blocks, keeps them for the stages that read, and tells their sizes.
    pub fn seal(&mut self) -> Sizes {
        let mut sizes = Sizes::default();
        self.sealed.clear();
        for content in &self.contents {
            let block = self.sealer.seal_again(|own| own.clone_from(content));
            sizes.blocks += 1;
            sizes.in_columns += usize::from(block.has_columns);
            sizes.raw += block.text_bytes;
            sizes.lead += block.lead_len;
            sizes.text += block.bytes.len() - block.lead_len;
            sizes.filter += block.filter.len();
            sizes.words += block.words.text_bytes();
            self.sealed.push((block.bytes, block.lead_len));
        }
        sizes
    }

    /// Runs one stage over all blocks, and tells how long it took by `clock`; stages that read need `seal` before.
    pub fn time(&mut self, stage: Stage, clock: impl Fn() -> u64) -> u64 {
        let Blocks { contents, sealed, sealer, columns, codec } = self;
        let mut taken = 0;
        for (place, content) in contents.iter().enumerate() {
            let Content { text, text_lengths, times, .. } = content;
            let is_columns = stage == Stage::LookUps && encode(content, codec, Some(columns)).has_columns;
            let started = clock();
            match stage {
                Stage::Mark => drop(black_box(columns.mark(text))),
                Stage::Gather => drop(black_box(columns.gather(text, text_lengths, times))),
                Stage::Columns => {
                    columns.gather(text, text_lengths, times);
                    drop(black_box(columns.write(text.len(), codec)));
                }
                Stage::LookUps if is_columns => drop(black_box(LookUps::of_columns(columns).finish())),
                Stage::LookUps => drop(black_box(LookUps::of_lines(content, columns.mark(text)).finish())),
                Stage::Lead => drop(black_box(encode_lead(content, codec))),
                Stage::Seal => drop(black_box(sealer.seal_again(|own| own.clone_from(content)))),
                Stage::OpenLead => drop(black_box(open_lead(&sealed[place], codec))),
                Stage::Render => drop(black_box(render(&sealed[place], codec))),
            }
            taken += clock() - started;
        }
        taken
    }
}

fn open_lead((bytes, lead_len): &(Vec<u8>, usize), codec: &mut Codec) -> Lead {
    Lead::decode(&bytes[..*lead_len], codec).expect("it was just made")
}

fn render(block: &(Vec<u8>, usize), codec: &mut Codec) -> Lines {
    let lead = open_lead(block, codec);
    let text = lead.text(&block.0[block.1..], codec).expect("it was just made");
    text.lines(&lead, None, codec).expect("it was just made")
}
