-- What one tenant can see and change of another's, table by table and verb by verb.
--
-- Ada owns an account that has a row in every table, Cleo is a member of it, Bob is a stranger with an account of his
-- own. Proves: strangers, anon and a token without claims read no row of Ada's, and change none; Ada and Cleo read all
-- of theirs, but for what calls cost us, and invitations, which owners alone read. They change nothing either, but for business
-- profiles, and Ada the account's name. The tables come from the
-- catalogue: one added later fails here until Ada has a row in it. Foreign keys tie rows of different tenants apart even
-- for the system role, which reads all there is of a run.

begin;
\ir support/callers.sql
\ir support/tenants.sql
select no_plan();

-- Every table with which of its rows are Ada's. The price lists are everyone's; the list of routes and the migrations'
-- history are nobody's.
create temp table tenant_tables as
  select format('%I.%I', n.nspname, c.relname) as name, c.oid,
         case
           when exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'account_id')
             then 'account_id = {ada.account}'
           else 'run_id = {ada.run}'
         end as of_ada,
         null::text as before
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'oslira') and c.relkind in ('r', 'p')
      and (n.nspname, c.relname) not in (('public', 'plans'), ('public', 'analysis_tiers'),
        ('oslira', 'idempotent_routes'), ('oslira', 'schema_migrations'));

create function pg_temp.rows_of_ada(p_table tenant_tables) returns jsonb language plpgsql as $$
declare
  v_rows jsonb;
begin
  execute pg_temp.fill(format(
    'select jsonb_agg(to_jsonb(t) order by to_jsonb(t)::text) from %s t where %s', p_table.name, p_table.of_ada
  )) into v_rows;
  return v_rows;
end
$$;
update tenant_tables t set before = pg_temp.rows_of_ada(t)::text;

select isnt(before, null, format('Ada has a row in %s', name)) from tenant_tables order by name;

-- Verbs ---------------------------------------------------------------------------------------------------

-- A statement of each verb on Ada's rows. An insert repeats one of her rows under new ids of its own, with the columns
-- that the caller may write; an update is tried on every column.
create function pg_temp.statements(p_table tenant_tables, p_role text) returns table (verb text, statement text)
language plpgsql as $$
declare
  v_row jsonb := (p_table.before::jsonb) -> 0;
  v_columns text[] := array(
    select a.attname from pg_attribute a
      where a.attrelid = p_table.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
        and a.attidentity = ''
  );
  v_writable text[] := array(
    select c from unnest(v_columns) c where has_column_privilege(p_role, p_table.oid, c, 'INSERT')
  );
begin
  -- New primary keys where they are not the account or the user.
  select v_row || coalesce(jsonb_object_agg(a.attname, gen_random_uuid()), '{}') into v_row
    from pg_index i
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
    where i.indrelid = p_table.oid and i.indisprimary and a.atttypid = 'pg_catalog.uuid'::regtype
      and a.attname not in ('account_id', 'user_id');
  if v_writable = '{}' then
    v_writable := v_columns;
  end if;
  return query select 'select', format('select from %s where %s', p_table.name, p_table.of_ada);
  return query select 'insert', format(
    'insert into %1$s (%2$s) select %2$s from jsonb_populate_record(null::%1$s, %3$L)',
    p_table.name, (select string_agg(format('%I', c), ', ') from unnest(v_writable) c), v_row
  );
  return query select 'update', format('update %1$s set %2$I = %2$I where %3$s', p_table.name, c, p_table.of_ada)
    from unnest(v_columns) c;
  return query select 'delete', format('delete from %s where %s', p_table.name, p_table.of_ada);
  return query select 'delete', format('delete from %s', p_table.name);
  return query select 'truncate', format('truncate %s cascade', p_table.name);
end
$$;

create function pg_temp.role_of(p_caller text) returns text language sql as $$
  select case p_caller when 'anon' then 'anon' else 'authenticated' end;
$$;

-- What a caller gets from each verb on a table: its distinct outcomes.
create function pg_temp.outcomes(p_caller text, p_table tenant_tables, p_verb text) returns text[] language sql as $$
  select array_agg(distinct pg_temp.outcome(p_caller, s.statement))
    from pg_temp.statements(p_table, pg_temp.role_of(p_caller)) s where s.verb = p_verb;
