-- Who may do what, read from the catalogue, so that a table or function added later is held to it as well.
--
-- Proves: row-level security enabled and forced everywhere; the policies' form; every privilege that anyone but an
-- owner has on a schema, table, column, sequence or function, against lists written down here; that what is made
-- later is granted to nobody; what the login roles can become; and that a definer function cannot be made to run
-- its caller's code.

begin;
\ir support/callers.sql
select no_plan();

create temp view our_schemas as select oid, nspname, nspacl from pg_namespace where nspname in ('public', 'oslira');

create temp view grants_on_relations as
  with relations as (
    select c.oid, c.relowner, c.relacl, format('%s.%s', s.nspname, c.relname) as name
      from pg_class c join our_schemas s on s.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  ),
  grants as (
    select r.name, r.relowner, acl.grantee, acl.privilege_type, acl.is_grantable, null::text as columns
      from relations r cross join aclexplode(r.relacl) acl
    union all
    select r.name, r.relowner, acl.grantee, acl.privilege_type, acl.is_grantable, string_agg(a.attname, ', ' order by a.attname)
      from relations r
      join pg_attribute a on a.attrelid = r.oid
      cross join aclexplode(a.attacl) acl
      group by 1, 2, 3, 4, 5
  )
  select coalesce(role.rolname, 'PUBLIC') as grantee, name, privilege_type as privilege, columns, is_grantable
    from grants left join pg_roles role on role.oid = grantee
    where grantee <> relowner;

create temp view grants_on_functions as
  select coalesce(role.rolname, 'PUBLIC') as grantee, format('%s.%s', s.nspname, p.proname) as name
    from pg_proc p
    join our_schemas s on s.oid = p.pronamespace
    cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) acl
    left join pg_roles role on role.oid = acl.grantee
    where acl.grantee <> p.proowner;

-- Tables --------------------------------------------------------------------------------------------------

select isnt_empty(
  $$ select from pg_class where relnamespace = 'oslira'::regnamespace and relkind = 'r' $$,
  'there are tables to look at'
);
select is_empty(
  $$ select format('%s.%s', s.nspname, c.relname) from pg_class c join our_schemas s on s.oid = c.relnamespace
       where c.relkind in ('r', 'p') and not c.relrowsecurity $$,
  'row-level security is enabled on every table'
);
select is_empty(
  $$ select format('%s.%s', s.nspname, c.relname) from pg_class c join our_schemas s on s.oid = c.relnamespace
       where c.relkind in ('r', 'p') and not c.relforcerowsecurity $$,
  'row-level security is forced on every table''s owner too'
);
select is_empty(
  $$ select format('%s.%s', s.nspname, c.relname) from pg_class c join our_schemas s on s.oid = c.relnamespace
       where c.relkind in ('m', 'f')
         or c.relkind = 'v' and not coalesce(c.reloptions, '{}') && '{security_invoker=true,security_invoker=on}' $$,
  'no materialised view or foreign table, and no view that reads with its owner''s rights'
);
select is_empty(
  $$ select format('%s.%s', s.nspname, c.relname) from pg_class c join our_schemas s on s.oid = c.relnamespace
       where c.relkind in ('r', 'p', 'v', 'S') and c.relowner <> 'postgres'::regrole $$,
  'what migrations make belongs to postgres'
);

-- Policies ------------------------------------------------------------------------------------------------

create temp view our_policies as
  select format('%s.%s', p.schemaname, p.tablename) as name, p.policyname, p.permissive, p.cmd, p.roles::text[],
         coalesce(p.qual, '') || ' ' || coalesce(p.with_check, '') as expression
    from pg_policies p join our_schemas s on s.nspname = p.schemaname;

