//! Numbers of files, orders and things that no list of words announces, and what only looks like them; days as they
//! are dictated and noted.

use super::{RULES, check};
use crate::redact::{Engine, Mode, Profile};

#[track_caller]
fn stays(text: &str) {
    check(text, text);
}

#[test]
fn codes_by_their_shape() {
    check("the plan quotes A-2291-0083 for it", "the plan quotes [ID] for it");
    check("two charts, 1100427 and 1309981.", "two charts, [ID] and [ID].");
    check("Police 47/20981/X, CTR-0093217-B", "Police [ID], [ID]");
    check("|Abdi|20417733|POD1|", "|Abdi|[ID]|POD1|");
    check("asset CBF-LT-5529 (E-10447), 7719-AC", "asset [ID] ([ID]), [ID]");
    check("sample H24.0099817, 55C118-209", "sample [ID], [ID]");
    check(r#"{"encounterId":"e-77120394"}"#, r#"{"encounterId":"[ID]"}"#);
}

#[test]
fn amounts_and_codes_that_everybody_may_know_stay() {
    stays("platelets 150000, 1250000 copies, 10000-15000, 1000/1500, 875/125 mg, BP 146/94");
    stays("NCT04320615, rs80338939, GSK2857916, PF-07321332, MK-3475, mRNA-1273, SARS-CoV-2");
    stays("ISO 13485, IEC 60601-1, 2017/745, 2020-001154-22, 978-3-16-148410-0, 7732-18-5");
    stays("S72001A, E11.9, LOINC 45873-1, NDC 0002-8215-01 vs 0002-8799-59, CPT 99213");
    stays("WH-1000XM5, DL380, iPhone 14, COVID-19, HLA-DRB1, ICD-O 8070, 99/99/2020");
    stays("Lot 22K0913, 22K0914 and 22L0002; catalogue item 4481902, order #370925");
}

#[test]
fn an_invalid_check_digit_is_no_code_either() {
    stays("77586165V, AX3260147, GB16RBBT47856458767065");
}

#[test]
fn numbers_behind_a_word_for_number() {
    check("with ISLAND MATERNITY NO 11827.", "with ISLAND MATERNITY NO [ID].");
    check("her number is WP-33021, Nr. W 660 193 027", "her number is [ID], Nr. [ID]");
    stays(
        "no 2019 data, number 4000, no. 12, part number 33021, model no 33021, Batch reference 33021",
    );
}

#[test]
fn days_as_they_are_dictated() {
    check("born june third nineteen sixty in", "born [DATE] in");
    check("on the twenty-second of January, am elften Oktober", "on the [DATE], am [DATE]");
    check("el dos de junio, del 9 al 11 de febrero", "el [DATE], del [DATE]");
    check("he flies on the 21st, since the 6th!", "he flies on the [DATE], since the [DATE]!");
    check("Besuch am 5. und bis 25., 02JUL", "Besuch am [DATE] und bis [DATE], [DATE]");
    stays("on the 3rd day, at the 5th metatarsal, am 3. Tag, may first need, on 2nd floor");
}

#[test]
fn days_at_the_start_of_a_diary_s_lines() {
    check(
        "3.1. Tochter ruft an\n5.1. Besuch\n8.1. Labor",
        "[DATE] Tochter ruft an\n[DATE] Besuch\n[DATE] Labor",
    );
    check("14/11 HB\n16/11 Tel\n19/12 AU\n3/1 Fax", "[DATE] HB\n[DATE] Tel\n[DATE] AU\n[DATE] Fax");
    stays("1.1. Ziel\n1.2. Methode\n2.1. Ergebnis\n3.1. Fazit");
    stays("1/2 Tablette\n1/4 Tablette\n");
}

#[test]
fn months_and_years_of_german_notes() {
    let text = "Der Vorwert der Klinik (10/23) war gut, Schober 10/11,5, Skala 12/15.";
    check(text, "Der Vorwert der Klinik ([DATE]) war gut, Schober 10/11,5, Skala 12/15.");
}

#[test]
fn what_a_reader_finds_is_lengthened_by_what_belongs_to_it() {
    let engine = Engine::new(Profile::default());
    let clean = |text: &str| engine.clean(text, Mode::Mask).text;
    assert_eq!(clean("Sincerely,\nJ. Hashimoto-Reyes"), "Sincerely,\n[NAME]");
    assert_eq!(RULES.clean("adm_src varchar", Mode::Mask).text, "adm_src varchar");
    assert_eq!(clean("SELECT d.ogvd, f.fall_typ FROM drg"), "SELECT d.ogvd, f.fall_typ FROM drg");
}
