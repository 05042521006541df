-- Requests to remove log lines: open ones, and a record of those that were carried out.
create table deletions (
    id          integer primary key autoincrement,
    -- LogQL; what it would show is removed
    query       text    not null,
    -- nanoseconds since 1970, both included
    start_nanos integer not null,
    end_nanos   integer not null,
    requested_by text    not null,
    created_at  integer not null,
    -- whether it was begun: then it cannot be taken back
    begun       integer not null default 0 check (begun in (0, 1)),
    finished_at integer,
    -- lines that were removed
    line_count  integer not null default 0
) strict;

create index deletions_open on deletions (id) where finished_at is null;
