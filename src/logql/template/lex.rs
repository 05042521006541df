//! A template's text cut into tokens, by the rules of Go's `text/template`.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The text is the message.
    Error,
    Bool,
    /// A character that stands for itself, such as a comma.
    Char,
    CharConstant,
    Assign,
    Declare,
    End,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Dot,
    Nil,
    Keyword(Keyword),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

/// A piece of the template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    /// Bytes from the start of the template.
    pub(crate) at: usize,
    /// Counted from 1.
    pub(crate) line: usize,
}

impl Token {
    /// How messages name it.
    pub(crate) fn show(&self) -> String {
        match self.kind {
            Kind::End => "EOF".to_owned(),
            Kind::Error => self.text.clone(),
            Kind::Keyword(_) | Kind::Dot | Kind::Nil => format!("<{}>", self.text),
            _ if self.text.len() > 10 => {
                let head: String = self.text.chars().take(10).collect();
                format!("{}...", crate::logql::gotext::quote::quote(&head))
            }
            _ => crate::logql::gotext::quote::quote(&self.text),
        }
    }
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// All tokens; the last is `End` or `Error`.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0, start: 0, parens: 0, counted: (0, 1), tokens: Vec::new() };
    if let Err(message) = lexer.run() {
        lexer.start = lexer.start.min(text.len());
        let line = lexer.line_at(lexer.start);
        lexer.tokens.push(Token { kind: Kind::Error, text: message, at: lexer.start, line });
    }
    lexer.tokens
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// Where the present token begins.
    start: usize,
    parens: usize,
    /// A place, and the line that it lies in.
    counted: (usize, usize),
    tokens: Vec<Token>,
}

