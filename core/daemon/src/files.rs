//! Files that survive a crash, and files that only their owner reads.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Longest secret file, in bytes.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its owner alone (mode 0600).
    Secret,
    /// Everyone (mode 0644).
    Public,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refuses.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A secret that others could read.
    #[error("{} has mode {mode:04o}: a secret must be closed to group and others (chmod 600)", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is such a file already.
    #[error("{} exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// More than a reader expects.
    #[error("{} has more than {limit_bytes} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Bytes allowed.
        limit_bytes: usize,
    },
    /// Another process holds the lock.
    #[error("{} is locked: is the daemon already running?", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
}

/// Writes `bytes` to `path` so that a crash leaves the old content or the new, never a mixture.
///
/// The bytes go to a new file beside `path`, to the disk, then over `path` by rename; the folder
/// is synced last. The new file has its final mode from the first byte on.
///
/// # Errors
/// [`FileError::Io`]; the old content is then still there.
pub fn write_atomic(path: &Path, bytes: &[u8], access: Access) -> Result<(), FileError> {
    let beside = beside(path)?;
    let written = write_new(&beside, bytes, access).and_then(|()| replace(&beside, path));
    if written.is_err() {
        // The first error tells more than one about the leftover could.
        drop(fs::remove_file(&beside));
    }
    written
}

/// Moves the file `from`, which is on the disk already, to `path` in the same folder, over what is
/// there; then that is on the disk, too.
///
/// # Errors
/// [`FileError::Io`].
pub fn replace(from: &Path, path: &Path) -> Result<(), FileError> {
    fs::rename(from, path).map_err(failed("replace", path))?;
    sync_folder(path)
}

/// Makes the file `path` with `bytes`, unless it exists. A crash leaves the whole file or none.
///
/// # Errors
/// [`FileError::Exists`]; [`FileError::Io`].
pub fn create(path: &Path, bytes: &[u8], access: Access) -> Result<(), FileError> {
    let beside = beside(path)?;
    // Unlike a rename, a link never replaces: of two processes that create, one wins.
    let created = write_new(&beside, bytes, access).and_then(|()| {
        fs::hard_link(&beside, path).map_err(|source| {
            if source.kind() == io::ErrorKind::AlreadyExists {
                FileError::Exists { path: path.to_owned() }
            } else {
                failed("create", path)(source)
            }
        })
    });
    drop(fs::remove_file(&beside));
    created?;
    sync_folder(path)
}

/// Reads a file of at most `limit_bytes`.
///
/// # Errors
/// [`FileError::Io`], [`FileError::TooLong`].
pub fn read(path: &Path, limit_bytes: usize) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(failed("open", path))?;
    read_from(&file, path, limit_bytes)
}

/// Reads a secret of at most [`SECRET_BYTES_MAX`] bytes; the memory is wiped when dropped.
///
/// # Errors
/// [`FileError::Exposed`] when group or others have any right to the file; [`FileError::Io`],
/// [`FileError::TooLong`].
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = File::open(path).map_err(failed("open", path))?;
    // Asked of the open file, not of the path: nobody can swap it in between.
    let mode = file.metadata().map_err(failed("inspect", path))?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(FileError::Exposed { path: path.to_owned(), mode });
    }
    read_from(&file, path, SECRET_BYTES_MAX).map(Zeroizing::new)
}

/// Makes a folder that only its owner enters (mode 0700), and those above it; it may exist.
///
/// # Errors
/// [`FileError::Io`].
pub fn create_folder(path: &Path) -> Result<(), FileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed("create the folder", path))
}

/// Held by the one process that may write a folder; the operating system frees it with the process.
#[derive(Debug)]
#[must_use = "the lock is free again when this is dropped"]
pub struct Lock {
    _file: File,
}

/// Takes the lock file `path`, making it when there is none.
///
/// # Errors
/// [`FileError::Locked`] when another process has it; [`FileError::Io`].
pub fn lock(path: &Path) -> Result<Lock, FileError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(failed("open", path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(FileError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed("lock", path)(source)),
    }
}

/// A name in the same folder that no other writer uses. Random, not the process's number: in
/// containers that is always the same, and what one crash left would be in the next one's way.
fn beside(path: &Path) -> Result<PathBuf, FileError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)
        .map_err(|error| failed("name a new file for", path)(io::Error::other(error)))?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", hex::encode(random)));
    Ok(path.with_file_name(name))
}

fn write_new(path: &Path, bytes: &[u8], access: Access) -> Result<(), FileError> {
    let mode = match access {
        Access::Secret => 0o600,
        Access::Public => 0o644,
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(failed("create", path))?;
    file.write_all(bytes).map_err(failed("write", path))?;
    file.sync_all().map_err(failed("sync", path))
}

/// A rename or a new name is on the disk only when its folder is.
fn sync_folder(path: &Path) -> Result<(), FileError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))
}

fn read_from(file: &File, path: &Path, limit_bytes: usize) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(limit_bytes).unwrap_or(u64::MAX);
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if bytes.len() > limit_bytes {
        return Err(FileError::TooLong { path: path.to_owned(), limit_bytes });
    }
    Ok(bytes)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn an_atomic_write_replaces_the_whole_file_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write_atomic(&path, b"a longer first content", Access::Public).unwrap();
        assert_eq!(mode(&path), 0o644);
        write_atomic(&path, b"second", Access::Secret).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_keeps_the_old_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), b"old").unwrap();
        assert!(matches!(
            write_atomic(&path, b"new", Access::Public),
            Err(FileError::Io { action: "replace", .. })
        ));
        assert_eq!(fs::read(path.join("inside")).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn creating_refuses_what_exists() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path, b"first", Access::Secret).unwrap();
        let again = create(&path, b"second", Access::Secret);
        assert!(matches!(again, Err(FileError::Exists { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_secret_open_to_the_group_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path, b"secret", Access::Secret).unwrap();
        assert_eq!(read_secret(&path).unwrap().as_slice(), b"secret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_secret(&path), Err(FileError::Exposed { mode: 0o640, .. })));
    }

    #[test]
    fn reading_stops_at_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, [0; 100]).unwrap();
        assert_eq!(read(&path, 100).unwrap().len(), 100);
        assert!(matches!(read(&path, 99), Err(FileError::TooLong { limit_bytes: 99, .. })));
    }

    #[test]
    fn one_lock_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = lock(&path).unwrap();
        assert!(matches!(lock(&path), Err(FileError::Locked { .. })));
        drop(held);
        drop(lock(&path).unwrap());
    }

    #[test]
    fn a_new_folder_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        create_folder(&path).unwrap();
        create_folder(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
    }
}
