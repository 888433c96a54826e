//! `insitu-local pack`: a model's folder as a bundle for a project's classes.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use insitu_models::engine::{Engine, Library};
use insitu_models::manifest::{Pooling, Sentence};
use insitu_models::pack::{TextModel, Title};
use insitu_protocol::project::{FieldKind, Project};
use insitu_protocol::text::Line;

/// Largest file of classes.
const CLASSES_BYTES_MAX: u64 = 1024 * 1024;

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
    /// The project that it is for (TOML): its classes, and its one field of text
    #[arg(long, value_name = "FILE", conflicts_with_all = ["classes", "field"])]
    project: Option<PathBuf>,
    /// Classes instead of a project: one on each line
    #[arg(long, value_name = "FILE", required_unless_present = "project")]
    classes: Option<PathBuf>,
    /// The project's field of the text
    #[arg(long, default_value = "text")]
    field: String,
    /// Most tokens of a text
    #[arg(long, default_value_t = 128)]
    tokens: usize,
    /// How the tokens' vectors become one
    #[arg(long, value_enum, default_value_t = Pool::Mean)]
    pooling: Pool,
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
    let pooling = match options.pooling {
        Pool::Mean => Pooling::Mean,
        Pool::First => Pooling::First,
    };
    let model = TextModel::open(&options.model, options.tokens, pooling)?;
    let bundle = model.bundle(&Engine::start(&Library::Search)?, title)?;
    bundle.write_to(&options.out)?;
    let manifest = bundle.manifest();
    writeln!(
        std::io::stdout(),
        "{}: {} classes, {} features, backbone of {} bytes; bundle {}",
        options.out.display(),
        manifest.classes.len(),
        manifest.features,
        manifest.backbone.bytes,
        bundle.id()
    )?;
    Ok(())
}

/// The field of the text, and the classes in order.
fn taxonomy(options: &Options) -> Result<(String, Vec<String>)> {
    if let Some(path) = &options.project {
        let place = || path.display().to_string();
        let project: Project = toml::from_str(&read(path)?).with_context(place)?;
        let mut texts = project.fields.iter().filter(|field| field.kind == FieldKind::Text);
        let field = texts.next().with_context(|| format!("{} has no field of text", place()))?;
        ensure!(texts.next().is_none(), "{} has more than one field of text: say --field", place());
        let classes = project.classes.iter().map(|class| class.name.to_string()).collect();
        return Ok((field.name.to_string(), classes));
    }
    let path = options.classes.as_ref().context("--project or --classes says which classes")?;
    let text = read(path)?;
    let classes = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok((options.field.clone(), classes.map(str::to_owned).collect()))
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
