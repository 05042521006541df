//! Where texts are put together out of many short pieces: copying sixteen bytes at once, whatever a piece's length, is
//! several times faster than copying each by its length.

/// What is copied at once; sources have so many bytes behind their last piece.
pub(crate) const SLACK: usize = 16;

/// A growing text.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    /// Longer than what is in use.
    bytes: Vec<u8>,
    len: usize,
}

impl Sink {
    pub(crate) fn with_capacity(capacity: usize) -> Sink {
        Sink { bytes: vec![0; capacity + SLACK], len: 0 }
    }

    /// Empties it, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// What was put together.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Appends the bytes `start..end` of `source`; nothing where it has none there.
    #[inline]
    pub(crate) fn put(&mut self, source: &[u8], start: usize, end: usize) {
        let length = end.saturating_sub(start);
        if length <= SLACK
            && let Some(from) = source.get(start..start + SLACK)
            && let Some(to) = self.bytes.get_mut(self.len..self.len + SLACK)
        {
            to.copy_from_slice(from);
            self.len += length;
        } else if let Some(from) = source.get(start..end) {
            self.put_long(from);
        }
    }

    #[cold]
    fn put_long(&mut self, from: &[u8]) {
        self.put_all(from);
    }

    pub(crate) fn push(&mut self, byte: u8) {
        self.room(1)[0] = byte;
        self.len += 1;
    }

    /// Appends bytes that may have nothing behind them.
    pub(crate) fn put_all(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Appends the first `length` of the digits that `pairs` has for these bytes.
    pub(crate) fn put_pairs(&mut self, bytes: &[u8], pairs: &[[u8; 2]; 256], length: usize) {
        for (to, byte) in self.room(2 * bytes.len()).chunks_exact_mut(2).zip(bytes) {
            to.copy_from_slice(&pairs[usize::from(*byte)]);
        }
        self.len += length.min(2 * bytes.len());
    }

    /// The next `length` bytes, which become part of the text when `len` is raised.
    fn room(&mut self, length: usize) -> &mut [u8] {
        let end = self.len + length;
        if end + SLACK > self.bytes.len() {
            self.bytes.resize((end + SLACK).max(2 * self.bytes.len()), 0);
        }
        &mut self.bytes[self.len..end]
    }

    /// Appends a number with at least `width` digits.
    pub(crate) fn put_decimal(&mut self, number: u64, width: usize) {
        if number < 10_000 && width <= 4 {
            let digits = DECIMALS[number as usize];
            let length = width.max(1 + usize::from(number > 9) + usize::from(number > 99) + usize::from(number > 999));
            let mut text = [0; 4 + SLACK];
            text[..4].copy_from_slice(&digits);
            return self.put(&text, 4 - length, 4);
        }
        let mut text = [b'0'; 20 + SLACK];
        let (mut at, mut left) = (20, number);
        while left > 0 {
            at -= 4;
            text[at..at + 4].copy_from_slice(&DECIMALS[(left % 10_000) as usize]);
            left /= 10_000;
        }
        let zeros = text[at..20].iter().take_while(|digit| **digit == b'0').count();
        self.put(&text, (at + zeros).min(20usize.saturating_sub(width)), 20);
    }

    /// What was put together.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.truncate(self.len);
        self.bytes
    }
}

/// The four digits of each number below 10,000.
static DECIMALS: [[u8; 4]; 10_000] = {
    let mut decimals = [[0; 4]; 10_000];
    let mut number = 0;
    while number < 10_000 {
        decimals[number] = [
            b'0' + (number / 1000) as u8,
            b'0' + (number / 100 % 10) as u8,
            b'0' + (number / 10 % 10) as u8,
            b'0' + (number % 10) as u8,
        ];
        number += 1;
    }
    decimals
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::store::block::columns::sink::Sink;

    proptest! {
        #[test]
        fn numbers_are_written_as_elsewhere(number in any::<u64>(), shift in 0u32..64, width in 0usize..20) {
            let mut sink = Sink::default();
            sink.put_decimal(number >> shift, width);
            let text = format!("{:0width$}", number >> shift, width = width.max(1));
            prop_assert_eq!(sink.into_bytes(), text.into_bytes());
        }

        #[test]
        fn pieces_come_one_after_another(pieces in proptest::collection::vec("[a-z]{0,40}", 0..40)) {
            let mut sink = Sink::with_capacity(100);
            let mut source = pieces.concat().into_bytes();
            let all = source.clone();
            source.extend_from_slice(&[0; 16]);
            let mut start = 0;
            for piece in &pieces {
                sink.put(&source, start, start + piece.len());
                start += piece.len();
            }
            prop_assert_eq!(sink.into_bytes(), all);
        }
    }
}
