//! What an account sells, and to whom.

use jiff::Timestamp;
use oslira_domain::{BusinessProfile, BusinessProfileId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A business profile as it is kept.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SavedBusinessProfile {
    /// The business profile's id.
    pub id: BusinessProfileId,
    /// What was said of the business.
    #[serde(flatten)]
    pub profile: BusinessProfile,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last; at first the same.
    pub updated_at: Timestamp,
}

/// A business profile that was deleted.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletedBusinessProfile {
    /// Its id. Leads, runs and results that name it stay.
    pub id: BusinessProfileId,
}
