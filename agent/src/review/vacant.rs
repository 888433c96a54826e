//! Queues that wait for somebody who is not there: nobody has the role, or has it any more, or whoever
//! has it may not, having read the items already.

use std::fmt;

use insitu_protocol::ids::ProjectName;
use serde_json::{Value, json};

use crate::store::items::Stage;
use crate::store::labels::{Person, Role};
use crate::store::orders::ProjectRow;
use crate::store::{StoreError, Tx};

/// Most items of a queue that are looked at, the oldest ones: whether everybody has read them.
const LOOKED_AT_MAX: u32 = 1000;

/// A queue of which items wait, or will, for which there is nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vacancy {
    project: ProjectName,
    wanted: Wanted,
    /// Items that nobody may take.
    waiting: u64,
    /// People who might take them, had they not read them.
    readers: usize,
    /// People who might, had their time not ended.
    ended: usize,
}

/// Who is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// A second reader.
    Second,
    /// Somebody who decides.
    Expert,
    /// A reviewer in this stage, from 0, of this role.
    Reviewer(u8, Role),
}

impl Wanted {
    fn role(self) -> Role {
        match self {
            Self::Second => Role::Annotator,
            Self::Expert => Role::Expert,
            Self::Reviewer(_, role) => role,
        }
    }

    /// Whether a person may take it, as far as role and time decide it.
    fn is_for(self, person: &Person, now: i64) -> bool {
        person.ended(now).is_none()
            && match self {
                Self::Second => person.role.labels(),
                Self::Expert => person.is_expert(now),
                Self::Reviewer(_, role) => person.may_review(role, now),
            }
    }

    /// Whether a person might have taken it once.
    fn was_for(self, person: &Person) -> bool {
        person.role.labels() && person.role.covers(self.role())
    }

    /// How many items wait.
    fn waiting(self, tx: &Tx<'_>, project: i64) -> Result<u64, StoreError> {
        let counts = tx.stage_counts(project)?;
        match self {
            Self::Second => Ok(counts[Stage::Second as usize]),
            Self::Expert => Ok(counts[Stage::Expert as usize]),
            Self::Reviewer(at, _) => tx.waiting_in_review(project, at),
        }
    }

    /// How many of the oldest that wait all of these people have read.
    fn read_by_all(self, tx: &Tx<'_>, project: i64, people: &[&Person]) -> Result<u64, StoreError> {
        let (stage, review) = match self {
            Self::Second => (Stage::Second, None),
            Self::Expert => return Ok(0), // who decides may have read the item
            Self::Reviewer(at, _) => (Stage::Review, Some(at)),
        };
        let mut read = 0;
        for item in tx.oldest_in(project, stage, review, LOOKED_AT_MAX)? {
            let mut all = true;
            for person in people {
                all = all && tx.has_read(item, person.person)?;
            }
            read += u64::from(all);
        }
        Ok(read)
    }
}

/// The queues of a project that somebody is missing for. Where nobody labels and there are no stages of
/// review, as on a device whose application does it all, nobody is.
///
/// # Errors
/// [`StoreError`].
pub fn vacancies(tx: &Tx<'_>, project: &ProjectRow, now: i64) -> Result<Vec<Vacancy>, StoreError> {
    let people = tx.people()?;
    let mut wanted = Vec::new();
    if people.iter().any(|person| person.role.labels()) {
        wanted.extend([Wanted::Second, Wanted::Expert]);
    }
    let stages = (0..).zip(tx.review_stages(project.project)?);
    wanted.extend(stages.map(|(at, stage)| Wanted::Reviewer(at, stage.role)));
    let mut vacancies = Vec::new();
    for wanted in wanted {
        vacancies.extend(vacancy(tx, project, &people, wanted, now)?);
    }
    Ok(vacancies)
}

fn vacancy(
    tx: &Tx<'_>,
    project: &ProjectRow,
    people: &[Person],
    wanted: Wanted,
    now: i64,
) -> Result<Option<Vacancy>, StoreError> {
    let may: Vec<&Person> = people.iter().filter(|it| wanted.is_for(it, now)).collect();
    let nobody = may.is_empty();
    let waiting = if nobody {
        wanted.waiting(tx, project.project)?
    } else {
        wanted.read_by_all(tx, project.project, &may)?
    };
    // Labels will come to a stage of review; whether any do to the others is not known.
    if waiting == 0 && !(nobody && matches!(wanted, Wanted::Reviewer(..))) {
        return Ok(None);
    }
    let ended = people.iter().filter(|it| nobody && wanted.was_for(it)).count();
    let project = project.definition.name.clone();
    Ok(Some(Vacancy { project, wanted, waiting, readers: may.len(), ended }))
}

impl Vacancy {
    /// For pages: what waits, in words, and the role that is missing.
    pub fn shown(&self) -> Value {
        json!({"text": self.to_string(), "role": self.wanted.role().name()})
    }

    /// The command that mends it.
    pub fn remedy(&self) -> String {
        let role = self.wanted.role().name();
        let add = format!("insitu-agent person add NAME --role {role} --password");
        let renew = "insitu-agent person renew NAME --until DATE --expert-until DATE";
        if self.ended > 0 { format!("{renew}, or {add}") } else { add }
    }
}

/// For people: what waits, and for whom.
impl fmt::Display for Vacancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { project, wanted, waiting, readers, ended } = self;
        let thing = if matches!(wanted, Wanted::Reviewer(..)) { "label" } else { "item" };
        match waiting {
            0 => write!(f, "{thing}s of {project} will wait")?,
            1 => write!(f, "1 {thing} of {project} waits")?,
            many => write!(f, "{many} {thing}s of {project} wait")?,
        }
        match wanted {
            Wanted::Second => f.write_str(" for a second reader")?,
            Wanted::Expert => f.write_str(" for an expert")?,
            Wanted::Reviewer(at, role) => {
                write!(f, " for review, stage {} ({})", at + 1, role.name())?;
            }
        }
        let it = if *waiting == 1 { "it" } else { "them" };
        match (readers, ended) {
            (0, 0) => write!(f, ", and nobody may take {it}"),
            (0, ended) => write!(f, ", and nobody may take {it} any more: {ended} could once"),
            (1, _) => write!(f, ", and the only one who may take {it} has read {it}"),
            (all, _) => write!(f, ", and all {all} who may take {it} have read {it}"),
        }
    }
}

#[cfg(test)]
mod tests;
