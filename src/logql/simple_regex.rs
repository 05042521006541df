//! Which regular expressions Loki runs without a regular expression.
//!
//! Only the printer asks: Loki prints a label filter with raw quotes where it could not make the pattern simpler, and
//! with plain quotes where it could. Simple are texts, `.*`, `.+`, and texts with alternatives and `.*` around them,
//! after Go's reading of the pattern has joined what alternatives have in common: `bar|baz` is `ba[rz]`.

use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{self, Ast, ClassSetItem, Flag, GroupKind, RepetitionKind};

/// Whether Loki runs the pattern as a comparison of texts. A pattern that cannot be read is not simple.
pub(crate) fn is_simple(pattern: &str) -> bool {
    let mut flags = Flags { fold: false, dot_takes_newline: false };
    Parser::new().parse(pattern).is_ok_and(|ast| simple(&piece(&ast, &mut flags)))
}

/// A part of a pattern, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text {
        text: Vec<char>,
        fold: bool,
    },
    /// `.*`
    AnyStar,
    /// `.+`
    AnyPlus,
    Empty,
    /// One character out of several.
    Class,
    Concat(Vec<Piece>),
    Alternate(Vec<Piece>),
    Capture(Box<Piece>),
    Other,
}

#[derive(Clone, Copy)]
struct Flags {
    fold: bool,
    dot_takes_newline: bool,
}

impl Flags {
    fn set(&mut self, flags: &ast::Flags) {
        self.fold = flags.flag_state(Flag::CaseInsensitive).unwrap_or(self.fold);
        self.dot_takes_newline = flags.flag_state(Flag::DotMatchesNewLine).unwrap_or(self.dot_takes_newline);
    }
}

fn piece(ast: &Ast, flags: &mut Flags) -> Piece {
    match ast {
        Ast::Empty(_) => Piece::Empty,
        Ast::Flags(set) => {
            flags.set(&set.flags);
            Piece::Empty
        }
        Ast::Literal(literal) => Piece::Text { text: vec![literal.c], fold: flags.fold },
        Ast::ClassBracketed(class) => match &class.kind {
            ast::ClassSet::Item(ClassSetItem::Literal(literal)) if !class.negated => {
                Piece::Text { text: vec![literal.c], fold: flags.fold }
            }
            ast::ClassSet::Item(_) | ast::ClassSet::BinaryOp(_) => Piece::Class,
        },
        Ast::Dot(_) | Ast::ClassUnicode(_) | Ast::ClassPerl(_) => Piece::Class,
        Ast::Assertion(_) => Piece::Other,
        Ast::Repetition(repetition) => match (&repetition.op.kind, &*repetition.ast) {
            (RepetitionKind::ZeroOrMore, Ast::Dot(_)) if !flags.dot_takes_newline => Piece::AnyStar,
            (RepetitionKind::OneOrMore, Ast::Dot(_)) if !flags.dot_takes_newline => Piece::AnyPlus,
            _ => Piece::Other,
        },
        Ast::Group(group) => {
            let mut inner = *flags;
            if let GroupKind::NonCapturing(set) = &group.kind {
                inner.set(set);
                return piece(&group.ast, &mut inner);
            }
            Piece::Capture(Box::new(piece(&group.ast, &mut inner)))
        }
        Ast::Concat(concat) => join(concat.asts.iter().map(|ast| piece(ast, flags)).collect()),
        Ast::Alternation(alternation) => alternate(alternation.asts.iter().map(|ast| piece(ast, flags)).collect()),
    }
}

/// Puts parts one behind the other; texts grow together.
fn join(parts: Vec<Piece>) -> Piece {
    let mut joined: Vec<Piece> = Vec::new();
    for part in parts {
        match (joined.last_mut(), part) {
            (_, Piece::Concat(inner)) => joined.extend(inner),
            (Some(Piece::Text { text, fold }), Piece::Text { text: more, fold: same }) if *fold == same => {
                text.extend(more);
            }
            (_, Piece::Empty) => {}
            (_, part) => joined.push(part),
        }
    }
    only(joined, Piece::Concat)
}

