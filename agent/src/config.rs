//! `agent.toml`: what the site decides. Unknown keys are refused; every limit has a default.

mod acceptance;
mod api;
mod audit;
mod label_studio;
mod oidc;
mod policy;
mod polite;
mod review;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use insitu_daemon::config as file;
use insitu_privacy::LossError;
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{Digest, ProjectName, SiteName};
use serde::Deserialize;

pub use acceptance::Acceptance;
pub use api::{Api, SignInTimes, TlsFiles};
pub use audit::Audit;
pub use label_studio::LabelStudio;
pub(crate) use oidc::is_protected;
pub use oidc::{GroupRole, Oidc, PersonRole};
pub use policy::{
    ApproveCampaigns, ApproveModels, COLLUDERS_SITES_MIN, Limits, NOISY_SITES_MIN, Peers, Policy,
    SecureAggregation,
};
pub use polite::Polite;
pub use review::{Review, ReviewError, ReviewStage, ReviewerRole};
pub use watch::Watch;

/// Share of subjects that are held out of training unless the site says otherwise: enough to tell
/// whether a model is better, few enough not to miss them in training.
pub const HOLDOUT_SHARE: f64 = 0.1;
/// The largest: the rest must be worth training on.
const HOLDOUT_SHARE_MAX: f64 = 0.5;
/// The file of the ledger's witness, in the data folder unless the configuration names another.
pub const WITNESS_FILE: &str = "ledger.witness";

/// The configuration of one agent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The site's name in the federation; the certificate's once enrolled.
    pub site: Option<SiteName>,
    /// Folder of the store, the keys and the bundles; relative to the configuration file.
    #[serde(default = "default_data")]
    pub data: PathBuf,
    /// Where the coordinator listens.
    #[serde(default)]
    pub coordinator: Coordinator,
    /// The review page and the local API.
    #[serde(default)]
    pub api: Api,
    /// The link to the coordinator.
    #[serde(default)]
    pub uplink: Uplink,
    /// When statistics windows close by themselves.
    #[serde(default)]
    pub statistics: Schedule,
    /// How a project's items are read from the site's own files.
    #[serde(default, rename = "project")]
    pub projects: Vec<Source>,
    /// What the site's steward allows.
    #[serde(default)]
    pub policy: Policy,
    /// The record of what was charged.
    #[serde(default)]
    pub ledger: Ledger,
    /// The record of who did what.
    #[serde(default)]
    pub audit: Audit,
    /// The inference engine.
    #[serde(default)]
    pub inference: Inference,
    /// When the agent makes way.
    #[serde(default)]
    pub polite: Polite,
    /// Hash of the file's bytes, of a configuration that was read from one.
    #[serde(skip)]
    pub digest: Option<Digest>,
}

/// `[coordinator]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coordinator {
    /// `HOST:PORT`. Without it the agent works alone: nothing leaves, nothing arrives.
    pub address: Option<String>,
}

/// `[uplink]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Uplink {
    /// Releases are sent at every multiple of this: when something leaves tells nothing about when
    /// it was made.
    #[serde(with = "humantime_serde")]
    pub slot: Duration,
    /// How often orders are asked for.
    #[serde(with = "humantime_serde")]
    pub poll: Duration,
    /// How often the agent reports the state of its machine.
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
}

/// `[statistics]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// A window that has been open for this long is closed and released. Without it, windows close
    /// only by `release statistics`.
    #[serde(default, with = "humantime_serde::option")]
    pub every: Option<Duration>,
}

/// `[[project]]`: which columns of the site's files mean what.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The project.
    pub name: ProjectName,
    /// The column that identifies an item.
    pub id: String,
    /// The column that identifies the subject (patient, customer). Without it every item is taken
    /// for a subject of its own, which protects less when that is not so.
    pub subject: Option<String>,
    /// Items that are labeled like others but never learned from.
    pub holdout: Option<Holdout>,
    /// Without [`Source::holdout`]: the share of subjects whose items are held out, chosen by a keyed
    /// hash of the subject when an item is imported.
    #[serde(default = "default_holdout_share")]
    pub holdout_share: f64,
    /// The file that says how the project's items are redacted; relative to the configuration
    /// file. Read again when it changes.
    pub redaction: Option<PathBuf>,
    /// What becomes of its images, whose pixels nothing redacts.
    #[serde(default)]
    pub images: Images,
    /// Whether prelabels may be made by a head of the site's own beside the bundle's.
    #[serde(default)]
    pub personal: bool,
    /// What prelabels must earn before they are accepted without a person; without it none are.
    pub acceptance: Option<Acceptance>,
    /// Whom a label goes through before it is final.
    pub review: Option<Review>,
    /// A Label Studio in which people label the items.
    pub label_studio: Option<LabelStudio>,
    /// A folder whose files are imported as they come.
    pub watch: Option<Watch>,
}

