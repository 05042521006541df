//! What a text can be looked up by: words (runs of letters) and ids (runs of letters and digits with a digit).
//!
//! A block remembers the words and ids of its text. A needle tells which of them a text that holds it must have,
//! so that blocks without them are skipped. Promise: a needle that lies in a text never demands what the text has not.
//!
//! - A word is a maximal run of ASCII letters, or of bytes from 0x80 up, of two bytes or more. Runs made of `a`–`f` only
//!   or of `A`–`F` only are no words: they come out of hexadecimal ids by the thousand and tell nothing.
//! - An id is a maximal run of ASCII letters and digits, with a digit, of eight bytes or more.
//! - Shorter numbers have no index.

use crate::store::block::Marks;

/// The least length of an id.
pub(crate) const ID_BYTES_MIN: usize = 8;
const WORD_BYTES_MIN: usize = 2;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Other,
    Letter,
    Digit,
    /// Part of a character outside ASCII.
    High,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => Class::Letter,
            b'0'..=b'9' => Class::Digit,
            0x80.. => Class::High,
            _ => Class::Other,
        };
        byte += 1;
    }
    classes
};

fn class(byte: u8) -> Class {
    CLASSES[byte as usize]
}

/// Calls `word` for each word and `id` for each id of a text, as often as they occur.
pub(crate) fn each<'t>(text: &'t [u8], mut word: impl FnMut(&'t [u8]), mut id: impl FnMut(&'t [u8])) {
    let mut at = 0;
    while at < text.len() {
        match class(text[at]) {
            Class::Other => at += 1,
            Class::High => {
                let start = at;
                at = run_end(text, at, |class| class == Class::High);
                word(&text[start..at]);
            }
            Class::Letter | Class::Digit => {
                let start = at;
                at = alphanumeric(text, start, &mut word);
                if at - start >= ID_BYTES_MIN && text[start..at].iter().any(u8::is_ascii_digit) {
                    id(&text[start..at]);
                }
            }
        }
    }
}

/// Calls `id` for each id that lies in a piece of a marked text.
pub(crate) fn each_id<'t>(text: &'t [u8], (start, end): (usize, usize), marks: &Marks, mut id: impl FnMut(&'t [u8])) {
    let mut run_end = start;
    loop {
        let digit = marks.digits.next(run_end, end);
        if digit == end {
            return;
        }
        let run = marks.alphanumeric.run_start(run_end, digit);
        run_end = marks.alphanumeric.next_gap(digit, end);
        if run_end - run >= ID_BYTES_MIN {
            id(&text[run..run_end]);
        }
    }
}

/// The same of a text that is not marked, quick where such runs are rare: each of them lies over one place in eight.
pub(crate) fn each_rare_id<'t>(text: &'t [u8], mut id: impl FnMut(&'t [u8])) {
    let belongs = |byte: &u8| matches!(class(*byte), Class::Letter | Class::Digit);
    let (mut past, mut at) = (0, ID_BYTES_MIN - 1);
    while at < text.len() {
        if !belongs(&text[at]) {
            at += ID_BYTES_MIN;
            continue;
        }
        let run = text[past..at].iter().rposition(|byte| !belongs(byte)).map_or(past, |place| past + place + 1);
        past = run_end(text, at, |class| matches!(class, Class::Letter | Class::Digit));
        if past - run >= ID_BYTES_MIN && text[run..past].iter().any(u8::is_ascii_digit) {
            id(&text[run..past]);
        }
        at = past + ID_BYTES_MIN;
    }
}

/// Calls `word` with begin and end of each run of two ASCII letters or more, hexadecimal ones included, of a marked text
/// whose lines lie one after another with these lengths; until it says that it has enough.
pub(crate) fn each_letters(text: &[u8], lengths: &[u32], marks: &Marks, mut word: impl FnMut(usize, usize) -> bool) {
    let mut line_starts = vec![0u64; text.len() / 64 + 1];
    let mut line_start = 0;
    for length in lengths {
        line_starts[line_start / 64] |= 1 << (line_start % 64);
        line_start += *length as usize;
    }
    // whether the byte before the piece is a letter, and where the run that it belongs to begins
    let (mut carry, mut run) = (0, 0);
    let pieces = marks.alphanumeric.pieces().iter().zip(marks.digits.pieces()).zip(line_starts);
    for (index, ((alphanumeric, digits), line_starts)) in pieces.enumerate() {
        let letters = alphanumeric & !digits;
        let before = letters << 1 | carry;
        let mut starts = letters & !(before & !line_starts);
        let mut ends = before & !(letters & !line_starts);
        if carry == 0 && starts != 0 {
            run = index * 64 + starts.trailing_zeros() as usize;
            starts &= starts - 1;
        }
        carry = letters >> 63;
        while ends != 0 {
            let end = index * 64 + ends.trailing_zeros() as usize;
            ends &= ends - 1;
            if end - run >= WORD_BYTES_MIN && !word(run, end) {
                return;
            }
            run = index * 64 + starts.trailing_zeros() as usize;
            starts &= starts.wrapping_sub(1);
        }
    }
    if carry == 1 && text.len() - run >= WORD_BYTES_MIN {
        word(run, text.len());
    }
}

