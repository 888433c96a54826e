//! Published models in a real MLflow server, which is started here when there is one: the program
//! `mlflow` on the path, or the one that `INSITU_MLFLOW` names (`pip install mlflow`). Without it
//! only what happens without a server is tested, and the output says so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the server is a real process, in real time")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use insitu_coordinator::api::Office;
use insitu_coordinator::config::Mlflow;
use insitu_coordinator::jobs::{tick, training};
use insitu_coordinator::mlflow::{ClientError, MlflowError, advance};
use insitu_coordinator::session::Sender;
use insitu_coordinator::store::{Method, Promotion, RegistrationRow, SecureAggregation};
use insitu_coordinator::{Coordinator, intake, publish};
use insitu_daemon::clock::SystemClock;
use insitu_models::bundle::Bundle;
use insitu_models::manifest::Sentence;
use insitu_privacy::clip::ClipShape;
use insitu_privacy::{GaussianScale, Rho};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::ProjectName;
use insitu_protocol::release::{Body, CHAIN_START, Release, Values};
use serde_json::Value;

use support::{config, found, shipped};

/// How long the server may take to be ready: it makes its database first.
const READY_WITHIN: Duration = Duration::from_secs(180);

struct Server {
    child: Child,
}

impl Server {
    /// Starts the server, if there is one on this machine.
    fn start(folder: &Path, port: u16) -> Option<Self> {
        let program = program()?;
        let child = Command::new(program)
            .args(["server", "--host", "127.0.0.1", "--port", &port.to_string(), "--workers", "1"])
            .arg("--backend-store-uri")
            .arg(format!("sqlite:///{}", folder.join("mlflow.db").display()))
            .arg("--artifacts-destination")
            .arg(folder.join("artifacts"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child };
        let begin = Instant::now();
        while ureq::get(format!("http://127.0.0.1:{port}/health")).call().is_err() {
            assert!(begin.elapsed() < READY_WITHIN, "the MLflow server is not ready");
            std::thread::sleep(Duration::from_millis(200));
        }
        Some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has children, which end with it when it is asked, and not when it is killed.
        let id = self.child.id().to_string();
        drop(Command::new("kill").args(["-TERM", &id]).status());
        drop(self.child.wait());
    }
}

fn program() -> Option<PathBuf> {
    let named = std::env::var_os("INSITU_MLFLOW").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join("mlflow"));
    named.or_else(|| found.find(|program| program.is_file()))
}

/// A federation with a bundle, and with one that a round of one site made of it.
fn trained(folder: &Path) -> Coordinator {
    found(folder);
    let coordinator = Coordinator::open(config(folder), Arc::new(SystemClock)).unwrap();
    let office = coordinator.office();
    let now = office.now_unix_s();
    let plan = training::Plan {
        project: "heart-disease".parse().unwrap(),
        rounds: training::Rounds::Fixed(1),
        sites: None,
        quorum: None,
        closes_in: Duration::from_secs(60),
        secure: SecureAggregation::Off,
        colluders: None,
        method: Method::default(),
        each_round: None,
        promotion: Promotion::Forced("a test".to_owned()),
    };
    let run = training::start(office.bench(), &plan, now).unwrap();
    // What the shipped project's training asks for, in one round.
    let (nano_rho, clip) = (24_355_000, ClipShape::new(68, 0.2, 12).unwrap());
    let scale = GaussianScale::for_budget(clip.sensitivity(), Rho::from_nano(nano_rho)).unwrap();
    let update = Release {
        id: Fixed([1; 16]),
        sequence: 1,
        previous: CHAIN_START,
        project: plan.project,
        project_version: 1,
        body: Body::Update { run, round: 1 },
        nano_rho,
        scale_1024: scale.steps(),
        values: Values(vec![3; 68]),
    };
    let (site, agent) = ("north".parse().unwrap(), "a1".parse().unwrap());
    let sender = Sender { site: &site, agent: &agent };
    let bytes = update.encode().unwrap();
    intake::submit(&office.store, &office.sessions, sender, &bytes, now).unwrap().unwrap();
    coordinator
}

fn close_round(office: &Office) {
    tick(office.bench(), &office.sessions, office.now_unix_s()).unwrap();
}

fn settings(port: u16) -> Mlflow {
    Mlflow {
        url: format!("http://127.0.0.1:{port}"),
        token_file: None,
        ca_file: PathBuf::from("/etc/ssl/certs/ca-certificates.crt"),
        experiment: None,
    }
}

fn registrations(office: &Office) -> Vec<RegistrationRow> {
    office.store.read("registrations", |tx| tx.registrations()).unwrap()
}

fn ask(port: u16, path: &str, query: &[(&str, &str)]) -> Value {
    let url = format!("http://127.0.0.1:{port}/api/2.0/{path}");
    let request = ureq::get(url).query_pairs(query.iter().copied());
    request.call().unwrap().body_mut().read_json().unwrap()
}

