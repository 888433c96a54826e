//! Personal heads over the shipped bundle and a site that labels otherwise than the others.

use std::sync::Arc;

use insitu_daemon::clock::{Clock, ManualClock};
use insitu_models::bundle::Bundle;
use insitu_models::calibration::Calibration;
use insitu_models::head::Head;
use insitu_models::manifest::Sentence;
use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::ids::Digest;
use insitu_protocol::order::{Contender, EvaluationOrder, RoundOrder};
use insitu_protocol::project::{FieldKind, Project};
use jiff::Timestamp;

use super::super::tests::limits;
use super::*;
use crate::config::{Policy, Polite, Schedule};
use crate::downlink::Judge;
use crate::item::{RawItem, Value};
use crate::label::Label;
use crate::learn;
use crate::learn::evaluation;
use crate::learn::kept::Kept;
use crate::polite::Manners;
use crate::polite::tests::{QUIET, Told};
use crate::prelabel::personal::of_bundle;
use crate::prelabel::{Model, Prelabel, Shelf, engine};
use crate::review::{Annotation, Decision, annotate, next};
use crate::store::Store;
use crate::store::items::{ItemRow, Stage};
use crate::store::labels::{Person, Role};
use crate::store::personal::PersonalRow;
use crate::store::tests::{Scratch, scratch};
use crate::{tally, testing};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/bundles/heart-disease");

pub(in crate::pipeline) struct Site {
    pub(in crate::pipeline) scratch: Scratch,
    pub(in crate::pipeline) store: Arc<Store>,
    eve: Person,
    pub(in crate::pipeline) clock: Arc<ManualClock>,
    pub(in crate::pipeline) bundle: Bundle,
    host: Told,
}

impl Site {
    /// A site with the shipped project and bundle; every item goes to people.
    pub(in crate::pipeline) fn new() -> Self {
        let site = Self::without_bundle();
        site.publish(&site.bundle, 1);
        site
    }

    /// The same before the bundle has come.
    pub(in crate::pipeline) fn without_bundle() -> Self {
        let scratch = scratch();
        let text = std::fs::read_to_string(format!("{FOLDER}/project.toml")).unwrap();
        let mut project: Project = toml::from_str(&text).unwrap();
        (project.routing.accept_at, project.routing.overlap) = (1001, 0);
        testing::put(&scratch.store, &project);
        let store = Arc::new(Store::open(scratch.folder.path()).unwrap());
        let eve = testing::person(&store, "eve", Role::Expert);
        let clock = Arc::new(ManualClock::new(Timestamp::from_second(1000).unwrap()));
        let bundle = Bundle::open(FOLDER.as_ref()).unwrap();
        let host = Told(Arc::new(std::sync::Mutex::new(QUIET)));
        Self { scratch, store, eve, clock, bundle, host }
    }

    /// A bundle arrives, and is approved.
    pub(in crate::pipeline) fn publish(&self, bundle: &Bundle, number: u64) {
        let folder = self.scratch.folder.path();
        testing::publish(&self.store, folder, &self.row(), bundle, number);
    }

    pub(in crate::pipeline) fn row(&self) -> ProjectRow {
        self.store.read("test", |tx| tx.projects()).unwrap().remove(0)
    }

    /// Adds patients `from..to`, each a subject; each third one is held out.
    pub(in crate::pipeline) fn add(&self, range: std::ops::Range<usize>) {
        let csv = std::fs::read_to_string(format!("{FOLDER}/patients.csv")).unwrap();
        let names: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
        let row = self.row();
        let value = |name: &str, cell: &str| {
            let field = row.definition.fields.iter().find(|field| field.name.as_str() == name)?;
            let number = || cell.parse().ok().map(Value::Number);
            (!cell.is_empty()).then_some(())?;
            let value = if field.kind == FieldKind::Number {
                number()?
            } else {
                Value::Text(cell.to_owned())
            };
            Some((name.to_owned(), value))
        };
        self.store
            .tx("test", |tx| {
                for (at, line) in
                    csv.lines().skip(1).enumerate().skip(range.start).take(range.len())
                {
                    let fields = names.iter().zip(line.split(','));
                    let fields = fields.filter_map(|(name, cell)| value(name, cell)).collect();
                    let item = RawItem::new(at.to_string(), at.to_string(), at % 3 == 0, fields);
                    item.add(tx, row.project, row.definition.name.as_str())?;
                }
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }

    pub(in crate::pipeline) fn pipeline(&self, personal: bool) -> Pipeline {
        let judge = Judge { policy: Policy::default(), limits: limits(9.0), bundle_key: None };
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock) as Arc<dyn Clock>);
        let shelf = Shelf::new(self.scratch.folder.path());
        let wanted = personal.then(|| self.row().definition.name);
        Pipeline::new(store, clock, judge, Schedule::default(), shelf, None)
            .with_personal(wanted.into_iter().collect())
            .politely(Manners::on(Polite::default(), Box::new(self.host.clone())))
    }

