//! `| line_format "{{.method}} {{.path}}"`: a line made anew.

use crate::logql::stage::labels::{LineError, LineLabels};
use crate::logql::template::{Budget, Dialect, Fields, Input, Template};
use crate::model::Timestamp;

#[derive(Debug)]
pub(crate) struct LineFormatter {
    template: Template,
}

impl LineFormatter {
    /// The error is Loki's text.
    pub(crate) fn new(template: &str) -> Result<LineFormatter, String> {
        let template = Template::parse("line", template, Dialect::Query)
            .map_err(|error| format!("invalid line template: {error}"))?;
        Ok(LineFormatter { template })
    }

    pub(crate) fn reads(&self) -> Vec<String> {
        self.template.fields()
    }

    /// Writes the line to `out`. Where the template fails, the line stays and carries the error.
    pub(crate) fn run(
        &self,
        timestamp: Timestamp,
        line: &str,
        out: &mut String,
        budget: &Budget,
        labels: &mut LineLabels<'_>,
    ) -> bool {
        out.clear();
        // a template that is one label does not see the error labels, as in Loki
        if let Some(name) = self.template.only_label() {
            out.push_str(labels.get(name).unwrap_or(""));
            return true;
        }
        match self.template.run(&Input { line, timestamp, fields: Fields::Labels(labels.view()), budget }, out) {
            Ok(()) => true,
            Err(details) => {
                labels.set_error(LineError::TemplateFormat, &details);
                false
            }
        }
    }
}
