//! What an account sells, and to whom.

use jiff::Timestamp;
use oslira_domain::{BusinessProfile, BusinessProfileId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A business profile, as it is stored.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavedBusinessProfile {
    /// The business profile's id.
    pub id: BusinessProfileId,
    /// The account's description of its business.
    #[serde(flatten)]
    pub profile: BusinessProfile,
    /// When the business profile was made.
    pub created_at: Timestamp,
    /// When the business profile was last changed; at first the same as `createdAt`.
    pub updated_at: Timestamp,
}

/// A business profile that was deleted.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletedBusinessProfile {
    /// The id of the deleted business profile. Leads, runs and results that name it stay.
    pub id: BusinessProfileId,
}
