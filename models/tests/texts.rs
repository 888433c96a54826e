//! Bundles of texts, from a model's folder to prelabels, with whatever engine there is.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![cfg(feature = "runtime")]

mod tiny;

use std::path::{Path, PathBuf};

use insitu_models::bundle::{Bundle, BundleError};
use insitu_models::check::CheckError;
use insitu_models::engine::{Engine, Library};
use insitu_models::head::{HeadKind, Target};
use insitu_models::manifest::{ManifestError, Pooling, Sentence, WORD_FEATURES};
use insitu_models::pack::{PackError, TextModel, Title};
use insitu_models::predict::{PredictError, Predictor};
use insitu_models::text::TextError;
use insitu_models::text::words::{WORDS_MAX, Words};
use insitu_models::tokens::{Span, tag};
use insitu_models::wordpiece::TokenizerError;
use insitu_protocol::text::Line;
use tiny::graph;
use tiny::parts::{node, number, part};

fn folder(backbone: &[u8], tokenizer: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.onnx"), backbone).unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer).unwrap();
    folder
}

fn engine() -> Engine {
    Engine::start(&Library::Search).unwrap()
}

fn line(text: &str) -> Line {
    Line::new(text).unwrap()
}

fn packed_with(kind: HeadKind) -> Bundle {
    let folder = folder(&tiny::backbone(0), &tiny::tokenizer());
    let model = TextModel::open(folder.path(), 8, Pooling::Mean).unwrap();
    let classes = vec![line("heart"), line("bank_card")];
    let title = Title { name: line("tiny"), field: line("note"), classes, licences: Vec::new() };
    model.bundle(&engine(), title, kind).unwrap()
}

fn packed() -> Bundle {
    packed_with(HeadKind::Softmax)
}

#[test]
fn a_bundle_of_each_kind_reproduces_its_golden_outputs_and_judges() {
    let texts = ["heart rate", "bank card"];
    let plain = packed_with(HeadKind::Softmax);
    let classes = |kind| {
        let bundle = packed_with(kind);
        assert_eq!(bundle.manifest().kind, kind);
        assert_eq!(bundle.head().weights().len(), bundle.manifest().shape().parameters());
        assert_eq!(bundle.manifest().backbone, plain.manifest().backbone);
        let folder = tempfile::tempdir().unwrap();
        bundle.write_to(&folder.path().join("bundle")).unwrap();
        let bundle = Bundle::open(&folder.path().join("bundle")).unwrap();
        let mut predictor = Predictor::load(&engine(), &bundle).unwrap();
        let found = predictor.predict_texts(&texts).unwrap();
        found.into_iter().map(|found| found.classes).collect::<Vec<_>>()
    };
    assert_eq!(classes(HeadKind::Softmax), [vec![0], vec![1]]);
    assert_eq!(classes(HeadKind::Adapter { units: 64 }), [vec![0], vec![1]]);
    assert_eq!(classes(HeadKind::MultiLabel), [vec![0], vec![1]]);
}

/// `heart` and `bank card` are what is marked.
fn packed_for_spans() -> Bundle {
    let folder = folder(&tiny::backbone(0), &tiny::tokenizer());
    let model = TextModel::open(folder.path(), 8, Pooling::Words).unwrap();
    let (name, field) = (line("tiny"), line("note"));
    let title = Title { name, field, classes: vec![line("organ")], licences: Vec::new() };
    model.bundle(&engine(), title, HeadKind::Tokens).unwrap()
}

