//! Columns: fields and labels that are shown instead of the line, wherever a line has them. Pure.

use std::collections::HashMap;

use crate::query::LogLine;
use crate::web::explore::record::{self, Record};

/// The name of a column that holds the line itself.
pub(crate) const LINE_COLUMN: &str = "line";

/// The values of columns: of labels and fields that the query knows, else of those that are in the line.
pub(crate) fn cells(line: &LogLine, columns: &[String]) -> Vec<String> {
    let sets = [&line.parsed, &line.structured, &line.stream];
    let is_known = |name: &String| sets.iter().any(|set| set.get(name).is_some()) || name == LINE_COLUMN;
    let read = if columns.iter().all(is_known) { None } else { Record::fields(&line.line) };
    let read = read.map(|(fields, _)| fields).unwrap_or_default();
    let cell = |name: &String| {
        let known = sets.iter().find_map(|set| set.get(name)).or_else(|| record::value(&read, name));
        let value = match known {
            None if name == LINE_COLUMN => Record::read(&line.line).and_then(|record| record.message),
            known => known.map(str::to_owned),
        };
        value.unwrap_or_else(|| if name == LINE_COLUMN { line.line.clone() } else { String::new() })
    };
    columns.iter().map(cell).collect()
}

/// Names of labels and fields that the lines have, for columns, the most frequent first.
pub(crate) fn names(lines: &[LogLine], names_max: usize) -> Vec<String> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut count = |name: &str| {
        let place = *places.entry(name.to_owned()).or_insert_with(|| {
            counts.push((name.to_owned(), 0));
            counts.len() - 1
        });
        counts[place].1 += 1;
    };
    for line in lines {
        Record::fields(&line.line)
            .map(|(fields, _)| fields)
            .unwrap_or_default()
            .iter()
            .for_each(|(name, _)| count(name));
        let sets = [&line.parsed, &line.structured, &line.stream];
        sets.iter()
            .flat_map(|set| set.iter())
            .filter(|(name, _)| !name.starts_with("__"))
            .for_each(|(name, _)| count(name));
    }
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.into_iter().map(|(name, _)| name).take(names_max).collect()
}