/// What becomes of the images of a project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Images {
    /// They are put aside, and shown to nobody.
    #[default]
    #[serde(rename = "quarantine")]
    Quarantine,
    /// They are shown as they are, with whatever is written or seen in them.
    #[serde(rename = "as they are")]
    AsTheyAre,
}

impl Source {
    /// [`Source::holdout_share`] in thousandths; zero when a column says which items are held out.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0 to 1000 first; NaN becomes 0"
    )]
    pub fn holdout_milli(&self) -> u16 {
        let milli = (self.holdout_share * 1000.0).round().clamp(0.0, 1000.0);
        if self.holdout.is_some() { 0 } else { milli as u16 }
    }
}

fn default_holdout_share() -> f64 {
    HOLDOUT_SHARE
}

/// The items of the hold-out set: those whose `column` holds `value`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holdout {
    /// The column.
    pub column: String,
    /// Its value in the hold-out set.
    pub value: String,
}

/// `[ledger]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// The file that says how far the ledger has come. Apart from the data folder and its backups
    /// it tells when the store was deleted or restored; without it, it is in the data folder.
    pub witness: Option<PathBuf>,
}

/// `[inference]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inference {
    /// An ONNX Runtime library to load. Without it: `ORT_DYLIB_PATH`, the folder of the program,
    /// the system's; else the embedded engine.
    pub library: Option<PathBuf>,
    /// The folder of a names model, which redaction then uses beside its own. Without it: its own.
    pub names_model: Option<PathBuf>,
    /// The folder of the models that find text in DICOM images and read it, for the command `redact`.
    /// Without it none is looked for.
    pub ocr: Option<PathBuf>,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It cannot be read, or is not what is expected.
    #[error("cannot use the configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: file::ConfigError,
    },
    /// A privacy limit that means nothing.
    #[error("policy.{key} is not usable")]
    Loss {
        /// The key under `[policy]`.
        key: &'static str,
        /// Why.
        source: LossError,
    },
    /// A limit above the one that it is part of.
    #[error(
        "policy.{key} = {got} is above policy.{over} = {allowed}: lower it, or raise policy.{over} \
         if whoever answers for the subjects has decided so"
    )]
    Above {
        /// The key under `[policy]`.
        key: String,
        /// Its value.
        got: f64,
        /// The limit's key.
        over: &'static str,
        /// The limit.
        allowed: f64,
    },
    /// A cohort in which nobody can hide.
    #[error("policy.minimum_cohort = {got}: at least 2 subjects are needed to hide one another")]
    Cohort {
        /// Its value.
        got: u64,
    },
    /// Too few sites to hide among.
    #[error("policy.noisy_sites = {got}: at least {NOISY_SITES_MIN} sites hide one another")]
    NoisySites {
        /// Its value.
        got: u8,
    },
    /// Two `[[project]]` entries of one name.
    #[error("project {project} has two [[project]] entries")]
    Repeated {
        /// The project.
        project: ProjectName,
    },
    /// Too many items held out, or a share that is none.
    #[error("project {project} has holdout_share = {got}, allowed is 0 to {HOLDOUT_SHARE_MAX}")]
    HoldoutShare {
        /// The project.
        project: ProjectName,
        /// Its value.
        got: f64,
    },
    /// Stages of review that cannot be.
    #[error("the stages of review of project {project} are not usable")]
    Review {
        /// The project.
        project: ProjectName,
        /// Why.
        source: ReviewError,
    },
    /// A Label Studio that cannot be one.
    #[error("project {project}: label_studio.{key} is not usable: {reason}")]
    LabelStudio {
        /// The project.
        project: ProjectName,
        /// The key under `[project.label_studio]`.
        key: &'static str,
        /// Why.
        reason: String,
    },
    /// A number outside its range.
    #[error("{key} = {got}, allowed is {min} to {max}")]
    Range {
        /// The key.
        key: &'static str,
        /// Its value.
        got: f64,
        /// Lowest allowed.
        min: f64,
        /// Highest allowed.
        max: f64,
    },
    /// A time outside its range.
    #[error("{key} = {got:?}, allowed is {min:?} to {max:?}")]
    Time {
        /// The key.
        key: &'static str,
        /// Its value.
        got: Duration,
        /// Shortest allowed.
        min: Duration,
        /// Longest allowed.
        max: Duration,
    },
    /// An address at which nothing may be asked for.
    #[error(
        "{key} = {url:?}: an address with https, or with http on this machine, without a path \
             where the key is api.oidc.page"
    )]
    Url {
        /// The key.
        key: &'static str,
        /// Its value.
        url: String,
    },
    /// An address that others reach, without TLS.
    #[error(
        "api.listen = {listen}: others reach this address, and passwords and items would pass them \
         in clear; set api.tls = {{ certificate = \"server.pem\", key = \"server.key\" }}, or listen on \
         127.0.0.1 behind a proxy of this machine that has TLS, with api.behind_tls = true"
    )]
    Unprotected {
        /// The address.
        listen: SocketAddr,
    },
    /// A duration of zero.
    #[error("{key} must be above zero")]
    Zero {
        /// The key.
        key: &'static str,
    },
}

