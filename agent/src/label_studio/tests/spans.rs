//! Spans, whose places there are in the site's own text and here in the redacted one.

use super::*;
use crate::label::{Relation, Span};

const SPANS: &str = r#"<View><Labels name="label" toName="shown">
    <Label value="PER"/><Label value="ORG"/></Labels><Text name="shown" value="$text"/></View>"#;
const TEXT: &str = "\u{1f642} Mary of ACME met Mary.";

fn spans_project() -> Project {
    let task = "kind = \"spans\"\nfield = \"text\"\nrelations = [\"of\"]";
    project_of(["PER", "ORG"], ["text", "text"], task)
}

fn label(spans: &[(u32, u32, u16)], relations: &[(u16, u16)]) -> Label {
    let span =
        |(start, end, class): &(u32, u32, u16)| Span { start: *start, end: *end, class: *class };
    let relation = |(from, to): &(u16, u16)| Relation { from: *from, to: *to, relation: 0 };
    let relations = relations.iter().map(relation).collect();
    Label::spans(spans.iter().map(span).collect(), relations).unwrap()
}

fn task(id: u64) -> Value {
    json!({"id": id, "data": {"text": TEXT, "site_ref": format!("r{id}")}})
}

fn marked(start: u32, end: u32, class: &str) -> Value {
    json!({"id": format!("{start}-{end}"), "from_name": "label", "to_name": "shown", "type": "labels",
           "value": {"start": start, "end": end, "labels": [class]}})
}

fn told(id: u64, task: Value, result: Value, parent: Option<u64>) -> Value {
    let mut said = said(id, "13", task["id"].as_u64().unwrap(), "-");
    (said["result"], said["parent_prediction"]) = (result, json!(parent));
    json!({"action": "ANNOTATION_CREATED", "annotation": said, "task": task})
}

/// Whether each annotation of a task accepted the draft.
fn accepted(site: &Site, task: u64) -> Vec<bool> {
    let read = site.store.read("test", |tx| {
        let item = tx.studio_task(site.row.project, task)?.unwrap();
        past_reads(&tx.annotations_of(item)?)
    });
    read.unwrap().iter().map(|past| past.accepted).collect()
}

#[tokio::test]
async fn drafts_are_where_people_there_read_them() {
    let site = site_of(&spans_project());
    let served = site.serve().await;
    let (status, answer) = served.ask("x", &line("setup"), &json!({"schema": SPANS})).await;
    assert_eq!((status, answer), (200, json!({"model_version": "insitu-none"})));
    let body = json!({"tasks": [task(10)], "label_config": SPANS});
    served.ask("x", &line("predict"), &body).await;
    // Here it is "🙂 [NAME] of ACME met [NAME]."; the last span is a part of a mask.
    site.draft(&label(&[(2, 8, 0), (2, 16, 1), (12, 16, 1), (22, 25, 0)], &[(0, 2)]));
    let (_, answer) = served.ask("x", &line("predict"), &body).await;
    let result = answer["results"][0]["result"].as_array().unwrap();
    let places: Vec<Value> = result.iter().map(|part| part["value"].clone()).collect();
    let value = |start: u32, end: u32, text: &str, class: &str| json!({"start": start, "end": end, "text": text, "labels": [class]});
    assert_eq!(
        places,
        [
            value(2, 6, "Mary", "PER"),
            value(2, 14, "Mary of ACME", "ORG"),
            value(10, 14, "ACME", "ORG"),
            value(19, 23, "Mary", "PER"),
            Value::Null,
        ]
    );
    assert_eq!(
        (&result[0]["from_name"], &result[0]["to_name"]),
        (&json!("label"), &json!("shown"))
    );
    assert_eq!((&result[0]["type"], &result[0]["score"]), (&json!("labels"), &json!(0.75)));
    let relation = json!({"type": "relation", "direction": "right", "labels": ["of"],
                          "from_id": result[0]["id"], "to_id": result[2]["id"]});
    assert_eq!(result[4], relation);

    // Whoever leaves the draft as it is accepts it, also where a mask was marked in part.
    let left = told(7, task(10), answer["results"][0]["result"].clone(), Some(3));
    served.ask("x", &line("webhook"), &left).await;
    site.draft(&label(&[], &[]));
    assert_eq!((site.faults(), accepted(&site, 10)), (Vec::new(), vec![true]));
}

