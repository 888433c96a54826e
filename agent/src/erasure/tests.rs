use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use insitu_protocol::bytes::Fixed;
use rusqlite::Connection;
use rusqlite::trace::TraceEvent;

use super::*;
use crate::item::{RawItem, Value};
use crate::store::corrections::{NewCorrection, Redaction};
use crate::store::erasure::SnapshotRow;
use crate::store::items::Addition;
use crate::store::labels::{AnnotationRow, Lease, Reading, Role, Verdict};
use crate::store::personal::PersonalRow;
use crate::store::studio::StudioAnnotation;
use crate::store::tests::Scratch;
use crate::store::trail::{EventRow, Filter};
use crate::{testing, trail};

mod exports;
mod rewritten;
mod waiting;

/// At which step a child is to die.
const STEP: &str = "INSITU_ERASE_STEP";
/// Where its store is.
const FOLDER: &str = "INSITU_ERASE_FOLDER";
/// The subject that is erased: three items, and one with an image.
const SUBJECT: &str = "3";
/// In columns that are not sealed.
const CANARY: &str = "canary-c0ffee";

static LEFT: AtomicU64 = AtomicU64::new(0);

struct Site {
    scratch: Scratch,
    row: ProjectRow,
    steward: Person,
    /// The subject's, by key.
    doomed: Vec<Doomed>,
}

/// A store of forty items of ten subjects; of one of these every table has something.
fn site() -> Site {
    let (scratch, row) = testing::with_project();
    let store = &scratch.store;
    testing::add_items(store, &row, 0..30, 10);
    testing::prelabel(store, &row, |_| 0.5);
    let steward = testing::person(store, "sam", Role::Steward);
    let ann = testing::person(store, "ann", Role::Annotator);
    let image = || vec![("scan".to_owned(), [7, 1, 9, 3].repeat(2500))];
    let filled = store.tx("test", |tx| {
        for (id, subject) in [("scan-3", SUBJECT), ("scan-4", "4")] {
            let fields = vec![("age".to_owned(), Value::Number(40.0))];
            let item = RawItem::new(id.to_owned(), subject.to_owned(), false, fields);
            item.with_media(image()).add(tx, row.project, row.definition.name.as_str())?;
        }
        let hash = tx.subject_hash(SUBJECT)?;
        let doomed = tx.items_of_subject(&hash, EVERY_PROJECT)?;
        for (at, doomed) in (1..).zip(&doomed) {
            fill(tx, &row, &ann, doomed.item, at)?;
        }
        // Somebody else's, that must stay.
        fill(tx, &row, &ann, 5, 100)?;
        tx.put_personal_head(
            row.project,
            &PersonalRow {
                bundle: Fixed([1; 32]),
                maker: Fixed([2; 32]),
                labels: 9,
                head: vec![5; 99],
            },
        )?;
        for (event, items) in [(1, vec![1, 2, 4, 5]), (2, vec![1, 2]), (3, vec![4])] {
            let folder = format!("/exports/{event}");
            let snapshot = Fixed([u8::try_from(event).unwrap_or(0); 32]);
            let at = 0;
            tx.add_snapshot(event, row.project, &SnapshotRow { snapshot, at, folder }, &items)?;
        }
        Ok::<_, StoreError>(doomed)
    });
    let doomed = filled.unwrap();
    assert_eq!(doomed.len(), 4);
    Site { scratch, row, steward, doomed }
}