/// The version that an alias of the project's model points to.
fn pointed(port: u16, alias: &str) -> Value {
    let query = [("name", MODEL), ("alias", alias)];
    ask(port, "mlflow/registered-models/alias", &query)["model_version"].clone()
}

const MODEL: &str = "heart.heart-disease";
const PROJECT: &str = "heart-disease";

#[test]
fn published_models_are_registered_once_whatever_fails_in_between() {
    let folder = tempfile::tempdir().unwrap();
    let coordinator = trained(folder.path());
    let office = coordinator.office();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (settings, federation) = (settings(port), office.authority.federation());
    // As often as it takes a busy machine: what was done stays done.
    let go_on = || {
        let begin = Instant::now();
        while let Err(error) = advance(&office.store, &settings, federation) {
            let slow = matches!(error, MlflowError::Client { source: ClientError::Silent { .. } });
            assert!(slow && begin.elapsed() < READY_WITHIN, "{error:?}");
        }
        registrations(office).iter().filter(|row| row.version.is_some()).count()
    };

    // Nobody is there. It is noted, it waits, and the round closes all the same.
    let silent = advance(&office.store, &settings, federation).unwrap_err();
    assert!(
        matches!(silent, MlflowError::Client { source: ClientError::Silent { .. } }),
        "{silent:?}"
    );
    let waiting = registrations(office);
    assert!(waiting[0].version.is_none() && waiting[0].failure.contains("no answer"));
    close_round(office);
    assert_eq!(registrations(office).len(), 2);

    let Some(_server) = Server::start(folder.path(), port) else {
        println!("SKIPPED against a real server: there is no `mlflow` here (pip install mlflow)");
        return;
    };
    assert_eq!(go_on(), 2);
    assert_eq!(advance(&office.store, &settings, federation).unwrap(), 0, "all is done");
    let done = registrations(office);
    assert!(done.iter().all(|row| row.version.is_some() && row.failure.is_empty()), "{done:?}");

    let active = pointed(port, "active");
    assert_eq!(active["version"], done[1].version.as_deref().unwrap());
    let tags = active["tags"].as_array().unwrap();
    let tag = |key: &str| tags.iter().find(|tag| tag["key"] == key).unwrap()["value"].clone();
    assert_eq!(tag("insitu.bundle"), done[1].publication.bundle.to_hex());
    assert_eq!(tag("insitu.parent"), done[0].publication.bundle.to_hex());
    let card = active["description"].as_str().unwrap();
    assert!(card.contains("1 of 1 rounds") && card.contains("epsilon"), "{card}");
    let run = active["run_id"].as_str().unwrap();
    let run = ask(port, "mlflow/runs/get", &[("run_id", run)])["run"].clone();
    let metrics = run["data"]["metrics"].as_array().unwrap();
    for name in ["epsilon", "gradient_norm"] {
        assert!(metrics.iter().any(|metric| metric["key"] == name), "{metrics:?}");
    }
    let run = run["info"]["run_id"].as_str().unwrap();
    let files = ask(port, "mlflow/artifacts/list", &[("run_id", run)])["files"].clone();
    let names: Vec<&Value> = files.as_array().unwrap().iter().map(|file| &file["path"]).collect();
    assert_eq!(names, ["card.md", "manifest.json"]);

    // The note of what was done is lost: it is found there, and not made again.
    let project = "heart-disease".parse().unwrap();
    office.store.write("lose", |tx| tx.note_registration(&project, 2, None, "")).unwrap();
    assert_eq!(go_on(), 2);
    assert_eq!(registrations(office)[1].version, done[1].version);

    publish::rollback(&office.store, &project, office.now_unix_s()).unwrap();
    assert_eq!(go_on(), 2);
    assert_eq!(pointed(port, "active")["version"], done[0].version.as_deref().unwrap());
    let found =
        ask(port, "mlflow/model-versions/search", &[("filter", "name='heart.heart-disease'")]);
    assert_eq!(found["model_versions"].as_array().unwrap().len(), 2);
}

/// Answers each request in turn with what is said of the first of these parts that it has; tells of the
/// requests. What is not said is refused, and so is what is answered with an error.
fn answering(
    listener: TcpListener,
    answers: Vec<(&'static str, &'static str)>,
) -> Receiver<String> {
    let (told, requests) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap() > 0 {
                let line = head.lines().last().unwrap().to_ascii_lowercase();
                if let Some(bytes) = line.strip_prefix("content-length:") {
                    length = bytes.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let first = head.lines().next().unwrap();
            let request = format!("{first} {}", String::from_utf8(body).unwrap());
            let answer = answers.iter().find(|(part, _)| request.contains(part));
            let (status, answer) = match answer {
                Some((_, answer)) if answer.contains("error_code") => ("404 Not Found", *answer),
                Some((_, answer)) => ("200 OK", *answer),
                None => ("503 Service Unavailable", "{}"),
            };
            // Whoever asked may be gone when the test is over.
            drop(told.send(request));
            let length = answer.len();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n");
            let rest = format!("connection: close\r\n\r\n{answer}");
            stream.get_mut().write_all((head + &rest).as_bytes()).unwrap();
        }
    });
    requests
}

