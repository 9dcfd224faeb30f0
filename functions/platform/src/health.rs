//! `GET /health`: public, and so it says which part is down and nothing of why.

use oslira_domain::{Error, Result};
use oslira_lambda::{CachedSecret, Env, Reply, Request, Secret};
use oslira_postgres::UserDb;
use serde_json::{Map, Value, json};
use std::future::Future;

/// Nobody: row-level security shows this caller no row.
const NOBODY: oslira_domain::UserId = oslira_domain::UserId(uuid::Uuid::nil());

/// What Oslira cannot work without.
#[derive(Debug)]
pub struct Dependencies {
    db: UserDb,
    secret: CachedSecret,
    dynamodb: aws_sdk_dynamodb::Client,
    progress_table: String,
    s3: aws_sdk_s3::Client,
    profiles_bucket: String,
    sqs: aws_sdk_sqs::Client,
    start_runs_queue: String,
    step_functions: aws_sdk_sfn::Client,
    state_machine_arn: String,
}

impl Dependencies {
    /// Reads the names of the resources; opens the database connection.
    pub async fn new(env: &Env) -> Result<Self> {
        let s3 = aws_sdk_s3::config::Builder::from(env.sdk())
            .force_path_style(env.optional("S3_FORCE_PATH_STYLE").as_deref() == Some("true"))
            .build();
        Ok(Self {
            db: UserDb::connect(env).await?,
            secret: env.secret(Secret::UserDatabase)?,
            dynamodb: aws_sdk_dynamodb::Client::new(env.sdk()),
            progress_table: env.var("PROGRESS_TABLE")?,
            s3: aws_sdk_s3::Client::from_conf(s3),
            profiles_bucket: env.var("PROFILES_BUCKET")?,
            sqs: aws_sdk_sqs::Client::new(env.sdk()),
            start_runs_queue: env.var("START_RUNS_QUEUE_URL")?,
            step_functions: aws_sdk_sfn::Client::new(env.sdk()),
            state_machine_arn: env.var("ANALYSIS_STATE_MACHINE_ARN")?,
        })
    }
}

/// Answers `{status, version, dependencies: {name: "up" | "down"}}`: 200 when all are up, 503 otherwise.
pub async fn check_health(on: &Dependencies, _request: Request) -> Result<Reply> {
    let (postgres, dynamodb, s3, sqs, step_functions, secrets) = tokio::join!(
        state("postgres", on.db.query(NOBODY, "select 1", &[])),
        state("dynamodb", on.dynamodb.describe_table().table_name(&on.progress_table).send()),
        state("s3", on.s3.head_bucket().bucket(&on.profiles_bucket).send()),
        state("sqs", on.sqs.get_queue_attributes().queue_url(&on.start_runs_queue).send()),
        state(
            "stepFunctions",
            on.step_functions.describe_state_machine().state_machine_arn(&on.state_machine_arn).send()
        ),
        state("secrets", on.secret.get()),
    );
    let dependencies = Map::from_iter([postgres, dynamodb, s3, sqs, step_functions, secrets]);
    let is_healthy = dependencies.values().all(|state| state == "up");
    let (status, word) = if is_healthy { (200, "healthy") } else { (503, "degraded") };
    let data = json!({"status": word, "version": env!("CARGO_PKG_VERSION"), "dependencies": dependencies});
    Ok(Reply::with_status(status, data))
}

async fn state<T, E>(name: &str, answer: impl Future<Output = Result<T, E>>) -> (String, Value)
where
    E: std::error::Error + Send + Sync + 'static,
{
    let state = match answer.await {
        Ok(_) => "up",
        Err(error) => {
            tracing::warn!(dependency = name, cause = Error::store(error).chain(), "dependency down");
            "down"
        }
    };
    (name.to_owned(), state.into())
}
