//! The keys that sign tokens: Supabase's published ones, and its legacy shared secret.

use jsonwebtoken::{Algorithm, DecodingKey, jwk};
use oslira_domain::{Error, Result};
use oslira_lambda::CachedSecret;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// How long fetched keys are used before they are fetched again.
const FRESH: Duration = Duration::from_secs(600);
/// The shortest time between two fetches because of unknown key ids, so that forged tokens cannot flood
/// Supabase with requests.
const BETWEEN_FETCHES: Duration = Duration::from_secs(30);
/// Supabase's legacy secrets have 40 characters or more. RFC 7518 demands 32 bytes for HS256.
const SHORTEST_SECRET: usize = 32;
/// The most unknown key ids that are remembered.
const MOST_UNKNOWN: usize = 1_000;
/// The largest key set that is read, in bytes. Supabase's has one or two keys of about 300 bytes each.
const MOST_BYTES: usize = 64 * 1024;
/// How long a fetch may take. The caller is waiting meanwhile.
const PATIENCE: Duration = Duration::from_secs(3);

/// A key and the one algorithm that it is for. The token's header does not choose the algorithm.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) algorithm: Algorithm,
    pub(crate) decoding: DecodingKey,
}

/// The keys. They are fetched when needed, and kept while Supabase does not answer.
pub struct KeySet {
    http: reqwest::Client,
    url: String,
    legacy_secret: CachedSecret,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `None` until the keys were fetched once. A project with the legacy secret alone publishes no keys.
    keys: Option<HashMap<String, Key>>,
    /// When the keys were last fetched, with or without success.
    asked_at: Option<Instant>,
    /// Whether that fetch succeeded.
    is_current: bool,
    /// Key ids that a fetch did not bring, so that they cause no further fetch. A key that is published later
    /// comes with the next regular fetch.
    unknown: HashSet<String>,
}

impl KeySet {
    /// `url` is the address of the JWKS document. `legacy_secret` signs HS256 tokens in projects that still
    /// have one.
    pub fn new(http: reqwest::Client, url: String, legacy_secret: CachedSecret) -> Self {
        Self { http, url, legacy_secret, state: Mutex::default() }
    }

    /// Fetches the keys during init, so that the first caller does not wait for them.
    pub async fn warm_up(&self) {
        if let Err(error) = self.fetch(&mut *self.state.lock().await).await {
            tracing::warn!(cause = error.chain(), "the token keys are not reachable at start");
        }
    }

    /// Returns the published key with this id. `None` when Supabase does not have the key; an error when that
    /// is not known.
    pub(crate) async fn published(&self, key_id: &str) -> Result<Option<Key>> {
        let mut state = self.state.lock().await;
        let age = state.asked_at.map_or(Duration::MAX, |at| at.elapsed());
        let known = state.key(key_id);
        let is_new = known.is_none() && !state.unknown.contains(key_id) && age >= BETWEEN_FETCHES;
        let must_fetch = state.keys.is_none() || age >= FRESH || is_new;
        if !must_fetch {
            return if known.is_some() || state.is_current || state.unknown.contains(key_id) {
                Ok(known)
            } else {
                Err(Error::store("the key server gave no keys a moment ago"))
            };
        }
        match self.fetch(&mut state).await {
            Ok(()) => {}
            // An old key is better than none: its signatures are still good.
            Err(error) if known.is_some() => {
                tracing::warn!(cause = error.chain(), "token keys not refreshed")
            }
            Err(error) => return Err(error),
        }
        let key = state.key(key_id);
        if key.is_none() {
            if state.unknown.len() >= MOST_UNKNOWN {
                state.unknown.clear();
            }
            state.unknown.insert(key_id.to_owned());
        }
        Ok(key)
    }

    /// Returns the key of HS256 tokens.
    pub(crate) async fn legacy(&self) -> Result<Option<Key>> {
        let secret = self.legacy_secret.get().await?;
        // A project without a legacy secret has a placeholder here, which must not be accepted as a key.
        if secret.len() < SHORTEST_SECRET {
            return Ok(None);
        }
        Ok(Some(Key { algorithm: Algorithm::HS256, decoding: DecodingKey::from_secret(secret.as_bytes()) }))
    }

