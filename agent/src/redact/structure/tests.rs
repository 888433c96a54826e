//! Tests of structured records: every test is data through `clean`.

use std::sync::LazyLock;

use super::super::lines::tests::Told;
use super::super::{Encoding, Language, Profile, Surrogates};
use super::*;

mod properties;

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

const MESSAGE: &str = "MSH|^~\\&|LAB|St. Mary|EHR||20200312101500||ORU^R01|4711|P|2.5.1\r\
    PID|1||774411^^^MRN||ROE^JANE^Q^^MS||19610312|F||2106-3|12 MAIN ST^^SPRINGFIELD^IL^62704^USA||(415)555-2671|||||A-99\r\
    PV1|1|I|W^389^1|||||12345^HOFFMANN^KARL^^^DR\r\
    OBX|1|NM|718-7^Hemoglobin^LN||13.5|g/dL|||||F|||20200312\r\
    OBX|2|TX|18748-4^Report^LN||Seen by Dr. Hoffmann\\T\\team on 12.03.2020.||||||F\r\
    ZZZ|1|mail jane@example.org\r";

#[test]
fn messages_are_cleaned_by_definition() {
    let out = clean(HL7, MESSAGE);
    let segments: Vec<&str> = out.trim_end().split('\r').collect();
    assert_eq!(
        segments[1],
        "PID|1||[MEDICAL_RECORD]^^^MRN||[NAME]^[NAME]^[NAME]^^MS|||F||2106-3|[ADDRESS]^^[LOCATION]^IL^[ZIP]^USA||[PHONE]|||||[ACCOUNT]"
    );
    assert_eq!(segments[2], "PV1|1|I|[LOCATION]^389^1|||||[LICENSE]^[NAME]^[NAME]^^^DR");
    assert_eq!(segments[3], "OBX|1|NM|718-7^Hemoglobin^LN||13.5|g/dL|||||F|||2020");
    assert!(segments[4].contains("Seen by [NAME]\\T\\team on [DATE]."), "{}", segments[4]);
    assert_eq!(segments[5], "ZZZ|1|mail [EMAIL]");
    assert!(segments[0].starts_with("MSH|^~\\&|LAB|[ORGANIZATION]|EHR||2020||ORU^R01|[ID]|P|"));
}

#[test]
fn a_line_that_is_no_segment_belongs_to_the_text_before_it() {
    let head = "MSH|^~\\&|A||B||20200312||ORU|1|P|2.5\r";
    let text = "Patient seen.\nCall Mrs Jane Roe, born 12.03.1950, at (216) 555-0199, MRN 774411";
    let out = clean(HL7, &format!("{head}OBX|1|TX|11^Note||{text}||||||F\r\nNTE|1||{text}"));
    let text = "Patient seen.\\.br\\Call [NAME], born [DATE], at [PHONE], MRN [MEDICAL_RECORD]";
    assert!(out.ends_with(&format!("OBX|1|TX|11^Note||{text}||||||F\rNTE|1||{text}\r\n")), "{out}");
    for start in ["ZZZ", "MSH", "MSH2 found", "MSH-2 found", "zzz|", "1ZZ|", "ZZZZ|"] {
        let line = format!("{start} by Mrs Jane Roe at (216) 555-0199");
        let out = clean(HL7, &format!("{head}NTE|1||seen\n{line}\r"));
        assert!(out.ends_with(" by [NAME] at [PHONE]\r\n"), "{out}");
    }
}

