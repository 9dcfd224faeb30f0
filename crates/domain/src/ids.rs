//! Identifiers: UUIDs, each kind with its own type, so that one kind cannot be used for another.

use crate::field::from_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::{Builder, Uuid};

/// The error for a text that is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an id such as 0190a5a0-0000-7000-8000-000000000001")]
pub struct NoId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        #[schemars(inline)]
        pub struct $name(pub Uuid);

        from_text!($name);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = NoId;
            /// Reads the hyphenated form only. The other forms would give one id two spellings.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse::<uuid::fmt::Hyphenated>().map(|id| Self(id.into_uuid())).map_err(|_| NoId)
            }
        }
    };
}

id!(
    /// A tenant, which owns credits, business profiles, leads and analyses.
    AccountId
);
id!(
    /// A person, as Supabase Auth knows them (`auth.users.id`).
    UserId
);
id!(
    /// An invitation to become a member of an account.
    InvitationId
);
id!(
    /// What an account sells and to whom.
    BusinessProfileId
);
id!(
    /// One Instagram account as one business profile sees it.
    LeadId
);
id!(
    /// A row of the ledger.
    CreditTransactionId
);
id!(
    /// One analysis, from its acceptance to its final state. Also the name of its execution.
    RunId
);

impl RunId {
    /// A new id that sorts by creation time (UUIDv7).
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// A new id for something that is worked on like a run and has no row in Postgres. No row can ever have it: the database
    /// refuses UUIDs of this version (`runs_run_id_not_anonymous`).
    pub fn generate_without_row() -> Self {
        Self(Builder::from_custom_bytes(Uuid::new_v4().into_bytes()).into_uuid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let run_id = RunId::generate();
        assert_eq!(run_id.to_string().parse(), Ok(run_id));
        assert_eq!(run_id.0.get_version_num(), 7);
        assert_eq!(RunId::generate_without_row().0.get_version_num(), 8);
        assert!(run_id.0.simple().to_string().parse::<RunId>().is_err());
    }
}
