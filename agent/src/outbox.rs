//! The outbox: charges releases, chains them, keeps them until the coordinator has them.
//!
//! [`commit`] is the one way in. Charge, chain, signed checkpoint and bytes are one transaction of the
//! caller's: after a crash all of it is there or nothing, and every later attempt sends the same
//! bytes.
//!
//! A ledger that is older than it should be would spend its budget twice. Two witnesses outside of
//! the store tell: the coordinator, which confirms what it has ([`reconcile`]), and a signed file
//! ([`attest`]), which is written before anything is sent. A clock that was set back would do the
//! same, so the ledger's last charge is the earliest time that is believed.

mod verify;

use std::path::PathBuf;

use insitu_privacy::Rho;
use insitu_protocol::release::{self, CHAIN_START};
use insitu_protocol::response::Receipt;

use crate::config::Limits;
use crate::release::{Release, ReleaseError};
use crate::store::ledger::NewEntry;
use crate::store::witness::Mark;
use crate::store::{Store, StoreError, Tx};

pub use verify::{Verification, verify};

/// Meta name of the mark that the coordinator knows more of the chain than this store.
const RESTORED: &str = "restored";
/// Meta name of the mark that the coordinator's clock is far from this one.
const SKEWED: &str = "skewed";
/// Meta name of the witness' mark up to which a loss was last taken for spent, and of that loss.
const LOSS: &str = "loss";
/// How far back a clock may go, in seconds: time services correct it by less.
const CLOCK_BACK_SECONDS_MAX: i64 = 60;
/// How far the clocks of agent and coordinator may be apart, in seconds, for releases to be made.
const CLOCK_SKEW_SECONDS_MAX: i64 = 86_400;

/// Why a release is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// A limit of the policy, or the noise.
    #[error("the policy does not allow it")]
    Release(#[from] ReleaseError),
    /// It was released before.
    #[error("released before: {occasion}")]
    Twice {
        /// What was released.
        occasion: String,
    },
    /// The store is older than what the coordinator has received from it.
    #[error(
        "the coordinator has received release {theirs} of this agent, whose own ledger ends at \
         {ours}: this is a restored backup. Enroll again as a new agent (`enroll --agent NAME`); \
         the privacy already spent is unknown here, so lower policy.epsilon_year accordingly"
    )]
    Restored {
        /// Last release the coordinator has.
        theirs: u64,
        /// Last release of this store.
        ours: u64,
    },
    /// The store is older than its witness.
    #[error(
        "the ledger ends at release {ours} with ρ {ours_rho} spent, its witness {} at {theirs} \
         with ρ {theirs_rho}: the store was deleted, or restored from an older copy. Put the newest \
         copy back, or enroll again as a new agent (`enroll --again --agent NAME`), which takes the \
         difference for spent",
        witness.display()
    )]
    Lost {
        /// Last release of this store.
        ours: u64,
        /// Charged by this store, or taken for spent before.
        ours_rho: Rho,
        /// Last release that the witness knows.
        theirs: u64,
        /// The same as the witness knows.
        theirs_rho: Rho,
        /// The witness' file.
        witness: PathBuf,
    },
    /// The clock was set back.
    #[error(
        "this machine's clock is {seconds} s before the ledger's last charge: set it right. The \
         budget renews over a rolling year, so nothing is released at a time that has passed"
    )]
    ClockBack {
        /// How far back it is.
        seconds: i64,
    },
    /// The coordinator's clock says something else.
    #[error(
        "this machine's clock and the coordinator's are {seconds} s apart: set it right. The budget \
         renews over a rolling year, so nothing is released by a clock that is days off"
    )]
    Skewed {
        /// The coordinator's clock less this one.
        seconds: i64,
    },
    /// It is too long to be sent.
    #[error("the release is too long")]
    TooLong(#[from] release::ReleaseError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl OutboxError {
    /// Whether the same can succeed later without a change of policy or data.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(_)
            | Self::Restored { .. }
            | Self::Lost { .. }
            | Self::ClockBack { .. }
            | Self::Skewed { .. } => true,
            Self::Release(error) => error.is_transient(),
            Self::Twice { .. } | Self::TooLong(_) => false,
        }
    }

    /// Whether an operator must act before anything can be released.
    pub fn needs_operator(&self) -> bool {
        match self {
            Self::Restored { .. }
            | Self::Lost { .. }
            | Self::ClockBack { .. }
            | Self::Skewed { .. } => true,
            Self::Store(_) | Self::Release(_) | Self::Twice { .. } | Self::TooLong(_) => false,
        }
    }
}

