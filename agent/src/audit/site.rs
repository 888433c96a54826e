//! The attacked site: a store of its own with synthetic people in it, brought through import,
//! redaction, prelabeling and review like any other.
//!
//! Subject i ("canary") has the code i and, when it is in, [`ITEMS_PER_CANARY`] items of that code.
//! The code decides everything about an item: its prelabel, what each reader says, its bins. So a
//! canary has a cell of its own in each release, which nobody else touches: whether noise hides it
//! there is the whole question, and a canary of several items asks it in the worst case.

use std::io::Cursor;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use insitu_daemon::clock::{Clock, SystemClock};
use insitu_daemon::files;
use insitu_models::bundle::Bundle;
use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::order::BundleOrder;
use insitu_protocol::project::{
    Bins, Class, Feature, Field, FieldKind, Project, Routing, Statistics, Task, Training,
};
use insitu_protocol::text::{Line, Page};

use super::AuditError;
use super::path::Path;
use crate::config::{Acceptance, Limits, Policy, Schedule, Source};
use crate::downlink::Judge;
use crate::item::{CleanItem, Value};
use crate::label::Label;
use crate::pipeline::Pipeline;
use crate::prelabel::Shelf;
use crate::review::{self, Annotation, Decision, annotate_in};
use crate::source::{Format, import};
use crate::store::labels::{Person, Role, Terms};
use crate::store::orders::{BundleState, ProjectRow};
use crate::store::{Store, StoreError};

/// The imported column that says whose an item is.
pub(super) const SUBJECT_COLUMN: &str = "subject";
/// Items of a canary, all alike: more than a statistic may count.
const ITEMS_PER_CANARY: usize = 2;
/// Price of each statistic: a scale of √2 for a subject that moves one count by 1.
pub(super) const NANO_RHO: u64 = 250_000_000;
/// Most calibration bins, and inner edges of a feature, that a project may have.
const BINS: usize = 64;
const EDGES: usize = 62;
/// The time at which everything happens, Unix seconds: an audit's stores have no history.
pub(super) const NOW: i64 = 1_800_000_000;
/// Most pipeline ticks before a site is found not to come to rest.
const TICKS_MAX: u32 = 10_000;

/// How large a site is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Classes of the project: a canary for each cell of its matrices.
    pub(super) classes: usize,
    /// Subjects that are always in: who takes a canary's place in a campaign.
    pub(super) witnesses: usize,
}

/// A site, gone when it is dropped.
pub(super) struct Site {
    pub(super) store: Arc<Store>,
    pub(super) row: ProjectRow,
    pub(super) limits: Limits,
    pub(super) expert: Person,
    /// Which canaries are in.
    pub(super) present: Vec<bool>,
    _folder: Folder,
}

impl Shape {
    /// Canaries, and codes.
    pub(super) fn codes(&self) -> usize {
        self.classes * self.classes
    }

    /// Prelabel and first label of a code.
    pub(super) fn first(&self, code: usize) -> usize {
        code / self.classes
    }

    /// Second label, and the expert's where the two differ: the label of record.
    pub(super) fn second(&self, code: usize) -> usize {
        code % self.classes
    }

    /// Calibration bins.
    pub(super) fn bins(&self) -> usize {
        BINS.min(self.codes())
    }

    /// The calibration bin that a code's confidence falls into: the middle of it.
    pub(super) fn bin(&self, code: usize) -> usize {
        code % self.bins()
    }

    /// The head's weight: a code's own class has the logit at which the softmax is its confidence.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "small numbers; a weight is an f32"
    )]
    pub(super) fn weight(&self, class: usize, code: usize) -> f32 {
        if self.first(code) != class {
            return 0.0;
        }
        let chance = 1.0 / self.classes as f64;
        let place = (self.bin(code) as f64 + 0.5) / self.bins() as f64;
        let confidence = chance + place * (1.0 - chance);
        (confidence * (self.classes as f64 - 1.0) / (1.0 - confidence)).ln() as f32
    }

    pub(super) fn project(&self) -> Result<Project, AuditError> {
        let number = |name: &str| Field {
            name: line(name),
            title: line(name),
            kind: FieldKind::Number,
            unit: line(""),
        };
        let edges = || Bins::Edges((1..=EDGES).map(|edge| self.edge(edge)).collect());
        let feature = |name: &str| Feature { field: line(name), bins: edges() };
        let class = |class| Class {
            name: line(&format!("class {class}")),
            description: line(""),
            key: None,
            colour: None,
            accept_at: None,
            expert_below: None,
        };
        Ok(Project {
            name: "audit".parse().map_err(|_| AuditError::Bytes)?,
            version: 1,
            title: line("Audit"),
            instructions: Page::new("Synthetic").map_err(|_| AuditError::Bytes)?,
            classes: (0..self.classes).map(class).collect(),
            fields: vec![number("code"), number("copy")],
            features: vec![feature("code"), feature("copy")],
            // Everything is read twice.
            routing: Routing { accept_at: 1001, expert_below: 0, overlap: 1000 },
            statistics: Statistics {
                confusion_nano_rho: NANO_RHO,
                coincidence_nano_rho: NANO_RHO,
                calibration_nano_rho: NANO_RHO,
                drift_nano_rho: NANO_RHO,
                calibration_bins: u8::try_from(self.bins()).unwrap_or(u8::MAX),
            },
            training: Training {
                rounds: 1,
                run_nano_rho: NANO_RHO,
                clip_milli: 500,
                fraction_bits: 12,
                learning_rate: 1.0,
                momentum: 0.0,
            },
            task: Task::Class,
        })
    }

    /// Inner edges that cut the codes into about equal parts, strictly ascending.
    #[expect(clippy::cast_precision_loss, reason = "codes are far below 2^52")]
    fn edge(&self, edge: usize) -> f64 {
        self.codes() as f64 * edge as f64 / (EDGES + 1) as f64 - 0.5
    }
}

