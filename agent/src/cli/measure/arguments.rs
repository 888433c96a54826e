//! The words of `insitu-agent measure`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use insitu_measure::calibration::BINS_MAX;

/// A probability strictly between 0 and 1.
pub(in crate::cli) fn inner(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if 0.0 < number && number < 1.0 => Ok(number),
        _ => Err("must be a number above 0 and below 1".to_owned()),
    }
}

/// A number of bins.
fn bins(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (2..=BINS_MAX).contains(&number) => Ok(number),
        _ => Err(format!("must be a whole number from 2 to {BINS_MAX}")),
    }
}

/// A number that is not negative.
fn size(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..=1e15).contains(&number) => Ok(number),
        _ => Err("must be a number from 0 to 1e15".to_owned()),
    }
}

/// A number above 0.
fn positive(text: &str) -> Result<f64, String> {
    size(text)
        .ok()
        .filter(|number| *number > 0.0)
        .ok_or_else(|| "must be above 0, at most 1e15".to_owned())
}

/// A share above 0, at most 1.
pub(in crate::cli) fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if 0.0 < number && number <= 1.0 => Ok(number),
        _ => Err("must be a number above 0 and at most 1".to_owned()),
    }
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum MeasureCommand {
    /// How far people agree beyond chance: Krippendorff's α, Fleiss' κ, Gwet's AC, Cohen's κ
    Agreement(AgreementArguments),
    /// What the label is where people differ, and how far each of them can be trusted
    Consensus(ConsensusArguments),
    /// Which labels are probably wrong, by a model's probabilities (confident learning)
    LabelErrors(LabelErrorsArguments),
    /// Whether a model's confidence can be believed, and from which confidence on no person need
    /// look
    Calibration(CalibrationArguments),
    /// Whether data today look like data before, column by column
    Drift(DriftArguments),
    /// How far labels along time agree: segmental F1 and edit score
    Segments(SegmentsArguments),
    /// How well tracks of boxes follow reference tracks; or link boxes into draft tracks
    Tracks(TracksArguments),
}

