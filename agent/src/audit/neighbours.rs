//! Neighbouring stores: what is counted in two stores that differ in one subject, with everything of
//! it, is never further apart than the tallies claim.
//!
//! A store is made like that of the audit, brought through import, redaction and prelabeling, and
//! copied: its key and the random names of its items decide what is counted of a subject. The copy
//! loses the subject. Then the same people read both, each answering as the item has it.
//!
//! What people said of the other subjects is the same in both: that is what neighbouring means. So
//! the campaign comes last. Who has a place in its queue depends on who else matches, and a label
//! given there is one that the item would not have had; the campaign's own answer accounts for it,
//! but statistics and updates that are counted later take each label as given.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::Path as FilePath;
use std::sync::Arc;

use insitu_models::head::HeadError;
use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::order::{
    CampaignOrder, Clause, Contender, EvaluationOrder, NumberedOrder, Order, RoundOrder, Selector,
};
use insitu_protocol::project::Routing;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;

use super::bundle::bundle;
use super::play;
use super::site::{self, NANO_RHO, NOW, SUBJECT_COLUMN, Shape, line};
use crate::config::Source;
use crate::downlink::{Judge, apply};
use crate::label::Label;
use crate::learn::kept::Kept;
use crate::learn::{self, LearnError};
use crate::pipeline::windows;
use crate::prelabel::Model;
use crate::review::{Annotation, Decision, ITEMS_MAX, annotate, next};
use crate::source::{Format, import};
use crate::store::labels::{Person, Role};
use crate::store::orders::ProjectRow;
use crate::store::{FILE, Store};
use crate::tally::{self, Tally};
use crate::testing;

const CASES: u32 = 40;
const SHAPE: Shape = Shape { classes: 2, witnesses: 0 };
const SUBJECTS: u8 = 6;
/// Share of subjects that are evaluated on and not learned from.
const HOLDOUT_SHARE: f64 = 0.25;
/// When the items that wait for it are read: every lease has ended by then.
const LATER: i64 = NOW + 10_000;
/// The campaign's closing time: after the test, by any clock.
const CLOSES: i64 = 10 * NOW;
/// How often each person asks for items: more than any item is read.
const TURNS: u32 = 4;

/// An item, and what each person says of it.
#[derive(Clone, Debug)]
struct Item {
    subject: u8,
    code: u8,
    copy: u8,
    answers: [Answer; 3],
    /// It is read after the first window only.
    late: bool,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Label(u16),
    Skip,
    Flag,
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let answer = prop_oneof![
        6 => (0..2_u16).prop_map(Answer::Label),
        1 => Just(Answer::Skip),
        1 => Just(Answer::Flag),
    ];
    let answers = [answer.clone(), answer.clone(), answer];
    let item = (0..SUBJECTS, 0..4_u8, 0..5_u8, answers, any::<bool>()).prop_map(
        |(subject, code, copy, answers, late)| Item { subject, code, copy, answers, late },
    );
    proptest::collection::vec(item, 4..28)
}

/// Weights of a round's head: as trained, and as somebody would choose them who wants to see one
/// subject.
fn weights() -> impl Strategy<Value = Vec<f32>> {
    let weight = prop_oneof![
        Just(0.0),
        -2.0..2.0_f32,
        Just(1e30),
        Just(f32::MAX),
        Just(f32::MIN),
        Just(f32::MIN_POSITIVE),
    ];
    proptest::collection::vec(weight, SHAPE.classes * SHAPE.codes())
}

#[test]
fn no_subject_moves_a_tally_further_than_it_claims() {
    let bundle = bundle(&SHAPE).unwrap();
    let model = RefCell::new(play::load(&bundle).unwrap());
    // The largest squared distance of each kind, and what it claims.
    let farthest = RefCell::new(BTreeMap::<&str, (u64, u64)>::new());
    let compare = |with: &[Tally], without: &[Tally]| {
        assert_eq!(with.len(), without.len());
        for (with, without) in with.iter().zip(without) {
            let claimed = with.sensitivity().get();
            assert_eq!(without.sensitivity().get(), claimed);
            assert_eq!(with.counts().len(), without.counts().len());
            let cells = with.counts().iter().zip(without.counts());
            let distance = cells.map(|(a, b)| a.abs_diff(*b).pow(2)).sum::<u64>();
            let kind = with.body().name();
            prop_assert!(distance <= claimed, "{}: {} of {}", kind, distance, claimed);
            let mut farthest = farthest.borrow_mut();
            let known = farthest.entry(kind).or_insert((0, claimed));
            known.0 = known.0.max(distance);
        }
        Ok(())
    };
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let given = (items(), 0..SUBJECTS, 1..5_u32, weights());
    TestRunner::new(config)
        .run(&given, |(items, gone, items_max, weights)| {
            let [with, without] = neighbours(&bundle, &items, gone);
            let order = round(&model.borrow(), &weights);
            let of = |at: &Neighbour| at.live(&items, items_max, &order, &mut model.borrow_mut());
            let (with, without) = (of(&with), of(&without));
            compare(&with, &without)
        })
        .unwrap();
    for (kind, (distance, claimed)) in farthest.into_inner() {
        // The claims are tight, so the test looks where it must; a clipped sum is truncated.
        let least = if kind == "update" { claimed / 10 * 9 } else { claimed };
        assert!(distance >= least, "{kind}: no more than {distance} of {claimed} was seen");
    }
}

