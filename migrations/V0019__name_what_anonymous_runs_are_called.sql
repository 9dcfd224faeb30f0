-- A run without an account is an anonymous run, here as everywhere. The rule is as before: the ids of anonymous runs are UUIDs
-- of version 8, made from their tokens. A caller of `start_analysis` chooses an id, and none that an anonymous run could have:
-- the two share tables and logs outside of this database. On insert alone: what is there can still be settled.
drop trigger runs_run_id_no_visitors on public.runs;
drop function oslira.refuse_visitors_run_id;
create function oslira.refuse_anonymous_run_id() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if get_byte(uuid_send(new.run_id), 6) >> 4 = 8 then
    raise exception 'a run''s id is no UUID of version 8'
      using errcode = 'check_violation', table = 'runs', constraint = 'runs_run_id_not_anonymous';
  end if;
  return new;
end
$$;
create trigger runs_run_id_not_anonymous before insert on public.runs
  for each row execute function oslira.refuse_anonymous_run_id();
