//! A project of spans over the wire: it reaches the sites, whose people label without a model, and
//! what leaves is what leaves of any project.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use insitu_agent::label::{Label, Span};
use insitu_agent::review::{self, Annotation, Decision};
use insitu_agent::store::items::Stage;
use insitu_coordinator::publish::{self, PublishError};
use insitu_coordinator::registry::RegistryError;
use insitu_protocol::project::{FieldKind, Project, Task};
use insitu_protocol::text::Line;
use insitu_tests::federation::{Federation, project, shipped_bundle, shipped_project};
use insitu_tests::simnet::{Conditions, Network};
use insitu_tests::site::{PATIENTS, Site};

/// The shipped project, about spans of its text.
fn spans_project() -> Project {
    let mut project = shipped_project();
    let text = project.fields.iter().find(|field| field.kind == FieldKind::Text).unwrap();
    let (field, relations) = (text.name.clone(), vec![Line::new("causes").unwrap()]);
    project.task = Task::Spans { field, relations };
    project
}

/// Everybody marks the first word of every text, until there is nothing left to do.
fn mark_all(site: &Site, now: i64) -> usize {
    let store = site.store();
    let mut labels = 0;
    let people = store.read("people", |tx| tx.people()).unwrap();
    for round in 1.. {
        let before = labels;
        for person in &people {
            let cards = review::next(store, person, &project(), review::ITEMS_MAX, now).unwrap();
            for card in cards {
                assert!(card.prelabel.is_none(), "no model drafts spans");
                let span = Span { start: 0, end: 8, class: 1 };
                let annotation = Annotation {
                    key: format!("{round}-{}", card.row.item),
                    label: Some(Label::spans(vec![span], Vec::new()).unwrap()),
                    seconds: 1.0,
                    decision: Decision::Correct,
                    comment: None,
                    looks_real: None,
                };
                let item = &card.row.opaque;
                review::annotate(store, person, item, &annotation, now).unwrap();
                labels += 1;
            }
        }
        if labels == before {
            break;
        }
    }
    labels
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
    let PublishError::Registry { source: RegistryError::Task { task, .. } } = refused.unwrap_err()
    else {
        panic!("a bundle of classes was published for spans");
    };
    assert_eq!(task, "spans");

    let site = &federation.sites[0];
    federation.until("the project", || site.project().is_some()).await;
    assert_eq!(site.project().unwrap().definition, wanted, "all of it arrived");
    site.import(0..PATIENTS);
    let waiting = |stage: Stage| site.stages()[stage as usize];
    let handed_over = || waiting(Stage::New) + waiting(Stage::Clean) == 0;
    federation.until("all items to be handed over", handed_over).await;
    let items: u64 = site.stages().iter().sum();
    assert_eq!(waiting(Stage::First), items, "nobody but people can label them");
    assert!(mark_all(site, office.now_unix_s()) > 0);
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
