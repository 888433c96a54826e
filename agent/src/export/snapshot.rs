//! What makes a folder of files a snapshot: a signed list of their hashes, and the check of it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use insitu_daemon::files;
use insitu_models::sign::{Domain, PublicKey};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{Digest, Signature};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Counts, ExportError, Request, parts, writer};
use crate::store::witness::Witness;

/// The list of files.
pub(super) const LIST: &str = "snapshot.json";
/// The list of files in folders, one a line: there may be many.
pub(super) const PARTS: &str = "files.jsonl";
/// The signature over it.
pub(super) const SIGNATURE: &str = "snapshot.sig";
/// The version of the list's own form.
const VERSION: u32 = 1;
/// Longest list that is read: a few files and a taxonomy's name.
const LIST_BYTES_MAX: usize = 64 * 1024;
/// Most files of a snapshot.
pub(super) const FILES_MAX: usize = 16;
/// Read at once while hashing.
const BLOCK_BYTES: usize = 64 * 1024;

/// A file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) blake3: Digest,
    /// What Croissant readers check.
    pub(super) sha256: Digest,
}

/// What a snapshot is, as its list of files says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    version: u32,
    /// The project's name.
    pub project: String,
    /// Its version: taxonomy, fields and instructions.
    pub project_version: u32,
    /// The agent's version.
    pub agent: String,
    /// The records' format.
    pub format: String,
    /// Records, by who gave their label.
    pub counts: Counts,
    /// Made, not observed.
    pub synthetic: bool,
    pub(super) files: Vec<Entry>,
    /// Checks the signature: the key of the agent that made it.
    pub key: Fixed<32>,
}

/// What is wrong with a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// The hash of its list, which names it.
    pub snapshot: Digest,
    /// What the list says.
    pub said: Snapshot,
    /// In words; empty when all is as it was signed.
    pub faults: Vec<String>,
}

/// Counts and hashes what is written.
pub(super) struct Hashed<W> {
    name: String,
    inner: W,
    bytes: u64,
    blake3: blake3::Hasher,
    sha256: Sha256,
}

impl<W> Hashed<W> {
    pub(super) fn new(name: &str, inner: W) -> Self {
        let name = name.to_owned();
        Self { name, inner, bytes: 0, blake3: blake3::Hasher::new(), sha256: Sha256::new() }
    }

    fn entry(&self) -> Entry {
        Entry {
            name: self.name.clone(),
            bytes: self.bytes,
            blake3: Fixed(*self.blake3.finalize().as_bytes()),
            sha256: Fixed(self.sha256.clone().finalize().into()),
        }
    }
}

