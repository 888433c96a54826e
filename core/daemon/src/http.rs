//! The local HTTP server of both programs: bounded, strict, for one machine.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{RequestExt, Router};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::places::Strangers;
use crate::shutdown::Shutdown;
use crate::telemetry::{Metrics, explain};
use crate::tls::Tls;

/// What pages may load: their own files, nothing else, in no frame.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'; object-src 'none'";
/// Most headers of a request.
const HEADERS_MAX: usize = 64;
/// For how long a browser that has seen TLS here asks for nothing without it.
const TRANSPORT: &str = "max-age=31536000";
/// How often the files of the certificate are looked at, and samples of histograms folded.
const LOOK: Duration = Duration::from_secs(10);
/// Connections at a time from one address of another machine.
const CONNECTIONS_OF_ONE_MAX: usize = 32;
/// How long the server waits after it could not accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    /// With it, nothing is served otherwise.
    pub tls: Option<Arc<Tls>>,
}

/// Who a request came from: an extension of each request that [`serve`] passes on.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            body_bytes_max: 1024 * 1024,
            connections_max: 128,
            head: Duration::from_secs(10),
            respond: Duration::from_secs(30),
            drain: Duration::from_secs(5),
            hosts: Vec::new(),
            tls: None,
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
/// Metrics stay as small as they are, whether or not somebody asks for them.
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
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let hosts = Hosts::new(listener.local_addr()?, &options.hosts);
    let service = TowerToHyperService::new(guard(app, health, metrics.clone(), hosts, &options));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(options.head).max_headers(HEADERS_MAX);

    let places = Arc::new(Semaphore::new(options.connections_max));
    let strangers = Strangers::new(CONNECTIONS_OF_ONE_MAX);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let (stream, peer, place) = tokio::select! {
            biased;
            () = shutdown.requested() => break,
            Some(ended) = connections.join_next() => {
                note(ended);
                continue;
            }
            _ = look.tick() => {
                metrics.fold();
                options.tls.as_deref().into_iter().for_each(renew);
                continue;
            }
            accepted = accept(&listener, &places) => accepted,
        };
        // Refused at once: somebody who holds many connections keeps nobody else out.
        let Some(guest) = strangers.admit(peer.ip()) else { continue };
        let acceptor = options.tls.as_ref().map(|tls| tls.acceptor());
        let (http, service, watcher) = (http.clone(), service.clone(), graceful.watcher());
        let within = options.head;
        connections.spawn(async move {
            // A client that goes away in the middle is its own business.
            match acceptor {
                None => talk(&http, stream, service, peer, watcher).await,
                Some(acceptor) => {
                    if let Ok(Ok(stream)) = timeout(within, acceptor.accept(stream)).await {
                        talk(&http, stream, service, peer, watcher).await;
                    }
                }
            }
            drop((place, guest));
        });
    }
    drop(timeout(options.drain, graceful.shutdown()).await);
    connections.shutdown().await;
    Ok(())
}

/// Serves one connection to its end.
async fn talk(
    http: &http1::Builder,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: TowerToHyperService<Router>,
    peer: SocketAddr,
    watcher: Watcher,
) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer.ip()));
        service.call(request)
    });
    drop(watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await);
}

fn renew(tls: &Tls) {
    match tls.renew() {
        Ok(false) => {}
        Ok(true) => tracing::info!("the local server has a new certificate"),
        Err(error) => {
            let error = explain(&error);
            tracing::warn!(error, "the local server keeps the certificate that it has");
        }
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &tokio::net::TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            // Out of file descriptors, or a client that is gone already: neither ends the server.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn note(ended: Result<(), JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        tracing::error!("a task of the local server panicked");
        metrics::counter!("insitu_http_panics_total").increment(1);
    }
}

