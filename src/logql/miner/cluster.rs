//! Templates brought together: where many of them differ in one token alone, that token becomes a gap.
//!
//! The result depends on the set of templates, not on their order.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use crate::logql::miner::template::{GAP, Gap, Template, unite};
use crate::logql::miner::token::{Grain, Role, cut, may_be_date};

/// Different words in one place of a sentence that make it a gap; in a long one, where more is equal, fewer do.
const TEXTS_MIN: usize = 5;
const TEXTS_MIN_OF_LONG: usize = 3;
/// Words of a long sentence.
const LONG: usize = 12;
/// The same for values behind a key.
const VALUES_MIN: usize = 3;
/// The same for messages.
const MESSAGES_MIN: usize = 30;
/// Rows that differ in two tokens at once, in each of which so many texts are different, are brought together too. Where
/// there are more rows, they are dense enough to differ in one.
const PAIR_ROWS_MIN: usize = 6;
const PAIR_TEXTS_MIN: usize = 3;
const PAIR_ROWS_MAX: usize = 2048;
/// Pairs of tokens that are compared, over all rows, 32 bytes each: rows of very many words have too many.
const PAIRS_MAX: usize = 200_000;
/// Tokens of the longest list element that is recognised when it is repeated.
const ELEMENT_TOKENS_MAX: usize = 12;
/// So many elements that are equal but for their gaps are a list; of gaps alone more, as times and counts stand side by
/// side too.
const ELEMENTS_MIN: usize = 3;
const NUMBERS_MIN: usize = 8;
/// Rounds in which templates that have become alike may be brought together with more.
const ROUNDS_MAX: usize = 16;

/// Brings templates together, as long as `check` agrees.
pub(super) fn cluster<E>(
    templates: Vec<Template>,
    check: &mut dyn FnMut() -> Result<(), E>,
) -> Result<Vec<Template>, E> {
    let mut templates = templates;
    for grain in [Grain::Words, Grain::Chunks, Grain::Quotes] {
        let mut names = Names::default();
        let mut rows = Vec::with_capacity(templates.len());
        for template in templates {
            rows.push(Row::new(template, grain, &mut names));
        }
        rows = distinct(rows);
        for _ in 0..ROUNDS_MAX {
            check()?;
            let mut openings = to_open(&rows, &names);
            if openings.is_empty() && grain == Grain::Quotes {
                openings = pairs_to_open(&rows);
            }
            if openings.is_empty() {
                break;
            }
            for (row, opening) in openings {
                rows[row].open(opening, &mut names);
            }
            rows = distinct(rows);
        }
        templates = rows.into_iter().map(|row| row.into_template(&names)).collect();
    }
    templates.sort_by(|a, b| b.line_count.cmp(&a.line_count).then_with(|| a.text.cmp(&b.text)));
    Ok(templates)
}

/// A template in tokens.
struct Row {
    /// The tokens, by their names.
    ids: Vec<u32>,
    roles: Vec<Role>,
    /// Tokens that are there more than once.
    repeated: Vec<Place>,
    /// Its text is in the tokens.
    template: Template,
}

/// A token of a row, or all that are equal to it: a name that a line tells twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    first: u32,
    /// The sum of the places of the others; 0 where there is none.
    others: u32,
}

/// What becomes a gap.
#[derive(Clone, Copy)]
struct Opening {
    place: Place,
    quotes: Quotes,
    /// How many rows are alike but for it.
    alike_count: usize,
}

/// What becomes of the quotes around a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Stay,
    Go,
}

