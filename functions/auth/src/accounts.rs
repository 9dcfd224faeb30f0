//! `GET /api/auth/verify`: the caller's user id, email, accounts and role in each.

use oslira_api::{Identity, Membership, Route, Tag, example};
use oslira_domain::Result;
use oslira_lambda::{Reply, Request};
use oslira_postgres::UserDb;
use serde_json::json;

pub(crate) fn verify_route() -> Route {
    let owner = example(json!({
        "userId": "00000000-0000-4000-8000-000000000001",
        "email": "demo-1@oslira.example",
        "accounts": [{"accountId": "3f0f7a52-9d59-4a5f-8d0e-6f6f9b6a2c11", "name": "My account", "role": "owner"}],
    }));
    Route::get("/api/auth/verify", "verifyToken", Tag::Account, "Whose token it is").answers::<Identity>(
        200,
        "The caller, and the accounts they are in, the default one first.",
        [("owner", owner)],
    )
}

/// Answers [`Identity`].
pub async fn verify_token(db: &UserDb, request: Request) -> Result<Reply> {
    let caller = request.caller()?;
    request.no_query()?;
    let sql = "select m.account_id, a.name, m.role
                 from public.members m join public.accounts a using (account_id)
                 where m.user_id = (select auth.uid())
                 order by m.created_at, m.account_id";
    let rows = db.all(caller.user_id, sql, &[]).await?;
    let accounts = rows.iter().map(|row| {
        Ok(Membership {
            account_id: row.read("account_id")?,
            name: row.read("name")?,
            role: row.read("role")?,
        })
    });
    let accounts = accounts.collect::<Result<_>>()?;
    Ok(Reply::ok(Identity { user_id: caller.user_id, email: caller.email.clone(), accounts }))
}
