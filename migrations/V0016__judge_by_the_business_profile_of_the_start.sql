-- A run judges by the business profile as it was when the run was accepted, whatever is written to the profile later.

alter table public.business_profiles add column version integer not null default 1;
comment on column public.business_profiles.version is 'Which content this is: every change of the content raises it by one, and nothing else does.';

-- Whoever writes: a version is never set, so each has one content.
create function oslira.count_business_profile_version() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.version := old.version;
  if (new.name, new.description, new.website, new.voice, new.offer, new.follower_min, new.follower_max,
      new.engagement_min, new.content_themes, new.geo_focus)
    is distinct from (old.name, old.description, old.website, old.voice, old.offer, old.follower_min, old.follower_max,
      old.engagement_min, old.content_themes, old.geo_focus)
  then
    new.version := old.version + 1;
  end if;
  new.updated_at := now();
  return new;
end
$$;
create trigger business_profiles_count_version before update on public.business_profiles
  for each row execute function oslira.count_business_profile_version();

create table oslira.business_profile_versions (
  business_profile_id uuid not null,
  version integer not null,
  account_id uuid not null,
  name text not null,
  description text not null,
  website text,
  voice text,
  offer text,
  follower_min bigint not null,
  follower_max bigint not null,
  engagement_min double precision not null,
  content_themes text[] not null,
  geo_focus text[] not null,
  kept_at timestamptz not null default now(),
  primary key (business_profile_id, version),
  constraint business_profile_versions_of_account foreign key (business_profile_id, account_id)
    references public.business_profiles (business_profile_id, account_id)
);
comment on table oslira.business_profile_versions is 'The contents of business profiles that runs judge by. Kept when a run is accepted that needs one, so there are no more rows than runs.';
grant select on oslira.business_profile_versions to service_role;
alter table oslira.business_profile_versions enable row level security;
alter table oslira.business_profile_versions force row level security;

-- Keeps this content, unless it is kept already. For whoever makes a run, while they have the row locked.
create function oslira.keep_business_profile_version(p_profile public.business_profiles) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  insert into oslira.business_profile_versions (business_profile_id, version, account_id, name, description, website,
      voice, offer, follower_min, follower_max, engagement_min, content_themes, geo_focus)
    values (p_profile.business_profile_id, p_profile.version, p_profile.account_id, p_profile.name, p_profile.description,
      p_profile.website, p_profile.voice, p_profile.offer, p_profile.follower_min, p_profile.follower_max,
      p_profile.engagement_min, p_profile.content_themes, p_profile.geo_focus)
    on conflict (business_profile_id, version) do nothing;
end
$$;

-- Runs from before judge by what their business profile is now.
do $$
begin
  perform oslira.keep_business_profile_version(p) from public.business_profiles p
    where exists (select from public.runs r where r.business_profile_id = p.business_profile_id);
end
$$;
alter table public.runs add column business_profile_version integer not null default 1;
alter table public.runs
  alter column business_profile_version drop default,
  add constraint runs_business_profile_version_kept foreign key (business_profile_id, business_profile_version)
    references oslira.business_profile_versions (business_profile_id, version);
comment on column public.runs.business_profile_version is 'The content of the business profile that this run judges by.';

-- Charges the caller's account for one analysis, or says why not. Other than before, the run is answered whole, and the
-- business profile is kept for it. Dropped and made anew, because it answers other columns: nothing is deployed yet that calls
-- it. Later such a change needs a second function beside the first.
--
-- outcome: accepted | repeated | in_progress | insufficient_credits | account_not_found | business_profile_not_found
--          | idempotency_key_reused | not_accepted_before
-- run:     the new run; the one that an earlier call with this run id or this idempotency key made (`repeated`); the other
--          one that does the same (`in_progress`).
-- price:   what the analysis costs, where `balance` was compared with it.
--
-- With `p_look_up_only` nothing is accepted: `repeated` says that an earlier call was, `not_accepted_before` that none was.
--
-- The balance row is locked before anything is decided, so requests of one account are decided in turn. The
-- caller names no amount: the price comes from analysis_tiers.
drop function public.start_analysis;
create function public.start_analysis(
  p_account_id uuid,
  p_business_profile_id uuid,
  p_run_id uuid,
  p_username text,
  p_tier text,
  p_idempotency_key text default null,
  p_body_hash bytea default null,
  p_look_up_only boolean default false
) returns table (outcome text, run public.runs, price integer, balance integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  c_route constant text := 'POST /api/leads/analyze';
  v_key oslira.idempotency_keys;
  v_profile public.business_profiles;
begin
  if (p_account_id = any (oslira.accounts_of_caller('member'))) is not true then
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

  select * into run from public.runs r
    where r.run_id = coalesce(v_key.resource_id, p_run_id) and r.account_id = p_account_id;
  if found then
    outcome := 'repeated';
    return next;
    return;
  end if;
  if p_look_up_only then
    outcome := 'not_accepted_before';
    return next;
    return;
  end if;

  -- Locked until the run is committed: a change or deletion of the profile comes before the run or after it.
  select * into v_profile from public.business_profiles p
    where p.business_profile_id = p_business_profile_id and p.account_id = p_account_id and p.deleted_at is null
    for share;
  if not found then
    outcome := 'business_profile_not_found';
    return next;
    return;
  end if;

  select * into run from public.runs r
    where r.account_id = p_account_id and r.business_profile_id = p_business_profile_id
      and r.username = p_username and r.tier = p_tier
      and (r.status = 'pending' or (r.status = 'complete' and r.created_at > now() - interval '5 minutes'))
    order by r.created_at desc
    limit 1;
  if found then
    outcome := 'in_progress';
    return next;
    return;
  end if;

  select t.credits into strict price from public.analysis_tiers t where t.tier = p_tier;
  if balance < price then
    outcome := 'insufficient_credits';
    return next;
    return;
  end if;

  -- Not before here: what is refused keeps nothing.
  perform oslira.keep_business_profile_version(v_profile);
  insert into public.runs (run_id, account_id, business_profile_id, business_profile_version, requested_by, username, tier,
      credits_charged)
    values (p_run_id, p_account_id, p_business_profile_id, v_profile.version, (select auth.uid()), p_username, p_tier, price)
    returning * into run;
  balance := oslira.deduct_credits_atomic(p_account_id, price, p_tier, p_run_id);
  if p_idempotency_key is not null then
    insert into oslira.idempotency_keys (account_id, route, idempotency_key, body_hash, resource_id)
      values (p_account_id, c_route, p_idempotency_key, p_body_hash, p_run_id);
  end if;
  outcome := 'accepted';
  return next;
end
$$;
grant execute on function public.start_analysis to authenticated;
