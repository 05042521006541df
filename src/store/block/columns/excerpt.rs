//! Excerpts of entries: what a reader needs of them, put together out of the columns that hold it, equal ones once.
//!
//! Promises: an excerpt is what the reader asked for the form of the entry's template, with the entry's values in it; an
//! entry without a form, or whose form is needed whole, comes whole. Columns that no excerpt needs are not decoded.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash};
use std::ops::Range;
use std::sync::Arc;

use crate::model::form::{Excerpt, Excerpts, Form, Part, Slot};
use crate::store::block::bytes::Malformed;
use crate::store::block::columns::classes::DIGIT;
use crate::store::block::columns::directory::{Columns, OpenColumn, RowTable};
use crate::store::block::columns::kind::Kind;
use crate::store::block::columns::search::Times;
use crate::store::block::columns::sink::Sink;
use crate::store::block::columns::values::{TOO_FEW, Values};
use crate::store::block::{Codec, Lines};
use crate::store::hash::QuickHasher;

/// Values of a column that are told apart, at most; with more each entry has an excerpt of its own.
const DISTINCT_MAX: usize = 256;
/// Combinations of values that a table has place for; more go into a map.
const TABLE_MAX: usize = 256;
const UNKNOWN: u32 = u32::MAX;

/// Excerpts, and which of them each of the wanted entries has.
#[derive(Debug, Default)]
pub(crate) struct Excerpted {
    pub(crate) lines: Lines,
    pub(crate) line_of: Vec<u32>,
    /// For each of the wanted entries, where the value lies that is looked at by itself; empty where none has one.
    pub(crate) apart: Vec<Option<ApartPlace>>,
}

/// Where in an excerpt a value lies that is looked at by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ApartPlace {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The same number where all else is equal.
    pub(crate) class: u32,
}

impl<'b> Columns<'b> {
    /// The excerpts of these entries, which are in order; `None` where all would come whole.
    pub(crate) fn excerpts(
        &self,
        wanted: impl Iterator<Item = usize> + Clone,
        excerpts: &dyn Excerpts,
        times: Times<'_>,
        codec: &mut Codec,
    ) -> Result<Option<Excerpted>, Malformed> {
        let mut is_used = vec![false; self.templates.len()];
        let table = self.rows(codec)?;
        each_entry(table, wanted.clone(), |templates, _| {
            templates.iter().for_each(|template| is_used[usize::from(*template)] = true);
        })?;
        let parts = |template: usize| match is_used[template] {
            true => self.form(template).and_then(|form| excerpts.of(&form)),
            false => None,
        };
        let parts: Vec<_> = (0..self.templates.len()).map(parts).collect();
        if parts.iter().all(Option::is_none) {
            return Ok(None);
        }
        let mut maker = Maker::new(self, parts, codec)?;
        let mut made = Ok(());
        each_entry(table, wanted.clone(), |templates, is_wanted| {
            if is_wanted && made.is_ok() {
                made = maker.take(templates);
            }
            maker.pass(templates);
        })?;
        made?;
        maker.finish(wanted, times, codec).map(Some)
    }

