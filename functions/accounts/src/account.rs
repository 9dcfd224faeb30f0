//! `GET` and `PUT /api/account`.

use oslira_api::{Account, AccountDocument, MemberRole, Route, Tag, example};
use oslira_domain::{Error, Result};
use oslira_lambda::{Reply, Request};
use oslira_postgres::UserDb;
use serde_json::json;

const PATH: &str = "/api/account";

pub(crate) fn get_route() -> Route {
    Route::get(PATH, "getAccount", Tag::Account, "The account, and what the caller may do in it")
        .in_account()
        .answers::<Account>(200, "The account.", [("owner", kestrel())])
}

pub(crate) fn update_route() -> Route {
    Route::put(PATH, "updateAccount", Tag::Account, "Rename the account")
        .describe("For owners.")
        .in_account()
        .takes::<AccountDocument>([("renamed", json!({"name": "Kestrel Coffee Roasters"}))])
        .answers::<Account>(200, "The account as it is now.", [("renamed", kestrel())])
        .refuses(&Error::owner_required())
}

/// Answers [`Account`].
pub async fn get_account(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let sql = "select a.account_id, a.name, m.role, a.created_at
                 from public.accounts a join public.members m using (account_id)
                 where a.account_id = $1 and m.user_id = (select auth.uid())";
    let row = db.optional(caller.user_id, sql, &[&account_id]).await?;
    let row = row.ok_or_else(Error::account_not_found)?;
    Ok(Reply::ok(Account {
        id: row.read("account_id")?,
        name: row.read("name")?,
        role: row.read("role")?,
        created_at: row.read("created_at")?,
    }))
}

/// Renames the account and answers with it. A repeated request changes nothing more.
///
/// # Errors
/// `OwnerRequired` for a member who is not an owner.
pub async fn update_account(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let AccountDocument { name } = request.body()?;
    let sql = "select outcome, created_at from public.rename_account($1, $2)";
    let row = db.one(caller.user_id, sql, &[&account_id, &name]).await?;
    match &*row.read::<String>("outcome")? {
        "renamed" => Ok(Reply::ok(Account {
            id: account_id,
            name,
            role: MemberRole::Owner,
            created_at: row.read("created_at")?,
        })),
        "not_owner" => Err(Error::owner_required()),
        "account_not_found" => Err(Error::account_not_found()),
        other => Err(Error::internal(format!("unknown outcome {other}"))),
    }
}

fn kestrel() -> Account {
    example(json!({
        "id": "3f0f7a52-9d59-4a5f-8d0e-6f6f9b6a2c11", "name": "Kestrel Coffee Roasters", "role": "owner",
        "createdAt": "2026-11-20T18:04:11.402113Z",
    }))
}
