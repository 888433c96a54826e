//! Every bundle there is: objects on disk by content, rows for what they are.
//!
//! An object is written before the row that names it, under its own digest: a crash in between
//! leaves a file that the same work writes again.

pub mod card;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use insitu_daemon::files::{self, Access, FileError};
use insitu_models::bundle::{Bundle, BundleError, Trainable};
use insitu_models::fit::{self, FitError};
use insitu_models::manifest::{Manifest, ManifestError, Object};
use insitu_protocol::ids::{Digest, ProjectName, SiteName};
use insitu_protocol::project::Project;
use insitu_protocol::request::CHUNK_BYTES_MAX;
use jiff::Timestamp;
use serde::Serialize;

use crate::agreement::ReportError;
use crate::store::{BundleRow, FigureRow, Store, StoreError, Tx};

/// The folder of objects.
#[derive(Clone, Debug)]
pub struct Registry {
    objects: PathBuf,
}

/// Why the registry does not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No such project.
    #[error("there is no project {project}: `insitu-coordinator project create FILE.toml` first")]
    UnknownProject {
        /// Name asked for.
        project: ProjectName,
    },
    /// No such bundle.
    #[error("there is no bundle {digest}")]
    Unknown {
        /// Digest asked for.
        digest: Digest,
    },
    /// No bundle, or more than one, whose digest starts so.
    #[error("{found} bundles have a digest that starts with {prefix:?}")]
    Prefix {
        /// What was asked for.
        prefix: String,
        /// How many there are.
        found: usize,
    },
    /// A successor of what is not here.
    #[error("object {object} of the bundle is not kept here")]
    Absent {
        /// Its digest.
        object: Digest,
    },
    /// A bundle that does not draft the project's labels.
    #[error("the bundle is not one for project {project}")]
    Unfit {
        /// The project.
        project: ProjectName,
        /// Why not.
        source: FitError,
    },
    /// The bundle reads a column that no field of the project feeds.
    #[error("project {project} has no field for the bundle's column {column:?}")]
    Column {
        /// The project.
        project: ProjectName,
        /// The column.
        column: String,
    },
    /// A figure that is no accuracy.
    #[error("an accuracy lies between 0 and 1, not at {got}")]
    Accuracy {
        /// The figure.
        got: f64,
    },
    /// A file cannot be read or written.
    #[error("an object of the registry cannot be used")]
    File {
        /// Why not.
        #[from]
        source: FileError,
    },
    /// The bundle itself.
    #[error("the bundle is refused")]
    Bundle {
        /// What is wrong with it.
        #[from]
        source: BundleError,
    },
    /// A stored manifest.
    #[error("the stored manifest is refused")]
    Manifest {
        /// What is wrong with it.
        #[from]
        source: ManifestError,
    },
    /// The evaluations of a bundle.
    #[error("the evaluations cannot be read")]
    Report {
        /// Why not.
        #[from]
        source: ReportError,
    },
    /// The store.
    #[error("the registry's rows cannot be used")]
    Store {
        /// Why not.
        #[from]
        source: StoreError,
    },
}

/// The bundles of a project, for people.
#[derive(Clone, Debug, Serialize)]
pub struct BundleReport {
    /// Digest of the manifest.
    pub bundle: Digest,
    /// The project.
    pub project: ProjectName,
    /// The bundle's name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// The bundle it was trained from.
    pub parent: Option<Digest>,
    /// `active` everywhere, `canary` at some sites, `published` before, `rolled back`, or
    /// `candidate`.
    pub state: &'static str,
    /// The sites of a canary.
    pub canary_sites: Vec<SiteName>,
    /// Why it was rolled back.
    pub reason: Option<String>,
    /// When it was registered.
    pub created: Timestamp,
    /// Where the weights come from.
    pub lineage: Vec<String>,
    /// Why it was published without an evaluation that speaks for it, if it was.
    pub forced: Option<String>,
    /// Attached by hand, by site.
    pub evaluations: Vec<Evaluation>,
}

/// An evaluation attached by hand.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// The site.
    pub site: SiteName,
    /// Share of right answers.
    pub accuracy: f64,
    /// Where the figure comes from.
    pub note: String,
}

/// Gives the bytes of an object.
type Fetch<'a> = &'a mut dyn FnMut(&Object) -> Option<Vec<u8>>;

impl Registry {
    /// The registry whose objects are in the folder `objects`.
    pub fn new(objects: PathBuf) -> Self {
        Self { objects }
    }