/// What becomes a gap in which rows: that in which most others differ.
fn to_open(rows: &[Row], names: &Names) -> Vec<(usize, Opening)> {
    // a hash of the place and of all other tokens, the row, the place
    let mut rests: Vec<(u64, u32, Place)> = Vec::new();
    for (number, row) in (0..).zip(rows) {
        rests.extend(row.rests().map(|(place, rest)| (rest, number, place)));
    }
    rests.sort_unstable();
    let mut best: Vec<Option<Opening>> = vec![None; rows.len()];
    for alike in rests.chunk_by(|(a, ..), (b, ..)| a == b) {
        let token = |(_, row, place): &(u64, u32, Place)| &names.list[rows[*row as usize].id(*place) as usize];
        let is_gap = alike.iter().any(|rest| token(rest).is_gap());
        let has_gap = alike.iter().any(|rest| token(rest).gap_count > 0);
        for (_, row, place) in alike {
            let words = rows[*row as usize].roles.iter().filter(|role| **role != Role::Fixed).count();
            let count_min = match rows[*row as usize].roles[place.first as usize] {
                Role::Fixed => continue,
                _ if is_gap => 2,
                Role::Message => MESSAGES_MIN,
                _ if has_gap => 2,
                Role::Text if words >= LONG => TEXTS_MIN_OF_LONG,
                Role::Text => TEXTS_MIN,
                Role::Value | Role::Quoted => VALUES_MIN,
            };
            let quotes = if is_gap { Quotes::Go } else { Quotes::Stay };
            let opening = Opening { place: *place, quotes, alike_count: alike.len() };
            let rank = |opening: &Opening| (opening.alike_count, Reverse(opening.place));
            let known = &mut best[*row as usize];
            if alike.len() >= count_min && known.as_ref().is_none_or(|known| rank(known) < rank(&opening)) {
                *known = Some(opening);
            }
        }
    }
    (0..).zip(best).filter_map(|(row, opening)| Some((row, opening?))).collect()
}

/// What becomes a gap in rows that differ in two tokens: each row is in the largest group only.
fn pairs_to_open(rows: &[Row]) -> Vec<(usize, Opening)> {
    let pairs = |row: &Row| row.ids.len() * row.ids.len() / 2;
    if rows.len() > PAIR_ROWS_MAX || rows.iter().map(pairs).sum::<usize>() > PAIRS_MAX {
        return Vec::new();
    }
    let mut rests: Vec<(u64, usize, [Place; 2])> = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let (whole, single) = (row.whole(), row.single());
        for (index, one) in single.iter().enumerate() {
            let without = row.without(whole, *one);
            rests.extend(single[index + 1..].iter().map(|other| {
                let places = u64::from(one.first) << 32 | u64::from(other.first);
                (scatter(row.without(without, *other) ^ scatter(places)), number, [*one, *other])
            }));
        }
    }
    rests.sort_unstable();
    let mut groups: Vec<&[(u64, usize, [Place; 2])]> = rests
        .chunk_by(|(a, ..), (b, ..)| a == b)
        .filter(|alike| alike.len() >= PAIR_ROWS_MIN)
        .filter(|alike| {
            (0..2).all(|side| {
                let mut ids: Vec<u32> = alike.iter().map(|(_, row, places)| rows[*row].id(places[side])).collect();
                ids.sort_unstable();
                ids.dedup();
                ids.len() >= PAIR_TEXTS_MIN
            })
        })
        .collect();
    groups.sort_by_key(|alike| (Reverse(alike.len()), alike[0].2, alike[0].1));
    let mut taken = vec![false; rows.len()];
    let mut openings = Vec::new();
    for alike in groups {
        let free: Vec<_> = alike.iter().filter(|(_, row, _)| !taken[*row]).collect();
        if free.len() < PAIR_ROWS_MIN {
            continue;
        }
        for (_, row, places) in free {
            taken[*row] = true;
            let opening = |place: Place| Opening { place, quotes: Quotes::Stay, alike_count: alike.len() };
            openings.extend(places.map(|place| (*row, opening(place))));
        }
    }
    openings
}

/// Rows whose tokens are the same, counted as one.
fn distinct(rows: Vec<Row>) -> Vec<Row> {
    let mut known: HashMap<Vec<u32>, usize> = HashMap::new();
    let mut kept: Vec<Row> = Vec::new();
    for row in rows {
        match known.get(&row.ids) {
            Some(index) => kept[*index].absorb(&row),
            None => {
                known.insert(row.ids.clone(), kept.len());
                kept.push(row);
            }
        }
    }
    kept
}

/// The texts of tokens, by number.
#[derive(Default)]
struct Names {
    list: Vec<Name>,
    numbers: HashMap<Rc<str>, u32>,
}

struct Name {
    text: Rc<str>,
    gap_count: usize,
}

