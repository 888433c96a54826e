mod again;
mod comparing;
mod media;
mod recorded;
mod setup_page;
mod spans;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use insitu_protocol::project::Project;
use serde_json::{Value, json};

use super::*;
use crate::config::Images;
use crate::item::CleanItem;
use crate::label::Label;
use crate::prelabel::Prelabel;
use crate::review::{self, past_reads, reads};
use crate::route::{Accepts, label_of_record};
use crate::store::items::Stage;
use crate::store::labels::{Role, Verdict};
use crate::store::orders::ProjectRow;
use crate::store::tests::{Scratch, scratch};
use crate::store::{Store, StoreError};
use crate::testing::{self, Masks, Served, masked, project_of};

const SECRET: &str = "a-secret-of-a-test_0123";
const CONFIG: &str = r#"<View><Text name="text" value="$text"/>
    <Choices name="mood" toName="text" choice="single">
    <Choice value="positive"/><Choice value="negative"/><Choice value="neutral"/></Choices></View>"#;

/// A project of three classes over one text, such as the recorded ones.
fn project() -> Project {
    project_of(["positive", "negative", "neutral"], ["text", "text"], "kind = \"class\"")
}

struct Site {
    scratch: Scratch,
    store: Arc<Store>,
    row: ProjectRow,
    studio: Studio,
    masks: Arc<Masks>,
}

fn site() -> Site {
    site_of(&project())
}

fn site_of(project: &Project) -> Site {
    let scratch = scratch();
    let store = Arc::new(Store::open(scratch.folder.path()).unwrap());
    let row = testing::put(&store, project);
    let token_file = scratch.folder.path().join("token");
    files::create(&token_file, b"a-personal-token", files::Access::Secret).unwrap();
    let settings = LabelStudio {
        url: "http://127.0.0.1:9".to_owned(),
        project: 5,
        token_file,
        secret_file: Path::new("nowhere").to_owned(),
        ca_file: Path::new("nowhere").to_owned(),
        compare: std::time::Duration::from_secs(60),
        people: BTreeMap::from([("2".to_owned(), "ada".to_owned())]),
    };
    let source = Source {
        name: "mood".parse().unwrap(),
        id: "site_ref".to_owned(),
        subject: None,
        holdout: None,
        holdout_share: 0.0,
        redaction: None,
        images: Images::AsTheyAre,
        personal: false,
        acceptance: None,
        review: None,
        label_studio: Some(settings.clone()),
        watch: None,
    };
    let masks = Arc::new(Masks::default());
    let (secret, texts) = (blake3::hash(SECRET.as_bytes()), Arc::clone(&masks) as Arc<dyn Texts>);
    let studio = Studio { source, settings, secret, texts };
    Site { scratch, store, row, studio, masks }
}

impl Site {
    async fn serve(&self) -> Served {
        let desk = testing::desk(Arc::clone(&self.store));
        Served::start(http::router(desk, std::slice::from_ref(&self.studio))).await
    }

    /// Takes what waits; redacts and prelabels what is new, as `class` at 0.75.
    fn work(&self, class: u16) {
        self.work_with(Some(&Label::Class(class)), &Accepts::Assumed);
    }

    /// [`Site::work`] with this draft.
    fn draft(&self, label: &Label) {
        self.work_with(Some(label), &Accepts::Assumed);
    }

    /// [`Site::work`] without a model.
    fn hand_over(&self) {
        self.work_with(None, &Accepts::Nothing);
    }

    fn work_with(&self, label: Option<&Label>, accepts: &Accepts) {
        while take(&self.store, &self.row, &self.studio, 2_000_000_000).unwrap() {}
        self.store
            .tx("test", |tx| {
                for item in tx.items_in_stage(self.row.project, Stage::New, 0, 1000)? {
                    let clean = CleanItem::redact(
                        &item,
                        &self.row.definition,
                        |_, text| Ok::<_, StoreError>(Some(masked(text).text)),
                        |_| Ok(()),
                    )?;
                    clean.store(tx, &item)?;
                }
                for item in tx.items_in_stage(self.row.project, Stage::Clean, 0, 1000)? {
                    let project = &self.row.definition;
                    let Some(label) = label else {
                        crate::route::place_without_prelabel(tx, &project.routing, &item)?;
                        continue;
                    };
                    let prelabel = Prelabel::of_label_for_test(label.clone(), 0.75);
                    crate::route::place(tx, project, accepts, &item, &prelabel.into(), 0)?;
                }
                Ok::<_, StoreError>(())
            })
            .unwrap();
        while take(&self.store, &self.row, &self.studio, 2_000_000_000).unwrap() {}
    }

