//! Projects of other labels than one class over the wire: people label without a model, and what
//! leaves is what leaves of any project; or with one, which a round makes a better one of.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::ops::Range;
use std::time::Duration;

use insitu_agent::item::Value;
use insitu_agent::label::{Label, Span};
use insitu_agent::prelabel::engine;
use insitu_agent::review::Card;
use insitu_agent::store::items::Stage;
use insitu_coordinator::agreement::{self, Estimate};
use insitu_coordinator::publish::{self, PublishError};
use insitu_coordinator::registry::{self, RegistryError};
use insitu_models::bundle::Bundle;
use insitu_models::fit::FitError;
use insitu_models::head::HeadKind;
use insitu_models::manifest::{Pooling, Sentence};
use insitu_models::pack::{TextModel, Title};
use insitu_protocol::project::{FieldKind, Project, Task};
use insitu_protocol::text::Line;
use insitu_tests::federation::{Federation, project, shipped_bundle, shipped_project};
use insitu_tests::simnet::{Conditions, Network};
use insitu_tests::site::{PATIENTS, Site};
use tokio::time::sleep;

#[path = "../../models/tests/tiny/mod.rs"]
mod tiny;

/// Sites of a round.
const SITES: [&str; 2] = ["east", "north"];

/// The shipped project, about spans of its text.
fn spans_project() -> Project {
    let mut project = shipped_project();
    let text = project.fields.iter().find(|field| field.kind == FieldKind::Text).unwrap();
    let (field, relations) = (text.name.clone(), vec![Line::new("causes").unwrap()]);
    project.task = Task::Spans { field, relations };
    project
}

#[tokio::test(start_paused = true)]
async fn spans_are_labeled_without_a_model_and_released_like_classes() {
    let mut federation = Federation::found(Network::new(3, Conditions::default()), "30days");
    federation.join("east").await;
    let wanted = spans_project();
    let office = federation.coordinator.office();
    let now = office.now_unix_s();
    publish::project(&office.store, &wanted, now).unwrap();
    let refused = publish::import(
        &office.store,
        &office.registry,
        &office.key,
        &project(),
        &shipped_bundle(),
        now,
    );
    let PublishError::Registry { source: RegistryError::Unfit { source, .. } } =
        refused.unwrap_err()
    else {
        panic!("a bundle of one class was published for spans");
    };
    assert_eq!(source, FitError::Kind { task: "spans", head: HeadKind::Softmax });

    let site = &federation.sites[0];
    federation.until("the project", || site.project().is_some()).await;
    assert_eq!(site.project().unwrap().definition, wanted, "all of it arrived");
    site.import(0..PATIENTS);
    let waiting = |stage: Stage| site.stages()[stage as usize];
    let handed_over = || waiting(Stage::New) + waiting(Stage::Clean) == 0;
    federation.until("all items to be handed over", handed_over).await;
    let items: u64 = site.stages().iter().sum();
    assert_eq!(waiting(Stage::First), items, "nobody but people can label them");
    let first_word = Span { start: 0, end: 8, class: 1 };
    let marked = site.label_as(|card, _| {
        assert!(card.prelabel.is_none(), "there is no model");
        Label::spans(vec![first_word], Vec::new()).unwrap()
    });
    assert!(marked > 0);
    assert_eq!(waiting(Stage::Done), items, "readers who mark the same agree");

    let closed = site.release_statistics().unwrap();
    let prices = wanted.statistics;
    let price = prices.confusion_nano_rho
        + prices.coincidence_nano_rho
        + prices.calibration_nano_rho
        + prices.drift_nano_rho;
    assert_eq!((closed.window, closed.nano_rho), (1, price), "the price does not tell the kind");
    federation.sent().await;
    assert_eq!(federation.check_site(&federation.sites[0]), (4, price));
    assert_eq!(federation.alerts(), 0, "the coordinator found nothing wrong with their shape");
    federation.stop().await;
}

