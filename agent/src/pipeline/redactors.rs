//! How the items of each project are redacted: by its settings file, read again when it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use insitu_protocol::ids::ProjectName;

use crate::config::{Config, Images, Inference};
use crate::item::Dirty;
use crate::prelabel;
use crate::redact::tagger::{NamesError, Transformer};
use crate::redact::texts::{Texts, Unread};
use crate::redact::{
    Engine, FieldRules, Hints, Mode, ModeName, Ocr, OcrError, Profile, Redacted, Replacement,
    Settings, SiteKey, Stamp, Subject, Surrogates, Unclean, learn, stamp,
};
use crate::store::items::ItemRow;
use crate::store::{Store, StoreError, Tx, explain};

/// Bytes of a category's value from which it is read as a text: what a column is called is the
/// coordinator's word, and whole sentences are no category.
const CATEGORY_BYTES_MAX: usize = 64;
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
    /// The same without readers of running text, for categories and numbers.
    patterns: Engine,
    mode: ModeName,
    rules: FieldRules,
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
                patterns: engine
                    .with_profile(Profile { tagger: false, ..settings.profile.clone() }),
                engine: engine.with_profile(settings.profile),
                mode: settings.mode,
                rules: settings.fields,
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

    /// A value of an item, clean; what got a surrogate is added to `replaced`. `None` when it is to be
    /// left out. A category or a number stays unless it has the shape of an identifier, or its
    /// column's name says that it is one.
    pub(super) fn clean(
        &self,
        hints: &Hints,
        dirty: Dirty<'_>,
        value: &str,
        replaced: &mut Vec<Replacement>,
    ) -> Result<Option<String>, RedactError> {
        let redacted = self.read(hints, dirty, value)?;
        Ok(redacted.map(|mut redacted| {
            replaced.append(&mut redacted.replaced);
            redacted.text
        }))
    }

    /// What an item's values state of people, for all of them.
    pub(crate) fn hints(&self, row: &ItemRow, beside: &[(String, String)]) -> Hints {
        let mut hints = Hints { subject: Subject::Stored(row.subject), ..Hints::default() };
        for (field, value) in beside {
            learn(&mut hints, &self.rules, field, value);
        }
        hints
    }

    /// A value of an item, clean, and where everything of it went; `None` when it is to be left out.
    pub(crate) fn read(
        &self,
        hints: &Hints,
        dirty: Dirty<'_>,
        value: &str,
    ) -> Result<Option<Redacted>, Unclean> {
        let mode = match self.mode {
            ModeName::Surrogate => Mode::Surrogate(&self.surrogates),
            ModeName::Hash => Mode::Hash(&self.key),
            // Settings for items are never `None`; were they, a mask is what fails closed.
            ModeName::Mask | ModeName::None => Mode::Mask,
        };
        let short = !dirty.is_text && value.len() <= CATEGORY_BYTES_MAX;
        let engine = if short { &self.patterns } else { &self.engine };
        engine.clean_field(&self.rules, dirty.field, value, hints, mode)
    }
}

/// For a Label Studio, whose people see texts as they were.
impl Texts for Mutex<Redactors> {
    fn redact(
        &self,
        store: &Store,
        project: &ProjectName,
        row: &ItemRow,
        dirty: Dirty<'_>,
        text: &str,
    ) -> Result<Option<Redacted>, Unread> {
        // What it holds is read again when it is not what it should be.
        let mut redactors = self.lock().unwrap_or_else(PoisonError::into_inner);
        let redactor = redactors.of(store, project)?.ok_or(Unread::Settings)?;
        Ok(redactor.read(&redactor.hints(row, dirty.beside), dirty, text)?)
    }
}

/// The site's key: the same in the pipeline and in `redact`.
pub(crate) fn site_key(store: &Store) -> Result<SiteKey, StoreError> {
    store.read("redaction key", |tx| {
        Ok(SiteKey::new(tx.derived_key(KEY_PURPOSE)).with_subjects(tx.subjects()))
    })
}

/// The model of names that the site's settings name, if they do.
pub(crate) fn names_model(inference: &Inference) -> Result<Option<Arc<Transformer>>, NamesError> {
    let Some(folder) = &inference.names_model else { return Ok(None) };
    let engine = prelabel::engine(inference.library.as_ref())?;
    Ok(Some(Arc::new(Transformer::load(folder, &engine)?)))
}

