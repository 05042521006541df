-- What a saved query is for, where it belongs, and all of its view.
-- names between commas
alter table saved_queries add column tags text not null default '';
alter table saved_queries add column description text not null default '';
-- the further parameters of its address: zone, columns and the like
alter table saved_queries add column more text not null default '';
-- who made it, where that person is not there any more and an admin owns it
alter table saved_queries add column author text;
