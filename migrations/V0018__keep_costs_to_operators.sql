-- What a run costs us is the operator's business. The system role reads it as before.
drop policy "Members can see what their account's runs cost" on public.ai_usage_logs;
revoke select on public.ai_usage_logs from authenticated;
