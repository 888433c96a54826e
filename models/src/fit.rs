//! Whether a bundle drafts the labels of a project: asked by whoever publishes it, and again by each
//! site that is to use it.

use insitu_protocol::project::{Project, Task};
use insitu_protocol::text::Line;

use crate::head::HeadKind;
use crate::manifest::Manifest;

/// Why a bundle does not draft a project's labels.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// A head of a kind that says something else than the labels do.
    #[error("labels of the project are of the kind {task}, which its {head} head does not draft")]
    Kind {
        /// Kind of the project's task.
        task: &'static str,
        /// Kind of the bundle's head.
        head: HeadKind,
    },
    /// Spans of a field that the bundle does not read.
    #[error("it does not read the field {field}, whose spans are labeled")]
    Field {
        /// The field.
        field: Line,
    },
    /// Other classes, or in another order.
    #[error("its {got} classes are not the project's {want}, in the project's order")]
    Classes {
        /// Classes of the bundle.
        got: usize,
        /// Classes of the project.
        want: usize,
    },
}

/// Checks the kind of a bundle's head, the field that it reads, and its classes.
///
/// # Errors
/// [`FitError`], the first thing found.
pub fn check(manifest: &Manifest, project: &Project) -> Result<(), FitError> {
    let (task, head) = (&project.task, manifest.kind);
    let drafts = match task {
        Task::Class | Task::Preference { .. } => head.is_of_one_class(),
        Task::Classes => head == HeadKind::MultiLabel,
        Task::Spans { .. } => head == HeadKind::Tokens,
        Task::Regions { .. } | Task::Segments { .. } => false,
    };
    if !drafts {
        return Err(FitError::Kind { task: task.kind(), head });
    }
    if let Task::Spans { field, .. } = task
        && manifest.columns.iter().any(|column| column.name != *field)
    {
        return Err(FitError::Field { field: field.clone() });
    }
    if manifest.classes.iter().eq(project.classes.iter().map(|class| &class.name)) {
        Ok(())
    } else {
        Err(FitError::Classes { got: manifest.classes.len(), want: project.classes.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shipped manifest with a head of this kind; what else a head of tokens needs is not looked at.
    fn manifest(kind: HeadKind) -> Manifest {
        let shipped = Manifest::decode(include_bytes!("../bundles/heart-disease/manifest.json"));
        Manifest { kind, ..shipped.unwrap() }
    }

    /// The shipped project with this task.
    fn project(task: &str) -> Project {
        let text = include_str!("../bundles/heart-disease/project.toml");
        toml::from_str(&format!("{text}\n[task]\n{task}\n")).unwrap()
    }

    const CLASS: &str = "kind = \"class\"";
    const CLASSES: &str = "kind = \"classes\"";
    const PREFERENCE: &str = "kind = \"preference\"\nfields = [\"age\", \"note\"]";
    const SPANS: &str = "kind = \"spans\"\nfield = \"note\"";
    const HEADS: [HeadKind; 4] =
        [HeadKind::Softmax, HeadKind::Adapter { units: 4 }, HeadKind::MultiLabel, HeadKind::Tokens];

    #[test]
    fn each_kind_of_label_has_its_kinds_of_heads() {
        for (task, drafts) in [
            (CLASS, [true, true, false, false]),
            (PREFERENCE, [true, true, false, false]),
            (CLASSES, [false, false, true, false]),
            (SPANS, [false, false, false, true]),
        ] {
            for (head, drafts) in HEADS.into_iter().zip(drafts) {
                let refused = check(&manifest(head), &project(task)).err();
                let of_kind = matches!(refused, Some(FitError::Kind { .. }));
                assert_eq!(of_kind, !drafts, "{task} {head}: {refused:?}");
            }
        }
    }

    #[test]
    fn classes_count_in_their_order_and_spans_in_their_field() {
        let mut shipped = manifest(HeadKind::Softmax);
        assert_eq!(check(&shipped, &project(CLASS)), Ok(()));
        shipped.classes.swap(0, 1);
        assert_eq!(check(&shipped, &project(CLASS)), Err(FitError::Classes { got: 2, want: 2 }));
        let mut tokens = manifest(HeadKind::Tokens);
        let note = Line::new("note").unwrap();
        let other = check(&tokens, &project(SPANS));
        assert_eq!(other, Err(FitError::Field { field: note.clone() }));
        tokens.columns.truncate(1);
        tokens.columns[0].name = note;
        assert_eq!(check(&tokens, &project(SPANS)), Ok(()));
    }
}
