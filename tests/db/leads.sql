-- Leads: who sees, deletes and restores them, and what an analysis writes to them.
--
-- Proves: members see what is not deleted; they delete and restore, by two functions and in no other way, their own account's
-- leads alone; a deleted lead is seen by nobody, and its runs and analyses stay; it is restored within 30 days of its first
-- deletion, and not beside a newer lead; no user writes a score; what a lead shows is what its newest analysis has.

begin;
\ir support/callers.sql
select no_plan();

-- Ada owns the account, Cleo is a member of it, Bob is a stranger.
\o /dev/null
select pg_temp.sign_up(name) from unnest(array['ada', 'bob', 'cleo']) name;
select pg_temp.add_credits('ada.account', 90);
insert into public.members (account_id, user_id, role) values (pg_temp.id('ada.account'), pg_temp.id('cleo'), 'member');
select pg_temp.add_business_profile(name) from unnest(array['ada', 'bob']) name;
select pg_temp.name_it(name) from unnest(array['lead', 'newer.lead', 'bob.lead', 'unknown']) name;
create function pg_temp.add_lead(p_lead text, p_owner text, p_username text default 'nasa') returns text language sql as $$
  select pg_temp.outcome('service_role', format(
    'insert into public.leads (lead_id, account_id, business_profile_id, username, followers, following, posts_count,
       is_verified, is_business, profile_as_of)
       values ({%1$s}, {%2$s.account}, {%2$s.profile}, %3$L, 1, 1, 1, false, false, now())', p_lead, p_owner, p_username
  ));
$$;
select pg_temp.add_lead('lead', 'ada'), pg_temp.add_lead('bob.lead', 'bob');
select pg_temp.start('ada', run, p_tier => tier) from (values ('first', 'light'), ('second', 'deep'), ('third', 'xray')) r (run, tier);
\o

create function pg_temp.lead(p_name text default 'lead') returns public.leads language sql as $$
  select l from public.leads l where l.lead_id = pg_temp.id(p_name);
$$;
create function pg_temp.delete(p_caller text, p_lead text, p_account text default 'ada.account') returns text language sql as $$
  select a ->> 'outcome' from pg_temp.answer(p_caller, format('select * from public.delete_lead({%s}, {%s})', p_account, p_lead)) a;
$$;
create function pg_temp.restore(p_caller text, p_lead text, p_account text default 'ada.account') returns text language sql as $$
  select a ->> 'outcome' from pg_temp.answer(p_caller, format('select * from public.restore_lead({%s}, {%s})', p_account, p_lead)) a;
$$;
create function pg_temp.complete(p_run text, p_score integer) returns text language sql as $$
  select pg_temp.answer('service_role', format(
    'select oslira.complete_run({%s}, {lead}, %s, 0.9, ''{"summary": "x"}'', now(), true, 1500) as status', p_run, p_score
  )) ->> 'status';
$$;
create function pg_temp.shown_and_newest() returns text language sql as $$
  select format('%s %s, as its newest analysis: %s', l.tier, l.score,
      l.score = newest.score and l.tier = newest.tier and l.analyzed_at = newest.created_at)
    from public.leads l
    cross join lateral (
      select a.score, r.tier, a.created_at from public.analyses a join public.runs r using (run_id)
        where a.lead_id = l.lead_id order by a.created_at desc, a.run_id desc limit 1
    ) newest
    where l.lead_id = pg_temp.id('lead');
$$;

-- What an analysis writes -------------------------------------------------------------------------------------------

select is(pg_temp.complete('first', 80), 'complete', 'an analysis is saved');
select is(pg_temp.shown_and_newest(), 'light 80, as its newest analysis: t', 'the lead shows it');
select is(pg_temp.complete('second', 30), 'complete', 'another one is saved');
select is(pg_temp.shown_and_newest(), 'deep 30, as its newest analysis: t', 'the lead shows that one');

-- Seeing --------------------------------------------------------------------------------------------------------------

create temp table callers (caller text, seen text);
insert into callers values
  ('ada', '1 rows'), ('cleo', '1 rows'), ('bob', '0 rows'), ('no claims', '0 rows'), ('anon', '42501'), ('service_role', '1 rows');
select is(pg_temp.outcome(caller, 'select from public.leads where lead_id = {lead}'), seen, format('%s looks for a lead of Ada''s: %s', caller, seen))
  from callers;

-- Writing ---------------------------------------------------------------------------------------------------------------

select is(pg_temp.outcome(caller, statement), '42501', format('%s may not: %s', caller, regexp_replace(statement, '\s+', ' ', 'g')))
  from unnest(array['ada', 'cleo', 'bob', 'no claims', 'anon', 'oslira_user', 'oslira_system']) caller
  cross join unnest(array[
    'update public.leads set score = 100 where lead_id = {lead}',
    'update public.leads set deleted_at = now() where lead_id = {lead}',
    'update public.leads set deleted_at = null where lead_id = {lead}',
    'update public.leads set followers = 1',
    'update public.analyses set lead_id = {bob.lead} where run_id = {first}',
    'insert into public.leads (account_id, business_profile_id, username, followers, following, posts_count, is_verified, is_business,
       profile_as_of, score) values ({ada.account}, {ada.profile}, ''forged'', 1, 1, 1, true, true, now(), 100)',
    'insert into public.leads (lead_id, account_id, business_profile_id, username, followers, following, posts_count, is_verified, is_business,
       profile_as_of) values ({lead}, {ada.account}, {ada.profile}, ''nasa'', 1, 1, 1, true, true, now())
       on conflict (lead_id) do update set score = 100',
    'delete from public.leads where lead_id = {lead}'
  ]) statement;