/// Something of an item in every table that may have it, but campaigns.
fn fill(
    tx: &Tx<'_>,
    row: &ProjectRow,
    ann: &Person,
    item: i64,
    number: u64,
) -> Result<(), StoreError> {
    let key = format!("{CANARY}-{number}."); // no key begins another
    let person = ann.person;
    tx.add_annotation(&AnnotationRow {
        annotation: 0,
        person,
        key: key.clone(),
        item,
        reading: Reading::First,
        campaign: None,
        review: None,
        made_at: 1,
        verdict: Verdict::Label,
        label: format!("a label and a comment {number}").into_bytes(),
    })?;
    let lease = Lease { item, person, reading: Reading::First, campaign: None, until: 9 };
    tx.put_lease(&lease, 0)?;
    let body: &[u8] = b"what an application said";
    let context = Redaction::Withheld;
    tx.add_correction(&NewCorrection { person, key: &key, item, body, context }, 1)?;
    tx.add_gold(&tx.item(item)?.unwrap(), &1_u16.to_le_bytes(), 1)?;
    tx.add_studio_event(row.project, &key, b"an annotation as it came", 1)?;
    let event = tx.ready_studio_events(row.project, true, 1000)?.last().unwrap().event;
    tx.set_studio_event_item(event, item)?;
    tx.put_studio_task(row.project, number, item)?;
    tx.put_studio_annotation(
        row.project,
        &StudioAnnotation {
            annotation: number,
            task: Some(number),
            version: 1,
            item: Some(item),
            became: Some((person, key)),
            deleted: false,
        },
    )?;
    tx.keep_original(
        "NAME",
        &format!("Surrogate {number}"),
        &format!("Original {number}"),
        Some(item),
    )
}

fn erase_subject(site: &Site) -> Erased {
    let target = Target::Subject(SUBJECT, None);
    erase(&site.scratch.store, &site.steward, (target, &[]), "asked to", 50).unwrap()
}

fn add(store: &Store, row: &ProjectRow, id: &str, subject: &str) -> Addition {
    let item = RawItem::new(id.to_owned(), subject.to_owned(), false, vec![]);
    let name = row.definition.name.as_str();
    store.tx("test", |tx| item.add(tx, row.project, name)).unwrap()
}

fn events(store: &Store, what: What) -> Vec<EventRow> {
    let filter = Filter { what: Some(what), ..Filter::default() };
    store.read("test", |tx| tx.events(&filter, 0, 100)).unwrap()
}

/// Sealed values of items, by keys.
fn sealed(folder: &Path, keys: &[i64]) -> Vec<Vec<u8>> {
    let connection = Connection::open(folder.join(crate::store::FILE)).unwrap();
    let mut found = Vec::new();
    for sql in [
        "SELECT coalesce(clean, raw) FROM items WHERE item = ?1",
        "SELECT prelabel FROM items WHERE item = ?1 AND prelabel IS NOT NULL",
        "SELECT label FROM annotations WHERE item = ?1",
        "SELECT content FROM media WHERE item = ?1",
        "SELECT body FROM studio_events WHERE item = ?1",
        "SELECT body FROM corrections WHERE item = ?1",
        "SELECT sealed FROM vault v JOIN vault_items i USING (surrogate, original) WHERE i.item = ?1",
        "SELECT key FROM annotations WHERE item = ?1",
        "SELECT opaque FROM items WHERE item = ?1 AND 0",
    ] {
        let mut statement = connection.prepare(sql).unwrap();
        for key in keys {
            let read = statement.query_map([key], |row| {
                let value = row.get_ref(0)?;
                Ok(value.as_bytes().map(<[u8]>::to_vec).unwrap_or_default())
            });
            found.extend(read.unwrap().map(Result::unwrap));
        }
    }
    assert!(found.len() >= 7 * keys.len());
    found
}

/// How many of these are somewhere in the store's files.
fn found_in_files(folder: &Path, needles: &[Vec<u8>]) -> usize {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        files.push(fs::read(entry.unwrap().path()).unwrap());
    }
    // A long value is spread over pages: its first bytes are on one of them.
    let here = |needle: &&Vec<u8>| {
        let start = &needle[..needle.len().min(40)];
        files.iter().any(|bytes| bytes.windows(start.len()).any(|window| window == start))
    };
    needles.iter().filter(here).count()
}

