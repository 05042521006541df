//! `replace`: puts something else in the place of what a regular expression finds.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use regex::Regex;
use serde::Deserialize;

use crate::agent::entry::{Entry, Extracted};
use crate::agent::stage::setting::{Name, Pattern, TemplateText, text_of};
use crate::agent::stage::{Flow, Stage, Surroundings};
use crate::logql::template::{Budget, Fields, Input, Template};
use crate::model::Timestamp;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    expression: Pattern,
    source: Option<Name>,
    /// Left out, what is found is taken away.
    replace: Option<TemplateText>,
}

impl Config {
    pub(crate) fn build(&self, _around: &Surroundings) -> Box<dyn Stage> {
        let Pattern { regex, groups } = self.expression.clone();
        Box::new(Replace {
            regex,
            groups,
            source: self.source.clone(),
            template: self.replace.as_ref().map(|replace| Arc::clone(&replace.0)),
            buffer: String::new(),
        })
    }
}

struct Replace {
    regex: Regex,
    groups: Vec<(usize, String)>,
    source: Option<Name>,
    template: Option<Arc<Template>>,
    buffer: String,
}

/// A text with its groups replaced.
struct Replaced {
    text: String,
    /// What the named groups of the first match became.
    named: Vec<(usize, String)>,
}

impl Stage for Replace {
    fn run(&mut self, entry: &mut Entry, _now: Instant) -> Flow {
        let mut buffer = std::mem::take(&mut self.buffer);
        let text = text_of(self.source.as_ref(), &entry.line, &entry.extracted, &mut buffer);
        let replaced = text.and_then(|text| self.replaced(text, &entry.extracted));
        self.buffer = buffer;
        let Some(Replaced { text, named }) = replaced else { return Flow::Pass };
        match &self.source {
            Some(source) => entry.extracted.set_text(source.as_str(), &text),
            None => entry.line = text,
        }
        for (index, value) in named {
            let (_, name) = &self.groups[index];
            entry.extracted.set_text(name, &value);
        }
        Flow::Pass
    }
}

impl Replace {
    /// Each group of each match in turn becomes what the template makes of it. A group that lies within one that was
    /// replaced is left out, but what it would have become is known by its text.
    fn replaced(&self, text: &str, extracted: &Extracted) -> Option<Replaced> {
        let first = self.regex.captures(text)?;
        let budget = Budget::default();
        let mut out = String::with_capacity(text.len());
        let mut end = 0;
        // what each text became, the last time that it was replaced
        let mut became: Vec<(&str, String)> = Vec::new();
        for found in self.regex.captures_iter(text) {
            for group in found.iter().skip(1).flatten() {
                let new = self.new_text(group.as_str(), extracted, &budget)?;
                if end == 0 || end <= group.start() {
                    out.push_str(text.get(end..group.start())?);
                    out.push_str(&new);
                    end = group.end();
                }
                match became.iter_mut().find(|(old, _)| *old == group.as_str()) {
                    Some((_, known)) => *known = new,
                    None if self.groups.is_empty() => {}
                    None => became.push((group.as_str(), new)),
                }
            }
        }
        out.push_str(&text[end..]);
        let named = self.groups.iter().enumerate().filter_map(|(index, (group, _))| {
            let old = first.get(*group).map_or("", |group| group.as_str());
            let (_, new) = became.iter().find(|(known, _)| *known == old)?;
            Some((index, new.clone()))
        });
        Some(Replaced { text: out, named: named.collect() })
    }

    fn new_text(&self, old: &str, extracted: &Extracted, budget: &Budget) -> Option<String> {
        let mut out = String::new();
        let Some(template) = &self.template else { return Some(out) };
        let mut values: Vec<(&str, Cow<'_, str>)> = extracted.iter().collect();
        values.push(("Value", Cow::Borrowed(old)));
        let fields = Fields::Values(&values);
        let input = Input { line: old, timestamp: Timestamp::default(), fields, budget };
        template.run(&input, &mut out).ok()?;
        Some(out)
    }
}
