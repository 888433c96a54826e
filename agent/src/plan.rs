//! What if: what releases would cost a subject, what the site's people would do for them, and what the
//! coordinator would get.
//!
//! The precision is not a formula of its own. The counts that are to be expected are given to the
//! estimators that the coordinator uses, with the noise that the price buys, and what they say of
//! their own uncertainty is shown.

use insitu_privacy::clip::ClipShape;
use insitu_privacy::contribution::ItemsPerSubject;
use insitu_privacy::estimate::{
    EstimateError, NoisedCounts, Reference, alpha, calibration, drift, kappa, paired,
};
use insitu_privacy::statistics::Statistic;
use insitu_privacy::{GaussianScale, NoiseError, Rho};
use insitu_protocol::order::EVALUATION_STEP;
use insitu_protocol::project::Project;
use serde::Serialize;

use crate::config::Limits;
use crate::release::epsilon;
use crate::store::reviews::ReviewStage;
use crate::tally::{Outline, window_outlines};

/// Seed of the simulations in the drift estimator: the same question has the same answer.
const SEED: u64 = 1;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Subjects with a corrected item in a window, one item each.
    pub items: u64,
    /// Share of them in which person and model, or two people, agree; 0 to 1.
    pub agreement: f64,
    /// Sites whose releases are added.
    pub sites: u32,
    /// Statistics windows in the next 365 days.
    pub windows: u32,
    /// Answered campaigns in the next 365 days.
    pub campaigns: u32,
    /// Training runs in the next 365 days.
    pub runs: u32,
    /// Evaluations of new models in the next 365 days.
    pub evaluations: u32,
}

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The project.
    pub project: String,
    /// What is planned, by kind.
    pub costs: Vec<Cost>,
    /// Everything planned, together.
    pub epsilon_planned: f64,
    /// Together with what is spent already.
    pub epsilon_total: f64,
    /// The policy's limit for any 365 days, or the project's share of it.
    pub epsilon_allowed: f64,
    /// Whether the limits cover each of them and all of them.
    pub fits: bool,
    /// Windows that would fit beside what else is planned, were there no limit but the year's.
    pub windows_that_fit: u64,
    /// What people would do for the labels of one window, at one site.
    pub work: Vec<Work>,
    /// What the coordinator would learn from one window.
    pub precision: Vec<Precision>,
}

/// Readings of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Which.
    pub what: String,
    /// How many.
    pub readings: u64,
}

/// One kind of release.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// Which.
    pub what: &'static str,
    /// How many.
    pub count: u32,
    /// ε of one alone.
    pub epsilon_each: f64,
    /// The policy's limit for one.
    pub epsilon_limit: f64,
    /// ρ of one, in 10⁻⁹.
    pub nano_rho_each: u64,
}

/// How well something would be known.
#[derive(Clone, Debug, Serialize)]
pub struct Precision {
    /// What.
    pub what: String,
    /// Standard deviation of the noise on each released number, at one site.
    pub noise: f64,
    /// Half of the 95 % interval of the estimate; `None` when the estimator would refuse.
    pub half_width: Option<f64>,
    /// The same without any noise, so from sampling alone.
    pub half_width_exact: Option<f64>,
    /// Why it would refuse.
    pub refused: Option<String>,
}

/// Answers for a project, whose labels go through these stages of review, and of whose budget `spent` is
/// gone.
///
/// # Errors
/// [`NoiseError`] when a price of the project's plan buys no noise that can be drawn.
pub fn plan(
    project: &Project,
    stages: &[ReviewStage],
    limits: &Limits,
    spent: Rho,
    question: &Question,
) -> Result<Plan, NoiseError> {
    let prices = window_outlines(project).map(|outline| Rho::from_nano(outline.nano_rho));
    let window = prices.into_iter().sum();
    let run = Rho::from_nano(project.training.run_nano_rho);
    let cost = |what, count, each: Rho, limit: Rho| Cost {
        what,
        count,
        epsilon_each: epsilon(each, limits),
        epsilon_limit: epsilon(limit, limits),
        nano_rho_each: each.nano(),
    };
    let costs = vec![
        cost("statistics window", question.windows, window, limits.window),
        // What a campaign asks for is its own; no more than this is ever answered.
        cost("campaign", question.campaigns, limits.campaign, limits.campaign),
        cost("training run", question.runs, run, limits.run),
        // Nor is an evaluation that asks for more.
        cost("evaluation", question.evaluations, limits.evaluation, limits.evaluation),
    ];
    let total = |costs: &[Cost]| -> Option<Rho> {
        costs.iter().try_fold(Rho::ZERO, |sum, cost| {
            let each = Rho::from_nano(cost.nano_rho_each);
            sum.checked_add(each.checked_mul(u64::from(cost.count))?)
        })
    };
    let planned = total(&costs).unwrap_or(Rho::MAX);
    let allowed = limits.allotments.get(&project.name).copied().unwrap_or(limits.year);
    let with_spent = spent.checked_add(planned).unwrap_or(Rho::MAX);
    let each_fits =
        costs.iter().all(|cost| cost.count == 0 || cost.epsilon_each <= cost.epsilon_limit);
    let beside = total(&costs[1..]).and_then(|other| other.checked_add(spent));
    let left = beside.map_or(0, |used| allowed.nano().saturating_sub(used.nano()));
    Ok(Plan {
        project: project.name.to_string(),
        epsilon_planned: epsilon(planned, limits),
        epsilon_total: epsilon(with_spent, limits),
        epsilon_allowed: epsilon(allowed, limits),
        fits: each_fits && with_spent <= allowed,
        windows_that_fit: left.checked_div(window.nano()).unwrap_or(u64::MAX),
        work: work(project, stages, question),
        precision: precision(project, limits, question)?,
        costs,
    })
}

