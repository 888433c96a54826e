//! Plays the distinguishing game through a path, and keeps what its bytes showed.
//!
//! Two sites are set up. A coin decides for each canary in which of the two it is, so each canary
//! is missing from one data set and part of the other. Both release again and again; from each
//! release's bytes the attacker, who knows everything but one canary's coin, computes that canary's
//! score: what is left in its own cells after everybody else's share is taken off.

use std::collections::{BTreeMap, BTreeSet};

use insitu_models::bundle::Bundle;
use insitu_privacy::NoisePool;
use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::order::{CampaignOrder, Clause, RoundOrder, Selector};
use insitu_protocol::release::{Body, Release as Wire};

use super::path::Path;
use super::site::{NANO_RHO, NOW, Shape, Site, answer, code_of, line};
use super::{AuditError, Progress};
use crate::item::CleanItem;
use crate::outbox;
use crate::prelabel::{self, Model};
use crate::review;
use crate::store::campaigns::CampaignState;
use crate::store::items::WindowItem;
use crate::store::orders::ProjectRow;
use crate::tally::{self, Tally};

/// Windows whose releases are one transaction.
const WINDOWS_AT_ONCE: u32 = 8;
/// Training rounds whose releases are one transaction.
const ROUNDS_AT_ONCE: u32 = 4;
/// Clip norm of a round in thousandths: below the norm of any canary's gradient.
const CLIP_MILLI: u32 = 500;
/// Fraction bits of a round.
const FRACTION_BITS: u8 = 12;
/// Items read in one transaction.
const PAGE_ROWS: u32 = 256;

/// What is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Game {
    /// Statistics windows: confusion, coincidence, calibration, drift.
    Windows,
    /// Training rounds: updates.
    Rounds,
    /// Campaigns.
    Campaigns,
}

/// How much is played.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) shape: Shape,
    pub(super) windows: u32,
    pub(super) rounds: u32,
    pub(super) campaigns: u32,
}

/// What one release showed.
#[derive(Debug)]
pub(super) struct Run {
    /// Released value minus exact value, of each cell.
    pub(super) residuals: Vec<i64>,
    /// The attacker's score of each canary with cells of its own, and whether it was in. Without
    /// the canary the score is centred at zero.
    pub(super) scores: Vec<(f64, bool)>,
}

/// What the releases of one kind showed.
#[derive(Debug)]
pub(super) struct Evidence {
    /// The price that the bytes name.
    pub(super) nano_rho: u64,
    /// The scale of the noise that the bytes name.
    pub(super) scale_1024: u64,
    /// Cells to each of which a subject adds or takes 1; `None` for a clipped sum.
    pub(super) cells: Option<u32>,
    pub(super) runs: Vec<Run>,
}

/// Everything that was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) evidence: BTreeMap<&'static str, Evidence>,
    /// Releases that were sent a second time.
    pub(super) retries: u64,
    /// Of these, those whose bytes were others.
    pub(super) retries_changed: u64,
    /// What is wrong with the ledger.
    pub(super) ledger: Vec<String>,
}

/// A canary with cells that nobody else touches.
#[derive(Clone, Debug)]
struct Player {
    canary: usize,
    /// Cells and the weight of each in the score.
    cells: Vec<(usize, f64)>,
    /// What the canary adds to the score.
    shift: f64,
}

/// The exact values of a release, and who plays for what in it.
struct Expected {
    truth: Vec<i64>,
    cells: Option<u32>,
    players: Vec<Player>,
}

/// The two sites, and the model at both.
pub(super) struct Arena<'a> {
    path: &'a dyn Path,
    plan: Plan,
    sites: [Site; 2],
    pool: NoisePool,
    model: Model,
    seen: Seen,
}

