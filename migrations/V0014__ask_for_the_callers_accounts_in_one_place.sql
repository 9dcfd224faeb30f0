-- Who may see what goes by one function: the accounts that the caller is in.

-- The accounts that the caller is in, as at least this role: `member` (owners are members, too) or `owner`. No other word is
-- a role, and for another there are no accounts.
--
-- Policies ask it in a sub-select, which Postgres evaluates once for each table that a query names:
--   account_id = any ((select oslira.accounts_of_caller('member'))::uuid[])
--
-- A definer function: a policy of `members` itself may ask it without asking itself, and the answer is the same inside other
-- definer functions. It takes no user, so nobody can ask for somebody else's accounts. `authenticated` may execute it, or its
-- policies could not; but not name it, since the schema is closed to that role.
--
-- PL/pgSQL, because a session plans it once. An SQL function that pins its search_path is planned again by every query.
create function oslira.accounts_of_caller(p_role text) returns uuid[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return array(
    select m.account_id from public.members m
      where m.user_id = (select auth.uid())
        and m.role = any (case p_role when 'member' then array['member', 'owner'] when 'owner' then array['owner'] end)
  );
end
$$;
grant execute on function oslira.accounts_of_caller to authenticated;

-- With the role, so that the look-up needs the index alone.
drop index public.members_user_id_created_at;
create index members_user_id_created_at on public.members (user_id, created_at) include (account_id, role);
comment on table public.members is 'Which users belong to which accounts. What only owners may do asks for `oslira.accounts_of_caller(''owner'')`: `delete_business_profile`.';

alter policy "Members can see their accounts" on public.accounts
  using (account_id = any ((select oslira.accounts_of_caller('member'))::uuid[]));
alter policy "Members can see their account's balance" on public.credit_balances
  using (account_id = any ((select oslira.accounts_of_caller('member'))::uuid[]));
alter policy "Members can see their account's ledger" on public.credit_transactions
  using (account_id = any ((select oslira.accounts_of_caller('member'))::uuid[]));
alter policy "Members can see their account's business profiles" on public.business_profiles
  using (account_id = any ((select oslira.accounts_of_caller('member'))::uuid[]));
alter policy "Members can add business profiles to their account" on public.business_profiles
  with check (account_id = any ((select oslira.accounts_of_caller('member'))::uuid[]));
alter policy "Members can see their account's leads" on public.leads
  using (account_id = any ((select oslira.accounts_of_caller('member'))::uuid[]));
alter policy "Members can see their account's runs" on public.runs
  using (account_id = any ((select oslira.accounts_of_caller('member'))::uuid[]));
alter policy "Members can see their account's analyses" on public.analyses
  using (account_id = any ((select oslira.accounts_of_caller('member'))::uuid[]));
