//! The excerpt of a logfmt line: the pairs that are looked at.

use std::ops::Range;

use crate::logql::stage::excerpt::{Draft, Names};
use crate::logql::stage::logfmt::Logfmt;
use crate::logql::stage::logfmt_scan::Pairs;
use crate::logql::stage::names;
use crate::model::form::Slot;

/// A line all pairs of which can be read, and each slot of which lies in a value, or in a key that has none.
pub(crate) fn read(draft: &mut Draft<'_>, wanted: &Names, logfmt: Logfmt) -> Option<()> {
    let sample = draft.sample;
    let mut pairs = Pairs::new(&sample.line);
    let mut name = String::new();
    let mut is_first = true;
    // keys without values, one after another: a time may lie across two of them
    let mut bare: Option<Range<usize>> = None;
    while let Some(pair) = pairs.next() {
        let (key, _) = pair.ok()?;
        let key_place = sample.place_of(key);
        let pair_place = key_place.start..pairs.place();
        let value_place = key_place.end + 1..pair_place.end;
        if value_place.start > value_place.end {
            bare = Some(bare.map_or(pair_place.start, |bare| bare.start)..pair_place.end);
        } else {
            check_bare(draft, bare.take(), logfmt)?;
            let is_quoted = sample.line.as_bytes().get(value_place.start) == Some(&b'"');
            draft.check(&key_place, |_, _| false)?;
            // an escape that goes wrong is an error, which strict readers tell with its place
            let may_fail = logfmt.strict && sample.line[value_place.clone()].contains('\\');
            draft.check(&value_place, |_, slot| !may_fail && (is_quoted || is_unbroken(slot)))?;
        }
        name.clear();
        if names::push_clean(&mut name, key) && wanted.has(&name) {
            if !is_first {
                draft.push(" ");
            }
            is_first = false;
            if value_place.start > value_place.end {
                draft.keep(&pair_place)?;
                continue;
            }
            let quote = usize::from(sample.line.as_bytes().get(value_place.start) == Some(&b'"'));
            let value = value_place.start + quote..value_place.end - quote;
            draft.keep(&(pair_place.start..value.start))?;
            draft.keep_value(&name, &value)?;
            draft.keep(&(value.end..pair_place.end))?;
        }
    }
    check_bare(draft, bare, logfmt)
}

/// Without values keys make no labels, whatever they are called.
fn check_bare(draft: &mut Draft<'_>, bare: Option<Range<usize>>, logfmt: Logfmt) -> Option<()> {
    let is_harmless = |slot: Slot| is_unbroken(slot) || slot == Slot::Time { has_blank: true };
    bare.map_or(Some(()), |bare| draft.check(&bare, |_, slot| !logfmt.keep_empty && is_harmless(slot)))
}

/// Whether what stands in a slot cannot end a value without quotes.
fn is_unbroken(slot: Slot) -> bool {
    match slot {
        Slot::Digits | Slot::Word | Slot::Bare | Slot::Time { has_blank: false } => true,
        Slot::Quoted | Slot::Time { has_blank: true } | Slot::Other => false,
    }
}
