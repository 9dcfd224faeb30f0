//! Who is in an account, and who is invited.

use crate::MemberRole;
use deserr::{Deserr, MergeWithError};
use jiff::Timestamp;
use oslira_domain::{EmailAddress, FieldProblem, InvitationId, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A member of the account.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The user, as Supabase knows them.
    pub user_id: UserId,
    /// The address that the user signs in with; `null` for a user without one.
    pub email: Option<String>,
    /// What the member may do.
    pub role: MemberRole,
    /// When the user became a member.
    pub since: Timestamp,
}

/// What of a member owners may change.
#[derive(Debug, Serialize, Deserr, JsonSchema)]
#[deserr(rename_all = camelCase, deny_unknown_fields)]
#[serde(rename_all = "camelCase")]
pub struct MemberDocument {
    /// What the member may do from now on.
    pub role: MemberRole,
}

/// A member who was removed, or left.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemovedMember {
    /// The user, who is not in the account any more.
    pub user_id: UserId,
}

/// Whom to invite.
#[derive(Debug, Serialize, Deserr, JsonSchema)]
#[deserr(rename_all = camelCase, deny_unknown_fields, where_predicate = __Deserr_E: MergeWithError<FieldProblem>)]
#[serde(rename_all = "camelCase")]
pub struct InvitationRequest {
    /// The address that the invitation is for. Upper and lower case are the same.
    pub email: EmailAddress,
    /// What the new member may do.
    #[deserr(default = member())]
    #[schemars(default = "member")]
    pub role: MemberRole,
}

const fn member() -> MemberRole {
    MemberRole::Member
}

/// An open invitation.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// The invitation's id, which opens nothing.
    pub id: InvitationId,
    /// The address that the invitation is for, in lower case.
    pub email: EmailAddress,
    /// What the new member may do.
    pub role: MemberRole,
    /// The owner who invited.
    pub invited_by: UserId,
    /// When the address was invited, the latest time.
    pub created_at: Timestamp,
    /// Until when the invitation can be accepted.
    pub expires_at: Timestamp,
}

/// A new invitation, with its token.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewInvitation {
    /// The invitation, as the list has it.
    #[serde(flatten)]
    pub invitation: Invitation,
    /// What accepts the invitation. Only this answer has it, so it cannot be read again.
    pub token: InvitationToken,
}

/// An invitation that was taken back.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletedInvitation {
    /// The invitation's id. Its token opens nothing any more.
    pub id: InvitationId,
}

/// The token of an invitation, as a path has it: 128 random bits in base64url.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, extend("pattern" = "^[A-Za-z0-9_-]{21}[AQgw]$"))]
pub struct InvitationToken(pub String);
