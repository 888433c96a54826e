//! `agent.toml`: what the site decides. Unknown keys are refused; every limit has a default.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use insitu_privacy::{Delta, Epsilon, LossError, Rho, rho_within};
use insitu_protocol::ids::{Digest, ProjectName, SiteName};
use serde::Deserialize;

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
    /// The inference engine.
    #[serde(default)]
    pub inference: Inference,
}

/// `[coordinator]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coordinator {
    /// `HOST:PORT`. Without it the agent works alone: nothing leaves, nothing arrives.
    pub address: Option<String>,
}

/// `[api]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Where the review page and the local API listen. Loopback, unless a proxy with TLS and
    /// accounts stands in front.
    pub listen: SocketAddr,
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
    /// The file that says how the project's items are redacted; relative to the configuration
    /// file. Read again when it changes.
    pub redaction: Option<PathBuf>,
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

/// `[policy]`: the steward's limits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Most ε that all releases of any 365 days may cost a subject together.
    pub epsilon_year: f64,
    /// What `epsilon_year` may not be set above: a limit on the limit, so that raising it is a
    /// decision of its own.
    pub epsilon_ceiling: f64,
    /// The δ at which every ε of this page is meant.
    pub delta: f64,
    /// Most ε of one statistics window.
    pub epsilon_window: f64,
    /// Most ε of one training run.
    pub epsilon_run: f64,
    /// Most ε of one campaign's answer.
    pub epsilon_campaign: f64,
    /// Most ε of the releases of one project in any 365 days, for projects that are named here.
    pub allotments: BTreeMap<ProjectName, f64>,
    /// A project with fewer subjects than this releases nothing.
    pub minimum_cohort: u64,
    /// Backbones the steward has approved, by BLAKE3 digest.
    pub backbones: Vec<Digest>,
    /// What happens to a new model.
    pub approve_models: ApproveModels,
    /// What happens to a new campaign.
    pub approve_campaigns: ApproveCampaigns,
    /// Whether updates and statistics may leave otherwise than in a sum over sites.
    pub secure_aggregation: SecureAggregation,
    /// Most ε of any 365 days against a coordinator with which all other sites collude: a masked
    /// release then has this site's share of the noise alone.
    pub epsilon_local_year: f64,
    /// Fewest sites that must be certain to be in a sum and not to collude (T − c).
    pub noisy_sites: u8,
    /// Fewest sites that a sum over [`COLLUDERS_SITES_MIN`] sites or more must assume to collude (c).
    pub colluders: u8,
    /// Which sites are counted among [`Policy::noisy_sites`].
    pub peers: Peers,
}

/// From this many sites on, [`Policy::colluders`] is demanded: with fewer, and one of them missing,
/// no three honest ones would be left.
pub const COLLUDERS_SITES_MIN: usize = 5;
/// With fewer noisy sites than this, what one of two knows of itself tells of the other.
pub const NOISY_SITES_MIN: u8 = 3;

/// How updates and statistics may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecureAggregation {
    /// In a sum over sites when that is proposed, and else with all the noise of their own.
    Preferred,
    /// In a sum over sites, or not at all.
    Required,
}

/// Who counts as another site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peers {
    /// Whoever the coordinator names, as long as the key stays the one first seen.
    FirstUse,
    /// Those whose key the steward has approved.
    Approved,
}

/// Who approves models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApproveModels {
    /// The steward approves every bundle.
    Manual,
    /// A bundle over an approved backbone is used at once.
    ApprovedBackbones,
}

/// Who approves campaigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApproveCampaigns {
    /// The steward approves every campaign.
    Manual,
    /// A campaign whose cost the policy covers is worked on at once.
    WithinPolicy,
}

/// `[inference]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inference {
    /// An ONNX Runtime library to load. Without it: `ORT_DYLIB_PATH`, the folder of the program,
    /// the system's; else the embedded engine.
    pub library: Option<PathBuf>,
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
        source: insitu_daemon::config::ConfigError,
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
    /// A duration of zero.
    #[error("{key} must be above zero")]
    Zero {
        /// The key.
        key: &'static str,
    },
}

/// The policy's limits in the ledger's currency.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The δ of all of them.
    pub delta: Delta,
    /// Over any 365 days.
    pub year: Rho,
    /// The same when all other sites collude.
    pub local_year: Rho,
    /// One statistics window.
    pub window: Rho,
    /// One training run.
    pub run: Rho,
    /// One campaign.
    pub campaign: Rho,
    /// A project's share of the year, where it has one.
    pub allotments: BTreeMap<ProjectName, Rho>,
    /// Fewest subjects.
    pub minimum_cohort: u64,
    /// Whether updates and statistics may leave in a sum over sites only.
    pub sums_only: bool,
}

