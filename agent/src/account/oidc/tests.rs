//! The whole way over a small provider that can be told to lie.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

use super::*;
use crate::account::set_password;
use crate::config::{GroupRole, SignInTimes};
use crate::store::tests::{self, scratch};
use crate::store::trail::Filter;
use crate::testing::{self, Served};

const NOW: i64 = 1_800_000_000;

/// A provider, and what it lies about.
struct Liar {
    key: EcdsaKeyPair,
    /// Signs when the token is to be forged.
    other: EcdsaKeyPair,
    lies: Mutex<Lies>,
}

#[derive(Clone, Default)]
struct Lies {
    issuer: String,
    /// By code: proof key's hash and nonce.
    codes: BTreeMap<String, (String, String)>,
    /// Instead of the true claims; null ones are left out.
    claims: Map<String, Value>,
    /// Instead of ES256.
    algorithm: Option<&'static str>,
    forged: bool,
    /// What discovery says, where not the truth.
    discovered: Option<&'static str>,
    broken: bool,
}

impl Liar {
    fn lies(&self) -> std::sync::MutexGuard<'_, Lies> {
        self.lies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn token(&self, nonce: &str) -> String {
        let lies = self.lies().clone();
        let mut claims = json!({
            "iss": lies.issuer, "aud": "insitu", "sub": "s-1", "iat": NOW, "exp": NOW + 300,
            "nonce": nonce, "preferred_username": "ada", "groups": ["staff", "annotators"],
        });
        for (name, value) in lies.claims {
            claims[name.as_str()] = value;
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let algorithm = lies.algorithm.unwrap_or("ES256");
        let message = format!("{}.{}", part(&json!({"alg": algorithm, "kid": "k"})), part(&claims));
        if algorithm == "none" {
            return format!("{message}.");
        }
        let key = if lies.forged { &self.other } else { &self.key };
        let signature = key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

async fn discovery(State(liar): State<Arc<Liar>>) -> Result<Json<Value>, StatusCode> {
    let lies = liar.lies().clone();
    if lies.broken {
        return Err(StatusCode::BAD_GATEWAY);
    }
    let issuer = lies.issuer;
    Ok(Json(json!({
        "issuer": lies.discovered.map_or_else(|| issuer.clone(), str::to_owned),
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
    })))
}

async fn keys(State(liar): State<Arc<Liar>>) -> Json<Value> {
    let point = liar.key.public_key().as_ref();
    let (x, y) = point[1..].split_at(32);
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let key = json!({"kty": "EC", "crv": "P-256", "kid": "k", "x": text(x), "y": text(y)});
    Json(json!({"keys": [key]}))
}

/// A code buys a token once, and only with its proof key.
async fn sell(State(liar): State<Arc<Liar>>, form: String) -> Result<Json<Value>, StatusCode> {
    let field = |name: &str| {
        let found = form.split('&').filter_map(|pair| pair.split_once('='));
        found.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    };
    let code = field("code").and_then(|code| liar.lies().codes.remove(&code));
    let (challenge, nonce) = code.ok_or(StatusCode::BAD_REQUEST)?;
    let proof = field("code_verifier").unwrap_or_default();
    if URL_SAFE_NO_PAD.encode(Sha256::digest(proof)) != challenge {
        return Err(StatusCode::BAD_REQUEST);
    }
    Ok(Json(json!({"access_token": "a", "token_type": "Bearer", "id_token": liar.token(&nonce)})))
}

/// A store that is also used off the runtime's threads.
struct Scratch {
    store: Arc<Store>,
    _folder: tempfile::TempDir,
}

struct Site {
    scratch: Scratch,
    accounts: Accounts,
    gate: Gate,
    liar: Arc<Liar>,
    _served: Served,
}

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

impl Site {
    async fn start() -> Self {
        let random = SystemRandom::new();
        let key = || {
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap()
        };
        let liar = Arc::new(Liar { key: key(), other: key(), lies: Mutex::default() });
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/token", post(sell))
            .with_state(Arc::clone(&liar));
        let served = Served::start(app).await;
        let issuer = format!("http://{}", served.address());
        liar.lies().issuer.clone_from(&issuer);
        let role = |group: &str, role| GroupRole { group: group.to_owned(), role };
        let settings = Oidc {
            issuer,
            client_id: "insitu".to_owned(),
            client_secret_file: None,
            page: "https://label.hospital.example".to_owned(),
            title: "Hospital".to_owned(),
            scopes: vec!["profile".to_owned()],
            name_claim: "preferred_username".to_owned(),
            role_claim: "groups".to_owned(),
            roles: vec![role("leads", PersonRole::Lead), role("annotators", PersonRole::Annotator)],
            ca_file: "nowhere".into(),
        };
        let gate = Gate::new(settings).unwrap();
        let accounts = Accounts::new(SignInTimes::default());
        let tests::Scratch { store, folder } = scratch();
        let scratch = Scratch { store: Arc::new(store), _folder: folder };
        Self { scratch, accounts, gate, liar, _served: served }
    }

    /// Sends a browser away, and gives its cookie and what the provider sends it back with.
    async fn depart(&self) -> (Zeroizing<String>, Return) {
        let departure = self.gate.depart(&self.accounts, PEER, at(NOW)).await.unwrap();
        let query = departure.url.split_once('?').unwrap().1;
        let query: BTreeMap<&str, &str> =
            query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        assert_eq!(query["response_type"], "code");
        assert_eq!(query["code_challenge_method"], "S256");
        assert_eq!(query["scope"], "openid%20profile");
        assert_eq!(
            query["redirect_uri"],
            "https%3A%2F%2Flabel.hospital.example%2Fapi%2Foidc%2Fcallback"
        );
        let code = format!("code-{}", query["state"]);
        let bound = (query["code_challenge"].to_owned(), query["nonce"].to_owned());
        self.liar.lies().codes.insert(code.clone(), bound);
        let state = Some(query["state"].to_owned());
        (departure.cookie, Return { code: Some(code), state, issuer: None, is_error: false })
    }

    async fn arrive(&self, cookie: &str, back: Return, second: i64) -> Result<Fresh, OidcError> {
        let store = &self.scratch.store;
        self.gate.arrive(&self.accounts, store, back, Some(cookie), (PEER, at(second))).await
    }

    /// The whole way, with these claims in place of the true ones.
    async fn walk(&self, claims: Value) -> Result<Fresh, OidcError> {
        self.liar.lies().claims = claims.as_object().unwrap().clone();
        let (cookie, back) = self.depart().await;
        self.arrive(&cookie, back, NOW).await
    }

    fn people(&self) -> Vec<String> {
        let people = self.scratch.store.read("test", |tx| tx.people()).unwrap();
        people.into_iter().map(|person| person.name).collect()
    }
}

#[tokio::test]
async fn a_person_comes_in_and_is_known_by_the_subject_from_then_on() {
    let site = Site::start().await;
    let fresh = site.walk(json!({})).await.unwrap();
    assert_eq!(
        (fresh.browser.person.name.as_str(), fresh.browser.person.role),
        ("ada", Role::Annotator)
    );
    let known = site.accounts.known(&site.scratch.store, &fresh.cookie, NOW).unwrap();
    assert!(known.is_some(), "the same kind of sign-in as with a password");

    // Another name at the provider is the same person; the role is the provider's each time.
    let again =
        site.walk(json!({"preferred_username": "countess", "groups": "leads"})).await.unwrap();
    assert_eq!(
        (again.browser.person.name.as_str(), again.browser.person.role),
        ("ada", Role::Lead)
    );
    let first = site.accounts.known(&site.scratch.store, &fresh.cookie, NOW).unwrap();
    assert!(first.is_none(), "signed out when the role changed");

    let without = site.walk(json!({"groups": ["staff"]})).await;
    assert!(matches!(without, Err(OidcError::Role)), "{without:?}");
    let second = site.accounts.known(&site.scratch.store, &again.cookie, NOW).unwrap();
    assert!(second.is_none(), "signed out when the role was lost");
    assert_eq!(site.people(), ["ada"]);
    site.walk(json!({"groups": ["staff"]})).await.unwrap_err();

    let filter = Filter { who: Some("provider".to_owned()), ..Filter::default() };
    let events = site.scratch.store.read("test", |tx| tx.events(&filter, 0, 100)).unwrap();
    let issuer = site.liar.lies().issuer.clone();
    assert!(events.iter().all(|event| event.who == issuer), "{events:?}");
    let done: Vec<_> = events.into_iter().map(|event| (event.what, event.detail)).collect();
    let expected = [
        ("person-added", json!({"name": "ada", "role": "annotator"})),
        ("person-changed", json!({"name": "ada", "role": "lead"})),
        ("signed-out", json!({"name": "ada", "browsers": 1})),
    ];
    let expected = expected.map(|(what, detail)| (what.to_owned(), detail.to_string()));
    assert_eq!(done, expected, "each change once");
}

#[tokio::test]
async fn a_name_that_is_taken_is_not_taken_over() {
    let site = Site::start().await;
    testing::person(&site.scratch.store, "ada", Role::Steward);
    set_password(&site.scratch.store, "ada", "correct horse battery", 0).unwrap();
    for name in [json!("ada"), json!(" ada "), json!(""), json!("a\nb"), json!(7), Value::Null] {
        let taken = site.walk(json!({"preferred_username": name})).await;
        assert!(matches!(taken, Err(OidcError::Name)), "{name}: {taken:?}");
    }
    site.walk(json!({"preferred_username": "ada.l"})).await.unwrap();
    crate::account::remove(&site.scratch.store, None, "ada.l", NOW).unwrap();
    let ended = site.walk(json!({"preferred_username": "ada.m"})).await;
    assert!(matches!(ended, Err(OidcError::Ended)), "removed people do not come back: {ended:?}");
    assert_eq!(site.people(), ["ada", "ada.l"]);
}

#[tokio::test]
async fn a_token_that_lies_brings_nobody_in() {
    let site = Site::start().await;
    let lies = [
        (json!({"nonce": "another"}), TokenError::Nonce),
        (json!({"nonce": null}), TokenError::Nonce),
        (json!({"iss": "https://evil.example"}), TokenError::Issuer),
        (json!({"aud": "another"}), TokenError::Audience),
        (json!({"aud": ["insitu", "another"]}), TokenError::Audience),
        (json!({"azp": "another"}), TokenError::Audience),
        (json!({"aud": null}), TokenError::Claim { claim: "aud" }),
        (json!({"exp": NOW - 61}), TokenError::Time),
        (json!({"exp": null}), TokenError::Claim { claim: "exp" }),
        (json!({"iat": NOW + 61}), TokenError::Time),
        (json!({"nbf": NOW + 61}), TokenError::Time),
        (json!({"sub": ""}), TokenError::Claim { claim: "sub" }),
        (json!({"sub": "s".repeat(256)}), TokenError::Claim { claim: "sub" }),
    ];
    for (claims, expected) in lies {
        let refused = site.walk(claims.clone()).await;
        let Err(OidcError::Token(error)) = refused else { panic!("{claims}: {refused:?}") };
        assert_eq!(error, expected, "{claims}");
    }
    for algorithm in ["none", "HS256", "ES384"] {
        site.liar.lies().algorithm = Some(algorithm);
        let refused = site.walk(json!({})).await;
        assert!(matches!(refused, Err(OidcError::Token(TokenError::Algorithm))), "{algorithm}");
    }
    site.liar.lies().algorithm = None;
    site.liar.lies().forged = true;
    let refused = site.walk(json!({})).await;
    assert!(matches!(refused, Err(OidcError::Token(TokenError::Signature))), "{refused:?}");
    assert_eq!(site.people(), Vec::<String>::new());
    site.liar.lies().forged = false;
    site.walk(json!({"aud": ["insitu", "another"], "azp": "insitu"})).await.unwrap();
}

#[tokio::test]
async fn an_answer_counts_once_in_the_browser_that_asked_and_in_time() {
    let site = Site::start().await;
    let (cookie, back) = site.depart().await;
    let (other, _) = site.depart().await;
    let flow = |refused: Result<Fresh, OidcError>| {
        assert!(matches!(refused, Err(OidcError::Flow)), "{refused:?}");
    };
    flow(site.arrive(&other, back.clone(), NOW).await);
    flow(site.arrive("", back.clone(), NOW).await);
    flow(site.arrive(&cookie, Return { state: None, ..back.clone() }, NOW).await);
    let mixed = Return { issuer: Some("https://evil.example".to_owned()), ..back.clone() };
    let mixed = site.arrive(&cookie, mixed, NOW).await;
    assert!(matches!(mixed, Err(OidcError::Token(TokenError::Issuer))), "{mixed:?}");
    let denied = Return { is_error: true, ..back.clone() };
    assert!(matches!(site.arrive(&cookie, denied, NOW).await, Err(OidcError::Denied)));

    site.arrive(&cookie, back.clone(), NOW).await.unwrap();
    let replayed = site.arrive(&cookie, back.clone(), NOW).await;
    assert!(
        matches!(replayed, Err(OidcError::Answer { what: "token", status: 400 })),
        "{replayed:?}"
    );
    flow(site.arrive(&cookie, back.clone(), NOW + FLOW_SECONDS_MAX + 1).await);
    let renewed = format!("{}.{}", cookie.split_once('.').unwrap().0, NOW + FLOW_SECONDS_MAX);
    flow(site.arrive(&renewed, back.clone(), NOW + FLOW_SECONDS_MAX + 1).await);
}

#[tokio::test]
async fn a_code_of_another_sign_in_buys_nothing() {
    let site = Site::start().await;
    let (_, stolen) = site.depart().await;
    let (cookie, back) = site.depart().await;
    let injected = Return { code: stolen.code, ..back };
    let refused = site.arrive(&cookie, injected, NOW).await;
    assert!(matches!(refused, Err(OidcError::Answer { what: "token", .. })), "{refused:?}");
}

#[tokio::test]
async fn a_provider_that_is_away_or_another_is_said_to_be() {
    let site = Site::start().await;
    site.liar.lies().discovered = Some("https://evil.example");
    let refused = site.gate.depart(&site.accounts, PEER, at(NOW)).await;
    assert!(matches!(refused, Err(OidcError::Token(TokenError::Issuer))), "{refused:?}");
    site.liar.lies().discovered = None;
    site.liar.lies().broken = true;
    let refused = site.gate.depart(&site.accounts, PEER, at(NOW)).await;
    assert!(matches!(refused, Err(OidcError::Answer { what: "discovery", status: 502 })));
    site.liar.lies().broken = false;
    site.walk(json!({})).await.unwrap();
    // What it said of itself is believed for a while, so that it need not be there.
    site.liar.lies().broken = true;
    site.walk(json!({})).await.unwrap();
}

#[test]
fn claims_are_found_by_name_or_by_path() {
    let claims = json!({"groups": ["a"], "realm": {"roles": ["b"]}, "x.y": "dotted"});
    let claims = claims.as_object().unwrap();
    assert_eq!(claim(claims, "groups"), Some(&json!(["a"])));
    assert_eq!(claim(claims, "realm.roles"), Some(&json!(["b"])));
    assert_eq!(claim(claims, "x.y"), Some(&json!("dotted")));
    assert_eq!(claim(claims, "realm.none"), None);
}
