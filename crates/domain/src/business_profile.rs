//! What an account sells, and to whom.

use serde::{Deserialize, Serialize};

/// The business's own side of an analysis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BusinessProfile {
    /// The business's name. A visitor without an account is not asked for it.
    #[serde(default)]
    pub name: Option<String>,
    /// What it does, in its own words.
    pub description: String,
    /// Its site.
    #[serde(default)]
    pub website: Option<String>,
    /// How it speaks.
    #[serde(default)]
    pub voice: Option<String>,
    /// What it offers.
    #[serde(default)]
    pub offer: Option<String>,
    /// Whom it wants as a customer, where it says so: a business profile does, a visitor may.
    #[serde(default)]
    pub icp: Option<Icp>,
}

/// Ideal customer profile: the criteria that a lead is held against.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Icp {
    /// Followers wanted, both ends included.
    pub follower_range: FollowerRange,
    /// Least engagement rate wanted, in percent.
    pub engagement_min: f64,
    /// Themes wanted, as words; empty means any.
    pub content_themes: Vec<String>,
    /// Places wanted, as words; empty means anywhere.
    pub geo_focus: Vec<String>,
}

/// A closed range of follower counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowerRange {
    /// Fewest followers.
    pub min: u64,
    /// Most followers.
    pub max: u64,
}
