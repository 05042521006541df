//! `label_replace`: a label made from another by a regular expression.

use regex::Regex;

use crate::logql::ast::LabelReplace;
use crate::logql::metric::series::{Pairs, Sets};
use crate::model::{Memory, MemoryExceeded, Share, re2};

/// The function with its pattern compiled, and what it made of each series of its operand.
#[derive(Debug)]
pub(crate) struct Replace {
    pattern: Regex,
    target: String,
    replacement: String,
    source: String,
    /// By series of the operand, or `UNKNOWN`.
    set_of: Vec<u32>,
    sets: Sets,
    share: Share,
}

const UNKNOWN: u32 = u32::MAX;

impl Replace {
    pub(crate) fn new(expr: &LabelReplace, memory: &Memory) -> Result<Replace, re2::Error> {
        Ok(Replace {
            pattern: re2::compile(&format!("^(?:{})$", expr.pattern))?,
            target: expr.target.clone(),
            replacement: expr.replacement.clone(),
            source: expr.source.clone(),
            set_of: Vec::new(),
            sets: Sets::new(memory),
            share: Share::of(memory),
        })
    }

    /// Works out the labels of a series, once.
    pub(crate) fn meet(&mut self, series: u32, set: &[u32], pairs: &mut Pairs) -> Result<(), MemoryExceeded> {
        let index = series as usize;
        self.share.lengthen(&mut self.set_of, index + 1, UNKNOWN)?;
        if self.set_of[index] == UNKNOWN {
            self.set_of[index] = match self.made(set, pairs) {
                None => self.sets.number(set)?,
                Some(value) => {
                    // what is made anew has no empty labels
                    let stays = |pair: &u32| {
                        let (name, value) = pairs.get(*pair);
                        name != self.target && !value.is_empty()
                    };
                    let others = set.iter().copied().filter(stays);
                    let mut replaced: Vec<u32> = others.collect();
                    if !value.is_empty() {
                        replaced.push(pairs.number(&self.target, &value)?);
                        pairs.sort(&mut replaced);
                    }
                    self.sets.number(&replaced)?
                }
            };
        }
        Ok(())
    }

    /// The labels of a series that was met.
    pub(crate) fn set(&self, series: u32) -> &[u32] {
        self.sets.get(self.set_of[series as usize])
    }

    /// The value of the target, if the pattern matches.
    fn made(&self, set: &[u32], pairs: &Pairs) -> Option<String> {
        let found = self.pattern.captures(pairs.value(set, &self.source))?;
        let mut value = String::new();
        found.expand(&self.replacement, &mut value);
        Some(value)
    }
}