$$;

-- Those who do not belong -----------------------------------------------------------------------------------

select ok(
    pg_temp.outcomes(caller, t, verb) <@ '{42501,0 rows}',
    format('%s, verb %s, rows of Ada''s in %s: none', caller, verb, name)
  )
  from tenant_tables t
  cross join unnest(array['bob', 'anon', 'no claims']) caller
  cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate']) verb
  order by name, caller, verb;

select is(pg_temp.rows_of_ada(t)::text, before, format('Ada''s rows in %s are what they were', name))
  from tenant_tables t order by name;

-- Those who do ----------------------------------------------------------------------------------------------

select is(
    pg_temp.outcomes(caller, t, 'select')::text,
    case
      when is_internal then '{42501}'
      when caller = 'cleo' and name = 'public.invitations' then '{"0 rows"}'
      else format('{"%s rows"}', jsonb_array_length(before::jsonb))
    end,
    format('%s reads what there is for them in %s', caller, name)
  )
  from tenant_tables t
  cross join unnest(array['ada', 'cleo']) caller
  cross join lateral (select name like 'oslira.%' or name = 'public.ai_usage_logs' as is_internal) i
  where name <> 'public.members'
  order by name, caller;
select is(
    pg_temp.answer(caller, 'select array_agg(user_id) as users from public.members') -> 'users' @> to_jsonb(array[pg_temp.id('ada'), pg_temp.id('cleo')]),
    false, format('%s sees no other person''s membership', caller)
  ) from unnest(array['ada', 'cleo']) caller;
select is(
    pg_temp.outcome(caller, format('select from public.members where user_id = {%s} and account_id = {ada.account}', caller)),
    '1 rows', format('%s sees their own', caller)
  ) from unnest(array['ada', 'cleo']) caller;

select is(
    pg_temp.outcomes(caller, t, verb)::text, '{42501}', format('not even %s: %s in %s', caller, verb, name)
  )
  from tenant_tables t
  cross join unnest(array['ada', 'cleo']) caller
  cross join unnest(array['insert', 'update', 'delete', 'truncate']) verb
  where (name, verb) not in (
    ('public.business_profiles', 'insert'), ('public.business_profiles', 'update'), ('public.accounts', 'update')
  )
  order by name, caller, verb;

-- What a member may write: business profiles, of which business_profiles.sql says more -----------------------

select is(
    (select pg_temp.outcomes(caller, t, 'insert') from tenant_tables t where name = 'public.business_profiles')::text,
    expected, format('%s adds a business profile to Ada''s account: %s', caller, expected)
  )
  from (values ('ada', '{"1 rows"}'), ('cleo', '{"1 rows"}'), ('bob', '{42501}'), ('anon', '{42501}'), ('no claims', '{42501}')) e (caller, expected);
