-- Refreshes: what a lead keeps of its last analysis, and the demand for newer data.
--
-- Proves: complete_run notes what the analysis saw, also when it is not told; force_refresh sets its own account's lead alone,
-- to a moment of its own choosing; a run takes the mark of its lead when it is made, whoever makes it, and keeps it; and nobody
-- writes any of this otherwise.

begin;
\ir support/callers.sql
select no_plan();

\o /dev/null
select pg_temp.sign_up(name) from unnest(array['ada', 'bob', 'cleo']) name;
insert into public.members (account_id, user_id, role) values (pg_temp.id('ada.account'), pg_temp.id('cleo'), 'member');
select pg_temp.add_credits(name || '.account', 90) from unnest(array['ada', 'bob']) name;
select pg_temp.add_business_profile(name) from unnest(array['ada', 'bob']) name;
select pg_temp.add_business_profile('ada', 'ada.second');
select pg_temp.name_it(name) from unnest(array['ada.lead', 'ada.other', 'ada.deleted', 'ada.second.lead', 'bob.lead', 'unknown']) name;
select pg_temp.outcome('service_role', format(
  'insert into public.leads (lead_id, account_id, business_profile_id, username, biography, followers, following, posts_count,
     is_verified, is_business, profile_as_of, deleted_at)
     values ({%s}, {%s.account}, {%s}, %L, ''shown'', 10, 1, 1, false, false, now(), %s)', lead, owner, profile, username, deleted_at
)) from (values
  ('ada.lead', 'ada', 'ada.profile', 'nasa', 'null'),
  ('ada.other', 'ada', 'ada.profile', 'esa', 'null'),
  ('ada.deleted', 'ada', 'ada.profile', 'nasa', 'now()'),
  ('ada.second.lead', 'ada', 'ada.second', 'nasa', 'null'),
  ('bob.lead', 'bob', 'bob.profile', 'nasa', 'null')
) lead (lead, owner, profile, username, deleted_at);
\o

create function pg_temp.mark(p_lead text) returns timestamptz language sql as $$
  select l.fresh_since from public.leads l where l.lead_id = pg_temp.id(p_lead);
$$;
create function pg_temp.mark_of_run(p_run text) returns timestamptz language sql as $$
  select r.fresh_since from public.runs r where r.run_id = pg_temp.id(p_run);
$$;
create function pg_temp.force(p_caller text, p_lead text, p_account text default null) returns text language sql as $$
  select pg_temp.answer(p_caller, format('select public.force_refresh({%s}, {%s}) as mark', coalesce(p_account, p_caller || '.account'), p_lead)) ->> 'mark';
$$;
create function pg_temp.settle(p_run text) returns void language sql as $$
  update public.runs r set status = 'failed', finished_at = now(), failure_code = 'Any' where r.run_id = pg_temp.id(p_run);
$$;

-- What an analysis saw ------------------------------------------------------------------------------------------

\o /dev/null
select pg_temp.start('ada', 'told');
\o
select row_eq(
  $$ select analyzed_data_as_of, analyzed_followers, analyzed_biography, analyzed_is_verified from public.leads where lead_id = pg_temp.id('ada.lead') $$,
  row(null::timestamptz, null::bigint, null::text, null::boolean), 'nothing, before an analysis'
);
select is(
  pg_temp.answer('service_role', $$ select oslira.complete_run({told}, {ada.lead}, 80, 0.9, '{}', '2026-01-02 03:04:05+00', false, 1,
    77, 'seen', true) as status $$) ->> 'status', 'complete', 'an analysis is stored'
);
select row_eq(
  $$ select analyzed_data_as_of, analyzed_followers, analyzed_biography, analyzed_is_verified, followers, biography from public.leads
       where lead_id = pg_temp.id('ada.lead') $$,
  row('2026-01-02 03:04:05+00'::timestamptz, 77::bigint, 'seen'::text, true, 10::bigint, 'shown'::text),
  'the lead keeps what it saw, beside what it shows'
);
\o /dev/null
select pg_temp.answer('service_role', $$ select oslira.complete_run({told}, {ada.lead}, 80, 0.9, '{}', now(), false, 1, 1, 'again', false) $$);
select pg_temp.start('ada', 'untold', p_username => 'esa');
select pg_temp.answer('service_role', $$ select oslira.complete_run({untold}, {ada.other}, 80, 0.9, '{}', now(), false, 1) $$);
\o
select is(
  (select l.analyzed_biography from public.leads l where l.lead_id = pg_temp.id('ada.lead')), 'seen', 'a repeated call changes nothing'
);
select row_eq(
  $$ select analyzed_data_as_of is not null, analyzed_followers, analyzed_biography, analyzed_is_verified from public.leads
       where lead_id = pg_temp.id('ada.other') $$,
  row(true, 10::bigint, 'shown'::text, false), 'without being told, it takes what the lead shows'
);

-- The demand ----------------------------------------------------------------------------------------------------

