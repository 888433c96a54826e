//! Evaluation: how right two heads are on the items that the site holds out of training.
//!
//! Both see the same items, one of each subject, under the backbone in use or, of a candidate that has
//! its own, each under its own: what is released is by how much they differ more than how good each is.
//! The counts are a tally like any other.

use insitu_models::calibration::Calibration;
use insitu_models::head::{Head, HeadShape};
use insitu_models::predict::Prediction;
use insitu_privacy::contribution::ItemsPerSubject;
use insitu_privacy::statistics::Statistic;
use insitu_protocol::order::{Contender, EVALUATION_STEP, EvaluationOrder, EvaluationShape};
use insitu_protocol::project::Project;
use insitu_protocol::release::Body;

use super::kept::Kept;
use super::{LearnError, Lesson, Studied, Truth, batch_items, batches, lessons, study};
use crate::prelabel::Model;
use crate::store::Store;
use crate::store::orders::ProjectRow;
use crate::tally::{Outline, Tally, confidence_bin};

/// What the answer to an evaluation will be.
///
/// # Errors
/// [`LearnError::Version`] for another version of the project than this.
pub fn outline(project: &Project, order: &EvaluationOrder) -> Result<Outline, LearnError> {
    if order.project_version != project.version {
        let (ordered, ours) = (order.project_version, project.version);
        return Err(LearnError::Version { ordered, ours });
    }
    let kind = Statistic::Evaluation { step: EVALUATION_STEP };
    Ok(Outline {
        sensitivity: kind.sensitivity(ItemsPerSubject::ONE),
        nano_rho: order.nano_rho,
        values: EvaluationShape::of(project).values(),
    })
}

/// Counts how right both heads of an evaluation are, over the backbone in use.
///
/// # Errors
/// [`LearnError`].
pub fn evaluate(
    store: &Store,
    model: &mut Model,
    kept: &mut Kept,
    project: &ProjectRow,
    order: &EvaluationOrder,
) -> Result<Tally, LearnError> {
    let asked = Asked::of(store, model, project, order)?;
    let shape = model.manifest().shape();
    let judges = [judge(&order.current, shape)?, judge(&order.candidate, shape)?];
    let said = verdicts(store, (model, kept), &judges, &asked.held_out)?;
    Ok(asked.answer(said))
}

/// An evaluation in which the head in use has been judged, and a candidate with a backbone of its own
/// has not.
pub struct Begun<'a> {
    asked: Asked<'a>,
    current: Vec<[Option<Verdict>; 1]>,
}

impl std::fmt::Debug for Begun<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Begun(..)")
    }
}

impl<'a> Begun<'a> {
    /// Judges the head in use.
    ///
    /// # Errors
    /// [`LearnError`].
    pub fn with(
        store: &Store,
        model: &mut Model,
        kept: &mut Kept,
        project: &'a ProjectRow,
        order: &'a EvaluationOrder,
    ) -> Result<Self, LearnError> {
        let asked = Asked::of(store, model, project, order)?;
        let judges = [judge(&order.current, model.manifest().shape())?];
        let current = verdicts(store, (model, kept), &judges, &asked.held_out)?;
        Ok(Self { asked, current })
    }

    /// Judges the candidate as the bundle that it is: by its own backbone, head and calibration.
    ///
    /// # Errors
    /// [`LearnError::Store`].
    pub fn judge(self, store: &Store, candidate: &mut Model) -> Result<Tally, LearnError> {
        let Self { asked, current } = self;
        let judges = [(candidate.head().clone(), candidate.manifest().calibration.clone())];
        // It is loaded for this alone: nobody will ask for its features again.
        let mut kept = Kept::nothing();
        let said = verdicts(store, (candidate, &mut kept), &judges, &asked.held_out)?;
        let both =
            current.into_iter().zip(said).map(|([current], [candidate])| [current, candidate]);
        Ok(asked.answer(both))
    }
}

/// The items that an evaluation is about, and the form of its answer.
struct Asked<'a> {
    project: &'a Project,
    order: &'a EvaluationOrder,
    outline: Outline,
    held_out: Vec<Lesson>,
}

