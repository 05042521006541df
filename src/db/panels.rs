//! The tables `panels`, `homes` and `home_pins`: what each person has on the home page, and in which order.
//!
//! Promises: each person arranges their own home alone; whoever has not, sees what is offered to new people. A panel of a
//! saved query shows that query as it is now, and once it is gone or no longer shared, as it was.

use rusqlite::{Connection, OptionalExtension, Row, Transaction};

use crate::db::{Db, Error, Kept};

const TITLE_CHARS_MAX: usize = 80;
/// As long as Loki takes a query.
const QUERY_BYTES_MAX: usize = 5120;
const SPAN_BYTES_MAX: usize = 16;
/// Per person: each of them is a query whenever the page is opened.
pub const PANELS_MAX: usize = 24;
/// Per person, all labels together.
pub const PINS_MAX: usize = 100;

/// What a panel shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// All services at a glance.
    Services,
    /// One big number.
    Count,
    /// How something went over time.
    Graph,
    /// The greatest series.
    Table,
    /// The last lines.
    Lines,
}

impl Kind {
    pub const ALL: [Kind; 5] = [Kind::Services, Kind::Count, Kind::Graph, Kind::Table, Kind::Lines];

    /// As tables and forms name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Services => "services",
            Kind::Count => "count",
            Kind::Graph => "graph",
            Kind::Table => "table",
            Kind::Lines => "lines",
        }
    }

    pub fn parse(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How much of a wide screen a panel takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Width {
    #[default]
    Half,
    Full,
}

impl Width {
    /// As tables and forms name it.
    pub fn name(self) -> &'static str {
        match self {
            Width::Half => "half",
            Width::Full => "full",
        }
    }

    pub fn parse(name: &str) -> Width {
        if name == "full" { Width::Full } else { Width::Half }
    }
}

/// What a panel is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub kind: Kind,
    /// Empty for what the query or kind says by itself.
    pub title: String,
    pub query: String,
    pub saved_id: Option<i64>,
    /// The range that ends now, as `1h`.
    pub span: String,
    pub width: Width,
}

/// A panel of a home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panel {
    pub id: i64,
    pub draft: Draft,
}

/// Whose arrangement it is that a person sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Own,
    /// What an admin offers to new people.
    Offered,
    /// Nobody arranged anything yet.
    Nobody,
}

/// What a person has on the home page, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrangement {
    pub panels: Vec<Panel>,
    pub source: Source,
}

/// What this person sees on the home page.
pub fn arrangement(db: &Db, user_id: i64) -> Result<Arrangement, Error> {
    db.read(|connection| {
        if has_own(connection, user_id)? {
            return Ok(Arrangement { panels: list(connection, user_id, Some(user_id))?, source: Source::Own });
        }
        let panels = list(connection, user_id, None)?;
        let source = if panels.is_empty() { Source::Nobody } else { Source::Offered };
        Ok(Arrangement { panels, source })
    })
}

/// Makes what this person sees their own, where it is not yet: what is offered, or else `starter`.
pub fn adopt(db: &Db, user_id: i64, starter: &[Draft]) -> Result<(), Error> {
    db.write(|transaction| {
        if has_own(transaction, user_id)? {
            return Ok(());
        }
        transaction.execute("insert into homes (owner_id) values (?1)", [user_id])?;
        let offered: Vec<Draft> = list(transaction, user_id, None)?.into_iter().map(|panel| panel.draft).collect();
        let begun = if offered.is_empty() { starter } else { &offered };
        replace(transaction, Some(user_id), begun)
    })
}

/// Offers the arrangement of this person, as it is now, to whoever has none of their own.
pub fn offer(db: &Db, user_id: i64) -> Result<(), Error> {
    db.write(|transaction| {
        let own: Vec<Draft> = list(transaction, user_id, Some(user_id))?.into_iter().map(|panel| panel.draft).collect();
        replace(transaction, None, &own)
    })
}

/// Offers nothing any longer.
pub fn withdraw(db: &Db) -> Result<(), Error> {
    db.write(|transaction| replace(transaction, None, &[]))
}

/// Whether new people are offered an arrangement.
pub fn is_offered(db: &Db) -> Result<bool, Error> {
    let sql = "select exists (select 1 from panels where owner_id is null)";
    db.read(|connection| Ok(connection.query_row(sql, [], |row| row.get(0))?))
}

/// A panel that this person may see: their own, or an offered one.
pub fn find(db: &Db, user_id: i64, id: i64) -> Result<Option<Panel>, Error> {
    db.read(|connection| {
        let sql = select("panels.id = ?2 and (panels.owner_id = ?1 or panels.owner_id is null)");
        Ok(connection.prepare_cached(&sql)?.query_row((user_id, id), from_row).optional()?)
    })
}

