//! The inference engine: ONNX Runtime when there is one, else the engine inside this program.

use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;

use crate::check::{CheckError, TEXT_INPUTS, TextOutput, check, check_typed_text};
use crate::fold::fold;

/// Names the library to load, unless the configuration does.
pub const LIBRARY_VARIABLE: &str = "ORT_DYLIB_PATH";
/// The embedded engine's name, as [`Engine::name`] gives it.
const EMBEDDED: &str = "tract 0.23";
/// Most threads of one run. Backbones are small, and the site has other work to do.
const THREADS_MAX: usize = 4;
/// Those of a run over one sentence, for which a second thread costs more time than it saves.
const SENTENCE_THREADS: usize = 1;

/// Where to look for ONNX Runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Library {
    /// [`LIBRARY_VARIABLE`], beside the program, where the system looks; else the embedded engine.
    #[default]
    Search,
    /// This file, or fail.
    At(PathBuf),
    /// The embedded engine.
    Embedded,
}

/// The process's one engine.
#[derive(Clone)]
pub struct Engine {
    environment: Environment,
    name: String,
    embedded: bool,
}

/// A backbone that is ready to run. Sessions run one batch at a time.
pub struct Backbone {
    session: Session,
    columns: usize,
    features: usize,
}

/// A backbone of texts that is ready to run.
pub struct TextBackbone {
    session: Session,
    /// Which of the tokens' tables it takes, in its order: positions in [`TEXT_INPUTS`].
    inputs: Vec<usize>,
    features: usize,
    each_token: bool,
    /// Types of tokens are below this.
    types: u8,
}

/// Why inference fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The library that was named does not load.
    #[error("inference library {} does not load", path.display())]
    Library {
        /// The library.
        path: PathBuf,
        /// What the loader says.
        source: ort::LoadDynamicError,
    },
    /// The engine does not start.
    #[error("the inference engine does not start")]
    Start {
        /// What it says.
        source: ort::Error,
    },
    /// The backbone must not be loaded.
    #[error("the backbone is refused")]
    Refused {
        /// What is wrong with it.
        source: CheckError,
    },
    /// The engine cannot load the backbone.
    #[error("{engine} cannot load the backbone")]
    Load {
        /// The engine.
        engine: String,
        /// What it says.
        source: ort::Error,
    },
    /// A run failed.
    #[error("the backbone does not run")]
    Run {
        /// What the engine says.
        source: ort::Error,
    },
    /// Rows that are not a whole number of rows.
    #[error("{got} numbers are not rows of {columns}")]
    Rows {
        /// Numbers given.
        got: usize,
        /// Columns of the backbone.
        columns: usize,
    },
    /// A type of token that the model does not know.
    #[error("a token of type {got}, the model knows those below {below}")]
    Type {
        /// Type found.
        got: i64,
        /// Types there are.
        below: i64,
    },
    /// A backbone of texts gives another number of features, or one vector where each token's is
    /// pooled, or the other way round.
    #[error("the backbone gives {got} features {kind}, which is not what the bundle says")]
    Pooling {
        /// Features found.
        got: usize,
        /// Of what.
        kind: &'static str,
    },
    /// An output of another shape than the bundle says.
    #[error("the backbone gave {got} numbers where {want} were wanted")]
    Output {
        /// Numbers found.
        got: usize,
        /// Numbers wanted.
        want: usize,
    },
}

impl Engine {
    /// Starts the engine, or gives the one that runs: there is one per process, for good.
    ///
    /// `library` counts for the first call only. Call it when the first model is needed: a loaded
    /// library takes some 20 MB.
    ///
    /// # Errors
    /// [`EngineError::Library`] or [`EngineError::Start`]. A failure is not remembered, but a
    /// library that loaded cannot be exchanged for another one.
    pub fn start(library: &Library) -> Result<Self, EngineError> {
        static ENGINE: OnceLock<Engine> = OnceLock::new();
        static STARTING: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _one_at_a_time = STARTING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(engine) = ENGINE.get() {
            return Ok(engine.clone());
        }
        let engine = Self::begin(library)?;
        Ok(ENGINE.get_or_init(|| engine).clone())
    }

    /// Which engine it is, for people: `onnxruntime 1.24.1`, `tract 0.23`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks and loads a backbone that maps `[batch, columns]` to `[batch, features]`.
    ///
    /// # Errors
    /// [`EngineError::Refused`] or [`EngineError::Load`].
    pub fn load(
        &self,
        model: &[u8],
        columns: usize,
        features: usize,
    ) -> Result<Backbone, EngineError> {
        check(model, columns, features).map_err(|source| EngineError::Refused { source })?;
        let session = self.measured(model)?;
        Ok(Backbone { session, columns, features })
    }