/// The items that are read twice.
fn read_twice(project: &Project, question: &Question) -> u64 {
    question.items.saturating_mul(u64::from(project.routing.overlap)) / 1000
}

/// What people do until the labels of a window are final, were the labels spread evenly over the
/// classes. A label that may name several classes is taken for one that comes to every stage that is for
/// some of them.
fn work(project: &Project, stages: &[ReviewStage], question: &Question) -> Vec<Work> {
    let second = read_twice(project, question);
    let agreeing = share(i64::try_from(second).unwrap_or(i64::MAX), question.agreement);
    let differ = second.saturating_sub(u64::try_from(agreeing).unwrap_or(0));
    let one = |what: &str, readings| Work { what: what.to_owned(), readings };
    let mut work = vec![
        one("first reading", question.items),
        one("second reading, blind", second),
        one("expert, where two readers differ", differ),
    ];
    let all = project.classes.len() as u64;
    for (number, stage) in (1..).zip(stages) {
        let classes = if stage.classes.is_empty() || !project.task.is_one_class() {
            all
        } else {
            stage.classes.len() as u64
        };
        let come = u128::from(question.items) * u128::from(classes) * u128::from(stage.share);
        let readings = u64::try_from(come / u128::from(all.max(1) * 1000)).unwrap_or(u64::MAX);
        let what = format!("review, stage {number} ({})", stage.role.name());
        work.push(Work { what, readings });
    }
    work
}

fn precision(
    project: &Project,
    limits: &Limits,
    question: &Question,
) -> Result<Vec<Precision>, NoiseError> {
    let classes = project.classes.len();
    let scale = |outline: Outline| {
        GaussianScale::for_budget(outline.sensitivity, Rho::from_nano(outline.nano_rho))
    };
    let [of_confusion, of_coincidence, of_calibration, of_drift] = window_outlines(project);
    let read_twice = read_twice(project, question);
    let pairs = |items| matrix(items, classes, question.agreement);
    let mut known = vec![
        known(
            "agreement of people with the model (Cohen's κ)".to_owned(),
            question,
            scale(of_confusion)?,
            &pairs(question.items),
            |counts| kappa(counts, classes).map(|found| found.deviation).map_err(refusal),
        ),
        known(
            format!("agreement of two people (Krippendorff's α, {read_twice} read twice)"),
            question,
            scale(of_coincidence)?,
            &pairs(read_twice),
            |counts| alpha(counts, classes).map(|found| found.deviation).map_err(refusal),
        ),
        calibration_precision(project, question, scale(of_calibration)?),
    ];
    let drift_scale = scale(of_drift)?;
    for feature in &project.features {
        let bins = feature.bin_count();
        let even = vec![1.0 / bins as f64; bins];
        let counts = spread(question.items, bins);
        known.push(self::known(
            format!("drift of {}", feature.field),
            question,
            drift_scale,
            &counts,
            |counts| {
                let found = drift(counts, Reference::Public(&even), SEED).map_err(refusal)?;
                Ok(found.effect_deviation)
            },
        ));
    }
    let training = &project.training;
    let clip = f64::from(training.clip_milli) / 1000.0;
    let bits = u32::from(training.fraction_bits);
    if let Ok(shape) = ClipShape::new(1, clip, bits) {
        let round = Rho::from_nano(training.run_nano_rho / u64::from(training.rounds.max(1)));
        let scale = GaussianScale::for_budget(shape.sensitivity(), round)?;
        let largest = clip * f64::from(1_u32 << bits);
        let what = "each round's update: noise, where one subject moves it by at most 1";
        known.push(plain(what, scale.as_f64() / largest));
    }
    known.push(evaluation_precision(
        question,
        scale(Outline {
            sensitivity: Statistic::Evaluation { step: EVALUATION_STEP }
                .sensitivity(ItemsPerSubject::ONE),
            nano_rho: limits.evaluation.nano(),
            values: 4,
        })?,
    ));
    let one = Statistic::Campaign.sensitivity(ItemsPerSubject::ONE);
    let answer = GaussianScale::for_budget(one, limits.campaign)?;
    known.push(plain("campaign: noise on each count of its answer", answer.as_f64()));
    Ok(known)
}

