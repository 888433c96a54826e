//! Items on their way to people: redacted, prelabeled, routed.

use std::cell::OnceCell;

use insitu_protocol::ids::Digest;
use insitu_protocol::project::{Project, Task};

use super::redactors::{Redactor, keep_originals};
use super::{Pipeline, PipelineError, offered};
use crate::item::CleanItem;
use crate::prelabel::Draft;
use crate::route::{self, Accepts};
use crate::store::items::{ItemRow, Stage};
use crate::store::orders::{BundleRow, ProjectRow};
use crate::store::{Store, StoreError};

/// Items redacted, or prelabeled, in one tick.
const BATCH_ITEMS: u32 = 128;

impl Pipeline {
    /// Redacts the oldest new items of a project. One that cannot be cleaned is put aside, for
    /// nobody to see; while the project's settings are refused, all of them wait.
    pub(super) fn redact(&mut self, project: &ProjectRow) -> Result<bool, PipelineError> {
        let rows = self.store.read("new items", |tx| {
            tx.items_in_stage(project.project, Stage::New, 0, BATCH_ITEMS)
        })?;
        if rows.is_empty() {
            return Ok(false);
        }
        let Some(redactor) = self.redactors.of(&self.store, &project.definition.name)? else {
            return Ok(false);
        };
        redact(&self.store, redactor, &project.definition, rows)?;
        Ok(true)
    }

    /// Prelabels the oldest clean items of a project; when there are none, those that an earlier
    /// bundle prelabeled and nobody has touched.
    pub(super) fn prelabel(
        &mut self,
        project: &ProjectRow,
        now: i64,
    ) -> Result<bool, PipelineError> {
        if offered::place(&self.store, project, now)? || self.take_made(project, now)? {
            return Ok(true);
        }
        let Some(bundle) = project.bundle else { return self.hand_over(project) };
        let wants = self.personals.wants(&project.definition.name);
        let (maker, rows) = self.store.read("clean items", |tx| {
            let maker = if wants { tx.maker(project.project, &bundle)? } else { bundle };
            let fresh = tx.items_in_stage(project.project, Stage::Clean, 0, BATCH_ITEMS)?;
            if !fresh.is_empty() {
                return Ok((maker, fresh));
            }
            let others = tx.items_of_other_bundle(project.project, &maker.0, BATCH_ITEMS, now)?;
            Ok::<_, StoreError>((maker, others))
        })?;
        if rows.is_empty() {
            return Ok(false);
        }
        let items = rows.iter().map(CleanItem::load).collect::<Result<Vec<_>, StoreError>>()?;
        let serves = self.model(project, now)?.map(|model| model.maker());
        if serves.is_some_and(|serves| serves != maker) {
            self.serve_personal(project, now)?;
        }
        let Some(model) = self.model(project, now)? else { return Ok(false) };
        let maker = model.maker();
        let (mut drafts, mut failed) = (Vec::with_capacity(rows.len()), Vec::new());
        for (row, item) in rows.iter().zip(&items) {
            match model.prelabel(item) {
                Some(draft) => drafts.push((row, draft)),
                None => failed.push(row),
            }
        }
        let accepts =
            self.store.read("acceptance", |tx| self.acceptances.of(tx, project, &maker))?;
        let drafted = place(&self.store, project, &accepts, drafts.into_iter(), now)?;
        metrics::counter!("insitu_agent_items_prelabeled_total").increment(drafted);
        let handed = place_failed(&self.store, project, maker, &failed, now)?;
        metrics::counter!("insitu_agent_items_undrafted_total").increment(handed);
        // Nothing placed: every item was leased meanwhile. No use in trying again at once.
        Ok(drafted + handed > 0)
    }
}

