-- Whether a lead needs a refresh is answered by what its last analysis saw; and an account may demand newer data for a lead.

-- What the last complete analysis saw. The columns beside them show the profile as the latest run found it, which may have
-- failed after that, or may still be under way. The bio is a stranger's text about themselves: one copy per lead, no history,
-- gone with the lead.
alter table public.leads
  add column analyzed_data_as_of timestamptz,
  add column analyzed_followers bigint,
  add column analyzed_biography text,
  add column analyzed_is_verified boolean,
  add column fresh_since timestamptz;
comment on column public.leads.analyzed_data_as_of is 'When the profile that the last analysis read was scraped, or its posts if they were scraped earlier.';
comment on column public.leads.analyzed_biography is 'The bio that the last analysis saw, to tell whether it has changed since. Personal data of a public profile.';
comment on column public.leads.fresh_since is 'No run of the lead reads what was scraped before this moment. Set by force_refresh, and never taken back: after a day nothing is that old any more.';

-- Analyses from before are taken to have seen what the lead shows.
update public.leads l
  set analyzed_data_as_of = coalesce(
        (select a.data_as_of from public.analyses a where a.account_id = l.account_id and a.lead_id = l.lead_id
            order by a.created_at desc limit 1),
        l.profile_as_of),
      analyzed_followers = l.followers, analyzed_biography = l.biography, analyzed_is_verified = l.is_verified
  where l.analyzed_at is not null;

-- A run keeps the mark that its lead had when the run was accepted: the execution's input must be the same however often it is
-- started. A trigger, so that it holds for whatever makes runs.
alter table public.runs add column fresh_since timestamptz;
comment on column public.runs.fresh_since is 'The run reads nothing that was scraped before this moment: what the lead''s was when the run was accepted.';

create function oslira.copy_fresh_since() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  new.fresh_since := (
    select l.fresh_since from public.leads l
      where l.account_id = new.account_id and l.business_profile_id = new.business_profile_id
        and l.username = new.username and l.deleted_at is null
  );
  return new;
end
$$;
create trigger runs_copy_fresh_since before insert on public.runs
  for each row execute function oslira.copy_fresh_since();

-- As before, and notes on the lead what the analysis saw. The new parameters have defaults: code from before this migration
-- passes none, and then what the lead shows is taken. Dropped and made anew, because no two functions share a name.
drop function oslira.complete_run;
create function oslira.complete_run(
  p_run_id uuid, p_lead_id uuid, p_score integer, p_confidence double precision, p_result jsonb,
  p_data_as_of timestamptz, p_cache_hit boolean, p_duration_ms bigint,
  p_followers bigint default null, p_biography text default null, p_is_verified boolean default null
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
    set score = p_score, tier = v_run.tier, analyzed_at = v_saved_at, updated_at = now(),
        analyzed_data_as_of = p_data_as_of,
        analyzed_followers = coalesce(p_followers, l.followers),
        analyzed_biography = coalesce(p_biography, l.biography),
        analyzed_is_verified = coalesce(p_is_verified, l.is_verified)
    where l.lead_id = p_lead_id and l.account_id = v_run.account_id;
  update public.runs r set status = 'complete', finished_at = clock_timestamp() where r.run_id = p_run_id;
  return 'complete';
end
$$;
grant execute on function oslira.complete_run to service_role;

-- As before, but a complete run is no twin of one that is asked for after a newer demand: the new one reads other data.
create or replace function public.quote_analysis(
  p_account_id uuid,
  p_business_profile_id uuid,
  p_username text,
  p_tier text
) returns table (price integer, balance integer, twin public.runs, refusals text[])
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  select b.balance into balance from public.credit_balances b where b.account_id = p_account_id;
  if not found then
    return;
  end if;
  select t.credits into strict price from public.analysis_tiers t where t.tier = p_tier;
  select * into twin from public.runs r
    where r.account_id = p_account_id and r.business_profile_id = p_business_profile_id
      and r.username = p_username and r.tier = p_tier
      and (r.status = 'pending' or (
        r.status = 'complete' and r.created_at > now() - interval '5 minutes'
        and exists (
          select from public.analyses a join public.leads l using (lead_id)
            where a.run_id = r.run_id and l.deleted_at is null
              and (l.fresh_since is null or l.fresh_since = r.fresh_since)
        )
      ))
    order by r.created_at desc
    limit 1;
  refusals := array_remove(array[
    case when twin.run_id is not null then 'in_progress' end,
    case when balance < price then 'insufficient_credits' end
  ], null);
  return next;
end
$$;

-- Demands newer data for a lead: runs of it that are accepted from now on read nothing that was scraped before now. It touches
-- no cache, so other accounts go on as before. The API limits how often. Whoever calls this past the API gains little: only the
-- account's own runs read the mark. Each is paid for, or is refunded and counts among the starts of an hour all the same.
-- Answers the moment; null for a lead that is not there.
create function public.force_refresh(p_account_id uuid, p_lead_id uuid) returns timestamptz
language sql security definer set search_path = pg_catalog, pg_temp as $$
  update public.leads l set fresh_since = clock_timestamp()
    where l.lead_id = p_lead_id and l.account_id = p_account_id and l.deleted_at is null
      and l.account_id = any (oslira.accounts_of_caller('member'))
    returning l.fresh_since;
$$;
grant execute on function public.force_refresh to authenticated;
