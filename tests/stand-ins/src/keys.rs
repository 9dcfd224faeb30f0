//! Signing keys that outlive the server, and tokens good and forged.

use anyhow::{Context, Result, bail};
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RsaKeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, EncodingKey, Header, encode,
    jwk::{Jwk, PublicKeyUse},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// All keys of the imitated Supabase project.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Keys {
    /// ES256 keys, the current one last.
    es256: Vec<StoredKey>,
    /// The RS256 key.
    rs256: StoredKey,
    /// The legacy HS256 secret.
    hs256_secret: String,
    /// The project's reference, as its `anon` and `service_role` keys carry it.
    project_ref: String,
    #[serde(skip)]
    file: PathBuf,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredKey {
    kid: String,
    /// PKCS#8 PEM.
    private_key: String,
}

/// An algorithm a token may claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum TokenAlgorithm {
    /// ECDSA on P-256.
    ES256,
    /// RSA with PKCS#1 v1.5 padding.
    RS256,
    /// The legacy shared secret.
    HS256,
    /// Not signed at all.
    #[serde(rename = "none")]
    None,
}

/// Which key signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SigningKey {
    /// The current key of the algorithm.
    #[default]
    Current,
    /// A key that the key set does not hold.
    Unknown,
    /// HS256 with the PEM of the current ES256 public key as its secret: the classic confusion attack.
    PublicKeyAsHmac,
}

/// The key id that a token's header names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyId {
    /// The one of the key that signs.
    Fitting,
    /// None.
    Absent,
    /// This one.
    Named(String),
}

