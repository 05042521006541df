//! Reading chunks with all cores.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::logql::stage::Scratch;
use crate::model::{Direction, Share, TimeRange, Timestamp};
use crate::query::{Error, Ticket};
use crate::store::{self, Alike, Chunk, Row, Visited};

/// Rows between two looks at the ticket, at most.
const ROWS_PER_CHECK: u32 = 1024;
/// Bytes of lines between two looks at the ticket, at most: a pattern may take its time with each of them.
const BYTES_PER_CHECK: usize = 256 << 10;

/// A chunk with its place in the order of their sequence numbers.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    pub(crate) number: u32,
    pub(crate) chunk: Chunk,
}

/// Numbers chunks, which come in the order of their sequence numbers.
pub(crate) fn number(chunks: Vec<Chunk>) -> Vec<Numbered> {
    (0..).zip(chunks).map(|(number, chunk)| Numbered { number, chunk }).collect()
}

/// Gives the chunks, in their order, to as many workers as there are cores, until they are through, one of them fails
/// or one says that what follows is not needed. Answers the workers.
pub(crate) fn spread<W: Send>(
    chunks: &[Numbered],
    ticket: &Ticket,
    make: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, &Numbered) -> Result<ControlFlow<()>, Error> + Sync,
) -> Result<Vec<W>, Error> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    let run = || {
        let mut worker = make();
        while !ended.load(Ordering::Relaxed) {
            let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            match ticket.check().and_then(|()| work(&mut worker, chunk)) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => ended.store(true, Ordering::Relaxed),
                Err(error) => {
                    ended.store(true, Ordering::Relaxed);
                    failure.lock().expect("no thread panics while it holds this lock").get_or_insert(error);
                }
            }
        }
        worker
    };
    let workers = std::thread::scope(|scope| {
        let others: Vec<_> = (1..cores.min(chunks.len())).map(|_| scope.spawn(run)).collect();
        let mut workers = vec![run()];
        for other in others {
            workers.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        workers
    });
    match failure.into_inner().expect("no thread panics while it holds this lock") {
        Some(error) => Err(error),
        None => Ok(workers),
    }
}

/// Buffers of a worker up to this size belong to what a query has for reading.
const SCRATCH_BYTES_FREE: usize = 1 << 20;

/// Counts the buffers of a worker where the lines so far have made them large.
pub(crate) fn pay_for_scratch(scratch: &Scratch, share: &mut Share) -> Result<(), Error> {
    let bytes = scratch.memory_bytes();
    if bytes > SCRATCH_BYTES_FREE {
        share.set(bytes)?;
    }
    Ok(())
}

/// Looks at the ticket now and then while the rows of a chunk go by, and remembers what ended that.
struct Watch<'t> {
    ticket: &'t Ticket,
    place: u32,
    /// Of lines, since it looked last.
    bytes: usize,
    result: Result<(), Error>,
}

