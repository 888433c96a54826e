//! The objects of ordered bundles and sets of labeling functions: fetched in chunks, verified before
//! use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use insitu_daemon::files;
use insitu_daemon::link::client::Link;
use insitu_models::manifest::{Manifest, Object};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{Digest, ProjectName};
use insitu_protocol::request::CHUNK_BYTES_MAX;
use tokio::io::AsyncWriteExt;

use super::{DownlinkError, Judge};
use crate::prelabel::Shelf;
use crate::store::functions::FunctionsRow;
use crate::store::orders::{BundleRow, BundleState};
use crate::store::{Store, StoreError, Tx};

/// Why what had arrived is wanted again.
const DAMAGED: &str = "missing or damaged on this disk: fetched again";

/// Ready bundles of a project that are kept from the one in use on: itself, and the one before it, to which
/// a rollback goes.
const KEPT_READY: u32 = 2;

/// Removes objects, whole or in part, that nothing needs any more: no bundle that is coming, in use or was
/// used last before it names them, no candidate that is evaluated, and no set of labeling functions
/// that people can look at.
///
/// # Errors
/// [`DownlinkError::File`], [`DownlinkError::Store`].
pub fn clear(store: &Store, shelf: &Shelf) -> Result<(), DownlinkError> {
    let needed = store.read("needed objects", needed)?;
    let failed = |source| DownlinkError::File { path: shelf.folder().to_owned(), source };
    let files = match fs::read_dir(shelf.folder()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        files => files.map_err(failed)?,
    };
    for file in files {
        let path = file.map_err(failed)?.path();
        let object = path.file_stem().and_then(|name| Digest::from_hex(name.to_str()?));
        if let Some(object) = object.filter(|object| !needed.contains(object)) {
            fs::remove_file(&path).map_err(failed)?;
            tracing::info!(%object, "an object that nothing needs is removed");
        }
    }
    Ok(())
}

fn needed(tx: &Tx<'_>) -> Result<BTreeSet<Digest>, StoreError> {
    let in_use = in_use(tx)?;
    let mut needed = BTreeSet::new();
    // By project, newest first.
    let mut since_used = BTreeMap::<ProjectName, u32>::new();
    for row in tx.bundles()? {
        let used = in_use.contains(&row.bundle);
        let is_needed = match row.state {
            BundleState::Ready if row.candidate && !used => tx.is_compared(&row.bundle)?,
            BundleState::Ready => {
                let since = since_used.entry(row.order.project.clone()).or_default();
                *since += u32::from(used || *since > 0);
                *since <= KEPT_READY
            }
            BundleState::Wanted | BundleState::Pending => true,
            BundleState::Declined | BundleState::Failed => used,
        };
        if is_needed {
            let manifest = Manifest::decode(&row.order.manifest.0);
            let objects = manifest.map(|manifest| manifest.objects()).unwrap_or_default();
            needed.extend(objects.into_iter().map(|object| object.digest));
        }
    }
    let functions = tx.functions()?.into_iter().filter(|row| row.state != BundleState::Failed);
    needed.extend(functions.map(|row| row.manifest.object));
    Ok(needed)
}

/// The bundles in use.
fn in_use(tx: &Tx<'_>) -> Result<Vec<Digest>, StoreError> {
    Ok(tx.projects()?.into_iter().filter_map(|row| row.bundle).collect())
}

/// What was looked at, and why; see [`want_damaged`].
pub type Examined = BTreeMap<Digest, String>;

/// Wants again what has arrived and is not whole on this disk any more: bundles in use that do not load,
/// and sets of labeling functions. Damaged objects are removed. Bundles that are not in use are wanted
/// again by whoever finds them damaged.
///
/// A large object takes a while to read, so each is looked at once for what is said of it. What is
/// damaged time and again is fetched as often as the pipeline tries to load it.
///
/// # Errors
/// [`DownlinkError::File`], [`DownlinkError::Store`].
pub async fn want_damaged(
    store: &Store,
    shelf: &Shelf,
    examined: &mut Examined,
) -> Result<(), DownlinkError> {
    let (bundles, functions, in_use) = store.read("what has arrived", |tx| {
        Ok::<_, StoreError>((tx.bundles()?, tx.functions()?, in_use(tx)?))
    })?;
    for BundleRow { bundle, state, note, order, .. } in bundles {
        let fails = state == BundleState::Failed && in_use.contains(&bundle);
        if !fails || examined.get(&bundle) == Some(&note) {
            continue;
        }
        let Ok(manifest) = Manifest::decode(&order.manifest.0) else { continue };
        if is_whole(shelf, &manifest.objects()).await? {
            examined.insert(bundle, note);
        } else {
            store.tx("bundle damaged", |tx| {
                tx.move_bundle(&bundle, state, BundleState::Wanted, DAMAGED)
            })?;
        }
    }
    for FunctionsRow { digest, manifest, state, note, .. } in functions {
        let arrived = matches!(state, BundleState::Pending | BundleState::Ready);
        if !arrived || examined.get(&digest) == Some(&note) {
            continue;
        }
        let object = Object { digest: manifest.object, bytes: manifest.bytes };
        if is_whole(shelf, &[object]).await? {
            examined.insert(digest, note);
        } else {
            store.tx("functions damaged", |tx| {
                tx.move_functions(&digest, state, BundleState::Wanted, DAMAGED)
            })?;
        }
    }
    Ok(())
}

