//! Auto-accept is earned: which prelabels have shown, in an audit, that people need not see them.
//!
//! Of all items that the project's routing would accept, a share that is chosen by a keyed hash of
//! the item's name is read by people who see no prelabel ([`Accepts`]). Where such a reader, or an
//! expert after one, says something else than the prelabel, the prelabel was wrong. For each class of
//! a bundle's prelabels, Learn then Test looks for the least confidence from which on they may be
//! accepted ([`insitu_measure::calibration::auto_accept`]).
//!
//! **What holds.** With probability `confidence`, over the audited sample, at most `error_max` of the
//! items that are accepted in any class are wrong, as long as items keep coming as they did: the
//! allowed failure is divided by the number of classes, and for each class over its tests, of which
//! the j-th (from 0) gets the part 1/((j + 1)(j + 2)). A test is made when the class's audited items
//! have doubled, so when one is made depends on how many were read and never on what was found.
//!
//! **What switches it off**, per class and for good for that bundle: the exact upper bound on the
//! errors of everything audited at or above the threshold crosses `error_max`; or the newest
//! 1/`error_max` of them err so often that chance explains it in one of a thousand cases. Items that
//! were accepted and that nobody has looked at go back to annotators.
//!
//! **What is released** is what it was. An audited item is an ordinary first reading, one of its
//! subject's, and the windows bound what a subject adds as before. But whether an item that could be
//! accepted is read at all now depends on what was found for others. A window that took such items
//! would let one subject's label decide about many others' presence; so windows and lessons take
//! those that were chosen for the audit, whatever was found, and none that were not.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use insitu_measure::InvalidInput;
use insitu_measure::calibration::{Risk, auto_accept, clopper_pearson_upper};
use insitu_protocol::ids::Digest;
use insitu_protocol::project::Project;
use serde::Serialize;

use crate::config::Acceptance;
use crate::prelabel::Prelabel;
use crate::review::{PastRead, past_reads};
use crate::route::{Accepts, Read, label_of_record};
use crate::store::acceptance::{AuditedItem, ClassRow};
use crate::store::items::Stage;
use crate::store::labels::Reading;
use crate::store::orders::ProjectRow;
use crate::store::{Store, StoreError, Tx};

/// Most audited items of a bundle that are looked at: the newest.
pub const AUDITED_MAX: usize = 20_000;
/// Items read, or sent back, in one transaction.
const STEP: u32 = 256;
/// Thresholds that are tested, from strict to lax.
const THRESHOLDS: u16 = 10;
/// A threshold is tested if it holds one in so many of the audited items.
const HOLDS_MIN: usize = 4;
/// With less probability than this, chance explains the newest errors.
const CHANCE_MIN: f64 = 0.001;

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptanceError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The settings, or a confidence, are not what the tests take.
    #[error("what was audited cannot be tested")]
    Input(#[from] InvalidInput),
}

/// Which prelabels by `maker`, a bundle or a head of the site's own, are accepted now.
///
/// # Errors
/// [`StoreError`].
pub fn accepts(
    tx: &Tx<'_>,
    settings: Option<&Acceptance>,
    project: i64,
    maker: &Digest,
) -> Result<Accepts, StoreError> {
    match settings {
        None => Ok(Accepts::Nothing),
        Some(Acceptance { assume: true, .. }) => Ok(Accepts::Assumed),
        Some(earn) => Accepts::earned(tx, project, &maker.0, earn.audit_milli()),
    }
}

/// Tests what was audited of `maker`'s prelabels since, switches off what does not hold any more, and
/// sends accepted items that nothing backs to people: looks for such where something has changed, or
/// `anew`, where settings or the maker may have. How many were sent.
///
/// # Errors
/// [`AcceptanceError`].
pub fn review(
    store: &Store,
    settings: Option<&Acceptance>,
    project: &ProjectRow,
    maker: &Digest,
    anew: bool,
    now: i64,
) -> Result<u64, AcceptanceError> {
    let mut changed = anew;
    if let Some(earn) = settings.filter(|settings| !settings.assume) {
        let audited = audited(store, project.project, maker)?;
        let judge = Judge { earn, project: &project.definition, now };
        let classes = classes_of(project);
        let known = store.read("acceptance", |tx| tx.acceptance(project.project, &maker.0))?;
        for class in 0..classes {
            let of_class: Vec<&Audited> = audited.iter().filter(|it| it.class == class).collect();
            let row = known.iter().find(|row| row.class == class);
            let row = row.cloned().unwrap_or_else(|| ClassRow::new(class));
            let next = judge.judge(&row, &of_class, classes)?;
            if next != row {
                changed |= next.earned() != row.earned();
                tell(project, &row, &next);
                store.tx("acceptance", |tx| tx.put_acceptance(project.project, &maker.0, &next))?;
            }
        }
    }
    // All that is accepted is read for this: not at each label.
    Ok(if changed { send_back(store, settings, project.project)? } else { 0 })
}

