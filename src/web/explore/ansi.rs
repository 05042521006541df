//! The escape sequences that programs write for a terminal: colours become names of classes, the rest is told.
//!
//! Promises: text without its sequences is all that is left, in order; a name of a class is one of ours, whatever the
//! line says; colours of all depths are brought to sixteen, which style sheets tune for dark and light. Pure.

use std::ops::Range;

/// Sequences of one text that are taken apart; what follows is shown as it stands.
const SEQUENCES_MAX: usize = 2000;
/// Bytes that a sequence of colours can have; longer ones are no colours.
const SEQUENCE_BYTES_MAX: usize = 64;

/// A text without its sequences.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Painted {
    pub(crate) plain: String,
    /// Parts of the text and the classes that paint them, in order, apart from each other.
    pub(crate) paints: Vec<(Range<usize>, String)>,
    /// Where sequences stood, and what they were after their `ESC [`.
    pub(crate) escapes: Vec<(usize, String)>,
}

impl Painted {
    pub(crate) fn of(text: &str) -> Painted {
        let mut painted = Painted::default();
        let mut style = Style::default();
        let mut painted_from = 0;
        let mut rest = text;
        while let Some((start, sequence)) = next_sequence(rest).filter(|_| painted.escapes.len() < SEQUENCES_MAX) {
            painted.plain.push_str(&rest[..start]);
            painted.paint(painted_from, style);
            painted_from = painted.plain.len();
            painted.escapes.push((painted_from, sequence.to_owned()));
            if let Some(parameters) = sequence.strip_suffix('m') {
                style.apply(parameters);
            }
            rest = &rest[start + 2 + sequence.len()..];
        }
        painted.plain.push_str(rest);
        painted.paint(painted_from, style);
        painted
    }

    fn paint(&mut self, from: usize, style: Style) {
        if from < self.plain.len() && style != Style::default() {
            self.paints.push((from..self.plain.len(), style.classes()));
        }
    }
}

/// The next sequence that colours, or that erases a line, which a page need not tell: where its `ESC` stands, and what
/// follows `ESC [`. Others are left in the text, where they are written out.
fn next_sequence(text: &str) -> Option<(usize, &str)> {
    text.match_indices("\x1b[").find_map(|(start, _)| {
        let parameters = &text[start + 2..];
        let length = parameters
            .bytes()
            .take(SEQUENCE_BYTES_MAX)
            .take_while(|byte| byte.is_ascii_digit() || matches!(byte, b';' | b':'))
            .count();
        let is_known = matches!(parameters.as_bytes().get(length), Some(b'm' | b'K'));
        is_known.then(|| (start, &parameters[..length + 1]))
    })
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Style {
    ink: Option<u8>,
    ground: Option<u8>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    struck: bool,
    inverse: bool,
}

impl Style {
    /// Follows the parameters of one sequence, as `1;38;5;208`.
    fn apply(&mut self, parameters: &str) {
        let mut numbers = parameters.split([';', ':']).map(|number| number.parse::<u16>().unwrap_or(0));
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Style::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 | 21 => self.underline = true,
                7 => self.inverse = true,
                9 => self.struck = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                27 => self.inverse = false,
                29 => self.struck = false,
                30..=37 => self.ink = u8::try_from(number - 30).ok(),
                38 => self.ink = deep(&mut numbers),
                39 => self.ink = None,
                40..=47 => self.ground = u8::try_from(number - 40).ok(),
                48 => self.ground = deep(&mut numbers),
                49 => self.ground = None,
                90..=97 => self.ink = u8::try_from(number - 82).ok(),
                100..=107 => self.ground = u8::try_from(number - 92).ok(),
                _ => {}
            }
        }
    }

    /// Names of classes: `f1` is red ink, `g1` red ground.
    fn classes(self) -> String {
        let (ink, ground) = match (self.inverse, self.ink, self.ground) {
            (false, ink, ground) => (ink, ground),
            // without a colour there is still something to turn around
            (true, ink, ground) => (ground, Some(ink.unwrap_or(7))),
        };
        let mut names = Vec::new();
        names.extend(ink.map(|colour| format!("f{colour}")));
        names.extend(ground.map(|colour| format!("g{colour}")));
        let flags =
            [(self.bold, "ab"), (self.dim, "ad"), (self.italic, "ai"), (self.underline, "au"), (self.struck, "as")];
        names.extend(flags.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| (*name).to_owned()));
        names.join(" ")
    }
}