#[test]
fn a_message_is_read_in_the_character_set_that_it_names() {
    let message = |set: &str, name: &[u8]| {
        let head = format!("MSH|^~\\&|A||B||20200312||ORU|1|P|2.5|||||DEU|{set}\rPID|1||7||");
        [head.as_bytes(), name, b"\rOBX|1|TX|1^R||Herr ", name, b" schlief f\xfcnf Stunden\r"]
            .concat()
    };
    let of = |format, input: Vec<u8>| clean_in(format, Mode::Mask, &FieldRules::default(), input);
    for set in ["8859/1", "8859/1~UNICODE UTF-8", "ISO-8859-1"] {
        let (out, told) = of(HL7, message(set, b"M\xfcller"));
        assert!(told.failures.is_empty(), "{set}: {:?}", told.failures);
        assert!(
            out.contains("|DEU|UNICODE UTF-8\r") && out.contains("[NAME] schlief fünf"),
            "{out}"
        );
        assert_eq!(of(HL7, out.clone().into_bytes()).0, out, "cleaning is idempotent");
    }
    // What is not in it, or in one that nobody knows, is not guessed.
    let mut three = message("", b"M\xfcller");
    three.extend(message("EBCDIC", b"M\xfcller"));
    three.extend(message("8859/1", b"M\xfcller"));
    let (out, told) = of(HL7, three);
    assert_eq!(out.matches("MSH").count(), 1, "{out}");
    let reasons: Vec<_> =
        told.failures.iter().map(|(line, reason)| (*line, reason.as_str())).collect();
    assert_eq!(reasons[0].0, 1);
    assert!(reasons[0].1.starts_with("not UTF-8"), "{reasons:?}");
    assert_eq!(reasons[1].0, 4);
    assert!(reasons[1].1.contains("MSH-18") && reasons[1].1.contains("--encoding"), "{reasons:?}");
    // Whoever says what all of it is in has read it already.
    let latin1 = "latin1".parse::<Encoding>().unwrap();
    let escaped = message("EBCDIC", b"M\\XFC\\ller");
    for input in [message("EBCDIC", b"M\xfcller"), escaped.clone()] {
        let decoded = io::read_to_string(latin1.decode(&*input)).unwrap();
        let format = Format::Hl7 { encoding: Some(latin1) };
        let (out, told) = of(format, decoded.into_bytes());
        assert!(told.failures.is_empty() && out.contains("|DEU|UNICODE UTF-8\r"), "{out}");
        assert!(out.contains("Herr [NAME] schlief"), "{out}");
    }
    assert_eq!(of(HL7, escaped).1.failures.len(), 1);
}

#[test]
fn what_is_escaped_in_messages_is_read() {
    let out = clean(
        HL7,
        r"MSH|^~\&|A||B||20200312||ORU|1|P|2.5||||||8859/1
PID|1||7||M\XFC\ller
OBX|1|TX|1^R||Tel. \X30\151 2345678\.sp\did \H\M\XFC\ller\N\ sleep? \T\co",
    );
    assert!(out.contains(r"|Tel. [PHONE]\.br\did [NAME] sleep? \T\co"), "{out}");
}

#[test]
fn codes_of_messages_are_codes() {
    let kept = "MSH|^~\\&|LAB&2.16.840.1.113883.3.4.5&ISO||||||ORU^R01^ORU_R01|||2.5.1|||||||||2.16.840.1.113883.9.11\rPV1|1|I||R||||||||||||VIP\r\
        OBX|1|CE|4548-4^Hemoglobin A1c/Hemoglobin.total in Blood^LN^GLU_F^fasting glucose^L||C34.1^x^I10|mL/min/{1.73_m2}|150000 - 450000|H~A|||F\r\
        OBX|2|NM|73211009^Diabetes mellitus^SCT||-13.5|10*3/uL|13.5-17.5|||||F\r\
        OBX|3|NM|x^y||<5|||||F\rOBX|4|SI|x^y||4711~2|||||F\r\n";
    assert_eq!(clean(HL7, kept), kept);
    let out = clean(
        HL7,
        "MSH|^~\\&|A||||||ORU||P|2.5\nJane Roe, MRN 774411\rPID|1|||||||tel. (216) 555-0199\r\
         OBX|1|NM|8^x||MRN 774411\rOBX|2|SI|8^SSN 536-22-1234||536-22-1234|roe@example.org\r",
    );
    for gone in ["774411", "555", "536", "roe@"] {
        assert!(!out.contains(gone), "{gone} in {out}");
    }
}

