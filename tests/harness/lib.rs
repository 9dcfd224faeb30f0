//! What the tests share: the running stack, users to work as, the stand-ins' controls, and a Lambda runtime of their
//! own for what the emulator cannot do (a process killed in the middle, a store that is out of reach).
//!
//! The stack is the one `stack.json` describes; `cargo xtask test` starts it and sets `OSLIRA_STACK`.

mod anonymous;
mod aws;
mod database;
mod dynamodb;
mod ending;
mod faults;
mod http;
mod intake;
pub mod openapi;
pub mod paths;
mod proxy;
mod rate_limits;
mod recovery;
mod refresh;
mod runs;
mod runtime;
mod scraping;
mod stack;
mod stand_ins;
mod user;

pub use anonymous::{AnonymousCaller, AnonymousRun};
pub use aws::{Aws, Execution};
pub use database::Database;
pub use dynamodb::{DynamoDbProxy, Struck};
pub use ending::Ending;
pub use faults::{Fault, Upstream};
pub use http::{ORIGIN, Refusal, Reply, refused};
pub use proxy::DatabaseProxy;
pub use recovery::Unsettleable;
pub use refresh::RefreshCheck;
pub use runs::Run;
pub use runtime::{Answer, Lambda, Message, xtask};
pub use scraping::{Payer, Scraped, with_scrape};
pub use stack::{Stack, dynamodb_at};
pub use stand_ins::StandIns;
pub use user::User;

use anyhow::{Result, bail};
use std::{future::Future, time::Duration};
use uuid::Uuid;

/// Where nothing listens: an endpoint of AWS that cannot be reached.
pub const NOWHERE: &str = "http://127.0.0.1:9";

/// A username no other test uses. What is in it decides what the scraper finds: see the stand-ins' README.
pub fn unique_username(word: &str) -> String {
    let unique = Uuid::new_v4().simple().to_string();
    format!("{word}_{}", &unique[..12])
}

/// Asks again until there is an answer; an error when there is none within a minute.
///
/// This is how a test waits for something that happens elsewhere: for the thing itself, never for a length of time.
pub async fn eventually<T, F, Fut>(what: &str, mut ask: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>>>,
{
    for _ in 0..1_200 {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("waited a minute in vain for {what}")
}