/// Puts the program's routes behind the checks and limits that hold for all of them.
fn guard(
    app: Router,
    health: Health,
    metrics: Metrics,
    hosts: Hosts,
    options: &HttpOptions,
) -> Router {
    let (respond, tls) = (options.respond, options.tls.is_some());
    let hosts = Arc::new(hosts);
    app.route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(async move || readiness(&health)))
        .route(
            "/metrics",
            get(async move |request: Request| {
                // Who connects from elsewhere, under TLS, comes for the pages: counts are this
                // machine's own.
                match request.extensions().get::<Peer>() {
                    Some(peer) if tls && !is_here(peer) => StatusCode::FORBIDDEN.into_response(),
                    Some(_) | None => metrics.render().into_response(),
                }
            }),
        )
        .layer(from_fn(move |request: Request, next: Next| async move {
            // The limit holds for a handler that reads the body by hand, too.
            let request = request.with_limited_body();
            timeout(respond, next.run(request))
                .await
                .unwrap_or_else(|_| StatusCode::SERVICE_UNAVAILABLE.into_response())
        }))
        .layer(DefaultBodyLimit::max(options.body_bytes_max))
        .layer(from_fn(move |request: Request, next: Next| {
            let checked = hosts.check(&request);
            async move {
                let mut response = match checked {
                    Ok(()) => next.run(request).await,
                    Err(status) => status.into_response(),
                };
                secure(response.headers_mut(), tls);
                response
            }
        }))
}

fn is_here(Peer(peer): &Peer) -> bool {
    peer.to_canonical().is_loopback()
}

fn readiness(health: &Health) -> (StatusCode, String) {
    match health.reason() {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

/// Sets the headers that keep a browser from doing more than the pages need. A handler may have
/// set its own policy or caching; the rest is not negotiable.
fn secure(headers: &mut HeaderMap, tls: bool) {
    if tls {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(TRANSPORT));
    }
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
}

/// The names under which the server answers.
///
/// A page of another site can make a browser look its own name up as 127.0.0.1 and so read the
/// local server as its own (DNS rebinding). The browser still sends that name as `Host`.
#[derive(Debug)]
struct Hosts {
    /// `None` where any name will do: an unspecified address with no names configured.
    names: Option<Vec<String>>,
}

impl Hosts {
    fn new(address: SocketAddr, configured: &[String]) -> Self {
        let ip = address.ip();
        if ip.is_unspecified() && configured.is_empty() {
            return Self { names: None };
        }
        let mut names: Vec<String> = configured.iter().map(|name| name.to_lowercase()).collect();
        names.extend(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned));
        names.push(if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() });
        Self { names: Some(names) }
    }

    fn check(&self, request: &Request) -> Result<(), StatusCode> {
        let Some(names) = &self.names else { return Ok(()) };
        let mut hosts = request.headers().get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(StatusCode::BAD_REQUEST);
        };
        let host = host.to_str().map_err(|_| StatusCode::BAD_REQUEST)?;
        // An address in the request line goes before the header.
        let named = request.uri().authority().map_or(host, |authority| authority.as_str());
        let known = |host: &str| {
            let name = without_port(host).to_lowercase();
            names.contains(&name)
        };
        if known(named) && known(host) { Ok(()) } else { Err(StatusCode::MISDIRECTED_REQUEST) }
    }
}

