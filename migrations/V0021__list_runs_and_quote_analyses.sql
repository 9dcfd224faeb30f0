-- Runs are listed, and an analysis has a price before it is started.

-- Newest first, each filter by an index of its own: an account's rare runs are found among its many. The last one also serves
-- the search for a run that does the same.
create index runs_newest on public.runs (account_id, created_at desc, run_id desc);
create index runs_by_status on public.runs (account_id, status, created_at desc, run_id desc);
create index runs_by_tier on public.runs (account_id, tier, created_at desc, run_id desc);
create index runs_by_username on public.runs (account_id, username, created_at desc, run_id desc);
drop index public.runs_recent;

-- What an analysis would cost at this moment, and what would refuse it. `start_analysis` asks it, too, so the two cannot differ.
--
-- price:    what the analysis costs.
-- balance:  what there is.
-- twin:     the run that does the same; null without one.
-- refusals: in_progress | insufficient_credits, in the order in which a start is refused.
--
-- No row when the caller does not see the account. Whether there is the business profile is not asked here.
--
-- Stable: Postgres lets it neither write nor lock. It reads with the rights of whoever asks, so a user learns what row-level
-- security shows them.
create function public.quote_analysis(
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
      and (r.status = 'pending' or (r.status = 'complete' and r.created_at > now() - interval '5 minutes'))
    order by r.created_at desc
    limit 1;
  refusals := array_remove(array[
    case when twin.run_id is not null then 'in_progress' end,
    case when balance < price then 'insufficient_credits' end
  ], null);
  return next;
end
$$;
grant execute on function public.quote_analysis to authenticated;

-- Charges the caller's account for one analysis, or says why not. Other than before, it refuses by `quote_analysis`.
--
-- outcome: accepted | repeated | account_not_found | idempotency_key_reused | not_accepted_before | business_profile_not_found,
--          or the first refusal of the quote: in_progress | insufficient_credits
-- run:     the new run; the one that an earlier call with this run id or this idempotency key made (`repeated`); the other
--          one that does the same (`in_progress`).
-- price:   what the analysis costs, unless something else decided before it was looked at.
--
-- With `p_look_up_only` nothing is accepted: `repeated` says that an earlier call was, `not_accepted_before` that none was.
--
-- The balance row is locked before anything is decided, so requests of one account are decided in turn. The caller names no
-- amount: the price comes from analysis_tiers.
create or replace function public.start_analysis(
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
  v_quote record;
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

  -- Still under the balance lock: what is read here holds until the commit.
  select q.* into strict v_quote
    from public.quote_analysis(p_account_id, p_business_profile_id, p_username, p_tier) q;
  price := v_quote.price;
  if v_quote.refusals <> '{}' then
    outcome := v_quote.refusals[1];
    run := v_quote.twin;
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
