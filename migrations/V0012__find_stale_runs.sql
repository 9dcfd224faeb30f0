-- The job that looks for runs that nothing works on reads the pending ones, the oldest first, page by page.
create index runs_pending on public.runs (created_at, run_id) where status = 'pending';
