//! What several modules' tests need: a store with a project, items with prelabels, people.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use insitu_daemon::clock::ManualClock;
use insitu_models::bundle::Bundle;
use insitu_privacy::{Delta, Rho};
use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::ids::ProjectName;
use insitu_protocol::order::BundleOrder;
use insitu_protocol::project::Project;
use insitu_protocol::release::Release;
use serde_json::Value as Json;
use tokio::task::JoinSet;

use crate::account::Accounts;
use crate::config::{ApproveCampaigns, Limits, Policy, SignInTimes};
use crate::downlink::Judge;
use crate::item::{CleanItem, Dirty, RawItem, Value};
use crate::prelabel::{Prelabel, Shelf};
use crate::redact::texts::{Texts, Unread};
use crate::redact::{self, Kind, Redacted};
use crate::review::http::Desk;
use crate::review::{CleanContext, Doors, Unasked};
use crate::route::{self, Accepts};
use crate::store::items::{Addition, ItemRow, Stage};
use crate::store::labels::{Person, Role, Terms};
use crate::store::orders::{BundleState, ProjectRow};
use crate::store::tests::{Scratch, scratch};
use crate::store::{Store, StoreError};

#[path = "../../models/tests/mirrored/mod.rs"]
pub(crate) mod mirrored;

/// A project of two classes with a number, a category and a text.
pub(crate) fn project() -> Project {
    toml::from_str(include_str!("testing.toml")).unwrap()
}

/// A project of these classes over one field, by its name and its kind.
pub(crate) fn project_of<const N: usize>(
    classes: [&str; N],
    field: [&str; 2],
    task: &str,
) -> Project {
    let classes: String = classes.iter().map(|n| format!("[[classes]]\nname = {n:?}\n")).collect();
    let [name, kind] = field;
    let text = format!(
        r#"
        name = "mood"
        version = 1
        title = "Mood"
        instructions = "Read."
        features = []
        {classes}
        [[fields]]
        name = "{name}"
        title = "Field"
        kind = "{kind}"
        [task]
        {task}
        [routing]
        accept_at = 1001
        expert_below = 0
        overlap = 0
        [statistics]
        confusion_nano_rho = 2000000
        coincidence_nano_rho = 1000000
        calibration_nano_rho = 1000000
        drift_nano_rho = 2000000
        calibration_bins = 5
        [training]
        rounds = 2
        run_nano_rho = 20000000
        clip_milli = 1000
        fraction_bits = 12
        learning_rate = 1.0
        momentum = 0.5
        "#
    );
    toml::from_str(&text).unwrap()
}

/// Hides one name.
#[derive(Default)]
pub(crate) struct Masks {
    /// The settings are refused.
    pub(crate) refused: AtomicBool,
}

/// `text` with a mask for each `Mary`.
pub(crate) fn masked(text: &str) -> Redacted {
    let (mut clean, mut spans, mut places) = (String::new(), Vec::new(), Vec::new());
    let (mut at, mut length) = (0, 0);
    for (number, part) in text.split("Mary").enumerate() {
        if number > 0 {
            spans.push(redact::Span { start: at, end: at + 4, kind: Kind::Name, score: 1.0 });
            places.push((length, length + 6));
            clean += "[NAME]";
            (at, length) = (at + 4, length + 6);
        }
        clean += part;
        (at, length) = (at + part.chars().count(), length + part.chars().count());
    }
    Redacted { text: clean, spans, places, shown_later: 0, replaced: Vec::new() }
}

impl Texts for Masks {
    fn redact(
        &self,
        _: &Store,
        _: &ProjectName,
        _: &ItemRow,
        _: Dirty<'_>,
        text: &str,
    ) -> Result<Option<Redacted>, Unread> {
        let refused = self.refused.load(Ordering::Relaxed);
        if refused { Err(Unread::Settings) } else { Ok(Some(masked(text))) }
    }
}

/// [`project`] with a task, or more fields, in TOML.
pub(crate) fn project_with(more: &str) -> Project {
    toml::from_str(&[include_str!("testing.toml"), more].join("\n")).unwrap()
}

/// A store with [`project`] in it.
pub(crate) fn with_project() -> (Scratch, ProjectRow) {
    let scratch = scratch();
    let row = put(&scratch.store, &project());
    (scratch, row)
}

/// Stores a project and reads it back.
pub(crate) fn put(store: &Store, project: &Project) -> ProjectRow {
    store
        .tx("test", |tx| {
            tx.put_project(project, 0)?;
            tx.project(&project.name)
        })
        .unwrap()
        .unwrap()
}

/// Adds items `from..to`, the i-th of subject i modulo `subjects`, redacted but not prelabeled.
pub(crate) fn add_items(
    store: &Store,
    row: &ProjectRow,
    range: std::ops::Range<u32>,
    subjects: u32,
) {
    add_items_of(store, row, None, range, subjects);
}

