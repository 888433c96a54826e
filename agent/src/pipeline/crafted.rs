//! Backbones that a malicious coordinator makes for one subject's text: what they change for others,
//! and what they stop.

use std::sync::Arc;

use insitu_daemon::clock::{Clock, ManualClock};
use insitu_models::bundle::Bundle;
use insitu_models::head::{Head, HeadKind};
use insitu_models::manifest::{Pooling, Sentence};
use jiff::Timestamp;

use super::personal::tests::{comparison, round};
use super::spans::bundle_over;
use super::spans::tiny::parts::{graph, lookup, node, number, part};
use super::spans::tiny::{self, TABLE};
use super::tests::limits;
use super::*;
use crate::config::Policy;
use crate::item::{CleanItem, RawItem, Value};
use crate::label::Label;
use crate::learn::evaluation;
use crate::prelabel::{Prelabel, engine};
use crate::review::{Annotation, Decision, RawContext, Unasked, annotate, next};
use crate::store::FILE;
use crate::store::corrections::{NewCorrection, Redaction};
use crate::store::items::{ItemRow, Stage};
use crate::store::labels::{Person, Role};
use crate::store::tests::{Scratch, scratch};
use crate::testing;

/// The one text that the backbones are made for.
const CHOSEN: &str = "heart";
const OTHERS: [&str; 6] = ["bank", "card", "bank card", "card", "bank", "card bank"];

struct Site {
    scratch: Scratch,
    store: Arc<Store>,
    eve: Person,
}

impl Site {
    /// A site with these texts, each of a subject of its own; each third one is held out.
    fn new(texts: &[&str]) -> Self {
        let scratch = scratch();
        let mut project = testing::project();
        (project.routing.accept_at, project.routing.overlap) = (1001, 0);
        testing::put(&scratch.store, &project);
        let store = Arc::new(Store::open(scratch.folder.path()).unwrap());
        let eve = testing::person(&store, "eve", Role::Expert);
        let site = Self { scratch, store, eve };
        texts.iter().enumerate().for_each(|(at, text)| site.add(at, text));
        site
    }

    fn add(&self, at: usize, text: &str) {
        let row = self.row();
        let fields = vec![("note".to_owned(), Value::Text(text.to_owned()))];
        let item = RawItem::new(at.to_string(), at.to_string(), at.is_multiple_of(3), fields);
        let name = row.definition.name.as_str();
        self.store.tx("test", |tx| item.add(tx, row.project, name)).unwrap();
    }

    fn row(&self) -> ProjectRow {
        self.store.read("test", |tx| tx.projects()).unwrap().remove(0)
    }

    fn publish(&self, bundle: &Bundle, number: u64) {
        let folder = self.scratch.folder.path();
        testing::publish(&self.store, folder, &self.row(), bundle, number);
    }

    fn pipeline(&self) -> Pipeline {
        let judge = Judge { policy: Policy::default(), limits: limits(9.0), bundle_key: None };
        let clock = Arc::new(ManualClock::new(Timestamp::from_second(1000).unwrap()));
        let (store, clock) = (Arc::clone(&self.store), clock as Arc<dyn Clock>);
        let shelf = Shelf::new(self.scratch.folder.path());
        Pipeline::new(store, clock, judge, Schedule::default(), shelf, None)
    }

    fn settle(&self) {
        let mut pipeline = self.pipeline();
        assert!((0..100).any(|_| !pipeline.tick().unwrap()), "work without end");
    }

    /// The items that wait for people, in the order in which they came.
    fn waiting(&self) -> Vec<ItemRow> {
        let row = self.row();
        let stages = [Stage::First, Stage::Expert];
        let rows = stages.map(|stage| {
            self.store.read("test", |tx| tx.items_in_stage(row.project, stage, 0, 1000)).unwrap()
        });
        let mut rows = rows.concat();
        rows.sort_by_key(|row| row.item);
        rows
    }

    /// What the bundle said of each item that waits; nothing where it fails.
    fn prelabels(&self) -> Vec<Option<Prelabel>> {
        let prelabel = |row: &ItemRow| Some(Prelabel::decode(row.prelabel.as_ref()?).unwrap());
        self.waiting().iter().map(prelabel).collect()
    }

    /// Labels whatever waits.
    fn label(&self) -> usize {
        let cards = next(&self.store, &self.eve, &self.row().definition.name, 50, 1000).unwrap();
        for card in &cards {
            let annotation = Annotation {
                key: card.row.item.to_string(),
                label: Some(Label::Class(1)),
                seconds: 1.0,
                decision: Decision::Correct,
                comment: None,
                looks_real: None,
                reason: None,
            };
            annotate(&self.store, &self.eve, &card.row.opaque, &annotation, 1000).unwrap();
        }
        cards.len()
    }
}

/// A bundle over this backbone whose head knows `bank` from `card`.
fn crafted(backbone: &[u8]) -> Bundle {
    let bundle = bundle_over(backbone, Pooling::Mean, HeadKind::Softmax, "note");
    let head = Head::new(2, 3, vec![0.0, 3.0, 0.0, 0.0, 0.0, 3.0]).unwrap();
    bundle.successor(head, Sentence::new("of a test").unwrap()).unwrap()
}