/// A colour of 256 (`5;n`) or of all (`2;r;g;b`), as one of sixteen.
fn deep(numbers: &mut impl Iterator<Item = u16>) -> Option<u8> {
    let byte = |number: u16| u8::try_from(number).unwrap_or(u8::MAX);
    match numbers.next()? {
        5 => Some(of_256(byte(numbers.next()?))),
        2 => Some(nearest(byte(numbers.next()?), byte(numbers.next()?), byte(numbers.next()?))),
        _ => None,
    }
}

fn of_256(colour: u8) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    match colour {
        0..16 => colour,
        16..232 => {
            let place = usize::from(colour - 16);
            nearest(STEPS[place / 36], STEPS[place / 6 % 6], STEPS[place % 6])
        }
        232.. => {
            let grey = 8 + (colour - 232) * 10;
            nearest(grey, grey, grey)
        }
    }
}

/// The one of the sixteen colours of a terminal that is most like it: by its hue, as their shades differ everywhere.
fn nearest(red: u8, green: u8, blue: u8) -> u8 {
    let most = red.max(green).max(blue);
    let least = red.min(green).min(blue);
    if most - least < 40 {
        return match most {
            0..48 => 0,
            48..150 => 8,
            150..225 => 7,
            225.. => 15,
        };
    }
    let half = least + (most - least) / 2;
    let hue = u8::from(red > half) | u8::from(green > half) << 1 | u8::from(blue > half) << 2;
    if most > 200 { hue + 8 } else { hue }
}

#[cfg(test)]
mod tests {
    use crate::web::explore::ansi::{Painted, nearest, of_256};

    fn shown(text: &str) -> String {
        let painted = Painted::of(text);
        let mut shown = String::new();
        let mut done = 0;
        for (range, classes) in &painted.paints {
            assert!(done <= range.start && range.start < range.end, "{text:?}");
            shown.push_str(&painted.plain[done..range.start]);
            shown.push_str(&format!("<{classes}>{}</>", &painted.plain[range.clone()]));
            done = range.end;
        }
        shown + &painted.plain[done..]
    }

    #[test]
    fn colours_of_all_depths_become_classes() {
        let check = |text: &str, expected: &str| assert_eq!(shown(text), expected, "{text:?}");
        check("\x1b[31mred\x1b[0m plain", "<f1>red</> plain");
        check("\x1b[1;32mok\x1b[22m go\x1b[m.", "<f2 ab>ok</><f2> go</>.");
        check("\x1b[97;44mx\x1b[39;49my", "<f15 g4>x</>y");
        check("\x1b[38;5;208morange\x1b[0;2mdim\x1b[0;4mline", "<f11>orange</><ad>dim</><au>line</>");
        check("\x1b[38;2;30;90;240mblue\x1b[48:5:1mon red", "<f12>blue</><f12 g1>on red</>");
        check("\x1b[7mturned\x1b[31mred\x1b[27mback", "<g7>turned</><g1>red</><f1>back</>");
        check("\x1b[3;9mx\x1b[23;29;24;27my", "<ai as>x</>y");
    }

    #[test]
    fn other_sequences_stay_to_be_written_out() {
        assert_eq!(shown("a\x1b[2Jb \x1b]0;title\x07 \x1b["), "a\x1b[2Jb \x1b]0;title\x07 \x1b[");
        assert_eq!(shown("50%\x1b[K"), "50%");
        let long = format!("\x1b[{}mx", "1;".repeat(100));
        assert_eq!(shown(&long), long);
    }

    #[test]
    fn the_text_can_be_put_together_again() {
        let text = "\x1b[31;1m한\x1b[Kred\x1b[0m \x1b[2J \x1b[m\x1b[7m";
        let painted = Painted::of(text);
        let mut whole = painted.plain.clone();
        for (at, sequence) in painted.escapes.iter().rev() {
            whole.insert_str(*at, &format!("\x1b[{sequence}"));
        }
        assert_eq!(whole, text);
    }

    #[test]
    fn a_colour_of_many_is_like_one_of_sixteen() {
        for (colour, expected) in
            [(1, 1), (9, 9), (196, 9), (21, 12), (46, 10), (226, 11), (51, 14), (240, 8), (231, 15)]
        {
            assert_eq!(of_256(colour), expected, "{colour}");
        }
        assert_eq!((nearest(0, 0, 0), nearest(120, 20, 20), nearest(200, 200, 205)), (0, 1, 7));
    }
}
