//! Windows, releases and work on items over a real store.

use std::collections::BTreeMap;
use std::sync::Mutex;

use insitu_daemon::clock::ManualClock;
use insitu_daemon::machine::Power;
use insitu_privacy::Rho;
use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::order::{NumberedOrder, Order, RoundOrder};
use insitu_protocol::release::Release as Wire;
use insitu_protocol::response::Receipt;
use jiff::Timestamp;
use proptest::prelude::*;

use super::campaigns::tests::campaign;
use super::windows::{self, WindowError};
use super::*;
use crate::config::{Limits, Policy, Polite};
use crate::downlink::apply;
use crate::item::{CleanItem, RawItem, Value};
use crate::label::Label;
use crate::outbox;
use crate::polite::tests::{QUIET, Told};
use crate::release::{Release, ReleaseError};
use crate::review::{Annotation, Decision, annotate, next};
use crate::store::items::Stage;
use crate::store::labels::{Person, Role};
use crate::store::tests::Scratch;
use crate::testing;

pub(super) struct Site {
    pub(super) scratch: Scratch,
    pub(super) row: ProjectRow,
    pub(super) eve: Person,
}

pub(super) fn site(items: u32, subjects: u32) -> Site {
    let (scratch, row) = testing::with_project();
    testing::add_items(&scratch.store, &row, 0..items, subjects);
    testing::prelabel(&scratch.store, &row, |_| 0.5);
    let eve = testing::person(&scratch.store, "eve", Role::Expert);
    Site { scratch, row, eve }
}

pub(super) fn limits(epsilon_year: f64) -> Limits {
    let policy =
        Policy { epsilon_year, minimum_cohort: 1, epsilon_window: 2.0, ..Policy::default() };
    policy.limits().unwrap()
}

impl Site {
    pub(super) fn store(&self) -> &Store {
        &self.scratch.store
    }

    pub(super) fn label(&self, count: u32, class: u16, now: i64) {
        for card in next(self.store(), &self.eve, &self.row.definition.name, count, now).unwrap() {
            let annotation = Annotation {
                key: format!("{now}-{}", card.row.item),
                label: Some(Label::Class(class)),
                seconds: 1.0,
                decision: Decision::Correct,
                comment: None,
                looks_real: None,
                reason: None,
            };
            annotate(self.store(), &self.eve, &card.row.opaque, &annotation, now).unwrap();
        }
    }

    pub(super) fn close(&self, limits: &Limits, now: i64) -> Result<windows::Closed, WindowError> {
        windows::release(self.store(), limits, &self.row.definition.name, now)
    }

    pub(super) fn released(&self) -> Vec<Wire> {
        testing::released(self.store())
    }
}

#[test]
fn a_window_releases_four_chained_statistics_of_fixed_shape() {
    let site = site(40, 40);
    site.label(10, 1, 1);
    let closed = site.close(&limits(50.0), 2).unwrap();
    assert_eq!((closed.window, closed.labeled, closed.imported), (1, 10, 40));
    let released = site.released();
    let shapes: Vec<(&str, usize)> =
        released.iter().map(|r| (r.body.name(), r.values.0.len())).collect();
    assert_eq!(
        shapes,
        [("confusion", 4), ("coincidence", 4), ("calibration", 10), ("drift", 4 + 4)]
    );
    let verified = outbox::verify(site.store()).unwrap();
    assert_eq!((verified.releases, verified.problems), (4, vec![]));
    assert_eq!(verified.charged, Rho::from_nano(6_000_000));
    // An empty window looks alike.
    site.close(&limits(50.0), 3).unwrap();
    let sizes: Vec<usize> = site.released().iter().map(|r| r.encode().unwrap().len()).collect();
    assert_eq!(sizes[..4], sizes[4..]);
}

#[test]
fn the_budget_refuses_before_it_is_passed_and_nothing_changes() {
    let site = site(10, 10);
    // Room for one window of 6e6 nano-ρ and not for two.
    let limits = Limits { year: Rho::from_nano(11_999_999), ..limits(2.0) };
    site.close(&limits, 1).unwrap();
    let refused = site.close(&limits, 2).unwrap_err();
    assert!(matches!(
        refused,
        WindowError::Outbox(OutboxError::Release(ReleaseError::Budget { what: "the year", .. }))
    ));
    assert_eq!(site.released().len(), 4);
    let row = site.store().read("test", |tx| tx.project(&site.row.definition.name)).unwrap();
    assert_eq!(row.unwrap().window, 2, "the refused window stays open");
    // A year later the first charge has fallen out.
    site.close(&limits, 1 + release::YEAR_SECONDS).unwrap();
    assert_eq!(site.released().len(), 8);
}

