-- What each person asked in Explore: once per query and kind of range.
create table history (
    id         integer primary key,
    user_id    integer not null references users (id) on delete cascade,
    query      text    not null,
    -- `now-1h now` for a range that moves with the clock, `fixed` for any other
    range_kind text    not null,
    from_text  text    not null,
    to_text    text    not null,
    -- the further parameters of its address
    more       text    not null,
    asked_at   integer not null,
    ask_count  integer not null default 1,
    unique (user_id, query, range_kind)
) strict;

create index history_by_time on history (user_id, asked_at);

-- Whether what a person asks is remembered.
alter table users add column history integer not null default 1 check (history in (0, 1));
