//! The site's identity provider: OpenID Connect's code flow, with a proof key (RFC 7636).
//!
//! What a sign-in must remember while the browser is away is derived from a secret in the browser's
//! own cookie: state, nonce and proof key. The agent keeps nothing of a sign-in that is never ended, and
//! an answer counts only in the browser that asked.

mod provider;
mod token;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use insitu_daemon::files::FileError;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::change::{change_role, end_sign_ins};
use super::{AccountError, Accounts, Fresh, blocking, enter, is_name, nobodys_token};
use crate::config::{Oidc, PersonRole};
use crate::store::labels::{Person, Terms};
use crate::store::roles::Role;
use crate::store::trail::{Event, What, Who};
use crate::store::{Store, StoreError};

use provider::Provider;
pub use token::TokenError;

/// How long a person may take at the provider.
pub const FLOW_SECONDS_MAX: i64 = 600;
/// Conversations with the provider at a time.
const TALKS_MAX: usize = 4;
/// For how long somebody waits for one of these.
const PLACE_WITHIN: Duration = Duration::from_secs(5);
/// What is derived from the secret of a flow is derived for one use each.
const STATE: &str = "insitu agent 2026-11 state of a sign-in at a provider";
const NONCE: &str = "insitu agent 2026-11 nonce of a sign-in at a provider";
const PROOF: &str = "insitu agent 2026-11 proof key of a sign-in at a provider";

/// Why nobody came in by the provider.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OidcError {
    /// No provider is configured.
    #[error("this site has no identity provider")]
    None,
    /// The authorities, or the secret.
    #[error("a file of [api.oidc] cannot be read")]
    File(#[from] FileError),
    /// A secret that is no line of text.
    #[error("the secret in api.oidc.client_secret_file is not one line of printable ASCII")]
    Secret,
    /// No answer, or too many questions at a time.
    #[error("{what}: no answer from the identity provider")]
    Silent {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        source: Option<Box<ureq::Error>>,
    },
    /// Another answer than the standard has.
    #[error("{what}: the identity provider answered {status}, or not what the standard asks for")]
    Answer {
        /// What was asked for.
        what: &'static str,
        /// HTTP status.
        status: u16,
    },
    /// The answer to another question, an old one, or another browser's.
    #[error("the sign-in was begun in another browser, or too long ago")]
    Flow,
    /// The provider says no.
    #[error("the identity provider signed nobody in")]
    Denied,
    /// A token that says nothing.
    #[error("the identity provider's token is refused")]
    Token(#[from] TokenError),
    /// No group of the person's is listed.
    #[error("the person has no group that api.oidc.roles gives a role")]
    Role,
    /// Somebody else is known by the name.
    #[error("the person's name is taken here, or is none")]
    Name,
    /// The person's time is over.
    #[error("the person's time at this site is over")]
    Ended,
    /// An account failed.
    #[error("the account failed")]
    Account(#[from] AccountError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl OidcError {
    /// Whether somebody asked to come in and was told no, rather than that something failed.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Flow | Self::Denied | Self::Token(_) | Self::Role | Self::Name | Self::Ended => {
                true
            }
            Self::Account(error) => matches!(error, AccountError::Limited { .. }),
            Self::None
            | Self::File(_)
            | Self::Secret
            | Self::Silent { .. }
            | Self::Answer { .. }
            | Self::Store(_) => false,
        }
    }
}

/// The way in by the provider, if there is one.
#[derive(Debug)]
pub struct Gate {
    settings: Oidc,
    provider: Arc<Provider>,
    talks: Arc<Semaphore>,
}

/// A browser on its way to the provider.
pub struct Departure {
    /// Where it goes.
    pub url: String,
    /// What it takes along as a cookie, for [`FLOW_SECONDS_MAX`].
    pub cookie: Zeroizing<String>,
}

/// What the provider sends a browser back with.
#[derive(Clone)]
pub struct Return {
    /// The code that buys the token.
    pub code: Option<String>,
    /// What the browser was sent with.
    pub state: Option<String>,
    /// Who answers (RFC 9207); not every provider says so.
    pub issuer: Option<String>,
    /// That the provider refuses.
    pub is_error: bool,
}