impl<'t> Lexer<'t> {
    /// The line of a place that is not before the one asked for last.
    fn line_at(&mut self, at: usize) -> usize {
        let (from, line) = self.counted;
        let passed = self.text.as_bytes().get(from..at).unwrap_or_default();
        self.counted = (at, line + passed.iter().filter(|byte| **byte == b'\n').count());
        self.counted.1
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn emit(&mut self, kind: Kind) {
        let text = self.text[self.start..self.at].to_owned();
        let line = self.line_at(self.start);
        self.tokens.push(Token { kind, text, at: self.start, line });
        self.start = self.at;
    }

    fn run(&mut self) -> Result<(), String> {
        loop {
            let Some(open) = self.rest().find("{{") else {
                self.at = self.text.len();
                if self.at > self.start {
                    self.emit(Kind::Text);
                }
                self.emit(Kind::End);
                return Ok(());
            };
            let open = self.at + open;
            let inside = &self.text[open + 2..];
            let trims = inside.starts_with('-') && inside[1..].starts_with(SPACE);
            let before = &self.text[self.start..open];
            let kept = if trims { before.trim_end_matches(SPACE) } else { before };
            if !kept.is_empty() {
                self.at = self.start + kept.len();
                self.emit(Kind::Text);
            }
            self.at = open;
            self.start = open;
            self.at += if trims { 4 } else { 2 };
            if self.rest().starts_with("/*") {
                self.comment()?;
                continue;
            }
            self.at = open + 2;
            self.emit(Kind::LeftDelim);
            // the minus goes, the space behind it stays
            self.at += usize::from(trims);
            self.start = self.at;
            self.action()?;
        }
    }

    fn comment(&mut self) -> Result<(), String> {
        let length = self.rest().find("*/").ok_or("unclosed comment")?;
        self.at += length + 2;
        let trims = self.right_delim().ok_or("comment ends before closing delimiter")?;
        self.skip_right_delim(trims);
        self.start = self.at;
        Ok(())
    }

    /// Whether an action ends here; with `true` where it takes the space behind it along.
    fn right_delim(&self) -> Option<bool> {
        let rest = self.rest();
        if rest.starts_with("}}") {
            return Some(false);
        }
        (rest.starts_with(SPACE) && rest[1..].starts_with("-}}")).then_some(true)
    }

    fn skip_right_delim(&mut self, trims: bool) {
        if trims {
            self.at += 4;
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches(SPACE).len();
        } else {
            self.at += 2;
        }
    }

    fn action(&mut self) -> Result<(), String> {
        loop {
            self.start = self.at;
            if let Some(trims) = self.right_delim() {
                if self.parens > 0 {
                    return Err("unclosed left paren".to_owned());
                }
                if trims {
                    self.at += 2;
                    self.start = self.at;
                }
                self.at += 2;
                self.emit(Kind::RightDelim);
                if trims {
                    let rest = self.rest();
                    self.at += rest.len() - rest.trim_start_matches(SPACE).len();
                    self.start = self.at;
                }
                return Ok(());
            }
            self.inside()?;
        }
    }

    /// One token within an action.
    fn inside(&mut self) -> Result<(), String> {
        let c = self.bump().ok_or("unclosed action")?;
        match c {
            c if SPACE.contains(&c) => {
                while self.rest().starts_with(SPACE) && self.right_delim().is_none() {
                    self.at += 1;
                }
                self.emit(Kind::Space);
            }
            '=' => self.emit(Kind::Assign),
            ':' => {
                if self.bump() != Some('=') {
                    return Err("expected :=".to_owned());
                }
                self.emit(Kind::Declare);
            }
            '|' => self.emit(Kind::Pipe),
            '"' => self.quoted('"', "unterminated quoted string", Kind::String)?,
            '\'' => self.quoted('\'', "unterminated character constant", Kind::CharConstant)?,
            '`' => {
                let length = self.rest().find('`').ok_or("unterminated raw quoted string")?;
                self.at += length + 1;
                self.emit(Kind::RawString);
            }
            '$' => self.field_or_variable(Kind::Variable)?,
            '.' if !self.rest().starts_with(|c: char| c.is_ascii_digit()) => self.field_or_variable(Kind::Dot)?,
            '+' | '-' | '.' | '0'..='9' => self.number()?,
            '(' => {
                self.parens += 1;
                self.emit(Kind::LeftParen);
            }
            ')' => {
                self.parens = self.parens.checked_sub(1).ok_or("unexpected right paren")?;
                self.emit(Kind::RightParen);
            }
            c if is_name(c) => self.word()?,
            c if c.is_ascii_graphic() => self.emit(Kind::Char),
            c => return Err(format!("unrecognized character in action: {}", show_char(c))),
        }
        Ok(())
    }

    fn quoted(&mut self, mark: char, unterminated: &str, kind: Kind) -> Result<(), String> {
        loop {
            match self.bump() {
                Some('\\') if self.peek().is_some_and(|c| c != '\n') => {
                    self.bump();
                }
                Some(c) if c == mark => break,
                None | Some('\n') => return Err(unterminated.to_owned()),
                Some(_) => {}
            }
        }
        self.emit(kind);
        Ok(())
    }

    fn field_or_variable(&mut self, alone: Kind) -> Result<(), String> {
        if self.at_terminator() {
            self.emit(alone);
            return Ok(());
        }
        self.take_name()?;
        self.emit(if alone == Kind::Dot { Kind::Field } else { alone });
        Ok(())
    }

    fn take_name(&mut self) -> Result<(), String> {
        while self.peek().is_some_and(is_name) {
            self.bump();
        }
        match self.peek() {
            Some(c) if !self.at_terminator() => Err(format!("bad character {}", show_char(c))),
            Some(_) | None => Ok(()),
        }
    }

    fn word(&mut self) -> Result<(), String> {
        self.take_name()?;
        let kind = match &self.text[self.start..self.at] {
            "block" => Kind::Keyword(Keyword::Block),
            "break" => Kind::Keyword(Keyword::Break),
            "continue" => Kind::Keyword(Keyword::Continue),
            "define" => Kind::Keyword(Keyword::Define),
            "else" => Kind::Keyword(Keyword::Else),
            "end" => Kind::Keyword(Keyword::End),
            "if" => Kind::Keyword(Keyword::If),
            "range" => Kind::Keyword(Keyword::Range),
            "template" => Kind::Keyword(Keyword::Template),
            "with" => Kind::Keyword(Keyword::With),
            "nil" => Kind::Nil,
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.emit(kind);
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        self.at = self.start;
        self.accept(|c| c == '+' || c == '-', 1);
        let mut is_digit: fn(char) -> bool = |c| c.is_ascii_digit() || c == '_';
        if self.accept(|c| c == '0', 1) {
            if self.accept(|c| matches!(c, 'x' | 'X'), 1) {
                is_digit = |c| c.is_ascii_hexdigit() || c == '_';
            } else if self.accept(|c| matches!(c, 'o' | 'O'), 1) {
                is_digit = |c| matches!(c, '0'..='7' | '_');
            } else if self.accept(|c| matches!(c, 'b' | 'B'), 1) {
                is_digit = |c| matches!(c, '0' | '1' | '_');
            }
        }
        self.accept(is_digit, usize::MAX);
        if self.accept(|c| c == '.', 1) {
            self.accept(is_digit, usize::MAX);
        }
        if self.accept(|c| matches!(c, 'e' | 'E' | 'p' | 'P'), 1) {
            self.accept(|c| c == '+' || c == '-', 1);
            self.accept(|c| c.is_ascii_digit() || c == '_', usize::MAX);
        }
        if self.peek().is_some_and(is_name) {
            self.bump();
            let text = &self.text[self.start..self.at];
            return Err(format!("bad number syntax: {}", crate::logql::gotext::quote::quote(text)));
        }
        self.emit(Kind::Number);
        Ok(())
    }

    /// Takes at most `count` such characters; whether it took one.
    fn accept(&mut self, is_wanted: impl Fn(char) -> bool, count: usize) -> bool {
        let start = self.at;
        for _ in 0..count {
            match self.peek() {
                Some(c) if is_wanted(c) => self.at += c.len_utf8(),
                Some(_) | None => break,
            }
        }
        self.at > start
    }

    fn at_terminator(&self) -> bool {
        let rest = self.rest();
        rest.is_empty()
            || rest.starts_with("}}")
            || rest.starts_with([' ', '\t', '\r', '\n', '.', ',', '|', ':', ')', '('])
    }
}

fn is_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// `U+0040 '@'`
fn show_char(c: char) -> String {
    format!("U+{:04X} '{c}'", u32::from(c))
}