    fn form(&self, template: usize) -> Option<Form<'_>> {
        let piece = |bounds: &[u32]| {
            let bytes = self.directory.get(bounds[0] as usize..bounds[1] as usize)?;
            std::str::from_utf8(bytes).ok()
        };
        let pieces = self.templates.bounds(template).windows(2).map(piece);
        let slot = |column: &u16| {
            let entry = &self.columns[usize::from(*column)].entry;
            match entry.kind {
                Kind::TOKEN | Kind::NUMBER | Kind::UUID if entry.mask == DIGIT => Slot::Digits,
                Kind::TOKEN | Kind::NUMBER | Kind::UUID => Slot::Word,
                Kind::BARE => Slot::Bare,
                Kind::QUOTED => Slot::Quoted,
                kind => kind.as_clock().map_or(Slot::Other, |style| Slot::Time { has_blank: style.has_blank() }),
            }
        };
        let slots = self.templates.slots(template).iter().map(slot).collect();
        Some(Form { pieces: pieces.collect::<Option<_>>()?, slots })
    }

    /// A column, its values told apart where they are few.
    fn watched(&self, column: &OpenColumn, codec: &mut Codec) -> Result<Watched<'b>, Malformed> {
        let values = self.values(column, codec)?;
        let distinct = match &values {
            Values::Integers { above, .. } if above.planes.len() < 2 => {
                let ids: Vec<u16> = above.all();
                let count = ids.iter().max().map_or(0, |id| usize::from(*id) + 1);
                Some((ids, count))
            }
            Values::Integers { above, .. } => distinct(above.all::<u64>().into_iter()),
            Values::Running { numbers, .. } => distinct(numbers.iter()),
            Values::Listed { bounds, numbers: Some(numbers) } => {
                let ids = (0..column.entry.count).map(|place| numbers.get(place).map(u16::from));
                let ids: Vec<u16> = ids.collect::<Option<_>>().ok_or(TOO_FEW)?;
                if ids.iter().any(|id| usize::from(*id) >= bounds.len()) {
                    return Err(Malformed("a value is not in the dictionary"));
                }
                Some((ids, bounds.len()))
            }
            Values::Listed { bounds, numbers: None } => {
                distinct(bounds.iter().map(|(start, end)| &self.directory[*start as usize..*end as usize]))
            }
            Values::Hex { .. } | Values::Uuids { .. } | Values::Texts { .. } | Values::Clock { .. } => None,
        };
        Ok(Watched { values, distinct })
    }
}

/// Calls `each` with the templates of the rows of each entry up to the last wanted one, and whether it is wanted.
fn each_entry(
    table: &RowTable,
    mut wanted: impl Iterator<Item = usize>,
    mut each: impl FnMut(&[u16], bool),
) -> Result<(), Malformed> {
    let (mut next, mut row) = (wanted.next(), 0);
    for entry in 0.. {
        let Some(place) = next else { break };
        let count = match &table.rows_of {
            None => 1,
            Some(rows_of) => *rows_of.get(entry).ok_or(TOO_FEW)? as usize,
        };
        each(table.template_of.get(row..row + count).ok_or(TOO_FEW)?, entry == place);
        row += count;
        if entry == place {
            next = wanted.next();
        }
    }
    Ok(())
}

/// Numbers values by what they are; `None` where there are too many different ones.
fn distinct<K: Copy + Eq + Hash>(values: impl Iterator<Item = K>) -> Option<(Vec<u16>, usize)> {
    let mut known: HashMap<K, u16, BuildHasherDefault<QuickHasher>> = HashMap::default();
    let mut ids = Vec::new();
    for value in values {
        let next = known.len();
        if next > DISTINCT_MAX {
            return None;
        }
        ids.push(*known.entry(value).or_insert(next as u16));
    }
    Some((ids, known.len()))
}

/// A column that excerpts need.
struct Watched<'b> {
    values: Values<'b>,
    /// Which of so many different values each is, where they are few.
    distinct: Option<(Vec<u16>, usize)>,
}

impl Watched<'_> {
    /// How many values are told apart.
    fn distinct_count(&self) -> Option<usize> {
        self.distinct.as_ref().map(|(_, count)| *count)
    }

    /// Which of the values that are told apart one is.
    fn id(&self, place: usize) -> Result<u64, Malformed> {
        match &self.distinct {
            Some((ids, _)) => ids.get(place).map(|id| u64::from(*id)).ok_or(TOO_FEW),
            None => Ok(0),
        }
    }
}

/// What a template's rows come to.
enum Plan {
    Whole,
    Excerpt {
        excerpt: Arc<Excerpt>,
        /// The slots of the excerpt, by the place of their column among the watched, and how many values of that column
        /// the row has before.
        slots: Vec<(usize, usize)>,
        /// Which of `slots` make up the value that is looked at by itself.
        apart: Range<usize>,
        /// For each combination of the other values, where all are told apart, the excerpt they make, or the number of
        /// their class where a value is looked at by itself; `None` where some are not.
        known: Option<Known>,
    },
}

enum Known {
    Table(Vec<u32>),
    Map(HashMap<u64, u32, BuildHasherDefault<QuickHasher>>),
}

