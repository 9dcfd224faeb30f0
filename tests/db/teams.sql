-- Teams: who renames an account, invites, changes roles and removes, and whom a token lets in.
--
-- Proves: owners change their team, members only leave it, and strangers learn nothing; a token lets in the user whose
-- confirmed address was invited, once, and nobody by what a claim says; an account keeps an owner, whoever deletes; an
-- invitation ends with its author's ownership; what is written past the API is held to its rules. What happens when two come
-- at once is shown in tests/races.

begin;
\ir support/callers.sql
select no_plan();

-- Ada owns the account, Cleo is a member of it, Bob is a stranger. Grace is invited.
\o /dev/null
select pg_temp.sign_up(name) from unnest(array['ada', 'bob', 'cleo', 'grace', 'dora']) name;
select pg_temp.sign_up('fred', p_confirmed => false);
insert into public.members (account_id, user_id, role) values (pg_temp.id('ada.account'), pg_temp.id('cleo'), 'member');
select pg_temp.name_it('unknown');
\o

create function pg_temp.email(p_name text) returns text language sql as $$
  select u.email::text from auth.users u where u.id = pg_temp.id(p_name);
$$;
create function pg_temp.invite(p_caller text, p_email text, p_token text, p_role text default 'member', p_account text default 'ada.account')
returns text language sql as $$
  select pg_temp.answer(p_caller, format(
    'select outcome from public.invite_member({%s}, %L, %L, sha256(%L))', p_account, p_email, p_role, p_token)) ->> 'outcome';
$$;
create function pg_temp.accept(p_caller text, p_token text) returns text language sql as $$
  select pg_temp.answer(p_caller, format('select outcome from public.accept_invitation(sha256(%L))', p_token)) ->> 'outcome';
$$;
create function pg_temp.set_role_of(p_caller text, p_user text, p_role text) returns text language sql as $$
  select pg_temp.answer(p_caller, format(
    'select outcome from public.set_member_role({ada.account}, {%s}, %L)', p_user, p_role)) ->> 'outcome';
$$;
create function pg_temp.remove(p_caller text, p_user text) returns text language sql as $$
  select pg_temp.answer(p_caller, format('select public.remove_member({ada.account}, {%s}) as outcome', p_user)) ->> 'outcome';
$$;
create function pg_temp.role_in_ada(p_user text) returns text language sql as $$
  select m.role from public.members m where m.account_id = pg_temp.id('ada.account') and m.user_id = pg_temp.id(p_user);
$$;
create function pg_temp.put_in_ada(p_user text, p_role text) returns void language sql as $$
  insert into public.members (account_id, user_id, role) values (pg_temp.id('ada.account'), pg_temp.id(p_user), p_role)
    on conflict (account_id, user_id) do update set role = excluded.role;
$$;

-- Who may ------------------------------------------------------------------------------------------------------

select is(pg_temp.invite(caller, 'guest@example.test', 'token'), expected, format('%s invites into Ada''s account: %s', caller, expected))
  from (values ('cleo', 'not_owner'), ('bob', 'account_not_found'), ('no claims', 'account_not_found'), ('ada', 'invited')) e (caller, expected);
\o /dev/null
select pg_temp.name_it('guest', i.invitation_id) from public.invitations i where i.account_id = pg_temp.id('ada.account');
\o
select is(
    pg_temp.outcome(caller, 'select email from public.invitations where account_id = {ada.account}'), expected,
    format('%s sees Ada''s invitations: %s', caller, expected)
  )
  from (values ('ada', '1 rows'), ('cleo', '0 rows'), ('bob', '0 rows'), ('no claims', '0 rows'), ('anon', '42501'),
    ('service_role', '42501')) e (caller, expected);
select is(
    pg_temp.outcome('ada', format('select %I from public.invitations', c)), '42501', format('not even the owner reads %s', c)
  ) from unnest(array['token_hash', 'accepted_by']) c;
