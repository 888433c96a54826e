//! Tests of the whole engine: every test is data through `check` or `finds`.

mod codes;
mod letters;
mod properties;

use std::sync::LazyLock;

use super::*;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(Profile::default()));
/// Without the tagger, so that a test of a rule fails when the rule does.
static RULES: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(Profile { tagger: false, ..Profile::default() }));

/// Masking `text` by rules alone gives `expected`, and masking that changes nothing.
#[track_caller]
fn check(text: &str, expected: &str) {
    let first = RULES.clean(text, Mode::Mask);
    assert_eq!(first.text, expected);
    assert_eq!(RULES.clean(&first.text, Mode::Mask).text, first.text, "masking is idempotent");
}

#[test]
fn identifiers_with_check_digits() {
    check("card 4111 1111 1111 1111 ok", "card [CREDIT_CARD] ok");
    check("IBAN DE89 3704 0044 0532 0130 00.", "IBAN [IBAN].");
    check("SSN: 536-22-1234", "SSN: [SSN]");
    check("NHS no 943 476 5919", "NHS no [NHS]");
    check("DNI 12345678Z", "DNI [ES_DNI]");
    check("C.F. RSSMRA85T10A562S", "C.F. [CODICE_FISCALE]");
    check("Steuer-ID 86 095 742 719", "Steuer-ID [DE_STEUER_ID]");
    check("VIN 1M8GDM9AXKP042788", "VIN [VIN]");
}

#[test]
fn a_failed_check_is_no_hit_without_a_label() {
    check("4111 1111 1111 1112", "4111 1111 1111 1112");
    check("DE89 3704 0044 0532 0130 01", "DE89 3704 0044 0532 0130 01");
    check("12345678A", "12345678A");
    check("card number 4111 1111 1111 1112", "card number [CREDIT_CARD]");
}

#[test]
fn context_words_deny() {
    check("lot 943 476 5919", "lot 943 476 5919");
    check("version 10.20.30.40 of it", "version 10.20.30.40 of it");
    check("host 10.20.30.40", "host [IP_ADDRESS]");
    check(
        "SpO2 98% on 2 L, BP 120/80 mmHg, Hb 12.5 g/dL",
        "SpO2 98% on 2 L, BP 120/80 mmHg, Hb 12.5 g/dL",
    );
    check("ICD-10 E11.9, LOINC 4548-4, order #123456", "ICD-10 E11.9, LOINC 4548-4, order #123456");
}

#[test]
fn record_numbers_by_their_labels() {
    check("MRN 988-55-475, chart no. A7699964", "MRN [MEDICAL_RECORD], chart no. [MEDICAL_RECORD]");
    check("NHC: 2569870.\nNASS: 37 87654321 90.", "NHC: [MEDICAL_RECORD].\nNASS: [ES_NUSS].");
    check("Fallnummer: 2020-12345", "Fallnummer: [MEDICAL_RECORD]");
    check("NºCol: 28 28 20943.", "NºCol: [LICENSE].");
    check("pacemaker serial S/N Y5N-204385", "pacemaker serial [DEVICE_SERIAL]");
    check("MRN 2082214 58-year-old", "MRN [MEDICAL_RECORD] 58-year-old");
}

#[test]
fn words_behind_a_value_explain_it() {
    check(
        "her 12345678 (MRN) and A-774411 (case no)",
        "her [MEDICAL_RECORD] (MRN) and [MEDICAL_RECORD] (case no)",
    );
    check("555 0199 (phone), 4711 (Fallnummer)", "[PHONE] (phone), [MEDICAL_RECORD] (Fallnummer)");
    check("12 mg (id), lot 774411 (batch), x (MRN)", "12 mg (id), lot 774411 (batch), x (MRN)");
    check(
        "patient id: abc-77, patient id: A77B",
        "patient id: [MEDICAL_RECORD], patient id: [MEDICAL_RECORD]",
    );
}

#[test]
fn addresses_of_more_shapes() {
    check("Parcel PSC 3294, Box 9168\nAPO AA 61487 arrived", "Parcel [ADDRESS] arrived");
    check("of USNS Comfort\nFPO AE 09566", "of [ADDRESS]");
    check("at the corner of King Street and 5th Avenue today", "at [ADDRESS] today");
    check("the corner of the left eye and the nose", "the corner of the left eye and the nose");
    check("12 Main Street, Toronto\n, ON\n 82269", "[ADDRESS]\n, ON\n [ZIP]");
    check("12 Main Street\n82269 visits a year", "[ADDRESS]\n82269 visits a year");
    check("370 3911 Fourth Avenue", "[ADDRESS]");
    check("An\nAm Alten Markt 7a\nD-79098 Freiburg im Breisgau\n", "An\n[ADDRESS]\n");
    check("Leukozyten 7\n79098 im Mittel", "Leukozyten 7\n79098 im Mittel");
    check("Kontrolle am 7\nTag 79098", "Kontrolle am 7\nTag 79098");
}

