-- What an account sells, and to whom.

create table public.business_profiles (
  business_profile_id uuid primary key default gen_random_uuid(),
  account_id uuid not null references public.accounts,
  name text not null,
  description text not null,
  website text,
  voice text,
  offer text,
  -- Ideal customer profile. Columns rather than JSON: what a user writes past our API must still be readable.
  follower_min bigint not null,
  follower_max bigint not null,
  engagement_min double precision not null,
  content_themes text[] not null default '{}',
  geo_focus text[] not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  constraint business_profiles_name_length check (char_length(name) between 1 and 200),
  constraint business_profiles_description_length check (char_length(description) between 1 and 4000),
  constraint business_profiles_website_length check (char_length(website) between 1 and 500),
  constraint business_profiles_voice_length check (char_length(voice) between 1 and 1000),
  constraint business_profiles_offer_length check (char_length(offer) between 1 and 2000),
  constraint business_profiles_follower_range_ordered check (0 <= follower_min and follower_min <= follower_max),
  constraint business_profiles_engagement_min_percent check (engagement_min between 0 and 100),
  constraint business_profiles_content_themes_size check (
    cardinality(content_themes) <= 30 and char_length(content_themes::text) <= 3000 and array_position(content_themes, null) is null
  ),
  constraint business_profiles_geo_focus_size check (
    cardinality(geo_focus) <= 30 and char_length(geo_focus::text) <= 3000 and array_position(geo_focus, null) is null
  ),
  -- What other tables' foreign keys point at, so that a row can only name a business profile of its own account.
  constraint business_profiles_of_account unique (business_profile_id, account_id)
);
comment on table public.business_profiles is 'The business''s own side of an analysis. Deleting is soft: `deleted_at`.';
comment on column public.business_profiles.engagement_min is 'Least engagement rate wanted, in percent.';
create index business_profiles_account_id on public.business_profiles (account_id, created_at desc) where deleted_at is null;

grant select, insert (business_profile_id, account_id, name, description, website, voice, offer, follower_min,
  follower_max, engagement_min, content_themes, geo_focus) on public.business_profiles to authenticated;
grant select on public.business_profiles to service_role;
alter table public.business_profiles enable row level security;
alter table public.business_profiles force row level security;
create policy "Members can see their account's business profiles" on public.business_profiles
  for select to authenticated using (
    account_id = any (array(select m.account_id from public.members m where m.user_id = (select auth.uid())))
  );
create policy "Members can add business profiles to their account" on public.business_profiles
  for insert to authenticated with check (
    account_id = any (array(select m.account_id from public.members m where m.user_id = (select auth.uid())))
  );