/// Whether all of these are there; those that are damaged are removed.
async fn is_whole(shelf: &Shelf, objects: &[Object]) -> Result<bool, DownlinkError> {
    let mut whole = true;
    for object in objects {
        whole &= is_there(shelf, object).await?;
    }
    Ok(whole)
}

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
    files::create_folder(shelf.folder())?;
    let functions = fetch_functions(link, store, shelf).await;
    let mut damaged = Ok(());
    for row in store.read("bundles", |tx| tx.bundles())? {
        if row.state != BundleState::Wanted {
            continue;
        }
        if let Some(note) = waits(store, shelf, judge, &row, bytes_max)? {
            if note != row.note {
                move_on(store, &row.bundle, BundleState::Wanted, &note)?;
            }
            continue;
        }
        let outcome = fetch_bundle(link, shelf, &row).await;
        match outcome {
            Ok(()) => move_on(store, &row.bundle, BundleState::Pending, "")?,
            Err(error @ DownlinkError::Content { .. }) => {
                move_on(store, &row.bundle, BundleState::Wanted, &error.to_string())?;
                damaged = Err(error);
            }
            Err(error @ DownlinkError::Length { .. }) => {
                tracing::error!(bundle = %row.bundle, error = %error, "bundle refused");
                move_on(store, &row.bundle, BundleState::Failed, &error.to_string())?;
            }
            Err(error) => return Err(error),
        }
    }
    damaged.and(functions)
}

/// Moves a bundle on that was fetched, unless an order has given it up meanwhile.
fn move_on(
    store: &Store,
    bundle: &Digest,
    state: BundleState,
    note: &str,
) -> Result<(), StoreError> {
    store
        .tx("bundle fetched", |tx| tx.move_bundle(bundle, BundleState::Wanted, state, note))
        .map(drop)
}

/// The same for labeling functions, about which the steward decides.
async fn fetch_functions(link: &Link, store: &Store, shelf: &Shelf) -> Result<(), DownlinkError> {
    let mut damaged = Ok(());
    for row in store.read("functions", |tx| tx.functions())? {
        if row.state != BundleState::Wanted {
            continue;
        }
        let set = |state, note: &str| {
            store.tx("functions fetched", |tx| {
                tx.move_functions(&row.digest, BundleState::Wanted, state, note)
            })
        };
        let object = Object { digest: row.manifest.object, bytes: row.manifest.bytes };
        let outcome = match is_there(shelf, &object).await {
            Ok(false) => fetch_object(link, shelf, &object).await,
            there => there.map(drop),
        };
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
        if !is_there(shelf, &object).await? {
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
    if aside(&part, hash).await? != object.digest {
        tokio::fs::remove_file(&part).await.map_err(failed)?;
        if resumed {
            // A crash may have torn what the earlier attempt wrote: once more, from the start.
            return Box::pin(fetch_object(link, shelf, object)).await;
        }
        return Err(DownlinkError::Content { object: object.digest });
    }
    aside(&path, move |path| files::replace(&part, path).map_err(io::Error::other)).await
}

/// Whether an object is there. One of another content is removed: it can only be fetched again.
async fn is_there(shelf: &Shelf, object: &Object) -> Result<bool, DownlinkError> {
    let want = object.digest;
    let look = move |path: &Path| match hash(path) {
        Ok(found) if found == want => Ok(true),
        Ok(_) => {
            tracing::error!(object = %want, "an object is damaged on this disk");
            fs::remove_file(path).map(|()| false)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    };
    aside(&shelf.path(&object.digest), look).await
}

/// Works on a file beside the runtime's threads.
async fn aside<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, DownlinkError> {
    let own = path.to_owned();
    let done = tokio::task::spawn_blocking(move || work(&own)).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(|source| DownlinkError::File { path: path.to_owned(), source })
}

fn hash(path: &Path) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(fs::File::open(path)?)?;
    Ok(Fixed(*hasher.finalize().as_bytes()))
}