#[test]
fn everything_of_the_subject_goes_and_nothing_else() {
    let site = site();
    let store = &site.scratch.store;
    let erased = erase_subject(&site);
    assert_eq!((erased.items, erased.before, erased.scrubbed), (4, false, true));
    for (table, rows) in &erased.taken.rows {
        let wanted = match *table {
            // Those of the vault go with their originals, before.
            "campaign_items" | "vault_items" => 0,
            "media" => 1,
            _ => 4,
        };
        assert_eq!(*rows, wanted, "{table}");
    }
    assert_eq!((erased.taken.originals, erased.taken.heads), (4, 1));
    assert_eq!(erased.taken.tasks.len(), 4);
    let folders: Vec<&str> = erased.taken.snapshots.iter().map(|row| &*row.folder).collect();
    assert_eq!(folders, ["/exports/1", "/exports/3"]);
    store
        .read("test", |tx| {
            for doomed in &site.doomed {
                assert!(tx.item(doomed.item)?.is_none());
                assert!(tx.annotations_of(doomed.item)?.is_empty());
                assert!(tx.snapshots_with(site.row.project, doomed.item)?.is_empty());
            }
            assert_eq!(tx.originals("NAME", "Surrogate 1")?, [""; 0]);
            // The neighbour has all that it had.
            assert!(tx.item(5)?.is_some() && tx.is_gold(5)? && tx.lease(5)?.is_some());
            assert_eq!(tx.annotations_of(5)?.len(), 1);
            assert_eq!(tx.studio_task(site.row.project, 100)?, Some(5));
            assert_eq!(tx.originals("NAME", "Surrogate 100")?, ["Original 100"]);
            assert_eq!(tx.snapshots_with(site.row.project, 5)?.len(), 1);
            assert_eq!(tx.subject_count(site.row.project)?, 9);
            assert!(tx.personal_head(site.row.project)?.is_none());
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn a_tombstone_stays_in_the_log_and_doing_it_again_changes_nothing() {
    let site = site();
    let store = &site.scratch.store;
    erase_subject(&site);
    let stones = events(store, What::Erased);
    let hash = store.read("test", |tx| tx.subject_hash(SUBJECT)).unwrap();
    assert!(stones.iter().all(|stone| stone.subject == Some(hash) && stone.who == "sam"));
    let items: Vec<_> = stones.iter().filter_map(|stone| stone.item).collect();
    assert_eq!(items, site.doomed.iter().map(|doomed| doomed.opaque).collect::<Vec<_>>());
    let last: serde_json::Value = serde_json::from_str(&stones.last().unwrap().detail).unwrap();
    assert_eq!((&last["items"], &last["reason"]), (&json!(4), &json!("asked to")));
    let again = erase_subject(&site);
    assert_eq!((again.items, again.before), (0, true));
    assert_eq!(events(store, What::Erased).len(), stones.len());
    assert!(trail::verify(store, None, None).unwrap().is_sound());
}

#[test]
fn what_was_erased_is_not_imported_until_that_is_allowed() {
    let site = site();
    let store = &site.scratch.store;
    erase_subject(&site);
    assert_eq!(add(store, &site.row, "3", SUBJECT), Addition::Erased);
    assert_eq!(add(store, &site.row, "new", SUBJECT), Addition::Erased);
    assert_eq!(add(store, &site.row, "3", "somebody else"), Addition::New, "ids are not people");
    let target = Target::Subject(SUBJECT, None);
    assert!(allow(store, &site.steward, target, "a mistake").unwrap());
    assert!(!allow(store, &site.steward, target, "a mistake").unwrap());
    assert_eq!(events(store, What::Allowed).len(), 1);
    assert_eq!(add(store, &site.row, "new", SUBJECT), Addition::New);
    // What has come since is erased as well.
    assert_eq!(erase_subject(&site).items, 1);
}

#[test]
fn one_item_is_erased_by_its_own_id() {
    let site = site();
    let store = &site.scratch.store;
    let erase = |id| erase(store, &site.steward, (Target::Item(id, &site.row), &[]), "", 50);
    assert_eq!(erase("13").unwrap().items, 1);
    assert!(erase("13").unwrap().before);
    assert!(matches!(erase("no such"), Err(ErasureError::UnknownItem { .. })));
    assert_eq!(add(store, &site.row, "13", SUBJECT), Addition::Erased);
    assert_eq!(add(store, &site.row, "no such", SUBJECT), Addition::New, "nothing was kept out");
    assert_eq!(erase_subject(&site).items, 4, "the other three, and the one that came");
}

#[test]
fn only_a_steward_erases() {
    let site = site();
    for role in [Role::Annotator, Role::Expert, Role::Lead, Role::Application] {
        let person = Person { role, ..site.steward.clone() };
        let target = Target::Subject(SUBJECT, None);
        let refused = erase(&site.scratch.store, &person, (target, &[]), "", 50);
        assert!(matches!(refused, Err(ErasureError::Role { .. })));
    }
    let long = "x".repeat(REASON_BYTES_MAX + 1);
    let target = Target::Subject(SUBJECT, None);
    let refused = erase(&site.scratch.store, &site.steward, (target, &[]), &long, 50);
    assert!(matches!(refused, Err(ErasureError::Reason { .. })));
    assert_eq!(events(&site.scratch.store, What::Erased), []);
}

#[test]
fn no_byte_is_left_in_the_files() {
    let site = site();
    let folder = site.scratch.folder.path();
    let keys: Vec<i64> = site.doomed.iter().map(|doomed| doomed.item).collect();
    let needles = sealed(folder, &keys);
    assert_eq!(found_in_files(folder, &needles), needles.len(), "all of it is there before");
    assert!(erase_subject(&site).scrubbed);
    assert_eq!(found_in_files(folder, &needles), 0);
    let wal = folder.join("agent.db-wal");
    let length = fs::metadata(wal).unwrap().len();
    assert!(length < 32 * 1024, "the log was emptied: {length} bytes since");
    // The others are still there.
    let others = sealed(folder, &[5]);
    assert_eq!(found_in_files(folder, &others), others.len());
}

/// Rows that grow are moved to other pages, and what was there may stay in the slack of the old ones.
#[test]
fn no_byte_is_left_in_the_slack_of_pages() {
    let (scratch, row) = testing::with_project();
    let folder = scratch.folder.path();
    testing::add_items(&scratch.store, &row, 0..800, 2);
    let blob = |item: i64, length: usize| {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().update(&item.to_le_bytes()).finalize_xof().fill(&mut bytes);
        bytes
    };
    let beside = Connection::open(folder.join(crate::store::FILE)).unwrap();
    beside.execute_batch("PRAGMA secure_delete = ON").unwrap();
    for length in [128, 178, 228, 278, 328, 398] {
        beside.execute_batch("BEGIN").unwrap();
        for item in (1..=800).rev() {
            let grown = rusqlite::params![blob(item, length), item];
            beside.execute("UPDATE items SET clean = ?1 WHERE item = ?2", grown).unwrap();
        }
        beside.execute_batch("COMMIT").unwrap();
    }
    beside.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(beside);
    let starts: HashSet<Vec<u8>> = (1..=800).step_by(2).map(|item| blob(item, 40)).collect();
    let copies = || {
        let in_file = |name: &str| {
            let bytes = fs::read(folder.join(name)).unwrap();
            bytes.windows(40).filter(|window| starts.contains(*window)).count()
        };
        in_file("agent.db") + in_file("agent.db-wal")
    };
    assert!(copies() > starts.len(), "the file has no slack to look into");
    let steward = testing::person(&scratch.store, "sam", Role::Steward);
    erase(&scratch.store, &steward, (Target::Subject("0", None), &[]), "", 50).unwrap();
    assert_eq!(copies(), 0);
}

#[test]
fn while_somebody_reads_the_bytes_wait_and_the_sweep_sees_to_them() {
    let site = site();
    let folder = site.scratch.folder.path();
    let needles = sealed(folder, &[site.doomed[0].item]);
    let reader = Connection::open(folder.join(crate::store::FILE)).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM items").unwrap();
    let mut count = reader.prepare("SELECT count(*) FROM items").unwrap();
    let _: i64 = count.query_row([], |row| row.get(0)).unwrap();
    let store = &site.scratch.store;
    store.tx("test", |tx| tx.erase_items(&site.doomed).map(drop)).unwrap();
    assert!(found_in_files(folder, &needles) > 0, "the reader still sees them");
    drop(count);
    reader.execute_batch("COMMIT").unwrap();
    assert!(finish(store).unwrap());
    assert_eq!(found_in_files(folder, &needles), 0);
    assert!(!store.read("test", |tx| tx.is_unscrubbed()).unwrap());
}

/// One step of a child's life, perhaps its last.
fn on_event(event: TraceEvent<'_>) {
    let changes = matches!(&event, TraceEvent::Stmt(_, sql) if !sql.starts_with("SELECT"));
    let left = |left: u64| left.checked_sub(1);
    if changes && LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left) == Ok(1) {
        std::process::abort();
    }
}

/// Killed at any statement, all of an erasure was done or nothing, and doing it again ends it.
#[test]
fn a_crash_leaves_all_or_nothing() {
    if let (Ok(step), Ok(folder)) = (std::env::var(STEP), std::env::var(FOLDER)) {
        let store = Store::open(Path::new(&folder)).unwrap();
        let steward = store.read("test", |tx| tx.people()).unwrap();
        let steward = steward.into_iter().find(|person| person.name == "sam").unwrap();
        LEFT.store(step.parse().unwrap(), Ordering::Relaxed);
        crate::store::tests::trace(&store, on_event);
        erase(&store, &steward, (Target::Subject(SUBJECT, None), &[]), "", 50).unwrap();
        return;
    }
    let site = site();
    let original = site.scratch.folder.path();
    let needles = sealed(original, &[site.doomed[0].item]);
    let mut outcomes = [0, 0];
    for step in (1..).step_by(3) {
        let copy = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(original).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "erasure::tests::a_crash_leaves_all_or_nothing"])
            .env(STEP, step.to_string())
            .env(FOLDER, copy.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        let store = Store::open(copy.path()).unwrap();
        let left =
            |doomed: &&Doomed| store.read("test", |tx| tx.item(doomed.item)).unwrap().is_some();
        let left = site.doomed.iter().filter(left).count();
        assert!(left == 0 || left == 4, "step {step}: {left} items are left");
        let stones = events(&store, What::Erased).len();
        assert_eq!(stones, if left == 0 { 5 } else { 0 }, "step {step}");
        outcomes[usize::from(left == 0)] += 1;
        let target = Target::Subject(SUBJECT, None);
        let erased = erase(&store, &site.steward, (target, &[]), "", 50).unwrap();
        assert_eq!((erased.before, erased.scrubbed), (left == 0, true), "step {step}");
        assert_eq!(found_in_files(copy.path(), &needles), 0, "step {step}");
        assert!(trail::verify(&store, None, None).unwrap().is_sound());
        if status.success() {
            break;
        }
    }
    assert!(outcomes[0] > 3 && outcomes[1] > 1, "{outcomes:?}");
}

/// Two items of one subject have one name in them, as a rule.
#[test]
fn originals_that_only_erased_items_share_go_with_them_and_no_key_comes_back() {
    let site = site();
    let store = &site.scratch.store;
    let of = |sql: &str| -> i64 {
        let path = site.scratch.folder.path().join(crate::store::FILE);
        let connection = Connection::open(path).unwrap();
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let (vault, newest) = ("SELECT count(*) FROM vault", "SELECT max(item) FROM items");
    let own = i64::try_from(site.doomed.len()).unwrap();
    let before = of(vault) - own;
    store
        .tx("test", |tx| {
            for doomed in &site.doomed {
                tx.keep_original("NAME", "Laura Keller", "Grace Hopper", Some(doomed.item))?;
                tx.keep_original("NAME", "Laura Kern", "Ada Byron", Some(doomed.item))?;
            }
            tx.keep_original("NAME", "Laura Kern", "Ada Byron", Some(5))
        })
        .unwrap();
    let last = of(newest);
    erase_subject(&site);
    assert_eq!(of(vault), before + 1, "what somebody else's item has stays");
    add(store, &site.row, "new", "new");
    assert!(of(newest) > last);
}
