//! Who sees which prelabel: a project's thresholds, and those that a class has of its own.

use serde::{Deserialize, Serialize};

use super::{Class, Project, ProjectError, Task, range};

/// An `accept_at` that no confidence reaches: nothing is accepted.
const NEVER: u16 = 1001;

/// Thresholds on the calibrated confidence, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Routing {
    /// At or above: the prelabel is accepted without a person.
    pub accept_at: u16,
    /// Below: an expert decides.
    pub expert_below: u16,
    /// Share of routed items that a second person reads blind.
    pub overlap: u16,
}

impl Routing {
    fn check(&self) -> Result<(), ProjectError> {
        let Self { accept_at, expert_below, overlap } = *self;
        range("routing.accept_at", accept_at, accept_at <= NEVER, "0 to 1001 (1001 is never)")?;
        range("routing.expert_below", expert_below, expert_below <= accept_at, "0 to accept_at")?;
        range("routing.overlap", overlap, overlap <= 1000, "0 to 1000")
    }

    /// With what the class says of its own.
    fn of(self, class: &Class) -> Self {
        Self {
            accept_at: class.accept_at.unwrap_or(self.accept_at),
            expert_below: class.expert_below.unwrap_or(self.expert_below),
            ..self
        }
    }
}

impl Class {
    /// Whether it has a threshold of its own.
    pub(super) fn has_thresholds(&self) -> bool {
        self.accept_at.is_some() || self.expert_below.is_some()
    }
}

impl Project {
    /// The thresholds of a label of these classes, by their places in the taxonomy: of each kind the
    /// strictest, and so the greatest. The project's own for a label without a class.
    pub fn routing_of(&self, classes: impl IntoIterator<Item = u16>) -> Routing {
        classes
            .into_iter()
            .filter_map(|class| self.class(class))
            .map(|class| self.routing.of(class))
            .reduce(|one, other| Routing {
                accept_at: one.accept_at.max(other.accept_at),
                expert_below: one.expert_below.max(other.expert_below),
                ..one
            })
            .unwrap_or(self.routing)
    }

    pub(super) fn check_routing(&self) -> Result<(), ProjectError> {
        self.routing.check()?;
        for class in self.classes.iter().filter(|class| class.has_thresholds()) {
            let name = class.name.clone();
            if let Task::Preference { .. } = self.task {
                return Err(ProjectError::PreferenceThresholds { class: name });
            }
            let Routing { accept_at, expert_below, .. } = self.routing.of(class);
            if accept_at > NEVER {
                return Err(ProjectError::AcceptAt { class: name, got: accept_at });
            }
            if expert_below > accept_at {
                return Err(ProjectError::Thresholds { class: name, expert_below, accept_at });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::tests::{TWO, with};

    /// A project of two classes, `n` and `y`, with these thresholds of their own.
    fn project(n: &str, y: &str) -> Result<Project, String> {
        let classes = TWO.replace("\"n\"\n", &format!("\"n\"\n{n}\n")) + y;
        with(&classes).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_class_has_the_projects_thresholds_unless_it_says_otherwise() {
        let project = project("accept_at = 950", "expert_below = 700").unwrap();
        let thresholds = |classes: &[u16]| {
            let routing = project.routing_of(classes.iter().copied());
            (routing.accept_at, routing.expert_below)
        };
        assert_eq!(thresholds(&[]), (900, 600));
        assert_eq!(thresholds(&[0]), (950, 600));
        assert_eq!(thresholds(&[1]), (900, 700));
        assert_eq!(thresholds(&[1, 0, 1]), (950, 700), "of each kind the strictest");
        assert_eq!(thresholds(&[2]), (900, 600), "no class of the project");
    }

    #[test]
    fn a_class_may_be_less_strict_than_its_project() {
        let project = project("accept_at = 700\nexpert_below = 100", "").unwrap();
        let Routing { accept_at, expert_below, overlap } = project.routing_of([0]);
        assert_eq!((accept_at, expert_below, overlap), (700, 100, project.routing.overlap));
        // Beside a class without thresholds the project's own are the strictest.
        assert_eq!(project.routing_of([0, 1]), project.routing);
    }

    #[test]
    fn thresholds_that_make_no_sense_are_refused_by_class_and_number() {
        for (y, expected) in [
            (
                "accept_at = 1002",
                "class y: accept_at is 1002, allowed is 0 to 1001 (1001 is never)",
            ),
            ("expert_below = 901", "class y: expert_below is 901, above its accept_at of 900"),
            ("accept_at = 500", "class y: expert_below is 600, above its accept_at of 500"),
            (
                "accept_at = 950\n[task]\nkind = \"preference\"\nfields = [\"text\", \"image\"]",
                "class y has thresholds of its own, which the classes of a preference cannot have: \
                 the project's are those of all of them",
            ),
        ] {
            assert_eq!(project("", y).unwrap_err(), expected, "{y}");
        }
        project("", "accept_at = 1001\nexpert_below = 1001").unwrap();
        assert!(project("", "accept_at = -1").is_err());
    }
}