/// A server that answers so, and the requests that it gets.
fn serve(answers: Vec<(&'static str, &'static str)>) -> (Mlflow, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = settings(listener.local_addr().unwrap().port());
    (settings, answering(listener, answers))
}

/// Of the requests so far, those about aliases.
fn asked(requests: &Receiver<String>) -> Vec<String> {
    requests.try_iter().filter(|request| request.contains("/alias")).collect()
}

#[test]
fn an_alias_waits_for_the_registration_of_what_it_means() {
    let folder = tempfile::tempdir().unwrap();
    found(folder.path());
    let coordinator = Coordinator::open(config(folder.path()), Arc::new(SystemClock)).unwrap();
    let office = coordinator.office();
    let federation = office.authority.federation();
    let alias = ("registered-models/alias", "{}");

    // The server refuses the model, and would take an alias away.
    let (refusing, requests) = serve(vec![alias]);
    let refused = advance(&office.store, &refusing, federation).unwrap_err();
    assert!(
        matches!(refused, MlflowError::Client { source: ClientError::Refused { .. } }),
        "{refused:?}"
    );
    assert_eq!(asked(&requests), Vec::<String>::new());

    let registered = ("model-versions/search", r#"{"model_versions": [{"version": "7"}]}"#);
    let (taking, requests) = serve(vec![("registered-models/create", "{}"), registered, alias]);
    assert_eq!(advance(&office.store, &taking, federation).unwrap(), 1);
    let aliases = asked(&requests);
    assert_eq!(aliases.len(), 1, "{aliases:?}");
    let (first, body) = aliases[0].split_once(" HTTP/1.1 ").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert!(first.starts_with("POST ") && body["version"] == "7", "{aliases:?}");

    // With nothing to do, not even the settings are looked at.
    let broken = Mlflow { token_file: Some(folder.path().join("none")), ..taking };
    assert_eq!(advance(&office.store, &broken, federation).unwrap(), 0);
    assert_eq!(requests.try_iter().count(), 0);
}

#[test]
fn a_version_that_was_deleted_is_registered_anew_and_holds_no_other_alias_up() {
    let folder = tempfile::tempdir().unwrap();
    found(folder.path());
    let coordinator = Coordinator::open(config(folder.path()), Arc::new(SystemClock)).unwrap();
    let office = coordinator.office();
    let federation = office.authority.federation();
    // Another project, by name after the first.
    let (store, now) = (&office.store, office.now_unix_s());
    let mut ward = store.read("projects", |tx| tx.projects()).unwrap().remove(0);
    ward.name = "ward".parse().unwrap();
    publish::project(store, &ward, now).unwrap();
    let first = Bundle::open(&shipped()).unwrap();
    let bundle = first.successor(first.head().clone(), Sentence::default()).unwrap();
    publish::import(store, &office.registry, &office.key, &ward.name, &bundle, now).unwrap();

    let models = ("registered-models/create", "{}");
    let registered = ("model-versions/search", r#"{"model_versions": [{"version": "7"}]}"#);
    // Its name with something beside it: what asks for the model itself has nothing else.
    let deleted = (
        "heart.heart-disease\",",
        r#"{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no version 7"}"#,
    );
    let alias = ("registered-models/alias", "{}");
    let (refusing, requests) = serve(vec![models, registered, deleted, alias]);
    let refused = advance(store, &refusing, federation).unwrap_err();
    assert!(
        matches!(refused, MlflowError::Client { source: ClientError::Refused { status: 404, .. } }),
        "{refused:?}"
    );
    assert_eq!(asked(&requests).len(), 2);
    let told =
        |project: &ProjectName| store.read("told", |tx| tx.told_alias(project, "active")).unwrap();
    assert_eq!((told(&PROJECT.parse().unwrap()), told(&ward.name)), (None, Some(1)));
    let rows = registrations(office);
    let row = |of: &str| rows.iter().find(|row| row.project.as_str() == of).unwrap();
    assert_eq!(row("ward").version.as_deref(), Some("7"));
    let forgotten = row(PROJECT);
    assert!(forgotten.version.is_none() && forgotten.failure.contains("no version 7"));

    let again = ("model-versions/search", r#"{"model_versions": [{"version": "8"}]}"#);
    let (taking, requests) = serve(vec![models, again, alias]);
    assert_eq!(advance(store, &taking, federation).unwrap(), 1);
    let aliases = asked(&requests);
    assert!(aliases.len() == 1 && aliases[0].contains("\"8\""), "{aliases:?}");
    assert_eq!(told(&PROJECT.parse().unwrap()), Some(1));
}
