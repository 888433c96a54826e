use std::sync::Arc;

use serde_json::Value as Json;

use super::*;
use crate::item::{Dirty, RawItem};
use crate::review::http::router;
use crate::store::labels::Role;
use crate::store::trail::{EventRow, Filter};
use crate::testing::{self, Served};

const REASON: &str = "recall of a device";

fn kept(kind: &str, surrogate: &str, original: &str) -> Kept {
    Kept { shown: Some((kind.to_owned(), surrogate.to_owned())), original: original.to_owned() }
}

fn note(text: &str) -> CleanItem {
    CleanItem::from_fields(vec![("note".to_owned(), Value::Text(text.to_owned()))])
}

/// A text with what was found in it in brackets.
fn marked(text: &str, kept: Vec<Kept>) -> String {
    let revealed = place(&note(text), kept);
    let pieces = revealed.fields.iter().flat_map(|field| &field.pieces);
    let piece = |piece: &Piece| {
        let text = piece.text.clone().unwrap();
        if piece.originals.is_empty() { text } else { format!("[{}]", piece.originals.join("|")) }
    };
    pieces.map(piece).collect()
}

#[test]
fn originals_are_shown_where_their_surrogates_stand() {
    let names = || vec![kept("NAME", "Ann Kern", "Eva Roe"), kept("NAME", "Ann", "Eva")];
    assert_eq!(marked("Ann Kern and Ann.", names()), "[Eva Roe] and [Eva].");
    assert_eq!(marked("Annual, Ann", names()), "Annual, [Eva]", "a part of a word is none");
    assert_eq!(marked("IDAnn7", names()), "ID[Eva]7", "unless it stands nowhere else");
    let two = vec![kept("NAME", "Ann", "Eva"), kept("NAME", "Ann", "Ida")];
    assert_eq!(marked("é Ann é", two), "é [Eva|Ida] é");
}

#[test]
fn what_stands_in_no_text_is_listed_apart() {
    let old = Kept { shown: None, original: "Ada Poe".to_owned() };
    let revealed = place(&note("Nobody."), vec![kept("NAME", "Ann", "Eva"), old]);
    assert!(revealed.fields.is_empty());
    let listed: Vec<_> = revealed
        .elsewhere
        .iter()
        .map(|piece| (piece.text.as_deref(), piece.originals.concat()))
        .collect();
    assert_eq!(listed, [(None, "Ada Poe".to_owned()), (Some("Ann"), "Eva".to_owned())]);
    assert_eq!(revealed.found, 2);
}

/// A local API with a steward `sam` and others, and one item in whose note a name was replaced.
struct Site {
    served: Served,
    store: Arc<Store>,
    item: String,
    _folder: tempfile::TempDir,
}

impl Site {
    async fn start() -> Self {
        let (scratch, project) = testing::with_project();
        let store = scratch.store;
        for role in Role::ALL {
            testing::person(&store, role.name(), role);
        }
        let fields = vec![("note".to_owned(), Value::Text("Seen by Jane Roe.".to_owned()))];
        let raw = RawItem::new("x".to_owned(), "y".to_owned(), false, fields);
        let item = store
            .tx("test", |tx| {
                raw.add(tx, project.project, project.definition.name.as_str())?;
                let row = tx.items_in_stage(project.project, Stage::New, 0, 1)?.remove(0);
                let redact =
                    |_: Dirty<'_>, text: &str| Ok(Some(text.replace("Jane Roe", "Laura Keller")));
                let clean =
                    CleanItem::redact::<StoreError>(&row, &project.definition, redact, |_| Ok(()))?;
                clean.store(tx, &row)?;
                tx.keep_original("NAME", "Laura Keller", "Jane Roe", Some(row.item))?;
                Ok::<_, StoreError>(hex::encode(row.opaque))
            })
            .unwrap();
        let store = Arc::new(store);
        let served = Served::start(router(testing::desk(Arc::clone(&store)))).await;
        Self { served, store, item, _folder: scratch.folder }
    }