impl Plan {
    fn excerpt(excerpt: Arc<Excerpt>, slots: Vec<(usize, usize)>, watched: &[Watched<'_>]) -> Plan {
        let slots_before =
            |part: usize| excerpt.parts[..part].iter().filter(|part| matches!(part, Part::Slot(_))).count();
        let apart = excerpt.apart.as_ref().map_or(0..0, |apart| slots_before(apart.start)..slots_before(apart.end));
        let others = slots.iter().enumerate().filter(|(slot, _)| !apart.contains(slot));
        let counts = others.map(|(_, (place, _))| watched[*place].distinct_count());
        let combinations = counts.map(|count| count.map(|count| count as u64));
        let combinations = combinations.into_iter().try_fold(1u64, |all, count| all.checked_mul(count?));
        let known = combinations.map(|count| match usize::try_from(count) {
            Ok(count) if count <= TABLE_MAX => Known::Table(vec![UNKNOWN; count]),
            _ => Known::Map(HashMap::default()),
        });
        Plan::Excerpt { excerpt, slots, apart, known }
    }
}

/// Makes the excerpts of a block, entry by entry.
struct Maker<'c, 'b> {
    columns: &'c Columns<'b>,
    plans: Vec<Plan>,
    watched: Vec<Watched<'b>>,
    /// How far the values of watched columns are used up.
    next: Vec<usize>,
    /// Of each template, the watched columns that its rows use, once for each of its slots.
    uses: Vec<Vec<usize>>,
    made: Made,
    /// Places among the wanted entries of those that come whole.
    whole: Vec<usize>,
}

impl<'c, 'b> Maker<'c, 'b> {
    /// The excerpts are given by template.
    fn new(
        columns: &'c Columns<'b>,
        excerpts: Vec<Option<Arc<Excerpt>>>,
        codec: &mut Codec,
    ) -> Result<Maker<'c, 'b>, Malformed> {
        let mut watched = Vec::new();
        let mut place_of = vec![None; columns.columns.len()];
        let mut plans = Vec::with_capacity(excerpts.len());
        for (template, excerpt) in excerpts.into_iter().enumerate() {
            let Some(excerpt) = excerpt else {
                plans.push(Plan::Whole);
                continue;
            };
            let columns_of = columns.templates.slots(template);
            let mut slots = Vec::new();
            for slot in
                excerpt.parts.iter().filter_map(|part| if let Part::Slot(slot) = part { Some(*slot) } else { None })
            {
                let column = columns_of[slot];
                let place = match place_of[usize::from(column)] {
                    Some(place) => place,
                    None => {
                        watched.push(columns.watched(&columns.columns[usize::from(column)], codec)?);
                        *place_of[usize::from(column)].insert(watched.len() - 1)
                    }
                };
                let before = columns_of[..slot].iter().filter(|other| **other == column).count();
                slots.push((place, before));
            }
            // what stands for a time depends on the entry's
            let has_times = slots.iter().any(|(place, _)| matches!(&watched[*place].values, Values::Clock { .. }));
            plans.push(if has_times { Plan::Whole } else { Plan::excerpt(excerpt, slots, &watched) });
        }
        let uses = |template: usize| {
            let columns_of = columns.templates.slots(template).iter();
            columns_of.filter_map(|column| place_of[usize::from(*column)]).collect()
        };
        let uses = (0..columns.templates.len()).map(uses).collect();
        let next = vec![0; watched.len()];
        Ok(Maker { columns, plans, watched, next, uses, made: Made::default(), whole: Vec::new() })
    }

