//! Who is calling.

use oslira_domain::{AccountId, UserId};
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

/// What a member of an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemberRole {
    /// Everything.
    Owner,
    /// Everything except paying, cancelling plans and deleting.
    Member,
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