#[test]
fn a_contained_patient_is_a_subject_of_its_own() {
    let surrogates = Surrogates::new(&KEY, Language::English);
    let mode = Mode::Surrogate(&surrogates);
    let day = "2024-03-01";
    let moves = |input: &str| {
        let input = input.replace("DAY", day).replace('\n', " ");
        let (out, told) = clean_in(Format::Fhir, mode, &FieldRules::default(), input);
        assert!(told.failures.is_empty(), "{:?}", told.failures);
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        let (seen, contained) = (&value["effectiveDateTime"], &value["contained"]);
        let born = contained[0]["deceasedDateTime"].as_str().unwrap();
        let inner = contained[1]["effectiveDateTime"].as_str();
        (moved(day, seen.as_str().unwrap()), moved(day, born), inner.map(|inner| moved(day, inner)))
    };
    let numbered = r##"{"resourceType": "Observation", "subject": {"reference": "#p"}, "effectiveDateTime": "DAY",
        "contained": [{"resourceType": "Patient", "id": "p", "identifier": [{"value": "774411"}], "deceasedDateTime": "DAY"},
        {"resourceType": "Observation", "id": "o", "subject": {"reference": "#p"}, "effectiveDateTime": "DAY"}]}"##;
    let (seen, born, inner) = moves(numbered);
    assert_eq!((born, inner), (seen, Some(seen)));
    // The number is the same subject's in every format; the place in a resource is nobody's.
    let rules = rules(&[("seen", "DATE")], Some("subject"));
    let (out, _) = clean_in(Format::Csv, mode, &rules, "subject,seen\n774411,2024-03-01\n");
    assert_eq!(moved(day, out.trim_end().rsplit(',').next().unwrap()), seen);
    let named = |id: &str| {
        let own = format!("\"Observation\", \"id\": \"{id}\", \"subject\"");
        let text = numbered.replacen("\"Observation\", \"subject\"", &own, 1);
        moves(&text.replace("\"identifier\": [{\"value\": \"774411\"}], ", ""))
    };
    let (one, other) = (named("o1"), named("o2"));
    assert_eq!((one.1, one.2), (one.0, Some(one.0)));
    assert_ne!(one.0, other.0, "another resource's #p is somebody else");
    // A resource about somebody else, who contains a patient.
    let beside = numbered.replacen("\"#p\"", "\"Patient/8\"", 1);
    let (eight, born, inner) = moves(&beside);
    assert_eq!((born, inner), (seen, Some(seen)));
    assert_ne!(eight, seen);
}

#[test]
fn messages_with_surrogates_keep_intervals() {
    let surrogates = Surrogates::new(&KEY, Language::English);
    let mode = Mode::Surrogate(&surrogates);
    let (out, _) = clean_in(HL7, mode, &FieldRules::default(), MESSAGE);
    let birth = out.split("PID|").nth(1).unwrap().split('|').nth(6).unwrap().to_owned();
    let seen = out.split("OBX|").nth(1).unwrap().trim_end().rsplit('|').next().unwrap().to_owned();
    let seen = seen.trim_end_matches('\r').to_owned();
    let date = |text: &str| {
        let part = |range: std::ops::Range<usize>| text[range].parse::<i16>().unwrap();
        let month = i8::try_from(part(4..6)).unwrap();
        let day = i8::try_from(part(6..8)).unwrap();
        jiff::civil::Date::new(part(0..4), month, day).unwrap()
    };
    let days = |from: &str, to: &str| (date(to) - date(from)).get_days();
    assert_eq!(days(&birth, &seen), days("19610312", "20200312"));
    assert_ne!(birth, "19610312");
    for gone in ["ROE", "JANE", "774411", "HOFFMANN", "SPRINGFIELD", "MAIN", "555"] {
        assert!(!out.contains(gone), "{gone} in {out}");
    }
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
fn data_types_are_known_wherever_they_stand() {
    let input = r#"{"resourceType": "Patient", "id": "7", "extension": [
        {"url": "http://x.example/mother", "valueHumanName": {"text": "ms x"}},
        {"url": "http://x.example/home", "valueAddress": {"text": "behind the mill"}},
        {"url": "http://x.example/call", "valueContactPoint": {"system": "phone", "value": "4711 x"}},
        {"url": "http://x.example/id", "valueIdentifier": {"system": "urn:x", "value": "abc"}}],
        "_birthDate": {"extension": [{"url": "http://x.example/birthTime", "valueDateTime": "1931-02-03T10:00:00Z"}]},
        "requisition": {"value": "abc"}, "valueQuantity": {"value": 7, "unit": "kg"}}"#;
    let out = clean(Format::Fhir, &input.replace('\n', " "));
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let extension = |at: usize, name: &str, part: &str| value["extension"][at][name][part].clone();
    assert_eq!(extension(0, "valueHumanName", "text"), "[NAME]");
    assert_eq!(extension(1, "valueAddress", "text"), "[ADDRESS]");
    assert_eq!(extension(2, "valueContactPoint", "value"), "[PHONE]");
    assert_eq!(extension(3, "valueIdentifier", "value"), "[ID]");
    assert_eq!(value["requisition"]["value"], "[ID]");
    assert_eq!(value["valueQuantity"]["unit"], "kg");
    assert!(!out.contains("1931"), "{out}");
}

