-- What is for sale. Both tables are public price lists.

create table public.plans (
  plan_id text primary key,
  name text not null,
  monthly_credits integer not null,
  starting_credits integer not null,
  price_cents integer not null,
  constraint plans_monthly_credits_not_negative check (monthly_credits >= 0),
  constraint plans_starting_credits_not_negative check (starting_credits >= 0),
  constraint plans_price_cents_not_negative check (price_cents >= 0)
);
comment on table public.plans is 'Subscription plans. `starting_credits` are granted once, when a user confirms an e-mail address.';

grant select on public.plans to anon, authenticated, service_role;
alter table public.plans enable row level security;
alter table public.plans force row level security;
create policy "Anyone can see the plans" on public.plans for select to anon, authenticated using (true);

insert into public.plans (plan_id, name, monthly_credits, starting_credits, price_cents) values
  ('free', 'Free', 0, 10, 0),
  ('starter', 'Starter', 50, 0, 3900),
  ('growth', 'Growth', 200, 0, 14900);

create table public.analysis_tiers (
  tier text primary key,
  name text not null,
  credits integer not null,
  list_price_cents integer not null,
  constraint analysis_tiers_tier_known check (tier in ('light', 'deep', 'xray')),
  constraint analysis_tiers_credits_positive check (credits > 0),
  constraint analysis_tiers_list_price_cents_positive check (list_price_cents > 0)
);
comment on table public.analysis_tiers is 'The price of an analysis, for SQL to read. A contract test holds it equal to the domain crate.';

grant select on public.analysis_tiers to anon, authenticated, service_role;
alter table public.analysis_tiers enable row level security;
alter table public.analysis_tiers force row level security;
create policy "Anyone can see the tiers" on public.analysis_tiers for select to anon, authenticated using (true);

insert into public.analysis_tiers (tier, name, credits, list_price_cents) values
  ('light', 'Quick Analysis', 1, 97),
  ('deep', 'Profile Analysis', 5, 485),
  ('xray', 'X-Ray Analysis', 6, 582);