#[test]
fn a_small_cohort_releases_nothing() {
    let site = site(10, 4);
    let limits = Limits { minimum_cohort: 5, ..limits(2.0) };
    let refused = site.close(&limits, 1).unwrap_err();
    assert!(matches!(
        refused,
        WindowError::Outbox(OutboxError::Release(ReleaseError::Cohort { minimum: 5 }))
    ));
}

#[test]
fn the_same_tally_is_never_released_twice() {
    let site = site(10, 10);
    let commit = || {
        let tally = site.store().read("test", |tx| tally_of(tx, &site.row)).unwrap();
        let pool = NoisePool::new();
        release::draw_ahead(&pool, [&tally.outline()]).unwrap();
        let release = Release::make(&tally, &pool).unwrap();
        site.store().alone("test", |tx| outbox::commit(tx, vec![release], &limits(9.0), 1))
    };
    commit().unwrap();
    assert!(matches!(commit(), Err(OutboxError::Twice { .. })));
    assert_eq!(site.released().len(), 1);
}

fn tally_of(tx: &crate::store::Tx<'_>, row: &ProjectRow) -> Result<tally::Tally, StoreError> {
    Ok(tally::window(tx, row)?.tallies[0].clone())
}

#[test]
fn a_restored_backup_releases_nothing_more() {
    let site = site(10, 10);
    site.close(&limits(9.0), 1).unwrap();
    let ahead = Receipt { id: Fixed([1; 16]), sequence: 9, chain: Fixed([2; 32]) };
    site.store().tx("test", |tx| outbox::reconcile(tx, Some(&ahead), 2)).unwrap();
    assert!(matches!(
        site.close(&limits(9.0), 3),
        Err(WindowError::Outbox(OutboxError::Restored { theirs: 9, ours: 4 }))
    ));
    // Another chain at a sequence that is known here is a clone, too.
    let other = Receipt { sequence: 4, ..ahead };
    site.store().tx("test", |tx| outbox::reconcile(tx, Some(&other), 2)).unwrap();
    assert!(site.close(&limits(9.0), 3).is_err());
    // The true head confirms everything up to it.
    let entry = site.store().read("test", |tx| tx.entries(3, 1)).unwrap().remove(0);
    let head = Receipt { id: entry.id, sequence: 4, chain: entry.chain };
    site.store().tx("test", |tx| outbox::reconcile(tx, Some(&head), 4)).unwrap();
    assert_eq!(site.store().read("test", |tx| tx.ledger_totals()).unwrap().acknowledged, 4);
    site.close(&limits(9.0), 5).unwrap();
}

/// The files of a store, and what puts them back as they were.
fn backup(site: &Site) -> impl Fn() + use<> {
    let file = site.scratch.folder.path().join(crate::store::FILE);
    // Into a file of its own: beside the store there is a log that belongs to it.
    let copy = file.with_extension("copy");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    move || {
        for side in ["db-wal", "db-shm"] {
            drop(std::fs::remove_file(file.with_extension(side)));
        }
        std::fs::copy(&copy, &file).unwrap();
    }
}

