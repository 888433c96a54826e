//! What the sites are told to use: projects, signed bundles, and signed sets of labeling functions.

pub mod functions;

pub mod canary;

use insitu_models::bundle::Bundle;
use insitu_models::sign::SigningKey;
use insitu_privacy::estimate::EstimateError;
use insitu_protocol::ids::{Digest, ProjectName, SiteName};
use insitu_protocol::project::Project;

use crate::agreement::ReportError;
use crate::agreement::counts::CountsError;
use crate::evaluation::{self, Verdict};
use crate::registry::{self, Registry, RegistryError};
use crate::store::{OrderKind, Store, StoreError, Tx};

/// Why an operator's rollback withdrew a publication.
const BY_HAND: &str = "rolled back by an operator";

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A version that is not newer.
    #[error("project {project} is at version {current}; a change needs a higher one than {got}")]
    Version {
        /// The project.
        project: ProjectName,
        /// Version in force.
        current: u32,
        /// Version given.
        got: u32,
    },
    /// Another task: the labels that sites have would mean nothing any more.
    #[error(
        "labels of project {project} are of the kind {current} and stay so; make a new project"
    )]
    Task {
        /// The project.
        project: ProjectName,
        /// Kind of its task.
        current: &'static str,
    },
    /// Nothing to go back to.
    #[error("project {project} has {published} bundle(s) in force: there is none to go back to")]
    NoEarlier {
        /// The project.
        project: ProjectName,
        /// Publications not withdrawn.
        published: usize,
    },
    /// No share of the sites.
    #[error("a canary goes to a share of the sites between 0 and 1, not {got}")]
    Share {
        /// The share.
        got: f64,
    },
    /// Nothing that a canary could be better than.
    #[error(
        "project {project} has no bundle that every site has: promote this one without --canary"
    )]
    NothingToCompare {
        /// The project.
        project: ProjectName,
    },
    /// Every site has it.
    #[error("every site has bundle {bundle} already")]
    InForce {
        /// The bundle.
        bundle: Digest,
    },
    /// One at a time.
    #[error("bundle {bundle} is a canary already: promote it, or roll it back")]
    CanaryUnderWay {
        /// That bundle.
        bundle: Digest,
    },
    /// No site would be left without it.
    #[error("a canary needs two sites at least: one that has it, and one that has not")]
    TooFewSites,
    /// The released counts.
    #[error("the released counts cannot be compared")]
    Counts {
        /// Why not.
        #[from]
        source: CountsError,
    },
    /// Counts of different shapes.
    #[error("the released counts cannot be added up")]
    Estimate {
        /// Why not.
        #[from]
        source: EstimateError,
    },
    /// Nothing says how good the bundle is.
    #[error(
        "bundle {bundle} was not compared with the active one on held-out items: \
         `insitu-coordinator evaluation start {bundle}` first, or promote it with --force REASON"
    )]
    Unevaluated {
        /// The bundle.
        bundle: Digest,
    },
    /// Its evaluation is not over, or says too little.
    #[error(
        "the evaluation of bundle {bundle} {trouble} (`insitu-coordinator report evaluation`): \
         start another, with more ε, or promote it with --force REASON"
    )]
    Unknown {
        /// The bundle.
        bundle: Digest,
        /// What is the matter with it.
        trouble: &'static str,
    },
    /// It may be worse.
    #[error(
        "bundle {bundle} may be worse than the active one: its accuracy on held-out items is \
         {difference:+.3} and lies above {low:+.3} with 95 % confidence, needed is above \
         {:+.3}; train or evaluate again, or promote it with --force REASON", -margin
    )]
    Worse {
        /// The bundle.
        bundle: Digest,
        /// Its accuracy less that of the active bundle.
        difference: f64,
        /// A one-sided bound of that.
        low: f64,
        /// What the evaluation allows.
        margin: f64,
    },
    /// The answers of an evaluation.
    #[error("the evaluation cannot be read")]
    Report {
        /// Why not.
        #[from]
        source: ReportError,
    },
    /// The registry.
    #[error("the bundle is not published")]
    Registry {
        /// Why not.
        #[from]
        source: RegistryError,
    },
    /// The store.
    #[error("the publication is not stored")]
    Store {
        /// Why not.
        #[from]
        source: StoreError,
    },
}

/// Creates a project, or brings it to a new version, and tells every member.
///
/// # Errors
/// [`PublishError::Task`] if the kind of its labels changes; [`PublishError::Version`] unless the version is higher than the present one. The same content
/// again changes nothing.
pub fn project(store: &Store, project: &Project, now_unix_s: i64) -> Result<(), PublishError> {
    store.write("project", |tx| {
        if let Some(current) = tx.project(&project.name)? {
            if current == *project {
                return Ok(());
            }
            if project.version <= current.version {
                return Err(PublishError::Version {
                    project: project.name.clone(),
                    current: current.version,
                    got: project.version,
                });
            }
            if project.task.kind() != current.task.kind() {
                let (project, current) = (project.name.clone(), current.task.kind());
                return Err(PublishError::Task { project, current });
            }
        }
        tx.add_project(project, now_unix_s)?;
        let order = OrderKind::Project { project: project.name.clone(), version: project.version };
        Ok(tell_members(tx, &order, now_unix_s)?)
    })
}

