-- Included after callers.sql: two tenants, each with a row in every table.
--
-- Ada and Bob each own an account. Cleo owns one, too, and is a member of Ada's. `{ada.run}` and `{bob.done}` are complete,
-- `{ada.pending}` and `{bob.run}` are not.

\o /dev/null
select pg_temp.sign_up(name) from unnest(array['ada', 'bob', 'cleo']) name;
insert into public.members (account_id, user_id, role) values (pg_temp.id('ada.account'), pg_temp.id('cleo'), 'member');
select pg_temp.add_business_profile(name) from unnest(array['ada', 'bob']) name;
select pg_temp.start('ada', 'ada.run', p_key => 'key'), pg_temp.start('ada', 'ada.pending', 'esa');
select pg_temp.start('bob', 'bob.run', p_key => 'key'), pg_temp.start('bob', 'bob.done', 'esa');
select pg_temp.name_it(name || '.lead') from unnest(array['ada', 'bob']) name;
select pg_temp.outcome('service_role', format(
  'insert into public.leads (lead_id, account_id, business_profile_id, username, full_name, followers, following, posts_count,
     is_verified, is_business, profile_as_of)
     values ({%1$s.lead}, {%1$s.account}, {%1$s.profile}, ''nasa'', ''a lead of %1$s'', 1, 1, 1, false, false, now())', name
)) from unnest(array['ada', 'bob']) name;
select pg_temp.outcome('service_role', format(
  'insert into public.ai_usage_logs (ai_usage_log_id, account_id, run_id, task, provider, model, cost_usd, duration_ms, outcome)
     values (gen_random_uuid(), {%1$s.account}, {%2$s}, ''scoring'', ''openai'', ''model'', 0.1, 100, ''ok'')', name, run
)), pg_temp.outcome('service_role', format(
  'insert into oslira.task_answers (run_id, task, answer) values ({%s}, ''scoring'', ''1'')', run
)), pg_temp.outcome('service_role', format(
  'select oslira.complete_run({%2$s}, {%1$s.lead}, 80, 0.9, ''{}'', now(), false, 1000)', name, run
)) from (values ('ada', 'ada.run'), ('bob', 'bob.done')) done (name, run);
select pg_temp.outcome(name, format(
  'select * from public.invite_member({%1$s.account}, ''guest-of-%1$s@example.test'', ''owner'', sha256(''token of %1$s''))', name
)) from unnest(array['ada', 'bob']) name;
\o
