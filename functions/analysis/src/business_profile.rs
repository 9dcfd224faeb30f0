//! The business's side of an analysis, from its row.

use oslira_domain::{BusinessProfile, Error, FollowerRange, Icp, Result};
use oslira_postgres::{Row, RowExt};

/// All of it.
pub(crate) fn read(row: &Row) -> Result<BusinessProfile> {
    Ok(BusinessProfile {
        name: Some(row.read("name")?),
        description: row.read("description")?,
        website: row.read("website")?,
        voice: row.read("voice")?,
        offer: row.read("offer")?,
        icp: Some(read_icp(row)?),
    })
}

/// The criteria alone.
pub(crate) fn read_icp(row: &Row) -> Result<Icp> {
    let count = |column| Ok::<u64, Error>(u64::try_from(row.read::<i64>(column)?).unwrap_or(0));
    Ok(Icp {
        follower_range: FollowerRange { min: count("follower_min")?, max: count("follower_max")? },
        engagement_min: row.read("engagement_min")?,
        content_themes: row.read("content_themes")?,
        geo_focus: row.read("geo_focus")?,
    })
}
