//! Reads a body up to a limit.

use reqwest::Response;

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection broke, or time was up.
    #[error("the body could not be read")]
    Transport(#[source] reqwest::Error),
    /// The body is larger than it may be.
    #[error("the body is larger than {most_bytes} bytes")]
    TooLarge {
        /// The largest size that is accepted.
        most_bytes: usize,
    },
}

/// Reads the bytes of an answer's body, at most `most_bytes`.
///
/// # Errors
/// `TooLarge` as soon as one byte more has arrived, or `Content-Length` announces more. Then the rest is not
/// read, and the connection is closed.
pub async fn read(mut response: Response, most_bytes: usize) -> Result<Vec<u8>, BodyError> {
    let too_large = || BodyError::TooLarge { most_bytes };
    let announced = response.content_length().unwrap_or_default();
    if announced > most_bytes as u64 {
        return Err(too_large());
    }
    let mut body = Vec::with_capacity(usize::try_from(announced).unwrap_or_default());
    while let Some(chunk) =
        response.chunk().await.map_err(|error| BodyError::Transport(error.without_url()))?
    {
        if body.len() + chunk.len() > most_bytes {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, body::Body, routing::get};
    use std::convert::Infallible;

    /// 200 KiB in chunks, without an announced length.
    fn long() -> Body {
        let chunks = std::iter::repeat_n(Ok::<_, Infallible>(vec![b'x'; 1024]), 200);
        Body::from_stream(futures::stream::iter(chunks))
    }

    fn client() -> reqwest::Client {
        _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        reqwest::Client::builder().no_proxy().build().unwrap()
    }

    async fn get_from(path: &str) -> Response {
        let router = Router::new()
            .route("/long", get(async || long()))
            .route("/short", get(async || "x".repeat(2000)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        client().get(format!("http://{address}{path}")).send().await.unwrap()
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit_and_not_a_byte_further() {
        assert_eq!(read(get_from("/short").await, 2000).await.unwrap().len(), 2000);
        let announced = read(get_from("/short").await, 1999).await.unwrap_err();
        assert_eq!(announced.to_string(), "the body is larger than 1999 bytes");
        let unannounced = read(get_from("/long").await, 100_000).await.unwrap_err();
        assert!(matches!(unannounced, BodyError::TooLarge { most_bytes: 100_000 }));
    }
}