#[test]
fn an_older_store_than_its_witness_releases_nothing_until_the_loss_is_accepted() {
    let mut site = site(10, 10);
    let restore = backup(&site);
    site.close(&limits(9.0), 1).unwrap();
    let spent = outbox::verify(site.store()).unwrap().charged;
    // What sending does first: from here on the witness knows of all four.
    site.store().alone("test", outbox::attest).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    site.scratch.store = Store::open(elsewhere.path()).unwrap(); // closes the one that was open
    restore();
    site.scratch.store = Store::open(site.scratch.folder.path()).unwrap();
    let lost = |error| {
        matches!(
            error,
            WindowError::Outbox(OutboxError::Lost { ours: 0, theirs: 4, theirs_rho, .. })
                if theirs_rho == spent
        )
    };
    assert!(lost(site.close(&limits(9.0), 2).unwrap_err()));
    let verified = outbox::verify(site.store()).unwrap();
    assert!(verified.problems[0].contains("at 4"), "{:?}", verified.problems);

    // A commit that fails leaves the witness as it is.
    let file =
        rusqlite::Connection::open(site.scratch.folder.path().join(crate::store::FILE)).unwrap();
    file.execute_batch(
        "CREATE TABLE breaks (x INTEGER REFERENCES losses DEFERRABLE INITIALLY DEFERRED);
         CREATE TRIGGER broken AFTER INSERT ON losses BEGIN INSERT INTO breaks VALUES (-1); END",
    )
    .unwrap();
    outbox::accept_loss(site.store(), 3).unwrap_err();
    assert!(lost(site.close(&limits(9.0), 3).unwrap_err()));
    file.execute_batch("DROP TRIGGER broken; DROP TABLE breaks").unwrap();

    let charged = || site.store().read("test", |tx| tx.charged_since(0)).unwrap();
    let path = site.store().read("test", |tx| Ok::<_, StoreError>(tx.witness().path().to_owned()));
    let path = path.unwrap();
    let witness = std::fs::read(&path).unwrap();
    std::fs::write(&path, &witness[..witness.len() / 2]).unwrap();
    outbox::accept_loss(site.store(), 3).unwrap_err();
    assert_eq!(charged(), 0, "a witness that cannot be heard does not say that nothing is lost");
    for _ in 0..2 {
        // As if the machine had stopped before the witness was written.
        std::fs::write(&path, &witness).unwrap();
        assert_eq!(outbox::accept_loss(site.store(), 3).unwrap(), spent);
        assert_eq!(charged(), spent.nano(), "what the lost ledger had charged stays spent, once");
    }
    site.close(&limits(9.0), 4).unwrap();
    assert_eq!(charged(), 2 * spent.nano());
    assert_eq!(outbox::accept_loss(site.store(), 5).unwrap(), Rho::ZERO, "nothing is lost now");
    assert!(outbox::verify(site.store()).unwrap().problems.is_empty());
}

#[test]
fn a_loss_stays_taken_for_spent_however_often_the_same_copy_is_restored() {
    let mut site = site(10, 10);
    site.close(&limits(9.0), 1).unwrap();
    let window = outbox::verify(site.store()).unwrap().charged.nano();
    let restore = backup(&site);
    let charged = |site: &Site| site.store().read("test", |tx| tx.charged_since(0)).unwrap();
    let again = |site: &mut Site| {
        // What sending does first.
        site.store().alone("test", outbox::attest).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        site.scratch.store = Store::open(elsewhere.path()).unwrap(); // closes the one that was open
        restore();
        site.scratch.store = Store::open(site.scratch.folder.path()).unwrap();
        assert!(site.close(&limits(9.0), 9).is_err());
        outbox::accept_loss(site.store(), 9).unwrap().nano()
    };
    for _ in 0..3 {
        site.close(&limits(9.0), 2).unwrap();
    }
    assert_eq!((again(&mut site), charged(&site)), (3 * window, 4 * window));
    // At once, when the witness is at the copy's own end.
    assert_eq!((again(&mut site), charged(&site)), (3 * window, 4 * window));
    site.close(&limits(9.0), 10).unwrap();
    assert_eq!((again(&mut site), charged(&site)), (4 * window, 5 * window));
    site.close(&limits(9.0), 11).unwrap();
    assert!(outbox::verify(site.store()).unwrap().problems.is_empty());
}

#[test]
fn a_ledger_that_was_edited_does_not_verify() {
    let site = site(10, 10);
    site.close(&limits(9.0), 1).unwrap();
    site.store().alone("test", outbox::attest).unwrap();
    assert_eq!(outbox::verify(site.store()).unwrap().signed, 4);
    let file = site.scratch.folder.path().join(crate::store::FILE);
    let connection = rusqlite::Connection::open(file).unwrap();
    // The last release, taken out with its checkpoint: the chain is in order, its end is not.
    connection
        .execute_batch(
            "DELETE FROM checkpoints WHERE sequence = 4; DELETE FROM ledger WHERE sequence = 4",
        )
        .unwrap();
    let problems = outbox::verify(site.store()).unwrap().problems;
    assert!(problems.iter().any(|problem| problem.contains("not signed")), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.contains("witness")), "{problems:?}");
}

#[test]
fn a_clock_that_is_wrong_stops_releases_and_loses_nothing() {
    let site = site(10, 10);
    site.close(&limits(9.0), 1_000_000).unwrap();
    assert!(matches!(
        site.close(&limits(9.0), 999_000),
        Err(WindowError::Outbox(OutboxError::ClockBack { seconds: 1_000 }))
    ));
    let compare = |ahead| site.store().tx("test", |tx| outbox::compare_clocks(tx, ahead)).unwrap();
    compare(-400 * 86_400);
    assert!(matches!(
        site.close(&limits(9.0), 1_000_001),
        Err(WindowError::Outbox(OutboxError::Skewed { seconds: -34_560_000 }))
    ));
    compare(1);
    site.close(&limits(9.0), 1_000_001).unwrap();
    assert_eq!(site.released().len(), 8);
}

