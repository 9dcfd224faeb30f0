-- A new Supabase user gets an account of their own, and, once, the free plan's starting credits: when the
-- e-mail address is confirmed and the user is not anonymous, or free credits could be had by the thousand.

create function oslira.create_account_for_user() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_account_id uuid;
begin
  if tg_op = 'INSERT' then
    insert into public.accounts (name) values ('My account') returning account_id into v_account_id;
    insert into public.members (account_id, user_id, role) values (v_account_id, new.id, 'owner');
    insert into public.credit_balances (account_id) values (v_account_id);
  end if;
  if new.email_confirmed_at is not null and not coalesce(new.is_anonymous, false) then
    insert into public.credit_transactions (account_id, kind, amount, grant_key, reason)
      select m.account_id, 'signup', p.starting_credits, 'signup:' || new.id, 'starting credits'
        from public.members m
        join public.accounts a using (account_id)
        join public.plans p on p.plan_id = 'free'
        where m.user_id = new.id and m.role = 'owner'
        order by m.created_at, m.account_id
        limit 1
      on conflict (grant_key) do nothing;
  end if;
  return null;
end
$$;

create trigger oslira_create_account after insert on auth.users
  for each row execute function oslira.create_account_for_user();
create trigger oslira_grant_starting_credits after update of email_confirmed_at, is_anonymous on auth.users
  for each row execute function oslira.create_account_for_user();
