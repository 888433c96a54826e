//! Why a run cannot start, or go on.

use std::error::Error;

use insitu_daemon::files::FileError;
use insitu_models::head::HeadKind;
use insitu_models::robust::RobustError;
use insitu_protocol::ids::{Digest, ProjectName, RunId, SiteName};

use crate::agreement::counts::CountsError;
use crate::downlink::DownlinkError;
use crate::jobs::evaluation::EvaluationError;
use crate::jobs::is_caused_by;
use crate::publish::PublishError;
use crate::registry::RegistryError;
use crate::round::IllegalTransition;
use crate::store::StoreError;

/// Why a run cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainingError {
    /// No such project.
    #[error("there is no project {project}: `insitu-coordinator project create FILE.toml` first")]
    UnknownProject {
        /// Its name.
        project: ProjectName,
    },
    /// The project has no bundle whose head could be trained.
    #[error(
        "project {project} has no bundle: `insitu-coordinator model publish DIR --project {project}` first"
    )]
    NoBundle {
        /// The project.
        project: ProjectName,
    },
    /// A bundle in use that the project's newest version does not fit any more.
    #[error(
        "bundle {bundle} does not fit version {version} of project {project}: publish one that does \
         (`insitu-coordinator model publish DIR --project {project}`), or a version that it fits"
    )]
    Unfit {
        /// The project.
        project: ProjectName,
        /// Its newest version.
        version: u32,
        /// The bundle.
        bundle: Digest,
        /// What does not fit.
        source: Box<RegistryError>,
    },
    /// Another run of the project goes on.
    #[error(
        "run {run} of the project is still open: wait for it, or end it with \
         `insitu-coordinator round abandon {run} --reason REASON`"
    )]
    StillOpen {
        /// That run.
        run: RunId,
    },
    /// Nobody to invite.
    #[error("there is no site to invite: `insitu-coordinator site add NAME` first")]
    NoSites,
    /// A site that is not a member.
    #[error("{site} is not a member of the federation")]
    NotMember {
        /// The site.
        site: SiteName,
    },
    /// A number outside its range.
    #[error("{what} is {got}, allowed is {min} to {max}")]
    Range {
        /// Which.
        what: &'static str,
        /// Value found.
        got: u64,
        /// Lowest allowed.
        min: u64,
        /// Highest allowed.
        max: u64,
    },
    /// Two options that exclude each other.
    #[error("{what} does not go with {with}: {reason}")]
    Unsuited {
        /// One.
        what: &'static str,
        /// The other.
        with: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// Class means of a head of another form.
    #[error("class means make a softmax head, the bundle in use has one of {kind}")]
    NotClassMeans {
        /// The kind in use.
        kind: HeadKind,
    },
    /// Nothing released says for how many subjects rounds are to be chosen.
    #[error(
        "no label counts of {project} have been released yet, by which rounds could be chosen: wait \
         for the sites' next statistics window, ask for one with `insitu-coordinator statistics \
         collect --project {project}`, or name a public number with --subjects N"
    )]
    NoCount {
        /// The project.
        project: ProjectName,
    },
    /// What is released is no number of subjects.
    #[error(
        "the labels released so far come to {total:.0} with a noise of deviation {deviation:.0}, too \
         few to choose rounds by (where labels are not one class each, windows count none): name a \
         public number with --subjects N, or the rounds with --rounds N"
    )]
    TooFewLabels {
        /// Noised total.
        total: f64,
        /// Deviation of the noise in it.
        deviation: f64,
    },
    /// The counts.
    #[error("the released counts cannot be used")]
    Counts {
        /// Why not.
        #[from]
        source: CountsError,
    },
    /// Secure aggregation was demanded and cannot be.
    #[error("no secure aggregation: {reason}")]
    Alone {
        /// Why not.
        reason: String,
    },
    /// A round's order cannot be made.
    #[error("the round's order cannot be made")]
    Order {
        /// Why not.
        #[from]
        source: DownlinkError,
    },
    /// No random bytes for an id.
    #[error("no random bytes from the operating system")]
    Random {
        /// Why not.
        source: getrandom::Error,
    },
    /// Stored rows contradict each other.
    #[error("the rows of run {run} contradict each other")]
    Rows {
        /// The run.
        run: RunId,
        /// How, when the round says so.
        source: Option<IllegalTransition>,
    },
    /// A round's updates come to nothing.
    #[error("the updates of run {run} cannot be combined")]
    Combine {
        /// The run.
        run: RunId,
        /// Why not.
        source: RobustError,
    },
    /// The updates move the head to nowhere.
    #[error("the updates give no usable head")]
    Unusable {
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The registry.
    #[error("the bundles of the run cannot be used")]
    Registry {
        /// Why not.
        #[from]
        source: RegistryError,
    },
    /// The publication.
    #[error("the result is not published")]
    Publish {
        /// Why not.
        #[from]
        source: PublishError,
    },
    /// The evaluation of the result.
    #[error("the result is not evaluated")]
    Evaluation {
        /// Why not.
        #[from]
        source: EvaluationError,
    },
    /// The store.
    #[error("the run is not stored")]
    Store {
        /// Why not.
        #[from]
        source: StoreError,
    },
}

impl TrainingError {
    /// Whether the store or a file did not do it, however deep that lies: another time it may.
    pub(super) fn may_pass(&self) -> bool {
        is_caused_by::<StoreError>(self) || is_caused_by::<FileError>(self)
    }
}
