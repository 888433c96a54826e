//! `redact --format dicom`: files of a folder into another folder.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use insitu_daemon::exit;
use insitu_daemon::files::{self, Access};
use insitu_dicom::{
    Cleaned, Counts, FILE_BYTES_MAX, PixelOutcome, PixelText, Pixels, Retain, Settings, TextFinder,
    TextRead,
};
use serde_json::{Value, json};

use super::Failure;
use super::redact::{Vault, Watch};
use crate::redact::{self, Account, Images, LineError, ModeName, Observer as _, Ocr, Records};

/// Most files of a run.
const FILES_MAX: usize = 1_000_000;
/// Deepest folder below the one that is named.
const FOLDERS_MAX: usize = 32;

#[derive(Debug, Default, Args)]
pub(super) struct FileArguments {
    /// Where cleaned DICOM files are written
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Options of the DICOM profile: dates, shifted-dates, device, institution, patient, uids,
    /// descriptors, structured, graphics
    #[arg(long, value_delimiter = ',', value_name = "OPTION")]
    retain: Vec<Retain>,
    /// What happens to the pixels of DICOM files [default: rules]
    #[arg(long, value_enum)]
    pixels: Option<PixelsName>,
    /// Look for text in the pixels by the model in this folder [default: the configuration's]
    #[arg(long, value_name = "DIR")]
    pub(super) ocr: Option<PathBuf>,
    /// Which of the text that is found goes black [default: all]
    #[arg(long, value_enum)]
    pixel_text: Option<PixelTextName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PixelTextName {
    /// All of it
    All,
    /// All but side markers, views and measurements that are read as such, and surely
    Markers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PixelsName {
    /// Black where rules say; refused where a rule is needed and there is none
    Rules,
    /// Black where rules say, and where text is found; no rule is needed
    Ocr,
    /// As they are: they show nobody's name
    Keep,
}

impl FileArguments {
    /// What is to be done, once it makes sense.
    pub(super) fn check(
        &self,
        input: Option<&Path>,
        settings: &redact::Settings,
    ) -> Result<Files, Failure> {
        let usage = |text: &str| Failure::text(exit::USAGE, text);
        let input = input.ok_or_else(|| usage("--format dicom needs a file or folder"))?;
        let out = self.out.as_deref().ok_or_else(|| usage("--format dicom needs --out FOLDER"))?;
        let mut dicom = settings.dicom.clone();
        if !self.retain.is_empty() {
            dicom.retain.clone_from(&self.retain);
        }
        match self.pixels {
            Some(PixelsName::Rules) => dicom.pixels = Pixels::Rules,
            Some(PixelsName::Ocr) => dicom.pixels = Pixels::Ocr,
            Some(PixelsName::Keep) => dicom.pixels = Pixels::Keep,
            None => {}
        }
        match self.pixel_text {
            Some(PixelTextName::All) => dicom.pixel_text = PixelText::All,
            Some(PixelTextName::Markers) => dicom.pixel_text = PixelText::Markers,
            None => {}
        }
        if dicom.pixels == Pixels::Keep && (self.ocr.is_some() || self.pixel_text.is_some()) {
            return Err(usage(
                "--ocr and --pixel-text are about text that is looked for, and pixels that are kept \
                 stay as they are",
            ));
        }
        let wants = |option| dicom.retain.contains(&option);
        if wants(Retain::Dates) && wants(Retain::ShiftedDates) {
            return Err(usage("dates are kept or shifted, not both"));
        }
        if wants(Retain::ShiftedDates) && settings.mode != ModeName::Surrogate {
            return Err(usage("shifted-dates need --mode surrogate: dates move by a secret"));
        }
        if settings.mode == ModeName::None {
            return Err(usage("mode none hides nothing, and --format dicom writes no spans"));
        }
        Ok(Files { input: input.to_owned(), out: out.to_owned(), dicom })
    }

    /// Refuses these arguments for other formats.
    pub(super) fn refuse(&self) -> Result<(), Failure> {
        if self.out.is_some()
            || !self.retain.is_empty()
            || self.pixels.is_some()
            || self.ocr.is_some()
            || self.pixel_text.is_some()
        {
            let text =
                "--out, --retain, --pixels, --ocr and --pixel-text are for --format dicom only";
            return Err(Failure::text(exit::USAGE, text));
        }
        Ok(())
    }
}

/// Files to be cleaned.
#[derive(Debug)]
pub(super) struct Files {
    input: PathBuf,
    out: PathBuf,
    dicom: Settings,
}

impl Files {
    /// Whether text is looked for in pixels, by the model in `folder`.
    ///
    /// # Errors
    /// Of usage, when it must be and there is no folder.
    pub(super) fn reads(&self, folder: Option<&Path>) -> Result<bool, Failure> {
        match (self.dicom.pixels, folder) {
            (Pixels::Keep, _) => Ok(false),
            (Pixels::Rules, None) if !self.keeps_markers() => Ok(false),
            (Pixels::Rules | Pixels::Ocr, Some(_)) => Ok(true),
            (Pixels::Rules | Pixels::Ocr, None) => {
                let text = "pixels are to be read, and there is no model: --ocr DIR, or ocr = \"DIR\" \
                            under [inference]; models/ocr/fetch-ppocr.sh fetches it";
                Err(Failure::text(exit::USAGE, text))
            }
        }
    }

    /// Whether text may stay, so that it must be read.
    pub(super) fn keeps_markers(&self) -> bool {
        self.dicom.pixel_text == PixelText::Markers
    }

    /// Cleans each file that can be cleaned. What is told and counted names files by their number,
    /// in the order of their paths: a path may hold a name.
    pub(super) fn run(
        &self,
        records: &Records<'_>,
        finder: Option<Arc<Ocr>>,
        vault: &Vault,
        watch: &mut Watch<'_>,
    ) -> Result<Value, Failure> {
        let refused = |error: io::Error, path: &Path| Failure::from(error).of(path);
        fs::create_dir_all(&self.out).map_err(|error| refused(error, &self.out))?;
        let real = |path: &Path| path.canonicalize().map_err(|error| refused(error, path));
        let (input, out) = (real(&self.input)?, real(&self.out)?);
        if out.starts_with(&input) {
            let text = "--out is inside the folder that is read: cleaned files would be read again";
            return Err(Failure::text(exit::USAGE, text));
        }
        let mut paths = Vec::new();
        list(&input, 0, &mut paths).map_err(|error| refused(error, &self.input))?;
        paths.sort();
        let reads = finder.as_ref().is_some_and(|ocr| ocr.reads());
        let mut total = Total { ocr: finder.is_some(), reads, ..Total::default() };
        let finder = finder.map(|ocr| -> Arc<dyn TextFinder> { ocr });
        let images = Images::new(records, self.dicom.clone(), finder);
        let mut written = HashSet::new();
        for (line, path) in (1..).zip(&paths) {
            match clean(&images, line, path, &mut written) {
                Ok((account, cleaned)) => {
                    watch.cleaned(account)?;
                    // Nothing is written before the vault has what it stands for.
                    vault.keep()?;
                    let path = out.join(format!("{}.dcm", cleaned.uid));
                    files::write_atomic(&path, &cleaned.bytes, Access::Public)
                        .map_err(|error| Failure::refused(&error))?;
                    total.add(&cleaned);
                }
                Err(reason) => watch.failed(redact::Failure { line, reason }),
            }
        }
        Ok(total.report(&self.dicom))
    }
}

fn clean(
    images: &Images<'_>,
    number: u64,
    path: &Path,
    written: &mut HashSet<String>,
) -> Result<(Account, Cleaned), LineError> {
    let unread = |_| LineError::File { reason: "it cannot be read" };
    let mut bytes = Vec::new();
    // One byte more than may be, which the reader then refuses.
    let limit = FILE_BYTES_MAX as u64 + 1;
    File::open(path).map_err(unread)?.take(limit).read_to_end(&mut bytes).map_err(unread)?;
    let (account, cleaned) = images.clean(number, &bytes)?;
    if !written.insert(cleaned.uid.clone()) {
        return Err(LineError::File { reason: "an earlier file has its SOP instance UID" });
    }
    Ok((account, cleaned))
}

/// Files of a folder and those below it; links are not followed.
fn list(path: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        paths.push(path.to_owned());
        return Ok(());
    }
    if depth > FOLDERS_MAX {
        return Err(io::Error::other(format!("more than {FOLDERS_MAX} folders deep")));
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list(&entry.path(), depth + 1, paths)?;
        } else if kind.is_file() {
            paths.push(entry.path());
        }
        if paths.len() > FILES_MAX {
            return Err(io::Error::other(format!("more than {FILES_MAX} files")));
        }
    }
    Ok(())
}

