-- start_analysis: steps 1 to 5 of an analysis.
--
-- Proves: each outcome and the order in which they are decided; the price, which is analysis_tiers' and nobody's
-- argument; replays by idempotency key and by run id; what is a duplicate and what is not; that a refusal keeps nothing;
-- and that another tenant's account, business profile, run and keys are as good as absent.

begin;
\ir support/callers.sql
select no_plan();

\o /dev/null
select pg_temp.sign_up(name) from unnest(array['ada', 'bob', 'cleo', 'poor']) name;
select pg_temp.add_credits(name || '.account', 990) from unnest(array['ada', 'bob']) name;
select pg_temp.add_credits('poor.account', -6);
select pg_temp.add_business_profile(name) from unnest(array['ada', 'bob', 'poor']) name;
select pg_temp.add_business_profile('ada', name) from unnest(array['ada.second', 'ada.removed']) name;
select pg_temp.name_it('unknown');
\o

-- How much an account has been given: keys, runs, ledger rows and credits.
create function pg_temp.kept(p_name text) returns text language sql as $$
  select format('%s keys, %s runs, %s moves, %s credits',
    (select count(*) from oslira.idempotency_keys k where k.account_id = a.id),
    (select count(*) from public.runs r where r.account_id = a.id),
    (select count(*) from public.credit_transactions t where t.account_id = a.id),
    pg_temp.balance(p_name || '.account'))
  from (select pg_temp.id(p_name || '.account') as id) a;
$$;

-- Asserts that a call is refused with this outcome, and that nothing came of it.
create function pg_temp.refused(p_answer jsonb, p_outcome text, p_name text, p_before text, p_why text) returns setof text
language plpgsql as $$
begin
  return next is(p_answer ->> 'outcome', p_outcome, p_why);
  return next is(pg_temp.kept(p_name), p_before, p_why || ': nothing is kept');
end
$$;

create function pg_temp.settle(p_run text, p_status text, p_ago interval default '0') returns void language sql as $$
  update public.runs r set status = p_status, finished_at = now(), created_at = now() - p_ago,
      failure_code = case when p_status in ('failed', 'cancelled') then 'Any' end
    where r.run_id = pg_temp.id(p_run);
$$;

-- Accepted --------------------------------------------------------------------------------------------------

select is(
  pg_temp.start('ada', 'first', p_key => 'key'),
  jsonb_build_object('outcome', 'accepted', 'run_id', pg_temp.id('first'), 'status', 'pending', 'credits', 1, 'price', 1,
    'balance', 999),
  'accepted: the run, its price and the balance left'
);
select is(pg_temp.kept('ada'), '1 keys, 1 runs, 3 moves, 999 credits', 'one key, one run, one charge');
select row_eq(
  $$ select account_id, business_profile_id, requested_by, username, tier, status, credits_charged
       from public.runs where run_id = pg_temp.id('first') $$,
  row(pg_temp.id('ada.account'), pg_temp.id('ada.profile'), pg_temp.id('ada'), 'nasa'::text, 'light'::text, 'pending'::text, 1),
  'the run is what was asked for, by whom'
);
select row_eq(
  $$ select account_id, kind, amount, reverses from public.credit_transactions where run_id = pg_temp.id('first') $$,
  row(pg_temp.id('ada.account'), 'charge'::text, -1, null::uuid), 'the charge names the run'
);

-- The price -------------------------------------------------------------------------------------------------

select is(
    pg_temp.start('ada', 'price.' || tier, p_username => 'price', p_tier => tier) - 'run_id' - 'balance',
    jsonb_build_object('outcome', 'accepted', 'status', 'pending', 'credits', credits, 'price', credits),
    format('%s costs %s', tier, credits)
  ) from public.analysis_tiers;
select is(pg_temp.balance('ada.account'), 999 - 12, 'and that is what was taken');
update public.analysis_tiers set credits = 7 where tier = 'light';
select is(pg_temp.start('ada', 'price.raised', p_username => 'raised') ->> 'credits', '7', 'a new price holds at once');
update public.analysis_tiers set credits = 1 where tier = 'light';
select is(pg_temp.start('ada', 'price.raised') ->> 'credits', '7', 'a replay tells the price that was paid');
select is(
  pg_get_function_identity_arguments('public.start_analysis'::regproc),
  'p_account_id uuid, p_business_profile_id uuid, p_run_id uuid, p_username text, p_tier text, p_idempotency_key text, p_body_hash bytea, p_look_up_only boolean',
  'the caller names no amount, no user and no time'
);