#[test]
fn the_name_somebody_was_born_with() {
    check("Frieda Roe, geb. Grzybowska, kam", "Frieda Roe, geb. [NAME], kam");
    check("geborene von Osten", "geborene [NAME]");
    check("geb. in der Klinik, Geb. Juni", "geb. in der Klinik, Geb. [DATE]");
}

#[test]
fn titles_of_german_doctors_are_hidden_with_their_names() {
    check("gez. Dr. med. univ. Lena Roe", "gez. [NAME]");
    check("Frau Dr. rer. nat. habil. Lena Roe", "Frau [NAME]");
    check("Mr. Dent came", "[NAME] came");
}

#[test]
fn a_telephone_is_named_behind_it_at_the_end_of_a_line() {
    check("781 1704 office\n(37) 788-063-Fax", "[PHONE] office\n[PHONE]-Fax");
    check("781 1704 office hours", "781 1704 office hours");
}

#[test]
fn the_strict_profile_hides_every_year_and_age() {
    let strict = Engine::new(Profile { tagger: false, ..Profile::strict() });
    let text = "a 2017 film, when he was 78, I'll turn 47; 2000 mg, model 2017, lot 2018";
    assert_eq!(
        strict.clean(text, Mode::Mask).text,
        "a [DATE] film, when he was [AGE], I'll turn [AGE]; 2000 mg, model 2017, lot 2018"
    );
    check(text, text);
    let text = "stopped in April, since late October, may march";
    assert_eq!(
        strict.clean(text, Mode::Mask).text,
        "stopped in [DATE], since late [DATE], may march"
    );
    check(text, text);
}

#[test]
fn countries_are_places_without_more_around_them() {
    let clean = ENGINE.clean("greetings from Uzbekistan, Bosnia and Herzegovina!", Mode::Mask);
    assert!(!clean.text.contains("Uzbekistan"), "{}", clean.text);
    check("greetings from Uzbekistan", "greetings from Uzbekistan");
}

#[test]
fn dates_as_people_write_them() {
    for date in [
        "2024-02-29",
        "29.02.2024",
        "2/29/24",
        "29. Februar 2024",
        "February 29th, 2024",
        "29FEB2024",
        "29 de febrero de 2024",
        "12.-15.03.2020",
        "2024-02-29T12:30:00Z",
        "March 2015",
    ] {
        check(&format!("on ({date}) so"), "on ([DATE]) so");
    }
    check("am 12.03. und on 3/14 too", "am [DATE] und on [DATE] too");
    check(
        "the ratio 1/2/3 and 99/99/2020 and 5 may help",
        "the ratio 1/2/3 and 99/99/2020 and 5 may help",
    );
}

#[test]
fn dates_of_more_languages() {
    for date in [
        "12 maart 2024",
        "3 mei 2024",
        "12 marca 2024",
        "5 października 2023 r",
        "1er février 2024",
        "3 févr. 2024",
        "4 gen 2024",
        "12 de março de 2024",
        "25 de out de 2023",
        "2024年3月12日",
        "2024년 3월 12일",
        "令和6年3月12日",
    ] {
        let date = date.strip_suffix(" r").unwrap_or(date);
        check(&format!("({date})"), "([DATE])");
    }
    check("患者は2024年3月12日に来院", "患者は[DATE]に来院");
    let none = "gen 5 and mag 3, out 20, set 12, MAG-3, S-100 y HMB";
    check(none, none);
}

#[test]
fn telephone_numbers_without_a_label() {
    for number in [
        "+44 20 7946 0958",
        "+44 (0)20 7946 0958",
        "0044 20 7946 0958",
        "020 7946 0958",
        "07700 900123",
        "+1 415 555 2671",
        "(415) 555-2671",
        "415-555-2671",
        "+49 30 901820",
        "030 9018200",
        "0221 4710123",
        "0171 1234567",
        "+34 612 345 678",
        "612 34 56 78",
        "+33 6 12 34 56 78",
        "06 12 34 56 78",
        "+39 06 1234 5678",
        "06 1234 5678",
        "347 123 4567",
        "06-12345678",
        "+48 601 234 567",
        "0664 1234567",
        "079 123 45 67",
        "02 9374 4000",
        "0412 345 678",
        "03-1234-5678",
        "138 1234 5678",
        "98765 43210",
        "(11) 91234-5678",
    ] {
        check(&format!("x {number} y"), "x [PHONE] y");
    }
    for none in ["0.5 mg 12 34", "lot 0221 4710123", "01 2345"] {
        check(none, none);
    }
}

