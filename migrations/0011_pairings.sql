-- One-time codes by which a signed-in browser lets another device in, shown as a picture to scan. A code ends with the
-- session that showed it.
create table pairings (
    id          integer primary key,
    session_id  integer not null unique references sessions (id) on delete cascade,
    secret_hash blob    not null unique,
    created_at  integer not null,
    -- What came in with it, once it is used.
    device      text
) strict;
