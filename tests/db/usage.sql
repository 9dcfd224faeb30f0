-- usage_days: what an account used, counted by day and tier.
--
-- Proves: each charge, refund and saved analysis counts once, on the day in UTC on which it happened, whoever made it and
-- however it ended; credits are those of the ledger; hits count by the age of what they read; what cannot be read of a result
-- fails nothing; and that the counts outlive the runs.

begin;
\ir support/callers.sql
select no_plan();

\o /dev/null
select pg_temp.sign_up(name) from unnest(array['ada', 'bob']) name;
select pg_temp.add_credits('ada.account', 990);
select pg_temp.add_business_profile('ada');
select pg_temp.name_it('lead');
select pg_temp.outcome('service_role',
  $$ insert into public.leads (lead_id, account_id, business_profile_id, username, followers, following, posts_count,
       is_verified, is_business, profile_as_of)
       values ({lead}, {ada.account}, {ada.profile}, 'nasa', 1, 1, 1, false, false, now()) $$);
\o

-- All that an account used of a tier, whichever day it was.
create function pg_temp.used(p_tier text, p_caller text default 'ada') returns text language sql as $$
  select format('started %s for %s, refunded %s for %s, completed %s, hits %s',
      coalesce(sum(u.started), 0), coalesce(sum(u.credits_charged), 0), coalesce(sum(u.refunded), 0),
      coalesce(sum(u.credits_refunded), 0), coalesce(sum(u.completed), 0), coalesce(sum(u.cache_hits), 0))
    from public.usage_days u where u.account_id = pg_temp.id(p_caller || '.account') and u.tier = p_tier;
$$;
create function pg_temp.complete(p_run text, p_hit boolean, p_age interval default '0', p_result jsonb default '{}') returns text
language sql as $$
  select pg_temp.answer('service_role', format(
    'select oslira.complete_run({%s}, {lead}, 80, 0.9, %L, %L, %L, 1500) as status', p_run, p_result,
    (select r.created_at - p_age from public.runs r where r.run_id = pg_temp.id(p_run)), p_hit
  )) ->> 'status';
$$;
create function pg_temp.timing(p_scraping jsonb) returns jsonb language sql as $$
  select jsonb_build_object('timing', jsonb_build_object('steps', jsonb_build_array(
    jsonb_build_object('name', 'queued', 'durationMs', 70), jsonb_build_object('name', 'scraping', 'durationMs', p_scraping)
  )));
$$;

-- What happens counts once ------------------------------------------------------------------------------------

select is(pg_temp.used('xray'), 'started 0 for 0, refunded 0 for 0, completed 0, hits 0', 'signing up and adjustments are no usage');
select pg_temp.start('ada', 'failed', 'failed', 'xray') \g /dev/null
select is(pg_temp.used('xray'), 'started 1 for 6, refunded 0 for 0, completed 0, hits 0', 'a charge');
select pg_temp.start('ada', 'again', 'failed', 'xray') ->> 'outcome' as "refused", pg_temp.start('ada', 'failed', 'failed', 'xray') \g /dev/null
select is(pg_temp.used('xray'), 'started 1 for 6, refunded 0 for 0, completed 0, hits 0', 'a refusal and a repetition count nothing');
select pg_temp.outcome('service_role', $$ select * from oslira.refund_run({failed}, 'failed', 'ScrapeFailed', 'x') $$) from generate_series(1, 2) \g /dev/null
select is(pg_temp.used('xray'), 'started 1 for 6, refunded 1 for 6, completed 0, hits 0', 'a refund, which comes twice');
select pg_temp.start('ada', 'done', 'done', 'xray') \g /dev/null
select is(pg_temp.complete('done', false), 'complete', 'a run is completed') from generate_series(1, 2);
select is(pg_temp.used('xray'), 'started 2 for 12, refunded 1 for 6, completed 1, hits 0', 'an analysis that is saved twice');
select is(pg_temp.used('light'), 'started 0 for 0, refunded 0 for 0, completed 0, hits 0', 'a tier is counted by itself');
select is(pg_temp.used('xray', 'bob'), 'started 0 for 0, refunded 0 for 0, completed 0, hits 0', 'and so is an account');

-- On the day in UTC -------------------------------------------------------------------------------------------

