//! The words of `insitu-agent sample`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use insitu_protocol::ids::ProjectName;

use crate::cli::measure::arguments::share;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum StrategyName {
    /// Items that stand for many, before there is a model; needs features
    Typiclust,
    /// The model's two likeliest classes are closest
    Margin,
    /// The model's probabilities are most even
    Entropy,
    /// The model's likeliest class is least likely
    LeastConfidence,
    /// Small margins that differ from one another; needs features, too
    MarginKmeans,
    /// The heads of an ensemble disagree most; needs probabilities of each head
    Bald,
    /// Farthest from all that is labeled; needs features
    KCenter,
    /// Any
    Random,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example of input:
  id,label,p_cat,p_dog,f_0,f_1,text
  17,,0.55,0.45,0.12,-1.3,a small grey animal

Class probabilities are columns p_CLASS (or, in JSON, an object or list \"probabilities\"), features
f_NAME (or a list \"features\"), probabilities of an ensemble's heads h0_CLASS, h1_CLASS and so on.
An item with a label is done. Near-duplicates share a task: by the column group, or else texts whose
runs of three words are alike.

With --project, items are those that wait for their first label, as the store has them; the heads
that bald needs learn from the site's labels, here and now. What is chosen with --enqueue comes first
in the review queue, and is not chosen again.

With --history FILE, where labels,error says what the error was after so many labels (and share, of
which share of items, most confident first), it says, too, whether to go on labeling or to leave
the rest to the machine, whichever reaches --target-error cheaper.")]
pub(in crate::cli) struct SampleArguments {
    /// CSV with a header, or one JSON object a line; - is stdin
    #[arg(required_unless_present = "project", conflicts_with = "project")]
    pub(in crate::cli) file: Option<PathBuf>,
    /// Choose among a project's stored items instead, with the features of the model in use
    #[arg(long)]
    pub(in crate::cli) project: Option<ProjectName>,
    /// Ask people about the chosen items before all others
    #[arg(long, requires = "project")]
    pub(in crate::cli) enqueue: bool,
    /// What makes an item worth a label [default: margin-kmeans, margin or typiclust, by what the
    /// file has; of a project without features margin, with few labels typiclust]
    #[arg(long, value_enum)]
    pub(in crate::cli) strategy: Option<StrategyName>,
    /// Tasks wanted
    #[arg(short, long, default_value_t = 20)]
    pub(in crate::cli) number: usize,
    /// Equal seeds give equal choices
    #[arg(long, default_value_t = 1)]
    pub(in crate::cli) seed: u64,
    /// Least share of common runs of words of near-duplicates; 1 leaves only equal texts together
    #[arg(long, value_parser = share, default_value_t = 0.8)]
    pub(in crate::cli) similarity: f64,
    /// Names of the classes, where the probabilities are a list
    #[arg(long, value_delimiter = ',')]
    pub(in crate::cli) classes: Vec<String>,
    /// Errors seen so far
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) history: Option<PathBuf>,
    /// Greatest share of wrong labels in the end
    #[arg(long, value_parser = share, default_value_t = 0.05)]
    pub(in crate::cli) target_error: f64,
    /// What a label by hand costs
    #[arg(long, default_value_t = 1.0)]
    pub(in crate::cli) label_cost: f64,
    /// What a training costs
    #[arg(long, default_value_t = 0.0)]
    pub(in crate::cli) training_cost: f64,
    /// For programs
    #[arg(long)]
    pub(in crate::cli) json: bool,
}
