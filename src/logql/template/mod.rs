//! Go's `text/template`, as far as LogQL and the pipelines of agents use it: `line_format`, `label_format`, `template`.
//!
//! Promises: a template is read once and then run on any number of lines; messages are those that Go gives; nothing
//! panics, and what a template can write is bounded. Never: files, environment, network; the clock only for `now`.

mod budget;
mod builtins;
mod call;
mod codec;
mod cost;
mod decimal;
mod exec;
mod lex;
mod math;
mod methods;
mod node;
mod parse;
mod printf;
mod regexes;
mod sprig;
mod text;
mod unquote;
mod value;

pub(crate) use budget::Budget;

use std::borrow::Cow;

use crate::logql::stage::View;
use crate::logql::template::exec::Run;
use crate::logql::template::node::{Node, OperandKind};
use crate::logql::template::parse::Tree;
use crate::model::Timestamp;

/// Bytes of a message, at most; each label that a template should have made has one.
const MESSAGE_BYTES_MAX: usize = 2048;
/// What Go writes where there is nothing to write.
const NO_VALUE: &str = "<no value>";

/// Whose template it is, which decides what functions it may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Query,
    /// A stage of an agent's pipeline: hashes too.
    Pipeline,
}

/// The fields of the dot.
#[derive(Clone, Copy)]
pub(crate) enum Fields<'a> {
    /// A label that is missing is empty.
    Labels(View<'a>),
    /// One that is missing has no value, which is written `<no value>`.
    Values(&'a [(&'a str, Cow<'a, str>)]),
}

/// What a template sees of a line.
pub(crate) struct Input<'a> {
    pub(crate) line: &'a str,
    pub(crate) timestamp: Timestamp,
    pub(crate) fields: Fields<'a>,
    /// Shared by all templates that the line goes through.
    pub(crate) budget: &'a Budget,
}

impl<'a> Input<'a> {
    fn field(&self, name: &str) -> Option<&'a str> {
        match self.fields {
            Fields::Labels(labels) => Some(labels.text(name)),
            Fields::Values(values) => values.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| &**value),
        }
    }

    fn all_fields(&self) -> Box<dyn Iterator<Item = (&'a str, &'a str)> + 'a> {
        match self.fields {
            Fields::Labels(labels) => Box::new(labels.pairs()),
            Fields::Values(values) => Box::new(values.iter().map(|(name, value)| (*name, &**value))),
        }
    }
}

/// A template, ready to run.
#[derive(Debug)]
pub(crate) struct Template {
    name: &'static str,
    text: String,
    tree: Tree,
    /// Text and labels alone, which most templates are made of, are written without the machinery.
    simple: Option<Vec<Piece>>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Label(String),
    Line,
}

impl Template {
    /// Reads a template. Errors are Go's texts and begin with `template: name:line:`.
    pub(crate) fn parse(name: &'static str, text: &str, dialect: Dialect) -> Result<Template, String> {
        let knows = match dialect {
            Dialect::Query => call::knows_in_query,
            Dialect::Pipeline => call::knows_in_pipeline,
        };
        let tree = parse::parse(name, text, knows)?;
        let simple = tree.root.iter().map(piece).collect();
        Ok(Template { name, text: text.to_owned(), tree, simple })
    }

    /// The names of all labels that the template reads by name.
    pub(crate) fn fields(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.tree.root.iter().for_each(|node| node.fields(&mut names));
        names
    }

    /// The label that the template consists of, if it consists of just one.
    pub(crate) fn only_label(&self) -> Option<&str> {
        match self.simple.as_deref() {
            Some([Piece::Label(name)]) => Some(name),
            _ => None,
        }
    }

    /// Appends the result to `out`. The error is Go's text; what was written before it stays.
    pub(crate) fn run(&self, input: &Input<'_>, out: &mut String) -> Result<(), String> {
        let Some(pieces) = &self.simple else {
            return Run::new(self.name, &self.text, &self.tree, input).run(out).map_err(shortened);
        };
        for piece in pieces {
            let text = match piece {
                Piece::Text(text) => text,
                Piece::Label(name) => input.field(name).unwrap_or(NO_VALUE),
                Piece::Line => input.line,
            };
            input.budget.take(text.len()).map_err(|message| format!("template: {}: {message}", self.name))?;
            out.push_str(text);
        }
        Ok(())
    }
}

/// A message may quote a value, which may be long.
fn shortened(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES_MAX {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        message.push('…');
        message.shrink_to_fit();
    }
    message
}

fn piece(node: &Node) -> Option<Piece> {
    let pipe = match node {
        Node::Text(text) => return Some(Piece::Text(text.clone())),
        Node::Action { pipe, .. } if pipe.declares.is_empty() => pipe,
        _ => return None,
    };
    let [command] = pipe.commands.as_slice() else { return None };
    match command.args.as_slice() {
        [operand] => match &operand.kind {
            OperandKind::Field(path) if path.len() == 1 => Some(Piece::Label(path[0].clone())),
            OperandKind::Function(name) if name == "__line__" => Some(Piece::Line),
            _ => None,
        },
        _ => None,
    }
}
