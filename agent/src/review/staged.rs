//! Review in stages: whom a label goes through before it is final.
//!
//! A label is *settled* when its readers agree or an expert has decided. In a project with stages of
//! review it then waits, stage by stage, for a reviewer who sees it and approves or corrects it: of
//! the stages that take it, those whose share the item is in, and whose classes the label names. A
//! stage is gone through once an item; one that takes a label only since it was corrected comes
//! then. Nobody reviews what they have read. What a reviewer says is the label of record, as an
//! expert's is; a flag sends the item to the experts, and whatever they decide comes to the stage
//! again.
//!
//! What was final when stages were set up stays final. What was said in a stage that another one takes
//! the place of does not count for that one.

use insitu_protocol::project::Project;
use serde_json::json;

use super::{ReviewError, check_expert, check_labels, settle};
use crate::config::{Review, ReviewStage as Setting, ReviewerRole};
use crate::label::Label;
use crate::route::{Read, label_of_record};
use crate::store::items::{ItemRow, Stage};
use crate::store::labels::{Person, Role};
use crate::store::orders::ProjectRow;
use crate::store::reviews::ReviewStage;
use crate::store::trail::{Event, What};
use crate::store::{Store, StoreError, Tx};

/// Items that are put right in one transaction after the stages have changed.
const STEP: u32 = 256;

/// Why the stages that the site wants cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StagesError {
    /// A class that the project does not have.
    #[error(
        "stage {stage} of review is for the class {class:?}, which is none of the {classes} of \
         version {version} of the project"
    )]
    Class {
        /// The stage, from 1.
        stage: usize,
        /// The class.
        class: String,
        /// How many the project has.
        classes: usize,
        /// The project's version.
        version: u32,
    },
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Makes these the stages of a project, and moves what waits for a reviewer to where it now belongs;
/// `true` when they were others before. Nothing has changed when they are refused.
///
/// # Errors
/// [`StagesError`].
pub fn set_up(
    store: &Store,
    project: &ProjectRow,
    review: Option<&Review>,
) -> Result<bool, StagesError> {
    let stages = stages(&project.definition, review)?;
    let changed = store.tx("review stages", |tx| {
        if tx.review_stages(project.project)? == stages {
            return Ok(false);
        }
        tx.set_review_stages(project.project, &stages)?;
        let told = stages.iter().map(|ReviewStage { role, share, classes }| {
            json!({"role": role.name(), "share_milli": share, "classes": classes})
        });
        let told = json!({"review_stages": told.collect::<Vec<_>>()});
        let name = project.definition.name.as_str();
        tx.note(&Event::new(What::Settings).of(name).with(told))?;
        Ok::<_, StoreError>(true)
    })?;
    // Whether or not they have: the last time may have stopped before the end.
    let mut after = 0;
    loop {
        let items = store.tx("review stages", |tx| {
            let items = tx.in_review(project.project, after, STEP)?;
            items.iter().try_for_each(|item| settle(tx, *item).map(drop))?;
            Ok::<_, StoreError>(items)
        })?;
        let Some(last) = items.last() else { break };
        after = *last;
    }
    Ok(changed)
}

/// The stages as the store has them.
///
/// # Errors
/// [`StagesError::Class`].
pub fn stages(project: &Project, review: Option<&Review>) -> Result<Vec<ReviewStage>, StagesError> {
    let wanted = review.map_or(&[][..], |review| &review.stages);
    (1..).zip(wanted).map(|(number, setting)| stage(project, number, setting)).collect()
}

fn stage(project: &Project, number: usize, wanted: &Setting) -> Result<ReviewStage, StagesError> {
    let class = |class: &String| {
        project.class_named(class).ok_or_else(|| StagesError::Class {
            stage: number,
            class: class.clone(),
            classes: project.classes.len(),
            version: project.version,
        })
    };
    Ok(ReviewStage {
        role: match wanted.role {
            ReviewerRole::Annotator => Role::Annotator,
            ReviewerRole::Expert => Role::Expert,
            ReviewerRole::Lead => Role::Lead,
        },
        share: wanted.share_milli(),
        classes: wanted.classes.iter().map(class).collect::<Result<_, _>>()?,
    })
}

/// The stage of review that an item with a settled label waits for; `None` when the label is final.
///
/// # Errors
/// [`StoreError`].
pub(super) fn awaited(
    tx: &Tx<'_>,
    row: &ItemRow,
    reads: &[Read],
) -> Result<Option<u8>, StoreError> {
    let stages = tx.review_stages(row.project)?;
    let Some(label) = label_of_record(reads).filter(|_| !stages.is_empty()) else {
        return Ok(None);
    };
    let (named, reviewed) = (label.named(), tx.reviewed(row.item)?);
    let takes = |(at, stage): &(u8, ReviewStage)| {
        // Of each stage another choice, and of none can a reader tell.
        let chosen = || tx.chosen(&format!("review {at}"), &row.opaque, stage.share, 1000);
        !reviewed.contains(at) && stage.takes(&named) && chosen()
    };
    Ok((0..).zip(stages).find(takes).map(|(at, _)| at))
}

/// The label that a reviewer is shown.
///
/// # Errors
/// [`StoreError`].
pub(super) fn reviewed_label(tx: &Tx<'_>, item: i64) -> Result<Option<Label>, StoreError> {
    Ok(label_of_record(&super::reads(&tx.annotations_of(item)?)?).cloned())
}

/// Which stage it is that an item waits for, by its number from 1 and its role.
///
/// # Errors
/// [`ReviewError::NotLeased`] when it waits for none, or not any more.
pub(super) fn stage_of(tx: &Tx<'_>, row: &ItemRow) -> Result<(u8, Role), ReviewError> {
    let at = row.review.filter(|_| row.stage == Stage::Review).ok_or(ReviewError::NotLeased)?;
    let stages = tx.review_stages(row.project)?;
    let stage = stages.get(usize::from(at)).ok_or(ReviewError::NotLeased)?;
    Ok((at + 1, stage.role))
}

/// A review is for those to give who may review in this stage now, and who have not read the item.
pub(super) fn check_reviewer(
    tx: &Tx<'_>,
    person: &Person,
    row: &ItemRow,
    now: i64,
) -> Result<(), ReviewError> {
    check_labels(person)?;
    let (_, role) = stage_of(tx, row)?;
    if !person.may_review(role, now) {
        if person.role.covers(role) {
            check_expert(person, now)?; // who may, but not any more
        }
        let (role, wanted) = (person.role.name(), role.name());
        return Err(ReviewError::NotReviewer { role, wanted });
    }
    if tx.has_read(row.item, person.person)? {
        return Err(ReviewError::OwnLabel);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
