//! Signing in and out, and one's own password, over HTTP.
//!
//! `POST /api/sign-in` answers with a cookie that no script reads; `GET /api/session` says whose it is
//! and what pages show beside it.

use std::fmt;
use std::net::IpAddr;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::header::{HeaderName, HeaderValue, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::caller::{Known, OwnPage, Visitor, cookie};
use super::http::{Desk, Failure};
use super::people::date;
use crate::account::oidc::Gate;
use crate::account::{AccountError, Accounts, Browser, Fresh};
use crate::store::StoreError;
use crate::store::labels::{Action, Person};

/// How people come in.
#[derive(Debug)]
pub struct Doors {
    /// Accounts at the site.
    pub accounts: Accounts,
    /// The site's identity provider.
    pub gate: Option<Gate>,
    /// Whether the server has TLS.
    pub secure: bool,
}

impl Doors {
    /// The cookie's name. With the prefix a browser takes it over TLS only, from this host only.
    pub(super) fn session_cookie(&self) -> &'static str {
        if self.secure { "__Host-insitu_session" } else { "insitu_session" }
    }

    /// Sets the cookie to a value, or takes it away.
    pub(super) fn set_cookie(&self, value: Option<&str>) -> Option<(HeaderName, HeaderValue)> {
        self.cookie(self.session_cookie(), value, "Strict", None)
    }

    /// Sets a cookie that no script reads to a value, or takes it away. The browser keeps it for so
    /// many seconds, or until it is closed.
    pub(super) fn cookie(
        &self,
        name: &str,
        value: Option<&str>,
        same_site: &str,
        seconds: Option<i64>,
    ) -> Option<(HeaderName, HeaderValue)> {
        let secure = if self.secure { "; Secure" } else { "" };
        let seconds = if value.is_some() { seconds } else { Some(0) };
        let age = seconds.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
        let value = value.unwrap_or_default();
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite={same_site}{secure}{age}");
        HeaderValue::try_from(text).ok().map(|text| (SET_COOKIE, text))
    }
}

/// The routes; merged with those of the review page.
pub(super) fn routes() -> Router<Desk> {
    Router::new()
        .route("/api/ways", get(ways))
        .route("/api/session", get(session))
        .route("/api/sign-in", post(sign_in))
        .route("/api/sign-out", post(sign_out))
        .route("/api/password", post(password))
        .merge(super::oidc::routes())
        .merge(super::manage::routes())
}

/// A secret that somebody typed. Wiped when dropped.
#[derive(Deserialize)]
#[serde(from = "String")]
pub(super) struct Typed(Zeroizing<String>);

impl From<String> for Typed {
    fn from(typed: String) -> Self {
        Self(Zeroizing::new(typed))
    }
}

impl Typed {
    pub(super) fn take(self) -> Zeroizing<String> {
        self.0
    }
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed")
    }
}

/// How one can sign in here: known to everybody, so that the page can offer it.
async fn ways(State(desk): State<Desk>) -> Json<Value> {
    Json(json!({"provider": desk.doors.gate.as_ref().map(Gate::title)}))
}

async fn session(State(desk): State<Desk>, known: Known) -> Result<Json<Value>, Failure> {
    desk.work(move |desk| report(desk, &known.person, known.browser.as_ref()).map(Json)).await
}

/// Who asks, as `/api/me` says it.
pub(super) fn who(desk: &Desk, person: &Person) -> Value {
    json!({
        "name": person.name, "role": person.role.name(), "site": desk.site,
        "reveals": person.role.may(Action::Reveal),
        "until": date(person.terms.until), "expert_until": date(person.terms.expert_until),
    })
}

