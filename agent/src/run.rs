//! The daemon: everything that runs while the agent does, over a transport that the caller gives.

mod link;
#[cfg(test)]
mod roles;
mod studio;
mod threads;
mod watch;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use insitu_daemon::clock::Clock;
use insitu_daemon::credentials::CredentialsError;
use insitu_daemon::facts;
use insitu_daemon::files::{self, FileError, Lock};
use insitu_daemon::http::{self, Health, HttpOptions};
use insitu_daemon::shutdown::Shutdown;
use insitu_daemon::telemetry::Metrics;
use insitu_daemon::tls::{Tls, TlsError};
use insitu_models::sign::PublicKey;
use insitu_protocol::bytes::Fixed;
use insitu_protocol::facts::{DeviceFacts, EngineKind};
use quinn::Endpoint;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::account::Accounts;
use crate::account::oidc::{Gate, OidcError};
use crate::config::{Config, ConfigError, Limits, TlsFiles};
use crate::downlink::Judge;
use crate::edge;
use crate::erasure;
use crate::import::watch::{WatchError, Watcher};
use crate::label_studio::{self, Studio, StudioError};
use crate::pipeline::redactors::names_model;
use crate::pipeline::{Pipeline, Redactors};
use crate::polite::Manners;
use crate::prelabel::trial::Trial;
use crate::prelabel::{self, Shelf};
use crate::quality;
use crate::redact::tagger::{NamesError, Transformer};
use crate::redact::texts::Texts;
use crate::retention;
use crate::review::Doors;
use crate::review::http::{Desk, router};
use crate::status::Status;
use crate::store::meta::Live;
use crate::store::trail::{Event, What, Who};
use crate::store::{Store, StoreError, Tx, explain};
use crate::trail::{self, TrailError};
use crate::uplink::Membership;

/// The daemon's lock in the data folder.
const LOCK_FILE: &str = "agent.lock";
/// Pause between two looks at an idle pipeline.
const TICK: Duration = Duration::from_millis(200);
/// Pause after a tick that failed.
const TICK_AFTER_FAILURE: Duration = Duration::from_secs(2);
/// How often the store is swept.
const SWEEP: Duration = Duration::from_secs(60);
/// How often the daemon notes in the store that it lives, when nothing else changes.
const LIVE_NOTE_SECONDS: i64 = 30;

/// What the daemon talks over. Tests bring a simulated network.
#[derive(Debug)]
pub struct Transport {
    /// For dialing the coordinator.
    pub endpoint: Endpoint,
    /// For the review page and the local API; none where nobody labels.
    pub listener: Option<TcpListener>,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// What tries bundles before they are loaded; none where that is as well done here.
    pub trial: Option<Trial>,
}

/// An agent that is ready to run. It holds the lock of its data folder.
#[derive(Debug)]
pub struct Agent {
    config: Arc<Config>,
    limits: Limits,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    membership: Membership,
    _lock: Lock,
}