/// How auto-accept stands in a project, for the site's own people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// `nothing`, `assumed` or `earned`.
    pub mode: &'static str,
    /// What the steward demands, where it has to be earned.
    pub demands: Option<Demands>,
    /// The classes of the bundle in use.
    pub classes: Vec<ClassStanding>,
}

/// What has to be shown before prelabels are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Demands {
    /// Largest share of errors among the items of a class that are accepted.
    pub error_max: f64,
    /// With at least this probability the share stays below.
    pub confidence: f64,
    /// Fewest audited items of a class that can earn it, without an error among them.
    pub audited_min: u64,
}

/// How auto-accept stands for the prelabels of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassStanding {
    /// The class.
    pub class: String,
    /// `nothing` is earned, `earned`, or switched `off`.
    pub state: &'static str,
    /// From which confidence on they are, or were, accepted.
    pub threshold: Option<f64>,
    /// Audited items of at least that confidence; of all that could be accepted while there is none.
    pub audited: u64,
    /// Errors among them.
    pub errors: u64,
    /// Exact upper bound on the share of errors.
    pub bound: f64,
    /// When it was switched off, Unix seconds.
    pub off_at: Option<i64>,
}

impl Standing {
    /// As it was when last tested.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(
        tx: &Tx<'_>,
        settings: Option<&Acceptance>,
        project: &ProjectRow,
    ) -> Result<Self, StoreError> {
        let mode = match settings {
            None => "nothing",
            Some(Acceptance { assume: true, .. }) => "assumed",
            Some(_) => "earned",
        };
        let classes = if mode == "earned" { ClassStanding::read(tx, project)? } else { Vec::new() };
        let demands = settings.filter(|settings| !settings.assume).map(|earn| Demands {
            error_max: earn.error_max,
            confidence: earn.confidence,
            audited_min: first_test(earn, classes_of(project)),
        });
        Ok(Self { mode, demands, classes })
    }

    /// What the steward should know of a project at once.
    pub fn pending<'a>(&'a self, project: &'a str) -> impl Iterator<Item = String> + 'a {
        let assumed = (self.mode == "assumed").then(|| {
            format!(
                "prelabels of {project} are accepted without a person because \
                 [project.acceptance] assumes that they are right: nothing was audited"
            )
        });
        let off = self.classes.iter().filter(|class| class.state == "off");
        assumed.into_iter().chain(off.map(move |class| {
            let ClassStanding { class, audited, errors, bound, .. } = class;
            format!(
                "auto-accept of {class:?} in {project} switched itself off: {errors} errors in \
                 {audited} audited items, at most {bound:.4} of all; people read its items until \
                 another model has earned it"
            )
        }))
    }
}

impl ClassStanding {
    /// What the store knows of the bundle in use; nothing where nobody audits.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(tx: &Tx<'_>, project: &ProjectRow) -> Result<Vec<Self>, StoreError> {
        let Some(bundle) = project.bundle else { return Ok(Vec::new()) };
        let maker = tx.maker(project.project, &bundle)?;
        let shown = |row: ClassRow| {
            let class = project.definition.class(row.class)?;
            Some(Self {
                class: class.name.to_string(),
                state: match (row.threshold, row.off_at) {
                    (_, Some(_)) => "off",
                    (Some(_), None) => "earned",
                    (None, None) => "nothing",
                },
                threshold: row.threshold.map(of_milli),
                audited: row.audited,
                errors: row.errors,
                bound: row.bound,
                off_at: row.off_at,
            })
        };
        Ok(tx.acceptance(project.project, &maker.0)?.into_iter().filter_map(shown).collect())
    }
}

/// What an audited item says.
struct Audited {
    /// Key of the first annotation: by time.
    at: i64,
    class: u16,
    milli: u16,
    right: bool,
}