impl Pipeline {
    /// Sends the oldest clean items of a project whose labels no model drafts to people as they are.
    /// Those of a project whose labels are a class wait for its first bundle, unless somebody has
    /// labeled them already and no bundle is on its way for the label to answer.
    fn hand_over(&self, project: &ProjectRow) -> Result<bool, PipelineError> {
        let name = &project.definition.name;
        let rows = self.store.read("clean items", |tx| {
            if project.definition.task != Task::Class {
                return tx.items_in_stage(project.project, Stage::Clean, 0, BATCH_ITEMS);
            }
            let coming = |row: &BundleRow| row.order.project == *name && row.state.is_coming();
            if tx.bundles()?.iter().any(coming) {
                return Ok(Vec::new());
            }
            tx.items_labeled_early(project.project, BATCH_ITEMS)
        })?;
        if rows.is_empty() {
            return Ok(false);
        }
        let routing = &project.definition.routing;
        self.store.alone("handed over", |tx| {
            let mut placed = false;
            for row in &rows {
                placed |= route::place_without_prelabel(tx, routing, row)?;
            }
            Ok(placed)
        })
    }

    /// Gives synthetic items that were made for a class that class as their draft: what their
    /// generator was asked for is what people judge, and no model's opinion of it.
    fn take_made(&self, project: &ProjectRow, now: i64) -> Result<bool, StoreError> {
        if !project.definition.task.is_one_class() {
            return Ok(false);
        }
        let classes = project.definition.classes.len();
        let rows = self
            .store
            .read("made items", |tx| tx.made_items(project.project, classes, BATCH_ITEMS))?;
        if rows.is_empty() {
            return Ok(false);
        }
        let drafts = rows.iter().filter_map(|row| Some((row, Draft::by_generator(row.made_for?))));
        Ok(place(&self.store, project, &Accepts::Nothing, drafts, now)? > 0)
    }
}

/// Redacts new items, and puts those aside that cannot be cleaned.
///
/// # Errors
/// [`StoreError`].
pub(crate) fn redact(
    store: &Store,
    redactor: &Redactor,
    project: &Project,
    rows: Vec<ItemRow>,
) -> Result<(), StoreError> {
    let mut done = Vec::with_capacity(rows.len());
    for row in rows {
        let mut replaced = Vec::new();
        let hints = OnceCell::new();
        let clean = CleanItem::redact(
            &row,
            project,
            |dirty, value| {
                let hints = hints.get_or_init(|| redactor.hints(&row, dirty.beside));
                redactor.clean(hints, dirty, value, &mut replaced)
            },
            |_| redactor.image(),
        );
        done.push((row, clean, replaced));
    }
    store.alone("redacted", |tx| {
        done.iter().try_for_each(|(row, clean, replaced)| match clean {
            Ok(item) => {
                if item.store(tx, row)? {
                    keep_originals(tx, Some(row.item), replaced)?;
                }
                Ok(())
            }
            Err(reason) => {
                metrics::counter!("insitu_agent_items_quarantined_total", "reason" => reason.name())
                    .increment(1);
                tx.quarantine(row.item, &reason.told())
            }
        })
    })
}

fn place<'a>(
    store: &Store,
    project: &ProjectRow,
    accepts: &Accepts,
    drafts: impl Iterator<Item = (&'a ItemRow, Draft)>,
    now: i64,
) -> Result<u64, StoreError> {
    let project = &project.definition;
    store.alone("prelabeled", |tx| {
        let mut placed = 0;
        for (row, draft) in drafts {
            placed += u64::from(route::place(tx, project, accepts, row, &draft, now)?);
        }
        Ok(placed)
    })
}

/// Sends items that the model in use fails on to people: it is not asked about them again.
fn place_failed(
    store: &Store,
    project: &ProjectRow,
    maker: Digest,
    rows: &[&ItemRow],
    now: i64,
) -> Result<u64, StoreError> {
    if rows.is_empty() {
        return Ok(0);
    }
    store.alone("not drafted", |tx| {
        let routing = &project.definition.routing;
        rows.iter().try_fold(0, |placed, row| {
            Ok(placed + u64::from(route::place_failed(tx, routing, row, maker, now)?))
        })
    })
}
