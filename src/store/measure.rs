//! What benchmarks measure: the stages of making a block and of reading it, one by one, on blocks in memory.
//!
//! Never: part of what the server does; the server seals and reads through `seal` and `reader`.

use std::hint::black_box;

use crate::model::{Labels, TimeRange};
use crate::store::block::{Codec, ColumnWriter, Content, Lead, Lines, encode, encode_lead};
use crate::store::filter::Filter;
use crate::store::needle::TextTests;
use crate::store::seal::{BLOCK_TEXT_BYTES, CALM_BYTES_MAX, LookUps, Sealer};
use crate::store::select::{Need, Selection};
use crate::store::words::Demands;

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

/// A part of looking for a needle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looking {
    /// Asking the filters for the ids of the needle.
    Filter,
    /// Opening a block's text, which every search begins with.
    Open,
    /// The same, and deciding by templates and columns which entries hold the needle.
    Find,
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
    filters: Vec<Vec<u8>>,
    sealer: Sealer,
    columns: ColumnWriter,
    codec: Codec,
}

impl Default for Blocks {
    fn default() -> Blocks {
        Blocks {
            contents: Vec::new(),
            sealed: Vec::new(),
            filters: Vec::new(),
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

    /// Makes all blocks, as small as the server does when they rest; keeps them for the stages that read, and tells their sizes.
    pub fn seal(&mut self) -> Sizes {
        let mut sizes = Sizes::default();
        self.sealed.clear();
        self.filters.clear();
        self.sealer.has_time = self.contents.iter().map(|content| content.text.len()).sum::<usize>() <= CALM_BYTES_MAX;
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
            self.filters.push(block.filter);
        }
        self.sealer.has_time = false;
        sizes
    }

    /// Runs one stage over all blocks, and tells how long it took by `clock`; stages that read need `seal` before.
    pub fn time(&mut self, stage: Stage, clock: impl Fn() -> u64) -> u64 {
        let Blocks { contents, sealed, sealer, columns, codec, .. } = self;
        let mut taken = 0;
        for (place, content) in contents.iter().enumerate() {
            let Content { text, text_lengths, times, .. } = content;
            let is_columns = stage == Stage::LookUps && encode(content, codec, Some(columns), false).has_columns;
            let started = clock();
            match stage {
                Stage::Mark => columns.marks().mark(text),
                Stage::Gather => drop(black_box(columns.gather(text, text_lengths, times))),
                Stage::Columns => {
                    columns.gather(text, text_lengths, times);
                    drop(black_box(columns.write(text.len(), codec)));
                }
                Stage::LookUps if is_columns => drop(black_box(LookUps::of_columns(columns).finish())),
                Stage::LookUps => drop(black_box(LookUps::of_lines(content, columns.marks()).finish())),
                Stage::Lead => drop(black_box(encode_lead(content, codec))),
                Stage::Seal => drop(black_box(sealer.seal_again(|own| own.clone_from(content)))),
                Stage::OpenLead => drop(black_box(open_lead(&sealed[place], codec))),
                Stage::Render => drop(black_box(render(&sealed[place], codec))),
            }
            taken += clock() - started;
        }
        taken
    }

    /// Looks for a needle in all blocks, which `seal` made, and tells how long a part of that took by `clock`, and how
    /// many blocks (of filters) or entries were not ruled out.
    pub fn look_for(&mut self, needle: &str, looking: Looking, clock: impl Fn() -> u64) -> (u64, usize) {
        let demands = Demands::of(needle.as_bytes());
        let selection = Selection::of(Vec::new(), TimeRange::ALL, Need::Times);
        let tests = TextTests::of(&Selection { needles: vec![needle.to_owned()], ..selection });
        let started = clock();
        let mut found = 0;
        for (block, filter) in self.sealed.iter().zip(&self.filters) {
            if looking == Looking::Filter {
                let filter = Filter::decode(filter).expect("it was just made");
                found += usize::from(demands.ids.iter().all(|id| filter.may_have(id)));
                continue;
            }
            let lead = open_lead(block, &mut self.codec);
            let text = lead.text(&block.0[block.1..], &mut self.codec).expect("it was just made");
            if looking == Looking::Open {
                found += black_box(&lead).times.len();
                continue;
            }
            let all = 0..lead.times.len();
            found +=
                text.find(&lead, std::slice::from_ref(&all), &tests, &mut self.codec).expect("it was just made").len();
        }
        (clock() - started, found)
    }
}

fn open_lead((bytes, lead_len): &(Vec<u8>, usize), codec: &mut Codec) -> Lead {
    Lead::decode(&bytes[..*lead_len], None, codec).expect("it was just made")
}

fn render(block: &(Vec<u8>, usize), codec: &mut Codec) -> Lines {
    let lead = open_lead(block, codec);
    let text = lead.text(&block.0[block.1..], codec).expect("it was just made");
    text.lines(&lead, None, codec).expect("it was just made")
}

#[cfg(test)]
mod tests {
    use crate::store::block::Codec;
    use crate::store::measure::{Blocks, Sizes, render};

