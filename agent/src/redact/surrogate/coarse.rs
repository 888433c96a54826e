//! Ages and postcodes with less detail, by the rules of Safe Harbor (45 CFR 164.514(b)(2)(i)(B)
//! and (C)).

use super::super::profile::Language;
use super::is_among;

/// Areas of three-digit ZIP codes with 20,000 people or fewer, by the census of 2000 (which the
/// guidance of the Department of Health and Human Services lists) or of 2010.
const SMALL: &[&str] = &[
    "036", "059", "063", "102", "203", "205", "369", "556", "692", "753", "772", "790", "821",
    "823", "830", "831", "878", "879", "884", "890", "893",
];
/// Digits that a postcode outside the United States keeps: a region of a million people or so.
pub(super) const KEPT_DIGITS: usize = 2;
/// The oldest age that may be told.
const OLDEST_TOLD: u32 = 89;
/// Years of an age's band, which its middle stands for.
const BAND_YEARS: u32 = 5;
/// Words that stand beside a number of years, in small letters. A text with another word is no age
/// alone, and nothing of it may stay.
const AGE_WORDS: &str = "\
    a age aged alt alter anos ans año años d day days de dias día días edad f h jahr jahre \
    jahren jährig jährige jährigem jährigen jähriger jähriges lebensjahr lj m medio mes \
    meses mo monat monate monaten month months mos o of old olds semana semanas tag tage \
    tagen tg vida w week weeks wk wks woche wochen y year years yo yof yom yr yrs";
/// Letters before a postcode's digits: a state or country.
const AREA_LETTERS_MAX: usize = 2;

/// An age: over 89 it is `90+`, else the middle of its five years.
pub(super) fn age(original: &str) -> Option<String> {
    let start = original.find(|c: char| c.is_ascii_digit())?;
    let rest = &original[start..];
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let years: u32 = rest[..end].parse().ok()?;
    let words = |text: &str| {
        let mut words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.all(|word| is_among(AGE_WORDS, word))
    };
    if !words(&original[..start]) || !words(&rest[end..]) {
        return None;
    }
    let told = if years > OLDEST_TOLD {
        "90+".to_owned()
    } else {
        (years / BAND_YEARS * BAND_YEARS + BAND_YEARS / 2).to_string()
    };
    Some(format!("{}{told}{}", &original[..start], &rest[end..]))
}

/// A postcode: three digits of a ZIP code, none where few people live; two digits, or the area's
/// letters, elsewhere.
pub(super) fn postcode(original: &str, language: Language) -> Option<String> {
    let start = original.find(|c: char| c.is_ascii_digit())?;
    let (before, rest) = original.split_at(start);
    if before.chars().filter(|c| c.is_alphanumeric()).count() > AREA_LETTERS_MAX {
        return None; // a town, or anything else that is no part of the postcode
    }
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let number = &rest[..end];
    let state = before.trim_end_matches([' ', ',']);
    let state = state.len() == 2 && state.bytes().all(|byte| byte.is_ascii_uppercase());
    let plus_four = rest[end..].starts_with('-') && rest.len() == end + 5;
    if number.len() == 5 && (state || plus_four || language == Language::English) {
        let area = if SMALL.contains(&&number[..3]) { "000" } else { &number[..3] };
        return Some(format!("{before}{area}00"));
    }
    if number.len() >= 4 {
        return Some(format!("{before}{}", digits(number, KEPT_DIGITS)));
    }
    // The letters before the first digit name an area: SW, K.
    let letters = before.trim_end_matches(|c: char| !c.is_alphanumeric());
    (!letters.is_empty()).then(|| letters.to_owned())
}

/// `number` with all but its first digits zero.
pub(super) fn digits(number: &str, kept: usize) -> String {
    number.chars().enumerate().map(|(at, c)| if at < kept { c } else { '0' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_ages_are_one() {
        assert_eq!(age("93").unwrap(), "90+");
        assert_eq!(age("104-year-old").unwrap(), "90+-year-old");
        assert_eq!(age("58 años").unwrap(), "57 años");
        assert_eq!(age("3").unwrap(), "2");
        assert_eq!(age("58-jährige").unwrap(), "57-jährige");
        for more in ["neunzig", "58 Jane Roe", "Roe, 58", "58 years, tel. 5550199", "65-93"] {
            assert_eq!(age(more), None, "{more}");
        }
    }

    #[test]
    fn postcodes_lose_detail() {
        let us = |text| postcode(text, Language::English).unwrap();
        assert_eq!(us("90210"), "90200");
        assert_eq!(us("CA 90210-1234"), "CA 90200");
        assert_eq!(us("03601"), "00000", "fewer than 20,000 people live there");
        assert_eq!(us("SW1A 1AA"), "SW");
        assert_eq!(us("K1A 0B1"), "K");
        let german = |text| postcode(text, Language::German).unwrap();
        assert_eq!(german("50667"), "50000");
        assert_eq!(german("D-50667"), "D-50000");
        assert_eq!(german("NY 10001"), "NY 10000");
        for more in ["Jane Roe 50667", "Roe 50667", "Roe 12", "Springfield, IL 62704"] {
            assert_eq!(postcode(more, Language::German), None, "{more}");
        }
    }

    #[test]
    fn the_list_of_small_areas_is_sorted() {
        assert!(SMALL.is_sorted());
    }
}
