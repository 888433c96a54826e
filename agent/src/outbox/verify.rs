//! Checking a ledger, from the bytes that were stored.

use insitu_privacy::Rho;
use insitu_protocol::ids::Digest;
use insitu_protocol::release::{self, Body, CHAIN_START};

use super::{OutboxError, check};
use crate::store::ledger::Entry;
use crate::store::{Store, StoreError};

/// Rows verified in one transaction.
const VERIFY_ROWS: u32 = 256;

/// What [`verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Releases looked at.
    pub releases: u64,
    /// The chain's hash after the last.
    pub head: Digest,
    /// The sum of all charges.
    pub charged: Rho,
    /// The last release with a signed checkpoint.
    pub signed: u64,
    /// What is wrong, by release.
    pub problems: Vec<String>,
}

/// Recomputes the chain and the charges of the whole ledger from the bytes that were stored, checks
/// them against the signed checkpoints, and the ledger's end against its witness.
///
/// # Errors
/// [`StoreError`]; anything wrong with the ledger itself is a problem in the result.
pub fn verify(store: &Store) -> Result<Verification, StoreError> {
    let mut found = Verification {
        releases: 0,
        head: CHAIN_START,
        charged: Rho::ZERO,
        signed: 0,
        problems: Vec::new(),
    };
    let mut last = 0;
    loop {
        let count = store.read("verify", |tx| {
            let entries = tx.entries(last, VERIFY_ROWS)?;
            for entry in &entries {
                let bytes = tx.release_bytes(entry.sequence)?;
                recompute(&mut found, last, entry, &bytes);
                match tx.check_checkpoint(entry.sequence, found.head, found.charged.nano())? {
                    Some(true) => found.signed = entry.sequence,
                    Some(false) => found.problems.push(format!(
                        "release {}: its checkpoint is not signed with this agent's key over this \
                         chain and these charges",
                        entry.sequence
                    )),
                    None => {} // releases of one transaction share the last one's checkpoint
                }
                last = entry.sequence;
            }
            Ok::<_, StoreError>(entries.len())
        })?;
        if count == 0 {
            break;
        }
    }
    if found.signed != last {
        let problem = format!("release {last}: the ledger's end is not signed");
        found.problems.push(problem);
    }
    match store.read("witness", check) {
        Ok(()) => {}
        Err(OutboxError::Store(error)) if !matches!(error, StoreError::Witness(_)) => {
            return Err(error);
        }
        Err(error) => found.problems.push(error.to_string()),
    }
    Ok(found)
}

fn recompute(found: &mut Verification, last: u64, entry: &Entry, bytes: &[u8]) {
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
            let local = entry.nano_rho_local;
            let masked = matches!(
                release.body,
                Body::MaskedUpdate { .. }
                    | Body::MaskedStatistics { .. }
                    | Body::MaskedEvaluation { .. }
            );
            problem(
                release.nano_rho == local || masked && release.nano_rho < local,
                "it was charged too little against colluding sites",
            );
        }
        Err(_) => problem(false, "its bytes are not a release"),
    }
    found.releases += 1;
    found.head = entry.chain;
    found.charged = [found.charged, Rho::from_nano(entry.nano_rho)].into_iter().sum();
}
