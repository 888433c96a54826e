//! Messages of HL7.

use super::*;

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
fn damaged_messages_cost_themselves_only() {
    let input = format!("stray\r{MESSAGE}MSH|^\rPID|x\r{MESSAGE}");
    let (out, told) = clean_in(HL7, Mode::Mask, &FieldRules::default(), &input);
    assert_eq!(out.matches("MSH").count(), 2);
    assert_eq!(told.failures.len(), 2, "{:?}", told.failures);
}
