-- What is named by its id in addresses and open pages never gives it to another: the tables are made anew with
-- autoincrement, which is all that differs.
create table saved_queries_new (
    id         integer primary key autoincrement,
    owner_id   integer not null references users (id) on delete cascade,
    name       text    not null,
    query      text    not null,
    from_text  text    not null,
    to_text    text    not null,
    row_limit  integer not null check (row_limit > 0),
    direction  text    not null check (direction in ('forward', 'backward')),
    shared     integer not null default 0 check (shared in (0, 1)),
    pinned     integer not null default 0 check (pinned in (0, 1)),
    created_at integer not null,
    -- names between commas
    tags        text   not null default '',
    description text   not null default '',
    -- the further parameters of its address: zone, columns and the like
    more       text    not null default '',
    -- who made it, where that person is not there any more and an admin owns it
    author     text,
    unique (owner_id, name)
) strict;
insert into saved_queries_new
    select id, owner_id, name, query, from_text, to_text, row_limit, direction, shared, pinned, created_at, tags,
        description, more, author
    from saved_queries;
drop table saved_queries;
alter table saved_queries_new rename to saved_queries;
create index saved_queries_shared on saved_queries (shared) where shared = 1;

create table short_links_new (
    id         integer primary key autoincrement,
    code       text    not null unique,
    -- a link outlives its maker: it stands in chats and tickets
    user_id    integer references users (id) on delete set null,
    maker      text    not null,
    -- the parameters of the address
    params     text    not null,
    created_at integer not null,
    used_at    integer not null,
    use_count  integer not null default 0
) strict;
insert into short_links_new select id, code, user_id, maker, params, created_at, used_at, use_count from short_links;
drop table short_links;
alter table short_links_new rename to short_links;
create index short_links_by_user on short_links (user_id);

create table snapshots_new (
    id          integer primary key autoincrement,
    secret_hash blob    not null unique,
    user_id     integer not null references users (id) on delete cascade,
    title       text    not null,
    query       text    not null,
    line_count  integer not null,
    created_at  integer not null,
    expires_at  integer not null,
    view_count  integer not null default 0,
    viewed_at   integer,
    -- the frozen page as packed data; last, so that lists do not read it
    content     blob    not null
) strict;
insert into snapshots_new
    select id, secret_hash, user_id, title, query, line_count, created_at, expires_at, view_count, viewed_at, content
    from snapshots;
drop table snapshots;
alter table snapshots_new rename to snapshots;
create index snapshots_by_user on snapshots (user_id);
create index snapshots_by_end on snapshots (expires_at);