/// Puts a panel at the end of this person's home, which must be their own. Answers its id.
pub fn add(db: &Db, owner_id: i64, draft: &Draft) -> Result<i64, Error> {
    check(draft)?;
    db.write(|transaction| {
        let count: i64 =
            transaction.query_row("select count(*) from panels where owner_id = ?1", [owner_id], |row| row.get(0))?;
        if count >= PANELS_MAX as i64 {
            return Err(Error::PanelsCrowded);
        }
        check_services(transaction, owner_id, None, draft)?;
        insert(transaction, Some(owner_id), count, draft)
    })
}

/// Makes a panel of this person another one, in its place.
pub fn change(db: &Db, owner_id: i64, id: i64, draft: &Draft) -> Result<(), Error> {
    check(draft)?;
    let sql = "update panels set kind = ?3, title = ?4, query = ?5, saved_id = ?6, span = ?7, width = ?8 \
               where id = ?2 and owner_id = ?1";
    db.write(|transaction| {
        check_services(transaction, owner_id, Some(id), draft)?;
        let Draft { kind, title, query, saved_id, span, width } = draft;
        one_changed(
            transaction.execute(sql, (owner_id, id, kind.name(), title.trim(), query, saved_id, span, width.name()))?,
        )
    })
}

/// Moves a panel to this place of its home, counted from 0; places beyond the end are the end.
pub fn place(db: &Db, owner_id: i64, id: i64, index: usize) -> Result<(), Error> {
    db.write(|transaction| {
        let mut ids = ids(transaction, owner_id)?;
        let at = ids.iter().position(|other| *other == id).ok_or(Error::PanelUnknown)?;
        ids.remove(at);
        ids.insert(index.min(ids.len()), id);
        number(transaction, &ids)
    })
}

/// The place of a panel in its home, counted from 0.
pub fn place_of(db: &Db, owner_id: i64, id: i64) -> Result<usize, Error> {
    db.read(|connection| ids(connection, owner_id)?.iter().position(|other| *other == id).ok_or(Error::PanelUnknown))
}

pub fn remove(db: &Db, owner_id: i64, id: i64) -> Result<(), Error> {
    db.write(|transaction| {
        one_changed(transaction.execute("delete from panels where id = ?2 and owner_id = ?1", (owner_id, id))?)?;
        number(transaction, &ids(transaction, owner_id)?)
    })
}

