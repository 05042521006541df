-- Browsers that are signed in. The secret itself is only in the browser's cookie.
create table sessions (
    id          integer primary key,
    user_id     integer not null references users (id) on delete cascade,
    secret_hash blob    not null unique,
    device      text    not null,
    created_at  integer not null,
    seen_at     integer not null
) strict;

create index sessions_by_user on sessions (user_id);