select is_empty(
  $$ select name, policyname, roles from our_policies
       where roles <> '{authenticated}' and name not in ('public.plans', 'public.analysis_tiers') $$,
  'policies are for authenticated alone'
);
select set_eq(
  $$ select name, roles, cmd from our_policies where name in ('public.plans', 'public.analysis_tiers') $$,
  $$ values ('public.plans', '{anon,authenticated}'::text[], 'SELECT'),
            ('public.analysis_tiers', '{anon,authenticated}', 'SELECT') $$,
  'the two price lists can be read without signing in'
);
select is_empty(
  $$ select name, policyname from our_policies where cmd = 'ALL' or permissive <> 'PERMISSIVE' $$,
  'every policy is for one operation'
);
select is_empty(
  $$ select name, cmd from our_policies group by 1, 2 having count(*) > 1 $$,
  'an operation has one policy'
);
-- What is left once the sub-selects are gone calls nothing that says who asks.
select is_empty(
  $$ select name, policyname from our_policies
       where regexp_replace(expression, '\( SELECT (auth\.uid\(\) AS uid|oslira\.accounts_of_caller\(''(member|owner)''::text\) AS accounts_of_caller)\)', '', 'g')
         ~* 'auth\.|current_setting|current_user|session_user|accounts_of_caller|members' $$,
  'no policy asks who calls but in a sub-select, once for each table of a query'
);
select is_empty(
  $$ select name, policyname from our_policies
       where strpos(expression, '(account_id = ANY (( SELECT oslira.accounts_of_caller(') = 0
         and name not in ('public.members', 'public.plans', 'public.analysis_tiers') $$,
  'every policy asks for the accounts of the caller'
);
-- What that function reads. It passes this policy by, or a policy here that asks for it would ask itself.
select is(
  (select string_agg(expression, '; ') from our_policies where name = 'public.members'),
  '(user_id = ( SELECT auth.uid() AS uid)) ',
  'a membership is for its own user to see'
);

-- Privileges ----------------------------------------------------------------------------------------------

select is_empty(
  $$ select * from grants_on_relations where privilege in ('DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN') $$,
  'nobody may delete, truncate, reference or put triggers'
);
select is_empty($$ select * from grants_on_relations where is_grantable $$, 'nobody may pass a privilege on');
select is_empty($$ select * from grants_on_relations where grantee = 'PUBLIC' $$, 'nothing is granted to everyone');
select set_eq(
  $$ select name, privilege from grants_on_relations where grantee = 'anon' $$,
  $$ values ('public.plans', 'SELECT'), ('public.analysis_tiers', 'SELECT') $$,
  'anon reads the price lists and no more'
);
select set_eq(
  $$ select grantee::text, name, privilege, columns from grants_on_relations $$,
  $$ values
    ('anon', 'public.analysis_tiers', 'SELECT', null),
    ('anon', 'public.plans', 'SELECT', null),
    ('authenticated', 'public.accounts', 'SELECT', null),
    ('authenticated', 'public.accounts', 'UPDATE', 'name'),
    ('authenticated', 'public.analyses', 'SELECT', null),
    ('authenticated', 'public.analysis_tiers', 'SELECT', null),
    ('authenticated', 'public.business_profiles', 'INSERT', 'account_id, business_profile_id, content_themes, '
      'description, engagement_min, follower_max, follower_min, geo_focus, name, offer, voice, website'),
    ('authenticated', 'public.business_profiles', 'SELECT', null),
    ('authenticated', 'public.business_profiles', 'UPDATE', 'content_themes, description, engagement_min, follower_max, '
      'follower_min, geo_focus, name, offer, voice, website'),
    ('authenticated', 'public.credit_balances', 'SELECT', null),
    ('authenticated', 'public.credit_transactions', 'SELECT', null),
    ('authenticated', 'public.invitations', 'SELECT', 'account_id, created_at, email, expires_at, invitation_id, invited_by, role'),
    ('authenticated', 'public.leads', 'SELECT', null),
    ('authenticated', 'public.members', 'SELECT', null),
    ('authenticated', 'public.plans', 'SELECT', null),
    ('authenticated', 'public.runs', 'SELECT', null),
    ('authenticated', 'public.usage_days', 'SELECT', null),
    ('service_role', 'oslira.business_profile_versions', 'SELECT', null),
    ('service_role', 'oslira.task_answers', 'INSERT', null),
    ('service_role', 'oslira.task_answers', 'SELECT', null),
    ('service_role', 'public.accounts', 'SELECT', null),
    ('service_role', 'public.ai_usage_logs', 'INSERT', null),
    ('service_role', 'public.ai_usage_logs', 'SELECT', null),
    ('service_role', 'public.analyses', 'SELECT', null),
    ('service_role', 'public.analysis_tiers', 'SELECT', null),
    ('service_role', 'public.business_profiles', 'SELECT', null),
    ('service_role', 'public.credit_balances', 'SELECT', null),
    ('service_role', 'public.credit_transactions', 'SELECT', null),
    ('service_role', 'public.leads', 'INSERT', null),
    ('service_role', 'public.leads', 'SELECT', null),
    ('service_role', 'public.leads', 'UPDATE', null),
    ('service_role', 'public.members', 'SELECT', null),
    ('service_role', 'public.plans', 'SELECT', null),
    ('service_role', 'public.runs', 'SELECT', null) $$,
  'tables: these privileges and no others'
);
select set_eq(
  $$ select grantee::text, name from grants_on_functions $$,
  $$ values
    -- By policies and checks alone: the schema is closed to the role, as is seen below.
    ('authenticated', 'oslira.accounts_of_caller'),
    ('authenticated', 'oslira.are_words'),
    ('authenticated', 'public.accept_invitation'),
    ('authenticated', 'public.claim_idempotency_key'),
    ('authenticated', 'public.delete_business_profile'),
    ('authenticated', 'public.delete_invitation'),
    ('authenticated', 'public.delete_lead'),
    ('authenticated', 'public.force_refresh'),
    ('authenticated', 'public.invite_member'),
    ('authenticated', 'public.list_members'),
    ('authenticated', 'public.quote_analysis'),
    ('authenticated', 'public.remove_member'),
    ('authenticated', 'public.restore_lead'),
    ('authenticated', 'public.set_member_role'),
    ('authenticated', 'public.start_analysis'),
    ('service_role', 'oslira.complete_run'),
    ('service_role', 'oslira.delete_expired_idempotency_keys'),
    ('service_role', 'oslira.refund_run') $$,
  'functions: these may be executed and no others'
);
select is_empty(
  $$ select pronamespace::regnamespace, proname from pg_proc where pronamespace in (select oid from our_schemas)
       group by 1, 2 having count(*) > 1 $$,
  'function names are not overloaded, so that the list above is exact'
);
select set_eq(
  $$ select s.nspname::text, coalesce(role.rolname, 'PUBLIC')::text, acl.privilege_type
       from our_schemas s
       cross join aclexplode(s.nspacl) acl
       left join pg_roles role on role.oid = acl.grantee
       where coalesce(role.rolname, 'PUBLIC') not in ('postgres', 'pg_database_owner') $$,
  $$ values
    ('public', 'PUBLIC', 'USAGE'),
    ('public', 'anon', 'USAGE'),
    ('public', 'authenticated', 'USAGE'),
    ('public', 'service_role', 'USAGE'),
    ('oslira', 'service_role', 'USAGE') $$,
  'schemas: used by these, created in by none'
);
select is_empty(
  $$ select format('%s.%s', s.nspname, t.typname) from pg_type t join our_schemas s on s.oid = t.typnamespace
       left join pg_class c on c.oid = t.typrelid
       where t.typacl is not null or t.typtype in ('d', 'e', 'm', 'r') or c.relkind = 'c' $$,
  'no types of our own, and no privilege on one'
);
select is_empty(
  $$ select rolname from pg_roles
       where rolname in ('anon', 'authenticated', 'service_role', 'oslira_user', 'oslira_system')
         and has_database_privilege(oid, current_database(), 'CREATE') $$,
  'no role of ours makes schemas'
);

