//! `/api/account/invitations` and `/api/invitations/{token}/accept`: who may become a member.

use crate::{NoFilters, token::Token};
use oslira_api::{
    DeletedInvitation, Invitation, InvitationRequest, InvitationToken, MemberRole, Membership, NewInvitation,
    Route, Tag, example,
};
use oslira_domain::{Code, Error, InvitationId, Result};
use oslira_lambda::{Reply, Request, note_account};
use oslira_postgres::{List, RefusedBy, Row, UserDb};
use serde_json::{Value, json};

const PATH: &str = "/api/account/invitations";
/// How many members and open invitations an account may have together. The function `invite_member` holds it to
/// them.
const MOST: u32 = 100;

pub(crate) fn list_route() -> Route {
    Route::get(PATH, "listInvitations", Tag::Team, "The account's open invitations, newest first")
        .describe(
            "For owners. No answer shows the token again: to get another one, invite the address again.",
        )
        .in_account()
        .answers_pages_of::<Invitation>("A page of the open invitations.", vec![example(grace())])
        .links(200, "/data/data/0/id", "invitationId", &["deleteInvitation"])
        .refuses(&Error::owner_required())
}

pub(crate) fn create_route() -> Route {
    let mut new = grace();
    new["token"] = json!("AAECAwQFBgcICQoLDA0ODw");
    Route::post(PATH, "createInvitation", Tag::Team, "Invite somebody into the account")
        .describe(
            "For owners. Oslira sends no e-mail: pass the token on yourself, for instance as a link into your front end. It can be \
             used for seven days, once, by a user whose confirmed address is the invited one. An address that is invited again gets \
             a new token, and the old one ends. So a repeated request is safe without an `Idempotency-Key`.",
        )
        .in_account()
        .takes::<InvitationRequest>([("member", json!({"email": "grace@kestrel.example"}))])
        .answers::<NewInvitation>(201, "The invitation, with its token.", [("member", example(new))])
        .links(201, "/data/id", "invitationId", &["deleteInvitation"])
        .links(201, "/data/token", "token", &["acceptInvitation"])
        .refuses(&Error::owner_required())
        .refuses(&already_member("The address is that of a member."))
        .refuses(&team_limit_reached())
}

pub(crate) fn delete_route() -> Route {
    let path = "/api/account/invitations/{invitationId}";
    let deleted = example(json!({"id": "7d1f0c5e-3b52-4c8e-9a57-2f6f3d1f0b11"}));
    Route::delete(path, "deleteInvitation", Tag::Team, "Take an open invitation back")
        .describe("For owners. A repeated request is answered 404.")
        .path::<InvitationId>("invitationId", "The invitation, as the list names it.")
        .in_account()
        .answers::<DeletedInvitation>(200, "The token opens nothing any more.", [("deleted", deleted)])
        .refuses(&Error::owner_required())
        .refuses(&not_in_account())
}

pub(crate) fn accept_route() -> Route {
    let path = "/api/invitations/{token}/accept";
    let joined = example(json!({
        "accountId": "3f0f7a52-9d59-4a5f-8d0e-6f6f9b6a2c11", "name": "Kestrel Coffee Roasters", "role": "member",
    }));
    Route::post(path, "acceptInvitation", Tag::Team, "Become a member of the account that invited")
        .describe(
            "Takes no body. Requests act in the account with `X-Account-Id`; without it, in the caller's oldest one, as before. A \
             repeated request is answered the same while the caller is a member.",
        )
        .path::<InvitationToken>("token", "The token, as the invitation's answer has it.")
        .answers::<Membership>(200, "The caller is in the account.", [("joined", joined)])
        .refuses(&not_for_caller())
        .refuses(&already_member("You are a member of the account already."))
}

/// Answers a page of the account's open invitations.
///
/// # Errors
/// `OwnerRequired` for a member who is not an owner.
pub async fn list_invitations(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    let (NoFilters {}, page) = request.page()?;
    let list = List {
        select: "select invitation_id, email, role, invited_by, created_at, expires_at
                   from public.invitations where account_id = $1",
        order: "created_at desc, invitation_id desc",
        parameters: &[],
    };
    let page = db.page(caller.user_id, account_id, list, page, read).await?;
    // Row-level security shows a member none. The answer is another than that there are none.
    if page.total == 0 {
        let sql = "select role from public.members where account_id = $1 and user_id = (select auth.uid())";
        let row = db.optional(caller.user_id, sql, &[&account_id]).await?;
        if row.ok_or_else(Error::account_not_found)?.read::<MemberRole>("role")? != MemberRole::Owner {
            return Err(Error::owner_required());
        }
    }
    Ok(Reply::ok(page))
}