select is(
  pg_temp.answer('bob', 'select public.delete_invitation({bob.account}, {guest}) as outcome') ->> 'outcome', 'not_found',
  'in an account of his own, a stranger finds no invitation of Ada''s'
);
select is(
    pg_temp.answer(caller, 'select public.delete_invitation({ada.account}, {guest}) as outcome') ->> 'outcome', expected,
    format('%s takes Ada''s invitation back: %s', caller, expected)
  )
  from (values ('cleo', 'not_owner'), ('bob', 'account_not_found'), ('no claims', 'account_not_found'), ('ada', 'deleted'),
    ('ada', 'not_found')) e (caller, expected);
select is(pg_temp.set_role_of(caller, 'cleo', 'owner'), expected, format('%s makes Cleo an owner: %s', caller, expected))
  from (values ('cleo', 'not_owner'), ('bob', 'account_not_found'), ('no claims', 'account_not_found')) e (caller, expected);
select is(pg_temp.remove(caller, 'ada'), expected, format('%s removes Ada: %s', caller, expected))
  from (values ('cleo', 'not_owner'), ('bob', 'account_not_found'), ('no claims', 'account_not_found')) e (caller, expected);
select is(
    pg_temp.outcome(caller, 'select * from public.list_members({ada.account})'), expected,
    format('%s is shown who is in Ada''s account: %s', caller, expected)
  )
  from (values ('ada', '2 rows'), ('cleo', '2 rows'), ('bob', '0 rows'), ('no claims', '0 rows')) e (caller, expected);
select is(pg_temp.outcome(caller, 'select ' || call), '42501', format('%s calls %s', caller, call))
  from unnest(array['anon', 'service_role']) caller
  cross join unnest(array[
    'public.invite_member({ada.account}, ''a@b'', ''owner'', sha256(''mine''))', 'public.delete_invitation({ada.account}, {guest})',
    'public.accept_invitation(sha256(''token''))', 'public.set_member_role({ada.account}, {cleo}, ''owner'')',
    'public.remove_member({ada.account}, {cleo})', 'public.list_members({ada.account})'
  ]) call;
select is(pg_temp.set_role_of('ada', user_name, 'owner'), 'not_found', format('the owner names %s, who is not in it', user_name))
  from unnest(array['bob', 'unknown']) user_name;
select is(pg_temp.remove('ada', 'bob'), 'not_found', 'nor is there a stranger to remove');

-- Whom a token lets in ---------------------------------------------------------------------------------------------

select is(pg_temp.invite('ada', pg_temp.email('grace'), 'grace'), 'invited', 'Grace is invited');
select is(pg_temp.accept(caller, 'grace'), 'not_found', format('%s has no use of her token', caller))
  from unnest(array['ada', 'cleo', 'bob', 'no claims']) caller;
select is(pg_temp.accept('grace', token), 'not_found', format('nor has she of %L', token)) from unnest(array['', 'other']) token;
-- What the request's claims say, in each place where an address could be.
create function pg_temp.accept_claiming(p_caller text, p_email text, p_token text) returns text language plpgsql as $$
declare
  v_user_id uuid := pg_temp.id(p_caller);
  v_outcome text;
begin
  perform pg_temp.become(p_caller);
  perform set_config('request.jwt.claims', json_build_object(
    'sub', v_user_id, 'role', 'authenticated', 'email', p_email, 'email_verified', true,
    'user_metadata', json_build_object('email', p_email, 'email_verified', true)
  )::text, true);
  select a.outcome into v_outcome from public.accept_invitation(sha256(p_token::bytea)) a;
  perform set_config('role', 'none', true);
  return v_outcome;
