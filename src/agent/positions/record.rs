//! What is remembered of one source: which file it is, how far it was answered for, and when the lines since were read.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::agent::files::identity::Identity;
use crate::agent::outlet::Stretch;
use crate::model::Timestamp;

/// A source over the runs of the agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Which scrape configuration and target read it.
    pub(crate) reader: String,
    /// The path under which it was first read: what its `filename` label says.
    pub(crate) name: String,
    /// Where it is now. `None` when it was taken away, or when nobody knows.
    pub(crate) path: Option<String>,
    pub(crate) identity: Identity,
    /// All servers answered for what begins before.
    pub(crate) place: u64,
    /// What was read and is not answered for, in order.
    pub(crate) stretches: VecDeque<Span>,
    pub(crate) state: State,
    /// When it ended, in seconds since 1970.
    pub(crate) ended: Option<u64>,
}

/// Where a source is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It may grow.
    #[default]
    Growing,
    /// It was read to its end, at this place; answers are missing.
    Read(u64),
    /// It was answered for to its end: known only so that it is not read again.
    Done(u64),
}

/// A stretch without its source: start, end, first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Span(pub(crate) u64, pub(crate) u64, pub(crate) i64);

impl Span {
    pub(crate) fn of(stretch: &Stretch) -> Span {
        Span(stretch.start, stretch.end, stretch.first.nanos())
    }

    pub(crate) fn of_source(self, source: u32) -> Stretch {
        Stretch { source, start: self.0, end: self.1, first: Timestamp::from_nanos(self.2) }
    }
}

impl Record {
    /// Whether everything of it was answered for.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::Done(_))
    }

    /// The stretch that a place was read in, until where a later one takes over. Of several the last: where reading went
    /// back, it is the one that was sent.
    pub(crate) fn span_at(&self, place: u64) -> Option<Span> {
        let mut end = u64::MAX;
        for span in self.stretches.iter().rev() {
            if span.0 <= place && place < span.1 {
                return Some(Span(span.0, span.1.min(end), span.2));
            }
            if span.0 > place {
                end = end.min(span.0);
            }
        }
        None
    }

    /// A run that ended before the answers came leaves a source that is to be read again.
    pub(crate) fn reopen(&mut self) {
        if let State::Read(_) = self.state {
            self.state = State::Growing;
            self.ended = None;
        }
    }

    /// Where this run goes on: what was read to its end in it is on its way.
    pub(crate) fn next_place(&self) -> u64 {
        match self.state {
            State::Growing => self.place,
            State::Read(end) | State::Done(end) => end,
        }
    }

    pub(crate) fn begun(&mut self, span: Span) {
        // what reading extended is one
        match self.stretches.back_mut() {
            Some(last) if last.0 == span.0 && last.2 == span.2 => last.1 = last.1.max(span.1),
            Some(_) | None => self.stretches.push_back(span),
        }
    }

    pub(crate) fn answered(&mut self, place: u64) {
        self.place = self.place.max(place);
        let place = self.place;
        self.stretches.retain(|span| place < span.1);
        if let State::Read(end) = self.state
            && end <= self.place
        {
            self.state = State::Done(end);
            self.stretches.clear();
        }
    }
}