impl Keys {
    /// Reads the key file, or makes it with mode 0600.
    ///
    /// # Errors
    /// When the file cannot be read, written or understood.
    pub(crate) fn open(file: &Path) -> Result<Self> {
        match fs::read_to_string(file) {
            Ok(text) => {
                let keys: Self = serde_json::from_str(&text)
                    .with_context(|| format!("{} is not a key file", file.display()))?;
                if keys.es256.is_empty() {
                    bail!("{} holds no ES256 key", file.display());
                }
                Ok(Self { file: file.to_owned(), ..keys })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let keys = Self {
                    es256: vec![new_es256()?],
                    rs256: new_rs256()?,
                    hs256_secret: random_text(),
                    project_ref: Uuid::new_v4().simple().to_string()[..20].to_owned(),
                    file: file.to_owned(),
                };
                keys.save()?;
                Ok(keys)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    fn save(&self) -> Result<()> {
        let mut temporary = self.file.clone().into_os_string();
        temporary.push(".tmp");
        let write = || -> Result<()> {
            if let Some(folder) = self.file.parent() {
                fs::create_dir_all(folder)?;
            }
            // A leftover would keep its own mode.
            if fs::exists(&temporary)? {
                fs::remove_file(&temporary)?;
            }
            let mut file =
                fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            fs::rename(&temporary, &self.file)?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", self.file.display()))
    }

    /// Adds an ES256 key that signs from now on; the older ones stay in the key set.
    ///
    /// # Errors
    /// When the key file cannot be written.
    pub(crate) fn rotate(&mut self) -> Result<String> {
        let key = new_es256()?;
        let kid = key.kid.clone();
        self.es256.push(key);
        self.save()?;
        Ok(kid)
    }

    /// The legacy HS256 secret.
    pub(crate) fn hs256_secret(&self) -> &str {
        &self.hs256_secret
    }

    /// The public keys, newest first.
    ///
    /// # Errors
    /// When a stored key is broken.
    pub(crate) fn jwks(&self) -> Result<Value> {
        let mut keys = Vec::new();
        for key in self.es256.iter().rev() {
            keys.push(public_jwk(key, &es256_key(key)?, Algorithm::ES256)?);
        }
        keys.push(public_jwk(&self.rs256, &rs256_key(&self.rs256)?, Algorithm::RS256)?);
        Ok(json!({ "keys": keys }))
    }

    /// Signs claims.
    ///
    /// # Errors
    /// When the key does not go with the algorithm.
    pub(crate) fn token(
        &self,
        claims: &Map<String, Value>,
        algorithm: TokenAlgorithm,
        key: SigningKey,
        kid: KeyId,
    ) -> Result<String> {
        self.token_with(&Map::new(), claims, algorithm, key, kid)
    }

    /// Signs claims, with further fields in the header.
    ///
    /// # Errors
    /// When the key does not go with the algorithm, or a field is none that a header can have.
    pub(crate) fn token_with(
        &self,
        fields: &Map<String, Value>,
        claims: &Map<String, Value>,
        algorithm: TokenAlgorithm,
        key: SigningKey,
        kid: KeyId,
    ) -> Result<String> {
        let current = self.es256.last().context("no ES256 key")?;
        let (header_algorithm, signing_key, fitting) = match (algorithm, key) {
            (TokenAlgorithm::None, _) => return unsigned_token(claims, &kid),
            (TokenAlgorithm::ES256, SigningKey::Current) => {
                (Algorithm::ES256, es256_key(current)?, Some(current.kid.clone()))
            }
            (TokenAlgorithm::ES256, SigningKey::Unknown) => {
                let key = new_es256()?;
                (Algorithm::ES256, es256_key(&key)?, Some(key.kid))
            }
            (TokenAlgorithm::RS256, SigningKey::Current) => {
                (Algorithm::RS256, rs256_key(&self.rs256)?, Some(self.rs256.kid.clone()))
            }
            (TokenAlgorithm::RS256, SigningKey::Unknown) => {
                let key = new_rs256()?;
                (Algorithm::RS256, rs256_key(&key)?, Some(key.kid))
            }
            (TokenAlgorithm::HS256, SigningKey::Current) => {
                (Algorithm::HS256, EncodingKey::from_secret(self.hs256_secret.as_bytes()), None)
            }
            (TokenAlgorithm::HS256, SigningKey::Unknown) => {
                (Algorithm::HS256, EncodingKey::from_secret(random_text().as_bytes()), None)
            }
            (TokenAlgorithm::HS256, SigningKey::PublicKeyAsHmac) => {
                let secret = public_pem(current)?;
                (Algorithm::HS256, EncodingKey::from_secret(secret.as_bytes()), Some(current.kid.clone()))
            }
            (_, SigningKey::PublicKeyAsHmac) => bail!("publicKeyAsHmac goes with HS256"),
        };
        let mut header = Header::new(header_algorithm);
        header.kid = match kid {
            KeyId::Fitting => fitting,
            KeyId::Absent => None,
            KeyId::Named(name) => Some(name),
        };
        let mut header = serde_json::to_value(header)?;
        header.as_object_mut().context("a header is an object")?.extend(fields.clone());
        let header: Header = serde_json::from_value(header).context("no such header")?;
        Ok(encode(&header, claims, &signing_key)?)
    }

    /// The project's `anon` or `service_role` key: it names a role and a project, and no user.
    ///
    /// # Errors
    /// Never in practice: signing with a secret does not fail.
    pub(crate) fn project_key(&self, role: &str) -> Result<String> {
        let claims = json!({
            "iss": "supabase", "ref": self.project_ref, "role": role,
            "iat": 1_760_000_000, "exp": 2_075_360_000,
        });
        let claims = claims.as_object().cloned().unwrap_or_default();
        self.token(&claims, TokenAlgorithm::HS256, SigningKey::Current, KeyId::Absent)
    }
}

fn random_text() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

fn stored(pkcs8: Vec<u8>) -> StoredKey {
    let private_key = pem::encode(&pem::Pem::new("PRIVATE KEY", pkcs8));
    StoredKey { kid: Uuid::new_v4().to_string(), private_key }
}

fn new_es256() -> Result<StoredKey> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    Ok(stored(key.to_pkcs8v1()?.as_ref().to_vec()))
}

fn new_rs256() -> Result<StoredKey> {
    let key = RsaKeyPair::generate(KeySize::Rsa2048)?;
    let der: Pkcs8V1Der<'_> = key.as_der()?;
    Ok(stored(der.as_ref().to_vec()))
}

fn es256_key(key: &StoredKey) -> Result<EncodingKey> {
    Ok(EncodingKey::from_ec_pem(key.private_key.as_bytes())?)
}

fn rs256_key(key: &StoredKey) -> Result<EncodingKey> {
    Ok(EncodingKey::from_rsa_pem(key.private_key.as_bytes())?)
}

fn public_jwk(key: &StoredKey, encoding_key: &EncodingKey, algorithm: Algorithm) -> Result<Jwk> {
    let mut jwk = Jwk::from_encoding_key(encoding_key, algorithm)?;
    jwk.common.key_id = Some(key.kid.clone());
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    Ok(jwk)
}

fn public_pem(key: &StoredKey) -> Result<String> {
    let private = pem::parse(&key.private_key)?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.contents())?;
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
    Ok(pem::encode(&pem::Pem::new("PUBLIC KEY", der.as_ref().to_vec())))
}

/// `alg: none`: what no library writes on purpose.
fn unsigned_token(claims: &Map<String, Value>, kid: &KeyId) -> Result<String> {
    let mut header = json!({ "alg": "none", "typ": "JWT" });
    if let KeyId::Named(name) = kid {
        header["kid"] = json!(name);
    }
    let part = |value: Vec<u8>| BASE64_URL_SAFE_NO_PAD.encode(value);
    Ok(format!("{}.{}.", part(serde_json::to_vec(&header)?), part(serde_json::to_vec(claims)?)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
    use std::os::unix::fs::PermissionsExt;

    fn keys() -> Keys {
        Keys::open(&std::env::temp_dir().join(format!("stand-ins-keys-{}.json", Uuid::new_v4()))).unwrap()
    }

    fn claims() -> Map<String, Value> {
        json!({"sub": "me", "exp": 4_000_000_000_u64}).as_object().cloned().unwrap()
    }

    #[test]
    fn keys_are_private_and_outlive_the_server() {
        let mut keys = keys();
        keys.rotate().unwrap();
        assert_eq!(fs::metadata(&keys.file).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Keys::open(&keys.file).unwrap();
        assert_eq!(again.jwks().unwrap(), keys.jwks().unwrap());
        assert_eq!(again.jwks().unwrap()["keys"].as_array().unwrap().len(), 3);
        assert_eq!(again.hs256_secret(), keys.hs256_secret());
        fs::remove_file(&keys.file).unwrap();
    }

    #[test]
    fn tokens_verify_against_the_key_set_and_forgeries_do_not() {
        let keys = keys();
        let jwks: JwkSet = serde_json::from_value(keys.jwks().unwrap()).unwrap();
        let verifies = |token: &str, algorithm| {
            let kid = decode_header(token).unwrap().kid.unwrap();
            let Some(jwk) = jwks.find(&kid) else { return false };
            let key = DecodingKey::from_jwk(jwk).unwrap();
            decode::<Value>(token, &key, &Validation::new(algorithm)).is_ok()
        };
        for (name, algorithm) in
            [(TokenAlgorithm::ES256, Algorithm::ES256), (TokenAlgorithm::RS256, Algorithm::RS256)]
        {
            let good = keys.token(&claims(), name, SigningKey::Current, KeyId::Fitting).unwrap();
            assert!(verifies(&good, algorithm));
            let kid = decode_header(&good).unwrap().kid.unwrap();
            let forged = keys.token(&claims(), name, SigningKey::Unknown, KeyId::Named(kid)).unwrap();
            assert!(!verifies(&forged, algorithm));
            let unknown = keys.token(&claims(), name, SigningKey::Unknown, KeyId::Fitting).unwrap();
            assert!(!verifies(&unknown, algorithm));
        }
        let absent =
            keys.token(&claims(), TokenAlgorithm::ES256, SigningKey::Current, KeyId::Absent).unwrap();
        assert_eq!(decode_header(&absent).unwrap().kid, None);
        let unsigned =
            keys.token(&claims(), TokenAlgorithm::None, SigningKey::Current, KeyId::Fitting).unwrap();
        assert!(unsigned.ends_with('.'));
        assert!(
            keys.token(&claims(), TokenAlgorithm::ES256, SigningKey::PublicKeyAsHmac, KeyId::Fitting)
                .is_err()
        );
        fs::remove_file(&keys.file).unwrap();
    }

    #[test]
    fn the_confusion_attack_signs_with_the_public_key() {
        let keys = keys();
        let token = keys
            .token(&claims(), TokenAlgorithm::HS256, SigningKey::PublicKeyAsHmac, KeyId::Fitting)
            .unwrap();
        let pem = public_pem(keys.es256.last().unwrap()).unwrap();
        let key = DecodingKey::from_secret(pem.as_bytes());
        assert!(decode::<Value>(&token, &key, &Validation::new(Algorithm::HS256)).is_ok());
        fs::remove_file(&keys.file).unwrap();
    }
}
