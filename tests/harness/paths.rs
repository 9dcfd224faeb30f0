//! The API's paths, each written once.

/// Whether everything is there.
pub const HEALTH: &str = "/health";
/// Who the token belongs to.
pub const AUTH_VERIFY: &str = "/api/auth/verify";
/// The account.
pub const ACCOUNT: &str = "/api/account";
/// Who is in the account.
pub const MEMBERS: &str = "/api/account/members";
/// One of them, as the route is declared.
pub const MEMBER: &str = "/api/account/members/{userId}";
/// Who is invited into the account.
pub const INVITATIONS: &str = "/api/account/invitations";
/// The wish to become a member, as the route is declared.
pub const ACCEPT_INVITATION: &str = "/api/invitations/{token}/accept";
/// What the account has left.
pub const CREDITS_BALANCE: &str = "/api/credits/balance";
/// What moved the account's credits.
pub const CREDITS_TRANSACTIONS: &str = "/api/credits/transactions";
/// What credits cost.
pub const CREDITS_PRICING: &str = "/api/credits/pricing";
/// What the account used.
pub const USAGE: &str = "/api/usage";
/// What the profile cache did for the account.
pub const CACHE_STATISTICS: &str = "/api/cache/statistics";
/// The account's business profiles.
pub const BUSINESS_PROFILES: &str = "/api/business-profiles";
/// The account's leads.
pub const LEADS: &str = "/api/leads";
/// The start of an analysis.
pub const ANALYZE: &str = "/api/leads/analyze";
/// The account's runs.
pub const RUNS: &str = "/api/analysis";
/// What an analysis would cost.
pub const QUOTE: &str = "/api/leads/analyze?quote=true";
/// Where a run is, as the route is declared.
pub const PROGRESS: &str = "/api/analysis/{runId}/progress";
/// The result of a run, as the route is declared.
pub const RESULT: &str = "/api/analysis/{runId}/result";
/// The wish that a run stops, as the route is declared.
pub const CANCEL: &str = "/api/analysis/{runId}/cancel";
/// The start of an anonymous analysis.
pub const ANALYZE_ANONYMOUS: &str = "/api/analyze/anonymous";
/// What a token opens, as the route is declared.
pub const ANONYMOUS_RUN: &str = "/api/analyze/anonymous/{runToken}";

/// The check of a lead, as the route is declared.
pub const REFRESH_CHECK: &str = "/api/leads/{leadId}/refresh-check";
/// The demand for newer data of a lead, as the route is declared.
pub const FORCE_REFRESH: &str = "/api/leads/{leadId}/force-refresh";

/// One member of the account.
pub fn member(user_id: &str) -> String {
    MEMBER.replace("{userId}", user_id)
}

/// One invitation into the account.
pub fn invitation(id: &str) -> String {
    format!("{INVITATIONS}/{id}")
}

/// The wish to become a member.
pub fn accept_invitation(token: &str) -> String {
    ACCEPT_INVITATION.replace("{token}", token)
}

/// One business profile.
pub fn business_profile(id: &str) -> String {
    format!("{BUSINESS_PROFILES}/{id}")
}

/// One lead.
pub fn lead(id: &str) -> String {
    format!("{LEADS}/{id}")
}

/// The analyses of a lead.
pub fn lead_analyses(id: &str) -> String {
    format!("{LEADS}/{id}/analyses")
}

/// Where a deleted lead is restored.
pub fn restore_lead(id: &str) -> String {
    format!("{LEADS}/{id}/restore")
}

/// A path with a query, which is as it is.
pub fn with_query(path: &str, query: &str) -> String {
    format!("{path}?{query}")
}

/// Where a run is.
pub fn progress(run_id: &str) -> String {
    PROGRESS.replace("{runId}", run_id)
}

/// The result of a run.
pub fn result(run_id: &str) -> String {
    RESULT.replace("{runId}", run_id)
}

/// The wish that a run stops.
pub fn cancel(run_id: &str) -> String {
    CANCEL.replace("{runId}", run_id)
}

/// The check of a lead.
pub fn refresh_check(lead_id: &str) -> String {
    REFRESH_CHECK.replace("{leadId}", lead_id)
}

/// The demand for newer data of a lead.
pub fn force_refresh(lead_id: &str) -> String {
    FORCE_REFRESH.replace("{leadId}", lead_id)
}

/// What a token opens.
pub fn anonymous_run(run_token: &str) -> String {
    ANONYMOUS_RUN.replace("{runToken}", run_token)
}
