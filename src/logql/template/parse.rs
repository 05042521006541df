//! A template's tokens made into a tree. Messages are those of Go's `text/template`.

use std::collections::BTreeMap;

use crate::logql::gotext::number;
use crate::logql::template::lex::{Keyword, Kind, Token, tokens};
use crate::logql::template::node::{Branch, Command, Constant, Node, Operand, OperandKind, Pipe};
use crate::logql::template::unquote::{unquote, unquote_char};

/// Nested deeper, a template is refused rather than risking the stack.
const DEPTH_MAX: usize = 64;

/// The main list of nodes and the named ones.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) root: Vec<Node>,
    pub(crate) defined: BTreeMap<String, Vec<Node>>,
}

/// Reads a template. `name` and the line stand in the message of an error; `knows` says which functions there are.
pub(crate) fn parse(name: &str, text: &str, knows: fn(&str) -> bool) -> Result<Tree, String> {
    let mut parser = Parser {
        tokens: tokens(text),
        next: 0,
        knows,
        variables: vec!["$".to_owned()],
        range_depth: 0,
        depth: 0,
        action_line: 0,
        defined: BTreeMap::new(),
    };
    let root = parser.root();
    let line = parser.tokens.get(parser.next.saturating_sub(1)).map_or(1, |token| token.line);
    match root {
        Ok(root) => Ok(Tree { root, defined: parser.defined }),
        Err(message) => Err(format!("template: {name}:{line}: {message}")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    knows: fn(&str) -> bool,
    variables: Vec<String>,
    range_depth: usize,
    depth: usize,
    action_line: usize,
    defined: BTreeMap<String, Vec<Node>>,
}

/// What ended a list of nodes.
enum ListEnd {
    End,
    Else,
}

impl ListEnd {
    const fn show(&self) -> &'static str {
        match self {
            ListEnd::End => "{{end}}",
            ListEnd::Else => "{{else}}",
        }
    }
}

enum Item {
    Node(Node),
    ListEnd(ListEnd),
}

impl Parser {
    fn peek(&self) -> &Token {
        // the last token is never taken past
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next = (self.next + 1).min(self.tokens.len());
        token
    }

    fn skip_space(&mut self) {
        while self.peek().kind == Kind::Space {
            self.next += 1;
        }
    }

    fn take_no_space(&mut self) -> Token {
        self.skip_space();
        self.take()
    }

    fn peek_no_space(&mut self) -> Token {
        self.skip_space();
        self.peek().clone()
    }

    fn unexpected<T>(&self, token: &Token, context: &str) -> Result<T, String> {
        if token.kind == Kind::Error {
            let elsewhere = self.action_line != 0 && self.action_line != token.line;
            let extra = match (elsewhere, token.text.ends_with(" action")) {
                (true, true) => format!(" started at line:{}", self.action_line),
                (true, false) => format!(" in action started at line:{}", self.action_line),
                (false, _) => String::new(),
            };
            return Err(format!("{}{extra}", token.text));
        }
        Err(format!("unexpected {} in {context}", token.show()))
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Result<Token, String> {
        let token = self.take_no_space();
        if token.kind == kind { Ok(token) } else { self.unexpected(&token, context) }
    }

    fn root(&mut self) -> Result<Vec<Node>, String> {
        let mut nodes = Vec::new();
        while self.peek().kind != Kind::End {
            if self.peek().kind == Kind::LeftDelim {
                let before = self.next;
                self.take();
                if self.take_no_space().kind == Kind::Keyword(Keyword::Define) {
                    self.definition()?;
                    continue;
                }
                self.next = before;
            }
            match self.text_or_action()? {
                Item::Node(node) => nodes.push(node),
                Item::ListEnd(end) => return Err(format!("unexpected {}", end.show())),
            }
        }
        Ok(nodes)
    }

    fn definition(&mut self) -> Result<(), String> {
        let context = "define clause";
        let name = self.template_name(context)?;
        self.expect(Kind::RightDelim, context)?;
        let outer = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let (list, end) = self.list()?;
        self.variables = outer;
        match end {
            ListEnd::End => {
                self.defined.insert(name, list);
                Ok(())
            }
            ListEnd::Else => Err(format!("unexpected {} in {context}", end.show())),
        }
    }

    fn template_name(&mut self, context: &str) -> Result<String, String> {
        let token = self.take_no_space();
        match token.kind {
            Kind::String | Kind::RawString => unquote(&token.text).ok_or_else(|| "invalid syntax".to_owned()),
            _ => self.unexpected(&token, context),
        }
    }

    fn text_or_action(&mut self) -> Result<Item, String> {
        let token = self.take_no_space();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text(token.text))),
            Kind::LeftDelim => {
                self.action_line = token.line;
                let item = self.action();
                if item.is_ok() {
                    self.action_line = 0;
                }
                item
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Result<Item, String> {
        let before = self.next;
        let token = self.take_no_space();
        let Kind::Keyword(keyword) = token.kind else {
            self.next = before;
            let at = self.peek_no_space().at;
            let pipe = self.pipe("command", Kind::RightDelim)?;
            return Ok(Item::Node(Node::Action { at, pipe }));
        };
        match keyword {
            Keyword::Else => {
                let next = self.peek_no_space();
                if !matches!(next.kind, Kind::Keyword(Keyword::If | Keyword::With)) {
                    self.expect(Kind::RightDelim, "else")?;
                }
                Ok(Item::ListEnd(ListEnd::Else))
            }
            Keyword::End => {
                self.expect(Kind::RightDelim, "end")?;
                Ok(Item::ListEnd(ListEnd::End))
            }
            Keyword::If => self.control("if").map(|branch| Item::Node(Node::If(branch))),
            Keyword::With => self.control("with").map(|branch| Item::Node(Node::With(branch))),
            Keyword::Range => self.control("range").map(|branch| Item::Node(Node::Range(branch))),
            Keyword::Break | Keyword::Continue => {
                let word = if keyword == Keyword::Break { "break" } else { "continue" };
                let token = self.take_no_space();
                if token.kind != Kind::RightDelim {
                    return self.unexpected(&token, &format!("{{{{{word}}}}}"));
                }
                if self.range_depth == 0 {
                    return Err(format!("{{{{{word}}}}} outside {{{{range}}}}"));
                }
                Ok(Item::Node(if keyword == Keyword::Break { Node::Break } else { Node::Continue }))
            }
            Keyword::Template => {
                let at = self.peek_no_space().at;
                let name = self.template_name("template clause")?;
                let pipe = if self.peek_no_space().kind == Kind::RightDelim {
                    self.take();
                    None
                } else {
                    Some(self.pipe("template clause", Kind::RightDelim)?)
                };
                Ok(Item::Node(Node::Template { at, name, pipe }))
            }
            Keyword::Block => self.block(),
            Keyword::Define => self.unexpected(&token, "command"),
        }
    }

    fn block(&mut self) -> Result<Item, String> {
        let context = "block clause";
        let at = self.peek_no_space().at;
        let name = self.template_name(context)?;
        let pipe = self.pipe(context, Kind::RightDelim)?;
        let outer = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let (list, end) = self.list()?;
        self.variables = outer;
        if let ListEnd::Else = end {
            return Err(format!("unexpected {} in {context}", end.show()));
        }
        self.defined.entry(name.clone()).or_insert(list);
        Ok(Item::Node(Node::Template { at, name, pipe: Some(pipe) }))
    }

    fn control(&mut self, context: &str) -> Result<Branch, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("template is nested too deep".to_owned());
        }
        let at = self.peek_no_space().at;
        let variable_count = self.variables.len();
        let pipe = self.pipe(context, Kind::RightDelim)?;
        let is_range = context == "range";
        self.range_depth += usize::from(is_range);
        let (list, end) = self.list()?;
        self.range_depth -= usize::from(is_range);
        let otherwise = match end {
            ListEnd::End => Vec::new(),
            ListEnd::Else => match (context, self.peek().kind) {
                ("if", Kind::Keyword(Keyword::If)) => {
                    self.take();
                    vec![Node::If(self.control("if")?)]
                }
                ("with", Kind::Keyword(Keyword::With)) => {
                    self.take();
                    vec![Node::With(self.control("with")?)]
                }
                _ => {
                    let (list, end) = self.list()?;
                    if let ListEnd::Else = end {
                        return Err(format!("expected end; found {}", end.show()));
                    }
                    list
                }
            },
        };
        self.variables.truncate(variable_count);
        self.depth -= 1;
        Ok(Branch { at, pipe, list, otherwise })
    }

    fn list(&mut self) -> Result<(Vec<Node>, ListEnd), String> {
        let mut nodes = Vec::new();
        while self.peek_no_space().kind != Kind::End {
            match self.text_or_action()? {
                Item::Node(node) => nodes.push(node),
                Item::ListEnd(end) => return Ok((nodes, end)),
            }
        }
        Err("unexpected EOF".to_owned())
    }

    fn pipe(&mut self, context: &str, end: Kind) -> Result<Pipe, String> {
        let at = self.peek_no_space().at;
        let mut pipe = Pipe { at, declares: Vec::new(), assigns: false, commands: Vec::new() };
        self.declarations(context, &mut pipe)?;
        loop {
            let token = self.peek_no_space();
            match token.kind {
                kind if kind == end => {
                    self.take();
                    return check_pipe(pipe, context);
                }
                Kind::Bool
                | Kind::CharConstant
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => {
                    self.take();
                    return self.unexpected(&token, context);
                }
            }
        }
    }

    /// `$x :=`, `$x =`, and in a range `$i, $x :=`
    fn declarations(&mut self, context: &str, pipe: &mut Pipe) -> Result<(), String> {
        while self.peek_no_space().kind == Kind::Variable {
            let before = self.next;
            let variable = self.take();
            let next = self.peek_no_space();
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    self.take();
                    pipe.assigns = next.kind == Kind::Assign;
                    pipe.declares.push(variable.text.clone());
                    self.variables.push(variable.text);
                    return Ok(());
                }
                Kind::Char if next.text == "," => {
                    self.take();
                    pipe.declares.push(variable.text.clone());
                    self.variables.push(variable.text);
                    if context != "range" || pipe.declares.len() > 1 {
                        return Err(format!("too many declarations in {context}"));
                    }
                    let next = self.peek_no_space();
                    if !matches!(next.kind, Kind::Variable | Kind::RightDelim | Kind::RightParen) {
                        return Err("range can only initialize variables".to_owned());
                    }
                }
                _ => {
                    self.next = before;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Result<Command, String> {
        let at = self.peek_no_space().at;
        let mut args = Vec::new();
        loop {
            self.skip_space();
            if let Some(operand) = self.operand()? {
                args.push(operand);
            }
            let token = self.peek().clone();
            match token.kind {
                Kind::Space => {}
                Kind::RightDelim | Kind::RightParen => break,
                Kind::Pipe => {
                    self.take();
                    break;
                }
                _ => {
                    self.take();
                    return self.unexpected(&token, "operand");
                }
            }
        }
        if args.is_empty() { Err("empty command".to_owned()) } else { Ok(Command { at, args }) }
    }

    /// A term and the fields behind it.
    fn operand(&mut self) -> Result<Option<Operand>, String> {
        let Some(term) = self.term()? else { return Ok(None) };
        if self.peek().kind != Kind::Field {
            return Ok(Some(term));
        }
        let at = self.peek().at;
        let mut fields = Vec::new();
        while self.peek().kind == Kind::Field {
            fields.push(self.take().text[1..].to_owned());
        }
        let kind = match term.kind {
            OperandKind::Field(mut path) => {
                path.extend(fields);
                OperandKind::Field(path)
            }
            OperandKind::Variable(name, mut path) => {
                path.extend(fields);
                OperandKind::Variable(name, path)
            }
            OperandKind::Constant(_) | OperandKind::Nil | OperandKind::Dot => {
                return Err(format!("unexpected . after term {}", crate::logql::gotext::quote::quote(&term.show())));
            }
            OperandKind::Function(_) | OperandKind::Pipe(_) | OperandKind::Chain(..) => {
                OperandKind::Chain(Box::new(term), fields)
            }
        };
        Ok(Some(Operand { at, kind }))
    }

    fn term(&mut self) -> Result<Option<Operand>, String> {
        let token = self.peek_no_space();
        let at = token.at;
        let kind = match token.kind {
            Kind::Identifier if (self.knows)(&token.text) => OperandKind::Function(token.text),
            Kind::Identifier => {
                self.take();
                return Err(format!("function {} not defined", crate::logql::gotext::quote::quote(&token.text)));
            }
            Kind::Dot => OperandKind::Dot,
            Kind::Nil => OperandKind::Nil,
            Kind::Variable if self.variables.contains(&token.text) => OperandKind::Variable(token.text, Vec::new()),
            Kind::Variable => {
                self.take();
                return Err(format!("undefined variable {}", crate::logql::gotext::quote::quote(&token.text)));
            }
            Kind::Field => OperandKind::Field(vec![token.text[1..].to_owned()]),
            Kind::Bool => OperandKind::Constant(Constant::Bool(token.text == "true")),
            Kind::Number | Kind::CharConstant => OperandKind::Constant(constant(&token)?),
            Kind::LeftParen => {
                self.take();
                self.depth += 1;
                if self.depth > DEPTH_MAX {
                    return Err("template is nested too deep".to_owned());
                }
                let pipe = self.pipe("parenthesized pipeline", Kind::RightParen)?;
                self.depth -= 1;
                return Ok(Some(Operand { at: pipe.at, kind: OperandKind::Pipe(Box::new(pipe)) }));
            }
            Kind::String | Kind::RawString => {
                let Some(text) = unquote(&token.text) else {
                    self.take();
                    return Err("invalid syntax".to_owned());
                };
                OperandKind::Constant(Constant::Text { quoted: token.text, text })
            }
            _ => return Ok(None),
        };
        self.take();
        Ok(Some(Operand { at, kind }))
    }
}

fn check_pipe(pipe: Pipe, context: &str) -> Result<Pipe, String> {
    if pipe.commands.is_empty() {
        return Err(format!("missing value for {context}"));
    }
    for (index, command) in pipe.commands.iter().enumerate().skip(1) {
        match command.args[0].kind {
            OperandKind::Constant(_) | OperandKind::Dot | OperandKind::Nil => {
                return Err(format!("non executable command in pipeline stage {}", index + 1));
            }
            OperandKind::Field(_)
            | OperandKind::Variable(..)
            | OperandKind::Function(_)
            | OperandKind::Chain(..)
            | OperandKind::Pipe(_) => {}
        }
    }
    Ok(pipe)
}

fn constant(token: &Token) -> Result<Constant, String> {
    let text = token.text.clone();
    if token.kind == Kind::CharConstant {
        let c = unquote_char(&text).ok_or_else(|| format!("malformed character constant: {text}"))?;
        return Ok(Constant::Int { text, value: i64::from(u32::from(c)) });
    }
    let is_hex = text.trim_start_matches(['+', '-']).to_ascii_lowercase().starts_with("0x");
    if let Some(value) = number::parse_int_any_base(&text) {
        return Ok(Constant::Int { text, value });
    }
    match number::parse_float(&text) {
        Ok(value) => {
            if !is_hex && !text.contains(['.', 'e', 'E', 'p', 'P']) {
                return Err(format!("integer overflow: {}", crate::logql::gotext::quote::quote(&text)));
            }
            Ok(Constant::Float { text, value })
        }
        Err(_) => Err(format!("illegal number syntax: {}", crate::logql::gotext::quote::quote(&text))),
    }
}
