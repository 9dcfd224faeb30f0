//! What an account sells, and to whom.

mod create;
mod delete;
mod get;
mod list;
mod saved;
mod update;

use oslira_api::Route;

pub use create::create_business_profile;
pub use delete::delete_business_profile;
pub use get::get_business_profile;
pub use list::list_business_profiles;
pub use update::update_business_profile;

pub fn routes() -> Vec<Route> {
    vec![
        list::list_route(),
        create::create_route(),
        get::get_route(),
        update::update_route(),
        delete::delete_route(),
    ]
}
