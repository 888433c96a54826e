//! Spans from a draft to a correction, a round, and a better draft.

use std::sync::Arc;

use insitu_daemon::clock::{Clock, ManualClock};
use insitu_daemon::telemetry;
use insitu_models::bundle::Bundle;
use insitu_models::calibration::Calibration;
use insitu_models::head::{Head, HeadKind};
use insitu_models::manifest::{Pooling, Sentence};
use insitu_models::pack::{TextModel, Title};
use insitu_models::train::Descent;
use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::ids::Digest;
use insitu_protocol::order::{
    Contender, EVALUATION_STEP, EvaluationOrder, EvaluationShape, RoundOrder,
};
use insitu_protocol::text::Line;
use jiff::Timestamp;

use super::tests::limits;
use super::*;
use crate::config::Policy;
use crate::item::{CleanItem, RawItem, Value};
use crate::label::{Label, Span};
use crate::learn::kept::Kept;
use crate::learn::personal::Fitting;
use crate::learn::{self, LearnError, evaluation};
use crate::prelabel::{Prelabel, engine};
use crate::review::{Annotation, Decision, annotate, next};
use crate::store::Tx;
use crate::store::items::Stage;
use crate::store::labels::{Person, Role};
use crate::store::orders::{ApprovalKind, BundleState};
use crate::store::tests::{Scratch, scratch};
use crate::testing;

#[path = "../../../models/tests/tiny/mod.rs"]
pub(super) mod tiny;

/// What is said of `heart` and of `bank card`.
const MARKS: [(&str, u16); 2] = [("heart", 0), ("bank card", 1)];
const TEXTS: [&str; 6] = [
    "🙂 heart, then a bank card.",
    "nothing",
    "(bank card)",
    "my heart",
    "שָׁלוֹם, bank card",
    "his heart bank card",
];

struct Site {
    scratch: Scratch,
    store: Arc<Store>,
    eve: Person,
    clock: Arc<ManualClock>,
}

impl Site {
    fn new() -> Self {
        let scratch = scratch();
        let mut project = testing::project_with("[task]\nkind = \"spans\"\nfield = \"note\"\n");
        (project.routing.accept_at, project.routing.overlap) = (1001, 0);
        testing::put(&scratch.store, &project);
        let store = Arc::new(Store::open(scratch.folder.path()).unwrap());
        let eve = testing::person(&store, "eve", Role::Expert);
        let clock = Arc::new(ManualClock::new(Timestamp::from_second(1000).unwrap()));
        Self { scratch, store, eve, clock }
    }

    fn row(&self) -> ProjectRow {
        self.store.read("test", |tx| tx.projects()).unwrap().remove(0)
    }

    fn publish(&self, bundle: &Bundle, number: u64) {
        let folder = self.scratch.folder.path();
        testing::publish(&self.store, folder, &self.row(), bundle, number);
    }

    /// Adds so many texts, each of a subject of its own; each fourth one is held out.
    fn add(&self, range: std::ops::Range<usize>) {
        let row = self.row();
        self.store
            .tx("test", |tx| {
                for at in range {
                    let text = Value::Text(TEXTS[at % TEXTS.len()].to_owned());
                    let fields = vec![("note".to_owned(), text)];
                    let item = RawItem::new(at.to_string(), at.to_string(), at % 4 == 0, fields);
                    item.add(tx, row.project, row.definition.name.as_str())?;
                }
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }

    fn settle(&self) {
        let judge = Judge { policy: Policy::default(), limits: limits(9.0), bundle_key: None };
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock) as Arc<dyn Clock>);
        let shelf = Shelf::new(self.scratch.folder.path());
        let mut pipeline = Pipeline::new(store, clock, judge, Schedule::default(), shelf, None);
        assert!((0..1000).any(|_| !pipeline.tick().unwrap()), "work without end");
    }

