//! `measure agreement`: how far people agree beyond chance.

use std::collections::{BTreeMap, HashMap};

use insitu_measure::agreement::{
    Chance, Confusion, FleissSums, Interval, Scale, Weights, alpha, bootstrap,
};
use insitu_measure::{MATRIX_CATEGORIES_MAX, Ratings};
use serde::Serialize;

use super::arguments::{AgreementArguments, ScaleName};
use super::pairwise::{corrected, observed, together};
use super::ratings::RatingsFile;
use super::sites::{self, SitesReport};
use super::{Estimate, LEVEL, Report, bar, cell, percent};
use crate::cli::columns::{Fault, InputError, Table};
use crate::cli::table;

/// Most raters for whom every pair is compared.
const PAIRED_RATERS_MAX: usize = 50;
/// Resamples where there is no formula and none are asked for.
const RESAMPLES: usize = 1000;
/// Ratings above which an interval by bootstrap must be asked for.
const BOOTSTRAP_RATINGS_MAX: usize = 100_000;
/// Labels and pairs of labels that the text lists.
const LISTED_MAX: usize = 10;
/// Krippendorff's advice: draw no conclusions below the first, and only tentative ones below the
/// second (*Content Analysis*, 2004, section 11.4).
const ALPHA_TENTATIVE: f64 = 0.667;
const ALPHA_RELIABLE: f64 = 0.8;

/// What `measure agreement` reports.
#[derive(Debug, Serialize)]
pub(super) struct AgreementReport {
    items: usize,
    paired_items: usize,
    raters: usize,
    ratings: usize,
    missing: usize,
    repeated: usize,
    unrated_items: usize,
    scale: &'static str,
    level: f64,
    labels: Vec<LabelCount>,
    observed_agreement: Estimate,
    krippendorff_alpha: Estimate,
    fleiss_kappa: Estimate,
    fleiss_kappa_with_gaps: Estimate,
    gwet_ac1: Estimate,
    gwet_ac2: Estimate,
    cohen_kappa: Vec<Pair>,
    cohen_kappa_mean: Estimate,
    most_confused: Vec<Confused>,
    /// With --site.
    by_site: Option<SitesReport>,
    #[serde(skip)]
    summary: String,
}

#[derive(Debug, Serialize)]
struct LabelCount {
    label: String,
    ratings: usize,
}

/// Two raters.
#[derive(Debug, Serialize)]
struct Pair {
    first: String,
    second: String,
    items: usize,
    agreement: Estimate,
    kappa: Estimate,
    kappa_linear: Estimate,
    kappa_quadratic: Estimate,
}

/// Two labels that stand against each other in one item.
#[derive(Debug, Serialize)]
struct Confused {
    first: String,
    second: String,
    pairs: usize,
}

pub(super) fn measure(
    table: &Table,
    arguments: &AgreementArguments,
) -> Result<AgreementReport, InputError> {
    let file = RatingsFile::new(table, &arguments.ratings, arguments.site.as_deref(), None)?;
    let site = arguments.site.as_deref();
    let by_site = site.map(|name| sites::measure(table, &file, name)).transpose()?;
    let run = Run::new(table, &file, arguments)?;
    let mut counts = vec![0; file.categories.len()];
    file.ratings.all().iter().for_each(|rating| counts[rating.label as usize] += 1);
    let names = file.categories.names().iter();
    let gwet = |weights| run.corrected(Chance::Gwet, weights);
    let (cohen_kappa, cohen_kappa_mean) = run.pairs();
    Ok(AgreementReport {
        items: file.items.len(),
        paired_items: file.ratings.iter().filter(|item| item.len() > 1).count(),
        raters: file.raters.len(),
        ratings: file.ratings.len(),
        missing: file.missing,
        repeated: file.repeated,
        unrated_items: file.unrated,
        scale: run.scale_name(),
        level: LEVEL,
        labels: names
            .zip(counts)
            .map(|(label, ratings)| LabelCount { label: label.clone(), ratings })
            .collect(),
        observed_agreement: Estimate::of(observed(&file.ratings)),
        krippendorff_alpha: run.alpha(),
        fleiss_kappa: run.fleiss(),
        fleiss_kappa_with_gaps: run.corrected(Chance::Fleiss, Weights::Identity),
        gwet_ac1: gwet(Weights::Identity),
        gwet_ac2: match run.weights() {
            Some(weights) => gwet(weights),
            None => Estimate::undefined("needs an order of labels: --scale ordinal or above"),
        },
        cohen_kappa,
        cohen_kappa_mean,
        most_confused: confused(&file),
        by_site,
        summary: file.summary(),
    })
}

