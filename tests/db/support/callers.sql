-- Included by every test file, inside its transaction: who calls, and what came of it.
--
-- A caller is a person signed up here ('ada'), 'no claims' (signed in, but the token names nobody) or a role of
-- the database ('anon', 'service_role', 'postgres'). A statement names ids in braces: {ada.account}.

set local search_path = public, extensions;
set local client_min_messages = warning;

-- Prices of the tests' own: changing the price list breaks none of them.
update public.plans set starting_credits = 10 where plan_id = 'free';
update public.analysis_tiers t set credits = test.credits
  from (values ('light', 1), ('deep', 5), ('xray', 6)) test (tier, credits) where t.tier = test.tier;

create temp table named (name text primary key, id uuid not null);

create function pg_temp.name_it(p_name text, p_id uuid default gen_random_uuid()) returns uuid
language sql as $$
  insert into pg_temp.named (name, id) values (p_name, p_id) returning id;
$$;

create function pg_temp.id(p_name text) returns uuid language plpgsql as $$
declare
  v_id uuid;
begin
  select n.id into strict v_id from pg_temp.named n where n.name = p_name;
  return v_id;
end
$$;

-- Puts ids where their names stand.
create function pg_temp.fill(p_statement text) returns text language plpgsql as $$
declare
  v_named record;
begin
  for v_named in select * from pg_temp.named loop
    p_statement := replace(p_statement, '{' || v_named.name || '}', quote_literal(v_named.id) || '::pg_catalog.uuid');
  end loop;
  if p_statement ~ '\{[a-z]+(\.[a-z_0-9]+)*\}' then
    raise exception 'an unknown name in: %', p_statement;
  end if;
  return p_statement;
end
$$;

-- As the auth server does it, with its role: a user, who gets an account by our trigger.
create function pg_temp.sign_up(p_name text, p_confirmed boolean default true, p_anonymous boolean default false)
returns uuid language plpgsql as $$
declare
  v_id uuid := pg_temp.name_it(p_name);
begin
  perform set_config('role', 'supabase_auth_admin', true);
  insert into auth.users (id, aud, role, email, email_confirmed_at, is_anonymous) values (
    v_id, 'authenticated', 'authenticated',
    case when not p_anonymous then p_name || '-' || v_id || '@example.test' end,
    case when p_confirmed then now() end, p_anonymous
  );
  perform set_config('role', 'none', true);
  insert into pg_temp.named (name, id)
    select p_name || '.account', m.account_id from public.members m where m.user_id = v_id;
  return v_id;
end
$$;

-- Becomes the caller until the role is set to none.
create function pg_temp.become(p_caller text) returns void language plpgsql as $$
declare
  v_user_id uuid := (select n.id from pg_temp.named n where n.name = p_caller);
  v_role text := case when v_user_id is not null or p_caller = 'no claims' then 'authenticated' else p_caller end;
begin
  perform set_config(
    'request.jwt.claims',
    case when v_user_id is null then '' else json_build_object('sub', v_user_id, 'role', v_role)::text end,
    true
  );
  perform set_config('role', v_role, true);
end
$$;

-- What a statement does for a caller: 'n rows', or the error's code and the constraint's name if one refused it.
create function pg_temp.outcome(p_caller text, p_statement text) returns text language plpgsql as $$
declare
  v_statement text := pg_temp.fill(p_statement);
  v_rows bigint;
  v_constraint text;
begin
  perform pg_temp.become(p_caller);
  execute v_statement;
  get diagnostics v_rows = row_count;
  perform set_config('role', 'none', true);
  return v_rows || ' rows';
exception when others then
  -- The role is back already: an error undoes it.
  get stacked diagnostics v_constraint = constraint_name;
  return trim(sqlstate || ' ' || v_constraint);
end
$$;

-- The first row that a query answers a caller with; null when there is none.
create function pg_temp.answer(p_caller text, p_query text) returns jsonb language plpgsql as $$
declare
  v_query text := pg_temp.fill(p_query);
  v_answer jsonb;
begin
  perform pg_temp.become(p_caller);
  execute format('select to_jsonb(answer) from (%s) answer limit 1', v_query) into v_answer;
  perform set_config('role', 'none', true);
  return v_answer;
end
$$;

-- What a complete run leaves: a lead of its username, and its analysis.
create function pg_temp.add_analysis(p_run text) returns void language sql as $$
  with lead as (
    insert into public.leads (account_id, business_profile_id, username, followers, following, posts_count, is_verified, is_business,
        profile_as_of)
      select r.account_id, r.business_profile_id, r.username, 1, 1, 1, false, false, now()
        from public.runs r where r.run_id = pg_temp.id(p_run)
      returning account_id, lead_id
  )
  insert into public.analyses (run_id, account_id, lead_id, score, confidence, result, data_as_of, cache_hit, duration_ms)
    select pg_temp.id(p_run), account_id, lead_id, 80, 0.9, '{"summary": "x"}', now(), true, 1500 from lead;
$$;

-- A business profile that the caller adds to their account, as `{<caller>.profile}` or another name.
create function pg_temp.add_business_profile(p_caller text, p_name text default null) returns uuid
language plpgsql as $$
declare
  v_name text := coalesce(p_name, p_caller || '.profile');
  v_id uuid := pg_temp.name_it(v_name);
begin
  if pg_temp.outcome(p_caller, format(
    'insert into public.business_profiles
       (business_profile_id, account_id, name, description, follower_min, follower_max, engagement_min)
       values ({%s}, {%s.account}, ''Bakery'', ''Bread for cafés'', 1000, 50000, 1.5)',
    v_name, p_caller
  )) <> '1 rows' then
    raise exception '% could not add a business profile', p_caller;
  end if;
  return v_id;
end
$$;

-- start_analysis as the caller, for `{<caller>.profile}`; the run's id is remembered under p_run. Of the run, what most tests
-- look at.
create function pg_temp.start(
  p_caller text, p_run text, p_username text default 'nasa', p_tier text default 'light',
  p_key text default null, p_body text default 'body', p_profile text default null, p_account text default null
) returns jsonb language plpgsql as $$
begin
  if not exists (select from pg_temp.named n where n.name = p_run) then
    perform pg_temp.name_it(p_run);
  end if;
  return pg_temp.answer(p_caller, format(
    'select outcome, (run).run_id, (run).status, (run).credits_charged as credits, price, balance
       from public.start_analysis({%s}, {%s}, {%s}, %L, %L, %L, sha256(%L))',
    coalesce(p_account, p_caller || '.account'), coalesce(p_profile, p_caller || '.profile'), p_run,
    p_username, p_tier, p_key, p_body
  ));
end
$$;

-- Credits an operator adds.
create function pg_temp.add_credits(p_account text, p_amount integer) returns integer language sql as $$
  select oslira.grant_credits(pg_temp.id(p_account), p_amount, 'test');
$$;

create function pg_temp.balance(p_account text) returns integer language sql as $$
  select b.balance from public.credit_balances b where b.account_id = pg_temp.id(p_account);
$$;

create function pg_temp.ledger_sum(p_account text) returns integer language sql as $$
  select coalesce(sum(t.amount), 0)::integer from public.credit_transactions t where t.account_id = pg_temp.id(p_account);
$$;
