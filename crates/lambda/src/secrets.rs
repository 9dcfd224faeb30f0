//! Secrets: read from Secrets Manager, kept for five minutes, never printed.

use crate::{aws_error, named::named};
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::{error::SdkError, operation::get_secret_value::GetSecretValueError};
use oslira_domain::{Error, Result};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// After this time a secret is read again, so that a rotated secret is used without a deploy.
const LIFETIME: Duration = Duration::from_secs(300);

named! {
    /// A secret. Its name is that of the environment variable which holds its ARN. Each Lambda's IAM role can
    /// read only those that the Lambda uses.
    pub enum Secret {
        /// The connection URL of the login role that can only become `authenticated`.
        UserDatabase = "USER_DATABASE_SECRET",
        /// The connection URL of the login role that can only become `service_role`.
        SystemDatabase = "SYSTEM_DATABASE_SECRET",
        /// The connection URL of Supabase's role `postgres`, over the session port.
        MigrationsDatabase = "MIGRATIONS_DATABASE_SECRET",
        ApifyToken = "APIFY_TOKEN_SECRET",
        OpenAiKey = "OPENAI_KEY_SECRET",
        AnthropicKey = "ANTHROPIC_KEY_SECRET",
        /// The token for an AI gateway itself. Optional: see [`CachedSecret::get_if_set`].
        AiGatewayToken = "AI_GATEWAY_TOKEN_SECRET",
        /// Supabase's legacy HS256 secret.
        JwtSecret = "JWT_SECRET_SECRET",
    }
}

/// The value of an optional secret that is not used.
const NOTHING: &str = "none";

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

    /// A value that is already known and never read, for tools and tests.
    pub fn fixed(value: &str) -> Self {
        Self { source: Source::Fixed(Arc::from(value)), cached: Mutex::default() }
    }

    /// Returns the value of an optional secret. `None` when the value is `none` or empty, or when there has
    /// never been one.
    pub async fn get_if_set(&self) -> Result<Option<Arc<str>>> {
        let value = self.read(true).await?;
        Ok(Some(value).filter(|value| !value.is_empty() && !value.eq_ignore_ascii_case(NOTHING)))
    }

    /// Returns the value. When Secrets Manager does not answer, the old value is used.
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
            // The old value is kept for another five minutes. If every call waited in vain, one fault would
            // become two.
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

    /// Forgets the value, because it was refused. The next use reads it again.
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

/// A client of Secrets Manager.
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
        // Editors end a file with a line break, and a key with a line break cannot be sent in a header.
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
