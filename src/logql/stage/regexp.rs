//! `| regexp "(?P<method>\\w+) (?P<path>\\S+)"`: the named groups of the first match become labels.

use regex::Regex;

use crate::logql::stage::labels::LineLabels;
use crate::model::re2;

#[derive(Debug)]
pub(crate) struct RegexpParser {
    regex: Regex,
    /// Groups by their number.
    names: Vec<(usize, String)>,
}

impl RegexpParser {
    /// The error is Loki's text.
    pub(crate) fn new(pattern: &str) -> Result<RegexpParser, String> {
        let regex = re2::compile(pattern).map_err(|error| error.to_string())?;
        let mut names: Vec<(usize, String)> = Vec::new();
        for (index, name) in re2::group_names(pattern).map_err(|error| error.to_string())?.into_iter().enumerate() {
            let Some(name) = name else { continue };
            if names.iter().any(|(_, known)| *known == name) {
                return Err(format!("duplicate extracted label name '{name}'"));
            }
            names.push((index, name));
        }
        if names.is_empty() {
            return Err("at least one named capture must be supplied".to_owned());
        }
        Ok(RegexpParser { regex, names })
    }

    /// Whether the line goes on. A line that does not match goes on as it is.
    pub(crate) fn run(&self, line: &str, labels: &mut LineLabels<'_>) -> bool {
        let Some(captures) = self.regex.captures(line) else { return true };
        let mut name = std::mem::take(&mut labels.changes.name);
        let passes = self.names.iter().all(|(index, group)| {
            name.clear();
            name.push_str(group);
            let value = captures.get(*index).map_or("", |group| group.as_str());
            labels.take_parsed(&mut name, |out| out.push_str(value))
        });
        labels.changes.name = name;
        passes
    }
}
