//! Evaluation: how right two heads are on the items that the site holds out of training.
//!
//! Both see the same items, one of each subject, under the backbone in use: what is released is by
//! how much they differ more than how good each is. The counts are a tally like any other.

use insitu_models::calibration::Calibration;
use insitu_models::head::{Head, HeadShape};
use insitu_models::predict::Prediction;
use insitu_privacy::contribution::ItemsPerSubject;
use insitu_privacy::statistics::Statistic;
use insitu_protocol::order::{Contender, EVALUATION_STEP, EvaluationOrder, EvaluationShape};
use insitu_protocol::project::Project;
use insitu_protocol::release::Body;

use super::{LearnError, Truth, batch_items, batches, lessons, study};
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

/// Counts how right both heads of an evaluation are.
///
/// # Errors
/// [`LearnError`].
pub fn evaluate(
    store: &Store,
    model: &mut Model,
    project: &ProjectRow,
    order: &EvaluationOrder,
) -> Result<Tally, LearnError> {
    let definition = &project.definition;
    let outline = outline(definition, order)?;
    let manifest = model.manifest();
    let (active, features) = (manifest.backbone.digest, manifest.features);
    if order.backbone != active {
        return Err(LearnError::Backbone { ordered: order.backbone, active });
    }
    let classes = definition.classes.len();
    if !usize::try_from(order.features).is_ok_and(|ordered| ordered == features) {
        let classes = u16::try_from(classes).unwrap_or(u16::MAX);
        return Err(LearnError::Shape { classes, features: order.features });
    }
    let shape = manifest.shape();
    let judges = [judge(&order.current, shape)?, judge(&order.candidate, shape)?];
    let name = [b"evaluation/", order.evaluation.0.as_slice()].concat();
    let held_out = lessons(store, project, true, &name, ItemsPerSubject::ONE)?;
    let mut counts = Counts::new(EvaluationShape::of(definition));
    for batch in batches(&held_out, batch_items(model)) {
        for item in study(store, model, batch)? {
            counts.add(&judges, &item.features, &item.truth);
        }
    }
    let body = Body::Evaluation { evaluation: order.evaluation };
    let origin = format!("{} corrected items held out of training (one a subject)", held_out.len());
    Ok(Tally::of_evaluation(definition, body, counts.values, outline, origin))
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

/// The values of an answer.
struct Counts {
    shape: EvaluationShape,
    values: Vec<i64>,
}

impl Counts {
    fn new(shape: EvaluationShape) -> Self {
        Self { shape, values: vec![0; shape.values()] }
    }

    /// Adds an item. One for which a head gives nothing (features that are not finite) adds nothing:
    /// were the evaluation to fail, its absence would tell of the subject.
    ///
    /// Of several classes a head is right when it says exactly these, and of a text when it says
    /// exactly its spans; both have no confusion matrix, whose cells stay zero.
    fn add(&mut self, judges: &[Judge; 2], features: &[f32], truth: &Truth) {
        let [Ok(current), Ok(candidate)] = judges
            .each_ref()
            .map(|(head, calibration)| Prediction::of(head, calibration, features))
        else {
            return;
        };
        let EvaluationShape { classes, bins } = self.shape;
        let fits = judges.iter().all(|(head, _)| head.takes(truth.target()));
        if features.iter().any(|value| !value.is_finite()) || !fits {
            return;
        }
        let right = [&current, &candidate].map(|prediction| match truth {
            Truth::Class(class) => prediction.class == *class,
            Truth::Classes(set) => {
                prediction.classes.iter().copied().eq(set.iter().copied().map(usize::from))
            }
            Truth::Marks(marks) => {
                marks.whole && marks.left_out == 0 && prediction.tags == marks.tags
            }
        });
        let cell = match right {
            [true, true] => 0,
            [true, false] => 1,
            [false, true] => 2,
            [false, false] => 3,
        };
        self.values[self.shape.right().start + cell] += i64::from(EVALUATION_STEP);
        for (at, prediction) in [current, candidate].into_iter().enumerate() {
            if let Truth::Class(record) = truth {
                let cell = prediction.class.min(classes - 1) * classes + record;
                self.values[self.shape.confusion(at).start + cell] += 1;
            }
            let bin = confidence_bin(prediction.confidence, classes, bins);
            let cell = bin * 2 + usize::from(right[at]);
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

    #[test]
    fn an_item_adds_to_one_cell_of_each_table() {
        let shape = EvaluationShape { classes: 2, bins: 4 };
        let mut counts = Counts::new(shape);
        counts.add(&judges(), &[0.0, 1.0], &Truth::Class(1)); // the candidate alone is right
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
            counts.add(&judges(), &features, &Truth::Class(record));
        }
        counts.add(&judges(), &[1.0], &Truth::Class(0));
        counts.add(&judges(), &[1.0, 0.0], &Truth::Classes(vec![0]));
        squares = counts.values.iter().map(|value| value * value).sum();
        assert_eq!(squares, allowed);
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
        counts.add(&judges, &[1.0, 0.0], &Truth::Classes(vec![0]));
        counts.add(&judges, &[1.0, 0.0], &Truth::Classes(vec![0, 1]));
        counts.add(&judges, &[1.0, 0.0], &Truth::Classes(vec![]));
        counts.add(&judges, &[1.0, 0.0], &Truth::Class(0));
        assert_eq!(counts.values[shape.right()], [0, 2, 2, 2]);
        assert!(
            counts.values[shape.confusion(0).start..shape.confusion(1).end].iter().all(|v| *v == 0)
        );
        assert_eq!(counts.values[shape.calibration(0)].iter().sum::<i64>(), 3);
    }
}
