-- What a signed-in user with SQL can pile up, what the owner of the balances can slip on, and whose ids a run may have.

-- An account's business profiles, deleted ones included until they are cleared away. Nobody needs so many; without a limit
-- one statement writes a million.
create function oslira.limit_business_profiles() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_live integer;
  v_all integer;
begin
  -- Whoever adds one to the same account at the same time waits here. Foreign keys to the account do not.
  perform from public.accounts a where a.account_id = new.account_id for no key update;
  select count(*) filter (where p.deleted_at is null), count(*) into v_live, v_all
    from public.business_profiles p where p.account_id = new.account_id;
  if v_live > 100 then
    raise exception 'an account has at most 100 business profiles'
      using errcode = 'check_violation', table = 'business_profiles', constraint = 'business_profiles_per_account';
  elsif v_all > 1000 then
    raise exception 'an account has at most 1000 business profiles with the deleted ones'
      using errcode = 'check_violation', table = 'business_profiles', constraint = 'business_profiles_per_account_in_all';
  end if;
  return null;
end
$$;
-- AFTER: it must not fire for a row that `on conflict do nothing` leaves out.
create trigger business_profiles_per_account after insert on public.business_profiles
  for each row execute function oslira.limit_business_profiles();
-- An account that has too many from before can still delete some.
create trigger business_profiles_per_account_again after update of account_id, deleted_at on public.business_profiles
  for each row when (new.account_id <> old.account_id or (old.deleted_at is not null and new.deleted_at is null))
  execute function oslira.limit_business_profiles();
-- What is counted includes deleted ones, which the index of the list leaves out.
create index business_profiles_account_id_with_deleted on public.business_profiles (account_id);

-- As before, but of its own route alone: two routes would otherwise delete the same rows under different locks.
create or replace function oslira.find_idempotency_key(p_account_id uuid, p_route text, p_key text)
returns oslira.idempotency_keys
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_key oslira.idempotency_keys;
begin
  delete from oslira.idempotency_keys k
    where k.account_id = p_account_id and k.route = p_route and k.created_at < now() - interval '24 hours';
  select * into v_key from oslira.idempotency_keys k
    where k.account_id = p_account_id and k.route = p_route and k.idempotency_key = p_key;
  return v_key;
end
$$;

-- As before, with a limit of keys that have not expired, and behind a lock of the account, which orders its claims.
create or replace function public.claim_idempotency_key(
  p_account_id uuid, p_route text, p_key text, p_body_hash bytea, p_resource_id uuid
) returns table (outcome text, resource_id uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_user_id uuid := (select auth.uid());
  v_key oslira.idempotency_keys;
begin
  -- A key of a route that charges is taken where it charges; here it could be made to name a resource of another.
  if p_route is distinct from 'POST /api/business-profiles' then
    raise exception 'no key is claimed for %', p_route using errcode = 'invalid_parameter_value';
  end if;
  if not exists (select from public.members m where m.account_id = p_account_id and m.user_id = v_user_id) then
    outcome := 'account_not_found';
    return next;
    return;
  end if;
  resource_id := p_resource_id;
  outcome := 'new';
  if p_key is not null then
    perform from public.accounts a where a.account_id = p_account_id for no key update;
    v_key := oslira.find_idempotency_key(p_account_id, p_route, p_key);
    if v_key.resource_id is null then
      if (select count(*) from oslira.idempotency_keys k where k.account_id = p_account_id and k.route = p_route) >= 1000 then
        raise exception 'an account claims at most 1000 keys in 24 hours'
          using errcode = 'check_violation', table = 'idempotency_keys', constraint = 'idempotency_keys_per_account';
      end if;
      insert into oslira.idempotency_keys (account_id, route, idempotency_key, body_hash, resource_id)
        values (p_account_id, p_route, p_key, p_body_hash, p_resource_id);
    elsif v_key.body_hash <> p_body_hash then
      outcome := 'reused';
    elsif v_key.resource_id <> p_resource_id then
      outcome := 'repeated';
      resource_id := v_key.resource_id;
    end if;
  end if;
  return next;
end
$$;

-- A balance moves with the ledger or not at all. Nobody but the tables' owner could write to it before; now a slip of the
-- owner's is refused, too.
create function oslira.refuse_balance_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  case
    when tg_op = 'INSERT' then
      if new.balance = 0 then
        return new;
      end if;
    -- At the first level a statement wrote to the table itself; below it is `credit_transactions_apply_to_balance`.
    when tg_op = 'UPDATE' and pg_trigger_depth() > 1 and new.account_id = old.account_id then
      return new;
    else
  end case;
  raise exception 'a balance changes by a row of the ledger: % is refused', lower(tg_op) using errcode = 'insufficient_privilege';
end
$$;
create trigger credit_balances_follow_the_ledger before insert or update or delete on public.credit_balances
  for each row execute function oslira.refuse_balance_change();
create trigger credit_balances_never_emptied before truncate on public.credit_balances
  for each statement execute function oslira.refuse_balance_change();

-- The ids of visitors' runs are UUIDs of version 8, made from their tokens. A caller of `start_analysis` chooses an id, and
-- none that could be a visitor's: the two share tables and logs outside of this database. On insert alone: what is there can
-- still be settled.
create function oslira.refuse_visitors_run_id() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if get_byte(uuid_send(new.run_id), 6) >> 4 = 8 then
    raise exception 'a run''s id is no UUID of version 8'
      using errcode = 'check_violation', table = 'runs', constraint = 'runs_run_id_no_visitors';
  end if;
  return new;
end
$$;
create trigger runs_run_id_no_visitors before insert on public.runs
  for each row execute function oslira.refuse_visitors_run_id();
