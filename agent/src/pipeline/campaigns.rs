//! Campaigns: matched against the site's items once, answered once at their closing time.
//!
//! The answer has the same shape, the same cost and the same time whether the campaign was
//! approved, declined, or matched nothing.

use insitu_protocol::ids::CampaignId;

use super::{Pipeline, PipelineError};
use crate::item::CleanItem;
use crate::outbox::{self, OutboxError};
use crate::prelabel::Prelabel;
use crate::prelabel::personal::of_bundle;
use crate::release::{self, Release, ReleaseError};
use crate::store::campaigns::{CampaignRow, CampaignState};
use crate::store::items::{ItemRow, WindowItem};
use crate::store::{StoreError, explain};
use crate::tally;

/// Rows matched in one transaction.
const PAGE_ROWS: u32 = 256;

impl Pipeline {
    /// Matches approved campaigns, and answers those whose time has come.
    pub(super) fn work_on_campaigns(&self, now: i64) -> Result<(), PipelineError> {
        for row in self.store.read("campaigns", |tx| tx.campaigns())? {
            if row.state.is_closed() {
                continue;
            }
            if now >= row.order.answers_unix_s {
                self.answer(&row, now)?;
            } else if row.state == CampaignState::Approved {
                self.match_items(&row)?;
            }
        }
        Ok(())
    }

    /// Queues what the selector matches: see [`tally::campaign_queue`].
    fn match_items(&self, row: &CampaignRow) -> Result<(), PipelineError> {
        let order = &row.order;
        let mut matched = Vec::new();
        let mut last = 0;
        loop {
            let done = self.store.read("match campaign", |tx| {
                let project = tx
                    .project_by_key(row.project)?
                    .ok_or(StoreError::Corrupt { table: "campaigns", column: "project" })?;
                let page = tx.routed_items(row.project, last, PAGE_ROWS)?;
                for item in &page {
                    last = item.item;
                    let prelabel = of_bundle(item)?;
                    let bins = CleanItem::load(item)?.bins(&project.definition);
                    let class = prelabel.as_ref().and_then(Prelabel::class);
                    let milli = prelabel.as_ref().map(Prelabel::confidence_milli);
                    if order.selector.matches(&bins, class, milli) {
                        let ItemRow { item, opaque, subject, .. } = *item;
                        matched.push(WindowItem { item, opaque, subject });
                    }
                }
                Ok::<_, StoreError>(page.is_empty())
            })?;
            if done {
                break;
            }
        }
        self.store.alone("open campaign", |tx| {
            let (from, to) = (CampaignState::Approved, CampaignState::Open);
            if tx.move_campaign(&order.campaign, from, to, "")? {
                let queue = tally::campaign_queue(tx, order, &matched);
                queue.iter().try_for_each(|item| tx.add_campaign_item(&order.campaign, *item))?;
            }
            Ok::<_, StoreError>(())
        })?;
        tracing::info!(campaign = %order.campaign, "campaign open");
        Ok(())
    }

    pub(super) fn answer(&self, row: &CampaignRow, now: i64) -> Result<(), PipelineError> {
        let campaign: &CampaignId = &row.order.campaign;
        match self.release_answer(row, now) {
            Ok(true) => {
                tracing::info!(%campaign, "campaign answered");
                Ok(())
            }
            // The next tick counts anew.
            Ok(false) => Ok(()),
            // An operator must act first; until then nothing is drawn and nothing is charged.
            Err(
                OutboxError::Restored { .. }
                | OutboxError::Lost { .. }
                | OutboxError::ClockBack { .. }
                | OutboxError::Skewed { .. },
            ) => Ok(()),
            Err(error) if error.is_transient() => Err(error.into()),
            Err(error) => {
                let note = explain(&error);
                tracing::warn!(%campaign, reason = note, "campaign not answered");
                self.store.tx("campaign not answered", |tx| {
                    tx.move_campaign(campaign, row.state, CampaignState::Unanswered, &note)
                })?;
                Ok(())
            }
        }
    }

    /// `false` when what was counted does not stand any more: see [`Self::commit_answer`].
    fn release_answer(&self, row: &CampaignRow, now: i64) -> Result<bool, OutboxError> {
        release::draw_ahead(&self.pool, [&tally::campaign_outline(&row.order)])
            .map_err(|source| ReleaseError::Noise { kind: "campaign", source })?;
        let (tally, erasures) = self.store.read("tally campaign", |tx| {
            outbox::check(tx)?;
            let project = tx
                .project_by_key(row.project)?
                .ok_or(StoreError::Corrupt { table: "campaigns", column: "project" })?;
            let answered = row.state == CampaignState::Open;
            let tally = tally::campaign(tx, &project, &row.order, answered)?;
            Ok::<_, OutboxError>((tally, tx.erasures()?))
        })?;
        self.commit_answer(row, Release::make(&tally, &self.pool)?, erasures, now)
    }

    /// `false` when the steward has decided on the campaign since it was counted, or something was
    /// erased since there were so many erasures: of what is erased nothing leaves any more.
    fn commit_answer(
        &self,
        row: &CampaignRow,
        release: Release,
        erasures: u64,
        now: i64,
    ) -> Result<bool, OutboxError> {
        self.store.alone("release campaign", |tx| {
            if tx.erasures()? != erasures {
                return Ok(false);
            }
            let (from, to) = (row.state, CampaignState::Answered);
            let moved = tx.move_campaign(&row.order.campaign, from, to, "")?;
            if moved {
                outbox::commit(tx, vec![release], &self.judge.limits, now)?;
            }
            Ok(moved)
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