/// Registers a bundle that was made elsewhere and publishes it as [`promote`] does, without force:
/// while another one is active it stays a candidate until an evaluation speaks for it.
///
/// # Errors
/// [`PublishError`]; one that is registered by then can be evaluated and promoted.
pub fn import(
    store: &Store,
    registry: &Registry,
    key: &SigningKey,
    project: &ProjectName,
    bundle: &Bundle,
    now_unix_s: i64,
) -> Result<Digest, PublishError> {
    let digest = registry.register(store, bundle, project, now_unix_s)?;
    promote(store, key, digest, None, now_unix_s)?;
    Ok(digest)
}

/// Publishes a registered bundle: a candidate of a run, or an older one again. An evaluation against
/// the active bundle must speak for it, or a reason be given to `force` it, which is recorded.
///
/// # Errors
/// [`PublishError`].
pub fn promote(
    store: &Store,
    key: &SigningKey,
    digest: Digest,
    force: Option<&str>,
    now_unix_s: i64,
) -> Result<(), PublishError> {
    store.write("promote", |tx| {
        let bundle = tx.bundle(digest)?.ok_or(RegistryError::Unknown { digest })?;
        if force.is_none() {
            may_replace(tx, &bundle.project, digest)?;
        }
        bundle_in(tx, key, digest, now_unix_s)?;
        force.map_or(Ok(()), |reason| Ok(tx.note_forced(&bundle.project, digest, reason)?))
    })
}

/// Whether an evaluation shows that a bundle is not worse than its project's active one.
///
/// # Errors
/// [`PublishError::Unevaluated`], [`PublishError::Unknown`], [`PublishError::Worse`].
fn may_replace(tx: &Tx<'_>, project: &ProjectName, bundle: Digest) -> Result<(), PublishError> {
    let active = tx.active_publication(project)?.map(|publication| publication.bundle);
    let Some(active) = active.filter(|active| *active != bundle) else { return Ok(()) };
    match evaluation::verdict(tx, active, bundle)? {
        Verdict::Passes => Ok(()),
        Verdict::Missing => Err(PublishError::Unevaluated { bundle }),
        Verdict::Open => Err(PublishError::Unknown { bundle, trouble: "is still open" }),
        Verdict::Unknown => {
            Err(PublishError::Unknown { bundle, trouble: "has too few answers for their noise" })
        }
        Verdict::NotShown { difference, low, margin } => {
            Err(PublishError::Worse { bundle, difference, low, margin })
        }
    }
}

/// Withdraws a project's canary or, when there is none, its bundle in force, and goes back to the
/// one before; returns that.
///
/// # Errors
/// [`PublishError::NoEarlier`]; [`PublishError::Registry`] when the one before is not one for the
/// project's present version.
pub fn rollback(
    store: &Store,
    project: &ProjectName,
    now_unix_s: i64,
) -> Result<Digest, PublishError> {
    store.write("rollback", |tx| {
        if let (Some(canary), Some(active)) = (tx.canary(project)?, tx.active_publication(project)?)
        {
            canary::withdraw(tx, project, &canary, BY_HAND, now_unix_s)?;
            return Ok(active.bundle);
        }
        let mut in_force = tx.publications(project)?;
        in_force.retain(|publication| publication.withdrawn_unix_s.is_none());
        let [newest, before, ..] = in_force.as_slice() else {
            let published = in_force.len();
            return Err(PublishError::NoEarlier { project: project.clone(), published });
        };
        let digest = before.bundle;
        let row = tx.bundle(digest)?.ok_or(RegistryError::Unknown { digest })?;
        registry::check_present_fit(tx, &row)?;
        tx.withdraw(project, newest.number, BY_HAND, now_unix_s)?;
        let order = OrderKind::Bundle { bundle: before.bundle, publication: before.number };
        tell_members(tx, &order, now_unix_s)?;
        Ok(before.bundle)
    })
}

/// Signs and publishes a registered bundle inside a transaction; a bundle that is in force
/// already stays so, a canary of it goes to all sites, and one of another bundle ends.
///
/// # Errors
/// [`PublishError`], before anything is written when the bundle is not one for the project's present
/// version.
pub fn bundle_in(
    tx: &Tx<'_>,
    key: &SigningKey,
    digest: Digest,
    now_unix_s: i64,
) -> Result<(), PublishError> {
    let bundle = tx.bundle(digest)?.ok_or(RegistryError::Unknown { digest })?;
    registry::check_present_fit(tx, &bundle)?;
    let active = tx.active_publication(&bundle.project)?;
    if active.is_some_and(|publication| publication.bundle == digest) {
        return Ok(());
    }
    let canary = tx.canary(&bundle.project)?;
    let order = |publication| OrderKind::Bundle { bundle: digest, publication };
    if let Some(canary) = canary {
        let publication = canary.publication.number;
        if canary.publication.bundle == digest {
            tx.spread_canary(&bundle.project, publication)?;
            return Ok(tell_members(tx, &order(publication), now_unix_s)?);
        }
        tx.withdraw(&bundle.project, publication, "another bundle was published", now_unix_s)?;
    }
    tx.sign_bundle(digest, key.sign(&bundle.manifest))?;
    let publication = tx.add_publication(&bundle.project, digest, now_unix_s)?;
    Ok(tell_members(tx, &order(publication), now_unix_s)?)
}

fn tell_members(tx: &Tx<'_>, order: &OrderKind, now_unix_s: i64) -> Result<(), StoreError> {
    tell(tx, &tx.members()?, order, now_unix_s)
}

fn tell(
    tx: &Tx<'_>,
    sites: &[SiteName],
    order: &OrderKind,
    now_unix_s: i64,
) -> Result<(), StoreError> {
    sites.iter().try_for_each(|site| tx.add_order(site, order, now_unix_s))
}

#[cfg(test)]
pub(crate) mod tests;
