-- What each person has on the home page. Panels without an owner are what new people begin with.
create table panels (
    id         integer primary key,
    owner_id   integer references users (id) on delete cascade,
    position   integer not null,
    kind       text    not null check (kind in ('services', 'count', 'graph', 'table', 'lines')),
    title      text    not null,
    -- as it was when the panel was made; the saved query, while it can be seen, goes before it
    query      text    not null,
    saved_id   integer references saved_queries (id) on delete set null,
    span       text    not null,
    width      text    not null check (width in ('half', 'full'))
) strict;

create index panels_owner on panels (owner_id, position);

-- Who has arranged a home of their own, be it empty.
create table homes (
    owner_id integer primary key references users (id) on delete cascade
) strict;

-- Services, or values of another label, that someone wants on top.
create table home_pins (
    owner_id integer not null references users (id) on delete cascade,
    name     text    not null,
    value    text    not null,
    primary key (owner_id, name, value)
) strict;
