//! Evaluations, and what becomes of a training run's result.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use humantime_serde::re::humantime;
use insitu_privacy::{Delta, Epsilon, rho_within};
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{ProjectName, SiteName};
use serde_json::json;

use super::arguments::id;
use super::output::{Output, short, table, time};
use super::round::Choice;
use super::setup::open;
use crate::agreement::calibration::{CalibrationFigures, Share};
use crate::api::Office;
use crate::evaluation::{self as reports, EvaluationReport, Figures};
use crate::jobs::abandon;
use crate::jobs::evaluation::{self, Plan};
use crate::ledger::{DELTA, shown_epsilon};
use crate::registry;
use crate::registry::card::{self, CardObject};
use crate::store::{EvaluationState, Promotion, SecureAggregation, Terms};

/// Largest margin: more says nothing of a model.
const MARGIN_MAX: f64 = 0.5;

#[derive(Debug, Subcommand)]
pub(super) enum Evaluation {
    /// Ask sites how right a bundle and the active one are on what they hold out of training
    ///
    /// A bundle with another backbone than the active one is fetched and verified by the sites first;
    /// those whose steward has not approved that backbone take no part, and pay nothing. Under secure
    /// aggregation a site has a tenth of --closes-in for it.
    Start(Start),
    /// List the evaluations
    List {
        /// Only of this project
        #[arg(long)]
        project: Option<ProjectName>,
    },
    /// Show an evaluation
    Show {
        /// The evaluation's id
        #[arg(value_parser = id)]
        evaluation: Fixed<16>,
    },
    /// End an evaluation without a verdict: no site is asked any more, and no answer is used
    ///
    /// What sites were charged stays charged. The bundle stays a candidate.
    Abandon {
        /// The evaluation's id
        #[arg(value_parser = id)]
        evaluation: Fixed<16>,
        /// Why; `evaluation show` says so
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Start {
    /// The bundle's digest, or the beginning of it
    digest: String,
    #[command(flatten)]
    terms: TermsArguments,
    /// How long sites have, from now
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
    closes_in: Duration,
    /// Only these sites, separated by commas
    #[arg(long, value_delimiter = ',')]
    sites: Option<Vec<SiteName>>,
    /// Whether sites add their answers up masked, with the noise of one: on fails when they are too
    /// few, auto lets each site noise its own then
    #[arg(long, value_enum, default_value_t = Choice::Auto)]
    secure_aggregation: Choice,
    /// Sites that may collude with the coordinator [default: 0, or 1 from five sites on]
    #[arg(long)]
    colluders: Option<u8>,
    /// Publish the bundle when it passes
    #[arg(long)]
    promote: bool,
}

#[derive(Clone, Copy, Debug, Args)]
struct TermsArguments {
    /// What an evaluation may cost each site: epsilon at delta 1e-6
    #[arg(long, value_name = "EPSILON", default_value_t = 0.5)]
    evaluation_epsilon: f64,
    /// By how much the new model's accuracy may be lower, and still pass
    #[arg(long, default_value_t = 0.02)]
    margin: f64,
}

/// What becomes of a run's result.
#[derive(Debug, Args)]
pub(super) struct AfterRun {
    #[command(flatten)]
    terms: TermsArguments,
    /// Publish the result without an evaluation; the reason is recorded
    #[arg(long, value_name = "REASON")]
    force: Option<String>,
    /// Evaluate the candidate of each round, not the result alone, beside the model in use: each costs
    /// --evaluation-epsilon. The next round does not wait for it
    #[arg(long)]
    evaluate_each_round: bool,
}

impl TermsArguments {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to lie between 0 and 500"
    )]
    fn terms(self) -> anyhow::Result<Terms> {
        let Self { evaluation_epsilon, margin } = self;
        ensure!((0.0..=MARGIN_MAX).contains(&margin), "--margin lies between 0 and {MARGIN_MAX}");
        let epsilon = Epsilon::new(evaluation_epsilon).context("--evaluation-epsilon")?;
        let nano_rho = rho_within(epsilon, Delta::new(DELTA)?).nano();
        Ok(Terms { nano_rho, margin_milli: (margin * 1000.0).round() as u32 })
    }
}

impl AfterRun {
    /// At what price the candidate of each round is evaluated, if it is.
    pub(super) fn each_round(&self) -> anyhow::Result<Option<Terms>> {
        self.evaluate_each_round.then(|| self.terms.terms()).transpose()
    }

    /// As the run keeps it.
    pub(super) fn promotion(self) -> anyhow::Result<Promotion> {
        Ok(match self.force {
            Some(reason) => Promotion::Forced(reason),
            None => Promotion::Evaluated(self.terms.terms()?),
        })
    }
}

impl From<Choice> for SecureAggregation {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::On => Self::On,
            Choice::Off => Self::Off,
            Choice::Auto => Self::Auto,
        }
    }
}

