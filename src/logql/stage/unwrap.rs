//! `| unwrap duration(took) | __error__=""`: a label's value as a number.

use crate::logql::ast::{Conversion, Unwrap};
use crate::logql::gotext::{bytes, duration, number};
use crate::logql::stage::label_filter::Condition;
use crate::logql::stage::labels::{LineError, LineLabels};

#[derive(Debug)]
pub(crate) struct UnwrapStep {
    label: String,
    conversion: Option<Conversion>,
    pub(crate) filters: Vec<Condition>,
}

impl UnwrapStep {
    /// The error is Loki's text.
    pub(crate) fn new(unwrap: &Unwrap) -> Result<UnwrapStep, String> {
        let filters: Result<Vec<Condition>, String> = unwrap.filters.iter().map(Condition::new).collect();
        Ok(UnwrapStep { label: unwrap.label.clone(), conversion: unwrap.conversion, filters: filters? })
    }

    /// The number; `None` where the line has no such label or a filter drops it. A value that is no number leaves an
    /// error on the line, which a filter may look at.
    pub(crate) fn run(&self, labels: &mut LineLabels<'_>) -> Option<f64> {
        let text = labels.get(&self.label).filter(|text| !text.is_empty())?;
        let value = match self.convert(text) {
            Ok(value) => value,
            Err(details) => {
                labels.set_error(LineError::SampleExtraction, &details);
                0.0
            }
        };
        let mut passes = true;
        for filter in &self.filters {
            passes &= filter.passes(labels);
        }
        passes.then_some(value)
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// The number that a value stands for. The error is Loki's text.
    pub(crate) fn convert(&self, text: &str) -> Result<f64, String> {
        match self.conversion {
            None => number::parse_float(text),
            Some(Conversion::Duration | Conversion::DurationSeconds) => {
                let nanos = duration::parse(text)?;
                Ok((nanos / 1_000_000_000) as f64 + (nanos % 1_000_000_000) as f64 / 1e9)
            }
            Some(Conversion::Bytes) => bytes::parse(text).map(|bytes| bytes as f64),
        }
    }
}
