-- Business profiles: who reads, changes and deletes them, and what runs judge by.
--
-- Proves: members read and change what is live, and of it the content alone; only owners delete, and nobody undoes that;
-- what a deleted profile was used for stays readable, and runs under way end; each content has a version that nobody sets;
-- an accepted run keeps the content of that moment, a refused one keeps nothing, and no user reads what is kept. What happens
-- when a change and a start come at once is shown in tests/races.

begin;
\ir support/callers.sql
select no_plan();

-- Ada owns the account, Cleo is a member of it, Bob is a stranger.
\o /dev/null
select pg_temp.sign_up(name) from unnest(array['ada', 'bob', 'cleo']) name;
select pg_temp.add_credits('ada.account', 90);
insert into public.members (account_id, user_id, role) values (pg_temp.id('ada.account'), pg_temp.id('cleo'), 'member');
select pg_temp.add_business_profile(name) from unnest(array['ada', 'bob']) name;
select pg_temp.add_business_profile('ada', 'ada.second');
select pg_temp.name_it('unknown');
\o

create function pg_temp.profile(p_name text default 'ada.profile') returns public.business_profiles language sql as $$
  select p from public.business_profiles p where p.business_profile_id = pg_temp.id(p_name);
$$;
create function pg_temp.set_in(p_profile text, p_caller text, p_assignments text) returns text language sql as $$
  select pg_temp.outcome(p_caller, format('update public.business_profiles set %s where business_profile_id = {%s}', p_assignments, p_profile));
$$;

-- Reading and changing --------------------------------------------------------------------------------------------

create temp table callers (caller text, seen text, changed text);
insert into callers values
  ('ada', '1 rows', '1 rows'), ('cleo', '1 rows', '1 rows'), ('bob', '0 rows', '0 rows'), ('no claims', '0 rows', '0 rows'),
  ('anon', '42501', '42501'), ('service_role', '1 rows', '42501');
select is(pg_temp.outcome(caller, 'select from public.business_profiles where business_profile_id = {ada.profile}'), seen,
    format('%s looks for a business profile of Ada''s: %s', caller, seen))
  from callers;
select is(pg_temp.set_in('ada.profile', caller, format('name = %L', caller)), changed, format('%s changes it: %s', caller, changed))
  from callers;
select is((pg_temp.profile()).name, 'cleo', 'the last one who could was Cleo');

-- What is content: these columns are changed, kept for runs, and nothing else is.
create temp table content (name text primary key, value text not null);
insert into content values
  ('name', '''Other'''), ('description', '''Other'''), ('website', '''https://a.example'''), ('voice', '''Warm'''),
  ('offer', '''Bread'''), ('follower_min', '7'), ('follower_max', '70000'), ('engagement_min', '2.5'),
  ('content_themes', 'array[''bread'']'), ('geo_focus', 'array[''Berlin'']');
select set_eq(
  $$ select c.column_name::text from information_schema.columns c
       where c.table_schema = 'public' and c.table_name = 'business_profiles'
         and has_column_privilege('authenticated', 'public.business_profiles', c.column_name, 'UPDATE') $$,
  'select name from content', 'members may write what is content'
);
select set_eq(
  $$ select c.column_name::text from information_schema.columns c
       where c.table_schema = 'oslira' and c.table_name = 'business_profile_versions'
         and c.column_name not in ('business_profile_id', 'account_id', 'version', 'kept_at') $$,
  'select name from content', 'which is what is kept for runs'
);
select is(pg_temp.set_in('ada.profile', caller, format('%s = %s', c, value)), '42501', format('%s does not set %s', caller, c))
  from unnest(array['ada', 'cleo', 'bob']) caller
  cross join (values ('business_profile_id', '{unknown}'), ('account_id', '{bob.account}'), ('created_at', 'now()'),
    ('updated_at', 'now()'), ('deleted_at', 'now()'), ('deleted_at', 'null'), ('version', '1'), ('version', 'version + 1')) c (c, value);
