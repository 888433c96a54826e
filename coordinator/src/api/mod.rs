//! What others ask: agents over the link ([`link`]), people and programs over HTTP.
//!
//! HTTP is read-only and built from the very reports that the commands print. It listens on
//! loopback and has no accounts.

pub mod link;
pub mod overview;
pub mod presence;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use insitu_daemon::authority::Authority;
use insitu_daemon::clock::Clock;
use insitu_models::sign::SigningKey;
use insitu_protocol::ids::SiteName;
use rust_embed::RustEmbed;
use serde_json::json;
use tokio::sync::Notify;

use crate::config::Config;
use crate::jobs::Bench;
use crate::registry::Registry;
use crate::session::desk::Sessions;
use crate::store::Store;
use overview::DriftCache;
use presence::Presence;

/// Everything an open coordinator works with.
#[derive(Debug)]
pub struct Office {
    /// The configuration.
    pub config: Config,
    /// The store.
    pub store: Store,
    /// The secure aggregations in memory.
    pub sessions: Sessions,
    /// Where bundles are kept.
    pub registry: Registry,
    /// Who certifies members.
    pub authority: Authority,
    /// What signs bundles.
    pub key: SigningKey,
    /// The date.
    pub clock: Arc<dyn Clock>,
    /// Told when something came that a job may wait for: a round closes with its last update, not
    /// at the next tick.
    pub arrived: Notify,
}

impl Office {
    /// The date, Unix seconds.
    pub fn now_unix_s(&self) -> i64 {
        self.clock.now().as_second()
    }

    /// What the jobs work with.
    pub fn bench(&self) -> Bench<'_> {
        Bench { store: &self.store, registry: &self.registry, key: &self.key }
    }
}

/// The dashboard, built by `coordinator/ui`.
#[derive(RustEmbed)]
#[folder = "ui/dist"]
struct Page;

/// The OpenAPI document.
const OPENAPI: &str = include_str!("openapi.json");

#[derive(Clone)]
struct Desk {
    office: Arc<Office>,
    presence: Arc<Presence>,
    drift: Arc<DriftCache>,
}

/// The routes of the dashboard and the API.
pub fn router(office: Arc<Office>, presence: Arc<Presence>) -> Router {
    Router::new()
        .route("/api/overview", get(overview_now))
        .route(
            "/openapi.json",
            get(async || ([(header::CONTENT_TYPE, "application/json")], OPENAPI)),
        )
        .route("/", get(async || file("index.html")))
        .route("/{*path}", get(async |Path(path): Path<String>| file(&path)))
        .with_state(Desk { office, presence, drift: Arc::default() })
}

async fn overview_now(State(desk): State<Desk>) -> Response {
    let built = tokio::task::spawn_blocking(move || {
        overview::build(&desk.office, &desk.presence, &desk.drift)
    });
    match built.await {
        Ok(Ok(overview)) => Json(overview).into_response(),
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "no overview");
            failed()
        }
        Err(panic) => {
            tracing::error!(%panic, "no overview");
            failed()
        }
    }
}

fn failed() -> Response {
    let body =
        json!({"error": "the overview cannot be read", "hint": "the coordinator's log says why"});
    (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
}

fn file(path: &str) -> Response {
    match Page::get(path) {
        Some(file) => {
            let kind = file.metadata.mimetype().to_owned();
            ([(header::CONTENT_TYPE, kind)], file.data).into_response()
        }
        None => {
            let body = json!({"error": "there is no such page", "hint": "GET /openapi.json"});
            (StatusCode::NOT_FOUND, Json(body)).into_response()
        }
    }
}

/// The site that others are compared with when nobody says which.
fn reference<'a>(config: &'a Config, sites: &'a [SiteName]) -> Option<&'a SiteName> {
    config.http.reference.as_ref().or_else(|| sites.first())
}

#[cfg(test)]
mod tests;