-- Functions -----------------------------------------------------------------------------------------------

-- pg_temp has to be named, and last: left out, it is searched first, for types and tables, even with an empty path.
select is_empty(
  $$ select p.oid::regprocedure, p.proconfig from pg_proc p
       where p.pronamespace in (select oid from our_schemas)
         and not coalesce(p.proconfig, '{}') @> array['search_path=pg_catalog, pg_temp'] $$,
  'every function pins search_path to pg_catalog, then pg_temp'
);
select is_empty(
  $$ select p.oid::regprocedure, role.rolname from pg_proc p join pg_roles role on role.oid = p.proowner
       where p.pronamespace in (select oid from our_schemas) and p.prosecdef
         and (not role.rolbypassrls or role.rolsuper) $$,
  'definer functions run as a role that passes forced row-level security and is no superuser'
);

-- A caller with SQL at hand, for instance with a stolen connection string, can make types of their own. One named
-- like a type that a definer function declares would have its check run with the definer's rights.
\o /dev/null
select pg_temp.sign_up('mallory', p_confirmed => false);
select pg_temp.outcome('mallory', $attack$
  create function pg_temp.escalate() returns boolean language plpgsql as $body$
  begin
    insert into public.credit_transactions (account_id, kind, amount, reason)
      values ({mallory.account}, 'adjustment', 1000, 'escalated');
    return true;
  end
  $body$
$attack$);
select pg_temp.outcome('mallory', format('create domain pg_temp.%I as pg_catalog.%I check (pg_temp.escalate())', t, t))
  from unnest(array['uuid', 'text', 'bytea', 'int4', 'timestamptz', 'jsonb']) t;
