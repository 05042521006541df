//! `label_replace`: a label made from another by a regular expression.

use regex::Regex;

use crate::logql::ast::LabelReplace;
use crate::model::{Labels, re2};

/// The function with its pattern compiled, and what it made of each series of its operand.
#[derive(Debug)]
pub(crate) struct Replace {
    pattern: Regex,
    target: String,
    replacement: String,
    source: String,
    /// By series of the operand.
    labels: Vec<Option<Labels>>,
}

impl Replace {
    pub(crate) fn new(expr: &LabelReplace) -> Result<Replace, re2::Error> {
        Ok(Replace {
            pattern: re2::compile(&format!("^(?:{})$", expr.pattern))?,
            target: expr.target.clone(),
            replacement: expr.replacement.clone(),
            source: expr.source.clone(),
            labels: Vec::new(),
        })
    }

    /// Works out the labels of a series, once.
    pub(crate) fn meet(&mut self, series: u32, labels: &Labels) {
        let index = series as usize;
        if self.labels.len() <= index {
            self.labels.resize(index + 1, None);
        }
        if self.labels[index].is_none() {
            self.labels[index] = Some(self.replaced(labels));
        }
    }

    /// The labels of a series that was met.
    pub(crate) fn labels(&self, series: u32) -> &Labels {
        self.labels[series as usize].as_ref().expect("a series is met before its labels are asked for")
    }

    fn replaced(&self, labels: &Labels) -> Labels {
        let Some(found) = self.pattern.captures(labels.get(&self.source).unwrap_or("")) else {
            return labels.clone();
        };
        let mut value = String::new();
        found.expand(&self.replacement, &mut value);
        let others = labels.iter().filter(|(name, _)| *name != self.target);
        let others = others.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let made = (!value.is_empty()).then(|| (self.target.clone(), value));
        others.chain(made).collect()
    }
}
