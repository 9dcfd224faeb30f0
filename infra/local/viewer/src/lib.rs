//! A page that shows the API's description and tries its routes against the local stack.
//!
//! The page and everything that it loads come from this server. The API's answers pass through it too,
//! because the emulator does not answer CORS preflights. It listens on 127.0.0.1 and serves no page but its
//! own.

mod guard;
mod proxy;

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State},
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    },
    middleware,
    response::{IntoResponse, Response},
    routing::{any, get},
};
use serde::Deserialize;
use serde_json::json;
use std::{net::Ipv4Addr, path::PathBuf, sync::Arc};
use tokio::{fs, net::TcpListener};

/// The largest body that API Gateway accepts.
const BODY_LIMIT_BYTES: usize = 10 * 1024 * 1024;

/// The policy that the browser enforces: the page loads nothing from elsewhere, and no other page may frame
/// it. Swagger UI writes styles into its elements and has images in its style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The files of swagger-ui-dist that the page needs, and their types.
const ASSETS: [(&str, &str); 3] = [
    ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    ("swagger-ui.css", "text/css; charset=utf-8"),
    ("favicon-32x32.png", "image/png"),
];

/// Where the viewer finds what it shows. Every request reads the files again, so that a reload shows their
/// current state.
#[derive(Debug)]
pub struct Sources {
    /// `stack.json`.
    pub stack: PathBuf,
    /// `docs/openapi.yaml`.
    pub description: PathBuf,
    /// The folder of the npm package swagger-ui-dist.
    pub assets: PathBuf,
}

/// The part of `stack.json` that the viewer needs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stack {
    api_url: String,
    users: Vec<User>,
}

#[derive(Deserialize)]
struct User {
    token: String,
}

impl Sources {
    async fn stack(&self) -> Result<Stack> {
        let text = fs::read(&self.stack).await.context("the stack's description cannot be read")?;
        serde_json::from_slice(&text).context("the stack's description is damaged")
    }
}

/// What all requests share.
struct Viewer {
    sources: Sources,
    http: reqwest::Client,
}

/// A server that has its port and is ready to serve.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    port: u16,
    sources: Sources,
}

impl Server {
    /// Takes a port of 127.0.0.1 (0: any that is free).
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn bind(port: u16, sources: Sources) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .with_context(|| format!("cannot listen on port {port}"))?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port, sources })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Serves until the future is dropped.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn serve(self) -> Result<()> {
        let viewer = Viewer { sources: self.sources, http: proxy::client()? };
        let router = Router::new()
            .route("/", get(async || own("text/html; charset=utf-8", include_str!("page.html"))))
            .route("/page.js", get(async || own("text/javascript; charset=utf-8", include_str!("page.js"))))
            .route("/assets/{file}", get(asset))
            .route("/openapi.yaml", get(description))
            .route("/errors.md", get(errors))
            .route("/demo-user.json", get(demo_user))
            .route("/v1/{*path}", any(proxy::forward))
            .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
            .layer(middleware::from_fn_with_state(self.port, guard::refuse_strangers))
            .with_state(Arc::new(viewer));
        axum::serve(self.listener, router).await?;
        Ok(())
    }
}

async fn asset(State(viewer): State<Arc<Viewer>>, Path(file): Path<String>) -> Result<Response, Problem> {
    let Some((name, kind)) = ASSETS.into_iter().find(|(name, _)| *name == file) else {
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    let bytes = fs::read(viewer.sources.assets.join(name)).await;
    Ok(own(kind, bytes.with_context(|| format!("{name} cannot be read"))?))
}

async fn description(State(viewer): State<Arc<Viewer>>) -> Result<Response, Problem> {
    let yaml = fs::read_to_string(&viewer.sources.description).await;
    let yaml = yaml.context("the API's description cannot be read")?;
    Ok(own("application/yaml", served_here(&yaml).context("the API's description names no servers")?))
}

/// The page about errors, which the description links to as a file beside it.
async fn errors(State(viewer): State<Arc<Viewer>>) -> Result<Response, Problem> {
    let text = fs::read(viewer.sources.description.with_file_name("errors.md")).await;
    Ok(own("text/plain; charset=utf-8", text.context("the page about errors cannot be read")?))
}

/// The stack's first user, whom the page signs in.
async fn demo_user(State(viewer): State<Arc<Viewer>>) -> Result<Response, Problem> {
    let stack = viewer.sources.stack().await?;
    let user = stack.users.into_iter().next().context("the stack has no user")?;
    Ok(own("application/json", Json(json!({ "token": user.token }))))
}

/// The description with this server's proxy as the only server. It is edited as text, so that the rest stays
/// as it is, comments included. In such a document, a key without indentation ends where the next one begins.
fn served_here(yaml: &str) -> Option<String> {
    let is_servers = |line: &str| line.trim_end() == "servers:";
    let is_inside = |line: &str| line.trim().is_empty() || line.starts_with([' ', '-', '#']);
    let mut lines = yaml.lines();
    let mut served: Vec<&str> = lines.by_ref().take_while(|line| !is_servers(line)).collect();
    if served.len() == yaml.lines().count() {
        return None;
    }
    served.extend(["servers:", "- url: /v1", "  description: The running stack, by way of this viewer"]);
    served.extend(lines.skip_while(|line| is_inside(line)));
    Some(served.join("\n") + "\n")
}

/// An answer of the viewer itself.
fn own(kind: &'static str, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Why something could not be shown. The developer sees it in the browser.
struct Problem(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let text = format!("{:#}\n`cargo xtask status` says what runs; `cargo xtask up` mends it.\n", self.0);
        let mut response = own("text/plain; charset=utf-8", text);
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_servers_are_replaced() {
        let yaml = "# Made.\nopenapi: \"3.1.0\"\nservers:\n- url: https://a\n  variables:\n    a: b\n# c\n\ntags:\n- name: servers\n";
        assert_eq!(
            served_here(yaml).unwrap(),
            "# Made.\nopenapi: \"3.1.0\"\nservers:\n- url: /v1\n  description: The running stack, by way of this viewer\n\
             tags:\n- name: servers\n"
        );
        assert_eq!(served_here("openapi: \"3.1.0\"\npaths:\n  servers:\n"), None);
    }
}
