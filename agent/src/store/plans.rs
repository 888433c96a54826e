//! What the pipeline, people and pages ask for again and again is found by an index that has it: none
//! of it reads all items of a project.

use std::cell::RefCell;

use rusqlite::trace::TraceEvent;

use crate::store::StoreError;
use crate::store::items::Stage;
use crate::store::labels::Role;
use crate::store::tests::trace;
use crate::testing;

thread_local! {
    static ASKED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn note(event: TraceEvent<'_>) {
    if let TraceEvent::Stmt(statement, _) = event {
        ASKED.with_borrow_mut(|asked| asked.push(statement.sql().into_owned()));
    }
}

/// Whether a line of a plan reads every item of a project, or of all projects.
fn reads_all(line: &str) -> bool {
    let whole = ["items_stage (project=?)", "items_real (project=?)"];
    line.starts_with("SCAN items")
        || line.starts_with("SCAN i ")
        || line == "SCAN i"
        || whole.iter().any(|end| line.ends_with(end))
}

#[test]
fn nothing_that_is_asked_again_and_again_reads_all_items() {
    let (scratch, row) = testing::with_project();
    let (store, project) = (&scratch.store, row.project);
    let ann = testing::person(store, "ann", Role::Annotator).person;
    trace(store, note);
    let asked = store.tx("test", |tx| {
        ASKED.take();
        tx.items_in_stage(project, Stage::New, 0, 9)?;
        tx.offered_items(project, 9, 0)?;
        tx.made_items(project, 2, 9)?;
        tx.items_of_other_bundle(project, &[7; 32], 9, 0)?;
        tx.ready_corrections(project, 9)?;
        tx.items_labeled_early(project, 9)?;
        tx.audited_items(project, &[7; 32], i64::MAX, 9)?;
        tx.in_review(project, 0, 9)?;
        tx.offer_gold(project, ann, false, 0, 9)?;
        tx.offer_gold(project, ann, true, 0, 9)?;
        tx.gold_counts(project, ann, 0)?;
        tx.gold_items(project)?;
        tx.gold(project, 0, 9)?;
        tx.want(project, &[])?;
        tx.stage_counts(project)?;
        tx.holdout_count(project)?;
        tx.annotation_counts(project)?;
        tx.newest_labeled(project, i64::MAX, 9)?;
        tx.labeled_items(project, false, 0, 9)?;
        tx.routed_items(project, 0, 9)?;
        tx.redacted_items(project, false, 0, 9)?;
        Ok::<_, StoreError>(ASKED.take())
    });
    let asked = asked.unwrap();
    assert!(asked.len() >= 21, "{} statements", asked.len());
    store
        .read("test", |tx| {
            for sql in asked {
                let mut statement = tx.sql.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                let nulls = vec![rusqlite::types::Null; statement.parameter_count()];
                let parameters = rusqlite::params_from_iter(nulls);
                let lines =
                    statement.query_map(parameters, |row| row.get::<_, String>("detail"))?;
                for line in lines {
                    let line = line?;
                    assert!(!reads_all(&line), "{line}: {sql}");
                }
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
}