/// Charges releases and queues them, all or none. The caller's transaction decides.
///
/// # Errors
/// [`OutboxError`]; the caller must then roll back, and the noise drawn is never seen.
pub fn commit(
    tx: &Tx<'_>,
    releases: Vec<Release>,
    limits: &Limits,
    now: i64,
) -> Result<(), OutboxError> {
    let end = attest(tx)?;
    check_clock(tx, end.as_ref(), now)?;
    for release in releases {
        let occasion = release.occasion();
        if tx.has_occasion(&occasion)? {
            return Err(OutboxError::Twice { occasion });
        }
        release.admit(tx, limits, now)?;
        let (last, previous) = tx.ledger_head()?;
        let sequence = last + 1;
        let bytes = release.at(sequence, previous).encode()?;
        tx.add_entry(&NewEntry {
            sequence,
            id: release.id(),
            occasion: &occasion,
            project: release.project(),
            kind: release.body().name(),
            nano_rho: release.rho().nano(),
            nano_rho_local: release.rho_local().nano(),
            charged_at: now,
            bytes: &bytes,
            chain: release::chain(&bytes),
            origin: release.origin(),
        })?;
        metrics::counter!("insitu_agent_releases_total", "kind" => release.body().name())
            .increment(1);
    }
    Ok(tx.add_checkpoint()?)
}

/// Brings the witness up to the ledger's end. To be called in a transaction that is
/// [alone](crate::store::Store::alone), before it adds to the ledger: then the witness knows of what is
/// durable, and of nothing else. Returns the ledger's end.
///
/// # Errors
/// As [`check`]; [`OutboxError::Store`] when the witness cannot be written.
///
/// # Panics
/// In a transaction that is not alone.
pub fn attest(tx: &Tx<'_>) -> Result<Option<Mark>, OutboxError> {
    let (known, end) = compare(tx)?;
    let witness = tx.attesting_witness();
    if let Some(end) = end.as_ref().filter(|end| known.as_ref() != Some(end)) {
        witness.write(end).map_err(StoreError::from)?;
    }
    Ok(end)
}

/// Refuses when this store is an old copy, as far as the coordinator or the witness know.
///
/// # Errors
/// [`OutboxError::Restored`], [`OutboxError::Lost`].
pub fn check(tx: &Tx<'_>) -> Result<(), OutboxError> {
    compare(tx).map(drop)
}

/// What the witness says, when it does not contradict this store, and what this store says.
fn compare(tx: &Tx<'_>) -> Result<(Option<Mark>, Option<Mark>), OutboxError> {
    // Before anything is read of the store: of a snapshot that is older, the witness may know more.
    let known = tx.witness().read().map_err(StoreError::from)?;
    if let Some(mark) = tx.meta(RESTORED)? {
        let theirs = mark.try_into().map_or(u64::MAX, u64::from_le_bytes);
        return Err(OutboxError::Restored { theirs, ours: tx.ledger_head()?.0 });
    }
    let ours = tx.mark_with_losses()?;
    let Some(known) = known else { return Ok((None, ours)) };
    let ours_nano = ours.as_ref().map_or(0, |mark| mark.nano_rho);
    let reached = known.sequence == 0
        || tx
            .entries(known.sequence.saturating_sub(1), 1)?
            .first()
            .is_some_and(|entry| entry.sequence == known.sequence && entry.chain == known.chain);
    // A copy from before a loss was taken for spent has the same chain, and does not know of the loss.
    if reached && known.nano_rho <= ours_nano {
        return Ok((Some(known), ours));
    }
    Err(OutboxError::Lost {
        ours: ours.map_or(0, |mark| mark.sequence),
        ours_rho: Rho::from_nano(ours_nano),
        theirs: known.sequence,
        theirs_rho: Rho::from_nano(known.nano_rho),
        witness: tx.witness().path().to_owned(),
    })
}

