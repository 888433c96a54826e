//! Tests of structured records: every test is data through `clean`.

use std::sync::LazyLock;

use super::super::lines::tests::Told;
use super::super::{Encoding, Language, Profile, Surrogates};
use super::*;

mod messages;
mod properties;
mod resources;

const HL7: Format = Format::Hl7 { encoding: None };
const KEY: SiteKey = SiteKey::new([4; 32]);
static RULES: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(Profile { tagger: false, ..Profile::default() }));

fn clean_in(
    format: Format,
    mode: Mode<'_>,
    rules: &FieldRules,
    input: impl AsRef<[u8]>,
) -> (String, Told) {
    let records = Records { engine: &RULES, mode, rules, key: &KEY };
    let (mut out, mut told) = (Vec::new(), Told::default());
    records.run(format, input.as_ref(), &mut out, &mut told).unwrap();
    (String::from_utf8(out).unwrap(), told)
}

fn clean(format: Format, input: &str) -> String {
    let (out, told) = clean_in(format, Mode::Mask, &FieldRules::default(), input);
    assert!(told.failures.is_empty(), "{:?}", told.failures);
    let (again, _) = clean_in(format, Mode::Mask, &FieldRules::default(), &out);
    if format != Format::Fhir {
        assert_eq!(again, out, "cleaning is idempotent");
    }
    out
}

fn rules(rules: &[(&str, &str)], subject: Option<&str>) -> FieldRules {
    let actions = rules.iter().map(|(path, action)| {
        ((*path).to_owned(), Action::try_from((*action).to_owned()).unwrap())
    });
    FieldRules::new(actions.collect(), subject.map(str::to_owned))
}

const MESSAGE: &str = "MSH|^~\\&|LAB|St. Mary|EHR||20200312101500||ORU^R01|4711|P|2.5.1\r\
    PID|1||774411^^^MRN||ROE^JANE^Q^^MS||19610312|F||2106-3|12 MAIN ST^^SPRINGFIELD^IL^62704^USA||(415)555-2671|||||A-99\r\
    PV1|1|I|W^389^1|||||12345^HOFFMANN^KARL^^^DR\r\
    OBX|1|NM|718-7^Hemoglobin^LN||13.5|g/dL|||||F|||20200312\r\
    OBX|2|TX|18748-4^Report^LN||Seen by Dr. Hoffmann\\T\\team on 12.03.2020.||||||F\r\
    ZZZ|1|mail jane@example.org\r";

const PATIENT: &str = r#"{"resourceType": "Patient", "id": "p7", "text": {"status": "generated", "div": "<div>Jane Roe</div>"},
  "identifier": [{"system": "urn:oid:1.2", "value": "774411"}], "gender": "female", "birthDate": "1961-03-12",
  "name": [{"family": "Roe", "given": ["Jane", "Q"]}], "telecom": [{"system": "email", "value": "j@example.org"}],
  "address": [{"line": ["12 Main St"], "city": "Springfield", "state": "IL", "postalCode": "62704", "country": "US"}]
}"#;

const OBSERVATION: &str = r#"{"resourceType": "Observation", "id": "o1", "status": "final", "subject": {"reference": "Patient/p7", "display": "Jane Roe"}, "code": {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": "Hemoglobin"}]}, "effectiveDateTime": "2020-03-12T10:15:00Z", "issued": "2020-03-12T10:15:00Z", "valueQuantity": {"value": 13.5, "unit": "g/dL"}, "note": [{"text": "Dr. Hoffmann called (415) 555-2671"}]}"#;

#[test]
fn fields_are_read_behind_their_names() {
    let out = clean(
        Format::Json,
        r#"{"mrn": "774411-9", "patientName": "Roe, Jane", "note": "seen 12.03.2020", "n": [1, null, true]}"#,
    );
    assert_eq!(
        out,
        "{\"mrn\":\"[MEDICAL_RECORD]\",\"n\":[1,null,true],\"note\":\"seen [DATE]\",\"patientName\":\"[NAME]\"}\n"
    );
}