    /// The drafts that wait for people, with the true spans of their texts.
    fn waiting(&self) -> Vec<(Prelabel, Label)> {
        let row = self.row();
        let read = |tx: &Tx<'_>| {
            let first = tx.items_in_stage(row.project, Stage::First, 0, 1000)?;
            Ok([first, tx.items_in_stage(row.project, Stage::Expert, 0, 1000)?].concat())
        };
        let rows = self.store.read::<_, StoreError>("test", read).unwrap();
        let draft = |row: &crate::store::items::ItemRow| {
            let prelabel = Prelabel::decode(row.prelabel.as_ref().unwrap()).unwrap();
            (prelabel, truth(&CleanItem::load(row).unwrap(), false))
        };
        rows.iter().map(draft).collect()
    }

    /// Labels whatever waits as it is; where `nested`, with a span more that no tags can say.
    fn correct(&self, nested: bool) -> usize {
        let (name, now) = (self.row().definition.name, self.clock.now().as_second());
        let cards = next(&self.store, &self.eve, &name, 50, now).unwrap();
        for card in &cards {
            let label = truth(&CleanItem::load(&card.row).unwrap(), nested);
            let annotation = Annotation {
                key: format!("{now}-{}", card.row.item),
                label: Some(label),
                seconds: 1.0,
                decision: Decision::Correct,
                comment: None,
                looks_real: None,
                reason: None,
            };
            annotate(&self.store, &self.eve, &card.row.opaque, &annotation, now).unwrap();
        }
        cards.len()
    }

    fn round(&self, bundle: &Bundle, head: &Head) -> RoundOrder {
        RoundOrder {
            run: Fixed([1; 16]),
            round: 1,
            rounds: 1,
            project: self.row().definition.name,
            backbone: bundle.manifest().backbone.digest,
            head: Bytes(head.encode()),
            classes: 2,
            features: u32::try_from(bundle.manifest().features).unwrap(),
            clip_milli: 500,
            fraction_bits: 12,
            nano_rho: 1000,
            closes_unix_s: i64::MAX,
        }
    }
}

fn truth(item: &CleanItem, nested: bool) -> Label {
    let Some(Value::Text(text)) = item.value("note") else { panic!("no text") };
    let mut spans = Vec::new();
    for (words, class) in MARKS {
        for (at, found) in text.match_indices(words) {
            let start = u32::try_from(text[..at].chars().count()).unwrap();
            let end = start + u32::try_from(found.len()).unwrap();
            spans.push(Span { start, end, class });
            if nested && class == 1 {
                spans.push(Span { start, end: start + 4, class: 0 });
            }
        }
    }
    Label::spans(spans, Vec::new()).unwrap()
}

fn line(text: &str) -> Line {
    Line::new(text).unwrap()
}

fn bundle(pooling: Pooling, kind: HeadKind, field: &str) -> Bundle {
    bundle_over(&tiny::backbone(0), pooling, kind, field)
}

/// A bundle that reads `field` with this backbone.
pub(super) fn bundle_over(
    backbone: &[u8],
    pooling: Pooling,
    kind: HeadKind,
    field: &str,
) -> Bundle {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.onnx"), backbone).unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), tiny::tokenizer()).unwrap();
    let model = TextModel::open(folder.path(), 8, pooling).unwrap();
    let classes = vec![line("absent"), line("present")];
    let title = Title { name: line("tiny"), field: line(field), classes, licences: Vec::new() };
    model.bundle(&engine(None).unwrap(), title, kind).unwrap()
}

/// Those of the texts in which there is nothing to mark.
fn a_window_says_how_many_drafts_were_kept(site: &Site) {
    let window = |row: &ProjectRow| site.store.read("test", |tx| tally::window(tx, row)).unwrap();
    let [confusion, coincidence, calibration, _] = window(&site.row()).tallies;
    assert!(confusion.counts().iter().chain(coincidence.counts()).all(|count| *count == 0));
    let column = |at: usize| calibration.counts().iter().skip(at).step_by(2).sum::<i64>();
    assert_eq!((column(0), column(1)), (40, 8));
    assert_eq!(calibration.origin(), "48 corrected items (one a subject)");
}

