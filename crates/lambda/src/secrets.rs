//! Secrets: read from Secrets Manager, kept five minutes, never printed.

use crate::aws_error;
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::{error::SdkError, operation::get_secret_value::GetSecretValueError};
use oslira_domain::{Error, Result};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// After this a secret is read again, so that a rotated one is taken up without a deploy.
const LIFETIME: Duration = Duration::from_secs(300);

/// The secrets there are. Each Lambda's IAM role can read only those it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// Connection URL of the login role that can only become `authenticated`.
    UserDatabase,
    /// Connection URL of the login role that can only become `service_role`.
    SystemDatabase,
    /// Connection URL of Supabase's `postgres`, over the session port.
    MigrationsDatabase,
    /// Apify's API token.
    ApifyToken,
    /// OpenAI's API key.
    OpenAiKey,
    /// Anthropic's API key.
    AnthropicKey,
    /// The token that an AI gateway wants for itself. Optional: see [`CachedSecret::get_if_set`].
    AiGatewayToken,
    /// Supabase's legacy HS256 secret.
    JwtSecret,
}

/// What stands in an optional secret that is not used.
const NOTHING: &str = "none";

impl Secret {
    /// All that there are.
    pub const ALL: [Self; 8] = [
        Self::UserDatabase,
        Self::SystemDatabase,
        Self::MigrationsDatabase,
        Self::ApifyToken,
        Self::OpenAiKey,
        Self::AnthropicKey,
        Self::AiGatewayToken,
        Self::JwtSecret,
    ];

    /// The environment variable that holds the secret's ARN.
    pub(crate) const fn variable(self) -> &'static str {
        match self {
            Self::UserDatabase => "USER_DATABASE_SECRET",
            Self::SystemDatabase => "SYSTEM_DATABASE_SECRET",
            Self::MigrationsDatabase => "MIGRATIONS_DATABASE_SECRET",
            Self::ApifyToken => "APIFY_TOKEN_SECRET",
            Self::OpenAiKey => "OPENAI_KEY_SECRET",
            Self::AnthropicKey => "ANTHROPIC_KEY_SECRET",
            Self::AiGatewayToken => "AI_GATEWAY_TOKEN_SECRET",
            Self::JwtSecret => "JWT_SECRET_SECRET",
        }
    }
}

/// One secret's value, read at most once in five minutes.
pub struct CachedSecret {
    source: Source,
    cached: Mutex<Option<(Arc<str>, Instant)>>,
}

enum Source {
    SecretsManager { reader: Arc<Reader>, arn: String },
    Fixed(Arc<str>),
}

impl CachedSecret {
    pub(crate) fn new(reader: Arc<Reader>, arn: String) -> Self {
        Self { source: Source::SecretsManager { reader, arn }, cached: Mutex::default() }
    }

    /// A value that is known already and never read: for tools and tests.
    pub fn fixed(value: &str) -> Self {
        Self { source: Source::Fixed(Arc::from(value)), cached: Mutex::default() }
    }

    /// The value of an optional secret: `None` when it says `none` or nothing, or has never been given a value.
    pub async fn get_if_set(&self) -> Result<Option<Arc<str>>> {
        let value = self.read(true).await?;
        Ok(Some(value).filter(|value| !value.is_empty() && !value.eq_ignore_ascii_case(NOTHING)))
    }

    /// The value. An old one is used on when Secrets Manager does not answer.
    pub async fn get(&self) -> Result<Arc<str>> {
        self.read(false).await
    }

    async fn read(&self, is_optional: bool) -> Result<Arc<str>> {
        let (reader, arn) = match &self.source {
            Source::Fixed(value) => return Ok(Arc::clone(value)),
            Source::SecretsManager { reader, arn } => (reader, arn),
        };
        let mut cached = self.cached.lock().await;
        if let Some((value, read_at)) = &*cached
            && read_at.elapsed() < LIFETIME
        {
            return Ok(Arc::clone(value));
        }
        let value = match (reader.read(arn, is_optional).await, cached.take()) {
            (Ok(value), _) => value,
            // Kept for another five minutes: waiting in vain at every call would make one fault two.
            (Err(error), Some((value, _))) => {
                tracing::warn!(
                    secret = arn,
                    cause = error.chain(),
                    "secret not refreshed; the old value is used"
                );
                value
            }
            (Err(error), None) => return Err(error),
        };
        *cached = Some((Arc::clone(&value), Instant::now()));
        Ok(value)
    }

    /// Reads the value anew the next time: the one it has was refused.
    pub async fn forget(&self) {
        *self.cached.lock().await = None;
    }
}

impl fmt::Debug for CachedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::SecretsManager { arn, .. } => write!(f, "CachedSecret({arn})"),
            Source::Fixed(_) => f.write_str("CachedSecret(fixed)"),
        }
    }
}

/// Reads Secrets Manager.
#[derive(Debug)]
pub(crate) struct Reader(aws_sdk_secretsmanager::Client);

impl Reader {
    pub(crate) fn new(sdk: &SdkConfig) -> Self {
        Self(aws_sdk_secretsmanager::Client::new(sdk))
    }

    /// An optional secret without a value is empty.
    async fn read(&self, arn: &str, is_optional: bool) -> Result<Arc<str>> {
        let answer = match self.0.get_secret_value().secret_id(arn).send().await {
            Ok(answer) => answer,
            Err(SdkError::ServiceError(error))
                if is_optional
                    && matches!(error.err(), GetSecretValueError::ResourceNotFoundException(_)) =>
            {
                return Ok(Arc::from(""));
            }
            Err(error) => return Err(aws_error(error)),
        };
        // Editors end a file with a line break, and a key with one is no header.
        let value = answer.secret_string.map(|value| Arc::from(value.trim()));
        value.ok_or_else(|| Error::internal(format!("the secret {arn} has no text value")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_secret_is_never_printed() {
        let secret = CachedSecret::fixed("hunter2");
        assert_eq!(&*secret.get().await.unwrap(), "hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn an_optional_secret_may_say_that_there_is_none() {
        for (value, expected) in [("token", Some("token")), ("none", None), ("None", None), ("", None)] {
            let read = CachedSecret::fixed(value).get_if_set().await.unwrap();
            assert_eq!(read.as_deref(), expected, "{value}");
        }
    }
}
