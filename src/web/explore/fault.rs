//! What is wrong with a query, shown at its place in the text.

use crate::logql::ParseError;

/// The query cut at the place of the error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) before: String,
    /// Empty where something is missing.
    pub(crate) wrong: String,
    pub(crate) after: String,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Fault {
    pub(crate) fn of(query: &str, error: &ParseError) -> Fault {
        let span = error.span();
        let cut = |at: usize| {
            let mut at = at.min(query.len());
            while !query.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (start, end) = (cut(span.start), cut(span.end.max(span.start)));
        Fault {
            before: query[..start].to_owned(),
            wrong: query[start..end].to_owned(),
            after: query[end..].to_owned(),
            message: error.to_string(),
            hint: hint(query, error),
        }
    }
}

/// The parser's hint, or what is plain from the place.
fn hint(query: &str, error: &ParseError) -> Option<String> {
    let at_end = error.span().start >= query.trim_end().len();
    error
        .hint()
        .map(str::to_owned)
        .or_else(|| at_end.then(|| "something is missing at the end of the query".to_owned()))
}

#[cfg(test)]
mod tests {
    use crate::web::explore::fault::Fault;

    fn check(query: &str, before: &str, wrong: &str, after: &str) {
        let fault = Fault::of(query, &crate::logql::parse_lenient(query).unwrap_err());
        assert_eq!((fault.before.as_str(), fault.wrong.as_str(), fault.after.as_str()), (before, wrong, after));
    }

    #[test]
    fn the_place_of_an_error_is_cut_out() {
        check("{app=\"한글\"} |= 5", "{app=\"한글\"} |= ", "5", "");
        check("{app=\"a\"} | status >", "{app=\"a\"} | status >", "", "");
        let fault = Fault::of("{a=\"b\"} |", &crate::logql::parse_lenient("{a=\"b\"} |").unwrap_err());
        assert!(fault.hint.is_some());
    }
}