#[test]
fn what_any_field_states_is_hidden_in_all_texts() {
    let out = clean(Format::Json, r#"{"note": "gestern war vu le da", "patient_name": "Vu Le"}"#);
    assert_eq!(out, "{\"note\":\"gestern war [NAME] da\",\"patient_name\":\"[NAME]\"}\n");
    // Another name comes before it, many times.
    let authors = vec![serde_json::json!({"author": "Hans Meier", "staff_id": "774411"}); 40];
    let text = "heute war okafor mit quill da";
    let record =
        serde_json::json!({"entries": authors, "patient_name": "Okafor Quill", "text": text});
    let out = clean(Format::Json, &record.to_string());
    assert!(out.contains("heute war [NAME] mit [NAME] da"), "{out}");
    let family = |n: u8| format!("Zzy{}{}", char::from(b'a' + n / 26), char::from(b'a' + n % 26));
    let mut entries: Vec<_> = (0..80)
        .map(|n| {
            serde_json::json!({"resource": {
                "resourceType": "Patient",
                "name": [{"family": family(n), "given": ["Jane"]}],
                "identifier": [{"value": format!("K{}", 4000 + u32::from(n))}],
            }})
        })
        .collect();
    let note = format!("heute kam {} mit K4079", family(79).to_lowercase());
    let note = serde_json::json!({"resourceType": "Observation", "note": [{"text": note}]});
    entries.push(serde_json::json!({ "resource": note }));
    let bundle = serde_json::json!({"resourceType": "Bundle", "entry": entries});
    let out = clean(Format::Fhir, &bundle.to_string());
    assert!(out.contains("heute kam [NAME] mit [ID]"), "{out}");
}

#[test]
fn a_site_s_rules_come_first() {
    let rules = rules(&[("a.b", "ORGANIZATION"), ("code", "keep"), ("secret", "drop")], None);
    let input = r#"{"a": {"b": "x1", "secret": 1}, "code": "12.03.2020", "secret": {"y": 2}}"#;
    let (out, _) = clean_in(Format::Json, Mode::Mask, &rules, input);
    assert_eq!(out, "{\"a\":{\"b\":\"[ORGANIZATION]\"},\"code\":\"12.03.2020\"}\n");
}

#[test]
fn coordinates_are_left_out() {
    let home = r#"{"home":{"latitude":48.137154,"geo_lng":"11.576124","floor":3},"plate":1}"#;
    assert_eq!(clean(Format::Json, home), "{\"home\":{\"floor\":3},\"plate\":1}\n");
    assert_eq!(clean(Format::Csv, "Lat,geoLongitude,n\n48.137154,11.576124,1\n"), "n\n1\n");
    let rules = rules(&[("lat", "keep")], None);
    let (out, _) = clean_in(Format::Json, Mode::Mask, &rules, r#"{"lat": 48.137154}"#);
    assert_eq!(out, "{\"lat\":48.137154}\n");
}

#[test]
fn tables_are_cleaned_by_column() {
    let out = clean(
        Format::Csv,
        "mrn,Patient name,note\n774411,\"Roe, Jane\",\"call \"\"me\"\" at (415) 555-2671\"\n",
    );
    assert_eq!(
        out,
        "mrn,Patient name,note\n[MEDICAL_RECORD],[NAME],\"call \"\"me\"\" at [PHONE]\"\n"
    );
    let rules = rules(&[("mrn", "drop")], None);
    let (out, told) = clean_in(Format::Csv, Mode::Mask, &rules, "mrn,n\n1,2\n3\n4,5\n");
    assert_eq!(out, "n\n2\n5\n");
    assert_eq!(told.failures.len(), 1);
    assert_eq!(told.failures[0].0, 3);
}

#[test]
fn dates_take_nothing_else_along() {
    let surrogates = Surrogates::new(&KEY, Language::English);
    let mode = Mode::Surrogate(&surrogates);
    let message = "MSH|^~\\&|A||B||20200312101500+0100||ORU|1|P|2.5\rEVN||20200312 Jane Roe\r";
    let (out, _) = clean_in(HL7, mode, &FieldRules::default(), message);
    assert!(out.contains("101500+0100|") && out.contains("EVN||\r"), "{out}");
    let input = r#"{"resourceType": "Patient", "deceasedDateTime": "2024-02-29TJane Roe"}"#;
    let (out, _) = clean_in(Format::Fhir, mode, &FieldRules::default(), input);
    assert_eq!(out, "{\"resourceType\":\"Patient\"}\n");
    let rules = rules(&[("born", "DATE"), ("age", "AGE"), ("zip", "ZIP")], None);
    let input =
        r#"{"born": "12.03.1960 Jane Roe", "age": "60, Jane Roe", "zip": "Jane Roe 62704"}"#;
    let (out, _) = clean_in(Format::Json, mode, &rules, input);
    assert_eq!(out, "{\"age\":\"[AGE]\",\"born\":\"[DATE]\",\"zip\":\"[ZIP]\"}\n");
}

#[test]
fn what_fields_say_of_people_is_hidden_in_the_texts_beside_them() {
    let out =
        clean(Format::Csv, "nachname,fallnummer,befund\nschmidt,77-4412,Schmidt (77-4412) klagt\n");
    assert_eq!(out, "nachname,fallnummer,befund\n[NAME],[MEDICAL_RECORD],[NAME] ([ID]) klagt\n");
    let out = clean(
        Format::Json,
        r#"{"patient": {"lastName": "Schmidt"}, "notes": [{"text": "did SCHMIDT sleep"}]}"#,
    );
    assert!(out.contains("did [NAME] sleep"), "{out}");
    let out = clean(
        Format::Fhir,
        r#"{"resourceType": "Bundle", "entry": [
            {"resource": {"resourceType": "Patient", "name": [{"family": "Schmidt", "given": ["Eva"]}]}},
            {"resource": {"resourceType": "Observation", "note": [{"text": "did eva schmidt sleep"}]}}]}"#
            .replace('\n', " ")
            .as_str(),
    );
    assert!(out.contains("did [NAME] sleep"), "{out}");
    let message = MESSAGE.replace("mail jane@example.org", "did jane roe 774411 sleep");
    let out = clean(HL7, &message);
    assert!(out.contains("did [NAME] [ID] sleep"), "{out}");
}

