//! The environment variables that Lambdas read. `tests/contracts` compares them with the template.

use crate::Secret;
use std::fmt;

/// Declares the variables, each once: its name in Rust and the one in the template.
macro_rules! variables {
    ($($(#[$doc:meta])* $variable:ident = $name:literal,)*) => {
        /// An environment variable. `infra/template.yaml` sets it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Variable {
            $($(#[$doc])* $variable,)*
            /// The ARN of a secret.
            Secret(Secret),
        }

        impl Variable {
            /// All that are not of a secret.
            pub const PLAIN: &[Self] = &[$(Self::$variable,)*];

            /// The name in the environment.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variable => $name,)*
                    Self::Secret(secret) => secret.variable(),
                }
            }
        }
    };
}

variables! {
    /// Which log lines are written: a filter of `tracing`.
    RustLog = "RUST_LOG",
    /// Origins that browsers may call from, comma-separated.
    AllowedOrigins = "ALLOWED_ORIGINS",
    /// Postgres' own certificate authority, DER as base64; empty for a public one.
    DatabaseCaCertificate = "DATABASE_CA_CERTIFICATE",
    /// `true` for S3 servers without a host name per bucket.
    S3ForcePathStyle = "S3_FORCE_PATH_STYLE",
    /// `iss` of Supabase's access tokens.
    JwtIssuer = "JWT_ISSUER",
    /// `aud` of Supabase's access tokens.
    JwtAudience = "JWT_AUDIENCE",
    /// Where Supabase's public keys are.
    JwksUrl = "JWKS_URL",
    /// The DynamoDB table of runs' progress.
    ProgressTable = "PROGRESS_TABLE",
    /// The DynamoDB table of who scrapes what.
    ScrapeFlightsTable = "SCRAPE_FLIGHTS_TABLE",
    /// The DynamoDB table of the actors that may run at once.
    ScrapeSlotsTable = "SCRAPE_SLOTS_TABLE",
    /// The DynamoDB table of circuit breakers.
    CircuitBreakersTable = "CIRCUIT_BREAKERS_TABLE",
    /// The DynamoDB table of AI calls and what they cost.
    AiUsageTable = "AI_USAGE_TABLE",
    /// The DynamoDB table of the operator's switch.
    IntakeTable = "INTAKE_TABLE",
    /// The DynamoDB table of when each source address was let through.
    RateLimitsTable = "RATE_LIMITS_TABLE",
    /// The S3 bucket of profiles, of anonymous runs and of models' answers.
    ProfilesBucket = "PROFILES_BUCKET",
    /// The SQS queue of runs that are to be started.
    StartRunsQueueUrl = "START_RUNS_QUEUE_URL",
    /// The state machine of accounts' analyses.
    AnalysisStateMachineArn = "ANALYSIS_STATE_MACHINE_ARN",
    /// The state machine of anonymous analyses.
    AnonymousAnalysisStateMachineArn = "ANONYMOUS_ANALYSIS_STATE_MACHINE_ARN",
    /// US dollars of AI calls in a day after which no new analyses are taken in.
    DailyAiSpendLimitUsd = "DAILY_AI_SPEND_LIMIT_USD",
    /// AI calls under way at which no new analyses are taken in.
    MaxConcurrentAiCalls = "MAX_CONCURRENT_AI_CALLS",
    /// Anonymous analyses that may be started from one address in any hour.
    AnonymousPerHour = "ANONYMOUS_PER_HOUR",
    /// The same in any 24 hours.
    AnonymousPerDay = "ANONYMOUS_PER_DAY",
    /// Models in place of the catalogue's.
    AiRoles = "AI_ROLES",
    /// Whether a slow AI call is made a second time: `on` or `off`.
    AiHedging = "AI_HEDGING",
    /// Apify's address.
    ApifyBaseUrl = "APIFY_BASE_URL",
    /// OpenAI's address, or an AI gateway's.
    OpenAiBaseUrl = "OPENAI_BASE_URL",
    /// Anthropic's address, or an AI gateway's.
    AnthropicBaseUrl = "ANTHROPIC_BASE_URL",
}

impl Variable {
    /// All that there are.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::PLAIN.iter().copied().chain(Secret::ALL.into_iter().map(Self::Secret))
    }

    /// The value, unless it is missing or empty. An empty filter of log lines would mean no line at all.
    pub(crate) fn value(self) -> Option<String> {
        std::env::var(self.name()).ok().filter(|value| !value.trim().is_empty())
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
