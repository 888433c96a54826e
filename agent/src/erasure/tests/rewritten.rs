//! How often an erasure writes the store's file anew.

use std::sync::Mutex;

use super::*;

/// How often the store of the test below was written anew.
static REWRITTEN: AtomicU64 = AtomicU64::new(0);
/// Who begins to read that store when that begins.
static COMES: Mutex<Option<Connection>> = Mutex::new(None);

fn read_from_rewriting_on(event: TraceEvent<'_>) {
    if matches!(event, TraceEvent::Stmt(_, "VACUUM")) {
        REWRITTEN.fetch_add(1, Ordering::Relaxed);
        if let Some(reader) = &*COMES.lock().unwrap() {
            begin_to_read(reader);
        }
    }
}

fn begin_to_read(reader: &Connection) {
    reader.execute_batch("BEGIN; SELECT count(*) FROM items").unwrap();
}

#[test]
fn the_file_is_written_anew_once_however_long_somebody_reads() {
    let site = site();
    let folder = site.scratch.folder.path();
    let needles = sealed(folder, &[site.doomed[0].item]);
    let reader = || Connection::open(folder.join(crate::store::FILE)).unwrap();
    let store = &site.scratch.store;
    crate::store::tests::trace(store, read_from_rewriting_on);
    let rewritten = || REWRITTEN.load(Ordering::Relaxed);

    let early = reader();
    begin_to_read(&early);
    assert!(!erase_subject(&site).scrubbed);
    assert!(!finish(store).unwrap());
    assert_eq!(rewritten(), 0, "all of it would stay in the log");
    assert!(found_in_files(folder, &needles) > 0, "the reader still sees them");
    early.execute_batch("COMMIT").unwrap();

    *COMES.lock().unwrap() = Some(reader());
    assert!(!finish(store).unwrap());
    let again = Store::open(folder).unwrap();
    crate::store::tests::trace(&again, read_from_rewriting_on);
    for store in [store, &again] {
        assert!(!finish(store).unwrap());
        assert!(store.read("test", |tx| tx.is_unscrubbed()).unwrap());
    }
    *COMES.lock().unwrap() = None;
    assert!(finish(&again).unwrap());
    assert_eq!(found_in_files(folder, &needles), 0);
    assert_eq!(rewritten(), 1);
    assert!(!again.read("test", |tx| tx.is_unscrubbed()).unwrap());
}