select is(pg_temp.set_in('ada.profile', 'ada', assignments), '23514 ' || rule, 'what is changed is held to its limits: ' || rule)
  from (values
    ('name = ''''', 'business_profiles_name_length'), ('description = repeat(''d'', 4001)', 'business_profiles_description_length'),
    ('follower_min = 9, follower_max = 1', 'business_profiles_follower_range_ordered'),
    ('engagement_min = ''NaN''', 'business_profiles_engagement_min_percent'),
    ('name = E''Brew\nCo''', 'business_profiles_name_line'), ('name = U&''Brew \0085''', 'business_profiles_name_line'),
    ('name = '' Brew''', 'business_profiles_name_line'),
    ('website = ''javascript:alert(1)//https://a''', 'business_profiles_website_web_address'),
    ('website = ''https://''', 'business_profiles_website_web_address'),
    ('website = ''https:///a.example''', 'business_profiles_website_web_address'),
    ('website = E''\nhttps://a.example''', 'business_profiles_website_web_address'),
    ('website = E''https://a.example/\nb''', 'business_profiles_website_web_address'),
    ('website = ''https://a.example\@b''', 'business_profiles_website_web_address'),
    ('follower_max = 4294967296', 'business_profiles_follower_range_bounds'),
    ('follower_max = 9223372036854775807', 'business_profiles_follower_range_bounds'),
    ('follower_min = -1', 'business_profiles_follower_range_ordered'),
    ('geo_focus = array[null]', 'business_profiles_geo_focus_words'), ('geo_focus = array['' Rome'']', 'business_profiles_geo_focus_words'),
    ('content_themes = array[''a'', '''']', 'business_profiles_content_themes_words'),
    ('content_themes = array[repeat(''t'', 61)]', 'business_profiles_content_themes_words'),
    ('content_themes = array_fill(''a''::text, array[31])', 'business_profiles_content_themes_words'),
    ('content_themes = array[[''a'', ''b''], [''c'', ''d'']]', 'business_profiles_content_themes_words')
  ) bad (assignments, rule);
select is(pg_temp.set_in('ada.second', 'ada', assignment), '1 rows', 'and may be up to them: ' || assignment)
  from unnest(array[
    'name = repeat(''n'', 200)', 'website = ''HTTPS://Brew.example/Café?q=1#a''', 'website = null',
    'follower_min = 4294967295, follower_max = 4294967295', 'content_themes = ''{}'', geo_focus = ''{}''',
    'content_themes = array_fill(repeat(''"'', 60), array[30])'
  ]) assignment;
select is(
  pg_temp.outcome('ada',
    $$ insert into public.business_profiles (business_profile_id, account_id, name, description, follower_min, follower_max, engagement_min)
         values ({bob.profile}, {ada.account}, 'mine', 'now', 1, 2, 1)
         on conflict (business_profile_id) do update set name = excluded.name $$),
  '42501', 'an upsert does not change a stranger''s'
);
select is((pg_temp.profile('bob.profile')).name, 'Bakery', 'which is what it was');

-- Versions ----------------------------------------------------------------------------------------------------------

-- As of long ago; the trigger would not let it be written.
create function pg_temp.age() returns void language plpgsql as $$
begin
  alter table public.business_profiles disable trigger business_profiles_count_version;
  update public.business_profiles set version = 1, updated_at = now() - interval '1 day' where business_profile_id = pg_temp.id('ada.profile');
  alter table public.business_profiles enable trigger business_profiles_count_version;
end
$$;
create function pg_temp.version_after(p_caller text, p_assignments text) returns text language plpgsql as $$
declare
  v_outcome text;
begin
  perform pg_temp.age();
  v_outcome := pg_temp.set_in('ada.profile', p_caller, p_assignments);
  return format('%s, version %s, updated now: %s', v_outcome, (pg_temp.profile()).version, (pg_temp.profile()).updated_at = now());
end
$$;
select is(pg_temp.version_after('cleo', format('%s = %s', name, value)), '1 rows, version 2, updated now: t', 'another ' || name || ' is another version')
  from content order by name;
select is(pg_temp.version_after('cleo', format('%s = %s', name, value)), '1 rows, version 1, updated now: t', 'the same ' || name || ' is not')
  from content order by name;