impl std::fmt::Debug for Return {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Return")
    }
}

impl std::fmt::Debug for Departure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Departure")
    }
}

impl Gate {
    /// The provider's way in. Nobody is asked yet.
    ///
    /// # Errors
    /// [`OidcError::File`], [`OidcError::Secret`].
    pub fn new(settings: Oidc) -> Result<Self, OidcError> {
        let provider = Arc::new(Provider::new(&settings)?);
        Ok(Self { settings, provider, talks: Arc::new(Semaphore::new(TALKS_MAX)) })
    }

    /// What the page calls the provider.
    pub fn title(&self) -> &str {
        &self.settings.title
    }

    /// Sends a browser to the provider.
    ///
    /// # Errors
    /// [`OidcError::Silent`], [`OidcError::Answer`]; [`AccountError::Limited`].
    pub async fn depart(
        &self,
        accounts: &Accounts,
        peer: IpAddr,
        now: Timestamp,
    ) -> Result<Departure, OidcError> {
        accounts.attempt_from(peer, now)?;
        let now = now.as_second();
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut()).map_err(|_| AccountError::Randomness)?;
        let cookie = Zeroizing::new(format!("{}.{now}", hex::encode(secret.as_ref())));
        let flow = Flow::of(&cookie);
        let endpoint = self.talk(move |provider| provider.authorization_endpoint(now)).await?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(flow.proof.as_bytes()));
        let scope = ["openid"].into_iter().chain(self.settings.scopes.iter().map(String::as_str));
        let query: [(&str, &str); 8] = [
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &self.redirect()),
            ("scope", &scope.collect::<Vec<_>>().join(" ")),
            ("state", &flow.state),
            ("nonce", &flow.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let query: Vec<String> = query
            .iter()
            .map(|(key, value)| format!("{key}={}", provider::escaped(value)))
            .collect();
        let mark = if endpoint.contains('?') { '&' } else { '?' };
        Ok(Departure { url: format!("{endpoint}{mark}{}", query.join("&")), cookie })
    }

    /// Takes in a browser that comes back from the provider.
    ///
    /// # Errors
    /// [`OidcError`].
    pub async fn arrive(
        &self,
        accounts: &Accounts,
        store: &Arc<Store>,
        back: Return,
        cookie: Option<&str>,
        (peer, now): (IpAddr, Timestamp),
    ) -> Result<Fresh, OidcError> {
        accounts.attempt_from(peer, now)?;
        let second = now.as_second();
        let begun = cookie.and_then(|cookie| cookie.split_once('.')?.1.parse::<i64>().ok());
        let age = begun.and_then(|begun| second.checked_sub(begun));
        let in_time = age.is_some_and(|age| (0..=FLOW_SECONDS_MAX).contains(&age));
        let flow = cookie.filter(|_| in_time).map(Flow::of).ok_or(OidcError::Flow)?;
        // Compared as hashes: their equality takes the same time wherever they differ.
        let hash = |text: &str| blake3::hash(text.as_bytes());
        if back.state.is_none_or(|state| hash(&state) != hash(&flow.state)) {
            return Err(OidcError::Flow);
        }
        if back.issuer.is_some_and(|issuer| issuer != self.settings.issuer) {
            return Err(TokenError::Issuer.into());
        }
        let code = back.code.filter(|_| !back.is_error).ok_or(OidcError::Denied)?;
        let redirect = self.redirect();
        let claims = self
            .talk(move |provider| {
                let token = provider.buy(&code, &flow.proof, &redirect, second)?;
                provider.verify(&token, &flow.nonce, second)
            })
            .await?;
        let arrival = self.arrival(&claims)?;
        let admitted = blocking(store, move |store| {
            let person = admit(store, arrival, second);
            Ok(person.and_then(|person| Ok(enter(store, person, None, second)?)))
        });
        let (person, secret) = admitted.await??;
        Ok(accounts.fresh(person, &secret, second))
    }

    fn redirect(&self) -> String {
        format!("{}/api/oidc/callback", self.settings.page)
    }

    async fn talk<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Provider) -> Result<T, OidcError> + Send + 'static,
    ) -> Result<T, OidcError> {
        let busy = || OidcError::Silent { what: "sign-in", source: None };
        let place = timeout(PLACE_WITHIN, Arc::clone(&self.talks).acquire_owned()).await;
        let place = place.ok().and_then(Result::ok).ok_or_else(busy)?;
        let provider = Arc::clone(&self.provider);
        let talked = spawn_blocking(move || {
            let talked = f(&provider);
            drop(place);
            talked
        });
        talked.await.unwrap_or_else(|_| Err(busy()))
    }

    /// What a token says of whoever arrives.
    fn arrival(&self, claims: &Map<String, Value>) -> Result<Arrival, OidcError> {
        let name = claim(claims, &self.settings.name_claim).and_then(Value::as_str);
        Ok(Arrival {
            issuer: self.settings.issuer.clone(),
            subject: token::subject(claims)?.to_owned(),
            role: self.role(claims),
            name: name.map(str::to_owned),
        })
    }

    fn role(&self, claims: &Map<String, Value>) -> Option<Role> {
        let groups = claim(claims, &self.settings.role_claim);
        let groups: Vec<&str> = match groups {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let fits = self.settings.roles.iter().find(|entry| groups.contains(&entry.group.as_str()));
        fits.map(|entry| match entry.role {
            PersonRole::Annotator => Role::Annotator,
            PersonRole::Expert => Role::Expert,
            PersonRole::Lead => Role::Lead,
            PersonRole::Steward => Role::Steward,
            PersonRole::Admin => Role::Admin,
        })
    }
}