struct Run<'a> {
    file: &'a RatingsFile,
    arguments: &'a AgreementArguments,
    scale: Scale<'a>,
}

impl<'a> Run<'a> {
    fn new(
        table: &Table,
        file: &'a RatingsFile,
        arguments: &'a AgreementArguments,
    ) -> Result<Self, InputError> {
        let name = arguments.scale;
        let unfit = |what: &str| table.fault(Fault::Shape(what.to_owned()));
        let values = file.categories.values();
        let scale = match name {
            ScaleName::Nominal => Scale::Nominal,
            ScaleName::Ordinal if values.is_some() || !arguments.ratings.order.is_empty() => {
                Scale::Ordinal
            }
            ScaleName::Ordinal if file.categories.len() == 0 => Scale::Ordinal,
            ScaleName::Ordinal => {
                return Err(unfit("an ordinal scale needs numbers as labels, or --order"));
            }
            ScaleName::Interval | ScaleName::Ratio => {
                let none: &[f64] = &[];
                let values = values.or_else(|| (file.categories.len() == 0).then_some(none));
                let values =
                    values.ok_or_else(|| unfit("this scale needs labels that are all numbers"))?;
                if name == ScaleName::Interval {
                    Scale::Interval(values)
                } else {
                    Scale::Ratio(values)
                }
            }
        };
        Ok(Self { file, arguments, scale })
    }

