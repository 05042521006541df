//! The words and signs that LogQL is made of, and how errors name them.

use std::ops::Range;

use crate::logql::ast::{Conversion, RangeOp, VectorOp};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    End,
    Bytes,
    Identifier,
    Text,
    Number,
    Flag,
    Duration,
    /// `[5m]`
    Range,
    Equal,
    Matches,
    NotMatches,
    NotPattern,
    OpenBrace,
    CloseBrace,
    CloseBracket,
    Comma,
    Dot,
    PipeMatches,
    PipeContains,
    PipePattern,
    OpenParen,
    CloseParen,
    By,
    Without,
    RangeOp(RangeOp),
    VectorOp(VectorOp),
    Bool,
    Json,
    Regexp,
    Logfmt,
    Pipe,
    LineFormat,
    LabelFormat,
    Unwrap,
    Conversion(Conversion),
    VectorOf,
    LabelReplace,
    Unpack,
    Offset,
    Pattern,
    Ip,
    On,
    Ignoring,
    GroupLeft,
    GroupRight,
    Decolorize,
    Drop,
    Keep,
    Variants,
    Of,
    Or,
    And,
    Unless,
    DoubleEqual,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
}

impl Kind {
    /// The name in error texts. Functions and values have names in capitals, everything else is as written.
    pub(crate) fn name(self) -> String {
        match self {
            Kind::End => "$end".to_owned(),
            Kind::Bytes => "BYTES".to_owned(),
            Kind::Identifier => "IDENTIFIER".to_owned(),
            Kind::Text => "STRING".to_owned(),
            Kind::Number => "NUMBER".to_owned(),
            Kind::Flag => "FUNCTION_FLAG".to_owned(),
            Kind::Duration => "DURATION".to_owned(),
            Kind::Range => "RANGE".to_owned(),
            Kind::RangeOp(op) => op.name().to_uppercase(),
            Kind::VectorOp(op) => op.name().to_uppercase(),
            Kind::Conversion(conversion) => format!("{}_CONV", conversion.name().to_uppercase()),
            Kind::VectorOf => "VECTOR".to_owned(),
            Kind::LabelReplace => "label_replace".to_owned(),
            kind => {
                SIGNS.iter().chain(WORDS).find(|(_, other)| *other == kind).map_or("", |(text, _)| *text).to_owned()
            }
        }
    }
}

/// Operators and brackets. Those of two characters come first, so that the longest one is found.
pub(crate) const SIGNS: &[(&str, Kind)] = &[
    ("=~", Kind::Matches),
    ("!~", Kind::NotMatches),
    ("!>", Kind::NotPattern),
    ("|~", Kind::PipeMatches),
    ("|=", Kind::PipeContains),
    ("|>", Kind::PipePattern),
    ("==", Kind::DoubleEqual),
    ("!=", Kind::NotEqual),
    ("<=", Kind::LessOrEqual),
    (">=", Kind::GreaterOrEqual),
    ("=", Kind::Equal),
    ("{", Kind::OpenBrace),
    ("}", Kind::CloseBrace),
    ("]", Kind::CloseBracket),
    (",", Kind::Comma),
    (".", Kind::Dot),
    ("(", Kind::OpenParen),
    (")", Kind::CloseParen),
    ("|", Kind::Pipe),
    ("<", Kind::Less),
    (">", Kind::Greater),
    ("+", Kind::Add),
    ("-", Kind::Subtract),
    ("*", Kind::Multiply),
    ("/", Kind::Divide),
    ("%", Kind::Modulo),
    ("^", Kind::Power),
];

/// Words that are never names, in any mix of capitals.
pub(crate) const WORDS: &[(&str, Kind)] = &[
    ("by", Kind::By),
    ("without", Kind::Without),
    ("bool", Kind::Bool),
    ("json", Kind::Json),
    ("regexp", Kind::Regexp),
    ("logfmt", Kind::Logfmt),
    ("line_format", Kind::LineFormat),
    ("label_format", Kind::LabelFormat),
    ("unwrap", Kind::Unwrap),
    ("unpack", Kind::Unpack),
    ("offset", Kind::Offset),
    ("pattern", Kind::Pattern),
    ("ip", Kind::Ip),
    ("on", Kind::On),
    ("ignoring", Kind::Ignoring),
    ("group_left", Kind::GroupLeft),
    ("group_right", Kind::GroupRight),
    ("decolorize", Kind::Decolorize),
    ("drop", Kind::Drop),
    ("keep", Kind::Keep),
    ("variants", Kind::Variants),
    ("of", Kind::Of),
    ("or", Kind::Or),
    ("and", Kind::And),
    ("unless", Kind::Unless),
];

/// The function of this (lower-case) name. It is one only before `(`, `by (` or `without (`; elsewhere it is a name.
pub(crate) fn function(name: &str) -> Option<Kind> {
    let kind = match name {
        "vector" => Kind::VectorOf,
        "label_replace" => Kind::LabelReplace,
        "ip" => Kind::Ip,
        _ => {
            let range = RangeOp::ALL.iter().find(|op| op.name() == name).map(|op| Kind::RangeOp(*op));
            let vector = || VectorOp::ALL.iter().find(|op| op.name() == name).map(|op| Kind::VectorOp(*op));
            let conversion = || Conversion::ALL.iter().find(|op| op.name() == name).map(|op| Kind::Conversion(*op));
            return range.or_else(vector).or_else(conversion);
        }
    };
    Some(kind)
}

/// What a token stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    /// The name, the number or flag as written, or the text without its quotes.
    Text(String),
    /// A duration in nanoseconds.
    Nanos(i64),
    Bytes(u64),
}

/// One word or sign of a query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) value: Value,
    /// As errors say it: line 0 for tokens of which Loki loses the line.
    pub(crate) line: u32,
    pub(crate) column: u32,
    /// The bytes in the query.
    pub(crate) span: Range<usize>,
}