/// `[::1]:80` → `[::1]`, `localhost:80` → `localhost`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use axum::Json;
    use axum::body::Body;
    use axum::routing::post;

    use super::*;
    use crate::shutdown;

    #[test]
    fn counts_are_for_this_machine() {
        for (peer, here) in [("127.0.0.1", true), ("::ffff:127.0.0.1", true), ("192.0.2.1", false)]
        {
            assert_eq!(is_here(&Peer(peer.parse().unwrap())), here, "{peer}");
        }
    }

    /// Runs a server and gives what it answers to `raw`, sent by a blocking client.
    async fn ask(options: HttpOptions, health: Health, raw: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new()
            .route("/echo", post(async |Json(value): Json<u64>| value.to_string()))
            .route(
                "/raw",
                post(async |body: Body| match axum::body::to_bytes(body, 1 << 30).await {
                    Ok(bytes) => bytes.len().to_string(),
                    Err(_) => "cut".to_owned(),
                }),
            )
            .route("/slow", get(async || sleep(Duration::from_secs(60)).await));
        let (trigger, stop) = shutdown::pair();
        let metrics = crate::telemetry::metrics().unwrap();
        let client = tokio::task::spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(&raw).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            trigger.request();
            text
        });
        serve(listener, app, health, metrics, options, stop).await.unwrap();
        client.await.unwrap()
    }

    fn get_request(path: &str, host: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes()
    }

    fn post_request(path: &str, body: &str) -> Vec<u8> {
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    async fn status(raw: Vec<u8>) -> String {
        let answer = ask(HttpOptions::default(), Health::starting("no model"), raw).await;
        answer.split_whitespace().nth(1).unwrap().to_owned()
    }

    #[tokio::test]
    async fn health_and_readiness_are_two_things() {
        assert_eq!(status(get_request("/healthz", "localhost")).await, "200");
        assert_eq!(status(get_request("/readyz", "localhost")).await, "503");
        let health = Health::starting("no model");
        health.ready();
        let answer = ask(HttpOptions::default(), health, get_request("/readyz", "localhost")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    #[tokio::test]
    async fn every_answer_has_the_headers() {
        for path in ["/healthz", "/nothing", "/metrics"] {
            let answer = ask(
                HttpOptions::default(),
                Health::starting(""),
                get_request(path, "localhost:8080"),
            )
            .await
            .to_lowercase();
            for header in [
                "content-security-policy: default-src 'self'",
                "frame-ancestors 'none'",
                "x-content-type-options: nosniff",
                "referrer-policy: no-referrer",
                "cache-control: no-store",
            ] {
                assert!(answer.contains(header), "{path}: {answer}");
            }
            assert!(!answer.contains("access-control"), "{answer}");
        }
    }

    #[tokio::test]
    async fn foreign_hosts_are_refused() {
        for host in ["127.0.0.1:80", "LOCALHOST", "[::1]:9"] {
            assert_eq!(status(get_request("/healthz", host)).await, "200", "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil:80", ""] {
            assert_eq!(status(get_request("/healthz", host)).await, "421", "{host}");
        }
        let absolute = b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        assert_eq!(status(absolute.to_vec()).await, "421");
        let twice =
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\nConnection: close\r\n\r\n";
        assert_eq!(status(twice.to_vec()).await, "400");
    }

    #[tokio::test]
    async fn configured_names_are_known() {
        let options =
            HttpOptions { hosts: vec!["Label.Hospital".to_owned()], ..Default::default() };
        let answer =
            ask(options, Health::starting(""), get_request("/healthz", "label.hospital")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    #[tokio::test]
    async fn bodies_are_bounded_however_they_are_read() {
        let options = HttpOptions { body_bytes_max: 16, ..Default::default() };
        let ask = async |raw| ask(options.clone(), Health::starting(""), raw).await;
        assert!(ask(post_request("/echo", "7")).await.ends_with("\r\n7"));
        let long = format!("7{}", " ".repeat(16));
        assert!(ask(post_request("/echo", &long)).await.starts_with("HTTP/1.1 413"));
        assert!(ask(post_request("/raw", &long)).await.ends_with("cut"));
        assert!(ask(post_request("/raw", &long[..16])).await.ends_with("16"));
    }

    #[tokio::test]
    async fn slow_handlers_and_slow_clients_are_cut() {
        let short = Duration::from_millis(50);
        let options = HttpOptions { head: short, respond: short, ..Default::default() };
        let answer =
            ask(options.clone(), Health::starting(""), get_request("/slow", "localhost")).await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        let half = b"GET /healthz HTTP/1.1\r\nHost: loc".to_vec();
        assert_eq!(ask(options, Health::starting(""), half).await, "");
    }

    #[tokio::test]
    async fn tls_is_all_there_is_where_there_is_a_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) =
            crate::tls::tests::write(folder.path(), crate::files::Access::Secret);
        let tls = Some(Arc::new(Tls::open(&certificate, &key).unwrap()));
        let options = HttpOptions { tls, ..Default::default() };
        let plain =
            ask(options.clone(), Health::starting(""), get_request("/healthz", "localhost"));
        assert!(!plain.await.contains("alive"));

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}/peer", listener.local_addr().unwrap().port());
        let peer = async |axum::Extension(Peer(peer)): axum::Extension<Peer>| peer.to_string();
        let app = Router::new().route("/peer", get(peer));
        let (trigger, stop) = shutdown::pair();
        let metrics = crate::telemetry::metrics().unwrap();
        let client = tokio::task::spawn_blocking(move || {
            let agent = crate::rest::agent(&url, &certificate, Duration::from_secs(5)).unwrap();
            let mut answer = agent.get(&url).call().unwrap();
            let lasting = answer.headers().contains_key(STRICT_TRANSPORT_SECURITY);
            trigger.request();
            (answer.body_mut().read_to_string().unwrap(), lasting)
        });
        let health = Health::starting("");
        serve(listener, app, health, metrics, options, stop).await.unwrap();
        assert_eq!(client.await.unwrap(), ("127.0.0.1".to_owned(), true));
    }
}