/// Refuses a time before the ledger's last charge, and a clock that the coordinator's contradicts.
fn check_clock(tx: &Tx<'_>, end: Option<&Mark>, now: i64) -> Result<(), OutboxError> {
    let seconds = end.map_or(0, |end| end.charged_at.saturating_sub(now));
    if seconds > CLOCK_BACK_SECONDS_MAX {
        return Err(OutboxError::ClockBack { seconds });
    }
    match tx.meta(SKEWED)? {
        Some(mark) => {
            let seconds = mark.try_into().map_or(i64::MAX, i64::from_le_bytes);
            Err(OutboxError::Skewed { seconds })
        }
        None => Ok(()),
    }
}

/// Takes note of how far the coordinator's clock is ahead of this one.
///
/// # Errors
/// [`StoreError`].
pub fn compare_clocks(tx: &Tx<'_>, ahead_seconds: i64) -> Result<(), StoreError> {
    if ahead_seconds.saturating_abs() > CLOCK_SKEW_SECONDS_MAX {
        tx.set_meta(SKEWED, &ahead_seconds.to_le_bytes())
    } else {
        tx.clear_meta(SKEWED)
    }
}

/// Goes on as a new agent after a ledger was lost: what the witness knows to have been spent beyond
/// this ledger is spent, as of `now`, and the witness starts again from this ledger and what it lost.
///
/// The witness goes back only once the loss is on the disk. After a crash between the two it still
/// contradicts the ledger, and doing this again takes the same loss once.
///
/// # Errors
/// [`OutboxError::Store`], also when the witness cannot be read.
pub fn accept_loss(store: &Store, now: i64) -> Result<Rho, OutboxError> {
    let Some(lost) = store.alone("accept loss", |tx| take_loss(tx, now))? else {
        return Ok(Rho::ZERO);
    };
    store.alone("restart witness", |tx| {
        let end = tx.mark_with_losses()?;
        Ok::<_, StoreError>(tx.attesting_witness().restart(end.as_ref())?)
    })?;
    Ok(lost)
}

/// Takes for spent what the witness knows beyond this ledger, if it was not taken before.
fn take_loss(tx: &Tx<'_>, now: i64) -> Result<Option<Rho>, OutboxError> {
    tx.clear_meta(RESTORED)?;
    let (ours, theirs) = match check(tx) {
        Err(OutboxError::Lost { ours_rho, theirs_rho, .. }) => (ours_rho.nano(), theirs_rho.nano()),
        // A witness that cannot be heard may know of any loss.
        checked => return checked.map(|()| None),
    };
    let known = tx.witness().read().map_err(StoreError::from)?;
    let chain = known.map_or(CHAIN_START, |mark| mark.chain);
    let mark = [&chain.0[..], &theirs.to_le_bytes()].concat();
    let taken = tx.meta(LOSS)?.and_then(|taken| taken.strip_prefix(&mark[..])?.try_into().ok());
    let lost = match taken {
        Some(before) => u64::from_le_bytes(before),
        None => {
            // Another chain of the same length may hide any part of what was charged.
            let lost = if theirs <= ours { theirs } else { theirs - ours };
            tx.add_loss(lost, now)?;
            tx.set_meta(LOSS, &[&mark[..], &lost.to_le_bytes()].concat())?;
            lost
        }
    };
    Ok(Some(Rho::from_nano(lost)))
}

/// Takes note of the newest release the coordinator has: confirms what it covers, or finds that
/// this store is an old copy.
///
/// # Errors
/// [`OutboxError::Restored`] when the coordinator is ahead, or has another chain.
pub fn reconcile(tx: &Tx<'_>, theirs: Option<&Receipt>, now: i64) -> Result<(), OutboxError> {
    let Some(theirs) = theirs else {
        // It knows nothing of this agent: a new member, whose chain it has yet to hear.
        return Ok(tx.clear_meta(RESTORED)?);
    };
    let (ours, _) = tx.ledger_head()?;
    let known = theirs.sequence <= ours
        && tx
            .entries(theirs.sequence.saturating_sub(1), 1)?
            .first()
            .is_some_and(|entry| entry.chain == theirs.chain && entry.id == theirs.id);
    if known {
        tx.clear_meta(RESTORED)?;
        return Ok(tx.mark_acknowledged(theirs.sequence, now)?);
    }
    diverged(tx, theirs.sequence)
}

/// Marks this store as an old copy: the coordinator has another chain, `theirs` releases long.
///
/// # Errors
/// [`StoreError`].
pub fn diverged(tx: &Tx<'_>, theirs: u64) -> Result<(), OutboxError> {
    Ok(tx.set_meta(RESTORED, &theirs.to_le_bytes())?)
}
