//! Mends an open store that nobody else uses: damaged blocks leave the index, filters and labels are written again.
//!
//! Promises: what is taken out of the way is kept in `lost` before; each step is one commit of a day, so that a mending that
//! was cut short is begun anew. Never: a block that can be read, and a damage of the index itself (`aside`).

use crate::model::TimeRange;
use crate::store::block::Codec;
use crate::store::day::Replacement;
use crate::store::error::Error;
use crate::store::fault;
use crate::store::filter::Filter;
use crate::store::index::{BlockPlace, Search};
use crate::store::keeper::{Keeper, REPLACED_TOGETHER};
use crate::store::layout::BLOCKS;
use crate::store::lost;
use crate::store::reader::BlockReader;
use crate::store::remove::keep;
use crate::store::seal::Sealer;
use crate::store::shelf::DayState;

impl Keeper {
    /// Takes some entries back in of days that were put aside, where no thread does.
    pub(crate) fn take_back_alone(&self) -> Result<bool, Error> {
        let _moving = self.take_moving();
        self.take_back()
    }

    /// Brings all entries into blocks, and mends every day.
    pub(crate) fn mend(&self) -> Result<(), Error> {
        self.settle()?;
        let (mut sealer, mut codec) = (Sealer::new(), Codec::new());
        for day in self.places(TimeRange::ALL).0 {
            day.folder.mend_streams(&self.layout)?;
            let all = day.view.search(&Search { streams: None, range: TimeRange::ALL, words: &[] })?;
            let mut changed = false;
            for places in all.chunks(REPLACED_TOGETHER) {
                let mut replacements = Vec::new();
                for place in places {
                    replacements.extend(self.mended(&day, place, &mut sealer, &mut codec)?);
                }
                if !replacements.is_empty() {
                    changed = true;
                    fault::at("mend.replace").map_err(crate::store::error::io_error("mend", &self.layout.days()))?;
                    if let Some((readers, holes)) = self.shelf.replace(&day.folder, replacements)? {
                        self.unread.push(readers, day.folder.clone(), holes);
                    }
                }
            }
            if changed {
                self.shelf.purge(&day.folder)?;
            }
        }
        Ok(())
    }

    /// What takes the place of a damaged block, or of one with a damaged filter.
    fn mended(
        &self,
        day: &DayState,
        place: &BlockPlace,
        sealer: &mut Sealer,
        codec: &mut Codec,
    ) -> Result<Option<Replacement>, Error> {
        let streams = day.folder.streams();
        let reader = BlockReader::whole(&day.folder, place, &streams, None);
        match reader.open(codec) {
            Ok(block) => {
                let filter = day.folder.read_filter(place);
                if filter.is_ok_and(|bytes| Filter::decode(&bytes).is_ok()) {
                    return Ok(None);
                }
                let none_goes = vec![false; block.lead.times.len()];
                let new = sealer.seal_again(|content| keep(content, &block, &none_goes));
                Ok(Some(Replacement { old: *place, new: Some(new) }))
            }
            Err(error) if error.is_damage() => {
                let bytes = day.folder.read_what_is_there(place)?;
                if bytes.iter().any(|byte| *byte != 0) {
                    let name = format!("{}-{BLOCKS}-{}", day.folder.day.folder(), place.offset);
                    lost::keep(&self.layout, &name, &bytes)?;
                }
                tracing::warn!(%error, lines = place.entry_count, "a damaged block leaves the index");
                Ok(Some(Replacement { old: *place, new: None }))
            }
            Err(error) => Err(error),
        }
    }
}