impl Site {
    /// Sets a site up with the canaries that are `present`, and brings every item to its end.
    pub(super) fn build(
        path: &dyn Path,
        shape: &Shape,
        bundle: &Bundle,
        present: Vec<bool>,
    ) -> Result<Self, AuditError> {
        let folder = Folder::create()?;
        let store = Arc::new(Store::open(&folder.0)?);
        let project = shape.project()?;
        let row = order(&store, &folder.0, &project, bundle)?;
        let policy = Policy { minimum_cohort: 1, ..Policy::default() };
        let limits = policy.limits().map_err(|error| AuditError::Model(Box::new(error)))?;
        // What it may spend is not what is looked at: the prices are, and whether they are charged.
        let all = insitu_privacy::Rho::MAX;
        let limits = Limits {
            year: all,
            local_year: all,
            window: all,
            run: all,
            campaign: all,
            evaluation: all,
            ..limits
        };
        let source = Source {
            name: project.name.clone(),
            id: "id".to_owned(),
            subject: path.subject_column().map(str::to_owned),
            holdout: None,
            holdout_share: 0.0,
            redaction: None,
            images: crate::config::Images::default(),
            personal: false,
            acceptance: None,
            review: None,
            label_studio: None,
            watch: None,
        };
        let lines = csv(shape, &present);
        import(&store, &row, &source, None, Format::Csv, Cursor::new(lines))
            .map_err(|error| AuditError::Model(Box::new(error)))?;
        prelabel(&store, &folder.0, policy, limits.clone())?;
        let person = |name: &str, role| add_person(&store, name, role);
        let (ann, bob) = (person("ann", Role::Annotator)?, person("bob", Role::Annotator)?);
        let expert = person("eve", Role::Expert)?;
        label(&store, &row, &ann, |code| shape.first(code))?;
        label(&store, &row, &bob, |code| shape.second(code))?;
        label(&store, &row, &expert, |code| shape.second(code))?;
        let row = store.read("audit", |tx| tx.project(&project.name))?.ok_or(AuditError::Bytes)?;
        Ok(Self { store, row, limits, expert, present, _folder: folder })
    }

    /// Which codes are in, each as often as it has subjects.
    pub(super) fn codes(&self, shape: &Shape) -> impl Iterator<Item = usize> {
        let canaries = self.present.iter().enumerate().filter(|(_, present)| **present);
        canaries.map(|(code, _)| code).chain((0..shape.witnesses).map(witness_code))
    }
}

/// All witnesses have the code of the first canary.
fn witness_code(_: usize) -> usize {
    0
}

/// The site's file: canaries before witnesses, so that these come last in a campaign.
fn csv(shape: &Shape, present: &[bool]) -> String {
    let mut lines = format!("id,{SUBJECT_COLUMN},code,copy\n");
    for (code, _) in present.iter().enumerate().filter(|(_, present)| **present) {
        for item in 0..ITEMS_PER_CANARY {
            lines.push_str(&format!("c{code}-{item},c{code},{code},{code}\n"));
        }
    }
    for witness in 0..shape.witnesses {
        let code = witness_code(witness);
        lines.push_str(&format!("w{witness},w{witness},{code},{code}\n"));
    }
    lines
}

