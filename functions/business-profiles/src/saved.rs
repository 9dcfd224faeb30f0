//! A business profile, as it is stored and answered.

use oslira_api::{Route, SavedBusinessProfile, example};
use oslira_domain::{BusinessProfileId, Error, Result};
use oslira_lambda::Request;
use oslira_postgres::{Row, table::business_profile};
use serde_json::{Value, json};

/// The columns of an answer, as a statement lists them.
pub(crate) fn columns() -> String {
    format!("business_profile_id, {}, created_at, updated_at", business_profile::COLUMNS)
}

/// Reads the answer from a row that has [`columns`].
pub(crate) fn read(row: &Row) -> Result<SavedBusinessProfile> {
    Ok(SavedBusinessProfile {
        id: row.read("business_profile_id")?,
        profile: business_profile::read(row)?,
        created_at: row.read("created_at")?,
        updated_at: row.read("updated_at")?,
    })
}

/// Reads the business profile's id from the path. A text that is not an id gets the same answer as an unknown
/// business profile.
pub(crate) fn requested(request: &Request) -> Result<BusinessProfileId> {
    request.path_id("businessProfileId", Error::business_profile_not_found)
}

/// A route about one business profile of the caller's account, for the API's description.
pub(crate) fn about_one(route: Route) -> Route {
    route
        .path::<BusinessProfileId>(
            "businessProfileId",
            "The business profile, as the answer to its creation named it.",
        )
        .in_account()
        .refuses(&Error::business_profile_not_found())
}

/// A request's content, as an example for the API's description.
pub(crate) fn roaster() -> Value {
    json!({
        "name": "Kestrel Coffee Roasters",
        "description": "Small-batch coffee for cafés and for people who post about food and travel.",
        "website": "https://kestrel.example",
        "voice": "Playful and precise",
        "offer": "Wholesale beans and a creator programme",
        "icp": {
            "followerRange": {"min": 5000, "max": 500_000},
            "engagementMin": 1.0,
            "contentThemes": ["coffee", "food", "travel", "cafe"],
            "geoFocus": ["United Kingdom", "Germany"],
        },
    })
}

/// The same business profile, as it is stored.
pub(crate) fn saved_roaster() -> SavedBusinessProfile {
    let mut saved = roaster();
    saved["id"] = json!("01932a5e-8c1f-7d3a-9b64-0b1f6a5f2e01");
    saved["createdAt"] = json!("2026-11-20T09:30:00.123456Z");
    saved["updatedAt"] = json!("2026-11-20T09:30:00.123456Z");
    example(saved)
}
