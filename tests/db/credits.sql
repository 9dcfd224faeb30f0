-- The ledger and the balance.
--
-- Proves: no role changes or removes a ledger row, its owner included; the balance is the ledger's sum after every kind
-- of move and never negative; a run is charged once and refunded once, a sign-up granted once; a refund is of its own
-- charge, whole; and that none of the functions that move credits by an amount can be called by a role of ours.

begin;
\ir support/callers.sql
select no_plan();

\o /dev/null
select pg_temp.sign_up(name) from unnest(array['ada', 'bob']) name;
select pg_temp.add_business_profile(name) from unnest(array['ada', 'bob']) name;
select pg_temp.name_it(name) from unnest(array['run.one', 'run.two', 'run.never']) name;
\o

create function pg_temp.adds_up(p_name text, p_balance integer, p_after text) returns setof text language plpgsql as $$
begin
  return next is(pg_temp.balance(p_name || '.account'), p_balance, format('after %s: the balance is %s', p_after, p_balance));
  return next is(pg_temp.ledger_sum(p_name || '.account'), p_balance, format('after %s: so is the ledger''s sum', p_after));
end
$$;

-- Every kind of move ----------------------------------------------------------------------------------------

select pg_temp.adds_up('ada', 10, 'signing up');
select is(pg_temp.add_credits('ada.account', 90), 100, 'grant_credits answers the new balance');
select pg_temp.adds_up('ada', 100, 'an operator''s grant');
select is(pg_temp.add_credits('ada.account', -40), 60, 'grant_credits takes as well');
select pg_temp.adds_up('ada', 60, 'an operator''s taking');
select is(pg_temp.start('ada', 'run.one', p_tier => 'xray') ->> 'outcome', 'accepted', 'a charge through start_analysis');
select pg_temp.adds_up('ada', 54, 'a charge');
select is(
  pg_temp.outcome('service_role', $$ select * from oslira.refund_run({run.one}, 'failed', 'ScrapeFailed', 'x') $$),
  '1 rows', 'a refund through refund_run'
);
select pg_temp.adds_up('ada', 60, 'a refund');
select is(
  oslira.deduct_credits_atomic(pg_temp.id('ada.account'), 5, 'deep', pg_temp.id('run.two')), 55,
  'deduct_credits_atomic answers the new balance'
);
select pg_temp.adds_up('ada', 55, 'a deduction');
select pg_temp.adds_up('bob', 10, 'all of that, for another account');
select results_eq(
  $$ select kind, amount, run_id is not null, reverses is not null from public.credit_transactions
       where account_id = pg_temp.id('ada.account') order by created_at $$,
  $$ values ('signup', 10, false, false), ('adjustment', 90, false, false), ('adjustment', -40, false, false),
            ('charge', -6, true, false), ('refund', 6, true, true), ('charge', -5, true, false) $$,
  'each move left one ledger row'
);

-- Never negative ----------------------------------------------------------------------------------------------

select is(
  oslira.deduct_credits_atomic(pg_temp.id('ada.account'), 56, 'deep', pg_temp.id('run.never')), null,
  'deduct_credits_atomic answers null when the balance is short'
);
select pg_temp.adds_up('ada', 55, 'a deduction that was refused');
select is(
  pg_temp.outcome('postgres', $$ select oslira.grant_credits({ada.account}, -56, 'too much') $$),
  '23514 credit_balances_balance_not_negative', 'nor can an operator take more than there is'
);
select is(
  pg_temp.outcome('postgres', $$ update public.credit_balances set balance = -1 where account_id = {ada.account} $$),
  '42501', 'nor can the owner write a negative balance'
);
select is(pg_temp.outcome('postgres', statement), '42501', 'the owner may not: ' || statement)
  from unnest(array[
    'update public.credit_balances set balance = balance + 1 where account_id = {ada.account}',
    'update public.credit_balances set balance = balance where account_id = {ada.account}',
    'update public.credit_balances set account_id = {bob.account} where account_id = {ada.account}',
    'delete from public.credit_balances where account_id = {ada.account}',
    'truncate public.credit_balances',
    'insert into public.credit_balances (account_id, balance) select a.account_id, 5 from public.accounts a limit 1'
  ]) statement;