#[test]
fn extensions_are_read_as_what_they_are_called() {
    let input = r#"{"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "774411"}],
        "address": [{"line": ["Im Winkel 42"], "_line": [{"extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-streetName", "valueString": "Im Winkel"},
            {"url": "http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-houseNumber", "valueString": "42"}]}],
            "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/geolocation", "extension": [
                {"url": "latitude", "valueDecimal": 48.137154}, {"url": "longitude", "valueDecimal": 11.576124}]}]}],
        "name": [{"family": "x", "_family": {"extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/humanname-own-name", "valueString": "Okafor"}]}}],
        "extension": [{"url": "http://x.example/mrn", "valueInteger": 556677},
            {"url": "http://x.example/patient-mothersMaidenName", "valueString": "Okonkwo"},
            {"url": "http://x.example/patient-number", "valueInteger": 774411},
            {"url": "http://x.example/dateOfBirth", "valueDate": "1931"},
            {"url": "http://x.example/birth", "valueDateTime": "1931-02-03"},
            {"url": "http://x.example/patient-age", "valueInteger": 97},
            {"url": "http://x.example/scan", "valueBase64Binary": "U1NOIDUzNi0yMi0xMjM0IA=="},
            {"url": "http://x.example/rank", "valuePositiveInt": 3},
            {"url": "http://x.example/since", "valueDate": "2024-02-03"},
            {"url": "http://x.example/word", "valueString": "did okonkwo sleep"}]}"#;
    let out = clean(Format::Fhir, &input.replace('\n', " "));
    let patient: serde_json::Value = serde_json::from_str(&out).unwrap();
    let parts = &patient["address"][0]["_line"][0]["extension"];
    assert_eq!(parts[0]["valueString"], "[ADDRESS]");
    assert_eq!(parts[1]["valueString"], "[ADDRESS]");
    assert_eq!(patient["name"][0]["_family"]["extension"][0]["valueString"], "[NAME]");
    assert!(patient["address"][0].get("extension").is_none(), "{out}");
    let kept = serde_json::json!([
        {"url": "http://x.example/patient-mothersMaidenName", "valueString": "[NAME]"},
        {"url": "http://x.example/patient-age", "valueInteger": 90},
        {"url": "http://x.example/rank", "valuePositiveInt": 3},
        {"url": "http://x.example/since", "valueDate": "2024"},
        {"url": "http://x.example/word", "valueString": "did [NAME] sleep"},
    ]);
    assert_eq!(patient["extension"], kept);
}

