//! `insitu-local pack`: a model's folder as a bundle for a project's classes.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use insitu_models::bundle::Bundle;
use insitu_models::calibrate::{self, Fitted};
use insitu_models::engine::{Engine, Library};
use insitu_models::head::HeadKind;
use insitu_models::manifest::{Pooling, Sentence};
use insitu_models::pack::{TextModel, Title};
use insitu_models::predict::Predictor;
use insitu_protocol::project::{FieldKind, Project};
use insitu_protocol::text::Line;
use serde::Deserialize;

/// Largest file of classes.
const CLASSES_BYTES_MAX: u64 = 1024 * 1024;
/// Most held-out texts.
const HELD_OUT_MAX: usize = 100_000;
/// Texts of which features are made at once.
const BATCH_TEXTS: usize = 256;

/// What to pack.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Folder with model.onnx (or onnx/model.onnx) and tokenizer.json
    model: PathBuf,
    /// Where the bundle goes; a folder that is not there yet
    out: PathBuf,
    /// The bundle's name
    #[arg(long)]
    name: String,
    /// The project that it is for (TOML): its classes, and its field of text
    #[arg(long, value_name = "FILE", conflicts_with = "classes")]
    project: Option<PathBuf>,
    /// Classes instead of a project: one on each line
    #[arg(long, value_name = "FILE", required_unless_present = "project")]
    classes: Option<PathBuf>,
    /// The project's field of the text [default: its only one; of --classes text]
    #[arg(long)]
    field: Option<String>,
    /// Most tokens of a text
    #[arg(long, default_value_t = 128)]
    tokens: usize,
    /// How the tokens' vectors become one; those of words stay apart for a head of tokens
    #[arg(long, value_enum, default_value_t = Pool::Mean)]
    pooling: Pool,
    /// The head: softmax, adapter:UNITS (a hidden layer), multi-label (any number of classes), or
    /// tokens (spans of the text; it begins knowing nothing)
    #[arg(long, value_name = "KIND", default_value_t = HeadKind::Softmax)]
    head: HeadKind,
    /// Labeled texts that the head does not learn from, as JSON lines with text and label: the
    /// bundle's confidence is fitted to how often it is right about them
    #[arg(long, value_name = "FILE")]
    held_out: Option<PathBuf>,
    /// A licence of model or data; once for each
    #[arg(long, value_name = "SENTENCE")]
    licence: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Pool {
    Mean,
    First,
}

/// Packs, and says what came of it.
///
/// # Errors
/// When a file is missing or refused, or the model does not run.
pub(crate) fn run(options: &Options) -> Result<()> {
    let (field, classes) = taxonomy(options)?;
    let line = |text: &str| Line::new(text).with_context(|| format!("{text:?} is no name"));
    let sentence =
        |text: &String| Sentence::new(text.as_str()).context("a licence is one sentence");
    let title = Title {
        name: line(&options.name)?,
        field: line(&field)?,
        classes: classes.iter().map(|class| line(class)).collect::<Result<_>>()?,
        licences: options.licence.iter().map(sentence).collect::<Result<_>>()?,
    };
    let pooling = match (options.head, options.pooling) {
        (HeadKind::Tokens, _) => Pooling::Words,
        (_, Pool::Mean) => Pooling::Mean,
        (_, Pool::First) => Pooling::First,
    };
    let model = TextModel::open(&options.model, options.tokens, pooling)?;
    let engine = Engine::start(&Library::Search)?;
    let mut bundle = model.bundle(&engine, title, options.head)?;
    let fitted = options.held_out.as_ref().map(|path| fitted(path, &engine, &bundle, &classes));
    let fitted = fitted.transpose()?;
    if let Some(fitted) = &fitted {
        bundle = bundle.calibrated(fitted.calibration.clone())?;
    }
    bundle.write_to(&options.out)?;
    let manifest = bundle.manifest();
    writeln!(
        std::io::stdout(),
        "{}: {} classes, {} features, {} head of {} weights, backbone of {} bytes; bundle {}",
        options.out.display(),
        manifest.classes.len(),
        manifest.features,
        manifest.kind,
        bundle.head().weights().len(),
        manifest.backbone.bytes,
        bundle.id()
    )?;
    let calibration = match &fitted {
        Some(Fitted { calibration, rows, error_before, error_after }) => format!(
            "its confidence is calibrated on {rows} held-out texts: temperature {:.3}, {} knots; \
             calibration error {error_before:.3} before, {error_after:.3} after",
            calibration.temperature,
            calibration.knots.len()
        ),
        None => "its confidence is not calibrated: --held-out names labeled texts".to_owned(),
    };
    writeln!(std::io::stdout(), "{calibration}")?;
    Ok(())
}

/// A held-out text.
#[derive(Deserialize)]
struct Row {
    text: String,
    label: String,
}

