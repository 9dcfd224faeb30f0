-- Tenants and who belongs to them.

create table public.accounts (
  account_id uuid primary key default gen_random_uuid(),
  name text not null,
  plan_id text not null default 'free' references public.plans,
  plan_status text not null default 'active',
  period_end timestamptz,
  created_at timestamptz not null default now(),
  deleted_at timestamptz,
  constraint accounts_name_length check (char_length(name) between 1 and 200),
  constraint accounts_plan_status_known check (
    plan_status in ('active', 'canceled', 'incomplete', 'incomplete_expired', 'past_due', 'paused', 'trialing', 'unpaid')
  )
);
comment on table public.accounts is 'A tenant: owns credits, business profiles, leads and analyses. Foreign keys keep its row for as long as there is a ledger of it. Nothing sets `deleted_at` yet.';

create table public.members (
  account_id uuid not null references public.accounts,
  user_id uuid not null references auth.users on delete cascade,
  role text not null,
  created_at timestamptz not null default now(),
  primary key (account_id, user_id),
  constraint members_role_known check (role in ('owner', 'member'))
);
comment on table public.members is 'Which users belong to which accounts. Only owners pay, cancel plans or delete.';

-- Every policy of every other table begins with this look-up.
create index members_user_id_created_at on public.members (user_id, created_at) include (account_id);

grant select on public.members to authenticated, service_role;
alter table public.members enable row level security;
alter table public.members force row level security;
create policy "Members can see their own memberships" on public.members
  for select to authenticated using (user_id = (select auth.uid()));

grant select on public.accounts to authenticated, service_role;
alter table public.accounts enable row level security;
alter table public.accounts force row level security;
create policy "Members can see their accounts" on public.accounts
  for select to authenticated using (
    account_id = any (array(select m.account_id from public.members m where m.user_id = (select auth.uid())))
  );
