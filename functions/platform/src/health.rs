//! `GET /health`. It is public, so it says which dependency is down, and never why.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use oslira_api::{Dependencies as States, DependencyState, Health, HealthStatus, Route, Tag, example};
use oslira_domain::{Error, Result};
use oslira_lambda::{CachedSecret, Env, Reply, Request, Secret, Variable, aws_error};
use oslira_models::Catalogue;
use oslira_postgres::UserDb;
use serde_json::json;
use std::{
    convert::identity,
    future::Future,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// No user: row-level security shows this caller no rows.
const NOBODY: oslira_domain::UserId = oslira_domain::UserId(uuid::Uuid::nil());

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
    models: Catalogue,
    last: Mutex<Option<(Instant, States)>>,
}

impl Dependencies {
    /// Reads the names of the resources and opens the database connection.
    pub async fn new(env: &Env) -> Result<Self> {
        Ok(Self {
            db: UserDb::connect(env).await?,
            secret: env.secret(Secret::UserDatabase)?,
            dynamodb: aws_sdk_dynamodb::Client::new(env.sdk()),
            progress_table: env.var(Variable::ProgressTable)?,
            s3: oslira_stores::s3_client(env),
            profiles_bucket: env.var(Variable::ProfilesBucket)?,
            sqs: aws_sdk_sqs::Client::new(env.sdk()),
            start_runs_queue: env.var(Variable::StartRunsQueueUrl)?,
            step_functions: aws_sdk_sfn::Client::new(env.sdk()),
            state_machine_arn: env.var(Variable::AnalysisStateMachineArn)?,
            models: Catalogue::embedded()
                .with_roles(&env.optional(Variable::AiRoles).unwrap_or_default())
                .map_err(|error| Error::internal(format!("AI_ROLES: {error}")))?,
            last: Mutex::default(),
        })
    }
}

/// How long a result is reused. The route is public, and some services that it asks have a small quota.
const FINDING_STANDS: Duration = Duration::from_secs(5);

pub(crate) fn health_route() -> Route {
    let health = |status, postgres| {
        let dependencies = json!({
            "postgres": postgres, "dynamodb": "up", "s3": "up", "sqs": "up", "stepFunctions": "up", "secrets": "up",
        });
        example(json!({"status": status, "version": "0.1.0", "dependencies": dependencies, "warnings": []}))
    };
    Route::get("/health", "checkHealth", Tag::Platform, "Whether every dependency works")
        .open()
        .ignores_query()
        .describe("Says which dependency is down, but not why.")
        .answers::<Health>(200, "Every dependency is up.", [("healthy", health("healthy", "up"))])
        .answers::<Health>(
            503,
            "A dependency is down; `data` says which. When the function itself could not answer, there is no `data`.",
            [("degraded", health("degraded", "down"))],
        )
}

/// Answers [`Health`]: 200 when all dependencies are up, 503 otherwise. Warnings change neither.
pub async fn check_health(on: &Dependencies, _request: Request) -> Result<Reply> {
    let dependencies = on.states().await;
    let (http_status, status) =
        if dependencies.are_up() { (200, HealthStatus::Healthy) } else { (503, HealthStatus::Degraded) };
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let health = Health { status, version, dependencies, warnings: warnings(&on.models, today) };
    Ok(Reply::with_status(http_status, health))
}

/// The roles that need another model soon, or already do.
fn warnings(models: &Catalogue, today: Date) -> Vec<String> {
    models.ending(today).map(|ending| format!("{ending}.")).collect()
}

impl Dependencies {
    async fn states(&self) -> States {
        let mut last = self.last.lock().await;
        if let Some((found_at, states)) = &*last
            && found_at.elapsed() < FINDING_STANDS
        {
            return *states;
        }
        let (postgres, dynamodb, s3, sqs, step_functions, secrets) = tokio::join!(
            state("postgres", identity, self.db.all(NOBODY, "select 1", &[])),
            state(
                "dynamodb",
                aws_error,
                self.dynamodb.describe_table().table_name(&self.progress_table).send()
            ),
            state("s3", aws_error, self.s3.head_bucket().bucket(&self.profiles_bucket).send()),
            state("sqs", aws_error, self.sqs.get_queue_attributes().queue_url(&self.start_runs_queue).send()),
            state(
                "stepFunctions",
                aws_error,
                self.step_functions
                    .describe_state_machine()
                    .state_machine_arn(&self.state_machine_arn)
                    .send()
            ),
            state("secrets", identity, self.secret.get()),
        );
        let states = States { postgres, dynamodb, s3, sqs, step_functions, secrets };
        *last = Some((Instant::now(), states));
        states
    }
}

async fn state<T, E>(
    name: &str,
    told: fn(E) -> Error,
    answer: impl Future<Output = Result<T, E>>,
) -> DependencyState {
    match answer.await {
        Ok(_) => DependencyState::Up,
        Err(error) => {
            tracing::warn!(dependency = name, cause = told(error).chain(), "dependency down");
            DependencyState::Down
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_model_that_is_about_to_be_shut_down_is_a_warning() {
        let models = Catalogue::embedded();
        assert!(warnings(&models, date(2026, 11, 21)).is_empty());
        let models = models.with_roles("fast=gpt-5-mini/claude-haiku-5-5").unwrap();
        let warned = |day| warnings(&models, day);
        assert!(warned(date(2026, 11, 10)).is_empty());
        assert_eq!(
            warned(date(2026, 11, 21)),
            ["gpt-5-mini, the model of the role fast, is shut down in 20 days, on 2026-12-11."]
        );
        assert_eq!(warned(date(2027, 1, 1)).len(), 1, "nor is it forgotten afterwards");
    }
}
