//! Numbers, days, fields and endings as letters have them.

use super::check;

#[test]
fn numbers_as_german_letters_have_them() {
    check(
        "Vers.-Nr. T482095516, Aufn.nr. 8823107",
        "Vers.-Nr. [HEALTH_PLAN], Aufn.nr. [MEDICAL_RECORD]",
    );
    check("Unser Zeichen: PET-190381-2", "Unser Zeichen: [ID]");
    // Its check digit is wrong: only an insurer beside it makes it a member's number.
    check("AOK Nordost M551720938", "AOK Nordost [HEALTH_PLAN]");
    check("Probe M551720938", "Probe M551720938");
    check("05401/33 61 9 oder 08161 / 2 44 09 0", "[PHONE] oder [PHONE]");
    check("Praxis 0391.73055", "Praxis [PHONE]");
    check("zuletzt 17.01.; Kalium 17.01", "zuletzt [DATE]; Kalium 17.01");
}

#[test]
fn numbers_that_austria_and_switzerland_give() {
    check("Versichert 1237 010180, 756.9217.0769.85", "Versichert [TAX_ID], [TAX_ID]");
    check(
        "Versicherter 1238 010180, 756.9217.0769.86",
        "Versicherter 1238 010180, 756.9217.0769.86",
    );
    check("SV-Nr.: 3817 210339", "SV-Nr.: [TAX_ID]");
    check("Hofrat Mag. Aigner, Ddr. Thaler", "Hofrat Mag. [NAME], Ddr. [NAME]");
}

#[test]
fn files_of_courts_and_offices() {
    check("Verfahren 41 XVII 209/22, S 12 KR 345/20", "Verfahren [ID], [ID]");
    check("My file number is EY-77304", "My file number is [MEDICAL_RECORD]");
    check("Histo (K24-20911), 23-D-90817", "Histo ([MEDICAL_RECORD]), [MEDICAL_RECORD]");
    check("PID: 880413297, MR 3381907", "PID: [MEDICAL_RECORD], [MEDICAL_RECORD]");
    check("Geschäftszeichen 57 XVII 204/19 K, IK 460 118 277", "Geschäftszeichen [ID], IK [ID]");
    check("member # W2278 41903, DNI (50884127-Q)", "member # [HEALTH_PLAN], DNI ([ES_DNI])");
    check("Vers.-Nr. des Kindes H 660 914 228", "Vers.-Nr. des Kindes [HEALTH_PLAN]");
    check("prior auth PA5589120, Rx # 6048821", "prior auth [ID], Rx # [ID]");
    check("Auftrag 23-118845-M, Rechnung Nr. 2024-1187", "Auftrag [ID], Rechnung Nr. [ACCOUNT]");
    check("Gutachten-Nr. BB-24-0098817, CHI 0703581246", "Gutachten-Nr. [ID], CHI [NHS]");
    check("Apgar 9/10/10, 3 T 1/2", "Apgar 9/10/10, 3 T 1/2");
}

#[test]
fn fields_and_endings_that_name_nobody() {
    check("Med: Torasemid 20\nRe: Kaffeemaschine", "Med: Torasemid 20\nRe: Kaffeemaschine");
    check("Mit freundlichen Grüßen\nIhre Verwaltung", "Mit freundlichen Grüßen\nIhre Verwaltung");
    check("Diagnosen:\nHI NYHA III", "Diagnosen:\nHI NYHA III");
    check("Pat.: Adebayo, Folasade", "Pat.: [NAME]");
    check("Labor v. 7.6.: Hb 11", "Labor [DATE]: Hb 11");
    check("N/V/D. Tolerates food", "N/V/D. Tolerates food");
    check("Prim. Dr. Wöss", "Prim. [NAME]");
    check(
        "Dear Customer, the salary is in Band D. Dogs bark.",
        "Dear Customer, the salary is in Band D. Dogs bark.",
    );
    check("Das D. Roe ist, tell the son I'll ring", "Das D. Roe ist, tell the son I'll ring");
    check(
        "Für Tapeten lieber Kleister.\nlieber Hannes",
        "Für Tapeten lieber Kleister.\nlieber [NAME]",
    );
    check("Dear Colleague, SR. Stent via 18 cannula", "Dear Colleague, SR. Stent via 18 cannula");
    check("Loaf tin, 175 °C", "Loaf tin, 175 °C");
    check("Fundus: C/D 0.6, OD 0.4", "Fundus: C/D 0.6, OD 0.4");
    check("The 8 Fr Skater, HR 118 SR. Angio", "The 8 Fr Skater, HR 118 SR. Angio");
    check("SR. JAIME ROE", "SR. [NAME]");
    check("MR PELVIS 3 T, then MR ROE", "MR PELVIS 3 T, then [NAME]");
    check("Name:\nVorname:\ngeb. am:\nStation:", "Name:\nVorname:\ngeb. am:\nStation:");
    check("Name: Vorname: Roe", "Name: Vorname: [NAME]");
    check("Name:\nJaime Roe, retired", "Name:\n[NAME], retired");
    check("La firma de D. Jaime Roe", "La firma de D. [NAME]");
}

