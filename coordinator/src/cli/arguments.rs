//! The command line, with help that a stranger understands.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use humantime_serde::re::humantime;
use insitu_protocol::bytes::Fixed;
use insitu_protocol::ids::{FederationName, ProjectName, SiteName};

use super::evaluation::Evaluation;
use super::functions::Functions;
use super::round::Round;
use super::statistics::Statistics;

/// The central program of an Insitu federation
///
/// Sites label their own data; what reaches this program are noised counts and model updates. It
/// shows how well labels agree, where sites differ, trains a better model with them, and asks for
/// the labels that would help most.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
A first federation:
  insitu-coordinator init --dir /srv/insitu --federation heart
  cd /srv/insitu
  insitu-coordinator serve &
  insitu-coordinator site add north
  insitu-coordinator token --site north --token-file north.token   # give it to the site
  insitu-coordinator project create project.toml
  insitu-coordinator model publish bundle/ --project heart-disease

Exit codes: 0 done, 1 refused, 2 wrong usage, 70 failed at run time, 78 configuration."
)]
pub(super) struct Cli {
    /// Configuration file
    #[arg(
        long,
        global = true,
        env = "INSITU_COORDINATOR_CONFIG",
        default_value = crate::config::FILE
    )]
    pub(super) config: PathBuf,
    /// Print JSON for programs instead of tables for people
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a federation: its certificate authority, its bundle key, a commented configuration
    Init(Init),
    /// Run the coordinator until SIGTERM or SIGINT
    Serve(Serve),
    /// Add, list or revoke the sites of the federation
    #[command(subcommand)]
    Site(Site),
    /// Make a one-time token with which one agent of a site can join
    Token(Token),
    /// Create projects, or change them, and tell every site
    #[command(subcommand)]
    Project(Project),
    /// Publish model bundles, go back to earlier ones, take them out
    #[command(subcommand)]
    Model(Model),
    /// Publish rules that label, for the sites' stewards to decide about
    #[command(subcommand)]
    Functions(Functions),
    /// Train the model with the sites
    #[command(subcommand)]
    Round(Round),
    /// Compare a new model with the one in use on what sites hold out of training
    #[command(subcommand)]
    Evaluation(Evaluation),
    /// Collect statistics that are only seen added up over the sites
    #[command(subcommand)]
    Statistics(Statistics),
    /// Ask sites to label a slice of their items
    #[command(subcommand)]
    Campaign(Campaign),
    /// What the released figures say
    #[command(subcommand)]
    Report(Report),
    /// Where everything is, and whether anything needs a person
    Status,
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// Folder to make the coordinator in
    #[arg(long)]
    pub(super) dir: PathBuf,
    /// Name of the federation: a-z, 0-9 and hyphens
    #[arg(long)]
    pub(super) federation: FederationName,
    /// UDP address at which agents connect
    #[arg(long, default_value = "[::]:7443")]
    pub(super) listen: SocketAddr,
    /// TCP address of the dashboard; loopback
    #[arg(long, default_value = "127.0.0.1:7480")]
    pub(super) http: SocketAddr,
}

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Verify configuration, keys and store, then exit
    #[arg(long)]
    pub(super) check: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Site {
    /// Add a site; it gets every project and its model
    Add {
        /// Its name: a-z, 0-9 and hyphens
        name: SiteName,
    },
    /// List the sites
    List,
    /// Revoke a site: its connections end within a second, and it never comes back
    Revoke {
        /// Its name
        name: SiteName,
    },
}

#[derive(Debug, Args)]
pub(super) struct Token {
    /// The site that the agent belongs to
    #[arg(long)]
    pub(super) site: SiteName,
    /// New file to write the token to; only its owner can read it
    #[arg(long)]
    pub(super) token_file: PathBuf,
    /// How long the token waits for its agent
    #[arg(long, default_value = "24h", value_parser = humantime::parse_duration)]
    pub(super) valid: Duration,
}