#[test]
fn numbers_of_resources_are_read_but_for_what_was_measured() {
    let kept = r#"{"code":{"text":"Weight"},"component":[{"valueInteger":57},{"valueSampledData":{"dimensions":1,"factor":1.612,"lowerLimit":-3300,"origin":{"value":2048},"period":10}}],"dispense":{"quantity":{"code":"TAB","value":774411}},"dosage":[{"doseAndRate":[{"doseQuantity":{"unit":"mg","value":1931}}],"sequence":1,"timing":{"repeat":{"count":10,"frequency":3,"period":1.5}}}],"multipleBirthInteger":2,"protocolApplied":[{"doseNumberPositiveInt":2,"seriesDosesPositiveInt":3}],"referenceRange":[{"high":{"value":95},"low":{"value":7e-3}}],"resourceType":"Observation","telecom":[{"rank":1}],"total":774,"valueQuantity":{"unit":"a","value":97}}"#;
    let value: serde_json::Value = serde_json::from_str(kept).unwrap();
    assert_eq!(clean(Format::Fhir, kept), format!("{value}\n"));
    let out = clean(
        Format::Fhir,
        r#"{"resourceType": "Bundle", "entry": [
            {"resource": {"resourceType": "Patient", "identifier": [{"value": "774411"}, {"value": 556677}],
                "birthDate": 19310203, "address": [{"postalCode": 62704, "use": "home"}], "mrn": 881100}},
            {"resource": {"resourceType": "Observation", "valueInteger": 774411}}]}"#
            .replace('\n', " ")
            .as_str(),
    );
    for gone in ["774411", "556677", "1931", "62704", "881100"] {
        assert!(!out.contains(gone), "{gone} in {out}");
    }
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
fn each_subject_of_a_bundle_moves_by_its_own_days_as_in_other_formats() {
    let surrogates = Surrogates::new(&KEY, Language::English);
    let mode = Mode::Surrogate(&surrogates);
    let day = "2024-03-01";
    let input = r#"{"resourceType": "Bundle", "entry": [
        {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient", "id": "774411"}},
        {"resource": {"resourceType": "Patient", "id": "8"}},
        {"resource": {"resourceType": "Encounter", "subject": {"reference": "Patient/8"}, "period": {"start": "2024-03-01"}}},
        {"resource": {"resourceType": "Observation", "subject": {"reference": "urn:uuid:1"}, "effectiveDateTime": "2024-03-01"}},
        {"resource": {"resourceType": "Observation", "subject": {"reference": "http://x.example/Patient/774411/_history/2"}, "effectiveDateTime": "2024-03-01"}}]}"#;
    let no_rules = FieldRules::default();
    let (out, told) = clean_in(Format::Fhir, mode, &no_rules, input.replace('\n', " "));
    assert!(told.failures.is_empty(), "{:?}", told.failures);
    let bundle: serde_json::Value = serde_json::from_str(&out).unwrap();
    let at = |entry: usize| &bundle["entry"][entry]["resource"];
    let eight = moved(day, at(2)["period"]["start"].as_str().unwrap());
    let other = moved(day, at(3)["effectiveDateTime"].as_str().unwrap());
    assert_ne!(eight, other);
    assert_eq!(moved(day, at(4)["effectiveDateTime"].as_str().unwrap()), other);
    let message = MESSAGE.replace("20200312\r", "20240301\r");
    let (out, _) = clean_in(HL7, mode, &no_rules, &message);
    let seen = out.split("OBX|").nth(1).unwrap().split('\r').next().unwrap().to_owned();
    assert_eq!(moved(day, seen.rsplit('|').next().unwrap()), other);
    let rules = rules(&[("seen", "DATE")], Some("subject"));
    let (out, _) = clean_in(Format::Csv, mode, &rules, "subject,seen\nPatient/774411,2024-03-01\n");
    assert_eq!(moved(day, out.trim_end().rsplit(',').next().unwrap()), other);
    let input = r#"{"subject": "774411", "seen": "2024-03-01"}"#;
    let (out, _) = clean_in(Format::Json, mode, &rules, input);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(moved(day, value["seen"].as_str().unwrap()), other);
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
fn damaged_messages_cost_themselves_only() {
    let input = format!("stray\r{MESSAGE}MSH|^\rPID|x\r{MESSAGE}");
    let (out, told) = clean_in(HL7, Mode::Mask, &FieldRules::default(), &input);
    assert_eq!(out.matches("MSH").count(), 2);
    assert_eq!(told.failures.len(), 2, "{:?}", told.failures);
}

const PATIENT: &str = r#"{"resourceType": "Patient", "id": "p7", "text": {"status": "generated", "div": "<div>Jane Roe</div>"},
  "identifier": [{"system": "urn:oid:1.2", "value": "774411"}], "gender": "female", "birthDate": "1961-03-12",
  "name": [{"family": "Roe", "given": ["Jane", "Q"]}], "telecom": [{"system": "email", "value": "j@example.org"}],
  "address": [{"line": ["12 Main St"], "city": "Springfield", "state": "IL", "postalCode": "62704", "country": "US"}]
}"#;
const OBSERVATION: &str = r#"{"resourceType": "Observation", "id": "o1", "status": "final", "subject": {"reference": "Patient/p7", "display": "Jane Roe"}, "code": {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": "Hemoglobin"}]}, "effectiveDateTime": "2020-03-12T10:15:00Z", "issued": "2020-03-12T10:15:00Z", "valueQuantity": {"value": 13.5, "unit": "g/dL"}, "note": [{"text": "Dr. Hoffmann called (415) 555-2671"}]}"#;

