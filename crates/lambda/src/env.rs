//! Configuration: environment variables that the template sets, and the AWS SDK's own.

use crate::{secrets, telemetry};
use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Builder as HttpClient,
    tls::{Provider, rustls_provider::CryptoMode},
};
use oslira_domain::{Error, Result};
use std::{sync::Arc, time::Duration};

/// What a Lambda knows of its surroundings. Made once, at init.
#[derive(Debug)]
pub struct Env {
    /// The Lambda's name: verb-noun, the same everywhere.
    pub function: &'static str,
    /// The origins that browsers may call from; the first stands in for a request without one.
    pub(crate) allowed_origins: Vec<String>,
    sdk: SdkConfig,
    secrets: Arc<secrets::Reader>,
}

impl Env {
    /// Sets up logging and reads what every Lambda needs. Opens no connection.
    pub async fn init(function: &'static str) -> Self {
        telemetry::init();
        // One for all clients, which would open connections of their own: most Lambdas have several of DynamoDB.
        let http = HttpClient::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
        let sdk = aws_config::from_env()
            .http_client(http)
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(1))
                    .operation_attempt_timeout(Duration::from_secs(3))
                    .operation_timeout(Duration::from_secs(6))
                    .build(),
            )
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(100)))
            .load()
            .await;
        let allowed_origins = optional("ALLOWED_ORIGINS")
            .unwrap_or_default()
            .split(',')
            .map(|origin| origin.trim().to_owned())
            .collect();
        Self { function, allowed_origins, secrets: Arc::new(secrets::Reader::new(&sdk)), sdk }
    }

    /// A variable that the template must set.
    pub fn var(&self, name: &str) -> Result<String> {
        optional(name).ok_or_else(|| {
            Error::internal(format!(
                "the environment variable {name} is not set; infra/template.yaml sets it"
            ))
        })
    }

    /// A variable that may be absent or empty.
    pub fn optional(&self, name: &str) -> Option<String> {
        optional(name)
    }

    /// What AWS clients are built from.
    pub fn sdk(&self) -> &SdkConfig {
        &self.sdk
    }

    /// A handle to a secret; it is read when first asked for.
    pub fn secret(&self, secret: secrets::Secret) -> Result<secrets::CachedSecret> {
        Ok(secrets::CachedSecret::new(Arc::clone(&self.secrets), self.var(secret.variable())?))
    }
}

fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
