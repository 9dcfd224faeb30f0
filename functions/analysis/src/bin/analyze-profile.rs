//! Stages "Score Lead" and its siblings: puts one task to a model, and keeps the answer.

use oslira_analysis::{AnalyzeTools, analyze_profile};
use oslira_lambda::{Env, RuntimeError, Secret, http_client, serve_stage};
use oslira_postgres::SystemDb;
use oslira_stores::{ProfileStore, ProgressStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &Env::init("analyze-profile").await;
    let tools = &AnalyzeTools {
        http: http_client()?,
        openai_url: env.var("OPENAI_BASE_URL")?,
        openai_key: env.secret(Secret::OpenAiKey)?,
        anthropic_url: env.var("ANTHROPIC_BASE_URL")?,
        anthropic_key: env.secret(Secret::AnthropicKey)?,
        profiles: ProfileStore::new(env)?,
        progress: ProgressStore::new(env)?,
        db: SystemDb::connect(env).await?,
    };
    serve_stage(env, |invocation| analyze_profile(tools, invocation)).await
}