    async fn fetch(&self, state: &mut State) -> Result<()> {
        // This counts as a fetch whatever its outcome: the next unknown key id has to wait.
        (state.asked_at, state.is_current) = (Some(Instant::now()), false);
        let answer = self.http.get(&self.url).timeout(PATIENCE).send().await;
        let answer = answer.map_err(|error| Error::store(error.without_url()))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(Error::store(format!("the key server answered {}", status.as_u16())));
        }
        let body = oslira_upstream::read(answer, MOST_BYTES).await.map_err(Error::store)?;
        let keys = published_keys(&body).ok_or_else(|| Error::store("the key server answered no key set"))?;
        (state.keys, state.is_current) = (Some(keys), true);
        Ok(())
    }
}

impl State {
    fn key(&self, id: &str) -> Option<Key> {
        self.keys.as_ref()?.get(id).cloned()
    }
}

/// Reads the keys of a key set's JSON by their ids. A key of an unknown kind does not spoil the others.
fn published_keys(body: &[u8]) -> Option<HashMap<String, Key>> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Box<RawValue>>,
    }
    let set: Set = oslira_upstream::json(body).ok()?;
    let keys = set.keys.iter().filter_map(|jwk| key(&serde_json::from_str(jwk.get()).ok()?));
    let keys: HashMap<_, _> = keys.collect();
    // A set without any readable key is not a key set. A project with the legacy secret alone publishes an
    // empty one.
    (set.keys.is_empty() || !keys.is_empty()).then_some(keys)
}

/// Reads a published key. Keys that we cannot use and symmetric keys are left out.
fn key(jwk: &jwk::Jwk) -> Option<(String, Key)> {
    let algorithm = match &jwk.algorithm {
        jwk::AlgorithmParameters::EllipticCurve(curve) if curve.curve == jwk::EllipticCurve::P256 => {
            Algorithm::ES256
        }
        jwk::AlgorithmParameters::RSA(_) => Algorithm::RS256,
        _ => return None,
    };
    let decoding = DecodingKey::from_jwk(jwk).ok()?;
    Some((jwk.common.key_id.clone()?, Key { algorithm, decoding }))
}

/// Finds the key that a token's header asks for. The key itself says which algorithm is used.
pub(crate) async fn for_header(keys: &KeySet, header: &jsonwebtoken::Header) -> Result<Option<Key>> {
    match (&header.kid, header.alg) {
        (_, Algorithm::HS256) => keys.legacy().await,
        (Some(key_id), _) => keys.published(key_id).await,
        (None, _) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oslira_domain::Code;
    use oslira_lambda::http_client;

    /// Nobody listens at its address, so every fetch fails.
    fn keys_just_asked_for(is_current: bool) -> KeySet {
        let (url, secret) = ("http://127.0.0.1:1".to_owned(), CachedSecret::fixed("none"));
        let state = State {
            keys: Some(HashMap::new()),
            asked_at: Some(Instant::now()),
            is_current,
            ..State::default()
        };
        KeySet { state: Mutex::new(state), ..KeySet::new(http_client().unwrap(), url, secret) }
    }

    #[tokio::test]
    async fn an_empty_set_is_not_fetched_for_every_token() {
        assert!(keys_just_asked_for(true).published("nobody").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn while_a_key_may_be_published_that_could_not_be_fetched_no_token_is_refused() {
        let error = keys_just_asked_for(false).published("new").await.err().unwrap();
        assert_eq!((error.code, error.chain().contains("a moment ago")), (Code::StoreUnavailable, true));
    }

    #[test]
    fn a_key_of_an_unknown_kind_spoils_no_other() {
        let good = r#"{"kty": "EC", "crv": "P-256", "kid": "good", "alg": "ES256", "use": "sig",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
        let set = format!(
            r#"{{"keys": [{{"kty": "AKP", "kid": "new", "alg": "ML-DSA-44"}}, 7, {good}, {{"n": 1e999}}], "x": 1}}"#
        );
        let keys = published_keys(set.as_bytes()).unwrap();
        assert_eq!(keys.keys().collect::<Vec<_>>(), ["good"]);
        for none in
            ["<html>", "[]", "{}", r#"{"keys": {}}"#, r#"{"keys": [7]}"#, r#"{"keys": [{"oops": 1}]}"#]
        {
            assert!(published_keys(none.as_bytes()).is_none(), "{none}");
        }
        assert!(published_keys(br#"{"keys": []}"#).unwrap().is_empty());
    }
}
