//! Passes the page's requests for the API on to the running stack.

use crate::{Problem, Viewer};
use anyhow::{Context, Result, ensure};
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{
        HeaderMap, HeaderName, Method, Response, Uri,
        header::{
            CONNECTION, CONTENT_LENGTH, COOKIE, HOST, ORIGIN, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
            REFERER, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
        },
    },
};
use reqwest::{Url, redirect::Policy};
use std::{sync::Arc, time::Duration};

/// Longer than API Gateway waits for a Lambda.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Headers that concern one connection only, and are not passed on.
const BETWEEN_TWO: [HeaderName; 8] = [
    CONNECTION,
    CONTENT_LENGTH,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// Headers about this server's page, and cookies that other servers on 127.0.0.1 set in the browser.
const OF_THE_PAGE: [HeaderName; 4] = [HOST, ORIGIN, REFERER, COOKIE];

/// The client that calls the API.
pub(crate) fn client() -> Result<reqwest::Client> {
    // The stack has no TLS here, but the client demands a TLS provider. One may be installed already.
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // The API is on this machine, whatever proxy the environment names.
    let builder = reqwest::Client::builder().no_proxy().redirect(Policy::none()).timeout(TIME_LIMIT);
    Ok(builder.build()?)
}

/// Passes a request below `/v1` on, and its answer back.
pub(crate) async fn forward(
    State(viewer): State<Arc<Viewer>>,
    method: Method,
    uri: Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> Result<Response<Body>, Problem> {
    let url = place(&viewer.sources.stack().await?.api_url, &uri)?;
    for name in BETWEEN_TWO.into_iter().chain(OF_THE_PAGE) {
        headers.remove(name);
    }
    let answer = viewer.http.request(method, url).headers(headers).body(body).send().await;
    let answer = answer.map_err(reqwest::Error::without_url).context("the API does not answer")?;
    let mut answer = Response::<reqwest::Body>::from(answer).map(Body::new);
    for name in BETWEEN_TWO {
        answer.headers_mut().remove(name);
    }
    Ok(answer)
}

/// The API's address for this path, which is always below the API's base URL.
fn place(api_url: &str, uri: &Uri) -> Result<Url> {
    let asked = uri.path_and_query().map_or("", |asked| asked.as_str());
    let below = asked.strip_prefix("/v1/").context("not below /v1")?;
    // Parsing resolves `..`, even when it is written with percent signs.
    let url =
        Url::parse(&format!("{api_url}/{below}")).context("the stack's address of the API is damaged")?;
    ensure!(url.as_str().starts_with(&format!("{api_url}/")), "this path leads out of the API");
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_the_api() {
        let api = "http://127.0.0.1:1/restapis/a/local/_user_request_";
        let place = |path: &str| place(api, &path.parse().unwrap());
        assert_eq!(place("/v1/a/b%20c?d=e&d=%2F").unwrap().as_str(), format!("{api}/a/b%20c?d=e&d=%2F"));
        for path in ["/v1/../x", "/v1/a/%2e%2e/%2E%2E/x", "/v1/..\\x", "/v2/a"] {
            let place = path.parse().ok().map(|uri: Uri| super::place(api, &uri).map(|url| url.to_string()));
            assert!(!matches!(place, Some(Ok(_))), "{path} leads to {place:?}");
        }
    }
}