end
$$;
select is(pg_temp.accept_claiming('bob', pg_temp.email('grace'), 'grace'), 'not_found', 'a claim is not an address');
select is(pg_temp.invite('ada', pg_temp.email('fred'), 'fred'), 'invited', 'Fred is invited, who has confirmed nothing');
select is(pg_temp.accept_claiming('fred', pg_temp.email('fred'), 'fred'), 'not_found', 'he is not let in');
update auth.users set email_confirmed_at = now(), is_sso_user = true where id = pg_temp.id('fred');
select is(pg_temp.accept('fred', 'fred'), 'not_found', 'nor when only his organisation says that the address is his');
update auth.users set is_sso_user = false where id = pg_temp.id('fred');
select is(pg_temp.accept('fred', 'fred'), 'accepted', 'once it is confirmed he is');
select is(pg_temp.role_in_ada('fred'), 'member', 'as what he was invited');
select is(pg_temp.accept('fred', 'fred'), 'accepted', 'a repeated request is answered the same');
select is(pg_temp.remove('ada', 'fred'), 'removed', 'he is removed');
select is(pg_temp.accept('fred', 'fred'), 'not_found', 'and his token is used up');

select is(pg_temp.invite('ada', pg_temp.email('grace'), 'second', 'owner'), 'invited', 'Grace is invited again, as an owner');
select is(pg_temp.accept('grace', 'grace'), 'not_found', 'the first token is replaced');
update public.invitations set expires_at = now() where email = pg_temp.email('grace');
select is(pg_temp.accept('grace', 'second'), 'not_found', 'the second one is too old');
select is(pg_temp.outcome('ada', 'select email from public.invitations'), '0 rows', 'and not shown any more');
select is(pg_temp.invite('ada', pg_temp.email('grace'), 'third', 'owner'), 'invited', 'Grace is invited once more');
select is(pg_temp.accept('grace', 'third'), 'accepted', 'and comes');
select is(pg_temp.role_in_ada('grace'), 'owner', 'as an owner');
select is(pg_temp.invite('ada', pg_temp.email(name), 'none'), 'already_member', format('%s need not be invited', name))
  from unnest(array['ada', 'cleo', 'grace']) name;

-- An invitation ends with what it came from --------------------------------------------------------------------------

select is(pg_temp.invite('grace', pg_temp.email('dora'), 'dora', 'owner'), 'invited', 'Grace invites Dora');
select is(pg_temp.set_role_of('ada', 'grace', 'member'), 'changed', 'and becomes a member');
select is(pg_temp.accept('dora', 'dora'), 'not_found', 'whose guests stay out');
select is(pg_temp.set_role_of('ada', 'grace', 'owner'), 'changed', 'Grace is an owner again');
select is(pg_temp.invite('grace', pg_temp.email('dora'), 'dora', 'owner'), 'invited', 'and invites Dora again');
select is(pg_temp.remove('ada', 'grace'), 'removed', 'and is removed');
select is(pg_temp.accept('dora', 'dora'), 'not_found', 'with the same for her guests');
select is(pg_temp.accept('grace', 'third'), 'not_found', 'and for herself');

-- An account keeps an owner ------------------------------------------------------------------------------------------

select is(pg_temp.outcome('ada', statement), '23514 members_keep_an_owner', 'the only owner: ' || statement)
  from unnest(array['select public.remove_member({ada.account}, {ada})', 'select public.set_member_role({ada.account}, {ada}, ''member'')']) statement;
select is(pg_temp.outcome('postgres', statement), '23514 members_keep_an_owner', 'by an operator''s slip: ' || statement)
  from unnest(array[
    'delete from public.members where user_id = {ada}', 'delete from public.members where account_id = {ada.account}',
    'update public.members set role = ''member'' where user_id = {ada}',
    'update public.members set account_id = {bob.account} where user_id = {ada}'
  ]) statement;
select is(pg_temp.outcome('supabase_auth_admin', 'delete from auth.users where id = {ada}'), '23514 members_keep_an_owner',
  'the auth server deletes no last owner while others are in the account');
