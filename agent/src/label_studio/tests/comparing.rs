//! Comparing with what a Label Studio has, against one that is played.

use std::sync::Mutex;

use axum::extract::{self, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::task::JoinSet;

use super::super::compare::{Compared, compare};
use super::*;
use crate::store::studio::StudioAnnotation;

type Meanwhile = Box<dyn FnOnce() + Send>;

/// As much of a Label Studio as comparing asks.
#[derive(Clone, Default)]
pub(super) struct Fake {
    pub(super) tasks: Arc<Mutex<Vec<Value>>>,
    pub(super) brought: Arc<Mutex<Vec<Value>>>,
    /// Its label config.
    pub(super) config: Arc<Mutex<String>>,
    /// Its one file, and how often it was fetched.
    pub(super) file: Arc<Mutex<(Vec<u8>, u32)>>,
    /// Whether it cannot give `stuck.png`.
    pub(super) is_stuck: Arc<AtomicBool>,
    refreshes: Arc<Mutex<u32>>,
    /// What happens while the answer is on its way.
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
}

impl Fake {
    pub(super) async fn serve(&self) -> (std::net::SocketAddr, JoinSet<std::io::Result<()>>) {
        let app = Router::new()
            .route("/api/token/refresh/", post(refresh))
            .route("/api/tasks/", get(tasks))
            .route("/api/projects/5/", get(project_there))
            .route("/data/upload/{folder}/{file}", get(file))
            .route("/api/projects/5/import/predictions", post(predictions))
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await });
        (address, server)
    }
}

async fn refresh(State(fake): State<Fake>, Json(body): Json<Value>) -> Json<Value> {
    assert_eq!(body["refresh"], "a-personal-token");
    let mut refreshes = fake.refreshes.lock().unwrap();
    *refreshes += 1;
    Json(json!({"access": format!("access-{refreshes}")}))
}

async fn project_there(State(fake): State<Fake>) -> Json<Value> {
    Json(json!({"label_config": *fake.config.lock().unwrap()}))
}

/// For whoever shows an access token that has not run out: here the latest.
async fn file(
    State(fake): State<Fake>,
    extract::Path((_, name)): extract::Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Vec<u8>, StatusCode> {
    let latest = format!("Bearer access-{}", fake.refreshes.lock().unwrap());
    if headers.get("authorization").is_none_or(|shown| *shown != latest) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    if name == "stuck.png" && fake.is_stuck.load(Ordering::Relaxed) {
        return Err(StatusCode::BAD_GATEWAY);
    }
    let mut file = fake.file.lock().unwrap();
    file.1 += 1;
    if file.0.is_empty() { Err(StatusCode::NOT_FOUND) } else { Ok(file.0.clone()) }
}

async fn tasks(
    State(fake): State<Fake>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Json<Value>, StatusCode> {
    let page: usize = query["page"].parse().unwrap();
    let size: usize = query["page_size"].parse().unwrap();
    if let Some(meanwhile) = fake.meanwhile.lock().unwrap().take() {
        meanwhile();
    }
    let all = fake.tasks.lock().unwrap();
    if (page - 1) * size >= all.len() && page > 1 {
        return Err(StatusCode::NOT_FOUND);
    }
    let tasks: Vec<&Value> = all.iter().skip((page - 1) * size).take(size).collect();
    Ok(Json(json!({"tasks": tasks, "total": all.len()})))
}

async fn predictions(
    State(fake): State<Fake>,
    headers: HeaderMap,
    Json(body): Json<Vec<Value>>,
) -> Result<(StatusCode, Json<Value>), StatusCode> {
    // The first access tokens have run out by now.
    let refreshes = *fake.refreshes.lock().unwrap();
    if refreshes <= 2 {
        return Err(StatusCode::UNAUTHORIZED);
    }
    assert_eq!(headers["authorization"], format!("Bearer access-{refreshes}"));
    let created = body.len();
    fake.brought.lock().unwrap().extend(body);
    Ok((StatusCode::CREATED, Json(json!({"created": created}))))
}

/// Compares, as the daemon does.
pub(super) async fn compared(site: &Site) -> Compared {
    let (store, row, studio) = (Arc::clone(&site.store), site.row.clone(), site.studio.clone());
    let work = move || compare(&store, &row, &studio, 100);
    tokio::task::spawn_blocking(work).await.unwrap().unwrap()
}

#[tokio::test]
async fn what_webhooks_have_missed_is_found_by_comparing() {
    let mut site = site();
    let fake = Fake::default();
    CONFIG.clone_into(&mut fake.config.lock().unwrap());
    let (address, _server) = fake.serve().await;
    site.studio.settings.url = format!("http://{address}");
    let site = Arc::new(site);
    let ask = || compared(&site);
    let mut listed: Vec<Value> = (1..=200).map(task).collect();
    let mut by_object = said(8, "13.1", 1, "positive");
    by_object["completed_by"] = json!({"id": 1, "email": "a@b"});
    listed[0]["annotations"] = json!([by_object, said(9, "14", 1, "neutral")]);
    *fake.tasks.lock().unwrap() = listed;
    // Two annotations, and one event for the tasks of each page.
    assert_eq!(ask().await, Compared { tasks: 200, missed: 4, brought: 0 });
    site.work(1);
    assert_eq!(site.label(1).1, 1, "one user's later one replaces the earlier");

    let found = ask().await;
    assert_eq!(found, Compared { tasks: 200, missed: 0, brought: 200 });
    assert_eq!(ask().await.brought, 0, "only what is not there");
    {
        let brought = fake.brought.lock().unwrap();
        assert_eq!(brought.len(), 200);
        assert_eq!(brought[0]["task"], 1);
        assert_eq!(brought[0]["result"][0]["value"]["choices"][0], "negative");
        assert_eq!(brought[0]["model_version"], "insitu-0707070707070707");
    }
    // One that is heard of while the older list is on its way is in no list, and not gone.
    let heard = Arc::clone(&site);
    *fake.meanwhile.lock().unwrap() = Some(Box::new(move || {
        let newer = StudioAnnotation { annotation: 12, task: Some(1), ..Default::default() };
        let put = |tx: &crate::store::Tx<'_>| tx.put_studio_annotation(heard.row.project, &newer);
        heard.store.tx("test", put).unwrap();
    }));
    assert_eq!(ask().await.missed, 0);
    let known = |tx: &crate::store::Tx<'_>| tx.studio_annotation(site.row.project, 12);
    let newer = site.store.read("test", known).unwrap().unwrap();
    assert!(!newer.deleted);
    assert_eq!(ask().await.missed, 1, "it is in no later list");
    fake.tasks.lock().unwrap()[0]["annotations"] = json!([]);
    assert_eq!(ask().await.missed, 2, "both are gone");
    site.work(1);
    assert_eq!((site.label(1), site.faults()), ((None, 0), Vec::new()));
    assert!(site.scratch.folder.path().exists());
}