select is(pg_temp.version_after('cleo', 'website = null, name = ''Both'''), '1 rows, version 2, updated now: t', 'two changes at once are one version');
select is(pg_temp.version_after('postgres', assignments), '1 rows, version 1, updated now: t', 'no version is set: ' || assignments)
  from unnest(array['version = 7', 'version = 0', 'version = null', 'updated_at = ''-infinity''', 'created_at = now()']) assignments;
select is(pg_temp.version_after('postgres', 'version = 7, name = ''Seven'''), '1 rows, version 2, updated now: t', 'not even with a change');

-- What runs keep ------------------------------------------------------------------------------------------------------

create function pg_temp.judged_by(p_run text) returns text language sql as $$
  select format('%s, version %s of %s', v.name, v.version, (select n.name from pg_temp.named n where n.id = v.business_profile_id))
    from public.runs r
    join oslira.business_profile_versions v on v.business_profile_id = r.business_profile_id and v.version = r.business_profile_version
    where r.run_id = pg_temp.id(p_run);
$$;
create function pg_temp.kept() returns integer language sql as $$
  select count(*)::integer from oslira.business_profile_versions v where v.account_id = pg_temp.id('ada.account');
$$;
\o /dev/null
select pg_temp.age();
select pg_temp.set_in('ada.profile', 'ada', 'name = ''Before''');
\o
select is(pg_temp.kept(), 0, 'nothing is kept of what no run needs');
select is(pg_temp.start('ada', 'first', p_username => 'first') ->> 'outcome', 'accepted', 'a run is accepted');
select is(pg_temp.judged_by('first'), 'Before, version 2 of ada.profile', 'and keeps what the profile was');
select row_eq(
  $$ select v.account_id, to_jsonb(v) - 'kept_at' - 'account_id' from oslira.business_profile_versions v
       where v.business_profile_id = pg_temp.id('ada.profile') $$,
  row(pg_temp.id('ada.account'), (select to_jsonb(pg_temp.profile()) - array['account_id', 'created_at', 'updated_at', 'deleted_at'])),
  'all of it'
);
select is(pg_temp.start('cleo', 'second', p_username => 'second', p_account => 'ada.account', p_profile => 'ada.profile') ->> 'outcome', 'accepted', 'another run of the same version');
select is(pg_temp.kept(), 1, 'keeps nothing more');
select is(pg_temp.set_in('ada.profile', 'cleo', 'name = ''After'', follower_min = 3'), '1 rows', 'a change');
select is(pg_temp.start('ada', 'third', p_username => 'third') ->> 'outcome', 'accepted', 'a run after it');
select is(pg_temp.judged_by(run), judged_by, format('the %s run judges by %s', run, judged_by))
  from (values ('first', 'Before, version 2 of ada.profile'), ('second', 'Before, version 2 of ada.profile'),
    ('third', 'After, version 3 of ada.profile')) expected (run, judged_by);
select is(pg_temp.set_in('ada.profile', 'cleo', 'name = ''Before'', follower_min = 7'), '1 rows', 'changed back');
select is(pg_temp.start('ada', 'fourth', p_username => 'fourth') ->> 'outcome', 'accepted', 'a run after that');
select is(pg_temp.judged_by('fourth'), 'Before, version 4 of ada.profile', 'is of a version of its own');

-- Each refusal after a change of its own: nothing is kept, or one could pile up versions without paying.
create function pg_temp.refused(p_n integer, p_outcome text, p_answer jsonb) returns text language sql as $$
  select is(format('%s, %s kept', p_answer ->> 'outcome', pg_temp.kept()), p_outcome || ', 3 kept', 'a start that is refused keeps nothing: ' || p_outcome);
$$;
select is(pg_temp.set_in('ada.profile', 'ada', 'name = ''Fifth'''), '1 rows', 'a change that no run sees');
select pg_temp.refused(1, 'in_progress', pg_temp.start('ada', 'fifth', p_username => 'first'));
select pg_temp.refused(2, 'repeated', pg_temp.start('ada', 'first', p_username => 'first'));
select pg_temp.refused(3, 'not_accepted_before', pg_temp.answer('ada',
  'select outcome from public.start_analysis({ada.account}, {ada.profile}, {unknown}, ''fifth'', ''light'', ''k'', sha256(''b''), true)'));