select pg_temp.adds_up('ada', 55, 'what the owner tried');
select is(
  oslira.deduct_credits_atomic(pg_temp.id('bob.account'), 10, 'deep', pg_temp.id('run.never')), 0,
  'the last credit can be spent'
);
select is(
  pg_temp.outcome('postgres', format('select oslira.deduct_credits_atomic({ada.account}, %s, ''deep'', gen_random_uuid())', amount)),
  '23514 credit_transactions_amount_signed', format('a deduction of %s is refused', amount)
) from unnest(array[0, -5]) amount;
select is(
  pg_temp.outcome('postgres', 'select oslira.deduct_credits_atomic(gen_random_uuid(), 1, ''deep'', gen_random_uuid())'),
  'P0002', 'a deduction from no account is an error, not a null'
);
select pg_temp.adds_up('ada', 55, 'all refusals');

-- Append-only -------------------------------------------------------------------------------------------------

create temp table ledger_before as
  select * from public.credit_transactions where account_id in (pg_temp.id('ada.account'), pg_temp.id('bob.account'));

select is(pg_temp.outcome(caller, statement), '42501', format('%s: %s', caller, regexp_replace(statement, '\s+', ' ', 'g')))
  from unnest(array['postgres', 'supabase_admin', 'service_role', 'ada', 'anon', 'oslira_user', 'oslira_system', 'supabase_auth_admin']) caller
  cross join unnest(array[
    'update public.credit_transactions set amount = 1000 where account_id = {ada.account}',
    'update public.credit_transactions set reason = reason where account_id = {ada.account}',
    'update public.credit_transactions set amount = 1 where false',
    'delete from public.credit_transactions where account_id = {ada.account}',
    'delete from public.credit_transactions where false',
    'truncate public.credit_transactions',
    'truncate public.credit_transactions cascade',
    'truncate public.accounts cascade',
    'truncate public.plans cascade',
    'insert into public.credit_transactions (account_id, kind, amount, grant_key, reason)
       values ({ada.account}, ''signup'', 1000, ''signup:'' || {ada}, ''again'')
       on conflict (grant_key) do update set amount = excluded.amount',
    'merge into public.credit_transactions t using (select {ada.account} as account_id) s on t.account_id = s.account_id
       when matched then delete'
  ]) statement;
select ok(
    pg_temp.outcome(caller, 'delete from public.accounts where account_id = {ada.account}') ~ '^(42501|23503 )',
    format('%s cannot remove an account, which would orphan its ledger', caller)
  ) from unnest(array['postgres', 'supabase_admin', 'service_role', 'ada']) caller;
select is(
  pg_temp.outcome('supabase_auth_admin', 'delete from auth.users where id = {bob}'), '1 rows', 'a user can be deleted'
);
select set_eq(
  $$ select * from public.credit_transactions where account_id in (pg_temp.id('ada.account'), pg_temp.id('bob.account')) $$,
  'select * from ledger_before', 'the ledger says what it said, also of a deleted user'
);
select is(
  (select tgenabled::text from pg_trigger where tgname = 'credit_transactions_append_only'), 'O', 'its guard is on'
);

-- Once ---------------------------------------------------------------------------------------------------------

-- As the owner, who alone can write at all.
create function pg_temp.append(p_values text) returns text language sql as $$
  select pg_temp.outcome('postgres',
    'insert into public.credit_transactions (account_id, kind, amount, run_id, reverses, grant_key, reason) ' || p_values);
$$;
create function pg_temp.charge_of(p_run text) returns uuid language sql as $$
  select t.credit_transaction_id from public.credit_transactions t where t.run_id = pg_temp.id(p_run) and t.kind = 'charge';
$$;
\o /dev/null
select pg_temp.name_it(run || '.charge', pg_temp.charge_of(run)) from unnest(array['run.one', 'run.two', 'run.never']) run;
\o

select is(
  pg_temp.append($$ values ({ada.account}, 'charge', -5, {run.two}, null, null, 'again') $$),
  '23505 credit_transactions_run_id_once', 'a run is charged once'
);
select is(
  pg_temp.append($$ values ({bob.account}, 'charge', -1, {run.two}, null, null, 'again') $$),
  '23505 credit_transactions_run_id_once', 'also when another account were to pay'
);
select is(
  pg_temp.append($$ values ({ada.account}, 'refund', 6, {run.one}, {run.one.charge}, null, 'again') $$),
  '23505 credit_transactions_run_id_once', 'a run is refunded once'
);
select is(
  pg_temp.append($$ values ({ada.account}, 'refund', 6, {run.two}, {run.one.charge}, null, 'again') $$),
  '23505 credit_transactions_reverses_once', 'a charge is taken back once'
);
select is(
  pg_temp.append($$ values ({ada.account}, 'signup', 10, null, null, 'signup:' || {ada}, 'again') $$),
  '23505 credit_transactions_grant_key_once', 'a sign-up is granted once'
);

