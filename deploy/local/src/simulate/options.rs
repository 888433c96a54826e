//! What can be asked of a simulation.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use insitu_models::head::HeadKind;
use insitu_models::optimiser::Optimiser;
use insitu_privacy::Epsilon;

use super::split::Split;

/// Most rounds of a run.
const ROUNDS_MAX: u32 = 10_000;
/// Most local steps of a round.
const LOCAL_STEPS_MAX: i64 = 1000;

/// What to simulate.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Training records: CSV with a header, or JSON lines (.jsonl, .ndjson, .json)
    #[arg(long, value_name = "FILE")]
    pub(super) train: PathBuf,
    /// Test records, with the same columns
    #[arg(long, value_name = "FILE")]
    pub(super) test: PathBuf,
    /// Column of the class; for --head tokens of spans, as JSON: [{"start", "end", "label"}, …] in code
    /// points
    #[arg(long, value_name = "COLUMN")]
    pub(super) label: String,
    /// Columns that features are made of; a bundle names its own
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub(super) features: Vec<String>,
    /// Column of the text, for a bundle or a model of texts [default: the one that the bundle names]
    #[arg(long, value_name = "COLUMN")]
    pub(super) text: Option<String>,
    /// A bundle's folder: its backbone makes the features, its head is where training starts. Or a
    /// folder with model.onnx and tokenizer.json, where training starts at the classes' names. Or none
    #[arg(long, value_name = "DIR", default_value = "none")]
    pub(super) bundle: PathBuf,
    /// TOML of what is public: `age = [20, 90]`, `sex = ["female", "male"]`. Ranges of numbers that
    /// are not there are found under privacy and charged
    #[arg(long, value_name = "FILE")]
    pub(super) ranges: Option<PathBuf>,
    /// Public records with labels, one for each class or more: training starts at their class means.
    /// Say, features of the classes' names
    #[arg(long, value_name = "FILE")]
    pub(super) public: Option<PathBuf>,
    /// Number of sites; a natural split counts them itself
    #[arg(long, value_name = "N")]
    pub(super) sites: Option<usize>,
    /// natural:COLUMN, iid or dirichlet:A
    #[arg(long, default_value = "iid")]
    pub(super) split: Split,
    /// Column of the subject, the unit of privacy [default: each record is a subject]
    #[arg(long, value_name = "COLUMN")]
    pub(super) subject: Option<String>,
    /// Most records of a subject that count
    #[arg(long, value_name = "M", default_value_t = 5)]
    pub(super) items_per_subject: u32,
    /// ε that a subject's part in training costs, or none for no noise
    #[arg(long, value_name = "E")]
    pub(super) epsilon: Limit,
    /// δ of that
    #[arg(long, value_name = "D", default_value_t = 1e-5)]
    pub(super) delta: f64,
    /// Whether the coordinator sees only the sum over the sites
    #[arg(long, value_enum, default_value_t = Switch::On)]
    pub(super) secure_aggregation: Switch,
    /// Sites whose noise must suffice, as in a federation where the others may drop out
    /// [default: all]
    #[arg(long, value_name = "T")]
    pub(super) threshold: Option<usize>,
    /// Sites that may collude with the coordinator
    #[arg(long, value_name = "C", default_value_t = 0)]
    pub(super) colluders: usize,
    /// Rounds, or auto: as many as the budget makes use of
    #[arg(long, value_name = "R", default_value = "auto")]
    pub(super) rounds: Rounds,
    /// The head: softmax, adapter:UNITS (a hidden layer between features and classes),
    /// multi-label (the label column names any number of classes, with | between them), or tokens
    /// (the label column has spans of a text)
    #[arg(long, value_name = "KIND", default_value_t = HeadKind::Softmax)]
    pub(super) head: HeadKind,
    /// How sites' parts become a head: gradient (full-batch descent), class-sums (one round), or
    /// dp-ftrl (small batches, noise that is correlated across rounds)
    #[arg(long, value_enum, default_value_t = Mechanism::Gradient)]
    pub(super) mechanism: Mechanism,
    /// The coordinator's step: fedavg, fedavgm or fedavgm:MOMENTUM, fedadagrad, fedadam or fedyogi
    #[arg(long, value_name = "NAME", default_value = "fedavg")]
    pub(super) optimiser: Optimiser,
    /// Steps that each site takes by itself in a round; more than one needs --epsilon none
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=LOCAL_STEPS_MAX))]
    pub(super) local_steps: u32,
    /// FedProx: weight of the squared distance that local steps keep from the round's head
    #[arg(long, value_name = "MU", default_value_t = 0.0)]
    pub(super) proximal: f64,
    /// Let each site fit a head of its own afterwards, which never leaves, and mix it with the common one
    #[arg(long)]
    pub(super) personalise: bool,
    /// Decides who is where; privacy noise is never seedable
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Draw the accuracy by round into this SVG file
    #[arg(long, value_name = "FILE")]
    pub(super) plot: Option<PathBuf>,
}

impl Options {
    /// Refuses what does not go together, before any work.
    ///
    /// # Errors
    /// When an option would do nothing, or nothing sound.
    pub(super) fn check(&self) -> Result<()> {
        let plain = self.optimiser == Optimiser::FedAvg;
        let several = self.local_steps > 1;
        ensure!(
            self.mechanism == Mechanism::Gradient || (plain && !several),
            "--optimiser and --local-steps are for --mechanism gradient"
        );
        ensure!(
            self.mechanism != Mechanism::ClassSums || self.head == HeadKind::Softmax,
            "--mechanism class-sums makes a softmax head"
        );
        ensure!(
            self.mechanism != Mechanism::ClassSums || matches!(self.rounds.0, None | Some(1)),
            "--mechanism class-sums is one round: leave --rounds out"
        );
        ensure!(
            self.head != HeadKind::Tokens || !several && !self.personalise && self.public.is_none(),
            "--head tokens goes with neither --local-steps, --personalise nor --public"
        );
        ensure!(
            !several || self.epsilon.0.is_none(),
            "local steps mix the subjects of a site, whose parts could then not be clipped: they \
             need --epsilon none"
        );
        ensure!(
            self.proximal >= 0.0 && self.proximal.is_finite() && (several || self.proximal <= 0.0),
            "--proximal is a weight from 0 on, for --local-steps above 1"
        );
        Ok(())
    }
}

/// How sites' parts become a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mechanism {
    /// Sums of clipped gradients of everybody, round by round.
    Gradient,
    /// One sum of features for each class.
    ClassSums,
    /// Sums over batches, with correlated noise.
    DpFtrl,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Switch {
    On,
    Off,
}

/// What training may cost; none is no noise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit(pub(super) Option<Epsilon>);

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let number: f64 = text.parse().map_err(|_| "neither a number nor none".to_owned())?;
        let epsilon = Epsilon::new(number).map_err(|error| error.to_string())?;
        if epsilon.get() > 0.0 { Ok(Self(Some(epsilon))) } else { Err("not above zero".to_owned()) }
    }
}

/// Rounds; none is as many as the budget makes use of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rounds(pub(super) Option<u32>);

impl FromStr for Rounds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = || text.parse().ok().filter(|number| (1..=ROUNDS_MAX).contains(number));
        match text {
            "auto" => Ok(Self(None)),
            _ => number()
                .map(|n| Self(Some(n)))
                .ok_or_else(|| format!("neither auto nor 1 to {ROUNDS_MAX}")),
        }
    }
}
