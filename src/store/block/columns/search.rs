//! Finding the entries that hold a needle by looking at templates and at the columns that matter, not at texts.

use std::collections::HashMap;
use std::ops::Range;

use memchr::memmem::Finder;

use crate::store::block::Codec;
use crate::store::block::bytes::{Malformed, Reader};
use crate::store::block::columns::classes::mask_of;
use crate::store::block::columns::column::Encoding;
use crate::store::block::columns::directory::{Columns, OpenColumn};
use crate::store::block::columns::kind::Kind;
use crate::store::block::columns::plan::{Relation, Test, Verdict, plan};
use crate::store::block::columns::sink::Sink;
use crate::store::block::columns::values::{TOO_FEW, Values};

impl Columns {
    /// The entries of these ranges, in order, whose text holds the needle. The times are those of all entries.
    pub(crate) fn find(
        &self,
        finder: &Finder<'_>,
        ranges: &[Range<usize>],
        times: &[i64],
        codec: &mut Codec,
    ) -> Result<Vec<usize>, Malformed> {
        if finder.needle().is_empty() {
            return Ok(ranges.iter().cloned().flatten().collect());
        }
        let (mut sure, mut unsure) = (Vec::new(), Vec::new());
        if finder.needle().contains(&b'\n') {
            // each of its lines lies in a row; the longest is the rarest, and what holds it is looked at whole
            let lines = finder.needle().split(|byte| *byte == b'\n');
            let longest = lines.max_by_key(|line| line.len()).unwrap_or_default();
            unsure = self.find(&Finder::new(longest), ranges, times, codec)?;
        } else {
            let mut search = Search::new(self, finder, codec)?;
            if search.is_hopeless() {
                return Ok(Vec::new());
            }
            search.walk(ranges, &mut sure, &mut unsure)?;
        }
        if !unsure.is_empty() {
            let mut text = Sink::default();
            let ends = self.render(unsure.iter().copied(), times, codec, &mut text)?;
            let text = text.into_bytes();
            let mut start = 0;
            for (entry, end) in unsure.into_iter().zip(ends) {
                if finder.find(&text[start..end as usize]).is_some() {
                    sure.push(entry);
                }
                start = end as usize;
            }
            sure.sort_unstable();
        }
        Ok(sure)
    }
}

/// What is done with the rows of a template.
struct Plan {
    verdict: Verdict,
    /// Of each test of each way: the set of values that pass, and which of the row's values of that column it is about.
    ways: Vec<Vec<(usize, usize)>>,
    /// The watched columns that a row of the template uses, once for each of its slots.
    uses: Vec<usize>,
}

/// A column of which some values pass a test.
struct Passing {
    watched: usize,
    /// For each value whether it passes.
    values: Vec<bool>,
}

struct Search<'c> {
    columns: &'c Columns,
    plans: Vec<Plan>,
    passing: Vec<Passing>,
    /// Columns that tests look at, and how far their values are used up.
    watched: Vec<u16>,
    next: Vec<usize>,
}

