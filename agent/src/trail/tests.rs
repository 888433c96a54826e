use std::fs;

use insitu_daemon::clock::ManualClock;
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::store::tests::Scratch;
use crate::store::trail::{Filter, SIGNED_EVENTS, Who};

const HOUR: i64 = 3600;

/// A store of which `ada` opened the log, at the start of 1970.
fn site() -> (Scratch, std::sync::Arc<ManualClock>) {
    let Scratch { store, folder } = crate::store::tests::scratch();
    let clock = std::sync::Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let store = store.used_by(Who::operator("ada"), clock.clone());
    (Scratch { store, folder }, clock)
}

/// Notes `count` events of items.
fn note(store: &Store, count: u64) {
    store
        .tx("test", |tx| {
            for at in 0..count {
                let item = [u8::try_from(at % 7).unwrap(); 16];
                tx.note(&Event::new(What::Seen).of("heart").on(item).with(json!({"reading": at})))?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

fn file(scratch: &Scratch) -> PathBuf {
    let key = scratch.store.read("test", |tx| Ok::<_, StoreError>(tx.witness().public_key()));
    checkpoint_file(scratch.folder.path(), &key.unwrap())
}

fn faults(scratch: &Scratch) -> Vec<String> {
    let file = Some(file(scratch)).filter(|file| file.exists());
    verify(&scratch.store, file.as_deref(), Some(0)).unwrap().problems
}

/// As somebody with the database's file does.
fn tamper(scratch: &Scratch, sql: &str) {
    let connection = rusqlite::Connection::open(scratch.folder.path().join(crate::store::FILE));
    connection.unwrap().execute_batch(sql).unwrap();
}

#[test]
fn an_empty_log_and_a_fresh_one_are_in_order() {
    let (scratch, _) = site();
    assert_eq!(faults(&scratch), [""; 0]);
    note(&scratch.store, 5);
    let found = verify(&scratch.store, None, Some(0)).unwrap();
    assert_eq!((found.events, found.first, found.signed), (5, 1, 0));
    assert!(found.is_sound());
    sign(&scratch.store, scratch.folder.path()).unwrap();
    let found = verify(&scratch.store, Some(&file(&scratch)), Some(0)).unwrap();
    assert_eq!((found.signed, found.outside), (5, 1));
    assert!(found.is_sound(), "{:?}", found.problems);
}

#[test]
fn a_row_says_who_did_what_and_when() {
    let (scratch, clock) = site();
    clock.set(Timestamp::from_second(77).unwrap());
    let subject = [9; 32];
    scratch
        .store
        .tx("test", |tx| {
            tx.note(&Event::new(What::Erased).about(subject))?;
            let lea = Who { role: "lead", name: "lea".to_owned() };
            tx.note(&Event::new(What::Seen).by(lea).of("heart").on([1; 16]))
        })
        .unwrap();
    let all = scratch.store.read("test", |tx| tx.events(&Filter::default(), 0, 10)).unwrap();
    let who: Vec<_> = all.iter().map(|row| (row.role.as_str(), row.who.as_str(), row.at)).collect();
    assert_eq!(who, [("operator", "ada", 77), ("lead", "lea", 77)]);
    assert_eq!((all[0].subject, all[1].item), (Some(subject), Some([1; 16])));
    let only = |filter| scratch.store.read("test", |tx| tx.events(&filter, 0, 10)).unwrap().len();
    assert_eq!(only(Filter { who: Some("lead".to_owned()), ..Filter::default() }), 1);
    assert_eq!(only(Filter { what: Some(What::Erased), ..Filter::default() }), 1);
    assert_eq!(only(Filter { since: Some(78), ..Filter::default() }), 0);
    assert_eq!(only(Filter { before: Some(78), ..Filter::default() }), 2);
}

#[test]
fn names_of_what_was_done_are_told_apart() {
    for what in What::ALL {
        assert_eq!(What::named(what.name()), Some(what));
    }
}

#[test]
fn what_is_rolled_back_was_never_noted() {
    let (scratch, _) = site();
    let failed: Result<(), StoreError> = scratch.store.tx("test", |tx| {
        tx.note(&Event::new(What::Seen))?;
        Err(StoreError::Corrupt { table: "t", column: "c" })
    });
    assert!(failed.is_err());
    assert_eq!(verify(&scratch.store, None, Some(0)).unwrap().events, 0);
}

#[test]
fn removed_inserted_and_reordered_rows_are_found_where_they_are() {
    for (tampering, wanted) in [
        ("DELETE FROM trail WHERE sequence = 4", "row 4: it is missing"),
        ("DELETE FROM trail WHERE sequence IN (4, 5)", "rows 4 to 5: they are missing"),
        (
            "UPDATE trail SET sequence = 100 WHERE sequence = 4; \
             UPDATE trail SET sequence = 4 WHERE sequence = 5; \
             UPDATE trail SET sequence = 5 WHERE sequence = 100",
            "row 4: it does not have the hash",
        ),
        (
            "INSERT INTO trail SELECT 11, at, role, who, what, project, item, subject, detail, chain \
             FROM trail WHERE sequence = 3",
            "row 11: it does not have the hash",
        ),
        ("DELETE FROM trail WHERE sequence <= 3", "row 4: the rows before it are gone"),
        ("DELETE FROM trail WHERE sequence > 8", "row 9: the log ends before it"),
        ("DELETE FROM trail", "row 1: the log ends before it"),
        ("UPDATE trail_checkpoints SET at = at + 1", "row 10: its checkpoint is not signed"),
        ("UPDATE trail SET sequence = -4 WHERE sequence = 4", "row -4: no row has this number"),
    ] {
        let (scratch, _) = site();
        note(&scratch.store, 10);
        sign(&scratch.store, scratch.folder.path()).unwrap();
        assert_eq!(faults(&scratch), [""; 0]);
        tamper(&scratch, tampering);
        let found = faults(&scratch);
        assert!(
            found.first().is_some_and(|first| first.starts_with(wanted)),
            "{tampering}: {found:?}"
        );
    }
}

#[test]
fn a_chain_that_was_written_anew_is_found_by_its_signatures() {
    let (scratch, _) = site();
    note(&scratch.store, 10);
    sign(&scratch.store, scratch.folder.path()).unwrap();
    // Somebody who knows how the chain is made, and does not have the key.
    tamper(&scratch, "DELETE FROM trail; DELETE FROM trail_checkpoints");
    note(&scratch.store, 9);
    assert!(
        verify(&scratch.store, None, Some(0)).unwrap().is_sound(),
        "the store alone cannot tell"
    );
    assert_eq!(
        faults(&scratch),
        ["row 10: the log ends before it, and a checkpoint in the file is signed over row 10"]
    );
    note(&scratch.store, 5);
    assert_eq!(faults(&scratch), ["row 10: the checkpoint in the file is over another chain"]);
}

#[test]
fn a_checkpoint_of_another_key_is_none() {
    let ((one, _), (two, _)) = (site(), site());
    for site in [&one, &two] {
        note(&site.store, 3);
        sign(&site.store, site.folder.path()).unwrap();
    }
    fs::copy(file(&two), file(&one)).unwrap();
    assert_eq!(faults(&one), ["row 3: its checkpoint in the file is not by this agent's key"]);
    fs::write(file(&one), "{}\n").unwrap();
    assert!(matches!(
        verify(&one.store, Some(&file(&one)), Some(0)),
        Err(TrailError::Line { line: 1, .. })
    ));
}

#[test]
fn the_log_is_signed_by_count_by_time_and_at_its_end() {
    let (scratch, clock) = site();
    let (store, folder) = (&scratch.store, scratch.folder.path());
    let signed = || {
        let all = store.read("test", |tx| tx.trail_checkpoints(0, 100)).unwrap();
        all.iter().map(|it| it.sequence).collect::<Vec<u64>>()
    };
    note(store, SIGNED_EVENTS + 1);
    assert_eq!(signed(), [SIGNED_EVENTS]);
    sign_in_time(store, folder, HOUR - 1).unwrap();
    assert_eq!(signed(), [SIGNED_EVENTS]);
    clock.set(Timestamp::from_second(HOUR).unwrap());
    sign_in_time(store, folder, HOUR).unwrap();
    assert_eq!(signed(), [SIGNED_EVENTS, SIGNED_EVENTS + 1]);
    // Nothing new: nothing to sign, however old.
    sign_in_time(store, folder, 10 * HOUR).unwrap();
    sign(store, folder).unwrap();
    assert_eq!(signed().len(), 2);
    assert_eq!(verify(store, Some(&file(&scratch)), Some(0)).unwrap().outside, 2);
}

#[test]
fn a_line_that_a_crash_cut_short_is_written_again() {
    let (scratch, _) = site();
    note(&scratch.store, 3);
    sign(&scratch.store, scratch.folder.path()).unwrap();
    let whole = fs::read(file(&scratch)).unwrap();
    fs::write(file(&scratch), &whole[..whole.len() / 2]).unwrap();
    assert_eq!(faults(&scratch), [""; 0]);
    note(&scratch.store, 3);
    sign(&scratch.store, scratch.folder.path()).unwrap();
    let found = verify(&scratch.store, Some(&file(&scratch)), Some(0)).unwrap();
    assert_eq!((found.outside, found.problems), (2, vec![]));
}

#[test]
fn old_rows_are_cut_at_a_signature_and_the_rest_verifies() {
    let (scratch, clock) = site();
    let (store, folder) = (&scratch.store, scratch.folder.path());
    for hour in 0..4 {
        clock.set(Timestamp::from_second(hour * HOUR).unwrap());
        note(store, 10);
        sign(store, folder).unwrap();
    }
    note(store, 3);
    let now = 3 * HOUR;
    assert_eq!(cut(store, 10 * HOUR, now).unwrap(), 0);
    assert_eq!(cut(store, 2 * HOUR, now).unwrap(), 20, "hours 0 and 1 are 2 hours old");
    assert_eq!(faults(&scratch), [""; 0]);
    let found = verify(store, None, Some(0)).unwrap();
    assert_eq!((found.first, found.events), (21, 24), "23 are left, and the row about the cut");
    for (keep, sound) in [(None, false), (Some(3 * HOUR), false), (Some(2 * HOUR), true)] {
        assert_eq!(verify(store, None, keep).unwrap().is_sound(), sound, "{keep:?}");
    }
    assert_eq!(cut(store, 2 * HOUR, now).unwrap(), 0);
    // To the very end: the row about it is chained to what was signed.
    sign(store, folder).unwrap();
    clock.set(Timestamp::from_second(9 * HOUR).unwrap());
    assert_eq!(cut(store, HOUR, 9 * HOUR).unwrap(), 24);
    assert_eq!(faults(&scratch), [""; 0]);
    note(store, 1);
    assert_eq!(faults(&scratch), [""; 0]);
    tamper(&scratch, "UPDATE trail SET detail = '{\"up_to\":43}' WHERE what = 'cut'");
    let found = faults(&scratch);
    assert!(found[0].starts_with("row 45: it does not have the hash"), "{found:?}");
    assert!(found.last().unwrap().contains("no row says that they were cut off"), "{found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever byte of whatever row is another one, that row is named.
    #[test]
    fn any_flipped_byte_is_found(
        row in 1..=10_u64, column in 0..10_usize, at in 0..64_usize, bit in 0..8_u8,
    ) {
        const COLUMNS: [&str; 10] = [
            "sequence", "at", "role", "who", "what", "project", "item", "subject", "detail", "chain",
        ];
        let (scratch, _) = site();
        note(&scratch.store, 9);
        let last = Event::new(What::Erased).about([3; 32]);
        scratch.store.tx("test", |tx| tx.note(&last)).unwrap();
        sign(&scratch.store, scratch.folder.path()).unwrap();
        let name = COLUMNS[column];
        let connection =
            rusqlite::Connection::open(scratch.folder.path().join(crate::store::FILE)).unwrap();
        // STRICT would refuse; whoever writes the file does not ask.
        let read = format!("SELECT {name} FROM trail WHERE sequence = ?1");
        let value: rusqlite::types::Value =
            connection.query_row(&read, [row], |row| row.get(0)).unwrap();
        let flip = |mut bytes: Vec<u8>| {
            let length = bytes.len();
            if length > 0 {
                bytes[at % length] ^= 1 << bit;
            }
            bytes
        };
        use rusqlite::types::Value::{Blob, Integer, Null, Real, Text};
        let changed = match value.clone() {
            Integer(number) => Integer(number ^ (1 << (at % 40))),
            Blob(bytes) => Blob(flip(bytes)),
            // Another letter, as long as it is one.
            Text(text) => match String::from_utf8(flip(text.clone().into_bytes())) {
                Ok(other) => Text(other),
                Err(_) => Text(text + "x"),
            },
            Null => Blob(vec![0]),
            Real(_) => unreachable!("no column has one"),
        };
        prop_assume!(changed != value);
        let changed = match (name, changed) {
            ("project", Blob(_)) => Text(String::new()), // as a column of text holds it
            (_, changed) => changed,
        };
        let write = format!("UPDATE OR REPLACE trail SET {name} = ?1 WHERE sequence = ?2");
        connection.execute(&write, rusqlite::params![changed, row]).unwrap();
        drop(connection);
        let found = faults(&scratch);
        prop_assert!(!found.is_empty(), "{name} of row {row}");
        if name != "sequence" {
            let start = format!("row {row}: it does not have the hash");
            prop_assert!(found[0].starts_with(&start), "{found:?}");
        }
    }
}
