//! How good are the labels, and which should be looked at next? Exact answers from the site's own
//! store, for the site's lead and steward. They never leave: nothing here becomes a release.
//!
//! A report is made of a bounded number of items, off the request's thread, at most one at a time,
//! and kept for a while: whoever looks at the page again gets the same one.
//!
//! What counts as what:
//! - *Agreement* is between the first and the second reader of an item, who does not see what the
//!   first one said. Experts are asked where readers differ, so their labels would bias it.
//! - *Consensus* weighs everybody who labeled an item, by Dawid and Skene's model.
//! - *Label errors* are labels of record that contradict the prelabel which they answer. A prelabel
//!   is made before its correction, so the model has not seen the label.
//! - Labels that are not exactly one class are compared by whether readers agree, and counted by day;
//!   every other figure is about classes, and says so where there are none.
//! - *Synthetic* items have a section of their own; every other figure is about real items alone.

mod agreement;
pub(crate) mod alike;
mod calibration;
mod figure;
pub mod http;
mod label_errors;
mod matrix;
pub(crate) mod next;
mod people;
mod preview;
mod progress;
pub(crate) mod snapshot;
mod synthetic;

use std::collections::BTreeMap;
use std::sync::Arc;

use insitu_protocol::ids::ProjectName;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use self::agreement::Agreement;
use self::calibration::Calibration;
use self::label_errors::LabelErrors;
use self::next::Next;
use self::people::People;
use self::progress::Progress;
use self::snapshot::Snapshot;
pub(crate) use self::snapshot::corrections;
use self::synthetic::Synthetic;
use crate::acceptance;
use crate::config::Acceptance;
use crate::prelabel::personal::{PersonalHead, Standing};
use crate::review::{ReviewError, Vacancy, gold_scores, vacancies};
use crate::store::Store;

/// Most labeled items that a report looks at: the newest.
pub const LABELED_MAX: usize = 20_000;
/// Most unlabeled items among which a report chooses what to label next: the oldest.
pub const WAITING_MAX: usize = 10_000;
/// Most entries of a list of items.
pub const LISTED_MAX: usize = 30;
/// How long a report is shown before a new one is made, seconds.
pub const REPORT_LIFE_SECONDS: i64 = 30;
/// Confidence level of every interval.
pub const LEVEL: f64 = 0.95;

/// What the figures of a project leave out whose labels are not exactly one class.
const OF_CLASSES: &str = "labels of this project are not one class: readers are compared by whether \
    they agree; consensus, calibration, label errors and what to label next are figures of classes";

/// Everything that the page shows of a project.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The project's name.
    project: String,
    /// When it was made, Unix seconds.
    made_at: i64,
    /// Names of the classes.
    classes: Vec<String>,
    /// What a label says: the kind of the project's task.
    task: &'static str,
    /// What the figures leave out, if they do.
    note: Option<&'static str>,
    /// Labeled items looked at.
    labeled: usize,
    /// There are more labeled items than [`LABELED_MAX`].
    cut: bool,
    /// Confidence level of the intervals.
    level: f64,
    agreement: Agreement,
    people: People,
    calibration: Calibration,
    /// What prelabels have earned, and what they must.
    acceptance: acceptance::Standing,
    progress: Progress,
    /// Queues that wait for somebody who is not there.
    vacancies: Vec<Value>,
    /// The head of the site's own that makes its prelabels, where there is one.
    personal: Option<Standing>,
    /// Of synthetic items, where there are any. All else is about real ones.
    synthetic: Option<Synthetic>,
    #[serde(skip)]
    label_errors: LabelErrors,
    #[serde(skip)]
    next: Next,
}

impl Report {
    /// Looks at a project's labels now. `earn`: what its prelabels must, if the steward has said so.
    ///
    /// # Errors
    /// [`ReviewError::UnknownProject`], [`ReviewError::Store`].
    pub fn read(
        store: &Store,
        project: &ProjectName,
        earn: Option<&Acceptance>,
        now: i64,
    ) -> Result<Self, ReviewError> {
        let snapshot = Snapshot::read(store, project)?;
        let definition = &snapshot.project.definition;
        Ok(Self {
            project: definition.name.to_string(),
            made_at: now,
            classes: definition.classes.iter().map(|class| class.name.to_string()).collect(),
            task: definition.task.kind(),
            note: (!definition.task.is_one_class()).then_some(OF_CLASSES),
            labeled: snapshot.labeled.len(),
            cut: snapshot.cut,
            level: LEVEL,
            agreement: Agreement::of(&snapshot),
            people: People::of(&snapshot, &gold_scores(store, snapshot.project.project)?),
            calibration: Calibration::of(&snapshot),
            acceptance: store.read("quality acceptance", |tx| {
                acceptance::Standing::read(tx, earn, &snapshot.project)
            })?,
            progress: Progress::of(&snapshot, now),
            vacancies: store
                .read("quality vacancies", |tx| vacancies(tx, &snapshot.project, now))?
                .iter()
                .map(Vacancy::shown)
                .collect(),
            personal: store
                .read("personal head", |tx| PersonalHead::load(tx, &snapshot.project))?
                .map(|head| head.standing()),
            synthetic: Synthetic::read(store, &snapshot.project)?,
            label_errors: LabelErrors::of(&snapshot, store)?,
            next: Next::of(&snapshot, store)?,
        })
    }
}

/// Reports of every project, each made once and kept for [`REPORT_LIFE_SECONDS`].
#[derive(Debug)]
pub struct Reports {
    store: Arc<Store>,
    earn: BTreeMap<ProjectName, Acceptance>,
    kept: Mutex<BTreeMap<ProjectName, Arc<Report>>>,
}

impl Reports {
    /// None is made yet. `earn`: what the prelabels of projects must.
    pub fn new(store: Arc<Store>, earn: BTreeMap<ProjectName, Acceptance>) -> Self {
        Self { store, earn, kept: Mutex::default() }
    }

    /// The project's report. Whoever asks while one is being made waits for it.
    ///
    /// # Errors
    /// As [`Report::read`].
    pub async fn of(&self, project: &ProjectName, now: i64) -> Result<Arc<Report>, ReviewError> {
        let mut kept = self.kept.lock().await;
        // A clock that was set back makes a new one, too.
        kept.retain(|_, report| (0..REPORT_LIFE_SECONDS).contains(&(now - report.made_at)));
        if let Some(report) = kept.get(project) {
            return Ok(Arc::clone(report));
        }
        let (store, name) = (Arc::clone(&self.store), project.clone());
        let earn = self.earn.get(project).copied();
        let started = Instant::now();
        let made =
            tokio::task::spawn_blocking(move || Report::read(&store, &name, earn.as_ref(), now));
        let made = made.await;
        let report = match made {
            Ok(report) => Arc::new(report?),
            // It is never cancelled: the panic goes on in this task.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        metrics::histogram!("insitu_agent_quality_report_seconds")
            .record(started.elapsed().as_secs_f64());
        kept.insert(project.clone(), Arc::clone(&report));
        Ok(report)
    }
}

#[cfg(test)]
mod tests;
