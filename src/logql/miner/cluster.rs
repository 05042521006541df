//! Templates brought together: where many of them differ in one token alone, that token becomes a gap.
//!
//! The result depends on the set of templates, not on their order.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

use crate::logql::miner::template::{ByteSet, Piece, Template, Wild, push_text, unite};
use crate::logql::miner::token::{Grain, Role, Token, cut, identity};

/// Different words in one place of a sentence that make it a gap; in a long one, where more is equal, fewer do.
const TEXTS_MIN: u32 = 5;
const TEXTS_MIN_OF_LONG: u32 = 3;
/// Words of a long sentence.
const LONG: usize = 12;
/// The same for values behind a key.
const VALUES_MIN: u32 = 3;
/// The same for messages.
const MESSAGES_MIN: u32 = 30;
/// Tokens of the longest list element that is recognised when it is repeated.
const ELEMENT_TOKENS_MAX: usize = 12;
/// So many elements that are equal but for their gaps are a list; of gaps alone more, as times and counts stand side by
/// side too.
const ELEMENTS_MIN: usize = 3;
const NUMBERS_MIN: usize = 8;
/// Rounds in which templates that have become alike may be brought together with more.
const ROUNDS_MAX: usize = 16;

/// A template in tokens.
struct Row {
    tokens: Vec<Token>,
    ids: Vec<u32>,
    /// The places of each token that is there more than once.
    repeated: Vec<Vec<usize>>,
    counted: Template,
}

/// What is known of the rows that are alike but for the token in one place.
#[derive(Clone, Copy, Default)]
struct Alike {
    count: u32,
    /// Whether one of the tokens has a gap in it, or is one.
    has_gap: bool,
    is_gap: bool,
}

/// What becomes of the quotes around a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Stay,
    Go,
}

/// A token, or all that are equal to it: a name that a line tells twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Place {
    first: usize,
    /// The sum of the places of the others; 0 where there is none.
    others: usize,
}

/// Brings templates together, as long as `check` agrees.
pub(super) fn cluster<E>(
    templates: Vec<Template>,
    check: &mut dyn FnMut() -> Result<(), E>,
) -> Result<Vec<Template>, E> {
    let mut templates = templates;
    for grain in [Grain::Words, Grain::Chunks] {
        let mut names = Names::default();
        let mut rows = distinct(templates.into_iter().map(|template| Row::new(template, grain, &mut names)).collect());
        for _ in 0..ROUNDS_MAX {
            check()?;
            let places = to_open(&rows);
            if places.iter().all(Option::is_none) {
                break;
            }
            for (row, place) in rows.iter_mut().zip(places) {
                if let Some((place, quotes)) = place {
                    row.open(place, quotes, &mut names);
                }
            }
            rows = distinct(rows);
        }
        templates = rows.into_iter().map(Row::into_template).collect();
    }
    templates
        .sort_by(|a, b| b.line_count.cmp(&a.line_count).then_with(|| identity(&a.pieces).cmp(&identity(&b.pieces))));
    Ok(templates)
}

/// For each row the token that becomes a gap, if there is one: that in which most others differ.
fn to_open(rows: &[Row]) -> Vec<Option<(Place, Quotes)>> {
    let mut alike: HashMap<(u64, Place), Alike> = HashMap::new();
    for row in rows {
        for (place, rest) in row.rests() {
            let entry = alike.entry((rest, place)).or_default();
            entry.count += 1;
            entry.has_gap |= row.tokens[place.first].has_gap();
            entry.is_gap |= row.tokens[place.first].is_gap();
        }
    }
    let best = |row: &Row| {
        let words = row.tokens.iter().filter(|token| token.role != Role::Fixed).count();
        let candidates = row.rests().filter_map(|(place, rest)| {
            let alike = alike[&(rest, place)];
            let count_min = match row.tokens[place.first].role {
                Role::Fixed => return None,
                _ if alike.is_gap => 2,
                Role::Message => MESSAGES_MIN,
                _ if alike.has_gap => 2,
                Role::Text if words >= LONG => TEXTS_MIN_OF_LONG,
                Role::Text => TEXTS_MIN,
                Role::Value | Role::Quoted => VALUES_MIN,
            };
            let quotes = if alike.is_gap { Quotes::Go } else { Quotes::Stay };
            (alike.count >= count_min).then_some((alike.count, Reverse(place), quotes))
        });
        candidates.max_by_key(|(count, place, _)| (*count, *place)).map(|(_, place, quotes)| (place.0, quotes))
    };
    rows.iter().map(best).collect()
}

