//! How the items of each project are redacted: by its settings file, read again when it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use insitu_protocol::ids::ProjectName;

use crate::config::{Config, Images, Inference};
use crate::label_studio::{Texts, Unread};
use crate::prelabel;
use crate::redact::tagger::{NamesError, Transformer};
use crate::redact::{
    Engine, Hints, Mode, ModeName, Profile, Redacted, Replacement, Settings, SiteKey, Stamp,
    Surrogates, Unclean, stamp,
};
use crate::store::items::ItemRow;
use crate::store::{Store, StoreError, Tx, explain};

/// What the site's surrogates and hashes are derived for.
const KEY_PURPOSE: &str = "redaction";

/// The redactors of all projects.
#[derive(Debug, Default)]
pub struct Redactors {
    files: BTreeMap<ProjectName, PathBuf>,
    /// Projects whose images are shown as they are.
    images: BTreeSet<ProjectName>,
    /// What reads names beside the program's own model.
    names: Option<Arc<Transformer>>,
    /// What all engines share, once there was an item.
    engine: Option<Engine>,
    ready: BTreeMap<ProjectName, (Stamp, Option<Redactor>)>,
}

/// What cleans the items of one project.
pub(crate) struct Redactor {
    engine: Engine,
    mode: ModeName,
    images: Images,
    key: SiteKey,
    surrogates: Surrogates,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({:?})", self.mode)
    }
}

/// Why an item was not cleaned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedactError {
    #[error(transparent)]
    Unclean(#[from] Unclean),
    #[error("the pixels of images are not redacted")]
    Image,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RedactError {
    /// The reason for the site's people: its word, and which of their rules is to blame, if one is.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Unclean(Unclean::TooMuchWork { recognizer, .. }) => {
                format!("{}: recognizer {recognizer}", self.name())
            }
            Self::Unclean(_) | Self::Image | Self::Store(_) => self.name().to_owned(),
        }
    }

    /// A word for the reason.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Unclean(unclean) => unclean.name(),
            Self::Image => "image-not-redacted",
            Self::Store(_) => "unreadable",
        }
    }
}

impl Redactors {
    /// By the files that say how each project's items are redacted.
    pub fn new(files: BTreeMap<ProjectName, PathBuf>) -> Self {
        Self { files, ..Self::default() }
    }

    /// As the site's configuration has them.
    pub(crate) fn of_config(config: &Config) -> Self {
        Self::new(config.redaction_files()).with_images_of(config.shown_images())
    }

    /// The same, with a model that reads names beside the one in the program.
    pub(crate) fn with_names(self, names: Option<Arc<Transformer>>) -> Self {
        Self { names, engine: None, ready: BTreeMap::new(), ..self }
    }

    /// The same, with the projects whose images are shown as they are.
    pub(crate) fn with_images_of(self, images: BTreeSet<ProjectName>) -> Self {
        Self { images, ready: BTreeMap::new(), ..self }
    }

    /// The project's redactor; `None` while its settings are refused: its items then wait, since
    /// cleaning them by older settings could show what the new ones hide.
    pub(crate) fn of(
        &mut self,
        store: &Store,
        project: &ProjectName,
    ) -> Result<Option<&Redactor>, StoreError> {
        let file = self.files.get(project);
        let now = file.and_then(|file| stamp(file));
        let known = self.ready.get(project).is_some_and(|(then, _)| *then == now);
        if !known {
            let settings = match file {
                None => Some(Settings::default()),
                Some(file) => match Settings::read(file).and_then(Settings::for_items) {
                    Ok(settings) => {
                        tracing::info!(%project, "redaction settings read");
                        Some(settings)
                    }
                    Err(error) => {
                        let reason = explain(&error);
                        tracing::error!(%project, reason, "redaction settings refused; items wait");
                        metrics::counter!("insitu_agent_redaction_settings_refused_total")
                            .increment(1);
                        None
                    }
                },
            };
            let key = site_key(store)?;
            let shown = self.images.contains(project);
            let images = if shown { Images::AsTheyAre } else { Images::Quarantine };
            let engine = self.engine.get_or_insert_with(|| {
                Engine::new(Profile::default()).with_names(self.names.clone())
            });
            let redactor = settings.map(|settings| Redactor {
                surrogates: Surrogates::new(&key, settings.language),
                engine: engine.with_profile(settings.profile),
                mode: settings.mode,
                images,
                key,
            });
            self.ready.insert(project.clone(), (now, redactor));
        }
        Ok(self.ready.get(project).and_then(|(_, redactor)| redactor.as_ref()))
    }
}