#[test]
fn a_project_spends_no_more_than_its_allotment() {
    let site = site(10, 10);
    let name = site.row.definition.name.clone();
    let allotted =
        |nano| Limits { allotments: [(name.clone(), Rho::from_nano(nano))].into(), ..limits(9.0) };
    site.close(&allotted(6_000_000), 1).unwrap();
    assert!(matches!(
        site.close(&allotted(11_999_999), 2),
        Err(WindowError::Outbox(OutboxError::Release(ReleaseError::Budget {
            what: "the project's share of the year",
            ..
        })))
    ));
    site.close(&allotted(12_000_000), 2).unwrap();
}

pub(super) fn pipeline(site: &Site, clock: &Arc<ManualClock>) -> Pipeline {
    let judge = Judge { policy: Policy::default(), limits: limits(9.0), bundle_key: None };
    let store = Arc::new(Store::open(site.scratch.folder.path()).unwrap());
    let shelf = Shelf::new(site.scratch.folder.path());
    Pipeline::new(
        store,
        Arc::clone(clock) as Arc<dyn Clock>,
        judge,
        Schedule::default(),
        shelf,
        None,
    )
}

/// Items are prelabeled by nobody here: without a model they are redacted only.
#[test]
fn work_on_items_rests_and_goes_on_while_what_is_scheduled_leaves() {
    let site = site(0, 1);
    let (order, judge) = campaign(true, 5);
    let now = order.answers_unix_s - 10;
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(now).unwrap()));
    let told = Told(Arc::new(Mutex::new(QUIET)));
    let manners = Manners::on(Polite::default(), Box::new(told.clone()));
    let mut pipeline = pipeline(&site, &clock).politely(manners);
    pipeline.judge = judge;
    let ordered = NumberedOrder { number: 1, order: Order::Campaign(order) };
    apply(site.store(), &pipeline.judge, &ordered, now).unwrap();
    let fresh = || {
        let counts = site.store().read("test", |tx| tx.stage_counts(site.row.project)).unwrap();
        counts[Stage::New as usize]
    };
    add_new(&site, 0..3);
    told.0.lock().unwrap().load_per_core = 9.0;
    pipeline.tick().unwrap();
    assert_eq!(fresh(), 3, "nothing is done for items");
    let waits = pipeline.waits();
    assert_eq!((waits.len(), waits[0].work.as_str(), waits[0].closes), (1, "prelabeling", None));
    assert!(waits[0].reason.contains("load"), "{}", waits[0].reason);
    // The campaign is answered in time all the same.
    clock.advance(Duration::from_secs(10));
    pipeline.tick().unwrap();
    assert_eq!(site.released().len(), 1);
    told.0.lock().unwrap().load_per_core = 0.5;
    clock.advance(Duration::from_secs(10));
    pipeline.tick().unwrap();
    assert_eq!((fresh(), pipeline.waits().len()), (0, 0));
}

#[test]
fn training_makes_way_and_says_until_when() {
    let site = site(0, 1);
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(1_000).unwrap()));
    let told = Told(Arc::new(Mutex::new(QUIET)));
    let manners = Manners::on(Polite::default(), Box::new(told.clone()));
    let mut pipeline = pipeline(&site, &clock).politely(manners);
    let order = |closes_unix_s| RoundOrder {
        run: Fixed([3; 16]),
        round: 1,
        rounds: 2,
        project: site.row.definition.name.clone(),
        backbone: Fixed([1; 32]),
        head: Bytes(vec![0; 8]),
        classes: 2,
        features: 1,
        clip_milli: 1000,
        fraction_bits: 12,
        nano_rho: 10_000_000,
        closes_unix_s,
    };
    site.store().tx("test", |tx| tx.put_round(&order(5_000), false)).unwrap();
    let state = || site.store().read("test", |tx| tx.rounds(None)).unwrap()[0].state;
    told.0.lock().unwrap().power = Power::Battery { percent: 80 };
    pipeline.tick().unwrap();
    assert_eq!(state(), RoundState::Open);
    let waits = pipeline.waits();
    assert_eq!((waits[0].work.as_str(), waits[0].closes), ("training", Some(5_000)));
    assert_eq!(waits[0].reason, "the machine runs on its battery");
    told.0.lock().unwrap().power = Power::Mains;
    clock.advance(Duration::from_secs(10));
    pipeline.tick().unwrap();
    // It is worked on: declined, as its backbone is not approved here.
    assert_eq!((state(), pipeline.waits()), (RoundState::Declined, [].as_slice()));
}

