//! `redact`: hides personal data in files.

mod watch;

use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::{Args, ValueEnum};
use insitu_daemon::clock::{Clock as _, SystemClock};
use insitu_daemon::exit;
use insitu_daemon::files::{self, Access};
use insitu_daemon::seal::Sealer;
use insitu_models::sign::SigningKey;

pub(super) use self::watch::{Vault, Watch};
use super::arguments::Arguments;
use super::dicom::{FileArguments, Files};
use super::{Context, Failure, Outcome, print_json, work};
use crate::config::Inference;
use crate::pipeline::redactors::{names_model, ocr_model, site_key};
use crate::redact::{
    self, Coarse, Encoding, Engine, Evident, Format, Kind, Language, Mode, ModeName, Ocr, Options,
    Profile, Records, Score, Settings, SiteKey, Surrogates,
};
use crate::store::Store;

/// Longest report that is verified, in bytes.
const REPORT_BYTES_MAX: usize = 1 << 20;
/// Bytes of the buffers of input and output.
const BUFFER_BYTES: usize = 1 << 16;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  echo '{\"id\": 1, \"text\": \"Call Jane Roe at (216) 555-0199\"}' | insitu-agent redact
  insitu-agent redact notes.jsonl --spans --types NAME,DATE
  insitu-agent redact bundle.ndjson --format fhir --mode surrogate --report evidence.jsonl
  insitu-agent redact adt.hl7 --format hl7 --encoding latin1 > clean.hl7
  insitu-agent redact images/ --format dicom --out clean/ --mode surrogate --retain shifted-dates
  insitu-agent redact images/ --format dicom --out clean/ --pixels ocr --ocr /usr/lib/insitu/ocr
  insitu-agent redact echoes/ --format dicom --out clean/ --ocr /usr/lib/insitu/ocr --pixel-text markers

JSON lines hold \"id\" and \"text\", and may hold \"names\" and \"identifiers\" (what other fields say
of the people in the text) and \"subject\" (whose dates move together). Spans count code points.

What is written is in UTF-8. Messages of HL7 are read in the character set that MSH-18 names, unless
--encoding says what they are in; there UTF-8 is then named.

DICOM files are read from a folder and those below it, or one file, and each is written into --out
under its new identifier. Headers are cleaned by the basic profile of PS3.15 Annex E, pixels by the
regions that the settings name ([[dicom.region]]) or that an ultrasound image has, and, with --ocr,
where text is found in any frame: it is blackened in all frames and looked for again. Where the model's
folder has recognise.onnx too, the report counts what kinds of personal data the text had, and
--pixel-text markers leaves side markers, views, and measurements with their unit as they are, where
the whole line is read as nothing else, and surely.

A record or file that cannot be cleaned is not written: its number and the reason go to stderr (of the first
100; of all with --errors FILE), the rest is processed, and the exit code is 1. Surrogates and hashes need the site's key: that of the
configuration's store, which then also keeps what surrogates stand for (see `vault`), or --key-file.")]
pub(super) struct RedactArguments {
    /// The records, or a folder of DICOM files; stdin when absent
    file: Option<PathBuf>,
    /// What the records look like
    #[arg(long, value_enum, default_value = "lines")]
    format: FormatName,
    /// What the records are in, such as latin1 [default: utf-8, or what HL7 messages say]
    #[arg(long, value_name = "NAME")]
    encoding: Option<Encoding>,
    /// What replaces personal data [default: mask]
    #[arg(long, value_enum)]
    mode: Option<ModeName>,
    #[command(flatten)]
    files: FileArguments,
    /// Write id and spans only
    #[arg(long, alias = "spans-only")]
    spans: bool,
    /// Look for these types only, such as NAME,DATE,SSN
    #[arg(long, value_delimiter = ',', value_name = "TYPE")]
    types: Vec<Kind>,
    /// Replace what has this score or a higher one, between 0 and 1 [default: 0.5]
    #[arg(long)]
    min_score: Option<Score>,
    /// The texts' main language: which names surrogates have, how 3/4/2020 is read [default: en]
    #[arg(long, value_name = "en|de|es")]
    language: Option<Language>,
    /// Which ages and years are hidden [default: local]
    #[arg(long, value_enum)]
    profile: Option<Coarse>,
    /// Settings: own recognizers, lists, rules on fields (TOML)
    #[arg(long)]
    settings: Option<PathBuf>,
    /// Read names by this model too, not only by the program's own [default: the configuration's]
    #[arg(long, value_name = "DIR")]
    names_model: Option<PathBuf>,
    /// The secret of surrogates and hashes; made when it is not there
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// Write a signed report of the run, without personal data
    #[arg(long)]
    report: Option<PathBuf>,
    /// The key that signs the report; made when it is not there
    #[arg(long, default_value = "redaction-report.key", requires = "report")]
    report_key: PathBuf,
    /// Write every failure to this file: a line of JSON with the record's number and the reason
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
    /// Do nothing but check the signature of a report, and print it
    #[arg(long, value_name = "REPORT", conflicts_with = "file")]
    verify: Option<PathBuf>,
    /// The public key that must have signed the report, in hexadecimal digits
    #[arg(long, value_name = "KEY", requires = "verify")]
    signed_by: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// JSON lines with "id" and "text"
    Lines,
    /// Any JSON values
    Json,
    /// A table with a header
    Csv,
    /// FHIR R4 resources
    Fhir,
    /// HL7 v2 messages
    Hl7,
    /// DICOM files
    Dicom,
}

