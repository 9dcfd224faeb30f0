-- The query of the job that looks for runs on which nothing works.
--
-- Proves: it finds what is pending and old, of every account, in the order of the index; and a database full of settled
-- runs costs it nothing, because the index holds the pending ones alone.

begin;
\ir support/callers.sql
select no_plan();

\o /dev/null
select pg_temp.sign_up(name) from unnest(array['ada', 'bob']) name;
select pg_temp.add_credits(account, 90) from unnest(array['ada.account', 'bob.account']) account;
select pg_temp.add_business_profile(name) from unnest(array['ada', 'bob']) name;
select pg_temp.start('ada', run, p_username => run) from unnest(array['settled', 'old', 'new']) run;
select pg_temp.start('bob', 'older', p_username => 'older');
select pg_temp.answer('service_role', 'select * from oslira.refund_run({settled}, ''failed'', ''X'', '''')');
update public.runs set created_at = now() - interval '1 hour' where run_id in (pg_temp.id('settled'), pg_temp.id('old'));
update public.runs set created_at = now() - interval '2 hours' where run_id = pg_temp.id('older');
\o

create function pg_temp.stale() returns text language sql as $$
  select 'select username from public.runs where status = ''pending'' and created_at < now() - interval ''5 minutes''
            and (created_at, run_id) > (''-infinity'', ''00000000-0000-0000-0000-000000000000'')
            and username in (''settled'', ''old'', ''new'', ''older'')
            order by created_at, run_id limit 100';
$$;
select is(
  pg_temp.answer('service_role', format('select string_agg(username, '', '') as names from (%s) s', pg_temp.stale())) ->> 'names',
  'older, old', 'old and pending, of all accounts, the oldest first'
);
select is(
  pg_temp.answer('ada', format('select string_agg(username, '', '') as names from (%s) s', pg_temp.stale())) ->> 'names',
  'old', 'a signed-in user sees their own at most'
);

create function pg_temp.plan(p_query text) returns setof text language plpgsql as $$
begin
  return query execute 'explain (costs off) ' || p_query;
end
$$;
-- With so few rows a scan of the table, or a sort, would be cheaper.
set local enable_seqscan = off;
set local enable_bitmapscan = off;
set local enable_sort = off;
select ok(
  exists (select from pg_temp.plan(pg_temp.stale()) line where line like '%runs_pending%')
    and not exists (select from pg_temp.plan(pg_temp.stale()) line where line like '%Sort%'),
  'the index finds them in their order'
);

select * from finish();
rollback;