impl Names {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.list.len()).expect("fewer tokens than bytes of memory");
        let text: Rc<str> = Rc::from(text);
        self.list.push(Name { text: text.clone(), gap_count: text.matches(GAP).count() });
        self.numbers.insert(text, number);
        number
    }
}

impl Name {
    fn is_gap(&self) -> bool {
        self.gap_count == 1 && self.text.len() == GAP.len_utf8()
    }
}

impl Row {
    fn new(mut template: Template, grain: Grain, names: &mut Names) -> Row {
        let text = std::mem::take(&mut template.text);
        let ends_open = template.gaps.last() == Some(&Gap::Rest);
        let tokens = cut(&text, ends_open, grain);
        let ids = tokens.iter().map(|(text, _)| names.number(text)).collect();
        let roles = tokens.iter().map(|(_, role)| *role).collect();
        let mut row = Row { ids, roles, repeated: Vec::new(), template };
        if grain == Grain::Words {
            row.open_dates(names);
            row.shorten_lists(names);
        }
        row.find_repeated(names);
        row
    }

    fn id(&self, place: Place) -> u32 {
        self.ids[place.first as usize]
    }

    /// What may become a gap, with a hash of where it is and of all other tokens.
    fn rests(&self) -> impl Iterator<Item = (Place, u64)> {
        let whole = self.whole();
        self.single().into_iter().chain(self.repeated.iter().copied()).map(move |place| {
            let at = u64::from(place.first) << 32 | u64::from(place.others);
            (place, scatter(self.without(whole, place) ^ scatter(at)))
        })
    }

    /// Each token that may become a gap.
    fn single(&self) -> Vec<Place> {
        let open = (0..).zip(&self.roles).filter(|(_, role)| **role != Role::Fixed);
        open.map(|(first, _)| Place { first, others: 0 }).collect()
    }

    /// A hash of all tokens, from which those of places can be taken away.
    fn whole(&self) -> u64 {
        (0..self.ids.len()).fold(self.ids.len() as u64, |sum, at| sum.wrapping_add(self.part(at)))
    }

    fn without(&self, sum: u64, place: Place) -> u64 {
        self.tokens_of(place).fold(sum, |sum, at| sum.wrapping_sub(self.part(at)))
    }

    fn part(&self, at: usize) -> u64 {
        scatter((at as u64) << 32 | u64::from(self.ids[at]))
    }

    /// Where the tokens of a place are.
    fn tokens_of(&self, place: Place) -> impl Iterator<Item = usize> {
        let first = place.first as usize;
        let end = if place.others == 0 { first + 1 } else { self.ids.len() };
        let id = self.id(place);
        (first..end).filter(move |at| self.ids[*at] == id && self.roles[*at] != Role::Fixed)
    }

    /// Notes which tokens are there more than once.
    fn find_repeated(&mut self, names: &Names) {
        let mut places: HashMap<u32, Place> = HashMap::new();
        for (at, id) in (0..).zip(&self.ids) {
            if self.roles[at as usize] != Role::Fixed && !names.list[*id as usize].is_gap() {
                let known = places.entry(*id).or_insert(Place { first: at, others: 0 });
                known.others += if known.first == at { 0 } else { at };
            }
        }
        self.repeated = places.into_values().filter(|place| place.others > 0).collect();
        self.repeated.sort_unstable();
    }

    fn open(&mut self, opening: Opening, names: &mut Names) {
        let places: Vec<usize> = self.tokens_of(opening.place).collect();
        for at in places {
            self.open_token(at, opening.quotes, names);
        }
        self.find_repeated(names);
    }

    /// Puts a gap in the place of a token. Quotes can stay where there is something between them.
    fn open_token(&mut self, at: usize, quotes: Quotes, names: &mut Names) {
        let is_quoted = matches!(self.roles[at], Role::Quoted | Role::Message);
        let text = names.list[self.ids[at] as usize].text.clone();
        let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let inner = inner.filter(|inner| is_quoted && quotes == Quotes::Stay && !inner.is_empty());
        let gaps = self.gaps_of(at..at + 1, names);
        let gap = Gap::over(inner.unwrap_or(&text), &self.template.gaps[gaps.clone()]);
        self.template.gaps.splice(gaps, [gap]);
        self.ids[at] = names.number(if inner.is_some() { "\"\0\"" } else { "\0" });
    }

