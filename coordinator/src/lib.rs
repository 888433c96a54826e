//! The central program of a federation: takes what sites release, tells them what would help, and
//! is not trusted with data.
//!
//! Modules in the order in which a release meets them; each uses only those before it:
//! 1. [`store`] is the only state; [`session`] adds up what sites mask for one another; [`intake`]
//!    checks releases and lets agents join; [`ledger`] adds up what they cost.
//! 2. [`round`] is the pure state machine of a training round, [`aggregate`] its arithmetic.
//! 3. [`agreement`], [`evaluation`] and [`drift`] say what the noised counts say; [`campaign`] asks
//!    for labels.
//! 4. [`registry`] keeps bundles, [`publish`] signs them, [`mlflow`] registers them elsewhere,
//!    [`downlink`] tells the sites.
//! 5. [`jobs`] closes what is due; [`api`] answers agents and people; [`cli`] is the program.
//!
//! Time, the network and the folder are parameters, so that a test runs a coordinator over a
//! simulated network:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use insitu_coordinator::{Coordinator, config::Config};
//! use insitu_daemon::{clock::SystemClock, link::reset::ResetKey, link::server, shutdown};
//!
//! let config = Config::read("coordinator.toml".as_ref())?;
//! let key = ResetKey::load_or_create(&config.reset_key_file())?;
//! let endpoint = server::endpoint(config.link.listen, &key)?;
//! let coordinator = Coordinator::open(config, Arc::new(SystemClock))?;
//! let (_stop, shutdown) = shutdown::pair();
//! coordinator.serve(endpoint, None, shutdown).await?;
//! # Ok(())
//! # }
//! ```

pub mod aggregate;
pub mod agreement;
pub mod api;
pub mod campaign;
pub mod cli;
pub mod config;
pub mod downlink;
pub mod drift;
pub mod evaluation;
pub mod intake;
pub mod jobs;
pub mod ledger;
pub mod mlflow;
pub mod publish;
pub mod registry;
pub mod round;
pub mod session;
pub mod store;

use std::collections::BTreeSet;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use insitu_daemon::authority::{Authority, AuthorityError};
use insitu_daemon::clock::Clock;
use insitu_daemon::credentials::Credentials;
use insitu_daemon::files::{self, FileError};
use insitu_daemon::http::{self, Health, HttpOptions};
use insitu_daemon::link::server::{Limits, Server, ServerError};
use insitu_daemon::shutdown::{self, Shutdown};
use insitu_daemon::telemetry::Metrics;
use insitu_models::sign::{KeyError, SigningKey};
use insitu_protocol::ids::{FederationName, SiteName};
use quinn::Endpoint;
use tokio::sync::Notify;

use api::Office;
use api::link::LinkHandler;
use api::presence::Presence;
use config::Config;
use registry::Registry;
use session::desk::Sessions;
use store::{Store, StoreError};

/// How long the jobs rest after a failure: a full disk does not get better five times a second.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// How long they wait for more of the same after something came.
const REST_AFTER_ARRIVAL: Duration = Duration::from_millis(5);

/// A coordinator that is open: commands work on it, with or without [`Coordinator::serve`].
#[derive(Clone, Debug)]
pub struct Coordinator {
    office: Arc<Office>,
}

/// Where the dashboard is served, and what `/metrics` shows.
#[derive(Debug)]
pub struct Web {
    /// Bound already.
    pub listener: TcpListener,
    /// The process's metrics.
    pub metrics: Metrics,
}

/// Why a coordinator cannot be made or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A file or folder.
    #[error("the coordinator's folder cannot be used")]
    File {
        /// Why not.
        #[from]
        source: FileError,
    },
    /// The certificate authority.
    #[error("the federation's authority cannot be used")]
    Authority {
        /// Why not.
        #[from]
        source: AuthorityError,
    },
    /// The key that signs bundles.
    #[error("the federation's bundle key cannot be used")]
    Key {
        /// Why not.
        #[from]
        source: KeyError,
    },
    /// The store.
    #[error("the coordinator's store cannot be used")]
    Store {
        /// Why not.
        #[from]
        source: StoreError,
    },
}

