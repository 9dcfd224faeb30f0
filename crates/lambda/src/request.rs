//! A request, as a handler sees it.

use crate::{Caller, Header, Headers, fields};
use deserr::Deserr;
use headers_accept::Accept;
use jiff::Timestamp;
use lambda_http::{RequestExt, aws_lambda_events::query_map::QueryMap, http, request::RequestContext};
use mediatype::{
    MediaType,
    names::{APPLICATION, CHARSET, CSV, JSON, TEXT},
    values::UTF_8,
};
use oslira_api::Page;
use oslira_domain::{AccountId, Code, Error, Result};
use std::{collections::HashMap, net::IpAddr, str::FromStr};

/// The forms of a list's answer. A client that takes anything gets the first.
static FORMS: [MediaType<'static>; 3] = [
    MediaType::new(APPLICATION, JSON),
    MediaType::new(TEXT, CSV),
    MediaType::from_parts(TEXT, CSV, None, &[(CHARSET, UTF_8)]),
];

#[derive(Debug, Default)]
pub struct Request {
    /// The id that every log line and the reply carry.
    pub request_id: String,
    pub method: http::Method,
    /// The signed-in user; `None` when the route has no authorizer.
    pub caller: Option<Caller>,
    /// The address that the request came from, as API Gateway saw it. It is never taken from a header, which
    /// callers can forge. It is personal data and must not be logged.
    pub source_ip: Option<IpAddr>,
    /// The values of the `{placeholders}` in the route.
    pub path: HashMap<String, String>,
    /// The parameters of the query, in order, including repeated ones.
    pub query: Vec<(String, String)>,
    pub headers: Headers,
    /// The body as received.
    pub body: Vec<u8>,
}

impl Request {
    /// Returns the signed-in user. 401 without one, or when the token has expired since the authorizer saw
    /// it.
    pub fn caller(&self) -> Result<&Caller> {
        self.caller
            .as_ref()
            .filter(|caller| caller.expires_at > Timestamp::now())
            .ok_or_else(|| Error::new(Code::Unauthorized, "Sign in: the token is missing or has expired."))
    }

    /// Returns the account that `X-Account-Id` asks for, or the caller's oldest one. The database decides
    /// whether the caller is in it.
    pub fn account_id(&self) -> Result<AccountId> {
        let caller = self.caller()?;
        let account_id = match self.headers.get(Header::AccountId) {
            Some(text) => text.trim().parse().ok(),
            None => caller.default_account_id,
        };
        let account_id = account_id.ok_or_else(Error::account_not_found)?;
        crate::note_account(account_id);
        Ok(account_id)
    }

    /// Returns the id in the route's `{name}`. A text that is not an id gets the same answer as an unknown
    /// id.
    pub fn path_id<T: FromStr>(&self, name: &str, not_found: impl FnOnce() -> Error) -> Result<T> {
        self.path.get(name).and_then(|text| text.parse().ok()).ok_or_else(not_found)
    }

    /// Reads the body as `T`. The answer to a bad body names all unknown fields and bad values together.
    pub fn body<T: Deserr<fields::FieldErrors>>(&self) -> Result<T> {
        fields::read_body(&self.body)
    }

    /// Reads the query as `T`. Unknown and repeated parameters are refused together with all other bad ones.
    pub fn query<T: Deserr<fields::FieldErrors>>(&self) -> Result<T> {
        fields::read_query(&self.query)
    }

    /// For a route without parameters: refuses each that is sent, rather than do something else than what was meant.
    pub fn no_query(&self) -> Result<()> {
        #[derive(Deserr)]
        #[deserr(error = fields::FieldErrors, deny_unknown_fields)]
        struct Nothing {}
        self.query().map(|Nothing {}| ())
    }

    /// The same for a list: returns the filters and the page that is wanted.
    pub fn page<T: Deserr<fields::FieldErrors>>(&self) -> Result<(T, Page)> {
        fields::read_page(&self.query)
    }

    /// For a list: whether `Accept` asks for CSV rather than for JSON. Without a form that we have, it is JSON.
    pub fn wants_csv(&self) -> bool {
        // To `Accept`, the capitals of a charset matter. `UTF_8` has them.
        let text = self.headers.get(Header::Accept).map(str::to_ascii_uppercase);
        let accept = text.and_then(|text| text.parse::<Accept>().ok());
        accept.as_ref().and_then(|accept| accept.negotiate(&FORMS)).is_some_and(|form| form.subty == CSV)
    }