/// Who arrives, by the provider's word.
struct Arrival {
    issuer: String,
    subject: String,
    role: Option<Role>,
    name: Option<String>,
}

/// The person whom a token is about: known by issuer and subject, new at the first time. The
/// provider's word on the role counts each time.
fn admit(store: &Store, arrival: Arrival, now: i64) -> Result<Person, OidcError> {
    let Arrival { issuer, subject, role, name } = arrival;
    let nobody = nobodys_token()?;
    let provider = || Who::provider(&issuer);
    store
        .tx("admit person", |tx| {
            let known = tx.person_by_identity(&issuer, &subject)?;
            let Some(role) = role else {
                // Who lost the role is signed out everywhere else, too: that has to be kept.
                return Ok::<_, OidcError>(match known {
                    Some(person) => end_sign_ins(tx, Some(provider()), &person).map(|_| None)?,
                    None => None,
                });
            };
            if let Some(mut person) = known {
                if person.ended(now).is_some() {
                    return Err(OidcError::Ended);
                }
                if person.role != role {
                    change_role(tx, Some(provider()), &person, role)?;
                    person.role = role;
                }
                return Ok(Some(person));
            }
            let name = name
                .as_deref()
                .map(str::trim)
                .filter(|name| is_name(name))
                .ok_or(OidcError::Name)?;
            let added = tx.add_person(name, role, Terms::default(), &nobody, now)?;
            let person = added.ok_or(OidcError::Name)?;
            tx.add_identity(&issuer, &subject, person)?;
            let detail = json!({"name": name, "role": role.name()});
            tx.note(&Event::new(What::PersonAdded).by(provider()).with(detail))?;
            Ok(Some(Person { person, name: name.to_owned(), role, terms: Terms::default() }))
        })?
        .ok_or(OidcError::Role)
}

/// What belongs to one sign-in.
struct Flow {
    state: String,
    nonce: String,
    proof: Zeroizing<String>,
}

impl Flow {
    fn of(cookie: &str) -> Self {
        let derive =
            |context| URL_SAFE_NO_PAD.encode(blake3::derive_key(context, cookie.as_bytes()));
        Self { state: derive(STATE), nonce: derive(NONCE), proof: Zeroizing::new(derive(PROOF)) }
    }
}

/// A claim by its name; of a nested one the names on its way, with dots between.
fn claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let mut path = name.split('.');
    let first = claims.get(path.next()?)?;
    path.try_fold(first, |value, part| value.get(part))
}
