//! `/api/account/members`: who is in the account.

use crate::NoFilters;
use oslira_api::{Member, MemberDocument, RemovedMember, Route, Tag, example};
use oslira_domain::{Code, Error, Result, UserId};
use oslira_lambda::{Reply, Request};
use oslira_postgres::{List, RefusedBy, Row, UserDb};
use serde_json::json;

const PATH: &str = "/api/account/members";
const ONE: &str = "/api/account/members/{userId}";

pub(crate) fn list_route() -> Route {
    Route::get(PATH, "listMembers", Tag::Team, "Who is in the account, longest members first")
        .in_account()
        .answers_pages_of::<Member>("A page of the members.", vec![ada()])
        .links(200, "/data/data/0/userId", "userId", &["updateMember", "removeMember"])
}

pub(crate) fn update_route() -> Route {
    about_one(Route::put(ONE, "updateMember", Tag::Team, "Say what a member may do"))
        .describe("For owners. The account's last owner stays an owner.")
        .takes::<MemberDocument>([("owner", json!({"role": "owner"}))])
        .answers::<Member>(200, "The member as they are now.", [("owner", ada())])
}

pub(crate) fn remove_route() -> Route {
    let removed = example(json!({"userId": "00000000-0000-4000-8000-000000000001"}));
    about_one(Route::delete(ONE, "removeMember", Tag::Team, "Remove a member, or leave the account"))
        .describe(
            "Owners remove anyone. Everyone may leave, by their own id. The account's last owner cannot go. Invitations that the \
             removed member made end. What they started goes on. A repeated request is answered 404.",
        )
        .answers::<RemovedMember>(200, "The user is not in the account any more.", [("removed", removed)])
}

fn about_one(route: Route) -> Route {
    route
        .path::<UserId>("userId", "The member, as the list names them.")
        .in_account()
        .refuses(&member_not_found())
        .refuses(&Error::owner_required())
        .refuses(&last_owner())
}

/// Answers a page of the account's members.
pub async fn list_members(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    let (NoFilters {}, page) = request.page()?;
    // The function sorts no rows, and need not: a team is small.
    let list = List {
        select: "select user_id, email, role, created_at from public.list_members($1)",
        order: "created_at, user_id",
        parameters: &[],
    };
    let read = |row: &Row| {
        Ok(Member {
            user_id: row.read("user_id")?,
            email: row.read("email")?,
            role: row.read("role")?,
            since: row.read("created_at")?,
        })
    };
    Ok(Reply::ok(db.page(caller.user_id, account_id, list, page, read).await?))
}

/// Makes a member an owner, or an owner a member, and answers [`Member`]. A repeated request changes nothing more.
///
/// # Errors
/// `OwnerRequired` for a member who is not an owner, whoever is named; `MemberNotFound`; `LastOwner`.
pub async fn update_member(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let user_id: UserId = request.path_id("userId", member_not_found)?;
    let MemberDocument { role } = request.body()?;
    let sql = "select outcome, email, created_at from public.set_member_role($1, $2, $3)";
    let row = db.one(caller.user_id, sql, &[&account_id, &user_id, &role]).await;
    let row = row.refused_by("members_keep_an_owner", last_owner)?;
    match &*row.read::<String>("outcome")? {
        "changed" => {
            Ok(Reply::ok(Member { user_id, email: row.read("email")?, role, since: row.read("created_at")? }))
        }
        other => Err(refusal(other)),
    }
}

/// Removes a member from the account; the caller's own id leaves it.
///
/// # Errors
/// `OwnerRequired` for a member who names somebody else, `MemberNotFound`, `LastOwner`.
pub async fn remove_member(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let user_id: UserId = request.path_id("userId", member_not_found)?;
    let sql = "select public.remove_member($1, $2) as outcome";
    let row = db.one(caller.user_id, sql, &[&account_id, &user_id]).await;
    let row = row.refused_by("members_keep_an_owner", last_owner)?;
    match &*row.read::<String>("outcome")? {
        "removed" => Ok(Reply::ok(RemovedMember { user_id })),
        other => Err(refusal(other)),
    }
}

fn refusal(outcome: &str) -> Error {
    match outcome {
        "not_found" => member_not_found(),
        "not_owner" => Error::owner_required(),
        "account_not_found" => Error::account_not_found(),
        other => Error::internal(format!("unknown outcome {other}")),
    }
}

fn member_not_found() -> Error {
    Error::new(Code::MemberNotFound, "There is no such member in this account.")
}

fn last_owner() -> Error {
    Error::new(Code::LastOwner, "The account would have no owner. Make somebody else an owner first.")
}

fn ada() -> Member {
    example(json!({
        "userId": "00000000-0000-4000-8000-000000000001", "email": "demo-1@oslira.example", "role": "owner",
        "since": "2026-11-20T18:04:11.402113Z",
    }))
}