/// How well it would be known how much better a new model is than the one in use, were both right
/// equally often, of as many held-out subjects, and apart on one in ten.
fn evaluation_precision(question: &Question, scale: GaussianScale) -> Precision {
    let step = i64::from(EVALUATION_STEP);
    let items = i64::try_from(question.items).unwrap_or(i64::MAX);
    let apart = share(items, 0.1);
    let right = share(items - apart, question.agreement);
    let cells = [right, apart / 2, apart - apart / 2, items - apart - right];
    let what = "how much better a new model is (accuracy, on as many held-out subjects)";
    let counts = cells.map(|cell| cell * step);
    let mut known = known(what.to_owned(), question, scale, &counts, |counts| {
        paired(counts, EVALUATION_STEP).map(|found| found.deviation).map_err(refusal)
    });
    known.noise /= f64::from(EVALUATION_STEP);
    known
}

/// A noise that no estimator stands behind.
fn plain(what: &str, noise: f64) -> Precision {
    let what = what.to_owned();
    Precision { what, noise, half_width: None, half_width_exact: None, refused: None }
}

/// What an estimator says of its own deviation at these counts, with the noise and without.
fn known(
    what: String,
    question: &Question,
    scale: GaussianScale,
    counts: &[i64],
    deviation: impl Fn(&NoisedCounts) -> Result<f64, String>,
) -> Precision {
    let sites = f64::from(question.sites.max(1));
    let pooled: Vec<i64> =
        counts.iter().map(|count| count.saturating_mul(i64::from(question.sites.max(1)))).collect();
    let half_width = |variance: f64| {
        NoisedCounts::with_variance(pooled.clone(), variance)
            .map_err(refusal)
            .and_then(|counts| deviation(&counts))
            .map(|deviation| 1.96 * deviation)
    };
    let noised = half_width(scale.variance() * sites);
    Precision {
        what,
        noise: scale.as_f64(),
        half_width_exact: half_width(0.0).ok(),
        refused: noised.as_ref().err().cloned(),
        half_width: noised.ok(),
    }
}

fn refusal(error: EstimateError) -> String {
    error.to_string()
}

/// The widest of the bins' intervals, were the items spread evenly over them.
fn calibration_precision(
    project: &Project,
    question: &Question,
    scale: GaussianScale,
) -> Precision {
    let bins = usize::from(project.statistics.calibration_bins);
    let counts: Vec<i64> = spread(question.items, bins)
        .into_iter()
        .flat_map(|items| {
            let right = share(items, question.agreement);
            [items - right, right]
        })
        .collect();
    let confidences = vec![question.agreement; bins];
    known("accuracy in one confidence bin".to_owned(), question, scale, &counts, |counts| {
        let found = calibration(counts, &confidences).map_err(refusal)?;
        let bins = found.accuracy.iter().flatten();
        let widest = bins.map(|bin| (bin.high - bin.low) / (2.0 * 1.96)).reduce(f64::max);
        widest.ok_or_else(|| "not enough items in any bin for this noise".to_owned())
    })
}

/// A matrix of `items` pairs, `[classes, classes]`, evenly over the classes.
fn matrix(items: u64, classes: usize, agreement: f64) -> Vec<i64> {
    let items = i64::try_from(items).unwrap_or(i64::MAX);
    let agreeing = share(items, agreement);
    let (diagonal, others) =
        (spread_of(agreeing, classes), spread_of(items - agreeing, classes * (classes - 1)));
    let mut others = others.into_iter();
    (0..classes * classes)
        .map(|cell| {
            if cell % (classes + 1) == 0 {
                diagonal[cell / (classes + 1)]
            } else {
                others.next().unwrap_or(0)
            }
        })
        .collect()
}

