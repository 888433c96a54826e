//! Resources of FHIR.

use super::*;

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
fn what_is_no_resource_is_not_written() {
    let (out, told) =
        clean_in(Format::Fhir, Mode::Mask, &FieldRules::default(), "{\"a\": 1}\n[]\nx\n");
    assert!(out.is_empty());
    assert_eq!(told.failures.len(), 3);
    let deep = format!("{}1{}", "[".repeat(120), "]".repeat(120));
    let (out, told) = clean_in(Format::Json, Mode::Mask, &FieldRules::default(), &deep);
    assert!(out.is_empty() && told.failures.len() == 1);
}
