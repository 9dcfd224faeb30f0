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
            /// The variable that holds the ARN of a secret.
            Secret(Secret),
        }

        impl Variable {
            /// All variables that do not hold the ARN of a secret.
            pub const PLAIN: &[Self] = &[$(Self::$variable,)*];

            /// The name in the environment.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variable => $name,)*
                    Self::Secret(secret) => secret.name(),
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
    /// The certificate authority of Postgres, DER as base64; empty for a public one.
    DatabaseCaCertificate = "DATABASE_CA_CERTIFICATE",
    /// `true` for S3 servers without a host name per bucket.
    S3ForcePathStyle = "S3_FORCE_PATH_STYLE",
    /// The `iss` of Supabase's access tokens.
    JwtIssuer = "JWT_ISSUER",
    /// The `aud` of Supabase's access tokens.
    JwtAudience = "JWT_AUDIENCE",
    /// The address of Supabase's public keys.
    JwksUrl = "JWKS_URL",
    /// The DynamoDB table of runs' progress.
    ProgressTable = "PROGRESS_TABLE",
    /// The DynamoDB table of flights.
    ScrapeFlightsTable = "SCRAPE_FLIGHTS_TABLE",
    /// The DynamoDB table of scrape slots.
    ScrapeSlotsTable = "SCRAPE_SLOTS_TABLE",
    /// The DynamoDB table of circuit breakers.
    CircuitBreakersTable = "CIRCUIT_BREAKERS_TABLE",
    /// The DynamoDB table of AI calls and what they cost.
    AiUsageTable = "AI_USAGE_TABLE",
    /// The DynamoDB table of the operator's switch.
    IntakeTable = "INTAKE_TABLE",
    /// The DynamoDB table of who asked for what, and how often.
    RateLimitsTable = "RATE_LIMITS_TABLE",
    /// How many requests that change nothing a signed-in user may send in a minute.
    ReadsPerMinute = "READS_PER_MINUTE",
    /// How many other requests a signed-in user may send in a minute.
    WritesPerMinute = "WRITES_PER_MINUTE",
    /// The S3 bucket of profiles, of anonymous runs and of models' answers.
    ProfilesBucket = "PROFILES_BUCKET",
    /// The SQS queue of runs that are to be started.
    StartRunsQueueUrl = "START_RUNS_QUEUE_URL",
    /// The state machine of accounts' analyses.
    AnalysisStateMachineArn = "ANALYSIS_STATE_MACHINE_ARN",
    /// The state machine of anonymous analyses.
    AnonymousAnalysisStateMachineArn = "ANONYMOUS_ANALYSIS_STATE_MACHINE_ARN",
    /// The state machine of refresh checks.
    RefreshCheckStateMachineArn = "REFRESH_CHECK_STATE_MACHINE_ARN",
    /// Once a day's AI calls cost this many US dollars, new analyses are refused.
    DailyAiSpendLimitUsd = "DAILY_AI_SPEND_LIMIT_USD",
    /// While this many AI calls are under way, new analyses are refused.
    MaxConcurrentAiCalls = "MAX_CONCURRENT_AI_CALLS",
    /// How many anonymous analyses one address may start in any hour.
    AnonymousPerHour = "ANONYMOUS_PER_HOUR",
    /// How many anonymous analyses one address may start in any 24 hours.
    AnonymousPerDay = "ANONYMOUS_PER_DAY",
    /// Models that replace the catalogue's in their roles.
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
    pub fn all() -> impl Iterator<Item = Self> {
        Self::PLAIN.iter().copied().chain(Secret::ALL.iter().copied().map(Self::Secret))
    }

    /// Returns the value, or `None` when it is missing or empty. An empty log filter would otherwise mean no
    /// log line at all.
    pub(crate) fn value(self) -> Option<String> {
        std::env::var(self.name()).ok().filter(|value| !value.trim().is_empty())
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
