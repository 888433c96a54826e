//! Planted faults: the path with one step done wrong, each of which the audit must catch.
//!
//! They write into stores that the audit made for itself, and exist to be found.

use std::cell::RefCell;
use std::collections::BTreeMap;

use insitu_privacy::{GaussianScale, NoisePool, Rho, SquaredSensitivity, add_noise};
use insitu_protocol::order::RoundOrder;
use insitu_protocol::release::{self, Release as Wire, Values};

use super::path::{self, Path};
use super::play::Game;
use super::site::{NOW, Site};
use super::{AuditError, TestName};
use crate::learn;
use crate::learn::kept::Kept;
use crate::outbox;
use crate::prelabel::Model;
use crate::release::ReleaseError;
use crate::store::ledger::NewEntry;
use crate::store::orders::ProjectRow;
use crate::store::{Store, Tx};
use crate::tally::Tally;

/// By how much "clipping off" lets a subject's gradient pass its bound.
const CLIP_FACTOR: u32 = 8;

/// A fault to plant.
pub(super) struct Fault {
    /// What is wrong, in words.
    pub(super) name: &'static str,
    /// The releases that it is planted in.
    pub(super) game: Game,
    /// The test that is made for it; others may see it too.
    pub(super) expected: TestName,
    /// A path that has it.
    pub(super) path: Box<dyn Path>,
}

/// Every fault.
pub(super) fn all() -> Vec<Fault> {
    let fault = |name, game, expected, path: Box<dyn Path>| Fault { name, game, expected, path };
    vec![
        fault("noise scale halved", Game::Windows, TestName::Residuals, Box::new(HalfNoise)),
        fault(
            "sensitivity off by two",
            Game::Windows,
            TestName::Distinguisher,
            Box::new(HalfSensitivity),
        ),
        fault("clipping off", Game::Rounds, TestName::Distinguisher, Box::new(NoClipping)),
        fault("subject bound off", Game::Windows, TestName::Distinguisher, Box::new(NoSubjects)),
        fault("charge skipped", Game::Windows, TestName::Ledger, Box::new(NoCharge)),
        fault(
            "noise reused",
            Game::Windows,
            TestName::Independence,
            Box::new(OldNoise(RefCell::default())),
        ),
        fault("a retry that re-samples", Game::Windows, TestName::Retry, Box::new(NewNoise)),
    ]
}

/// Draws half of the noise that the release says it has.
struct HalfNoise;

impl Path for HalfNoise {
    fn release(&self, site: &Site, pool: &NoisePool, tallies: &[Tally]) -> Result<(), AuditError> {
        commit_altered(site, pool, tallies, |tally, wire, _| {
            let scale = scale_of(wire.scale_1024 / 2)?;
            wire.values = noised(tally.counts(), scale)?;
            Ok(())
        })
    }
}

/// Believes that a subject moves the counts half as far as it does.
struct HalfSensitivity;

impl Path for HalfSensitivity {
    fn release(&self, site: &Site, pool: &NoisePool, tallies: &[Tally]) -> Result<(), AuditError> {
        commit_altered(site, pool, tallies, |tally, wire, _| {
            let scale = scale_of(wire.scale_1024 / 2)?;
            wire.scale_1024 = scale.steps();
            wire.values = noised(tally.counts(), scale)?;
            Ok(())
        })
    }
}

/// Clips subjects' gradients to a multiple of the bound that the noise is for.
struct NoClipping;

impl Path for NoClipping {
    fn gradient(
        &self,
        store: &Store,
        model: &mut Model,
        project: &ProjectRow,
        order: &RoundOrder,
    ) -> Result<Tally, AuditError> {
        let loose = RoundOrder { clip_milli: order.clip_milli * CLIP_FACTOR, ..order.clone() };
        Ok(learn::update(store, model, &mut Kept::nothing(), project, &loose)?)
    }

    fn release(&self, site: &Site, pool: &NoisePool, tallies: &[Tally]) -> Result<(), AuditError> {
        commit_altered(site, pool, tallies, |tally, wire, _| {
            let right = tally.sensitivity().get() / u64::from(CLIP_FACTOR).pow(2);
            let budget = Rho::from_nano(tally.nano_rho());
            let scale = GaussianScale::for_budget(SquaredSensitivity::new(right), budget)
                .map_err(no_noise)?;
            wire.scale_1024 = scale.steps();
            wire.values = noised(tally.counts(), scale)?;
            Ok(())
        })
    }
}