    /// The gaps that are in some of the tokens.
    fn gaps_of(&self, tokens: Range<usize>, names: &Names) -> Range<usize> {
        let count = |ids: &[u32]| ids.iter().map(|id| names.list[*id as usize].gap_count).sum::<usize>();
        let start = count(&self.ids[..tokens.start]);
        start..start + count(&self.ids[tokens])
    }

    /// Makes gaps of the names of months and days that stand beside a number or another such name.
    fn open_dates(&mut self, names: &mut Names) {
        let name = |at: usize| self.ids.get(at).map(|id| &names.list[*id as usize]);
        let is_date = |at: usize| name(at).is_some_and(|name| name.is_gap() || may_be_date(&name.text));
        let dates: Vec<usize> = (0..self.ids.len())
            .filter(|at| name(*at).is_some_and(|name| may_be_date(&name.text)))
            .filter(|at| is_date(at + 2) || at.checked_sub(2).is_some_and(is_date))
            .collect();
        for at in dates.into_iter().rev() {
            self.open_token(at, Quotes::Go, names);
            // the day goes with its month: some write a second space before those below ten
            let text = |at: usize| self.ids.get(at).map_or("", |id| &names.list[*id as usize].text);
            if text(at + 1).trim().is_empty() && text(at + 2) == "\0" {
                self.put_gap(at..at + 3, names);
            }
        }
    }

    /// Puts one gap in the place of several tokens.
    fn put_gap(&mut self, tokens: Range<usize>, names: &mut Names) {
        let text: String = self.ids[tokens.clone()].iter().map(|id| &*names.list[*id as usize].text).collect();
        let gaps = self.gaps_of(tokens.clone(), names);
        let gap = Gap::over(&text, &self.template.gaps[gaps.clone()]);
        self.template.gaps.splice(gaps, [gap]);
        self.roles.splice(tokens.clone(), [Role::Value]);
        self.ids.splice(tokens, [names.number("\0")]);
    }

    /// Makes one gap of the elements of a list behind the first, so that lists of all lengths look alike.
    fn shorten_lists(&mut self, names: &mut Names) {
        let mut at = 0;
        while at < self.ids.len() {
            let Some(list) = self.list_at(at, names) else {
                at += 1;
                continue;
            };
            // of `a1, a2, a3` stay the first and what stands before the second
            let gaps: Vec<usize> = list.filter(|at| names.list[self.ids[*at] as usize].gap_count > 0).collect();
            let rest = gaps[0] + 2..gaps[gaps.len() - 1] + 1;
            at = rest.start + 1;
            self.put_gap(rest, names);
        }
    }

    /// The tokens of the list that begins at a place, if one does.
    fn list_at(&self, at: usize, names: &Names) -> Option<Range<usize>> {
        (2..=ELEMENT_TOKENS_MAX).find_map(|length| {
            let element = self.ids.get(at..at + length)?;
            if self.ids.get(at + length..at + 2 * length)? != element {
                return None;
            }
            let count = self.ids[at..].chunks(length).take_while(|other| *other == element).count();
            let is_gap = |id: &u32| names.list[*id as usize].is_gap();
            let has_words = element.iter().zip(&self.roles[at..]).any(|(id, role)| *role != Role::Fixed && !is_gap(id));
            let count_min = if has_words { ELEMENTS_MIN } else { NUMBERS_MIN };
            (count >= count_min && element.iter().any(is_gap)).then_some(at..at + length * count)
        })
    }

    fn absorb(&mut self, other: &Row) {
        unite(&mut self.template.gaps, &other.template.gaps);
        self.template.count_also(&other.template.tally, other.template.line_count);
    }

    fn into_template(self, names: &Names) -> Template {
        let text = self.ids.iter().map(|id| &*names.list[*id as usize].text).collect();
        Template { text, ..self.template }
    }
}

/// Spreads a number over all bits.
fn scatter(number: u64) -> u64 {
    let mixed = (number ^ number >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ mixed >> 32
}