#[test]
fn a_head_that_is_not_finite_is_declined_whatever_the_data() {
    let bundle = bundle(&SHAPE).unwrap();
    let mut model = play::load(&bundle).unwrap();
    let [site, _] = neighbours(&bundle, &[], 0);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut weights = vec![0.0; SHAPE.classes * SHAPE.codes()];
        weights[3] = bad;
        let order = round(&model, &weights);
        let refused = learn::update(&site.store, &mut model, &mut Kept::new(), &site.row(), &order)
            .unwrap_err();
        assert!(!refused.is_transient());
        assert!(matches!(refused, LearnError::Head(HeadError::NotFinite { .. })), "{refused:?}");
    }
}

/// One of two stores.
struct Neighbour {
    store: Arc<Store>,
    people: [Person; 3],
    folder: TempDir,
}

/// A store of `items`, each with its prelabel, and the same without the subject `gone`.
fn neighbours(bundle: &insitu_models::bundle::Bundle, items: &[Item], gone: u8) -> [Neighbour; 2] {
    let first = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(first.path()).unwrap());
    let mut project = SHAPE.project().unwrap();
    // Of the four codes one goes to experts, one is accepted unseen; most others are read twice.
    project.routing = Routing { accept_at: 900, expert_below: 600, overlap: 700 };
    let row = site::order(&store, first.path(), &project, bundle).unwrap();
    let source = Source {
        name: project.name,
        id: "id".to_owned(),
        subject: Some(SUBJECT_COLUMN.to_owned()),
        holdout: None,
        holdout_share: HOLDOUT_SHARE,
        redaction: None,
        images: crate::config::Images::default(),
        personal: false,
        acceptance: None,
        review: None,
        label_studio: None,
        watch: None,
    };
    let mut lines = format!("id,{SUBJECT_COLUMN},code,copy\n");
    for (index, Item { subject, code, copy, .. }) in items.iter().enumerate() {
        lines.push_str(&format!("{index},s{subject},{code},{copy}\n"));
    }
    import(&store, &row, &source, None, Format::Csv, Cursor::new(lines)).unwrap();
    let Judge { policy, limits, .. } = testing::generous(0);
    site::prelabel(&store, first.path(), policy, limits).unwrap();
    let person = |name, role| site::add_person(&store, name, role).unwrap();
    let people = [
        person("ann", Role::Annotator),
        person("bob", Role::Annotator),
        person("eve", Role::Expert),
    ];
    drop(store); // its file is whole then
    let second = tempfile::tempdir().unwrap();
    copy(first.path(), second.path());
    let connection = rusqlite::Connection::open(second.path().join(FILE)).unwrap();
    for (index, _) in items.iter().enumerate().filter(|(_, item)| item.subject == gone) {
        let removed =
            connection.execute("DELETE FROM items WHERE item = ?1", [key(index)]).unwrap();
        assert_eq!(removed, 1, "items are numbered as they were imported");
    }
    [first, second].map(|folder| Neighbour {
        store: Arc::new(Store::open(folder.path()).unwrap()),
        people: people.clone(),
        folder,
    })
}

fn copy(from: &FilePath, to: &FilePath) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The store's key of the item at `index`.
fn key(index: usize) -> i64 {
    i64::try_from(index).unwrap() + 1
}

fn round(model: &Model, weights: &[f32]) -> RoundOrder {
    RoundOrder {
        run: Fixed([1; 16]),
        round: 1,
        rounds: 1,
        project: SHAPE.project().unwrap().name,
        backbone: model.manifest().backbone.digest,
        head: Bytes(weights.iter().flat_map(|weight| weight.to_le_bytes()).collect()),
        classes: u16::try_from(SHAPE.classes).unwrap(),
        features: u32::try_from(SHAPE.codes()).unwrap(),
        clip_milli: 500,
        fraction_bits: 12,
        nano_rho: NANO_RHO,
        closes_unix_s: CLOSES,
    }
}

