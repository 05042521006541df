//! The tree of a template, and how its parts are written in messages.

use std::fmt::Write as _;

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Text(String),
    Action { at: usize, pipe: Pipe },
    If(Branch),
    With(Branch),
    Range(Branch),
    Template { at: usize, name: String, pipe: Option<Pipe> },
    Break,
    Continue,
}

#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub(crate) at: usize,
    pub(crate) pipe: Pipe,
    pub(crate) list: Vec<Node>,
    pub(crate) otherwise: Vec<Node>,
}

#[derive(Clone, Debug)]
pub(crate) struct Pipe {
    pub(crate) at: usize,
    /// Variables with their `$`.
    pub(crate) declares: Vec<String>,
    /// `=` instead of `:=`
    pub(crate) assigns: bool,
    /// At least one.
    pub(crate) commands: Vec<Command>,
}

#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) at: usize,
    /// At least one; the first may be a function.
    pub(crate) args: Vec<Operand>,
}

#[derive(Clone, Debug)]
pub(crate) struct Operand {
    pub(crate) at: usize,
    pub(crate) kind: OperandKind,
}

#[derive(Clone, Debug)]
pub(crate) enum OperandKind {
    Dot,
    Nil,
    Constant(Constant),
    /// `.a.b`
    Field(Vec<String>),
    /// `$x.a.b`, the name with its `$`
    Variable(String, Vec<String>),
    Function(String),
    /// `(pipe).a.b`, `function.a`
    Chain(Box<Operand>, Vec<String>),
    Pipe(Box<Pipe>),
}

#[derive(Clone, Debug)]
pub(crate) enum Constant {
    Bool(bool),
    Int { text: String, value: i64 },
    Float { text: String, value: f64 },
    Text { quoted: String, text: String },
}

impl Operand {
    /// As a message writes it.
    pub(crate) fn show(&self) -> String {
        match &self.kind {
            OperandKind::Dot => ".".to_owned(),
            OperandKind::Nil => "nil".to_owned(),
            OperandKind::Constant(constant) => match constant {
                Constant::Bool(value) => value.to_string(),
                Constant::Int { text, .. } | Constant::Float { text, .. } => text.clone(),
                Constant::Text { quoted, .. } => quoted.clone(),
            },
            OperandKind::Field(path) => show_path("", path),
            OperandKind::Variable(name, path) => show_path(name, path),
            OperandKind::Function(name) => name.clone(),
            OperandKind::Chain(inner, path) => match &inner.kind {
                OperandKind::Pipe(pipe) => show_path(&format!("({})", pipe.show()), path),
                _ => show_path(&inner.show(), path),
            },
            OperandKind::Pipe(pipe) => pipe.show(),
        }
    }
}

fn show_path(start: &str, path: &[String]) -> String {
    path.iter().fold(start.to_owned(), |text, name| text + "." + name)
}

impl Command {
    pub(crate) fn show(&self) -> String {
        let show = |operand: &Operand| match &operand.kind {
            OperandKind::Pipe(pipe) => format!("({})", pipe.show()),
            _ => operand.show(),
        };
        self.args.iter().map(show).collect::<Vec<_>>().join(" ")
    }
}

impl Pipe {
    pub(crate) fn show(&self) -> String {
        let mut text = self.declares.join(", ");
        if !self.declares.is_empty() {
            text.push_str(if self.assigns { " = " } else { " := " });
        }
        text + &self.commands.iter().map(Command::show).collect::<Vec<_>>().join(" | ")
    }
}

impl Node {
    pub(crate) fn show(&self) -> String {
        let branch = |word: &str, branch: &Branch| {
            let list = |nodes: &[Node]| nodes.iter().map(Node::show).collect::<String>();
            let mut text = format!("{{{{{word} {}}}}}{}", branch.pipe.show(), list(&branch.list));
            if !branch.otherwise.is_empty() {
                // writing into a string cannot fail
                let _ = write!(text, "{{{{else}}}}{}", list(&branch.otherwise));
            }
            text + "{{end}}"
        };
        match self {
            Node::Text(text) => text.clone(),
            Node::Action { pipe, .. } => format!("{{{{{}}}}}", pipe.show()),
            Node::If(inner) => branch("if", inner),
            Node::With(inner) => branch("with", inner),
            Node::Range(inner) => branch("range", inner),
            Node::Template { name, pipe, .. } => {
                let name = crate::logql::gotext::quote::quote(name);
                match pipe {
                    Some(pipe) => format!("{{{{template {name} {}}}}}", pipe.show()),
                    None => format!("{{{{template {name}}}}}"),
                }
            }
            Node::Break => "{{break}}".to_owned(),
            Node::Continue => "{{continue}}".to_owned(),
        }
    }

    /// Adds the names of all fields that are read.
    pub(crate) fn fields(&self, names: &mut Vec<String>) {
        match self {
            Node::Text(_) | Node::Break | Node::Continue => {}
            Node::Action { pipe, .. } => pipe.fields(names),
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                branch.pipe.fields(names);
                branch.list.iter().chain(&branch.otherwise).for_each(|node| node.fields(names));
            }
            Node::Template { pipe, .. } => {
                if let Some(pipe) = pipe {
                    pipe.fields(names);
                }
            }
        }
    }
}

impl Pipe {
    fn fields(&self, names: &mut Vec<String>) {
        for operand in self.commands.iter().flat_map(|command| &command.args) {
            operand.fields(names);
        }
    }
}

impl Operand {
    fn fields(&self, names: &mut Vec<String>) {
        match &self.kind {
            OperandKind::Field(path) => {
                for name in path {
                    if !names.contains(name) {
                        names.push(name.clone());
                    }
                }
            }
            OperandKind::Pipe(pipe) => pipe.fields(names),
            OperandKind::Chain(inner, _) => inner.fields(names),
            OperandKind::Dot
            | OperandKind::Nil
            | OperandKind::Constant(_)
            | OperandKind::Variable(..)
            | OperandKind::Function(_) => {}
        }
    }
}