    /// The class of record of a task's item, and how many annotations it has.
    fn label(&self, task: u64) -> (Option<u16>, usize) {
        let (label, annotations) = self.said(task);
        (label.and_then(|label| label.class()), annotations)
    }

    /// The label of record of a task's item, and how many annotations it has.
    fn said(&self, task: u64) -> (Option<Label>, usize) {
        self.store
            .read("test", |tx| {
                let item = tx.studio_task(self.row.project, task)?.unwrap();
                let annotations = tx.annotations_of(item)?;
                let label = label_of_record(&reads(&annotations)?).cloned();
                Ok::<_, StoreError>((label, annotations.len()))
            })
            .unwrap()
    }

    fn faults(&self) -> Vec<String> {
        let faults = self.store.read("test", |tx| tx.studio_faults(self.row.project, 10)).unwrap();
        faults.into_iter().map(|(_, reason)| reason).collect()
    }
}

fn line(call: &str) -> String {
    format!("POST /label-studio/mood/{SECRET}/{call}")
}

fn task(id: u64) -> Value {
    json!({"id": id, "data": {"text": format!("Mary is here {id}"), "site_ref": format!("r{id}")},
           "meta": {}, "project": 5, "is_labeled": false})
}

fn said(id: u64, at: &str, task: u64, class: &str) -> Value {
    json!({
        "id": id, "was_cancelled": false, "updated_at": format!("2026-11-21T20:32:{at}Z"),
        "result": [{"id": "x", "from_name": "mood", "to_name": "text", "type": "choices",
                    "value": {"choices": [class]}}],
        "lead_time": 3.5, "completed_by": 1, "parent_prediction": null, "task": task,
    })
}

fn told(action: &str, annotation: &Value) -> Value {
    json!({"action": action, "annotation": annotation, "project": {"id": 5},
           "task": task(annotation["task"].as_u64().unwrap())})
}

/// What somebody says of a changed text says nothing of the item's.
#[tokio::test]
async fn what_is_said_of_changed_data_is_refused() {
    let site = site();
    let served = site.serve().await;
    let tell = async |mut told: Value, text: &str| {
        told["task"]["data"]["text"] = json!(text);
        assert_eq!(served.ask("x", &line("webhook"), &told).await.0, 201);
        site.work(0);
    };
    tell(told("ANNOTATION_CREATED", &said(8, "13.1", 10, "negative")), "Mary is here 10").await;
    assert_eq!(site.label(10), (Some(1), 1));
    tell(told("ANNOTATION_UPDATED", &said(8, "14.1", 10, "neutral")), "Mary is gone").await;
    assert_eq!(site.label(10), (Some(1), 1), "of another text");
    assert_eq!(
        site.faults(),
        [
            "the \"text\" is not the item's: it was changed since; undo that there, or make a new task of it"
        ]
    );
    // As an export from here has it.
    tell(told("ANNOTATION_UPDATED", &said(8, "15.1", 10, "positive")), "[NAME] is here 10").await;
    assert_eq!(site.label(10), (Some(0), 1));
}

/// A person there who is also one here is not overruled by what they said there.
#[tokio::test]
async fn what_was_said_on_the_page_stays() {
    let site = site();
    let served = site.serve().await;
    let ada = testing::person(&site.store, "ada", Role::Annotator);
    let created = json!({"action": "TASKS_CREATED", "tasks": [task(10)], "project": {"id": 5}});
    assert_eq!(served.ask("x", &line("webhook"), &created).await.0, 201);
    site.work(1);
    let cards = review::next(&site.store, &ada, &site.row.definition.name, 1, 10).unwrap();
    let annotation = review::Annotation {
        key: "k".to_owned(),
        label: Some(Label::Class(2)),
        seconds: 1.0,
        decision: review::Decision::Correct,
        comment: None,
        looks_real: None,
        reason: None,
    };
    review::annotate(&site.store, &ada, &cards[0].row.opaque, &annotation, 20).unwrap();
    let mut annotated = said(8, "13.1", 10, "positive");
    annotated["completed_by"] = json!(2);
    let told = told("ANNOTATION_CREATED", &annotated);
    assert_eq!(served.ask("x", &line("webhook"), &told).await.0, 201);
    site.work(1);
    assert_eq!(site.label(10), (Some(2), 1));
    assert!(site.faults()[0].starts_with("the person has answered this item on the review page"));
}

