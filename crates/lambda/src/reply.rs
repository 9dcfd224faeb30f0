//! A handler's answer, and the envelope that it is sent in.

use crate::quota::{self, Quota};
use jiff::Timestamp;
use lambda_http::{Response, http};
use oslira_api::{CsvEntry, Failure, Success, csv};
use oslira_domain::Result;
use serde::Serialize;
use serde_json::{Value, json};
use std::{num::NonZeroU32, time::Duration};

/// After how many seconds a client should try again when a 503 does not say.
const RETRY_AFTER_SECONDS: u32 = 5;

/// A successful answer.
#[derive(Debug, PartialEq)]
pub struct Reply {
    pub status: u16,
    body: Body,
    /// How long anyone may keep the answer; `None` when nobody may keep it.
    kept_for: Option<Duration>,
}

/// What a successful answer holds.
#[derive(Debug, PartialEq)]
enum Body {
    /// `data` of the envelope.
    Data(Value),
    /// A list as CSV, without the envelope, and the name of the file that a browser saves it as.
    Csv { file: String, text: String },
}

impl Reply {
    /// Status 200.
    pub fn ok(data: impl Serialize) -> Self {
        Self::with_status(200, data)
    }

    /// Status 201: something was made.
    pub fn created(data: impl Serialize) -> Self {
        Self::with_status(201, data)
    }

    /// Status 202: something was started.
    pub fn accepted(data: impl Serialize) -> Self {
        Self::with_status(202, data)
    }

    pub fn with_status(status: u16, data: impl Serialize) -> Self {
        // Plain structs with text keys can always be serialised.
        let data = serde_json::to_value(data).unwrap_or(Value::Null);
        Self { status, body: Body::Data(data), kept_for: None }
    }

    /// Status 200: a whole list as CSV. A browser saves it as `{name}.csv`.
    ///
    /// # Errors
    /// `ExportTooLarge`.
    pub fn csv<T: CsvEntry>(name: &str, entries: &[T]) -> Result<Self> {
        let body = Body::Csv { file: format!("{name}.csv"), text: csv(entries)? };
        Ok(Self { status: 200, body, kept_for: None })
    }

    /// Lets browsers and shared caches keep the answer for so long. It must be the same for everyone.
    #[must_use]
    pub fn kept_by_anyone_for(mut self, time: Duration) -> Self {
        self.kept_for = Some(time);
        self
    }
}

/// Puts the answer into its envelope. Errors become answers here and nowhere else. The cause goes to the log
/// only.
pub(crate) fn response(answer: &Result<Reply>, quotas: &[Quota], id: &str, origin: &str) -> Response<String> {
    let request_id = id.to_owned();
    let timestamp = Timestamp::now();
    let (status, body) = match answer {
        Ok(Reply { status, body: Body::Data(data), .. }) => {
            (*status, json!(Success { success: *status < 400, data, request_id, timestamp }).to_string())
        }
        Ok(Reply { status, body: Body::Csv { text, .. }, .. }) => (*status, text.clone()),
        Err(error) => {
            let (message, code, details) = (error.message.to_string(), error.code, error.details.clone());
            let failure = Failure {
                success: false,
                error: message,
                code: code.into(),
                details,
                request_id,
                timestamp: Some(timestamp.to_string()),
            };
            (code.http_status(), json!(failure).to_string())
        }
    };

    let mut response = Response::new(body);
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    };
    match answer {
        Ok(Reply { body: Body::Csv { file, .. }, .. }) => {
            set("content-type", "text/csv; charset=utf-8; header=present");
            set("content-disposition", &format!("attachment; filename=\"{file}\""));
        }
        _ => set("content-type", "application/json"),
    }
    match answer.as_ref().ok().and_then(|reply| reply.kept_for) {
        Some(time) => set("cache-control", &format!("public, max-age={}", time.as_secs())),
        None => set("cache-control", "no-store"),
    }
    set("x-request-id", id);
    set("access-control-allow-origin", origin);
    set(
        "access-control-expose-headers",
        "Content-Disposition,RateLimit,RateLimit-Policy,Retry-After,X-Request-Id",
    );
    set("vary", "Origin");
    for (name, value) in quota::headers(quotas).into_iter().flatten() {
        set(name, &value);
    }
    let wait = answer.as_ref().err().and_then(|error| error.retry_after_seconds).map(NonZeroU32::get);
    if let Some(seconds) = wait.or((status == 503).then_some(RETRY_AFTER_SECONDS)) {
        set("retry-after", &seconds.to_string());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use oslira_domain::{Code, Error};

    #[test]
    fn replies_share_one_envelope() {
        let answer = response(&Ok(Reply::created(json!({"id": 1}))), &[], "r-1", "https://app.example");
        assert_eq!(answer.status(), 201);
        assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example");
        let body: Value = serde_json::from_str(answer.body()).unwrap();
        assert_eq!(
            (&body["success"], &body["data"]["id"], &body["requestId"]),
            (&json!(true), &json!(1), &json!("r-1"))
        );
    }

    #[test]
    fn a_list_as_csv_is_a_file_without_an_envelope() {
        #[derive(Serialize)]
        struct Entry {
            id: u8,
        }
        impl CsvEntry for Entry {
            const COLUMNS: &'static [&'static str] = &["id"];
        }
        let answer = response(&Reply::csv("things", &[Entry { id: 7 }]), &[], "r-1", "https://app.example");
        assert_eq!(answer.body(), "id\r\n7\r\n");
        assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8; header=present");
        assert_eq!(answer.headers()["content-disposition"], "attachment; filename=\"things.csv\"");
        assert_eq!(answer.headers()["x-request-id"], "r-1");
    }

    #[test]
    fn an_answer_is_kept_by_nobody_unless_it_says_so() {
        let kept = |reply| response(&Ok(reply), &[], "r-1", "o").headers()["cache-control"].clone();
        assert_eq!(kept(Reply::ok(json!(1))), "no-store");
        assert_eq!(
            kept(Reply::ok(json!(1)).kept_by_anyone_for(Duration::from_secs(60))),
            "public, max-age=60"
        );
        let refusal = response(&Err(Error::new(Code::NotReady, "x")), &[], "r-1", "o");
        assert_eq!(refusal.headers()["cache-control"], "no-store");
    }

    #[test]
    fn an_error_shows_its_sentence_and_hides_its_cause() {
        let error = Error::store("connection to 10.0.0.7 refused").with_details(json!({"part": "x"}));
        let answer = response(&Err(error), &[], "r-1", "https://app.example");
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (503, &"5".parse().unwrap())
        );
        assert!(!answer.body().contains("10.0.0.7"));
        let body: Value = serde_json::from_str(answer.body()).unwrap();
        assert_eq!((&body["success"], &body["code"]), (&json!(false), &json!("StoreUnavailable")));
        assert_eq!(body["details"], json!({"part": "x"}));
    }

    #[test]
    fn an_error_that_knows_when_it_is_over_says_so() {
        let error = |code| Error::new(code, "x").with_retry_after(Duration::from_secs(62));
        for code in [Code::Paused, Code::NotReady] {
            assert_eq!(response(&Err(error(code)), &[], "r-1", "o").headers()["retry-after"], "62", "{code}");
        }
        assert!(
            !response(&Err(Error::new(Code::NotReady, "x")), &[], "r-1", "o")
                .headers()
                .contains_key("retry-after")
        );
    }
}
