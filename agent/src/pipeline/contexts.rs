//! Where and when corrections were made, as applications tell it: redacted like items.

use super::redactors::{RedactError, Redactor, keep_originals};
use super::{Pipeline, PipelineError};
use crate::redact::Replacement;
use crate::review::{CleanContext, RawContext, Unasked};
use crate::store::corrections::CorrectionRow;
use crate::store::orders::ProjectRow;
use crate::store::{Store, StoreError};

/// Contexts redacted in one tick.
const BATCH_CONTEXTS: u32 = 128;

impl Pipeline {
    /// Redacts the oldest contexts of a project's corrections that are as they were told. One that cannot
    /// be cleaned is withheld from everybody; while the project's settings are refused, all of them wait.
    pub(super) fn redact_contexts(&mut self, project: &ProjectRow) -> Result<bool, PipelineError> {
        let rows = self
            .store
            .read("raw contexts", |tx| tx.raw_contexts(project.project, BATCH_CONTEXTS))?;
        if rows.is_empty() {
            return Ok(false);
        }
        let Some(redactor) = self.redactors.of(&self.store, &project.definition.name)? else {
            return Ok(false);
        };
        redact(&self.store, redactor, &rows)?;
        Ok(true)
    }
}

fn redact(store: &Store, redactor: &Redactor, rows: &[CorrectionRow]) -> Result<(), StoreError> {
    let cleaned = rows.iter().map(|row| (row, clean(store, redactor, row))).collect::<Vec<_>>();
    store.tx("contexts redacted", |tx| {
        cleaned.iter().try_for_each(|(row, cleaned)| match cleaned {
            Ok((body, replaced)) => {
                if tx.set_clean_context(row, body)? {
                    keep_originals(tx, Some(row.item), replaced)?;
                }
                Ok(())
            }
            Err(reason) => {
                metrics::counter!(
                    "insitu_agent_contexts_quarantined_total", "reason" => reason.name()
                )
                .increment(1);
                tx.withhold_context(row, &reason.told())
            }
        })
    })
}

/// The body of a correction with its context redacted, and what got a surrogate.
fn clean(
    store: &Store,
    redactor: &Redactor,
    row: &CorrectionRow,
) -> Result<(Vec<u8>, Vec<Replacement>), RedactError> {
    let mut said = Unasked::decode(&row.body)?;
    let raw = std::mem::take(&mut said.context);
    if raw == RawContext::default() {
        return Ok((row.body.clone(), Vec::new()));
    }
    let item = store.read("item of a context", |tx| tx.item(row.item))?;
    let item = item.ok_or(StoreError::Corrupt { table: "corrections", column: "item" })?;
    let mut replaced = Vec::new();
    let clean = CleanContext::redact(raw, &item, |dirty, part| {
        redactor.clean(&redactor.hints(&item, dirty.beside), dirty, part, &mut replaced)
    })?;
    Ok((said.cleaned(clean).encode()?, replaced))
}

#[cfg(test)]
mod tests;
