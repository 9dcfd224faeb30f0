-- refund_run and complete_run: the two ends of a run.
--
-- Proves: whichever comes first settles the run, once, and the other changes nothing and says how the run ended; a
-- refund gives back exactly what was charged; a settled run's status is changed by nobody, the table's owner included;
-- an analysis that cannot be stored leaves the run under way; and only the system role may call either.

begin;
\ir support/callers.sql
select no_plan();

\o /dev/null
select pg_temp.sign_up(name) from unnest(array['ada', 'bob']) name;
select pg_temp.add_credits('ada.account', 90);
select pg_temp.add_business_profile('ada');
select pg_temp.start('ada', run, p_username => run, p_tier => 'xray')
  from unnest(array['failed', 'cancelled', 'complete', 'bad', 'pending']) run;
select pg_temp.name_it(name) from unnest(array['lead', 'other.lead', 'unknown']) name;
select pg_temp.outcome('service_role', format(
  'insert into public.leads (lead_id, account_id, business_profile_id, username, followers, following, posts_count,
     is_verified, is_business, profile_as_of)
     values ({%s}, {ada.account}, {ada.profile}, %L, 1, 1, 1, false, false, now())', lead, lead
)) from unnest(array['lead', 'other.lead']) lead;
\o

create function pg_temp.refund(p_run text, p_status text, p_code text default 'ScrapeFailed') returns text language sql as $$
  select format('%s, settled now: %s', a ->> 'status', a ->> 'settled_now')
    from pg_temp.answer('service_role', format('select * from oslira.refund_run({%s}, %L, %L, ''why'')', p_run, p_status, p_code)) a;
$$;
create function pg_temp.complete(p_run text, p_score integer default 80, p_lead text default 'lead') returns text language sql as $$
  select pg_temp.answer('service_role', format(
    'select oslira.complete_run({%s}, {%s}, %s, 0.9, ''{"summary": "x"}'', now(), true, 1500) as status', p_run, p_lead, p_score
  )) ->> 'status';
$$;
-- All there is about a run, but for when.
create function pg_temp.about(p_run text) returns text language sql as $$
  select format('%s, finished: %s, code: %s, ledger: %s, scored: %s', r.status, r.finished_at is not null, r.failure_code,
      (select string_agg(format('%s %s', t.kind, t.amount), ', ' order by t.created_at) from public.credit_transactions t where t.run_id = r.run_id),
      (select a.score from public.analyses a where a.run_id = r.run_id))
    from public.runs r where r.run_id = pg_temp.id(p_run);
$$;

select is(pg_temp.balance('ada.account'), 70, 'five XRAY runs were paid for');
select is(pg_temp.about('failed'), 'pending, finished: f, code: , ledger: charge -6, scored: ', 'and are under way');

-- Refunds -----------------------------------------------------------------------------------------------------

select is(pg_temp.refund('failed', 'failed'), 'failed, settled now: true', 'the first call settles');
select is(pg_temp.about('failed'), 'failed, finished: t, code: ScrapeFailed, ledger: charge -6, refund 6, scored: ', 'and gives back what was charged');
select is(pg_temp.balance('ada.account'), 76, 'to the balance');
select is(pg_temp.refund('cancelled', 'cancelled', 'Cancelled'), 'cancelled, settled now: true', 'cancelled likewise');
select is(pg_temp.about('cancelled'), 'cancelled, finished: t, code: Cancelled, ledger: charge -6, refund 6, scored: ', 'and gives back as well');
select is(
  pg_temp.answer('service_role', $$ select account_id from oslira.refund_run({failed}, 'failed', 'Again', '') $$) ->> 'account_id',
  pg_temp.id('ada.account')::text, 'the answer names the account, also when another call settled it'
);
select is(
    pg_temp.refund(run, status, 'Again'), run || ', settled now: false', format('a run that is %s, refunded as %s: told so', run, status)
  ) from unnest(array['failed', 'cancelled']) run cross join unnest(array['failed', 'cancelled']) status;
select is(pg_temp.complete(run), run, format('a run that is %s is not completed', run)) from unnest(array['failed', 'cancelled']) run;
select is(pg_temp.about('failed'), 'failed, finished: t, code: ScrapeFailed, ledger: charge -6, refund 6, scored: ', 'nothing of that changed it');
select is(pg_temp.about('cancelled'), 'cancelled, finished: t, code: Cancelled, ledger: charge -6, refund 6, scored: ', 'nor the other');
select is(pg_temp.balance('ada.account'), 82, 'two refunds in all');
select row_eq(
  'select score, tier, analyzed_at from public.leads where lead_id = pg_temp.id(''lead'')',
  row(null::integer, null::text, null::timestamptz), 'a lead shows nothing of an analysis that was refused'
);

-- Completion ----------------------------------------------------------------------------------------------------

select is(pg_temp.complete('complete'), 'complete', 'the first call settles');
select is(pg_temp.about('complete'), 'complete, finished: t, code: , ledger: charge -6, scored: 80', 'the analysis is stored, and stays paid');
select row_eq(
  'select score, tier, analyzed_at is not null from public.leads where lead_id = pg_temp.id(''lead'')',
  row(80, 'xray'::text, true), 'the lead shows its score'
);
select row_eq(
  'select account_id, lead_id, confidence, result, cache_hit, duration_ms from public.analyses where run_id = pg_temp.id(''complete'')',
  row(pg_temp.id('ada.account'), pg_temp.id('lead'), 0.9::double precision, '{"summary": "x"}'::jsonb, true, 1500::bigint),
  'and the analysis is what was found'
);
select is(pg_temp.complete('complete', 10, 'other.lead'), 'complete', 'a second call is told that it is complete');
select is(pg_temp.refund('complete', status), 'complete, settled now: false', format('as is one that would refund it as %s', status))
  from unnest(array['failed', 'cancelled']) status;