    async fn look(&self, who: &str) -> (u16, Json) {
        let line = format!("GET /api/items/{}", self.item);
        self.served.ask(who, &line, &Json::Null).await
    }

    async fn reveal(&self, who: &str, item: &str, reason: &str) -> (u16, Json) {
        let line = format!("POST /api/items/{item}/reveal");
        self.served.ask(who, &line, &json!({"reason": reason})).await
    }

    fn events(&self, what: What) -> Vec<EventRow> {
        let filter = Filter { what: Some(what), ..Filter::default() };
        self.store.read("test", |tx| tx.events(&filter, 0, 100)).unwrap()
    }
}

#[tokio::test]
async fn who_may_see_originals_sees_those_of_an_item_and_it_is_recorded() {
    let site = Site::start().await;
    let (status, seen) = site.look("steward").await;
    assert_eq!(status, 200, "{seen}");
    assert_eq!(seen["fields"][2]["value"], "Seen by Laura Keller.");
    for hidden in ["prelabel", "readings", "queue"] {
        assert!(seen.get(hidden).is_none(), "a steward judges nothing: {seen}");
    }
    assert!(!seen.to_string().contains("Jane"), "{seen}");
    assert!(site.events(What::Revealed).is_empty());

    let (status, revealed) = site.reveal("steward", &site.item, &format!(" {REASON} ")).await;
    assert_eq!(status, 200, "{revealed}");
    let pieces = json!([
        {"text": "Seen by "},
        {"text": "Laura Keller", "kind": "NAME", "originals": ["Jane Roe"]},
        {"text": "."},
    ]);
    assert_eq!(revealed["fields"], json!([{"name": "note", "pieces": pieces}]));
    assert_eq!((&revealed["found"], &revealed["elsewhere"]), (&json!(1), &json!([])));

    let [event] = site.events(What::Revealed).try_into().unwrap();
    assert_eq!((event.who.as_str(), event.role.as_str()), ("steward", "steward"));
    assert_eq!(event.item.map(hex::encode), Some(site.item.clone()));
    assert!(!event.detail.contains("Jane") && !event.detail.contains(REASON), "{}", event.detail);
    assert_eq!(site.events(What::Seen).len(), 1, "that the redacted item was looked at");
    let [asked] = site.store.read("test", |tx| tx.reveals(10)).unwrap().try_into().unwrap();
    assert_eq!((asked.kind.as_str(), asked.surrogate), (WHOLE_ITEM, site.item.clone()));
    assert_eq!((asked.reason.as_str(), asked.found), (REASON, 1));
}

#[tokio::test]
async fn nobody_else_learns_anything() {
    let site = Site::start().await;
    for role in Role::ALL.into_iter().filter(|role| !role.may(Action::Reveal)) {
        for (status, answer) in
            [site.look(role.name()).await, site.reveal(role.name(), &site.item, REASON).await]
        {
            assert_eq!(status, 403, "{} {answer}", role.name());
            assert!(answer["error"].as_str().unwrap().contains(role.name()), "{answer}");
        }
    }
    assert!(site.events(What::Revealed).is_empty());
    assert!(site.events(What::Seen).is_empty());
}

#[tokio::test]
async fn a_reason_is_needed_and_there_is_a_limit() {
    let site = Site::start().await;
    for reason in ["", "  ", "x".repeat(REASON_BYTES_MAX + 1).as_str()] {
        let (status, answer) = site.reveal("steward", &site.item, reason).await;
        assert_eq!(status, 422, "{answer}");
    }
    let (status, _) = site.reveal("steward", &"0".repeat(32), REASON).await;
    assert_eq!(status, 404);
    assert!(site.events(What::Revealed).is_empty());
    let mut passed = 0;
    let refused = loop {
        let (status, answer) = site.reveal("steward", &site.item, REASON).await;
        if status != 200 {
            break (status, answer);
        }
        passed += 1;
        assert!(passed < 100, "no end to it");
    };
    assert_eq!(refused.0, 429, "{}", refused.1);
    assert_eq!(passed, 16, "twenty attempts, four of which were refused for another reason");
    assert_eq!(site.events(What::Revealed).len(), passed);
}
