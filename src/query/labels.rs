//! What labels and streams there are.

use std::collections::BTreeSet;

use crate::model::{Labels, Matcher, TimeRange};
use crate::query::{Engine, Error, Ticket};

impl Engine {
    /// The names of the labels that streams in the range have, sorted.
    pub fn label_names(&self, matchers: &[Matcher], range: TimeRange, ticket: &Ticket) -> Result<Vec<String>, Error> {
        let _turn = self.turn(ticket)?;
        let streams = self.store.streams(matchers, range)?;
        let names: BTreeSet<&str> = streams.iter().flat_map(Labels::iter).map(|(name, _)| name).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    /// The values that a label has in streams of the range, sorted.
    pub fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        range: TimeRange,
        ticket: &Ticket,
    ) -> Result<Vec<String>, Error> {
        let _turn = self.turn(ticket)?;
        let streams = self.store.streams(matchers, range)?;
        let values: BTreeSet<&str> = streams.iter().filter_map(|stream| stream.get(name)).collect();
        Ok(values.into_iter().map(str::to_owned).collect())
    }

    /// The streams in the range that pass at least one of the selectors; every stream where there is none. Sorted.
    pub fn series(&self, selectors: &[Vec<Matcher>], range: TimeRange, ticket: &Ticket) -> Result<Vec<Labels>, Error> {
        if selectors.is_empty() {
            return self.series(&[Vec::new()], range, ticket);
        }
        let _turn = self.turn(ticket)?;
        let mut found = BTreeSet::new();
        for matchers in selectors {
            ticket.check()?;
            found.extend(self.store.streams(matchers, range)?);
        }
        Ok(found.into_iter().collect())
    }
}
