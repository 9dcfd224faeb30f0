//! A lead and its analyses, as they are stored and answered.

use oslira_api::{Lead, LeadAnalysis, LeadDetails, Route, example};
use oslira_domain::{Code, Error, LeadId, Result};
use oslira_lambda::Request;
use oslira_postgres::Row;
use serde_json::json;

/// The columns of a lead, as a statement lists them.
pub(crate) const COLUMNS: &str = "lead_id, business_profile_id, username, full_name, biography, external_url, followers, following, \
                                  posts_count, is_verified, is_business, profile_as_of, score, tier, analyzed_at, created_at";

/// The columns of an analysis, of `public.analyses a` and its run `public.runs r`.
pub(crate) const ANALYSIS_COLUMNS: &str = "a.run_id, r.tier as analysis_type, a.score as analysis_score, a.confidence, \
                                           a.result ->> 'summary' as summary, a.data_as_of, a.created_at as saved_at";

/// Reads a lead from a row that has [`COLUMNS`].
pub(crate) fn lead(row: &Row) -> Result<Lead> {
    Ok(Lead {
        id: row.read("lead_id")?,
        business_profile_id: row.read("business_profile_id")?,
        username: row.read("username")?,
        full_name: row.read("full_name")?,
        biography: row.read("biography")?,
        external_url: row.read("external_url")?,
        followers: row.read("followers")?,
        following: row.read("following")?,
        posts_count: row.read("posts_count")?,
        is_verified: row.read("is_verified")?,
        is_business: row.read("is_business")?,
        profile_as_of: row.read("profile_as_of")?,
        score: row.read("score")?,
        analysis_type: row.read("tier")?,
        analyzed_at: row.read("analyzed_at")?,
        created_at: row.read("created_at")?,
    })
}

/// Reads an analysis from a row that has [`ANALYSIS_COLUMNS`].
pub(crate) fn analysis(row: &Row) -> Result<LeadAnalysis> {
    Ok(LeadAnalysis {
        run_id: row.read("run_id")?,
        analysis_type: row.read("analysis_type")?,
        score: row.read("analysis_score")?,
        confidence: row.read("confidence")?,
        summary: row.read("summary")?,
        data_as_of: row.read("data_as_of")?,
        analyzed_at: row.read("saved_at")?,
    })
}

/// Reads the lead's id from the path. A text that is not an id gets the same answer as an unknown lead.
pub(crate) fn requested(request: &Request) -> Result<LeadId> {
    request.path_id("leadId", not_found)
}

/// The account has no such lead. Another tenant's, a deleted one and one that never existed look the same.
pub(crate) fn not_found() -> Error {
    Error::new(Code::LeadNotFound, "There is no such lead in this account.")
}

/// A route about one lead of the caller's account, for the API's description.
pub(crate) fn about_one(route: Route) -> Route {
    route
        .path::<LeadId>("leadId", "The lead, as the list or the result of an analysis named it.")
        .in_account()
        .refuses(&not_found())
}

/// A lead, as an example for the API's description.
pub(crate) fn example_lead() -> Lead {
    example(json!({
        "id": "5b8f1f6e-3c3a-4c53-9a39-8f1d6b0c2a11",
        "businessProfileId": "01932a5e-8c1f-7d3a-9b64-0b1f6a5f2e01",
        "username": "maya.fitness",
        "fullName": "Maya",
        "biography": "Strength at home · 20 minutes a day",
        "externalUrl": "https://maya.example",
        "followers": 161_846,
        "following": 702,
        "postsCount": 915,
        "isVerified": false,
        "isBusiness": true,
        "profileAsOf": "2026-11-21T01:32:49.402113Z",
        "score": 85,
        "analysisType": "light",
        "analyzedAt": "2026-11-21T01:32:56.121537Z",
        "createdAt": "2026-11-21T01:32:51.930114Z",
    }))
}

/// The same lead with its last analysis.
pub(crate) fn example_details() -> LeadDetails {
    LeadDetails { lead: example_lead(), latest_analysis: Some(example_analysis()) }
}

/// An analysis of that lead.
pub(crate) fn example_analysis() -> LeadAnalysis {
    example(json!({
        "runId": "01a1fbbc-0a88-736b-af81-8a492628528e",
        "analysisType": "light",
        "score": 85,
        "confidence": 0.57,
        "summary": "Maya teaches strength training at home. Her followers ask for equipment that fits a small flat.",
        "dataAsOf": "2026-11-21T01:32:49.402113Z",
        "analyzedAt": "2026-11-21T01:32:56.121537Z",
    }))
}
