-- Money. The ledger is the truth; the balance is its sum, kept by a trigger so that nothing can forget it.
--
-- Nobody but the owner of these tables can write to them, so the functions below and in later migrations
-- are the only ways in; and not even the owner can change what the ledger already says.

create table public.credit_balances (
  account_id uuid primary key references public.accounts,
  balance integer not null default 0,
  updated_at timestamptz not null default now(),
  constraint credit_balances_balance_not_negative check (balance >= 0)
);
comment on table public.credit_balances is 'Credits left, in whole credits: always the sum of the account''s ledger. Its row is the lock that orders an account''s charges.';

grant select on public.credit_balances to authenticated, service_role;
alter table public.credit_balances enable row level security;
alter table public.credit_balances force row level security;
create policy "Members can see their account's balance" on public.credit_balances
  for select to authenticated using (
    account_id = any (array(select m.account_id from public.members m where m.user_id = (select auth.uid())))
  );

create table public.credit_transactions (
  credit_transaction_id uuid primary key default gen_random_uuid(),
  account_id uuid not null references public.accounts,
  kind text not null,
  amount integer not null,
  -- The run that was charged or refunded. No foreign key: the ledger outlives deleted runs.
  run_id uuid,
  -- The charge that a refund takes back.
  reverses uuid,
  reversed_amount integer generated always as (-amount) stored,
  -- What makes a grant happen once, for example 'signup:{userId}'.
  grant_key text,
  reason text not null,
  created_at timestamptz not null default clock_timestamp(),
  constraint credit_transactions_kind_known check (kind in ('signup', 'adjustment', 'charge', 'refund')),
  constraint credit_transactions_amount_signed check (
    case kind when 'charge' then amount < 0 when 'adjustment' then amount <> 0 else amount > 0 end
  ),
  constraint credit_transactions_run_id_where_due check ((kind in ('charge', 'refund')) = (run_id is not null)),
  constraint credit_transactions_reverses_where_due check ((kind = 'refund') = (reverses is not null)),
  constraint credit_transactions_grant_key_where_due check (kind <> 'signup' or grant_key is not null),
  constraint credit_transactions_run_id_once unique (run_id, kind),
  constraint credit_transactions_grant_key_once unique (grant_key),
  constraint credit_transactions_reverses_once unique (reverses),
  -- What a refund's foreign key points at.
  constraint credit_transactions_reversible unique (credit_transaction_id, account_id, run_id, amount),
  -- A refund takes back one charge of the same account and run, to the credit.
  constraint credit_transactions_reverses_own_charge foreign key (reverses, account_id, run_id, reversed_amount)
    references public.credit_transactions (credit_transaction_id, account_id, run_id, amount)
);
comment on table public.credit_transactions is 'The ledger, append-only: every move of credits, signed. Positive adds.';
create index credit_transactions_account_id_created_at on public.credit_transactions (account_id, created_at desc);

grant select on public.credit_transactions to authenticated, service_role;
alter table public.credit_transactions enable row level security;
alter table public.credit_transactions force row level security;
create policy "Members can see their account's ledger" on public.credit_transactions
  for select to authenticated using (
    account_id = any (array(select m.account_id from public.members m where m.user_id = (select auth.uid())))
  );

-- AFTER, not BEFORE: it must not fire for a row that `on conflict do nothing` leaves out.
create function oslira.apply_to_balance() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update public.credit_balances b
    set balance = b.balance + new.amount, updated_at = clock_timestamp()
    where b.account_id = new.account_id;
  if not found then
    raise exception 'account % has no balance row', new.account_id using errcode = 'foreign_key_violation';
  end if;
  return null;
end
$$;
create trigger credit_transactions_apply_to_balance after insert on public.credit_transactions
  for each row execute function oslira.apply_to_balance();

create function oslira.refuse_ledger_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'the ledger is append-only: % is refused', lower(tg_op) using errcode = 'insufficient_privilege';
end
$$;
create trigger credit_transactions_append_only before update or delete or truncate on public.credit_transactions
  for each statement execute function oslira.refuse_ledger_change();

-- Locks the balance row, then takes the amount, once per run: the new balance, or null when it is too short.
create function oslira.deduct_credits_atomic(
  p_account_id uuid, p_amount integer, p_analysis_type text, p_run_id uuid
) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_balance integer;
begin
  select b.balance into strict v_balance
    from public.credit_balances b where b.account_id = p_account_id for update;
  if v_balance < p_amount then
    return null;
  end if;
  insert into public.credit_transactions (account_id, kind, amount, run_id, reason)
    values (p_account_id, 'charge', -p_amount, p_run_id, p_analysis_type || ' analysis');
  return v_balance - p_amount;
end
$$;

-- For operators: adds (or, negative, takes) credits with a reason. Granted to no role.
create function oslira.grant_credits(p_account_id uuid, p_amount integer, p_reason text) returns integer
language sql security definer set search_path = pg_catalog, pg_temp as $$
  insert into public.credit_transactions (account_id, kind, amount, reason)
    values (p_account_id, 'adjustment', p_amount, p_reason);
  select b.balance from public.credit_balances b where b.account_id = p_account_id;
$$;
