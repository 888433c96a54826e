//! Speed of import and export: `cargo bench -p insitu-agent --bench import`.
//!
//! 100,000 short texts (`INSITU_BENCH_ITEMS` for another number) into a new store on this machine's
//! disk, without labels, with a draft and with a label each, and out again. From memory and by the
//! library: reading the file and starting the program are not in it. An import does not redact,
//! which the running agent does in the background; only labels that are spans need it at once. The
//! goal is for 100,000, and is scaled.
//!
//! Label Studio's figures beside were measured with version 1.23.2 over its own HTTP API, on
//! SQLite, with 10,000 tasks and with 1,000 predictions; nothing says that they grow evenly.

#![allow(clippy::print_stdout, reason = "a benchmark reports on standard output")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::cast_precision_loss, reason = "numbers of items and bytes, far below 2^52")]

use std::collections::HashMap;
use std::env;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use insitu_agent::config::Source;
use insitu_agent::export::{self, Request};
use insitu_agent::import;
use insitu_agent::pipeline::Redactors;
use insitu_agent::source::{self, labeled};
use insitu_agent::store::Store;
use insitu_agent::store::labels::{Role, Terms};
use insitu_agent::store::orders::ProjectRow;
use insitu_daemon::clock::{Clock as _, SystemClock};
use insitu_protocol::project::Project;

/// Texts.
const ITEMS: usize = 100_000;
/// What the import of so many may take.
const GOAL: Duration = Duration::from_secs(20);
/// Label Studio's own.
const STUDIO_TASKS: &str = "Label Studio: 10,000 tasks in 8.9 s, 1,124 a second";
const STUDIO_DRAFTS: &str =
    "Label Studio: 1,000 predictions pulled in 272 s, pushed in 13.5 s, 4 and 74 a second";

const PROJECT: &str = r#"
name = "notes"
version = 1
title = "Notes"
instructions = "Mark complaints."
[task]
kind = "spans"
field = "note"
[[classes]]
name = "complaint"
[[fields]]
name = "note"
title = "Note"
kind = "text"
[[fields]]
name = "ward"
title = "Ward"
kind = "category"
[[features]]
field = "ward"
bins = { values = ["a", "b"] }
[routing]
accept_at = 900
expert_below = 600
overlap = 200
[statistics]
confusion_nano_rho = 2000000
coincidence_nano_rho = 1000000
calibration_nano_rho = 1000000
drift_nano_rho = 2000000
calibration_bins = 5
[training]
rounds = 2
run_nano_rho = 20000000
clip_milli = 1000
fraction_bits = 12
learning_rate = 1.0
momentum = 0.5
"#;

fn main() {
    let project: Project = toml::from_str(PROJECT).unwrap();
    let rules: Source = toml::from_str("name = \"notes\"\nid = \"id\"").unwrap();
    let items = env::var("INSITU_BENCH_ITEMS").map_or(ITEMS, |text| text.parse().unwrap());
    assert!(items > 0, "INSITU_BENCH_ITEMS is 1 or more");
    let lines = plain(items);
    let folder = tempfile::tempdir().unwrap();
    println!(
        "{items} texts of about 100 characters, {:.1} MB of JSON lines",
        lines.len() as f64 / 1e6
    );

    let (store, row) = store(folder.path().join("plain"), &project);
    let mut report = source::Report::default();
    let took = timed(|| {
        let format = source::Format::JsonLines;
        report = source::import(&store, &row, &rules, None, format, lines.as_bytes()).unwrap();
    });
    assert_eq!(report.added, u64::try_from(items).unwrap());
    let goal = GOAL.mul_f64(items as f64 / ITEMS as f64);
    let verdict = if took < goal { "within" } else { "NOT within" };
    let beside = format!("{verdict} the goal of {:.1} s; {STUDIO_TASKS}", goal.as_secs_f64());
    tell("import", items, took, &beside);
    let took = timed(|| {
        let format = source::Format::JsonLines;
        report = source::import(&store, &row, &rules, None, format, lines.as_bytes()).unwrap();
    });
    assert_eq!(report.added, 0);
    tell("import of the same again", items, took, "nothing changes");
    drop(store);

    with_marks(&project, &rules, items, folder.path());
}