/// The models that find text in images and read it, if the site's settings name them.
pub(crate) fn ocr_model(
    inference: &Inference,
    must_be_read: bool,
) -> Result<Option<Arc<Ocr>>, OcrError> {
    let Some(folder) = &inference.ocr else { return Ok(None) };
    let engine = prelabel::engine(inference.library.as_ref())?;
    Ok(Some(Arc::new(Ocr::load(folder, &engine, must_be_read)?)))
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
    use crate::item::{CleanItem, RawItem, Value};
    use crate::store::items::Stage;
    use crate::store::tests::scratch;

    #[test]
    fn an_item_s_fields_follow_the_site_s_rules_and_tell_of_each_other() {
        let scratch = scratch();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("redaction.toml");
        let settings = "tagger = false\n[fields]\nward = \"LOCATION\"\ncode = \"keep\"\n\
            secret = \"drop\"\nage = \"AGE\"\nscore = \"keep\"\n";
        std::fs::write(&file, settings).unwrap();
        let project: ProjectName = "heart".parse().unwrap();
        let mut redactors = Redactors::new([(project.clone(), file)].into());
        let redactor = redactors.of(&scratch.store, &project).unwrap().unwrap();
        let text = |text: &str| Value::Text(text.to_owned());
        let fields = [
            ("surname", text("schmidt")),
            ("dateOfBirth", text("03/2020")),
            ("note", text("gestern schlief SCHMIDT gut")),
            ("ward", text("4B")),
            ("code", text("typical angina")),
            ("secret", text("x")),
            ("age", Value::Number(93.0)),
            ("score", Value::Number(12.5)),
            ("pulse", Value::Number(80.0)),
        ];
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let definition = crate::testing::project();
        let row = crate::testing::put(&scratch.store, &definition).project;
        let raw = RawItem::new("x".to_owned(), "y".to_owned(), false, fields);
        let clean = scratch.store.tx("test", |tx| {
            raw.add(tx, row, definition.name.as_str())?;
            let row = tx.items_in_stage(row, Stage::New, 0, 1)?.remove(0);
            let mut replaced = Vec::new();
            let clean = |dirty: Dirty<'_>, value: &str| {
                let hints = redactor.hints(&row, dirty.beside);
                redactor.clean(&hints, dirty, value, &mut replaced)
            };
            CleanItem::redact::<RedactError>(&row, &definition, clean, |_| Ok(()))
        });
        let clean = clean.unwrap();
        let shown = |name: &str| clean.value(name).map(Value::shown).unwrap_or_default();
        assert_eq!(shown("note"), "gestern schlief [NAME] gut");
        assert_eq!(
            (shown("surname").as_str(), shown("dateOfBirth").as_str()),
            ("[NAME]", "[DATE]")
        );
        assert_eq!(
            (shown("ward").as_str(), shown("code").as_str()),
            ("[LOCATION]", "typical angina")
        );
        assert_eq!(
            (clean.value("secret"), clean.value("age")),
            (None, None),
            "a mask is no number"
        );
        assert_eq!((shown("score").as_str(), shown("pulse").as_str()), ("12.5", "80"));
    }

    #[test]
    fn what_a_project_calls_a_category_or_a_number_is_looked_at() {
        let scratch = scratch();
        let project: ProjectName = "heart".parse().unwrap();
        let mut redactors = Redactors::default();
        let redactor = redactors.of(&scratch.store, &project).unwrap().unwrap();
        let row = crate::testing::put(&scratch.store, &crate::testing::project()).project;
        let raw = RawItem::new("x".to_owned(), "y".to_owned(), false, Vec::new());
        let row = scratch.store.tx("test", |tx| {
            raw.add(tx, row, "heart")?;
            Ok::<_, StoreError>(tx.items_in_stage(row, Stage::New, 0, 1)?.remove(0))
        });
        let row = row.unwrap();
        for (field, value, clean) in [
            ("cp", "typical angina", "typical angina"),
            ("hospital", "cleveland", "cleveland"),
            ("chol", "233", "233"),
            ("age", "63", "63"),
            ("balance", "418853", "418853"),
            ("diagnosis", "S72.001A", "S72.001A"),
            ("finding", "44054006", "44054006"),
            ("finding", "A-2291-0083", "A-2291-0083"),
            ("note", "her A-2291-0083", "her [ID]"),
            ("age", "93", "[AGE]"),
            ("mrn", "774411", "[MEDICAL_RECORD]"),
            ("seen", "12.03.2020", "[DATE]"),
            ("ward", "4B, tel. (415) 555-2671", "4B, tel. [PHONE]"),
            (
                "finding",
                "Mrs Roe was seen, and she told the nurse Laura Keller that her pain was gone.",
                "[NAME] was seen, and she told the nurse [NAME] that her pain was gone.",
            ),
        ] {
            let dirty = Dirty { field, is_text: false, beside: &[] };
            let found =
                redactor.clean(&redactor.hints(&row, &[]), dirty, value, &mut Vec::new()).unwrap();
            assert_eq!(found.as_deref(), Some(clean), "{field}");
        }
    }

    #[test]
    fn a_subject_s_dates_move_alike_in_items_and_in_files() {
        let scratch = scratch();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("redaction.toml");
        std::fs::write(&file, "mode = \"surrogate\"\ntagger = false\n").unwrap();
        let project: ProjectName = "heart".parse().unwrap();
        let mut redactors = Redactors::new([(project.clone(), file.clone())].into());
        let redactor = redactors.of(&scratch.store, &project).unwrap().unwrap();
        let row = crate::testing::put(&scratch.store, &crate::testing::project()).project;
        let settings = Settings::read(&file).unwrap();
        let key = site_key(&scratch.store).unwrap();
        let surrogates = Surrogates::new(&key, settings.language);
        let engine = Engine::new(settings.profile);
        let mut shifts = BTreeSet::new();
        for (written, subject) in
            [("774411", "774411"), ("8", "Patient/8"), ("Patient/9", "9"), ("Müller", " Müller ")]
        {
            let text = "seen 2024-03-01, again 2024-03-15";
            let fields = vec![("note".to_owned(), Value::Text(text.to_owned()))];
            let raw = RawItem::new(written.to_owned(), written.to_owned(), false, fields);
            let in_item = scratch.store.tx("test", |tx| {
                raw.add(tx, row, "heart")?;
                let row = tx.items_in_stage(row, Stage::New, 0, 9)?.pop().unwrap();
                let dirty = Dirty { field: "note", is_text: true, beside: &[] };
                Ok::<_, StoreError>(
                    redactor.read(&redactor.hints(&row, &[]), dirty, text).unwrap().unwrap().text,
                )
            });
            let hints = Hints { subject: Subject::Named(subject.to_owned()), ..Hints::default() };
            let in_file =
                engine.try_clean(text, &hints, Mode::Surrogate(&surrogates)).unwrap().text;
            assert_eq!(in_item.unwrap(), in_file);
            assert_ne!(in_file, text);
            shifts.insert(in_file);
        }
        // Two of them have the same days by chance, once in some hundred runs; all four never.
        assert!(shifts.len() > 1, "each by days of its own");
    }

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
