//! Refreshes of leads: whether a lead needs one, and the demand for newer data.
//!
//! `start` answers at once when the cache holds a profile that is new enough, and starts a check otherwise. The check's state
//! machine scrapes the profile, and then `answer` compares it with what the lead's last analysis saw. `fail` ends a check that
//! went wrong. `show` tells how the check stands. `force` demands newer data for the lead's analyses from now on.

mod answer;
mod fail;
mod force;
mod lead;
mod show;
mod start;

use oslira_api::Route;

pub use answer::{AnswerTools, AnsweredCheck, answer_refresh_check};
pub use fail::{FailRefreshCheck, fail_refresh_check};
pub use force::force_refresh;
pub use show::get_refresh_check;
pub use start::{StartCheckTools, start_refresh_check};

pub fn routes() -> Vec<Route> {
    vec![start::start_route(), show::show_route(), force::force_route()]
}
