//! Training runs.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use humantime_serde::re::humantime;
use insitu_models::optimiser::{Optimiser, UnknownOptimiser};
use insitu_models::robust::Rule;
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{ProjectName, SiteName};
use serde::Serialize;
use serde_json::json;

use super::evaluation::AfterRun;
use super::output::{Output, short_or_dash, table, time};
use super::setup::open;
use crate::api::Office;
use crate::evaluation::{self, EvaluationReport, Figures};
use crate::jobs::abandon;
use crate::jobs::training::{self, Plan, Rounds};
use crate::round::report::{
    self, MethodReport, PlanReport, RoundReport, RoundSite, RunReport, run, runs,
};
use crate::store::{Buffering, Mechanism, Method, RunState};

#[derive(Debug, Subcommand)]
pub(super) enum Round {
    /// Start a training run; `serve` closes its rounds and publishes the result
    Start(Box<RoundStart>),
    /// List the runs
    List {
        /// Only of this project
        #[arg(long)]
        project: Option<ProjectName>,
    },
    /// Show a run and its rounds
    Show {
        /// The run's id
        #[arg(value_parser = super::arguments::id)]
        run: Fixed<16>,
    },
    /// End a run without a result: no site is asked any more, and no update of the open round is used
    ///
    /// What sites were charged stays charged. The bundle in use stays in use.
    Abandon {
        /// The run's id
        #[arg(value_parser = super::arguments::id)]
        run: Fixed<16>,
        /// Why; `round show` says so
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  insitu-coordinator round start --project heart-disease
  insitu-coordinator round start --project heart-disease --rounds auto --dry-run
  insitu-coordinator round start --project heart-disease --mechanism class-means
  insitu-coordinator round start --project heart-disease --aggregation median --norm-max 200
  insitu-coordinator round start --project keyboard --buffer 20 --staleness 5 --closes-in 2days

What looks at each site's own update (a buffer, an aggregation other than the mean, --norm-max) excludes
secure aggregation: each site adds all of its noise then.")]
pub(super) struct RoundStart {
    /// The project whose model is trained
    #[arg(long)]
    project: ProjectName,
    /// What is asked of the sites: gradient, round by round, or class-means, in one round: sums of
    /// features by class, which make a softmax head at once. Others exist in `insitu-local simulate`
    #[arg(long, value_name = "NAME", default_value = "gradient", value_parser = mechanism)]
    mechanism: Mechanism,
    /// Rounds, instead of the project's; the cost of the run is spread over them. Or auto: as many as
    /// the cost makes use of for the labels that sites have released counts of, with the clipping,
    /// step and averaging that go with them
    #[arg(long, value_name = "N|auto", value_parser = rounds)]
    rounds: Option<Rounds>,
    /// A public number of subjects with labels, for --rounds auto: instead of released counts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    subjects: Option<u32>,
    /// Print what the run would be and cost, and start nothing
    #[arg(long)]
    dry_run: bool,
    /// Only these sites, separated by commas
    #[arg(long, value_delimiter = ',')]
    sites: Option<Vec<SiteName>>,
    /// How long each round waits for sites that have not answered [default: the configuration's]
    #[arg(long, value_parser = humantime::parse_duration)]
    closes_in: Option<Duration>,
    /// Fewest updates with which a round closes at its deadline [default: more than half]
    #[arg(long)]
    quorum: Option<u32>,
    /// Whether sites add their updates up masked, with the noise of one: on fails when they are
    /// too few, auto lets each site noise its own then
    #[arg(long, value_enum, default_value_t = Choice::Auto)]
    secure_aggregation: Choice,
    /// Sites that may collude with the coordinator [default: 0, or 1 from five sites on]
    #[arg(long)]
    colluders: Option<u8>,
    /// What moves the head: fedavg, fedavgm or fedavgm:MOMENTUM, fedadagrad, fedadam or fedyogi
    /// [default: fedavgm with the project's momentum]
    #[arg(long, value_parser = server_optimiser)]
    optimiser: Option<Optimiser>,
    /// For the simulation only: a round carries one clipped gradient a subject
    #[arg(long, hide = true, default_value_t = 1)]
    local_steps: u32,
    /// As `local_steps`
    #[arg(long, hide = true)]
    proximal: Option<f64>,
    /// How far a step goes [default: the project's learning rate; 0.1 for fedadagrad, fedadam and
    /// fedyogi, whose steps are distances in weights]
    #[arg(long)]
    learning_rate: Option<f64>,
    /// What the updates of a round come to: mean, median, trimmed-mean:SHARE (left out at either
    /// end) or norm-screen:TIMES (the median norm is the longest that stays)
    #[arg(long, default_value_t = Rule::Mean)]
    aggregation: Rule,
    /// Refuse updates of a larger L2 norm, in the unit of the gradient, their noise left aside: a
    /// site of N subjects stays below N times the project's clip norm
    #[arg(long, value_name = "NORM")]
    norm_max: Option<f64>,
    /// Bytes of a coordinate in an update: 1 rounds what is noised already to a grid far finer than
    /// the noise, which costs no privacy
    #[arg(long, value_enum, default_value_t = Bytes::One)]
    bytes_per_value: Bytes,
    /// Do not wait for every site: make a step of each so many updates, whichever come first
    #[arg(long, value_name = "UPDATES")]
    buffer: Option<u32>,
    /// Most steps that an update may be late for a buffer; the later, the less it counts
    #[arg(long, value_name = "STEPS", default_value_t = 10, requires = "buffer")]
    staleness: u32,
    #[command(flatten)]
    after: AfterRun,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Choice {
    On,
    Off,
    Auto,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Bytes {
    #[value(name = "1")]
    One,
    #[value(name = "4")]
    Four,
}

pub(super) fn round(file: &Path, command: Round) -> anyhow::Result<Output> {
    let coordinator = open(file)?;
    let office = coordinator.office();
    match command {
        Round::Start(start) => start_run(office, *start),
        Round::List { project } => {
            let runs = runs(&office.store, project.as_ref())?;
            let rows: Vec<[String; 5]> = runs
                .iter()
                .map(|run| {
                    [
                        run.run.to_string(),
                        run.project.to_string(),
                        run.state.to_owned(),
                        format!("{}/{}", run.rounds.len(), run.planned),
                        time(run.started),
                    ]
                })
                .collect();
            Output::new(&runs, table(["run", "project", "state", "rounds", "started"], &rows))
        }
        Round::Show { run: id } => match run(&office.store, id)? {
            Some(run) => {
                let evaluations = evaluation::of_run(&office.store, &run)?;
                let shown = Shown { run, evaluations };
                Output::new(&shown, run_text(&shown))
            }
            None => bail!("there is no run {id}"),
        },
        Round::Abandon { run, reason } => {
            abandon::run(&office.store, run, &reason, office.now_unix_s())?;
            let text = format!("run {run} is abandoned");
            Output::new(&json!({"run": run, "state": RunState::Abandoned.name()}), text)
        }
    }
}

fn start_run(office: &Office, start: RoundStart) -> anyhow::Result<Output> {
    let method = method(&start)?;
    let rounds = match (start.rounds.unwrap_or(Rounds::OfProject), start.subjects) {
        (Rounds::Auto { .. }, subjects) => Rounds::Auto { subjects },
        (rounds, None) => rounds,
        (_, Some(_)) => bail!("--subjects is for --rounds auto"),
    };
    let plan = Plan {
        project: start.project,
        rounds,
        sites: start.sites,
        quorum: start.quorum,
        closes_in: start.closes_in.unwrap_or(office.config.rounds.closes_in),
        secure: start.secure_aggregation.into(),
        colluders: start.colluders,
        method,
        each_round: start.after.each_round()?,
        promotion: start.after.promotion()?,
    };
    let now_unix_s = office.now_unix_s();
    if start.dry_run {
        let foreseen = training::foresee(office.bench(), &plan, now_unix_s)?;
        let text = plan_text(&foreseen) + "nothing has started: this was --dry-run";
        return Output::new(&json!({"project": plan.project, "plan": foreseen}), text);
    }
    let run = training::start(office.bench(), &plan, now_unix_s)?;
    let started = report::plan(&office.store, run)?.context("the run's project is gone")?;
    let follow =
        format!("run {run} has started; follow it with `insitu-coordinator round show {run}`");
    let text = plan_text(&started) + &follow;
    Output::new(&json!({"run": run, "project": plan.project, "plan": started}), text)
}

/// Reads `--rounds`.
fn rounds(text: &str) -> Result<Rounds, String> {
    match text {
        "auto" => Ok(Rounds::Auto { subjects: None }),
        _ => text.parse().map(Rounds::Fixed).map_err(|_| "neither auto nor a number".to_owned()),
    }
}

/// Reads `--mechanism`.
fn mechanism(text: &str) -> Result<Mechanism, String> {
    if text == "dp-ftrl" {
        return Err("its noise is correlated across the rounds of a run, which each site would have to \
                    keep and charge for at once, and real rounds are noised and charged one by one: \
                    `insitu-local simulate --mechanism dp-ftrl` shows what it would give"
            .to_owned());
    }
    Mechanism::from_name(text).ok_or_else(|| "neither gradient nor class-means".to_owned())
}

/// Why rounds have neither local steps nor `FedProx`, which is about them.
const LOCAL_STEPS: &str = "needs local steps, which mix the subjects of a site, whose parts could then not be \
                           clipped one by one: a round carries one clipped gradient a subject. \
                           `insitu-local simulate --local-steps N --proximal MU` has them";

/// Reads `--optimiser`.
fn server_optimiser(text: &str) -> Result<Optimiser, String> {
    if text == "fedprox" {
        return Err(format!("it {LOCAL_STEPS}"));
    }
    text.parse().map_err(|unknown: UnknownOptimiser| unknown.to_string())
}

fn plan_text(plan: &PlanReport) -> String {
    let method = &plan.method;
    let chosen = match method.subjects {
        Some(subjects) => format!("chosen by the budget for about {subjects:.0} subjects"),
        None => "as the project or the operator says".to_owned(),
    };
    let mut text = format!("rounds    {} of {}, {chosen}\n", plan.rounds, method.mechanism);
    if let (Some(step), Some(averaged)) = (method.learning_rate, method.averaged) {
        let step = significant(step);
        text += &format!("step      {step}, {}, the last {averaged} averaged\n", optimiser(method));
    }
    if let Some(clip) = method.clip {
        text += &format!("clipping  {clip} a subject\n");
    }
    text += &format!(
        "price     rho {:.9} a round, {:.9} in all: epsilon {:.4} at delta {:e} for each subject\n",
        plan.round_nano_rho as f64 * 1e-9,
        plan.nano_rho as f64 * 1e-9,
        plan.epsilon,
        plan.delta,
    );
    if plan.evaluations > 0 {
        let what = if plan.evaluations == 1 { "of the result" } else { "one a round" };
        text += &format!(
            "evaluated {} time(s), {what}: rho {:.9} each; with the rounds {:.9}: epsilon {:.4} for each \
             subject\n",
            plan.evaluations,
            plan.evaluation_nano_rho as f64 * 1e-9,
            plan.total_nano_rho as f64 * 1e-9,
            plan.total_epsilon,
        );
    }
    text
}

/// A run and what is known of its candidates.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    run: RunReport,
    /// The newest of each candidate, in the rounds' order.
    evaluations: Vec<EvaluationReport>,
}

/// A positive number in four digits or so.
fn significant(number: f64) -> String {
    if (1e-3..1e4).contains(&number) { format!("{number:.4}") } else { format!("{number:.3e}") }
}

fn optimiser(method: &MethodReport) -> &str {
    match method.optimiser.as_str() {
        "project" => "steps with the project's momentum",
        optimiser => optimiser,
    }
}

fn method(start: &RoundStart) -> anyhow::Result<Method> {
    let positive = |number: f64| number.is_finite() && number > 0.0;
    if start.learning_rate.is_some_and(|rate| !positive(rate)) {
        bail!("--learning-rate is a number above 0");
    }
    if start.local_steps != 1 {
        bail!("--local-steps {LOCAL_STEPS}");
    }
    if start.proximal.is_some() {
        bail!("--proximal {LOCAL_STEPS}");
    }
    let norm_max_milli = start.norm_max.map(|norm| {
        let milli = positive(norm).then(|| thousandths(norm)).flatten();
        milli.context("--norm-max lies between 0.001 and a billion")
    });
    Ok(Method {
        mechanism: start.mechanism,
        optimiser: start.optimiser,
        learning_rate: start.learning_rate,
        aggregation: start.aggregation,
        coarse: matches!(start.bytes_per_value, Bytes::One),
        norm_max_milli: norm_max_milli.transpose()?,
        buffering: start.buffer.map(|size| Buffering { size, staleness_max: start.staleness }),
        ..Method::default()
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within limits that fit, checked just before"
)]
fn thousandths(number: f64) -> Option<u64> {
    let milli = (number * 1e3).round();
    (1.0..=1e12).contains(&milli).then_some(milli as u64)
}

fn run_text(shown: &Shown) -> String {
    let report = &shown.run;
    let rows: Vec<[String; 7]> = report
        .rounds
        .iter()
        .map(|round| {
            let sites: Vec<String> = round.sites.iter().map(site_text).collect();
            [
                round.round.to_string(),
                round.state.to_owned(),
                short_or_dash(round.bundle),
                round.norm.map_or_else(String::new, |norm| format!("{norm:.3}")),
                accuracy(shown, round),
                round.noise.clone(),
                sites.join(", "),
            ]
        })
        .collect();
    let reason = report.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    format!(
        "run {} of {} is {}{reason}\n{}\n{}",
        report.run,
        report.project,
        report.state,
        method_text(&report.method),
        table(
            [
                "round",
                "state",
                "candidate",
                "gradient",
                "accuracy, in use → candidate",
                "noise",
                "sites"
            ],
            &rows
        )
    )
}

/// How right the bundle in use and a round's candidate are on what sites hold out.
fn accuracy(shown: &Shown, round: &RoundReport) -> String {
    let of_round = |found: &&EvaluationReport| Some(found.evaluation) == round.evaluation;
    let Some(found) = shown.evaluations.iter().find(of_round) else { return "–".to_owned() };
    match &found.figures {
        Figures::Known { current, candidate, .. } => {
            let (before, after) = (current.accuracy, candidate.accuracy);
            format!(
                "{:.3} → {:.3} [{:.3}, {:.3}]",
                before.value, after.value, after.low, after.high
            )
        }
        Figures::Undefined { undefined } => match found.state {
            "finished" => undefined.clone(),
            state => state.to_owned(),
        },
    }
}

fn site_text(site: &RoundSite) -> String {
    match site.staleness {
        None | Some(0) => format!("{} {}", site.site, site.state),
        Some(steps) => format!("{} {} ({steps} late)", site.site, site.state),
    }
}

fn method_text(method: &MethodReport) -> String {
    let what = match method.mechanism {
        "gradient" => optimiser(method),
        mechanism => mechanism,
    };
    let mut text = format!("{what} on the updates' {}", method.aggregation);
    if let Some(rate) = method.learning_rate {
        text.push_str(&format!(", learning rate {}", significant(rate)));
    }
    if let Some(clip) = method.clip {
        text.push_str(&format!(", subjects clipped to {clip}"));
    }
    if let (Some(averaged), Some(subjects)) = (method.averaged, method.subjects) {
        let chosen = format!(", the last {averaged} rounds averaged, for {subjects:.0} subjects");
        text.push_str(&chosen);
    }
    if let Some(norm) = method.norm_max {
        text.push_str(&format!(", none longer than {norm}"));
    }
    if let (Some(updates), Some(steps)) = (method.buffer, method.staleness_max) {
        text.push_str(&format!(", {updates} a step, at most {steps} steps late"));
    }
    text.push_str(&format!("; {} byte(s) a value where sites noise alone", method.bytes_per_value));
    text
}