impl Hashed<io::BufWriter<File>> {
    /// Ends the file, durably.
    ///
    /// # Errors
    /// As writing.
    pub(super) fn finish(mut self) -> io::Result<Entry> {
        self.inner.flush()?;
        self.inner.get_ref().sync_all()?;
        Ok(self.entry())
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        let bytes = bytes.get(..written).unwrap_or(bytes);
        self.bytes += u64::try_from(written).unwrap_or(u64::MAX);
        self.blake3.update(bytes);
        self.sha256.update(bytes);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes a whole file.
///
/// # Errors
/// As writing.
pub(super) fn put(folder: &Path, name: &'static str, bytes: &[u8]) -> io::Result<Entry> {
    let mut file = Hashed::new(name, writer::create(&folder.join(name))?);
    file.write_all(bytes)?;
    file.finish()
}

/// Writes a file in a folder of the snapshot. It is not made durable by itself, since there may be many:
/// [`verify`] would tell.
///
/// # Errors
/// As writing.
pub(super) fn put_part(path: &Path, name: &str, bytes: &[u8]) -> io::Result<Entry> {
    let mut file = Hashed::new(name, writer::create(path)?);
    file.write_all(bytes)?;
    file.flush()?;
    Ok(file.entry())
}

/// Lists and signs the files, and returns the hash that names the snapshot.
///
/// # Errors
/// As writing.
pub(super) fn seal(
    witness: &Witness,
    folder: &Path,
    request: &Request<'_>,
    counts: Counts,
    files: Vec<Entry>,
) -> Result<Digest, ExportError> {
    let snapshot = Snapshot {
        version: VERSION,
        project: request.project.definition.name.to_string(),
        project_version: request.project.definition.version,
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        format: request.format.name().to_owned(),
        counts,
        synthetic: request.synthetic,
        files,
        key: witness.public_key().0,
    };
    let mut list = serde_json::to_vec_pretty(&snapshot).map_err(io::Error::from)?;
    list.push(b'\n');
    put(folder, LIST, &list)?;
    let signature = witness.sign_snapshot(&list).to_string() + "\n";
    put(folder, SIGNATURE, signature.as_bytes())?;
    File::open(folder)?.sync_all()?;
    Ok(Fixed(*blake3::hash(&list).as_bytes()))
}

/// Checks a snapshot against its signature; `key` is who must have made it, the key it names if
/// `None`.
///
/// # Errors
/// As reading; a folder whose list cannot be understood is [`io::ErrorKind::InvalidData`].
pub fn verify(folder: &Path, key: Option<PublicKey>) -> io::Result<Faults> {
    let list = files::read(&folder.join(LIST), LIST_BYTES_MAX).map_err(io::Error::other)?;
    let said: Snapshot = serde_json::from_slice(&list)?;
    if said.version != VERSION || said.files.len() > FILES_MAX {
        let text = format!(
            "{LIST} has version {} and {} files; this program reads version {VERSION} and at most \
             {FILES_MAX}",
            said.version,
            said.files.len()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let mut faults = Vec::new();
    if key.is_some_and(|key| key.0 != said.key) {
        faults.push(format!("{LIST} names the key {}, which is not the one asked for", said.key));
    }
    let signature =
        files::read(&folder.join(SIGNATURE), LIST_BYTES_MAX).map_err(io::Error::other)?;
    let signature: Option<Signature> =
        std::str::from_utf8(&signature).ok().and_then(|text| Fixed::from_hex(text.trim()));
    let signed = |signature: &Signature| {
        PublicKey(said.key).verify_in(Domain::Snapshot, &list, signature).is_ok()
    };
    if !signature.is_some_and(|signature| signed(&signature)) {
        faults.push(format!("{SIGNATURE} is not a signature of {LIST} by the key it names"));
    }
    for entry in &said.files {
        // A list names files of its own folder, and nothing else.
        if Path::new(&entry.name).file_name().is_none_or(|file| file != entry.name.as_str()) {
            faults.push(format!("{LIST} names {:?}, which is no file's name", entry.name));
            continue;
        }
        faults.extend(fault(folder, entry)?);
    }
    let parts = match said.files.iter().any(|entry| entry.name == PARTS) {
        true => parts::check(folder, &mut faults)?,
        false => BTreeSet::new(),
    };
    for extra in parts::extra(folder, &said, &parts)? {
        faults.push(format!("{extra} is not part of the snapshot"));
    }
    Ok(Faults { snapshot: Fixed(*blake3::hash(&list).as_bytes()), said, faults })
}

pub(super) fn fault(folder: &Path, entry: &Entry) -> io::Result<Option<String>> {
    let name = &entry.name;
    let file = match File::open(folder.join(name)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Some(format!("{name} is missing")));
        }
        Err(error) => return Err(error),
    };
    let mut hashed = Hashed::new("", io::sink());
    let mut reader =
        BufReader::with_capacity(BLOCK_BYTES, file).take(entry.bytes.saturating_add(1));
    io::copy(&mut reader, &mut hashed)?;
    let found = Entry { name: name.clone(), ..hashed.entry() };
    Ok((found != *entry).then(|| {
        if found.bytes > entry.bytes {
            format!("{name} is longer than the {} bytes that were signed", entry.bytes)
        } else if found.bytes < entry.bytes {
            format!("{name} has {} bytes where {} were signed", found.bytes, entry.bytes)
        } else {
            format!("{name} has {} bytes as signed, but others", entry.bytes)
        }
    }))
}