/// Invites an address: 201 with the token. An address that is invited already gets a new token and seven new
/// days.
///
/// # Errors
/// `OwnerRequired`, `AlreadyMember`, `TeamLimitReached`.
pub async fn create_invitation(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let InvitationRequest { email, role } = request.body()?;
    let token = Token::generate()?;
    let sql =
        "select outcome, invitation_id, created_at, expires_at from public.invite_member($1, $2, $3, $4)";
    let row = db.one(caller.user_id, sql, &[&account_id, &email, &role, &token.hash()]).await;
    let row = row.refused_by("invitations_team_size", team_limit_reached)?;
    match &*row.read::<String>("outcome")? {
        "invited" => Ok(Reply::created(NewInvitation {
            invitation: Invitation {
                id: row.read("invitation_id")?,
                email,
                role,
                invited_by: caller.user_id,
                created_at: row.read("created_at")?,
                expires_at: row.read("expires_at")?,
            },
            token: InvitationToken(token.to_string()),
        })),
        "already_member" => Err(already_member("The address is that of a member.")),
        "not_owner" => Err(Error::owner_required()),
        "account_not_found" => Err(Error::account_not_found()),
        other => Err(Error::internal(format!("unknown outcome {other}"))),
    }
}

/// Takes an open invitation back.
///
/// # Errors
/// `OwnerRequired` for a member who is not an owner, whether there is such an invitation or not;
/// `InvitationNotFound`.
pub async fn delete_invitation(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    request.no_query()?;
    let id: InvitationId = request.path_id("invitationId", not_in_account)?;
    let sql = "select public.delete_invitation($1, $2) as outcome";
    let row = db.one(caller.user_id, sql, &[&account_id, &id]).await?;
    match &*row.read::<String>("outcome")? {
        "deleted" => Ok(Reply::ok(DeletedInvitation { id })),
        "not_found" => Err(not_in_account()),
        "not_owner" => Err(Error::owner_required()),
        "account_not_found" => Err(Error::account_not_found()),
        other => Err(Error::internal(format!("unknown outcome {other}"))),
    }
}

/// Makes the caller a member, and answers [`Membership`]. A repeated request is answered the same.
///
/// # Errors
/// `InvitationNotFound`, the same for every token that is not an open invitation of the caller's confirmed
/// address; `AlreadyMember`.
pub async fn accept_invitation(db: &UserDb, request: Request) -> Result<Reply> {
    let caller = request.caller()?;
    request.no_query()?;
    let token: Token = request.path_id("token", not_for_caller)?;
    let sql = "select outcome, account_id, name, role from public.accept_invitation($1)";
    let row = db.one(caller.user_id, sql, &[&token.hash()]).await?;
    match &*row.read::<String>("outcome")? {
        "accepted" => {
            let account_id = row.read("account_id")?;
            note_account(account_id);
            Ok(Reply::ok(Membership { account_id, name: row.read("name")?, role: row.read("role")? }))
        }
        "already_member" => Err(already_member("You are a member of the account already.")),
        "not_found" => Err(not_for_caller()),
        other => Err(Error::internal(format!("unknown outcome {other}"))),
    }
}

fn read(row: &Row) -> Result<Invitation> {
    Ok(Invitation {
        id: row.read("invitation_id")?,
        email: row.read("email")?,
        role: row.read("role")?,
        invited_by: row.read("invited_by")?,
        created_at: row.read("created_at")?,
        expires_at: row.read("expires_at")?,
    })
}

fn not_in_account() -> Error {
    Error::new(Code::InvitationNotFound, "There is no such open invitation in this account.")
}

fn not_for_caller() -> Error {
    let message = "There is no such open invitation for you. It may have expired or been used. Or it is for another address than \
        the one that you have confirmed.";
    Error::new(Code::InvitationNotFound, message)
}

fn already_member(message: &'static str) -> Error {
    Error::new(Code::AlreadyMember, message)
}

fn team_limit_reached() -> Error {
    let message = format!(
        "The account has {MOST} members and open invitations together, and no account may have more."
    );
    Error::new(Code::TeamLimitReached, message).with_details(json!({"limit": MOST}))
}

/// An open invitation, as an example for the API's description.
fn grace() -> Value {
    json!({
        "id": "7d1f0c5e-3b52-4c8e-9a57-2f6f3d1f0b11", "email": "grace@kestrel.example", "role": "member",
        "invitedBy": "00000000-0000-4000-8000-000000000001", "createdAt": "2026-11-20T09:30:00.123456Z",
        "expiresAt": "2026-11-27T09:30:00.123456Z",
    })
}