    /// Keeps a bundle for a project, unpublished; keeping it again changes nothing.
    ///
    /// A backbone takes a while to check and to write: the store goes on with other work meanwhile.
    ///
    /// # Errors
    /// [`RegistryError`], when there is no such project, it does not belong to it, its backbone is one
    /// that sites would refuse, or it cannot be written.
    pub fn register(
        &self,
        store: &Store,
        bundle: &Bundle,
        project: &ProjectName,
        now_unix_s: i64,
    ) -> Result<Digest, RegistryError> {
        let present = |tx: &Tx<'_>| {
            let unknown = || RegistryError::UnknownProject { project: project.clone() };
            let definition = tx.project(project)?.ok_or_else(unknown)?;
            check_fit(bundle.manifest(), &definition).map(|()| definition)
        };
        store.read("fit of a bundle", present)?;
        bundle.check_backbone()?;
        let objects = bundle.objects();
        for (object, bytes) in &objects {
            self.write(object.digest, bytes)?;
        }
        store.write("register", |tx| {
            let definition = present(tx)?;
            for (object, _) in &objects {
                tx.add_object(object.digest, object.bytes)?;
            }
            add(tx, bundle.trainable(), &definition, now_unix_s)
        })
    }

    /// Keeps what training made of a registered bundle for a project, unpublished: a head and golden
    /// outputs. Backbone and tokenizer are here, and were checked when they came.
    ///
    /// # Errors
    /// [`RegistryError`], when it does not belong to the project, has a backbone or tokenizer that is
    /// not here, or cannot be written.
    pub fn register_successor(
        &self,
        tx: &Tx<'_>,
        successor: &Trainable,
        project: &Project,
        now_unix_s: i64,
    ) -> Result<Digest, RegistryError> {
        check_fit(successor.manifest(), project)?;
        for (object, bytes) in successor.objects() {
            self.keep(tx, object.digest, &bytes)?;
        }
        for Object { digest: object, .. } in successor.manifest().objects() {
            tx.object_bytes(object)?.ok_or(RegistryError::Absent { object })?;
        }
        add(tx, successor, project, now_unix_s)
    }

    /// Keeps an object, which sites can fetch from then on; keeping it again changes nothing.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn keep(&self, tx: &Tx<'_>, digest: Digest, bytes: &[u8]) -> Result<(), RegistryError> {
        self.write(digest, bytes)?;
        tx.add_object(digest, u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
        Ok(())
    }

    fn write(&self, digest: Digest, bytes: &[u8]) -> Result<(), FileError> {
        files::create_folder(&self.objects)?;
        let path = self.path(digest);
        if path.exists() { Ok(()) } else { files::write_atomic(&path, bytes, Access::Secret) }
    }

    /// Reads a bundle back, verified.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn open(&self, tx: &Tx<'_>, digest: Digest) -> Result<Bundle, RegistryError> {
        self.opened(tx, digest, |manifest, fetch| Bundle::from_objects(manifest, fetch))
    }

    /// Reads back, verified, what training changes of a bundle: its backbone stays on the disk.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn open_trainable(&self, tx: &Tx<'_>, digest: Digest) -> Result<Trainable, RegistryError> {
        self.opened(tx, digest, |manifest, fetch| Trainable::from_objects(manifest, fetch))
    }

    fn opened<T>(
        &self,
        tx: &Tx<'_>,
        digest: Digest,
        assemble: impl FnOnce(Vec<u8>, Fetch<'_>) -> Result<T, BundleError>,
    ) -> Result<T, RegistryError> {
        let row = tx.bundle(digest)?.ok_or(RegistryError::Unknown { digest })?;
        let mut failed = None;
        let opened = assemble(row.manifest, &mut |object| {
            self.read(object).map_err(|error| failed = Some(error)).ok()
        });
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(opened?),
        }
    }

    /// A piece of an object from `offset` on, and the object's length; `None` when there is no
    /// such object.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn chunk(
        &self,
        store: &Store,
        object: Digest,
        offset: u64,
    ) -> Result<Option<(u64, Vec<u8>)>, RegistryError> {
        let Some(total) = store.read("chunk", |tx| tx.object_bytes(object))? else {
            return Ok(None);
        };
        let path = self.path(object);
        let failed = |source| FileError::Io { action: "read", path: path.clone(), source };
        let mut bytes = Vec::new();
        if offset < total {
            let mut file = File::open(&path).map_err(failed)?;
            file.seek(SeekFrom::Start(offset)).map_err(failed)?;
            file.take(CHUNK_BYTES_MAX as u64).read_to_end(&mut bytes).map_err(failed)?;
        }
        Ok(Some((total, bytes)))
    }

    fn read(&self, object: &Object) -> Result<Vec<u8>, FileError> {
        let limit = usize::try_from(object.bytes).unwrap_or(usize::MAX);
        files::read(&self.path(object.digest), limit)
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.objects.join(digest.to_hex())
    }
}

/// Adds the row of a bundle whose objects are kept.
fn add(
    tx: &Tx<'_>,
    bundle: &Trainable,
    project: &Project,
    now_unix_s: i64,
) -> Result<Digest, RegistryError> {
    let row = BundleRow {
        digest: bundle.id(),
        project: project.name.clone(),
        parent: bundle.manifest().parent,
        created_unix_s: now_unix_s,
        manifest: bundle.manifest_bytes().to_vec(),
        signature: None,
    };
    tx.add_bundle(&row)?;
    Ok(row.digest)
}

/// Writes a bundle to a new folder, from which any `Bundle::open` reads it.
///
/// # Errors
/// [`RegistryError`].
pub fn export(
    store: &Store,
    registry: &Registry,
    digest: Digest,
    folder: &Path,
) -> Result<(), RegistryError> {
    let bundle = store.read("export", |tx| registry.open(tx, digest))?;
    Ok(bundle.write_to(folder)?)
}