impl<'a> Arena<'a> {
    /// Sets the sites up.
    pub(super) fn build(
        path: &'a dyn Path,
        plan: Plan,
        bundle: &Bundle,
        model: Model,
    ) -> Result<Self, AuditError> {
        let mut coins = vec![0; plan.shape.codes()];
        getrandom::fill(&mut coins).map_err(|_| AuditError::Randomness)?;
        let heads: Vec<bool> = coins.iter().map(|coin| coin & 1 == 1).collect();
        let tails = heads.iter().map(|coin| !coin).collect();
        let sites = [
            Site::build(path, &plan.shape, bundle, heads)?,
            Site::build(path, &plan.shape, bundle, tails)?,
        ];
        Ok(Self { path, plan, sites, pool: NoisePool::new(), model, seen: Seen::default() })
    }

    /// Plays a game to its end.
    pub(super) fn play(&mut self, game: Game, progress: Progress<'_>) -> Result<(), AuditError> {
        match game {
            Game::Windows => self.windows(progress),
            Game::Rounds => self.rounds(progress),
            Game::Campaigns => self.campaigns(progress),
        }
    }

    /// What was seen, with both ledgers checked.
    pub(super) fn end(mut self) -> Result<Seen, AuditError> {
        for site in &self.sites {
            check_ledger(site, &mut self.seen)?;
        }
        Ok(self.seen)
    }

    fn windows(&mut self, progress: Progress<'_>) -> Result<(), AuditError> {
        let Self { path, plan, sites, pool, seen, .. } = self;
        let expected = sites.each_ref().map(|site| statistics(&plan.shape, site));
        for first in (1..=plan.windows).step_by(WINDOWS_AT_ONCE as usize) {
            progress("statistics windows", first, plan.windows);
            let which = usize::from(first / WINDOWS_AT_ONCE % 2 == 1);
            let site = &sites[which];
            let last = (first + WINDOWS_AT_ONCE).min(plan.windows + 1);
            let mut tallies = Vec::new();
            for window in first..last {
                // Items are not taken by the window, so that the next one may count them again.
                let row = ProjectRow { window, ..site.row.clone() };
                let counted = site.store.read("audit", |tx| tally::window(tx, &row))?;
                tallies.extend(counted.tallies);
            }
            path.release(site, pool, &tallies)?;
            let expected = &expected[which];
            drain(*path, site, seen, |wire| expected.get(wire.body.name()))?;
        }
        Ok(())
    }

    fn rounds(&mut self, progress: Progress<'_>) -> Result<(), AuditError> {
        let Self { path, plan, sites, pool, model, seen } = self;
        let expected = sites.each_ref().map(|site| update(&plan.shape, site));
        for first in (0..plan.rounds).step_by(ROUNDS_AT_ONCE as usize) {
            progress("training rounds", first, plan.rounds);
            let which = usize::from(first / ROUNDS_AT_ONCE % 2 == 1);
            let site = &sites[which];
            let last = (first + ROUNDS_AT_ONCE).min(plan.rounds);
            let orders = (first..last).map(|round| round_order(&plan.shape, site, model, round));
            let tallies = orders
                .collect::<Vec<_>>()
                .iter()
                .map(|order| path.gradient(&site.store, model, &site.row, order))
                .collect::<Result<Vec<_>, _>>()?;
            path.release(site, pool, &tallies)?;
            drain(*path, site, seen, |_| Some(&expected[which]))?;
        }
        Ok(())
    }