\o /dev/null
select pg_temp.add_credits('ada.account', -pg_temp.balance('ada.account'));
\o
select pg_temp.refused(4, 'insufficient_credits', pg_temp.start('ada', 'fifth', p_username => 'fifth'));
\o /dev/null
select pg_temp.add_credits('ada.account', 50);
\o
select pg_temp.refused(5, 'business_profile_not_found', pg_temp.start('ada', 'fifth', p_username => 'fifth', p_profile => 'bob.profile'));
select is(
  pg_temp.outcome('ada', $$ select * from public.start_analysis({ada.account}, {ada.profile}, {unknown}, 'NOT A NAME', 'light') $$),
  '23514 runs_username_normalised', 'nor does one that fails'
);
select is(pg_temp.kept(), 3, 'keep anything');

select is(
  pg_temp.outcome('postgres', $$ update public.runs set business_profile_version = 5 where run_id = {first} $$),
  '23503 runs_business_profile_version_kept', 'a run names a content that is kept'
);
select is(pg_temp.outcome(caller, statement), '42501', format('%s: %s', caller, statement))
  from unnest(array['ada', 'cleo', 'bob', 'no claims', 'anon']) caller
  cross join unnest(array[
    'select from oslira.business_profile_versions',
    'update oslira.business_profile_versions set name = ''x''',
    'select oslira.keep_business_profile_version(p) from public.business_profiles p'
  ]) statement;
select is(pg_temp.outcome('service_role', statement), expected, 'the system: ' || statement)
  from (values
    ('select from oslira.business_profile_versions where account_id = {ada.account}', '3 rows'),
    ('update oslira.business_profile_versions set name = ''x''', '42501'),
    ('delete from oslira.business_profile_versions', '42501'),
    ('insert into oslira.business_profile_versions select * from oslira.business_profile_versions', '42501')
  ) may (statement, expected);

-- Deleting --------------------------------------------------------------------------------------------------------------

create function pg_temp.delete(p_caller text, p_profile text, p_account text default 'ada.account') returns text language sql as $$
  select pg_temp.answer(p_caller, format('select public.delete_business_profile({%s}, {%s}) as outcome', p_account, p_profile)) ->> 'outcome';
$$;
select is(pg_temp.delete(caller, profile, account), outcome, format('%s deletes %s of %s: %s', caller, profile, account, outcome))
  from (values
    ('bob', 'ada.profile', 'ada.account', 'account_not_found'), ('no claims', 'ada.profile', 'ada.account', 'account_not_found'),
    ('ada', 'ada.profile', 'unknown', 'account_not_found'), ('cleo', 'ada.profile', 'ada.account', 'not_owner'),
    ('cleo', 'unknown', 'ada.account', 'not_owner'), ('bob', 'ada.profile', 'bob.account', 'not_found'),
    ('cleo', 'ada.profile', 'cleo.account', 'not_found'), ('ada', 'bob.profile', 'ada.account', 'not_found'),
    ('ada', 'unknown', 'ada.account', 'not_found')
  ) attempt (caller, profile, account, outcome);
select is(
  pg_temp.answer('ada', 'select public.delete_business_profile(null, {ada.profile}) as outcome') ->> 'outcome', 'account_not_found', 'no account'
);
select is(pg_temp.outcome(caller, 'select public.delete_business_profile({ada.account}, {ada.profile})'), '42501', caller || ' may not call it')
  from unnest(array['anon', 'service_role', 'oslira_user', 'oslira_system']) caller;
select is(pg_temp.outcome(caller, 'delete from public.business_profiles where business_profile_id = {ada.profile}'), '42501', caller || ' does not delete the row')
  from unnest(array['ada', 'cleo', 'bob', 'anon', 'service_role']) caller;
select is((pg_temp.profile()).deleted_at, null, 'it is still there');

-- Something of each kind that the profile was used for.
\o /dev/null
select pg_temp.name_it('lead');
select pg_temp.outcome('service_role',
  $$ insert into public.leads (lead_id, account_id, business_profile_id, username, followers, following, posts_count,
       is_verified, is_business, profile_as_of)
       values ({lead}, {ada.account}, {ada.profile}, 'first', 1, 1, 1, false, false, now()) $$);