set local timezone = 'Pacific/Auckland';
select pg_temp.name_it('midnight') \g /dev/null
insert into public.runs (run_id, account_id, business_profile_id, business_profile_version, requested_by, username, tier, credits_charged)
  select pg_temp.id('midnight'), r.account_id, r.business_profile_id, r.business_profile_version, r.requested_by, 'midnight', 'deep', 5
    from public.runs r where r.run_id = pg_temp.id('done');
insert into public.credit_transactions (account_id, kind, amount, run_id, reason, created_at)
  values (pg_temp.id('ada.account'), 'charge', -5, pg_temp.id('midnight'), 'deep analysis', '2026-03-01T23:59:59.999999Z');
insert into public.credit_transactions (account_id, kind, amount, run_id, reverses, reason, created_at)
  select c.account_id, 'refund', 5, c.run_id, c.credit_transaction_id, 'failed', '2026-03-02T00:00:00Z'
    from public.credit_transactions c where c.run_id = pg_temp.id('midnight');
reset timezone;
select results_eq(
  $$ select day, started, credits_charged, refunded, credits_refunded from public.usage_days
       where account_id = pg_temp.id('ada.account') and tier = 'deep' order by day $$,
  $$ values ('2026-03-01'::date, 1, 5, 0, 0), ('2026-03-02', 0, 0, 1, 5) $$,
  'a charge before midnight and its refund after it are on two days, whatever the session''s time zone'
);

-- The ledger ----------------------------------------------------------------------------------------------------

select set_eq(
  $$ select day, sum(credits_charged) as charged, sum(credits_refunded) as refunded from public.usage_days
       where account_id = pg_temp.id('ada.account') group by 1 $$,
  $$ select (created_at at time zone 'UTC')::date as day, coalesce(sum(-amount) filter (where kind = 'charge'), 0) as charged,
            coalesce(sum(amount) filter (where kind = 'refund'), 0) as refunded
       from public.credit_transactions where account_id = pg_temp.id('ada.account') and run_id is not null group by 1 $$,
  'every day''s credits are those of the ledger'
);

-- The cache -------------------------------------------------------------------------------------------------------

\o /dev/null
select pg_temp.start('ada', 'hit.' || n, 'hit' || n) from generate_series(1, 9) n;
select pg_temp.start('ada', 'miss.' || n, 'miss' || n) from generate_series(1, 5) n;
\o
select is(pg_temp.complete('hit.' || n, true, age::interval, pg_temp.timing(to_jsonb(10 * n))), 'complete', format('a hit of %s', age))
  from unnest(array['-5 seconds', '0', '59 minutes 59 seconds', '1 hour', '2 hours 59 minutes', '3 hours', '6 hours', '12 hours', '25 hours'])
    with ordinality ages (age, n);
select is(pg_temp.complete('miss.' || n, false, p_result => result), 'complete', format('a miss whose result is %s', result))
  from unnest(array[
    pg_temp.timing('4000'), pg_temp.timing('2000'), pg_temp.timing('"soon"'), pg_temp.timing('1e30'), '{"timing": [7]}'
  ]) with ordinality results (result, n);
select results_eq(
  $$ select sum(completed), sum(hits_under_1h), sum(hits_under_3h), sum(hits_under_6h), sum(hits_under_12h), sum(hits_from_12h),
            sum(cache_hits), sum(hits_reading_ms), sum(misses_reading_ms)
       from public.usage_days where account_id = pg_temp.id('ada.account') and tier = 'light' $$,
  $$ values (14::bigint, 3::bigint, 2::bigint, 1::bigint, 1::bigint, 2::bigint, 9::bigint, 450::numeric, 6000::numeric) $$,
  'hits count by age, misses beside them, and the time of both'
);

-- For good --------------------------------------------------------------------------------------------------------

delete from public.analyses where account_id = pg_temp.id('ada.account');
delete from public.runs where account_id = pg_temp.id('ada.account');
select is(pg_temp.used('light'), 'started 14 for 14, refunded 0 for 0, completed 14, hits 9', 'what was used stays when the runs are cleared away');
select is(
    pg_temp.outcome(caller, statement), '42501', format('%s does not count: %s', caller, statement)
  )
  from unnest(array['ada', 'service_role', 'anon']) caller
  cross join unnest(array[
    'select oslira.count_move(t) from public.credit_transactions t', 'select oslira.count_analysis(a) from public.analyses a',
    'update public.usage_days set started = 0'
  ]) statement;

select * from finish();
rollback;
