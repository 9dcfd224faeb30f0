-- How many analyses an account may start in an hour, and an end for idempotency keys.

alter table public.plans
  add column analyses_per_hour integer not null default 100,
  add constraint plans_analyses_per_hour_positive check (analyses_per_hour > 0);
comment on column public.plans.analyses_per_hour is 'How many analyses an account of the plan may start in any hour. DynamoDB counts them, not this database.';
update public.plans set analyses_per_hour = 300 where plan_id = 'starter';
update public.plans set analyses_per_hour = 1000 where plan_id = 'growth';
-- A new plan says its own.
alter table public.plans alter column analyses_per_hour drop default;

create index idempotency_keys_created_at on oslira.idempotency_keys (created_at);

-- Deletes at most so many keys that have expired, the oldest first: how many. Keys that somebody uses at the moment stay for
-- the next call, so nobody waits for this one and it waits for nobody.
create function oslira.delete_expired_idempotency_keys(p_most integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  v_deleted integer;
begin
  with expired as materialized (
    select k.account_id, k.route, k.idempotency_key
      from oslira.idempotency_keys k
      where k.created_at < now() - interval '24 hours'
      order by k.created_at
      limit p_most
      for update skip locked
  )
  delete from oslira.idempotency_keys k
    using expired e
    where k.account_id = e.account_id and k.route = e.route and k.idempotency_key = e.idempotency_key;
  get diagnostics v_deleted = row_count;
  return v_deleted;
end
$$;
grant execute on function oslira.delete_expired_idempotency_keys to service_role;