/// A model of another kind than one class, once round the loop: published, used, corrected, trained
/// in a round, and published again.
async fn once_round(
    project: Project,
    first: &Bundle,
    table: impl Fn(&Site, Range<u32>) -> String,
    label: impl Fn(&Card) -> Label,
) {
    let mut federation = Federation::found(Network::new(5, Conditions::default()), "30days");
    for site in SITES {
        federation.join(site).await;
    }
    let office = federation.coordinator.office();
    publish::project(&office.store, &project, office.now_unix_s()).unwrap();
    let published = federation.publish_bundle(first);
    for site in &federation.sites {
        site.approve_backbone(&first.manifest().backbone.digest);
    }
    federation.until("the bundle to be in use", || federation.all_use(published)).await;

    let prelabeled = |site: &Site| site.stages()[..2] == [0, 0];
    let correct = |bundle| {
        for site in &federation.sites {
            let labels = site.label_as(|card, _| {
                let draft = card.prelabel.as_ref().unwrap();
                assert_eq!(draft.bundle(), bundle, "the model in use drafts");
                assert_eq!(kind(draft.label()), kind(&label(card)));
                label(card)
            });
            assert!(labels > 0, "nothing to label at {}", site.name);
        }
    };
    for site in &federation.sites {
        site.import_table(&table(site, 0..60), 60);
    }
    federation.until("the drafts", || federation.sites.iter().all(prelabeled)).await;
    correct(published);

    let run = federation.train(1);
    let trained = federation.trained(run).await;
    assert_ne!(trained, published);
    let report = federation.run(run);
    assert!(report.rounds[0].norm.is_some_and(|norm| norm > 0.0), "{report:?}");
    federation.sent().await;
    for site in &federation.sites {
        assert_eq!(federation.check_site(site), (1, report.round_nano_rho));
    }
    let stored = federation
        .coordinator
        .office()
        .store
        .read("trained", |tx| federation.coordinator.office().registry.open(tx, trained));
    let stored = stored.unwrap();
    assert_eq!(stored.manifest().kind, first.manifest().kind);
    assert_ne!(stored.head(), first.head());

    for site in &federation.sites {
        site.import_table(&table(site, 60..70), 10);
    }
    federation.until("the next drafts", || federation.sites.iter().all(prelabeled)).await;
    correct(trained);
    assert_eq!(federation.alerts(), 0, "the coordinator found nothing wrong with their shape");
    federation.stop().await;
}

