-- Frozen results behind public links. The secret itself is only in the link.
create table snapshots (
    id          integer primary key,
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

create index snapshots_by_user on snapshots (user_id);
create index snapshots_by_end on snapshots (expires_at);