/// What every command on one file takes.
#[derive(Debug, Args)]
pub(in crate::cli) struct FileArguments {
    /// CSV with a header (comma, semicolon or tab), or one JSON object a line; - is stdin
    pub(in crate::cli) file: PathBuf,
    /// For programs: all figures, `null` with a reason where one is undefined
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ScaleName {
    /// Labels are equal or not
    Nominal,
    /// Labels have an order: numbers, or --order
    Ordinal,
    /// Labels are numbers; differences count
    Interval,
    /// Labels are numbers of one sign; differences count in relation to their size
    Ratio,
}

/// Where ratings are in a file.
#[derive(Debug, Args)]
pub(in crate::cli) struct RatingsArguments {
    #[command(flatten)]
    pub(in crate::cli) input: FileArguments,
    /// Column of the item [default: item, id or item_id]
    #[arg(long)]
    pub(in crate::cli) item: Option<String>,
    /// Column of the rater, which makes it the long form [default: rater, annotator, worker,
    /// coder, rater_id, annotator_id or worker_id]
    #[arg(long)]
    pub(in crate::cli) rater: Option<String>,
    /// Column of the label in the long form [default: label, rating, value or category]
    #[arg(long)]
    pub(in crate::cli) label: Option<String>,
    /// All labels in their order, lowest first
    #[arg(long, value_delimiter = ',')]
    pub(in crate::cli) order: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Long form, one rating a line:          Wide form, one column for each rater:
  item,rater,label                       item,ada,ben,cid
  17,ada,benign                          17,benign,benign,malignant

Spans of texts, ends exclusive:        Boxes, by their upper left corner:
  item,rater,start,end,label             item,rater,x,y,width,height,label
  17,ada,4,9,drug                        17,ada,10,20,50,30,cat

Of regions, each pair of raters is compared: spans that are equal, that overlap, and labels by
position; boxes matched by overlap. A line with a rater and no coordinates: nothing found there.

Raters of the wide form are all columns but the item's. An empty cell, NA, NaN or null is a gap. If
a rater rates an item again, the last label counts. Labels that are all numbers compare as numbers.

Intervals are at 95 %: by formula where there is one, else by bootstrap over items.")]
pub(in crate::cli) struct AgreementArguments {
    #[command(flatten)]
    pub(in crate::cli) ratings: RatingsArguments,
    /// What differences between labels mean
    #[arg(long, value_enum, default_value = "nominal")]
    pub(in crate::cli) scale: ScaleName,
    /// Take all intervals from so many resamples of items
    #[arg(long, value_name = "N")]
    pub(in crate::cli) bootstrap: Option<usize>,
    /// Column of the site: α by site, and over sites with what differs between them
    #[arg(long, value_name = "COLUMN")]
    pub(in crate::cli) site: Option<String>,
    /// Equal seeds give equal intervals
    #[arg(long, default_value_t = 1)]
    pub(in crate::cli) seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum MethodName {
    /// Everybody counts the same
    Majority,
    /// A confusion matrix for each rater
    DawidSkene,
    /// One skill for each rater
    OneCoin,
    /// A rater knows the answer, or answers by habit
    Mace,
    /// One skill for each rater, and items differ in difficulty
    Glad,
    /// Raters and a model, each by how often it is right; needs class probabilities
    Crowdlab,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Long form, one rating a line:          Wide form, one column for each rater:
  item,rater,label                       item,ada,ben,cid
  17,ada,benign                          17,benign,benign,malignant

A model's probabilities for each item make it one more voice: columns p_CLASS for each class, or in
JSON lines an object or list \"probabilities\". In the long form an item's first line counts.")]
pub(in crate::cli) struct ConsensusArguments {
    #[command(flatten)]
    pub(in crate::cli) ratings: RatingsArguments,
    /// How raters are weighed [default: crowdlab with a model's probabilities, else dawid-skene]
    #[arg(long, value_enum)]
    pub(in crate::cli) method: Option<MethodName>,
    /// Most rounds of a method that goes in rounds
    #[arg(long, default_value_t = 50)]
    pub(in crate::cli) iterations: usize,
    /// Random starts of mace
    #[arg(long, default_value_t = 10)]
    pub(in crate::cli) restarts: usize,
    /// Equal seeds give equal results
    #[arg(long, default_value_t = 1)]
    pub(in crate::cli) seed: u64,
    /// Names of the classes, where the probabilities are a list
    #[arg(long, value_delimiter = ',')]
    pub(in crate::cli) classes: Vec<String>,
    /// Doubtful items that the table lists; --json has all items
    #[arg(long, default_value_t = 10)]
    pub(in crate::cli) top: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum FilterName {
    /// For each pair of classes the estimated number, by margin (cleanlab: prune_by_noise_rate)
    #[value(alias = "prune_by_noise_rate")]
    NoiseRate,
    /// For each class the estimated number, by self-confidence (prune_by_class)
    #[value(alias = "prune_by_class")]
    Class,
    /// Chosen by both of these (both)
    Both,
    /// Confidently in another class (confident_learning)
    #[value(alias = "confident_learning")]
    Confident,
    /// The model's class is another (predicted_neq_given)
    #[value(alias = "predicted_neq_given")]
    Predicted,
    /// As many as are confidently in another class, by margin (low_normalized_margin)
    #[value(alias = "low_normalized_margin")]
    Margin,
    /// As many as are confidently in another class, by self-confidence (low_self_confidence)
    #[value(alias = "low_self_confidence")]
    SelfConfidence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum QualityName {
    /// Probability of the given label
    #[value(alias = "self_confidence")]
    SelfConfidence,
    /// How far the given label is ahead of the best other
    #[value(alias = "normalized_margin")]
    NormalizedMargin,
    /// Entropy by the probability of the given label
    #[value(alias = "confidence_weighted_entropy")]
    ConfidenceWeightedEntropy,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example of input, CSV and JSON lines:
  id,label,p_cat,p_dog                 {\"id\": 17, \"label\": \"cat\",
  17,cat,0.2,0.8                        \"probabilities\": {\"cat\": 0.2, \"dog\": 0.8}}

Probabilities must be out of sample: of a model that was not trained on these labels. They may be a
list, too: classes are then 0, 1, … or --classes.

With --text COLUMN no model is needed: nearly equal texts should have the same label.
  id,label,note
  17,cold,runny nose and a light cough since monday")]
pub(in crate::cli) struct LabelErrorsArguments {
    #[command(flatten)]
    pub(in crate::cli) input: FileArguments,
    /// Column of the given label [default: label]
    #[arg(long)]
    pub(in crate::cli) label: Option<String>,
    /// How labels are chosen
    #[arg(long, value_enum, default_value = "noise-rate")]
    pub(in crate::cli) filter: FilterName,
    /// The score by which they are ranked, worst first
    #[arg(long, value_enum, default_value = "self-confidence")]
    pub(in crate::cli) quality: QualityName,
    /// Names of the classes, where the probabilities are a list
    #[arg(long, value_delimiter = ',')]
    pub(in crate::cli) classes: Vec<String>,
    /// Labels that the table lists; --json has all
    #[arg(long, default_value_t = 20)]
    pub(in crate::cli) top: usize,
    /// Column of texts: list near-duplicates whose labels differ instead
    #[arg(long, value_name = "COLUMN")]
    pub(in crate::cli) text: Option<String>,
    /// Least share of common runs of words of near-duplicates
    #[arg(long, value_parser = share, default_value_t = 0.8, requires = "text")]
    pub(in crate::cli) similarity: f64,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example of input, one of:
  confidence,correct         label,p_cat,p_dog         label,predicted,confidence
  0.93,true                  cat,0.93,0.07             cat,cat,0.93

correct is true or false (also 1 or 0, yes or no). Class probabilities give the temperature, too.

The auto-accept threshold keeps the share of errors among accepted items at or below alpha, with
confidence 1 − delta over the audited sample (Learn then Test). The lines must be a random sample of
what it will be used on.

Bins work, too, with the standard deviation of their noise as --noise:
  low,items,correct
  0.9,1204.2,1191.7")]
pub(in crate::cli) struct CalibrationArguments {
    #[command(flatten)]
    pub(in crate::cli) input: FileArguments,
    /// Bins of the reliability diagram
    #[arg(long, value_parser = bins, default_value_t = 10)]
    pub(in crate::cli) bins: usize,
    /// Greatest share of errors among automatically accepted items
    #[arg(long, value_parser = inner, default_value_t = 0.01)]
    pub(in crate::cli) alpha: f64,
    /// Greatest probability that the threshold breaks this promise
    #[arg(long, value_parser = inner, default_value_t = 0.05)]
    pub(in crate::cli) delta: f64,
    /// Answers of today without labels (confidence, or class probabilities): what to expect there
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) unlabelled: Option<PathBuf>,
    /// Standard deviation of the noise in each count of a file of bins
    #[arg(long, value_parser = size, default_value_t = 0.0)]
    pub(in crate::cli) noise: f64,
    /// Thresholds to try, descending [default: 0.999, 0.995, 0.99, 0.98, … 0.5]
    #[arg(long, value_delimiter = ',')]
    pub(in crate::cli) thresholds: Vec<f64>,
    /// Names of the classes, where the probabilities are a list
    #[arg(long, value_delimiter = ',')]
    pub(in crate::cli) classes: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Either two files with the same columns, reference first, or one with a column `set`:
  set,age,chest_pain
  reference,63,typical

`set` is reference or current. A column of numbers is cut into bins of equal count by the reference;
gaps are a bin of their own. PSI and Jensen–Shannon are of bins; Kolmogorov–Smirnov and Wasserstein
of the numbers themselves.

A column drifts if its PSI is above the threshold that samples of these sizes exceed with
probability --alarm when nothing has changed (simulated), not above a fixed 0.1 or 0.2. --features compares
vectors as a whole (maximum mean discrepancy, by random exchanges).

With --stream COLUMN the lines are observations in their order, and the answer is when the mean
changed: ADWIN (delta is --alarm), Page–Hinkley, and for 0 and 1 an e-detector of a rate above --rate.
  time,wrong
  09:14,0")]
pub(in crate::cli) struct DriftArguments {
    #[command(flatten)]
    pub(in crate::cli) input: FileArguments,
    /// Data of today, where FILE holds the reference
    pub(in crate::cli) current: Option<PathBuf>,
    /// Columns to look at [default: all but set, id, item and item_id]
    #[arg(long, value_delimiter = ',')]
    pub(in crate::cli) columns: Vec<String>,
    /// Columns of numbers that are categories
    #[arg(long, value_delimiter = ',')]
    pub(in crate::cli) categorical: Vec<String>,
    /// Bins of a column of numbers
    #[arg(long, value_parser = bins, default_value_t = 10)]
    pub(in crate::cli) bins: usize,
    /// Probability of a false alarm for each column
    #[arg(long, value_parser = inner, default_value_t = 0.01)]
    pub(in crate::cli) alarm: f64,
    /// Columns of a feature vector (of a list, its name), compared as a whole
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS")]
    pub(in crate::cli) features: Vec<String>,
    /// Column of observations in their order: when did they change?
    #[arg(long, value_name = "COLUMN", conflicts_with_all = ["current", "columns", "features"])]
    pub(in crate::cli) stream: Option<String>,
    /// Page–Hinkley: sum of deviations that raises an alarm, in the unit of the column
    #[arg(long, value_parser = positive, default_value_t = 20.0)]
    pub(in crate::cli) threshold: f64,
    /// Greatest rate of events that is no drift [default: 5/4 of that of the first 300]
    #[arg(long, value_parser = inner, requires = "stream")]
    pub(in crate::cli) rate: Option<f64>,
    /// Observations before a false alarm of the e-detector, in the mean, at least
    #[arg(long, value_parser = positive, default_value_t = 1000.0)]
    pub(in crate::cli) run_length: f64,
    /// Equal seeds give equal thresholds
    #[arg(long, default_value_t = 1)]
    pub(in crate::cli) seed: u64,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Frames in order, one column each:      Or segments, ends exclusive:
  frame,reference,model                  rater,start,end,label
  0,walk,walk                            reference,0,12.5,walk

A column `sequence` keeps recordings apart. An empty label is background. Of two raters the first
(by the file) is the reference; of more, each pair is compared.")]
pub(in crate::cli) struct SegmentsArguments {
    #[command(flatten)]
    pub(in crate::cli) input: FileArguments,
    /// Least overlaps (intersection over union) at which segments agree
    #[arg(long, value_parser = share, value_delimiter = ',', default_value = "0.1,0.25,0.5")]
    pub(in crate::cli) overlap: Vec<f64>,
    /// A label that is no segment
    #[arg(long)]
    pub(in crate::cli) background: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Either two files, reference first, or one with a column `set` (reference or found):
  set,frame,track,x,y,width,height
  reference,0,car-1,10,20,50,30

x and y are the upper left corner; frames are whole numbers. With --link the boxes of one file,
without tracks, become draft tracks, and gaps are filled in a straight line.")]
pub(in crate::cli) struct TracksArguments {
    #[command(flatten)]
    pub(in crate::cli) input: FileArguments,
    /// Tracks to judge, where FILE holds the reference
    #[arg(conflicts_with = "link")]
    pub(in crate::cli) found: Option<PathBuf>,
    /// Least overlap (intersection over union) of boxes of one object
    #[arg(long, value_parser = share, default_value_t = 0.5)]
    pub(in crate::cli) iou: f64,
    /// Link boxes into draft tracks instead
    #[arg(long)]
    pub(in crate::cli) link: bool,
    /// Frames without a box that a draft track survives
    #[arg(long, default_value_t = 5, requires = "link")]
    pub(in crate::cli) gap: usize,
}
