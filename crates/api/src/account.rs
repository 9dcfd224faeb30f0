//! Who is calling, and the account that they act in.

use deserr::Deserr;
use jiff::Timestamp;
use oslira_domain::{AccountId, FieldProblem, UserId, line};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// The caller.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The user, as Supabase knows them.
    pub user_id: UserId,
    /// The e-mail address in the token; `null` when the token names none.
    pub email: Option<String>,
    /// The accounts that the caller is in, the default one first.
    pub accounts: Vec<Membership>,
}

/// One of the caller's accounts.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// The account.
    pub account_id: AccountId,
    /// The account's name.
    pub name: String,
    /// What the caller may do in the account.
    pub role: MemberRole,
}

/// The account, as the caller sees it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// The account's id, as `X-Account-Id` takes it.
    pub id: AccountId,
    /// What the account is called.
    pub name: String,
    /// What the caller may do in the account.
    pub role: MemberRole,
    /// When the account was made.
    pub created_at: Timestamp,
}

/// What of an account its owners may change.
#[derive(Debug, Serialize, Deserr, JsonSchema)]
#[deserr(rename_all = camelCase, deny_unknown_fields)]
#[serde(rename_all = "camelCase")]
pub struct AccountDocument {
    /// What the account is called, as one line without spaces around it.
    #[deserr(try_from(&String) = line::<200> -> FieldProblem)]
    #[schemars(length(min = 1, max = 200), regex(pattern = r"\S"))]
    pub name: String,
}

/// What a member of an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Deserr, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[deserr(rename_all = lowercase)]
pub enum MemberRole {
    /// Everything.
    Owner,
    /// Everything except paying, cancelling plans, deleting, renaming the account, and saying who is in it.
    Member,
}

impl MemberRole {
    /// The name in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Member => "member",
        }
    }
}

impl FromStr for MemberRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "owner" => Ok(Self::Owner),
            "member" => Ok(Self::Member),
            _ => Err(format!("unknown role {text:?}")),
        }
    }
}
