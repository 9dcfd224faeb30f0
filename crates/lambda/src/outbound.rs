//! Settings for calls out of a Lambda: TLS with compiled-in roots, and one HTTP client.

use oslira_domain::{Error, Result};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer};
use std::{sync::Arc, time::Duration};

/// TLS with Mozilla's roots, compiled in because reading the system's roots at start costs time. `extra_root`
/// is the DER of one more root, for a server with its own certificate authority (Supabase's Postgres has
/// one).
pub fn tls_config(extra_root: Option<Vec<u8>>) -> Result<ClientConfig> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(der) = extra_root {
        roots.add(CertificateDer::from(der)).map_err(Error::internal)?;
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// The client for vendors' HTTP APIs. It has a connect timeout only, because each call brings its own
/// deadline.
pub fn http_client() -> Result<reqwest::Client> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls_config(None)?)
        .connect_timeout(Duration::from_secs(3))
        // Idle connections do not survive while the environment is frozen. A short life avoids sending into a
        // dead one.
        .pool_idle_timeout(Duration::from_secs(20))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("oslira/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_root_is_refused_and_none_is_fine() {
        assert!(http_client().is_ok());
        assert!(tls_config(Some(b"not a certificate".to_vec())).is_err());
    }
}
