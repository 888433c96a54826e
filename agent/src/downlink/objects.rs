//! The objects of ordered bundles and sets of labeling functions: fetched in chunks, verified before
//! use.

use std::io;
use std::path::PathBuf;

use insitu_daemon::link::client::Link;
use insitu_models::manifest::{Manifest, Object};
use insitu_protocol::request::CHUNK_BYTES_MAX;
use tokio::io::AsyncWriteExt;

use super::{DownlinkError, Judge};
use crate::prelabel::Shelf;
use crate::store::orders::{BundleRow, BundleState};
use crate::store::{Store, StoreError};

/// Fetches what is missing of ordered bundles and sets of labeling functions, and lets the policy
/// judge those that are complete.
///
/// An object that arrived damaged is thrown away and what needs it stays wanted: a part that a power
/// cut spoiled, or the coordinator's disk, may be right the next time. A bundle with a missing object
/// of more than `bytes_max` waits: each byte of a metered network costs. So does a candidate that the
/// policy does not let be evaluated, or that nothing asks about any more.
///
/// # Errors
/// [`DownlinkError`]; what has arrived stays, and fetching goes on from there.
pub async fn fetch(
    link: &Link,
    store: &Store,
    shelf: &Shelf,
    judge: &Judge,
    bytes_max: Option<u64>,
) -> Result<(), DownlinkError> {
    insitu_daemon::files::create_folder(shelf.folder())?;
    let functions = fetch_functions(link, store, shelf).await;
    let mut damaged = Ok(());
    for row in store.read("bundles", |tx| tx.bundles())? {
        if row.state != BundleState::Wanted {
            continue;
        }
        if let Some(note) = waits(store, shelf, judge, &row, bytes_max)? {
            if note != row.note {
                store.tx("bundle waits", |tx| {
                    tx.set_bundle_state(&row.bundle, BundleState::Wanted, &note)
                })?;
            }
            continue;
        }
        let outcome = fetch_bundle(link, shelf, &row).await;
        match outcome {
            Ok(()) => store.tx("bundle complete", |tx| {
                tx.set_bundle_state(&row.bundle, BundleState::Pending, "")
            })?,
            Err(error @ DownlinkError::Content { .. }) => {
                store.tx("bundle damaged", |tx| {
                    tx.set_bundle_state(&row.bundle, BundleState::Wanted, &error.to_string())
                })?;
                damaged = Err(error);
            }
            Err(error @ DownlinkError::Length { .. }) => {
                tracing::error!(bundle = %row.bundle, error = %error, "bundle refused");
                store.tx("bundle refused", |tx| {
                    tx.set_bundle_state(&row.bundle, BundleState::Failed, &error.to_string())
                })?;
            }
            Err(error) => return Err(error),
        }
    }
    damaged.and(functions)
}

/// The same for labeling functions, about which the steward decides.
async fn fetch_functions(link: &Link, store: &Store, shelf: &Shelf) -> Result<(), DownlinkError> {
    let mut damaged = Ok(());
    for row in store.read("functions", |tx| tx.functions())? {
        if row.state != BundleState::Wanted {
            continue;
        }
        let set = |state, note: &str| {
            store.tx("functions fetched", |tx| tx.set_functions_state(&row.digest, state, note))
        };
        let object = Object { digest: row.manifest.object, bytes: row.manifest.bytes };
        let there = shelf.path(&object.digest).exists();
        let outcome = if there { Ok(()) } else { fetch_object(link, shelf, &object).await };
        match outcome {
            Ok(()) => set(BundleState::Pending, "waits for the steward's approval")?,
            Err(error @ DownlinkError::Content { .. }) => {
                set(BundleState::Wanted, &error.to_string())?;
                damaged = Err(error);
            }
            Err(error @ DownlinkError::Length { .. }) => {
                tracing::error!(functions = %row.digest, error = %error, "labeling functions refused");
                set(BundleState::Failed, &error.to_string())?;
            }
            Err(error) => return Err(error),
        }
    }
    damaged
}