pub(super) fn evaluation(file: &Path, command: Evaluation) -> anyhow::Result<Output> {
    let coordinator = open(file)?;
    let office = coordinator.office();
    match command {
        Evaluation::Start(start) => begin(office, start),
        Evaluation::List { project } => report(office, project.as_ref()),
        Evaluation::Show { evaluation } => match reports::evaluation(&office.store, evaluation)? {
            Some(report) => {
                let text = rows(std::slice::from_ref(&report));
                Output::new(&report, text)
            }
            None => bail!("there is no evaluation {evaluation}"),
        },
        Evaluation::Abandon { evaluation, reason } => {
            abandon::evaluation(&office.store, evaluation, &reason, office.now_unix_s())?;
            let state = EvaluationState::Abandoned.name();
            let text = format!("evaluation {evaluation} is abandoned");
            Output::new(&json!({"evaluation": evaluation, "state": state}), text)
        }
    }
}

/// The evaluations of a project, or of all.
pub(super) fn report(office: &Office, project: Option<&ProjectName>) -> anyhow::Result<Output> {
    let found = reports::report(&office.store, project)?;
    Output::new(&found, rows(&found))
}

fn begin(office: &Office, start: Start) -> anyhow::Result<Output> {
    let candidate = registry::find(&office.store, &start.digest)?;
    let plan = Plan {
        candidate,
        terms: start.terms.terms()?,
        sites: start.sites,
        closes_in: start.closes_in,
        secure: start.secure_aggregation.into(),
        colluders: start.colluders,
        promotes: start.promote,
    };
    let id = evaluation::start(office.bench(), &plan, office.now_unix_s())?;
    let nano_rho = plan.terms.nano_rho;
    let mut text = format!("price     epsilon {:.4} for each subject", shown_epsilon(nano_rho));
    // In a sum each site adds a share of the noise: alone it hides a subject that much less.
    let session = office.store.read("evaluation_session", |tx| tx.attempts(id, 0))?.pop();
    let shares = session.map_or(1, |session| session.order.noisy_sites());
    let nano_rho_local = nano_rho.saturating_mul(shares.into());
    if shares > 1 {
        text += &format!(
            ", {:.4} if all other sites collude: a site whose policy does not allow both takes no part",
            shown_epsilon(nano_rho_local)
        );
    }
    let row = office.store.read("evaluation_started", |tx| tx.evaluation(id))?;
    let backbone = if row.is_some_and(|row| row.order.candidate.is_bundle()) {
        let objects = card::card(&office.store, candidate)?.objects;
        objects.into_iter().find(|object| object.object == "backbone")
    } else {
        None
    };
    if let Some(CardObject { digest, bytes, .. }) = &backbone {
        text += &format!(
            "\nbackbone  {digest}, {bytes} bytes: sites that lack it fetch it first; a site whose steward \
             has not approved it takes no part"
        );
    }
    text += &format!(
        "\nevaluation {id} has started; follow it with `insitu-coordinator evaluation show {id}`"
    );
    let report = json!({
        "evaluation": id,
        "candidate": candidate,
        "nano_rho": nano_rho,
        "nano_rho_local": nano_rho_local,
        "own_backbone": backbone,
    });
    Output::new(&report, text)
}

fn rows(found: &[EvaluationReport]) -> String {
    let share = |share: Share| format!("{:.3} [{:.3}, {:.3}]", share.value, share.low, share.high);
    let error = |figures: &CalibrationFigures| match figures {
        CalibrationFigures::Known { error, error_deviation, .. } => {
            format!("{error:.3} ± {:.3}", 1.96 * error_deviation)
        }
        CalibrationFigures::Undefined { .. } => "too few".to_owned(),
    };
    let rows: Vec<[String; 9]> = found
        .iter()
        .map(|report| {
            let (n, accuracy, calibration, difference, verdict) = match &report.figures {
                Figures::Known { n, current, candidate, difference, low, passes, .. } => (
                    format!("{n:.0}"),
                    format!("{} → {}", share(current.accuracy), share(candidate.accuracy)),
                    format!("{} → {}", error(&current.calibration), error(&candidate.calibration)),
                    format!("{difference:+.3}, above {low:+.3}"),
                    if *passes { "not worse" } else { "not shown to be as good" }.to_owned(),
                ),
                Figures::Undefined { undefined } => {
                    let why = report.reason.clone().unwrap_or_else(|| undefined.clone());
                    (String::new(), String::new(), String::new(), String::new(), why)
                }
            };
            [
                report.evaluation.to_string(),
                time(report.started),
                format!("{} → {}", short(report.current), short(report.candidate)),
                report.state.to_owned(),
                n,
                accuracy,
                calibration,
                difference,
                verdict,
            ]
        })
        .collect();
    table(
        [
            "evaluation",
            "started",
            "active → candidate",
            "state",
            "items",
            "accuracy (95 %)",
            "calibration error",
            "difference (95 %)",
            "verdict",
        ],
        &rows,
    )
}
