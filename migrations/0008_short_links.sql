-- Short addresses of views of Explore, for those who may sign in.
create table short_links (
    id         integer primary key,
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

create index short_links_by_user on short_links (user_id);
