//! The command line's words.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use insitu_protocol::ids::{AgentName, ProjectName, SiteName};
use insitu_protocol::text::Line;

use super::audit::AuditCommand;
use super::erase::EraseArguments;
use super::export::ExportArguments;
use super::gold::GoldCommand;
use super::label_functions::arguments::LabelFunctionsCommand;
use super::label_studio::LabelStudioCommand;
use super::measure::arguments::MeasureCommand;
use super::peers::PeersCommand;
use super::propagate::arguments::PropagateArguments;
use super::quarantine::QuarantineArguments;
use super::redact::RedactArguments;
use super::sample::arguments::SampleArguments;
use super::vault::VaultCommand;
use crate::source::labeled;

/// Label data where it lives: prelabel, redact, correct, learn; let out only private statistics
#[derive(Debug, Parser)]
#[command(name = "insitu-agent", version, after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Configuration file (TOML); `init` writes one
    #[arg(long, global = true, env = "INSITU_AGENT_CONFIG", default_value = "agent.toml")]
    pub(super) config: PathBuf,
    /// What to log to stderr: error, warn, info, debug, or a filter such as
    /// info,insitu_agent::run=debug
    #[arg(long, global = true, env = "INSITU_AGENT_LOG", default_value = "info")]
    pub(super) log: String,
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXAMPLES: &str = "\
A site's first day:
  insitu-agent init --dir /etc/insitu --site cleveland
  insitu-agent --config /etc/insitu/agent.toml enroll --coordinator insitu.example.org:7443 \\
      --token-file token
  insitu-agent --config /etc/insitu/agent.toml person add ada --role annotator --password
  insitu-agent --config /etc/insitu/agent.toml run

Exit codes: 0 done; 1 a check failed or a request was refused; 2 usage; 70 runtime; 78 configuration.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a commented configuration and make the key that seals the store
    Init(InitArguments),
    /// Join a federation with a one-time token from its coordinator's operator
    Enroll(EnrollArguments),
    /// Run the daemon: review page, local API, pipeline, link to the coordinator
    Run(RunArguments),
    /// Import items, and labels that they have; importing them again changes nothing
    Import(ImportArguments),
    /// Write labels as a signed dataset snapshot, for this site's own use
    Export(ExportArguments),
    /// Erase a subject or an item from the store, and keep it from coming back
    Erase(EraseArguments),
    /// Redact personal data in JSON lines, tables, FHIR resources and HL7 messages
    Redact(RedactArguments),
    /// Ask what surrogates stand for, and see who has asked
    #[command(subcommand)]
    Vault(VaultCommand),
    /// Show the items that could not be redacted, and have them tried again
    Quarantine(QuarantineArguments),
    /// Prelabel JSON lines with a model, without storing anything
    Prelabel(PrelabelArguments),
    /// Add and list the people who label, and the applications that send labels
    #[command(subcommand)]
    Person(PersonCommand),
    /// Items with a known answer, by which readers are measured
    #[command(subcommand)]
    Gold(GoldCommand),
    /// Close a statistics window and queue its noised releases
    #[command(subcommand)]
    Release(ReleaseCommand),
    /// Read exactly what left the building, and verify the ledger
    #[command(subcommand)]
    Outbox(OutboxCommand),
    /// Show what the subjects' privacy has cost in the last 365 days, or what a plan would cost
    Budget(super::plan::BudgetArguments),
    /// Decide about targeted requests for labels
    #[command(subcommand)]
    Campaigns(CampaignsCommand),
    /// Decide about models
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Attack this program's own releases; read and verify the log of who did what
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Measure labels, models and data, in files of plain shape: needs no configuration
    #[command(subcommand)]
    Measure(MeasureCommand),
    /// Choose what to label next, from a file or among stored items
    Sample(SampleArguments),
    /// Draft labels for items that are like labeled ones: duplicates, or neighbours by features
    Propagate(PropagateArguments),
    /// Decide whose keys are trusted in sums over sites
    #[command(subcommand)]
    Peers(PeersCommand),
    /// Label by rules: keywords, patterns, dictionaries, thresholds; and see how good they are
    #[command(subcommand)]
    LabelFunctions(LabelFunctionsCommand),
    /// Serve a Label Studio: what it must be set to, and what it has missed
    #[command(subcommand)]
    LabelStudio(LabelStudioCommand),
    /// Load a bundle and reproduce its golden outputs: what the daemon does first, in another process
    #[command(name = crate::prelabel::trial::COMMAND, hide = true)]
    TryBundle(super::trial::TrialArguments),
    /// Show how the agent is doing, and what waits for a decision
    Status(Json),
}

#[derive(Debug, Args)]
pub(super) struct Json {
    /// For programs
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// Folder of the configuration; the store goes into `data` below it
    #[arg(long)]
    pub(super) dir: PathBuf,
    /// The site's name in the federation
    #[arg(long)]
    pub(super) site: Option<SiteName>,
    /// Where the coordinator listens, HOST:PORT
    #[arg(long)]
    pub(super) coordinator: Option<String>,
    /// Where the review page and the local API listen
    #[arg(long, default_value = "127.0.0.1:7080")]
    pub(super) listen: SocketAddr,
}