impl<'a> Asked<'a> {
    fn of(
        store: &Store,
        model: &Model,
        project: &'a ProjectRow,
        order: &'a EvaluationOrder,
    ) -> Result<Self, LearnError> {
        let definition = &project.definition;
        let outline = outline(definition, order)?;
        let manifest = model.manifest();
        let (active, features) = (manifest.backbone.digest, manifest.features);
        if order.backbone != active {
            return Err(LearnError::Backbone { ordered: order.backbone, active });
        }
        if !usize::try_from(order.features).is_ok_and(|ordered| ordered == features) {
            let classes = u16::try_from(definition.classes.len()).unwrap_or(u16::MAX);
            return Err(LearnError::Shape { classes, features: order.features });
        }
        let name = [b"evaluation/", order.evaluation.0.as_slice()].concat();
        let held_out = lessons(store, project, true, &name, ItemsPerSubject::ONE)?;
        Ok(Self { project: definition, order, outline, held_out })
    }

    /// Counts what both contenders say of the items, in their order.
    fn answer(self, said: impl IntoIterator<Item = [Option<Verdict>; 2]>) -> Tally {
        let Self { project, order, outline, held_out } = self;
        let mut counts = Counts::new(EvaluationShape::of(project));
        for (lesson, said) in held_out.iter().zip(said) {
            counts.add(&lesson.truth, said);
        }
        let body = Body::Evaluation { evaluation: order.evaluation };
        let origin =
            format!("{} corrected items held out of training (one a subject)", held_out.len());
        Tally::of_evaluation(project, body, counts.values, outline, origin)
    }
}

type Judge = (Head, Calibration);

/// A contender's head, which may be of another kind than the one in use has: their number of weights
/// tells kinds of one class apart.
fn judge(contender: &Contender, in_use: HeadShape) -> Result<Judge, LearnError> {
    let Contender { head, calibration, .. } = contender;
    let shape = in_use.of_parameters(head.0.len() / size_of::<f32>());
    let calibration = Calibration::decode(&calibration.0, shape)?;
    Ok((shape.decode(&head.0)?, calibration))
}

/// What a contender says of an item, and whether that is right.
#[derive(Clone, Copy)]
struct Verdict {
    class: usize,
    confidence: f64,
    right: bool,
}

impl Verdict {
    /// `None` where a head gives nothing, or not of the label's kind.
    ///
    /// Of several classes a head is right when it says exactly these, and of a text when it says
    /// exactly its spans.
    fn of((head, calibration): &Judge, features: &[f32], truth: &Truth) -> Option<Self> {
        let finite = features.iter().all(|value| value.is_finite());
        if !finite || !head.takes(truth.target()) {
            return None;
        }
        let said = Prediction::of(head, calibration, features).ok()?;
        let right = match truth {
            Truth::Class(class) => said.class == *class,
            Truth::Classes(set) => {
                said.classes.iter().copied().eq(set.iter().copied().map(usize::from))
            }
            Truth::Marks(marks) => marks.whole && marks.left_out == 0 && said.tags == marks.tags,
        };
        Some(Self { class: said.class, confidence: said.confidence, right })
    }
}

/// What heads say of items over the backbone of `model`, in the items' order. Beside what is kept are
/// in memory the features of one batch.
fn verdicts<const N: usize>(
    store: &Store,
    (model, kept): (&mut Model, &mut Kept),
    judges: &[Judge; N],
    lessons: &[Lesson],
) -> Result<Vec<[Option<Verdict>; N]>, LearnError> {
    let mut said = Vec::with_capacity(lessons.len());
    for batch in batches(lessons, batch_items(model)) {
        for Studied { features, truth } in study(store, model, kept, batch)? {
            said.push(judges.each_ref().map(|judge| Verdict::of(judge, &features, &truth)));
        }
    }
    Ok(said)
}

/// The values of an answer.
struct Counts {
    shape: EvaluationShape,
    values: Vec<i64>,
}

impl Counts {
    fn new(shape: EvaluationShape) -> Self {
        Self { shape, values: vec![0; shape.values()] }
    }