    /// Works for as long as there is something to do, and looks again a minute later.
    pub(in crate::pipeline) fn settle(&self, pipeline: &mut Pipeline) {
        for _ in 0..2 {
            let ticks = (0..1000).take_while(|_| pipeline.tick().unwrap()).count();
            assert!(ticks < 1000, "work without end");
            self.clock.advance(std::time::Duration::from_secs(61));
        }
    }

    /// Labels whatever waits, always otherwise than the bundle's head says.
    pub(in crate::pipeline) fn contradict(&self) -> usize {
        let name = self.row().definition.name;
        let now = self.clock.now().as_second();
        let mut labeled = 0;
        loop {
            let cards = next(&self.store, &self.eve, &name, 50, now).unwrap();
            if cards.is_empty() {
                return labeled;
            }
            labeled += cards.len();
            for card in cards {
                let bundles = of_bundle(&card.row).unwrap().unwrap();
                let annotation = Annotation {
                    key: format!("{now}-{}", card.row.item),
                    label: Some(Label::Class(1 - bundles.class().unwrap())),
                    seconds: 1.0,
                    decision: Decision::Correct,
                    comment: None,
                    looks_real: None,
                    reason: None,
                };
                annotate(&self.store, &self.eve, &card.row.opaque, &annotation, now).unwrap();
            }
        }
    }

    fn head(&self) -> Option<PersonalHead> {
        let row = self.row();
        self.store.read("test", |tx| PersonalHead::load(tx, &row)).unwrap()
    }

    fn waiting(&self) -> Vec<ItemRow> {
        let row = self.row();
        let read = |tx: &crate::store::Tx<'_>| {
            let first = tx.items_in_stage(row.project, Stage::First, 0, 1000)?;
            Ok([first, tx.items_in_stage(row.project, Stage::Expert, 0, 1000)?].concat())
        };
        self.store.read::<_, StoreError>("test", read).unwrap()
    }

    pub(in crate::pipeline) fn model(&self) -> Model {
        Model::load(&engine(None).unwrap(), &self.bundle).unwrap()
    }
}

/// Makers of the prelabels that people will see, and how many of these are as the bundle's head says.
fn served(rows: &[ItemRow]) -> (BTreeSet<Digest>, usize) {
    let prelabel = |row: &ItemRow| Prelabel::decode(row.prelabel.as_ref().unwrap()).unwrap();
    let same = |row: &&ItemRow| prelabel(row).class() == of_bundle(row).unwrap().unwrap().class();
    (rows.iter().map(|row| prelabel(row).bundle()).collect(), rows.iter().filter(same).count())
}

