-- People who sign in. Names differ by more than the case of their letters.
create table users (
    id            integer primary key,
    name          text    not null unique collate nocase,
    -- argon2id, as a PHC string
    password_hash text    not null,
    role          text    not null check (role in ('admin', 'reader')),
    -- times are seconds since 1970, in all tables
    created_at    integer not null
) strict;

-- The one-time code that makes the first admin: one row at most.
create table setup (
    id         integer primary key check (id = 1),
    code_hash  blob    not null,
    created_at integer not null
) strict;
