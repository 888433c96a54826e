//! Speed of import and export: `cargo bench -p insitu-agent --bench import`.
//!
//! 100,000 short texts into a new store on this machine's disk, without and with labels, and out again.
//! Label Studio's figure beside it was measured with version 1.23.2: 10,000 tasks imported in 8.9 s.

#![allow(clippy::print_stdout, reason = "a benchmark reports on standard output")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::collections::HashMap;
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
/// What their import may take.
const BAR: Duration = Duration::from_secs(20);
/// Label Studio's import of a tenth of them.
const STUDIO: &str = "Label Studio 1.23.2: 10,000 tasks in 8.9 s";

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
    let (lines, spans) = (plain(), labeled());
    let folder = tempfile::tempdir().unwrap();
    println!("{ITEMS} texts of about 100 characters, {} MiB of JSON lines", lines.len() >> 20);

    let (store, row) = store(folder.path().join("plain"), &project);
    let mut report = source::Report::default();
    let took = timed(|| {
        let format = source::Format::JsonLines;
        report = source::import(&store, &row, &rules, None, format, lines.as_bytes()).unwrap();
    });
    assert_eq!(report.added, u64::try_from(ITEMS).unwrap());
    let verdict = if took < BAR { "under" } else { "OVER" };
    tell("import", took, &format!("{verdict} the bar of {} s; {STUDIO}", BAR.as_secs()));
    let took = timed(|| {
        let format = source::Format::JsonLines;
        report = source::import(&store, &row, &rules, None, format, lines.as_bytes()).unwrap();
    });
    assert_eq!(report.added, 0);
    tell("import of the same again", took, "nothing changes");
    drop(store);

    let (store, row) = self::store(folder.path().join("labeled"), &project);
    let hash = [7; 32];
    let added =
        store.tx("bench", |tx| tx.add_person("ann", Role::Annotator, Terms::default(), &hash, 0));
    let reader = added.unwrap();
    let mut redactors = Redactors::new([].into());
    let request = import::Request {
        project: &row,
        rules: &rules,
        format: labeled::Format::JsonLines,
        folder: None,
        label: import::LABEL_COLUMN,
        drafts: None,
        reader,
        now: 0,
    };
    let mut stream = spans.as_bytes();
    let origin = labeled::Origin::File(&mut stream);
    let mut kept = import::Report::default();
    let took = timed(|| {
        let (report, done) = import::import(&store, &mut redactors, &request, origin);
        done.unwrap();
        kept = report;
    });
    assert_eq!(kept.readings, u64::try_from(ITEMS).unwrap());
    tell("import with a span each", took, "redacted at once, since spans move with the text");

    out(&store, &row, folder.path());
}

/// All of it, in some formats.
fn out(store: &Store, row: &ProjectRow, folder: &Path) {
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
            assert_eq!(exported.counts.records, u64::try_from(ITEMS).unwrap());
        });
        tell(&format!("export as {}", format.name()), took, "with provenance, hashed and signed");
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

fn plain() -> String {
    let mut lines = String::new();
    for at in 0..ITEMS {
        writeln!(lines, r#"{{"id": {at}, "note": "{}", "ward": "a"}}"#, text(at)).unwrap();
    }
    lines
}

fn labeled() -> String {
    let mut lines = String::new();
    for at in 0..ITEMS {
        let text = text(at);
        let start = text.find("pain").unwrap();
        let spans =
            format!(r#"{{"spans": [{{"start": {start}, "end": {}, "class": 0}}]}}"#, start + 4);
        writeln!(lines, r#"{{"id": {at}, "note": "{text}", "label": {spans}}}"#).unwrap();
    }
    lines
}

fn timed(run: impl FnOnce()) -> Duration {
    let clock = SystemClock;
    let started = clock.now();
    run();
    Duration::try_from(clock.now().duration_since(started)).unwrap_or_default()
}

fn tell(what: &str, took: Duration, beside: &str) {
    println!("{what:<28} {:>6.1} s   {beside}", took.as_secs_f64());
}