/// Reports the words of the run of letters and digits that begins at `start`, and gives the run's end.
fn alphanumeric<'t>(text: &'t [u8], start: usize, word: &mut impl FnMut(&'t [u8])) -> usize {
    let mut at = start;
    loop {
        let letters_start = at;
        at = run_end(text, at, |class| class == Class::Letter);
        if at - letters_start >= WORD_BYTES_MIN && !is_hex(&text[letters_start..at]) {
            word(&text[letters_start..at]);
        }
        at = run_end(text, at, |class| class == Class::Digit);
        if at == text.len() || class(text[at]) != Class::Letter {
            return at;
        }
    }
}

fn run_end(text: &[u8], start: usize, belongs: impl Fn(Class) -> bool) -> usize {
    text[start..].iter().position(|byte| !belongs(class(*byte))).map_or(text.len(), |length| start + length)
}

/// Letters that may be a piece of a hexadecimal number.
pub(crate) fn is_hex(letters: &[u8]) -> bool {
    letters.iter().all(|byte| matches!(byte, b'a'..=b'f')) || letters.iter().all(|byte| matches!(byte, b'A'..=b'F'))
}

/// Where in a word of the text a run of the needle must lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// It is the word.
    Whole,
    /// The word begins with it: the needle ends in the middle of the word.
    Start,
    /// The word ends with it: the needle begins in the middle of the word.
    End,
    /// The word has it somewhere.
    Within,
}

/// A run of the needle and where it must lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) place: Place,
    pub(crate) bytes: Vec<u8>,
}

/// An id that the needle has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IdDemand {
    Run(Demand),
    /// A UUID, whole and the ids that are its parts: it may be stored as one or as the other.
    Uuid(Vec<u8>, Vec<Demand>),
}

/// What a text that holds the needle must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demands {
    pub(crate) words: Vec<Demand>,
    pub(crate) ids: Vec<IdDemand>,
}

pub(crate) const UUID_LEN: usize = 36;

/// Whether a text begins with a UUID in lower case: 8, 4, 4, 4 and 12 digits with dashes between them.
pub(crate) fn begins_with_uuid(text: &[u8]) -> bool {
    text.get(..UUID_LEN).is_some_and(|uuid| {
        uuid.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
        })
    })
}

impl Demands {
    /// Reads off a needle what it demands.
    pub(crate) fn of(needle: &[u8]) -> Demands {
        let mut demands = Demands::default();
        let (mut at, mut uuid_end) = (0, 0);
        while at < needle.len() {
            if at >= uuid_end && begins_with_uuid(&needle[at..]) {
                uuid_end = at + UUID_LEN;
                demands.ids.push(IdDemand::Uuid(needle[at..uuid_end].to_vec(), Vec::new()));
            }
            let belongs: fn(Class) -> bool = match class(needle[at]) {
                Class::Other => {
                    at += 1;
                    continue;
                }
                Class::High => |class| class == Class::High,
                Class::Letter | Class::Digit => |class| matches!(class, Class::Letter | Class::Digit),
            };
            let start = at;
            at = run_end(needle, at, belongs);
            demands.add_run(needle, start, at, start < uuid_end);
        }
        demands
    }