/// The same with a draft, and with a label, of one span each.
fn with_marks(project: &Project, rules: &Source, items: usize, folder: &Path) {
    let (store, row) = store(folder.join("drafted"), project);
    let drafts = labeled::Drafts { model: "tagger 1", labels: false, results: None };
    let report = imported(&store, &row, rules, &marked("draft", items), (None, Some(drafts)));
    assert_eq!(report.1.drafts, u64::try_from(items).unwrap());
    let redacted = "redacted at once, since spans move with the text";
    tell("import with a draft each", items, report.0, &format!("{redacted}; {STUDIO_DRAFTS}"));
    drop(store);

    let (store, row) = self::store(folder.join("labeled"), project);
    let hash = [7; 32];
    let added =
        store.tx("bench", |tx| tx.add_person("ann", Role::Annotator, Terms::default(), &hash, 0));
    let report = imported(&store, &row, rules, &marked("label", items), (added.unwrap(), None));
    assert_eq!(report.1.readings, u64::try_from(items).unwrap());
    tell("import with a label each", items, report.0, redacted);

    out(&store, &row, items, folder);
}

/// Imports lines with what was said of them; how long that took.
fn imported(
    store: &Store,
    row: &ProjectRow,
    rules: &Source,
    lines: &str,
    (reader, drafts): (Option<i64>, Option<labeled::Drafts<'_>>),
) -> (Duration, import::Report) {
    let mut redactors = Redactors::new([].into());
    let request = import::Request {
        project: row,
        rules,
        format: labeled::Format::JsonLines,
        folder: None,
        label: import::LABEL_COLUMN,
        drafts,
        reader,
        now: 0,
    };
    let mut stream = lines.as_bytes();
    let origin = labeled::Origin::File(&mut stream);
    let mut kept = import::Report::default();
    let took = timed(|| {
        let (report, done) = import::import(store, &mut redactors, &request, origin);
        done.unwrap();
        kept = report;
    });
    (took, kept)
}

/// All of it, in some formats.
fn out(store: &Store, row: &ProjectRow, items: usize, folder: &Path) {
    for format in [export::Format::JsonLines, export::Format::Csv, export::Format::Parquet] {
        let (out, ids) = (folder.join(format.name()), HashMap::new());
        let request = Request {
            project: row,
            format,
            out: &out,
            unlabeled: true,
            people_only: false,
            synthetic: false,
            names: false,
            license: None,
            ids: &ids,
        };
        let took = timed(|| {
            let exported = export::export(store, &request, |_| {}).unwrap();
            assert_eq!(exported.counts.records, u64::try_from(items).unwrap());
        });
        let name = format!("export as {}", format.name());
        tell(&name, items, took, "with provenance, hashed and signed");
    }
}

fn store(data: std::path::PathBuf, project: &Project) -> (Store, ProjectRow) {
    std::fs::create_dir(&data).unwrap();
    let store = Store::open(&data).unwrap();
    let row = store.tx("bench", |tx| {
        tx.put_project(project, 0)?;
        tx.project(&project.name)
    });
    (store, row.unwrap().unwrap())
}

fn text(at: usize) -> String {
    format!(
        "Note {at}: no acute distress, lungs are clear; patient reports pain in the left knee since March."
    )
}

fn plain(items: usize) -> String {
    let mut lines = String::new();
    for at in 0..items {
        writeln!(lines, r#"{{"id": {at}, "note": "{}", "ward": "a"}}"#, text(at)).unwrap();
    }
    lines
}

/// With a span in the column `column`.
fn marked(column: &str, items: usize) -> String {
    let mut lines = String::new();
    for at in 0..items {
        let text = text(at);
        let start = text.find("pain").unwrap();
        let spans =
            format!(r#"{{"spans": [{{"start": {start}, "end": {}, "class": 0}}]}}"#, start + 4);
        writeln!(lines, r#"{{"id": {at}, "note": "{text}", "{column}": {spans}}}"#).unwrap();
    }
    lines
}

fn timed(run: impl FnOnce()) -> Duration {
    let clock = SystemClock;
    let started = clock.now();
    run();
    Duration::try_from(clock.now().duration_since(started)).unwrap_or_default()
}

fn tell(what: &str, items: usize, took: Duration, beside: &str) {
    let seconds = took.as_secs_f64();
    println!("{what:<26} {seconds:>7.2} s, {:>7.0} a second   {beside}", items as f64 / seconds);
}
