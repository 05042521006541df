//! Kinds of variables: what a slot of a template holds, and which bytes can lie in it.

use crate::store::block::columns::classes::{CLASS, DIGIT, OTHER};
use crate::store::block::columns::clock::Style;

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Kind(u8);

impl Kind {
    /// A run of ASCII letters and digits, as far as it goes, that holds a digit.
    pub(crate) const TOKEN: Kind = Kind(0);
    /// The digits of such a run whose other letters belong to the template: `106` in `106ms`.
    pub(crate) const NUMBER: Kind = Kind(1);
    /// A UUID in lower case, 36 bytes.
    pub(crate) const UUID: Kind = Kind(2);
    /// What stands between quotes behind `=` or `:`, without digits, quotes and backslashes.
    pub(crate) const QUOTED: Kind = Kind(3);
    /// A value of letters and a few signs behind `=`.
    pub(crate) const BARE: Kind = Kind(4);
    /// A whole row that has no template.
    pub(crate) const ROW: Kind = Kind(5);
    const CLOCK: u8 = 16;

    /// All kinds but those of times.
    pub(crate) const PLAIN: [Kind; Kind::PLAIN_COUNT] =
        [Kind::TOKEN, Kind::NUMBER, Kind::UUID, Kind::QUOTED, Kind::BARE, Kind::ROW];
    pub(crate) const PLAIN_COUNT: usize = 6;

    /// A time, in this style, as a distance from the entry's own.
    pub(crate) fn clock(style: Style) -> Kind {
        Kind(Kind::CLOCK + style.bits())
    }

    #[inline]
    pub(crate) fn as_clock(self) -> Option<Style> {
        Style::new(self.0.checked_sub(Kind::CLOCK)?)
    }

    /// The place among `PLAIN` of a kind that is no time's.
    pub(crate) fn plain_place(self) -> usize {
        usize::from(self.0)
    }

    #[inline]
    pub(crate) fn to_byte(self) -> u8 {
        self.0
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Kind> {
        let known = byte <= Kind::ROW.0 || (Kind::CLOCK..Kind::CLOCK + Style::COUNT).contains(&byte);
        known.then_some(Kind(byte))
    }

    /// Whether a byte may lie in such a variable. What may not ends it.
    #[inline]
    pub(crate) fn admits(self, byte: u8) -> bool {
        match self {
            Kind::TOKEN => CLASS[byte as usize] != OTHER,
            Kind::NUMBER => CLASS[byte as usize] == DIGIT,
            Kind::UUID => byte == b'-' || byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            Kind::QUOTED => byte != b'"' && byte != b'\\' && !byte.is_ascii_digit(),
            Kind::BARE => is_bare(byte),
            _ => true,
        }
    }
}

/// A byte of an unquoted value.
#[inline]
pub(crate) fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-' | b'.' | b'/')
}
