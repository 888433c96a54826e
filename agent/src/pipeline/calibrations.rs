//! Confidences fitted to the site's own labels, again when there are a tenth more of them.

use insitu_models::calibrate;
use insitu_protocol::ids::Digest;

use super::{Pipeline, PipelineError};
use crate::prelabel::calibrated;
use crate::quality::corrections;
use crate::store::orders::ProjectRow;
use crate::store::{Store, StoreError};

/// How often a project's labels are counted, seconds.
const LOOK_SECONDS: i64 = 60;
/// Fewest drafts of one maker that were answered: a map by fewer would be one of chance.
const ANSWERED_MIN: usize = 200;
/// It is fitted again after so many new labels, or a tenth of those at the last fit.
const LABELS_NEW: u64 = 50;

impl Pipeline {
    /// Fits how often drafts of what makes them now are right at this site, if that is due.
    pub(super) fn calibrate(
        &mut self,
        project: &ProjectRow,
        now: i64,
    ) -> Result<(), PipelineError> {
        let Some(bundle) = project.bundle else { return Ok(()) };
        let last = self.calibrated_at.get(&project.project);
        let due = !last.is_some_and(|last| (0..LOOK_SECONDS).contains(&(now - last)));
        if !due || !project.definition.task.is_one_class() {
            return Ok(());
        }
        self.calibrated_at.insert(project.project, now);
        Ok(fit(&self.store, project, &bundle)?)
    }
}

/// Fits the drafts of what makes them while `bundle` is in use, if there are enough, and enough new ones.
fn fit(store: &Store, project: &ProjectRow, bundle: &Digest) -> Result<(), StoreError> {
    let (maker, known, labels, erasures) = store.read("calibration", |tx| {
        let maker = tx.maker(project.project, bundle)?;
        let labels = tx.annotation_counts(project.project)?.0;
        Ok::<_, StoreError>((maker, tx.calibration(project.project)?, labels, tx.erasures()?))
    })?;
    let fresh = known.is_some_and(|row| {
        row.maker == maker && labels.abs_diff(row.labels) < LABELS_NEW.max(row.labels / 10)
    });
    if fresh {
        return Ok(());
    }
    let (confidence, right) = corrections(store, project, &maker)?;
    if confidence.len() < ANSWERED_MIN {
        return Ok(());
    }
    let chance = 1.0 / project.definition.classes.len().max(1) as f64;
    let Ok(knots) = calibrate::knots(&confidence, &right, chance) else { return Ok(()) };
    let row = calibrated::encode(maker, labels, &knots)?;
    store.tx("calibrated", |tx| {
        // It may know what was erased meanwhile: the next look fits it anew.
        let stands = tx.erasures()? == erasures;
        if stands { tx.put_calibration(project.project, &row) } else { Ok(()) }
    })
}

#[cfg(test)]
mod tests {
    use insitu_protocol::bytes::Fixed;

    use super::*;
    use crate::label::Label;
    use crate::prelabel::calibrated::By;
    use crate::review::{Annotation, Card, Decision, annotate, next};
    use crate::store::labels::{Person, Role};
    use crate::testing;

    fn cards(store: &Store, person: &Person) -> Vec<Card> {
        next(store, person, &testing::project().name, 50, 0).unwrap()
    }

    #[test]
    fn people_see_how_often_drafts_were_right_at_their_site() {
        let scratch = crate::store::tests::scratch();
        let store = &scratch.store;
        let mut project = testing::project();
        project.routing.overlap = 0;
        let row = testing::put(store, &project);
        testing::add_items(store, &row, 0..210, 210);
        testing::prelabel(store, &row, |_| 0.75);
        let ann = testing::person(store, "ann", Role::Annotator);
        let first = &cards(store, &ann)[0].confidence;
        assert_eq!((first.value, first.by), (Some(0.75), None), "nobody fitted it");
        let mut said = 0;
        while said < 205 {
            for card in cards(store, &ann) {
                if said == 199 {
                    fit(store, &row, &Fixed([7; 32])).unwrap();
                    let known = store.read("test", |tx| tx.calibration(row.project)).unwrap();
                    assert_eq!(known, None, "199 are too few");
                }
                let annotation = Annotation {
                    key: format!("{said}"),
                    label: Some(Label::Class(u16::from(said % 5 < 3))),
                    seconds: 1.0,
                    decision: Decision::Correct,
                    comment: None,
                    looks_real: None,
                    reason: None,
                };
                annotate(store, &ann, &card.row.opaque, &annotation, 1).unwrap();
                said += 1;
                if said == 205 {
                    break;
                }
            }
        }
        fit(store, &row, &Fixed([7; 32])).unwrap();
        let bob = testing::person(store, "bob", Role::Annotator);
        let left = next(store, &bob, &project.name, 50, 1000).unwrap();
        let shown = left[0].confidence;
        assert_eq!(shown.by, Some(By::Site));
        assert!((shown.value.unwrap() - 0.6).abs() < 1e-9, "{shown:?}");
        assert!(left[0].why.ends_with("confidence 0.60"), "{}", left[0].why);
        // What it decides by is what its maker said.
        assert!((left[0].prelabel.as_ref().unwrap().confidence() - 0.75).abs() < 1e-12);
        fit(store, &row, &Fixed([8; 32])).unwrap();
        let known = store.read("test", |tx| tx.calibration(row.project)).unwrap().unwrap();
        assert_eq!(known.maker, Fixed([7; 32]), "nothing is known of another one's drafts");
    }
}