    /// Returns the `Idempotency-Key` header, 1 to 255 characters.
    pub fn idempotency_key(&self) -> Result<Option<&str>> {
        match self.headers.get(Header::IdempotencyKey) {
            Some(key) if !(1..=255).contains(&key.len()) || !key.bytes().all(|b| b.is_ascii_graphic()) => {
                Err(fields::invalid_field("Idempotency-Key", "must be 1 to 255 visible ASCII characters"))
            }
            key => Ok(key),
        }
    }
}

impl From<lambda_http::Request> for Request {
    fn from(request: lambda_http::Request) -> Self {
        let (request_id, caller, source_ip) = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV1(context)) => (
                context.request_id.clone().unwrap_or_default(),
                Caller::from_context(&context.authorizer.fields),
                context.identity.source_ip.as_ref().and_then(|ip| ip.parse().ok()),
            ),
            _ => Default::default(),
        };
        let pairs = |map: QueryMap| -> Vec<(String, String)> {
            map.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        // A value that is not text is kept in a changed form, not left out: a key that cannot be read is not
        // a missing key.
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Self {
            request_id,
            method: request.method().clone(),
            caller,
            source_ip,
            path: pairs(request.path_parameters()).into_iter().collect(),
            query: pairs(request.query_string_parameters()),
            headers: request.headers().iter().map(header).collect(),
            body: request.into_body().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed_in(headers: &[(&str, &str)]) -> Request {
        let id = "0190a5a0-0000-7000-8000-000000000001";
        Request {
            caller: Some(Caller {
                user_id: id.parse().unwrap(),
                email: None,
                default_account_id: id.parse().ok(),
                analyses_per_hour: HashMap::new(),
                expires_at: Timestamp::MAX,
            }),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..Request::default()
        }
    }

    #[test]
    fn the_header_picks_the_account() {
        let other = "0190a5a0-0000-7000-8000-000000000002";
        assert!(signed_in(&[]).account_id().is_ok());
        assert_eq!(signed_in(&[("x-account-id", other)]).account_id().unwrap().to_string(), other);
        assert_eq!(
            signed_in(&[("x-account-id", "mine")]).account_id().unwrap_err().code,
            Code::AccountNotFound
        );
    }

    #[test]
    fn a_list_is_csv_for_who_likes_that_better_than_json() {
        for (accept, is_csv) in [
            ("text/csv", true),
            ("text/csv; charset=utf-8", true),
            ("TEXT/CSV", true),
            ("text/csv, */*;q=0.1", true),
            ("text/csv, */*", true),
            ("text/*", true),
            ("application/json;q=0.5, text/csv;q=0.9", true),
            ("application/json", false),
            ("application/json, text/csv;q=0.9", false),
            ("application/json, text/csv", false),
            ("text/csv, application/json", true),
            ("text/csv;q=0, */*", false),
            ("*/*", false),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false),
            ("image/png", false),
            ("", false),
            ("csv", false),
            ("\u{fffd}", false),
        ] {
            assert_eq!(signed_in(&[("accept", accept)]).wants_csv(), is_csv, "{accept}");
        }
        assert!(!signed_in(&[]).wants_csv());
    }

    #[test]
    fn a_token_that_expired_since_the_authorizer_saw_it_is_refused() {
        let mut request = signed_in(&[]);
        request.caller.as_mut().unwrap().expires_at = Timestamp::UNIX_EPOCH;
        assert_eq!(request.caller().unwrap_err().code, Code::Unauthorized);
        assert_eq!(Request::default().caller().unwrap_err().code, Code::Unauthorized);
    }

    #[test]
    fn an_idempotency_key_has_1_to_255_characters() {
        assert_eq!(signed_in(&[]).idempotency_key().unwrap(), None);
        assert_eq!(signed_in(&[("idempotency-key", "k")]).idempotency_key().unwrap(), Some("k"));
        for key in ["", "ключ", "two words", "\u{fffd}"] {
            assert!(signed_in(&[("idempotency-key", key)]).idempotency_key().is_err(), "{key:?}");
        }
        assert!(signed_in(&[("idempotency-key", &"k".repeat(256))]).idempotency_key().is_err());
    }
}