    fn campaigns(&mut self, progress: Progress<'_>) -> Result<(), AuditError> {
        let Self { path, plan, sites, pool, seen, .. } = self;
        let at_once = u32::try_from(plan.shape.witnesses).unwrap_or(u32::MAX);
        let matched = [matched(&sites[0], &plan.shape)?, matched(&sites[1], &plan.shape)?];
        for first in (0..plan.campaigns).step_by(plan.shape.witnesses) {
            progress("campaigns", first, plan.campaigns);
            let which = usize::from(first / at_once % 2 == 1);
            let (site, matched) = (&sites[which], &matched[which]);
            let orders: Vec<CampaignOrder> = (0..at_once)
                .map(|slot| campaign_order(site, first + slot))
                .collect::<Result<_, _>>()?;
            let tallies = campaign_tallies(site, &plan.shape, &orders, matched)?;
            path.release(site, pool, &tallies)?;
            let expected: BTreeMap<_, _> = orders
                .iter()
                .enumerate()
                .map(|(slot, order)| (order.campaign, answered(site, slot)))
                .collect();
            drain(*path, site, seen, |wire| {
                let Body::Campaign { campaign } = wire.body else { return None };
                expected.get(&campaign)
            })?;
            site.store.tx("audit", |tx| {
                orders.iter().try_for_each(|order| {
                    let (from, to) = (CampaignState::Open, CampaignState::Answered);
                    tx.move_campaign(&order.campaign, from, to, "").map(drop)
                })
            })?;
        }
        Ok(())
    }
}

/// Takes what is queued as the link would, the first release twice, and reads the bytes.
fn drain<'e>(
    path: &dyn Path,
    site: &Site,
    seen: &mut Seen,
    expected: impl Fn(&Wire) -> Option<&'e Expected>,
) -> Result<(), AuditError> {
    let sent = site.store.tx("audit", |tx| {
        let mut sent = Vec::new();
        while let Some((sequence, bytes)) = path.attempt(tx, NOW)? {
            if sent.is_empty() {
                let again = path.attempt(tx, NOW)?;
                seen.retries += 1;
                seen.retries_changed += u64::from(again != Some((sequence, bytes.clone())));
            }
            tx.mark_acknowledged(sequence, NOW)?;
            sent.push(bytes);
        }
        Ok::<_, AuditError>(sent)
    })?;
    for bytes in sent {
        let wire = Wire::decode(&bytes).map_err(|_| AuditError::Bytes)?;
        let expected = expected(&wire).ok_or(AuditError::Bytes)?;
        if wire.values.0.len() != expected.truth.len() {
            return Err(AuditError::Bytes);
        }
        let evidence = seen.evidence.entry(wire.body.name()).or_insert_with(|| Evidence {
            nano_rho: wire.nano_rho,
            scale_1024: wire.scale_1024,
            cells: expected.cells,
            runs: Vec::new(),
        });
        evidence.runs.push(run(&wire, expected, &site.present));
    }
    Ok(())
}

fn run(wire: &Wire, expected: &Expected, present: &[bool]) -> Run {
    let values = wire.values.0.iter().zip(&expected.truth);
    let residuals: Vec<i64> = values.map(|(value, truth)| i64::from(*value) - truth).collect();
    let scores = expected.players.iter().map(|player| {
        let rest = |(cell, weight): &(usize, f64)| residuals[*cell] as f64 * weight;
        let in_data = present[player.canary];
        // The player's own share goes back in: the attacker does not know it.
        let own = if in_data { player.shift } else { 0.0 };
        (player.cells.iter().map(rest).sum::<f64>() + own, in_data)
    });
    let scores = scores.collect();
    Run { residuals, scores }
}

/// The exact statistics of a site, by kind.
fn statistics(shape: &Shape, site: &Site) -> BTreeMap<&'static str, Expected> {
    let project = &site.row.definition;
    let lengths = [
        ("confusion", shape.codes()),
        ("coincidence", shape.codes()),
        ("calibration", shape.bins() * 2),
        ("drift", project.drift_bins()),
    ];
    let cells = |kind: &str, code: usize| match kind {
        "calibration" => {
            vec![shape.bin(code) * 2 + usize::from(shape.first(code) == shape.second(code))]
        }
        "drift" => {
            let mut start = 0;
            let mut cells = Vec::new();
            for feature in &project.features {
                cells.push(start + feature.bin_of_number(Some(code as f64)));
                start += feature.bin_count();
            }
            cells
        }
        _ => vec![code],
    };
    let expected = lengths.into_iter().map(|(kind, length)| {
        let mut truth = vec![0; length];
        for code in site.codes(shape) {
            cells(kind, code).into_iter().for_each(|cell| truth[cell] += 1);
        }
        let mut taken = BTreeSet::new();
        let players = (0..shape.codes())
            .map(|canary| (canary, cells(kind, canary)))
            .filter(|(_, cells)| taken.insert(cells[0]))
            .map(|(canary, cells)| Player {
                canary,
                shift: cells.len() as f64,
                cells: cells.into_iter().map(|cell| (cell, 1.0)).collect(),
            })
            .collect();
        let cells = u32::try_from(cells(kind, 0).len()).ok();
        (kind, Expected { truth, cells, players })
    });
    expected.collect()
}

