-- What an account uses, counted by day when it happens: to be read at once, however much it is, and for good.

create table public.usage_days (
  account_id uuid not null references public.accounts,
  -- A day in UTC.
  day date not null,
  tier text not null references public.analysis_tiers,
  -- By the charge.
  started integer not null default 0,
  credits_charged integer not null default 0,
  -- By the refund, which may come on a later day than the charge.
  refunded integer not null default 0,
  credits_refunded integer not null default 0,
  -- By the saved analysis.
  completed integer not null default 0,
  -- Of these, the ones that scraped nothing, by the age of what they read when the run was accepted.
  hits_under_1h integer not null default 0,
  hits_under_3h integer not null default 0,
  hits_under_6h integer not null default 0,
  hits_under_12h integer not null default 0,
  hits_from_12h integer not null default 0,
  cache_hits integer not null generated always as (
    hits_under_1h + hits_under_3h + hits_under_6h + hits_under_12h + hits_from_12h
  ) stored,
  -- How long runs took to get their profile: from the cache, and otherwise.
  hits_reading_ms bigint not null default 0,
  misses_reading_ms bigint not null default 0,
  primary key (account_id, day, tier),
  constraint usage_days_hits_complete check (cache_hits <= completed)
);
comment on table public.usage_days is 'What an account used, by day and tier. Triggers count each charge, refund and saved analysis in its own transaction. So the credits are always those of the ledger, and outlive the runs.';

grant select on public.usage_days to authenticated;
alter table public.usage_days enable row level security;
alter table public.usage_days force row level security;
create policy "Members can see their account's usage" on public.usage_days
  for select to authenticated using (account_id = any ((select oslira.accounts_of_caller('member'))::uuid[]));

-- Counts a charge or a refund.
create function oslira.count_move(p_move public.credit_transactions) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  insert into public.usage_days as u (account_id, day, tier, started, credits_charged, refunded, credits_refunded)
    select p_move.account_id, (p_move.created_at at time zone 'UTC')::date, r.tier,
           (p_move.kind = 'charge')::integer, greatest(-p_move.amount, 0),
           (p_move.kind = 'refund')::integer, greatest(p_move.amount, 0)
      from public.runs r where r.run_id = p_move.run_id
    on conflict (account_id, day, tier) do update set
      started = u.started + excluded.started,
      credits_charged = u.credits_charged + excluded.credits_charged,
      refunded = u.refunded + excluded.refunded,
      credits_refunded = u.credits_refunded + excluded.credits_refunded;
end
$$;

-- Counts a saved analysis.
create function oslira.count_analysis(p_analysis public.analyses) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  v_run public.runs;
  v_age interval;
  v_reading_ms bigint;
begin
  select * into strict v_run from public.runs r where r.run_id = p_analysis.run_id;
  if p_analysis.cache_hit then
    v_age := v_run.created_at - p_analysis.data_as_of;
  end if;
  -- A run whose progress was lost does not know it. What has another form is not counted, and fails nothing.
  v_reading_ms := coalesce(jsonb_path_query_first(
    p_analysis.result, '$.timing.steps[*] ? (@.name == "scraping" && @.durationMs >= 0 && @.durationMs < 1e12).durationMs'
  )::bigint, 0);
  insert into public.usage_days as u (account_id, day, tier, completed, hits_under_1h, hits_under_3h, hits_under_6h,
      hits_under_12h, hits_from_12h, hits_reading_ms, misses_reading_ms)
    values (p_analysis.account_id, (p_analysis.created_at at time zone 'UTC')::date, v_run.tier, 1,
      (coalesce(v_age < interval '1 hour', false))::integer,
      (coalesce(v_age >= interval '1 hour' and v_age < interval '3 hours', false))::integer,
      (coalesce(v_age >= interval '3 hours' and v_age < interval '6 hours', false))::integer,
      (coalesce(v_age >= interval '6 hours' and v_age < interval '12 hours', false))::integer,
      (coalesce(v_age >= interval '12 hours', false))::integer,
      case when p_analysis.cache_hit then v_reading_ms else 0 end,
      case when p_analysis.cache_hit then 0 else v_reading_ms end)
    on conflict (account_id, day, tier) do update set
      completed = u.completed + excluded.completed,
      hits_under_1h = u.hits_under_1h + excluded.hits_under_1h,
      hits_under_3h = u.hits_under_3h + excluded.hits_under_3h,
      hits_under_6h = u.hits_under_6h + excluded.hits_under_6h,
      hits_under_12h = u.hits_under_12h + excluded.hits_under_12h,
      hits_from_12h = u.hits_from_12h + excluded.hits_from_12h,
      hits_reading_ms = u.hits_reading_ms + excluded.hits_reading_ms,
      misses_reading_ms = u.misses_reading_ms + excluded.misses_reading_ms;
end
$$;

create function oslira.count_new_move() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform oslira.count_move(new);
  return null;
end
$$;
-- Its name comes after `credit_transactions_apply_to_balance`, and so does the lock that it takes.
create trigger credit_transactions_count_usage after insert on public.credit_transactions
  for each row when (new.run_id is not null) execute function oslira.count_new_move();

create function oslira.count_new_analysis() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform oslira.count_analysis(new);
  return null;
end
$$;
create trigger analyses_count_usage after insert on public.analyses
  for each row execute function oslira.count_new_analysis();

-- What there is already. Both tables are locked by their new triggers, so nothing is left out or counted twice.
do $$
begin
  perform oslira.count_move(t) from public.credit_transactions t where t.run_id is not null;
  perform oslira.count_analysis(a) from public.analyses a;
end
$$;
