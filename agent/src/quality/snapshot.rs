//! What a report is made of, read in small steps: nobody at the review table waits long for one.

use insitu_protocol::ids::ProjectName;

use super::{LABELED_MAX, WAITING_MAX};
use crate::prelabel::Prelabel;
use crate::review::{PastRead, ReviewError, answered, past_reads};
use crate::route::{Read, label_of_record};
use crate::store::items::Stage;
use crate::store::labels::{Person, Reading};
use crate::store::orders::ProjectRow;
use crate::store::{Store, StoreError, Tx};

/// Items read in one transaction.
const STEP: u32 = 128;

/// A project's labels and what waits for one.
pub(super) struct Snapshot {
    pub(super) project: ProjectRow,
    pub(super) people: Vec<Person>,
    /// Items with a label, newest first; at most [`LABELED_MAX`].
    pub(super) labeled: Vec<Labeled>,
    /// There are more.
    pub(super) cut: bool,
    /// Items that nobody has looked at, oldest first; at most [`WAITING_MAX`].
    pub(super) waiting: Vec<Waiting>,
    /// Items by stage, in the order of [`Stage::ALL`].
    pub(super) stages: [u64; 7],
}

/// An item with a label.
pub(super) struct Labeled {
    pub(super) item: i64,
    pub(super) opaque: [u8; 16],
    pub(super) stage: Stage,
    pub(super) past: Vec<PastRead>,
    /// The label of record.
    pub(super) record: Option<u16>,
    /// The prelabel that people answered.
    pub(super) answered: Option<Prelabel>,
}

/// An item that waits for its first label.
pub(super) struct Waiting {
    pub(super) item: i64,
    pub(super) prelabel: Prelabel,
}

impl Labeled {
    /// First and second reader's classes, of an item that two people read.
    pub(super) fn pair(&self) -> Option<(u16, u16)> {
        let class = |wanted| {
            let read = self.past.iter().find(|past| past.read.reading == wanted);
            read.and_then(PastRead::label)
        };
        class(Reading::First).zip(class(Reading::Second))
    }

    /// Whether two different people gave a label.
    pub(super) fn is_shared(&self) -> bool {
        let mut people = self.past.iter().filter(|past| past.label().is_some()).map(|p| p.person);
        people.next().is_some_and(|first| people.any(|other| other != first))
    }
}

impl Snapshot {
    pub(super) fn read(store: &Store, project: &ProjectName) -> Result<Self, ReviewError> {
        let (project, people, stages) = store.read("quality", |tx| {
            let row = tx
                .project(project)?
                .ok_or_else(|| ReviewError::UnknownProject { project: project.clone() })?;
            let stages = tx.stage_counts(row.project)?;
            Ok::<_, ReviewError>((row, tx.people()?, stages))
        })?;
        let (labeled, cut) = labeled(store, &project)?;
        let waiting = waiting(store, &project)?;
        Ok(Self { project, people, labeled, cut, waiting, stages })
    }

    /// Number of classes.
    pub(super) fn classes(&self) -> usize {
        self.project.definition.classes.len()
    }
}

fn labeled(store: &Store, project: &ProjectRow) -> Result<(Vec<Labeled>, bool), StoreError> {
    let classes = project.definition.classes.len();
    let (mut found, mut before) = (Vec::new(), i64::MAX);
    loop {
        let step = store.read("quality labels", |tx| {
            let keys = tx.newest_labeled(project.project, before, STEP)?;
            keys.into_iter().map(|key| labeled_item(tx, key, classes)).collect::<Result<_, _>>()
        });
        let step: Vec<Labeled> = step?;
        let Some(last) = step.last() else { return Ok((found, false)) };
        before = last.item;
        found.extend(step);
        if found.len() > LABELED_MAX {
            found.truncate(LABELED_MAX);
            return Ok((found, true));
        }
    }
}

fn labeled_item(tx: &Tx<'_>, key: i64, classes: usize) -> Result<Labeled, StoreError> {
    let row = tx.item(key)?.ok_or(StoreError::Corrupt { table: "items", column: "item" })?;
    let mut past = past_reads(&tx.annotations_of(key)?)?;
    // Judgements beside synthetic items have figures of their own, and an older version of the
    // project may have had more classes.
    past.retain(|past| {
        past.read.reading != Reading::Validation
            && past.label().is_none_or(|class| usize::from(class) < classes)
    });
    let reads: Vec<Read> = past.iter().map(|past| past.read).collect();
    let known = |prelabel: &Prelabel| usize::from(prelabel.class()) < classes;
    Ok(Labeled {
        item: key,
        opaque: row.opaque,
        stage: row.stage,
        record: label_of_record(&reads),
        answered: answered(&past).filter(known),
        past,
    })
}

fn waiting(store: &Store, project: &ProjectRow) -> Result<Vec<Waiting>, StoreError> {
    let classes = project.definition.classes.len();
    let mut found = Vec::new();
    for stage in [Stage::Expert, Stage::First] {
        let mut after = 0;
        while found.len() < WAITING_MAX {
            let step = store
                .read("quality waiting", |tx| tx.untouched(project.project, stage, after, STEP))?;
            let Some((last, _)) = step.last() else { break };
            after = *last;
            for (item, prelabel) in step {
                let prelabel = Prelabel::decode(&prelabel)?;
                if usize::from(prelabel.class()) < classes {
                    found.push(Waiting { item, prelabel });
                }
            }
        }
    }
    found.truncate(WAITING_MAX);
    Ok(found)
}

/// The classes' probabilities as far as the store knows them: a prelabel keeps its class and how
/// sure it is, and the others share the rest alike. Exact for two classes.
pub(super) fn probabilities(prelabel: &Prelabel, classes: usize, out: &mut Vec<f64>) {
    let sure = if prelabel.confidence().is_finite() { prelabel.confidence() } else { 0.0 };
    let sure = sure.clamp(0.0, 1.0);
    let others = u32::try_from(classes.saturating_sub(1)).unwrap_or(u32::MAX).max(1);
    let rest = (1.0 - sure) / f64::from(others);
    let own = usize::from(prelabel.class());
    out.extend((0..classes).map(|class| if class == own { sure } else { rest }));
}
