//! The words of `insitu-agent label-functions`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use insitu_protocol::ids::{FunctionsName, NameError, ProjectName};

use crate::cli::arguments::Json;

/// Fewest characters of a digest that name a set.
const DIGEST_CHARS_MIN: usize = 8;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LabelFunctionsCommand {
    /// Coverage, overlap, conflict and accuracy of each function, and what the label model thinks
    Test(LabelFunctionsArguments),
    /// Write a probabilistic label for each item, with the functions that voted: JSON lines
    Apply(LabelFunctionsArguments),
    /// Give the items of a project that has no model yet their first drafts by the rules
    Draft(DraftArguments),
    /// Sets that the coordinator published, newest first
    List(Json),
    /// Print a published set as it is
    Show {
        /// NAME@DIGEST, of which the digest's beginning is enough
        set: SetName,
    },
    /// Let a published set be used
    Approve {
        /// NAME@DIGEST, of which the digest's beginning is enough
        set: SetName,
    },
    /// Do not use a published set
    Decline {
        /// NAME@DIGEST, of which the digest's beginning is enough
        set: SetName,
    },
}

/// Which published set: its name, and the beginning of the digest of its text.
#[derive(Clone, Debug)]
pub(in crate::cli) struct SetName {
    pub(in crate::cli) name: FunctionsName,
    pub(in crate::cli) digest: String,
}

impl FromStr for SetName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, digest) =
            text.split_once('@').ok_or("must be NAME@DIGEST, as `list` says it")?;
        let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digest.len() < DIGEST_CHARS_MIN || !digest.bytes().all(hexadecimal) {
            return Err(format!("a digest has 0-9 and a-f, at least {DIGEST_CHARS_MIN} of them"));
        }
        let name = name.parse().map_err(|error: NameError| error.to_string())?;
        Ok(Self { name, digest: digest.to_owned() })
    }
}

/// A set of labeling functions: a file, or one that the coordinator published.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct SetArguments {
    /// The set of functions (TOML)
    #[arg(long)]
    pub(in crate::cli) functions: Option<PathBuf>,
    /// A set that the coordinator published and the steward approved, NAME@DIGEST
    #[arg(long)]
    pub(in crate::cli) set: Option<SetName>,
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
    #[command(flatten)]
    pub(in crate::cli) set: SetArguments,
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
or an expression (CEL) over any fields, which is true, or names a class where there is no label:
  cel = \"links > 2 && text.contains('prize')\"
  cel = \"links > 9 ? 'spam' : item['from-friend'] == 'yes' ? 'ham' : ''\"
and, without a label of its own,
  dictionary = { prize = \"spam\", regards = \"ham\" }
  dictionary_file = \"terms.csv\"         # columns term and label, beside the set
  column = true                         # the field names the class

Expressions have ! && || ? : == != < <= > >= + - * / in, lists, null for what is missing, and size,
contains, startsWith, endsWith, string, double; a column of nothing but numbers is numbers, any other
is texts. A function that finds nothing, or terms of different classes, abstains. Items have a label column
where the right answer is known; accuracy is over those.")]
pub(in crate::cli) struct LabelFunctionsArguments {
    #[command(flatten)]
    pub(in crate::cli) set: SetArguments,
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