/// The newest audited items of a bundle that say something, oldest first.
fn audited(store: &Store, project: i64, maker: &Digest) -> Result<Vec<Audited>, StoreError> {
    let (mut found, mut before) = (Vec::new(), i64::MAX);
    while found.len() < AUDITED_MAX {
        let (step, last) = store.read("audited items", |tx| {
            let items = tx.audited_items(project, &maker.0, before, STEP)?;
            let said = items.iter().map(|item| said(tx, item));
            let said = said.collect::<Result<Vec<Option<Audited>>, StoreError>>()?;
            Ok::<_, StoreError>((said, items.last().map(|item| item.item)))
        })?;
        let Some(last) = last else { break };
        before = last;
        found.extend(step.into_iter().flatten());
    }
    found.truncate(AUDITED_MAX);
    found.sort_by_key(|audited| audited.at);
    Ok(found)
}

/// What is known of an audited item. One that waits for an expert, or that people only skipped, is
/// an error until it is decided: what is hard takes longer, and its errors must not come last. An
/// agreement of somebody who saw the prelabel, in an application or in Label Studio, says nothing; a
/// disagreement does.
fn said(tx: &Tx<'_>, item: &AuditedItem) -> Result<Option<Audited>, StoreError> {
    let annotations = tx.annotations_of(item.item)?;
    let Some(first) = annotations.iter().find(|it| it.reading.is_of_record()) else {
        return Ok(None);
    };
    let past = past_reads(&annotations)?;
    let reads: Vec<Read> = past.iter().map(|past| past.read.clone()).collect();
    let prelabel = Prelabel::decode(&item.prelabel)?;
    let Some(class) = prelabel.class() else { return Ok(None) };
    let right = item.stage != Stage::Expert && label_of_record(&reads) == Some(prelabel.label());
    let blind = |past: &PastRead| {
        past.read.reading == Reading::First && past.label().is_some() && !past.accepted
    };
    let milli = prelabel.confidence_milli();
    let known = Audited { at: first.annotation, class, milli, right };
    Ok(Some(known).filter(|known| !known.right || past.iter().any(blind)))
}

/// What is decided with.
struct Judge<'a> {
    earn: &'a Acceptance,
    project: &'a Project,
    now: i64,
}

impl Judge<'_> {
    /// Where a class stands after what was audited, given oldest first.
    fn judge(
        &self,
        row: &ClassRow,
        audited: &[&Audited],
        classes: u16,
    ) -> Result<ClassRow, InvalidInput> {
        let mut next = row.clone();
        if row.off_at.is_none()
            && let Some(test) = self.due(row.tests, audited.len(), classes)
        {
            next.tests = test + 1;
            let risk = Risk::new(self.earn.error_max, failure(self.earn, test, classes))?;
            let confidence: Vec<f64> = audited.iter().map(|it| of_milli(it.milli)).collect();
            let right: Vec<bool> = audited.iter().map(|it| it.right).collect();
            let mut steps = self.thresholds(row.class);
            // The first failure ends the search, and of few items one error is a failure. Which
            // thresholds hold enough of them is a matter of confidences alone.
            let holds = |least: u16| audited.iter().filter(|it| it.milli >= least).count();
            steps.retain(|least| holds(*least) * HOLDS_MIN >= audited.len());
            let tested: Vec<f64> = steps.iter().copied().map(of_milli).collect();
            let chosen = auto_accept(&confidence, &right, &tested, risk)?.chosen;
            let place =
                chosen.and_then(|chosen| tested.iter().position(|t| *t <= chosen.threshold));
            next.threshold = place.map(|place| steps[place]).or(next.threshold);
        }
        let least = next.threshold.unwrap_or(0);
        let errs: Vec<bool> =
            audited.iter().filter(|it| it.milli >= least).map(|it| !it.right).collect();
        (next.audited, next.errors) = (count(errs.len()), errors(&errs));
        next.bound = clopper_pearson_upper(next.errors, next.audited, self.earn.failure_max())?;
        if next.earned().is_some() && (next.bound > self.earn.error_max || self.drifted(&errs)?) {
            next.off_at = Some(self.now);
        }
        Ok(next)
    }

    /// Number of the test that is due with so many audited items of a class; the last one, where
    /// several are.
    fn due(&self, made: u32, audited: usize, classes: u16) -> Option<u32> {
        let first = first_test(self.earn, classes);
        let audited = count(audited);
        (made..u64::BITS).take_while(|test| first.saturating_mul(1 << test) <= audited).last()
    }

    /// In thousandths, strict to lax, down to what the project's routing accepts of the class.
    fn thresholds(&self, class: u16) -> Vec<u16> {
        let least = self.project.routing_of([class]).accept_at;
        let room = 1000_u16.saturating_sub(least);
        let mut all: Vec<u16> =
            (0..THRESHOLDS).rev().map(|step| least + room / THRESHOLDS * step).collect();
        all.dedup();
        all.retain(|threshold| *threshold <= 1000);
        all
    }

    /// Whether the newest errors are more than chance explains.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 10,000: the least error that is allowed is 1/10,000"
    )]
    fn drifted(&self, errs: &[bool]) -> Result<bool, InvalidInput> {
        let newest = (1.0 / self.earn.error_max).ceil() as usize;
        let errs = &errs[errs.len().saturating_sub(newest)..];
        let right = count(errs.len()) - errors(errs);
        // A lower bound on errors is an upper bound on what is right.
        Ok(1.0 - clopper_pearson_upper(right, count(errs.len()), CHANCE_MIN)? > self.earn.error_max)
    }
}

