//! Who looks at an item: by the confidence of its prelabel, then by what its readers said.
//!
//! ```text
//! confidence ≥ accept_at, and earned ── Accepted
//!            ≥ expert_below ── First ──┬─ (overlap) ── Second ─┬─ agree ───── Done
//!                                      │                       └─ differ ── Expert ── Done
//!                                      └─ Done
//!            < expert_below ── Expert ── Done          a flag at any time ── Expert ── Done
//! ```
//!
//! Where a project's labels go through stages of review, what is done here goes there next.

mod accepts;

use insitu_protocol::ids::Digest;
use insitu_protocol::project::{Project, Routing};

pub use self::accepts::Accepts;
use crate::label::Label;
use crate::prelabel::personal::of_bundle;
use crate::prelabel::{Draft, Origin, Prelabel};
use crate::store::acceptance::Audit;
use crate::store::items::{ItemRow, Route, Stage};
use crate::store::labels::{Reading, Verdict};
use crate::store::placements::Placement;
use crate::store::{StoreError, Tx};

/// What one annotation says.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// For what the item was read.
    pub reading: Reading,
    /// What was decided.
    pub verdict: Verdict,
    /// The label, of a [`Verdict::Label`].
    pub label: Option<Label>,
}

/// The thresholds of a draft: those of the classes that it names.
fn routing_of(project: &Project, prelabel: &Prelabel) -> Routing {
    project.routing_of(prelabel.label().named())
}

/// Where a confidence in thousandths sends an item, were all that may be accepted earned.
pub fn route(routing: &Routing, confidence_milli: u16) -> Route {
    if confidence_milli >= routing.accept_at {
        Route::Accepted
    } else if confidence_milli < routing.expert_below {
        Route::Expert
    } else {
        Route::Annotator
    }
}

/// Where people see a draft that no model made: it has earned no acceptance, however sure its maker
/// is.
fn to_people(routing: &Routing, confidence_milli: u16) -> Route {
    match route(routing, confidence_milli) {
        Route::Accepted | Route::Annotator => Route::Annotator,
        Route::Expert => Route::Expert,
    }
}

/// Stores a draft with the queue to which its confidence and its origin send its item, unless a
/// person has labeled or is about to label the item.
///
/// What is accepted at the confidence that the project demands of the draft's classes, the
/// strictest of several, is accepted as far as `accepts` says so; an annotator has the rest. A
/// person reads a held-out item however sure the model is: an evaluation by items that one model
/// was unsure of would say little about any.
///
/// # Errors
/// [`StoreError`].
pub fn place(
    tx: &Tx<'_>,
    project: &Project,
    accepts: &Accepts,
    row: &ItemRow,
    draft: &Draft,
    now: i64,
) -> Result<bool, StoreError> {
    let confidence = draft.prelabel.confidence_milli();
    let routing = routing_of(project, &draft.prelabel);
    let people = match draft.is_scored() {
        true => to_people(&routing, confidence),
        false => Route::Annotator,
    };
    // What could be accepted, and so is counted only if it is audited, is for the bundle to say: a
    // head of the site's own knows everybody's labels.
    let of_others = draft.origin.as_ref().is_some_and(Origin::is_of_others);
    let before = if of_others { of_bundle(row)? } else { None };
    let of_bundle = draft.of_bundle.as_ref().or(before.as_ref());
    let own = of_bundle.unwrap_or(&draft.prelabel);
    let could = draft.origin.is_none()
        && route(&routing_of(project, own), own.confidence_milli()) == Route::Accepted
        && !row.holdout;
    let (route, audit) = if could {
        match accepts.decide(tx, row, draft.prelabel.class(), confidence) {
            (Route::Accepted, audit) if confidence < routing.accept_at => (people, audit),
            decided => decided,
        }
    } else if before.is_some() {
        // Whether it counts was decided when the bundle's prelabel came.
        (people, row.audit)
    } else {
        (people, Audit::Outside)
    };
    // Drawn for what is accepted too: it may go back to people.
    let second = route != Route::Expert && tx.chosen("overlap", &row.opaque, routing.overlap, 1000);
    let (probabilities, origin) = (draft.encode_probabilities(), draft.encode_origin()?);
    let scores = draft.encode_scores()?;
    let of_bundle = of_bundle.map(Prelabel::encode).transpose()?;
    let placement = Placement {
        item: row.item,
        opaque: row.opaque,
        prelabel: Some(&draft.prelabel.encode()?),
        of_bundle: of_bundle.as_deref(),
        probabilities: probabilities.as_deref(),
        scores: scores.as_deref(),
        origin: origin.as_deref(),
        lasting: draft.is_lasting(),
        bundle: draft.prelabel.bundle().0,
        route,
        second,
        audit,
        stage: stage(route, second, &[]),
    };
    tx.place(&placement, now)
}

