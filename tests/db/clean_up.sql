-- Deleting what has expired.
--
-- Proves: keys go once they are older than 24 hours, of every account and route, the oldest first and no more than asked for;
-- younger ones stay; only the system may do it; and an index finds them.

begin;
\ir support/callers.sql
select no_plan();

\o /dev/null
select pg_temp.sign_up(name) from unnest(array['ada', 'bob']) name;
select pg_temp.add_business_profile('ada');
-- Whatever others have left would count, too.
delete from oslira.idempotency_keys;
insert into oslira.idempotency_keys (account_id, route, idempotency_key, body_hash, resource_id, created_at)
  select pg_temp.id(account), route, 'key ' || age, sha256('b'), gen_random_uuid(), now() - age
    from unnest(array['ada.account', 'bob.account']) account,
      unnest(array['POST /api/leads/analyze', 'POST /api/business-profiles']) route,
      unnest(array['24 hours', '24 hours 1 second', '3 days']::interval[]) age;
\o

create function pg_temp.left_over() returns text language sql as $$
  select string_agg(format('%s %s', n, idempotency_key), ', ' order by idempotency_key)
    from (select idempotency_key, count(*) n from oslira.idempotency_keys group by 1) keys;
$$;
create function pg_temp.clean_up(p_caller text, p_most integer) returns text language sql as $$
  select pg_temp.answer(p_caller, format('select oslira.delete_expired_idempotency_keys(%s) n', p_most)) ->> 'n';
$$;

select is(
  pg_temp.outcome('ada', 'select oslira.delete_expired_idempotency_keys(1)'), '42501', 'a signed-in user deletes nothing'
);
select is(pg_temp.clean_up('service_role', 3), '3', 'as many as asked for');
select is(pg_temp.left_over(), '4 key 24:00:00, 4 key 24:00:01, 1 key 3 days', 'the oldest first');
select is(pg_temp.clean_up('service_role', 100), '5', 'the rest');
select is(pg_temp.left_over(), '4 key 24:00:00', 'a key is good for 24 hours');
select is(pg_temp.clean_up('service_role', 100), '0', 'then there is nothing to do');
select is(
  pg_temp.answer('ada', $$ select outcome from public.claim_idempotency_key({ada.account}, 'POST /api/business-profiles',
    'key 24:00:00', sha256('b'), gen_random_uuid()) $$) ->> 'outcome',
  'repeated', 'what is left is remembered'
);

create function pg_temp.plan(p_query text) returns setof text language plpgsql as $$
begin
  return query execute 'explain (costs off) ' || p_query;
end
$$;
set local enable_seqscan = off;
select ok(
  exists (
    select from pg_temp.plan(
      'select from oslira.idempotency_keys k where k.created_at < now() - interval ''24 hours'' order by k.created_at limit 10'
    ) line where line like '%idempotency_keys_created_at%'
  ),
  'an index finds them'
);

select * from finish();
rollback;
