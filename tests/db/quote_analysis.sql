-- quote_analysis: what an analysis would cost, and what would refuse it.
--
-- Proves: it answers the price, the balance, the run that does the same, and all refusals in their order; a start is refused
-- with the first of these; it can neither write nor lock; and it tells a caller nothing that row-level security hides.

begin;
\ir support/callers.sql
select no_plan();

\o /dev/null
select pg_temp.sign_up(name) from unnest(array['ada', 'bob', 'cleo']) name;
select pg_temp.add_business_profile(name) from unnest(array['ada', 'bob']) name;
insert into public.members (account_id, user_id, role) values (pg_temp.id('ada.account'), pg_temp.id('cleo'), 'member');
\o

create function pg_temp.quote(
  p_caller text, p_username text default 'nasa', p_tier text default 'light'
) returns jsonb language sql as $$
  select pg_temp.answer(p_caller, format(
    'select price, balance, (twin).run_id as twin, refusals from public.quote_analysis({ada.account}, {ada.profile}, %L, %L)',
    p_username, p_tier));
$$;

-- Asserts what a quote refuses with, and that a start is refused with the first of it. The start must not be accepted.
create function pg_temp.refuses(
  p_refusals text[], p_why text, p_username text default 'nasa', p_tier text default 'light'
) returns setof text language plpgsql as $$
begin
  return next is(pg_temp.quote('ada', p_username, p_tier) -> 'refusals', to_jsonb(p_refusals), p_why);
  return next is(
    pg_temp.start('ada', 'refused', p_username, p_tier) ->> 'outcome', p_refusals[1],
    p_why || ': a start is refused with the first'
  );
end
$$;

-- What it answers ---------------------------------------------------------------------------------------------

select is(
    pg_temp.quote('ada', p_tier => tier),
    jsonb_build_object('price', credits, 'balance', 10, 'twin', null, 'refusals', array[]::text[]),
    format('%s costs %s, and nothing stands in its way', tier, credits)
  ) from public.analysis_tiers;
select is(
  pg_temp.start('ada', 'first', p_tier => 'deep') ->> 'outcome', 'accepted', 'then a start is accepted'
);
select is(
  pg_temp.quote('ada', p_tier => 'deep'),
  jsonb_build_object('price', 5, 'balance', 5, 'twin', pg_temp.id('first'), 'refusals', array['in_progress']),
  'one that does the same is under way'
);
select pg_temp.refuses('{in_progress}', 'a duplicate', p_tier => 'deep');
select pg_temp.refuses('{insufficient_credits}', 'a short balance', 'esa', 'xray');
select pg_temp.add_credits('ada.account', -1) \g /dev/null
select pg_temp.refuses('{in_progress,insufficient_credits}', 'both at once', p_tier => 'deep');

-- Only what is under way, or complete and accepted in the past five minutes, is a duplicate.
create function pg_temp.twin_after(p_status text, p_ago interval, p_refusals text[]) returns text language plpgsql as $$
begin
  -- As one whose status was never another: a settled run stays as it is.
  set local session_replication_role = replica;
  update public.runs r set status = p_status, created_at = now() - p_ago,
      finished_at = case when p_status <> 'pending' then now() end,
      failure_code = case when p_status in ('failed', 'cancelled') then 'Any' end
    where r.run_id = pg_temp.id('first');
  set local session_replication_role = origin;
  return is(
    pg_temp.quote('ada', p_tier => 'deep') -> 'refusals', to_jsonb(p_refusals || '{insufficient_credits}'),
    format('after a run that is %s and began %s ago', p_status, p_ago)
  );
end
$$;
select pg_temp.twin_after('complete', '4 minutes 59 seconds', '{in_progress}');
select pg_temp.twin_after('complete', '5 minutes', '{}');
select pg_temp.twin_after('failed', '0', '{}');
select pg_temp.twin_after('cancelled', '0', '{}');
select pg_temp.twin_after('pending', '1 day', '{in_progress}');

-- To whom -----------------------------------------------------------------------------------------------------

select is(pg_temp.quote('cleo', p_tier => 'deep'), pg_temp.quote('ada', p_tier => 'deep'), 'a member is told what the owner is');
select is(pg_temp.quote(caller, p_tier => 'deep'), null, format('%s is told nothing of Ada''s account', caller))
  from unnest(array['bob', 'no claims']) caller;
select is(
  pg_temp.answer('bob', $$ select (twin).run_id as twin from public.quote_analysis({bob.account}, {ada.profile}, 'nasa', 'deep') $$) ->> 'twin',
  null, 'another account''s business profile finds none of its runs'
);
select is(pg_temp.outcome(caller, $$ select from public.quote_analysis({ada.account}, {ada.profile}, 'nasa', 'light') $$),
    '42501', caller || ' may not call it')
  from unnest(array['anon', 'service_role', 'oslira_user', 'oslira_system']) caller;

-- What it cannot do -------------------------------------------------------------------------------------------

select volatility_is('public', 'quote_analysis', array['uuid', 'uuid', 'text', 'text'], 'stable', 'Postgres lets it neither write nor lock');
select isnt_definer('public', 'quote_analysis', array['uuid', 'uuid', 'text', 'text'], 'it reads with the rights of its caller');
select is(
  pg_temp.outcome('ada', $$ select from public.quote_analysis({ada.account}, {ada.profile}, 'nasa', 'free') $$), 'P0002',
  'an unknown tier'
);
select is(pg_temp.quote('ada', username) -> 'refusals', '[]', 'a quote for an odd name is none''s harm: ' || to_json(username))
  from unnest(array['', 'NOT A NAME', repeat('a', 1000)]) username;

select * from finish();
rollback;
