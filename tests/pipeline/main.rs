//! Analyses from acceptance to their end, on the whole stack: what users get, and what deaths and hostile profiles do to it.

mod actors;
mod anonymous;
mod business_profiles;
mod clean_up;
mod confidentiality;
mod deep_and_xray;
mod expiry;
mod forced_refreshes;
mod gateway;
mod hostile_profiles;
mod kills;
mod light;
mod operator;
mod refresh_checks;
mod refunds;
mod resume;
mod scrape_slots;
mod single_flight;
mod stages_twice;
mod stale_runs;
mod strange_profiles;
