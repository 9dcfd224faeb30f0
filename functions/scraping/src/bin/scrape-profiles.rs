//! Stage "Scrape Profile": one actor run gets one to ten usernames into the cache.

use oslira_lambda::{RuntimeError, Secret, Variable, http_client, init, serve_stage};
use oslira_postgres::SystemDb;
use oslira_scraping::{ScrapeFlights, ScrapeSlots, ScrapeTools, scrape_profiles};
use oslira_stores::{Breakers, ProfileStore, ProgressStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let tools = &ScrapeTools {
        http: http_client()?,
        apify_url: env.var(Variable::ApifyBaseUrl)?,
        apify_token: env.secret(Secret::ApifyToken)?,
        flights: ScrapeFlights::new(env)?,
        slots: ScrapeSlots::new(env)?,
        breakers: Breakers::new(env)?,
        profiles: ProfileStore::new(env)?,
        progress: ProgressStore::new(env)?,
        db: SystemDb::connect(env).await?,
    };
    serve_stage(env, |invocation| scrape_profiles(tools, invocation)).await
}