#[tokio::test]
async fn the_secret_opens_in_each_way_and_nothing_else_does() {
    let site = site();
    let served = site.serve().await;
    let up = json!({"status": "UP", "model_class": "Insitu", "v2": false});
    let by_path = format!("GET /label-studio/mood/{SECRET}/health");
    assert_eq!(served.ask("x", &by_path, &Value::Null).await, (200, up.clone()));
    let bearer = served.ask(SECRET, "GET /label-studio/mood/health", &Value::Null);
    assert_eq!(bearer.await, (200, up));
    for path in ["mood/health", "mood/another-secret-of-16/health", "heart/health", "a%20b/health"]
    {
        let answer = served.ask("x", &format!("GET /label-studio/{path}"), &Value::Null).await;
        assert!(answer.0 == 401 || answer.0 == 400, "{path}: {answer:?}");
    }
    let (status, _) =
        served.ask(SECRET, "GET /label-studio/mood/wrong-secret-wrong/health", &Value::Null).await;
    assert_eq!(status, 401, "a path that shows a secret is judged by it");
}

#[tokio::test]
async fn setup_says_what_does_not_fit() {
    let site = site();
    let served = site.serve().await;
    let setup = json!({"project": "5.1", "schema": CONFIG, "hostname": "http://x",
                       "access_token": "old", "extra_params": {}});
    let answer = served.ask("x", &line("setup"), &setup).await;
    assert_eq!(answer, (200, json!({"model_version": "insitu-none"})));
    let other = json!({"schema": CONFIG.replace("neutral", "mixed")});
    let (status, answer) = served.ask("x", &line("setup"), &other).await;
    assert_eq!(status, 422);
    assert_eq!(
        answer["error"],
        "the labels are not the project's classes: missing \"neutral\", unknown \"mixed\""
    );
}

#[tokio::test]
async fn drafts_come_in_the_order_of_tasks_and_only_where_there_are_any() {
    let site = site();
    let served = site.serve().await;
    let body = json!({"tasks": [task(10), task(11)], "project": "5.1", "label_config": CONFIG,
                      "params": {"login": null, "password": null, "context": null}});
    let (status, answer) = served.ask("x", &line("predict"), &body).await;
    assert_eq!(
        (status, &answer["results"]),
        (503, &Value::Null),
        "what is kept is never asked for"
    );
    site.work(1);
    let mut no_item = task(12);
    no_item["data"]["text"] = json!({});
    let body = json!({"tasks": [no_item, task(11), task(10)], "label_config": CONFIG});
    let (_, answer) = served.ask("x", &line("predict"), &body).await;
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results[0]["result"], json!([]), "there will be no draft");
    for (result, task) in [(&results[1], 11), (&results[2], 10)] {
        assert_eq!(result["score"], 0.75);
        assert_eq!(
            result["result"],
            json!([{"id": format!("insitu-{task}"), "from_name": "mood", "to_name": "text",
                    "type": "choices", "score": 0.75, "value": {"choices": ["negative"]}}])
        );
        assert_eq!(result["model_version"], "insitu-0707070707070707");
    }
    let again = served.ask("x", &line("predict"), &body).await;
    assert_eq!(again.1, answer, "asking again changes nothing");
    let new = json!({"tasks": [task(11), task(13)], "label_config": CONFIG});
    assert_eq!(served.ask("x", &line("predict"), &new).await.0, 503, "a draft is still to come");
    let many = json!({"tasks": vec![json!({"id": 1}); TASKS_MAX + 1], "label_config": CONFIG});
    assert_eq!(served.ask("x", &line("predict"), &many).await.0, 413);
    assert_eq!(served.ask("x", &line("predict"), &json!({"tasks": "x"})).await.0, 400);
}