    /// 2026-11-20T10:00:00Z.
    const START: i64 = 1_795_168_800_000_000_000;

    /// Lines that were written a millisecond apart, as blocks; and what zstd's lowest level makes of them.
    fn check(line: impl FnMut(usize) -> String) -> (Sizes, usize) {
        let lines: Vec<String> = (0..12_000).map(line).collect();
        let mut blocks = Blocks::default();
        blocks.add(7, lines.iter().enumerate().map(|(place, line)| (START + place as i64 * 1_000_000, line.as_str())));
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        (blocks.seal(), zstd::bulk::compress(text.as_bytes(), 1).expect("it packs").len())
    }

    fn mixed(number: usize) -> usize {
        let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) as usize >> 8
    }

    fn check_junk(line: impl FnMut(usize) -> String) {
        let (sizes, zstd) = check(line);
        assert!(sizes.stored() * 100 <= zstd * 105, "{sizes:?} against {zstd}");
        assert!(sizes.words * 100 <= zstd, "{sizes:?} against {zstd}");
    }

    #[test]
    fn junk_costs_hardly_more_than_packed_as_it_is() {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        check_junk(|line| (0..76).map(|place| char::from(DIGITS[mixed(line * 76 + place) % 64])).collect());
        check_junk(|line| {
            (0..64)
                .filter_map(|place| char::from_u32(mixed(line * 64 + place) as u32 % 0x3000).filter(|c| *c != '\n'))
                .collect()
        });
        check_junk(|line| (0..40).map(|place| format!("\\x{:02x}", mixed(line * 40 + place) % 256)).collect());
        let name = |number: usize| {
            let parts = ["read", "write", "block", "index", "stream", "value", "count", "entry", "state", "queue"];
            format!("{}_{}{}", parts[number % 10], parts[number / 10 % 10], ["", "s", "_at", "_of"][number / 100 % 4])
        };
        check_junk(|line| {
            let noise = mixed(line);
            let [a, b, c] = [noise >> 5, noise >> 17, noise >> 29].map(name);
            match noise & 3 {
                0 => format!("    let {a} = self.{b}({c})?;"),
                1 => format!("        if {a} > {b}.len() {{"),
                2 => format!("/// The {a} of a {b}, and {c} where there is one."),
                _ => format!("    {a}.push({b}[{c}..]);"),
            }
        });
    }

    #[test]
    fn blocks_that_rest_are_smaller_and_hold_the_same_lines() {
        let lines: Vec<String> = (0..3000)
            .map(|number| {
                let noise = mixed(number);
                let host = ["combo", "kernel", "authd", "gw-3"][noise % 4];
                format!(
                    "{host} sshd(pam_unix)[{}]: session opened for user u{} by (uid={})",
                    noise >> 9 & 0xfff,
                    noise >> 21 & 0xff,
                    noise % 3
                )
            })
            .collect();
        let mut blocks = Blocks::default();
        blocks.add(7, lines.iter().enumerate().map(|(place, line)| (START + place as i64 * 1_000_000, line.as_str())));
        let rested = blocks.seal();
        let mut codec = Codec::new();
        let rendered = render(&blocks.sealed[0], &mut codec);
        assert!(lines.iter().enumerate().all(|(place, line)| rendered.get(place) == line.as_bytes()));
        let busy = blocks.sealer.seal_again(|own| own.clone_from(&blocks.contents[0]));
        assert!(rested.stored() < busy.bytes.len() + busy.filter.len(), "{rested:?} against {}", busy.bytes.len());
    }

    #[test]
    fn logs_become_less_than_two_thirds_of_what_zstd_makes_of_them() {
        let (sizes, zstd) = check(|line| {
            let noise = mixed(line);
            let user = ["ann", "bob", "kim"][noise % 3];
            format!("level=info msg=\"cart updated\" user={user} took={}ms size={}", noise % 977, noise / 977 % 4000)
        });
        assert_eq!(sizes.blocks, sizes.in_columns);
        assert!(sizes.stored() * 3 <= zstd * 2, "{sizes:?} against {zstd}");
    }
}