-- Refused ---------------------------------------------------------------------------------------------------

select pg_temp.refused(
  pg_temp.start('ada', 'refused', p_account => 'bob.account', p_profile => 'bob.profile', p_key => 'new'),
  'account_not_found', 'bob', pg_temp.kept('bob'), 'a stranger''s account'
);
select pg_temp.refused(
  pg_temp.start('ada', 'refused', p_account => 'unknown'), 'account_not_found', 'ada', pg_temp.kept('ada'), 'an unknown account'
);
select is(
  pg_temp.start('ada', 'refused', p_account => 'bob.account'), pg_temp.start('ada', 'refused', p_account => 'unknown'),
  'the two cannot be told apart'
);
select is(
  pg_temp.answer('ada', $$ select outcome from public.start_analysis(null, {ada.profile}, {unknown}, 'nasa', 'light') $$) ->> 'outcome',
  'account_not_found', 'no account is as good'
);
select pg_temp.refused(
  pg_temp.start('no claims', 'refused', p_account => 'ada.account', p_profile => 'ada.profile'),
  'account_not_found', 'ada', pg_temp.kept('ada'), 'a token without claims'
);
select pg_temp.refused(
  pg_temp.start('ada', 'refused', p_profile => profile, p_username => 'esa', p_key => 'new'),
  'business_profile_not_found', 'ada', pg_temp.kept('ada'), 'a business profile that is ' || profile
) from unnest(array['bob.profile', 'unknown']) profile;
update public.business_profiles set deleted_at = now() where business_profile_id = pg_temp.id('ada.removed');
select pg_temp.refused(
  pg_temp.start('ada', 'refused', p_profile => 'ada.removed', p_username => 'esa', p_key => 'new'),
  'business_profile_not_found', 'ada', pg_temp.kept('ada'), 'a deleted business profile'
);
select pg_temp.refused(
  pg_temp.start('poor', 'refused', p_tier => 'deep', p_key => 'new'),
  'insufficient_credits', 'poor', pg_temp.kept('poor'), 'one credit short'
);
select is(
  pg_temp.start('poor', 'refused', p_tier => 'deep') - 'run_id' - 'status',
  '{"outcome": "insufficient_credits", "credits": null, "price": 5, "balance": 4}', 'it says what it costs and what there is'
);
select is(pg_temp.start('poor', 'poor.run', p_tier => 'deep', p_key => 'new') ->> 'outcome', 'insufficient_credits', 'a refusal took no key');
select is(pg_temp.add_credits('poor.account', 1), 5, 'an operator adds what is missing');
select is(
  pg_temp.start('poor', 'poor.run', p_tier => 'deep', p_key => 'new', p_body => 'other') ->> 'balance', '0',
  'so the same key, even with another body, can be used once there are credits; the last one can be spent'
);
select is(pg_temp.outcome(caller, $$ select * from public.start_analysis({ada.account}, {ada.profile}, {unknown}, 'nasa', 'light') $$),
    '42501', caller || ' may not call it')
  from unnest(array['anon', 'service_role', 'oslira_user', 'oslira_system']) caller;

-- Members ---------------------------------------------------------------------------------------------------

insert into public.members (account_id, user_id, role) values (pg_temp.id('ada.account'), pg_temp.id('cleo'), 'member');
select is(
  pg_temp.start('cleo', 'cleo.run', p_account => 'ada.account', p_profile => 'ada.profile', p_username => 'cleo') ->> 'outcome',
  'accepted', 'a member starts analyses of the account'
);
select is((select requested_by from public.runs where run_id = pg_temp.id('cleo.run')), pg_temp.id('cleo'), 'under their own name');
delete from public.members where user_id = pg_temp.id('cleo') and account_id = pg_temp.id('ada.account');
select pg_temp.refused(
  pg_temp.start('cleo', 'cleo.run', p_account => 'ada.account', p_profile => 'ada.profile', p_username => 'cleo'),
  'account_not_found', 'ada', pg_temp.kept('ada'), 'no member any more: not even a replay'
);