impl<'c> Search<'c> {
    fn new(columns: &'c Columns, finder: &Finder<'_>, codec: &mut Codec) -> Result<Search<'c>, Malformed> {
        let mut search =
            Search { columns, plans: Vec::new(), passing: Vec::new(), watched: Vec::new(), next: Vec::new() };
        let mut known = HashMap::new();
        for template in &columns.templates {
            let in_text = template.pieces.iter().any(|piece| finder.find(columns.text(piece)).is_some());
            let verdict = plan(columns, template, finder.needle(), in_text);
            let mut plan = Plan { verdict, ways: Vec::new(), uses: Vec::new() };
            if let Verdict::Where(ways) = &plan.verdict {
                for way in ways {
                    let tests = search.tests(way, &template.slots, finder.needle(), &mut known, codec)?;
                    plan.ways.extend(tests);
                }
                if plan.ways.is_empty() {
                    plan.verdict = Verdict::Never;
                }
            }
            search.plans.push(plan);
        }
        for (plan, template) in search.plans.iter_mut().zip(&columns.templates) {
            let watched = |column: &u16| search.watched.iter().position(|other| other == column);
            plan.uses = template.slots.iter().filter_map(watched).collect();
        }
        search.next = vec![0; search.watched.len()];
        Ok(search)
    }

    /// Turns the tests of a way into looks at values; `None` where no value passes one of them.
    fn tests(
        &mut self,
        way: &[Test],
        slots: &[u16],
        needle: &[u8],
        known: &mut HashMap<(u16, Relation, usize, usize), Option<usize>>,
        codec: &mut Codec,
    ) -> Result<Option<Vec<(usize, usize)>>, Malformed> {
        let mut looks = Vec::new();
        for test in way {
            let column = slots[test.slot];
            let key = (column, test.relation, test.start, test.end);
            let passing = match known.get(&key) {
                Some(passing) => *passing,
                None => {
                    let open = &self.columns.columns[usize::from(column)];
                    let part = &needle[test.start..test.end];
                    let values = self.columns.passing(open, test.relation, part, codec)?;
                    let passing = values.map(|values| self.watch(column, values));
                    known.insert(key, passing);
                    passing
                }
            };
            let Some(passing) = passing else { return Ok(None) };
            let earlier = slots[..test.slot].iter().filter(|other| **other == column).count();
            looks.push((passing, earlier));
        }
        Ok(Some(looks))
    }

    fn watch(&mut self, column: u16, values: Vec<bool>) -> usize {
        let watched = self.watched.iter().position(|other| *other == column).unwrap_or_else(|| {
            self.watched.push(column);
            self.watched.len() - 1
        });
        self.passing.push(Passing { watched, values });
        self.passing.len() - 1
    }

    /// Whether no template can hold the needle.
    fn is_hopeless(&self) -> bool {
        self.plans.iter().all(|plan| plan.verdict == Verdict::Never)
    }

    /// Walks over all rows up to the last range's end. Entries that hold the needle are `sure`, others that may are `unsure`.
    fn walk(
        &mut self,
        ranges: &[Range<usize>],
        sure: &mut Vec<usize>,
        unsure: &mut Vec<usize>,
    ) -> Result<(), Malformed> {
        let mut ranges = ranges.iter().filter(|range| !range.is_empty());
        let Some(mut range) = ranges.next() else { return Ok(()) };
        let mut rows = self.columns.template_of.iter();
        for entry in 0.. {
            if entry >= range.end {
                match ranges.next() {
                    Some(next) => range = next,
                    None => return Ok(()),
                }
            }
            let count = match &self.columns.rows_of {
                None => 1,
                Some(rows_of) => *rows_of.get(entry).ok_or(TOO_FEW)?,
            };
            let (mut holds, mut may_hold) = (false, false);
            for _ in 0..count {
                let plan = &self.plans[*rows.next().ok_or(TOO_FEW)? as usize];
                match &plan.verdict {
                    Verdict::Never => {}
                    Verdict::Always => holds = true,
                    Verdict::Render => may_hold = true,
                    Verdict::Where(_) => holds = holds || self.passes(plan)?,
                }
                plan.uses.iter().for_each(|watched| self.next[*watched] += 1);
            }
            if range.contains(&entry) {
                if holds {
                    sure.push(entry);
                } else if may_hold {
                    unsure.push(entry);
                }
            }
        }
        Ok(())
    }

    fn passes(&self, plan: &Plan) -> Result<bool, Malformed> {
        for way in &plan.ways {
            let mut passes = true;
            for (passing, earlier) in way {
                let Passing { watched, values } = &self.passing[*passing];
                passes &= *values.get(self.next[*watched] + earlier).ok_or(TOO_FEW)?;
            }
            if passes {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Columns {
    /// For each value of a column whether it is as a test wants it; `None` where none is.
    fn passing(
        &self,
        column: &OpenColumn,
        relation: Relation,
        part: &[u8],
        codec: &mut Codec,
    ) -> Result<Option<Vec<bool>>, Malformed> {
        let entry = &column.entry;
        let too_short = relation == Relation::Equal && part.len() < entry.len_min;
        let foreign = entry.kind != Kind::ROW && mask_of(part) & !entry.mask != 0;
        if too_short || foreign || part.len() > entry.len_max {
            return Ok(None);
        }
        let passes = match entry.encoding {
            Encoding::Small => self.small(column).map(|value| holds(value, relation, part)).collect(),
            Encoding::Dictionary => {
                let known: Vec<bool> = self.small(column).map(|value| holds(value, relation, part)).collect();
                if !known.contains(&true) {
                    return Ok(None);
                }
                let mut reader = Reader::new(&self.body[column.section.clone()]);
                let numbers = codec.take(&mut reader, entry.count)?;
                numbers.into_iter().map(|number| known.get(usize::from(number)).copied().unwrap_or(false)).collect()
            }
            Encoding::Integer if relation != Relation::Contains => {
                of_integers(&self.integers(column, codec)?, relation, part)
            }
            _ => of_values(&self.values(column, codec)?, relation, part),
        };
        Ok(passes.contains(&true).then_some(passes))
    }
}

fn holds(value: &[u8], relation: Relation, part: &[u8]) -> bool {
    match relation {
        Relation::Equal => value == part,
        Relation::StartsWith => value.starts_with(part),
        Relation::EndsWith => value.ends_with(part),
        Relation::Contains => memchr::memmem::find(value, part).is_some(),
    }
}

/// Compares numbers, whose digits need not be written for that. The part has digits only, and no more than a number has.
fn of_integers(numbers: &[u64], relation: Relation, part: &[u8]) -> Vec<bool> {
    let wanted = part.iter().fold(0u64, |sum, digit| sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
    let power = 10u64.checked_pow(part.len() as u32);
    let leads_with_zero = part[0] == b'0';
    let passes = |number: u64| match relation {
        Relation::Equal => number == wanted && (!leads_with_zero || part.len() == 1),
        // it has at least as many digits: `7` does not end with `07`
        Relation::EndsWith => match power {
            Some(power) => {
                number % power == wanted && (number >= power / 10 || part.len() == 1) && (number > 0 || wanted == 0)
            }
            None => number == wanted && !leads_with_zero,
        },
        Relation::StartsWith | Relation::Contains => {
            let mut front = number;
            while power.is_some_and(|power| front >= power) {
                front /= 10;
            }
            front == wanted && (!leads_with_zero || (part.len() == 1 && number == 0))
        }
    };
    numbers.iter().map(|number| passes(*number)).collect()
}

fn of_values(values: &Values, relation: Relation, part: &[u8]) -> Vec<bool> {
    let mut passes = vec![false; values.len()];
    let text = values.text();
    if relation == Relation::Contains {
        // one search over all values that lie one after another
        let mut at = 0;
        let finder = Finder::new(part);
        while let Some(offset) = finder.find(&text[at..]) {
            let start = at + offset;
            let place = values.bounds.partition_point(|bound| *bound as usize <= start) - 1;
            let end = values.bounds[place + 1] as usize;
            if start + part.len() <= end {
                passes[place] = true;
                at = end;
            } else {
                at = start + 1;
            }
        }
        return passes;
    }
    for (passes, bounds) in passes.iter_mut().zip(values.bounds.windows(2)) {
        *passes = holds(&text[bounds[0] as usize..bounds[1] as usize], relation, part);
    }
    passes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::store::block::columns::plan::Relation;
    use crate::store::block::columns::search::{holds, of_integers};

    proptest! {
        #[test]
        fn numbers_are_compared_as_their_digits_are(
            numbers in proptest::collection::vec(prop_oneof![0u64..200, any::<u64>().prop_map(|number| number % 10_000_000_000_000_000_000)], 1..30),
            from in 0usize..19, length in 1usize..19, made_up in proptest::option::of("[0-9]{1,19}"),
        ) {
            let digits = numbers[0].to_string();
            let from = from % digits.len();
            let cut = digits[from..digits.len().min(from + length)].to_owned();
            let part = made_up.unwrap_or(cut);
            for relation in [Relation::Equal, Relation::StartsWith, Relation::EndsWith] {
                let wanted: Vec<bool> =
                    numbers.iter().map(|number| holds(number.to_string().as_bytes(), relation, part.as_bytes())).collect();
                prop_assert_eq!(of_integers(&numbers, relation, part.as_bytes()), wanted, "{:?} {} {:?}", relation, part, numbers);
            }
        }
    }
}