    fn add_run(&mut self, needle: &[u8], start: usize, end: usize, in_uuid: bool) {
        let place = |from: usize, to: usize| match (from == 0, to == needle.len()) {
            (false, false) => Place::Whole,
            (false, true) => Place::Start,
            (true, false) => Place::End,
            (true, true) => Place::Within,
        };
        let run = &needle[start..end];
        if class(run[0]) == Class::High {
            self.words.push(Demand { place: place(start, end), bytes: run.to_vec() });
            return;
        }
        if run.iter().any(u8::is_ascii_digit) && run.len() >= ID_BYTES_MIN {
            let demand = Demand { place: place(start, end), bytes: run.to_vec() };
            match self.ids.last_mut() {
                Some(IdDemand::Uuid(_, parts)) if in_uuid => parts.push(demand),
                _ => self.ids.push(IdDemand::Run(demand)),
            }
        }
        let mut at = start;
        while at < end {
            let letters_end = run_end(&needle[..end], at, |class| class == Class::Letter);
            let letters = &needle[at..letters_end];
            let place = place(at, letters_end);
            // a run at the needle's border may be part of a longer word, which is one although the run is not:
            // only a whole word can be too short or look hexadecimal to be looked for
            let indexed = letters.len() >= WORD_BYTES_MIN && !is_hex(letters);
            if indexed {
                self.words.push(Demand { place, bytes: letters.to_vec() });
            }
            at = run_end(&needle[..end], letters_end.max(at), |class| class == Class::Digit);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use crate::store::block::Marks;
    use crate::store::words::{Demand, Demands, IdDemand, Place, each, each_id, each_letters, each_rare_id, is_hex};

    fn words_and_ids(text: &str) -> (Vec<String>, Vec<String>) {
        let (mut words, mut ids) = (Vec::new(), Vec::new());
        let string = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        each(text.as_bytes(), |word| words.push(string(word)), |id| ids.push(string(id)));
        (words, ids)
    }

    #[test]
    fn words_are_runs_of_letters_and_ids_have_digits() {
        let (words, ids) = words_and_ids("GET /cart?id=4bf92f3577b34da6 took 12ms 장바구니, deadbeef x");
        assert_eq!(words, ["GET", "cart", "id", "took", "ms", "장바구니"]);
        assert_eq!(ids, ["4bf92f3577b34da6"]);
    }

    #[test]
    fn a_needle_demands_whole_words_inside_and_parts_at_its_borders() {
        let demand = |place, text: &str| Demand { place, bytes: text.as_bytes().to_vec() };
        let demands = Demands::of(b"est failed: time");
        let expected = [demand(Place::End, "est"), demand(Place::Whole, "failed"), demand(Place::Start, "time")];
        assert_eq!(demands.words, expected);
        assert_eq!(Demands::of(b"timeout").words, [demand(Place::Within, "timeout")]);
        assert_eq!(Demands::of("=주문 ".as_bytes()).words, [demand(Place::Whole, "주문")]);
        assert_eq!(Demands::of(b" 4bf92f35 ").ids, [IdDemand::Run(demand(Place::Whole, "4bf92f35"))]);
        let uuid = "88048db0-9410-40fb-ad1b-bc9e745ed9c7";
        let parts = vec![demand(Place::Whole, "88048db0"), demand(Place::Start, "bc9e745ed9c7")];
        let demands = Demands::of(format!("={uuid}").as_bytes());
        assert_eq!(demands.ids, [IdDemand::Uuid(uuid.as_bytes().to_vec(), parts)]);
        assert_eq!(Demands::of(b"12345 cafe"), Demands::default());
    }

    fn holds(demand: &Demand, texts: &HashSet<Vec<u8>>) -> bool {
        texts.iter().any(|text| match demand.place {
            Place::Whole => *text == demand.bytes,
            Place::Start => text.starts_with(&demand.bytes),
            Place::End => text.ends_with(&demand.bytes),
            Place::Within => text.windows(demand.bytes.len()).any(|window| window == demand.bytes),
        })
    }

    proptest! {
        #[test]
        fn marks_lead_to_the_same_words_and_ids(
            lines in proptest::collection::vec("[a-gxA-G0-9 ._-]{0,70}|[a-z]{60,70}", 0..9),
        ) {
            let text = lines.concat();
            let text = text.as_bytes();
            let lengths: Vec<u32> = lines.iter().map(|line| line.len() as u32).collect();
            let mut marks = Marks::default();
            marks.mark(text);
            let (mut words, mut ids, mut plain_words, mut plain_ids) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            let (mut start, mut rare_ids) = (0, Vec::new());
            for line in &lines {
                each_rare_id(line.as_bytes(), |id| rare_ids.push(id));
                each(line.as_bytes(), |word| plain_words.push(word), |id| plain_ids.push(id));
                each_id(text, (start, start + line.len()), &marks, |id| ids.push(id));
                start += line.len();
            }
            each_letters(text, &lengths, &marks, |start, end| {
                if !is_hex(&text[start..end]) {
                    words.push(&text[start..end]);
                }
                true
            });
            prop_assert_eq!(&rare_ids, &plain_ids);
            prop_assert_eq!((words, ids), (plain_words, plain_ids));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn a_text_has_all_that_its_parts_demand(
            text in "[a-gA-G0-9xyz 가나-]{1,60}|[a-g ]{0,3}[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}[0-9 -]{0,9}", from in 0usize..60, len in 1usize..40) {
            let bytes = text.as_bytes();
            let from = from % bytes.len();
            let needle = &bytes[from..bytes.len().min(from + len)];
            let (mut words, mut ids) = (HashSet::new(), HashSet::new());
            each(bytes, |word| { words.insert(word.to_vec()); }, |id| { ids.insert(id.to_vec()); });
            let demands = Demands::of(needle);
            for demand in &demands.words {
                prop_assert!(holds(demand, &words), "{needle:?} demands {demand:?}");
            }
            for demand in &demands.ids {
                match demand {
                    IdDemand::Run(demand) => prop_assert!(holds(demand, &ids), "{needle:?} demands {demand:?}"),
                    IdDemand::Uuid(_, parts) => {
                        prop_assert!(parts.iter().all(|part| holds(part, &ids)), "{needle:?} demands {demand:?}");
                    }
                }
            }
        }
    }
}