/// Makes alternatives, their common beginnings taken out.
fn alternate(parts: Vec<Piece>) -> Piece {
    let mut flat = Vec::new();
    for part in parts {
        match part {
            Piece::Alternate(inner) => flat.extend(inner),
            part => flat.push(part),
        }
    }
    let mut factored = Vec::new();
    let mut from = 0;
    while from < flat.len() {
        let (length, until) = common_run(&flat, from);
        let run = &flat[from..until];
        match (run, leading_text(&flat[from])) {
            ([_, _, ..], Some((text, fold))) => {
                let prefix = Piece::Text { text: text[..length].to_vec(), fold };
                let rest = alternate(run.iter().map(|part| without_leading(part, length)).collect());
                factored.push(join(vec![prefix, rest]));
            }
            _ => factored.push(flat[from].clone()),
        }
        from = until;
    }
    let is_char = |piece: &Piece| match piece {
        Piece::Class => true,
        Piece::Text { text, .. } => text.len() == 1,
        _ => false,
    };
    // neighbours of one character become a class, and a class is never simple
    if factored.windows(2).any(|pair| is_char(&pair[0]) && is_char(&pair[1])) {
        return Piece::Other;
    }
    factored.dedup_by(|later, kept| (&*later, &*kept) == (&Piece::Empty, &Piece::Empty));
    only(factored, Piece::Alternate)
}

/// How many characters the part at `from` and those behind it begin with alike, and where that ends.
fn common_run(parts: &[Piece], from: usize) -> (usize, usize) {
    let Some((first, fold)) = leading_text(&parts[from]) else { return (0, from + 1) };
    let mut length = first.len();
    let mut until = from + 1;
    while let Some((text, same)) = parts.get(until).and_then(leading_text) {
        let alike = first[..length].iter().zip(text).take_while(|(a, b)| a == b).count();
        if alike == 0 || same != fold {
            break;
        }
        length = alike;
        until += 1;
    }
    (length, until)
}

fn leading_text(piece: &Piece) -> Option<(&[char], bool)> {
    match piece {
        Piece::Text { text, fold } => Some((text, *fold)),
        Piece::Concat(parts) => parts.first().and_then(leading_text),
        _ => None,
    }
}

fn without_leading(piece: &Piece, length: usize) -> Piece {
    match piece {
        Piece::Text { text, .. } if text.len() == length => Piece::Empty,
        Piece::Text { text, fold } => Piece::Text { text: text[length..].to_vec(), fold: *fold },
        Piece::Concat(parts) => {
            let first = without_leading(&parts[0], length);
            join(std::iter::once(first).chain(parts[1..].iter().cloned()).collect())
        }
        piece => piece.clone(),
    }
}

fn only(mut parts: Vec<Piece>, several: impl FnOnce(Vec<Piece>) -> Piece) -> Piece {
    match parts.len() {
        0 => Piece::Empty,
        1 => parts.remove(0),
        _ => several(parts),
    }
}

fn simple(piece: &Piece) -> bool {
    match piece {
        Piece::Text { .. } | Piece::AnyStar | Piece::AnyPlus | Piece::Empty => true,
        Piece::Capture(inner) => simple(inner),
        Piece::Alternate(parts) => parts.iter().all(simple),
        Piece::Concat(parts) => simple_concat(parts, None),
        Piece::Class | Piece::Other => false,
    }
}

/// A text with `.*` around it, or with alternatives behind it. `base` says of a text in front whether it folds cases.
fn simple_concat(parts: &[Piece], mut base: Option<bool>) -> bool {
    let bare = |piece: &Piece| match piece {
        Piece::Capture(inner) => (**inner).clone(),
        piece => piece.clone(),
    };
    let parts: Vec<Piece> = parts.iter().map(bare).filter(|part| *part != Piece::Empty).collect();
    let mut has_text = false;
    for part in &parts {
        match (part, base) {
            (Piece::Text { .. }, _) if has_text => return false,
            (Piece::Text { fold, .. }, _) => {
                has_text = true;
                base = Some(*fold);
            }
            (Piece::Alternate(alternatives), Some(fold)) => {
                if !alternatives.iter().all(|part| simple_alternative(part, fold)) {
                    return false;
                }
            }
            (Piece::AnyStar, _) => {}
            _ => return false,
        }
    }
    parts.len() <= 3 && base.is_some()
}

fn simple_alternative(piece: &Piece, base_folds: bool) -> bool {
    match piece {
        Piece::Text { fold, .. } => base_folds || !fold,
        Piece::Empty | Piece::AnyStar => true,
        Piece::Concat(parts) => simple_concat(parts, Some(base_folds)),
        Piece::AnyPlus | Piece::Class | Piece::Alternate(_) | Piece::Capture(_) | Piece::Other => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::simple_regex::is_simple;

    #[test]
    fn texts_and_alternatives_of_texts_are_simple() {
        for pattern in
            ["", "foo", "foo|bar", "(foo|bar)", "GET|PUT|POST", ".*", ".+", ".*foo.*", "foo|foobar", "(?i)foo"]
        {
            assert!(is_simple(pattern), "{pattern}");
        }
        for pattern in ["a|b", "bar|baz", "2..", "foo.*bar", "^foo$", "[0-9]+", "foo.+", "a?", "(?s).*", "z.+", "("] {
            assert!(!is_simple(pattern), "{pattern}");
        }
    }
}
