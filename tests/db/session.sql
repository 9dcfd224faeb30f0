-- What a session can be told, and which of it could change an answer.
--
-- Proves: each setting that a caller may change is either set by every transaction of ours (crates/postgres/src/session.rs)
-- or is of a kind that cannot change an answer; and that none of our functions reads a setting of its own. A setting that a
-- newer Postgres brings fails here until someone has thought about it.

begin;
\ir support/callers.sql
select no_plan();

select is_empty(
  $$ select s.name, s.category from pg_settings s
       where s.context = 'user'
         -- How a plan is chosen and what it may use: speed, never the answer.
         and s.category !~ '^(Query Tuning|Resource Usage|Statistics|Write-Ahead Log|Replication|Reporting and Logging|Developer Options|File Locations)'
         -- Set by every transaction.
         and lower(s.name) <> all (array[
           'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'row_security', 'search_path',
           'synchronous_commit', 'client_encoding', 'standard_conforming_strings', 'datestyle', 'intervalstyle', 'timezone',
           'bytea_output', 'extra_float_digits', 'array_nulls', 'transform_null_equals', 'plpgsql.extra_errors'])
         -- Set by `begin`.
         and s.name <> all (array[
           'default_transaction_isolation', 'default_transaction_read_only', 'default_transaction_deferrable'])
         -- For one transaction only: they do not outlast the one that sets them.
         and s.name <> all (array['transaction_isolation', 'transaction_read_only', 'transaction_deferrable'])
         -- What is made, not what is read: none of our statements makes a table, an index, a function, a collation or a
         -- password, or dumps XML.
         and s.name <> all (array[
           'check_function_bodies', 'default_table_access_method', 'default_tablespace', 'temp_tablespaces',
           'default_toast_compression', 'xmlbinary', 'xmloption', 'vacuum_cleanup_index_scale_factor',
           'gin_pending_list_limit', 'create_role_self_grant', 'createrole_self_grant', 'event_triggers',
           'password_encryption', 'scram_iterations', 'icu_validation_level'])
         -- Forbids to read views: there are none.
         and s.name <> 'restrict_nonsystem_relation_kind'
         -- What a function's author is warned of, or would have asserted: none of ours asserts.
         and s.name <> all (array['plpgsql.check_asserts', 'plpgsql.extra_warnings', 'plpgsql.print_strict_params'])
         -- Which rows come first or at all: every list of ours is ordered, and there is no GIN index.
         and s.name <> all (array['synchronize_seqscans', 'gin_fuzzy_search_limit'])
         and s.name !~ '^vacuum_'
         -- What is shown, and how: not values. Money and month names are not used, text search neither.
         and s.name <> all (array[
           'application_name', 'client_min_messages', 'escape_string_warning', 'backslash_quote', 'quote_all_identifiers',
           'lc_monetary', 'lc_numeric', 'lc_time', 'timezone_abbreviations', 'default_text_search_config'])
         -- Ends a connection: the next statement opens another. What is loaded, is only at its start.
         and s.name <> all (array[
           'exit_on_error', 'idle_session_timeout', 'tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count',
           'tcp_user_timeout', 'client_connection_check_interval', 'local_preload_libraries', 'transaction_timeout'])
         -- Of extensions that a Supabase project may have.
         and s.name !~ '^(?!plpgsql)[^.]*\.' $$,
  'every setting of a session is thought about'
);
select is_empty(
  $$ select format('%s.%s', n.nspname, p.proname) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
       where n.nspname in ('public', 'oslira') and p.prosrc ~* 'current_setting' $$,
  'no function of ours goes by a setting'
);

select * from finish();
rollback;
