//! What holds of every record, whatever is in it.

use proptest::prelude::*;

use super::*;

/// Values made of what recognizers look for.
fn values() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "Schmidt",
        "Jane Roe",
        "Dr. ",
        "774411-9",
        "MRN ",
        "12.03.2020",
        "[NAME]",
        "[",
        " ",
        ", ",
        "born 1931",
        "pt is 92 ",
        "a@example.org",
        "hospital.org",
        "١٢",
        "\u{200b}",
        "Tel. 0221 4710123",
        " (MRN)",
        "é",
        "did schmidt sleep",
        ": ",
        "; ",
        "\n",
        "\nZZZ ",
        "\\X30\\",
        "\\.sp\\",
        "\\",
    ]);
    prop::collection::vec(pieces, 0..5).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cleaning_is_idempotent_in_every_format(name in values(), number in values(), note in values()) {
        let json = serde_json::json!({"patientName": name, "mrn": number, "notes": [{"text": note}]});
        let fhir = serde_json::json!({
            "resourceType": "Observation",
            "performer": [{"identifier": {"value": number}, "display": name}],
            "contained": [{"resourceType": "Patient", "name": [{"family": name, "text": note}]}],
            "note": [{"text": note, "time": "2024-03-01T10:00:00Z"}],
            "valueString": note,
        });
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let cells = [&name, &number, &note].map(|text| quoted(text)).join(",");
        let message = format!(
            "MSH|^~\\&|A||B||20240301||ORU|1|P|2.5\rPID|1||{number}||{name}^{name}\rOBX|1|TX|x^y^LN||{note}\r"
        );
        for (format, input) in [
            (Format::Json, json.to_string()),
            (Format::Fhir, fhir.to_string()),
            (Format::Csv, format!("patient_name,mrn,note\n{cells}\n")),
            (HL7, message),
        ] {
            let rules = FieldRules::default();
            let (once, told) = clean_in(format, Mode::Mask, &rules, &input);
            prop_assert!(told.failures.is_empty(), "{:?}", told.failures);
            let (twice, _) = clean_in(format, Mode::Mask, &rules, &once);
            prop_assert_eq!(&twice, &once, "{:?}", format);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(
        start in prop::sample::select(vec![
            "", "MSH|^~\\&|", "MSH|^~\\&|\rPID|1||7||ROE^JANE\r", "MSH|^~\\&|\rOBX|1|NM|7||\\X",
            "a;b\n\"", "{\"a\": [",
            "{\"resourceType\": \"Patient\", \"birthDate\": \"", "{\"id\": 1, \"fullUrl\": \"urn:uuid:",
        ]),
        bytes in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let input = [start.as_bytes(), &bytes].concat();
        let surrogates = Surrogates::new(&KEY, Language::German);
        for format in [Format::Json, Format::Csv, Format::Fhir, HL7] {
            for mode in [Mode::Mask, Mode::Surrogate(&surrogates)] {
                let rules = FieldRules::default();
                let records = Records { engine: &RULES, mode, rules: &rules, key: &KEY };
                let mut told = Told::default();
                records.run(format, &input[..], io::sink(), &mut told).unwrap();
            }
        }
    }
}