/// The bundle that a digest, or the unique beginning of one, names.
///
/// # Errors
/// [`RegistryError::Prefix`].
pub fn find(store: &Store, prefix: &str) -> Result<Digest, RegistryError> {
    let mut found: Vec<Digest> = store
        .read("find", |tx| tx.bundles())?
        .into_iter()
        .map(|bundle| bundle.digest)
        .filter(|digest| digest.to_hex().starts_with(prefix))
        .collect();
    match (found.pop(), found.len()) {
        (Some(digest), 0) => Ok(digest),
        (last, others) => Err(RegistryError::Prefix {
            prefix: prefix.to_owned(),
            found: others + usize::from(last.is_some()),
        }),
    }
}

/// Attaches figures that an operator measured elsewhere.
///
/// # Errors
/// [`RegistryError::Unknown`], [`RegistryError::Accuracy`].
pub fn evaluate(
    store: &Store,
    digest: Digest,
    figures: &[(SiteName, f64)],
    note: &str,
    now_unix_s: i64,
) -> Result<(), RegistryError> {
    store.write("evaluate", |tx| {
        tx.bundle(digest)?.ok_or(RegistryError::Unknown { digest })?;
        for (site, accuracy) in figures {
            if !(0.0..=1.0).contains(accuracy) {
                return Err(RegistryError::Accuracy { got: *accuracy });
            }
            let row = FigureRow {
                bundle: digest,
                site: site.clone(),
                accuracy: *accuracy,
                note: note.to_owned(),
            };
            tx.add_figure(&row, now_unix_s)?;
        }
        Ok(())
    })
}

/// The bundles of a project, or of all, oldest first.
///
/// # Errors
/// [`RegistryError`].
pub fn report(
    store: &Store,
    project: Option<&ProjectName>,
) -> Result<Vec<BundleReport>, RegistryError> {
    store.read("bundles", |tx| {
        let mut rows = tx.bundles()?;
        rows.retain(|row| project.is_none_or(|project| *project == row.project));
        rows.into_iter().map(|row| describe(tx, row)).collect()
    })
}

fn describe(tx: &Tx<'_>, row: BundleRow) -> Result<BundleReport, RegistryError> {
    let manifest = Manifest::decode(&row.manifest)?;
    let active = tx.active_publication(&row.project)?.map(|publication| publication.bundle);
    let canary = tx.canary(&row.project)?.filter(|it| it.publication.bundle == row.digest);
    let mut publications = tx.publications(&row.project)?.into_iter();
    let last = publications.find(|publication| publication.bundle == row.digest);
    let was_published = last.is_some();
    let reason = last.map(|last| last.reason).filter(|reason| !reason.is_empty());
    let state = if active == Some(row.digest) {
        "active"
    } else if canary.is_some() {
        "canary"
    } else if reason.is_some() {
        "rolled back"
    } else if was_published {
        "published"
    } else {
        "candidate"
    };
    let evaluations = tx.figures(row.digest)?.into_iter().map(|row| Evaluation {
        site: row.site,
        accuracy: row.accuracy,
        note: row.note,
    });
    let forced = tx.forced(&row.project, row.digest)?;
    Ok(BundleReport {
        bundle: row.digest,
        project: row.project,
        name: manifest.name.to_string(),
        version: manifest.version,
        parent: row.parent,
        state,
        canary_sites: canary.map(|canary| canary.sites).unwrap_or_default(),
        reason,
        created: Timestamp::from_second(row.created_unix_s).unwrap_or(Timestamp::MAX),
        lineage: manifest.lineage.iter().map(ToString::to_string).collect(),
        forced,
        evaluations: evaluations.collect(),
    })
}

/// Whether a registered bundle belongs to its project as it is now, which may have come to a newer
/// version since.
///
/// # Errors
/// [`RegistryError::Unfit`], [`RegistryError::Column`], [`RegistryError::Store`].
pub(crate) fn check_present_fit(tx: &Tx<'_>, row: &BundleRow) -> Result<(), RegistryError> {
    let unknown = || RegistryError::UnknownProject { project: row.project.clone() };
    let project = tx.project(&row.project)?.ok_or_else(unknown)?;
    check_fit(&Manifest::decode(&row.manifest)?, &project)
}

/// Whether a bundle drafts a project's labels, and finds every column that it reads there.
///
/// # Errors
/// [`RegistryError::Unfit`], [`RegistryError::Column`].
pub(crate) fn check_fit(manifest: &Manifest, project: &Project) -> Result<(), RegistryError> {
    fit::check(manifest, project)
        .map_err(|source| RegistryError::Unfit { project: project.name.clone(), source })?;
    match manifest.columns.iter().find(|column| project.field(column.name.as_str()).is_none()) {
        Some(column) => Err(RegistryError::Column {
            project: project.name.clone(),
            column: column.name.to_string(),
        }),
        None => Ok(()),
    }
}
