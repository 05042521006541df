//! Times that are written in a line, as distances from the entry's own time.
//!
//! A line mostly says when it was written, and its entry has the same time: the distance is zero, or a constant where the
//! line is in a local zone. Known are `2026-11-20T10:00:01` and `2026-11-20 10:00:01`, with 3, 6 or 9 digits behind `.` or `,`.

use jiff::civil::Date;

use crate::store::block::columns::sink::Sink;

/// How a time is written; five bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style(u8);

const BLANK: u8 = 1;
const COMMA: u8 = 2;
/// Groups of three digits behind the seconds are counted from this bit on.
const FRACTION_SHIFT: u8 = 2;

const SECS_PER_DAY: i64 = 86_400;
/// A time that is further away from its entry's is a number like any other.
const SECS_AWAY_MAX: u64 = 200_000;
/// `2026-11-20T10:00:01`.
const SECONDS_LEN: usize = 19;

impl Style {
    pub(crate) const COUNT: u8 = 16;

    pub(crate) fn new(bits: u8) -> Option<Style> {
        (bits < Style::COUNT).then_some(Style(bits))
    }

    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    fn fraction_len(self) -> usize {
        usize::from(self.0 >> FRACTION_SHIFT) * 3
    }

    /// Nanoseconds of the last digit.
    fn unit_nanos(self) -> i64 {
        [1_000_000_000, 1_000_000, 1000, 1][usize::from(self.0 >> FRACTION_SHIFT)]
    }

    /// Whether a blank parts the date from the time.
    pub(crate) fn has_blank(self) -> bool {
        self.0 & BLANK != 0
    }

    /// Digits of the last number: those of the fraction, or of the seconds.
    pub(crate) fn digits_at_end(self) -> usize {
        self.fraction_len().max(2)
    }

    /// Bytes of a time in this style.
    pub(crate) fn len(self) -> usize {
        match self.fraction_len() {
            0 => SECONDS_LEN,
            digits => SECONDS_LEN + 1 + digits,
        }
    }
}

/// Remembers the day that was read or written last: most lines of a block are of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    text: [u8; 10],
    day: Option<i64>,
}

impl Clock {
    /// Reads a time that a text begins with: its style, and its distance in units of its last digit from the entry's time.
    pub(crate) fn read(&mut self, text: &[u8], entry_nanos: i64) -> Option<(Style, i64)> {
        let head: &[u8; SECONDS_LEN] = text.first_chunk()?;
        let separators = [head[4], head[7], head[13], head[16]];
        if separators != *b"--::" || !matches!(head[10], b'T' | b' ') {
            return None;
        }
        let day = self.day_of(head.first_chunk()?)?;
        let (hours, minutes, seconds) = (pair(head, 11)?, pair(head, 14)?, pair(head, 17)?);
        if hours > 23 || minutes > 59 || seconds > 59 {
            return None;
        }
        let secs = day * SECS_PER_DAY + hours * 3600 + minutes * 60 + seconds;
        if secs.abs_diff(entry_nanos.div_euclid(1_000_000_000)) > SECS_AWAY_MAX {
            return None;
        }
        let mut style = if head[10] == b' ' { BLANK } else { 0 };
        let mut fraction = 0;
        match text[SECONDS_LEN..] {
            [byte, ..] if byte.is_ascii_digit() => return None,
            [point @ (b'.' | b','), ref rest @ ..] => {
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                if matches!(digits, 3 | 6 | 9) {
                    style |= (digits as u8 / 3) << FRACTION_SHIFT | if point == b',' { COMMA } else { 0 };
                    fraction = rest[..digits].iter().fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
                }
            }
            _ => {}
        }
        let style = Style(style);
        let unit = style.unit_nanos();
        let units = secs.checked_mul(1_000_000_000 / unit)?.checked_add(fraction)?;
        Some((style, units.checked_sub(entry_nanos.div_euclid(unit))?))
    }

    /// Days since 1970 of a date that is there.
    fn day_of(&mut self, text: &[u8; 10]) -> Option<i64> {
        if let Some(day) = self.day
            && self.text == *text
        {
            return Some(day);
        }
        let year = pair(text, 0)? * 100 + pair(text, 2)?;
        let date = Date::new(year as i16, pair(text, 5)? as i8, pair(text, 8)? as i8).ok()?;
        let day = date.duration_since(Date::constant(1970, 1, 1)).as_secs() / SECS_PER_DAY;
        (self.text, self.day) = (*text, Some(day));
        Some(day)
    }

