-- What a signed-in user can pile up with SQL of their own.
--
-- Proves: an account has at most 100 business profiles, and 1,000 with the deleted ones, however they are written. That two
-- writers at once do not pass it together is shown in tests/races.

begin;
\ir support/callers.sql
select no_plan();

\o /dev/null
select pg_temp.sign_up(name) from unnest(array['ada', 'bob']) name;
\o

create function pg_temp.add_many(p_caller text, p_count integer) returns text language sql as $$
  select pg_temp.outcome(p_caller, format(
    'insert into public.business_profiles (account_id, name, description, follower_min, follower_max, engagement_min)
       select {%s.account}, n::text, ''d'', 1, 2, 1 from generate_series(1, %s) n', p_caller, p_count));
$$;
create function pg_temp.profiles(p_account text) returns integer language sql as $$
  select count(*)::integer from public.business_profiles p where p.account_id = pg_temp.id(p_account);
$$;

select is(pg_temp.add_many('ada', 5000), '23514 business_profiles_per_account', 'five thousand in one statement');
select is(pg_temp.profiles('ada.account'), 0, 'leave nothing');
select is(pg_temp.add_many('ada', 100), '100 rows', 'a hundred are in order');
select is(pg_temp.add_many('ada', 1), '23514 business_profiles_per_account', 'one more is not');
select is(pg_temp.add_many('bob', 1), '1 rows', 'another account has its own hundred');

update public.business_profiles set deleted_at = now() where account_id = pg_temp.id('ada.account');
select is(pg_temp.add_many('ada', 100), '100 rows', 'deleted ones make room');
select is(
  pg_temp.outcome('postgres', 'update public.business_profiles set deleted_at = null where account_id = {ada.account}'),
  '23514 business_profiles_per_account', 'and take it again when they come back'
);

select is(pg_temp.add_many('ada', 1), '23514 business_profiles_per_account', 'a hundred are live again');
do $$
begin
  for round in 3..10 loop
    update public.business_profiles set deleted_at = now() where account_id = pg_temp.id('ada.account');
    perform pg_temp.add_many('ada', 100);
  end loop;
  update public.business_profiles set deleted_at = now() where account_id = pg_temp.id('ada.account');
end
$$;
select is(pg_temp.profiles('ada.account'), 1000, 'a thousand with the deleted ones');
select is(pg_temp.add_many('ada', 1), '23514 business_profiles_per_account_in_all', 'are the most there can be');

-- Too many from before there was a limit.
alter table public.business_profiles disable trigger business_profiles_per_account;
select is(pg_temp.add_many('bob', 149), '149 rows', 'an account has 150 from earlier');
alter table public.business_profiles enable trigger business_profiles_per_account;
select is(
  pg_temp.outcome('postgres', 'update public.business_profiles set deleted_at = now()
    where business_profile_id = (select min(business_profile_id::text)::uuid from public.business_profiles where account_id = {bob.account})'),
  '1 rows', 'and can delete one of them'
);
select is(pg_temp.add_many('bob', 1), '23514 business_profiles_per_account', 'but add none');

select * from finish();
rollback;
