-- accounts_of_caller: by which every policy decides whose rows a caller sees.
--
-- Proves: which accounts it answers to whom, as which role; that only policies ask it; that it answers by the membership of
-- the moment; and that a query asks it once for each table, before it looks at rows, and then reads the rows of these accounts alone.

begin;
\ir support/callers.sql
select no_plan();

\o /dev/null
select pg_temp.sign_up(name) from unnest(array['ada', 'bob', 'cleo']) name;
insert into public.members (account_id, user_id, role) values (pg_temp.id('ada.account'), pg_temp.id('cleo'), 'member');
\o

-- The names of the accounts that a caller is in, as this role. Asked with the caller's claims and the rights of a superuser.
create function pg_temp.accounts(p_caller text, p_role text) returns text language plpgsql as $$
declare
  v_accounts pg_catalog.uuid[];
begin
  perform pg_temp.become(p_caller);
  perform set_config('role', 'none', true);
  v_accounts := oslira.accounts_of_caller(p_role);
  return array(select n.name from pg_temp.named n where n.id = any (v_accounts) order by 1)::text;
end
$$;

select is(pg_temp.accounts(caller, role), accounts, format('%s, as at least %s: %s', caller, role, accounts))
  from (values
    ('ada', 'member', '{ada.account}'), ('ada', 'owner', '{ada.account}'),
    ('cleo', 'member', '{ada.account,cleo.account}'), ('cleo', 'owner', '{cleo.account}'),
    ('bob', 'member', '{bob.account}'), ('bob', 'owner', '{bob.account}'),
    ('no claims', 'member', '{}'), ('no claims', 'owner', '{}'), ('anon', 'member', '{}')
  ) expected (caller, role, accounts);
select is(pg_temp.accounts('ada', role), '{}', format('what is no role opens nothing: %s', coalesce(role, 'null')))
  from unnest(array['admin', 'OWNER', 'Member', '', null]) role;
select is(
  pg_temp.accounts('ada', r.role), '{ada.account}', format('a role that members can have is known: %s', r.role)
) from (
  select unnest(regexp_matches(pg_get_constraintdef(c.oid), '''([a-z]+)''', 'g')) as role
    from pg_constraint c where c.conname = 'members_role_known'
) r;
insert into public.members (account_id, user_id, role) values (pg_temp.id('bob.account'), pg_temp.id('cleo'), 'owner');
update public.members set role = 'member' where user_id = pg_temp.id('bob');
select is(pg_temp.accounts('bob', role), accounts, format('no owner any more, as at least %s', role))
  from (values ('member', '{bob.account}'), ('owner', '{}')) expected (role, accounts);
delete from public.members where user_id = pg_temp.id('bob');
select is(pg_temp.accounts('bob', 'member'), '{}', 'and no member any more');

select volatility_is('oslira', 'accounts_of_caller', array['text'], 'stable', 'a query gets one answer');
select is_definer('oslira', 'accounts_of_caller', array['text'], 'and the same one whoever''s rights it asks with');
select is(pg_temp.outcome(caller, $$ select oslira.accounts_of_caller('member') $$), '42501', format('%s does not ask it', caller))
  from unnest(array['ada', 'no claims', 'anon', 'service_role', 'oslira_user']) caller;

-- The plan ------------------------------------------------------------------------------------------------------

-- A ledger that a scan would not be cheaper for: 400 accounts with 50 rows each. Ada's account has more runs, in which some are
-- rare.
set local session_replication_role = replica;
create temp table many as select gen_random_uuid() as account_id, n from generate_series(1, 400) n;
insert into public.credit_transactions (account_id, kind, amount, reason, created_at)
  select m.account_id, 'adjustment', 1, 'test', now() - k * interval '1 hour' from many m cross join generate_series(1, 50) k;
insert into public.business_profiles (account_id, name, description, follower_min, follower_max, engagement_min, created_at)
  select m.account_id, 'n', 'd', 1, 2, 1, now() - k * interval '1 hour' from many m cross join generate_series(1, 50) k;
insert into public.leads (account_id, business_profile_id, username, followers, following, posts_count, is_verified, is_business,
    profile_as_of, score, tier, analyzed_at)
  select m.account_id, m.account_id, 'lead_' || k, k % 7, 1, 1, false, false, now(), k % 5, 'light', now() - k * interval '1 hour'
    from many m cross join generate_series(1, 50) k;
insert into public.analyses (run_id, account_id, lead_id, score, confidence, result, data_as_of, cache_hit, duration_ms)
  select lead_id, account_id, lead_id, 1, 1, '{}', now(), false, 1 from public.leads where followers < 7;
insert into public.runs (run_id, account_id, business_profile_id, business_profile_version, requested_by, username, tier, status,
    credits_charged, created_at, finished_at)
  select gen_random_uuid(), m.account_id, m.account_id, 1, m.account_id, 'name_' || k, 'light', 'complete', 1,
         now() - k * interval '1 hour', now()
    from many m cross join generate_series(1, case when m.n = 1 then 2000 else 50 end) k;
