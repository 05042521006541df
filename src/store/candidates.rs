//! Which sealed blocks of a day may hold what is selected.
//!
//! Promises: no block is left out that holds a selected entry; index and filters only ever rule out. Never: block bytes.

use std::sync::Arc;

use crate::store::day::DayFolder;
use crate::store::error::Error;
use crate::store::filter::Filter;
use crate::store::index::{BlockPlace, Search};
use crate::store::reader::BlockReader;
use crate::store::select::{Chunk, Prepared, Selection, TextFilter};
use crate::store::shelf::DayState;
use crate::store::streams::{Streams, matching};
use crate::store::words::Demands;

/// The blocks, and what is wanted of each.
pub(crate) struct Candidates {
    /// In no order.
    pub(crate) places: Vec<BlockPlace>,
    streams: Arc<Streams>,
    /// The numbers of the wanted streams, sorted; `None` is all.
    wanted: Option<Arc<Vec<u64>>>,
}

impl Candidates {
    pub(crate) fn of(day: &DayState, selection: &Selection) -> Result<Candidates, Error> {
        let streams = day.folder.streams();
        let wanted = matching(&streams, &selection.matchers);
        let mut places = Vec::new();
        if wanted.as_ref().is_none_or(|wanted| !wanted.is_empty()) {
            places = find(day, selection, wanted.as_deref())?;
        }
        Ok(Candidates { places, streams, wanted: wanted.map(Arc::new) })
    }

    pub(crate) fn chunks(self, day: &DayState, prepared: &Arc<Prepared>) -> Vec<Chunk> {
        let Candidates { places, streams, wanted } = self;
        let chunk = |place| {
            let (streams, wanted) = (streams.clone(), wanted.clone());
            Chunk::of_block(day.folder.clone(), place, streams, wanted, prepared.clone(), day.readers.clone())
        };
        places.into_iter().map(chunk).collect()
    }

    pub(crate) fn reader<'c>(&'c self, folder: &'c DayFolder, place: &'c BlockPlace) -> BlockReader<'c> {
        let wanted = self.wanted.as_deref().map(Vec::as_slice);
        BlockReader::whole(folder, place, &self.streams, wanted)
    }
}

/// The texts that every wanted line holds.
fn required(selection: &Selection) -> impl Iterator<Item = &String> {
    let only = |filter: &'_ TextFilter| matches!(filter, TextFilter { ignores_case: false, negated: false, any } if any.len() == 1);
    let of_filters = selection.filters.iter().filter(move |filter| only(filter)).flat_map(|filter| &filter.any);
    selection.needles.iter().chain(&selection.hints).chain(of_filters)
}

fn find(day: &DayState, selection: &Selection, wanted: Option<&[u64]>) -> Result<Vec<BlockPlace>, Error> {
    let demands: Vec<Demands> = required(selection).map(|text| Demands::of(text.as_bytes())).collect();
    let words: Vec<_> = demands.iter().flat_map(|demands| demands.words.iter().cloned()).collect();
    // a filter that cannot be read rules nothing out
    let has_ids = |filter: Result<Vec<u8>, Error>, place: &BlockPlace| {
        let decoded = filter.and_then(|bytes| {
            let filter = Filter::decode(&bytes).map_err(|why| day.folder.damaged_filter(place, why))?;
            Ok(demands.iter().flat_map(|demands| &demands.ids).all(|id| filter.may_have(id)))
        });
        decoded.unwrap_or_else(|error| {
            tracing::error!(%error, "a query goes on without a filter, and is slower");
            true
        })
    };
    let ids_matter = demands.iter().any(|demands| !demands.ids.is_empty());
    let search = Search { streams: wanted, range: selection.range, words: &words };
    let mut places: Vec<BlockPlace> = Vec::new();
    for place in day.view.search(&search)? {
        if !ids_matter || has_ids(day.folder.read_filter(&place), &place) {
            places.push(place);
        }
    }
    for fresh in &day.fresh {
        let of_wanted = |number: &u64| wanted.is_none_or(|wanted| wanted.binary_search(number).is_ok());
        if fresh.place.overlaps(selection.range)
            && fresh.streams.iter().any(of_wanted)
            && words.iter().all(|word| fresh.words.may_have(word))
            && (!ids_matter || has_ids(Ok(fresh.filter.clone()), &fresh.place))
        {
            places.push(fresh.place);
        }
    }
    Ok(places)
}