#[test]
fn the_weekday_goes_with_its_date() {
    check("on Monday, 4 March 2024, she", "on [DATE], she");
    check("Termin: Mo., 04.03.2024", "Termin: [DATE]");
    check("Monday. The 4th of March 2024", "Monday. The [DATE]");
}

#[test]
fn ages_and_years_follow_the_profile() {
    let clean = |coarse, text: &str| {
        let profile = Profile { coarse, tagger: false, ..Profile::default() };
        Engine::new(profile).clean(text, Mode::Mask).text
    };
    let text = "a 93-year-old and a 57-year-old; varón de 57 años; seit 2010";
    assert_eq!(
        clean(Coarse::SafeHarbor, text),
        "a [AGE]-year-old and a 57-year-old; varón de 57 años; seit 2010"
    );
    assert_eq!(
        clean(Coarse::Local, text),
        "a [AGE]-year-old and a 57-year-old; varón de [AGE]; seit [DATE]"
    );
    assert_eq!(
        clean(Coarse::Strict, text),
        "a [AGE]-year-old and a [AGE]-year-old; varón de [AGE]; seit [DATE]"
    );
    let fields = "Age: 92, Age/Sex: 91/F. Age: 45, age/gender 100 / M";
    let hidden = "Age: [AGE], Age/Sex: [AGE]/F. Age: 45, age/gender [AGE] / M";
    assert_eq!(clean(Coarse::SafeHarbor, fields), hidden);
    assert_eq!(clean(Coarse::Local, fields), hidden);
}

#[test]
fn ages_over_89_in_every_shape() {
    for (text, expected) in [
        ("pt is 92 and well", "pt is [AGE] and well"),
        ("She's 93, he is now 91.", "She's [AGE], he is now [AGE]."),
        ("a 92 yo F, 94 y/o, 95yrs", "a [AGE] yo F, [AGE] y/o, [AGE]yrs"),
        ("die 92-jährige Frau, 93 Jahre alt", "die [AGE] Frau, [AGE]"),
        ("de 93 años, 95 ans, 96 anni", "de [AGE], [AGE], [AGE]"),
        ("a ninety-two year old, ninety-year-old", "a [AGE] year old, [AGE]-year-old"),
        ("one hundred and two years old", "[AGE] years old"),
        ("der zweiundneunzigjährige Mann", "der [AGE] Mann"),
        ("noventa y dos años, quatre-vingt-douze ans", "[AGE], [AGE]"),
        (
            "age: 93, patient age: 93.5, leeftijd: 94",
            "age: [AGE], patient age: [AGE], leeftijd: [AGE]",
        ),
        ("pt is 57, 57 yo, fifty years old", "pt is 57, 57 yo, fifty years old"),
        ("he is 92 kg, she is 94% on air, is 98.6", "he is 92 kg, she is 94% on air, is 98.6"),
    ] {
        check(text, expected);
    }
}

#[test]
fn years_of_birth_that_tell_an_age_over_89() {
    let engine = Engine::new(Profile { tagger: false, this_year: 2026, ..Profile::safe_harbor() });
    let clean = |text: &str| engine.clean(text, Mode::Mask).text;
    assert_eq!(clean("born in 1931, seen in 1931"), "born in [DATE], seen in 1931");
    assert_eq!(clean("YOB: 1936, Jahrgang 1935"), "YOB: [DATE], Jahrgang [DATE]");
    assert_eq!(clean("born 1937, geb. 1960"), "born 1937, geb. 1960");
    assert_eq!(clean("birth year: 1936"), "birth year: [DATE]");
}

#[test]
fn names_by_what_stands_around_them() {
    check("Dr. Jane Q. Roe saw him", "[NAME] saw him");
    check("Patient: Roe, Jane\nSex: F", "Patient: [NAME]\nSex: F");
    check("Nombre: Ana.\nApellidos: de Miguel Rivera.", "Nombre: [NAME].\nApellidos: [NAME].");
    check("Sehr geehrte Frau Prof. Dr. Müller-Lüdenscheidt,", "Sehr geehrte Frau [NAME],");
    check("Best regards,\nJane Roe", "Best regards,\n[NAME]");
    check("seen by Jane Roe, MD. Roe agrees.", "seen by [NAME], MD. [NAME] agrees.");
    check("Dr. A. Roe und Dr. Í. Roe", "[NAME] und [NAME]");
    check("Mr. Roe's plan", "[NAME]'s plan");
}