    fn scale_name(&self) -> &'static str {
        match self.scale {
            Scale::Nominal => "nominal",
            Scale::Ordinal => "ordinal",
            Scale::Interval(_) => "interval",
            Scale::Ratio(_) => "ratio",
        }
    }

    /// Partial agreement of different labels; none on a nominal scale.
    fn weights(&self) -> Option<Weights> {
        match self.scale {
            Scale::Nominal => None,
            Scale::Ordinal => Some(Weights::Ordinal),
            Scale::Interval(_) | Scale::Ratio(_) => Some(Weights::Quadratic),
        }
    }

    /// The numbers that the labels stand for, on a scale of numbers.
    fn positions(&self) -> Option<&[f64]> {
        match self.scale {
            Scale::Nominal | Scale::Ordinal => None,
            Scale::Interval(values) | Scale::Ratio(values) => Some(values),
        }
    }

    fn alpha(&self) -> Estimate {
        let ratings = &self.file.ratings;
        let estimate = Estimate::of(alpha(ratings, self.scale));
        if self.arguments.bootstrap.is_none() && matches!(self.scale, Scale::Nominal) {
            let found = corrected(ratings, Chance::Krippendorff, Weights::Identity, None);
            return estimate.within(found.map(|found| found.interval(LEVEL)));
        }
        estimate.within(self.resample(|drawn| alpha(drawn, self.scale).ok()))
    }

    fn fleiss(&self) -> Estimate {
        let ratings = &self.file.ratings;
        let found = few_categories(ratings)
            .and_then(|()| FleissSums::from_ratings(ratings).map_err(|e| e.to_string()))
            .and_then(|sums| sums.kappa().map_err(|e| e.to_string()));
        let with_gaps = self.corrected(Chance::Fleiss, Weights::Identity);
        let estimate = Estimate::of(found);
        let interval = with_gaps.low.zip(with_gaps.high).map(|(low, high)| Interval { low, high });
        estimate.within(interval.ok_or_else(|| with_gaps.reason.unwrap_or_default()))
    }

    fn corrected(&self, chance: Chance, weights: Weights) -> Estimate {
        let find = |ratings: &Ratings| corrected(ratings, chance, weights, self.positions());
        let found = find(&self.file.ratings);
        let estimate = Estimate::of(found.as_ref().map(|found| found.value));
        if self.arguments.bootstrap.is_none() {
            return estimate.within(found.map(|found| found.interval(LEVEL)));
        }
        estimate.within(self.resample(|drawn| find(drawn).ok().map(|found| found.value)))
    }

    /// The interval of a measure over resampled items.
    fn resample(&self, measure: impl Fn(&Ratings) -> Option<f64>) -> Result<Interval, String> {
        let ratings = &self.file.ratings;
        let resamples = match self.arguments.bootstrap {
            Some(resamples) => resamples,
            None if ratings.len() <= BOOTSTRAP_RATINGS_MAX => RESAMPLES,
            None => return Err("takes long on so many ratings: --bootstrap N".to_owned()),
        };
        let (seed, items) = (self.arguments.seed, ratings.items());
        let found = bootstrap(items, resamples, LEVEL, seed, |drawn| {
            let mut triples = Vec::with_capacity(ratings.len());
            for (at, &item) in (0..).zip(drawn) {
                triples.extend(ratings.item(item).iter().map(|r| (at, r.annotator, r.label)));
            }
            let (k, raters) = (ratings.categories(), ratings.annotators());
            Ratings::from_triples(k, items, raters, &triples).ok().and_then(|drawn| measure(&drawn))
        });
        found.map_err(|error| error.to_string())
    }

    /// Cohen's κ of every pair of raters, and its mean.
    fn pairs(&self) -> (Vec<Pair>, Estimate) {
        let raters = self.file.raters.len();
        if raters > PAIRED_RATERS_MAX {
            let text = format!("{raters} raters, more than the limit of {PAIRED_RATERS_MAX}");
            return (Vec::new(), Estimate::undefined(text));
        }
        let together = together(&self.file.ratings);
        let mut pairs = Vec::new();
        for first in 0..raters {
            for second in first + 1..raters {
                let none = (Vec::new(), Vec::new());
                let labels = together.get(&(first, second)).unwrap_or(&none);
                pairs.push(self.pair(first, second, labels));
            }
        }
        let values: Vec<f64> = pairs.iter().filter_map(|pair| pair.kappa.value).collect();
        #[expect(clippy::cast_precision_loss, reason = "pairs of at most 50 raters")]
        let mean = match values.len() {
            0 => Estimate::undefined("no pair of raters has a κ"),
            count => Estimate::known(values.iter().sum::<f64>() / count as f64),
        };
        (pairs, mean)
    }

    fn pair(&self, first: usize, second: usize, (a, b): &(Vec<u32>, Vec<u32>)) -> Pair {
        let k = self.file.categories.len();
        let found = Confusion::from_labels(k, a, b);
        let kappa = |weights: Weights| -> Estimate {
            let confusion = match &found {
                Ok(confusion) => confusion,
                Err(error) => return Estimate::undefined(error.to_string()),
            };
            let kappa = confusion.kappa(weights);
            let estimate = Estimate::of(kappa.map(|kappa| kappa.value));
            let Some(resamples) = self.arguments.bootstrap else {
                return estimate.within(kappa.map(|kappa| kappa.interval(LEVEL)));
            };
            estimate.within(bootstrap(a.len(), resamples, LEVEL, self.arguments.seed, |drawn| {
                let pick = |from: &[u32]| drawn.iter().map(|&i| from[i]).collect::<Vec<_>>();
                let drawn = Confusion::from_labels(k, &pick(a), &pick(b)).ok()?;
                drawn.kappa(weights).ok().map(|kappa| kappa.value)
            }))
        };
        let weighted = |weights| match self.scale {
            Scale::Nominal => {
                Estimate::undefined("needs an order of labels: --scale ordinal or above")
            }
            Scale::Ordinal | Scale::Interval(_) | Scale::Ratio(_) => kappa(weights),
        };
        Pair {
            first: self.file.raters[first].clone(),
            second: self.file.raters[second].clone(),
            items: a.len(),
            agreement: match &found {
                Ok(confusion) => Estimate::of(confusion.agreement()),
                Err(error) => Estimate::undefined(error.to_string()),
            },
            kappa: kappa(Weights::Identity),
            kappa_linear: weighted(Weights::Linear),
            kappa_quadratic: weighted(Weights::Quadratic),
        }
    }
}

fn few_categories(ratings: &Ratings) -> Result<(), String> {
    let found = ratings.categories();
    if found <= MATRIX_CATEGORIES_MAX {
        return Ok(());
    }
    Err(format!("{found} categories, more than the limit of {MATRIX_CATEGORIES_MAX}"))
}