fn kind(label: &Label) -> &'static str {
    match label {
        Label::Class(_) => "class",
        Label::Classes(_) => "classes",
        Label::Spans(_) => "spans",
        Label::Regions(_) | Label::Segments(_) => "marks",
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_of_several_classes_is_published_corrected_trained_and_published() {
    // Everything is for people: a set is as sure as all of its classes together.
    let mut project = Project { task: Task::Classes, ..shipped_project() };
    project.routing.accept_at = 1001;
    let shipped = shipped_bundle();
    let head = shipped.head().clone().into_kind(HeadKind::MultiLabel).unwrap();
    let first = shipped.successor(head, Sentence::new("for a test").unwrap()).unwrap();
    let table = |site: &Site, rows: Range<u32>| {
        let mut text = "id,age,sex,chol\n".to_owned();
        for row in rows {
            let (age, sex) = (35 + row % 40, ["Male", "Female"][row as usize % 2]);
            writeln!(text, "{}-{row},{age},{sex},{}", site.name, 180 + row % 90).unwrap();
        }
        text
    };
    let sets = [vec![], vec![0], vec![1], vec![0, 1]];
    let label = |card: &Card| {
        Label::Classes(sets[usize::try_from(card.row.item).unwrap() % sets.len()].clone())
    };
    once_round(project, &first, table, label).await;
}

const TEXTS: [&str; 4] = ["heart, then a bank card.", "nothing", "(bank card)", "my heart"];

/// A bundle that drafts spans, and has learned nothing yet: it marks none.
fn spans_bundle(project: &Project) -> Bundle {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.onnx"), tiny::backbone(0)).unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), tiny::tokenizer()).unwrap();
    let model = TextModel::open(folder.path(), 8, Pooling::Words).unwrap();
    let title = Title {
        name: Line::new("tiny").unwrap(),
        field: Line::new("note").unwrap(),
        classes: project.classes.iter().map(|class| class.name.clone()).collect(),
        licences: Vec::new(),
    };
    model.bundle(&engine(None).unwrap(), title, HeadKind::Tokens).unwrap()
}

fn texts(site: &Site, rows: Range<u32>) -> String {
    let mut text = "id,note\n".to_owned();
    for row in rows {
        let words = TEXTS[row as usize % TEXTS.len()];
        writeln!(text, "{}-{row},\"{words}\"", site.name).unwrap();
    }
    text
}

#[tokio::test(start_paused = true)]
async fn a_model_of_spans_is_published_corrected_trained_and_published() {
    let mut project = spans_project();
    project.routing.accept_at = 1001;
    let first = spans_bundle(&project);
    let label = |card: &Card| {
        let Some(Value::Text(text)) = card.content.value("note") else { panic!("no text") };
        let marks = [("heart", 0), ("bank card", 1)].into_iter().filter_map(|(words, class)| {
            let start = u32::try_from(text.find(words)?).unwrap();
            Some(Span { start, end: start + u32::try_from(words.len()).unwrap(), class })
        });
        Label::spans(marks.collect(), Vec::new()).unwrap()
    };
    once_round(project, &first, texts, label).await;
}

/// Texts of each window of a canary.
const WINDOW: u32 = 120;

/// What becomes of the canary of a head of spans whose drafts people keep, or else change: the state of
/// its bundle, and why it was taken back.
async fn canary_of_spans(seed: u64, keep: bool) -> (&'static str, Option<String>) {
    let mut federation = Federation::found(Network::new(seed, Conditions::default()), "30days");
    for site in SITES {
        federation.join(site).await;
    }
    let mut project = spans_project();
    (project.routing.accept_at, project.routing.overlap) = (1001, 0);
    // Half of the window's budget for what is read here. Its four cells have a noise of deviation 4.4,
    // so that a figure needs 88 texts.
    let plan = &mut project.statistics;
    (plan.confusion_nano_rho, plan.coincidence_nano_rho) = (1_000_000, 1_000_000);
    (plan.calibration_nano_rho, plan.calibration_bins) = (26_000_000, 2);
    let office = federation.coordinator.office();
    publish::project(&office.store, &project, office.now_unix_s()).unwrap();
    let first = spans_bundle(&project);
    let weights = vec![0.125; first.head().weights().len()];
    let head = first.head().shape().head(weights).unwrap();
    let next = first.successor(head, Sentence::new("for a test").unwrap()).unwrap();
    let published = federation.publish_bundle(&first);
    for site in &federation.sites {
        site.approve_backbone(&first.manifest().backbone.digest);
    }
    federation.until("the bundle to be in use", || federation.all_use(published)).await;

    let one_word = Label::spans(vec![Span { start: 0, end: 2, class: 1 }], Vec::new()).unwrap();
    let window = async |number: u32| {
        for site in &federation.sites {
            site.import_table(&texts(site, number * WINDOW..(number + 1) * WINDOW), WINDOW);
        }
        let prelabeled = |site: &Site| site.stages()[..2] == [0, 0];
        federation.until("the drafts", || federation.sites.iter().all(prelabeled)).await;
        for site in &federation.sites {
            let labels = site.label_as(|card, _| {
                let draft = card.prelabel.as_ref().unwrap();
                let kept = keep || draft.bundle() == published;
                if kept { draft.label().clone() } else { one_word.clone() }
            });
            assert!(labels > 0);
            site.release_statistics().unwrap();
        }
        federation.sent().await;
    };
    // The first window with a bundle is left out of the comparison.
    for number in 0..2 {
        window(number).await;
    }
    sleep(Duration::from_secs(5)).await;
    let (store, now) = (&office.store, office.now_unix_s());
    let canary = office.registry.register(store, &next, &project.name, now).unwrap();
    let drawn =
        publish::canary::start(store, &office.key, canary, 0.3, Some("a test"), now).unwrap();
    let at = federation.sites.iter().position(|site| site.name == drawn[0]).unwrap();
    federation.until("the canary", || federation.sites[at].bundle() == Some(canary)).await;
    for number in 2..4 {
        window(number).await;
    }
    sleep(Duration::from_secs(60)).await;
    let listed = registry::report(store, None).unwrap();
    let row = listed.into_iter().find(|row| row.bundle == canary).unwrap();
    let in_use = federation.sites[at].bundle();
    assert_eq!(in_use, Some(if row.reason.is_some() { published } else { canary }));
    let found = agreement::report(store, &project.name).unwrap();
    // Of eight windows two are the canary's.
    let expected: f64 = if keep { 1.0 } else { 0.75 };
    let agreement = &found.overall.agreement;
    let known =
        matches!(agreement, Estimate::Known { value, .. } if (value - expected).abs() < 0.1);
    assert!(known, "{agreement:?} where {expected} is right");
    federation.stop().await;
    (row.state, row.reason)
}

#[tokio::test(start_paused = true)]
async fn a_canary_whose_spans_people_change_comes_back_by_itself() {
    let (state, reason) = canary_of_spans(41, false).await;
    let reason = reason.unwrap();
    assert_eq!(state, "rolled back");
    assert!(reason.contains("the share of prelabels kept fell from"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_canary_whose_spans_people_keep_as_they_kept_those_before_stays() {
    assert_eq!(canary_of_spans(42, true).await, ("canary", None));
}