-- Replays ---------------------------------------------------------------------------------------------------

select pg_temp.kept('ada') as before \gset
select is(
    pg_temp.start('ada', 'replay.' || attempt, p_key => 'key') - 'balance',
    jsonb_build_object('outcome', 'repeated', 'run_id', pg_temp.id('first'), 'status', 'pending', 'credits', 1, 'price', null),
    format('the same key and body, time %s: the first run again', attempt)
  ) from generate_series(2, 4) attempt;
select is(
  pg_temp.start('ada', 'first', p_username => 'elsewhere') ->> 'run_id', pg_temp.id('first')::text, 'the same run id: the same run'
);
-- Only looked up, as while no new analyses are taken in. What is asked for otherwise does not matter.
create function pg_temp.look_up(p_caller text, p_key text, p_body text, p_run text default 'replay.2') returns text language sql as $$
  select trim(format('%s %s', a ->> 'outcome', (select n.name from pg_temp.named n where n.id = (a ->> 'run_id')::pg_catalog.uuid)))
    from pg_temp.answer(p_caller, format(
      'select outcome, (run).run_id from public.start_analysis({ada.account}, {ada.profile}, {%s}, %L, %L, %L, sha256(%L), true)',
      p_run, 'esa', 'light', p_key, p_body)) a;
$$;
select is(pg_temp.look_up('ada', key, body), outcome, format('looked up, key %s and body %s', key, body))
  from (values ('key', 'body', 'repeated first'), ('key', 'other', 'idempotency_key_reused'),
    ('unused', 'body', 'not_accepted_before'), (null, 'body', 'not_accepted_before')) asked (key, body, outcome);
select is(pg_temp.look_up('ada', null, 'body', 'first'), 'repeated first', 'looked up by the run''s id');
select is(pg_temp.look_up(caller, key, 'body'), 'account_not_found', format('looked up by %s, key %s', caller, key))
  from unnest(array['bob', 'no claims']) caller cross join unnest(array['key', 'unused', null]) key;
select is(
  pg_temp.start('ada', 'replay.2', p_key => 'key', p_body => 'other'),
  '{"outcome": "idempotency_key_reused", "run_id": null, "status": null, "credits": null, "price": null}'
    || jsonb_build_object('balance', pg_temp.balance('ada.account')),
  'the same key with another body'
);
select is(pg_temp.kept('ada'), :'before', 'none of these made or charged anything');
select is(
  pg_temp.start('bob', 'bob.run', p_key => 'key', p_body => 'other') ->> 'outcome', 'accepted', 'a key is one account''s own'
);
select is(
  pg_temp.answer('ada', $$ select * from public.claim_idempotency_key({ada.account}, 'POST /api/business-profiles', 'key', sha256('other'), {unknown}) $$) ->> 'outcome',
  'new', 'and one route''s own'
);

-- Expiry ----------------------------------------------------------------------------------------------------

update oslira.idempotency_keys set created_at = now() - interval '24 hours'
  where account_id = pg_temp.id('ada.account') and route = 'POST /api/leads/analyze';
select is(
  pg_temp.start('ada', 'expired', p_username => 'expired', p_key => 'key', p_body => 'other') ->> 'outcome',
  'idempotency_key_reused', 'a key is kept for 24 hours'
);
update oslira.idempotency_keys set created_at = now() - interval '24 hours 1 second'
  where account_id = pg_temp.id('ada.account') and route = 'POST /api/leads/analyze';
select is(
  pg_temp.start('ada', 'expired', p_username => 'expired', p_key => 'key', p_body => 'other') ->> 'run_id',
  pg_temp.id('expired')::text, 'then it is free for another run'
);
select is(
  pg_temp.start('ada', 'replay.2', p_key => 'key', p_body => 'other') ->> 'run_id', pg_temp.id('expired')::text,
  'which it names from then on'
);
select is(pg_temp.start('ada', 'replay.2', p_key => 'key') ->> 'outcome', 'idempotency_key_reused', 'and the old body is the other one');

-- Duplicates ------------------------------------------------------------------------------------------------

