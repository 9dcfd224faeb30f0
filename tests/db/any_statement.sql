-- Statements at random, as somebody with SQL at hand might make them up.
--
-- Proves: whatever an owner, a member, a stranger, anon or a token without claims sends, no row of an account that they are
-- not in is read or changed, and none that is nobody's. No balance rises, no run and no row of a ledger changes, and nobody gets
-- into an account or becomes its owner. Tables, columns and functions come from the catalogue, so a new one is tried
-- without being named here. Then each policy is opened, and the function that says whose accounts are the caller's is made to
-- lie: the same kind of statements notices both.
--
-- A seed decides what is made up, but for ids, which are new each time. OSLIRA_SEED=7 makes other statements up.

\set seed 1
\getenv seed OSLIRA_SEED

begin;
\ir support/callers.sql
\ir support/tenants.sql
select no_plan();

-- All rows --------------------------------------------------------------------------------------------------

-- Every table, with the account that a row is of and the condition that it is one of the tenants here. A row without an
-- account is nobody's.
create temp table any_tables as
  select c.oid, format('%I.%I', n.nspname, c.relname) as name, belongs.account, belongs.is_ours
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    cross join lateral (select array(select id from named where named.name like '%.account')::text as ids) accounts
    cross join lateral (
      select
        case
          when exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'account_id') then 't.account_id'
          when exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'run_id')
            then '(select r.account_id from public.runs r where r.run_id = t.run_id)'
          else 'null::uuid'
        end as account,
        case
          when exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'account_id')
            then format('t.account_id = any (%L::uuid[])', ids)
          when exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'run_id')
            then format('t.run_id in (select r.run_id from public.runs r where r.account_id = any (%L::uuid[]))', ids)
          when c.oid = 'auth.users'::regclass
            then format('t.id = any (%L::uuid[])', array(select id from named))
          else 'true'
        end as is_ours
    ) belongs
    where c.relkind in ('r', 'p') and (n.nspname in ('public', 'oslira') or c.oid = 'auth.users'::regclass);
create temp table any_columns as
  select t.name as of_table, a.attname::text as name, format_type(a.atttypid, null) as type,
         has_column_privilege('authenticated', t.oid, a.attnum, 'INSERT') as may_insert,
         has_column_privilege('authenticated', t.oid, a.attnum, 'UPDATE') as may_update
    from any_tables t join pg_attribute a on a.attrelid = t.oid
    where a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attidentity = '';

-- What values there are to try: every tenant's, by column, and some of nobody's.
create temp table any_values (of_column text, type text, value text);
do $$
declare
  v_column record;
begin
  execute 'create temp view any_rows as ' || (
    select string_agg(
      format('select %L::text as of_table, %s as account, to_jsonb(t) as content from %s t where %s', name, account, name, is_ours),
      ' union all '
    ) from any_tables
  );
  for v_column in select c.*, t.is_ours from any_columns c join any_tables t on t.name = c.of_table order by c.of_table, c.name loop
    execute format(
      'insert into any_values select distinct %L, %L, t.%3$I::text from %4$s t where %5$s and t.%3$I is not null order by 3 limit 30',
      v_column.name, v_column.type, v_column.name, v_column.of_table, v_column.is_ours
    );
  end loop;
end
$$;
-- A table in which nobody has anything proves nothing.
select is(
    (select count(distinct r.account) from any_rows r
       where r.of_table = t.name and r.account in (pg_temp.id('ada.account'), pg_temp.id('bob.account'))),
    2::bigint, format('Ada and Bob have rows in %s', name)
  )
  from any_tables t
  where name not in ('auth.users', 'public.plans', 'public.analysis_tiers', 'oslira.idempotent_routes', 'oslira.schema_migrations')
  order by name;

insert into any_values values
  ('role', 'text', 'owner'), ('role', 'text', 'member'), ('role', 'text', 'admin'), ('status', 'text', 'complete'),
  ('status', 'text', 'failed'), ('tier', 'text', 'deep'), ('username', 'text', 'esa'), ('username', 'text', 'jaxa'),
  ('kind', 'text', 'adjustment'), ('plan_id', 'text', 'growth'), ('email', 'text', 'new@example.test'), ('n', 'integer', '-1'),
  ('n', 'integer', '1'), ('n', 'integer', '1000000'), ('b', 'boolean', 'true'), ('b', 'boolean', 'false'),
  ('at', 'timestamp with time zone', '2030-01-01'), ('n', 'double precision', '1'), ('bytes', 'bytea', '\x00'),
  ('token_hash', 'bytea', sha256('mine')::text);