impl Config {
    /// Reads and checks the file; paths in it are taken relative to its folder.
    ///
    /// # Errors
    /// [`ConfigError`] with the key that is wrong.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let failed = |source| ConfigError::Read { path: path.to_owned(), source };
        let bytes = file::bytes(path).map_err(failed)?;
        let mut config: Self = file::parse(path, &bytes).map_err(failed)?;
        config.digest = Some(Fixed(*blake3::hash(&bytes).as_bytes()));
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        config.data = folder.join(&config.data);
        config.api.resolve(folder);
        config.ledger.witness = config.ledger.witness.map(|witness| folder.join(witness));
        config.inference.library = config.inference.library.map(|library| folder.join(library));
        config.inference.names_model = config.inference.names_model.map(|model| folder.join(model));
        config.inference.ocr = config.inference.ocr.map(|model| folder.join(model));
        for source in &mut config.projects {
            source.redaction = source.redaction.take().map(|file| folder.join(file));
            if let Some(watch) = &mut source.watch {
                watch.resolve(folder);
            }
            if let Some(label_studio) = &mut source.label_studio {
                label_studio.resolve(folder);
            }
        }
        config.audit.checkpoints = config.audit.checkpoints.map(|it| folder.join(it));
        config.check()?;
        Ok(config)
    }

    /// The file of the ledger's witness.
    pub fn witness(&self) -> PathBuf {
        let beside = || self.data.join(WITNESS_FILE);
        self.ledger.witness.clone().unwrap_or_else(beside)
    }

    /// The folder of the audit log's signatures.
    pub fn checkpoints(&self) -> &Path {
        self.audit.checkpoints.as_deref().unwrap_or(&self.data)
    }

    /// The reading rules of a project's files, if the site has any.
    pub fn source(&self, project: &ProjectName) -> Option<&Source> {
        self.projects.iter().find(|source| source.name == *project)
    }

    /// The files that say how the items of projects are redacted.
    pub fn redaction_files(&self) -> BTreeMap<ProjectName, PathBuf> {
        let files = self.projects.iter();
        files.filter_map(|source| Some((source.name.clone(), source.redaction.clone()?))).collect()
    }

    /// The projects whose images are shown as they are.
    pub fn shown_images(&self) -> BTreeSet<ProjectName> {
        let shown = self.projects.iter().filter(|source| source.images == Images::AsTheyAre);
        shown.map(|source| source.name.clone()).collect()
    }

    /// The projects that are to have a head of the site's own.
    pub fn personal(&self) -> BTreeSet<ProjectName> {
        let wanted = self.projects.iter().filter(|source| source.personal);
        wanted.map(|source| source.name.clone()).collect()
    }

    /// What projects' prelabels must earn to be accepted.
    pub fn acceptances(&self) -> BTreeMap<ProjectName, Acceptance> {
        let all = self.projects.iter();
        all.filter_map(|source| Some((source.name.clone(), source.acceptance?))).collect()
    }

    /// Whom projects' labels go through before they are final.
    pub fn reviews(&self) -> BTreeMap<ProjectName, Review> {
        let all = self.projects.iter();
        all.filter_map(|source| Some((source.name.clone(), source.review.clone()?))).collect()
    }

    fn check(&self) -> Result<(), ConfigError> {
        for (index, source) in self.projects.iter().enumerate() {
            if self.projects[..index].iter().any(|earlier| earlier.name == source.name) {
                return Err(ConfigError::Repeated { project: source.name.clone() });
            }
            let (project, got) = (source.name.clone(), source.holdout_share);
            if !(0.0..=HOLDOUT_SHARE_MAX).contains(&got) {
                return Err(ConfigError::HoldoutShare { project, got });
            }
            source.acceptance.map_or(Ok(()), |acceptance| acceptance.check())?;
            let review = source.review.as_ref().map_or(Ok(()), Review::check);
            let refused = |error| ConfigError::Review { project: project.clone(), source: error };
            review.map_err(refused)?;
            if let Some((key, reason)) = source.label_studio.as_ref().and_then(LabelStudio::fault) {
                return Err(ConfigError::LabelStudio { project, key, reason });
            }
        }
        for (key, duration) in [
            ("uplink.slot", self.uplink.slot),
            ("uplink.poll", self.uplink.poll),
            ("uplink.heartbeat", self.uplink.heartbeat),
        ] {
            if duration.is_zero() {
                return Err(ConfigError::Zero { key });
            }
        }
        if self.statistics.every.is_some_and(|every| every.is_zero()) {
            return Err(ConfigError::Zero { key: "statistics.every" });
        }
        self.api.check()?;
        self.polite.check()?;
        self.audit.check()?;
        self.policy.check()
    }
}

