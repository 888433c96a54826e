//! The words of `insitu-agent propagate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use insitu_protocol::ids::ProjectName;

use crate::cli::measure::arguments::share;
use crate::quality::alike::ALIKE;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum MethodName {
    /// From equal texts, and from texts whose runs of three words are alike
    Duplicates,
    /// Over the graph of nearest neighbours by features
    Spreading,
    /// From equal pictures (PNG, JPEG), and from those whose perceptual hashes are alike
    Images,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example of input:
  id,text,label,f_0,f_1
  17,You won a prize today,spam,0.12,-1.3
  18,You won a prize today,,0.10,-1.2

An item without a label is open. Duplicates are sought in the column text; features are columns
f_NAME (or, in JSON, a list \"features\") and taken as they are: scale them before.

With --json, a JSON line for each open item that gets a draft:
  {\"id\":\"18\",\"label\":\"spam\",\"score\":1.0,
   \"from\":{\"method\":\"duplicate\",\"ids\":[\"17\"],\"items\":1,\"similarity\":1.0}}
from says where the draft came from: the method (duplicate, near-duplicate or spreading), the
labeled items it came from (the 10 closest of `items`), and the similarity of the closest: of
texts, the share of common runs of words; of features, 1/(1 + distance).

Images are named by a column path, beside the file; or FILE is a folder, whose pictures are open, while
those in folders in it have the folder's name as their label. With --project, every draft goes to
people and says where it came from; a model replaces none of them.

Where duplicates have different labels, nothing is drafted, and each of them is reported:
  {\"id\":\"19\",\"label\":null,\"given\":null,\"labels\":2,\"conflict\":[{\"label\":\"spam\",\"method\":...},...]}")]
pub(in crate::cli) struct PropagateArguments {
    /// CSV with a header, or one JSON object a line; - is stdin; of images also a folder
    #[arg(required_unless_present = "project", conflicts_with = "project")]
    pub(in crate::cli) file: Option<PathBuf>,
    /// Draft for a project's stored items that nobody has looked at, from its labels of record
    #[arg(long)]
    pub(in crate::cli) project: Option<ProjectName>,
    /// Show the drafts of a project's items without storing them
    #[arg(long, requires = "project")]
    pub(in crate::cli) dry_run: bool,
    /// How labels get to items without one
    #[arg(long, value_enum, default_value = "duplicates")]
    pub(in crate::cli) method: MethodName,
    /// Least share of common runs of words, or of equal bits of images' hashes, of near-duplicates;
    /// 1 takes equal ones only [default: 0.8; of images 0.86; of a project 0.9]
    #[arg(long, value_parser = share)]
    pub(in crate::cli) similarity: Option<f64>,
    /// Neighbours of each item (spreading)
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(in crate::cli) neighbours: u16,
    /// Share of an item's label that its neighbours decide, below 1 (spreading)
    #[arg(long, value_parser = below_one, default_value_t = 0.2)]
    pub(in crate::cli) alpha: f64,
    /// Least share of the likeliest label that makes a draft (spreading)
    #[arg(long, value_parser = share, default_value_t = 0.5)]
    pub(in crate::cli) min_score: f64,
    /// Equal seeds give equal drafts
    #[arg(long, default_value_t = 1)]
    pub(in crate::cli) seed: u64,
    /// For programs: JSON lines of all drafts and conflicts
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

impl PropagateArguments {
    /// From how alike on two items are near-duplicates.
    pub(in crate::cli) fn least_similarity(&self) -> f64 {
        self.similarity.unwrap_or(match (self.method, &self.project) {
            (MethodName::Images, _) => 0.86, // 9 of 64 bits
            (_, Some(_)) => ALIKE,
            (_, None) => 0.8,
        })
    }
}

fn below_one(text: &str) -> Result<f64, String> {
    let fits = |number: &f64| 0.0 < *number && *number < 1.0;
    text.parse().ok().filter(fits).ok_or_else(|| "must be a number between 0 and 1".to_owned())
}