fn add_new(site: &Site, range: std::ops::Range<u32>) {
    site.store()
        .tx("test", |tx| {
            for i in range {
                let fields = vec![("age".to_owned(), Value::Number(f64::from(i)))];
                let item = RawItem::new(i.to_string(), i.to_string(), false, fields);
                item.add(tx, site.row.project, site.row.definition.name.as_str())?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn an_item_that_cannot_be_worked_on_holds_no_release_up() {
    let site = site(90, 90);
    let broken = crate::store::items::NewItem {
        project: site.row.project,
        source: [1; 32],
        subject: [2; 32],
        holdout: false,
        content: &[0xff],
        values: &[],
        generator: None,
        made_for: None,
        media: &[],
    };
    let added = site.store().tx("test", |tx| tx.add_item(&broken)).unwrap();
    assert_eq!(added, crate::store::items::Addition::New);
    let (order, judge) = campaign(true, 7);
    apply(site.store(), &judge, &NumberedOrder { number: 1, order: Order::Campaign(order) }, 1)
        .unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(1001).unwrap()));
    pipeline(&site, &clock).tick().unwrap();
    assert_eq!(site.released().len(), 1);
    let aside = |tx: &crate::store::Tx<'_>| {
        Ok::<_, StoreError>((tx.quarantined(1)?, tx.stage_counts(1)?[Stage::Quarantined as usize]))
    };
    let expected = (vec![("unreadable".to_owned(), 1)], 1);
    assert_eq!(site.store().read("test", aside).unwrap(), expected);
    assert_eq!(site.store().tx("test", |tx| tx.retry_quarantined(1)).unwrap(), 1);
    pipeline(&site, &clock).tick().unwrap();
    assert_eq!(site.store().read("test", aside).unwrap(), expected, "tried again, put aside again");
}

#[test]
fn surrogates_are_kept_in_the_vault() {
    let site = site(1, 1);
    let file = site.scratch.folder.path().join("redaction.toml");
    std::fs::write(&file, "mode = \"surrogate\"\n").unwrap();
    let fields = vec![("note".to_owned(), Value::Text("Seen by Dr. Jane Roe.".to_owned()))];
    let item = RawItem::new("x".to_owned(), "y".to_owned(), false, fields);
    site.store().tx("test", |tx| item.add(tx, site.row.project, "heart")).unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(20).unwrap()));
    let files = [("heart".parse().unwrap(), file)].into();
    pipeline(&site, &clock).with_redactors(Redactors::new(files)).tick().unwrap();
    site.store()
        .read("test", |tx| {
            let rows = tx.items_in_stage(site.row.project, Stage::Clean, 0, 10)?;
            let item = CleanItem::load(rows.last().unwrap())?;
            let Some(Value::Text(note)) = item.value("note") else { panic!("a note") };
            let name = note.strip_prefix("Seen by ").and_then(|rest| rest.strip_suffix('.'));
            let name = name.unwrap();
            assert!(name.starts_with("Dr. ") && !name.contains("Roe"), "{name}");
            assert_eq!(tx.originals("NAME", name)?, ["Dr. Jane Roe"]);
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Windows are disjoint in items, take every item once, and count at most one item of each
    /// subject.
    #[test]
    fn windows_are_disjoint(steps in proptest::collection::vec((0..12_u32, any::<bool>()), 1..6), subjects in 1..9_u32) {
        let site = site(0, 1);
        let mut imported = 0;
        let mut taken: BTreeMap<i64, u32> = BTreeMap::new();
        for (index, (more, label)) in steps.into_iter().enumerate() {
            let now = i64::try_from(index).unwrap() + 1;
            testing::add_items(site.store(), &site.row, imported..imported + more, subjects);
            testing::prelabel(site.store(), &site.row, |_| 0.5);
            imported += more;
            if label {
                site.label(50, 1, now);
            }
            let row = site.store().read("test", |tx| tx.project(&site.row.definition.name)).unwrap().unwrap();
            let window = site.store().read("test", |tx| tally::window(tx, &row)).unwrap();
            for tally in &window.tallies[..3] {
                let counted: i64 = tally.counts().iter().sum();
                prop_assert!(counted <= i64::from(subjects));
            }
            for item in &window.labeled {
                prop_assert_eq!(taken.insert(*item, window.number), None);
            }
            let limits = Limits { minimum_cohort: 0, ..limits(500.0) };
            site.close(&limits, now).unwrap();
        }
        let last = site.store().read("test", |tx| tx.items_for_drift(1)).unwrap();
        prop_assert!(last.is_empty(), "every imported item is in a closed window");
    }
}