/// What was done to all files together.
#[derive(Default)]
struct Total {
    counts: Counts,
    blackened_files: u64,
    blackened_frames: u64,
    without_rule: u64,
    kept: u64,
    ocr: bool,
    reads: bool,
    read_clean: u64,
    text: TextRead,
}

impl Total {
    fn add(&mut self, cleaned: &Cleaned) {
        let (sum, more) = (&mut self.counts, cleaned.counts);
        sum.private += more.private;
        sum.unknown += more.unknown;
        sum.removed += more.removed;
        sum.emptied += more.emptied;
        sum.replaced += more.replaced;
        sum.uids += more.uids;
        sum.dates += more.dates;
        sum.read_again += more.read_again;
        let (sum, more) = (&mut self.text, &cleaned.text);
        sum.frames += more.frames;
        sum.regions += more.regions;
        sum.markings += more.markings;
        sum.lines += more.lines;
        sum.unread += more.unread;
        for (kind, count) in &more.found {
            *sum.found.entry(kind).or_default() += count;
        }
        match cleaned.pixels {
            PixelOutcome::Blackened { frames } => {
                self.blackened_files += 1;
                self.blackened_frames += frames as u64;
            }
            PixelOutcome::NoRule => self.without_rule += 1,
            PixelOutcome::ReadClean if cleaned.text.markings == 0 => self.read_clean += 1,
            PixelOutcome::Kept => self.kept += 1,
            PixelOutcome::Absent | PixelOutcome::RuledClean | PixelOutcome::ReadClean => {}
        }
    }