/// Sends an item that no model drafts a label for to annotators, without a prelabel.
///
/// # Errors
/// [`StoreError`].
pub fn place_without_prelabel(
    tx: &Tx<'_>,
    routing: &Routing,
    row: &ItemRow,
) -> Result<bool, StoreError> {
    let second = tx.chosen("overlap", &row.opaque, routing.overlap, 1000);
    let route = Route::Annotator;
    tx.place_without_prelabel(row.item, route, second, stage(route, second, &[]))
}

/// Sends an item that a model fails on to annotators, without the prelabel that another may have made,
/// unless a person has labeled or is about to label it. It is taken for `maker`'s, so that this model
/// does not try again and the next one does.
///
/// # Errors
/// [`StoreError`].
pub fn place_failed(
    tx: &Tx<'_>,
    routing: &Routing,
    row: &ItemRow,
    maker: Digest,
    now: i64,
) -> Result<bool, StoreError> {
    let second = tx.chosen("overlap", &row.opaque, routing.overlap, 1000);
    let route = Route::Annotator;
    let placement = Placement {
        item: row.item,
        opaque: row.opaque,
        prelabel: None,
        of_bundle: None,
        probabilities: None,
        scores: None,
        origin: None,
        lasting: false,
        bundle: maker.0,
        route,
        second,
        audit: Audit::Outside,
        stage: stage(route, second, &[]),
    };
    tx.place(&placement, now)
}

/// Whom an item waits for, given everything that was said about it, oldest first. Judgements beside
/// synthetic items say nothing about that.
pub fn stage(route: Route, second: bool, reads: &[Read]) -> Stage {
    let label = |wanted: Reading| {
        reads
            .iter()
            .find(|read| read.reading == wanted && read.verdict == Verdict::Label)
            .and_then(|read| read.label.as_ref())
    };
    let decides = |read: &Read| read.verdict == Verdict::Label && read.reading.decides();
    let flagged =
        reads.iter().rposition(|read| read.verdict == Verdict::Flag && read.reading.is_of_record());
    match (reads.iter().rposition(decides), flagged) {
        // A flag after a deciding label asks for another.
        (decided, Some(flagged)) if decided < Some(flagged) => return Stage::Expert,
        (Some(_), _) => return Stage::Done,
        (None, _) => {}
    }
    match (route, label(Reading::First), label(Reading::Second)) {
        (Route::Accepted, None, _) => Stage::Accepted,
        (Route::Expert, _, _) => Stage::Expert,
        (Route::Annotator, None, _) => Stage::First,
        (Route::Annotator, Some(_), None) if second => Stage::Second,
        (Route::Annotator | Route::Accepted, Some(first), Some(other)) if !first.agrees(other) => {
            Stage::Expert
        }
        (Route::Annotator | Route::Accepted, Some(_), _) => Stage::Done,
    }
}