#[test]
fn a_name_ends_where_the_next_field_starts() {
    check("Name: Roe Vorname: Jane", "Name: [NAME] Vorname: [NAME]");
    check("Patient: Jane Roe Age: 61", "Patient: [NAME] Age: 61");
}

#[test]
fn letters_to_many_name_nobody() {
    for text in ["Liebe Eltern,", "Sehr geehrte Patientinnen und Patienten,", "Hello I moved"] {
        check(text, text);
    }
    check("Liebe Jane,", "Liebe [NAME],");
}

#[test]
fn titles_go_with_their_names_but_not_in_spanish() {
    check("Prof. Dr. med. Roe sah ihn", "[NAME] sah ihn");
    check("seen by MR. Roe", "seen by [NAME]");
    check("Herr Dr. Roe", "Herr [NAME]");
    check("Dr.\nRoe", "Dr.\nRoe");
    check("Lo dice el Dr. Roe de la planta", "Lo dice el Dr. [NAME] de la planta");
    check("Dear Sir or Madam, Patient Denies pain", "Dear Sir or Madam, Patient Denies pain");
}

#[test]
fn eponyms_are_no_people() {
    for text in [
        "Parkinson's disease",
        "A Foley catheter was placed.",
        "Morbus Crohn",
        "Glasgow coma scale 15",
        "síndrome de Down",
        "Epstein-Barr virus",
        "Hodgkin lymphoma",
    ] {
        assert_eq!(ENGINE.clean(text, Mode::Mask).text, text);
    }
}

#[test]
fn the_tagger_finds_names_in_running_text() {
    let clean = |text: &str| ENGINE.clean(text, Mode::Mask).text;
    assert_eq!(
        clean("Yesterday Kathrin Schmidt visited us in Hamburg."),
        "Yesterday [NAME] visited us in [LOCATION]."
    );
    assert_eq!(clean("Call Jane Roe."), "Call [NAME].");
    assert_eq!(clean("Gestern war Jürgen Hoffmann in Köln."), "Gestern war [NAME] in [LOCATION].");
    let quiet = "Der Patient wurde in gutem Allgemeinzustand entlassen.";
    assert_eq!(clean(quiet), quiet);
}

#[test]
fn addresses_with_what_follows_them() {
    check("lives at 517 Danielle Mission Apt. 859, New Bobby", "lives at [ADDRESS]");
    check("Domicilio: Calle Mayor, 3, 2º A.\nCP: 28013.", "Domicilio: [ADDRESS].\nCP: [ZIP].");
    check("wohnhaft Lindenstraße 12a, 50931 Köln.", "wohnhaft [ADDRESS].");
}

#[test]
fn hints_name_what_other_fields_hold() {
    let hints = |name: &str, identifier: &str| {
        let mut hints = Hints::default();
        hints.people.name(name);
        hints.people.identifier(identifier);
        hints
    };
    let clean = RULES.try_clean("ROSE rose, X-17; roses", &hints("Rose", "X-17"), Mode::Mask);
    assert_eq!(clean.unwrap().text, "[NAME], [ID]; roses");
    let hints = hints("Ro\u{ad}se", "X-１７");
    let clean = RULES.try_clean("ro\u{200b}se, X-17", &hints, Mode::Mask).unwrap();
    assert_eq!(clean.text, "[NAME], [ID]", "hints are read as texts are");
}

#[test]
fn offsets_are_code_points() {
    for lead in ["😀 ", "e\u{301}a\u{300} ", "שלום ", "naïve – "] {
        let text = format!("{lead}jane@example.org end");
        let [span] = RULES.find(&text)[..] else { panic!("one span in {text}") };
        let found: String = text.chars().skip(span.start).take(span.end - span.start).collect();
        assert_eq!(found, "jane@example.org");
    }
}