    fn report(&self, settings: &Settings) -> Value {
        let Counts { private, unknown, removed, emptied, replaced, uids, dates, read_again } =
            self.counts;
        json!({
            "profile": insitu_dicom::PROFILE,
            "retain": settings.retain.iter().map(|option| option.as_str()).collect::<Vec<_>>(),
            "regions": settings.regions.len(),
            "attributes": {
                "removed": removed, "private": private, "unknown": unknown, "emptied": emptied,
                "replaced": replaced, "uids": uids, "dates_shifted": dates,
                "texts_read_again": read_again,
            },
            "pixels": {
                "blackened_files": self.blackened_files, "blackened_frames": self.blackened_frames,
                "no_rule": self.without_rule, "kept_unseen": self.kept,
                "ocr": {
                    "used": self.ocr, "frames_read": self.text.frames,
                    "regions_blackened": self.text.regions, "no_text_files": self.read_clean,
                    "text_read": self.reads, "markings_kept": self.text.markings,
                    "blackened_lines": {
                        "read": self.text.lines, "unread": self.text.unread,
                        "found": self.text.found,
                    },
                },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(mode: ModeName, retain: &[Retain]) -> redact::Settings {
        let dicom = Settings { retain: retain.to_vec(), ..Settings::default() };
        redact::Settings { mode, dicom, ..redact::Settings::default() }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let arguments = FileArguments { out: Some("out".into()), ..FileArguments::default() };
        let check = |mode, retain: &[Retain]| {
            let checked = arguments.check(Some(Path::new("in")), &settings(mode, retain));
            checked.map(drop).map_err(|failure| failure.code)
        };
        assert_eq!(check(ModeName::Mask, &[Retain::Dates]), Ok(()));
        assert_eq!(check(ModeName::Surrogate, &[Retain::ShiftedDates]), Ok(()));
        assert_eq!(check(ModeName::Mask, &[Retain::ShiftedDates]), Err(exit::USAGE));
        assert_eq!(check(ModeName::None, &[]), Err(exit::USAGE));
        let both = [Retain::Dates, Retain::ShiftedDates];
        assert_eq!(check(ModeName::Surrogate, &both), Err(exit::USAGE));
        let keeps = FileArguments {
            pixels: Some(PixelsName::Keep),
            ocr: Some("ocr".into()),
            out: Some("out".into()),
            ..FileArguments::default()
        };
        let kept = keeps.check(Some(Path::new("in")), &settings(ModeName::Mask, &[]));
        assert_eq!(kept.unwrap_err().code, exit::USAGE);
        let blind = FileArguments { ocr: None, pixel_text: Some(PixelTextName::Markers), ..keeps };
        let kept = blind.check(Some(Path::new("in")), &settings(ModeName::Mask, &[]));
        assert_eq!(kept.unwrap_err().code, exit::USAGE);
        assert!(blind.refuse().is_err());
        let nowhere = FileArguments::default();
        assert!(nowhere.check(Some(Path::new("in")), &settings(ModeName::Mask, &[])).is_err());
        assert!(arguments.check(None, &settings(ModeName::Mask, &[])).is_err());
        assert!(arguments.refuse().is_err() && nowhere.refuse().is_ok());
    }

    #[test]
    fn pixels_are_read_by_a_model_or_not_at_all() {
        let files = |pixels| Files {
            input: "in".into(),
            out: "out".into(),
            dicom: Settings { pixels, ..Settings::default() },
        };
        let folder = Some(Path::new("ocr"));
        assert_eq!(files(Pixels::Ocr).reads(None).unwrap_err().code, exit::USAGE);
        assert!(files(Pixels::Ocr).reads(folder).unwrap());
        assert!(files(Pixels::Rules).reads(folder).unwrap());
        assert!(!files(Pixels::Rules).reads(None).unwrap());
        assert!(!files(Pixels::Keep).reads(folder).unwrap());
        let dicom = Settings { pixel_text: PixelText::Markers, ..Settings::default() };
        let markers = Files { dicom, ..files(Pixels::Rules) };
        assert_eq!(markers.reads(None).unwrap_err().code, exit::USAGE);
        assert!(markers.reads(folder).unwrap());
    }

    #[test]
    fn files_are_found_below_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("study/series");
        fs::create_dir_all(&inner).unwrap();
        for name in ["study/b", "study/series/a", "c"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        std::os::unix::fs::symlink("/", inner.join("link")).unwrap();
        let mut paths = Vec::new();
        list(folder.path(), 0, &mut paths).unwrap();
        assert_eq!(paths.len(), 3);
    }
}
