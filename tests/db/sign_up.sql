-- What a new user gets.
--
-- Proves: an account, its owner's membership and a balance for every user; the free plan's starting credits once, when
-- the e-mail address is confirmed and the user is not anonymous, over any order of confirming and losing that again.
-- Users are written with the auth server's own role.

begin;
\ir support/callers.sql
select no_plan();

-- Writes what changes, a column at a time, as the auth server does; or confirms again what is confirmed already.
create function pg_temp.set_user(p_name text, p_confirmed boolean, p_anonymous boolean) returns text language plpgsql as $$
declare
  v_user auth.users := (select u from auth.users u where u.id = pg_temp.id(p_name));
  v_confirm text := format(
    'update auth.users set email_confirmed_at = %s where id = {%s}',
    case when p_confirmed then 'clock_timestamp()' else 'null' end, p_name
  );
begin
  if v_user.is_anonymous <> p_anonymous then
    perform pg_temp.outcome('supabase_auth_admin', format('update auth.users set is_anonymous = %L where id = {%s}', p_anonymous, p_name));
    if (v_user.email_confirmed_at is not null) = p_confirmed then
      return '1 rows';
    end if;
  end if;
  return pg_temp.outcome('supabase_auth_admin', v_confirm);
end
$$;
create function pg_temp.grants(p_name text) returns integer language sql as $$
  select count(*)::integer from public.credit_transactions t
    where t.grant_key = 'signup:' || pg_temp.id(p_name) and t.account_id = pg_temp.id(p_name || '.account') and t.kind = 'signup';
$$;
create function pg_temp.starting_credits() returns integer language sql as $$
  select p.starting_credits from public.plans p where p.plan_id = 'free';
$$;

\o /dev/null
select pg_temp.sign_up('confirmed');
select pg_temp.sign_up('unconfirmed', p_confirmed => false);
select pg_temp.sign_up('anonymous', p_confirmed => false, p_anonymous => true);
select pg_temp.sign_up('odd', p_confirmed => true, p_anonymous => true);
\o

-- Everyone ---------------------------------------------------------------------------------------------------

select cmp_ok(pg_temp.starting_credits(), '>', 0, 'the free plan has starting credits');
select results_eq(
    format(
      $$ select m.role, a.plan_id, a.plan_status, a.deleted_at, b.balance is not null
           from public.members m join public.accounts a using (account_id) left join public.credit_balances b using (account_id)
           where m.user_id = pg_temp.id(%L) $$, name),
    $$ values ('owner', 'free', 'active', null::timestamptz, true) $$,
    name || ': owns one account, on the free plan, with a balance'
  ) from unnest(array['confirmed', 'unconfirmed', 'anonymous', 'odd']) name;
select is(
  (select count(*)::integer from public.members m where m.account_id in (
    select n.id from pg_temp.named n where n.name like '%.account')),
  4, 'no account has anyone else in it'
);

-- Starting credits ---------------------------------------------------------------------------------------------

select is(pg_temp.balance('confirmed.account'), pg_temp.starting_credits(), 'a confirmed address: starting credits');
select is(pg_temp.grants('confirmed'), 1, 'as one ledger row');
select is(pg_temp.balance(name || '.account'), 0, name || ': none') from unnest(array['unconfirmed', 'anonymous', 'odd']) name;

-- Any order of states, as (confirmed, anonymous), and how many grants each ends with.
create function pg_temp.goes_through(p_name text, p_states boolean[], p_grants integer[]) returns setof text
language plpgsql as $$
begin
  for i in 1 .. array_length(p_states, 1) loop
    return next is(
      pg_temp.set_user(p_name, p_states[i][1], p_states[i][2]) || ', granted ' || pg_temp.grants(p_name),
      '1 rows, granted ' || p_grants[i],
      format('%s, step %s: confirmed %s, anonymous %s', p_name, i, p_states[i][1], p_states[i][2])
    );
    return next is(
      pg_temp.balance(p_name || '.account'), p_grants[i] * pg_temp.starting_credits(), format('%s, step %s: the balance', p_name, i)
    );
  end loop;
end
$$;
select pg_temp.goes_through('confirmed', '{{f,f},{t,f},{t,t},{t,f},{t,f}}', '{1,1,1,1,1}');
select pg_temp.goes_through('unconfirmed', '{{f,f},{t,f},{f,f},{t,f},{t,f}}', '{0,1,1,1,1}');
-- An anonymous user who links an address: permanent first, then confirmed.
select pg_temp.goes_through('anonymous', '{{f,t},{f,f},{t,f},{t,t},{t,f}}', '{0,0,1,1,1}');
-- The other way round.
select pg_temp.goes_through('odd', '{{t,t},{t,f},{f,t},{t,f}}', '{0,1,1,1}');

-- What the user did with the credits does not bring them back.
\o /dev/null
select pg_temp.add_credits('unconfirmed.account', -pg_temp.starting_credits());
select pg_temp.set_user('unconfirmed', false, false), pg_temp.set_user('unconfirmed', true, false);
\o
select is(pg_temp.balance('unconfirmed.account'), 0, 'spent starting credits stay spent');

-- Signing in writes other columns.
select is(
  pg_temp.outcome('supabase_auth_admin', 'update auth.users set last_sign_in_at = now(), updated_at = now() where id = {confirmed}'),
  '1 rows', 'the auth server goes about its business'
);
select is(pg_temp.grants('confirmed'), 1, 'which grants nothing');

-- Membership elsewhere ------------------------------------------------------------------------------------------

\o /dev/null
select pg_temp.sign_up('guest', p_confirmed => false);
\o
insert into public.members (account_id, user_id, role, created_at)
  values (pg_temp.id('confirmed.account'), pg_temp.id('guest'), 'member', now() - interval '1 day');
\o /dev/null
select pg_temp.set_user('guest', true, false);
\o
select is(pg_temp.balance('guest.account'), pg_temp.starting_credits(), 'starting credits go to the account that the user owns');
select is(pg_temp.balance('confirmed.account'), pg_temp.starting_credits(), 'not to one they were invited to');

-- Not for users to bring about ------------------------------------------------------------------------------------

select is(pg_temp.outcome(caller, statement), '42501', format('%s: %s', caller, statement))
  from unnest(array['confirmed', 'no claims', 'anon', 'service_role', 'oslira_user', 'oslira_system']) caller
  cross join unnest(array[
    'insert into auth.users (id, email_confirmed_at) values (gen_random_uuid(), now())',
    'update auth.users set email_confirmed_at = now()',
    'insert into public.accounts (name) values (''mine'')',
    'insert into public.members (account_id, user_id, role) values ({unconfirmed.account}, {confirmed}, ''owner'')',
    'update public.members set role = ''owner''',
    'update public.accounts set plan_id = ''growth''',
    'select oslira.create_account_for_user()'
  ]) statement;

select * from finish();
rollback;