/// Why a bundle is not fetched now, for people; empty for a candidate that nothing asks about.
fn waits(
    store: &Store,
    shelf: &Shelf,
    judge: &Judge,
    row: &BundleRow,
    bytes_max: Option<u64>,
) -> Result<Option<String>, StoreError> {
    if row.candidate {
        let (asked, (allowed, why)) = store.read("candidate", |tx| {
            Ok::<_, StoreError>((tx.is_compared(&row.bundle)?, judge.bundle(tx, row)?))
        })?;
        if !asked {
            return Ok(Some(String::new()));
        }
        if allowed != BundleState::Ready {
            return Ok(Some(format!("{why}; insitu-agent models approve {}", row.bundle)));
        }
    }
    let bytes = missing_above(shelf, row, bytes_max);
    Ok(bytes
        .map(|bytes| format!("an object of {bytes} bytes waits for a network that is not metered")))
}

/// Bytes of the largest object of a bundle that is missing and above the limit.
fn missing_above(shelf: &Shelf, row: &BundleRow, bytes_max: Option<u64>) -> Option<u64> {
    let limit = bytes_max?;
    let manifest = Manifest::decode(&row.order.manifest.0).ok()?;
    let missing =
        manifest.objects().into_iter().filter(|object| !shelf.path(&object.digest).exists());
    missing.map(|object| object.bytes).filter(|bytes| *bytes > limit).max()
}

async fn fetch_bundle(link: &Link, shelf: &Shelf, row: &BundleRow) -> Result<(), DownlinkError> {
    let Ok(manifest) = Manifest::decode(&row.order.manifest.0) else { return Ok(()) };
    for object in manifest.objects() {
        if !shelf.path(&object.digest).exists() {
            fetch_object(link, shelf, &object).await?;
        }
    }
    Ok(())
}

/// Fetches an object into a file beside its place, from where an earlier attempt stopped, and
/// moves it there when its digest is right.
async fn fetch_object(link: &Link, shelf: &Shelf, object: &Object) -> Result<(), DownlinkError> {
    let path = shelf.path(&object.digest);
    let part = path.with_extension("part");
    let failed = |source| DownlinkError::File { path: path.clone(), source };
    let mut file = tokio::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&part)
        .await
        .map_err(failed)?;
    let mut offset = file.metadata().await.map_err(failed)?.len();
    let resumed = offset > 0;
    while offset < object.bytes {
        let (got, bytes) = link.fetch(object.digest, offset).await?;
        if got != object.bytes || bytes.0.is_empty() || bytes.0.len() > CHUNK_BYTES_MAX {
            return Err(DownlinkError::Length { object: object.digest, got, want: object.bytes });
        }
        file.write_all(&bytes.0).await.map_err(failed)?;
        offset = offset.saturating_add(u64::try_from(bytes.0.len()).unwrap_or(u64::MAX));
        metrics::counter!("insitu_agent_bytes_fetched_total")
            .increment(u64::try_from(bytes.0.len()).unwrap_or(u64::MAX));
    }
    file.sync_all().await.map_err(failed)?;
    let (want, read) = (object.digest, part.clone());
    let right = tokio::task::spawn_blocking(move || hash(&read).map(|found| found == want.0))
        .await
        .map_err(|error| failed(io::Error::other(error)))?
        .map_err(failed)?;
    if !right {
        tokio::fs::remove_file(&part).await.map_err(failed)?;
        if resumed {
            // A crash may have torn what the earlier attempt wrote: once more, from the start.
            return Box::pin(fetch_object(link, shelf, object)).await;
        }
        return Err(DownlinkError::Content { object: object.digest });
    }
    tokio::fs::rename(&part, &path).await.map_err(failed)
}

fn hash(path: &PathBuf) -> io::Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(path)?)?;
    Ok(*hasher.finalize().as_bytes())
}
