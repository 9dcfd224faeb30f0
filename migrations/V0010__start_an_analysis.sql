-- Accepting a run: steps 1 to 5 of an analysis in one call, one transaction, one round trip.

-- Charges the caller's account for one analysis, or says why not.
--
-- outcome: accepted | in_progress (run_id is the other run's) | insufficient_credits | account_not_found
--          | business_profile_not_found | idempotency_key_reused
-- status:  of the run in run_id. A repeated call, by run id or by idempotency key, answers `accepted` again.
--
-- The balance row is locked before anything is decided, so requests of one account are decided in turn. The
-- caller names no amount: the price comes from analysis_tiers.
create function public.start_analysis(
  p_account_id uuid,
  p_business_profile_id uuid,
  p_run_id uuid,
  p_username text,
  p_tier text,
  p_idempotency_key text default null,
  p_body_hash bytea default null
) returns table (outcome text, run_id uuid, status text, credits integer, balance integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  c_route constant text := 'POST /api/leads/analyze';
  v_user_id uuid := (select auth.uid());
  v_key oslira.idempotency_keys;
  v_run public.runs;
begin
  if not exists (select from public.members m where m.account_id = p_account_id and m.user_id = v_user_id) then
    outcome := 'account_not_found';
    return next;
    return;
  end if;

  select b.balance into strict balance
    from public.credit_balances b where b.account_id = p_account_id for update;

  -- Under the balance lock, so two requests with one key come here in turn; a refusal below rolls nothing in.
  v_key := oslira.find_idempotency_key(p_account_id, c_route, p_idempotency_key);
  if v_key.body_hash <> p_body_hash then
    outcome := 'idempotency_key_reused';
    return next;
    return;
  end if;

  select * into v_run from public.runs r
    where r.run_id = coalesce(v_key.resource_id, p_run_id) and r.account_id = p_account_id;
  if found then
    outcome := 'accepted';
    run_id := v_run.run_id;
    status := v_run.status;
    credits := v_run.credits_charged;
    return next;
    return;
  end if;

  if not exists (
    select from public.business_profiles p
      where p.business_profile_id = p_business_profile_id and p.account_id = p_account_id and p.deleted_at is null
  ) then
    outcome := 'business_profile_not_found';
    return next;
    return;
  end if;

  select * into v_run from public.runs r
    where r.account_id = p_account_id and r.business_profile_id = p_business_profile_id
      and r.username = p_username and r.tier = p_tier
      and (r.status = 'pending' or (r.status = 'complete' and r.created_at > now() - interval '5 minutes'))
    order by r.created_at desc
    limit 1;
  if found then
    outcome := 'in_progress';
    run_id := v_run.run_id;
    status := v_run.status;
    return next;
    return;
  end if;

  select t.credits into strict credits from public.analysis_tiers t where t.tier = p_tier;
  if balance < credits then
    outcome := 'insufficient_credits';
    return next;
    return;
  end if;

  insert into public.runs (run_id, account_id, business_profile_id, requested_by, username, tier, credits_charged)
    values (p_run_id, p_account_id, p_business_profile_id, v_user_id, p_username, p_tier, credits);
  balance := oslira.deduct_credits_atomic(p_account_id, credits, p_tier, p_run_id);
  if p_idempotency_key is not null then
    insert into oslira.idempotency_keys (account_id, route, idempotency_key, body_hash, resource_id)
      values (p_account_id, c_route, p_idempotency_key, p_body_hash, p_run_id);
  end if;
  outcome := 'accepted';
  run_id := p_run_id;
  status := 'pending';
  return next;
end
$$;
grant execute on function public.start_analysis to authenticated;