impl Config {
    /// Reads and checks the file; paths in it are taken relative to its folder.
    ///
    /// # Errors
    /// [`ConfigError`] with the key that is wrong.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = insitu_daemon::config::read(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        config.data = folder.join(&config.data);
        config.ledger.witness = config.ledger.witness.map(|witness| folder.join(witness));
        config.inference.library = config.inference.library.map(|library| folder.join(library));
        for source in &mut config.projects {
            source.redaction = source.redaction.take().map(|file| folder.join(file));
        }
        config.check()?;
        Ok(config)
    }

    /// The file of the ledger's witness.
    pub fn witness(&self) -> PathBuf {
        let beside = || self.data.join(WITNESS_FILE);
        self.ledger.witness.clone().unwrap_or_else(beside)
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

    fn check(&self) -> Result<(), ConfigError> {
        for (index, source) in self.projects.iter().enumerate() {
            if self.projects[..index].iter().any(|earlier| earlier.name == source.name) {
                return Err(ConfigError::Repeated { project: source.name.clone() });
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
        self.policy.check()
    }
}

impl Policy {
    /// The limits in ρ.
    ///
    /// # Errors
    /// [`ConfigError::Loss`]; never for a configuration that [`Config::read`] returned.
    pub fn limits(&self) -> Result<Limits, ConfigError> {
        let delta =
            Delta::new(self.delta).map_err(|source| ConfigError::Loss { key: "delta", source })?;
        let rho = |key, epsilon| {
            Epsilon::new(epsilon)
                .map(|epsilon| rho_within(epsilon, delta))
                .map_err(|source| ConfigError::Loss { key, source })
        };
        Ok(Limits {
            delta,
            year: rho("epsilon_year", self.epsilon_year)?,
            local_year: rho("epsilon_local_year", self.epsilon_local_year)?,
            window: rho("epsilon_window", self.epsilon_window)?,
            run: rho("epsilon_run", self.epsilon_run)?,
            campaign: rho("epsilon_campaign", self.epsilon_campaign)?,
            allotments: self
                .allotments
                .iter()
                .map(|(project, epsilon)| Ok((project.clone(), rho("allotments", *epsilon)?)))
                .collect::<Result<_, ConfigError>>()?,
            minimum_cohort: self.minimum_cohort,
            sums_only: self.secure_aggregation == SecureAggregation::Required,
        })
    }

    fn check(&self) -> Result<(), ConfigError> {
        Delta::new(self.delta).map_err(|source| ConfigError::Loss { key: "delta", source })?;
        for (key, epsilon) in [
            ("epsilon_ceiling", self.epsilon_ceiling),
            ("epsilon_year", self.epsilon_year),
            ("epsilon_window", self.epsilon_window),
            ("epsilon_run", self.epsilon_run),
            ("epsilon_campaign", self.epsilon_campaign),
            ("epsilon_local_year", self.epsilon_local_year),
        ] {
            Epsilon::new(epsilon).map_err(|source| ConfigError::Loss { key, source })?;
        }
        let below = |key: String, got: f64, over, allowed: f64| {
            if got > allowed { Err(ConfigError::Above { key, got, over, allowed }) } else { Ok(()) }
        };
        let (year, ceiling) = (self.epsilon_year, self.epsilon_ceiling);
        below("epsilon_year".to_owned(), year, "epsilon_ceiling", ceiling)?;
        for (project, epsilon) in &self.allotments {
            Epsilon::new(*epsilon)
                .map_err(|source| ConfigError::Loss { key: "allotments", source })?;
            below(format!("allotments.{project}"), *epsilon, "epsilon_year", year)?;
        }
        if self.minimum_cohort < 2 {
            return Err(ConfigError::Cohort { got: self.minimum_cohort });
        }
        if self.noisy_sites < NOISY_SITES_MIN {
            return Err(ConfigError::NoisySites { got: self.noisy_sites });
        }
        Ok(())
    }
}

impl Default for Api {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 7080)) }
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

impl Default for Policy {
    fn default() -> Self {
        Self {
            epsilon_year: 2.0,
            epsilon_ceiling: 3.0,
            delta: 1e-6,
            epsilon_window: 0.5,
            epsilon_run: 1.0,
            epsilon_campaign: 1.0,
            allotments: BTreeMap::new(),
            minimum_cohort: 50,
            backbones: Vec::new(),
            approve_models: ApproveModels::Manual,
            approve_campaigns: ApproveCampaigns::Manual,
            secure_aggregation: SecureAggregation::Preferred,
            epsilon_local_year: 8.0,
            noisy_sites: NOISY_SITES_MIN,
            colluders: 1,
            peers: Peers::FirstUse,
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