    /// Checks and loads a backbone that maps tokens below `vocabulary` to vectors of `features`
    /// numbers: one for each token when `each_token`, else one for the text.
    ///
    /// # Errors
    /// [`EngineError::Refused`], [`EngineError::Pooling`] or [`EngineError::Load`].
    pub fn load_text(
        &self,
        model: &[u8],
        vocabulary: usize,
        features: usize,
        each_token: bool,
    ) -> Result<TextBackbone, EngineError> {
        let want = TextOutput { features, each_token };
        self.text_backbone(model, vocabulary, 1, want, threads())
    }

    /// Checks and loads a model that maps tokens below `vocabulary`, of types below `types`, to the
    /// scores of `labels` labels for each: see [`TextBackbone::run_typed`]. It is made for runs over
    /// one sentence each.
    ///
    /// # Errors
    /// As [`Engine::load_text`].
    pub fn load_labeller(
        &self,
        model: &[u8],
        vocabulary: usize,
        types: u8,
        labels: usize,
    ) -> Result<TextBackbone, EngineError> {
        let want = TextOutput { features: labels, each_token: true };
        self.text_backbone(model, vocabulary, types, want, SENTENCE_THREADS)
    }

    fn text_backbone(
        &self,
        model: &[u8],
        vocabulary: usize,
        types: u8,
        want: TextOutput,
        threads: usize,
    ) -> Result<TextBackbone, EngineError> {
        let output = check_typed_text(model, vocabulary, types.into())
            .map_err(|source| EngineError::Refused { source })?;
        let TextOutput { features, each_token } = output;
        if output != want {
            let kind = if each_token { "for each token" } else { "for the text" };
            return Err(EngineError::Pooling { got: features, kind });
        }
        let session = self.loaded(model, threads)?;
        let position = |name: &str| TEXT_INPUTS.iter().position(|known| *known == name);
        let inputs = session.inputs().iter().filter_map(|input| position(input.name())).collect();
        Ok(TextBackbone { session, inputs, features, each_token, types })
    }

    /// Loads a model that was measured, and that nothing else is wrong with: it is not checked.
    pub(crate) fn measured(&self, model: &[u8]) -> Result<Session, EngineError> {
        self.loaded(model, threads())
    }

    fn loaded(&self, model: &[u8], threads: usize) -> Result<Session, EngineError> {
        self.session(model, threads)
            .map_err(|source| EngineError::Load { engine: self.name.clone(), source })
    }

    fn begin(library: &Library) -> Result<Self, EngineError> {
        for candidate in candidates(library) {
            match ort::init_from(&candidate) {
                Ok(environment) => return Self::with(environment, runtime_name(), false),
                Err(source) if matches!(library, Library::At(_)) => {
                    return Err(EngineError::Library { path: candidate, source });
                }
                Err(error) => {
                    tracing::debug!(path = %candidate.display(), %error, "no inference library");
                }
            }
        }
        ort::set_api(ort_tract::api());
        Self::with(ort::init(), EMBEDDED.to_owned(), true)
    }

    fn with(
        environment: ort::environment::EnvironmentBuilder,
        name: String,
        embedded: bool,
    ) -> Result<Self, EngineError> {
        let environment = environment
            .with_name("insitu")
            .with_telemetry(false)
            .build()
            .map_err(|source| EngineError::Start { source })?;
        tracing::info!(engine = name, "inference engine started");
        Ok(Self { environment, name, embedded })
    }

    fn session(&self, model: &[u8], threads: usize) -> ort::Result<Session> {
        let mut builder = Session::builder(&self.environment)?
            .with_optimization_level(GraphOptimizationLevel::Level3)?;
        if self.embedded {
            return builder.commit_from_memory(&fold(model));
        }
        builder
            .with_intra_threads(threads)?
            // Idle threads that spin would take the processor from the site's own work.
            .with_config_entry("session.intra_op.allow_spinning", "0")?
            .commit_from_memory(model)
    }
}

impl Backbone {
    /// Columns of an input row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Numbers of an output row.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Runs one batch: row-major `[n, columns]` to row-major `[n, features]`.
    ///
    /// # Errors
    /// [`EngineError`]; no rows give no features.
    pub fn run(&mut self, rows: &[f32]) -> Result<Vec<f32>, EngineError> {
        if !rows.len().is_multiple_of(self.columns) {
            return Err(EngineError::Rows { got: rows.len(), columns: self.columns });
        }
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let count = rows.len() / self.columns;
        let run = |source| EngineError::Run { source };
        let input = TensorRef::from_array_view(([count, self.columns], rows)).map_err(run)?;
        let outputs = self.session.run(ort::inputs![input]).map_err(run)?;
        let (_, features) = outputs[0].try_extract_tensor::<f32>().map_err(run)?;
        let want = count * self.features;
        if features.len() != want {
            return Err(EngineError::Output { got: features.len(), want });
        }
        Ok(features.to_vec())
    }
}