insert into public.members (account_id, user_id, role)
  select account_id, pg_temp.id('ada'), 'member' from many where n = 1;
select pg_temp.name_it('many.account', account_id) from many where n = 1 \g /dev/null
set local session_replication_role = origin;
analyze public.credit_transactions, public.business_profiles, public.runs, public.members, public.leads, public.analyses;

-- What a query does for Ada, step by step; without the conditions, which versions of Postgres print differently.
create function pg_temp.plan(p_query text) returns text language plpgsql as $$
declare
  v_query text := pg_temp.fill(p_query);
  v_line text;
  v_steps text[];
begin
  perform pg_temp.become('ada');
  for v_line in execute 'explain (costs off) ' || v_query loop
    if v_line !~ '(Cond|Filter|Key):' then
      v_steps := v_steps || regexp_replace(v_line, '^ *(-> *)?| on .*$| [(].*$', '', 'g');
    end if;
  end loop;
  perform set_config('role', 'none', true);
  return array_to_string(v_steps, ' < ');
end
$$;
-- migrations/README.md shows this one whole.
select is(
  pg_temp.plan('select * from public.credit_transactions'),
  'Bitmap Heap Scan < InitPlan 1 < Result < Bitmap Index Scan', 'a ledger: the accounts once, then the index'
);
select is(pg_temp.outcome('ada', 'select from public.credit_transactions'), '51 rows', 'which finds these rows');
select is(
    pg_temp.plan(query), format('Limit < InitPlan 1 < Result < Index Scan using %s', index),
    format('a page: the accounts once, then the rows in the order of %s', index)
  )
  from (values
    ('credit_transactions_newest',
      'select * from public.credit_transactions where account_id = {many.account}
         order by created_at desc, credit_transaction_id desc limit 10 offset 10'),
    ('credit_transactions_newest',
      'select * from public.credit_transactions where account_id = {many.account} and kind = ''charge''
         and created_at >= now() - interval ''30 hours'' and created_at < now()
         order by created_at desc, credit_transaction_id desc limit 10'),
    ('business_profiles_newest',
      'select * from public.business_profiles where account_id = {many.account} and deleted_at is null
         order by created_at desc, business_profile_id desc limit 10 offset 10'),
    ('analyses_newest_of_lead',
      'select * from public.analyses where account_id = {many.account} and lead_id = {many.account}
         order by created_at desc, run_id desc limit 10'),
    ('runs_newest',
      'select * from public.runs where account_id = {many.account} order by created_at desc, run_id desc limit 10 offset 10'),
    ('runs_by_status',
      'select * from public.runs where account_id = {many.account} and status = ''failed''
         order by created_at desc, run_id desc limit 10'),
    ('runs_by_tier',
      'select * from public.runs where account_id = {many.account} and tier = ''xray''
         order by created_at desc, run_id desc limit 10'),
    ('runs_by_username',
      'select * from public.runs where account_id = {many.account} and username = ''nasa''
         order by created_at desc, run_id desc limit 10')
  ) page (index, query);
select is(
    pg_temp.plan(format('select * from public.leads where account_id = {many.account} and deleted_at is null order by %s limit 10', listed)),
    format('Limit < InitPlan 1 < Result < Index Scan%s using %s', direction, index),
    format('leads by %s: the accounts once, then the rows in the order of %s', listed, index)
  )
  from (values
    ('leads_analyzed_last', '', 'analyzed_at desc nulls last, lead_id desc'),
    ('leads_analyzed_last', ' Backward', 'analyzed_at nulls first, lead_id'),
    ('leads_highest_score', '', 'score desc nulls last, lead_id desc'),
    ('leads_highest_score', ' Backward', 'score nulls first, lead_id'),
    ('leads_most_followers', '', 'followers desc, lead_id desc'),
    ('leads_most_followers', ' Backward', 'followers, lead_id'),
    ('leads_username', ' Backward', 'username collate "C" desc, lead_id desc'),
    ('leads_username', '', 'username collate "C", lead_id')
  ) page (index, direction, listed);
-- With other tables' few rows a scan would be cheaper.
set local enable_seqscan = off;
set local enable_bitmapscan = off;
select matches(
    pg_temp.plan(format('select %s from public.%I', columns, name)), '^Index (Only )?Scan using \w+ < InitPlan 1 < Result$',
    format('%s: the accounts once, then an index', name)
  )
  from (
    select '*', unnest(array['accounts', 'credit_balances', 'credit_transactions', 'business_profiles', 'leads', 'runs', 'analyses',
      'usage_days'])
    union all select 'email', 'invitations'
  ) t (columns, name);

select * from finish();
rollback;