/// [`add_items`] that a generator made, if there is one.
pub(crate) fn add_items_of(
    store: &Store,
    row: &ProjectRow,
    generator: Option<&str>,
    range: std::ops::Range<u32>,
    subjects: u32,
) {
    store
        .tx("test", |tx| {
            for i in range {
                let fields = vec![("age".to_owned(), Value::Number(f64::from(i % 90)))];
                let item =
                    RawItem::new(i.to_string(), (i % subjects).to_string(), i % 4 == 3, fields);
                let added =
                    item.made_by(generator).add(tx, row.project, row.definition.name.as_str())?;
                assert_eq!(added, Addition::New);
            }
            for stored in tx.items_in_stage(row.project, Stage::New, 0, 100_000)? {
                let clean = CleanItem::redact(
                    &stored,
                    &row.definition,
                    |_, text| Ok::<_, StoreError>(Some(text.to_owned())),
                    |_| Ok(()),
                )?;
                clean.store(tx, &stored)?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

/// Redacts the contexts of corrections by `redact`.
pub(crate) fn redact_contexts(
    store: &Store,
    row: &ProjectRow,
    redact: impl Fn(&str) -> Option<String>,
) {
    store
        .tx("test", |tx| {
            for raw in tx.raw_contexts(row.project, 100)? {
                let mut said = Unasked::decode(&raw.body)?;
                let context = std::mem::take(&mut said.context);
                let item = tx.item(raw.item)?.unwrap();
                let clean = CleanContext::redact(context, &item, |_, part| {
                    Ok::<_, StoreError>(redact(part))
                })?;
                assert!(tx.set_clean_context(&raw, &said.cleaned(clean).encode()?)?);
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

/// Prelabels everything that is clean: class 1 at the confidence that `confidence` gives. What routing
/// accepts is accepted.
pub(crate) fn prelabel(store: &Store, row: &ProjectRow, confidence: impl Fn(usize) -> f64) {
    store
        .tx("test", |tx| {
            let items = tx.items_in_stage(row.project, Stage::Clean, 0, 100_000)?;
            for (i, item) in items.iter().enumerate() {
                let prelabel = Prelabel::for_test(1, confidence(i), 7);
                let project = &row.definition;
                route::place(tx, project, &Accepts::Assumed, item, &prelabel.into(), 0)?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

/// The objects of a bundle arrive in a site's data folder.
pub(crate) fn arrive(data: &Path, bundle: &Bundle) {
    let shelf = Shelf::new(data);
    std::fs::create_dir_all(shelf.folder()).unwrap();
    for (object, bytes) in bundle.objects() {
        std::fs::write(shelf.path(&object.digest), bytes).unwrap();
    }
}

/// A bundle arrives in a site's data folder, and is approved.
pub(crate) fn publish(store: &Store, data: &Path, row: &ProjectRow, bundle: &Bundle, number: u64) {
    arrive(data, bundle);
    let order = BundleOrder {
        project: row.definition.name.clone(),
        manifest: Bytes(bundle.manifest_bytes().to_vec()),
        signature: Fixed([0; 64]),
    };
    let backbone = bundle.manifest().backbone.digest;
    store
        .tx("test", |tx| {
            tx.put_bundle(bundle.id(), number, &order, backbone)?;
            tx.set_bundle_state(&bundle.id(), BundleState::Ready, "")
        })
        .unwrap();
}

/// Adds a person.
pub(crate) fn person(store: &Store, name: &str, role: Role) -> Person {
    person_until(store, name, role, Terms::default())
}

/// Adds a person whose credentials end.
pub(crate) fn person_until(store: &Store, name: &str, role: Role, terms: Terms) -> Person {
    let hash = crate::review::token_hash(name);
    let added = store.tx("test", |tx| tx.add_person(name, role, terms, &hash, 0));
    Person { person: added.unwrap().unwrap(), name: name.to_owned(), role, terms }
}

/// Everything in the ledger, as it is sent.
pub(crate) fn released(store: &Store) -> Vec<Release> {
    store
        .read("test", |tx| {
            let entries = tx.entries(0, 1000)?;
            let bytes = entries.iter().map(|entry| tx.release_bytes(entry.sequence));
            bytes.collect::<Result<Vec<_>, StoreError>>()
        })
        .unwrap()
        .iter()
        .map(|bytes| Release::decode(bytes).unwrap())
        .collect()
}

/// Approves campaigns, and limits nothing but the cohort. As numbers: to find a ρ for an ε takes
/// longer than what is done with it.
pub(crate) fn generous(minimum_cohort: u64) -> Judge {
    let policy = Policy { approve_campaigns: ApproveCampaigns::WithinPolicy, ..Policy::default() };
    let limits = Limits {
        delta: Delta::new(policy.delta).unwrap(),
        year: Rho::MAX,
        local_year: Rho::MAX,
        window: Rho::MAX,
        run: Rho::MAX,
        campaign: Rho::MAX,
        evaluation: Rho::MAX,
        allotments: BTreeMap::new(),
        minimum_cohort,
        sums_only: false,
    };
    Judge { policy, limits, bundle_key: None }
}

/// What the local API serves of a store, in 1970.
pub(crate) fn desk(store: Arc<Store>) -> Desk {
    Desk {
        store,
        clock: Arc::new(ManualClock::new(jiff::Timestamp::UNIX_EPOCH)),
        site: "cleveland".to_owned(),
        status: Arc::new(|role| Ok(role.name().into())),
        doors: Arc::new(Doors {
            accounts: Accounts::new(SignInTimes::default()),
            gate: None,
            secure: false,
        }),
    }
}

/// A local API on loopback, until it is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    _server: JoinSet<std::io::Result<()>>,
}

impl Served {
    pub(crate) async fn start(app: Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await });
        Self { address, _server: server }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Status and body of a request, such as `GET /api/me`, in the name of `token`; a `body` that is
    /// null is none.
    pub(crate) async fn ask(&self, token: &str, line: &str, body: &Json) -> (u16, Json) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let address = self.address;
        let answer = tokio::task::spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        let answer = answer.await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap())
    }
}