/// What the coordinator would order, and the steward approve.
pub(super) fn order(
    store: &Store,
    data: &FilePath,
    project: &Project,
    bundle: &Bundle,
) -> Result<ProjectRow, AuditError> {
    let shelf = Shelf::new(data);
    files::create_folder(shelf.folder()).map_err(|error| AuditError::Model(Box::new(error)))?;
    for (object, bytes) in bundle.objects() {
        std::fs::write(shelf.path(&object.digest), bytes).map_err(AuditError::Folder)?;
    }
    let order = BundleOrder {
        project: project.name.clone(),
        manifest: Bytes(bundle.manifest_bytes().to_vec()),
        signature: Fixed([0; 64]),
    };
    let row = store.tx("audit", |tx| {
        tx.put_project(project, NOW)?;
        tx.put_bundle(bundle.id(), 1, &order, bundle.manifest().backbone.digest)?;
        tx.set_bundle_state(&bundle.id(), BundleState::Ready, "")?;
        tx.project(&project.name)
    })?;
    row.ok_or(AuditError::Bytes)
}

/// Lets the daemon's own pipeline redact and prelabel everything.
pub(super) fn prelabel(
    store: &Arc<Store>,
    data: &FilePath,
    policy: Policy,
    limits: Limits,
) -> Result<(), AuditError> {
    let judge = Judge { policy, limits, bundle_key: None };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let shelf = Shelf::new(data);
    // Items go where the project's routing sends them: what is earned is not what is looked at.
    let assumed = Acceptance { assume: true, ..Acceptance::default() };
    let projects = store.read("audit", |tx| tx.projects())?;
    let settings = projects.into_iter().map(|row| (row.definition.name, assumed)).collect();
    let mut pipeline =
        Pipeline::new(Arc::clone(store), clock, judge, Schedule::default(), shelf, None)
            .with_acceptance(settings);
    for _ in 0..TICKS_MAX {
        if !pipeline.tick().map_err(|error| AuditError::Model(Box::new(error)))? {
            return Ok(());
        }
    }
    Err(AuditError::Bytes)
}

pub(super) fn add_person(store: &Store, name: &str, role: Role) -> Result<Person, AuditError> {
    let (hash, terms) = (review::token_hash(name), Terms::default());
    let person = store.tx("audit", |tx| tx.add_person(name, role, terms, &hash, NOW))?;
    let person = person.ok_or(AuditError::Bytes)?;
    Ok(Person { person, name: name.to_owned(), role, terms })
}

/// Has a person label everything that waits for one.
fn label(
    store: &Store,
    project: &ProjectRow,
    person: &Person,
    class: impl Fn(usize) -> usize,
) -> Result<(), AuditError> {
    loop {
        let name = &project.definition.name;
        let cards = review::next(store, person, name, review::ITEMS_MAX, NOW)?;
        if cards.is_empty() {
            return Ok(());
        }
        let answers = cards.iter().map(|card| {
            let class = class(code_of(&card.content)?);
            Ok((card.row.opaque, class, format!("{}", card.row.item)))
        });
        answer(store, person, answers.collect::<Result<Vec<_>, AuditError>>()?)?;
    }
}

/// Answers leased items (name, class, key of the annotation) in one transaction.
pub(super) fn answer(
    store: &Store,
    person: &Person,
    answers: Vec<([u8; 16], usize, String)>,
) -> Result<(), AuditError> {
    store.tx("audit", |tx| {
        for (item, class, key) in answers {
            let annotation = Annotation {
                key,
                label: u16::try_from(class).ok().map(Label::Class),
                seconds: 1.0,
                decision: Decision::Correct,
                comment: None,
                looks_real: None,
                reason: None,
            };
            annotate_in(tx, person, &item, &annotation, NOW)?;
        }
        Ok(())
    })
}

/// The code of an item.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "codes are small whole numbers of the audit's own"
)]
pub(super) fn code_of(item: &CleanItem) -> Result<usize, AuditError> {
    match item.value("code") {
        Some(Value::Number(code)) => Ok(*code as usize),
        Some(Value::Text(_) | Value::Image(_) | Value::Series(_)) | None => {
            Err(StoreError::Corrupt { table: "items", column: "code" }.into())
        }
    }
}

/// A line of the audit's own words.
pub(super) fn line(text: &str) -> Line {
    Line::new(text).unwrap_or_default()
}

/// A folder of random name, removed with everything in it.
struct Folder(PathBuf);

impl Folder {
    fn create() -> Result<Self, AuditError> {
        let mut name = [0; 16];
        getrandom::fill(&mut name).map_err(|_| AuditError::Randomness)?;
        let path = std::env::temp_dir().join(format!("insitu-audit-{}", hex::encode(name)));
        files::create_folder(&path).map_err(|error| AuditError::Model(Box::new(error)))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed holds synthetic data alone.
        drop(std::fs::remove_dir_all(&self.0));
    }
}