fn spread(items: u64, cells: usize) -> Vec<i64> {
    spread_of(i64::try_from(items).unwrap_or(i64::MAX), cells)
}

/// `items` over `cells` as evenly as whole numbers go.
fn spread_of(items: i64, cells: usize) -> Vec<i64> {
    let count = i64::try_from(cells.max(1)).unwrap_or(i64::MAX);
    (0..count).map(|cell| items / count + i64::from(cell < items % count)).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "a share of a whole number fits")]
fn share(items: i64, share: f64) -> i64 {
    (items as f64 * share.clamp(0.0, 1.0)).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Policy;
    use crate::store::labels::Role;
    use crate::testing;

    fn ask(items: u64, sites: u32) -> Plan {
        let (_scratch, row) = testing::with_project();
        let limits = Policy { epsilon_window: 2.0, ..Policy::default() }.limits().unwrap();
        let question = Question {
            items,
            agreement: 0.9,
            sites,
            windows: 4,
            campaigns: 1,
            runs: 1,
            evaluations: 1,
        };
        plan(&row.definition, &[], &limits, Rho::from_nano(1_000_000), &question).unwrap()
    }

    #[test]
    fn costs_add_up_in_the_ledgers_currency() {
        let plan = ask(1000, 1);
        let nano: u64 = plan.costs.iter().map(|c| c.nano_rho_each * u64::from(c.count)).sum();
        let limits = Policy::default().limits().unwrap();
        let total = Rho::from_nano(nano + 1_000_000);
        assert!((plan.epsilon_total - epsilon(total, &limits)).abs() < 1e-12);
        assert!(
            plan.epsilon_total
                < plan.costs.iter().map(|c| c.epsilon_each * f64::from(c.count)).sum()
        );
        let fits = |windows: u64| {
            let others: u64 =
                plan.costs[1..].iter().map(|c| c.nano_rho_each * u64::from(c.count)).sum();
            1_000_000 + others + windows * plan.costs[0].nano_rho_each <= limits.year.nano()
        };
        assert!(fits(plan.windows_that_fit) && !fits(plan.windows_that_fit + 1));
    }

    #[test]
    fn precision_grows_with_items_and_sites_and_says_when_there_is_none() {
        let width = |plan: &Plan| plan.precision[0].half_width;
        let (small, large, many) = (ask(500, 1), ask(5000, 1), ask(500, 10));
        assert!(width(&small).unwrap() > width(&large).unwrap());
        assert!(width(&small).unwrap() > width(&many).unwrap());
        assert!(small.precision[0].half_width_exact.unwrap() < width(&small).unwrap());
        let none = ask(10, 1);
        assert_eq!(width(&none), None);
        assert!(none.precision[0].refused.as_ref().unwrap().contains("not enough data"));
    }

    #[test]
    fn reviews_are_among_the_work_of_a_window() {
        let (_scratch, row) = testing::with_project();
        let mut project = row.definition;
        project.routing.overlap = 100;
        let question = Question {
            items: 1000,
            agreement: 0.9,
            sites: 1,
            windows: 1,
            campaigns: 0,
            runs: 0,
            evaluations: 0,
        };
        let stage =
            |role, share, classes: &[u16]| ReviewStage { role, share, classes: classes.to_vec() };
        let stages = [
            stage(Role::Expert, 200, &[]),
            stage(Role::Lead, 1000, &[1]),
            stage(Role::Lead, 500, &[0]),
        ];
        let readings = |project: &Project, stages: &[ReviewStage]| -> Vec<u64> {
            work(project, stages, &question).iter().map(|work| work.readings).collect()
        };
        assert_eq!(readings(&project, &[]), [1000, 100, 10]);
        assert_eq!(readings(&project, &stages), [1000, 100, 10, 200, 500, 250]);
        assert_eq!(work(&project, &stages, &question)[4].what, "review, stage 2 (lead)");
        let several = testing::project_with("[task]\nkind = \"classes\"");
        assert_eq!(readings(&several, &stages)[3..], [200, 1000, 500], "at most");
    }

    #[test]
    fn expected_counts_sum_to_the_items() {
        for (items, classes) in [(0, 2), (7, 3), (1000, 5)] {
            let counts = matrix(items, classes, 0.8);
            assert_eq!(counts.len(), classes * classes);
            assert_eq!(counts.iter().sum::<i64>(), i64::try_from(items).unwrap());
        }
    }
}
