-- The two ends of a run. Both lock its row first, so whichever comes first decides, and the other learns it.
-- For pipeline stages only: nothing a signed-in user may call settles or refunds a run.

-- Marks the run failed or cancelled and takes its charge back, once.
-- Answers the run's status afterwards, and whether this call settled it; no row for an unknown run.
create function oslira.refund_run(p_run_id uuid, p_status text, p_failure_code text, p_failure_message text)
returns table (status text, settled_now boolean, account_id uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_run public.runs;
begin
  if p_status not in ('failed', 'cancelled') then
    raise exception 'a refunded run is failed or cancelled, not %', p_status using errcode = 'invalid_parameter_value';
  end if;
  select * into v_run from public.runs r where r.run_id = p_run_id for update;
  if not found then
    return;
  end if;
  account_id := v_run.account_id;
  if v_run.status <> 'pending' then
    status := v_run.status;
    settled_now := false;
    return next;
    return;
  end if;
  update public.runs r
    set status = p_status, failure_code = p_failure_code, failure_message = p_failure_message,
        finished_at = clock_timestamp()
    where r.run_id = p_run_id;
  insert into public.credit_transactions (account_id, kind, amount, run_id, reverses, reason)
    select c.account_id, 'refund', -c.amount, c.run_id, c.credit_transaction_id, p_status || ': ' || p_failure_code
      from public.credit_transactions c
      where c.run_id = p_run_id and c.kind = 'charge';
  status := p_status;
  settled_now := true;
  return next;
end
$$;
grant execute on function oslira.refund_run to service_role;

-- Stores the analysis, shows its score on the lead and marks the run complete.
-- Answers the run's status afterwards: `complete`, also when it was so before; or what settled it first.
create function oslira.complete_run(
  p_run_id uuid, p_lead_id uuid, p_score integer, p_confidence double precision, p_result jsonb,
  p_data_as_of timestamptz, p_cache_hit boolean, p_duration_ms bigint
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_run public.runs;
begin
  select * into v_run from public.runs r where r.run_id = p_run_id for update;
  if not found then
    return null;
  end if;
  if v_run.status <> 'pending' then
    return v_run.status;
  end if;
  insert into public.analyses
      (run_id, account_id, lead_id, score, confidence, result, data_as_of, cache_hit, duration_ms)
    values (p_run_id, v_run.account_id, p_lead_id, p_score, p_confidence, p_result, p_data_as_of, p_cache_hit,
            p_duration_ms);
  update public.leads l
    set score = p_score, tier = v_run.tier, analyzed_at = now(), updated_at = now()
    where l.lead_id = p_lead_id and l.account_id = v_run.account_id;
  update public.runs r set status = 'complete', finished_at = clock_timestamp() where r.run_id = p_run_id;
  return 'complete';
end
$$;
grant execute on function oslira.complete_run to service_role;