#[test]
fn corrected_spans_become_a_head_that_drafts_them() {
    let site = Site::new();
    let first = bundle(Pooling::Words, HeadKind::Tokens, "note");
    site.publish(&first, 1);
    site.add(0..48);
    site.settle();
    let drafts = site.waiting();
    assert_eq!(drafts.len(), 48);
    let none = Label::spans(Vec::new(), Vec::new()).unwrap();
    for (draft, _) in &drafts {
        assert_eq!((draft.label(), draft.bundle()), (&none, first.id()));
        assert!((draft.confidence() - 0.2).abs() < 1e-6, "five tags, and it knows nothing");
    }
    while site.correct(false) > 0 {}

    a_window_says_how_many_drafts_were_kept(&site);

    // Rounds without noise: what a site adds to each is its exact sum.
    let mut model = Model::load(&engine(None).unwrap(), &first).unwrap();
    let row = site.row();
    let mut kept = Kept::new();
    let mut descent = Descent::new(first.head(), 60, 0.5, 0.0);
    for round in 0..60 {
        let order = site.round(&first, &descent.head().unwrap());
        let tally = learn::update(&site.store, &mut model, &mut kept, &row, &order).unwrap();
        if round % 20 == 1 {
            let anew = &mut Kept::nothing();
            let anew = learn::update(&site.store, &mut model, anew, &row, &order).unwrap();
            assert_eq!(anew.counts(), tally.counts(), "round {round}");
        }
        assert_eq!(tally.origin(), "36 corrected items of 36 subjects, hold-out excluded");
        assert_eq!(tally.outline(), learn::outline(&order).unwrap());
        assert_eq!(tally.counts().len(), 5 * first.manifest().features);
        let sum: Vec<i32> = tally.counts().iter().map(|v| i32::try_from(*v).unwrap()).collect();
        descent.step(&[&sum], 12).unwrap();
    }
    let head = descent.result().unwrap();

    // On what was held out the candidate alone is right, except where there is nothing to mark.
    let contender = |head: &Head| Contender {
        bundle: first.id(),
        head: Bytes(head.encode()),
        calibration: Bytes(Calibration::identity().encode().unwrap()),
    };
    let order = EvaluationOrder {
        evaluation: Fixed([2; 16]),
        project: row.definition.name.clone(),
        project_version: row.definition.version,
        backbone: first.manifest().backbone.digest,
        features: u32::try_from(first.manifest().features).unwrap(),
        current: contender(first.head()),
        candidate: contender(&head),
        nano_rho: 1000,
        closes_unix_s: i64::MAX,
    };
    let tally = evaluation::evaluate(&site.store, &mut model, &mut kept, &row, &order).unwrap();
    let shape = EvaluationShape::of(&row.definition);
    let step = i64::from(EVALUATION_STEP);
    assert_eq!(tally.counts()[shape.right()], [0, 0, 12 * step, 0]);
    assert_eq!(tally.counts().len(), shape.values());
    assert!(
        tally.counts()[shape.confusion(0).start..shape.confusion(1).end].iter().all(|v| *v == 0)
    );

    let next = first.successor(head, Sentence::new("of a test").unwrap()).unwrap();
    site.publish(&next, 2);
    site.add(48..60);
    site.settle();
    let drafts = site.waiting();
    assert_eq!(drafts.len(), 12);
    for (draft, truth) in drafts {
        assert_eq!((draft.label(), draft.bundle()), (&truth, next.id()));
        assert!(draft.confidence() > 0.3);
    }
}

#[test]
fn spans_that_no_tags_can_say_are_counted_and_labels_of_another_kind_teach_nothing() {
    let site = Site::new();
    let first = bundle(Pooling::Words, HeadKind::Tokens, "note");
    site.publish(&first, 1);
    site.add(0..6);
    site.settle();
    while site.correct(true) > 0 {}
    let mut model = Model::load(&engine(None).unwrap(), &first).unwrap();
    let order = site.round(&first, first.head());
    let update = |site: &Site, model: &mut Model, order: &RoundOrder| {
        learn::update(&site.store, model, &mut Kept::nothing(), &site.row(), order).unwrap()
    };
    let nested = update(&site, &mut model, &order);
    // Of four texts three have a bank card or a heart, and two a span within the former.
    let origin = "4 corrected items of 4 subjects, hold-out excluded; of 6 spans 2 are in no words of \
                  their own";
    assert_eq!(nested.origin(), origin);
    // The spans that can be said teach as they do alone.
    let plain = Site::new();
    plain.publish(&first, 1);
    plain.add(0..6);
    plain.settle();
    while plain.correct(false) > 0 {}
    let alone = update(&plain, &mut model, &order);
    assert_eq!(alone.counts(), nested.counts());
    assert!(alone.counts().iter().any(|count| *count != 0));

    // A head of one class learns nothing of them, and the answer has the same form.
    let softmax = bundle(Pooling::Mean, HeadKind::Softmax, "note");
    let mut model = Model::load(&engine(None).unwrap(), &softmax).unwrap();
    let order = site.round(&softmax, softmax.head());
    let tally = update(&site, &mut model, &order);
    assert!(tally.counts().iter().all(|count| *count == 0));

    // Texts that the backbone fails on count as if they were not there.
    let mut table = tiny::TABLE;
    table[1] = [f32::NAN; 3];
    let backbone = tiny::parts::graph(table.as_flattened(), 3, &tiny::parts::lookup());
    let failing = bundle_over(&backbone, Pooling::Words, HeadKind::Tokens, "note");
    let mut model = Model::load(&engine(None).unwrap(), &failing).unwrap();
    let order = site.round(&failing, failing.head());
    let tally = update(&site, &mut model, &order);
    let few = Site::new();
    few.publish(&first, 1);
    few.add(1..3); // the others of the four have the word in them
    few.settle();
    while few.correct(true) > 0 {}
    assert!(tally.counts().iter().any(|count| *count != 0));
    let mut model = Model::load(&engine(None).unwrap(), &first).unwrap();
    let order = few.round(&first, first.head());
    assert_eq!(tally.counts(), update(&few, &mut model, &order).counts());

    let mut model = Model::load(&engine(None).unwrap(), &first).unwrap();
    let fitted = Fitting::begin(&site.store, &model, &site.row(), 6);
    assert!(matches!(fitted, Err(LearnError::NotPersonal { kind: HeadKind::Tokens })));
    let item = CleanItem::from_fields(Vec::new());
    assert!(model.words_of(&item).unwrap().ranges.is_empty());
}

