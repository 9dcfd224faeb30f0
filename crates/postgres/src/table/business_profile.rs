//! `public.business_profiles`, and the versions of its rows in `oslira.business_profile_versions`.

use crate::{Parameter, Row};
use oslira_domain::{BusinessProfile, FollowerRange, Icp, Result};

/// The columns that hold the account's description of its business, as a statement lists them.
pub const COLUMNS: &str = "name, description, website, voice, offer, follower_min, follower_max, engagement_min, content_themes, \
                           geo_focus";

/// The values for these columns, in the order of [`COLUMNS`].
pub fn values(profile: &BusinessProfile) -> [&dyn Parameter; 10] {
    let BusinessProfile { name, description, website, voice, offer, icp } = profile;
    let Icp { follower_range: FollowerRange { min, max }, engagement_min, content_themes, geo_focus } = icp;
    [name, description, website, voice, offer, min, max, engagement_min, content_themes, geo_focus]
}

/// Reads the business profile from a row that has [`COLUMNS`].
pub fn read(row: &Row) -> Result<BusinessProfile> {
    Ok(BusinessProfile {
        name: row.read("name")?,
        description: row.read("description")?,
        website: row.read("website")?,
        voice: row.read("voice")?,
        offer: row.read("offer")?,
        icp: Icp {
            follower_range: FollowerRange { min: row.read("follower_min")?, max: row.read("follower_max")? },
            engagement_min: row.read("engagement_min")?,
            content_themes: row.read("content_themes")?,
            geo_focus: row.read("geo_focus")?,
        },
    })
}