/// Takes every item for a subject of its own.
struct NoSubjects;

impl Path for NoSubjects {
    fn subject_column(&self) -> Option<&'static str> {
        None
    }
}

/// Queues releases for which the ledger is charged nothing.
struct NoCharge;

impl Path for NoCharge {
    fn release(&self, site: &Site, pool: &NoisePool, tallies: &[Tally]) -> Result<(), AuditError> {
        commit_altered(site, pool, tallies, |_, _, charge| {
            *charge = 0;
            Ok(())
        })
    }
}

/// Adds the noise of the first release of a kind to all of them.
struct OldNoise(RefCell<BTreeMap<&'static str, Vec<i64>>>);

impl Path for OldNoise {
    fn release(&self, site: &Site, pool: &NoisePool, tallies: &[Tally]) -> Result<(), AuditError> {
        commit_altered(site, pool, tallies, |tally, wire, _| {
            let counts = tally.counts();
            let fresh = || {
                let values = wire.values.0.iter().zip(counts);
                values.map(|(value, count)| i64::from(*value) - count).collect()
            };
            let mut known = self.0.borrow_mut();
            let noise = known.entry(wire.body.name()).or_insert_with(fresh);
            let values = counts.iter().zip(noise).map(|(count, noise)| narrow(count + *noise));
            wire.values = Values(values.collect());
            Ok(())
        })
    }
}

/// Draws new noise for every attempt to send.
struct NewNoise;

impl Path for NewNoise {
    fn attempt(&self, tx: &Tx<'_>, now: i64) -> Result<Option<(u64, Vec<u8>)>, AuditError> {
        let Some((entry, bytes)) = tx.next_queued()? else { return Ok(None) };
        tx.mark_sent(entry.sequence, now)?;
        let mut wire = Wire::decode(&bytes).map_err(|_| AuditError::Bytes)?;
        let values: Vec<i64> = wire.values.0.iter().map(|value| i64::from(*value)).collect();
        wire.values = noised(&values, scale_of(wire.scale_1024)?)?;
        Ok(Some((entry.sequence, wire.encode().map_err(|_| AuditError::Bytes)?)))
    }
}

/// As `outbox::commit`, but for what `alter` does to a release's bytes and its charge.
fn commit_altered(
    site: &Site,
    pool: &NoisePool,
    tallies: &[Tally],
    mut alter: impl FnMut(&Tally, &mut Wire, &mut u64) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    let releases = path::noised(pool, tallies)?;
    site.store.alone("audit", |tx| {
        outbox::attest(tx)?;
        for (release, tally) in releases.iter().zip(tallies) {
            let (last, previous) = tx.ledger_head()?;
            let mut wire = release.at(last + 1, previous);
            let mut charge = release.rho().nano();
            alter(tally, &mut wire, &mut charge)?;
            let bytes = wire.encode().map_err(|_| AuditError::Bytes)?;
            tx.add_entry(&NewEntry {
                sequence: last + 1,
                id: release.id(),
                occasion: &release.occasion(),
                project: release.project(),
                kind: release.body().name(),
                nano_rho: charge,
                nano_rho_local: charge,
                charged_at: NOW,
                bytes: &bytes,
                chain: release::chain(&bytes),
                origin: release.origin(),
            })?;
        }
        Ok(tx.add_checkpoint()?)
    })
}

fn scale_of(steps: u64) -> Result<GaussianScale, AuditError> {
    GaussianScale::from_steps(steps).map_err(no_noise)
}

fn noised(counts: &[i64], scale: GaussianScale) -> Result<Values, AuditError> {
    let noised = add_noise(counts, scale).map_err(no_noise)?;
    Ok(Values(noised.into_iter().map(narrow).collect()))
}

fn no_noise(source: insitu_privacy::NoiseError) -> AuditError {
    AuditError::Release(ReleaseError::Noise { kind: "planted", source })
}

fn narrow(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
