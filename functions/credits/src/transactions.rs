//! `GET /api/credits/transactions`.

use oslira_api::{CreditTransaction, CreditTransactionFilters, Route, Tag, example};
use oslira_domain::Result;
use oslira_lambda::{Reply, Request};
use oslira_postgres::{List, Row, UserDb};
use serde_json::json;

pub(crate) fn transactions_route() -> Route {
    let charge = example(json!({
        "id": "6e2f6a52-9d59-4a5f-8d0e-6f6f9b6a2c11", "kind": "charge", "amount": -1,
        "runId": "01a1fbbc-0a88-736b-af81-8a492628528e", "reason": "light analysis",
        "createdAt": "2026-11-21T01:32:47.121537Z",
    }));
    let sign_up = example(json!({
        "id": "5d1f6a52-9d59-4a5f-8d0e-6f6f9b6a2c10", "kind": "signup", "amount": 10, "runId": null,
        "reason": "starting credits", "createdAt": "2026-11-20T18:04:11.402113Z",
    }));
    let summary = "Every change of the balance, newest first";
    Route::get("/api/credits/transactions", "listCreditTransactions", Tag::Account, summary)
        .describe("The ledger. The balance is the sum of the amounts of all its rows.")
        .in_account()
        .query::<CreditTransactionFilters>()
        .answers_pages_of::<CreditTransaction>("A page of the ledger.", vec![charge, sign_up])
}

/// Answers with a page of the account's ledger.
pub async fn list_credit_transactions(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    let (filters, page) = request.page::<CreditTransactionFilters>()?;
    let CreditTransactionFilters { kind, since, until } = filters;
    let kinds: Vec<String> = kind.into_iter().map(|kind| kind.as_str().to_owned()).collect();
    let list = List {
        select: "select credit_transaction_id, kind, amount, run_id, reason, created_at
                   from public.credit_transactions
                   where account_id = $1
                     and (cardinality($2) = 0 or kind = any ($2))
                     and ($3 is null or created_at >= $3)
                     and ($4 is null or created_at < $4)",
        order: "created_at desc, credit_transaction_id desc",
        id: "credit_transaction_id",
        parameters: &[&kinds, &since, &until],
    };
    Ok(Reply::ok(db.page(caller.user_id, account_id, list, page, transaction).await?))
}

fn transaction(row: &Row) -> Result<CreditTransaction> {
    Ok(CreditTransaction {
        id: row.read("credit_transaction_id")?,
        kind: row.read("kind")?,
        amount: row.read("amount")?,
        run_id: row.read("run_id")?,
        reason: row.read("reason")?,
        created_at: row.read("created_at")?,
    })
}