select pg_temp.outcome('service_role', $$ select oslira.complete_run({first}, {lead}, 80, 0.9, '{}', now(), false, 1000) $$);
\o
create temp table before as select pg_temp.profile() as profile;
select is(pg_temp.delete('ada', 'ada.profile'), 'deleted', 'an owner deletes');
select row_eq(
  'select (p.profile).deleted_at, (p.profile).name, (p.profile).version from (select pg_temp.profile() as profile) p',
  (select row(now(), (b.profile).name, (b.profile).version) from before b), 'softly: all of it stays'
);
\o /dev/null
select pg_temp.set_in('ada.profile', 'postgres', 'deleted_at = now() - interval ''1 day''');
\o
create temp table deleted as select pg_temp.profile() as profile;
select is(pg_temp.delete('ada', 'ada.profile'), 'deleted', 'and is answered the same again');
select is(pg_temp.profile(), (select profile from deleted), 'which changes nothing');
select is(pg_temp.delete(caller, 'ada.profile', account), outcome, format('%s deletes what is deleted, of %s: %s', caller, account, outcome))
  from (values
    ('cleo', 'ada.account', 'not_owner'), ('bob', 'ada.account', 'account_not_found'), ('bob', 'bob.account', 'not_found'),
    ('cleo', 'cleo.account', 'not_found')
  ) attempt (caller, account, outcome);
select is(pg_temp.outcome(caller, 'select from public.business_profiles where business_profile_id = {ada.profile}'),
    case seen when '1 rows' then case caller when 'service_role' then '1 rows' else '0 rows' end else seen end, format('%s looks for what is deleted', caller))
  from callers;
select is(pg_temp.set_in('ada.profile', caller, 'name = ''again'''), case changed when '1 rows' then '0 rows' else changed end, format('%s changes what is deleted', caller))
  from callers;
select is(pg_temp.set_in('ada.profile', caller, 'deleted_at = null'), '42501', caller || ' does not bring it back')
  from unnest(array['ada', 'cleo', 'bob', 'service_role']) caller;
select is(
  pg_temp.outcome('ada',
    $$ insert into public.business_profiles (business_profile_id, account_id, name, description, follower_min, follower_max, engagement_min)
         values ({ada.profile}, {ada.account}, 'again', 'd', 1, 2, 1)
         on conflict (business_profile_id) do update set name = excluded.name $$),
  '42501', 'nor does an upsert'
);
select is(
  pg_temp.outcome('ada',
    $$ insert into public.business_profiles (business_profile_id, account_id, name, description, follower_min, follower_max, engagement_min)
         values ({ada.profile}, {ada.account}, 'again', 'd', 1, 2, 1) on conflict (business_profile_id) do nothing $$),
  '0 rows', 'and its id is taken'
);
select is(pg_temp.outcome('cleo', 'select from public.business_profiles where account_id = {ada.account}'), '1 rows', 'the other one is as it was');

select is(pg_temp.outcome(caller, 'select from ' || name || ' where account_id = {ada.account}'), rows, format('%s still reads %s', caller, name))
  from unnest(array['ada', 'cleo']) caller
  cross join (values ('public.runs', '4 rows'), ('public.leads', '1 rows'), ('public.analyses', '1 rows')) history (name, rows);
select is(pg_temp.judged_by('second'), 'Before, version 2 of ada.profile', 'a run under way still has what it judges by');
select is(
  pg_temp.outcome('service_role',
    $$ insert into public.leads (account_id, business_profile_id, username, followers, following, posts_count, is_verified,
         is_business, profile_as_of) values ({ada.account}, {ada.profile}, 'second', 1, 1, 1, false, false, now()) $$),
  '1 rows', 'shows its lead'
);
select is(
  pg_temp.answer('service_role', $$ select oslira.complete_run({second}, {lead}, 70, 0.9, '{}', now(), false, 1000) as status $$) ->> 'status',
  'complete', 'and ends'
);
select is(pg_temp.start('ada', 'fifth', p_username => 'fifth') ->> 'outcome', 'business_profile_not_found', 'a new run is refused');
select is(pg_temp.start('ada', 'first', p_username => 'first') ->> 'outcome', 'repeated', 'an old one can be asked for again');

select * from finish();
rollback;
