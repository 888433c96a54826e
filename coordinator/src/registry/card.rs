//! Model cards: what a bundle is made of, by which rounds, at which price, and how right it was found.

use insitu_models::calibration::Calibration;
use insitu_models::manifest::Manifest;
use insitu_protocol::ids::{Digest, RunId};
use serde::Serialize;

use super::{BundleReport, RegistryError, describe};
use crate::evaluation::{self, EvaluationReport, Figures};
use crate::ledger::{DELTA, shown_epsilon};
use crate::session;
use crate::store::{BundleRow, Noise, RoundRow, RoundState, RunRow, Store, Tx};

/// What is known of a bundle.
#[derive(Clone, Debug, Serialize)]
pub struct Card {
    /// Its place in the registry: digest, project, name, version, parent, state, sentences of lineage,
    /// and the figures that were attached by hand.
    #[serde(flatten)]
    pub bundle: BundleReport,
    /// What its head computes.
    pub head: String,
    /// The taxonomy, in the order of the head's rows.
    pub classes: Vec<String>,
    /// The project's fields that it reads.
    pub columns: Vec<String>,
    /// Length of the row that the head takes.
    pub features: usize,
    /// Its files.
    pub objects: Vec<CardObject>,
    /// From probabilities to a confidence.
    pub calibration: Calibration,
    /// The runs of this coordinator that made it, oldest first.
    pub runs: Vec<CardRun>,
    /// What these runs cost a subject at a site that took part in each round, nano-ρ.
    pub nano_rho: u64,
    /// The same as ε.
    pub epsilon: f64,
    /// The δ of every ε here.
    pub delta: f64,
    /// The evaluations of it on held-out items of the sites, oldest first.
    pub held_out: Vec<EvaluationReport>,
    /// Of data and weights.
    pub licences: Vec<String>,
}

/// A file of a bundle.
#[derive(Clone, Debug, Serialize)]
pub struct CardObject {
    /// `backbone`, `head`, `golden` or `tokenizer`.
    pub object: &'static str,
    /// BLAKE3 of its bytes.
    pub digest: Digest,
    /// Their number.
    pub bytes: u64,
}

/// A run that a bundle came from.
#[derive(Clone, Debug, Serialize)]
pub struct CardRun {
    /// The run.
    pub run: RunId,
    /// The bundle that it started from.
    pub start: Digest,
    /// Rounds it was to have.
    pub planned: u32,
    /// Its rounds up to the one that made the bundle.
    pub rounds: Vec<CardRound>,
}

/// A round that a bundle came from.
#[derive(Clone, Debug, Serialize)]
pub struct CardRound {
    /// From 1.
    pub round: u32,
    /// Sites whose updates were counted.
    pub sites: usize,
    /// Whether they noised them together.
    pub together: bool,
    /// L2 norm of the combined update, in the unit of the gradient.
    pub norm: Option<f64>,
    /// What it cost a site's subject, nano-ρ, attempts that failed after the vectors were sent
    /// included.
    pub nano_rho: u64,
    /// What the run had cost by then, as ε.
    pub epsilon: f64,
}

/// The card of a bundle.
///
/// # Errors
/// [`RegistryError`].
pub fn card(store: &Store, digest: Digest) -> Result<Card, RegistryError> {
    store.read("card", |tx| {
        let row = tx.bundle(digest)?.ok_or(RegistryError::Unknown { digest })?;
        card_of(tx, row)
    })
}

/// The card of a stored bundle.
///
/// # Errors
/// [`RegistryError`].
pub fn card_of(tx: &Tx<'_>, row: BundleRow) -> Result<Card, RegistryError> {
    let manifest = Manifest::decode(&row.manifest)?;
    let runs = runs(tx, row.digest)?;
    let rounds = runs.iter().flat_map(|run| &run.rounds);
    let nano_rho = rounds.fold(0, |sum: u64, round| sum.saturating_add(round.nano_rho));
    let held_out = evaluation::of_candidate(tx, row.digest)?;
    let names = ["backbone", "head", "golden", "tokenizer"];
    let objects = names.into_iter().zip(manifest.objects());
    Ok(Card {
        head: manifest.kind.to_string(),
        classes: manifest.classes.iter().map(ToString::to_string).collect(),
        columns: manifest.columns.iter().map(|column| column.name.to_string()).collect(),
        features: manifest.features,
        objects: objects
            .map(|(object, found)| CardObject { object, digest: found.digest, bytes: found.bytes })
            .collect(),
        calibration: manifest.calibration,
        runs,
        nano_rho,
        epsilon: shown_epsilon(nano_rho),
        delta: DELTA,
        held_out,
        licences: manifest.licences.iter().map(ToString::to_string).collect(),
        bundle: describe(tx, row)?,
    })
}

/// The runs that led to a bundle, oldest first: that of which it is a candidate, that which made the
/// bundle where this one started, and so on.
fn runs(tx: &Tx<'_>, mut bundle: Digest) -> Result<Vec<CardRun>, RegistryError> {
    let mut runs = Vec::new();
    while let Some((run, last)) = tx.round_of(bundle)? {
        let Some(run) = tx.run(run)? else { break };
        bundle = run.bundle;
        runs.push(card_run(tx, run, last)?);
    }
    runs.reverse();
    Ok(runs)
}