/// Sends accepted items that nothing backs, whoever made their prelabels, to people.
fn send_back(
    store: &Store,
    settings: Option<&Acceptance>,
    project: i64,
) -> Result<u64, StoreError> {
    if settings.is_some_and(|settings| settings.assume) {
        return Ok(0);
    }
    let mut makers: BTreeMap<Digest, Accepts> = BTreeMap::new();
    let (mut sent, mut after) = (0, 0);
    loop {
        let items = store.read("accepted items", |tx| tx.accepted(project, after, STEP))?;
        let Some((last, _)) = items.last() else { return Ok(sent) };
        after = *last;
        let mut unbacked = Vec::new();
        for (item, prelabel) in &items {
            let prelabel = Prelabel::decode(prelabel)?;
            let accepts = match makers.entry(prelabel.bundle()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let read = |tx: &Tx<'_>| accepts(tx, settings, project, new.key());
                    let accepts = store.read("acceptance", read)?;
                    new.insert(accepts)
                }
            };
            let milli = prelabel.confidence_milli();
            if !prelabel.class().is_some_and(|class| accepts.accepts(class, milli)) {
                unbacked.push(*item);
            }
        }
        if !unbacked.is_empty() {
            // Who is read now depends on what was found for others: see the module.
            let spared = settings.is_some();
            sent += store.alone("sent back", |tx| tx.send_back(&unbacked, spared))?;
        }
    }
}

/// Says in the log what has changed; nothing of any item.
fn tell(project: &ProjectRow, before: &ClassRow, after: &ClassRow) {
    let project = project.definition.name.as_str();
    let ClassRow { class, threshold, audited, errors, bound, .. } = after;
    if before.off_at != after.off_at {
        metrics::counter!("insitu_agent_auto_accept_off_total").increment(1);
        tracing::warn!(project, class, audited, errors, bound, "auto-accept switched itself off");
    } else if before.threshold != after.threshold {
        tracing::info!(project, class, threshold, audited, errors, bound, "auto-accept earned");
    }
}

/// Fewest audited items with which a class's first test could pass, if there is no error.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positive, and far below 2^53 for every setting that is not refused"
)]
fn first_test(earn: &Acceptance, classes: u16) -> u64 {
    (failure(earn, 0, classes).ln() / (-earn.error_max).ln_1p()).ceil() as u64
}

/// With which probability a class's test may fail.
fn failure(earn: &Acceptance, test: u32, classes: u16) -> f64 {
    let test = f64::from(test);
    earn.failure_max() / f64::from(classes) / ((test + 1.0) * (test + 2.0))
}

fn classes_of(project: &ProjectRow) -> u16 {
    u16::try_from(project.definition.classes.len()).unwrap_or(u16::MAX)
}

fn of_milli(milli: u16) -> f64 {
    f64::from(milli) / 1000.0
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn errors(errs: &[bool]) -> u64 {
    count(errs.iter().filter(|err| **err).count())
}

#[cfg(test)]
mod tests;
