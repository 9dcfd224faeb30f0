//! An account, who is in it, and who is invited.

mod account;
mod invitations;
mod members;
mod token;

use deserr::Deserr;
use oslira_api::Route;
use oslira_lambda::FieldErrors;

pub use account::{get_account, update_account};
pub use invitations::{accept_invitation, create_invitation, delete_invitation, list_invitations};
pub use members::{list_members, remove_member, update_member};

/// The lists here have no parameters except the page.
#[derive(Debug, Deserr)]
#[deserr(error = FieldErrors, deny_unknown_fields)]
struct NoFilters {}

pub fn routes() -> Vec<Route> {
    vec![
        account::get_route(),
        account::update_route(),
        members::list_route(),
        members::update_route(),
        members::remove_route(),
        invitations::list_route(),
        invitations::create_route(),
        invitations::delete_route(),
        invitations::accept_route(),
    ]
}
