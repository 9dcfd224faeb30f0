-- Leads, the runs that analyse them, and what came out.

create table public.leads (
  lead_id uuid primary key default gen_random_uuid(),
  account_id uuid not null references public.accounts,
  business_profile_id uuid not null,
  username text not null,
  full_name text not null default '',
  biography text not null default '',
  external_url text,
  followers bigint not null,
  following bigint not null,
  posts_count bigint not null,
  is_verified boolean not null,
  is_business boolean not null,
  profile_as_of timestamptz not null,
  score integer,
  tier text references public.analysis_tiers,
  analyzed_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  constraint leads_username_normalised check (username ~ '^[a-z0-9._]{1,30}$' and username !~ '(^\.|\.$|\.\.)'),
  constraint leads_score_percent check (score between 0 and 100),
  constraint leads_business_profile_of_account foreign key (business_profile_id, account_id)
    references public.business_profiles (business_profile_id, account_id),
  constraint leads_of_account unique (lead_id, account_id)
);
comment on table public.leads is 'One Instagram account as seen by one business profile. Upserted by the pipeline, never inserted twice. A row with `deleted_at` no longer counts; nothing sets it yet.';
create unique index leads_one_per_business_profile on public.leads (account_id, business_profile_id, username)
  where deleted_at is null;

grant select on public.leads to authenticated;
grant select, insert, update on public.leads to service_role;
alter table public.leads enable row level security;
alter table public.leads force row level security;
create policy "Members can see their account's leads" on public.leads
  for select to authenticated using (
    account_id = any (array(select m.account_id from public.members m where m.user_id = (select auth.uid())))
  );

create table public.runs (
  run_id uuid primary key,
  account_id uuid not null references public.accounts,
  business_profile_id uuid not null,
  requested_by uuid not null,
  username text not null,
  tier text not null references public.analysis_tiers,
  status text not null default 'pending',
  credits_charged integer not null,
  failure_code text,
  failure_message text,
  created_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  constraint runs_username_normalised check (username ~ '^[a-z0-9._]{1,30}$' and username !~ '(^\.|\.$|\.\.)'),
  constraint runs_status_known check (status in ('pending', 'complete', 'failed', 'cancelled')),
  constraint runs_finished_at_when_settled check ((status = 'pending') = (finished_at is null)),
  constraint runs_failure_code_when_failed check ((status in ('failed', 'cancelled')) = (failure_code is not null)),
  constraint runs_business_profile_of_account foreign key (business_profile_id, account_id)
    references public.business_profiles (business_profile_id, account_id),
  constraint runs_of_account unique (run_id, account_id)
);
comment on table public.runs is 'One analysis from acceptance to its terminal state. Only this table decides terminal states; progress in between lives in DynamoDB.';
comment on column public.runs.status is 'pending until settled; then complete, failed or cancelled, for good.';
-- Two equal requests at the same moment make one run, whatever code asks.
create unique index runs_one_under_way on public.runs (account_id, business_profile_id, username, tier)
  where status = 'pending';
create index runs_recent on public.runs (account_id, business_profile_id, username, tier, created_at desc);

grant select on public.runs to authenticated, service_role;
alter table public.runs enable row level security;
alter table public.runs force row level security;
create policy "Members can see their account's runs" on public.runs
  for select to authenticated using (
    account_id = any (array(select m.account_id from public.members m where m.user_id = (select auth.uid())))
  );

create function oslira.refuse_unsettling() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'run % is settled as % and stays so', old.run_id, old.status using errcode = 'check_violation';
end
$$;
create trigger runs_settled_for_good before update of status on public.runs
  for each row when (old.status <> 'pending') execute function oslira.refuse_unsettling();

create table public.analyses (
  run_id uuid primary key,
  account_id uuid not null,
  lead_id uuid not null,
  score integer not null,
  confidence double precision not null,
  result jsonb not null,
  data_as_of timestamptz not null,
  cache_hit boolean not null,
  duration_ms bigint not null,
  created_at timestamptz not null default clock_timestamp(),
  constraint analyses_score_percent check (score between 0 and 100),
  constraint analyses_confidence_fraction check (confidence between 0 and 1),
  constraint analyses_run_of_account foreign key (run_id, account_id) references public.runs (run_id, account_id),
  constraint analyses_lead_of_account foreign key (lead_id, account_id) references public.leads (lead_id, account_id)
);
comment on table public.analyses is 'What a complete run found: `result` is the tier''s part of the API''s answer.';
create index analyses_lead_id on public.analyses (lead_id, created_at desc);
create index analyses_account_id on public.analyses (account_id);

grant select on public.analyses to authenticated, service_role;
alter table public.analyses enable row level security;
alter table public.analyses force row level security;
create policy "Members can see their account's analyses" on public.analyses
  for select to authenticated using (
    account_id = any (array(select m.account_id from public.members m where m.user_id = (select auth.uid())))
  );