/// The label of record: an expert's or a reviewer's latest, else the first reader's.
pub fn label_of_record(reads: &[Read]) -> Option<&Label> {
    let labels = || reads.iter().filter(|read| read.verdict == Verdict::Label);
    labels()
        .rfind(|read| read.reading.decides())
        .or_else(|| labels().find(|read| read.reading == Reading::First))
        .and_then(|read| read.label.as_ref())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::label::{Region, Segment, Shape, Span};
    use crate::testing;

    const ROUTING: Routing = Routing { accept_at: 900, expert_below: 600, overlap: 0 };

    fn label(reading: Reading, class: u16) -> Read {
        Read { reading, verdict: Verdict::Label, label: Some(Label::Class(class)) }
    }

    fn other(reading: Reading, verdict: Verdict) -> Read {
        Read { reading, verdict, label: None }
    }

    #[test]
    fn thresholds_are_closed_below() {
        for (milli, expected) in [
            (1000, Route::Accepted),
            (900, Route::Accepted),
            (899, Route::Annotator),
            (600, Route::Annotator),
            (599, Route::Expert),
            (0, Route::Expert),
        ] {
            assert_eq!(route(&ROUTING, milli), expected, "{milli}");
        }
        let never = Routing { accept_at: 1001, ..ROUTING };
        assert_eq!(route(&never, 1000), Route::Annotator);
    }

    /// Where a draft goes whose confidence is 0.93, in the project of tests, whose class 1 demands
    /// more.
    #[track_caller]
    fn check_placed(label: Label, accept_at: Option<u16>, expert_below: Option<u16>, to: Route) {
        let scratch = crate::store::tests::scratch();
        let mut project = testing::project();
        project.classes[1].accept_at = accept_at;
        project.classes[1].expert_below = expert_below;
        let row = testing::put(&scratch.store, &project);
        testing::add_items(&scratch.store, &row, 0..1, 1);
        let draft = Prelabel::of_label_for_test(label.clone(), 0.93).into();
        let placed = scratch.store.tx("test", |tx| {
            let item = tx.items_in_stage(row.project, Stage::Clean, 0, 1)?.remove(0);
            assert!(place(tx, &project, &Accepts::Assumed, &item, &draft, 0)?);
            Ok::<_, StoreError>(tx.item(item.item)?.unwrap().route)
        });
        assert_eq!(placed.unwrap(), Some(to), "{label:?}");
    }

    /// Classes, spans, regions and segments, of these classes each.
    fn of_each_kind(classes: &[u16]) -> [Label; 4] {
        let all = || classes.iter().copied();
        let span = |class| Span { start: 0, end: 1 + u32::from(class), class };
        let shape = || Shape::Box { x: 1.0, y: 1.0, width: 9.0, height: 9.0 };
        let end = |class| 1.0 + f64::from(class);
        let segment = |class| Segment { class, start: 0.0, end: end(class), channel: None };
        [
            Label::classes(classes.to_vec()),
            Label::spans(all().map(span).collect(), vec![]).unwrap(),
            Label::regions(all().map(|class| Region { class, shape: shape() }).collect()),
            Label::segments(all().map(segment).collect()),
        ]
    }

    #[test]
    fn a_draft_is_routed_by_the_thresholds_of_its_classes() {
        for (classes, accept_at, expert_below, to) in [
            (&[0][..], 950, None, Route::Accepted),
            (&[], 950, None, Route::Accepted),
            (&[0, 1], 950, None, Route::Annotator),
            (&[0, 1], 950, Some(940), Route::Expert),
            (&[1], 920, Some(100), Route::Accepted),
        ] {
            for label in of_each_kind(classes) {
                check_placed(label, Some(accept_at), expert_below, to);
            }
        }
        check_placed(Label::Class(0), Some(950), Some(950), Route::Accepted);
        check_placed(Label::Class(1), Some(950), None, Route::Annotator);
        check_placed(Label::Class(1), Some(950), Some(940), Route::Expert);
    }

    #[test]
    fn reads_move_an_item_on() {
        use Reading::{Campaign, Expert, First, Review, Second};
        use Route::{Accepted, Annotator};
        /// Route, second reader, reads; stage and label of record.
        type Case = (Route, bool, Vec<Read>, Stage, Option<u16>);
        let cases: &[Case] = &[
            (Accepted, false, vec![], Stage::Accepted, None),
            (Accepted, false, vec![label(Campaign, 1)], Stage::Done, Some(1)),
            (Annotator, true, vec![], Stage::First, None),
            (Annotator, false, vec![label(First, 1)], Stage::Done, Some(1)),
            (Annotator, true, vec![label(First, 1)], Stage::Second, Some(1)),
            (Annotator, true, vec![label(First, 1), label(Second, 1)], Stage::Done, Some(1)),
            (Annotator, true, vec![label(First, 1), label(Second, 0)], Stage::Expert, Some(1)),
            (
                Annotator,
                true,
                vec![label(First, 1), label(Second, 0), label(Expert, 0)],
                Stage::Done,
                Some(0),
            ),
            (Annotator, false, vec![other(First, Verdict::Skip)], Stage::First, None),
            (Annotator, false, vec![other(First, Verdict::Flag)], Stage::Expert, None),
            (
                Annotator,
                false,
                vec![label(First, 1), other(First, Verdict::Flag), label(Expert, 0)],
                Stage::Done,
                Some(0),
            ),
            (
                Annotator,
                false,
                vec![label(First, 1), label(Expert, 0), other(Expert, Verdict::Flag)],
                Stage::Expert,
                Some(0),
            ),
            (Route::Expert, true, vec![], Stage::Expert, None),
            (Route::Expert, true, vec![label(Expert, 2)], Stage::Done, Some(2)),
            (
                Annotator,
                false,
                vec![label(First, 1), label(Expert, 0), label(Campaign, 2)],
                Stage::Done,
                Some(2),
            ),
            (
                Annotator,
                false,
                vec![label(First, 1), label(Expert, 0), label(Review, 2)],
                Stage::Done,
                Some(2),
            ),
            (
                Annotator,
                false,
                vec![label(First, 1), other(Review, Verdict::Flag)],
                Stage::Expert,
                Some(1),
            ),
        ];
        for (route, second, reads, expected, record) in cases {
            assert_eq!(stage(*route, *second, reads), *expected, "{reads:?}");
            assert_eq!(label_of_record(reads).and_then(Label::class), *record, "{reads:?}");
        }
    }

    #[test]
    fn readers_who_agree_need_no_expert() {
        let region = |x: f64| {
            let shape = Shape::Box { x, y: 10.0, width: 20.0, height: 20.0 };
            Some(Label::regions(vec![Region { class: 0, shape }]))
        };
        let read = |reading, x| Read { reading, verdict: Verdict::Label, label: region(x) };
        for (x, expected) in [(12.0, Stage::Done), (25.0, Stage::Expert)] {
            let reads = [read(Reading::First, 10.0), read(Reading::Second, x)];
            assert_eq!(stage(Route::Annotator, true, &reads), expected);
            assert_eq!(label_of_record(&reads), region(10.0).as_ref());
        }
    }

    /// A judgement beside synthetic items.
    fn judgement() -> impl Strategy<Value = Read> {
        (0_u16..3, 0..3).prop_map(|(class, kind)| match kind {
            0 => other(Reading::Validation, Verdict::Skip),
            1 => other(Reading::Validation, Verdict::Flag),
            _ => label(Reading::Validation, class),
        })
    }

    fn reads() -> impl Strategy<Value = Vec<Read>> {
        let reading = prop_oneof![
            Just(Reading::First),
            Just(Reading::Second),
            Just(Reading::Expert),
            Just(Reading::Campaign),
            Just(Reading::Review)
        ];
        let read = (reading, 0_u16..3, 0..4).prop_map(|(reading, class, kind)| match kind {
            0 => other(reading, Verdict::Skip),
            1 => other(reading, Verdict::Flag),
            _ => label(reading, class),
        });
        proptest::collection::vec(read, 0..6)
    }

    proptest! {
        /// What is said beside synthetic items moves nothing, whenever it is said.
        #[test]
        fn a_judgement_changes_nothing(reads in reads(), judgement in judgement(), at: prop::sample::Index, second: bool) {
            let mut judged = reads.clone();
            judged.insert(at.index(reads.len() + 1), judgement);
            prop_assert_eq!(label_of_record(&judged), label_of_record(&reads));
            for route in [Route::Accepted, Route::Annotator, Route::Expert] {
                prop_assert_eq!(stage(route, second, &judged), stage(route, second, &reads));
            }
        }

        /// Nothing is done without a label of record, and a skip never changes anything.
        #[test]
        fn done_means_labeled(reads in reads(), second: bool, route in 0..3_usize) {
            let route = [Route::Accepted, Route::Annotator, Route::Expert][route];
            let now = stage(route, second, &reads);
            if now == Stage::Done {
                prop_assert!(label_of_record(&reads).is_some());
            }
            let mut skipped = reads;
            skipped.push(other(Reading::First, Verdict::Skip));
            prop_assert_eq!(stage(route, second, &skipped), now);
        }
    }
}