#[test]
fn a_site_that_labels_otherwise_is_served_by_its_own_head_and_releases_as_without() {
    let site = Site::new();
    let mut pipeline = site.pipeline(true);
    site.add(0..120);
    site.settle(&mut pipeline);
    assert_eq!(site.contradict(), 120);
    site.add(120..160);
    site.settle(&mut pipeline);

    let head = site.head().unwrap();
    let standing = head.standing();
    assert!(standing.share > 0.0, "{standing:?}");
    assert_eq!((standing.lessons, standing.held_out), (80, 40));
    assert_eq!(standing.accuracy_global, Some(0.0));
    assert!(standing.accuracy_personal.unwrap() > 0.8, "{standing:?}");
    // What people see is the personal head's, whose name is not the bundle's.
    let waiting = site.waiting();
    let (makers, as_bundle) = served(&waiting);
    assert_eq!((waiting.len(), makers.len()), (40, 1));
    assert!(!makers.contains(&site.bundle.id()) && as_bundle < 10, "{as_bundle}");
    // A restart serves alike, without fitting again.
    let mut pipeline = site.pipeline(true);
    site.settle(&mut pipeline);
    assert_eq!(site.head().as_ref(), Some(&head));
    site.add(160..170);
    site.settle(&mut pipeline);
    assert_eq!(served(&site.waiting()).0, makers);

    // A statistics window knows the bundle's prelabels alone: all of them were contradicted.
    assert_eq!(site.contradict(), 50);
    let row = site.row();
    let window = site.store.read("test", |tx| tally::window(tx, &row)).unwrap();
    let [confusion, _, calibration, _] = &window.tallies;
    let counts = confusion.counts();
    assert_eq!((counts[0], counts[3], counts[1] + counts[2]), (0, 0, 170));
    let (wrong, right): (Vec<_>, Vec<_>) =
        calibration.counts().chunks(2).map(|bin| (bin[0], bin[1])).unzip();
    assert_eq!((wrong.iter().sum::<i64>(), right.iter().sum::<i64>()), (170, 0));
}

/// A round of a site's project, at its bundle's head.
pub(in crate::pipeline) fn round(row: &ProjectRow, bundle: &Bundle) -> RoundOrder {
    let manifest = bundle.manifest();
    RoundOrder {
        run: Fixed([1; 16]),
        round: 1,
        rounds: 1,
        project: row.definition.name.clone(),
        backbone: manifest.backbone.digest,
        head: Bytes(bundle.head().encode()),
        classes: 2,
        features: u32::try_from(manifest.features).unwrap(),
        clip_milli: 500,
        fraction_bits: 12,
        nano_rho: 1000,
        closes_unix_s: i64::MAX,
    }
}

/// A comparison of its bundle's head with one that knows nothing.
pub(in crate::pipeline) fn comparison(row: &ProjectRow, bundle: &Bundle) -> EvaluationOrder {
    let manifest = bundle.manifest();
    let contender = |head: &Head| Contender {
        bundle: bundle.id(),
        head: Bytes(head.encode()),
        calibration: Bytes(Calibration::identity().encode().unwrap()),
    };
    let zero = Head::new(2, manifest.features, vec![0.0; 2 * manifest.features]).unwrap();
    EvaluationOrder {
        evaluation: Fixed([2; 16]),
        project: row.definition.name.clone(),
        project_version: row.definition.version,
        backbone: manifest.backbone.digest,
        features: u32::try_from(manifest.features).unwrap(),
        current: contender(bundle.head()),
        candidate: contender(&zero),
        nano_rho: 1000,
        closes_unix_s: i64::MAX,
    }
}

#[test]
fn a_round_and_an_evaluation_are_bit_identical_with_and_without_it() {
    let site = Site::new();
    let mut pipeline = site.pipeline(true);
    site.add(0..120);
    site.settle(&mut pipeline);
    site.contradict();
    site.settle(&mut pipeline);
    let head = site.head().unwrap();
    let row = site.row();
    let (round, order) = (round(&row, &site.bundle), comparison(&row, &site.bundle));
    let mut model = site.model();
    let tallies = |model: &mut Model| {
        let kept = &mut Kept::nothing();
        [
            learn::update(&site.store, model, kept, &row, &round).unwrap(),
            evaluation::evaluate(&site.store, model, kept, &row, &order).unwrap(),
        ]
    };
    let without = tallies(&mut model);
    model.serve(Some(&head)).unwrap();
    assert_ne!(model.maker(), model.bundle(), "it serves");
    for (with, without) in tallies(&mut model).iter().zip(&without) {
        assert_eq!((with.counts(), with.outline()), (without.counts(), without.outline()));
        assert_eq!(with.origin(), without.origin());
    }
    assert!(without[0].counts().iter().any(|count| *count != 0), "there is something to compare");
}