impl TextBackbone {
    /// Numbers of a vector.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Runs texts of one length: token ids, row-major `[n, length]`, to `[n, length, features]`, or
    /// to `[n, features]` when the backbone pools.
    ///
    /// # Errors
    /// [`EngineError`]; no texts give no vectors.
    pub fn run(&mut self, ids: &[i64], length: usize) -> Result<Vec<f32>, EngineError> {
        self.run_typed(ids, &vec![0; ids.len()], length)
    }

    /// As [`TextBackbone::run`], with the type of each token: row-major `[n, length]`.
    ///
    /// # Errors
    /// [`EngineError`], also for a type that the model does not know.
    pub fn run_typed(
        &mut self,
        ids: &[i64],
        types: &[i64],
        length: usize,
    ) -> Result<Vec<f32>, EngineError> {
        if types.len() != ids.len() {
            return Err(EngineError::Rows { got: types.len(), columns: ids.len() });
        }
        let below = i64::from(self.types);
        if let Some(got) = types.iter().copied().find(|of| !(0..below).contains(of)) {
            return Err(EngineError::Type { got, below });
        }
        if length == 0 || !ids.len().is_multiple_of(length) {
            return Err(EngineError::Rows { got: ids.len(), columns: length });
        }
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let count = ids.len() / length;
        let run = |source| EngineError::Run { source };
        let mask = vec![1_i64; ids.len()];
        let values = [ids, &mask, types];
        let mut tables = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            let table =
                TensorRef::from_array_view(([count, length], values[*input])).map_err(run)?;
            tables.push((TEXT_INPUTS[*input], table));
        }
        let outputs = self.session.run(tables).map_err(run)?;
        let (_, vectors) = outputs[0].try_extract_tensor::<f32>().map_err(run)?;
        let want = count * self.features * if self.each_token { length } else { 1 };
        if vectors.len() != want {
            return Err(EngineError::Output { got: vectors.len(), want });
        }
        Ok(vectors.to_vec())
    }
}

impl fmt::Debug for TextBackbone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextBackbone").field("features", &self.features).finish_non_exhaustive()
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Backbone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backbone")
            .field("columns", &self.columns)
            .field("features", &self.features)
            .finish_non_exhaustive()
    }
}

/// Threads of one run over a batch.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX)
}

fn candidates(library: &Library) -> Vec<PathBuf> {
    match library {
        Library::Embedded => Vec::new(),
        Library::At(path) => vec![path.clone()],
        Library::Search => {
            let named = std::env::var_os(LIBRARY_VARIABLE).filter(|value| !value.is_empty());
            // A bare name is looked up beside the program first, then where the system looks.
            let usual = format!(
                "{}onnxruntime{}",
                std::env::consts::DLL_PREFIX,
                std::env::consts::DLL_SUFFIX
            );
            named.into_iter().map(PathBuf::from).chain([PathBuf::from(usual)]).collect()
        }
    }
}

/// ONNX Runtime tells its version only as the branch that it was built from, and its official
/// builds not even that. The file that was loaded usually has it in its name.
fn runtime_name() -> String {
    let info = ort::info();
    let told = |key: &str| info.split_once(key).and_then(|(_, rest)| rest.split([',', ' ']).next());
    let version = std::fs::read_to_string("/proc/self/maps")
        .ok()
        .and_then(|maps| version_of_loaded(&maps))
        .or_else(|| told("git-branch=rel-").map(str::to_owned))
        .or_else(|| told("git-commit-id=").map(|commit| format!("commit {commit}")))
        .unwrap_or_else(|| "of unknown version".to_owned());
    format!("onnxruntime {version}")
}

/// `1.24.1` when a process's memory map has `libonnxruntime.so.1.24.1`.
fn version_of_loaded(maps: &str) -> Option<String> {
    let (_, rest) = maps.split_once("/libonnxruntime.so.")?;
    let version = rest.lines().next()?;
    let is_version = version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_version.then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::version_of_loaded;

    #[test]
    fn the_version_is_that_of_the_loaded_file() {
        let map = |path| {
            format!("7f-8f r-xp 0 08:01 77   /lib/libc.so.6\n8f-9f r-xp 0 08:01 78   {path}\n")
        };
        let check = |path, expected| assert_eq!(version_of_loaded(&map(path)).as_deref(), expected);
        check("/opt/libonnxruntime.so.1.31.1", Some("1.31.1"));
        check("/opt/libonnxruntime.so", None);
        check("/opt/libonnxruntime.so.1 (deleted)", None);
        check("/opt/libonnxruntime_providers_shared.so", None);
    }
}