/// The head of a round against one of zeros.
fn evaluation(model: &Model, round: &RoundOrder) -> EvaluationOrder {
    let contender = |bundle, head| Contender {
        bundle: Fixed([bundle; 32]),
        head,
        calibration: Bytes(model.manifest().calibration.encode().unwrap()),
    };
    EvaluationOrder {
        evaluation: Fixed([2; 16]),
        project: round.project.clone(),
        project_version: 1,
        backbone: round.backbone,
        features: round.features,
        current: contender(1, Bytes(vec![0; round.head.0.len()])),
        candidate: contender(2, round.head.clone()),
        nano_rho: NANO_RHO,
        closes_unix_s: CLOSES,
    }
}

impl Neighbour {
    fn row(&self) -> ProjectRow {
        let name = SHAPE.project().unwrap().name;
        self.store.read("test", |tx| tx.project(&name)).unwrap().unwrap()
    }

    /// Everything that is ever counted here: two windows, a round of gradients and one of sums by
    /// class, an evaluation, a campaign.
    fn live(
        &self,
        items: &[Item],
        items_max: u32,
        round: &RoundOrder,
        model: &mut Model,
    ) -> Vec<Tally> {
        let window = || {
            let row = self.row();
            self.store.read("test", |tx| tally::window(tx, &row)).unwrap().tallies
        };
        for (reader, person) in self.people.iter().enumerate() {
            self.read(items, person, reader, NOW);
        }
        let mut all = window().to_vec();
        windows::release(&self.store, &testing::generous(0).limits, &round.project, NOW).unwrap();
        for (reader, person) in self.people.iter().enumerate() {
            self.read(items, person, reader, LATER);
        }
        all.extend(window());
        let (row, kept) = (self.row(), &mut Kept::new());
        all.push(learn::update(&self.store, model, kept, &row, round).unwrap());
        let sums = RoundOrder { head: Bytes(Vec::new()), ..round.clone() };
        all.push(learn::update(&self.store, model, kept, &row, &sums).unwrap());
        let order = evaluation(model, round);
        all.push(learn::evaluation::evaluate(&self.store, model, kept, &row, &order).unwrap());
        let order = self.open_campaign(items_max);
        let [.., eve] = &self.people;
        self.read(items, eve, 2, LATER);
        let answer = self.store.read("test", |tx| tally::campaign(tx, &row, &order, true));
        all.push(answer.unwrap());
        all
    }

    fn open_campaign(&self, items_max: u32) -> CampaignOrder {
        let order = CampaignOrder {
            campaign: Fixed([5; 16]),
            project: self.row().definition.name,
            title: line("Unsure"),
            selector: Selector::new(vec![Clause::ConfidenceBelow { milli: 1000 }]).unwrap(),
            items_max,
            nano_rho: 1_000_000,
            answers_unix_s: CLOSES,
        };
        let numbered = NumberedOrder { number: 1, order: Order::Campaign(order.clone()) };
        assert!(apply(&self.store, &testing::generous(0), &numbered, NOW).unwrap());
        let Judge { policy, limits, .. } = testing::generous(0);
        site::prelabel(&self.store, self.folder.path(), policy, limits).unwrap();
        order
    }

    /// Has a person read what is offered, but for what is to be read later.
    fn read(&self, items: &[Item], person: &Person, reader: usize, now: i64) {
        let name = self.row().definition.name;
        for turn in 0..TURNS {
            for card in next(&self.store, person, &name, ITEMS_MAX, now).unwrap() {
                let item = &items[usize::try_from(card.row.item - 1).unwrap()];
                if item.late && now < LATER {
                    continue;
                }
                let (class, decision) = match item.answers[reader] {
                    Answer::Label(class) => (Some(class), Decision::Correct),
                    Answer::Skip => (None, Decision::Skip),
                    Answer::Flag => (None, Decision::Flag),
                };
                let annotation = Annotation {
                    key: format!("{now}-{turn}-{}-{:?}", card.row.item, card.lease.reading),
                    label: class.map(Label::Class),
                    seconds: 1.0,
                    decision,
                    comment: None,
                    looks_real: None,
                    reason: None,
                };
                annotate(&self.store, person, &card.row.opaque, &annotation, now).unwrap();
            }
        }
    }
}