#[derive(Debug, Args)]
pub(super) struct EnrollArguments {
    /// Where the coordinator listens, HOST:PORT; else coordinator.address of the configuration
    #[arg(long)]
    pub(super) coordinator: Option<String>,
    /// The file with the token
    #[arg(long)]
    pub(super) token_file: PathBuf,
    /// What this agent calls itself
    #[arg(long, default_value = "agent")]
    pub(super) agent: AgentName,
    /// Replace a membership that is there
    #[arg(long)]
    pub(super) again: bool,
}

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// Verify configuration, store, membership and models, then exit
    #[arg(long)]
    pub(super) check: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  insitu-agent import patients.csv --project heart-disease
  insitu-agent import export.json --project mood --format label-studio --reader ann
  insitu-agent import yolo-folder --project lesions --format yolo --reader ann
  insitu-agent import made.csv --project heart-disease --synthetic --generator ctgan-0.9

Which columns identify item and subject is in agent.toml, [[project]]. Bad lines are reported by
number and reason, the rest is imported, and the exit code is 1.

Labels become first readings of --reader, also of csv, jsonl and parquet (a class's name, a JSON list of
them, or a label's own JSON in the column `label`). Those of items without a draft wait for it; at most
100000 of all projects wait at once, and an import that would pass that stops: let the agent run, then
import again. The same labels again change nothing; others replace what the same reader's imports said.")]
pub(super) struct ImportArguments {
    /// CSV (with a header), JSON lines (.jsonl, .ndjson, .json) or Parquet (.parquet), whose image and
    /// series fields name files in its folder; a folder of images or series; a file of another tool, or
    /// the folder of yolo and voc; - is stdin
    #[arg(required = true)]
    pub(super) paths: Vec<PathBuf>,
    /// The project
    #[arg(long)]
    pub(super) project: ProjectName,
    /// Instead of what the file's name says
    #[arg(long)]
    pub(super) format: Option<labeled::Format>,
    /// Whose the labels of the file are: first readings of this person
    #[arg(long, value_name = "NAME", conflicts_with = "synthetic")]
    pub(super) reader: Option<String>,
    /// Import predictions too, as drafts that people correct: those of label-studio, annotations of coco
    /// that have a score, unanswered tasks of prodigy, the columns draft, draft_score and draft_model.
    /// NAME is the model, with its version, of those of which the file does not say it
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = labeled::NO_MODEL,
          conflicts_with = "synthetic", value_parser = |name: &str| Line::new(name))]
    pub(super) drafts: Option<Line>,
    /// What the file has as labels, in any format, are drafts of a model
    #[arg(long, requires = "drafts", conflicts_with = "reader")]
    pub(super) labels_are_drafts: bool,
    /// A file of COCO's results, predictions for the images of a coco file
    #[arg(long, value_name = "FILE", requires = "drafts")]
    pub(super) results: Option<PathBuf>,
    /// The items are made, not observed: people judge them beside real ones, and nothing counts them
    #[arg(long)]
    pub(super) synthetic: bool,
    /// What made them, such as a model and its version
    #[arg(long, requires = "synthetic", value_parser = |name: &str| Line::new(name))]
    pub(super) generator: Option<Line>,
    /// The column of labels, of csv, jsonl and parquet. Of synthetic items: the class that each was made for, its
    /// draft instead of a model's
    #[arg(long, value_parser = |name: &str| Line::new(name))]
    pub(super) label: Option<Line>,
    /// For programs
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  insitu-agent prelabel --bundle models/bundles/heart-disease patients.jsonl

Each output line holds \"id\", \"class\", \"class_name\", \"confidence\" and \"probabilities\".")]
pub(super) struct PrelabelArguments {
    /// A bundle's folder, or the digest of one that this agent has
    #[arg(long)]
    pub(super) bundle: String,
    /// JSON lines, one object of fields each; stdin when absent
    pub(super) file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum PersonCommand {
    /// Add a person, with a token in a file that only its owner can read, a password, or both
    Add(super::person::AddArguments),
    /// Give a person a new password; it is asked for, or read from a file
    Password(super::person::PasswordArguments),
    /// Give a person another role, and sign them out everywhere
    Role(super::person::RoleArguments),
    /// Give a person, whose time has ended or will, another end to it
    Renew(super::person::RenewArguments),
    /// End a person's time: they are signed out, and neither token nor password opens anything
    Remove(super::person::RemoveArguments),
    /// List the people
    List(Json),
}

#[derive(Debug, Subcommand)]
pub(super) enum ReleaseCommand {
    /// Confusion, coincidence, calibration and drift of the open window, with noise
    Statistics {
        /// The project
        #[arg(long)]
        project: ProjectName,
        /// For programs
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum OutboxCommand {
    /// Every release: kind, cost, size, state
    List(Json),
    /// One release as it was sent, and what it was computed from
    Show {
        /// Its id, or its sequence number
        id: String,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Recompute the hash chain and the charges from the bytes
    Verify(Json),
}

#[derive(Debug, Subcommand)]
pub(super) enum CampaignsCommand {
    /// All campaigns
    List(Json),
    /// One campaign, with its selector in words
    Show {
        /// Its id
        id: String,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Let experts work on it
    Approve {
        /// Its id
        id: String,
    },
    /// Do not work on it; it is answered like any other
    Decline {
        /// Its id
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ModelsCommand {
    /// All bundles, newest first: those in use or to be used, and candidates, which are only evaluated
    List(Json),
    /// Use a bundle, or let a candidate be evaluated, and trust its backbone for training
    ///
    /// One that failed has another chance: what is missing of it is fetched, and it is tried again.
    Approve {
        /// Its digest, or the beginning of it
        digest: String,
    },
    /// Neither use a bundle nor let it be evaluated
    Decline {
        /// Its digest, or the beginning of it
        digest: String,
    },
}
