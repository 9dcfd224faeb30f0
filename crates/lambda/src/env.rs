//! Configuration: the environment variables that the template sets, and the AWS SDK's own configuration.

use crate::{Variable, secrets, telemetry};
use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Builder as HttpClient,
    tls::{Provider, rustls_provider::CryptoMode},
};
use oslira_domain::{Error, Result};
use std::{sync::Arc, time::Duration};

/// A Lambda's configuration. Made once, at init.
#[derive(Debug)]
pub struct Env {
    /// The Lambda's name, which is its binary's name: verb-noun, the same everywhere.
    pub function: &'static str,
    /// The origins that browsers may call from. A request without an origin gets the first one.
    pub(crate) allowed_origins: Vec<String>,
    sdk: SdkConfig,
    secrets: Arc<secrets::Reader>,
}

impl Env {
    /// Called by [`init!`](crate::init), which knows the name.
    #[doc(hidden)]
    pub async fn of_binary(function: &'static str) -> Self {
        telemetry::init();
        // All clients share this one, or each would open its own connections: most Lambdas have several
        // clients of DynamoDB.
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
        let allowed_origins = Variable::AllowedOrigins
            .value()
            .unwrap_or_default()
            .split(',')
            .map(|origin| origin.trim().to_owned())
            .collect();
        Self { function, allowed_origins, secrets: Arc::new(secrets::Reader::new(&sdk)), sdk }
    }

    /// Returns a variable that the template must set.
    pub fn var(&self, variable: Variable) -> Result<String> {
        variable.value().ok_or_else(|| {
            Error::internal(format!(
                "the environment variable {variable} is not set; infra/template.yaml sets it"
            ))
        })
    }

    /// Returns a variable that may be missing or empty.
    pub fn optional(&self, variable: Variable) -> Option<String> {
        variable.value()
    }

    /// The configuration that AWS clients are built from.
    pub fn sdk(&self) -> &SdkConfig {
        &self.sdk
    }

    /// A handle to a secret. The secret is read on first use.
    pub fn secret(&self, secret: secrets::Secret) -> Result<secrets::CachedSecret> {
        Ok(secrets::CachedSecret::new(Arc::clone(&self.secrets), self.var(Variable::Secret(secret))?))
    }
}

/// Sets up logging and reads what every Lambda needs. Returns a future of the [`Env`]. Opens no connection.
///
/// The Lambda's name comes from its binary, so log lines cannot carry another Lambda's name.
#[macro_export]
macro_rules! init {
    () => {
        $crate::Env::of_binary(env!("CARGO_BIN_NAME"))
    };
}