#[test]
fn what_nobody_sees_and_other_digits_hide_nothing() {
    check("mail jane\u{200b}.roe@exam\u{ad}ple.org now", "mail [EMAIL] now");
    check("SSN: 536\u{2060}-22-12\u{200b}34\u{200b}.", "SSN: [SSN]\u{200b}.");
    check("card ４１１１ １１１１ １１１１ １１１１ ok", "card [CREDIT_CARD] ok");
    check("phone ٠٢٢١ ٤٧١٠١٢٣ x", "phone [PHONE] x");
    check("MRN ९८८५५४७५ x", "MRN [MEDICAL_RECORD] x");
    check("ｊａｎｅ＠example.org", "[EMAIL]");
    let surrogates = Surrogates::new(&SiteKey::new([1; 32]), Language::English);
    let text = |text: &str| RULES.clean(text, Mode::Surrogate(&surrogates)).text;
    assert_eq!(text("MRN ９８８５５４７５"), text("MRN 98855475"));
    let hash = |text: &str| RULES.clean(text, Mode::Hash(&SiteKey::new([1; 32]))).text;
    assert_eq!(hash("a@ex\u{ad}ample.org"), hash("a@example.org"));
}

#[test]
fn spaces_and_hyphens_of_every_kind_part_what_they_part_in_ascii() {
    check("born 12\u{a0}March\u{a0}1950", "born [DATE]");
    check("geb. 12.\u{a0}3.\u{a0}1950", "geb. [DATE]");
    check("DOB: 03\u{2011}12\u{2011}1950", "DOB: [DATE]");
    check("am 12\u{2044}03\u{2044}1950", "am [DATE]");
    check("phone: 216\u{202f}555\u{202f}0199 x", "phone: [PHONE] x");
    check("Tel. 0151\u{202f}2345678", "Tel. [PHONE]");
    check("(216)\u{a0}555\u{2011}0199", "[PHONE]");
    check("IBAN DE89\u{2009}3704\u{2009}0044\u{2009}0532\u{2009}0130\u{2009}00.", "IBAN [IBAN].");
    check("MRN:\u{2007}7744\u{a0}1188", "MRN:\u{2007}[MEDICAL_RECORD]");
    check("SSN: 536\u{2010}22\u{2212}1234", "SSN: [SSN]");
    check("Dr.\u{a0}Roe\u{2011}Doe came", "[NAME] came");
    check("5\u{2009}mg, 120\u{a0}mmHg", "5\u{2009}mg, 120\u{a0}mmHg");
}

#[test]
fn a_letter_and_its_mark_are_one_letter() {
    check("Dr. Mo\u{308}ller kam, Möller ging", "[NAME] kam, [NAME] ging");
    check("am 3. Ma\u{308}rz 2020", "am [DATE]");
    let hash = |text: &str| RULES.clean(text, Mode::Hash(&SiteKey::new([1; 32]))).text;
    assert_eq!(hash("Dr. Mo\u{308}ller"), hash("Dr. Möller"));
}

#[test]
fn a_name_has_so_many_titles_and_no_more() {
    check(&format!("{}Roe came", "Dr. ".repeat(8)), "[NAME] came");
    check(&format!("{}Roe came", "Dr. ".repeat(10)), "Dr. Dr. [NAME] came");
    check(&"Dr ".repeat(20), &"Dr ".repeat(20));
}

#[test]
fn hashes_depend_on_key_and_text() {
    let clean = |key: u8, text: &str| RULES.clean(text, Mode::Hash(&SiteKey::new([key; 32]))).text;
    let first = clean(1, "a@example.org");
    assert!(first.starts_with("[EMAIL:") && first.len() == "[EMAIL:0123456789abcdef]".len());
    assert_eq!(first, clean(1, "a@example.org"));
    assert_ne!(first, clean(2, "a@example.org"));
    assert_ne!(first, clean(1, "b@example.org"));
    assert_eq!(RULES.clean(&first, Mode::Mask).text, first, "a hash is not masked again");
}

#[test]
fn an_announced_number_is_hidden_wherever_it_stands() {
    check(
        "MRN 77441199 today. Again 77441199, not 774411990 or 7744.",
        "MRN [MEDICAL_RECORD] today. Again [MEDICAL_RECORD], not 774411990 or 7744.",
    );
}

#[test]
fn kinds_can_be_chosen() {
    let profile = Profile { kinds: KindSet::NONE.with(Kind::Email), ..Profile::default() };
    let text = Engine::new(profile).clean("Dr. Roe, a@example.org", Mode::Mask).text;
    assert_eq!(text, "Dr. Roe, [EMAIL]");
}

#[test]
fn one_engine_serves_many_threads() {
    let expected = ENGINE.find("Dr. Jane Roe, 536-22-1234");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(ENGINE.find("Dr. Jane Roe, 536-22-1234"), expected);
                }
            });
        }
    });
}