fn card_run(tx: &Tx<'_>, run: RunRow, last: u32) -> Result<CardRun, RegistryError> {
    let mut spent = 0_u64;
    let mut rounds = Vec::new();
    let closed = |round: &RoundRow| round.number <= last && round.state == RoundState::Closed;
    for round in tx.rounds(run.id)?.into_iter().filter(closed) {
        let attempts = 1 + session::spent_in_vain(tx, run.id, round.number)?;
        let nano_rho = run.round_nano_rho.saturating_mul(attempts.into());
        spent = spent.saturating_add(nano_rho);
        rounds.push(CardRound {
            round: round.number,
            sites: tx.round_sites(run.id, round.number)?.len(),
            together: round.noise == Noise::Together,
            norm: round.norm,
            nano_rho,
            epsilon: shown_epsilon(spent),
        });
    }
    Ok(CardRun { run: run.id, start: run.bundle, planned: run.rounds, rounds })
}

impl Card {
    /// As Markdown. What changes when other bundles are published is left out: a copy elsewhere stays
    /// true.
    pub fn markdown(&self) -> String {
        let BundleReport { name, version, project, bundle, .. } = &self.bundle;
        let mut text = format!(
            "# {name} {version}\n\nProject {project}, bundle {bundle}. A head ({}) of {} classes over \
             {} features of a frozen backbone.\n\nClasses: {}.\n\nReads: {}.\n",
            self.head,
            self.classes.len(),
            self.features,
            self.classes.join(", "),
            self.columns.join(", "),
        );
        self.write_lineage(&mut text);
        self.write_evaluations(&mut text);
        text.push_str("\n## Calibration\n");
        let Calibration { temperature, knots, thresholds } = &self.calibration;
        if self.calibration == Calibration::identity() {
            line(&mut text, format_args!("none: confidences are the head's own probabilities"));
        } else {
            line(&mut text, format_args!("temperature {temperature}, {} knots", knots.len()));
        }
        if !thresholds.is_empty() {
            let shown: Vec<String> = thresholds.iter().map(|at| format!("{at:.3}")).collect();
            line(&mut text, format_args!("thresholds by class: {}", shown.join(", ")));
        }
        text.push_str("\n## Objects\n");
        for CardObject { object, digest, bytes } in &self.objects {
            line(&mut text, format_args!("{object}: {digest}, {bytes} bytes"));
        }
        text.push_str("\n## Licences\n");
        for licence in &self.licences {
            line(&mut text, format_args!("{licence}"));
        }
        let export = format!("insitu-coordinator model export {bundle} --out DIR");
        text.push_str(&format!("\nTo get it: `{export}`\n"));
        text
    }

    fn write_lineage(&self, text: &mut String) {
        text.push_str("\n## Lineage\n");
        for sentence in &self.bundle.lineage {
            line(text, format_args!("{sentence}"));
        }
        for CardRun { run, start, planned, rounds } in &self.runs {
            text.push_str(&format!("\nRun {run}, from bundle {start}:\n"));
            for round in rounds {
                let noise = if round.together { "noised together" } else { "each noised alone" };
                line(
                    text,
                    format_args!(
                        "round {} of {planned}: {} site(s), {noise}; rho {:.9}, epsilon {:.4} at delta {:e} \
                         by then",
                        round.round,
                        round.sites,
                        round.nano_rho as f64 * 1e-9,
                        round.epsilon,
                        self.delta
                    ),
                );
            }
        }
        if self.runs.len() > 1 {
            let rho = self.nano_rho as f64 * 1e-9;
            let (epsilon, delta) = (self.epsilon, self.delta);
            text.push_str(&format!(
                "\nAll of these together: rho {rho:.9}, epsilon {epsilon:.4} at delta {delta:e}.\n"
            ));
        }
    }

    fn write_evaluations(&self, text: &mut String) {
        if self.held_out.is_empty() && self.bundle.evaluations.is_empty() {
            return;
        }
        text.push_str("\n## Evaluation\n");
        for report in &self.held_out {
            let against = format!("held-out items of {} site(s)", report.sites.len());
            match &report.figures {
                Figures::Known { n, current, candidate, difference, low, .. } => line(
                    text,
                    format_args!(
                        "{against} ({n:.0} items): accuracy {:.3} [{:.3}, {:.3}]; bundle {} has {:.3}: \
                         {difference:+.3}, above {low:+.3} with 95 % confidence",
                        candidate.accuracy.value,
                        candidate.accuracy.low,
                        candidate.accuracy.high,
                        report.current,
                        current.accuracy.value,
                    ),
                ),
                Figures::Undefined { undefined } => {
                    let why = report.reason.as_deref().unwrap_or(undefined);
                    line(text, format_args!("evaluation {}: {why}", report.evaluation));
                }
            }
        }
        for figure in &self.bundle.evaluations {
            let super::Evaluation { site, accuracy, note } = figure;
            line(text, format_args!("{site}: accuracy {accuracy:.3} ({note})"));
        }
    }
}

/// Adds an entry of a list.
fn line(text: &mut String, entry: std::fmt::Arguments<'_>) {
    text.push_str(&format!("- {entry}\n"));
}