/// The exact answer of a site to a round at a head of zeros: each subject's gradient, clipped.
#[expect(clippy::cast_possible_truncation, reason = "truncation towards zero is the mechanism")]
fn update(shape: &Shape, site: &Site) -> Expected {
    let (classes, features) = (shape.classes, shape.codes());
    let bound = f64::from(CLIP_MILLI) / 1000.0 * f64::from(1_u32 << FRACTION_BITS);
    // Of one item of a code, by class: the softmax of zeros minus the label.
    let direction = |code: usize| -> Vec<f64> {
        let label = |class| if class == shape.second(code) { 1.0 } else { 0.0 };
        let residual: Vec<f64> =
            (0..classes).map(|class| 1.0 / classes as f64 - label(class)).collect();
        let norm = residual.iter().map(|x| x * x).sum::<f64>().sqrt();
        residual.into_iter().map(|x| x / norm).collect()
    };
    let mut truth = vec![0; classes * features];
    for code in site.codes(shape) {
        for (class, part) in direction(code).into_iter().enumerate() {
            truth[class * features + code] += (part * bound) as i64;
        }
    }
    let players = (0..features).map(|canary| Player {
        canary,
        cells: direction(canary)
            .into_iter()
            .enumerate()
            .map(|(class, part)| (class * features + canary, part / bound))
            .collect(),
        shift: 1.0,
    });
    Expected { truth, cells: None, players: players.collect() }
}

/// The exact answer to the campaign of a slot, `[waiting, kept, changed]`: the canary takes the one
/// place and is answered, or the witness has it and waits.
fn answered(site: &Site, slot: usize) -> Expected {
    let truth = if site.present[slot] { vec![0, 1, 0] } else { vec![1, 0, 0] };
    let player = Player { canary: slot, cells: vec![(1, 1.0), (0, -1.0)], shift: 2.0 };
    Expected { truth, cells: Some(2), players: vec![player] }
}

fn round_order(shape: &Shape, site: &Site, model: &Model, round: u32) -> RoundOrder {
    let (classes, features) = (shape.classes, shape.codes());
    RoundOrder {
        run: Fixed(name(round)),
        round: 1,
        rounds: 1,
        project: site.row.definition.name.clone(),
        backbone: model.manifest().backbone.digest,
        head: Bytes(vec![0; classes * features * 4]),
        classes: u16::try_from(classes).unwrap_or(u16::MAX),
        features: u32::try_from(features).unwrap_or(u32::MAX),
        clip_milli: CLIP_MILLI,
        fraction_bits: FRACTION_BITS,
        nano_rho: NANO_RHO,
        closes_unix_s: NOW,
    }
}

fn campaign_order(site: &Site, number: u32) -> Result<CampaignOrder, AuditError> {
    let selector = Selector::new(vec![Clause::ConfidenceBelow { milli: 1000 }]);
    Ok(CampaignOrder {
        campaign: Fixed(name(number)),
        project: site.row.definition.name.clone(),
        title: line("Audit"),
        selector: selector.map_err(|_| AuditError::Bytes)?,
        items_max: 1,
        nano_rho: NANO_RHO,
        answers_unix_s: NOW,
    })
}