    /// Appends the time that `read` took for `distance`. Gives nothing where there is no such time.
    pub(crate) fn write(&mut self, out: &mut Sink, style: Style, distance: i64, entry_nanos: i64) -> Option<()> {
        let unit = style.unit_nanos();
        let units = entry_nanos.div_euclid(unit).checked_add(distance)?;
        let units_per_sec = 1_000_000_000 / unit;
        let (secs, fraction) = (units.div_euclid(units_per_sec), units.rem_euclid(units_per_sec));
        let (day, second) = (secs.div_euclid(SECS_PER_DAY), secs.rem_euclid(SECS_PER_DAY));
        if self.day != Some(day) {
            let date = Date::constant(1970, 1, 1).checked_add(jiff::SignedDuration::from_hours(day.checked_mul(24)?));
            let date = date.ok().filter(|date| date.year() >= 0)?;
            let year = date.year() as i64;
            put_pair(&mut self.text, 0, year / 100);
            put_pair(&mut self.text, 2, year % 100);
            (self.text[4], self.text[7]) = (b'-', b'-');
            put_pair(&mut self.text, 5, i64::from(date.month()));
            put_pair(&mut self.text, 8, i64::from(date.day()));
            self.day = Some(day);
        }
        let mut clock = *b"T00:00:00";
        if style.0 & BLANK != 0 {
            clock[0] = b' ';
        }
        put_pair(&mut clock, 1, second / 3600);
        put_pair(&mut clock, 4, second / 60 % 60);
        put_pair(&mut clock, 7, second % 60);
        out.put_all(&self.text);
        out.put_all(&clock);
        let digits = style.fraction_len();
        if digits > 0 {
            out.push(if style.0 & COMMA != 0 { b',' } else { b'.' });
            let mut text = [b'0'; 9];
            let mut left = fraction;
            for digit in text[..digits].iter_mut().rev() {
                *digit = b'0' + (left % 10) as u8;
                left /= 10;
            }
            out.put_all(&text[..digits]);
        }
        Some(())
    }
}

/// The two digits at a place.
fn pair(text: &[u8], at: usize) -> Option<i64> {
    let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens) * 10 + i64::from(ones))
}

fn put_pair(text: &mut [u8], at: usize, number: i64) {
    text[at] = b'0' + (number / 10) as u8;
    text[at + 1] = b'0' + (number % 10) as u8;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::store::block::columns::clock::{Clock, Style};
    use crate::store::block::columns::sink::Sink;

    /// 2026-11-20T10:00:01.5Z.
    const ENTRY: i64 = 1_795_168_801_500_000_000;

    fn read(text: &str) -> Option<(usize, i64)> {
        Clock::default().read(text.as_bytes(), ENTRY).map(|(style, distance)| (style.len(), distance))
    }

    #[test]
    fn times_near_the_entrys_are_distances() {
        assert_eq!(read("2026-11-20T10:00:01.500Z"), Some((23, 0)));
        assert_eq!(read("2026-11-20 10:00:01,500 x"), Some((23, 0)));
        assert_eq!(read("2026-11-20 19:00:01"), Some((19, 9 * 3600)));
        assert_eq!(read("2026-11-20T10:00:01.499999999Z"), Some((29, -1)));
        assert_eq!(read("2026-11-20T10:00:01.50Z"), Some((19, 0)), "the fraction has an odd length");
        let others = [
            "2026-11-20T10:00:011",
            "2026-02-30T10:00:01",
            "2026-11-20T24:00:01",
            "2025-11-20T10:00:01",
            "2026-11-20_10:00:01",
            "2026-11-20T10:00:0",
            "2026-11-20T10:0x:01",
            "9999-99-99T99:99:99",
        ];
        for other in others {
            assert_eq!(read(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_time_is_written_as_it_was_read(away in -199_000i64..199_000, nanos in 0..1_000_000_000i64, bits in 0u8..16) {
            let style = Style::new(bits).expect("four bits");
            let mut clock = Clock::default();
            let mut out = Sink::default();
            let unit = style.unit_nanos();
            let distance = away * (1_000_000_000 / unit) + nanos / unit;
            prop_assume!(bits & 2 == 0 || style.fraction_len() > 0);
            clock.write(&mut out, style, distance, ENTRY).expect("it is a time of our days");
            let text = out.into_bytes();
            prop_assert_eq!(text.len(), style.len());
            prop_assert_eq!(clock.clone().read(&text, ENTRY), Some((style, distance)), "{}", String::from_utf8_lossy(&text));
        }

        #[test]
        fn no_distance_is_too_far_to_be_refused(distance in any::<i64>(), entry in any::<i64>(), bits in 0u8..16) {
            Clock::default().write(&mut Sink::default(), Style::new(bits).expect("four bits"), distance, entry);
        }
    }
}