impl Default for Uplink {
    fn default() -> Self {
        Self {
            slot: Duration::from_secs(10),
            poll: Duration::from_secs(10),
            heartbeat: Duration::from_secs(60),
        }
    }
}

fn default_data() -> PathBuf {
    PathBuf::from("data")
}

/// The commented configuration that `init` writes, with what is known filled in.
pub fn template(site: Option<&SiteName>, address: Option<&str>, listen: SocketAddr) -> String {
    let site = site
        .map_or_else(|| "# site = \"my-hospital\"".to_owned(), |site| format!("site = \"{site}\""));
    let address = address.map_or_else(
        || "# address = \"coordinator.example.org:7443\"".to_owned(),
        |address| format!("address = {}", toml::Value::from(address)),
    );
    TEMPLATE
        .replace("{site}", &site)
        .replace("{address}", &address)
        .replace("{listen}", &listen.to_string())
}

const TEMPLATE: &str = include_str!("agent.toml");

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn the_template_is_a_valid_configuration_with_the_defaults() {
        let listen = SocketAddr::from(([127, 0, 0, 1], 7080));
        let site: SiteName = "cleveland".parse().unwrap();
        assert_eq!(parse(&template(None, None, listen)).unwrap().site, None);
        for address in [None, Some("127.0.0.1:7443")] {
            let config = parse(&template(Some(&site), address, listen)).unwrap();
            config.check().unwrap();
            assert_eq!(config.site.as_ref(), Some(&site));
            assert_eq!(config.coordinator.address.as_deref(), address);
            let defaults = Policy::default();
            assert!((config.policy.epsilon_year - defaults.epsilon_year).abs() < 1e-12);
            assert_eq!(config.policy.minimum_cohort, defaults.minimum_cohort);
            assert_eq!(config.policy.approve_models, defaults.approve_models);
            assert_eq!(config.policy.secure_aggregation, defaults.secure_aggregation);
            assert!((config.policy.epsilon_local_year - defaults.epsilon_local_year).abs() < 1e-12);
            assert_eq!(config.policy.noisy_sites, defaults.noisy_sites);
            assert_eq!(config.policy.colluders, defaults.colluders);
            assert_eq!(config.policy.peers, defaults.peers);
            assert_eq!(config.uplink.slot, Uplink::default().slot);
            assert_eq!(config.polite, Polite::default());
        }
    }

    #[test]
    fn commented_examples_are_valid_too() {
        let uncommented: String = TEMPLATE
            .replace("{site}", "")
            .replace("{address}", "")
            .replace("{listen}", "127.0.0.1:7080")
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .fold(String::new(), |text, line| text + line + "\n");
        let config = parse(&uncommented).unwrap();
        config.check().unwrap();
        assert_eq!(config.projects.len(), 1);
        assert!(config.projects[0].holdout.is_some());
        assert_eq!(config.projects[0].acceptance, Some(Acceptance::default()));
        assert!(config.projects[0].label_studio.is_some());
    }

    #[test]
    fn unknown_keys_and_senseless_limits_are_refused() {
        assert!(parse("site = \"a\"\nsite_dir = \"x\"").is_err());
        assert!(parse("site = \"a\"\n[policy]\nepsilon = 1").is_err());
        let config = parse("site = \"a\"\n[policy]\nepsilon_year = -1.0").unwrap();
        assert!(matches!(config.check(), Err(ConfigError::Loss { key: "epsilon_year", .. })));
        let config = parse("site = \"a\"\n[policy]\nnoisy_sites = 2").unwrap();
        assert!(matches!(config.check(), Err(ConfigError::NoisySites { got: 2 })));
        let config = parse("site = \"a\"\n[uplink]\nslot = \"0s\"").unwrap();
        assert!(matches!(config.check(), Err(ConfigError::Zero { key: "uplink.slot" })));
        let twice =
            "site = \"a\"\n[[project]]\nname=\"p\"\nid=\"i\"\n[[project]]\nname=\"p\"\nid=\"i\"";
        assert!(matches!(parse(twice).unwrap().check(), Err(ConfigError::Repeated { .. })));
    }

    #[test]
    fn others_reach_the_api_over_tls_only() {
        let config = parse("[api]\nlisten = \"0.0.0.0:7080\"").unwrap();
        let refused = config.check().unwrap_err();
        assert!(matches!(refused, ConfigError::Unprotected { .. }));
        assert!(refused.to_string().contains("set api.tls"), "{refused}");
        let tls = "tls = { certificate = \"server.pem\", key = \"server.key\" }";
        parse(&format!("[api]\nlisten = \"0.0.0.0:7080\"\n{tls}")).unwrap().check().unwrap();
        parse("[api]\nlisten = \"[::1]:7080\"").unwrap().check().unwrap();
        for times in ["idle = \"1m\"", "longest = \"8d\"", "idle = \"2h\"\nlongest = \"1h\""] {
            let config = parse(&format!("[api.sign_in]\n{times}")).unwrap();
            assert!(matches!(config.check(), Err(ConfigError::Time { .. })), "{times}");
        }
    }

    #[test]
    fn a_policy_that_protects_less_than_it_says_is_refused_with_the_numbers() {
        let refused = |policy: &str| {
            let config = parse(&format!("site = \"a\"\n[policy]\n{policy}")).unwrap();
            config.check().unwrap_err().to_string()
        };
        let above = refused("epsilon_year = 3.5");
        assert!(
            above.contains("epsilon_year = 3.5 is above policy.epsilon_ceiling = 3"),
            "{above}"
        );
        let above = refused("allotments = { heart = 2.5 }");
        assert!(
            above.contains("allotments.heart = 2.5 is above policy.epsilon_year = 2"),
            "{above}"
        );
        assert!(refused("minimum_cohort = 1").contains("minimum_cohort = 1"));
        let raised = "site = \"a\"\n[policy]\nepsilon_year = 3.5\nepsilon_ceiling = 4.0";
        parse(raised).unwrap().check().unwrap();
    }

    #[test]
    fn limits_round_towards_less_spending() {
        let limits = Policy::default().limits().unwrap();
        let epsilon = insitu_privacy::epsilon(limits.year, limits.delta);
        assert!(epsilon.get() <= 2.0);
        assert!(limits.window < limits.run);
    }
}