select is(
  pg_temp.start('ada', 'again'),
  jsonb_build_object('outcome', 'in_progress', 'run_id', pg_temp.id('first'), 'status', 'pending', 'credits', 1,
    'price', 1, 'balance', pg_temp.balance('ada.account')),
  'one under way: its run'
);
select pg_temp.refused(
  pg_temp.start('ada', 'again', p_key => 'unused'), 'in_progress', 'ada', pg_temp.kept('ada'), 'one under way'
);
select is(pg_temp.start('ada', 'other.tier', p_tier => 'deep') ->> 'outcome', 'accepted', 'another tier is no duplicate');
select is(
  pg_temp.start('ada', 'other.profile', p_profile => 'ada.second') ->> 'outcome', 'accepted', 'nor another business profile'
);
select is(pg_temp.start('ada', 'other.username', p_username => 'nasa_') ->> 'outcome', 'accepted', 'nor another username');
select is(
  (select count(*)::integer from public.runs where username = 'nasa' and tier = 'light' and status = 'pending'
     and account_id in (pg_temp.id('ada.account'), pg_temp.id('bob.account'))),
  3, 'nor another account''s run of the same username'
);

-- One run after the other of the same username, each tried when the one before it has this status at this age.
create function pg_temp.after_a_run(p_status text, p_ago interval, p_outcome text) returns text language plpgsql as $$
declare
  v_username text := format('%s.%s', p_status, extract(epoch from p_ago)::integer);
begin
  perform pg_temp.start('ada', v_username || '.before', p_username => v_username);
  perform pg_temp.settle(v_username || '.before', p_status, p_ago);
  return is(
    pg_temp.start('ada', v_username || '.after', p_username => v_username) - 'balance' - 'credits' - 'price',
    case p_outcome
      when 'accepted' then jsonb_build_object('outcome', 'accepted', 'run_id', pg_temp.id(v_username || '.after'), 'status', 'pending')
      else jsonb_build_object('outcome', 'in_progress', 'run_id', pg_temp.id(v_username || '.before'), 'status', p_status)
    end,
    format('after a run that is %s and began %s ago: %s', p_status, p_ago, p_outcome)
  );
end
$$;
select pg_temp.after_a_run('complete', '0', 'in_progress');
select pg_temp.after_a_run('complete', '4 minutes 59 seconds', 'in_progress');
select pg_temp.after_a_run('complete', '5 minutes', 'accepted');
select pg_temp.after_a_run('complete', '1 day', 'accepted');
select pg_temp.after_a_run('failed', '0', 'accepted');
select pg_temp.after_a_run('cancelled', '0', 'accepted');
update public.runs set created_at = now() - interval '1 day' where run_id = pg_temp.id('first');
select is(pg_temp.start('ada', 'again') ->> 'outcome', 'in_progress', 'under way is under way, however long');
select is(
  pg_temp.outcome('postgres', $$ insert into public.runs (run_id, account_id, business_profile_id, business_profile_version,
      requested_by, username, tier, credits_charged)
    select {unknown}, account_id, business_profile_id, business_profile_version, requested_by, username, tier, 1
      from public.runs where run_id = {first} $$),
  '23505 runs_one_under_way', 'an index says so too, whatever code asks'
);

-- Order -------------------------------------------------------------------------------------------------------

select is(
  pg_temp.start('bob', 'order', p_account => 'ada.account', p_profile => 'ada.profile', p_key => 'key') ->> 'outcome',
  'account_not_found', 'the account comes before the key'
);
select is(
  pg_temp.start('ada', 'first', p_key => 'key') ->> 'outcome', 'idempotency_key_reused', 'the key before a replay by run id'
);
select is(
  pg_temp.start('ada', 'first', p_profile => 'unknown', p_username => 'NOT A NAME') ->> 'outcome', 'repeated',
  'a replay before the business profile and all that follows'
);
update public.business_profiles set deleted_at = now() where business_profile_id = pg_temp.id('ada.second');
select is(
  pg_temp.start('ada', 'order', p_profile => 'ada.second') ->> 'outcome', 'business_profile_not_found',
  'the business profile before a duplicate'
);
select is(
  pg_temp.start('poor', 'order', p_tier => 'deep') ->> 'outcome', 'in_progress', 'a duplicate before the balance'
);
select is(pg_temp.balance('poor.account'), 0, '(there is none)');
\o /dev/null
select pg_temp.settle('first', 'complete');
\o
select is(pg_temp.start('ada', 'first') ->> 'status', 'complete', 'a replay tells the run''s status as it is now');

