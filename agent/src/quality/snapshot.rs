//! What a report is made of, read in small steps: nobody at the review table waits long for one.

use insitu_protocol::ids::{Digest, ProjectName};

use super::{LABELED_MAX, WAITING_MAX};
use crate::label::Label;
use crate::prelabel::{Prelabel, decode_probabilities};
use crate::review::{PastRead, ReviewError, answered, past_reads};
use crate::route::{Read, label_of_record};
use crate::store::items::{STAGES, Stage};
use crate::store::labels::{Person, Reading};
use crate::store::orders::ProjectRow;
use crate::store::quality::Untouched;
use crate::store::{Store, StoreError, Tx};

/// Items read in one transaction.
const STEP: u32 = 128;

/// A project's labels and what waits for one.
pub(crate) struct Snapshot {
    pub(crate) project: ProjectRow,
    pub(crate) people: Vec<Person>,
    /// Items with a label, newest first; at most [`LABELED_MAX`].
    pub(crate) labeled: Vec<Labeled>,
    /// There are more.
    pub(crate) cut: bool,
    /// Items that nobody has looked at, oldest first; at most [`WAITING_MAX`].
    pub(crate) waiting: Vec<Waiting>,
    /// Items by stage, in the order of [`Stage::ALL`].
    pub(crate) stages: [u64; STAGES],
}

/// An item with a label.
pub(crate) struct Labeled {
    pub(crate) item: i64,
    pub(crate) opaque: [u8; 16],
    pub(crate) stage: Stage,
    pub(crate) past: Vec<PastRead>,
    /// The label of record, if it is exactly one class.
    pub(crate) record: Option<u16>,
    /// The prelabel that people answered, if it is exactly one class.
    pub(crate) answered: Option<Prelabel>,
    /// That label, of any kind.
    pub(crate) said: Option<Label>,
    /// The prelabel that people answered, of any kind.
    pub(crate) drafted: Option<Prelabel>,
    /// Its probabilities of each class, as far as its maker gave them.
    pub(crate) probabilities: Option<Vec<f64>>,
}

/// An item that waits for its first label.
pub(crate) struct Waiting {
    pub(crate) item: i64,
    pub(crate) prelabel: Prelabel,
    /// Of each class, as far as its maker gave them.
    pub(crate) probabilities: Option<Vec<f64>>,
    /// It comes before others already.
    pub(crate) wanted: bool,
}

impl Labeled {
    /// What the first and the second reader said, of an item that two people read.
    pub(crate) fn labels(&self) -> Option<(&Label, &Label)> {
        let label = |wanted| {
            // Who skipped it first said nothing of it.
            let mut reads = self.past.iter().filter(|past| past.read.reading == wanted);
            reads.find_map(PastRead::label)
        };
        label(Reading::First).zip(label(Reading::Second))
    }

    /// Their classes, where both are exactly one.
    pub(crate) fn pair(&self) -> Option<(u16, u16)> {
        let (first, second) = self.labels()?;
        first.class().zip(second.class())
    }

    /// Whether two different people gave a label.
    pub(crate) fn is_shared(&self) -> bool {
        let mut people = self.past.iter().filter(|past| past.label().is_some()).map(|p| p.person);
        people.next().is_some_and(|first| people.any(|other| other != first))
    }
}

impl Snapshot {
    pub(crate) fn read(store: &Store, project: &ProjectName) -> Result<Self, ReviewError> {
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
    pub(crate) fn classes(&self) -> usize {
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
    // Judgements beside synthetic items and answers to gold have figures of their own, and an older version of the
    // project may have had more classes.
    past.retain(|past| {
        past.read.reading.is_of_record()
            && past.label().is_none_or(|label| label.is_within(classes))
    });
    let reads: Vec<Read> = past.iter().map(|past| past.read.clone()).collect();
    let known = |prelabel: &&Prelabel| is_class_of(prelabel, classes);
    let prelabel = row.prelabel.as_deref().map(Prelabel::decode).transpose()?;
    let drafted = answered(&past).cloned();
    let answered = drafted.as_ref().filter(known).cloned();
    // The store has the latest draft's alone.
    let same = answered.is_some() && answered == prelabel;
    let probabilities = row.probabilities.as_deref().filter(|_| same);
    Ok(Labeled {
        item: key,
        opaque: row.opaque,
        stage: row.stage,
        record: label_of_record(&reads).and_then(Label::class),
        said: label_of_record(&reads).cloned(),
        drafted,
        answered,
        probabilities: probabilities.and_then(|bytes| decode_probabilities(bytes, classes)),
        past,
    })
}

/// How sure the maker of drafts was of those that people answered, and whether it was right; the newest
/// of them.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn corrections(
    store: &Store,
    project: &ProjectRow,
    maker: &Digest,
) -> Result<(Vec<f64>, Vec<bool>), StoreError> {
    let (labeled, _) = labeled(store, project)?;
    let answers = labeled.iter().filter_map(|item| Some((item.answered.as_ref()?, item.record?)));
    let of_maker = answers.filter(|(prelabel, _)| prelabel.bundle() == *maker);
    Ok(of_maker
        .map(|(prelabel, record)| {
            (prelabel.confidence().clamp(0.0, 1.0), prelabel.class() == Some(record))
        })
        .unzip())
}

fn waiting(store: &Store, project: &ProjectRow) -> Result<Vec<Waiting>, StoreError> {
    let classes = project.definition.classes.len();
    let mut found = Vec::new();
    for stage in [Stage::Expert, Stage::First] {
        let mut after = 0;
        while found.len() < WAITING_MAX {
            let step = store
                .read("quality waiting", |tx| tx.untouched(project.project, stage, after, STEP))?;
            let Some(last) = step.last() else { break };
            after = last.item;
            for Untouched { item, prelabel, probabilities, wanted } in step {
                let prelabel = Prelabel::decode(&prelabel)?;
                if is_class_of(&prelabel, classes) {
                    let probabilities = probabilities.as_deref();
                    let probabilities =
                        probabilities.and_then(|bytes| decode_probabilities(bytes, classes));
                    found.push(Waiting { item, prelabel, probabilities, wanted });
                }
            }
        }
    }
    found.truncate(WAITING_MAX);
    Ok(found)
}

/// Whether a prelabel is exactly one class that the project has.
fn is_class_of(prelabel: &Prelabel, classes: usize) -> bool {
    prelabel.class().is_some_and(|class| usize::from(class) < classes)
}

/// The classes' probabilities: those that the prelabel's maker gave; else, of a prelabel of which only
/// its class is known and how sure it is, the others share the rest alike.
pub(crate) fn probabilities(
    prelabel: &Prelabel,
    known: Option<&[f64]>,
    classes: usize,
    out: &mut Vec<f64>,
) {
    if let Some(known) = known {
        out.extend(known);
        return;
    }
    let sure = if prelabel.confidence().is_finite() { prelabel.confidence() } else { 0.0 };
    let sure = sure.clamp(0.0, 1.0);
    let others = u32::try_from(classes.saturating_sub(1)).unwrap_or(u32::MAX).max(1);
    let rest = (1.0 - sure) / f64::from(others);
    let own = prelabel.class().map(usize::from);
    out.extend((0..classes).map(|class| if Some(class) == own { sure } else { rest }));
}
