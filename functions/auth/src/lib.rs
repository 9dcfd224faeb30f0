//! Who is calling, and which routes they may call.
//!
//! `authorize-request` runs before every signed-in route: it checks the token and names the caller.
//! `verify-token` answers a front end whose token it has.

mod accounts;
mod authorize;
mod keys;
mod token;

use oslira_api::Route;

pub use accounts::verify_token;
pub use authorize::{AuthorizerRequest, METHODS, Rules, authorize_request};
pub use keys::KeySet;

pub fn routes() -> Vec<Route> {
    vec![accounts::verify_route()]
}