select is(pg_temp.outcome(caller, format('select * from public.%s({ada.account}, {lead})', name)), '42501', format('%s does not call %s', caller, name))
  from unnest(array['anon', 'service_role', 'oslira_user', 'oslira_system', 'supabase_auth_admin']) caller
  cross join unnest(array['delete_lead', 'restore_lead']) name;

-- Deleting and restoring ------------------------------------------------------------------------------------------------

create temp table attempts (caller text, lead text, account text, outcome text);
insert into attempts values
  ('bob', 'lead', 'ada.account', 'account_not_found'), ('bob', 'lead', 'bob.account', 'not_found'),
  ('no claims', 'lead', 'ada.account', 'account_not_found'), ('cleo', 'lead', 'cleo.account', 'not_found'),
  ('ada', 'bob.lead', 'ada.account', 'not_found'), ('ada', 'bob.lead', 'bob.account', 'account_not_found'),
  ('ada', 'unknown', 'ada.account', 'not_found'), ('ada', 'lead', 'unknown', 'account_not_found');
create temp table before as select pg_temp.lead() as lead, pg_temp.lead('bob.lead') as bobs;
select is(pg_temp.delete(caller, lead, account), outcome, format('%s deletes %s of %s: %s', caller, lead, account, outcome)) from attempts;
select is(pg_temp.restore(caller, lead, account), outcome, format('%s restores %s of %s: %s', caller, lead, account, outcome)) from attempts;
select is(pg_temp.outcome('ada', format('select from public.%s(null, {lead}) f where f.outcome = ''account_not_found''', name)), '1 rows', name || ': no account, no lead')
  from unnest(array['delete_lead', 'restore_lead']) name;
select is(pg_temp.restore('ada', 'lead'), 'restored', 'a lead that is not deleted is restored already');
select is((b.lead - 'updated_at', b.bobs), (to_jsonb(pg_temp.lead()) - 'updated_at', to_jsonb(pg_temp.lead('bob.lead'))), 'none of that changed a lead')
  from (select to_jsonb(lead) as lead, to_jsonb(bobs) as bobs from before) b;

select is(pg_temp.delete('cleo', 'lead'), 'deleted', 'a member deletes');
select is((pg_temp.lead()).deleted_at, now(), 'softly');
select is(to_jsonb(pg_temp.lead()) - '{deleted_at,updated_at}'::text[], to_jsonb(lead) - '{deleted_at,updated_at}'::text[], 'all of it stays') from before;
select is(pg_temp.outcome(caller, 'select from public.leads where lead_id = {lead}'),
    case when caller = 'service_role' or seen <> '1 rows' then seen else '0 rows' end, format('%s looks for what is deleted', caller))
  from callers;
select is(pg_temp.outcome('cleo', 'select from ' || name || ' where run_id = {first}'), '1 rows', 'its history can still be read by the run: ' || name)
  from unnest(array['public.analyses', 'public.runs']) name;

-- As of 29 days ago.
update public.leads set deleted_at = now() - interval '29 days' where lead_id = pg_temp.id('lead');
select is(
  pg_temp.answer('ada', 'select outcome, restorable_until from public.delete_lead({ada.account}, {lead})'),
  to_jsonb(r), 'who deletes again is told of the first time'
) from (select 'deleted' as outcome, now() + interval '1 day' as restorable_until) r;
select is((pg_temp.lead()).deleted_at, now() - interval '29 days', 'which stays');

select is(pg_temp.complete('third', 70), 'complete', 'an analysis that was under way is saved');
select is(pg_temp.shown_and_newest(), 'xray 70, as its newest analysis: t', 'with the deleted lead');

select is(pg_temp.add_lead('newer.lead', 'ada'), '1 rows', 'the same username is a new lead');
select is(
  pg_temp.outcome('ada', 'select * from public.restore_lead({ada.account}, {lead})'), '23505 leads_one_per_business_profile',
  'the old one is not restored beside it'
);
select is(pg_temp.delete('ada', 'newer.lead'), 'deleted', 'the new one is deleted');
select is(
  pg_temp.answer('cleo', 'select outcome, (lead).lead_id, (lead).score, (lead).deleted_at from public.restore_lead({ada.account}, {lead})'),
  to_jsonb(r), 'then a member restores the old one and is answered with it'
) from (select 'restored' as outcome, pg_temp.id('lead') as lead_id, 70 as score, null::timestamptz as deleted_at) r;
select is(pg_temp.restore('cleo', 'lead'), 'restored', 'and is answered the same again');
select is(
  pg_temp.outcome('ada', 'select * from public.restore_lead({ada.account}, {newer.lead})'), '23505 leads_one_per_business_profile',
  'now the other one is not restored'
);

select is(pg_temp.delete('ada', 'lead'), 'deleted', 'deleted once more');
update public.leads set deleted_at = now() - interval '30 days' where lead_id = pg_temp.id('lead');
select is(pg_temp.restore('ada', 'lead'), 'not_found', 'after 30 days it is not restored');
select is(pg_temp.delete('ada', 'lead'), 'not_found', 'nor answered as deleted');
select is((pg_temp.lead()).deleted_at, now() - interval '30 days', 'and stays as it is');

select * from finish();
rollback;