#[test]
fn a_bundle_for_spans_begins_with_none_and_marks_what_its_successor_learned() {
    let first = packed_for_spans();
    let manifest = first.manifest();
    assert_eq!((manifest.kind, manifest.features), (HeadKind::Tokens, 3 + WORD_FEATURES));
    let mut predictor = Predictor::load(&engine(), &first).unwrap();
    let (none, judged) = predictor.mark("My heart, my bank card!").unwrap();
    assert_eq!((none, judged.tags), (vec![], vec![0; 7]));
    assert!((judged.confidence - 1.0 / 3.0).abs() < 1e-6, "it knows nothing");
    assert!(predictor.features_of_texts(&["heart"]).is_err());

    // Descends along texts of which the spans are known.
    let known = [("The heart", vec![(4, 9)]), ("a bank card", vec![(2, 11)]), ("no x", vec![])];
    let lessons: Vec<(Words, Vec<u16>)> = known
        .iter()
        .map(|(text, spans)| {
            let words = predictor.words(text).unwrap();
            let spans: Vec<Span> = spans
                .iter()
                .map(|(start, end)| Span { start: *start, end: *end, class: 0 })
                .collect();
            let tagged = tag(&words.ranges, &spans);
            assert_eq!(tagged.left_out, 0);
            (words, tagged.tags)
        })
        .collect();
    let mut head = first.head().clone();
    for _ in 0..200 {
        let items = lessons.iter().map(|(words, tags)| (&words.features[..], Target::Tags(tags)));
        let gradient = head.subject_gradient(items).unwrap();
        let weights = head.weights().iter().zip(&gradient).map(|(w, g)| w - 2.0 * g).collect();
        head = head.with_weights(weights).unwrap();
    }
    let next = first.successor(head, Sentence::new("of a test").unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    next.write_to(&dir.path().join("bundle")).unwrap();
    let next = Bundle::open(&dir.path().join("bundle")).unwrap();
    let mut predictor = Predictor::load(&engine(), &next).unwrap();
    let text = "🙂 שָׁלוֹם HEART, Bank card: heart";
    let (spans, judged) = predictor.mark(text).unwrap();
    let marked: Vec<String> = spans
        .iter()
        .map(|span| text.chars().skip(span.start).take(span.end - span.start).collect())
        .collect();
    assert_eq!(marked, ["HEART", "Bank card", "heart"]);
    assert!(judged.confidence > 0.5);
    let all = predictor.predict_texts(&[text, ""]).unwrap();
    assert_eq!(all[0], judged);
    assert_eq!((all[1].tags.len(), all[1].confidence), (0, 1.0), "nothing can be missed in it");
}

#[test]
fn a_long_text_goes_through_the_backbone_in_windows_and_a_longer_one_is_not_sure() {
    let mut predictor = Predictor::load(&engine(), &packed_for_spans()).unwrap();
    // Eight tokens at once; the tiny backbone's vectors do not depend on a word's neighbours.
    let long = predictor.words(&"heart bank ".repeat(30)).unwrap();
    let short = predictor.words("heart bank").unwrap();
    let width = 3 + WORD_FEATURES;
    assert_eq!((long.ranges.len(), long.features.len()), (60, 60 * width));
    assert_eq!(long.ranges[59], 325..329);
    for pair in long.features.chunks(2 * width) {
        assert_eq!(pair, short.features);
    }
    let rows = short.features.chunks(width);
    assert!(rows.map(|row| row.iter().map(|x| x * x).sum::<f32>()).all(|square| square <= 1.0));
    let most = "heart ".repeat(WORDS_MAX);
    assert!(predictor.words(&most).unwrap().whole);
    let more = predictor.words(&(most + "bank")).unwrap();
    assert_eq!((more.ranges.len(), more.whole), (WORDS_MAX, false));
    assert!(predictor.judge_words(&more).unwrap().confidence <= 0.0);
}

#[test]
fn features_are_the_mean_of_the_words_centred_and_of_length_one() {
    let folder = folder(&tiny::backbone(0), &tiny::tokenizer());
    let mut model = TextModel::open(folder.path(), 4, Pooling::Mean).unwrap();
    let mut encoder = model.encoder(&engine()).unwrap();
    let check = |got: &[f32], expected: [f32; 3]| {
        let near = got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near && got.len() == 3, "{got:?} where {expected:?} is due");
    };
    check(&encoder.features(&["Heart"]).unwrap(), [1.0, 0.0, 0.0]);
    check(&encoder.features(&["bank card"]).unwrap(), [0.0, 0.6, 0.8]); // (3, 4) / 5
    // Four words count, and no padding.
    check(&encoder.features(&["bank bank bank bank card card card"]).unwrap(), [0.0, 1.0, 0.0]);
    // Neighbours of any length change nothing, and the order stays.
    let three = encoder.features(&["bank card", "heart", "bank"]).unwrap();
    check(&three[..3], [0.0, 0.6, 0.8]);
    check(&three[3..6], [1.0, 0.0, 0.0]);
    check(&three[6..], [0.0, 1.0, 0.0]);

    model.centre_at(&engine(), &["bank", "bank card"]).unwrap();
    let mut encoder = model.encoder(&engine()).unwrap();
    let (bank, card) = (1.0 - 0.8, -0.4); // less the mean of (0, 1, 0) and (0, .6, .8)
    let length = f32::hypot(bank, card);
    check(&encoder.features(&["bank"]).unwrap(), [0.0, bank / length, card / length]);
}

#[test]
fn a_packed_bundle_prelabels_by_its_classes_names() {
    let bundle = packed();
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("bundle");
    bundle.write_to(&at).unwrap();
    let mut predictor = Predictor::load(&engine(), &Bundle::open(&at).unwrap()).unwrap();
    let found = predictor.predict_texts(&["my card, my bank!", "the HEART"]).unwrap();
    assert_eq!(found.iter().map(|p| p.class).collect::<Vec<_>>(), [1, 0]);
    assert!(found.iter().all(|p| p.confidence > 0.5));
    assert!(matches!(predictor.features(&[0.0]), Err(PredictError::Input { given: "rows" })));
    let next = bundle.successor(bundle.head().clone(), Sentence::new("again").unwrap()).unwrap();
    assert_eq!(next.tokenizer(), bundle.tokenizer());
    assert_eq!(next.objects().len(), 4);
}

