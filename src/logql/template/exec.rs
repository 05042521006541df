//! Runs a template on one line. Messages are those of Go's `text/template`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::logql::gotext::quote::quote;
use crate::logql::gotext::time::Time;
use crate::logql::template::Fields;
use crate::logql::template::call::{self, Param};
use crate::logql::template::node::{Branch, Command, Constant, Node, Operand, OperandKind, Pipe};
use crate::logql::template::parse::Tree;
use crate::logql::template::value::Value;
use crate::logql::template::{Input, NO_VALUE};
use crate::logql::template::{cost, methods};

/// Templates that call templates deeper than this are ended. Go allows 100,000, on a stack that grows.
const CALL_DEPTH_MAX: usize = 50;

/// A template that is being run.
pub(crate) struct Run<'a> {
    name: &'a str,
    text: &'a str,
    tree: &'a Tree,
    pub(crate) input: &'a Input<'a>,
    variables: Vec<(&'a str, Value<'a>)>,
    /// Where the run is, for messages.
    at: At<'a>,
    depth: usize,
    /// The labels as a map, made when first needed.
    labels: Option<Value<'a>>,
}

#[derive(Clone, Copy)]
enum At<'a> {
    Start,
    Node(&'a Node, usize),
    Pipe(&'a Pipe),
    Command(&'a Command),
    Operand(&'a Operand),
}

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// What `.` is: the labels are not gathered before they are needed as a whole.
#[derive(Clone)]
enum Dot<'a> {
    Labels,
    Value(Value<'a>),
}

/// The value that a pipe hands to its next command; `None` for the first.
type Final<'a> = Option<Value<'a>>;

impl<'a> Run<'a> {
    pub(crate) fn new(name: &'a str, text: &'a str, tree: &'a Tree, input: &'a Input<'a>) -> Run<'a> {
        Run { name, text, tree, input, variables: Vec::new(), at: At::Start, depth: 0, labels: None }
    }

    /// Appends the result to `out`.
    pub(crate) fn run(&mut self, out: &mut String) -> Result<(), String> {
        let tree = self.tree;
        self.list(&Dot::Labels, &tree.root, out).map(|_| ())
    }

    /// A message with the place it belongs to.
    pub(crate) fn error<T>(&self, message: &str) -> Result<T, String> {
        let (at, context) = match self.at {
            At::Start => return Err(format!("template: {}: {message}", self.name)),
            At::Node(node, at) => (at, node.show()),
            At::Pipe(pipe) => (pipe.at, pipe.show()),
            At::Command(command) => (command.at, command.show()),
            At::Operand(operand) => (operand.at, operand.show()),
        };
        let before = &self.text[..at];
        let line = 1 + before.matches('\n').count();
        let column = before.rfind('\n').map_or(at, |newline| at - newline - 1);
        let name = self.name;
        Err(format!("template: {name}:{line}:{column}: executing {} at <{context}>: {message}", quote(name)))
    }

    pub(crate) fn now(&self) -> Time {
        Time::now()
    }

    fn list(&mut self, dot: &Dot<'a>, nodes: &'a [Node], out: &mut String) -> Result<Flow, String> {
        for node in nodes {
            self.count_steps(1)?;
            match self.node(dot, node, out)? {
                Flow::Next => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Next)
    }

    fn count_steps(&mut self, count: i64) -> Result<(), String> {
        let taken = self.input.budget.step(usize::try_from(count).unwrap_or(0));
        taken.or_else(|message| self.error(&message))
    }

    /// Counts text that is about to be made.
    fn take(&self, bytes: usize) -> Result<(), String> {
        self.input.budget.take(bytes).or_else(|message| self.error(&message))
    }

    /// A copy of a value, whose text is counted before it is made.
    fn copy(&self, value: &Value<'a>) -> Result<Value<'a>, String> {
        self.take(value.owned_bytes())?;
        Ok(value.clone())
    }

    fn node(&mut self, dot: &Dot<'a>, node: &'a Node, out: &mut String) -> Result<Flow, String> {
        match node {
            Node::Text(text) => {
                self.take(text.len())?;
                out.push_str(text);
            }
            Node::Action { at, pipe } => {
                let value = self.pipe(dot, pipe)?;
                if pipe.declares.is_empty() {
                    self.at = At::Node(node, *at);
                    self.take(value.printed_bytes())?;
                    match value {
                        Value::Nothing => out.push_str(NO_VALUE),
                        value => value.print(out),
                    }
                }
            }
            Node::If(branch) | Node::With(branch) => {
                let mark = self.variables.len();
                self.at = At::Node(node, branch.at);
                let value = self.pipe(dot, &branch.pipe)?;
                let is_true = value.is_true();
                let inner = match (node, dot) {
                    (Node::With(_), _) if is_true => Dot::Value(value),
                    (_, Dot::Value(value)) => Dot::Value(self.copy(value)?),
                    (_, Dot::Labels) => Dot::Labels,
                };
                let flow = self.list(&inner, if is_true { &branch.list } else { &branch.otherwise }, out);
                self.variables.truncate(mark);
                return flow;
            }
            Node::Range(branch) => {
                let mark = self.variables.len();
                self.at = At::Node(node, branch.at);
                let flow = self.range(dot, branch, out);
                self.variables.truncate(mark);
                return flow;
            }
            Node::Template { at, name, pipe } => {
                self.at = At::Node(node, *at);
                self.template(dot, name, pipe.as_ref(), out)?;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn range(&mut self, dot: &Dot<'a>, branch: &'a Branch, out: &mut String) -> Result<Flow, String> {
        let value = self.pipe(dot, &branch.pipe)?;
        let count = match &value {
            Value::List(list) => list.len(),
            Value::Map(map) => map.len(),
            Value::Labels(map) => map.len(),
            Value::Int(_) | Value::Int64(_) if branch.pipe.declares.len() > 1 => {
                let message = format!("can't use {} to iterate over more than one variable", value.printed());
                return self.error(&message);
            }
            Value::Int(count) | Value::Int64(count) => {
                // each round is a step, also where it does nothing
                self.count_steps(*count)?;
                usize::try_from(*count).unwrap_or(0)
            }
            Value::Nothing => 0,
            Value::Bool(_) | Value::Float(_) | Value::Text(_) | Value::Time(_) | Value::Named { .. } => {
                self.take(value.printed_bytes())?;
                return self.error(&format!("range can't iterate over {}", value.printed()));
            }
        };
        if count == 0 {
            return self.list(dot, &branch.otherwise, out);
        }
        // made one after the other: a list may be long, and what it holds too
        let copies: usize = match &value {
            Value::Map(map) => map.iter().map(|(key, value)| key.len() + value.owned_bytes()).sum(),
            _ => 0,
        };
        self.take(copies)?;
        let pairs: Box<dyn Iterator<Item = (Value<'a>, Value<'a>)>> = match value {
            Value::List(list) => Box::new((0..count).map(move |at| (Value::Int(at as i64), list[at].clone()))),
            Value::Map(map) => {
                let pairs: Vec<_> = map.iter().map(|(key, value)| (Value::text(key.clone()), value.clone())).collect();
                Box::new(pairs.into_iter())
            }
            Value::Labels(map) => {
                let text = |text: &Cow<'a, str>| Value::Text(text.clone());
                let pairs: Vec<_> = map.iter().map(|(key, value)| (text(key), text(value))).collect();
                Box::new(pairs.into_iter())
            }
            _ => Box::new((0..count).map(|at| (Value::Int(at as i64), Value::Int(at as i64)))),
        };
        let mark = self.variables.len();
        for (key, element) in pairs {
            self.variables.truncate(mark);
            self.take(element.owned_bytes())?;
            match branch.pipe.declares.as_slice() {
                [] => {}
                [name] => self.declare(name, self.copy(&element)?, branch.pipe.assigns),
                [index_name, name, ..] => {
                    self.declare(index_name, key, branch.pipe.assigns);
                    self.declare(name, self.copy(&element)?, branch.pipe.assigns);
                }
            }
            if self.list(&Dot::Value(element), &branch.list, out)? == Flow::Break {
                break;
            }
        }
        Ok(Flow::Next)
    }

    fn template(&mut self, dot: &Dot<'a>, name: &str, pipe: Option<&'a Pipe>, out: &mut String) -> Result<(), String> {
        let tree = self.tree;
        let Some(nodes) = tree.defined.get(name) else {
            return self.error(&format!("template {} not defined", quote(name)));
        };
        if self.depth == CALL_DEPTH_MAX {
            return self.error(&format!("exceeded maximum template depth ({CALL_DEPTH_MAX})"));
        }
        let inner = match pipe {
            Some(pipe) => Dot::Value(self.pipe(dot, pipe)?),
            None => Dot::Value(Value::Nothing),
        };
        let outer = std::mem::take(&mut self.variables);
        self.depth += 1;
        let result = self.list(&inner, nodes, out);
        self.depth -= 1;
        self.variables = outer;
        result.map(|_| ())
    }

    fn declare(&mut self, name: &'a str, value: Value<'a>, assigns: bool) {
        if assigns {
            if let Some((_, known)) = self.variables.iter_mut().rev().find(|(known, _)| *known == name) {
                *known = value;
            }
        } else {
            self.variables.push((name, value));
        }
    }

    fn pipe(&mut self, dot: &Dot<'a>, pipe: &'a Pipe) -> Result<Value<'a>, String> {
        self.at = At::Pipe(pipe);
        let mut last: Final<'a> = None;
        for command in &pipe.commands {
            last = Some(self.command(dot, command, last)?);
        }
        let value = last.unwrap_or(Value::Nothing);
        // a range sets its variables itself, one round after the other
        if !pipe.declares.is_empty() && pipe.declares.len() == 1 {
            self.declare(&pipe.declares[0], self.copy(&value)?, pipe.assigns);
        }
        Ok(value)
    }

    fn command(&mut self, dot: &Dot<'a>, command: &'a Command, last: Final<'a>) -> Result<Value<'a>, String> {
        let first = &command.args[0];
        match &first.kind {
            OperandKind::Field(path) => {
                self.at = At::Operand(first);
                return self.field_path(dot, path, &command.args[1..], last);
            }
            OperandKind::Variable(name, path) => {
                self.at = At::Operand(first);
                return self.variable(dot, name, path, &command.args[1..], last);
            }
            OperandKind::Chain(inner, path) => {
                return self.chain(dot, first, inner, path, &command.args[1..], last);
            }
            OperandKind::Function(name) => {
                return self.function(dot, first, name, Some(command), &command.args[1..], last);
            }
            OperandKind::Pipe(pipe) => {
                self.no_arguments(first, &command.args[1..], last.as_ref())?;
                return self.pipe(dot, pipe);
            }
            OperandKind::Dot | OperandKind::Nil | OperandKind::Constant(_) => {}
        }
        self.at = At::Operand(first);
        self.no_arguments(first, &command.args[1..], last.as_ref())?;
        match &first.kind {
            OperandKind::Constant(constant) => Ok(constant_value(constant)),
            OperandKind::Dot => self.dot_value(dot),
            _ => self.error("nil is not a command"),
        }
    }

    fn no_arguments(&self, first: &Operand, args: &[Operand], last: Option<&Value<'a>>) -> Result<(), String> {
        if args.is_empty() && last.is_none() {
            return Ok(());
        }
        self.error(&format!("can't give argument to non-function {}", first.show()))
    }

    fn dot_value(&mut self, dot: &Dot<'a>) -> Result<Value<'a>, String> {
        Ok(match dot {
            Dot::Value(value) => self.copy(value)?,
            Dot::Labels => self.all_labels(),
        })
    }

    fn all_labels(&mut self) -> Value<'a> {
        let input = self.input;
        let labels = self.labels.get_or_insert_with(|| {
            let pairs = input.all_fields().map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)));
            Value::Labels(Rc::new(pairs.collect::<BTreeMap<_, _>>()))
        });
        labels.clone()
    }

    fn field_path(
        &mut self,
        dot: &Dot<'a>,
        path: &'a [String],
        args: &'a [Operand],
        last: Final<'a>,
    ) -> Result<Value<'a>, String> {
        match dot {
            // the common case: a label, without a map of all of them
            Dot::Labels => {
                let is_last = path.len() == 1;
                if is_last && (!args.is_empty() || last.is_some()) {
                    return self.error(&format!("{} is not a method but has arguments", path[0]));
                }
                match self.input.field(&path[0]).map(Value::text) {
                    Some(value) if !is_last => self.fields(dot, value, &path[1..], args, last),
                    // as in Go, what is missing has no fields, and they have no value either
                    value => Ok(value.unwrap_or(Value::Nothing)),
                }
            }
            Dot::Value(value) => self.fields(dot, self.copy(value)?, path, args, last),
        }
    }

    fn variable(
        &mut self,
        dot: &Dot<'a>,
        name: &str,
        path: &'a [String],
        args: &'a [Operand],
        last: Final<'a>,
    ) -> Result<Value<'a>, String> {
        let known = self.variables.iter().rev().find(|(known, _)| *known == name);
        let value = match known {
            Some((_, value)) => self.copy(value)?,
            None if self.depth == 0 => self.all_labels(),
            None => self.dot_value(dot)?,
        };
        if path.is_empty() {
            if !args.is_empty() || last.is_some() {
                return self.error(&format!("can't give argument to non-function {name}"));
            }
            return Ok(value);
        }
        self.fields(dot, value, path, args, last)
    }

    fn chain(
        &mut self,
        dot: &Dot<'a>,
        operand: &'a Operand,
        inner: &'a Operand,
        path: &'a [String],
        args: &'a [Operand],
        last: Final<'a>,
    ) -> Result<Value<'a>, String> {
        self.at = At::Operand(operand);
        let value = self.any_argument(dot, inner)?;
        self.fields(dot, value, path, args, last)
    }

    /// Follows `.a.b` from a value; arguments go to the last.
    fn fields(
        &mut self,
        dot: &Dot<'a>,
        value: Value<'a>,
        path: &'a [String],
        args: &'a [Operand],
        last: Final<'a>,
    ) -> Result<Value<'a>, String> {
        let mut present = value;
        let mut last = last;
        for (index, name) in path.iter().enumerate() {
            let is_last = index + 1 == path.len();
            let (args, last) = if is_last { (args, last.take()) } else { (&[][..], None) };
            present = self.one_field(dot, &present, name, args, last)?;
        }
        Ok(present)
    }

    fn one_field(
        &mut self,
        dot: &Dot<'a>,
        value: &Value<'a>,
        name: &'a str,
        args: &'a [Operand],
        last: Final<'a>,
    ) -> Result<Value<'a>, String> {
        if let Some(params) = methods::params(value, name) {
            let at = self.at;
            let arguments = self.arguments(dot, name, params, None, args, last)?;
            self.at = at;
            self.count_steps(1 + (cost::read(&arguments) / 64) as i64)?;
            self.take(cost::most(name, &arguments))?;
            return match methods::call(value, name, &arguments) {
                Ok(result) => Ok(result),
                Err(message) => self.error(&format!("error calling {name}: {message}")),
            };
        }
        let found = match value {
            Value::Map(map) => map.get(name).map(|value| self.copy(value)).transpose()?,
            Value::Labels(map) => match (map.get(name), self.input.fields) {
                (Some(value), _) => Some(Value::Text(value.clone())),
                (None, Fields::Labels(_)) => Some(Value::text("")),
                (None, Fields::Values(_)) => None,
            },
            Value::Nothing => return self.error(&format!("nil pointer evaluating interface {{}}.{name}")),
            _ => return self.error(&format!("can't evaluate field {name} in type {}", value.type_name())),
        };
        if !args.is_empty() || last.is_some() {
            return self.error(&format!("{name} is not a method but has arguments"));
        }
        Ok(found.unwrap_or(Value::Nothing))
    }

    fn function(
        &mut self,
        dot: &Dot<'a>,
        operand: &'a Operand,
        name: &'a str,
        command: Option<&'a Command>,
        args: &'a [Operand],
        last: Final<'a>,
    ) -> Result<Value<'a>, String> {
        self.at = At::Operand(operand);
        let Some((params, rest)) = call::params(name) else {
            return self.error(&format!("{} is not a defined function", quote(name)));
        };
        if name == "and" || name == "or" {
            return self.and_or(dot, name, args, last);
        }
        let callee = args.first().map_or_else(String::new, Operand::show);
        let arguments = self.arguments(dot, name, params, rest, args, last)?;
        call::call(self, name, &callee, &arguments).or_else(|message| {
            self.at = command.map_or(At::Operand(operand), At::Command);
            self.error(&format!("error calling {name}: {message}"))
        })
    }

    /// Stops at the first argument that decides.
    fn and_or(&mut self, dot: &Dot<'a>, name: &str, args: &'a [Operand], last: Final<'a>) -> Result<Value<'a>, String> {
        if args.is_empty() && last.is_none() {
            return self.error(&format!("wrong number of args for {name}: want at least 1 got 0"));
        }
        let mut value = Value::Nothing;
        for arg in args {
            value = self.any_argument(dot, arg)?;
            if value.is_true() == (name == "or") {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    /// Evaluates arguments as the parameters want them.
    fn arguments(
        &mut self,
        dot: &Dot<'a>,
        name: &str,
        params: &'static [Param],
        rest: Option<Param>,
        args: &'a [Operand],
        last: Final<'a>,
    ) -> Result<Vec<Value<'a>>, String> {
        let count = args.len() + usize::from(last.is_some());
        if rest.is_some() && count < params.len() {
            let message = format!("wrong number of args for {name}: want at least {} got {}", params.len(), args.len());
            return self.error(&message);
        }
        if rest.is_none() && count != params.len() {
            return self.error(&format!("wrong number of args for {name}: want {} got {count}", params.len()));
        }
        let param_at = |index: usize| params.get(index).copied().or(rest).unwrap_or(Param::Any);
        let mut values = Vec::with_capacity(count);
        for (index, arg) in args.iter().enumerate() {
            values.push(self.argument(dot, param_at(index), arg)?);
        }
        if let Some(last) = last {
            values.push(self.fit(param_at(args.len()), last)?);
        }
        Ok(values)
    }

    fn argument(&mut self, dot: &Dot<'a>, param: Param, operand: &'a Operand) -> Result<Value<'a>, String> {
        self.at = At::Operand(operand);
        match &operand.kind {
            OperandKind::Constant(constant) => match (param, constant) {
                (Param::Any, _) => Ok(constant_value(constant)),
                (Param::Text, Constant::Text { text, .. }) => Ok(Value::text(text.as_str())),
                (Param::Int, Constant::Int { value, .. }) => Ok(Value::Int(*value)),
                (Param::Int, Constant::Float { value, .. }) if value.fract() == 0.0 && value.abs() < 9e18 => {
                    #[allow(clippy::cast_possible_truncation, reason = "the bound is checked")]
                    let value = *value as i64;
                    Ok(Value::Int(value))
                }
                (Param::Float, Constant::Int { value, .. }) => Ok(Value::Float(*value as f64)),
                (Param::Float, Constant::Float { value, .. }) => Ok(Value::Float(*value)),
                (Param::Time, _) => self.error(&format!("can't handle {} for arg of type time.Time", operand.show())),
                (Param::Text | Param::Int | Param::Float, _) => {
                    self.error(&format!("expected {}; found {}", param.constant_name(), operand.show()))
                }
            },
            OperandKind::Nil => match param {
                Param::Any => Ok(Value::Nothing),
                Param::Text | Param::Int | Param::Float | Param::Time => {
                    self.error(&format!("cannot assign nil to {}", param.type_name()))
                }
            },
            _ => {
                let value = self.any_argument(dot, operand)?;
                self.fit(param, value)
            }
        }
    }

    fn any_argument(&mut self, dot: &Dot<'a>, operand: &'a Operand) -> Result<Value<'a>, String> {
        self.at = At::Operand(operand);
        match &operand.kind {
            OperandKind::Dot => self.dot_value(dot),
            OperandKind::Nil => Ok(Value::Nothing),
            OperandKind::Constant(constant) => Ok(constant_value(constant)),
            OperandKind::Field(path) => self.field_path(dot, path, &[], None),
            OperandKind::Variable(name, path) => self.variable(dot, name, path, &[], None),
            OperandKind::Function(name) => self.function(dot, operand, name, None, &[], None),
            OperandKind::Chain(inner, path) => self.chain(dot, operand, inner, path, &[], None),
            OperandKind::Pipe(pipe) => self.pipe(dot, pipe),
        }
    }

    /// The value, if it has the type that a parameter wants.
    fn fit(&self, param: Param, value: Value<'a>) -> Result<Value<'a>, String> {
        let fits = match (param, &value) {
            (Param::Any, _) => true,
            (_, Value::Nothing) => return self.error(&format!("invalid value; expected {}", param.type_name())),
            (Param::Text, Value::Text(_))
            | (Param::Int, Value::Int(_))
            | (Param::Float, Value::Float(_))
            | (Param::Time, Value::Time(_)) => true,
            (Param::Text | Param::Int | Param::Float | Param::Time, _) => false,
        };
        if fits {
            return Ok(value);
        }
        let message = format!("wrong type for value; expected {}; got {}", param.type_name(), value.type_name());
        self.error(&message)
    }
}

fn constant_value(constant: &Constant) -> Value<'_> {
    match constant {
        Constant::Bool(value) => Value::Bool(*value),
        Constant::Int { value, .. } => Value::Int(*value),
        Constant::Float { value, .. } => Value::Float(*value),
        Constant::Text { text, .. } => Value::text(text.as_str()),
    }
}