impl Redactor {
    /// Whether an image may be shown, whose pixels nothing redacts: only if the site says so.
    pub(super) fn image(&self) -> Result<(), RedactError> {
        match self.images {
            Images::AsTheyAre => Ok(()),
            Images::Quarantine => Err(RedactError::Image),
        }
    }

    /// A text of an item, clean; what got a surrogate is added to `replaced`.
    pub(super) fn clean(
        &self,
        row: &ItemRow,
        text: &str,
        replaced: &mut Vec<Replacement>,
    ) -> Result<String, RedactError> {
        let mut redacted = self.read(row, text)?;
        replaced.append(&mut redacted.replaced);
        Ok(redacted.text)
    }

    /// A text of an item, clean, and where everything of it went.
    pub(crate) fn read(&self, row: &ItemRow, text: &str) -> Result<Redacted, Unclean> {
        let mode = match self.mode {
            ModeName::Surrogate => Mode::Surrogate(&self.surrogates),
            ModeName::Hash => Mode::Hash(&self.key),
            // Settings for items are never `None`; were they, a mask is what fails closed.
            ModeName::Mask | ModeName::None => Mode::Mask,
        };
        let hints = Hints { subject: hex::encode(row.subject), ..Hints::default() };
        self.engine.try_clean(text, &hints, mode)
    }
}

/// For a Label Studio, whose people see texts as they were.
impl Texts for Mutex<Redactors> {
    fn redact(
        &self,
        store: &Store,
        project: &ProjectName,
        row: &ItemRow,
        text: &str,
    ) -> Result<Redacted, Unread> {
        // What it holds is read again when it is not what it should be.
        let mut redactors = self.lock().unwrap_or_else(PoisonError::into_inner);
        let redactor = redactors.of(store, project)?.ok_or(Unread::Settings)?;
        Ok(redactor.read(row, text)?)
    }
}

/// The site's key: the same in the pipeline and in `redact`.
pub(crate) fn site_key(store: &Store) -> Result<SiteKey, StoreError> {
    store.read("redaction key", |tx| Ok(SiteKey::new(tx.derived_key(KEY_PURPOSE))))
}

/// The model of names that the site's settings name, if they do.
pub(crate) fn names_model(inference: &Inference) -> Result<Option<Arc<Transformer>>, NamesError> {
    let Some(folder) = &inference.names_model else { return Ok(None) };
    let engine = prelabel::engine(inference.library.as_ref())?;
    Ok(Some(Arc::new(Transformer::load(folder, &engine)?)))
}

/// Puts what surrogates stand for into the vault, with the item that they are of.
pub(crate) fn keep_originals(
    tx: &Tx<'_>,
    item: Option<i64>,
    replaced: &[Replacement],
) -> Result<(), StoreError> {
    replaced.iter().try_for_each(|Replacement { kind, original, surrogate }| {
        tx.keep_original(kind.as_str(), surrogate, original, item)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::scratch;

    #[test]
    fn settings_are_read_again_when_they_change() {
        let scratch = scratch();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("redaction.toml");
        let project: ProjectName = "heart".parse().unwrap();
        std::fs::write(&file, "mode = \"hash\"").unwrap();
        let mut redactors = Redactors::new([(project.clone(), file.clone())].into());
        let mode = |redactors: &mut Redactors| {
            redactors.of(&scratch.store, &project).unwrap().map(|redactor| redactor.mode)
        };
        assert_eq!(mode(&mut redactors), Some(ModeName::Hash));
        std::fs::write(&file, "mode = \"surrogate\"").unwrap();
        assert_eq!(mode(&mut redactors), Some(ModeName::Surrogate));
        std::fs::write(&file, "mode = \"none\"").unwrap();
        assert_eq!(mode(&mut redactors), None, "items wait");
        std::fs::write(&file, "modes = \"mask\"").unwrap();
        assert_eq!(mode(&mut redactors), None);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(mode(&mut redactors), None, "a file that is gone is no permission");
        std::fs::write(&file, "").unwrap();
        assert_eq!(mode(&mut redactors), Some(ModeName::Mask));
    }
}