#[test]
fn ages_over_89_are_numbers_still_where_they_must_be() {
    let out = clean(Format::Json, r#"{"age": 93, "patientAge": "94.5", "edad": 57, "n": 93}"#);
    assert_eq!(out, "{\"age\":\"[AGE]\",\"edad\":\"[AGE]\",\"n\":93,\"patientAge\":\"[AGE]\"}\n");
    let out = clean(
        Format::Fhir,
        r#"{"resourceType": "Condition", "onsetAge": {"value": 93, "unit": "years", "code": "a"}, "abatementAge": {"value": 93, "code": "mo"}}"#,
    );
    assert!(out.contains("\"value\":90") && out.contains("\"value\":93"), "{out}");
    let out = clean(
        HL7,
        "MSH|^~\\&|A||B||2020||ORU|1|P|2.5\rOBX|1|NM|30525-0^Age^LN||93|a\rOBX|2|NM|8867-4^Pulse^LN||93|/min\r",
    );
    assert!(out.contains("||90|a") && out.contains("||93|/min"), "{out}");
}

#[test]
fn ages_are_known_by_their_code() {
    let of = |code: &str, value: &str| {
        let input =
            format!(r#"{{"resourceType":"Observation","component":[{{"code":{code},{value}}}]}}"#);
        let out = clean(Format::Fhir, &input);
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        value["component"][0].clone()
    };
    let quantity = r#""valueQuantity":{"value":97,"unit":"years","code":"a"}"#;
    for code in [
        r#"{"coding":[{"system":"http://loinc.org","code":"30525-0"}]}"#,
        r#"{"coding":[{"display":"Patient age"}]}"#,
        r#"{"text":"Alter"}"#,
    ] {
        assert_eq!(of(code, quantity)["valueQuantity"]["value"], 90, "{code}");
        assert_eq!(of(code, r#""valueInteger":97"#)["valueInteger"], 90);
        assert_eq!(of(code, r#""valueInteger":57"#)["valueInteger"], 57);
        let days = r#""valueQuantity":{"value":97,"code":"d"}"#;
        assert_eq!(of(code, days)["valueQuantity"]["value"], 97);
    }
    assert_eq!(of(r#"{"text":"Dosage"}"#, quantity)["valueQuantity"]["value"], 97);
}

/// Days by which `from` was moved, as `to` has it: both `2024-03-01` or `20240301`.
fn moved(from: &str, to: &str) -> i32 {
    let date = |text: &str| {
        let digits: String = text.chars().filter(char::is_ascii_digit).take(8).collect();
        digits.parse::<jiff::civil::Date>().unwrap()
    };
    (date(to) - date(from)).get_days()
}

#[test]
fn names_of_fields_are_read() {
    let out = clean(Format::Json, r#"{"mail jane@example.org": {"note": 1}, "mrn": "7"}"#);
    assert_eq!(out, "{\"mail [EMAIL]\":{\"note\":1},\"mrn\":\"7\"}\n");
    let two = r#"{"jane@example.org": 1, "john@example.org": 2}"#;
    let (out, told) = clean_in(Format::Json, Mode::Mask, &FieldRules::default(), two);
    assert!(told.failures.is_empty());
    assert_eq!(out, "{\"[EMAIL]\":1,\"[EMAIL] 2\":2}\n");
    let words = "timestamp meta ward heartRate bloodPressure insurer";
    for name in words.split(' ') {
        assert_eq!(
            clean(Format::Json, &format!("{{\"{name}\": 1}}")),
            format!("{{\"{name}\":1}}\n")
        );
        assert_eq!(clean(Format::Csv, &format!("{name}\n1\n")), format!("{name}\n1\n"));
    }
    let people = clean(Format::Json, r#"{"Mrs. Jane Roe": 1}"#);
    assert!(!people.contains("Roe"), "{people}");
    let rules = rules(&[("jane@example.org", "text")], None);
    let (out, _) = clean_in(Format::Json, Mode::Mask, &rules, two);
    assert_eq!(out, "{\"[EMAIL]\":2,\"jane@example.org\":1}\n");
    let surrogates = Surrogates::new(&KEY, Language::English);
    let (out, _) = clean_in(
        Format::Csv,
        Mode::Surrogate(&surrogates),
        &FieldRules::default(),
        "7,jane@example.org\n8,\n",
    );
    assert_eq!(out, "7,[EMAIL]\n8,\n", "a table without a header");
    let resource = r#"{"resourceType": "Patient", "Jane Roe": true}"#;
    let (out, told) = clean_in(Format::Fhir, Mode::Mask, &FieldRules::default(), resource);
    assert!(out.is_empty() && told.failures.len() == 1);
}

#[test]
fn what_a_rule_keeps_is_not_touched() {
    let rules = rules(&[("PID-5", "keep"), ("OBX-5", "keep")], None);
    let (out, _) = clean_in(HL7, Mode::Mask, &rules, MESSAGE);
    assert!(out.contains("|ROE^JANE^Q^^MS|") && out.contains("Hoffmann\\T\\team on"), "{out}");
}

#[test]
fn lists_are_sorted() {
    assert!(AGE_CODES.is_sorted() && AGE_WORDS.is_sorted() && COORDINATES.is_sorted());
}
