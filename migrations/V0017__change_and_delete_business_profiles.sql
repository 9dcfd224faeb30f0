-- Business profiles are listed, changed and deleted; the ledger is listed.

-- A deleted profile is seen by nobody. What it was used for stays: leads, runs, and what these judged by.
alter policy "Members can see their account's business profiles" on public.business_profiles
  using (account_id = any ((select oslira.accounts_of_caller('member'))::uuid[]) and deleted_at is null);

grant update (name, description, website, voice, offer, follower_min, follower_max, engagement_min, content_themes,
  geo_focus) on public.business_profiles to authenticated;
create policy "Members can change their account's business profiles" on public.business_profiles
  for update to authenticated
  using (account_id = any ((select oslira.accounts_of_caller('member'))::uuid[]) and deleted_at is null)
  with check (account_id = any ((select oslira.accounts_of_caller('member'))::uuid[]) and deleted_at is null);

-- What a member writes with SQL is answered to others as what the API takes. So it is held to the same rules.
-- Themes or places: at most 30, one after the other, each of 1 to 60 characters without spaces around it.
create function oslira.are_words(p_words text[]) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select cardinality(p_words) <= 30 and coalesce(array_ndims(p_words), 1) = 1 and not exists (
    select from unnest(p_words) word where (char_length(word) between 1 and 60 and word = btrim(word)) is not true
  );
$$;
-- A check asks it with the rights of whoever writes.
grant execute on function oslira.are_words to authenticated;
alter table public.business_profiles
  drop constraint business_profiles_content_themes_size,
  drop constraint business_profiles_geo_focus_size,
  add constraint business_profiles_content_themes_words check (oslira.are_words(content_themes)),
  add constraint business_profiles_geo_focus_words check (oslira.are_words(geo_focus)),
  add constraint business_profiles_name_line check (name !~ '[\u0001-\u001f\u007f-\u009f]' and name = btrim(name)),
  add constraint business_profiles_website_web_address check (
    website ~* '^https?://[^/]' and website !~ '[\u0001-\u0020\u007f-\u00a0\\]'
  ),
  -- What the API's whole numbers can be.
  add constraint business_profiles_follower_range_bounds check (follower_max <= 4294967295);

-- Deletes, softly, and for owners alone. It may be called twice: a profile that was deleted before is answered as deleted.
-- Answers: deleted | not_found | not_owner (whether there is such a profile or not) | account_not_found
create function public.delete_business_profile(p_account_id uuid, p_business_profile_id uuid) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if (p_account_id = any (oslira.accounts_of_caller('member'))) is not true then
    return 'account_not_found';
  elsif (p_account_id = any (oslira.accounts_of_caller('owner'))) is not true then
    return 'not_owner';
  end if;
  update public.business_profiles p set deleted_at = now()
    where p.business_profile_id = p_business_profile_id and p.account_id = p_account_id and p.deleted_at is null;
  return case
    when exists (
      select from public.business_profiles p where p.business_profile_id = p_business_profile_id and p.account_id = p_account_id
    ) then 'deleted'
    else 'not_found'
  end;
end
$$;
grant execute on function public.delete_business_profile to authenticated;

-- Lists are in a total order, newest first, which the index has: pages need no sort. For business profiles one index does for
-- the list and for counting, where deleted ones count, too: there are a thousand at most.
drop index public.business_profiles_account_id;
drop index public.business_profiles_account_id_with_deleted;
create index business_profiles_newest on public.business_profiles (account_id, created_at desc, business_profile_id desc);
drop index public.credit_transactions_account_id_created_at;
create index credit_transactions_newest on public.credit_transactions (account_id, created_at desc, credit_transaction_id desc);
