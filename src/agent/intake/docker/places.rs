//! Where cursors of containers are remembered: in the positions, as Promtail names them, and beside each one of our own
//! that knows more.

use std::sync::Arc;

use crate::agent::intake::docker::cursor::Cursor;
use crate::agent::positions::Positions;

/// The cursors of one job.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    positions: Arc<Positions>,
    /// The name of the job's spool: another job may be elsewhere in the same container.
    scope: String,
}

impl Places {
    pub(crate) fn new(positions: &Arc<Positions>, scope: &str) -> Places {
        Places { positions: Arc::clone(positions), scope: scope.to_owned() }
    }

    /// Where a container is to be read on; none where it was never read.
    pub(crate) fn read(&self, id: &str) -> Option<Cursor> {
        let secs = |text: Option<String>| text?.trim().parse::<i64>().ok();
        let own = self.positions.text(&self.own_name(id)).and_then(|text| Cursor::parse(&text));
        let foreign = secs(self.positions.foreign_text(&name(id)));
        match (own, foreign) {
            // Promtail read on meanwhile
            (Some(own), Some(secs)) if own.secs().is_none_or(|known| secs > known) => Some(Cursor::of_secs(secs)),
            (Some(own), _) => Some(own),
            (None, _) => secs(self.positions.text(&name(id))).map(Cursor::of_secs),
        }
    }

    /// With the next positions that are written.
    pub(crate) fn write(&self, id: &str, cursor: &Cursor) {
        if let Some(secs) = cursor.secs() {
            self.positions.set_text(&name(id), &secs.to_string());
            self.positions.set_text(&self.own_name(id), &cursor.to_text());
        }
    }

    /// There is no such container any more.
    pub(crate) fn forget(&self, id: &str) {
        self.positions.forget_text(&name(id));
        self.positions.forget_text(&self.own_name(id));
    }

    /// Begins as Promtail's names of cursors do, so that both keep it.
    fn own_name(&self, id: &str) -> String {
        format!("{} {}", name(id), self.scope)
    }
}

fn name(id: &str) -> String {
    format!("cursor-{id}")
}
