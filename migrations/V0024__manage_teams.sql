-- Teams: what an account is called, who is in it as what, and who is invited.

-- The account's name ------------------------------------------------------------------------------------------------

grant update (name) on public.accounts to authenticated;
create policy "Owners can rename their accounts" on public.accounts
  for update to authenticated
  using (account_id = any ((select oslira.accounts_of_caller('owner'))::uuid[]))
  with check (account_id = any ((select oslira.accounts_of_caller('owner'))::uuid[]));
-- What an owner writes with SQL is held to the rules of the API.
alter table public.accounts
  add constraint accounts_name_line check (name !~ '[\u0001-\u001f\u007f-\u009f]' and name = btrim(name));

-- Invitations -------------------------------------------------------------------------------------------------------

create table public.invitations (
  invitation_id uuid primary key default gen_random_uuid(),
  account_id uuid not null references public.accounts,
  email text not null,
  role text not null,
  -- SHA-256. The token itself is told to the owner once, and kept nowhere.
  token_hash bytea not null,
  invited_by uuid not null,
  accepted_by uuid,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null default clock_timestamp() + interval '7 days',
  -- What Supabase takes for an address, in the spelling that it keeps.
  constraint invitations_email_address check (
    octet_length(email) <= 255
    and email ~ '^[a-z0-9.!#$%&''*+/=?^_`{|}~-]+@[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$'
  ),
  constraint invitations_role_known check (role in ('owner', 'member')),
  constraint invitations_token_hash_length check (octet_length(token_hash) = 32),
  constraint invitations_token_hash_once unique (token_hash),
  -- An address that is invited again gets a new token instead of the old one.
  constraint invitations_email_once unique (account_id, email),
  -- An invitation goes with the membership of whoever made it, and with the membership that it made. So a token that was
  -- used lets nobody in again.
  constraint invitations_invited_by_member foreign key (account_id, invited_by)
    references public.members (account_id, user_id) on delete cascade,
  constraint invitations_accepted_by_member foreign key (account_id, accepted_by)
    references public.members (account_id, user_id) on delete cascade
);
comment on table public.invitations is 'Who may become a member of an account: whoever has the token and the confirmed address. A used one is kept until it would have expired, so that a repeated request is answered the same.';
create index invitations_newest on public.invitations (account_id, created_at desc, invitation_id desc);

-- Not the hash of the token, nor who accepted.
grant select (invitation_id, account_id, email, role, invited_by, created_at, expires_at) on public.invitations to authenticated;
alter table public.invitations enable row level security;
alter table public.invitations force row level security;
create policy "Owners can see their account's open invitations" on public.invitations
  for select to authenticated using (
    account_id = any ((select oslira.accounts_of_caller('owner'))::uuid[]) and accepted_by is null and expires_at > now()
  );

-- An owner invites an address; one that is invited already gets a new token, and seven new days.
-- outcome: invited | already_member | not_owner | account_not_found
create function public.invite_member(p_account_id uuid, p_email text, p_role text, p_token_hash bytea)
returns table (outcome text, invitation_id uuid, created_at timestamptz, expires_at timestamptz)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if (p_account_id = any (oslira.accounts_of_caller('member'))) is not true then
    outcome := 'account_not_found';
    return next;
    return;
  end if;
  -- All that changes a team waits here for what came first, and then looks again at what the caller is.
  perform from public.accounts a where a.account_id = p_account_id for no key update;
  if (p_account_id = any (oslira.accounts_of_caller('owner'))) is not true then
    outcome := 'not_owner';
    return next;
    return;
  end if;
  if exists (
    select from public.members m join auth.users u on u.id = m.user_id
      where m.account_id = p_account_id and u.email = p_email
  ) then
    outcome := 'already_member';
    return next;
    return;
  end if;
  delete from public.invitations i where i.account_id = p_account_id and i.expires_at <= clock_timestamp();
  insert into public.invitations as i (account_id, email, role, token_hash, invited_by)
    values (p_account_id, p_email, p_role, p_token_hash, (select auth.uid()))
    on conflict on constraint invitations_email_once do update
      set (invitation_id, role, token_hash, invited_by, accepted_by, created_at, expires_at)
        = (excluded.invitation_id, excluded.role, excluded.token_hash, excluded.invited_by, null, excluded.created_at,
           excluded.expires_at)
    returning i.invitation_id, i.created_at, i.expires_at into invitation_id, created_at, expires_at;
  -- An invitation that is accepted becomes a member, so this bounds the members, too.
  if (select count(*) from public.members m where m.account_id = p_account_id)
    + (select count(*) from public.invitations i where i.account_id = p_account_id and i.accepted_by is null) > 100 then
    raise exception 'an account has at most 100 members and open invitations together'
      using errcode = 'check_violation', table = 'invitations', constraint = 'invitations_team_size';
  end if;
  outcome := 'invited';
  return next;
end
$$;
grant execute on function public.invite_member to authenticated;

-- An owner takes an open invitation back.
-- Answers: deleted | not_found | not_owner | account_not_found
create function public.delete_invitation(p_account_id uuid, p_invitation_id uuid) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if (p_account_id = any (oslira.accounts_of_caller('member'))) is not true then
    return 'account_not_found';
  elsif (p_account_id = any (oslira.accounts_of_caller('owner'))) is not true then
    return 'not_owner';
  end if;
  delete from public.invitations i
    where i.invitation_id = p_invitation_id and i.account_id = p_account_id and i.accepted_by is null
      and i.expires_at > clock_timestamp();
  return case when found then 'deleted' else 'not_found' end;
end
$$;
grant execute on function public.delete_invitation to authenticated;