#[test]
fn resources_are_cleaned_by_definition() {
    let out = clean(Format::Fhir, &format!("{PATIENT}\n{OBSERVATION}\n"));
    let lines: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let patient = &lines[0];
    assert_eq!(patient["name"][0]["family"], "[NAME]");
    assert_eq!(patient["name"][0]["given"][1], "[NAME]");
    assert_eq!(patient["identifier"][0]["value"], "[ID]");
    assert_eq!(patient["identifier"][0]["system"], "urn:oid:1.2");
    assert_eq!(patient["telecom"][0]["value"], "[EMAIL]");
    assert_eq!(patient["address"][0]["city"], "[LOCATION]");
    assert_eq!(patient["address"][0]["state"], "IL");
    assert_eq!(patient["gender"], "female");
    assert!(patient.get("birthDate").is_none() && patient.get("text").is_none());
    let observation = &lines[1];
    let link = patient["id"].as_str().unwrap();
    assert_eq!(observation["subject"]["reference"], format!("Patient/{link}"));
    assert_eq!(observation["subject"]["display"], "[NAME]");
    assert_eq!(observation["code"]["coding"][0]["display"], "Hemoglobin");
    assert_eq!(observation["effectiveDateTime"], "2020");
    assert!(observation.get("issued").is_none());
    assert_eq!(observation["valueQuantity"]["value"], 13.5);
    assert_eq!(observation["note"][0]["text"], "[NAME] called [PHONE]");
}

#[test]
fn references_lead_wherever_they_stand_and_tell_nothing() {
    let input = r##"{"resourceType": "Bundle", "type": "transaction",
        "link": [{"relation": "self", "url": "http://x.example/Patient?identifier=774411"}], "entry": [
        {"resource": {"resourceType": "Patient", "id": "774411"}, "request": {"method": "PUT", "url": "Patient/774411"}},
        {"resource": {"resourceType": "Observation", "subject": {"reference": "#okafor-774411"},
            "performer": [{"reference": "Patient?identifier=http://x/mrn|4711/2024"}, {"reference": "774411/$everything"},
                {"reference": "http://x.example/Patient/774411#okafor-774411"}],
            "contained": [{"resourceType": "Patient", "id": "okafor-774411"}]},
            "request": {"method": "POST", "url": "Observation", "ifNoneExist": "identifier=http://x/mrn|774411"}},
        {"response": {"status": "201", "location": "http://x.example/Patient/774411/_history/1"}}]}"##;
    let out = clean(Format::Fhir, &input.replace('\n', " "));
    for gone in ["774411", "4711", "okafor", "mrn", "?"] {
        assert!(!out.contains(gone), "{gone} in {out}");
    }
    let bundle: serde_json::Value = serde_json::from_str(&out).unwrap();
    let entry = &bundle["entry"];
    let address = format!("Patient/{}", entry[0]["resource"]["id"].as_str().unwrap());
    assert_eq!(entry[0]["request"]["url"], address);
    assert_eq!(entry[2]["response"]["location"], address);
    assert_eq!(entry[1]["request"]["url"], "Observation");
    let observation = &entry[1]["resource"];
    let place = format!("#{}", observation["contained"][0]["id"].as_str().unwrap());
    assert_eq!(observation["subject"]["reference"], place);
    assert_eq!(observation["performer"][2]["reference"], format!("{address}{place}"));
}

#[test]
fn resources_with_surrogates_stay_one_patient() {
    let surrogates = Surrogates::new(&KEY, Language::English);
    let mode = Mode::Surrogate(&surrogates);
    let input = format!("{PATIENT}\n{OBSERVATION}\n");
    let (out, _) = clean_in(Format::Fhir, mode, &FieldRules::default(), &input);
    let lines: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let name = &lines[0]["name"][0];
    let full =
        format!("{} {}", name["given"][0].as_str().unwrap(), name["family"].as_str().unwrap());
    assert_eq!(lines[1]["subject"]["display"], full);
    assert_eq!(lines[0]["address"][0]["postalCode"], "62700");
    assert_ne!(lines[0]["birthDate"], "1961-03-12");
    assert!(lines[1]["issued"].as_str().unwrap().ends_with("T10:15:00Z"));
    assert!(!out.contains("Roe") && !out.contains("p7"));
}

#[test]
fn lists_are_sorted() {
    assert!(AGE_CODES.is_sorted() && AGE_WORDS.is_sorted() && COORDINATES.is_sorted());
}

#[test]
fn what_is_no_resource_is_not_written() {
    let (out, told) =
        clean_in(Format::Fhir, Mode::Mask, &FieldRules::default(), "{\"a\": 1}\n[]\nx\n");
    assert!(out.is_empty());
    assert_eq!(told.failures.len(), 3);
    let deep = format!("{}1{}", "[".repeat(120), "]".repeat(120));
    let (out, told) = clean_in(Format::Json, Mode::Mask, &FieldRules::default(), &deep);
    assert!(out.is_empty() && told.failures.len() == 1);
}