#[test]
fn days_without_a_year() {
    check("Exzision 6.10., Besuch 24.1. mit Arzt", "Exzision [DATE], Besuch [DATE] mit Arzt");
    check("Potassium was 3.1. What now?", "Potassium was 3.1. What now?");
    check("Die Fassung 5.3.2 ist neu", "Die Fassung 5.3.2 ist neu");
    check("1.2. Anamnese\n1.3. Befund", "1.2. Anamnese\n1.3. Befund");
    check(
        "booked 05/18 or 19/05, visus 20/10, Norco 10/325",
        "booked [DATE] or [DATE], visus 20/10, Norco 10/325",
    );
    check("fell on Saturday 4th, told Sunday the 8th", "fell on [DATE], told [DATE]");
    check("infusion on Wed 23 Oct", "infusion on [DATE]");
    check("appt 11/30 9:20 am, log 14/10 0920", "appt [DATE], log [DATE]");
    check("LMP 10/14, strength 5/5, 1/2 tab", "LMP [DATE], strength 5/5, 1/2 tab");
    check(
        "off at Tue 2/12, bis Mittwoch, den 9., viene el lunes 17",
        "off at [DATE], bis [DATE], viene el [DATE]",
    );
    check(
        "vom 2. bis 9. Dezember 2024, am 12. und am 20. September, worn 5-6 May 2024, since Aug '22",
        "vom [DATE], am [DATE], worn [DATE], since [DATE]",
    );
    check("Nacida 12-VII-2014, Nervus 3 VII 20", "Nacida [DATE], Nervus 3 VII 20");
}

#[test]
fn extensions_and_numbers_of_insurers() {
    check(
        "ext 4471, her extension is 6031, Klappe 2217, Durchwahl -5518",
        "ext [PHONE], her extension is [PHONE], Klappe [PHONE], Durchwahl -[PHONE]",
    );
    check("unter (039999) 2 18", "unter [PHONE]");
    check("ÖGK 2288300679, claim CL-20931-7", "ÖGK [TAX_ID], claim [HEALTH_PLAN]");
}

#[test]
fn a_number_behind_a_name_is_that_of_a_person() {
    check("Mr Kenward (H-20931) called", "[NAME] ([ID]) called");
    check("Patient: Bergström Kjell 19440512", "Patient: [NAME] [ID]");
    check("Dr. Roe, 20 mg; Dr. Roe 250000.5", "[NAME], 20 mg; [NAME] 250000.5");
    check("Dr. Roe (2019) and Dr. Roe 4411", "[NAME] (2019) and [NAME] 4411");
}

#[test]
fn numbers_of_customers() {
    check(
        "Complaint ref CMP-0033817, our ref: LN 40 778 21, ref 4417",
        "Complaint ref [ID], our ref: [ID], ref [ID]",
    );
    check("CUST-881204 has the card ending 4417", "[ID] has the card ending [CREDIT_CARD]");
    check(
        "Kd.-Nr. 70 118 224, Vertragskonto 3300192877",
        "Kd.-Nr. [ACCOUNT], Vertragskonto [ACCOUNT]",
    );
    check(
        "The membership of Mr Georg Sprake, no. 004417, is due",
        "The membership of [NAME], no. [ID], is due",
    );
}
