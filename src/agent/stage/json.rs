//! `json`: takes values out of a JSON object, with JMESPath.
//!
//! Paths of plain names are followed while the text is read, so that nothing else of it is kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jmespath::ast::Ast;
use jmespath::{Expression, Rcvar, Variable};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::agent::entry::Entry;
use crate::agent::metrics::Metrics;
use crate::agent::stage::json_walk::{Found, Tree, with_whole_escapes};
use crate::agent::stage::setting::{Mapping, MaybeText, Name, text_of};
use crate::agent::stage::{Flow, Stage, Surroundings};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    expressions: Expressions,
    source: Option<Name>,
    #[serde(default)]
    drop_malformed: bool,
}

/// What values are called when they were taken out, and where they are.
#[derive(Clone, Debug)]
struct Expressions(Vec<(String, Arc<Expression<'static>>)>);

impl<'de> Deserialize<'de> for Expressions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Expressions, D::Error> {
        let mapping = Mapping::<Name, Place>::deserialize(deserializer)?;
        let expressions = mapping.0.into_iter().map(|(name, Place(place))| {
            let name = name.as_str().to_owned();
            let place = place.map_or_else(|| compile(&name), Ok).map_err(D::Error::custom)?;
            Ok((name, place))
        });
        expressions.collect::<Result<_, _>>().map(Expressions)
    }
}

/// Where a value is; under its own name where nothing is said.
struct Place(Option<Arc<Expression<'static>>>);

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Place, D::Error> {
        let MaybeText(text) = MaybeText::deserialize(deserializer)?;
        text.map(|text| compile(&text)).transpose().map(Place).map_err(D::Error::custom)
    }
}

fn compile(text: &str) -> Result<Arc<Expression<'static>>, String> {
    let compiled = jmespath::compile(text).map_err(|error| {
        let reason = error.reason.to_string();
        format!("`{text}` is no JMESPath: {}; other names are written as `'\"a-b\"'`", reason.trim_end())
    })?;
    Ok(Arc::new(compiled))
}

impl Config {
    pub(crate) fn build(&self, around: &Surroundings) -> Box<dyn Stage> {
        let json = Json::new(&self.expressions.0);
        let malformed = self.drop_malformed.then(|| Arc::clone(&around.metrics));
        Box::new(Json { source: self.source.clone(), malformed, ..json })
    }
}

/// Takes values out of a JSON object.
pub(crate) struct Json {
    names: Vec<String>,
    /// What the present line has for each of the names.
    found: Vec<Found>,
    how: How,
    source: Option<Name>,
    buffer: String,
    /// Where lines are counted that are dropped because they are no JSON objects.
    malformed: Option<Arc<Metrics>>,
}

enum How {
    Walk(Tree),
    Search(Vec<Arc<Expression<'static>>>),
}

impl Json {
    fn new(expressions: &[(String, Arc<Expression<'static>>)]) -> Json {
        let mut tree = Tree::default();
        let names = expressions.iter().map(|(name, _)| name.clone()).collect();
        for (index, (_, expression)) in expressions.iter().enumerate() {
            let mut path = Vec::new();
            if !plain_path(expression.as_ast(), &mut path) {
                let expressions = expressions.iter().map(|(_, expression)| Arc::clone(expression));
                return Json::with(names, How::Search(expressions.collect()));
            }
            tree.add(&path, index);
        }
        Json::with(names, How::Walk(tree))
    }

    /// Takes out the values of fields, each under a name.
    pub(crate) fn of_fields(fields: &[(&str, &str)]) -> Json {
        let mut tree = Tree::default();
        for (index, (_, field)) in fields.iter().enumerate() {
            tree.add(&[field], index);
        }
        Json::with(fields.iter().map(|(name, _)| (*name).to_owned()).collect(), How::Walk(tree))
    }

    fn with(names: Vec<String>, how: How) -> Json {
        let found = names.iter().map(|_| Found::default()).collect();
        Json { names, found, how, source: None, buffer: String::new(), malformed: None }
    }
}

impl Stage for Json {
    fn run(&mut self, entry: &mut Entry, _now: Instant) -> Flow {
        let Entry { line, extracted, .. } = entry;
        let Some(text) = text_of(self.source.as_ref(), line, extracted, &mut self.buffer) else { return Flow::Pass };
        let is_object = match &self.how {
            How::Walk(tree) => tree.walk(text, &mut self.found),
            How::Search(expressions) => search(expressions, text, &mut self.found),
        };
        if is_object {
            for (name, found) in self.names.iter().zip(&self.found) {
                found.put(name, extracted);
            }
            return Flow::Pass;
        }
        match &self.malformed {
            Some(metrics) => {
                metrics.dropped("malformed_json", line.len());
                Flow::Drop
            }
            None => Flow::Pass,
        }
    }
}

/// Whether an expression is names alone, `a.b.c`; they are put into `path`.
fn plain_path<'e>(ast: &'e Ast, path: &mut Vec<&'e str>) -> bool {
    match ast {
        Ast::Field { name, .. } => {
            path.push(name);
            true
        }
        Ast::Subexpr { lhs, rhs, .. } => plain_path(lhs, path) && plain_path(rhs, path),
        _ => false,
    }
}

/// Finds what expressions say; whether the text is an object.
fn search(expressions: &[Arc<Expression<'static>>], text: &str, found: &mut [Found]) -> bool {
    let read = serde_json::from_str::<Variable>(text).ok();
    let value = match read.or_else(|| serde_json::from_str(&with_whole_escapes(text)?).ok()) {
        // to Promtail, nothing is an object without fields
        Some(Variable::Null) => Variable::Object(BTreeMap::new()),
        Some(value) if value.is_object() => value,
        Some(_) | None => return false,
    };
    let value = Rcvar::new(value);
    for (expression, found) in expressions.iter().zip(found) {
        match expression.search(&value) {
            Ok(result) => found.take(&as_json(&result)),
            Err(_) => found.skip(),
        }
    }
    true
}

/// What JMESPath found, as JSON.
fn as_json(variable: &Variable) -> Value {
    match variable {
        Variable::Null | Variable::Expref(_) => Value::Null,
        Variable::Bool(value) => Value::Bool(*value),
        Variable::Number(number) => Value::Number(number.clone()),
        Variable::String(text) => Value::String(text.clone()),
        Variable::Array(list) => list.iter().map(|value| as_json(value)).collect(),
        Variable::Object(map) => map.iter().map(|(name, value)| (name.clone(), as_json(value))).collect(),
    }
}