/// Rows whose tokens are the same, counted as one.
fn distinct(rows: Vec<Row>) -> Vec<Row> {
    let mut known: HashMap<Vec<u32>, usize> = HashMap::new();
    let mut kept: Vec<Row> = Vec::new();
    for row in rows {
        match known.get(&row.ids) {
            Some(index) => kept[*index].absorb(row),
            None => {
                known.insert(row.ids.clone(), kept.len());
                kept.push(row);
            }
        }
    }
    kept
}

/// Numbers for the texts of tokens.
#[derive(Default)]
struct Names(HashMap<String, u32>);

impl Names {
    fn number(&mut self, pieces: &[Piece]) -> u32 {
        let next = u32::try_from(self.0.len()).expect("fewer tokens than bytes of memory");
        *self.0.entry(identity(pieces)).or_insert(next)
    }
}

impl Row {
    fn new(mut template: Template, grain: Grain, names: &mut Names) -> Row {
        let mut tokens = cut(&std::mem::take(&mut template.pieces), grain);
        if grain == Grain::Words {
            open_dates(&mut tokens);
        }
        let mut ids: Vec<u32> = tokens.iter().map(|token| names.number(&token.pieces)).collect();
        if grain == Grain::Words && shorten_lists(&mut tokens, &ids) {
            ids = tokens.iter().map(|token| names.number(&token.pieces)).collect();
        }
        let mut row = Row { tokens, ids, repeated: Vec::new(), counted: template };
        row.find_repeated();
        row
    }

    /// What may become a gap, with a hash of all other tokens.
    fn rests(&self) -> impl Iterator<Item = (Place, u64)> {
        let part = |place: usize| scatter((place as u64) << 32 | u64::from(self.ids[place]));
        let whole = (0..self.ids.len()).fold(self.ids.len() as u64, |sum, place| sum.wrapping_add(part(place)));
        let may_open = |place: usize| self.tokens[place].role != Role::Fixed;
        let single = (0..self.ids.len())
            .filter(move |place| may_open(*place))
            .map(move |first| (Place { first, others: 0 }, scatter(whole.wrapping_sub(part(first)))));
        let repeated = self.repeated.iter().map(move |places| {
            let others = places[1..].iter().sum();
            let rest = places.iter().fold(whole, |sum, place| sum.wrapping_sub(part(*place)));
            (Place { first: places[0], others }, scatter(rest))
        });
        single.chain(repeated)
    }

    /// Notes which tokens are there more than once.
    fn find_repeated(&mut self) {
        let mut places: HashMap<u32, Vec<usize>> = HashMap::new();
        for (place, id) in self.ids.iter().enumerate() {
            if self.tokens[place].role != Role::Fixed && !self.tokens[place].is_gap() {
                places.entry(*id).or_default().push(place);
            }
        }
        self.repeated = places.into_values().filter(|places| places.len() > 1).collect();
        self.repeated.sort_unstable();
    }

    fn open(&mut self, place: Place, quotes: Quotes, names: &mut Names) {
        let id = self.ids[place.first];
        let all = place.others > 0;
        for at in place.first..self.ids.len() {
            if at == place.first || all && self.ids[at] == id && self.tokens[at].role != Role::Fixed {
                self.tokens[at].open(quotes);
                self.ids[at] = names.number(&self.tokens[at].pieces);
            }
        }
        self.find_repeated();
    }

    fn absorb(&mut self, other: Row) {
        for (token, other) in self.tokens.iter_mut().zip(other.tokens) {
            unite(&mut token.pieces, other.pieces);
        }
        self.counted.count_also(&other.counted.tally, other.counted.line_count);
    }