/// Why an agent cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The configuration.
    #[error("the configuration is not usable")]
    Config(#[from] ConfigError),
    /// The data folder, or another daemon in it.
    #[error("the data folder is not usable")]
    Folder(#[from] FileError),
    /// The store.
    #[error("the store is not usable")]
    Store(#[from] StoreError),
    /// The membership.
    #[error("the membership is not usable")]
    Credentials(#[from] CredentialsError),
    /// The federation's bundle key.
    #[error("{} is not a bundle key: enroll again", path.display())]
    BundleKey {
        /// The file.
        path: PathBuf,
    },
    /// The local API's certificate.
    #[error("[api.tls] is not usable")]
    Tls(#[from] TlsError),
    /// The identity provider's settings.
    #[error("[api.oidc] is not usable")]
    Oidc(#[from] OidcError),
    /// A Label Studio's secret.
    #[error("a Label Studio cannot be served")]
    Studio(#[from] StudioError),
    /// A watched folder.
    #[error("a folder cannot be watched")]
    Watch(#[from] WatchError),
    /// The model of names.
    #[error("the names model is not usable")]
    Names(#[from] NamesError),
    /// A model in use.
    #[error("the model of project {project} is not usable")]
    Model {
        /// The project.
        project: String,
        /// Why.
        source: prelabel::ModelError,
    },
}

/// Why the daemon stopped by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The local server.
    #[error("the local server failed")]
    Serve(#[source] std::io::Error),
    /// The daemon could not start.
    #[error("the daemon could not start")]
    Open(#[from] OpenError),
    /// A task of the daemon panicked.
    #[error("a part of the daemon failed")]
    Task(#[from] tokio::task::JoinError),
}

impl Agent {
    /// Opens the store and takes the lock. Loads no model and dials nobody.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        files::create_folder(&config.data)?;
        let lock = files::lock(&config.data.join(LOCK_FILE))?;
        let limits = config.policy.limits()?;
        let store = Store::open_witnessed(&config.data, config.witness())?;
        store.empty_log();
        let store = Arc::new(store.used_by(Who::agent(), Arc::clone(&clock)));
        let membership = Membership::new(&config.data);
        Ok(Self { config: Arc::new(config), limits, store, clock, membership, _lock: lock })
    }

    /// The store, for tests that look inside.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Verifies what `open` does not: membership, and every model in use.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn check(&self) -> Result<(), OpenError> {
        self.membership.credentials()?;
        self.judge()?;
        self.tls()?;
        self.gate()?;
        self.studios(&self.texts(None))?;
        self.watchers(self.names()?.as_ref())?;
        let shelf = Shelf::new(&self.config.data);
        for project in self.store.read("projects", |tx| tx.projects())? {
            let Some(bundle) = project.bundle else { continue };
            let Some(row) = self.store.read("bundle", |tx| tx.bundle(&bundle))? else { continue };
            let load = || {
                let bundle = shelf.bundle(&row.order.manifest.0)?;
                let engine = prelabel::engine(self.config.inference.library.as_ref())?;
                prelabel::Model::load(&engine, &bundle).map(drop)
            };
            let project = project.definition.name.to_string();
            load().map_err(|source| OpenError::Model { project, source })?;
        }
        Ok(())
    }

    /// The model of names that the configuration names.
    fn names(&self) -> Result<Option<Arc<Transformer>>, OpenError> {
        Ok(names_model(&self.config.inference)?)
    }

    /// The Label Studios of its projects.
    fn studios(&self, texts: &Arc<dyn Texts>) -> Result<Vec<Studio>, OpenError> {
        Ok(Studio::open_all(&self.config.projects, texts)?)
    }

    /// What redacts texts of the site's own programs as items are.
    fn texts(&self, names: Option<Arc<Transformer>>) -> Arc<dyn Texts> {
        Arc::new(Mutex::new(Redactors::of_config(&self.config).with_names(names)))
    }

    /// Runs until `shutdown`, or until a part fails for good.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn run(self, transport: Transport, shutdown: Shutdown) -> Result<(), RunError> {
        let (judge, tls) = (self.judge()?, self.tls()?);
        let doors = self.doors(tls.is_some())?;
        let names = self.names()?;
        let texts = self.texts(names.clone());
        let studios = self.studios(&texts)?;
        let watchers = self.watchers(names.as_ref())?;
        let shared = Arc::new(Shared {
            live: Mutex::new(Live::default()),
            started: Instant::now(),
            doors: Arc::new(doors),
            agent: self,
        });
        // What an earlier daemon said of itself is not true of this one.
        let store = &shared.agent.store;
        store.tx("live", |tx| tx.set_live(&Live::default())).map_err(OpenError::Store)?;
        store.tx("started", |tx| note_start(tx, &shared.agent.config)).map_err(OpenError::Store)?;
        let health = Health::starting("the agent is starting");
        let mut tasks: JoinSet<Result<(), RunError>> = JoinSet::new();
        if let Some(listener) = transport.listener {
            let desk = shared.desk();
            let hosts = shared.agent.config.api.hosts.clone();
            let mut options = HttpOptions { hosts, tls, ..HttpOptions::default() };
            let mut app = pages(&desk, &shared.agent.config, &studios, texts);
            if !studios.is_empty() {
                // The server's limit is above that of any part of it.
                app = app.layer(DefaultBodyLimit::max(options.body_bytes_max));
                app = app.merge(label_studio::http::router(desk, &studios));
                options.body_bytes_max = label_studio::BODY_BYTES_MAX;
            }
            let (health, metrics, stop) = (health.clone(), transport.metrics, shutdown.clone());
            tasks.spawn(async move {
                http::serve(listener, app, health, metrics, options, stop)
                    .await
                    .map_err(RunError::Serve)
            });
        }
        for studio in &studios {
            tasks.spawn(studio::talk(Arc::clone(&shared), studio.clone(), shutdown.clone()));
            tasks.spawn(studio::fetch(Arc::clone(&shared), studio.clone(), shutdown.clone()));
        }
        for watcher in watchers {
            tasks.spawn(watch::look(Arc::clone(&shared), watcher, shutdown.clone()));
        }
        let worker = Worker { judge, studios, trial: transport.trial, names };
        tasks.spawn(work(Arc::clone(&shared), worker, shutdown.clone()));
        tasks.spawn(sweep(Arc::clone(&shared), shutdown.clone()));
        if let Some(address) = shared.agent.config.coordinator.address.clone() {
            let link =
                link::talk(Arc::clone(&shared), transport.endpoint, address, shutdown.clone());
            tasks.spawn(link);
        }
        health.ready();
        tracing::info!("agent ready");
        // Parts stop together: the first failure ends the daemon, and a supervisor starts it again.
        let mut outcome = Ok(());
        while let Some(done) = tasks.join_next().await {
            let done = done.unwrap_or_else(|error| Err(error.into()));
            if done.is_err() && outcome.is_ok() {
                outcome = done;
                tasks.abort_all();
            }
        }
        shared.note(|live| live.connected = false);
        if let Err(error) = shared.doors.accounts.write_refusals(&shared.agent.store) {
            tracing::warn!(error = explain(&error), "refused sign-ins are not in the audit log");
        }
        shared.agent.end_log();
        outcome
    }

    fn watchers(&self, names: Option<&Arc<Transformer>>) -> Result<Vec<Watcher>, OpenError> {
        let redactors = || Redactors::of_config(&self.config).with_names(names.cloned());
        Ok(Watcher::open_all(&self.config.projects, redactors)?)
    }

    fn tls(&self) -> Result<Option<Arc<Tls>>, OpenError> {
        let open = |files: &TlsFiles| Tls::open(&files.certificate, &files.key).map(Arc::new);
        Ok(self.config.api.tls.as_ref().map(open).transpose()?)
    }

    fn gate(&self) -> Result<Option<Gate>, OpenError> {
        Ok(self.config.api.oidc.clone().map(Gate::new).transpose()?)
    }

    fn doors(&self, has_tls: bool) -> Result<Doors, OpenError> {
        let api = &self.config.api;
        let accounts = Accounts::new(api.sign_in);
        Ok(Doors { accounts, gate: self.gate()?, secure: has_tls || api.behind_tls })
    }

    /// Notes in the audit log that the daemon stops, and signs it.
    fn end_log(&self) {
        let noted = self.store.tx("stopped", |tx| tx.note(&Event::new(What::Stopped)));
        let signed = noted.map_err(TrailError::from);
        if let Err(error) = signed.and_then(|_| trail::sign(&self.store, self.config.checkpoints()))
        {
            tracing::warn!(error = explain(&error), "the audit log's end is not signed");
        }
    }

    fn judge(&self) -> Result<Judge, OpenError> {
        let path = self.membership.bundle_key_file();
        let bundle_key = if path.exists() {
            let text = files::read(&path, 1024)?;
            let key = std::str::from_utf8(&text).ok().and_then(|text| Fixed::from_hex(text.trim()));
            Some(PublicKey(key.ok_or(OpenError::BundleKey { path })?))
        } else {
            None
        };
        Ok(Judge { policy: self.config.policy.clone(), limits: self.limits.clone(), bundle_key })
    }
}

/// What the daemon's tasks share.
struct Shared {
    agent: Agent,
    live: Mutex<Live>,
    started: Instant,
    doors: Arc<Doors>,
}

impl Shared {
    fn desk(self: &Arc<Self>) -> Desk {
        let shared = Arc::clone(self);
        let status = move |role| {
            let Agent { store, config, limits, clock, .. } = &shared.agent;
            let now = clock.now().as_second();
            Status::read(store, config, limits, true, now)?.shown_to(role)
        };
        let agent = &self.agent;
        let site = agent.config.site.as_ref().map(ToString::to_string);
        let enrolled = agent.membership.credentials().ok().flatten();
        let site = enrolled
            .map(|credentials| crate::status::site(credentials.identity()))
            .or(site)
            .unwrap_or_default();
        Desk {
            store: Arc::clone(&agent.store),
            clock: Arc::clone(&agent.clock),
            site,
            status: Arc::new(status),
            doors: Arc::clone(&self.doors),
        }
    }

    /// Changes what the daemon says about itself, in the store as well when it matters.
    fn note(&self, change: impl FnOnce(&mut Live)) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let before = live.clone();
        change(&mut live);
        let age = |live: &Live| live.last_contact.unwrap_or(0);
        let quiet = Live { last_contact: before.last_contact, ..live.clone() } == before;
        if quiet && age(&live) - age(&before) < LIVE_NOTE_SECONDS {
            live.last_contact = before.last_contact; // as the store has it
            return;
        }
        if let Err(error) = self.agent.store.tx("live", |tx| tx.set_live(&live)) {
            tracing::warn!(error = explain(&error), "cannot note the daemon's state");
        }
    }

    async fn facts(self: &Arc<Self>) -> DeviceFacts {
        let engine = self.live.lock().unwrap_or_else(PoisonError::into_inner).engine.clone();
        let engine = match engine.as_deref() {
            None => EngineKind::None,
            Some(name) if name.starts_with("onnxruntime") => EngineKind::OnnxRuntime,
            Some(_) => EngineKind::Tract,
        };
        let (uptime, data) = (self.started.elapsed(), self.agent.config.data.clone());
        let read = tokio::task::spawn_blocking(move || facts::collect(engine, uptime, &data)).await;
        read.unwrap_or_else(|_| facts::unknown(engine))
    }
}

/// What the pipeline is made of.
struct Worker {
    judge: Judge,
    studios: Vec<Studio>,
    trial: Option<Trial>,
    names: Option<Arc<Transformer>>,
}

/// Ticks the pipeline, off the runtime's threads.
async fn work(shared: Arc<Shared>, worker: Worker, shutdown: Shutdown) -> Result<(), RunError> {
    let Worker { judge, studios, trial, names } = worker;
    let agent = &shared.agent;
    let mut pipeline = Pipeline::new(
        Arc::clone(&agent.store),
        Arc::clone(&agent.clock),
        judge,
        agent.config.statistics.clone(),
        Shelf::new(&agent.config.data),
        agent.config.inference.library.clone(),
    )
    .with_redactors(Redactors::of_config(&agent.config).with_names(names))
    .with_acceptance(agent.config.acceptances())
    .with_reviews(agent.config.reviews())
    .with_label_studios(studios)
    .politely(Manners::new(agent.config.polite.clone()))
    .with_trials(trial)
    .with_personal(agent.config.personal());
    while !shutdown.is_requested() {
        let (back, outcome) = tokio::task::spawn_blocking(move || {
            let outcome = pipeline.tick();
            (pipeline, outcome)
        })
        .await?;
        pipeline = back;
        let engine = pipeline.engine_name().map(str::to_owned);
        let (waits, paces) = (pipeline.waits().to_vec(), pipeline.paces().to_vec());
        shared.note(|live| {
            live.engine = engine;
            live.waits = waits;
            live.paces = paces;
        });
        let pause = match outcome {
            Ok(true) => continue,
            Ok(false) => TICK,
            Err(error) => {
                tracing::error!(error = explain(&error), "the pipeline stumbled");
                TICK_AFTER_FAILURE
            }
        };
        shutdown.sleep(pause).await;
    }
    Ok(())
}

/// Sweeps the store now and then, off the runtime's threads.
async fn sweep(shared: Arc<Shared>, shutdown: Shutdown) -> Result<(), RunError> {
    while shutdown.sleep(SWEEP).await {
        let shared = Arc::clone(&shared);
        tokio::task::spawn_blocking(move || sweep_once(&shared)).await?;
    }
    Ok(())
}

fn sweep_once(shared: &Shared) {
    let Agent { store, config, clock, .. } = &shared.agent;
    let now = clock.now().as_second();
    let swept = retention::sweep(store, config.audit.keep_seconds(), now)
        .and_then(|_| shared.doors.accounts.sweep(store, now));
    if let Err(error) = swept {
        tracing::warn!(error = explain(&error), "cannot sweep the store");
    }
    if let Err(error) = trail::sign_in_time(store, config.checkpoints(), now) {
        tracing::warn!(error = explain(&error), "cannot sign the audit log");
    }
}

/// The review page, the local API, and the pages of stewards and administrators.
fn pages(desk: &Desk, config: &Config, studios: &[Studio], texts: Arc<dyn Texts>) -> Router {
    let sources = config.projects.iter().cloned().collect();
    router(desk.clone())
        .merge(edge::http::router(desk.clone(), sources, texts))
        .merge(quality::http::router(desk.clone(), config.acceptances()))
        .merge(erasure::http::router(desk.clone(), &config.projects))
        .merge(label_studio::page::router(desk.clone(), studios))
}

/// Notes in the audit log that the daemon starts, and that its settings have changed, if they have.
fn note_start(tx: &Tx<'_>, config: &Config) -> Result<(), StoreError> {
    if let Some(digest) = config.digest
        && tx.settings()?.as_deref() != Some(&digest.0)
    {
        tx.note(&Event::new(What::Settings).with(json!({"file": digest})))?;
        tx.set_settings(&digest)?;
    }
    let version = env!("CARGO_PKG_VERSION");
    tx.note(&Event::new(What::Started).with(json!({"version": version})))?;
    Ok(())
}