/// The calibration of a bundle by held-out texts.
fn fitted(path: &Path, engine: &Engine, bundle: &Bundle, classes: &[String]) -> Result<Fitted> {
    let rows = held_out(path, classes)?;
    let mut predictor = Predictor::load(engine, bundle)?;
    let (mut features, mut labels) = (Vec::new(), Vec::with_capacity(rows.len()));
    for rows in rows.chunks(BATCH_TEXTS) {
        let texts: Vec<&str> = rows.iter().map(|(text, _)| text.as_str()).collect();
        features.extend(predictor.features_of_texts(&texts)?);
        labels.extend(rows.iter().map(|(_, class)| *class));
    }
    Ok(calibrate::fit(bundle.head(), &features, &labels)?)
}

/// The texts of a file, each with its class.
fn held_out(path: &Path, classes: &[String]) -> Result<Vec<(String, u32)>> {
    let place = || path.display().to_string();
    let file = BufReader::new(File::open(path).with_context(place)?);
    let mut rows = Vec::new();
    for (at, line) in file.lines().enumerate() {
        let line = line.with_context(place)?;
        if line.trim().is_empty() {
            continue;
        }
        let place = || format!("{}:{}", path.display(), at + 1);
        ensure!(rows.len() < HELD_OUT_MAX, "{}: more than {HELD_OUT_MAX} texts", place());
        let row: Row = serde_json::from_str(&line)
            .with_context(|| format!("{}: not a JSON object with text and label", place()))?;
        let class = classes.iter().position(|class| *class == row.label);
        let class = class.and_then(|class| u32::try_from(class).ok());
        let class = class.with_context(|| format!("{}: a label that is no class", place()))?;
        rows.push((row.text, class));
    }
    Ok(rows)
}

/// The field of the text, and the classes in order.
fn taxonomy(options: &Options) -> Result<(String, Vec<String>)> {
    if let Some(path) = &options.project {
        let place = || path.display().to_string();
        let project: Project = toml::from_str(&read(path)?).with_context(place)?;
        let wanted = |name: &str| options.field.as_ref().is_none_or(|field| field == name);
        let texts = project.fields.iter().filter(|field| field.kind == FieldKind::Text);
        let mut texts = texts.filter(|field| wanted(field.name.as_str()));
        let field = texts.next().with_context(|| {
            let named = options.field.as_ref().map_or(String::new(), |field| format!(" {field}"));
            format!("{} has no field of text{named}", place())
        })?;
        ensure!(texts.next().is_none(), "{} has more than one field of text: say --field", place());
        let classes = project.classes.iter().map(|class| class.name.to_string()).collect();
        return Ok((field.name.to_string(), classes));
    }
    let path = options.classes.as_ref().context("--project or --classes says which classes")?;
    let text = read(path)?;
    let classes = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let field = options.field.clone().unwrap_or_else(|| "text".to_owned());
    Ok((field, classes.map(str::to_owned).collect()))
}

fn read(path: &Path) -> Result<String> {
    let place = || path.display().to_string();
    let size = fs::metadata(path).with_context(place)?.len();
    ensure!(
        size <= CLASSES_BYTES_MAX,
        "{} has {size} bytes, {CLASSES_BYTES_MAX} are read",
        place()
    );
    fs::read_to_string(path).with_context(place)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(words: &[&str]) -> Options {
        let all = ["pack", "model", "out", "--name", "tiny"].iter().chain(words);
        Line::try_parse_from(all).unwrap().options
    }

    #[test]
    fn held_out_texts_have_classes_of_the_bundle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("held-out.jsonl");
        let classes = ["heart".to_owned(), "bank".to_owned()];
        fs::write(&path, "{\"text\": \"a\", \"label\": \"bank\"}\n\n").unwrap();
        assert_eq!(held_out(&path, &classes).unwrap(), [("a".to_owned(), 1)]);
        fs::write(&path, "{\"text\": \"a\", \"label\": \"river\"}\n").unwrap();
        let refused = held_out(&path, &classes).unwrap_err().to_string();
        assert!(refused.ends_with(":1: a label that is no class"), "{refused}");
    }

    const PROJECT: &str = include_str!("../../../models/bundles/heart-disease/project.toml");

    #[test]
    fn a_field_chooses_among_the_texts_of_a_project() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let of = |words: &[&str]| taxonomy(&options(words)).map_err(|error| error.to_string());
        // Its one text is called note.
        let one = file("one.toml", PROJECT);
        assert_eq!(of(&["--project", &one]).unwrap().0, "note");
        let letter = "[[fields]]\nname = \"letter\"\ntitle = \"Letter\"\nkind = \"text\"\n";
        let two = file("two.toml", &format!("{PROJECT}\n{letter}"));
        let several = of(&["--project", &two]).unwrap_err();
        assert!(several.ends_with("say --field"), "{several}");
        assert_eq!(of(&["--project", &two, "--field", "letter"]).unwrap().0, "letter");
        let none = of(&["--project", &two, "--field", "age"]).unwrap_err();
        assert!(none.ends_with("has no field of text age"), "{none}");
        let classes = file("classes", "heart\n\n bank \n");
        let expected = |field: &str| Ok((field.to_owned(), vec!["heart".into(), "bank".into()]));
        assert_eq!(of(&["--classes", &classes]), expected("text"));
        assert_eq!(of(&["--classes", &classes, "--field", "note"]), expected("note"));
    }
}
