//! Synthetic free text with synthetic personal data, so that there is something to redact.
//!
//! Nobody here exists. Telephone numbers are from the range kept for fiction (555-01xx), e-mail
//! addresses from the domain kept for examples, names are common given names and surnames drawn
//! independently. Every note says that it is synthetic.

use crate::draws::Draws;

/// A synthetic note and the personal data in it.
#[derive(Debug)]
pub(crate) struct Note {
    /// What is imported.
    pub(crate) text: String,
    /// What nobody may see of it: name, date of birth, record number, telephone, e-mail.
    pub(crate) personal: [String; 5],
}

const GIVEN: &[&str] = &[
    "Anna", "Barbara", "Carlos", "Daniel", "Elena", "Frank", "Grace", "Henry", "Irene", "James",
    "Katalin", "Laszlo", "Maria", "Nadia", "Oliver", "Paul", "Rosa", "Stefan", "Teresa", "Victor",
];

const SURNAMES: &[&str] = &[
    "Adams", "Baker", "Collins", "Dubois", "Evans", "Fischer", "Garcia", "Horvath", "Jensen",
    "Keller", "Lopez", "Meier", "Novak", "Olsen", "Peterson", "Quinn", "Rossi", "Schmid", "Toth",
    "Weber",
];

const COMPLAINTS: &[&str] = &[
    "Seen for chest pain on exertion",
    "Referred for angiography after an abnormal exercise test",
    "Follow-up after shortness of breath on stairs",
    "Reports pressure in the chest at rest, twice this month",
    "No complaints today, routine review",
];

const PLANS: &[&str] = &[
    "Continue current medication and repeat the exercise test.",
    "Discussed with the family; angiography agreed.",
    "Advised to stop smoking; next visit in three months.",
    "Blood pressure diary for two weeks.",
];

/// The note of the patient with the row number `id`, aged `age`.
pub(crate) fn write(draws: Draws, id: &str, age: &str) -> Note {
    let given = draws.choose(GIVEN, "given name", id);
    let surname = draws.choose(SURNAMES, "surname", id);
    let name = format!("{given} {surname}");
    // The studies were published in 1988.
    let year = 1988 - age.parse::<u64>().unwrap_or(55).min(100);
    let month = 1 + draws.bits("month", id) % 12;
    let day = 1 + draws.bits("day", id) % 28;
    let birth = format!("{month:02}/{day:02}/{year}");
    let record = format!("{}", 1_000_000 + draws.bits("record", id) % 9_000_000);
    let area = 201 + draws.bits("area", id) % 700;
    let phone = format!("({area}) 555-01{:02}", draws.bits("line", id) % 100);
    let email = format!("{}.{}@example.org", given.to_lowercase(), surname.to_lowercase());
    let complaint = draws.choose(COMPLAINTS, "complaint", id);
    let plan = draws.choose(PLANS, "plan", id);
    let text = match draws.bits("form", id) % 3 {
        0 => format!(
            "[synthetic note] Patient: {name}, DOB {birth}, MRN {record}. {complaint}. \
             Phone {phone}, e-mail {email}. {plan}"
        ),
        1 => format!(
            "[synthetic note] {complaint}. Name: {name}. Date of birth: {birth}. \
             Medical record number {record}. Reach at {phone} or {email}. {plan}"
        ),
        _ => format!(
            "[synthetic note] Dear colleague, thank you for seeing {honorific} {name} \
             (born {birth}, record no. {record}). {complaint}. {plan} \
             Contact: {email}, tel. {phone}.",
            honorific = if given.ends_with('a') { "Mrs." } else { "Mr." },
        ),
    };
    Note { text, personal: [name, birth, record, phone, email] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_note_says_that_it_is_synthetic_and_holds_what_it_names() {
        for id in 0..100 {
            let note = write(Draws::new(1), &id.to_string(), "63");
            assert!(note.text.starts_with("[synthetic note]"));
            for value in &note.personal {
                assert!(note.text.contains(value.as_str()), "{value} in {}", note.text);
            }
        }
    }
}
