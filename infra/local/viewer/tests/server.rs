//! The viewer as a browser meets it: over HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use axum::{Router, extract::Request, http::StatusCode, response::IntoResponse};
use oslira_viewer::{Server, Sources};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use std::{fs, net::Ipv4Addr, path::PathBuf};
use tokio::net::TcpListener;

const TOKEN: &str = "header.claims.signature";

/// A test's own viewer, in front of an API that answers with the request.
struct Viewer {
    base_url: String,
    client: Client,
}

impl Viewer {
    /// `name` is the test's name, used for its folder.
    async fn start(name: &str) -> Self {
        let api = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let api_url = format!("http://{}/restapis/a/local/_user_request_", api.local_addr().unwrap());
        tokio::spawn(async { axum::serve(api, Router::new().fallback(echo)).await.unwrap() });
        Self::start_before(name, &api_url).await
    }

    async fn start_before(name: &str, api_url: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("viewer-{name}"));
        fs::create_dir_all(&folder).unwrap();
        let stack = folder.join("stack.json");
        let users = json!([{"name": "demo-1", "token": TOKEN}, {"name": "demo-2", "token": "another"}]);
        fs::write(&stack, json!({"apiUrl": api_url, "users": users}).to_string()).unwrap();
        fs::write(folder.join("swagger-ui.css"), "body {}").unwrap();
        fs::write(folder.join("package.json"), "{}").unwrap();
        let description = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/openapi.yaml"));
        let server = Server::bind(0, Sources { stack, description, assets: folder }).await.unwrap();
        let base_url = server.base_url();
        tokio::spawn(server.serve());
        _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Self { base_url, client: Client::builder().no_proxy().build().unwrap() }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base_url))
    }

    async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    async fn text(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.unwrap()
    }
}

/// Answers 418 with the request as the body.
async fn echo(request: Request) -> impl IntoResponse {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let headers: serde_json::Map<String, Value> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()))
        .collect();
    let seen = json!({"method": parts.method.as_str(), "uri": parts.uri.to_string(), "headers": headers,
        "body": String::from_utf8(body.to_vec()).unwrap()});
    (StatusCode::IM_A_TEAPOT, [("x-request-id", "one")], seen.to_string())
}

#[tokio::test]
async fn the_page_loads_only_what_the_viewer_serves() {
    let viewer = Viewer::start("page").await;
    let response = viewer.get("/").await;
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    assert!(policy.contains("connect-src 'self';"), "{policy}");
    let page = response.text().await.unwrap();
    let sources: Vec<&str> =
        page.split(['"']).filter(|text| text.contains(".js") || text.contains(".css")).collect();
    assert_eq!(sources, ["/assets/swagger-ui.css", "/assets/swagger-ui-bundle.js", "/page.js"]);
    let css = viewer.get("/assets/swagger-ui.css").await;
    assert_eq!(css.headers()["content-type"], "text/css; charset=utf-8");
    assert_eq!(css.text().await.unwrap(), "body {}");
    assert_eq!(viewer.get("/assets/package.json").await.status(), 404, "the page needs no such file");
    assert_eq!(viewer.get("/assets/..%2Fstack.json").await.status(), 404);
    assert_eq!(viewer.get("/assets/swagger-ui-bundle.js").await.status(), 502, "it is not installed here");
}

#[tokio::test]
async fn the_description_names_the_viewer_as_its_only_server() {
    let viewer = Viewer::start("description").await;
    let yaml = viewer.text("/openapi.yaml").await;
    assert!(yaml.contains("\nservers:\n- url: /v1\n"), "{yaml}");
    assert!(!yaml.contains("amazonaws.com"), "the deployed server is gone");
    assert!(yaml.contains("\n  /api/credits/balance:\n"), "the routes are there");
    assert!(yaml.contains("(errors.md)"), "it links to its neighbour");
    assert!(viewer.text("/errors.md").await.contains("`RouteNotFound`"));
}

#[tokio::test]
async fn the_page_signs_the_demo_user_in() {
    let viewer = Viewer::start("user").await;
    let page = viewer.text("/page.js").await;
    let scheme = "supabaseToken";
    assert!(page.contains(&format!("preauthorizeApiKey(\"{scheme}\"")), "{page}");
    let yaml = viewer.text("/openapi.yaml").await;
    assert!(yaml.contains(&format!("\n    {scheme}:\n      type: http\n")), "the description calls it so");
    let user: Value = serde_json::from_str(&viewer.text("/demo-user.json").await).unwrap();
    assert_eq!(user, json!({"token": TOKEN}));
}

#[tokio::test]
async fn a_request_reaches_the_api_whole() {
    let viewer = Viewer::start("proxy").await;
    let response = viewer
        .request(Method::PUT, "/v1/api/business-profiles/b%20c?page=2&page=3")
        .bearer_auth(TOKEN)
        .header("idempotency-key", "key")
        .header("origin", &viewer.base_url)
        .header("cookie", "of=another server")
        .body("{\"name\": \"é\"}")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 418);
    assert_eq!(response.headers()["x-request-id"], "one");
    let seen: Value = response.json().await.unwrap();
    assert_eq!(seen["method"], "PUT");
    assert_eq!(seen["uri"], "/restapis/a/local/_user_request_/api/business-profiles/b%20c?page=2&page=3");
    assert_eq!(seen["headers"]["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(seen["headers"]["idempotency-key"], "key");
    assert_eq!(seen["headers"]["cookie"], Value::Null);
    assert_eq!(seen["headers"]["origin"], Value::Null);
    assert_eq!(seen["body"], "{\"name\": \"é\"}");
}

#[tokio::test]
async fn a_body_has_a_limit() {
    let viewer = Viewer::start("limit").await;
    let send = async |bytes: usize| {
        viewer.request(Method::POST, "/v1/x").body(vec![b' '; bytes]).send().await.unwrap().status()
    };
    assert_eq!(send(10 * 1024 * 1024).await, 418);
    assert_eq!(send(10 * 1024 * 1024 + 1).await, 413);
}

#[tokio::test]
async fn other_pages_of_the_browser_are_refused() {
    let viewer = Viewer::start("strangers").await;
    let port = viewer.base_url.rsplit_once(':').unwrap().1.to_owned();
    let asked = async |path: &str, header: &str, value: String| {
        viewer.request(Method::GET, path).header(header, value).send().await.unwrap().status()
    };
    for path in ["/", "/openapi.yaml", "/demo-user.json", "/v1/health"] {
        for host in ["evil.example".to_owned(), format!("evil.example:{port}"), "127.0.0.1".to_owned()] {
            assert_eq!(asked(path, "host", host.clone()).await, 421, "{path} as {host}");
        }
        let others = ["https://evil.example", "http://127.0.0.1", "http://localhost:3000", "null"];
        for origin in others.map(str::to_owned).into_iter().chain([format!("http://localhost:{port}")]) {
            assert_eq!(asked(path, "origin", origin.clone()).await, 403, "{path} from {origin}");
        }
    }
    assert_eq!(asked("/", "host", format!("localhost:{port}")).await, 200);
    assert_eq!(asked("/", "origin", viewer.base_url.clone()).await, 200);
}

#[tokio::test]
async fn without_an_api_the_answer_says_so() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let viewer = Viewer::start_before("down", &format!("http://{free}/api")).await;
    let response = viewer.get("/v1/health?token=secret").await;
    assert_eq!(response.status(), 502);
    let text = response.text().await.unwrap();
    assert!(text.starts_with("the API does not answer"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}
