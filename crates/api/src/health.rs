//! Is everything there?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the service finds of itself. A finding stands for five seconds.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// All of it in a word.
    pub status: HealthStatus,
    /// The version that answers.
    pub version: String,
    /// What Oslira cannot work without.
    pub dependencies: Dependencies,
    /// What must be seen to within weeks, such as an AI model that will be shut down; no part of the status.
    pub warnings: Vec<String>,
}

/// All in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Every dependency is up.
    Healthy,
    /// A dependency is down.
    Degraded,
}

/// Which dependency is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dependencies {
    /// The database.
    pub postgres: DependencyState,
    /// Progress, limits and leases.
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

/// Whether one answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DependencyState {
    /// It answers.
    Up,
    /// It does not.
    Down,
}

impl Dependencies {
    /// Every one answers.
    pub fn are_up(self) -> bool {
        let Self { postgres, dynamodb, s3, sqs, step_functions, secrets } = self;
        [postgres, dynamodb, s3, sqs, step_functions, secrets]
            .iter()
            .all(|state| *state == DependencyState::Up)
    }
}
