-- Repeating a request that charges or creates answers the same, and does it once.

create table oslira.idempotency_keys (
  account_id uuid not null references public.accounts,
  route text not null,
  idempotency_key text not null,
  body_hash bytea not null,
  resource_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (account_id, route, idempotency_key),
  constraint idempotency_keys_route_length check (char_length(route) between 1 and 100),
  constraint idempotency_keys_idempotency_key_length check (char_length(idempotency_key) between 1 and 255),
  constraint idempotency_keys_body_hash_length check (octet_length(body_hash) = 32)
);
comment on table oslira.idempotency_keys is 'What a request with an Idempotency-Key made, so that its repetition answers the same. Valid 24 hours.';
alter table oslira.idempotency_keys enable row level security;
alter table oslira.idempotency_keys force row level security;


-- The unexpired row of a key, or nulls. The account's expired ones are deleted on the way: their keys are free again.
create function oslira.find_idempotency_key(p_account_id uuid, p_route text, p_key text)
returns oslira.idempotency_keys
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_key oslira.idempotency_keys;
begin
  delete from oslira.idempotency_keys k
    where k.account_id = p_account_id and k.created_at < now() - interval '24 hours';
  select * into v_key from oslira.idempotency_keys k
    where k.account_id = p_account_id and k.route = p_route and k.idempotency_key = p_key;
  return v_key;
end
$$;

-- For routes that create without charging: takes a key for a new resource, in the transaction that creates it.
-- outcome: new (create it under resource_id) | repeated (resource_id is the earlier one) | reused | account_not_found
-- Without a key every request is new.
create function public.claim_idempotency_key(
  p_account_id uuid, p_route text, p_key text, p_body_hash bytea, p_resource_id uuid
) returns table (outcome text, resource_id uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_user_id uuid := (select auth.uid());
  v_key oslira.idempotency_keys;
begin
  -- A key of a route that charges is taken where it charges; here it could be made to name a resource of another.
  if p_route is distinct from 'POST /api/business-profiles' then
    raise exception 'no key is claimed for %', p_route using errcode = 'invalid_parameter_value';
  end if;
  if not exists (select from public.members m where m.account_id = p_account_id and m.user_id = v_user_id) then
    outcome := 'account_not_found';
    return next;
    return;
  end if;
  resource_id := p_resource_id;
  outcome := 'new';
  if p_key is not null then
    v_key := oslira.find_idempotency_key(p_account_id, p_route, p_key);
    if v_key.resource_id is null then
      insert into oslira.idempotency_keys (account_id, route, idempotency_key, body_hash, resource_id)
        values (p_account_id, p_route, p_key, p_body_hash, p_resource_id)
        on conflict do nothing;
      -- Another request with the key may have come first; then its row decides.
      v_key := oslira.find_idempotency_key(p_account_id, p_route, p_key);
    end if;
    if v_key.body_hash <> p_body_hash then
      outcome := 'reused';
    elsif v_key.resource_id <> p_resource_id then
      outcome := 'repeated';
      resource_id := v_key.resource_id;
    end if;
  end if;
  return next;
end
$$;
grant execute on function public.claim_idempotency_key to authenticated;
