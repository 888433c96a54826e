//! What holds of every text.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

/// With a site's own recognizers and lists.
static OWN: LazyLock<Engine> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redaction.toml");
    let settings = r#"
        allow = ["Jane", "lot", "MRN"]
        [[deny]]
        text = "MD"
        type = "ID"
        [[recognizer]]
        name = "brackets"
        type = "ID"
        pattern = '\[?[A-Z]{2,4}\b|12|\s+Roe'
        score = 0.6
        [[recognizer]]
        name = "near"
        type = "NAME"
        pattern = '[a-z]+\s[a-z]+'
        score = 0.1
        context = ["lot", "NAME"]
    "#;
    std::fs::write(&path, settings).unwrap();
    Engine::new(Settings::read(&path).unwrap().profile)
});

/// Text made of pieces that recognizers look for, and of anything.
fn texts() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "Dr. ",
        "Patient: ",
        "Roe",
        "Jane ",
        "MRN ",
        "4111 1111 1111 1111",
        "536-22-1234",
        "a@example.org",
        "https://x.example/",
        "12.03.2020",
        "[NAME]",
        "[",
        "]",
        "\n",
        ", ",
        "Tel. ",
        "+49 221 123456",
        "lot ",
        "Calle Mayor 3",
        "😀",
        "e\u{301}",
        "שלום",
        "\u{200b}",
        "\u{ad}",
        "\u{a0}",
        "\u{2011}",
        "o\u{308}",
        "１２",
        "٣",
        "年",
        "12",
        "-",
        "/",
        ":",
        "años",
        "varón de ",
        "MD",
        " ",
        "Regards,\n",
    ]);
    prop::collection::vec(
        prop_oneof![4 => pieces.prop_map(str::to_owned), 1 => any::<String>()],
        0..12,
    )
    .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn masking_is_idempotent(text in texts()) {
        let once = ENGINE.clean(&text, Mode::Mask).text;
        let twice = ENGINE.clean(&once, Mode::Mask).text;
        prop_assert_eq!(&twice, &once);
    }

    #[test]
    fn masking_by_a_site_s_rules_is_idempotent(text in texts()) {
        let once = OWN.clean(&text, Mode::Mask).text;
        let twice = OWN.clean(&once, Mode::Mask).text;
        prop_assert_eq!(&twice, &once);
    }

    #[test]
    fn nothing_outside_the_spans_changes(text in texts()) {
        let cleaned = ENGINE.clean(&text, Mode::Mask);
        let points: Vec<char> = text.chars().collect();
        let mut rebuilt = String::new();
        let mut at = 0;
        for span in &cleaned.spans {
            prop_assert!(at <= span.start && span.start < span.end && span.end <= points.len());
            rebuilt.extend(&points[at..span.start]);
            rebuilt.push_str(&format!("[{}]", span.kind));
            at = span.end;
        }
        rebuilt.extend(&points[at..]);
        prop_assert_eq!(rebuilt, cleaned.text);
        prop_assert_eq!(ENGINE.clean(&text, Mode::None).text, text);
    }

    #[test]
    fn surrogates_change_nothing_outside_the_spans(text in texts()) {
        let surrogates = Surrogates::new(&SiteKey::new([6; 32]), Language::Spanish);
        let cleaned = ENGINE.clean(&text, Mode::Surrogate(&surrogates));
        let points: Vec<char> = text.chars().collect();
        let mut replaced = cleaned.replaced.iter().peekable();
        let (mut rebuilt, mut at) = (String::new(), 0);
        for span in &cleaned.spans {
            rebuilt.extend(&points[at..span.start]);
            let original: String = points[span.start..span.end].iter().collect();
            match replaced.next_if(|one| one.kind == span.kind && one.original == original) {
                Some(one) => rebuilt.push_str(&one.surrogate),
                None => rebuilt.push_str(&format!("[{}]", span.kind)),
            }
            at = span.end;
        }
        rebuilt.extend(&points[at..]);
        prop_assert_eq!(rebuilt, cleaned.text);
    }

    #[test]
    fn any_text_is_read_without_panic(text in any::<String>()) {
        for span in ENGINE.find(&text) {
            prop_assert!(span.end <= text.chars().count() && (0.0..=1.0).contains(&span.score));
        }
    }
}

/// Texts that could make a careless scanner quadratic: a megabyte of each is read in seconds, where
/// quadratic work would take hours. The test's own limit is the test runner's.
#[test]
fn hostile_repetitions_are_read_in_linear_time() {
    for piece in [
        "1 ",
        "www.",
        "[",
        "a@",
        "Calle A 1, ",
        "Dr. Roe Roe, ",
        "Dr ",
        "Roe-",
        "Frau Prof. Dr. med. ",
        "a:",
        "1.",
        "[NAME] 4111 1111 1111 1111 ",
    ] {
        // With a name that is looked for in all of it.
        let text = format!("Dr. Roe. {}", piece.repeat(250_000 / piece.len()));
        let once = RULES.clean(&text, Mode::Mask).text;
        assert_eq!(RULES.clean(&once, Mode::Mask).text, once, "{piece:?}");
    }
}