#[test]
fn a_bundle_drafts_the_labels_of_its_project_or_is_refused() {
    let site = Site::new();
    let mut number = 0;
    let mut refused = |pooling, kind, field| {
        number += 1;
        let bundle = bundle(pooling, kind, field);
        site.publish(&bundle, number);
        site.settle();
        let row = site.store.read("test", |tx| tx.bundle(&bundle.id())).unwrap().unwrap();
        let used = site.row().bundle == Some(bundle.id());
        assert_eq!(used, row.state == BundleState::Ready, "{}", row.note);
        (!used).then_some(row.note)
    };
    let one = refused(Pooling::Mean, HeadKind::Softmax, "note").unwrap();
    assert!(one.contains("spans") && one.contains("softmax"), "{one}");
    assert!(refused(Pooling::Mean, HeadKind::MultiLabel, "note").is_some());
    let other = refused(Pooling::Words, HeadKind::Tokens, "letter").unwrap();
    assert!(other.contains("does not read the field note"), "{other}");
    assert_eq!(refused(Pooling::Words, HeadKind::Tokens, "note"), None);
}

#[test]
fn a_crafted_head_is_declined_and_counted_by_its_reason() {
    let site = Site::new();
    let metrics = telemetry::metrics().unwrap();
    let first = bundle(Pooling::Words, HeadKind::Tokens, "note");
    site.publish(&first, 1);
    site.add(0..6);
    site.settle();
    while site.correct(false) > 0 {}
    let good = site.round(&first, first.head());
    let other: Digest = Fixed([9; 32]);
    let mut poisoned = first.head().encode();
    poisoned[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let bent = [
        ("not-finite", RoundOrder { head: Bytes(poisoned), ..good.clone() }),
        ("shape", RoundOrder { features: good.features + 1, ..good.clone() }),
        ("head", RoundOrder { head: Bytes(vec![0; 4]), ..good.clone() }),
        ("other-backbone", RoundOrder { backbone: other, ..good.clone() }),
        ("unapproved-backbone", RoundOrder { backbone: Fixed([8; 32]), ..good.clone() }),
    ];
    site.store
        .tx("test", |tx| {
            for backbone in [&good.backbone, &other] {
                tx.decide(ApprovalKind::Backbone, backbone, true, 0)?;
            }
            for (run, (_, order)) in (2..).zip(&bent) {
                tx.put_round(&RoundOrder { run: Fixed([run; 16]), ..order.clone() }, false)?;
            }
            tx.put_round(&good, false)
        })
        .unwrap();
    site.settle();
    let rows = site.store.read("test", |tx| tx.rounds(None)).unwrap();
    let declined = rows.iter().filter(|row| row.state == RoundState::Declined).count();
    assert_eq!((declined, rows.len()), (bent.len(), bent.len() + 1));
    let text = metrics.render();
    for (reason, _) in bent {
        let line =
            format!("insitu_agent_heads_declined_total{{kind=\"update\",reason=\"{reason}\"}} ");
        assert!(text.contains(&line), "{reason}: {text}");
    }
    // The good one among them is answered all the same.
    let entries = site.store.read("test", |tx| tx.entries(0, 10)).unwrap();
    assert_eq!(entries.len(), 1);
}
