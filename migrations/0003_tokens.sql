-- Machines. The secret itself is shown once and kept nowhere.
create table tokens (
    id           integer primary key,
    name         text    not null unique collate nocase,
    scope        text    not null check (scope in ('push', 'read')),
    secret_hash  blob    not null unique,
    created_at   integer not null,
    last_used_at integer
) strict;