/// Prelabeling goes on by the bundle's head until another one is fitted.
#[test]
fn a_head_that_cannot_be_read_is_forgotten_and_fitted_again() {
    let site = Site::new();
    let mut pipeline = site.pipeline(true);
    site.add(0..60);
    site.settle(&mut pipeline);
    site.contradict();
    site.settle(&mut pipeline);
    let fitted = site.head().unwrap();
    let (maker, head) = (Fixed([9; 32]), vec![1, 2, 3]);
    let spoiled = PersonalRow { bundle: site.bundle.id(), maker, labels: 60, head };
    let project = site.row().project;
    site.store.tx("test", |tx| tx.put_personal_head(project, &spoiled)).unwrap();
    site.add(60..70);
    site.settle(&mut pipeline);
    assert_eq!(site.waiting().len(), 10);
    assert_eq!(site.head().unwrap(), fitted);
}

#[test]
fn another_bundle_or_more_labels_fit_anew_and_the_same_data_gives_the_same_head() {
    let site = Site::new();
    let mut pipeline = site.pipeline(true);
    site.add(0..90);
    site.settle(&mut pipeline);
    site.contradict();
    site.settle(&mut pipeline);
    let first = site.head().unwrap();
    let fit = |labels| {
        let mut model = site.model();
        let mut fitting = Fitting::begin(&site.store, &model, &site.row(), labels).unwrap();
        let done = (0..1000).find_map(|_| fitting.work(&site.store, &mut model).unwrap());
        done.expect("a fit ends")
    };
    assert_eq!(fit(90), first);
    assert_eq!(fit(90), first);

    // A few more labels change nothing yet, twenty do.
    for (range, refits) in [(90..100, false), (100..120, true)] {
        site.add(range);
        site.settle(&mut pipeline);
        site.contradict();
        site.settle(&mut pipeline);
        assert_eq!(site.head().unwrap() != first, refits);
    }

    // A new bundle drops it at once, and gets one of its own.
    let mut weights = site.bundle.head().weights().to_vec();
    weights.iter_mut().for_each(|weight| *weight *= 0.9);
    let head = Head::new(2, site.bundle.manifest().features, weights).unwrap();
    let newer = site.bundle.successor(head, Sentence::new("for a test").unwrap()).unwrap();
    site.publish(&newer, 2);
    site.host.0.lock().unwrap().load_per_core = 2.5; // training makes way
    site.add(120..130);
    site.settle(&mut pipeline);
    assert!(site.head().is_none(), "nothing is fitted while the machine is busy");
    assert_eq!(served(&site.waiting()), ([newer.id()].into(), 10));
    site.host.0.lock().unwrap().load_per_core = 0.1;
    site.settle(&mut pipeline);
    assert!(site.head().unwrap().standing().share > 0.0);
    assert!(served(&site.waiting()).1 < 5, "what waits is served by it, too");
}

#[test]
fn without_the_setting_there_is_none_and_a_former_one_goes() {
    let site = Site::new();
    site.add(0..60);
    let mut plain = site.pipeline(false);
    site.settle(&mut plain);
    site.contradict();
    site.add(60..80);
    site.settle(&mut plain);
    assert!(site.head().is_none());
    assert_eq!(served(&site.waiting()), ([site.bundle.id()].into(), 20));

    let mut personal = site.pipeline(true);
    site.settle(&mut personal);
    assert!(served(&site.waiting()).1 < 10);
    let mut plain = site.pipeline(false);
    site.settle(&mut plain);
    assert!(site.head().is_none());
    assert_eq!(served(&site.waiting()), ([site.bundle.id()].into(), 20));
}

#[test]
fn a_site_like_the_others_keeps_their_head() {
    let site = Site::new();
    let mut pipeline = site.pipeline(true);
    site.add(0..60);
    site.settle(&mut pipeline);
    let now = site.clock.now().as_second();
    let name = site.row().definition.name;
    for card in next(&site.store, &site.eve, &name, 50, now).unwrap() {
        let annotation = Annotation {
            key: card.row.item.to_string(),
            label: card.prelabel.map(|prelabel| prelabel.label().clone()),
            seconds: 1.0,
            decision: Decision::Accept,
            comment: None,
            looks_real: None,
            reason: None,
        };
        annotate(&site.store, &site.eve, &card.row.opaque, &annotation, now).unwrap();
    }
    site.settle(&mut pipeline);
    let standing = site.head().unwrap().standing();
    assert_eq!(standing.accuracy_global, Some(1.0));
    assert!(standing.share <= 0.0, "{standing:?}");
    assert_eq!(served(&site.waiting()).0, [site.bundle.id()].into());
}
