-- Which routes keep idempotency keys, and how many: rows, which a migration adds with a route.

create table oslira.idempotent_routes (
  route text primary key,
  -- A route that charges takes its keys itself, in the function that charges.
  charges boolean not null,
  -- Of one account, at a time.
  max_keys integer,
  constraint idempotent_routes_route_length check (char_length(route) between 1 and 100),
  constraint idempotent_routes_max_keys_positive check (max_keys > 0),
  -- What is charged for is bounded by the balance, all else by a number.
  constraint idempotent_routes_max_keys_unless_charging check (charges = (max_keys is null))
);
comment on table oslira.idempotent_routes is 'The routes whose Idempotency-Key is kept. `max_keys`: how many keys of the past 24 hours an account may have.';
alter table oslira.idempotent_routes enable row level security;
alter table oslira.idempotent_routes force row level security;

insert into oslira.idempotent_routes (route, charges, max_keys) values
  ('POST /api/business-profiles', false, 1000),
  ('POST /api/leads/analyze', true, null);

alter table oslira.idempotency_keys
  drop constraint idempotency_keys_route_length,
  add constraint idempotency_keys_route_listed foreign key (route) references oslira.idempotent_routes;

-- As before, for the routes that are listed as not charging, each with its own limit.
create or replace function public.claim_idempotency_key(
  p_account_id uuid, p_route text, p_key text, p_body_hash bytea, p_resource_id uuid
) returns table (outcome text, resource_id uuid)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_max_keys integer;
  v_key oslira.idempotency_keys;
begin
  -- A key of a route that charges is taken where it charges; here it could be made to name a resource of another.
  select r.max_keys into v_max_keys from oslira.idempotent_routes r where r.route = p_route and not r.charges;
  if not found then
    raise exception 'no key is claimed for %', p_route using errcode = 'invalid_parameter_value';
  end if;
  if (p_account_id = any (oslira.accounts_of_caller('member'))) is not true then
    outcome := 'account_not_found';
    return next;
    return;
  end if;
  resource_id := p_resource_id;
  outcome := 'new';
  if p_key is not null then
    perform from public.accounts a where a.account_id = p_account_id for no key update;
    v_key := oslira.find_idempotency_key(p_account_id, p_route, p_key);
    if v_key.resource_id is null then
      if (select count(*) from oslira.idempotency_keys k where k.account_id = p_account_id and k.route = p_route) >= v_max_keys then
        raise exception 'an account claims at most % keys in 24 hours for %', v_max_keys, p_route
          using errcode = 'check_violation', table = 'idempotency_keys', constraint = 'idempotency_keys_per_account';
      end if;
      insert into oslira.idempotency_keys (account_id, route, idempotency_key, body_hash, resource_id)
        values (p_account_id, p_route, p_key, p_body_hash, p_resource_id);
    elsif v_key.body_hash <> p_body_hash then
      outcome := 'reused';
    elsif v_key.resource_id <> p_resource_id then
      outcome := 'repeated';
      resource_id := v_key.resource_id;
    end if;
  end if;
  return next;
end
$$;
