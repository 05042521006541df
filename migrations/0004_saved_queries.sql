-- Views of Explore under a name.
create table saved_queries (
    id         integer primary key,
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
    unique (owner_id, name)
) strict;

create index saved_queries_shared on saved_queries (shared) where shared = 1;
