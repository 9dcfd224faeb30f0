-- Who may log in, and where internals live.
--
-- Supabase brings `anon`, `authenticated`, `service_role`, the schema `auth` and default privileges that
-- grant everything in `public` to all of them. Our tables start from nothing instead, and each says who may
-- do what with it.

-- The schema PostgREST does not expose: what only functions and pipeline stages touch.
-- (The migration runner creates it first, for its own history table.)
create schema if not exists oslira;
revoke all on schema oslira from public;
grant usage on schema oslira to service_role;

-- Login roles. They own nothing and inherit nothing: each can only become the one role it is for, inside a
-- transaction. Their passwords are set by `migrate-database` from the secrets that the Lambdas read.
create role oslira_user login noinherit;
grant authenticated to oslira_user;

create role oslira_system login noinherit;
grant service_role to oslira_system;

-- Functions are executable by everyone unless the default says otherwise, and only the global default can.
alter default privileges revoke execute on functions from public;

alter default privileges in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema public revoke all on sequences from anon, authenticated, service_role;
alter default privileges in schema public revoke all on functions from anon, authenticated, service_role;

-- The runner's own table, in case it was created under other defaults.
revoke all on all tables in schema oslira from public, anon, authenticated, service_role;
alter table oslira.schema_migrations enable row level security;
alter table oslira.schema_migrations force row level security;
