//! ID tokens: their signature and what they must say (OpenID Connect Core 1.0, section 3.1.3.7).
//!
//! Two algorithms, each with keys of its own kind: a token cannot choose how it is checked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::{Map, Value};

/// Longest token, bytes.
const TOKEN_BYTES_MAX: usize = 64 * 1024;
/// Keys of a provider that are kept.
const KEYS_MAX: usize = 32;
/// Longest name of a subject, bytes; section 2 of the standard says so.
const SUBJECT_BYTES_MAX: usize = 255;
/// How far the provider's clock may be from this machine's.
const SKEW_SECONDS: i64 = 60;

/// Why a token says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// No JSON web signature in compact form.
    #[error("the ID token is malformed")]
    Malformed,
    /// An algorithm that is not taken: none, one with a shared secret, or an unusual one.
    #[error("the ID token's algorithm is neither RS256 nor ES256")]
    Algorithm,
    /// No such key.
    #[error("the ID token is signed with a key that the provider does not list")]
    Key,
    /// Another signature.
    #[error("the ID token's signature is wrong")]
    Signature,
    /// A claim that is missing or of another kind.
    #[error("the ID token has no usable claim {claim}")]
    Claim {
        /// Its name.
        claim: &'static str,
    },
    /// Another provider's.
    #[error("the ID token is another provider's")]
    Issuer,
    /// For another program.
    #[error("the ID token is meant for another program")]
    Audience,
    /// Of another sign-in.
    #[error("the ID token belongs to another sign-in")]
    Nonce,
    /// Over, or not yet.
    #[error("the ID token is not valid at this time")]
    Time,
}

/// What a token must say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    /// Now, Unix seconds.
    pub(super) now: i64,
}

/// A provider's public keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys(Vec<Key>);

#[derive(Clone, Debug)]
struct Key {
    id: Option<String>,
    public: Public,
}

#[derive(Clone, Debug)]
enum Public {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// Uncompressed point.
    P256(Vec<u8>),
}

impl Keys {
    /// The keys of a JWK set that sign and are of a known kind.
    pub(super) fn parse(set: &Value) -> Self {
        let all = set.get("keys").and_then(Value::as_array).into_iter().flatten();
        Self(all.filter_map(Key::parse).take(KEYS_MAX).collect())
    }
}

impl Key {
    fn parse(key: &Value) -> Option<Self> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let bytes = |name: &str| text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let is = |name: &str, wanted: &str| text(name).is_none_or(|got| got == wanted);
        if !is("use", "sig") {
            return None;
        }
        let public = match text("kty")? {
            "RSA" if is("alg", "RS256") => Public::Rsa { n: bytes("n")?, e: bytes("e")? },
            "EC" if is("alg", "ES256") && text("crv") == Some("P-256") => {
                Public::P256([&[4_u8][..], &bytes("x")?, &bytes("y")?].concat())
            }
            _ => return None,
        };
        Some(Self { id: text("kid").map(str::to_owned), public })
    }

    fn is_for(&self, algorithm: Algorithm) -> bool {
        match (&self.public, algorithm) {
            (Public::Rsa { .. }, Algorithm::Rs256) | (Public::P256(_), Algorithm::Es256) => true,
            (Public::Rsa { .. }, Algorithm::Es256) | (Public::P256(_), Algorithm::Rs256) => false,
        }
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.public {
            Public::Rsa { n, e } => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            Public::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message, signature)
                .is_ok(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Rs256,
    Es256,
}

/// The claims of a token that is signed by one of `keys` and says what is expected.
///
/// # Errors
/// [`TokenError`]; [`TokenError::Key`] may pass once the keys are fetched again.
pub(super) fn verify(
    token: &str,
    keys: &Keys,
    expected: &Expected<'_>,
) -> Result<Map<String, Value>, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Malformed);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
    let header = object(header)?;
    let algorithm = match header.get("alg").and_then(Value::as_str) {
        Some("RS256") => Algorithm::Rs256,
        Some("ES256") => Algorithm::Es256,
        _ => return Err(TokenError::Algorithm),
    };
    // What a header declares critical would have to be understood.
    if header.contains_key("crit") {
        return Err(TokenError::Malformed);
    }
    let id = header.get("kid").and_then(Value::as_str);
    let known = |key: &&Key| id.is_none_or(|id| key.id.as_deref().is_none_or(|own| own == id));
    let mut fitting = keys.0.iter().filter(|key| key.is_for(algorithm)).filter(known).peekable();
    if fitting.peek().is_none() {
        return Err(TokenError::Key);
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenError::Malformed)?;
    if !fitting.any(|key| key.verifies(message.as_bytes(), &signature)) {
        return Err(TokenError::Signature);
    }
    let claims = object(payload)?;
    check(&claims, expected)?;
    Ok(claims)
}