pub(super) fn redact(arguments: &Arguments, redact: &RedactArguments) -> Outcome {
    match &redact.verify {
        Some(report) => verify(report, redact.signed_by.as_deref()),
        None => run(arguments, redact, io::stdout().lock()),
    }
}

fn run(arguments: &Arguments, redact: &RedactArguments, out: impl Write) -> Outcome {
    let lines = redact.format == FormatName::Lines;
    if redact.spans && !lines {
        let text = "--spans is for the format lines only: other formats have no one text";
        return Err(Failure::text(exit::USAGE, text));
    }
    if redact.encoding.is_some() && redact.format == FormatName::Dicom {
        let text = "--encoding is for records: DICOM files say what they are in";
        return Err(Failure::text(exit::USAGE, text));
    }
    let settings = settings(redact)?;
    if redact.report.is_some() && settings.mode == ModeName::None {
        let text = "--report says what was hidden, and mode none hides nothing";
        return Err(Failure::text(exit::USAGE, text));
    }
    let images = if redact.format == FormatName::Dicom {
        Some(redact.files.check(redact.file.as_deref(), &settings)?)
    } else {
        redact.files.refuse()?;
        None
    };
    let inference = inference(arguments, redact)?;
    let finder = images.as_ref().map_or(Ok(None), |files| finder(&inference, files))?;
    let (key, store) = site(arguments, redact, settings.mode)?;
    let surrogates = Surrogates::new(&key, settings.language);
    let mode = match settings.mode {
        ModeName::Mask => Mode::Mask,
        ModeName::Surrogate => Mode::Surrogate(&surrogates),
        ModeName::Hash => Mode::Hash(&key),
        ModeName::None => Mode::None,
    };
    let engine = with_names(&inference, Engine::new(settings.profile))?;
    let path = redact.file.as_deref().unwrap_or_else(|| Path::new("-"));
    let read = AtomicU64::new(0);
    let vault = Vault::new(store);
    let mut watch = Watch::new(path, &read, &vault, redact.errors.as_deref())?;
    let records = Records { engine: &engine, mode, rules: &settings.fields, key: &key };
    let mut files = None;
    if let Some(images) = images {
        files = Some(images.run(&records, finder, &vault, &mut watch)?);
    } else {
        let reader = decoded(Counted { inner: work::open(path)?, read: &read }, redact.encoding);
        let writer = vault.before(out);
        match redact.format.records(redact.encoding) {
            None => {
                let options = Options { mode, spans_only: redact.spans };
                redact::lines(&engine, reader, writer, options, &mut watch)?;
            }
            Some(format) => records.run(format, reader, writer, &mut watch)?,
        }
    }
    let evidence = watch.end()?;
    if let Some(report) = &redact.report {
        let evident = Evident {
            made_at: SystemClock.now(),
            format: redact.format.name(),
            files,
            mode: settings.mode,
            settings: settings.digest.as_deref(),
            profile: engine.profile(),
            models: engine.models(),
            language: settings.language,
        };
        let key = SigningKey::open_or_create(&redact.report_key)
            .map_err(|error| Failure::configuration(&error))?;
        let text = evidence.report(&evident, &key);
        files::write_atomic(report, text.as_bytes(), Access::Public)
            .map_err(|error| Failure::refused(&error))?;
    }
    Ok(if evidence.failures() > 0 { exit::REFUSED } else { exit::DONE })
}

