//! The caller, as the authorizer found them and API Gateway passes them on.

use jiff::Timestamp;
use oslira_domain::{AccountId, UserId};
use serde_json::Value;
use std::collections::HashMap;

/// A signed-in user. Row-level security decides in each query which accounts they may touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// `sub` of the token.
    pub user_id: UserId,
    /// `email` of the token.
    pub email: Option<String>,
    /// The user's oldest account, for requests without `X-Account-Id`.
    pub default_account_id: Option<AccountId>,
    /// How many analyses the user's accounts may start in an hour, by their plans, as the authorizer saw them.
    /// Accounts that are new since, and those beyond the first ten, are missing.
    pub analyses_per_hour: HashMap<AccountId, u32>,
    /// When the token expires, with an allowance for clocks that differ. API Gateway may remember the
    /// authorizer's answer for longer than that.
    pub expires_at: Timestamp,
}

impl Caller {
    /// Reads the authorizer's context. API Gateway passes every value on as text.
    pub(crate) fn from_context(context: &HashMap<String, Value>) -> Option<Self> {
        let text = |name: &str| context.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        Some(Self {
            user_id: text("userId")?.parse().ok()?,
            email: text("email").map(str::to_owned),
            default_account_id: text("accountId").and_then(|id| id.parse().ok()),
            analyses_per_hour: text("analysesPerHour")
                .unwrap_or_default()
                .split(',')
                .filter_map(limit)
                .collect(),
            expires_at: Timestamp::from_second(text("expiresAt")?.parse().ok()?).ok()?,
        })
    }
}

/// Reads an account's limit: `id=number`.
fn limit(text: &str) -> Option<(AccountId, u32)> {
    let (account_id, count) = text.split_once('=')?;
    Some((account_id.parse().ok()?, count.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_context_is_text() {
        let id = "0190a5a0-0000-7000-8000-000000000001";
        let mut context = HashMap::from([
            ("userId".to_owned(), json!(id)),
            ("accountId".to_owned(), json!("")),
            ("expiresAt".to_owned(), json!("1900000000")),
            ("analysesPerHour".to_owned(), json!(format!("{id}=300,nobody=7"))),
        ]);
        let caller = Caller::from_context(&context).unwrap();
        assert_eq!(
            (caller.user_id.to_string().as_str(), caller.email, caller.default_account_id),
            (id, None, None)
        );
        assert_eq!(caller.analyses_per_hour, HashMap::from([(id.parse().unwrap(), 300)]));
        context.remove("expiresAt");
        assert_eq!(Caller::from_context(&context), None);
    }
}
