//! Room in memory for requests that are being taken in: counted in bytes, never more than set aside.
//!
//! Nobody waits: who finds no room is told so at once and comes back later, so that a rush cannot pile up threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::ingest::Error;

/// The memory set aside for all requests together.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    used: Arc<AtomicU64>,
    bytes_max: u64,
}

/// What one request holds of it. Given back when dropped.
#[derive(Debug)]
pub struct Room {
    space: Space,
    held: u64,
    /// Held already, but not used yet.
    spare: u64,
}

/// Small needs are met from steps of this size, so that threads do not fight over the counter.
const STEP_BYTES: u64 = 64 << 10;

impl Space {
    pub(crate) fn new(bytes_max: u64) -> Space {
        Space { used: Arc::default(), bytes_max }
    }

    /// A room that holds nothing yet.
    pub(crate) fn room(&self) -> Room {
        Room { space: self.clone(), held: 0, spare: 0 }
    }
}

impl Room {
    /// Takes `bytes` more, or nothing at all.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Error> {
        let (bytes, bytes_max) = (bytes as u64, self.space.bytes_max);
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= bytes_max);
        match self.space.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => {
                self.held += bytes;
                Ok(())
            }
            Err(_) if self.held.saturating_add(bytes) > bytes_max => {
                Err(Error::TooLarge { bytes: self.held.saturating_add(bytes), bytes_max })
            }
            Err(in_flight_bytes) => Err(Error::Busy { in_flight_bytes, bytes_max }),
        }
    }

    /// The same for what comes in small pieces.
    #[inline]
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), Error> {
        let bytes = bytes as u64;
        if bytes > self.spare {
            let step = bytes.max(STEP_BYTES);
            self.grow(usize::try_from(step).unwrap_or(usize::MAX))?;
            self.spare += step;
        }
        self.spare -= bytes;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.space.used.fetch_sub(self.held, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use crate::ingest::Error;
    use crate::ingest::room::Space;

    #[test]
    fn what_does_not_fit_is_refused_and_room_comes_back() {
        let space = Space::new(10);
        let mut one = space.room();
        one.grow(6).unwrap();
        let mut other = space.room();
        assert_eq!(
            other.grow(5).unwrap_err().to_string(),
            "too many pushes at once: 6 bytes are being taken in, the limit is 10; try again in a moment"
        );
        other.grow(4).unwrap();
        drop(one);
        other.grow(6).unwrap();
        assert!(matches!(other.grow(usize::MAX), Err(Error::TooLarge { .. })));
        assert!(matches!(other.spend(1), Err(Error::TooLarge { .. })));
    }
}
