//! Leads: Instagram accounts as an account's business profiles see them.

mod analyses;
mod delete;
mod get;
mod list;
mod restore;
mod stored;
mod upsert;

use oslira_api::Route;

pub use analyses::list_lead_analyses;
pub use delete::delete_lead;
pub use get::get_lead;
pub use list::list_leads;
pub use restore::restore_lead;
pub use upsert::{UpsertLead, UpsertedLead, upsert_lead};

pub fn routes() -> Vec<Route> {
    vec![
        list::list_route(),
        get::get_route(),
        analyses::analyses_route(),
        delete::delete_route(),
        restore::restore_route(),
    ]
}
