//! The public API, over HTTP, as a front end uses it. One module per route, and one for what all routes share.

mod account;
mod analysis_cancel;
mod analysis_progress_and_result;
mod analysis_runs;
mod analyze_anonymous;
mod anonymous_limits;
mod auth_verify;
mod business_profiles;
mod cache_statistics;
mod credits_balance;
mod credits_pricing;
mod credits_transactions;
mod every_route;
mod health;
mod invitations;
mod leads;
mod leads_analyze;
mod leads_analyze_quote;
mod leads_force_refresh;
mod leads_refresh_check;
mod members;
mod rate_limits;
mod sample_events;
mod stores_down;
mod tokens;
mod usage;
