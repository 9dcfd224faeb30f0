//! The REST API's token authorizer: checks the token and names the caller.

use oslira_auth::{KeySet, Rules, authorize_request};
use oslira_lambda::{RuntimeError, Secret, Variable, http_client, init, serve_stage};
use oslira_postgres::UserDb;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    let rules = &Rules { issuer: env.var(Variable::JwtIssuer)?, audience: env.var(Variable::JwtAudience)? };
    let legacy_secret = env.secret(Secret::JwtSecret)?;
    let keys = &KeySet::new(http_client()?, env.var(Variable::JwksUrl)?, legacy_secret);
    let (db, ()) = tokio::join!(UserDb::connect(env), keys.warm_up());
    let db = &db?;
    serve_stage(env, |request| authorize_request(keys, rules, db, request)).await
}