-- Callers ---------------------------------------------------------------------------------------------------

-- With the accounts that they are in, those that they own, and what they must never be answered: ids, addresses and words of
-- others.
create temp table any_callers (caller text primary key, user_id uuid, accounts uuid[], owned uuid[], secrets text[]);
insert into any_callers (caller, user_id, accounts, owned)
  select caller, n.id,
         array(select m.account_id from public.members m where m.user_id = n.id),
         array(select m.account_id from public.members m where m.user_id = n.id and m.role = 'owner')
    from unnest(array['ada', 'cleo', 'bob', 'anon', 'no claims']) caller left join named n on n.name = caller;
create function pg_temp.telling(p_text text) returns setof text language sql as $$
  select distinct m[1] from regexp_matches(
    p_text, '([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-z0-9-]+@example\.test|a lead of [a-z]+|\\\\x[0-9a-f]{64})', 'g'
  ) m;
$$;
update any_callers c set secrets = array(
  select s from any_rows r cross join pg_temp.telling(r.content::text) s
    where r.account is null or r.account <> all (c.accounts)
  except
  select s from any_rows r cross join pg_temp.telling(r.content::text) s where r.account = any (c.accounts)
  except
  -- Those who are in an account with the caller are known to them.
  select s from any_rows r cross join pg_temp.telling(r.content::text) s
    where r.of_table = 'auth.users' and (r.content ->> 'id')::uuid in (
      select m.user_id from public.members m where m.account_id = any (c.accounts)
    )
);

-- Statements ------------------------------------------------------------------------------------------------

create function pg_temp.chance(p_of float) returns boolean language sql as $$ select random() < p_of $$;
create function pg_temp.one_of(p_texts text[]) returns text language sql as $$
  select p_texts[1 + floor(random() * cardinality(p_texts))::integer];
$$;
create function pg_temp.any_table() returns text language sql as $$
  select name from any_tables order by random(), name limit 1;
$$;
create function pg_temp.any_column(p_table text) returns any_columns language sql as $$
  select c from any_columns c where c.of_table = p_table order by random(), c.name limit 1;
$$;
-- A literal: mostly a value that a column of this name has somewhere.
create function pg_temp.any_value(p_column text, p_type text) returns text language plpgsql as $$
declare
  v_value text;
begin
  if p_type = 'uuid' and pg_temp.chance(0.2) then
    return format('%L::uuid', md5(random()::text)::uuid);
  end if;
  if pg_temp.chance(0.8) then
    select v.value into v_value from any_values v where v.of_column = p_column and v.type = p_type order by random(), v.value limit 1;
  end if;
  if v_value is null and pg_temp.chance(0.9) then
    select v.value into v_value from any_values v where v.type = p_type order by random(), v.value limit 1;
  end if;
  return format('%L::%s', v_value, p_type);
end
$$;

create function pg_temp.any_condition(p_table text) returns text language plpgsql as $$
declare
  v_column any_columns := pg_temp.any_column(p_table);
begin
  return pg_temp.one_of(array[
    '', '', ' where true',
    format(' where t.%I = %s', v_column.name, pg_temp.any_value(v_column.name, v_column.type)),
    format(' where t.%I is not null', v_column.name),
    format(' where exists (select from %s)', pg_temp.any_table())
  ]);
end
$$;

create function pg_temp.any_assignments(p_table text) returns text language plpgsql as $$
declare
  v_column any_columns := coalesce(
    -- Often one that the callers may write.
    (select c from any_columns c
       where c.of_table = p_table and c.may_update and pg_temp.chance(0.6) order by random(), c.name limit 1),
    pg_temp.any_column(p_table)
  );
  v_other any_columns := pg_temp.any_column(p_table);