-- The caller becomes a member, as the invitation says. It may be called twice.
-- outcome: accepted | already_member | not_found (also for an invitation of another address: strangers learn nothing)
create function public.accept_invitation(p_token_hash bytea)
returns table (outcome text, account_id uuid, name text, role text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_user_id uuid := (select auth.uid());
  v_invitation public.invitations;
begin
  outcome := 'not_found';
  -- What the auth server knows counts, not what the token claims. An address that an organisation's own sign-in vouches for
  -- was confirmed by nobody else.
  select i.* into v_invitation
    from public.invitations i
    join auth.users u on u.email = i.email and u.email_confirmed_at is not null and not u.is_sso_user
    where i.token_hash = p_token_hash and u.id = v_user_id;
  if not found then
    return next;
    return;
  end if;
  perform from public.accounts a where a.account_id = v_invitation.account_id for no key update;
  -- It may have been replaced, taken back or used while this waited.
  select i.* into v_invitation from public.invitations i
    where i.token_hash = p_token_hash and i.email = v_invitation.email for update;
  if not found then
    return next;
    return;
  end if;
  if v_invitation.accepted_by is null and v_invitation.expires_at > clock_timestamp() then
    if exists (
      select from public.members m where m.account_id = v_invitation.account_id and m.user_id = v_user_id
    ) then
      outcome := 'already_member';
      return next;
      return;
    end if;
    insert into public.members (account_id, user_id, role)
      values (v_invitation.account_id, v_user_id, v_invitation.role);
    update public.invitations i set accepted_by = v_user_id where i.invitation_id = v_invitation.invitation_id;
  elsif v_invitation.accepted_by is distinct from v_user_id then
    return next;
    return;
  end if;
  outcome := 'accepted';
  select a.account_id, a.name, m.role into account_id, name, role
    from public.accounts a join public.members m on m.account_id = a.account_id
    where a.account_id = v_invitation.account_id and m.user_id = v_user_id;
  return next;
end
$$;
grant execute on function public.accept_invitation to authenticated;

-- Members -----------------------------------------------------------------------------------------------------------

comment on table public.members is 'Which users belong to which accounts, as what. An account keeps an owner. What only owners may do asks for `oslira.accounts_of_caller(''owner'')`.';

-- An owner goes, or becomes a member: another owner stays, and nobody gets in any more whom the one invited.
-- A user whom Supabase deletes goes in any case when nobody else is in the account.
create function oslira.owner_gone() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  -- The lock is on an owner who stays. So two owners who remove each other do not both find the other one there.
  perform from public.members m where m.account_id = old.account_id and m.role = 'owner' limit 1 for share;
  if not found and (
    exists (select from public.members m where m.account_id = old.account_id)
    or exists (select from auth.users u where u.id = old.user_id)
  ) then
    raise exception 'an account keeps an owner'
      using errcode = 'check_violation', table = 'members', constraint = 'members_keep_an_owner';
  end if;
  delete from public.invitations i
    where i.account_id = old.account_id and i.invited_by = old.user_id and i.accepted_by is null
      and not exists (
        select from public.members m where m.account_id = i.account_id and m.user_id = i.invited_by and m.role = 'owner'
      );
  return null;
end
$$;
create trigger members_keep_an_owner after delete or update of account_id, user_id, role on public.members
  for each row when (old.role = 'owner') execute function oslira.owner_gone();

-- The members of an account, for its members, with the addresses that the auth server has.
create function public.list_members(p_account_id uuid)
returns table (user_id uuid, email text, role text, created_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  if (p_account_id = any (oslira.accounts_of_caller('member'))) is not true then
    return;
  end if;
  return query
    select m.user_id, u.email::text, m.role, m.created_at
      from public.members m join auth.users u on u.id = m.user_id
      where m.account_id = p_account_id;
end
$$;
grant execute on function public.list_members to authenticated;

-- An owner makes a member an owner, or an owner a member. The last owner is held by `members_keep_an_owner`.
-- outcome: changed | not_found | not_owner | account_not_found
create function public.set_member_role(p_account_id uuid, p_user_id uuid, p_role text)
returns table (outcome text, email text, created_at timestamptz)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if (p_account_id = any (oslira.accounts_of_caller('member'))) is not true then
    outcome := 'account_not_found';
    return next;
    return;
  end if;
  perform from public.accounts a where a.account_id = p_account_id for no key update;
  if (p_account_id = any (oslira.accounts_of_caller('owner'))) is not true then
    outcome := 'not_owner';
    return next;
    return;
  end if;
  update public.members m set role = p_role where m.account_id = p_account_id and m.user_id = p_user_id
    returning m.created_at into created_at;
  outcome := case when found then 'changed' else 'not_found' end;
  email := (select u.email from auth.users u where u.id = p_user_id and outcome = 'changed');
  return next;
end
$$;
grant execute on function public.set_member_role to authenticated;

-- An owner removes a member, or anyone leaves. The last owner is held by `members_keep_an_owner`.
-- Answers: removed | not_found | not_owner | account_not_found
create function public.remove_member(p_account_id uuid, p_user_id uuid) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if (p_account_id = any (oslira.accounts_of_caller('member'))) is not true then
    return 'account_not_found';
  end if;
  perform from public.accounts a where a.account_id = p_account_id for no key update;
  if (p_account_id = any (oslira.accounts_of_caller('owner'))) is not true
    and p_user_id is distinct from (select auth.uid()) then
    return 'not_owner';
  end if;
  delete from public.members m where m.account_id = p_account_id and m.user_id = p_user_id;
  return case when found then 'removed' else 'not_found' end;
end
$$;
grant execute on function public.remove_member to authenticated;