impl<'t> Watch<'t> {
    fn new(ticket: &'t Ticket) -> Watch<'t> {
        Watch { ticket, place: 0, bytes: 0, result: Ok(()) }
    }

    /// Visits a row with a line of so many bytes, unless the query is ended.
    fn pass(&mut self, line_bytes: usize, visit: impl FnOnce(u32) -> Result<(), Error>) -> ControlFlow<()> {
        self.place = self.place.wrapping_add(1);
        self.bytes += line_bytes;
        if self.place.is_multiple_of(ROWS_PER_CHECK) || self.bytes > BYTES_PER_CHECK {
            self.bytes = 0;
            self.result = self.ticket.check();
        }
        if self.result.is_ok() {
            self.result = visit(self.place);
        }
        if self.result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// Notes what could not be read, and tells what the visitor or the ticket said.
    fn end(self, read: Result<(), store::Error>) -> Result<(), Error> {
        if let Err(error) = read {
            self.ticket.note_damage(&error);
        }
        self.result
    }
}

/// Like `some_rows`, for all wanted rows that lie in `range`.
pub(crate) fn rows(
    chunk: &Chunk,
    range: TimeRange,
    direction: Direction,
    ticket: &Ticket,
    visit: impl FnMut(Row<'_>, u32) -> Result<(), Error>,
) -> Result<(), Error> {
    some_rows(chunk, &chunk.all_within(range, direction), ticket, visit)
}

/// Visits the wanted rows of a chunk, as many as are asked for, until the visitor fails or the query is ended. The second
/// argument of `visit` is the place of the row in the visit. A chunk that cannot be read is noted on the ticket, and
/// hides no other.
pub(crate) fn some_rows(
    chunk: &Chunk,
    visited: &Visited,
    ticket: &Ticket,
    mut visit: impl FnMut(Row<'_>, u32) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut watch = Watch::new(ticket);
    let read = chunk.visit_some(visited, &mut |row| watch.pass(row.line.len(), |place| visit(row, place)));
    watch.end(read)
}

/// Visits the wanted rows of a chunk, those that are alike as one where lines are not needed, until the visitor fails or
/// the query is ended; otherwise as `rows`. `part_end` gives the last moment of the part of time that a moment lies in.
pub(crate) fn alike(
    chunk: &Chunk,
    ticket: &Ticket,
    part_end: &mut dyn FnMut(Timestamp) -> Timestamp,
    mut visit: impl FnMut(Alike<'_>, u32) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut watch = Watch::new(ticket);
    let read = chunk.visit_alike(part_end, &mut |alike| watch.pass(alike.row.line.len(), |place| visit(alike, place)));
    watch.end(read)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::ControlFlow;

    use crate::model::{Direction, Labels, TimeRange, Timestamp};
    use crate::query::Error;
    use crate::query::scan::{Numbered, alike, number, rows, spread};
    use crate::query::testing::{TestStore, ticket};
    use crate::store::{Need, Row, Selection};

    #[test]
    fn every_row_is_visited_once_by_some_worker() {
        let store = TestStore::new();
        for app in 0..20 {
            store.push(&[("app", &app.to_string())], &[(1, "x"), (2, "y")]);
        }
        let selection = store.everything();
        let chunks = number(store.store.select(&selection).expect("selected").chunks);
        let ticket = ticket();
        let visit = |count: &mut usize, numbered: &Numbered| {
            rows(&numbered.chunk, TimeRange::ALL, Direction::Forward, &ticket, |_, _| {
                *count += 1;
                Ok(())
            })?;
            Ok(ControlFlow::Continue(()))
        };
        let counts = spread(&chunks, &ticket, || 0, visit).expect("nothing fails");
        assert_eq!(counts.iter().sum::<usize>(), 40);

        ticket.cancel();
        assert!(matches!(spread(&chunks, &ticket, || 0, visit), Err(Error::Cancelled)));
    }

    #[test]
    fn rows_that_are_alike_are_counted_as_often_as_they_are_visited() {
        let store = TestStore::new();
        let levels = ["info", "warn", "info"].map(|level| Labels::from([("level", level)]));
        let mut lines = Vec::new();
        for at in 0..700i64 {
            let line = ["started", "stopped or not"][at as usize % 2];
            lines.push((at * at % 911, line, levels[at as usize % 3].clone()));
        }
        store.push_with(&[("app", "a")], &lines);
        store.push_with(&[("app", "b")], &lines[..99]);
        for sealed in [false, true] {
            if sealed {
                store.seal();
            }
            for needle in ["", "or"] {
                let range = TimeRange::new(Timestamp::from_secs(20), Timestamp::from_secs(777));
                let needles = if needle.is_empty() { Vec::new() } else { vec![needle.to_owned()] };
                let selection = Selection { range, needles, need: Need::Lengths, ..store.everything() };
                let part_of = |time: Timestamp| time.nanos() / 100_000_000_000;
                let (mut visited, mut counted) = (BTreeMap::new(), BTreeMap::new());
                for chunk in store.store.select(&selection).expect("selected").chunks {
                    let key =
                        |row: &Row<'_>| (row.stream.to_string(), row.metadata.to_string(), part_of(row.timestamp));
                    rows(&chunk, TimeRange::ALL, Direction::Forward, &ticket(), |row, _| {
                        let (count, bytes) = visited.entry(key(&row)).or_insert((0, 0));
                        *count += 1;
                        *bytes += row.line_bytes as u64;
                        Ok(())
                    })
                    .expect("no visit fails");
                    let part_end = &mut |time| Timestamp::from_secs((part_of(time) + 1) * 100).plus_nanos(-1);
                    alike(&chunk, &ticket(), part_end, |alike, _| {
                        let (count, bytes) = counted.entry(key(&alike.row)).or_insert((0, 0));
                        *count += alike.count;
                        *bytes += alike.line_bytes;
                        Ok(())
                    })
                    .expect("no visit fails");
                }
                assert_eq!(counted, visited, "{sealed} {needle}");
                let unlooked = Selection { metadata: Some(vec!["other".to_owned()]), ..selection };
                let mut count = 0;
                for chunk in store.store.select(&unlooked).expect("selected").chunks {
                    let read = alike(&chunk, &ticket(), &mut |_| Timestamp::from_nanos(i64::MAX), |alike, _| {
                        count += alike.count;
                        Ok(())
                    });
                    read.expect("no visit fails");
                }
                assert_eq!(count, visited.values().map(|(count, _)| *count).sum::<u64>());
                assert!(counted.len() > 20, "{counted:?}");
            }
        }
    }

    #[test]
    fn long_lines_are_a_reason_to_look_at_the_ticket() {
        let store = TestStore::new();
        let line = "x".repeat(200 << 10);
        let lines: Vec<(i64, &str)> = (1..=10).map(|at| (at, line.as_str())).collect();
        store.push(&[("app", "a")], &lines);
        let chunks = store.store.select(&store.everything()).expect("selected").chunks;
        let ticket = ticket();
        let mut count = 0;
        let read = rows(&chunks[0], TimeRange::ALL, Direction::Forward, &ticket, |_, _| {
            count += 1;
            ticket.cancel();
            Ok(())
        });
        assert!(matches!(read, Err(Error::Cancelled)));
        assert_eq!(count, 1);
    }
}
