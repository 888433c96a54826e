//! Signing in at the site's identity provider, over HTTP: the browser goes there and comes back.
//!
//! Both answers are redirects. Whoever does not come in is sent to the sign-in page with one word about
//! why; the agent's log has the rest.

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::{HeaderName, HeaderValue, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::caller::{Visitor, cookie};
use super::http::Desk;
use super::sign_in::leave;
use crate::account::AccountError;
use crate::account::oidc::{FLOW_SECONDS_MAX, OidcError, Return};
use crate::store::explain;

pub(super) fn routes() -> Router<Desk> {
    Router::new().route("/api/oidc/start", get(start)).route("/api/oidc/callback", get(callback))
}

async fn start(State(desk): State<Desk>, Visitor(peer): Visitor) -> Response {
    let doors = &desk.doors;
    let departed = async {
        let gate = doors.gate.as_ref().ok_or(OidcError::None)?;
        gate.depart(&doors.accounts, peer, desk.clock.now()).await
    };
    match departed.await {
        Ok(departure) => redirect(&departure.url, [flow_cookie(&desk, Some(&departure.cookie))]),
        Err(error) => refused(&error, None),
    }
}

#[derive(Deserialize)]
struct Answer {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

async fn callback(
    State(desk): State<Desk>,
    Query(query): Query<Answer>,
    Visitor(peer): Visitor,
    headers: HeaderMap,
) -> Response {
    let doors = &desk.doors;
    let Answer { code, state, iss: issuer, error } = query;
    let back = Return { code, state, issuer, is_error: error.is_some() };
    let flow = cookie(&headers, flow_name(&desk));
    let arrived = async {
        let gate = doors.gate.as_ref().ok_or(OidcError::None)?;
        gate.arrive(&doors.accounts, &desk.store, back, flow, (peer, desk.clock.now())).await
    };
    let arrived = arrived.await;
    let result = if arrived.is_ok() { "signed_in" } else { "refused" };
    metrics::counter!("insitu_agent_oidc_sign_ins_total", "result" => result).increment(1);
    // Whatever came of it, the same answer opens nothing a second time.
    let over = flow_cookie(&desk, None);
    let left = match arrived {
        Ok(fresh) => {
            let now = desk.clock.now().as_second();
            match desk.work(move |desk| Ok(leave(desk, &headers, now))).await {
                Ok(left) => left.map(|()| fresh).map_err(OidcError::Store),
                Err(failure) => return failure.into_response(),
            }
        }
        Err(error) => Err(error),
    };
    match left {
        Ok(fresh) => {
            redirect("/sign-in.html#entered", [over, doors.set_cookie(Some(&fresh.cookie))])
        }
        Err(error) => {
            if error.is_refusal() {
                doors.accounts.count_refusal_by_provider();
            }
            refused(&error, over)
        }
    }
}

/// The name of the cookie that a browser has while it is away.
fn flow_name(desk: &Desk) -> &'static str {
    if desk.doors.secure { "__Host-insitu_oidc" } else { "insitu_oidc" }
}

/// `Lax`: it has to come along when the provider sends the browser back.
fn flow_cookie(desk: &Desk, value: Option<&str>) -> Option<(HeaderName, HeaderValue)> {
    desk.doors.cookie(flow_name(desk), value, "Lax", Some(FLOW_SECONDS_MAX))
}

/// To the sign-in page, with a word that it knows.
fn refused(error: &OidcError, cookie: Option<(HeaderName, HeaderValue)>) -> Response {
    let word = match error {
        OidcError::Flow => "again",
        OidcError::Denied | OidcError::Token(_) => "denied",
        // A code that was sold before, or that another sign-in was given.
        OidcError::Answer { what: "token", status: 400..500 } => "denied",
        OidcError::Role => "role",
        OidcError::Name => "name",
        OidcError::Ended => "ended",
        OidcError::None
        | OidcError::File(_)
        | OidcError::Secret
        | OidcError::Silent { .. }
        | OidcError::Answer { .. }
        | OidcError::Store(_) => "away",
        OidcError::Account(AccountError::Limited { .. }) => "busy",
        OidcError::Account(_) => "away",
    };
    // What anybody can cause by asking fills no log.
    if matches!(word, "again" | "denied" | "busy") {
        tracing::debug!(error = explain(error), "nobody came in by the identity provider");
    } else {
        tracing::warn!(error = explain(error), "nobody came in by the identity provider");
    }
    redirect(&format!("/sign-in.html?refused={word}"), [cookie])
}

fn redirect(
    to: &str,
    headers: impl IntoIterator<Item = Option<(HeaderName, HeaderValue)>>,
) -> Response {
    let to = HeaderValue::try_from(to).map(|to| (LOCATION, to)).ok();
    let mut response = StatusCode::SEE_OTHER.into_response();
    for (name, value) in headers.into_iter().chain([to]).flatten() {
        response.headers_mut().append(name, value);
    }
    response
}