/// The pairs of labels that most often stand against each other; none among too many labels.
fn confused(file: &RatingsFile) -> Vec<Confused> {
    if few_categories(&file.ratings).is_err() {
        return Vec::new();
    }
    let mut counts: HashMap<(u32, u32), usize> = HashMap::new();
    for item in file.ratings.iter() {
        let mut own: BTreeMap<u32, usize> = BTreeMap::new();
        item.iter().for_each(|rating| *own.entry(rating.label).or_default() += 1);
        for (&a, a_count) in &own {
            for (&b, b_count) in own.range(a + 1..) {
                *counts.entry((a, b)).or_default() += a_count * b_count;
            }
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|&(pair, count)| (std::cmp::Reverse(count), pair));
    let name = |label: u32| file.categories.names()[label as usize].clone();
    let shown = counts.into_iter().take(LISTED_MAX);
    shown.map(|((a, b), pairs)| Confused { first: name(a), second: name(b), pairs }).collect()
}

impl Report for AgreementReport {
    fn text(&self) -> String {
        let mut text = self.summary.clone();
        text.push('\n');
        text.push_str(&self.labels_text());
        let rows: Vec<Vec<String>> = [
            ("Observed agreement", &self.observed_agreement),
            ("Krippendorff's α", &self.krippendorff_alpha),
            ("Fleiss' κ", &self.fleiss_kappa),
            ("Fleiss' κ, with gaps", &self.fleiss_kappa_with_gaps),
            ("Gwet's AC1", &self.gwet_ac1),
            ("Gwet's AC2", &self.gwet_ac2),
            ("Cohen's κ, mean of pairs", &self.cohen_kappa_mean),
        ]
        .into_iter()
        .map(|(name, estimate)| {
            let [value, interval] = estimate.cells();
            vec![name.to_owned(), value, interval]
        })
        .collect();
        let scale = format!("{} scale", self.scale);
        text.push_str(&table::lines(&[&scale, "value", "95 % interval"], &rows));
        text.push_str(&self.advice());
        if !self.cohen_kappa.is_empty() {
            text.push('\n');
            text.push_str(&self.pairs_text());
        }
        if !self.most_confused.is_empty() {
            text.push_str("\nLabels that stand against each other most\n");
            let most = self.most_confused[0].pairs;
            let row = |confused: &Confused| {
                let pair = format!("{} – {}", cell(&confused.first), cell(&confused.second));
                vec![pair, confused.pairs.to_string(), bar(ratio(confused.pairs, most), 20)]
            };
            let rows: Vec<_> = self.most_confused.iter().map(row).collect();
            text.push_str(&table::lines(&["labels", "pairs of ratings", ""], &rows));
        }
        if let Some(by_site) = &self.by_site {
            text.push_str(&by_site.text());
        }
        text
    }
}

impl AgreementReport {
    fn labels_text(&self) -> String {
        let row = |count: &LabelCount| {
            let share = ratio(count.ratings, self.ratings);
            vec![cell(&count.label), count.ratings.to_string(), percent(share), bar(share, 20)]
        };
        let rows: Vec<_> = self.labels.iter().take(LISTED_MAX).map(row).collect();
        if rows.is_empty() {
            return String::new();
        }
        let mut text = table::lines(&["label", "ratings", "share", ""], &rows);
        if self.labels.len() > LISTED_MAX {
            text.push_str(&format!("and {} more labels\n", self.labels.len() - LISTED_MAX));
        }
        text.push('\n');
        text
    }

    /// What α allows to conclude.
    fn advice(&self) -> String {
        let Some(alpha) = self.krippendorff_alpha.value else { return String::new() };
        let verdict = if alpha >= ALPHA_RELIABLE {
            "reliable"
        } else if alpha >= ALPHA_TENTATIVE {
            "good for tentative conclusions only"
        } else {
            "too low to conclude from: look at the guidelines and at the labels below"
        };
        format!(
            "By Krippendorff's advice (α ≥ {ALPHA_RELIABLE:.3} reliable, ≥ {ALPHA_TENTATIVE:.3} \
             tentative) these labels are {verdict}.\n"
        )
    }

    fn pairs_text(&self) -> String {
        let weighted = self.scale != "nominal";
        let row = |pair: &Pair| {
            let [value, interval] = pair.kappa.cells();
            let mut row = vec![
                cell(&pair.first),
                cell(&pair.second),
                pair.items.to_string(),
                pair.agreement.figure(),
                value,
            ];
            if weighted {
                row.extend([pair.kappa_linear.figure(), pair.kappa_quadratic.figure()]);
            }
            row.push(interval);
            row
        };
        let rows: Vec<_> = self.cohen_kappa.iter().map(row).collect();
        let mut heading = vec!["rater", "rater", "items", "agree", "Cohen's κ"];
        if weighted {
            heading.extend(["linear", "quadratic"]);
        }
        heading.push("95 % interval of κ");
        table::lines(&heading, &rows)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of ratings stay far below 2^53")]
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