/// Names and values that this person wants on top.
pub fn pins(db: &Db, owner_id: i64) -> Result<Vec<(String, String)>, Error> {
    db.read(|connection| {
        let mut rows = connection.prepare_cached("select name, value from home_pins where owner_id = ?1")?;
        Ok(rows.query_map([owner_id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
    })
}

/// Pins what is not pinned, and lets go of what is.
pub fn toggle_pin(db: &Db, owner_id: i64, name: &str, value: &str) -> Result<(), Error> {
    db.write(|transaction| {
        let pin = (owner_id, name, value);
        let sql = "delete from home_pins where owner_id = ?1 and name = ?2 and value = ?3";
        if transaction.execute(sql, pin)? > 0 {
            return Ok(());
        }
        let sql = "select count(*) from home_pins where owner_id = ?1";
        let count: i64 = transaction.query_row(sql, [owner_id], |row| row.get(0))?;
        if count >= PINS_MAX as i64 {
            return Err(Error::PinsCrowded);
        }
        transaction.execute("insert into home_pins (owner_id, name, value) values (?1, ?2, ?3)", pin)?;
        Ok(())
    })
}

/// The services are on a home once; `id` is the panel that is about to change.
fn check_services(connection: &Connection, owner_id: i64, id: Option<i64>, draft: &Draft) -> Result<(), Error> {
    let sql = "select exists (select 1 from panels where owner_id = ?1 and kind = ?2 and id is not ?3)";
    let is_there = || connection.query_row(sql, (owner_id, Kind::Services.name(), id), |row| row.get(0));
    if draft.kind == Kind::Services && is_there()? { Err(Error::PanelServicesTaken) } else { Ok(()) }
}

fn one_changed(changed: usize) -> Result<(), Error> {
    if changed == 0 { Err(Error::PanelUnknown) } else { Ok(()) }
}

fn has_own(connection: &Connection, user_id: i64) -> Result<bool, Error> {
    let sql = "select exists (select 1 from homes where owner_id = ?1)";
    Ok(connection.query_row(sql, [user_id], |row| row.get(0))?)
}

/// The panels of an owner, or those that are offered, with the queries as this person may see them.
fn list(connection: &Connection, viewer_id: i64, owner_id: Option<i64>) -> Result<Vec<Panel>, Error> {
    let sql = format!("{} order by position, panels.id", select("panels.owner_id is ?2"));
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_map((viewer_id, owner_id), from_row)?.collect::<Result<_, _>>()?)
}

fn select(condition: &str) -> String {
    format!(
        "select panels.id, kind, title, coalesce(saved.query, panels.query), saved.id, span, width from panels \
         left join saved_queries saved on saved.id = panels.saved_id and (saved.owner_id = ?1 or saved.shared = 1) \
         where ({condition})"
    )
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Panel> {
    let (kind, width): (String, String) = (row.get(1)?, row.get(6)?);
    let draft = Draft {
        kind: Kind::parse(&kind).unwrap_or(Kind::Lines),
        title: row.get(2)?,
        query: row.get(3)?,
        saved_id: row.get(4)?,
        span: row.get(5)?,
        width: Width::parse(&width),
    };
    Ok(Panel { id: row.get(0)?, draft })
}

fn ids(connection: &Connection, owner_id: i64) -> Result<Vec<i64>, Error> {
    let mut rows = connection.prepare_cached("select id from panels where owner_id = ?1 order by position, id")?;
    Ok(rows.query_map([owner_id], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn number(transaction: &Transaction<'_>, ids: &[i64]) -> Result<(), Error> {
    for (position, id) in (0_i64..).zip(ids) {
        transaction.execute("update panels set position = ?2 where id = ?1", (id, position))?;
    }
    Ok(())
}

/// Puts these panels in the place of all that the owner has.
fn replace(transaction: &Transaction<'_>, owner_id: Option<i64>, drafts: &[Draft]) -> Result<(), Error> {
    transaction.execute("delete from panels where owner_id is ?1", [owner_id])?;
    for (position, draft) in (0..).zip(drafts) {
        insert(transaction, owner_id, position, draft)?;
    }
    Ok(())
}

fn insert(transaction: &Transaction<'_>, owner_id: Option<i64>, position: i64, draft: &Draft) -> Result<i64, Error> {
    let sql = "insert into panels (owner_id, position, kind, title, query, saved_id, span, width) \
               values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let Draft { kind, title, query, saved_id, span, width } = draft;
    transaction.execute(sql, (owner_id, position, kind.name(), title.trim(), query, saved_id, span, width.name()))?;
    Ok(transaction.last_insert_rowid())
}

fn check(draft: &Draft) -> Result<(), Error> {
    if draft.title.trim().chars().count() > TITLE_CHARS_MAX || draft.title.chars().any(char::is_control) {
        return Err(Error::PanelTitleInvalid);
    }
    if draft.query.len() > QUERY_BYTES_MAX {
        return Err(Error::SavedTooLarge { what: Kept::Query, max: QUERY_BYTES_MAX });
    }
    if draft.span.len() > SPAN_BYTES_MAX {
        return Err(Error::SavedTooLarge { what: Kept::Time, max: SPAN_BYTES_MAX });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::db::panels::*;
    use crate::db::saved_queries::{self, Sharing, Title, View};
    use crate::db::tests::scratch;
    use crate::db::users::{self, Role};
    use crate::model::{Direction, Timestamp};

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn draft(title: &str, query: &str) -> Draft {
        Draft {
            kind: Kind::Count,
            title: title.to_owned(),
            query: query.to_owned(),
            saved_id: None,
            span: "1h".to_owned(),
            width: Width::Half,
        }
    }

    fn titles(db: &Db, user_id: i64) -> Vec<String> {
        arrangement(db, user_id).unwrap().panels.into_iter().map(|panel| panel.draft.title).collect()
    }

    #[test]
    fn each_person_arranges_their_own_home() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, NOW).unwrap().id;
        let bob = users::add(db, "bob", "a long password", Role::Reader, NOW).unwrap().id;
        assert_eq!(arrangement(db, ann).unwrap(), Arrangement { panels: vec![], source: Source::Nobody });
        adopt(db, ann, &[draft("a", "{}")]).unwrap();
        adopt(db, ann, &[draft("other", "{}")]).unwrap();
        let b = add(db, ann, &draft(" b ", "{}")).unwrap();
        let c = add(db, ann, &draft("c", "{}")).unwrap();
        place(db, ann, c, 0).unwrap();
        assert_eq!((titles(db, ann).join(""), place_of(db, ann, b).unwrap()), ("cab".to_owned(), 2));
        place(db, ann, c, 99).unwrap();
        assert_eq!(titles(db, ann).join(""), "abc");
        change(db, ann, b, &draft("B", "{}")).unwrap();
        remove(db, ann, c).unwrap();
        assert_eq!(titles(db, ann).join(""), "aB");

        assert!(matches!(remove(db, bob, b), Err(Error::PanelUnknown)));
        assert!(matches!(place(db, bob, b, 0), Err(Error::PanelUnknown)));
        assert!(matches!(change(db, bob, b, &draft("x", "")), Err(Error::PanelUnknown)));
        assert_eq!(find(db, bob, b).unwrap(), None);
        assert_eq!(arrangement(db, bob).unwrap().source, Source::Nobody);
        adopt(db, bob, &[]).unwrap();
        assert_eq!(
            arrangement(db, bob).unwrap(),
            Arrangement { panels: vec![], source: Source::Own },
            "empty is theirs"
        );
    }

    #[test]
    fn what_is_offered_is_seen_until_one_has_an_own() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, NOW).unwrap().id;
        let bob = users::add(db, "bob", "a long password", Role::Reader, NOW).unwrap().id;
        adopt(db, ann, &[draft("a", "{}"), draft("b", "{}")]).unwrap();
        offer(db, ann).unwrap();
        let seen = arrangement(db, bob).unwrap();
        assert_eq!((seen.source, titles(db, bob).join("")), (Source::Offered, "ab".to_owned()));
        let offered = seen.panels[0].id;
        assert!(find(db, bob, offered).unwrap().is_some());
        assert!(matches!(remove(db, bob, offered), Err(Error::PanelUnknown)), "nobody takes it from the others");
        adopt(db, bob, &[]).unwrap();
        withdraw(db).unwrap();
        assert_eq!((titles(db, bob).join(""), is_offered(db).unwrap()), ("ab".to_owned(), false));
    }

    #[test]
    fn a_panel_follows_its_saved_query_while_that_can_be_seen() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, NOW).unwrap().id;
        let bob = users::add(db, "bob", "a long password", Role::Reader, NOW).unwrap().id;
        let view = |query: &str| View {
            query: query.to_owned(),
            from: "now-1h".to_owned(),
            to: "now".to_owned(),
            limit: 100,
            direction: Direction::Backward,
            more: String::new(),
        };
        let title = Title { name: "s".to_owned(), ..Title::default() };
        let saved = saved_queries::create(db, ann, &title, &view("first"), Sharing::Team, NOW).unwrap().id;
        adopt(db, bob, &[]).unwrap();
        let id = add(db, bob, &Draft { saved_id: Some(saved), ..draft("s", "first") }).unwrap();
        let query = || find(db, bob, id).unwrap().unwrap().draft.query;
        saved_queries::replace(db, ann, saved, &view("second")).unwrap();
        assert_eq!(query(), "second");
        saved_queries::set_sharing(db, ann, saved, Sharing::Private).unwrap();
        assert_eq!(query(), "first");
        saved_queries::delete(db, ann, saved).unwrap();
        assert_eq!(query(), "first");
    }

    #[test]
    fn the_services_are_on_a_home_once() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, NOW).unwrap().id;
        let bob = users::add(db, "bob", "a long password", Role::Reader, NOW).unwrap().id;
        let services = Draft { kind: Kind::Services, ..draft("", "") };
        let first = add(db, ann, &services).unwrap();
        let other = add(db, ann, &draft("a", "{}")).unwrap();
        assert!(matches!(add(db, ann, &services), Err(Error::PanelServicesTaken)));
        assert!(matches!(change(db, ann, other, &services), Err(Error::PanelServicesTaken)));
        change(db, ann, first, &Draft { width: Width::Full, ..services.clone() }).unwrap();
        add(db, bob, &services).unwrap();
        remove(db, ann, first).unwrap();
        change(db, ann, other, &services).unwrap();
    }

    #[test]
    fn panels_and_pins_are_bounded() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, NOW).unwrap().id;
        for _ in 0..PANELS_MAX {
            add(db, ann, &draft("", "{}")).unwrap();
        }
        assert!(matches!(add(db, ann, &draft("", "{}")), Err(Error::PanelsCrowded)));
        for bad in [draft("a\nb", ""), draft(&"x".repeat(81), ""), draft("", &"x".repeat(QUERY_BYTES_MAX + 1))] {
            assert!(change(db, ann, 1, &bad).is_err());
        }
        toggle_pin(db, ann, "service_name", "web").unwrap();
        toggle_pin(db, ann, "host", "a").unwrap();
        toggle_pin(db, ann, "service_name", "web").unwrap();
        assert_eq!(pins(db, ann).unwrap(), [("host".to_owned(), "a".to_owned())]);
        for index in 1..PINS_MAX {
            toggle_pin(db, ann, "host", &index.to_string()).unwrap();
        }
        assert!(matches!(toggle_pin(db, ann, "host", "more"), Err(Error::PinsCrowded)));
    }
}