select pg_temp.outcome('mallory', $$ select * from public.claim_idempotency_key({mallory.account}, 'r', 'k', sha256('b'), {mallory}) $$);
select pg_temp.outcome('mallory', $$ select * from public.start_analysis({mallory.account}, {mallory}, {mallory}, 'nasa', 'light') $$);
\o
drop function pg_temp.escalate() cascade;
drop domain if exists pg_temp.uuid, pg_temp.text, pg_temp.bytea, pg_temp.int4, pg_temp.timestamptz, pg_temp.jsonb;
select is_empty(
  $$ select from public.credit_transactions where reason = 'escalated' $$,
  'no definer function runs its caller''s code'
);

-- Roles ---------------------------------------------------------------------------------------------------

select set_eq(
  $$ select rolname::text, rolcanlogin, rolinherit, rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls
       from pg_roles where rolname in ('oslira_user', 'oslira_system', 'anon', 'authenticated') $$,
  $$ values ('oslira_user', true, false, false), ('oslira_system', true, false, false),
            ('anon', false, false, false), ('authenticated', false, false, false) $$,
  'the login roles inherit nothing, and neither they nor what users become have powers of their own'
);
select set_eq(
  $$ select login, other.rolname::text
       from unnest(array['oslira_user', 'oslira_system', 'authenticated', 'anon', 'service_role']) login
       cross join pg_roles other
       where pg_has_role(login, other.oid, 'MEMBER') and other.rolname <> login $$,
  $$ values ('oslira_user', 'authenticated'), ('oslira_system', 'service_role') $$,
  'oslira_user becomes authenticated, oslira_system becomes service_role, and nobody anything else'
);
select is_empty(
  $$ select from pg_auth_members m where m.member::regrole::text in ('oslira_user', 'oslira_system') and m.admin_option $$,
  'the login roles cannot admit others'
);
select is_empty(
  $$ select from pg_class c join our_schemas s on s.oid = c.relnamespace where c.relowner::regrole::text ~ '^oslira_' $$,
  'the login roles own no table'
);

-- What happens after logging in as one role and asking to be another.
create function pg_temp.logged_in(p_login text, p_statement text) returns text language plpgsql as $$
begin
  perform set_config('session_authorization', p_login, true);
  execute p_statement;
  raise exception using errcode = 'OK000';
exception when others then
  return sqlstate;
end
$$;
select is(pg_temp.logged_in(login, format('set local role %I', other)), case when allowed then 'OK000' else '42501' end,
    format('logged in as %s, becoming %s', login, other))
  from (values ('oslira_user', 'authenticated'), ('oslira_system', 'service_role')) own (login, may)
  cross join unnest(array['anon', 'authenticated', 'service_role', 'postgres', 'supabase_auth_admin', 'authenticator']) other
  cross join lateral (select other = own.may as allowed) a;
select is(pg_temp.logged_in(login, format('select from %s', name)), '42501', format('logged in as %s, reading %s', login, name))
  from unnest(array['oslira_user', 'oslira_system']) login
  cross join unnest(array['public.plans', 'public.members', 'public.runs', 'oslira.task_answers']) name;

-- What is made later -----------------------------------------------------------------------------------------

set local role postgres;
create table public.made_later (made_later_id bigint generated always as identity primary key, secret text);
create table oslira.made_later (made_later_id bigint generated always as identity primary key, secret text);
create sequence public.sequence_made_later;
create view public.view_made_later as select 1 as one;
create function public.function_made_later() returns integer language sql as 'select 1';
create function oslira.function_made_later() returns integer language sql as 'select 1';
reset role;
select is_empty(
  $$ select * from grants_on_relations where name like '%made\_later%' $$,
  'a later table, view or sequence is granted to nobody'
);
select is_empty(
  $$ select * from grants_on_functions where name like '%made\_later%' $$,
  'a later function may be executed by nobody'
);
select is(pg_temp.outcome(caller, statement), '42501', format('%s is refused: %s', caller, statement))
  from unnest(array['anon', 'authenticated', 'service_role']) caller
  cross join unnest(array[
    'select * from public.made_later', 'truncate public.made_later', $$insert into public.made_later (secret) values ('')$$,
    $$select nextval('public.sequence_made_later')$$, 'select * from public.view_made_later',
    'select public.function_made_later()'
  ]) statement;

select * from finish();
rollback;
