//! `| drop level, status=~"2.."` and `| keep app`: fewer labels.

use crate::logql::ast::LabelChoice;
use crate::logql::stage::labels::{ERROR_DETAILS_LABEL, ERROR_LABEL, LineLabels, PRESERVE_ERROR_LABEL};

/// Deletes what is named, where a matcher is given only if the value passes it. Errors can be dropped, too.
pub(crate) fn drop(choices: &[LabelChoice], labels: &mut LineLabels<'_>) {
    for choice in choices {
        let name = match choice {
            LabelChoice::Name(name) => name.as_str(),
            LabelChoice::Matching(matcher) => {
                if !matcher.matches_value(labels.text(matcher.name())) {
                    continue;
                }
                matcher.name()
            }
        };
        match name {
            ERROR_LABEL => labels.clear_error(),
            ERROR_DETAILS_LABEL => labels.clear_error_details(),
            _ => {
                if labels.get(name).is_some() {
                    labels.delete(name);
                }
            }
        }
    }
}

/// Deletes everything but what is named; errors always stay.
pub(crate) fn keep(choices: &[LabelChoice], labels: &mut LineLabels<'_>) {
    labels.delete_where(|name, value| {
        let stays = choices.iter().any(|choice| match choice {
            LabelChoice::Name(kept) => kept == name,
            LabelChoice::Matching(matcher) => matcher.name() == name && matcher.matches_value(value),
        });
        !stays && name != PRESERVE_ERROR_LABEL
    });
}