select isnt(pg_temp.force('ada', 'ada.lead'), null, 'the owner demands newer data for a lead');
select ok(pg_temp.mark('ada.lead') > now(), 'from the moment of the call on, not of the transaction');
select is(pg_temp.mark(lead), null, format('%s has no part in it', lead))
  from unnest(array['ada.other', 'ada.deleted', 'ada.second.lead', 'bob.lead']) lead;
select ok(pg_temp.force('cleo', 'ada.lead', 'ada.account')::timestamptz = pg_temp.mark('ada.lead'), 'a member does, too, and is told the newer moment');
select is(pg_temp.force(caller, lead, account), null, format('%s, %s in %s: no such lead', caller, lead, account))
  from (values
    ('bob', 'ada.lead', 'ada.account'), ('bob', 'ada.lead', 'bob.account'), ('ada', 'bob.lead', 'ada.account'),
    ('ada', 'ada.lead', 'bob.account'), ('ada', 'ada.deleted', 'ada.account'), ('ada', 'unknown', 'ada.account'),
    ('no claims', 'ada.lead', 'ada.account')
  ) call (caller, lead, account);
select is(pg_temp.mark(lead), null, format('%s is as it was', lead)) from unnest(array['ada.deleted', 'bob.lead']) lead;
select is(pg_temp.outcome(caller, 'select public.force_refresh({ada.account}, {ada.lead})'), '42501', format('%s may not call it', caller))
  from unnest(array['anon', 'service_role', 'oslira_user', 'oslira_system']) caller;

-- Runs take it --------------------------------------------------------------------------------------------------

\o /dev/null
select pg_temp.start('ada', run, p_tier => tier, p_username => username, p_profile => profile)
  from (values ('marked', 'deep', 'nasa', 'ada.profile'), ('unmarked', 'deep', 'esa', 'ada.profile'),
    ('second', 'deep', 'nasa', 'ada.second')) run (run, tier, username, profile);
select pg_temp.start('bob', 'bobs');
\o
select is(pg_temp.mark_of_run('marked'), pg_temp.mark('ada.lead'), 'a run of the lead has its mark');
select is(pg_temp.mark_of_run(run), null, format('the run %s has none', run)) from unnest(array['unmarked', 'second', 'bobs']) run;
\o /dev/null
create temp table before as select pg_temp.mark_of_run('marked') as mark;
select pg_temp.force('ada', 'ada.lead');
\o
select is(pg_temp.mark_of_run('marked'), mark, 'a later demand does not change a run under way') from before;
\o /dev/null
select pg_temp.settle('marked');
select pg_temp.start('ada', 'after', p_tier => 'deep');
\o
select is(pg_temp.mark_of_run('after'), pg_temp.mark('ada.lead'), 'after a failed run the next one has it still');
\o /dev/null
select pg_temp.name_it('inserted');
insert into public.runs (run_id, account_id, business_profile_id, business_profile_version, requested_by, username, tier,
    credits_charged, fresh_since)
  select pg_temp.id('inserted'), r.account_id, r.business_profile_id, r.business_profile_version, r.requested_by, r.username, 'xray', 6, now() + interval '1 year'
    from public.runs r where r.run_id = pg_temp.id('after');
\o
select is(pg_temp.mark_of_run('inserted'), pg_temp.mark('ada.lead'), 'and whoever inserts a run cannot choose another');

-- Twins ---------------------------------------------------------------------------------------------------------

create function pg_temp.complete(p_run text, p_lead text) returns void language sql as $$
  select pg_temp.answer('service_role', format('select oslira.complete_run({%s}, {%s}, 80, 0.9, ''{}'', now(), false, 1)', p_run, p_lead));
$$;
select is(pg_temp.start('ada', 'twin', p_tier => 'deep') ->> 'outcome', 'in_progress', 'a run under way is the same analysis, whatever it reads');
\o /dev/null
select pg_temp.force('ada', 'ada.lead');
\o
select is(pg_temp.start('ada', 'twin', p_tier => 'deep') ->> 'outcome', 'in_progress', 'even after a newer demand: there is one at a time');
\o /dev/null
select pg_temp.complete('after', 'ada.lead');
\o
select is(pg_temp.start('ada', 'newer', p_tier => 'deep') ->> 'outcome', 'accepted', 'a complete run from before the demand is another analysis');
\o /dev/null
select pg_temp.complete('newer', 'ada.lead');
\o
select is(pg_temp.start('ada', 'twin', p_tier => 'deep') ->> 'outcome', 'in_progress', 'one with the same mark is the same analysis');
\o /dev/null
select pg_temp.complete('unmarked', 'ada.other');
\o
select is(pg_temp.start('ada', 'twin', p_tier => 'deep', p_username => 'esa') ->> 'outcome', 'in_progress', 'and without a demand all is as before');

-- Nobody else ---------------------------------------------------------------------------------------------------

select is(pg_temp.outcome(caller, statement), '42501', format('%s may not: %s', caller, statement))
  from unnest(array['ada', 'cleo', 'bob', 'no claims', 'anon']) caller
  cross join unnest(array[
    'update public.leads set fresh_since = null', 'update public.leads set analyzed_biography = ''''',
    'update public.runs set fresh_since = null', 'select oslira.copy_fresh_since()'
  ]) statement;

select * from finish();
rollback;
