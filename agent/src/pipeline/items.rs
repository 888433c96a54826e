//! Items on their way to people: redacted, prelabeled, routed.

use super::{Pipeline, PipelineError};
use crate::item::CleanItem;
use crate::prelabel::Prelabel;
use crate::redact::{Engine, Mode, Profile};
use crate::route;
use crate::store::items::{ItemRow, Stage};
use crate::store::orders::ProjectRow;
use crate::store::{Store, StoreError};

/// Items redacted, or prelabeled, in one tick.
const BATCH_ITEMS: u32 = 128;

impl Pipeline {
    /// Redacts the oldest new items of a project.
    pub(super) fn redact(&mut self, project: &ProjectRow) -> Result<bool, PipelineError> {
        let rows = self.store.read("new items", |tx| {
            tx.items_in_stage(project.project, Stage::New, 0, BATCH_ITEMS)
        })?;
        if rows.is_empty() {
            return Ok(false);
        }
        let redactor = self.redactor.get_or_insert_with(|| Engine::new(Profile::default()));
        let mut clean = Vec::with_capacity(rows.len());
        for row in rows {
            let item = CleanItem::redact(&row, &project.definition, |text| {
                redactor.clean(text, Mode::Mask).text
            })?;
            clean.push((row, item));
        }
        self.store
            .tx("redacted", |tx| clean.iter().try_for_each(|(row, item)| item.store(tx, row)))?;
        Ok(true)
    }

    /// Prelabels the oldest clean items of a project; when there are none, those that an earlier
    /// bundle prelabeled and nobody has touched.
    pub(super) fn prelabel(
        &mut self,
        project: &ProjectRow,
        now: i64,
    ) -> Result<bool, PipelineError> {
        let Some(bundle) = project.bundle else { return Ok(false) };
        let rows = self.store.read("clean items", |tx| {
            let fresh = tx.items_in_stage(project.project, Stage::Clean, 0, BATCH_ITEMS)?;
            if !fresh.is_empty() {
                return Ok(fresh);
            }
            tx.items_of_other_bundle(project.project, &bundle.0, 0, BATCH_ITEMS, now)
        })?;
        if rows.is_empty() {
            return Ok(false);
        }
        let items = rows.iter().map(CleanItem::load).collect::<Result<Vec<_>, StoreError>>()?;
        let Some(model) = self.model(project)? else { return Ok(false) };
        let prelabels = model.prelabel(&items)?;
        let placed = place(&self.store, project, &rows, &prelabels, now)?;
        metrics::counter!("insitu_agent_items_prelabeled_total").increment(placed);
        // Nothing placed: every item was leased meanwhile. No use in trying again at once.
        Ok(placed > 0)
    }
}

fn place(
    store: &Store,
    project: &ProjectRow,
    rows: &[ItemRow],
    prelabels: &[Prelabel],
    now: i64,
) -> Result<u64, StoreError> {
    let routing = &project.definition.routing;
    store.tx("prelabeled", |tx| {
        let mut placed = 0;
        for (row, prelabel) in rows.iter().zip(prelabels) {
            let route = route::route(routing, prelabel.confidence_milli());
            placed += u64::from(route::place(tx, routing, row, prelabel, route, now)?);
        }
        Ok(placed)
    })
}
