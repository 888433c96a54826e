//! What Label Studio said and was refused, or was replaced by what is gone: told again.

use super::comparing::{Fake, compared};
use super::*;
use crate::label_studio::compare::Compared;

/// A site whose Label Studio has these tasks.
async fn both(tasks: Vec<Value>) -> (Site, Fake, tokio::task::JoinSet<std::io::Result<()>>) {
    let mut site = site();
    let fake = Fake::default();
    CONFIG.clone_into(&mut fake.config.lock().unwrap());
    *fake.tasks.lock().unwrap() = tasks;
    let (address, server) = fake.serve().await;
    site.studio.settings.url = format!("http://{address}");
    (site, fake, server)
}

/// A task with what was said of it.
fn labeled(id: u64, annotations: &[Value]) -> Value {
    let mut task = task(id);
    task["annotations"] = json!(annotations);
    task
}

fn missed(tasks: u64, missed: u64) -> Compared {
    Compared { tasks, missed, brought: 0 }
}

#[tokio::test]
async fn what_the_settings_refused_is_taken_once_they_are_mended() {
    let tasks = vec![labeled(1, &[said(8, "13", 1, "neutral")]), task(2)];
    let (mut site, _fake, _server) = both(tasks).await;
    site.studio.source.subject = Some("patient".to_owned());
    assert_eq!(compared(&site).await, missed(2, 2));
    site.work(1);
    assert_eq!(site.faults().len(), 2, "{:?}", site.faults());
    assert_eq!(compared(&site).await, missed(2, 0), "it would be refused again");

    site.studio.source.subject = None;
    let mended = insitu_protocol::bytes::Fixed([7; 32]);
    site.store.tx("test", |tx| tx.set_settings(&mended)).unwrap();
    assert_eq!(compared(&site).await, missed(2, 2));
    site.work(1);
    assert_eq!((site.label(1), site.label(2), site.faults()), ((Some(2), 1), (None, 0), vec![]));
    assert_eq!(compared(&site).await.missed, 0);
}

#[tokio::test]
async fn what_the_project_had_no_class_for_is_taken_once_it_has() {
    let tasks = vec![labeled(1, &[said(8, "13", 1, "angry")])];
    let (mut site, fake, _server) = both(tasks).await;
    assert_eq!(compared(&site).await, missed(1, 1));
    site.work(1);
    assert_eq!((site.label(1), site.faults().len()), ((None, 0), 1));
    let wider = project_of(
        ["positive", "negative", "neutral", "angry"],
        ["text", "text"],
        "kind = \"class\"",
    );
    site.row = testing::put(&site.store, &Project { version: 2, ..wider });
    let config = CONFIG.replace("</Choices>", "<Choice value=\"angry\"/></Choices>");
    config.clone_into(&mut fake.config.lock().unwrap());
    assert_eq!(compared(&site).await.missed, 1);
    site.work(1);
    assert_eq!((site.label(1), site.faults()), ((Some(3), 1), vec![]));
}

#[tokio::test]
async fn what_was_erased_comes_back_once_that_is_allowed() {
    let (site, fake, _server) = both(vec![task(1)]).await;
    let project = site.row.project;
    let item = || site.store.read("test", |tx| tx.studio_task(project, 1)).unwrap();
    for annotations in [json!([said(8, "13", 1, "neutral")]), json!([])] {
        fake.tasks.lock().unwrap()[0]["annotations"] = annotations;
        compared(&site).await;
        site.work(1);
        let known = item().unwrap();
        let hash = site.store.tx("test", |tx| {
            let hash = tx.source_hash("mood", "r1");
            tx.bar(&hash, project, 50)?;
            tx.erase_items(&[tx.doomed(known)?.unwrap()])?;
            Ok::<_, StoreError>(hash)
        });
        compared(&site).await;
        site.work(1);
        assert_eq!((item(), site.faults().len()), (None, 1), "{:?}", site.faults());
        assert!(site.store.tx("test", |tx| tx.unbar(&hash.unwrap(), project)).unwrap());
        assert_eq!(compared(&site).await, missed(1, 1));
        site.work(1);
        assert_eq!(site.faults(), Vec::<String>::new());
    }
    assert_eq!(site.label(1), (None, 0));
}

#[tokio::test]
async fn what_a_deleted_annotation_had_replaced_counts_again() {
    let (first, second) = (said(8, "13", 1, "neutral"), said(9, "14", 1, "positive"));
    let (site, fake, _server) = both(vec![labeled(1, &[first.clone(), second])]).await;
    compared(&site).await;
    site.work(1);
    assert_eq!(site.label(1), (Some(0), 1), "the later one counts");
    *fake.tasks.lock().unwrap() = vec![labeled(1, &[first])];
    assert_eq!(compared(&site).await, Compared { tasks: 1, missed: 1, brought: 1 });
    site.work(1);
    assert_eq!(site.label(1), (None, 0));
    assert_eq!(compared(&site).await, missed(1, 1));
    site.work(1);
    assert_eq!((site.label(1), site.faults()), ((Some(2), 1), vec![]));
    assert_eq!(compared(&site).await, missed(1, 0));
}
