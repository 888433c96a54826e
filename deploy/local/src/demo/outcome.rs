//! What the demonstration found: the JSON of `demo --json`.

use serde::Serialize;
use serde_json::Value;

/// The whole outcome. Field names are an interface: programs read them.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    /// What `--seed` was.
    pub(crate) seed: u64,
    /// Wall time, without the build.
    pub(crate) seconds: f64,
    /// The inference engine of the agents.
    pub(crate) engine: String,
    /// Labels came from simulated annotators who know the diagnosis.
    pub(crate) simulated_annotators: bool,
    /// How often a simulated annotator's label is wrong, in thousandths, by person.
    pub(crate) slips_per_thousand: Vec<(String, u64)>,
    /// One entry a hospital.
    pub(crate) sites: Vec<SiteOutcome>,
    /// Agreement over all hospitals, as the coordinator reports it.
    pub(crate) overall: Value,
    /// What the coordinator says of each feature at each hospital, against the reference.
    pub(crate) drift: Vec<Drift>,
    /// Accuracy after each training round; round 0 is the first bundle.
    pub(crate) rounds: Vec<RoundOutcome>,
    /// What campaigns asked and what the hospitals answered.
    pub(crate) campaigns: Vec<Value>,
    /// What the redaction engine hid from annotators.
    pub(crate) redaction: Redaction,
    /// How often a daemon had to be started again.
    pub(crate) restarts: u32,
    /// Most memory resident, all processes summed, in bytes.
    pub(crate) memory_bytes_peak: u64,
    /// Most memory resident in any one agent, its model included, in bytes.
    pub(crate) agent_memory_bytes_peak: u64,
    /// Processor time of an agent for a training round, secure aggregation and polling included.
    pub(crate) agent_cpu_seconds_per_round: f64,
}

/// One hospital.
#[derive(Debug, Serialize)]
pub(crate) struct SiteOutcome {
    /// The site's name.
    pub(crate) site: String,
    /// For people.
    pub(crate) title: String,
    /// Items imported.
    pub(crate) items: u64,
    /// Of these held out from training.
    pub(crate) holdout: u64,
    /// Items with a prelabel.
    pub(crate) prelabeled: u64,
    /// Items accepted on the model's word.
    pub(crate) auto_accepted: u64,
    /// Items that people decided before the campaign.
    pub(crate) corrected: u64,
    /// Annotations given in all.
    pub(crate) annotations: u64,
    /// Cohen's κ of prelabel and label of record, as the coordinator estimates it.
    pub(crate) kappa: Option<f64>,
    /// Lower end of its 95 % interval, noise included.
    pub(crate) kappa_low: Option<f64>,
    /// Upper end.
    pub(crate) kappa_high: Option<f64>,
    /// Krippendorff's α of the two readers.
    pub(crate) alpha: Option<f64>,
    /// Lower end of its interval.
    pub(crate) alpha_low: Option<f64>,
    /// Upper end.
    pub(crate) alpha_high: Option<f64>,
    /// Features found to drift against the reference.
    pub(crate) drifted: Vec<String>,
    /// ε spent.
    pub(crate) epsilon_spent: f64,
    /// ε allowed in a year.
    pub(crate) epsilon_allowed: f64,
    /// Bytes of all releases.
    pub(crate) bytes_sent: u64,
    /// What left the building.
    pub(crate) releases: Vec<Left>,
    /// Share of held-out patients whom the first bundle labels right.
    pub(crate) accuracy_first: f64,
    /// The same for the last bundle.
    pub(crate) accuracy_last: f64,
    /// Whether the outbox's hash chain and charges verify.
    pub(crate) outbox_verified: bool,
}

/// One kind of release of one hospital.
#[derive(Debug, Serialize)]
pub(crate) struct Left {
    /// The kind.
    pub(crate) kind: String,
    /// How many.
    pub(crate) count: u64,
    /// Bytes together.
    pub(crate) bytes: u64,
}

/// One feature at one hospital against the reference.
#[derive(Debug, Serialize)]
pub(crate) struct Drift {
    /// The site.
    pub(crate) site: String,
    /// The feature.
    pub(crate) feature: String,
    /// Noise-corrected effect.
    pub(crate) effect: f64,
    /// Its standard deviation.
    pub(crate) effect_sd: f64,
    /// Before correction for the number of tests.
    pub(crate) p_value: f64,
    /// Whether it is called drift, after correction.
    pub(crate) drifted: bool,
    /// The bin that exceeds the reference most, in words.
    pub(crate) worst_bin: String,
}

/// Accuracy on held-out patients after a round.
#[derive(Debug, Serialize)]
pub(crate) struct RoundOutcome {
    /// The round; 0 is before the first.
    pub(crate) round: u64,
    /// Mean over the hospitals.
    pub(crate) accuracy: f64,
    /// By hospital, in the order of `sites`.
    pub(crate) accuracy_by_site: Vec<f64>,
}

/// What the simulated annotators could read of the notes' personal data.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Redaction {
    /// Notes shown.
    pub(crate) notes: usize,
    /// Pieces of personal data in them.
    pub(crate) identifiers: usize,
    /// Of these still readable.
    pub(crate) leaked: usize,
}

impl Outcome {
    /// Whether everything that must hold does hold: outboxes verify, nothing personal was shown.
    pub(crate) fn is_sound(&self) -> bool {
        self.redaction.leaked == 0 && self.sites.iter().all(|site| site.outbox_verified)
    }

    /// Mean accuracy over the hospitals with the first and with the last bundle.
    pub(crate) fn accuracies(&self) -> (f64, f64) {
        let mean = |accuracy: fn(&SiteOutcome) -> f64| {
            self.sites.iter().map(accuracy).sum::<f64>() / self.sites.len().max(1) as f64
        };
        (mean(|site| site.accuracy_first), mean(|site| site.accuracy_last))
    }
}
