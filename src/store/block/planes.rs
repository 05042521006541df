//! Byte strings and columns of numbers as `pack` wrote them, read where they lie: what is stored as it is is not copied.

use std::borrow::Cow;
use std::ops::Range;

use crate::store::block::Codec;
use crate::store::block::bytes::{Malformed, Reader};

/// So many bytes.
#[derive(Clone, Debug)]
pub(crate) enum Plane<'b> {
    Bytes(Cow<'b, [u8]>),
    /// The same byte again and again.
    Constant(u8),
}

impl Plane<'_> {
    #[inline]
    pub(crate) fn get(&self, place: usize) -> Option<u8> {
        match self {
            Plane::Bytes(bytes) => bytes.get(place).copied(),
            Plane::Constant(byte) => Some(*byte),
        }
    }
}

/// Numbers, of which single ones can be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers<'b> {
    /// The lowest bytes of all, then the second ones, and so on.
    pub(crate) planes: Vec<Plane<'b>>,
    pub(crate) count: usize,
}

impl<'b> Numbers<'b> {
    /// Reads `count` numbers of at most `bytes_max` bytes each.
    pub(crate) fn take(
        reader: &mut Reader<'b>,
        count: usize,
        bytes_max: u8,
        codec: &mut Codec,
    ) -> Result<Numbers<'b>, Malformed> {
        let plane_count = reader.byte()?;
        if plane_count > bytes_max {
            return Err(Malformed("a number has more bytes than it may"));
        }
        let planes = (0..plane_count).map(|_| codec.take_plane(reader, count)).collect::<Result<_, _>>()?;
        Ok(Numbers { planes, count })
    }

    /// Passes over `count` numbers, and gives what they are read from.
    pub(crate) fn skip(reader: &mut Reader<'b>, count: usize) -> Result<Reader<'b>, Malformed> {
        let begin = reader.clone();
        (0..reader.byte()?).try_for_each(|_| Codec::skip(reader, count))?;
        Ok(begin)
    }

    /// Those of a range added up, plane by plane, without putting one together.
    pub(crate) fn sum(&self, places: Range<usize>) -> u64 {
        let of_plane = |(index, plane): (usize, &Plane<'_>)| {
            let sum: u64 = match plane {
                Plane::Constant(byte) => u64::from(*byte) * places.len() as u64,
                Plane::Bytes(bytes) => {
                    bytes.get(places.clone()).unwrap_or_default().iter().map(|byte| u64::from(*byte)).sum()
                }
            };
            sum << (8 * index)
        };
        self.planes.iter().enumerate().map(of_plane).sum()
    }

    /// The same numbers, whatever becomes of what they were read from.
    pub(crate) fn into_owned(self) -> Numbers<'static> {
        let own = |plane: Plane<'b>| match plane {
            Plane::Constant(byte) => Plane::Constant(byte),
            Plane::Bytes(bytes) => Plane::Bytes(Cow::Owned(bytes.into_owned())),
        };
        Numbers { planes: self.planes.into_iter().map(own).collect(), count: self.count }
    }

    /// One of them.
    #[inline]
    pub(crate) fn get(&self, place: usize) -> Option<u64> {
        if place >= self.count {
            return None;
        }
        let mut number = 0;
        for (index, plane) in self.planes.iter().enumerate() {
            number |= u64::from(plane.get(place)?) << (8 * index);
        }
        Some(number)
    }

    /// All of them; those that do not fit lose their upper bytes, which `take` was told not to accept.
    pub(crate) fn all<N: FromBytes>(&self) -> Vec<N> {
        let mut all = vec![N::default(); self.count];
        for (index, plane) in self.planes.iter().enumerate() {
            let shift = 8 * index as u32;
            match plane {
                Plane::Constant(byte) => {
                    let high = N::shifted(*byte, shift);
                    all.iter_mut().for_each(|number| *number |= high);
                }
                Plane::Bytes(bytes) => {
                    all.iter_mut().zip(&bytes[..]).for_each(|(number, byte)| *number |= N::shifted(*byte, shift));
                }
            }
        }
        all
    }
}

/// A number that is put together from bytes.
pub(crate) trait FromBytes: Copy + Default + std::ops::BitOrAssign {
    fn shifted(byte: u8, shift: u32) -> Self;
}

impl FromBytes for u16 {
    #[inline]
    fn shifted(byte: u8, shift: u32) -> u16 {
        u16::from(byte) << shift
    }
}

impl FromBytes for u32 {
    #[inline]
    fn shifted(byte: u8, shift: u32) -> u32 {
        u32::from(byte) << shift
    }
}

impl FromBytes for u64 {
    #[inline]
    fn shifted(byte: u8, shift: u32) -> u64 {
        u64::from(byte) << shift
    }
}
