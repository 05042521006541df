//! `| regexp "(?P<method>\\w+) (?P<path>\\S+)"`: the named groups of the first match become labels.

use std::sync::atomic::{AtomicU64, Ordering};

use regex::Regex;

use crate::logql::stage::labels::LineLabels;
use crate::model::re2;

#[derive(Debug)]
pub(crate) struct RegexpParser {
    /// Tells it from all others, whose groups lie in the same scratch.
    id: u64,
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
        static IDS: AtomicU64 = AtomicU64::new(0);
        Ok(RegexpParser { id: IDS.fetch_add(1, Ordering::Relaxed), regex, names })
    }

    /// Whether the line goes on. A line that does not match goes on as it is.
    pub(crate) fn run(&self, line: &str, labels: &mut LineLabels<'_>) -> bool {
        let groups = &mut labels.changes.groups;
        let at = groups.iter().position(|(id, _)| *id == self.id).unwrap_or_else(|| {
            groups.push((self.id, self.regex.capture_locations()));
            groups.len() - 1
        });
        if self.regex.captures_read(&mut groups[at].1, line).is_none() {
            return true;
        }
        let mut name = std::mem::take(&mut labels.changes.name);
        let passes = self.names.iter().all(|(index, group)| {
            name.clear();
            name.push_str(group);
            let value = labels.changes.groups[at].1.get(*index).map_or("", |(start, end)| &line[start..end]);
            labels.take_parsed(&mut name, |out| out.push_str(value))
        });
        labels.changes.name = name;
        passes
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::ast::Stage;
    use crate::logql::stage::{Pipeline, Scratch};
    use crate::model::{Labels, Timestamp};

    #[test]
    fn groups_that_come_no_times_leave_the_others_their_names() {
        let pipeline = Pipeline::new(&[Stage::Regexp("(a){0}(?P<x>b){0}(?P<y>c)(?P<z>d)?".to_owned())]);
        let (pipeline, none, mut scratch) = (pipeline.expect("sound"), Labels::default(), Scratch::default());
        let found = pipeline.process(Timestamp::default(), "cd", &none, &none, &mut scratch).expect("passes");
        assert_eq!(found.labels(), Labels::from([("x", ""), ("y", "c"), ("z", "d")]));
    }
}