-- A refund is of its own charge ----------------------------------------------------------------------------------

select is(pg_temp.append(refund), '23503 credit_transactions_reverses_own_charge', 'a refund has to match its charge''s ' || part)
  from (values
    ('amount (more)', $$ values ({ada.account}, 'refund', 6, {run.two}, {run.two.charge}, null, 'x') $$),
    ('amount (less)', $$ values ({ada.account}, 'refund', 4, {run.two}, {run.two.charge}, null, 'x') $$),
    ('account', $$ values ({bob.account}, 'refund', 5, {run.two}, {run.two.charge}, null, 'x') $$),
    ('run', $$ values ({ada.account}, 'refund', 5, gen_random_uuid(), {run.two.charge}, null, 'x') $$),
    ('id', $$ values ({ada.account}, 'refund', 5, {run.two}, gen_random_uuid(), null, 'x') $$)
  ) bad (part, refund);
select is(pg_temp.append(row_), '23514 ' || violated, violated || ': ' || why)
  from (values
    ('credit_transactions_amount_signed', 'a charge takes', $$ values ({ada.account}, 'charge', 5, gen_random_uuid(), null, null, 'x') $$),
    ('credit_transactions_amount_signed', 'a charge is not nothing', $$ values ({ada.account}, 'charge', 0, gen_random_uuid(), null, null, 'x') $$),
    ('credit_transactions_amount_signed', 'a refund gives', $$ values ({ada.account}, 'refund', -5, {run.two}, {run.two.charge}, null, 'x') $$),
    ('credit_transactions_amount_signed', 'a sign-up gives', $$ values ({ada.account}, 'signup', -5, null, null, 'k', 'x') $$),
    ('credit_transactions_amount_signed', 'an adjustment moves', $$ values ({ada.account}, 'adjustment', 0, null, null, null, 'x') $$),
    ('credit_transactions_kind_known', 'no other kinds', $$ values ({ada.account}, 'gift', 5, null, null, null, 'x') $$),
    ('credit_transactions_run_id_where_due', 'a charge is of a run', $$ values ({ada.account}, 'charge', -5, null, null, null, 'x') $$),
    ('credit_transactions_run_id_where_due', 'an adjustment is of none', $$ values ({ada.account}, 'adjustment', 5, gen_random_uuid(), null, null, 'x') $$),
    ('credit_transactions_reverses_where_due', 'a refund names its charge', $$ values ({ada.account}, 'refund', 5, {run.two}, null, null, 'x') $$),
    ('credit_transactions_grant_key_where_due', 'a sign-up has a key', $$ values ({ada.account}, 'signup', 5, null, null, null, 'x') $$)
  ) bad (violated, why, row_);
select is(
  pg_temp.append($$ values ({ada.account}, 'refund', 5, {run.two}, {run.two.charge}, null, 'matching') $$), '1 rows',
  'one that matches in all is accepted, so the refusals above were for the reason they name'
);
select pg_temp.adds_up('ada', 60, 'all of these');

insert into public.accounts (account_id, name) values (pg_temp.name_it('bare.account'), 'no balance row');
select is(
  pg_temp.append($$ values ({bare.account}, 'adjustment', 5, null, null, null, 'x') $$), '23503',
  'a ledger row whose balance could not follow is refused'
);

-- By no role of ours -----------------------------------------------------------------------------------------------

select is(pg_temp.outcome(caller, statement), '42501', format('%s may not: %s', caller, statement))
  from unnest(array['ada', 'no claims', 'anon', 'service_role', 'oslira_user', 'oslira_system', 'supabase_auth_admin']) caller
  cross join unnest(array[
    'select oslira.deduct_credits_atomic({ada.account}, 1, ''light'', gen_random_uuid())',
    'select oslira.grant_credits({ada.account}, 1000, ''free'')',
    'insert into public.credit_transactions (account_id, kind, amount, reason) values ({ada.account}, ''adjustment'', 1000, ''free'')',
    'insert into public.credit_balances (account_id, balance) values ({bare.account}, 1000)',
    'update public.credit_balances set balance = 1000 where account_id = {ada.account}',
    'update public.credit_balances set balance = 1000',
    'delete from public.credit_balances where account_id = {ada.account}',
    'truncate public.credit_balances',
    'create trigger t before insert on public.credit_transactions for each row execute function suppress_redundant_updates_trigger()',
    'alter table public.credit_transactions disable trigger user',
    'alter table public.credit_balances disable row level security'
  ]) statement;
select pg_temp.adds_up('ada', 60, 'all attempts');

select * from finish();
rollback;