/// Sixteen bytes that name a round or a campaign.
fn name(number: u32) -> [u8; 16] {
    let mut name = [0; 16];
    name[..4].copy_from_slice(&number.to_le_bytes());
    name
}

/// What the campaign of each slot matches: the items of one canary, if it is in, before those of
/// one witness.
fn matched(site: &Site, shape: &Shape) -> Result<Vec<Vec<WindowItem>>, AuditError> {
    let mut items: Vec<(usize, WindowItem)> = Vec::new();
    loop {
        let last = items.last().map_or(0, |(_, item)| item.item);
        let page =
            site.store.read("audit", |tx| tx.routed_items(site.row.project, last, PAGE_ROWS))?;
        if page.is_empty() {
            break;
        }
        for row in page {
            let code = code_of(&CleanItem::load(&row)?)?;
            let item = WindowItem { item: row.item, opaque: row.opaque, subject: row.subject };
            items.push((code, item));
        }
    }
    let witnesses = items.split_off(items.len().saturating_sub(shape.witnesses));
    let of_slot = |(slot, (_, witness)): (usize, &(usize, WindowItem))| {
        let of_canary = items.iter().filter(|(code, _)| *code == slot);
        of_canary.map(|(_, item)| *item).chain([*witness]).collect()
    };
    Ok(witnesses.iter().enumerate().map(of_slot).collect())
}

/// Opens a batch of campaigns, has the expert answer the canaries, and counts.
fn campaign_tallies(
    site: &Site,
    shape: &Shape,
    orders: &[CampaignOrder],
    matched: &[Vec<WindowItem>],
) -> Result<Vec<Tally>, AuditError> {
    let store = &site.store;
    store.tx("audit", |tx| {
        for (order, matched) in orders.iter().zip(matched) {
            tx.put_campaign(site.row.project, 1, order, CampaignState::Open, "")?;
            for item in tally::campaign_queue(tx, order, matched) {
                tx.add_campaign_item(&order.campaign, item)?;
            }
        }
        Ok::<_, AuditError>(())
    })?;
    let project = &site.row.definition.name;
    let cards = review::next(store, &site.expert, project, review::ITEMS_MAX, NOW)?;
    let witnesses: BTreeSet<i64> =
        matched.iter().filter_map(|items| items.last()).map(|item| item.item).collect();
    let mut answers = Vec::new();
    for card in cards.iter().filter(|card| !witnesses.contains(&card.row.item)) {
        let class = shape.second(code_of(&card.content)?);
        answers.push((card.row.opaque, class, card.lease.campaign.map(hex::encode)));
    }
    let answers = answers
        .into_iter()
        .map(|(item, class, campaign)| (item, class, campaign.unwrap_or_default()))
        .collect();
    answer(store, &site.expert, answers)?;
    store.read("audit", |tx| {
        let tally = |order| Ok(tally::campaign(tx, &site.row, order, true)?);
        orders.iter().map(tally).collect()
    })
}

/// Whether the ledger was charged for everything that left.
fn check_ledger(site: &Site, seen: &mut Seen) -> Result<(), AuditError> {
    let charged = site.store.read("audit", |tx| tx.charged_since(i64::MIN))?;
    let verified = outbox::verify(&site.store)?;
    seen.ledger.extend(verified.problems);
    let wanted = u128::from(verified.releases) * u128::from(NANO_RHO);
    if u128::from(charged) != wanted {
        seen.ledger.push(format!(
            "{} releases of {NANO_RHO} nano-rho each are charged {charged} instead of {wanted}",
            verified.releases
        ));
    }
    Ok(())
}

/// Loads the audit's model.
pub(super) fn load(bundle: &Bundle) -> Result<Model, AuditError> {
    let engine = prelabel::engine(None).map_err(|error| AuditError::Model(Box::new(error)))?;
    Model::load(&engine, bundle).map_err(|error| AuditError::Model(Box::new(error)))
}