    /// Adds an item. One of which a contender says nothing, or whose class is none of the project's
    /// any more, adds nothing: were the evaluation to fail, its absence would tell of the subject. A
    /// label that is not one class has no confusion matrix, whose cells stay zero.
    fn add(&mut self, truth: &Truth, said: [Option<Verdict>; 2]) {
        let [Some(current), Some(candidate)] = said else { return };
        let said = [current, candidate];
        let EvaluationShape { classes, bins } = self.shape;
        if matches!(truth, Truth::Class(record) if *record >= classes) {
            return;
        }
        let cell = match said.map(|verdict| verdict.right) {
            [true, true] => 0,
            [true, false] => 1,
            [false, true] => 2,
            [false, false] => 3,
        };
        self.values[self.shape.right().start + cell] += i64::from(EVALUATION_STEP);
        for (at, Verdict { class, confidence, right }) in said.into_iter().enumerate() {
            if let Truth::Class(record) = truth {
                let cell = class.min(classes - 1) * classes + record;
                self.values[self.shape.confusion(at).start + cell] += 1;
            }
            let bin = confidence_bin(confidence, classes, bins);
            let cell = bin * 2 + usize::from(right);
            self.values[self.shape.calibration(at).start + cell] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use insitu_models::head::HeadKind;

    use super::*;

    /// Two heads over two features: the first always says class 0, the second follows the features.
    fn judges() -> [Judge; 2] {
        let head = |weights: [f32; 4]| Head::new(2, 2, weights.to_vec()).unwrap();
        let plain = Calibration::identity;
        [(head([5.0, 5.0, 0.0, 0.0]), plain()), (head([5.0, 0.0, 0.0, 5.0]), plain())]
    }

    /// Adds what both say of an item.
    fn add(counts: &mut Counts, judges: &[Judge; 2], features: &[f32], truth: &Truth) {
        counts.add(truth, judges.each_ref().map(|judge| Verdict::of(judge, features, truth)));
    }

    #[test]
    fn an_item_adds_to_one_cell_of_each_table() {
        let shape = EvaluationShape { classes: 2, bins: 4 };
        let mut counts = Counts::new(shape);
        add(&mut counts, &judges(), &[0.0, 1.0], &Truth::Class(1)); // the candidate alone is right
        assert_eq!(counts.values[shape.right()], [0, 0, 2, 0]);
        assert_eq!(counts.values[shape.confusion(0)], [0, 1, 0, 0]);
        assert_eq!(counts.values[shape.confusion(1)], [0, 0, 0, 1]);
        assert_eq!(counts.values[shape.calibration(0)], [0, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!(counts.values[shape.calibration(1)], [0, 0, 0, 0, 0, 0, 0, 1]);
        let mut squares: i64 = counts.values.iter().map(|value| value * value).sum();
        let kind = Statistic::Evaluation { step: EVALUATION_STEP };
        let allowed = i64::try_from(kind.sensitivity(ItemsPerSubject::ONE).get()).unwrap();
        assert_eq!(squares, allowed);
        // What cannot be judged adds nothing at all.
        for (features, record) in [([f32::NAN, 1.0], 0), ([1.0, f32::INFINITY], 0), ([1.0, 0.0], 2)]
        {
            add(&mut counts, &judges(), &features, &Truth::Class(record));
        }
        add(&mut counts, &judges(), &[1.0], &Truth::Class(0));
        add(&mut counts, &judges(), &[1.0, 0.0], &Truth::Classes(vec![0]));
        squares = counts.values.iter().map(|value| value * value).sum();
        assert_eq!(squares, allowed);
    }

    #[test]
    fn a_label_of_no_class_of_the_project_adds_nothing() {
        let head = |weights: [f32; 6]| {
            (Head::new(3, 2, weights.to_vec()).unwrap(), Calibration::identity())
        };
        let judges = [head([5.0, 5.0, 0.0, 0.0, 0.0, 0.0]), head([5.0, 0.0, 0.0, 5.0, 0.0, 0.0])];
        let mut counts = Counts::new(EvaluationShape { classes: 2, bins: 4 });
        add(&mut counts, &judges, &[0.0, 1.0], &Truth::Class(2));
        assert!(counts.values.iter().all(|value| *value == 0), "{:?}", counts.values);
    }

    #[test]
    fn several_classes_are_right_as_a_whole() {
        let head = |weights: [f32; 4]| {
            let shape = HeadShape { kind: HeadKind::MultiLabel, classes: 2, features: 2 };
            (shape.head(weights.to_vec()).unwrap(), Calibration::identity())
        };
        // The first says both classes of every item, the second those that the features point to.
        let judges = [head([5.0, 5.0, 5.0, 5.0]), head([5.0, -5.0, -5.0, 5.0])];
        let shape = EvaluationShape { classes: 2, bins: 4 };
        let mut counts = Counts::new(shape);
        add(&mut counts, &judges, &[1.0, 0.0], &Truth::Classes(vec![0]));
        add(&mut counts, &judges, &[1.0, 0.0], &Truth::Classes(vec![0, 1]));
        add(&mut counts, &judges, &[1.0, 0.0], &Truth::Classes(vec![]));
        add(&mut counts, &judges, &[1.0, 0.0], &Truth::Class(0));
        assert_eq!(counts.values[shape.right()], [0, 2, 2, 2]);
        assert!(
            counts.values[shape.confusion(0).start..shape.confusion(1).end].iter().all(|v| *v == 0)
        );
        assert_eq!(counts.values[shape.calibration(0)].iter().sum::<i64>(), 3);
    }
}
