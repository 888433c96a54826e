//! Agreement of boxes, spans, segments of time and tracks.

use insitu_measure::InvalidInput;
use insitu_measure::agreement::{
    Confusion, Rectangle, Segment, Span, SpanAgreement, SpanScore, Weights, match_boxes,
    segment_edit_score, segment_f1, segments as segments_of, token_labels,
};
use insitu_measure::tracks::{Observation, TrackScores};
use serde_json::{Value, json};

use crate::case::{Case, Problem, defined, floats, ids, size};

fn rectangles(value: &Value) -> Result<Vec<Rectangle>, InvalidInput> {
    floats(value).chunks_exact(4).map(|b| Rectangle::new(b[0], b[1], b[2], b[3])).collect()
}

pub(crate) fn boxes(case: &mut Case<'_>) -> Result<(), Problem> {
    let a = rectangles(case.input("boxes_a_xywh"))?;
    let b = rectangles(case.input("boxes_b_xywh"))?;
    let (class_a, class_b) = (ids(case.input("classes_a")), ids(case.input("classes_b")));
    let iou: Vec<Vec<f64>> = a.iter().map(|a| b.iter().map(|b| a.iou(b)).collect()).collect();
    case.close("iou", iou);
    for key in case.keys("hungarian@") {
        let least = key.trim_start_matches("hungarian@").parse()?;
        let found = match_boxes(&a, &b, least)?;
        let same = found.pairs.iter().filter(|(i, j)| class_a[*i] == class_b[*j]).count();
        let pairs: Vec<_> = found.pairs.iter().map(|(i, j)| json!([i, j])).collect();
        let value = json!({"tp": pairs.len(), "pairs": pairs, "f1": found.f1,
            "mean_iou_matched": found.mean_iou, "class_agree": same});
        case.close(&key, value);
    }
    Ok(())
}

pub(crate) fn spans(case: &mut Case<'_>) -> Result<(), Problem> {
    let labels: Vec<&str> =
        case.input("labels").as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let label = |value: &Value| {
        (0..).zip(&labels).find(|(_, l)| Some(**l) == value.as_str()).map_or(0, |(at, _)| at)
    };
    let read = |key: &str| -> Vec<Vec<Span>> {
        let documents = case.input(key).as_array().into_iter().flatten();
        let span = |v: &Value| Span { start: size(&v[0]), end: size(&v[1]), label: label(&v[2]) };
        documents.map(|spans| spans.as_array().into_iter().flatten().map(span).collect()).collect()
    };
    let (a, b) = (read("spans_a"), read("spans_b"));
    let both = SpanAgreement::new(&a, &b)?;
    let SpanScore { precision, recall, f1 } = both.exact_score();
    case.close("entity_f1_strict", f1);
    case.close("precision", precision);
    case.close("recall", recall);
    case.close("tp", both.exact);
    case.close("n_a", both.first);
    case.close("n_b", both.second);
    let SpanScore { precision, recall, f1 } = both.partial_score();
    case.close("overlap_same_type", json!({"precision": precision, "recall": recall, "f1": f1}));
    let tokens = size(case.input("tokens_per_doc"));
    let mut confusion = Confusion::from_labels(labels.len(), &[], &[])?;
    for (a, b) in a.iter().zip(&b) {
        let (a, b) = (token_labels(a, tokens, 0)?, token_labels(b, tokens, 0)?);
        confusion.add(&Confusion::from_labels(labels.len(), &a, &b)?)?;
    }
    case.close("token_confusion", crate::case::table(confusion.counts(), labels.len()));
    case.close("token_kappa", defined(confusion.kappa(Weights::Identity).map(|k| k.value))?);
    Ok(())
}

pub(crate) fn segments(case: &mut Case<'_>) -> Result<(), Problem> {
    let (frames_a, frames_b) = (ids(case.input("a")), ids(case.input("b")));
    let (a, b) = (segments_of(&frames_a), segments_of(&frames_b));
    let listed = |segments: &[Segment]| -> Value {
        segments.iter().map(|s| json!([s.start, s.end, s.label])).collect()
    };
    case.close("segments_a", listed(&a));
    case.close("segments_b", listed(&b));
    let classes = frames_a.iter().chain(&frames_b).max().map_or(0, |top| *top as usize + 1);
    let frames = Confusion::from_labels(classes, &frames_a, &frames_b)?;
    case.close("frame_accuracy", defined(frames.agreement())?);
    case.close("frame_kappa", defined(frames.kappa(Weights::Identity).map(|k| k.value))?);
    for key in case.keys("f1@") {
        let percent: f64 = key.trim_start_matches("f1@").parse()?;
        case.close(&key, segment_f1(&a, &b, percent / 100.0)?);
    }
    case.close("edit", segment_edit_score(&a, &b)?);
    Ok(())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small identifiers")]
pub(crate) fn tracks(case: &mut Case<'_>) -> Result<(), Problem> {
    let frames = case.input("frames_[id,x,y,w,h]").as_array().into_iter().flatten();
    let read = |frame: &Value, key: &str| -> Result<Vec<Observation>, InvalidInput> {
        let rows = floats(&frame[key]);
        rows.chunks_exact(5)
            .map(|r| {
                let place = Rectangle::new(r[1], r[2], r[3], r[4])?;
                Ok(Observation { track: r[0] as u64, place })
            })
            .collect()
    };
    let mut reference = Vec::new();
    let mut found = Vec::new();
    for frame in frames {
        reference.push(read(frame, "gt")?);
        found.push(read(frame, "hyp")?);
    }
    let distance_max = case.input("max_iou_distance").as_f64().unwrap_or(f64::NAN);
    let scores = TrackScores::new(&reference, &found, distance_max)?;
    case.close("mota", scores.accuracy());
    case.close("motp", scores.mean_distance());
    case.close("idf1", scores.identity_f1());
    case.close("idp", scores.identity_precision());
    case.close("idr", scores.identity_recall());
    case.close("num_switches", scores.switches);
    case.close("num_misses", scores.misses);
    case.close("num_false_positives", scores.false_positives);
    case.close("num_objects", scores.objects);
    case.close("mostly_tracked", scores.mostly_tracked);
    Ok(())
}