    fn into_template(self) -> Template {
        let mut template = self.counted;
        for piece in self.tokens.into_iter().flat_map(|token| token.pieces) {
            match piece {
                Piece::Text(text) => push_text(&mut template.pieces, &text),
                Piece::Wild(_) => template.pieces.push(piece),
            }
        }
        template
    }
}

impl Token {
    /// Puts a gap in the place of what it holds; quotes can stay where there is something between them.
    fn open(&mut self, quotes: Quotes) {
        if self.is_gap() {
            return;
        }
        let is_empty = matches!(self.pieces.as_slice(), [Piece::Text(text)] if text == "\"\"");
        let is_quoted = matches!(self.role, Role::Quoted | Role::Message);
        if !is_quoted || is_empty || quotes == Quotes::Go {
            self.pieces = vec![gap(&self.pieces)];
            return;
        }
        if let Some(Piece::Text(first)) = self.pieces.first_mut() {
            first.remove(0);
        }
        if let Some(Piece::Text(last)) = self.pieces.last_mut() {
            last.pop();
        }
        let quote = || Piece::Text("\"".to_owned());
        self.pieces = vec![quote(), gap(&self.pieces), quote()];
    }
}

/// Makes gaps of the names of months and days that stand beside a number or another such name.
fn open_dates(tokens: &mut [Token]) {
    let is_date = |token: Option<&Token>| token.is_some_and(|token| token.is_gap() || token.may_be_date());
    let dates: Vec<bool> = (0..tokens.len())
        .map(|at| {
            let beside = is_date(tokens.get(at + 2)) || is_date(at.checked_sub(2).and_then(|at| tokens.get(at)));
            tokens[at].may_be_date() && beside
        })
        .collect();
    for (token, is_date) in tokens.iter_mut().zip(dates) {
        if is_date {
            token.open(Quotes::Go);
        }
    }
}

/// Makes one gap of the elements of a list behind the first, so that lists of all lengths look alike. Says whether there
/// was one.
fn shorten_lists(tokens: &mut Vec<Token>, ids: &[u32]) -> bool {
    let mut shortened = Vec::new();
    let mut at = 0;
    while at < ids.len() {
        let Some(list) = list_at(at, tokens, ids) else {
            shortened.push(tokens[at].clone());
            at += 1;
            continue;
        };
        // of `a1, a2, a3` stay the first and what stands before the second
        let gaps: Vec<usize> = list.filter(|place| tokens[*place].has_gap()).collect();
        let (first, last) = (gaps[0], gaps[gaps.len() - 1]);
        shortened.extend_from_slice(&tokens[at..first + 2]);
        let rest: Vec<Piece> = tokens[first + 2..=last].iter().flat_map(|token| token.pieces.clone()).collect();
        shortened.push(Token { role: Role::Value, pieces: vec![gap(&rest)] });
        at = last + 1;
    }
    let is_shorter = shortened.len() < tokens.len();
    *tokens = shortened;
    is_shorter
}

/// The tokens of the list that begins at a place, if one does.
fn list_at(at: usize, tokens: &[Token], ids: &[u32]) -> Option<Range<usize>> {
    (2..=ELEMENT_TOKENS_MAX).find_map(|length| {
        let element = ids.get(at..at + length)?;
        let count = ids[at..].chunks(length).take_while(|other| *other == element).count();
        let tokens = &tokens[at..at + length];
        let has_words = tokens.iter().any(|token| token.role != Role::Fixed && !token.is_gap());
        let count_min = if has_words { ELEMENTS_MIN } else { NUMBERS_MIN };
        let is_list = count >= count_min && tokens.iter().any(Token::is_gap);
        is_list.then_some(at..at + length * count)
    })
}

/// One gap for several pieces.
fn gap(pieces: &[Piece]) -> Piece {
    let bytes = pieces.iter().fold(ByteSet::default(), |bytes, piece| bytes.with(piece.bytes()));
    Piece::Wild(Wild::merged(bytes))
}

/// Spreads a number over all bits.
fn scatter(number: u64) -> u64 {
    let mixed = (number ^ number >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ mixed >> 32
}
