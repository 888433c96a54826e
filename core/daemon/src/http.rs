//! The local HTTP server of both programs: bounded, strict, for one machine.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;

use crate::shutdown::Shutdown;
use crate::telemetry::Metrics;

/// What the server allows.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Longest request body, in bytes.
    pub body_bytes_max: usize,
    /// Connections at a time.
    pub connections_max: usize,
    /// For a request's head, and between two requests of a connection.
    pub head: Duration,
    /// For a response, from the end of the request's head.
    pub respond: Duration,
    /// For requests in flight, at shutdown.
    pub drain: Duration,
    /// Names under which the server may be called, beside its own address: what a reverse proxy
    /// sends as `Host`. Without a port, lower case.
    pub hosts: Vec<String>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            body_bytes_max: 1024 * 1024,
            connections_max: 128,
            head: Duration::from_secs(10),
            respond: Duration::from_secs(30),
            drain: Duration::from_secs(5),
            hosts: Vec::new(),
        }
    }
}

/// Whether the program can do its work, for `/readyz`. Clones share one state.
#[derive(Clone, Debug)]
pub struct Health {
    unready: Arc<Mutex<Option<&'static str>>>,
}

impl Health {
    /// Not ready yet: `reason` is shown to whoever asks.
    pub fn starting(reason: &'static str) -> Self {
        Self { unready: Arc::new(Mutex::new(Some(reason))) }
    }

    /// Ready from here on.
    pub fn ready(&self) {
        *self.unready.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Not ready from here on.
    pub fn unready(&self, reason: &'static str) {
        *self.unready.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    /// Why the program is not ready; `None` when it is.
    pub fn reason(&self) -> Option<&'static str> {
        *self.unready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves `app` on `listener` until `shutdown`, with `/healthz`, `/readyz` and `/metrics` beside it.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    health: Health,
    metrics: Metrics,
    options: HttpOptions,
    shutdown: Shutdown,
) -> std::io::Result<()> {
    todo!()
}
