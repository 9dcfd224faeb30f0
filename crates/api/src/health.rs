//! Whether the service and everything that it needs work.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state of the service. It is checked at most once in five seconds.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The state of all dependencies together.
    pub status: HealthStatus,
    /// The version that answers.
    pub version: String,
    /// The services that Oslira cannot work without.
    pub dependencies: Dependencies,
    /// What needs attention within weeks, such as an AI model that will be shut down. Warnings do not change
    /// the status.
    pub warnings: Vec<String>,
}

/// The state of all dependencies together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Every dependency is up.
    Healthy,
    /// A dependency is down.
    Degraded,
}

/// The state of each dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dependencies {
    /// The database.
    pub postgres: DependencyState,
    /// The tables of progress, limits and leases.
    pub dynamodb: DependencyState,
    /// The cache of profiles.
    pub s3: DependencyState,
    /// The queues.
    pub sqs: DependencyState,
    /// The state machines.
    pub step_functions: DependencyState,
    /// Secrets Manager.
    pub secrets: DependencyState,
}

/// Whether a dependency answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DependencyState {
    /// The dependency answers.
    Up,
    /// The dependency does not answer.
    Down,
}

impl Dependencies {
    /// Whether all dependencies answer.
    pub fn are_up(self) -> bool {
        let Self { postgres, dynamodb, s3, sqs, step_functions, secrets } = self;
        [postgres, dynamodb, s3, sqs, step_functions, secrets]
            .iter()
            .all(|state| *state == DependencyState::Up)
    }
}