/// Why a coordinator stopped serving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Another process serves from the same folder, or the lock cannot be taken.
    #[error("the coordinator cannot serve from this folder")]
    Lock {
        /// Why not.
        #[from]
        source: FileError,
    },
    /// No certificate for itself.
    #[error("the coordinator cannot certify itself")]
    Authority {
        /// Why not.
        #[from]
        source: AuthorityError,
    },
    /// The link.
    #[error("the link cannot be served")]
    Link {
        /// Why not.
        #[from]
        source: ServerError,
    },
    /// The dashboard.
    #[error("the dashboard cannot be served")]
    Http {
        /// Why not.
        source: io::Error,
    },
    /// The store.
    #[error("the store cannot be read")]
    Store {
        /// Why not.
        #[from]
        source: StoreError,
    },
}

impl Coordinator {
    /// Makes a federation's authority, bundle key and store in the folder `data`.
    ///
    /// # Errors
    /// [`OpenError`]; an authority or a key that is there is never overwritten.
    pub fn create(
        config: &Config,
        federation: FederationName,
        clock: Arc<dyn Clock>,
    ) -> Result<(), OpenError> {
        files::create_folder(&config.data)?;
        files::create_folder(&config.objects_folder())?;
        files::create_folder(&config.authority_folder())?;
        Authority::create(&config.authority_folder(), federation, clock)?;
        SigningKey::create(&config.bundle_key_file())?;
        Store::open(&config.store_file())?;
        Ok(())
    }