begin
  return pg_temp.one_of(array[
    format('%I = %s', v_column.name, pg_temp.any_value(v_column.name, v_column.type)),
    format('%1$I = t.%1$I', v_column.name),
    format('%I = null', v_column.name)
  ]) || case
    when v_other.name <> v_column.name and pg_temp.chance(0.2)
      then format(', %I = %s', v_other.name, pg_temp.any_value(v_other.name, v_other.type))
    else ''
  end;
end
$$;

create function pg_temp.any_insert(p_table text) returns text language plpgsql as $$
declare
  v_of_table text := p_table;
  v_content jsonb := (select r.content from any_rows r where r.of_table = v_of_table order by random(), r.content::text limit 1);
  -- Those that the callers may write, or some of all.
  v_columns text[] := array(
    select c.name from any_columns c where c.of_table = v_of_table and c.may_insert
  );
  v_list text;
  v_key text;
  v_changed any_columns := pg_temp.any_column(p_table);
begin
  if v_columns = '{}' or pg_temp.chance(0.2) then
    v_columns := array(select c.name from any_columns c where c.of_table = v_of_table and (pg_temp.chance(0.8) or c.name = 'account_id'));
  end if;
  if v_content is null or v_columns = '{}' or pg_temp.chance(0.05) then
    return format('insert into %s as t default values', p_table);
  end if;
  -- A new row like one that is there, or the same one again.
  v_key := (
    select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
      where i.indrelid = p_table::regclass and i.indisprimary
  );
  if pg_temp.chance(0.7) and v_content ->> v_key ~ '^[0-9a-f]{8}-' then
    v_content := v_content || jsonb_build_object(v_key, md5(random()::text)::uuid);
  end if;
  v_list := (select string_agg(format('%I', c), ', ') from unnest(v_columns) c);
  return format('insert into %1$s as t (%2$s) select %3$s from jsonb_populate_record(null::%1$s, %4$L)',
    p_table, v_list,
    (select string_agg(
       case when c = v_changed.name and pg_temp.chance(0.5) then pg_temp.any_value(c, v_changed.type) else format('%I', c) end, ', ')
       from unnest(v_columns) c),
    v_content
  ) || case
    when v_key is not null and pg_temp.chance(0.3)
      then format(' on conflict (%I) do update set %2$I = excluded.%2$I', v_key, pg_temp.one_of(v_columns))
    when pg_temp.chance(0.3) then ' on conflict do nothing'
    else ''
  end;
end
$$;

-- A statement of this verb on this table.
create function pg_temp.any_of_verb(p_verb text, p_table text) returns text language plpgsql as $$
declare
  v_column any_columns := pg_temp.any_column(p_table);
  v_condition text := pg_temp.any_condition(p_table);
  v_other text := pg_temp.any_table();
  v_statement text;
