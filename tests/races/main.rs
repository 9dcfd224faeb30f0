//! Money and tenancy under pressure: many at once, and processes killed at any moment.

mod business_profiles;
mod doubt;
mod leads;
mod limits;
mod members;
mod pooler;
mod rate_limits;
mod settlement;
mod starts;