/// `reader` in UTF-8, from the encoding that somebody has named.
fn decoded<'r>(reader: impl BufRead + 'r, encoding: Option<Encoding>) -> Box<dyn BufRead + 'r> {
    match encoding {
        Some(encoding) => Box::new(encoding.decode(reader)),
        None => Box::new(reader),
    }
}

fn verify(path: &Path, signed_by: Option<&str>) -> Outcome {
    let bytes = files::read(path, REPORT_BYTES_MAX).map_err(|error| Failure::refused(&error))?;
    let text = String::from_utf8_lossy(&bytes);
    let (report, key) = redact::verify_report(&text).map_err(|error| Failure::refused(&error))?;
    let signer = key.0.to_string();
    if let Some(wanted) = signed_by
        && !signer.eq_ignore_ascii_case(wanted.trim())
    {
        let text = format!("signed by {signer}, not by {}", wanted.trim());
        return Err(Failure::text(exit::REFUSED, text));
    }
    print_json(&report)?;
    match signed_by {
        Some(_) => writeln!(io::stderr(), "signed by {signer}, as it must be")?,
        None => writeln!(
            io::stderr(),
            "signed by {signer}: compare this with what the site says, or give it with --signed-by"
        )?,
    }
    Ok(exit::DONE)
}

/// Which models and engine the command line or the configuration names.
fn inference(arguments: &Arguments, redact: &RedactArguments) -> Result<Inference, Failure> {
    let mut inference = if arguments.config.exists() {
        super::read_config(arguments)?.inference
    } else {
        Inference::default()
    };
    inference.names_model = redact.names_model.clone().or(inference.names_model);
    inference.ocr = redact.files.ocr.clone().or(inference.ocr);
    Ok(inference)
}

/// The engine with the model of names, if there is one.
fn with_names(inference: &Inference, engine: Engine) -> Result<Engine, Failure> {
    let model = names_model(inference).map_err(|error| Failure::configuration(&error))?;
    Ok(engine.with_names(model))
}

/// The models that find text in the pixels of `files` and read it, if any is looked for.
fn finder(inference: &Inference, files: &Files) -> Result<Option<Arc<Ocr>>, Failure> {
    if !files.reads(inference.ocr.as_deref())? {
        return Ok(None);
    }
    ocr_model(inference, files.keeps_markers()).map_err(|error| Failure::configuration(&error))
}

/// The settings file's, with what the command line says otherwise.
fn settings(redact: &RedactArguments) -> Result<Settings, Failure> {
    let mut settings = match &redact.settings {
        Some(path) => Settings::read(path).map_err(|error| Failure::configuration(&error))?,
        None => Settings::default(),
    };
    let Profile { kinds, min_score, coarse, .. } = &mut settings.profile;
    if !redact.types.is_empty() {
        *kinds = redact.types.iter().copied().collect();
    }
    *min_score = redact.min_score.map_or(*min_score, Score::get);
    *coarse = redact.profile.unwrap_or(*coarse);
    settings.mode = redact.mode.unwrap_or(settings.mode);
    settings.language = redact.language.unwrap_or(settings.language);
    Ok(settings)
}

/// The site's key, and its store where that keeps what surrogates stand for.
fn site(
    arguments: &Arguments,
    redact: &RedactArguments,
    mode: ModeName,
) -> Result<(SiteKey, Option<Store>), Failure> {
    if let Some(file) = &redact.key_file {
        let sealer = Sealer::open_or_create(file).map_err(|error| Failure::refused(&error))?;
        return Ok((SiteKey::new(*sealer.derive_key("insitu 2026 redaction key file v1")), None));
    }
    match mode {
        ModeName::Mask | ModeName::None => {
            // A key for this run: what refers to one thing still does, and nothing else is told.
            Ok((SiteKey::new(random()?), None))
        }
        ModeName::Surrogate | ModeName::Hash => {
            if !arguments.config.exists() {
                let text = format!(
                    "surrogates and hashes need the site's key: --key-file FILE, or a \
                     configuration ({} is not there)",
                    arguments.config.display()
                );
                return Err(Failure::text(exit::CONFIGURATION, text));
            }
            let store = Context::open(arguments)?.store;
            let key = site_key(&store)?;
            Ok((key, (mode == ModeName::Surrogate).then_some(store)))
        }
    }
}

fn random() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|_| Failure::text(exit::RUNTIME, "no random bytes from the operating system"))?;
    Ok(bytes)
}

