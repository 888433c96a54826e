//! Who a request comes from: a bearer token, or the cookie of a browser that is signed in.
//!
//! A browser sends its cookie with whatever any page asks. A request that changes something therefore
//! has to come from a page of this agent (`Origin`, `Sec-Fetch-Site`), and to show what only a page of
//! the same sign-in knows ([`PAGE_TOKEN`]). Bearer tokens are sent by nobody unasked and need neither.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use insitu_daemon::http::Peer;

use super::SignInError;
use super::http::{Desk, Failure};
use crate::account::Browser;
use crate::store::labels::Person;

/// The header in which a page shows that it belongs to a sign-in.
pub(super) const PAGE_TOKEN: &str = "x-insitu-page";

/// Whoever is signed in.
pub(crate) struct Caller(pub(crate) Person);

/// Whoever is signed in, and in which browser unless it was by a token.
pub(super) struct Known {
    pub(super) person: Person,
    pub(super) browser: Option<Browser>,
}

/// Where a request comes from.
pub(super) struct Visitor(pub(super) IpAddr);

/// A page of this agent, whoever looks at it; and where it is looked at.
pub(super) struct OwnPage(pub(super) IpAddr);

impl<S: Sync> FromRequestParts<S> for Caller
where
    Desk: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        Known::from_request_parts(parts, state).await.map(|known| Self(known.person))
    }
}

impl<S: Sync> FromRequestParts<S> for Known
where
    Desk: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let (headers, method) = (parts.headers.clone(), parts.method.clone());
        let known = move |desk: &Desk| match headers.get(header::AUTHORIZATION) {
            Some(shown) => {
                let token = shown.to_str().ok().and_then(|shown| shown.strip_prefix("Bearer "));
                by_token(desk, token)
            }
            None => by_cookie(desk, &headers, &method),
        };
        Desk::from_ref(state).work(known).await
    }
}

impl FromRequestParts<Desk> for OwnPage {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Failure> {
        if !is_own_page(&parts.headers, desk.doors.secure) {
            return Err(foreign_page());
        }
        let Visitor(peer) = Visitor::from_request_parts(parts, desk).await?;
        Ok(Self(peer))
    }
}

impl FromRequestParts<Desk> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Desk) -> Result<Self, Failure> {
        // Without a peer there is no network in between: a test's server.
        let peer = parts.extensions.get().copied().unwrap_or(Peer(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        Ok(Self(peer.0))
    }
}

fn by_token(desk: &Desk, token: Option<&str>) -> Result<Known, Failure> {
    let signed_in = match token {
        Some(token) => super::sign_in(&desk.store, token, desk.clock.now().as_second()),
        None => Err(SignInError::Unknown),
    };
    signed_in.map(|person| Known { person, browser: None }).map_err(|error| match error {
        SignInError::Store(source) => source.into(),
        SignInError::Unknown => not_signed_in("no valid token".to_owned()),
        SignInError::Ended { .. } => not_signed_in(error.to_string()),
    })
}

fn by_cookie(desk: &Desk, headers: &HeaderMap, method: &Method) -> Result<Known, Failure> {
    let cookie = cookie(headers, desk.doors.session_cookie());
    let cookie = cookie.ok_or_else(|| not_signed_in("nobody is signed in".to_owned()))?;
    let changes = !matches!(*method, Method::GET | Method::HEAD);
    // Asking leases items, too. What no page asks for, such as an address that was typed, is `none`.
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return Err(foreign_page());
    }
    if changes && !is_own_page(headers, desk.doors.secure) {
        return Err(foreign_page());
    }
    let now = desk.clock.now().as_second();
    let browser = desk.doors.accounts.known(&desk.store, cookie, now)?;
    let browser = browser.ok_or_else(|| not_signed_in("you are signed out".to_owned()))?;
    match headers.get(PAGE_TOKEN) {
        // Two tabs, two people: what one of them left open is not the other's.
        Some(shown) if !browser.is_page(shown.to_str().unwrap_or_default()) => {
            return Err(not_signed_in("this page belongs to another sign-in".to_owned()));
        }
        None if changes => return Err(foreign_page()),
        Some(_) | None => {}
    }
    Ok(Known { person: browser.person.clone(), browser: Some(browser) })
}

/// The one cookie of this name. Of two, nobody can say which is ours.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut found = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter_map(|(key, value)| (key == name).then_some(value));
    let first = found.next();
    first.filter(|_| found.next().is_none())
}

/// Whether a request comes from a page of the host that it asks. Browsers say so in at least one of
/// two headers; what says neither is no browser, and has a token.
fn is_own_page(headers: &HeaderMap, secure: bool) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (origin, site) = (text("origin"), text("sec-fetch-site"));
    if origin.is_none() && site.is_none() {
        return false;
    }
    if site.is_some_and(|site| site != "same-origin") {
        return false;
    }
    origin.is_none_or(|origin| {
        let host = match origin.split_once("://") {
            Some(("https", host)) => Some(host),
            // A proxy with TLS on this machine asks without.
            Some(("http", host)) if !secure => Some(host),
            Some(_) | None => None,
        };
        host.is_some_and(|host| text("host").is_some_and(|own| own.eq_ignore_ascii_case(host)))
    })
}

fn not_signed_in(error: String) -> Failure {
    Failure {
        status: StatusCode::UNAUTHORIZED,
        error,
        hint: "sign in on the page; programs send Authorization: Bearer TOKEN, which \
               `insitu-agent person add` makes",
    }
}

fn foreign_page() -> Failure {
    Failure {
        status: StatusCode::FORBIDDEN,
        error: "the request does not come from a page of this agent".to_owned(),
        hint: "load the page again from the agent's own address",
    }
}