#[tokio::test]
async fn what_is_marked_there_is_marked_here() {
    let site = site_of(&spans_project());
    let served = site.serve().await;
    let tie = json!({"type": "relation", "from_id": "10-14", "to_id": "2-14", "direction": "left"});
    let result = json!([
        marked(2, 14, "ORG"),
        marked(10, 14, "ORG"),
        marked(3, 5, "PER"),
        marked(2, 6, "PER"),
        tie
    ]);
    served.ask("x", &line("webhook"), &told(8, task(10), result, None)).await;
    site.draft(&label(&[], &[]));
    // What overlaps stays apart; what covers the same mask is the same.
    let expected = label(&[(2, 8, 0), (2, 16, 1), (12, 16, 1)], &[(1, 2)]);
    assert_eq!(site.faults(), Vec::<String>::new());
    assert!(site.said(10) == (Some(expected), 1));
    assert_eq!(accepted(&site, 10), [false]);

    // Nothing marked says that there is nothing.
    served.ask("x", &line("webhook"), &told(9, task(11), json!([]), Some(4))).await;
    site.draft(&label(&[], &[]));
    assert!(site.said(11).0 == Some(label(&[], &[])));
    assert_eq!(accepted(&site, 11), [true]);
}

#[tokio::test]
async fn places_that_are_nowhere_are_noted_and_not_guessed() {
    let site = site_of(&spans_project());
    let served = site.serve().await;
    served
        .ask("x", &line("webhook"), &told(1, task(10), json!([marked(2, 99, "PER")]), None))
        .await;
    site.draft(&label(&[], &[]));
    let mut changed = task(10);
    changed["data"]["text"] = json!("Another Mary of ACME.");
    let body = json!({"tasks": [changed], "label_config": SPANS});
    let (_, answer) = served.ask("x", &line("predict"), &body).await;
    assert_eq!(answer["results"][0]["result"], json!([]));
    served.ask("x", &line("webhook"), &told(2, changed, json!([marked(8, 12, "PER")]), None)).await;
    site.draft(&label(&[], &[]));
    assert_eq!(
        site.faults(),
        [
            "the text is not the item's: it was changed, or redacted under other settings then",
            "span number 1 goes from 2 to 99 in a text of 24 code points",
        ]
    );
}

#[tokio::test]
async fn a_text_that_is_redacted_already_has_the_same_places() {
    let site = site_of(&spans_project());
    let served = site.serve().await;
    let mut clean = task(10);
    served.ask("x", &line("webhook"), &json!({"action": "TASKS_CREATED", "tasks": [clean]})).await;
    site.draft(&label(&[], &[]));
    clean["data"]["text"] = json!("\u{1f642} [NAME] of ACME met [NAME].");
    let marked = json!([marked(2, 8, "PER"), marked(22, 25, "PER")]);
    served.ask("x", &line("webhook"), &told(1, clean, marked, None)).await;
    site.draft(&label(&[], &[]));
    assert_eq!(site.faults(), Vec::<String>::new());
    assert!(site.said(10).0 == Some(label(&[(2, 8, 0), (22, 25, 0)], &[])));
}

#[tokio::test]
async fn annotations_wait_while_the_settings_are_refused() {
    let site = site_of(&spans_project());
    let served = site.serve().await;
    served.ask("x", &line("webhook"), &told(1, task(10), json!([marked(2, 6, "PER")]), None)).await;
    site.masks.refused.store(true, Ordering::Relaxed);
    site.draft(&label(&[(2, 8, 0)], &[]));
    assert_eq!((site.said(10).1, site.faults()), (0, Vec::new()));
    let body = json!({"tasks": [task(10)], "label_config": SPANS});
    let (status, answer) = served.ask("x", &line("predict"), &body).await;
    assert_eq!(status, 503, "{answer}");
    site.masks.refused.store(false, Ordering::Relaxed);
    site.draft(&label(&[], &[]));
    assert!(site.said(10).0 == Some(label(&[(2, 8, 0)], &[])));
    let (_, answer) = served.ask("x", &line("predict"), &body).await;
    assert_eq!(answer["results"][0]["result"][0]["value"]["text"], "Mary");
}
