-- Leads are listed, deleted and restored.

-- A deleted lead is seen by nobody. Its runs and analyses stay: a result is read by its run.
comment on table public.leads is 'One Instagram account as seen by one business profile. Upserted by the pipeline, never inserted twice. A row with `deleted_at` no longer counts; for 30 days it can be restored.';
alter policy "Members can see their account's leads" on public.leads
  using (account_id = any ((select oslira.accounts_of_caller('member'))::uuid[]) and deleted_at is null);

-- An index for each order that leads are listed in; read backwards it is the opposite order. A lead without a score or an
-- analysis counts as lower than all others. Usernames are ASCII, and "C" is the order in which a prefix is a range.
create index leads_analyzed_last on public.leads (account_id, analyzed_at desc nulls last, lead_id desc) where deleted_at is null;
create index leads_highest_score on public.leads (account_id, score desc nulls last, lead_id desc) where deleted_at is null;
create index leads_most_followers on public.leads (account_id, followers desc, lead_id desc) where deleted_at is null;
create index leads_username on public.leads (account_id, username collate "C", lead_id) where deleted_at is null;
-- All that leads are filtered and sorted by. What no other index narrows down is counted and sorted by reading this one to the
-- account's end, without the rows themselves.
create index leads_filtered on public.leads
  (account_id, business_profile_id, tier, analyzed_at, score, followers, username collate "C", lead_id) where deleted_at is null;

-- A lead's analyses, newest first. It also finds those of a lead, or of an account, for whoever else asks.
create index analyses_newest_of_lead on public.analyses (account_id, lead_id, created_at desc, run_id desc);
drop index public.analyses_lead_id;
drop index public.analyses_account_id;

-- As before, and two analyses of one lead are stored in turn: what the lead shows is always what its newest analysis has.
create or replace function oslira.complete_run(
  p_run_id uuid, p_lead_id uuid, p_score integer, p_confidence double precision, p_result jsonb,
  p_data_as_of timestamptz, p_cache_hit boolean, p_duration_ms bigint
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_run public.runs;
  v_saved_at timestamptz;
begin
  select * into v_run from public.runs r where r.run_id = p_run_id for update;
  if not found then
    return null;
  end if;
  if v_run.status <> 'pending' then
    return v_run.status;
  end if;
  perform from public.leads l where l.lead_id = p_lead_id and l.account_id = v_run.account_id for no key update;
  insert into public.analyses
      (run_id, account_id, lead_id, score, confidence, result, data_as_of, cache_hit, duration_ms)
    values (p_run_id, v_run.account_id, p_lead_id, p_score, p_confidence, p_result, p_data_as_of, p_cache_hit,
            p_duration_ms)
    returning created_at into v_saved_at;
  update public.leads l
    set score = p_score, tier = v_run.tier, analyzed_at = v_saved_at, updated_at = now()
    where l.lead_id = p_lead_id and l.account_id = v_run.account_id;
  update public.runs r set status = 'complete', finished_at = clock_timestamp() where r.run_id = p_run_id;
  return 'complete';
end
$$;

-- Deletes, softly. It may be called twice: a lead that was deleted before is answered as deleted, until it is too late to
-- restore it. Nobody sets `deleted_at` otherwise: who could would also say when, and so restore for ever.
-- Answers: deleted, with the end of the time to restore it | not_found | account_not_found
create function public.delete_lead(p_account_id uuid, p_lead_id uuid)
returns table (outcome text, restorable_until timestamptz)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if (p_account_id = any (oslira.accounts_of_caller('member'))) is not true then
    outcome := 'account_not_found';
    return next;
    return;
  end if;
  update public.leads l set deleted_at = now(), updated_at = now()
    where l.lead_id = p_lead_id and l.account_id = p_account_id and l.deleted_at is null;
  select 'deleted', l.deleted_at + interval '30 days' into outcome, restorable_until
    from public.leads l
    where l.lead_id = p_lead_id and l.account_id = p_account_id and l.deleted_at > now() - interval '30 days';
  if not found then
    outcome := 'not_found';
  end if;
  return next;
end
$$;
grant execute on function public.delete_lead to authenticated;

-- Restores a lead that was deleted in the past 30 days. It may be called twice: a lead that is not deleted is answered as it
-- is. `leads_one_per_business_profile` refuses one beside a newer lead of the same business profile and username.
-- Answers: restored, with the lead | not_found | account_not_found
create function public.restore_lead(p_account_id uuid, p_lead_id uuid) returns table (outcome text, lead public.leads)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if (p_account_id = any (oslira.accounts_of_caller('member'))) is not true then
    outcome := 'account_not_found';
    return next;
    return;
  end if;
  update public.leads l set deleted_at = null, updated_at = now()
    where l.lead_id = p_lead_id and l.account_id = p_account_id and l.deleted_at > now() - interval '30 days';
  select * into lead from public.leads l
    where l.lead_id = p_lead_id and l.account_id = p_account_id and l.deleted_at is null;
  outcome := case when found then 'restored' else 'not_found' end;
  return next;
end
$$;
grant execute on function public.restore_lead to authenticated;