select is(
    pg_temp.outcome('ada', format(
      'insert into public.business_profiles (account_id, name, description, follower_min, follower_max, engagement_min, %I)
         values ({ada.account}, ''n'', ''d'', 1, 2, 1, null)', c)),
    '42501', format('a business profile''s %s is not for its author to set', c)
  ) from unnest(array['created_at', 'updated_at', 'deleted_at', 'version']) c;
select is(
  pg_temp.outcome('ada',
    $$ insert into public.business_profiles (business_profile_id, account_id, name, description, follower_min, follower_max, engagement_min)
         values ({bob.profile}, {ada.account}, 'mine', 'now', 1, 2, 1)
         on conflict (business_profile_id) do update set account_id = excluded.account_id $$),
  '42501', 'nor can an upsert take a stranger''s business profile over'
);
select is(
  pg_temp.outcome('ada',
    $$ insert into public.business_profiles (account_id, name, description, follower_min, follower_max, engagement_min, content_themes)
         values ({ada.account}, 'n', 'd', 1, 2, 1, array['a', null]) $$),
  '23514 business_profiles_content_themes_words', 'what is written past the API is still held to its limits'
);

-- What an owner may write: the account's name ----------------------------------------------------------------

select is(
    pg_temp.outcome(caller, $$ update public.accounts set name = 'theirs' where account_id = {ada.account} $$),
    expected, format('%s renames Ada''s account: %s', caller, expected)
  )
  from (values ('ada', '1 rows'), ('cleo', '0 rows'), ('bob', '0 rows'), ('no claims', '0 rows'), ('anon', '42501'),
    ('service_role', '42501')) e (caller, expected);
select is(
    pg_temp.outcome('ada', format('update public.accounts set %I = %1$I where account_id = {ada.account}', a.attname)),
    '42501', format('an account''s %s is not for its owner to set', a.attname)
  )
  from pg_attribute a
  where a.attrelid = 'public.accounts'::regclass and a.attnum > 0 and not a.attisdropped and a.attname <> 'name';

-- The price lists ----------------------------------------------------------------------------------------------

select ok(pg_temp.outcome(caller, 'select from ' || name) ~ '^[1-9]', format('%s reads %s', caller, name))
  from unnest(array['ada', 'anon', 'no claims', 'service_role']) caller
  cross join unnest(array['public.plans', 'public.analysis_tiers']) name;
select is(
    pg_temp.outcome(caller, 'update public.business_profiles set name = ''theirs'' where account_id = {ada.account}'),
    expected, format('%s changes the business profiles of Ada''s account: %s', caller, expected)
  )
  from (values ('ada', '3 rows'), ('cleo', '3 rows'), ('bob', '0 rows'), ('no claims', '0 rows'), ('anon', '42501'),
    ('service_role', '42501')) e (caller, expected);

-- What an operator's tool reads of a run, as the system ------------------------------------------------------

select is(pg_temp.outcome('service_role', format('select * from %s where run_id = {ada.run}', name)), '1 rows', format('the system reads a run''s row in %s', name))
  from unnest(array['public.runs', 'public.analyses', 'public.credit_transactions', 'public.ai_usage_logs', 'oslira.task_answers']) name;
select is(
  pg_temp.outcome('service_role',
    $$ select v.* from public.runs r
         join oslira.business_profile_versions v on v.business_profile_id = r.business_profile_id and v.version = r.business_profile_version
         where r.run_id = {ada.run} $$),
  '1 rows', 'and the business profile that it judged by'
);

-- The lists and the history --------------------------------------------------------------------------------------

select is(pg_temp.outcome(caller, statement), '42501', format('%s: %s', caller, statement))
  from unnest(array['ada', 'anon', 'no claims', 'service_role']) caller
  cross join unnest(array[
    'update public.plans set starting_credits = 1000', 'update public.analysis_tiers set credits = 0',
    'insert into public.analysis_tiers values (''light'', ''x'', 1, 1) on conflict (tier) do update set credits = 1',
    'delete from public.plans', 'delete from public.analysis_tiers', 'truncate public.analysis_tiers cascade',
    'select from oslira.idempotent_routes', 'update oslira.idempotent_routes set max_keys = 2000000',
    'insert into oslira.idempotent_routes values (''POST /mine'', false, 1)',
    'select from oslira.schema_migrations', 'delete from oslira.schema_migrations'
  ]) statement;

-- What no policy stands between: the system role's own mistakes ----------------------------------------------

select is(
  pg_temp.outcome('service_role',
    $$ insert into public.leads (account_id, business_profile_id, username, followers, following, posts_count, is_verified,
         is_business, profile_as_of) values ({bob.account}, {ada.profile}, 'esa', 1, 1, 1, false, false, now()) $$),
  '23503 leads_business_profile_of_account', 'a lead belongs to a business profile of its own account'
);
select is(
  pg_temp.outcome('service_role',
    $$ with made as (
         insert into public.leads (account_id, business_profile_id, username, followers, following, posts_count, is_verified,
           is_business, profile_as_of) values ({bob.account}, {bob.profile}, 'esa', 1, 1, 1, false, false, now())
           returning lead_id
       )
       select from made $$), '1 rows', 'the system adds a lead'
);
select is(
  pg_temp.outcome('service_role',
    $$ update public.leads set account_id = {ada.account} where account_id = {bob.account} and username = 'esa' $$),
  '23503 leads_business_profile_of_account', 'a lead stays in its account'
);
select is(
  pg_temp.outcome('service_role', $$ select oslira.complete_run({bob.run}, {ada.lead}, 1, 1, '{}', now(), false, 1) $$),
  '23503 analyses_lead_of_account', 'an analysis is of a lead of its own account'
);

select * from finish();
rollback;
