//! `| label_format dst=src, other="{{.x}}-{{.y}}"`: labels renamed and made.
//!
//! Renames and settings happen in order. All templates of a stage see the labels as they were before the first of them.

use crate::logql::ast::{LabelFormat, LabelFormatValue};
use crate::logql::stage::labels::{ERROR_LABEL, LineError, LineLabels};
use crate::logql::template::{Budget, Dialect, Fields, Input, Template};
use crate::model::Timestamp;

#[derive(Debug)]
pub(crate) struct LabelFormatter {
    formats: Vec<Format>,
}

#[derive(Debug)]
struct Format {
    label: String,
    value: FormatValue,
}

#[derive(Debug)]
enum FormatValue {
    Rename(String),
    Template(Template),
}

impl LabelFormatter {
    /// The error is Loki's text.
    pub(crate) fn new(formats: &[LabelFormat]) -> Result<LabelFormatter, String> {
        for (index, format) in formats.iter().enumerate() {
            let label = &format.label;
            if label == ERROR_LABEL {
                return Err(format!("{label} cannot be formatted"));
            }
            if formats[..index].iter().any(|before| before.label == *label) {
                return Err(format!("multiple label name '{label}' not allowed in a single format operation"));
            }
        }
        let compile = |format: &LabelFormat| {
            let value = match &format.value {
                LabelFormatValue::Rename(source) => FormatValue::Rename(source.clone()),
                LabelFormatValue::Template(text) => FormatValue::Template(
                    Template::parse("label", text, Dialect::Query)
                        .map_err(|error| format!("invalid template for label '{}': {error}", format.label))?,
                ),
            };
            Ok(Format { label: format.label.clone(), value })
        };
        Ok(LabelFormatter { formats: formats.iter().map(compile).collect::<Result<_, String>>()? })
    }

    /// Whether it looks at labels alone, and not at lines or times.
    pub(crate) fn renames_only(&self) -> bool {
        self.formats.iter().all(|format| matches!(format.value, FormatValue::Rename(_)))
    }

    pub(crate) fn reads(&self) -> Vec<String> {
        let reads = |format: &Format| match &format.value {
            FormatValue::Rename(source) => vec![source.clone()],
            FormatValue::Template(template) => template.fields(),
        };
        self.formats.iter().flat_map(reads).collect()
    }

    pub(crate) fn run(&self, timestamp: Timestamp, line: &str, budget: &Budget, labels: &mut LineLabels<'_>) {
        let first_template = self.formats.iter().position(|format| matches!(format.value, FormatValue::Template(_)));
        let (renames, rest) = self.formats.split_at(first_template.unwrap_or(self.formats.len()));
        for Format { label, value } in renames {
            if let FormatValue::Rename(source) = value {
                labels.rename(source, label);
            }
        }
        let mut out = String::new();
        let mut results: Vec<Result<usize, String>> = Vec::with_capacity(rest.len());
        let input = Input { line, timestamp, fields: Fields::Labels(labels.view()), budget };
        for Format { value, .. } in rest {
            if let FormatValue::Template(template) = value {
                let start = out.len();
                let result = template.run(&input, &mut out);
                if result.is_err() {
                    out.truncate(start);
                }
                results.push(result.map(|()| out.len()));
            }
        }
        let mut start = 0;
        let mut results = results.into_iter();
        for Format { label, value } in rest {
            match value {
                FormatValue::Rename(source) => labels.rename(source, label),
                FormatValue::Template(_) => match results.next() {
                    Some(Ok(end)) => {
                        labels.set(label, &out[start..end]);
                        start = end;
                    }
                    Some(Err(details)) => labels.set_error(LineError::TemplateFormat, &details),
                    None => {}
                },
            }
        }
    }
}
