-- Fills a database for `bench db`: leads of a thousand accounts, a tenth of them of one account, and what else lists read.
--
-- `bench.leads` says how many leads. Triggers and foreign keys are off: a million runs need no charging one by one. Rows come
-- in the order of their time, so those of one account lie among the others', as they would after months of use.

set session_replication_role = replica;
set synchronous_commit = off;
select setseed(0.5);

create temp table tenants as
  select n, md5('account ' || n)::uuid as account_id, md5('user ' || n)::uuid as user_id,
         case n when 1 then leads / 10 else (leads - leads / 10) / 999 end as leads, case n when 1 then 10 else 3 end as profiles
    from generate_series(1, 1000) n cross join (select current_setting('bench.leads')::integer as leads) l;

insert into public.accounts (account_id, name, created_at) select account_id, 'Account ' || n, now() - interval '400 days' from tenants;
insert into public.members (account_id, user_id, role, created_at) select account_id, user_id, 'owner', now() - interval '400 days' from tenants;
-- The caller is in several accounts, as agencies are.
insert into public.members (account_id, user_id, role) select t.account_id, big.user_id, 'member' from tenants t, tenants big where t.n between 2 and 4 and big.n = 1;
insert into public.business_profiles (business_profile_id, account_id, name, description, follower_min, follower_max, engagement_min, created_at)
  select md5('profile ' || n || '.' || p)::uuid, account_id, 'Profile ' || p, 'Roasts coffee for cafés.', 1000, 500000, 1.5, now() - interval '400 days' + p * interval '1 hour'
    from tenants cross join generate_series(1, profiles) p;
insert into oslira.business_profile_versions (business_profile_id, version, account_id, name, description, follower_min, follower_max,
    engagement_min, content_themes, geo_focus)
  select business_profile_id, 1, account_id, name, description, follower_min, follower_max, engagement_min, '{}', '{}'
    from public.business_profiles where account_id in (select account_id from tenants);

-- Of a hundred leads, two were deleted, and five were never analysed.
insert into public.leads (lead_id, account_id, business_profile_id, username, full_name, biography, external_url, followers, following,
    posts_count, is_verified, is_business, profile_as_of, score, tier, analyzed_at, created_at, deleted_at)
  select md5('lead ' || n || '.' || k)::uuid, account_id, md5('profile ' || n || '.' || 1 + k % profiles)::uuid,
         substr(md5(n || '.' || k), 1, 8) || '_' || k, initcap(substr(md5('name' || k), 1, 6) || ' ' || substr(md5('name' || n || k), 1, 8)),
         repeat('Strength at home, twenty minutes a day. ', 1 + k % 4), case when k % 3 = 0 then 'https://' || substr(md5('site' || k), 1, 12) || '.example' end,
         power(10, 2 + 4 * random())::bigint, (random() * 2000)::bigint, (random() * 3000)::bigint, k % 40 = 0, k % 2 = 0, at, case when is_analysed then score end,
         case when is_analysed then tier end, case when is_analysed then at + interval '10 seconds' end, at,
         case when k % 50 = 7 then at + interval '1 day' end
    from (
      select t.*, k, now() - random() * interval '365 days' as at, (100 * (random() + random() + random()) / 3)::integer as score,
             case when random() < 0.8 then 'light' when random() < 0.75 then 'deep' else 'xray' end as tier, k % 20 <> 3 as is_analysed
        from tenants t cross join generate_series(1, leads) k
    ) l
    order by at;

-- Each analysed lead has a complete run, one in five has a second one, and one in twenty a run that failed. One lead of the
-- large account was analysed two hundred times.
create temp table made as
  select md5('run ' || l.lead_id || '.' || again)::uuid as run_id, l.*, again, l.analyzed_at - again * interval '1 day' as ended_at,
         case when again = 2 then 'failed' else 'complete' end as status
    from (select *, row_number() over () as nth from public.leads where analyzed_at is not null) l
    cross join generate_series(0, 2) again
    where again = 0 or again = 1 and nth % 5 = 0 or again = 2 and nth % 20 = 0;
create temp table often as
  select l.* from public.leads l join tenants t on t.n = 1 and t.account_id = l.account_id
    where l.deleted_at is null and l.analyzed_at is not null order by l.analyzed_at desc limit 1;
insert into made
  select md5('run ' || l.lead_id || '.' || again)::uuid, l.*, 0, again, l.analyzed_at - again * interval '1 hour', 'complete'
    from often l cross join generate_series(3, 202) again;

insert into public.runs (run_id, account_id, business_profile_id, business_profile_version, requested_by, username, tier, status,
    credits_charged, failure_code, failure_message, created_at, finished_at)
  select run_id, m.account_id, business_profile_id, 1, t.user_id, username, tier, status, credits, case status when 'failed' then 'ProfilePrivate' end,
         case status when 'failed' then 'The account is private, so there is nothing to analyse.' end, ended_at - interval '10 seconds', ended_at
    from made m join tenants t using (account_id) join (select tier, credits from public.analysis_tiers) p using (tier)
    order by ended_at;
-- The large account's results are as large as real ones; the others' need only be there.
insert into public.analyses (run_id, account_id, lead_id, score, confidence, result, data_as_of, cache_hit, duration_ms, created_at)
  select run_id, m.account_id, lead_id, score, 0.57,
         case when t.n = 1 then current_setting('bench.result')::jsonb else '{"summary": "Fits."}' end, profile_as_of, again = 1, 9000, ended_at
    from made m join tenants t using (account_id) where status = 'complete'
    order by ended_at;

insert into public.credit_transactions (credit_transaction_id, account_id, kind, amount, run_id, reverses, grant_key, reason, created_at)
  select md5(kind || run_id)::uuid, account_id, kind, case kind when 'charge' then -credits_charged else credits_charged end, run_id,
         case kind when 'refund' then md5('charge' || run_id)::uuid end, null, case kind when 'charge' then tier || ' analysis' else 'failed: ProfilePrivate' end,
         case kind when 'charge' then created_at else finished_at end
    from public.runs cross join (values ('charge'), ('refund')) k (kind)
    where account_id in (select account_id from tenants) and (kind = 'charge' or status = 'failed')
    order by 9;
insert into public.credit_transactions (account_id, kind, amount, grant_key, reason, created_at)
  select account_id, 'signup', 10000000, 'bench:' || n, 'starting credits', now() - interval '400 days' from tenants;
insert into public.credit_balances (account_id, balance)
  select account_id, sum(amount) from public.credit_transactions where account_id in (select account_id from tenants) group by 1;

set session_replication_role = origin;
vacuum analyze;
