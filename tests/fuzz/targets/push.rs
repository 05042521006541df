//! Pushes: the first byte says what the rest claims to be. Whatever comes, it is stored or refused; what was stored
//! is recognised when it comes again, also after a start that reads the write-ahead log.

#![no_main]

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use logcafe::ingest::{Intake, Limits, PushRequest, Shape, replay};
use logcafe::store::{Config, Retention, Store, WORDLESS_BYTES};
use tempfile::TempDir;

/// Pushes until the store is closed, opened again, and left for a new one: each day that entries are of is a folder.
const PUSHES_MAX: u32 = 300;

struct Place {
    intake: Intake,
    store: Arc<Store>,
    dir: TempDir,
    push_count: u32,
}

thread_local! {
    static PLACE: RefCell<Option<Place>> = const { RefCell::new(None) };
}

impl Place {
    fn open(dir: TempDir) -> Place {
        let config = Config { dir: dir.path().to_owned(), retention: Retention::default(), head_bytes_max: 64 << 20, wordless_bytes: WORDLESS_BYTES };
        let store = Arc::new(Store::open(config, &replay).expect("a store"));
        Place { intake: Intake::new(Arc::clone(&store), Limits::default()), store, dir, push_count: 0 }
    }

    fn push(&self, request: &PushRequest) -> Option<(u64, u64)> {
        let mut room = self.intake.room();
        room.grow(request.body.len()).ok()?;
        let pushed = self.intake.push(request, room).ok()?;
        Some((pushed.entry_count, pushed.duplicate_count))
    }

    /// The same folder, after a stop and a start.
    fn restarted(self) -> Place {
        let Place { intake, store, dir, .. } = self;
        drop(intake);
        store.close().expect("closed");
        drop(store);
        Place::open(dir)
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, body)) = data.split_first() else { return };
    let (content_type, shape) = match kind % 5 {
        0 => ("application/json", Shape::Current),
        1 => ("application/x-protobuf", Shape::Current),
        2 => ("application/json", Shape::Old),
        3 => ("application/json", Shape::Otlp),
        _ => ("application/x-protobuf", Shape::Otlp),
    };
    // what comes packed would never be valid: pack it here
    let body = match (content_type, shape) {
        ("application/x-protobuf", Shape::Current) => {
            snap::raw::Encoder::new().compress_vec(body).expect("it is short")
        }
        _ => body.to_vec(),
    };
    let request = PushRequest {
        content_type: Some(content_type.to_owned()),
        content_encoding: None,
        body: Bytes::from(body),
        shape,
    };
    PLACE.with_borrow_mut(|slot| {
        let place = slot.get_or_insert_with(|| Place::open(tempfile::tempdir().expect("a temporary folder")));
        let first = place.push(&request);
        // an OpenTelemetry record without a time is of now
        let again = match first {
            Some((stored, known)) if shape != Shape::Otlp => Some((0, stored + known)),
            _ => None,
        };
        if again.is_some() {
            assert_eq!(place.push(&request), again, "what comes again is recognised");
        }
        place.push_count += 1;
        if place.push_count > PUSHES_MAX
            && let Some(place) = slot.take()
        {
            let place = place.restarted();
            if again.is_some() {
                assert_eq!(place.push(&request), again, "what comes again after a start is recognised");
            }
        }
    });
});