    /// Opens what [`Coordinator::create`] made. Any number of processes may have it open.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let office = Office {
            authority: Authority::open(&config.authority_folder(), Arc::clone(&clock))?,
            key: SigningKey::load(&config.bundle_key_file())?,
            store: Store::open(&config.store_file())?,
            registry: Registry::new(config.objects_folder()),
            sessions: Sessions::default(),
            clock,
            config,
            arrived: Notify::new(),
        };
        Ok(Self { office: Arc::new(office) })
    }

    /// What the coordinator works with.
    pub fn office(&self) -> &Office {
        &self.office
    }

    /// Serves agents on `endpoint`, and people on `web` if there is one, until `shutdown`.
    ///
    /// # Errors
    /// [`ServeError`]; one process serves from a folder at a time.
    pub async fn serve(
        &self,
        endpoint: Endpoint,
        web: Option<Web>,
        shutdown: Shutdown,
    ) -> Result<(), ServeError> {
        let _lock = files::lock(&self.office.config.lock_file())?;
        let presence = Arc::new(Presence::default());
        refresh_revoked(&self.office, &presence)?;
        let credentials = self.office.authority.issue_server()?;
        let clock = Arc::clone(&self.office.clock);
        let server = Server::new(endpoint, &credentials, Limits::default(), clock)?;
        let handler = Arc::new(LinkHandler::new(Arc::clone(&self.office), Arc::clone(&presence)));
        let (stop, inner) = shutdown::pair();
        let health = Health::starting("starting");
        health.ready();
        let ((), (), (), (), served) = tokio::join!(
            async {
                tokio::select! {
                    () = shutdown.requested() => {}
                    () = inner.requested() => {}
                }
                health.unready("stopping");
                stop.request();
            },
            server.clone().serve(handler, inner.clone()),
            self.work(&presence, &server, credentials, &inner),
            self.register_models(&inner),
            async {
                let served = self.serve_web(web, &presence, &health, inner.clone()).await;
                if served.is_err() {
                    stop.request();
                }
                served
            },
        );
        served.map_err(|source| ServeError::Http { source })
    }

    async fn serve_web(
        &self,
        web: Option<Web>,
        presence: &Arc<Presence>,
        health: &Health,
        shutdown: Shutdown,
    ) -> io::Result<()> {
        let Some(Web { listener, metrics }) = web else { return Ok(()) };
        let app = api::router(Arc::clone(&self.office), Arc::clone(presence));
        let hosts = self.office.config.http.hosts.clone();
        let options = HttpOptions { hosts, ..HttpOptions::default() };
        http::serve(listener, app, health.clone(), metrics, options, shutdown).await
    }

    /// Ticks until `shutdown`: jobs, revocations, and the coordinator's own certificate.
    async fn work(
        &self,
        presence: &Arc<Presence>,
        server: &Server,
        mut credentials: Credentials,
        shutdown: &Shutdown,
    ) {
        let mut failed = false;
        while self.rest(failed, shutdown).await {
            let (office, seen) = (Arc::clone(&self.office), Arc::clone(presence));
            let ticked = tokio::task::spawn_blocking(move || tick(&office, &seen)).await;
            failed = !matches!(ticked, Ok(Ok(())));
            match ticked {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    let error = format!("{error:#}");
                    tracing::error!(error, "a job failed and is tried again");
                }
                Err(panic) => tracing::error!(%panic, "a job failed and is tried again"),
            }
            if self.office.clock.now() >= credentials.renew_at() {
                match self.renew(server) {
                    Ok(renewed) => credentials = renewed,
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::error!(error, "the coordinator's certificate is not renewed");
                        failed = true;
                    }
                }
            }
        }
    }

    /// Registers what is published in the team's MLflow, if it has one, until `shutdown`. Nothing
    /// waits for this.
    async fn register_models(&self, shutdown: &Shutdown) {
        let Some(settings) = self.office.config.mlflow.clone() else { return };
        let (least, longest) = mlflow::REST;
        let mut rest = least;
        while shutdown.sleep(rest).await {
            let (office, settings) = (Arc::clone(&self.office), settings.clone());
            let registered = tokio::task::spawn_blocking(move || {
                let federation = office.authority.federation();
                mlflow::advance(&office.store, &settings, federation).map_err(anyhow::Error::from)
            });
            rest = match registered.await {
                Ok(Ok(_)) => least,
                Ok(Err(error)) => {
                    let error = format!("{error:#}");
                    tracing::warn!(error, "a model is not registered in MLflow yet");
                    (2 * rest).min(longest)
                }
                Err(panic) => {
                    tracing::error!(%panic, "a model is not registered in MLflow yet");
                    longest
                }
            };
        }
    }

    /// Rests, but unless something `failed` only until something comes; tells whether to go on.
    async fn rest(&self, failed: bool, shutdown: &Shutdown) -> bool {
        let rest = if failed { REST_AFTER_FAILURE } else { self.office.config.rounds.tick };
        tokio::select! {
            going_on = shutdown.sleep(rest) => going_on,
            () = self.office.arrived.notified(), if !failed => {
                shutdown.sleep(REST_AFTER_ARRIVAL).await
            }
        }
    }

    fn renew(&self, server: &Server) -> Result<Credentials, ServeError> {
        let credentials = self.office.authority.issue_server()?;
        server.use_credentials(&credentials)?;
        tracing::info!(not_after = %credentials.not_after(), "own certificate renewed");
        Ok(credentials)
    }
}

/// Writes a new configuration file, readable by its owner alone.
///
/// # Errors
/// [`FileError`]; an existing file is never overwritten.
pub fn write_config(path: &Path, text: &str) -> Result<(), FileError> {
    files::create(path, text.as_bytes(), files::Access::Secret)
}

fn tick(office: &Office, presence: &Presence) -> anyhow::Result<()> {
    refresh_revoked(office, presence)?;
    Ok(jobs::tick(office.bench(), &office.sessions, office.now_unix_s())?)
}

/// A command of another process may have revoked a site: the link is told within a tick.
fn refresh_revoked(office: &Office, presence: &Presence) -> Result<(), StoreError> {
    let sites = office.store.read("revoked", |tx| tx.sites())?;
    let revoked: BTreeSet<SiteName> = sites
        .into_iter()
        .filter(|site| site.revoked_unix_s.is_some())
        .map(|site| site.name)
        .collect();
    presence.set_revoked(revoked);
    Ok(())
}

#[cfg(test)]
mod tests;