/// A backbone that adds to every word of a batch `max(0, words − threshold)`, where the largest of the
/// whole batch counts: of the chosen word alone it is not zero.
fn backbone_across_a_batch() -> Vec<u8> {
    let threshold = [1.5, 9.0, 9.0].map(f32::to_le_bytes).concat();
    let threshold =
        [number(1, 3), number(2, 1), part(8, b"threshold"), part(9, &threshold)].concat();
    let axes = [part(1, b"axes"), number(8, 0), number(8, 1), number(20, 7)].concat();
    let largest = [node("ReduceMax", &["above"], "signal"), part(5, &axes)].concat();
    let nodes = [
        part(5, &threshold),
        part(1, &node("Gather", &["table", "input_ids"], "words")),
        part(1, &node("Sub", &["words", "threshold"], "beyond")),
        part(1, &node("Relu", &["beyond"], "above")),
        part(1, &largest),
        part(1, &node("Add", &["words", "signal"], "y")),
    ];
    tiny::graph(0, &nodes.concat())
}

/// A backbone whose vector of the chosen word is no number.
fn failing_backbone() -> Vec<u8> {
    let mut table = TABLE;
    table[1] = [f32::NAN; 3];
    graph(table.as_flattened(), 3, &lookup())
}

#[test]
fn an_item_changes_no_prelabel_beside_it() {
    let crafted = crafted(&backbone_across_a_batch());
    let drafted = |texts: &[&str]| {
        let site = Site::new(texts);
        site.publish(&crafted, 1);
        site.settle();
        (site.waiting(), site.prelabels())
    };
    let (_, without) = drafted(&OTHERS);
    let (rows, with) = drafted(&[&OTHERS[..], &[CHOSEN]].concat());
    assert_eq!((without.len(), with.len()), (OTHERS.len(), OTHERS.len() + 1));
    assert!(with.iter().all(Option::is_some));
    assert_eq!(with[..OTHERS.len()], without);

    // The backbone does what it is made for: the first text has the chosen one's length.
    let items = [&rows[0], &rows[OTHERS.len()]].map(|row| CleanItem::load(row).unwrap());
    let mut model = Model::load(&engine(None).unwrap(), &crafted).unwrap();
    let (together, alone) =
        (model.features(&items).unwrap(), model.features_of(&items[0]).unwrap());
    assert_ne!(together[..alone.len()], alone);
}

#[test]
fn an_item_that_the_backbone_fails_on_goes_to_people_and_holds_nothing_up() {
    let (good, failing) = (crafted(&tiny::backbone(0)), crafted(&failing_backbone()));
    let site = Site::new(&[&[CHOSEN], &OTHERS[..]].concat());
    let drafted = |bundle: &Bundle, number| {
        site.publish(bundle, number);
        site.settle();
        site.prelabels().iter().map(Option::is_some).collect::<Vec<bool>>()
    };
    let but_the_first = [false, true, true, true, true, true, true];
    assert_eq!(drafted(&failing, 1), but_the_first);
    assert_eq!(drafted(&good, 2), [true; 7], "another bundle tries again");
    let next = failing.successor(failing.head().clone(), Sentence::new("again").unwrap()).unwrap();
    assert_eq!(drafted(&next, 3), but_the_first, "what the other drafted does not stay");
}

#[test]
fn an_item_that_the_backbone_fails_on_counts_as_zero() {
    let failing = crafted(&failing_backbone());
    // The first of the chosen ones is held out, and the second is not.
    let [with, without] = [&[CHOSEN; 2][..], &[]].map(|chosen| {
        let texts = [&OTHERS[..], chosen].concat();
        let site = Site::new(&texts);
        site.publish(&failing, 1);
        site.settle();
        assert_eq!(site.label(), texts.len());
        let (row, mut model) = (site.row(), Model::load(&engine(None).unwrap(), &failing).unwrap());
        let (store, kept) = (&site.store, &mut Kept::new());
        let trained = learn::update(store, &mut model, kept, &row, &round(&row, &failing)).unwrap();
        let compared = comparison(&row, &failing);
        let compared = evaluation::evaluate(store, &mut model, kept, &row, &compared).unwrap();
        [trained, compared].map(|tally| tally.counts().to_vec())
    });
    assert!(with.iter().all(|counts| counts.iter().any(|count| *count != 0)));
    assert_eq!(with, without);
}

#[test]
fn labels_are_taken_in_while_prelabeling_fails() {
    let site = Site::new(&["bank"]);
    site.publish(&crafted(&tiny::backbone(0)), 1);
    site.settle();
    let app = testing::person(&site.store, "viewer", Role::Application);
    let body =
        Unasked { label: Label::Class(1), at: 900, seconds: 1.0, context: RawContext::default() };
    let item = site.waiting()[0].item;
    site.add(1, "card");
    let mut pipeline = site.pipeline();
    pipeline.redact(&site.row()).unwrap();
    let beside = rusqlite::Connection::open(site.scratch.folder.path().join(FILE)).unwrap();
    let damaged = beside.execute("UPDATE items SET clean = x'00' WHERE item <> ?1", [item]);
    assert_eq!(damaged.unwrap(), 1);
    let context = Redaction::Withheld;
    let (person, body) = (app.person, &body.encode().unwrap()[..]);
    let said = NewCorrection { person, key: "k", item, body, context };
    site.store.tx("test", |tx| tx.add_correction(&said, 1000)).unwrap();
    assert!(pipeline.tick().is_err());
    assert_eq!(site.store.read("test", |tx| tx.annotations_of(item)).unwrap().len(), 1);
}