    /// Takes in an entry with rows of these templates.
    fn take(&mut self, templates: &[u16]) -> Result<(), Malformed> {
        let Maker { columns, plans, watched, next, made, whole, .. } = self;
        let plan = match templates {
            [template] => &mut plans[usize::from(*template)],
            _ => &mut Plan::Whole,
        };
        let Plan::Excerpt { excerpt, slots, apart, known } = plan else {
            whole.push(made.line_of.len());
            made.line_of.push(UNKNOWN);
            return Ok(());
        };
        let values = slots.iter().map(|(place, before)| (&watched[*place], next[*place] + before));
        let line = match known {
            None => made.add(excerpt, values, &columns.directory)?.0,
            Some(known) => {
                let mut combination = 0u64;
                let others = values.clone().enumerate().filter(|(slot, _)| !apart.contains(slot));
                for (_, (column, place)) in others {
                    combination = combination * column.distinct_count().unwrap_or(1) as u64 + column.id(place)?;
                }
                let known = match known {
                    Known::Table(lines) => &mut lines[combination as usize],
                    Known::Map(lines) => lines.entry(combination).or_insert(UNKNOWN),
                };
                if excerpt.apart.is_none() {
                    if *known == UNKNOWN {
                        *known = made.add(excerpt, values, &columns.directory)?.0;
                    }
                    *known
                } else {
                    if *known == UNKNOWN {
                        *known = made.class_count;
                        made.class_count += 1;
                    }
                    let (line, start, end) = made.add(excerpt, values, &columns.directory)?;
                    made.apart.resize(made.line_of.len(), None);
                    made.apart.push(Some(ApartPlace { start, end, class: *known }));
                    line
                }
            }
        };
        made.line_of.push(line);
        Ok(())
    }

    /// Goes on behind an entry with rows of these templates.
    fn pass(&mut self, templates: &[u16]) {
        for template in templates {
            self.uses[usize::from(*template)].iter().for_each(|place| self.next[*place] += 1);
        }
    }

    /// Adds those that come whole.
    fn finish(
        self,
        wanted: impl Iterator<Item = usize>,
        times: Times<'_>,
        codec: &mut Codec,
    ) -> Result<Excerpted, Malformed> {
        let Made { sink, ends, line_of, apart, .. } = self.made;
        let mut made = Excerpted { lines: Lines { bytes: sink.into_bytes(), ends }, line_of, apart };
        if self.whole.is_empty() {
            return Ok(made);
        }
        let wanted: Vec<usize> = wanted.collect();
        let entries: Vec<usize> = self.whole.iter().map(|place| wanted[*place]).collect();
        let mut sink = Sink::default();
        let ends = self.columns.render(entries, times, codec, &mut sink)?;
        let start = made.lines.bytes.len() as u32;
        for (place, end) in self.whole.iter().zip(ends) {
            made.line_of[*place] = made.lines.ends.len() as u32;
            made.lines.ends.push(start + end);
        }
        made.lines.bytes.extend_from_slice(sink.bytes());
        Ok(made)
    }
}

/// What was made so far.
#[derive(Default)]
struct Made {
    sink: Sink,
    ends: Vec<u32>,
    line_of: Vec<u32>,
    apart: Vec<Option<ApartPlace>>,
    class_count: u32,
}

impl Made {
    /// Adds an excerpt of these values, which are a column and a place in it for each slot; answers its number, and where in
    /// it the value lies that is looked at by itself.
    fn add<'w, 'b: 'w>(
        &mut self,
        excerpt: &Excerpt,
        mut values: impl Iterator<Item = (&'w Watched<'b>, usize)>,
        directory: &[u8],
    ) -> Result<(u32, u32, u32), Malformed> {
        let line_start = self.sink.len();
        let (mut start, mut end) = (line_start, line_start);
        let apart = excerpt.apart.as_ref().map_or(0..0, Clone::clone);
        for (index, part) in excerpt.parts.iter().enumerate() {
            if index == apart.start {
                start = self.sink.len();
            }
            match part {
                Part::Text(text) => self.sink.put_all(text.as_bytes()),
                Part::Slot(_) => {
                    let (column, place) = values.next().ok_or(TOO_FEW)?;
                    column.values.write(place, directory, &mut self.sink)?;
                }
            }
            if index + 1 == apart.end {
                end = self.sink.len();
            }
        }
        self.ends.push(u32::try_from(self.sink.len()).map_err(|_| Malformed("excerpts are longer than 4 GiB"))?);
        Ok((self.ends.len() as u32 - 1, (start - line_start) as u32, (end - line_start) as u32))
    }
}
