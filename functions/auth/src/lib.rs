//! Who is calling, and what they may call.
//!
//! `authorize-request` runs before every signed-in route: it checks the token and names the caller.
//! `verify-token` tells a front end who its token belongs to.

mod accounts;
mod authorize;
mod keys;
mod token;

use oslira_api::Route;

pub use accounts::verify_token;
pub use authorize::{AuthorizerRequest, METHODS, Rules, authorize_request};
pub use keys::KeySet;

/// The routes of this feature.
pub fn routes() -> Vec<Route> {
    vec![accounts::verify_route()]
}