#[test]
fn another_tokenizer_is_refused_by_its_digest() {
    let bundle = packed();
    let mut objects = bundle.objects();
    let text = String::from_utf8(objects[3].1.clone()).unwrap();
    objects[3].1 = text.replace("heart", "haert").into_bytes();
    let bent = Bundle::from_objects(bundle.manifest_bytes().to_vec(), |object| {
        objects.iter().find(|(known, _)| known == object).map(|(_, bytes)| bytes.clone())
    });
    assert!(matches!(bent, Err(BundleError::Digest { what: "tokenizer", .. })));
    let missing = Bundle::from_objects(bundle.manifest_bytes().to_vec(), |object| {
        let known = objects.iter().take(3).find(|(known, _)| known == object);
        known.map(|(_, bytes)| bytes.clone())
    });
    assert!(matches!(missing, Err(BundleError::Missing { what: "tokenizer" })));
}

#[test]
fn what_is_no_model_of_texts_is_refused_with_its_reason() {
    let open = |backbone: &[u8], tokenizer: &[u8]| {
        let folder = folder(backbone, tokenizer);
        TextModel::open(folder.path(), 8, Pooling::Mean)
    };
    // The tokenizer has an id that the table has no row for.
    let short = open(&tiny::backbone(1), &tiny::tokenizer()).unwrap_err();
    assert!(matches!(short, PackError::Check { source: CheckError::Integers { node: 1 } }));
    let mut text = open(&tiny::backbone(0), b"{}").unwrap_err();
    assert!(
        matches!(text, PackError::Tokenizer { source: TokenizerError::Malformed { .. } }),
        "{text}"
    );
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundles/heart-disease/backbone.onnx");
    let table = std::fs::read(shipped).unwrap();
    let refused = open(&table, &tiny::tokenizer()).unwrap_err();
    assert!(matches!(
        refused,
        PackError::Check { source: CheckError::TextInterface { what: "inputs" } }
    ));
    text = TextModel::open(&PathBuf::from("/nowhere"), 8, Pooling::Mean).unwrap_err();
    assert!(matches!(text, PackError::File { .. }));
}

#[test]
fn a_number_of_tokens_that_no_bundle_may_have_is_refused_before_the_work() {
    let folder = folder(&tiny::backbone(0), &tiny::tokenizer());
    for tokens in [0, 2, 513, usize::MAX] {
        let error = TextModel::open(folder.path(), tokens, Pooling::Mean).unwrap_err();
        let PackError::Manifest { source } = error else { panic!("{tokens}: {error}") };
        assert!(matches!(source, ManifestError::Range { what: "tokens", min: 3, max: 512, .. }));
    }
}

/// A backbone whose vectors are multiplied by e to the power of how many texts there are: 2.7 of one
/// text, and no number of more than 88.
fn backbone_by_batch() -> Vec<u8> {
    let to_floats = part(5, &[part(1, b"to"), number(3, 1), number(20, 2)].concat());
    let index = [number(2, 7), part(8, b"first"), part(9, &0_i64.to_le_bytes())].concat();
    let nodes = [
        part(5, &index),
        part(1, &node("Shape", &["input_ids"], "shape")),
        part(1, &node("Gather", &["shape", "first"], "texts")),
        part(1, &[node("Cast", &["texts"], "power"), to_floats].concat()),
        part(1, &node("Exp", &["power"], "scale")),
        part(1, &node("Gather", &["table", "input_ids"], "words")),
        part(1, &node("Mul", &["words", "scale"], "y")),
    ];
    graph(0, &nodes.concat())
}

#[test]
fn a_backbone_that_fails_at_the_largest_batch_alone_does_not_load() {
    let folder = folder(&backbone_by_batch(), &tiny::tokenizer());
    let model = TextModel::open(folder.path(), 8, Pooling::Mean).unwrap();
    assert!(matches!(model.encoder(&engine()), Err(TextError::NotFinite)));
}

#[test]
fn a_manifest_of_texts_says_all_and_nothing_absurd() {
    let with = |pointer: &str, value: serde_json::Value| {
        let bytes = packed().manifest_bytes().to_vec();
        let mut json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        *json.pointer_mut(pointer).unwrap() = value;
        let bytes = serde_json::to_vec(&json).unwrap();
        let error = Bundle::from_objects(bytes, |_| None).unwrap_err();
        let BundleError::Manifest { source } = error else { panic!("{pointer}: {error}") };
        source
    };
    for (pointer, value) in [
        ("/text/tokens", 513_u64),
        ("/text/tokens", 0),
        ("/text/vocabulary", 1 << 40),
        ("/text/tokenizer/bytes", 1 << 40),
    ] {
        let error = with(pointer, value.into());
        assert!(matches!(error, ManifestError::Range { .. }), "{pointer} = {value}: {error}");
    }
    let centre = with("/text/centre", serde_json::json!([0.5]));
    assert!(matches!(centre, ManifestError::Range { what: "centre", got: 1, .. }));
    assert!(matches!(with("/text", serde_json::Value::Null), ManifestError::Text));
    assert!(matches!(with("/columns/0/kind", "number".into()), ManifestError::Text));
    let unknown = with("/text/pooling", "sum".into());
    assert!(matches!(unknown, ManifestError::Malformed { .. }));
}