\o /dev/null
select pg_temp.put_in_ada('cleo', 'owner');
\o
select is(pg_temp.outcome('postgres', 'delete from public.members where account_id = {ada.account}'), '23514 members_keep_an_owner',
  'nor do two owners go in one statement');
select is(pg_temp.remove('ada', 'ada'), 'removed', 'one of two may leave');
select is(pg_temp.outcome('ada', 'select from public.accounts where account_id = {ada.account}'), '0 rows', 'and sees nothing any more');
select is(pg_temp.remove('ada', 'cleo'), 'account_not_found', 'nor changes anything');
select is(pg_temp.outcome('cleo', 'select public.remove_member({ada.account}, {cleo})'), '23514 members_keep_an_owner', 'the other one stays');
select is(pg_temp.outcome('supabase_auth_admin', 'delete from auth.users where id = {bob}'), '1 rows',
  'the auth server deletes whoever is alone in an account');
select is((select count(*)::integer from public.accounts where account_id = pg_temp.id('bob.account')), 1, 'which keeps its ledger');

-- Past the API ---------------------------------------------------------------------------------------------------------

select is(pg_temp.outcome('cleo', format('select public.invite_member({ada.account}, %L, %L, %s)', email, role, hash)), '23514 ' || rule,
    format('an invitation is held to %s: %s', rule, to_jsonb(email)))
  from (values
    ('Ada@example.test', 'member', 'sha256(''x'')', 'invitations_email_address'),
    (' a@b', 'member', 'sha256(''x'')', 'invitations_email_address'),
    (E'a@b\n', 'member', 'sha256(''x'')', 'invitations_email_address'),
    (E'a@b\nc@d', 'member', 'sha256(''x'')', 'invitations_email_address'),
    ('a@b@c', 'member', 'sha256(''x'')', 'invitations_email_address'),
    ('ä@b', 'member', 'sha256(''x'')', 'invitations_email_address'),
    (repeat('a', 254) || '@b', 'member', 'sha256(''x'')', 'invitations_email_address'),
    ('a@b', 'admin', 'sha256(''x'')', 'invitations_role_known'),
    ('a@b', 'member', '''''', 'invitations_token_hash_length')
  ) e (email, role, hash, rule);
select is(pg_temp.outcome('cleo', 'select public.set_member_role({ada.account}, {cleo}, ''admin'')'), '23514 members_role_known',
  'so is a role');
select is(pg_temp.outcome('cleo', format('update public.accounts set name = %L where account_id = {ada.account}', name)), '23514 ' || rule,
    format('so is a name: %s', to_jsonb(name)))
  from (values ('', 'accounts_name_length'), (repeat('n', 201), 'accounts_name_length'), (' n', 'accounts_name_line'),
    (E'n\n', 'accounts_name_line'), (U&'n\0085', 'accounts_name_line')) e (name, rule);

-- How many of them -------------------------------------------------------------------------------------------------------

create function pg_temp.invite_many(p_from integer, p_to integer) returns text language sql as $$
  select pg_temp.outcome('cleo', format(
    'select public.invite_member({ada.account}, n || ''@example.test'', ''member'', sha256(n::text::bytea)) from generate_series(%s, %s) n',
    p_from, p_to));
$$;
delete from public.invitations;
select is(pg_temp.invite_many(1, 1000), '23514 invitations_team_size', 'a thousand in one statement');
select is(pg_temp.invite_many(1, 99), '99 rows', 'with the owner these are a hundred');
select is(pg_temp.invite_many(100, 100), '23514 invitations_team_size', 'there is no room for one more');
select is(pg_temp.invite_many(99, 99), '1 rows', 'one that is there may be replaced');
update public.invitations set expires_at = now() where account_id = pg_temp.id('ada.account');
select is(pg_temp.invite_many(100, 100), '1 rows', 'what is too old makes room');
select is((select count(*)::integer from public.invitations where account_id = pg_temp.id('ada.account')), 1, 'and is gone');

select * from finish();
rollback;
