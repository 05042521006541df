//! The paths of `| json label="a.b[0]["c d"]"`.

/// A step from a value into a part of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Segment {
    Key(String),
    Index(usize),
}

#[derive(Debug, PartialEq)]
enum Token {
    Dot,
    Open,
    Close,
    Text(String),
    Field(String),
    Index(usize),
    End,
}

impl Token {
    const fn name(&self) -> &'static str {
        match self {
            Token::Dot => "DOT",
            Token::Open => "LSB",
            Token::Close => "RSB",
            Token::Text(_) => "STRING",
            Token::Field(_) => "FIELD",
            Token::Index(_) => "INDEX",
            Token::End => "$end",
        }
    }
}

/// Reads a path: names joined by dots, `["name"]` for any name, `[0]` for an element. The error is Loki's text.
pub(crate) fn parse(expression: &str) -> Result<Vec<Segment>, String> {
    let mut lexer = Lexer { rest: expression, fault: None };
    let mut path = Vec::new();
    loop {
        let segment = match lexer.next() {
            Token::Open => in_brackets(&mut lexer)?,
            Token::Field(name) if path.is_empty() => Segment::Key(name),
            Token::Dot if !path.is_empty() => match lexer.next() {
                Token::Field(name) => Segment::Key(name),
                other => return Err(unexpected(&other, ", expecting FIELD")),
            },
            Token::End if !path.is_empty() => break,
            other if path.is_empty() => return Err(unexpected(&other, ", expecting LSB or FIELD")),
            other => return Err(unexpected(&other, "")),
        };
        path.push(segment);
    }
    lexer.fault.map_or(Ok(path), Err)
}

fn in_brackets(lexer: &mut Lexer<'_>) -> Result<Segment, String> {
    let segment = match lexer.next() {
        Token::Text(name) => Segment::Key(name),
        Token::Index(index) => Segment::Index(index),
        other => return Err(unexpected(&other, ", expecting STRING or INDEX")),
    };
    match lexer.next() {
        Token::Close => Ok(segment),
        other => Err(unexpected(&other, ", expecting RSB")),
    }
}

fn unexpected(token: &Token, expected: &str) -> String {
    format!("syntax error: unexpected {}{expected}", token.name())
}

struct Lexer<'e> {
    rest: &'e str,
    /// A character that cannot be read ends the text; it is told only where the text might have ended there.
    fault: Option<String>,
}

impl Lexer<'_> {
    fn next(&mut self) -> Token {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n']);
        let Some(first) = self.rest.chars().next() else { return Token::End };
        match first {
            '.' | '[' | ']' => {
                self.rest = &self.rest[1..];
                match first {
                    '.' => Token::Dot,
                    '[' => Token::Open,
                    _ => Token::Close,
                }
            }
            '"' => {
                // a closing bracket ends a name as well, as in Loki
                let body = &self.rest[1..];
                let end = body.find(['"', ']']).unwrap_or(body.len());
                self.rest = body.get(end + 1..).unwrap_or("");
                Token::Text(body[..end].to_owned())
            }
            '0'..='9' => self.index(),
            'a'..='z' | 'A'..='Z' | '_' => {
                let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                self.rest = rest;
                Token::Field(name.to_owned())
            }
            other => self.stop(format!("unexpected char {other}")),
        }
    }

    fn index(&mut self) -> Token {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        match rest.chars().next() {
            Some(' ' | '\t' | '\n' | ']') => {}
            Some('.') => return self.stop("cannot use float as array index".to_owned()),
            other => return self.stop(format!("non-integer value: {}", other.unwrap_or('\0'))),
        }
        match digits.parse() {
            Ok(index) => {
                self.rest = rest;
                Token::Index(index)
            }
            Err(_) => self.stop(format!("strconv.Atoi: parsing \"{digits}\": value out of range")),
        }
    }

    fn stop(&mut self, fault: String) -> Token {
        self.fault = Some(fault);
        self.rest = "";
        Token::End
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::stage::json_path::{Segment, parse};

    #[test]
    fn paths_are_names_and_indexes() {
        let key = |name: &str| Segment::Key(name.to_owned());
        let table = [
            ("a", vec![key("a")]),
            ("a.b_1", vec![key("a"), key("b_1")]),
            ("a.b[1].c", vec![key("a"), key("b"), Segment::Index(1), key("c")]),
            (r#"a["x y"]["키"]"#, vec![key("a"), key("x y"), key("키")]),
            (r#"["a"].b"#, vec![key("a"), key("b")]),
            ("[0][1]", vec![Segment::Index(0), Segment::Index(1)]),
        ];
        for (text, path) in table {
            assert_eq!(parse(text), Ok(path), "{text}");
        }
    }

    #[test]
    fn errors_say_what_was_expected() {
        let table = [
            ("a..b", "syntax error: unexpected DOT, expecting FIELD"),
            ("a[", "syntax error: unexpected $end, expecting STRING or INDEX"),
            ("[-1]", "syntax error: unexpected $end, expecting STRING or INDEX"),
            ("a b", "syntax error: unexpected FIELD"),
            ("", "syntax error: unexpected $end, expecting LSB or FIELD"),
            ("a-b", "unexpected char -"),
            ("a[1 2]", "syntax error: unexpected INDEX, expecting RSB"),
        ];
        for (text, error) in table {
            assert_eq!(parse(text), Err(error.to_owned()), "{text}");
        }
    }
}
