//! What an account sells, and to whom.

mod create;

pub use create::create_business_profile;
