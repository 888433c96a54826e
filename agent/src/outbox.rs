//! The outbox: charges releases, chains them, keeps them until the coordinator has them.
//!
//! [`commit`] is the one way in. Charge, chain and bytes are one transaction of the caller's: after
//! a crash all of it is there or nothing, and every later attempt sends the same bytes.

use insitu_privacy::Rho;
use insitu_protocol::ids::Digest;
use insitu_protocol::release::{self, CHAIN_START};
use insitu_protocol::response::Receipt;

use crate::config::Limits;
use crate::release::{Release, ReleaseError};
use crate::store::ledger::{Entry, NewEntry};
use crate::store::{Store, StoreError, Tx};

/// Meta name of the mark that the coordinator knows more of the chain than this store.
const RESTORED: &str = "restored";
/// Rows verified in one transaction.
const VERIFY_ROWS: u32 = 256;

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
            Self::Store(_) | Self::Restored { .. } => true,
            Self::Release(error) => error.is_transient(),
            Self::Twice { .. } | Self::TooLong(_) => false,
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
    check_not_restored(tx)?;
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
            charged_at: now,
            bytes: &bytes,
            chain: release::chain(&bytes),
            origin: release.origin(),
        })?;
        metrics::counter!("insitu_agent_releases_total", "kind" => release.body().name())
            .increment(1);
    }
    Ok(())
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

/// Refuses when [`reconcile`] has found this store to be an old copy.
///
/// # Errors
/// [`OutboxError::Restored`].
pub fn check_not_restored(tx: &Tx<'_>) -> Result<(), OutboxError> {
    let Some(mark) = tx.meta(RESTORED)? else { return Ok(()) };
    let theirs = mark.try_into().map_or(u64::MAX, u64::from_le_bytes);
    Err(OutboxError::Restored { theirs, ours: tx.ledger_head()?.0 })
}

/// What [`verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Releases looked at.
    pub releases: u64,
    /// The chain's hash after the last.
    pub head: Digest,
    /// The sum of all charges.
    pub charged: Rho,
    /// What is wrong, by release.
    pub problems: Vec<String>,
}

/// Recomputes the chain and the charges of the whole ledger from the bytes that were stored.
///
/// # Errors
/// [`StoreError`]; anything wrong with the ledger itself is a problem in the result.
pub fn verify(store: &Store) -> Result<Verification, StoreError> {
    let mut found =
        Verification { releases: 0, head: CHAIN_START, charged: Rho::ZERO, problems: Vec::new() };
    let mut last = 0;
    loop {
        let count = store.read("verify", |tx| {
            let entries = tx.entries(last, VERIFY_ROWS)?;
            for entry in &entries {
                let bytes = tx.release_bytes(entry.sequence)?;
                check(&mut found, last, entry, &bytes);
                last = entry.sequence;
            }
            Ok::<_, StoreError>(entries.len())
        })?;
        if count == 0 {
            return Ok(found);
        }
    }
}

fn check(found: &mut Verification, last: u64, entry: &Entry, bytes: &[u8]) {
    let sequence = entry.sequence;
    let mut problem = |holds: bool, what: &str| {
        if !holds {
            found.problems.push(format!("release {sequence}: {what}"));
        }
    };
    problem(sequence == last + 1, "a release before it is missing");
    problem(release::chain(bytes) == entry.chain, "its bytes do not have the hash of the chain");
    match release::Release::decode(bytes) {
        Ok(release) => {
            problem(release.previous == found.head, "it is not chained to the one before");
            problem(release.sequence == sequence, "its bytes are for another place in the chain");
            problem(release.id == entry.id, "its bytes have another id than the ledger");
            problem(release.project.as_str() == entry.project, "its bytes name another project");
            problem(release.body.name() == entry.kind, "its bytes are of another kind");
            problem(
                release.nano_rho == entry.nano_rho,
                "it was charged another cost than it names",
            );
        }
        Err(_) => problem(false, "its bytes are not a release"),
    }
    found.releases += 1;
    found.head = entry.chain;
    found.charged = [found.charged, Rho::from_nano(entry.nano_rho)].into_iter().sum();
}