#[derive(Debug, Subcommand)]
pub(super) enum Project {
    /// Create a project, or bring it to a higher version
    Create {
        /// TOML file with its taxonomy, fields, features, routing, statistics and training
        ///
        /// A class may have an accept_at and an expert_below of its own.
        file: PathBuf,
    },
    /// List the projects
    List,
    /// Show a project's classes, each with the confidences that decide who sees its prelabels
    Show {
        /// The project
        project: ProjectName,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Model {
    /// Verify, sign and publish a bundle that was made elsewhere
    ///
    /// A project's first bundle is published at once. While another one is active, a bundle is only
    /// registered, and refused until an evaluation shows that it is not worse (as `promote` has it):
    /// give a reason with --force, or start with --candidate.
    Publish {
        /// Folder with manifest.json, backbone.onnx, head.bin and golden.json
        dir: PathBuf,
        /// The project it serves
        #[arg(long)]
        project: ProjectName,
        /// Only register it, so that it can be evaluated and promoted: also with a new backbone
        #[arg(long)]
        candidate: bool,
        /// Publish it without such an evaluation; the reason is recorded
        #[arg(long, value_name = "REASON", conflicts_with = "candidate")]
        force: Option<String>,
    },
    /// List the bundles: active, canaries, published before, rolled back, and candidates
    List {
        /// Only of this project
        #[arg(long)]
        project: Option<ProjectName>,
    },
    /// Show a bundle's model card: its lineage by run and round with what each cost, evaluations,
    /// calibration and files
    Show {
        /// Its digest, or the beginning of it
        digest: String,
    },
    /// Write a bundle to a new folder
    Export {
        /// Its digest, or the beginning of it
        digest: String,
        /// The folder
        #[arg(long)]
        out: PathBuf,
    },
    /// Publish a bundle that is registered already, a training round's candidate for instance
    ///
    /// Unless an evaluation against the active bundle shows that it is not worse, this is refused.
    ///
    /// With --canary it goes to a share of the sites first. It comes back by itself when the
    /// agreement of its prelabels with people's labels falls there, by more than the noise explains;
    /// promote it again without --canary to give it to all.
    Promote {
        /// Its digest, or the beginning of it
        digest: String,
        /// Share of the sites that get it first, for example 0.2
        #[arg(long, value_name = "SHARE")]
        canary: Option<f64>,
        /// Publish it without such an evaluation; the reason is recorded
        #[arg(long, value_name = "REASON")]
        force: Option<String>,
    },
    /// Withdraw a project's canary or else its active bundle, and go back to the one before
    Rollback {
        /// The project
        #[arg(long)]
        project: ProjectName,
    },
    /// Attach accuracies that you measured elsewhere, for the dashboard
    Evaluate {
        /// The bundle's digest, or the beginning of it
        digest: String,
        /// SITE=SHARE,… for example north=0.81,south=0.77
        #[arg(long, value_parser = figure, value_delimiter = ',', required = true)]
        accuracy: Vec<(SiteName, f64)>,
        /// Where the figures come from
        #[arg(long, default_value = "evaluation attached by hand")]
        note: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Campaign {
    /// Ask for labels of a slice
    Create(CampaignCreate),
    /// List the campaigns
    List {
        /// Only of this project
        #[arg(long)]
        project: Option<ProjectName>,
    },
    /// Show a campaign and how far it got
    Show {
        /// The campaign's id
        #[arg(value_parser = id)]
        campaign: Fixed<16>,
    },
    /// Take a campaign back from the sites that have not received it yet
    Cancel {
        /// The campaign's id
        #[arg(value_parser = id)]
        campaign: Fixed<16>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  insitu-coordinator campaign create --project heart-disease --worst-slice --reference north --closes-in 3days
  insitu-coordinator campaign create --project heart-disease --feature chol --bins '<1,missing' --closes-in 3days")]
pub(super) struct CampaignCreate {
    /// The project
    #[arg(long)]
    pub(super) project: ProjectName,
    /// The slice in which any site exceeds the reference site most
    #[arg(long, requires = "reference", conflicts_with = "feature")]
    pub(super) worst_slice: bool,
    /// The reference site
    #[arg(long)]
    pub(super) reference: Option<SiteName>,
    /// A feature of the project
    #[arg(long, requires = "bins", required_unless_present_any = ["worst_slice", "confidence_below"])]
    pub(super) feature: Option<String>,
    /// Bins of the feature, by name or number, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub(super) bins: Vec<String>,
    /// Only items whose calibrated confidence is below this share
    #[arg(long, value_name = "SHARE", conflicts_with = "worst_slice")]
    pub(super) confidence_below: Option<f64>,
    /// Only these sites, separated by commas [default: those that drifted there, or all]
    #[arg(long, value_delimiter = ',')]
    pub(super) sites: Option<Vec<SiteName>>,
    /// When every site answers, from now
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(super) closes_in: Duration,
    /// Most items to queue at one site
    #[arg(long, default_value_t = 100)]
    pub(super) items_max: u32,
    /// What the answer may cost each site: epsilon at delta 1e-6
    #[arg(long, default_value_t = 0.5)]
    pub(super) epsilon: f64,
    /// What people at the sites read [default: the slice in words]
    #[arg(long)]
    pub(super) title: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Report {
    /// How many labels of each class the sites have
    Labels(OfProject),
    /// How far labels agree: Cohen's κ, Krippendorff's α, with intervals that include the noise
    Agreement(OfProject),
    /// Whether the model's confidences come true
    Calibration(OfProject),
    /// How right new models and the ones they may replace are on held-out items
    Evaluation(OfProject),
    /// Where sites differ from a reference site
    Drift {
        #[command(flatten)]
        of: OfProject,
        /// The site that the others are compared with
        #[arg(long)]
        reference: SiteName,
    },
    /// The sites' agents, and what looked wrong
    Fleet,
    /// What every site was charged, as seen here
    Budget {
        /// Only of this project
        #[arg(long)]
        project: Option<ProjectName>,
    },
}

#[derive(Debug, Args)]
pub(super) struct OfProject {
    /// The project; may be left out when there is only one
    #[arg(long)]
    pub(super) project: Option<ProjectName>,
}

pub(super) fn id(text: &str) -> Result<Fixed<16>, String> {
    Fixed::from_hex(text).ok_or_else(|| "an id has 32 hexadecimal digits".to_owned())
}

fn figure(text: &str) -> Result<(SiteName, f64), String> {
    let (site, share) = text.split_once('=').ok_or("write SITE=SHARE, for example north=0.81")?;
    let site = site.parse().map_err(|error| format!("{site:?}: {error}"))?;
    let share = share.parse().map_err(|error| format!("{share:?}: {error}"))?;
    Ok((site, share))
}