/// The token's subject: who it is about, for good.
pub(super) fn subject(claims: &Map<String, Value>) -> Result<&str, TokenError> {
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    let usable = !subject.is_empty() && subject.len() <= SUBJECT_BYTES_MAX && subject.is_ascii();
    usable.then_some(subject).ok_or(TokenError::Claim { claim: "sub" })
}

fn check(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), TokenError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err(TokenError::Issuer);
    }
    let audience: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => return Err(TokenError::Claim { claim: "aud" }),
    };
    let ours = text("azp").is_none_or(|party| party == expected.client_id);
    let alone = audience.len() == 1 || text("azp").is_some();
    if !audience.contains(&expected.client_id) || !ours || !alone {
        return Err(TokenError::Audience);
    }
    if text("nonce") != Some(expected.nonce) {
        return Err(TokenError::Nonce);
    }
    let time = |claim: &str| claims.get(claim).and_then(seconds);
    let ends = time("exp").ok_or(TokenError::Claim { claim: "exp" })?;
    let made = time("iat").ok_or(TokenError::Claim { claim: "iat" })?;
    let begins = time("nbf").unwrap_or(made).max(made);
    let (early, late) = (expected.now + SKEW_SECONDS, expected.now - SKEW_SECONDS);
    if ends <= late || begins > early {
        return Err(TokenError::Time);
    }
    subject(claims)?;
    Ok(())
}

/// Seconds, which some providers write with a fraction.
#[expect(clippy::cast_possible_truncation, reason = "saturates, and is then out of range")]
fn seconds(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
}

fn object(part: &str) -> Result<Map<String, Value>, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by another library (joserfc): its key and a token of it.
    const RS256: &str = include_str!("rs256.json");
    const EXPECTED: Expected<'_> =
        Expected { issuer: "https://id.example", client_id: "insitu", nonce: "n-0S6", now: 1500 };

    fn rs256() -> (Keys, String) {
        let made: Value = serde_json::from_str(RS256).unwrap();
        (Keys::parse(&made["keys"]), made["token"].as_str().unwrap().to_owned())
    }

    #[test]
    fn a_token_of_another_library_verifies_at_its_time() {
        let (keys, token) = rs256();
        let claims = verify(&token, &keys, &EXPECTED).unwrap();
        assert_eq!(subject(&claims).unwrap(), "248289761001");
        for (now, good) in [(900, false), (941, true), (2059, true), (2060, false)] {
            let verified = verify(&token, &keys, &Expected { now, ..EXPECTED });
            assert_eq!(verified.is_ok(), good, "at {now}");
        }
    }

    #[test]
    fn what_is_not_signed_as_it_stands_says_nothing() {
        let (keys, token) = rs256();
        let parts: Vec<&str> = token.split('.').collect();
        let header = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let check = |token: String, expected: TokenError| {
            assert_eq!(verify(&token, &keys, &EXPECTED).unwrap_err(), expected, "{token}");
        };
        let claims = r#"{"iss":"https://id.example","aud":"insitu","sub":"1"}"#;
        check(format!("{}.{}.{}", parts[0], header(claims), parts[2]), TokenError::Signature);
        let none = header(r#"{"alg":"none"}"#);
        check(format!("{none}.{}.", parts[1]), TokenError::Algorithm);
        let shared = header(r#"{"alg":"HS256","kid":"a"}"#);
        check(format!("{shared}.{}.{}", parts[1], parts[2]), TokenError::Algorithm);
        let crossed = header(r#"{"alg":"ES256","kid":"a"}"#);
        check(format!("{crossed}.{}.{}", parts[1], parts[2]), TokenError::Key);
        let unknown = header(r#"{"alg":"RS256","kid":"b"}"#);
        check(format!("{unknown}.{}.{}", parts[1], parts[2]), TokenError::Key);
        check(format!("{}.{}", parts[0], parts[1]), TokenError::Malformed);
        check("..".to_owned(), TokenError::Malformed);
        check("a".repeat(TOKEN_BYTES_MAX + 1), TokenError::Malformed);
    }

    #[test]
    fn only_keys_for_signatures_of_a_known_kind_are_kept() {
        let made: Value = serde_json::from_str(RS256).unwrap();
        let key = &made["keys"]["keys"][0];
        let with = |name: &str, value: &str| {
            let mut key = key.clone();
            key[name] = Value::from(value);
            key
        };
        let keys = [
            key.clone(),
            with("use", "enc"),
            with("alg", "RS512"),
            with("kty", "oct"),
            with("n", "not base64!"),
        ];
        assert_eq!(Keys::parse(&serde_json::json!({"keys": keys})).0.len(), 1);
        let many = vec![key.clone(); KEYS_MAX + 1];
        assert_eq!(Keys::parse(&serde_json::json!({"keys": many})).0.len(), KEYS_MAX);
    }
}
