//! What a simulation found, for programs and for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

/// Why writing to a text cannot fail.
const TEXT: &str = "a text takes everything";
/// Most sites listed for people.
const SITES_SHOWN: usize = 20;

/// What a simulation found. Accuracies are shares of test records, in `[0, 1]`.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    /// Of all test records.
    pub(crate) accuracy: f64,
    /// Mean over the sites that have test records.
    pub(crate) accuracy_mean_of_sites: f64,
    /// At each site; none where there are no test records.
    pub(crate) accuracy_by_site: BTreeMap<String, Option<f64>>,
    /// Of all test records, after each round.
    pub(crate) accuracy_by_round: Vec<f64>,
    /// What training cost a subject against the coordinator; none without noise.
    pub(crate) epsilon: Option<f64>,
    /// Against the coordinator and all other sites together.
    pub(crate) epsilon_local: Option<f64>,
    /// Of both.
    pub(crate) delta: Option<f64>,
    /// Rounds taken.
    pub(crate) rounds: u32,
    /// From reading the files to the last round.
    pub(crate) seconds: f64,
    /// Bytes of released values, all sites and rounds together, framing not counted.
    pub(crate) bytes_up: u64,
    /// Weights of the head.
    pub(crate) parameters: usize,
    /// Classes.
    pub(crate) classes: usize,
    /// Sites.
    pub(crate) sites: usize,
    /// Training subjects, all sites together.
    pub(crate) subjects: usize,
    /// Training records that count.
    pub(crate) records: usize,
    /// Test records.
    pub(crate) test_records: usize,
    /// Of a head of tokens: how well it finds spans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spans: Option<SpanFigures>,
    /// With a head of each site's own mixed in, when that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) personalised: Option<Personalised>,
}

/// How well a head finds the spans of test records. A span is found if its start, its end and its
/// class are right.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct SpanFigures {
    /// Harmonic mean of the next two.
    pub(crate) f1: f64,
    /// Share of the spans that it says that are there.
    pub(crate) precision: f64,
    /// Share of the spans that are there that it says.
    pub(crate) recall: f64,
    /// Share of the words whose tag is right.
    pub(crate) word_accuracy: f64,
    /// Spans that are there.
    pub(crate) spans: usize,
    /// Of them, those that no tags of words can say: they share a word with a longer one, or are in
    /// none. They count as not found.
    pub(crate) left_out: usize,
}

/// What a head of each site's own, which never leaves it, is worth.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Personalised {
    /// Of all test records, each at its own site.
    pub(crate) accuracy: f64,
    /// Mean over the sites that have test records.
    pub(crate) accuracy_mean_of_sites: f64,
    /// At each site; none where there are no test records.
    pub(crate) accuracy_by_site: BTreeMap<String, Option<f64>>,
    /// Share of the site's own head in the mix, which the site chose on its own records.
    pub(crate) own_share_by_site: BTreeMap<String, f64>,
}

impl Outcome {
    /// For a terminal.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            writeln!(text, "{name:<16}{value}").expect(TEXT);
        };
        line("accuracy", format!("{:.4} of {} records", self.accuracy, self.test_records));
        if let Some(SpanFigures { f1, precision, recall, word_accuracy, spans, left_out }) =
            self.spans
        {
            let of = format!("precision {precision:.4}, recall {recall:.4} of {spans} spans");
            line("F1 of spans", format!("{f1:.4}, {of}, {left_out} of them beyond any tags"));
            line("words", format!("{word_accuracy:.4} of their tags are right"));
        }
        line(
            "mean of sites",
            format!("{:.4} over {} sites", self.accuracy_mean_of_sites, self.sites),
        );
        match (self.epsilon, self.epsilon_local, self.delta) {
            (Some(epsilon), Some(local), Some(delta)) => {
                line(
                    "epsilon",
                    format!(
                        "{epsilon:.3} against the coordinator, {local:.3} against all others together, delta {delta:e}"
                    ),
                );
            }
            _ => line("epsilon", "none: nothing was noised".to_owned()),
        }
        line("rounds", format!("{} of {} parameters", self.rounds, self.parameters));
        line("bytes up", format!("{} from {} sites", self.bytes_up, self.sites));
        line("trained on", format!("{} records of {} subjects", self.records, self.subjects));
        line("seconds", format!("{:.1}", self.seconds));
        if let Some(own) = &self.personalised {
            let (all, sites) = (own.accuracy, own.accuracy_mean_of_sites);
            line("personalised", format!("{all:.4}, mean of sites {sites:.4}"));
        }
        let shown = self.accuracy_by_site.iter().take(SITES_SHOWN);
        for (site, accuracy) in shown {
            let accuracy = accuracy.map_or("no test records".to_owned(), |a| format!("{a:.4}"));
            let own = self.personalised.as_ref().and_then(|own| own.accuracy_by_site[site]);
            let own = own.map_or(String::new(), |own| format!(", personalised {own:.4}"));
            line(&format!("  {site}"), accuracy + &own);
        }
        if let Some(more) = self.accuracy_by_site.len().checked_sub(SITES_SHOWN + 1) {
            line("  …", format!("{} more sites", more + 1));
        }
        text
    }
}