/// Who is signed in, and until when.
fn report(desk: &Desk, person: &Person, browser: Option<&Browser>) -> Result<Value, Failure> {
    let password = desk.store.read("password", |tx| tx.password(person.person))?;
    let mut report = who(desk, person);
    report["page"] = json!(browser.map(|browser| browser.page_token.as_str()));
    report["idle_until"] = json!(date(browser.map(|browser| browser.idle_until)));
    report["ends_at"] = json!(date(browser.map(|browser| browser.until)));
    report["password"] = json!(password.is_some());
    Ok(report)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInBody {
    name: String,
    password: Typed,
}

async fn sign_in(
    State(desk): State<Desk>,
    OwnPage(peer): OwnPage,
    headers: HeaderMap,
    body: Result<Json<SignInBody>, JsonRejection>,
) -> Result<Response, Response> {
    let Json(SignInBody { name, password }) = body.map_err(refusal)?;
    let (accounts, now) = (&desk.doors.accounts, desk.clock.now());
    let signed_in = accounts.sign_in(&desk.store, name.trim(), password.take(), peer, now).await;
    let fresh = signed_in.map_err(told)?;
    let admitted = desk.work(move |desk| {
        leave(desk, &headers, now.as_second())?;
        admit(desk, &fresh)
    });
    admitted.await.map_err(refusal)
}

/// Signs out whoever the browser had before: its cookie is about to be replaced.
pub(super) fn leave(desk: &Desk, headers: &HeaderMap, now: i64) -> Result<(), StoreError> {
    let Some(cookie) = cookie(headers, desk.doors.session_cookie()) else { return Ok(()) };
    let browser = desk.doors.accounts.known(&desk.store, cookie, now)?;
    browser.map_or(Ok(()), |browser| browser.sign_out(&desk.store))
}

async fn sign_out(State(desk): State<Desk>, known: Known) -> Result<Response, Response> {
    if let Some(browser) = known.browser {
        desk.work(move |desk| Ok(browser.sign_out(&desk.store)?)).await.map_err(refusal)?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().extend(desk.doors.set_cookie(None));
    Ok(response)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    #[serde(default)]
    current: Option<Typed>,
    new: Typed,
}

/// Changes one's own password; all one's browsers are signed out, and this one is in again.
async fn password(
    State(desk): State<Desk>,
    Visitor(peer): Visitor,
    Known { person, browser }: Known,
    body: Result<Json<PasswordBody>, JsonRejection>,
) -> Result<Response, Response> {
    let Json(PasswordBody { current, new }) = body.map_err(refusal)?;
    let current = current.map_or_else(Zeroizing::default, Typed::take);
    let from: (IpAddr, Timestamp) = (peer, desk.clock.now());
    let accounts = &desk.doors.accounts;
    let changed = accounts.change_password(&desk.store, &person, current, new.take(), from).await;
    changed.map_err(told)?;
    let answered = desk.work(move |desk| {
        if browser.is_none() {
            return Ok(Json(report(desk, &person, None)?).into_response());
        }
        let (_, now) = from;
        admit(desk, &desk.doors.accounts.open(&desk.store, person, None, now.as_second())?)
    });
    answered.await.map_err(refusal)
}

/// Gives a browser its cookie.
fn admit(desk: &Desk, fresh: &Fresh) -> Result<Response, Failure> {
    let browser = &fresh.browser;
    let body = report(desk, &browser.person, Some(browser))?;
    let mut response = Json(body).into_response();
    response.headers_mut().extend(desk.doors.set_cookie(Some(&fresh.cookie)));
    Ok(response)
}

fn refusal(error: impl Into<Failure>) -> Response {
    error.into().into_response()
}

pub(super) fn told(error: AccountError) -> Response {
    let after = if let AccountError::Limited { after } = &error {
        Some(after.as_secs() + 1)
    } else {
        matches!(error, AccountError::Busy).then_some(1)
    };
    let mut response = Failure::from(error).into_response();
    response.headers_mut().extend(after.map(|after| (RETRY_AFTER, HeaderValue::from(after))));
    response
}

impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        let (status, hint) = match error {
            AccountError::Store(source) => return source.into(),
            AccountError::Wrong => {
                (StatusCode::UNAUTHORIZED, "an administrator can set a new password")
            }
            // Not 401: whoever changes a password is signed in, and stays so.
            AccountError::Current => (
                StatusCode::FORBIDDEN,
                "type the one that you signed in with; an administrator gives the first one",
            ),
            AccountError::Limited { .. } => (StatusCode::TOO_MANY_REQUESTS, "wait, then try again"),
            AccountError::Busy => (StatusCode::TOO_MANY_REQUESTS, "try again"),
            AccountError::Short { .. } | AccountError::Long => {
                (StatusCode::UNPROCESSABLE_ENTITY, "a few words are easy to remember")
            }
            AccountError::Role { .. } => (StatusCode::FORBIDDEN, "programs have tokens"),
            AccountError::Unknown { .. } => (StatusCode::NOT_FOUND, "look at the list"),
            AccountError::Randomness | AccountError::Hash => {
                tracing::error!(%error, "an account failed");
                (StatusCode::INTERNAL_SERVER_ERROR, "try again; the agent's log says why")
            }
        };
        Self { status, error: error.to_string(), hint }
    }
}

#[cfg(test)]
mod tests;
