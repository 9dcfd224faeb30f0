-- The ledger is listed by kind from indexes alone. The first one serves kinds with few rows. The second one, the order of the
-- list, now tells the kind, too: most rows are charges, and these need no sorting.
create index credit_transactions_by_kind on public.credit_transactions (account_id, kind, created_at desc, credit_transaction_id desc);
drop index public.credit_transactions_newest;
create index credit_transactions_newest on public.credit_transactions (account_id, created_at desc, credit_transaction_id desc)
  include (kind);
