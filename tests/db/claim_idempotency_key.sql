-- claim_idempotency_key: creating without charging, once per key.
--
-- Proves: each outcome; that a key belongs to one account, and to nobody else's; that it expires after 24
-- hours; that without a key every request is new and nothing is kept; that rows say which routes have keys, and how many;
-- and that the tables are reached in no other way.

begin;
\ir support/callers.sql
select no_plan();

\o /dev/null
select pg_temp.sign_up(name) from unnest(array['ada', 'bob', 'cleo']) name;
select pg_temp.name_it(name) from unnest(array['one', 'two', 'three', 'unknown']) name;
insert into public.members (account_id, user_id, role) values (pg_temp.id('ada.account'), pg_temp.id('cleo'), 'member');
\o

create function pg_temp.claim(
  p_caller text, p_key text, p_resource text, p_body text default 'body',
  p_account text default 'ada.account'
) returns text language sql as $$
  select format('%s %s', a ->> 'outcome', coalesce(
      (select n.name from pg_temp.named n where n.id = (a ->> 'resource_id')::pg_catalog.uuid), a ->> 'resource_id'))
    from pg_temp.answer(p_caller, format(
      'select * from public.claim_idempotency_key({%s}, ''POST /api/business-profiles'', %L, sha256(%L), {%s})', p_account, p_key, p_body, p_resource)) a;
$$;
create function pg_temp.keys(p_account text) returns integer language sql as $$
  select count(*)::integer from oslira.idempotency_keys k where k.account_id = pg_temp.id(p_account);
$$;

-- Outcomes ----------------------------------------------------------------------------------------------------

select is(pg_temp.claim('ada', null, 'one'), 'new one', 'without a key: new');
select is(pg_temp.claim('ada', null, 'one'), 'new one', 'and again');
select is(pg_temp.keys('ada.account'), 0, 'nothing is kept of it');
select is(pg_temp.claim('ada', 'key', 'one'), 'new one', 'a first time');
select is(pg_temp.keys('ada.account'), 1, 'is kept');
select is(pg_temp.claim('ada', 'key', 'two'), 'repeated one', 'the same body for another resource: the first one');
select is(pg_temp.claim('cleo', 'key', 'two'), 'repeated one', 'the key is the account''s, not the user''s');
select is(pg_temp.claim('ada', 'key', 'two', p_body => 'other'), 'reused two', 'another body');
select is(pg_temp.claim('ada', 'key', 'one', p_body => 'other'), 'reused one', 'another body for the same resource');
select is(pg_temp.claim('ada', 'key', 'one'), 'new one', 'the same resource is still to be made, by who makes it first');
select is(pg_temp.claim('ada', 'KEY', 'two'), 'new two', 'keys are compared as they are written');
select is(pg_temp.keys('ada.account'), 2, 'two keys in all');
select row_eq(
  $$ select body_hash, resource_id from oslira.idempotency_keys
       where account_id = pg_temp.id('ada.account') and route = 'POST /api/business-profiles' and idempotency_key = 'key' $$,
  row(sha256('body'), pg_temp.id('one')), 'the first call''s row is what it was'
);

-- Strangers -----------------------------------------------------------------------------------------------------

select is(pg_temp.claim('bob', 'key', 'two'), 'account_not_found ', 'a stranger learns nothing of a key');
select is(pg_temp.claim('bob', 'new', 'two'), 'account_not_found ', 'and takes none');
select is(pg_temp.claim('no claims', 'key', 'two'), 'account_not_found ', 'nor does a token without claims');
select is(pg_temp.claim('ada', 'key', 'two', p_account => 'unknown'), 'account_not_found ', 'an unknown account');
select is(
  pg_temp.answer('ada', $$ select outcome from public.claim_idempotency_key(null, 'POST /api/business-profiles', 'k', sha256('b'), {one}) $$) ->> 'outcome',
  'account_not_found', 'no account'
);
select is(pg_temp.keys('ada.account'), 2, 'none of them left anything');
select is(pg_temp.claim('bob', 'key', 'two', p_body => 'other', p_account => 'bob.account'), 'new two', 'the key is free in another account');
select is(pg_temp.claim('ada', 'key', 'three'), 'repeated one', 'which changes nothing in the first');

-- Expiry --------------------------------------------------------------------------------------------------------

update oslira.idempotency_keys set created_at = now() - interval '24 hours' where account_id = pg_temp.id('ada.account');
select is(pg_temp.claim('ada', 'key', 'two'), 'repeated one', 'kept for 24 hours');
update oslira.idempotency_keys set created_at = now() - interval '24 hours 1 second'
  where account_id in (pg_temp.id('ada.account'), pg_temp.id('bob.account'));
select is(pg_temp.claim('ada', 'key', 'two', p_body => 'other'), 'new two', 'then free again');
select is(pg_temp.claim('ada', 'key', 'three', p_body => 'other'), 'repeated two', 'and taken again');
select is(pg_temp.keys('ada.account'), 1, 'and the account''s other old ones are gone');
select is(pg_temp.keys('bob.account'), 1, 'without touching another account''s');

-- As many as anyone needs ---------------------------------------------------------------------------------------

