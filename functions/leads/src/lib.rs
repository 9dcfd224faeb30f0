//! Leads: Instagram accounts as an account's business profiles see them.

mod upsert;

pub use upsert::{UpsertLead, UpsertedLead, upsert_lead};