select is(pg_temp.about('complete'), 'complete, finished: t, code: , ledger: charge -6, scored: 80', 'nothing of that changed it');
select results_eq(
  $$ select score from public.leads where lead_id in (pg_temp.id('lead'), pg_temp.id('other.lead')) order by score nulls last $$,
  'values (80), (null)', 'nor a lead'
);
select is(pg_temp.balance('ada.account'), 82, 'nor the balance');
select is(pg_temp.ledger_sum('ada.account'), 82, 'which is the ledger''s sum');

-- Neither ---------------------------------------------------------------------------------------------------------

select is(
  pg_temp.outcome('service_role', $$ select * from oslira.refund_run({unknown}, 'failed', 'X', '') $$), '0 rows',
  'an unknown run: no row'
);
select is(pg_temp.complete('unknown'), null, 'an unknown run: null');
select is_empty($$ select from public.credit_transactions where run_id = pg_temp.id('unknown') $$, 'and nothing in the ledger');
select is(pg_temp.outcome('service_role', call), expected, why)
  from (values
    ($$ select * from oslira.refund_run({bad}, 'complete', 'X', '') $$, '22023', 'a refund cannot complete'),
    ($$ select * from oslira.refund_run({bad}, 'pending', 'X', '') $$, '22023', 'nor leave a run under way'),
    ($$ select * from oslira.refund_run({bad}, null, 'X', '') $$, '23502', 'nor leave it without a status'),
    ($$ select * from oslira.refund_run({bad}, 'failed', null, '') $$, '23514 runs_failure_code_when_failed', 'a failure has a code'),
    ($$ select oslira.complete_run({bad}, {lead}, 101, 0.9, '{}', now(), true, 1) $$, '23514 analyses_score_percent', 'a score is a percentage'),
    ($$ select oslira.complete_run({bad}, {lead}, 80, 1.1, '{}', now(), true, 1) $$, '23514 analyses_confidence_fraction', 'a confidence is a fraction'),
    ($$ select oslira.complete_run({bad}, {lead}, 80, 'NaN', '{}', now(), true, 1) $$, '23514 analyses_confidence_fraction', 'and a number'),
    ($$ select oslira.complete_run({bad}, {unknown}, 80, 0.9, '{}', now(), true, 1) $$, '23503 analyses_lead_of_account', 'an analysis is of a lead'),
    ($$ select oslira.complete_run({bad}, {lead}, 80, 0.9, null, now(), true, 1) $$, '23502', 'and says something')
  ) bad (call, expected, why);
select is(pg_temp.about('bad'), 'pending, finished: f, code: , ledger: charge -6, scored: ', 'what was refused left the run under way');
select is(pg_temp.refund('bad', 'failed'), 'failed, settled now: true', 'so that it can still be refunded');

-- For good ----------------------------------------------------------------------------------------------------------

select is(
    pg_temp.outcome(caller, format('update public.runs set status = %L, finished_at = %s, failure_code = %s where run_id = {%s}',
      status, case status when 'pending' then 'null' else 'now()' end,
      case when status in ('failed', 'cancelled') then quote_literal('X') else 'null' end, run)),
    '23514', format('%s cannot make a run that is %s %s', caller, run, status)
  )
  from unnest(array['postgres', 'supabase_admin']) caller
  cross join unnest(array['failed', 'cancelled', 'complete']) run
  cross join unnest(array['pending', 'failed', 'cancelled', 'complete']) status;
select is(
  pg_temp.outcome('postgres',
    $$ insert into public.runs select (r).* from (select r from public.runs r where run_id = {failed}) s
         on conflict (run_id) do update set status = 'pending', finished_at = null, failure_code = null $$),
  '23514', 'nor by an upsert'
);
select is(pg_temp.outcome(caller, statement), '42501', format('%s may not: %s', caller, regexp_replace(statement, '\s+', ' ', 'g')))
  from unnest(array['ada', 'bob', 'no claims', 'anon', 'service_role', 'oslira_user', 'oslira_system']) caller
  cross join unnest(array[
    'update public.runs set status = ''cancelled'', finished_at = now(), failure_code = ''X'' where run_id = {pending}',
    'update public.runs set status = status where run_id = {failed}',
    'update public.runs set credits_charged = 0',
    'update public.analyses set score = 100 where run_id = {complete}',
    'insert into public.runs (run_id, account_id, business_profile_id, requested_by, username, tier, credits_charged)
       values ({unknown}, {ada.account}, {ada.profile}, {ada}, ''free'', ''xray'', 0)',
    'insert into public.analyses (run_id, account_id, lead_id, score, confidence, result, data_as_of, cache_hit, duration_ms)
       values ({pending}, {ada.account}, {lead}, 100, 1, ''{}'', now(), true, 1)',
    'delete from public.runs where run_id = {pending}',
    'delete from public.analyses where run_id = {complete}',
    'truncate public.runs cascade'
  ]) statement;
select is(pg_temp.outcome(caller, call), '42501', format('%s may not: %s', caller, call))
  from unnest(array['ada', 'bob', 'no claims', 'anon', 'oslira_user', 'oslira_system', 'supabase_auth_admin']) caller
  cross join unnest(array[
    'select * from oslira.refund_run({pending}, ''cancelled'', ''X'', '''')',
    'select oslira.complete_run({pending}, {lead}, 80, 0.9, ''{}'', now(), true, 1)'
  ]) call;
select is(pg_temp.about('pending'), 'pending, finished: f, code: , ledger: charge -6, scored: ', 'after all attempts the run is still under way');
select is(pg_temp.balance('ada.account'), 88, 'and paid for');

select * from finish();
rollback;