-- Hostile input -----------------------------------------------------------------------------------------------

select pg_temp.kept('ada') as before \gset
create function pg_temp.start_with(p_arguments text) returns text language sql as $$
  select pg_temp.outcome('ada', format('select * from public.start_analysis({ada.account}, {ada.profile}, %s)', p_arguments));
$$;
select is(pg_temp.start_with(format('gen_random_uuid(), %L, ''light''', username)), '23514 runs_username_normalised',
    format('the username %s is refused', to_json(username)))
  from unnest(array[
    '', ' ', 'NASA', 'na sa', '@nasa', '.nasa', 'nasa.', 'na..sa', 'nasa/', '../nasa', 'nasa' || chr(10), chr(10) || 'nasa',
    'nasa' || chr(8203), 'nаsa', 'ｎasa', repeat('a', 31), 'nasa''; drop table public.runs; --', 'https://instagram.com/nasa', 'nasa%00', 'nasa{}'
  ]) username;
select ok(pg_temp.start_with(format('gen_random_uuid(), %L, ''light''', username)) = '1 rows', format('the username %L is accepted', username))
  from unnest(array['a', '_', 'a.b_c.1', repeat('a', 30)]) username;
select is(pg_temp.start_with(arguments), expected, why)
  from (values
    ('gen_random_uuid(), null, ''light''', '23502', 'no username'),
    ('null, ''esa'', ''light''', '23502', 'no run id'),
    ('gen_random_uuid(), ''esa'', ''free''', 'P0002', 'an unknown tier'),
    ('gen_random_uuid(), ''esa'', null', 'P0002', 'no tier'),
    ('gen_random_uuid(), ''esa'', ''light'', '''', sha256(''b'')', '23514 idempotency_keys_idempotency_key_length', 'an empty key'),
    ('gen_random_uuid(), ''esa'', ''light'', repeat(''k'', 256), sha256(''b'')', '23514 idempotency_keys_idempotency_key_length', 'a key that is too long'),
    ('gen_random_uuid(), ''esa'', ''light'', ''k'', null', '23502', 'a key without a body''s hash'),
    ('gen_random_uuid(), ''esa'', ''light'', ''k'', ''\x00''', '23514 idempotency_keys_body_hash_length', 'a key with half a hash'),
    ('{bob.run}, ''esa'', ''light''', '23505 runs_pkey', 'a stranger''s run id'),
    ('''0190a5a0-0000-8000-8000-000000000001'', ''esa'', ''light''', '23514 runs_run_id_not_anonymous', 'an id that an anonymous run may have')
  ) bad (arguments, expected, why);
select is(
  pg_temp.kept('ada'),
  regexp_replace(:'before', '(\d+) keys, (\d+) runs, (\d+) moves, (\d+) credits',
    format('\1 keys, %s runs, %s moves, %s credits', substring(:'before' from '(\d+) runs')::int + 4,
      substring(:'before' from '(\d+) moves')::int + 4, substring(:'before' from '(\d+) credits')::int - 4)),
  'only the four good ones were kept'
);
-- A key cannot be made to name a run of someone else's.
select is(
  pg_temp.outcome('ada', $$ select * from public.claim_idempotency_key({ada.account}, 'POST /api/leads/analyze', 'planted', sha256('b'), {bob.run}) $$),
  '22023', 'no key of this route is claimed elsewhere'
);

-- Books -------------------------------------------------------------------------------------------------------

select is(pg_temp.balance(name || '.account'), pg_temp.ledger_sum(name || '.account'), name || ': the balance is the ledger''s sum')
  from unnest(array['ada', 'bob', 'poor']) name;
select is_empty(
  $$ select r.run_id from public.runs r
       left join public.credit_transactions t on t.run_id = r.run_id and t.kind = 'charge'
         and t.account_id = r.account_id and t.amount = -r.credits_charged
       where r.account_id in (pg_temp.id('ada.account'), pg_temp.id('bob.account'), pg_temp.id('poor.account'))
         and t.credit_transaction_id is null $$,
  'every run was charged what it says'
);

select * from finish();
rollback;