select is(
  pg_temp.outcome('bob', $$ select c.* from generate_series(1, 1000) n cross join lateral
    public.claim_idempotency_key({bob.account}, 'POST /api/business-profiles', 'many ' || n, sha256('b'), gen_random_uuid()) c $$),
  '1000 rows', 'a thousand keys in 24 hours'
);
select is(pg_temp.claim('bob', null, 'one', p_account => 'bob.account'), 'new one', 'without a key there is nothing to count');
select is(pg_temp.claim('bob', 'many 7', 'two', p_body => 'b', p_account => 'bob.account') like 'repeated %', true, 'a known key is not one more');
select is(
  pg_temp.outcome('bob', $$ select * from public.claim_idempotency_key({bob.account}, 'POST /api/business-profiles', 'one more', sha256('b'), {one}) $$),
  '23514 idempotency_keys_per_account', 'and not one more'
);
select is(pg_temp.claim('ada', 'hers', 'one'), 'new one', 'in this account; others go on');

-- Which routes ---------------------------------------------------------------------------------------------------

select set_eq(
  'select route, charges, max_keys from oslira.idempotent_routes',
  $$ values ('POST /api/business-profiles', false, 1000), ('POST /api/leads/analyze', true, null) $$,
  'these routes keep keys'
);
insert into oslira.idempotent_routes (route, charges, max_keys) values ('POST /api/few', false, 2);
select is(
    pg_temp.outcome('cleo', format(
      'select * from public.claim_idempotency_key({cleo.account}, %L, %L, sha256(''b''), {three})', route, key)),
    expected, format('%s, key %s: %s', route, key, expected)
  )
  from (values
    (1, 'POST /api/few', 'one', '1 rows'), (2, 'POST /api/few', 'two', '1 rows'),
    (3, 'POST /api/few', 'three', '23514 idempotency_keys_per_account'), (4, 'POST /api/few', 'two', '1 rows'),
    (5, 'POST /api/business-profiles', 'three', '1 rows'), (6, 'POST /api/unlisted', 'one', '22023')
  ) claim (n, route, key, expected);
select is(
    pg_temp.outcome('postgres', statement), expected, why
  )
  from (values
    ($$ insert into oslira.idempotency_keys select {cleo.account}, 'POST /api/unlisted', 'k', sha256('b'), {one}, now() $$,
      '23503 idempotency_keys_route_listed', 'no key of a route that is not listed is kept, whoever writes it'),
    ($$ insert into oslira.idempotent_routes values ('POST /api/x', false, null) $$,
      '23514 idempotent_routes_max_keys_unless_charging', 'a route that does not charge has a limit'),
    ($$ insert into oslira.idempotent_routes values ('POST /api/x', true, 5) $$,
      '23514 idempotent_routes_max_keys_unless_charging', 'and one that charges has none'),
    ($$ insert into oslira.idempotent_routes values ('POST /api/x', false, 0) $$,
      '23514 idempotent_routes_max_keys_positive', 'a limit lets something through'),
    ($$ delete from oslira.idempotent_routes where route = 'POST /api/business-profiles' $$,
      '23503 idempotency_keys_route_listed', 'a route whose keys are there stays listed')
  ) wrong (statement, expected, why);

-- Hostile input -----------------------------------------------------------------------------------------------------

select is(pg_temp.outcome('ada', format('select * from public.claim_idempotency_key({ada.account}, %s)', arguments)), expected, why)
  from (values
    ($$ 'POST /api/business-profiles', '', sha256('b'), {one} $$, '23514 idempotency_keys_idempotency_key_length', 'an empty key'),
    ($$ 'POST /api/business-profiles', repeat('k', 256), sha256('b'), {one} $$, '23514 idempotency_keys_idempotency_key_length', 'a key of 256 characters'),
    ($$ 'POST /api/business-profiles', repeat('k', 255), sha256('b'), {one} $$, '1 rows', 'a key of 255 characters is in order'),
    ($$ 'POST /api/business-profiles', 'k', '\x00', {one} $$, '23514 idempotency_keys_body_hash_length', 'half a hash'),
    ($$ 'POST /api/business-profiles', 'k', null, {one} $$, '23502', 'no hash'),
    ($$ null, 'k', sha256('b'), {one} $$, '22023', 'no route'),
    ($$ 'POST /api/leads/analyze', 'k', sha256('b'), {one} $$, '22023', 'a route that charges takes its keys itself'),
    ($$ 'POST /api/business-profiles', 'k', sha256('b'), null $$, '23502', 'no resource')
  ) input (arguments, expected, why);
select is(pg_temp.outcome(caller, statement), '42501', format('%s: %s', caller, statement))
  from (values
    ('anon', $$select * from public.claim_idempotency_key({ada.account}, 'r', 'k', sha256('b'), {one})$$),
    ('service_role', $$select * from public.claim_idempotency_key({ada.account}, 'r', 'k', sha256('b'), {one})$$),
    ('ada', $$select oslira.find_idempotency_key({ada.account}, 'POST /api/business-profiles', 'key')$$),
    ('service_role', $$select oslira.find_idempotency_key({ada.account}, 'POST /api/business-profiles', 'key')$$),
    ('ada', 'select from oslira.idempotency_keys'),
    ('ada', 'delete from oslira.idempotency_keys'),
    ('service_role', 'select from oslira.idempotency_keys'),
    ('ada', 'select from oslira.idempotent_routes'),
    ('service_role', 'select from oslira.idempotent_routes')
  ) attempt (caller, statement);

select * from finish();
rollback;
