//! Everything behind a selector: line filters and the stages after `|`.

use crate::logql::ast::{Extraction, LabelChoice, LabelFormat, LabelFormatValue, LineFilter, LineOp, LineTest, Stage};
use crate::logql::error::ParseError;
use crate::logql::parser::Parser;
use crate::logql::parser::cursor::text;
use crate::logql::stage;
use crate::logql::token::Kind;

impl Parser<'_> {
    /// All stages that follow. Stops in front of `| unwrap`, having taken the `|`, and then answers true.
    pub(super) fn stages(&mut self, stages: &mut Vec<Stage>) -> Result<UnwrapNext, ParseError> {
        loop {
            if self.line_filter(stages)? {
                continue;
            }
            if !self.cursor.accept(Kind::Pipe) {
                return Ok(UnwrapNext::No);
            }
            if self.cursor.peek() == Kind::Unwrap {
                return Ok(UnwrapNext::Yes);
            }
            stages.push(self.stage()?);
        }
    }

    /// A line filter with its alternatives, if one is next.
    pub(super) fn line_filter(&mut self, stages: &mut Vec<Stage>) -> Result<bool, ParseError> {
        let op = match self.cursor.peek() {
            Kind::PipeContains => LineOp::Contains,
            Kind::NotEqual => LineOp::NotContains,
            Kind::PipeMatches => LineOp::Matches,
            Kind::NotMatches => LineOp::NotMatches,
            Kind::PipePattern => LineOp::Pattern,
            Kind::NotPattern => LineOp::NotPattern,
            _ => return Ok(false),
        };
        self.cursor.take();
        let mut alternatives = vec![self.line_test()?];
        while self.cursor.accept(Kind::Or) {
            alternatives.push(self.line_test()?);
        }
        if op.is_negative() {
            // no line with a and no line with b: two filters in a row
            let filters = alternatives.into_iter().map(|test| LineFilter { op, alternatives: vec![test] });
            stages.extend(filters.map(Stage::Line));
        } else {
            stages.push(Stage::Line(LineFilter { op, alternatives }));
        }
        Ok(true)
    }

    fn line_test(&mut self) -> Result<LineTest, ParseError> {
        match self.cursor.peek() {
            Kind::Ip => self.ip_pattern().map(LineTest::Ip),
            _ => self.cursor.expect_or(Kind::Text, &[Kind::Text, Kind::Ip]).map(|token| LineTest::Text(text(token))),
        }
    }

    /// The stage after a `|` that is taken already.
    pub(super) fn stage(&mut self) -> Result<Stage, ParseError> {
        let kind = self.cursor.peek();
        if matches!(kind, Kind::Identifier | Kind::OpenParen) {
            return self.label_filter().map(Stage::Label);
        }
        if !STAGES.contains(&kind) {
            return Err(self.cursor.unexpected(&[]));
        }
        self.cursor.take();
        match kind {
            Kind::Json => self.extractions().map(Stage::Json),
            Kind::Logfmt => self.logfmt(),
            Kind::Regexp => {
                let token = self.cursor.expect(Kind::Text)?;
                let span = token.span.clone();
                let pattern = text(token);
                match stage::check_regexp(&pattern) {
                    Ok(()) => Ok(Stage::Regexp(pattern)),
                    Err(reason) => Err(ParseError::rule(format!("invalid regexp parser: {reason}"), span)
                        .with_hint("name what to take out, as in (?P<status>[0-9]+)")),
                }
            }
            Kind::Pattern => {
                let token = self.cursor.expect(Kind::Text)?;
                let span = token.span.clone();
                let pattern = text(token);
                match stage::check_pattern(&pattern) {
                    Ok(()) => Ok(Stage::Pattern(pattern)),
                    Err(reason) => Err(ParseError::rule(format!("invalid pattern parser: {reason}"), span)
                        .with_hint("name what to take out, as in <ip> - <_> [<time>]")),
                }
            }
            Kind::Unpack => Ok(Stage::Unpack),
            Kind::Decolorize => Ok(Stage::Decolorize),
            Kind::LineFormat => self.cursor.quoted().map(Stage::LineFormat),
            Kind::LabelFormat => self.label_formats().map(Stage::LabelFormat),
            Kind::Drop => self.label_choices().map(Stage::Drop),
            _ => self.label_choices().map(Stage::Keep),
        }
    }

    fn logfmt(&mut self) -> Result<Stage, ParseError> {
        let (mut strict, mut keep_empty) = (false, false);
        while self.cursor.peek() == Kind::Flag {
            match text(self.cursor.take()).as_str() {
                "--strict" => strict = true,
                _ => keep_empty = true,
            }
        }
        Ok(Stage::Logfmt { strict, keep_empty, extractions: self.extractions()? })
    }

    /// `a, b="x.y"`, or nothing.
    fn extractions(&mut self) -> Result<Vec<Extraction>, ParseError> {
        let mut extractions = Vec::new();
        if self.cursor.peek() != Kind::Identifier {
            return Ok(extractions);
        }
        loop {
            let label = self.cursor.identifier()?;
            let expression = if self.cursor.accept(Kind::Equal) { self.cursor.quoted()? } else { label.clone() };
            extractions.push(Extraction { label, expression });
            if !self.cursor.accept(Kind::Comma) {
                return Ok(extractions);
            }
        }
    }

    /// `dst=src, other="{{.template}}"`
    fn label_formats(&mut self) -> Result<Vec<LabelFormat>, ParseError> {
        let mut formats = Vec::new();
        loop {
            let label = self.cursor.identifier()?;
            self.cursor.expect(Kind::Equal)?;
            let value = match self.cursor.peek() {
                Kind::Identifier => LabelFormatValue::Rename(text(self.cursor.take())),
                Kind::Text => LabelFormatValue::Template(text(self.cursor.take())),
                _ => return Err(self.cursor.unexpected(&[Kind::Identifier, Kind::Text])),
            };
            formats.push(LabelFormat { label, value });
            if !self.cursor.accept(Kind::Comma) {
                return Ok(formats);
            }
        }
    }

    /// `a, b="v", c=~"re"`
    fn label_choices(&mut self) -> Result<Vec<LabelChoice>, ParseError> {
        let mut choices = Vec::new();
        loop {
            let name = self.cursor.identifier()?;
            choices.push(match self.match_sign() {
                Some(op) => LabelChoice::Matching(self.matcher_value(name, op)?),
                None => LabelChoice::Name(name),
            });
            if !self.cursor.accept(Kind::Comma) {
                return Ok(choices);
            }
        }
    }
}

/// Whether a pipeline goes on with `unwrap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnwrapNext {
    /// The `|` is taken, `unwrap` is next.
    Yes,
    No,
}

/// Words that begin a stage.
const STAGES: [Kind; 10] = [
    Kind::Json,
    Kind::Regexp,
    Kind::Logfmt,
    Kind::LineFormat,
    Kind::LabelFormat,
    Kind::Unpack,
    Kind::Pattern,
    Kind::Decolorize,
    Kind::Drop,
    Kind::Keep,
];
