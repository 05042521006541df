//! The first level word of a line.
//!
//! Nearly every byte of every line is looked at here, so it is done sixteen at a time: a comparison that compilers turn
//! into vector code marks the places where two letters begin a level word behind something that is no letter; only
//! those are looked at one by one.

use crate::ingest::level::Level;

/// Bytes compared at once.
const LANES: usize = 16;

/// The level of the first word that stands alone, or unknown.
pub(super) fn scan(line: &[u8]) -> Level {
    if let Some(level) = word_at(line, 0) {
        return level;
    }
    // `at` is the place of the first lane's candidate: one byte before it and one behind it are looked at
    let mut at = 1;
    while let Some(window) = line.get(at - 1..at + LANES + 1) {
        let window: &[u8; LANES + 2] = window.try_into().expect("the slice was taken with this length");
        if let Some(level) = first(line, at, marks(window)) {
            return level;
        }
        at += LANES;
    }
    let mut window = [0; LANES + 2];
    let rest = line.get(at - 1..).unwrap_or_default();
    window[..rest.len()].copy_from_slice(rest);
    first(line, at, marks(&window)).unwrap_or(Level::Unknown)
}

/// Tries the marked places from the left.
#[inline]
fn first(line: &[u8], at: usize, mut marks: u128) -> Option<Level> {
    while marks != 0 {
        let lane = marks.trailing_zeros() as usize / 8;
        let place = at + lane;
        if is_left_boundary(line[place - 1])
            && let Some(level) = word_at(line, place)
        {
            return Some(level);
        }
        marks &= !(0xff << (8 * lane));
    }
    None
}

/// A byte that is not zero for every lane at which a level word may begin.
#[inline]
fn marks(window: &[u8; LANES + 2]) -> u128 {
    let mut marks = [0_u8; LANES];
    for lane in 0..LANES {
        let before = window[lane] | 0x20;
        let one = window[lane + 1] | 0x20;
        let two = window[lane + 2] | 0x20;
        let letter_before = before.wrapping_sub(b'a') < 26;
        // trace critical error err | debug | fatal warn warning | info
        let begins = ((one == b't') | (one == b'c') | (one == b'e')) & (two == b'r')
            | (one == b'd') & (two == b'e')
            | ((one == b'f') | (one == b'w')) & (two == b'a')
            | (one == b'i') & (two == b'n');
        marks[lane] = u8::from(begins & !letter_before);
    }
    u128::from_le_bytes(marks)
}

/// The level word that begins at `at` and ends before a boundary.
fn word_at(line: &[u8], at: usize) -> Option<Level> {
    let rest = &line[at..];
    let (word, level): (&[u8], Level) = match rest.first()? | 0x20 {
        b't' => (b"trace", Level::Trace),
        b'd' => (b"debug", Level::Debug),
        b'f' => (b"fatal", Level::Fatal),
        b'c' => (b"critical", Level::Critical),
        b'i' => (b"info", Level::Info),
        b'e' => match rest.get(3).map(|byte| byte | 0x20) {
            Some(b'o') => (b"error", Level::Error),
            _ => (b"err", Level::Error),
        },
        b'w' => match rest.get(4).map(|byte| byte | 0x20) {
            Some(b'i') => (b"warning", Level::Warn),
            _ => (b"warn", Level::Warn),
        },
        _ => return None,
    };
    let (head, tail) = rest.split_at_checked(word.len())?;
    let stands_alone = tail.first().is_none_or(|byte| is_right_boundary(*byte));
    (stands_alone && head.eq_ignore_ascii_case(word)).then_some(level)
}

fn is_left_boundary(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'[' | b'(' | b'{' | b'"' | b'\'' | b'=' | b'|')
}

fn is_right_boundary(byte: u8) -> bool {
    is_left_boundary(byte) || matches!(byte, b']' | b')' | b'}' | b':' | b',' | b'!')
}
