-- What upstream calls cost, and the answers that were paid for.

create table public.ai_usage_logs (
  -- Chosen by the caller before it writes, so that a repeated write changes nothing.
  ai_usage_log_id uuid primary key,
  account_id uuid not null references public.accounts,
  run_id uuid not null,
  task text not null,
  provider text not null,
  model text not null,
  input_tokens integer not null default 0,
  cached_tokens integer not null default 0,
  output_tokens integer not null default 0,
  cost_usd double precision not null,
  duration_ms bigint not null,
  is_fallback boolean not null default false,
  is_cache_hit boolean not null default false,
  outcome text not null,
  created_at timestamptz not null default now(),
  constraint ai_usage_logs_provider_known check (provider in ('apify', 'openai', 'anthropic')),
  constraint ai_usage_logs_counts_not_negative check (
    input_tokens >= 0 and cached_tokens >= 0 and output_tokens >= 0 and cost_usd >= 0 and duration_ms >= 0
  )
);
comment on table public.ai_usage_logs is 'One row per paid upstream call: each AI call, and the Apify actor run a run needed.';
comment on column public.ai_usage_logs.input_tokens is 'Prompt tokens that the vendor did not read from its cache.';
create index ai_usage_logs_run_id on public.ai_usage_logs (run_id);
create index ai_usage_logs_account_id_created_at on public.ai_usage_logs (account_id, created_at desc);

grant select on public.ai_usage_logs to authenticated;
grant select, insert on public.ai_usage_logs to service_role;
alter table public.ai_usage_logs enable row level security;
alter table public.ai_usage_logs force row level security;
create policy "Members can see what their account's runs cost" on public.ai_usage_logs
  for select to authenticated using (
    account_id = any (array(select m.account_id from public.members m where m.user_id = (select auth.uid())))
  );

create table oslira.task_answers (
  run_id uuid not null references public.runs on delete cascade,
  task text not null,
  answer jsonb not null,
  created_at timestamptz not null default now(),
  primary key (run_id, task)
);
comment on table oslira.task_answers is 'The answer of each AI task of a run: a step that runs twice finds it and does not pay again.';
grant select, insert on oslira.task_answers to service_role;
alter table oslira.task_answers enable row level security;
alter table oslira.task_answers force row level security;
