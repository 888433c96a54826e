//! The words of `insitu-agent label-functions`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use insitu_protocol::ids::ProjectName;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LabelFunctionsCommand {
    /// Coverage, overlap, conflict and accuracy of each function, and what the label model thinks
    Test(LabelFunctionsArguments),
    /// Write a probabilistic label for each item, with the functions that voted: JSON lines
    Apply(LabelFunctionsArguments),
    /// Give the items of a project that has no model yet their first drafts by the rules
    Draft(DraftArguments),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ModelName {
    /// By the evidence: majority for few items, triplets for two classes, em for more
    Auto,
    /// Every vote counts the same
    Majority,
    /// Accuracies of two classes in closed form, from how triplets of functions agree
    Triplets,
    /// A confusion matrix for each function (Dawid and Skene)
    Em,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  insitu-agent label-functions draft --functions rules.toml --project heart-disease

Rules see the redacted fields. Every draft goes to people, however sure the rules are, and says by the
digest of the set where it came from. Items on which no rule votes, or rules contradict each other
evenly, keep waiting. Once the project has a model, its prelabels replace the drafts that nobody
has looked at.")]
pub(in crate::cli) struct DraftArguments {
    /// The set of functions (TOML)
    #[arg(long)]
    pub(in crate::cli) functions: PathBuf,
    /// The project
    #[arg(long)]
    pub(in crate::cli) project: ProjectName,
    /// How votes become labels
    #[arg(long, value_enum, default_value = "auto")]
    pub(in crate::cli) model: ModelName,
    /// For programs
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example of a set of functions (TOML) and of items:
  classes = [\"ham\", \"spam\"]                          id,text,links,label
                                                     17,You won a prize,3,spam
  [[function]]
  name = \"prizes\"
  field = \"text\"
  label = \"spam\"
  keywords = [\"prize\", \"free entry\"]    # whole words, in any case of letters

Instead of keywords, a function may have
  regex = \"https?://\\\\S+\"               # anywhere in the field
  at_least = 3  and/or  below = 10      # of a number: a field, or a bundle's score (p_spam,
                                        # probabilities.1 or confidence of `prelabel`)
and, without a label of its own,
  dictionary = { prize = \"spam\", regards = \"ham\" }
  dictionary_file = \"terms.csv\"         # columns term and label, beside the set
  column = true                         # the field names the class

A function that finds nothing, or terms of different classes, abstains. Items have a label column
where the right answer is known; accuracy is over those.")]
pub(in crate::cli) struct LabelFunctionsArguments {
    /// The set of functions (TOML)
    #[arg(long)]
    pub(in crate::cli) functions: PathBuf,
    /// Items: CSV with a header, or one JSON object a line; - is stdin
    #[arg(required = true)]
    pub(in crate::cli) items: Vec<PathBuf>,
    /// How votes become labels
    #[arg(long, value_enum, default_value = "auto")]
    pub(in crate::cli) model: ModelName,
    /// Share of each class, in the order of the set [default: of the known labels, else of the
    /// majority votes]
    #[arg(long, value_delimiter = ',')]
    pub(in crate::cli) balance: Vec<f64>,
    /// Column of the right answer
    #[arg(long, default_value = "label")]
    pub(in crate::cli) label: String,
    /// For programs (apply always writes JSON lines)
    #[arg(long)]
    pub(in crate::cli) json: bool,
}