impl FormatName {
    /// The format of records, if it is one; `encoding` as in [`Format::Hl7`].
    fn records(self, encoding: Option<Encoding>) -> Option<Format> {
        match self {
            Self::Lines => None,
            Self::Json => Some(Format::Json),
            Self::Csv => Some(Format::Csv),
            Self::Fhir => Some(Format::Fhir),
            Self::Hl7 => Some(Format::Hl7 { encoding }),
            Self::Dicom => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Fhir => "fhir",
            Self::Hl7 => "hl7",
            Self::Dicom => "dicom",
        }
    }
}

/// Counts what is read, for progress.
struct Counted<'a, R> {
    inner: R,
    read: &'a AtomicU64,
}

impl<R: BufRead> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Counted<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        self.inner.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser as _;

    use super::super::arguments::Command;
    use super::*;
    use crate::redact::Evidence;
    use crate::store::tests::scratch;

    fn parse(arguments: &[&str]) -> Result<RedactArguments, clap::Error> {
        let words = ["insitu-agent", "redact"].iter().chain(arguments).copied();
        let Command::Redact(redact) = Arguments::try_parse_from(words)?.command else {
            panic!("not the command redact")
        };
        Ok(redact)
    }

    #[test]
    fn the_command_line_outdoes_the_settings_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("redaction.toml");
        fs::write(&file, "mode = \"hash\"\nlanguage = \"es\"\nmin_score = 0.9\n").unwrap();
        let file = file.to_str().unwrap();
        let from_file = settings(&parse(&["--settings", file]).unwrap()).unwrap();
        assert_eq!((from_file.mode, from_file.language), (ModeName::Hash, Language::Spanish));
        assert!((from_file.profile.min_score - 0.9).abs() < 1e-6);
        let words =
            ["--settings", file, "--mode", "mask", "--types", "NAME,DATE", "--min-score", "0.7"];
        let both = settings(&parse(&words).unwrap()).unwrap();
        assert_eq!((both.mode, both.language), (ModeName::Mask, Language::Spanish));
        let kinds = both.profile.kinds;
        assert!(kinds.contains(Kind::Name) && !kinds.contains(Kind::Ssn));
        assert!((both.profile.min_score - 0.7).abs() < 1e-6);
    }

    #[test]
    fn bad_records_are_left_out_and_the_report_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let input = b"{\"id\":1,\"text\":\"mail jane@example.org\"}\n\xff\nnonsense\n{\"id\":2,\"text\":\"\"}\n";
        fs::write(path("in.jsonl"), input).unwrap();
        let words = [
            "insitu-agent",
            "redact",
            &path("in.jsonl"),
            "--report",
            &path("report"),
            "--report-key",
            &path("report.key"),
            "--errors",
            &path("errors"),
        ];
        let arguments = Arguments::try_parse_from(words).unwrap();
        let Command::Redact(command) = &arguments.command else { panic!("redact") };
        let mut out = Vec::new();
        assert_eq!(run(&arguments, command, &mut out).unwrap(), exit::REFUSED);
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out.lines().count(), 2, "{out}");
        assert!(out.contains("mail [EMAIL]") && !out.contains("jane"), "{out}");
        let report = fs::read_to_string(path("report")).unwrap();
        assert!(!report.contains("jane"));
        let (report, _) = redact::verify_report(&report).unwrap();
        assert_eq!((&report["records"], &report["found"]["EMAIL"]), (&2.into(), &1.into()));
        assert_eq!(report["not_cleaned"]["by_reason"]["not-utf8"], 1);
        assert_eq!(report["not_cleaned"]["by_reason"]["malformed"], 1);
        assert_eq!(report["engine"]["models"]["tagger"].as_str().unwrap().len(), 64);
        let errors = fs::read_to_string(path("errors")).unwrap();
        let errors: Vec<serde_json::Value> =
            errors.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&errors[0]["record"], &errors[0]["reason"]), (&2.into(), &"not-utf8".into()));
        assert_eq!((&errors[1]["record"], errors.len()), (&3.into(), 2));
    }

    #[test]
    fn records_in_another_encoding_are_written_in_utf_8() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::write(path("in.csv"), b"nachname,befund\nm\xfcller,M\xfcller f\xfchlt sich wohl\n")
            .unwrap();
        let clean = |more: &[&str]| {
            let words = ["insitu-agent", "redact", &path("in.csv"), "--format", "csv"];
            let arguments = Arguments::try_parse_from(words.iter().chain(more)).unwrap();
            let Command::Redact(command) = &arguments.command else { panic!("redact") };
            let mut out = Vec::new();
            let code = run(&arguments, command, &mut out).unwrap();
            (code, String::from_utf8(out).unwrap())
        };
        let table = "nachname,befund\n[NAME],[NAME] fühlt sich wohl\n";
        assert_eq!(clean(&["--encoding", "latin1"]), (exit::DONE, table.to_owned()));
        assert_eq!(clean(&[]), (exit::REFUSED, "nachname,befund\n".to_owned()));
        let error = parse(&["--encoding", "ebcdic"]).unwrap_err().to_string();
        assert!(error.contains("windows-1252"), "{error}");
        let images =
            parse(&["x", "--format", "dicom", "--out", "y", "--encoding", "latin1"]).unwrap();
        let arguments = Arguments::try_parse_from(["insitu-agent", "redact"]).unwrap();
        assert!(run(&arguments, &images, io::sink()).is_err());
    }

    #[test]
    fn a_report_by_another_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report");
        let key = SigningKey::create(&folder.path().join("key")).unwrap();
        let evident = Evident {
            made_at: SystemClock.now(),
            format: "lines",
            files: None,
            mode: ModeName::Mask,
            settings: None,
            profile: &Profile::default(),
            models: Vec::new(),
            language: Language::English,
        };
        fs::write(&path, Evidence::new([0; 32]).report(&evident, &key)).unwrap();
        let signer = key.public().0.to_string();
        assert_eq!(verify(&path, None).unwrap(), exit::DONE);
        assert_eq!(verify(&path, Some(&signer.to_uppercase())).unwrap(), exit::DONE);
        assert!(verify(&path, Some(&"0".repeat(64))).is_err());
        assert!(verify(&path, Some("")).is_err());
    }

    #[test]
    fn a_folder_of_images_is_cleaned_file_by_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::create_dir(path("in")).unwrap();
        let mut scan = vec![0; 128];
        scan.extend(b"DICM\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0");
        scan.extend(b"\x08\0\x18\0UI\x06\x001.2.77\x10\0\x10\0PN\x08\0ROE^JANE");
        fs::write(path("in/JANE ROE.dcm"), &scan).unwrap();
        fs::write(path("in/note.txt"), "Jane Roe").unwrap();
        let words = ["insitu-agent", "redact", &path("in"), "--format", "dicom"];
        let more = ["--out", &path("out"), "--report", &path("r"), "--report-key", &path("key")];
        let arguments = Arguments::try_parse_from(words.iter().chain(&more)).unwrap();
        let Command::Redact(command) = &arguments.command else { panic!("redact") };
        assert_eq!(run(&arguments, command, io::sink()).unwrap(), exit::REFUSED, "one is no image");
        let written: Vec<_> = fs::read_dir(path("out")).unwrap().map(|f| f.unwrap()).collect();
        let [file] = &written[..] else { panic!("{} files", written.len()) };
        assert!(file.file_name().to_str().unwrap().starts_with("2.25."));
        let clean = String::from_utf8_lossy(&fs::read(file.path()).unwrap()).into_owned();
        assert!(clean.contains("DICM") && !clean.contains("ROE"));
        let (report, _) = redact::verify_report(&fs::read_to_string(path("r")).unwrap()).unwrap();
        assert_eq!((&report["format"], &report["records"]), (&"dicom".into(), &1.into()));
        assert_eq!(report["files"]["attributes"]["uids"], 1);
        assert_eq!(report["not_cleaned"]["by_reason"]["not-dicom"], 1);
    }

    /// Fails where a file would end.
    struct Torn;

    impl Read for Torn {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("torn"))
        }
    }

    #[test]
    fn whatever_is_written_is_in_the_vault() {
        let scratch = scratch();
        let vault = Vault::new(Some(scratch.store));
        let key = SiteKey::new([1; 32]);
        let surrogates = Surrogates::new(&key, Language::English);
        let engine = Engine::new(Profile { tagger: false, ..Profile::default() });
        let input = b"{\"id\":1,\"text\":\"mail jane@example.org\"}\n".chain(Torn);
        let (mut out, read) = (Vec::new(), AtomicU64::new(0));
        let mut watch = Watch::new(Path::new("-"), &read, &vault, None).unwrap();
        let options = Options { mode: Mode::Surrogate(&surrogates), spans_only: false };
        let (reader, writer) = (io::BufReader::new(input), vault.before(&mut out));
        redact::lines(&engine, reader, writer, options, &mut watch).unwrap_err();
        let record: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let surrogate = record["text"].as_str().unwrap().strip_prefix("mail ").unwrap();
        let store = vault.store.as_ref().unwrap();
        let kept = store.read("test", |tx| tx.originals("EMAIL", surrogate)).unwrap();
        assert_eq!(kept, ["jane@example.org"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in [
            &["--types", "NAMES"][..],
            &["--min-score", "7"],
            &["--language", "fr"],
            &["--format", "pdf"],
            &["--verify", "x", "notes.jsonl"],
        ] {
            assert!(parse(words).is_err(), "{words:?}");
        }
        assert!(parse(&["--spans-only"]).unwrap().spans, "the older name is understood");
        for words in [&["--format", "csv", "--spans"][..], &["--mode", "none", "--report", "x"]] {
            let words = ["insitu-agent", "redact"].iter().chain(words);
            let arguments = Arguments::try_parse_from(words).unwrap();
            let Command::Redact(redact) = &arguments.command else { panic!("redact") };
            assert_eq!(super::redact(&arguments, redact).unwrap_err().code, exit::USAGE);
        }
    }

    #[test]
    fn a_names_model_that_is_not_there_is_a_fault_of_the_configuration() {
        let words =
            ["insitu-agent", "--config", "/nowhere/a.toml", "redact", "--names-model", "/nowhere"];
        let arguments = Arguments::try_parse_from(words).unwrap();
        let Command::Redact(redact) = &arguments.command else { panic!("redact") };
        let engine = Engine::new(Profile { tagger: false, ..Profile::default() });
        let named = inference(&arguments, redact).unwrap();
        let failure = with_names(&named, engine).map(drop).unwrap_err();
        assert_eq!(failure.code, exit::CONFIGURATION);
    }

    #[test]
    fn an_ocr_model_that_is_not_there_is_a_fault_of_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let run = |more: &[&str]| {
            let (images, out) = (path("."), path("../out"));
            let words = ["insitu-agent", "--config", "/nowhere/a.toml", "redact", &images];
            let words = words.iter().copied().chain(["--format", "dicom", "--out", &out]);
            let words = words.chain(more.iter().copied());
            let arguments = Arguments::try_parse_from(words).unwrap();
            let Command::Redact(redact) = &arguments.command else { panic!("redact") };
            run(&arguments, redact, io::sink()).unwrap_err()
        };
        let missing = run(&["--ocr", &path("nothing")]);
        assert_eq!(missing.code, exit::CONFIGURATION);
        assert_eq!(run(&["--pixel-text", "markers"]).code, exit::USAGE);
        fs::write(path("detect.onnx"), "another model").unwrap();
        assert_eq!(run(&["--ocr", &path(".")]).code, exit::CONFIGURATION);
        let unread = run(&["--ocr", &path("."), "--pixel-text", "markers"]);
        assert_eq!(unread.code, exit::CONFIGURATION);
        assert!(unread.message.contains("recognise.onnx"), "{unread:?}");
        assert_eq!(run(&["--pixels", "ocr"]).code, exit::USAGE);
        assert!(!Path::new(&path("../out")).exists(), "nothing is written");
    }

    #[test]
    fn a_key_file_is_made_once_and_gives_the_same_surrogates() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("site.key");
        let key = key.to_str().unwrap();
        let arguments =
            Arguments::try_parse_from(["insitu-agent", "redact", "--key-file", key]).unwrap();
        let Command::Redact(redact) = &arguments.command else { panic!("redact") };
        let clean = || {
            let (key, store) = site(&arguments, redact, ModeName::Surrogate).unwrap();
            assert!(store.is_none());
            let surrogates = Surrogates::new(&key, Language::English);
            let profile = Profile { tagger: false, ..Profile::default() };
            Engine::new(profile).clean("Dr. Jane Roe", Mode::Surrogate(&surrogates)).text
        };
        let first = clean();
        assert!(first.starts_with("Dr. ") && !first.contains("Roe"));
        assert_eq!(clean(), first);
    }

    #[test]
    fn surrogates_without_a_key_are_refused() {
        let arguments =
            Arguments::try_parse_from(["insitu-agent", "--config", "/nowhere/a.toml", "redact"]);
        let arguments = arguments.unwrap();
        let Command::Redact(redact) = &arguments.command else { panic!("redact") };
        let failure = site(&arguments, redact, ModeName::Surrogate).map(drop).unwrap_err();
        assert_eq!(failure.code, exit::CONFIGURATION);
        assert!(site(&arguments, redact, ModeName::Mask).is_ok());
    }
}
