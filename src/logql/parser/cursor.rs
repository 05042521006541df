//! The parser's place in the query: one token of looking ahead, and the errors of syntax.
//!
//! Error texts name what may stand at a place as Loki's table-driven parser does: only where four kinds of token or
//! fewer are possible, and only after everything that could be finished was finished. So the callers of [`Cursor`] pass
//! the kinds that the grammar allows there, in the order of Loki's token list, or none where there are more than four.

use crate::logql::error::ParseError;
use crate::logql::lexer::{Lexer, Mark};
use crate::logql::token::{Kind, Token, Value};

pub(crate) struct Cursor<'a> {
    lexer: Lexer<'a>,
    ahead: Option<Token>,
    /// Where the token ahead was begun to be read: right behind the last one that was taken.
    mark: Mark<'a>,
    /// Levels of the expression that is being read.
    levels: u32,
    /// Brackets that are open.
    brackets: u32,
}

/// Levels of an expression, of which an operator is one and a call three. Parsing, printing and running an expression
/// call themselves once a level, on stacks of 2 MiB; queries of people and dashboards stay below ten.
const LEVELS_MAX: u32 = 150;

/// Brackets in each other. More than there are levels, because printing puts every operation into brackets.
const BRACKETS_MAX: u32 = 160;

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Cursor<'a> {
        let lexer = Lexer::new(text);
        let mark = lexer.mark();
        Cursor { lexer, ahead: None, mark, levels: 0, brackets: 0 }
    }

    pub(crate) fn peek(&mut self) -> Kind {
        self.peek_token().kind
    }

    pub(crate) fn peek_token(&mut self) -> &Token {
        if self.ahead.is_none() {
            self.mark = self.lexer.mark();
        }
        let lexer = &mut self.lexer;
        self.ahead.get_or_insert_with(|| lexer.next_token())
    }

    pub(crate) fn take(&mut self) -> Token {
        self.peek_token();
        self.ahead.take().expect("looking ahead leaves a token")
    }

    /// Takes the next token if it is of this kind.
    pub(crate) fn accept(&mut self, kind: Kind) -> bool {
        let found = self.peek() == kind;
        if found {
            self.take();
        }
        found
    }

    /// Takes the next token, which must be of this kind, the only one possible here.
    pub(crate) fn expect(&mut self, kind: Kind) -> Result<Token, ParseError> {
        self.expect_or(kind, &[kind])
    }

    /// Takes the next token, which must be of this kind; `possible` are all kinds that may stand here.
    pub(crate) fn expect_or(&mut self, kind: Kind, possible: &[Kind]) -> Result<Token, ParseError> {
        if self.peek() == kind { Ok(self.take()) } else { Err(self.unexpected(possible)) }
    }

    /// A name, the only thing possible here.
    pub(crate) fn identifier(&mut self) -> Result<String, ParseError> {
        self.expect(Kind::Identifier).map(text)
    }

    /// A quoted text, the only thing possible here.
    pub(crate) fn quoted(&mut self) -> Result<String, ParseError> {
        self.expect(Kind::Text).map(text)
    }

    /// The error for the next token; `possible` are the kinds that may stand here, none where there are many.
    pub(crate) fn unexpected(&mut self, possible: &[Kind]) -> ParseError {
        let token = self.peek_token().clone();
        if let Some(error) = self.lexer.error() {
            return error.clone();
        }
        let mut message = format!("syntax error: unexpected {}", token.kind.name());
        for (index, kind) in possible.iter().enumerate() {
            message.push_str(if index == 0 { ", expecting " } else { " or " });
            message.push_str(&kind.name());
        }
        let error = ParseError::at(token.line, token.column, message, token.span.clone());
        match hint(&token, possible) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// What the lexer could not read, where the parser could do without.
    pub(crate) fn lexer_error(&self) -> Option<ParseError> {
        self.lexer.error().cloned()
    }

    /// Goes down into a part of the expression. [`Cursor::ascend`] comes back up; an error ends everything anyway.
    pub(crate) fn descend(&mut self, levels: u32) -> Result<(), ParseError> {
        self.levels += levels;
        if self.levels <= LEVELS_MAX {
            return Ok(());
        }
        Err(self.too_deep(&format!("more than {LEVELS_MAX} levels, of which a call is three")))
    }

    pub(crate) fn ascend(&mut self, levels: u32) {
        self.levels -= levels;
    }

    /// Takes an opening bracket around an expression.
    pub(crate) fn open_bracket(&mut self) -> Result<(), ParseError> {
        self.expect(Kind::OpenParen)?;
        self.brackets += 1;
        if self.brackets <= BRACKETS_MAX {
            return Ok(());
        }
        Err(self.too_deep(&format!("more than {BRACKETS_MAX} brackets")))
    }

    /// Takes the closing bracket; `possible` are all kinds that may stand here.
    pub(crate) fn close_bracket(&mut self, possible: &[Kind]) -> Result<(), ParseError> {
        self.expect_or(Kind::CloseParen, possible)?;
        self.brackets -= 1;
        Ok(())
    }

    fn too_deep(&mut self, limit: &str) -> ParseError {
        let span = self.peek_token().span.clone();
        ParseError::rule(format!("the query is nested too deep ({limit})"), span)
    }

    /// What is left of the query behind the last token that was taken, comments included.
    pub(crate) fn untaken(&self) -> &'a str {
        self.place().rest()
    }

    /// Leaves out the next `length` bytes, whatever tokens they would be, and what was wrong with them.
    pub(crate) fn skip(&mut self, length: usize) {
        let place = self.place();
        self.ahead = None;
        self.lexer.restart(place, length);
    }

    fn place(&self) -> Mark<'a> {
        if self.ahead.is_some() { self.mark } else { self.lexer.mark() }
    }
}

/// The text of a token that has one.
pub(crate) fn text(token: Token) -> String {
    match token.value {
        Value::Text(text) => text,
        Value::None | Value::Nanos(_) | Value::Bytes(_) => String::new(),
    }
}

fn hint(token: &Token, possible: &[Kind]) -> Option<&'static str> {
    match (token.kind, possible) {
        (Kind::End, [.., Kind::CloseBrace | Kind::Comma]) => Some("close the selector with }, as in {app=\"web\"}"),
        (Kind::End, [Kind::CloseParen]) => Some("close the bracket with )"),
        (_, [Kind::Text, ..]) => Some("put the text in \"double quotes\""),
        (_, [Kind::Equal, Kind::Matches, ..]) => Some("a label is followed by =, !=, =~ or !~ and a text in quotes"),
        (Kind::Text, [Kind::Identifier, ..]) => Some("write names of labels without quotes"),
        (Kind::Text, []) => Some("write |= before a text to look for it"),
        (_, [Kind::Duration]) => Some("write a time with its unit, as in offset 1h"),
        _ => None,
    }
}