#[tokio::test]
async fn what_people_there_say_is_a_first_reading_once() {
    let site = site();
    let served = site.serve().await;
    let created = json!({"action": "TASKS_CREATED", "tasks": [task(10)], "project": {"id": 5}});
    let ok = json!({"result": {}, "status": "ok"});
    assert_eq!(served.ask("x", &line("webhook"), &created).await, (201, ok));
    let first = told("ANNOTATION_CREATED", &said(8, "13.1", 10, "positive"));
    for _ in 0..2 {
        assert_eq!(served.ask("x", &line("webhook"), &first).await.0, 201);
    }
    let waiting = || site.store.read("test", |tx| tx.waiting_studio_events(1)).unwrap();
    assert_eq!(waiting(), 2);
    site.work(1);
    assert_eq!((site.label(10), waiting()), ((Some(0), 1), 0));

    // An update counts; one that comes late does not, whatever its order of arrival.
    let update = told("ANNOTATION_UPDATED", &said(8, "15", 10, "neutral"));
    let late = told("ANNOTATION_UPDATED", &said(8, "14.9", 10, "negative"));
    served.ask("x", &line("webhook"), &update).await;
    served.ask("x", &line("webhook"), &late).await;
    site.work(1);
    assert_eq!(site.label(10), (Some(2), 1));

    // A second user's is a reading of its own, by the person whom the configuration names.
    testing::person(&site.store, "ada", Role::Annotator);
    let mut other = said(9, "16", 10, "negative");
    other["completed_by"] = json!(2);
    served.ask("x", &line("webhook"), &told("ANNOTATION_CREATED", &other)).await;
    site.work(1);
    assert_eq!(site.label(10), (Some(2), 2));
    let people = site.store.read("test", |tx| tx.people()).unwrap();
    let names: Vec<_> = people.iter().map(|person| person.name.as_str()).collect();
    assert_eq!(names, ["Label Studio user 1", "ada"]);

    let gone = json!({"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 8}]});
    served.ask("x", &line("webhook"), &gone).await;
    site.work(1);
    assert_eq!(site.label(10), (Some(1), 1), "the other's stays");
    // Told again after it was deleted.
    let ghost = told("ANNOTATION_UPDATED", &said(8, "17", 10, "neutral"));
    served.ask("x", &line("webhook"), &ghost).await;
    site.work(1);
    assert_eq!((site.label(10), site.faults()), ((Some(1), 1), Vec::new()));
}

#[tokio::test]
async fn a_name_that_labels_nothing_here_is_nobody_there() {
    let site = site();
    testing::person(&site.store, "ada", Role::Steward);
    let served = site.serve().await;
    let mut other = said(9, "16", 10, "negative");
    other["completed_by"] = json!(2);
    served.ask("x", &line("webhook"), &told("ANNOTATION_CREATED", &other)).await;
    site.work(1);
    let people = site.store.read("test", |tx| tx.people()).unwrap();
    let names: Vec<_> = people.iter().map(|person| person.name.as_str()).collect();
    assert_eq!(names, ["Label Studio user 2", "ada"]);
    assert_eq!(site.label(10), (Some(1), 1));
}

/// Whoever reads for the audit of auto-accept must not see what the model says.
#[tokio::test]
async fn a_draft_that_is_audited_is_shown_to_nobody() {
    let mut site = site();
    site.row.definition.routing.accept_at = 700;
    let served = site.serve().await;
    let created = json!({"action": "TASKS_CREATED", "tasks": [task(10)], "project": {"id": 5}});
    served.ask("x", &line("webhook"), &created).await;
    site.work_with(
        Some(&Label::Class(1)),
        &Accepts::Earned { audit_milli: 1000, thresholds: BTreeMap::new() },
    );
    let body = json!({"tasks": [task(10)], "project": "5.1", "label_config": CONFIG});
    let (status, answer) = served.ask("x", &line("predict"), &body).await;
    assert_eq!((status, &answer["results"][0]["result"]), (200, &json!([])));
    let read = |tx: &crate::store::Tx<'_>| tx.unbrought_draft(site.row.project, 10);
    assert_eq!(site.store.read("test", read).unwrap(), None);
}

#[tokio::test]
async fn skips_are_kept_and_nonsense_is_noted() {
    let site = site();
    let served = site.serve().await;
    let mut skip = said(3, "13", 10, "positive");
    skip["was_cancelled"] = json!(true);
    skip["result"] = json!([]);
    served.ask("x", &line("webhook"), &told("ANNOTATION_CREATED", &skip)).await;
    let unknown = told("ANNOTATION_CREATED", &said(4, "14", 11, "angry"));
    served.ask("x", &line("webhook"), &unknown).await;
    let mut empty = said(5, "14", 11, "positive");
    empty["result"] = json!([]);
    served.ask("x", &line("webhook"), &told("ANNOTATION_CREATED", &empty)).await;
    site.work(1);
    assert_eq!(site.label(10), (None, 1));
    let read = site.store.read("test", |tx| {
        let item = tx.studio_task(1, 10)?.unwrap();
        past_reads(&tx.annotations_of(item)?)
    });
    assert_eq!(read.unwrap()[0].read.verdict, Verdict::Skip);
    assert_eq!(
        site.faults(),
        [
            "it does not choose exactly one class",
            "column \"label\" names none of the project's classes"
        ]
    );
    for action in ["START_TRAINING", "PROJECT_UPDATED", "SOMETHING_NEW"] {
        let told = json!({"action": action, "project": {"id": 5, "label_config": CONFIG}});
        assert_eq!(served.ask("x", &line("webhook"), &told).await.0, 201, "{action}");
    }
    assert_eq!(served.ask("x", &line("webhook"), &json!({"action": 7})).await.0, 400);
}

#[tokio::test]
async fn a_queue_that_is_full_says_so() {
    let site = site();
    site.store
        .tx("test", |tx| {
            for event in 0..WAITING_MAX {
                tx.add_studio_event(1, &event.to_string(), b"", 0)?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let served = site.serve().await;
    let first = told("ANNOTATION_CREATED", &said(8, "13.1", 10, "positive"));
    assert_eq!(served.ask("x", &line("webhook"), &first).await.0, 507);
}