begin
  case p_verb
    when 'select' then
      return format('select jsonb_agg(to_jsonb(q)) from (%s) q', pg_temp.one_of(array[
        format('select t.* from %s t%s', p_table, v_condition),
        format('select t.* from %s t%s', p_table, v_condition),
        format('select t.%I from %s t%s', v_column.name, p_table, v_condition),
        format('select count(*), min(t.%1$I::text), max(t.%1$I::text) from %2$s t%3$s', v_column.name, p_table, v_condition),
        format('select t.account_id, o.* from %s t join %s o using (account_id)', p_table, v_other),
        format('select t.* from %s t%s %s', p_table, v_condition, pg_temp.one_of(array['for update', 'for share', 'limit 1'])),
        format('with it as materialized (select * from %s) select it.* from it', p_table),
        format('select (select string_agg(to_jsonb(t)::text, '''') from %s t) as all_rows', p_table),
        format('select t.* from %s t where t.%I in (select o.%2$I from %3$s o)', p_table, v_column.name, v_other)
      ]));
    when 'insert' then v_statement := pg_temp.any_insert(p_table);
    when 'update' then
      v_statement := format('update %s t set %s%s', p_table, pg_temp.any_assignments(p_table), v_condition);
    when 'delete' then v_statement := format('delete from %s t%s', p_table, v_condition);
    when 'merge' then
      return format('merge into %s t using (select 1) s on true when matched then %s', p_table, pg_temp.one_of(array[
        'delete', format('update set %s', pg_temp.any_assignments(p_table)),
        'do nothing when not matched then insert default values'
      ]));
    when 'truncate' then return format('truncate %s%s', p_table, pg_temp.one_of(array['', ' cascade', ' restart identity cascade']));
  end case;
  if pg_temp.chance(0.5) then
    return format('with q as (%s returning t.*) select jsonb_agg(to_jsonb(q)) from q', v_statement);
  end if;
  return v_statement;
end
$$;

-- Every function that could be called, whoever may.
create temp table any_functions as
  select format('%I.%I', n.nspname, p.proname) as name, p.oid
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('public', 'oslira') and p.prorettype <> 'trigger'::regtype;
-- A call, mostly with ids of one tenant: often of another one than the caller's.
create function pg_temp.any_call(p_function text) returns text language plpgsql as $$
declare
  v_tenant text := pg_temp.one_of(array['ada', 'bob']);
  v_function oid := (select f.oid from any_functions f where f.name = p_function);
  v_arguments text;
begin
  select string_agg(
      case
        when a.name = 'p_account_id' and pg_temp.chance(0.9) then format('%L::uuid', pg_temp.id(v_tenant || '.account'))
        when a.name = 'p_business_profile_id' and pg_temp.chance(0.7) then format('%L::uuid', pg_temp.id(v_tenant || '.profile'))
        when a.name ~ '^p_' and a.type <> 'record' then pg_temp.any_value(substr(a.name, 3), a.type)
        else pg_temp.any_value('', a.type)
      end, ', ' order by a.at) into v_arguments
    from (
      select at, coalesce(p.proargnames[at], '') as name, format_type(type, null) as type
        from pg_proc p cross join unnest(p.proargtypes) with ordinality of (type, at) where p.oid = v_function
    ) a;
  return format('select jsonb_agg(to_jsonb(q)) from %s(%s) q', p_function, v_arguments);
end
$$;

-- A statement of any kind.
create function pg_temp.any_of_all() returns text language sql as $$
  select case
    when pg_temp.chance(0.4)
      then pg_temp.any_call((select f.name from any_functions f where f.name like 'public.%' order by random(), f.name limit 1))
    else pg_temp.any_of_verb(pg_temp.one_of(array['select', 'insert', 'update', 'delete', 'merge']), pg_temp.any_table())
  end;
$$;

-- What came of them -----------------------------------------------------------------------------------------

create type pg_temp.state as (others text, of_runs text[], balance bigint, accounts uuid[], owned uuid[]);
create function pg_temp.state_of(p_caller any_callers) returns pg_temp.state language plpgsql as $$
declare
  v_state pg_temp.state;
begin
  with rows as materialized (select of_table, account, content, account = any (p_caller.accounts) as is_own from any_rows)
  select md5(string_agg(of_table || content::text, ' ' order by of_table, content::text) filter (where is_own is not true)),
         array_agg(content::text) filter (where is_own and of_table in ('public.runs', 'public.credit_transactions', 'public.analyses')),
         sum((content ->> 'balance')::bigint) filter (where is_own and of_table = 'public.credit_balances'),
         array_agg(account) filter (where of_table = 'public.members' and (content ->> 'user_id')::uuid = p_caller.user_id),
         array_agg(account) filter (
           where of_table = 'public.members' and (content ->> 'user_id')::uuid = p_caller.user_id and content ->> 'role' = 'owner'
         )
    into v_state from rows;
  return v_state;
end
$$;
create temp table states_before as select c.caller, s.* from any_callers c cross join pg_temp.state_of(c) s;

create temp table attempts (caller text, about text, kind text, carried_out integer, refused integer, own_rows bigint, problem text);

-- What a caller is told by a call, but for moments. The call is taken back.
create function pg_temp.told(p_caller text, p_call text) returns text language plpgsql as $$
declare
  v_told text;
begin
  perform pg_temp.become(p_caller);
  execute p_call into v_told;
  raise exception using errcode = 'OK002', message = coalesce(v_told, 'null');
exception when others then
  -- A constraint that was violated tells something, too.
  get stacked diagnostics v_told = message_text;
  return case
    when sqlstate = 'OK002' then regexp_replace(v_told, '[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.+]+', 'a moment', 'g')
    else sqlstate
  end;
end
$$;
-- Whether a call tells more when it names what is another's than when it names what does not exist. A run's id is left out: the
-- caller of start_analysis chooses it, and one that is taken is refused.
create function pg_temp.tells_apart(p_caller any_callers, p_call text) returns boolean language plpgsql as $$
declare
  v_call text := p_call;
  v_told text := pg_temp.told(p_caller.caller, p_call);
  v_id text;
  v_none text;
begin
  for v_id in
    select s from unnest(p_caller.secrets) s
      where strpos(p_call, s) > 0 and s ~ '^[0-9a-f]{8}-[0-9a-f-]{27}$'
        and not exists (select from public.runs r where r.run_id::text = s)
  loop
    -- No UUID of version 8: those are no runs of accounts.
    v_none := overlay(md5(v_id) placing '4' from 13)::uuid;
    v_call := replace(v_call, v_id, v_none);
    v_told := replace(v_told, v_id, v_none);
  end loop;
  return v_call <> p_call and pg_temp.told(p_caller.caller, v_call) <> v_told;
end
$$;

-- Sends statements as a caller, looks at what came of them, and takes all of it back.
create function pg_temp.attempt(p_caller text, p_about text, p_kind text, variadic p_statements text[]) returns attempts
language plpgsql as $$
declare
  v_caller any_callers := (select c from any_callers c where c.caller = p_caller);
  v_before states_before := (select b from states_before b where b.caller = p_caller);
  v_after pg_temp.state;
  v_it attempts := (p_caller, p_about, p_kind, 0, 0, 0, null);
  v_statement text;
  v_answer jsonb;
  v_rows bigint;
  v_report text;
begin
  begin
    if p_kind = 'call' and pg_temp.tells_apart(v_caller, p_statements[1]) then
      v_it.problem := 'was told that there is something of another''s';
    end if;
    foreach v_statement in array p_statements loop
      perform pg_temp.become(p_caller);
      v_answer := null;
      begin
        if v_statement ~ '^(select|with)' then
          execute v_statement into v_answer;
          v_rows := coalesce(jsonb_array_length(v_answer), 0);
        else
          execute v_statement;
          get diagnostics v_rows = row_count;
        end if;
        v_it.carried_out := v_it.carried_out + 1;
        v_it.own_rows := v_it.own_rows + v_rows;
      exception when others then
        v_it.refused := v_it.refused + 1;
      end;
      perform set_config('role', 'none', true);
      v_it.problem := coalesce(v_it.problem, (
        select 'was answered ' || s from unnest(v_caller.secrets) s
          where strpos(v_answer::text, s) > 0 and strpos(v_statement, s) = 0 limit 1
      ));
    end loop;
    v_after := pg_temp.state_of(v_caller);
    v_it.problem := coalesce(v_it.problem, case
      when v_after.others is distinct from v_before.others then 'changed rows of others'
      when not coalesce(v_before.of_runs, '{}') <@ coalesce(v_after.of_runs, '{}') then 'changed a run or the ledger'
      when v_after.balance > v_before.balance then 'raised the balance'
      when not coalesce(v_after.accounts, '{}') <@ coalesce(v_before.accounts, '{}') then 'got into an account'
      when not coalesce(v_after.owned, '{}') <@ coalesce(v_before.owned, '{}') then 'became an owner'
    end);
    if v_it.problem is not null then
      v_it.problem := format('%s %s: %s', p_caller, v_it.problem, array_to_string(p_statements, '; '));
    end if;
    raise exception using errcode = 'OK000', message = to_jsonb(v_it)::text;
  exception when sqlstate 'OK000' then
    get stacked diagnostics v_report = message_text;
    return jsonb_populate_record(null::attempts, v_report::jsonb);
  end;
end
$$;

-- As it is --------------------------------------------------------------------------------------------------

select setseed(1 / (1 + :seed::float)) \g /dev/null

-- More of what the callers may do at all.
insert into attempts
  select (made.attempt).* from (
    select pg_temp.attempt(c.caller, t.name, verb, pg_temp.any_of_verb(verb, t.name))
      from any_callers c cross join any_tables t
      cross join unnest(array['select', 'insert', 'update', 'delete', 'merge', 'truncate']) verb
      cross join lateral generate_series(1, case
        when verb in ('select', 'insert', 'update') and c.user_id is not null and has_any_column_privilege('authenticated', t.oid, verb)
          then 60
        else 4
      end) n
      offset 0
  ) made;
insert into attempts
  select (made.attempt).* from (
    select pg_temp.attempt(c.caller, f.name, 'call', pg_temp.any_call(f.name))
      from any_callers c cross join any_functions f
      cross join lateral generate_series(1, case
        when c.user_id is not null and has_function_privilege('authenticated', f.oid, 'EXECUTE') then 60 else 4
      end) n
      offset 0
  ) made;
-- One after the other, of all kinds.
insert into attempts
  select (made.attempt).* from (
    select pg_temp.attempt(c.caller, 'several', 'several',
        pg_temp.any_of_all(), pg_temp.any_of_all(), pg_temp.any_of_all(), pg_temp.any_of_all())
      from any_callers c cross join generate_series(1, 150) offset 0
  ) made;

select is_empty($$ select problem from attempts where problem is not null limit 5 $$, 'no statement touches what is another''s');
select diag(format('seed %s: %s statements by %s callers, %s of them carried out, on %s tables and %s functions', :'seed',
    sum(carried_out + refused), count(distinct caller), sum(carried_out), count(distinct about) filter (where kind = 'select'),
    count(distinct about) filter (where kind = 'call'))) from attempts;
select diag(format('%s: %s', caller, string_agg(format('%s of %s %s', carried_out, n, kind), ', ' order by kind)))
  from (select caller, kind, sum(carried_out) as carried_out, sum(carried_out + refused) as n from attempts group by 1, 2) k
  group by caller order by caller;
-- Nothing is proved by statements that are all refused.
select cmp_ok(
    (select sum(own_rows)::integer from attempts a where a.caller = c and a.kind = k), '>', 0,
    format('%s reaches rows of their own: %s', c, k)
  ) from unnest(array['ada', 'cleo', 'bob']) c cross join unnest(array['select', 'insert', 'update', 'call', 'several']) k;
select is_empty(
  $$ select caller, about, kind from attempts where kind in ('delete', 'truncate') and carried_out > 0 $$,
  'no delete and no truncate is carried out'
);

-- Opened on purpose -----------------------------------------------------------------------------------------

-- How many attempts it takes until one of these callers does what nobody may, after a change that opens something; null when
-- none does.
create function pg_temp.noticed_after(p_change text, p_about text, p_kind text) returns integer language plpgsql as $$
declare
  v_report text;
  v_caller text;
begin
  execute p_change;
  for n in 1 .. 400 loop
    v_caller := pg_temp.one_of(array['ada', 'cleo', 'bob']);
    if (pg_temp.attempt(v_caller, p_about, p_kind,
      case p_kind when 'call' then pg_temp.any_call(p_about) else pg_temp.any_of_verb(p_kind, p_about) end
    )).problem is not null then
      raise exception using errcode = 'OK001', message = n::text;
    end if;
  end loop;
  raise exception using errcode = 'OK001', message = '';
exception when sqlstate 'OK001' then
  get stacked diagnostics v_report = message_text;
  return nullif(v_report, '')::integer;
end
$$;

create temp table opened as
  select o.*, pg_temp.noticed_after(change, about, kind) as after
    from (
      select format('%I.%I', schemaname, tablename) as about, lower(cmd) as kind, policyname::text as what,
             format('alter policy %I on %I.%I', policyname, schemaname, tablename)
               || case when cmd <> 'INSERT' then ' using (true)' else '' end
               || case when cmd <> 'SELECT' then ' with check (true)' else '' end as change
        from pg_policies where roles = '{authenticated}' and schemaname in ('public', 'oslira')
      union all
      select f.name, 'call', 'whose accounts',
             $lie$ create or replace function oslira.accounts_of_caller(p_role text) returns uuid[]
               language sql stable security definer set search_path = pg_catalog, pg_temp
               as 'select array(select a.account_id from public.accounts a)' $lie$
        from any_functions f
        join pg_proc p on p.oid = f.oid
        where 'p_account_id' = any (p.proargnames) and has_function_privilege('authenticated', f.oid, 'EXECUTE')
          and f.name like 'public.%'
    ) o
    order by o.about, o.kind;
select isnt(after, null, format('%s is opened (%s, %s): noticed after %s attempts', what, about, kind, after)) from opened;

select * from finish();
rollback;
