//! Check digits and ranges of identifiers.
//!
//! Each function takes the identifier's letters and digits only, in capitals, as ASCII bytes, and
//! says whether they can be one that its issuer gave out.

/// A check over an identifier's letters and digits.
pub(super) type Check = fn(&[u8]) -> bool;

/// Checks that a site's own recognizers may name, in the order of their names.
pub(super) const NAMED: &[(&str, Check)] = &[
    ("aadhaar", aadhaar),
    ("bsn", bsn),
    ("card", card),
    ("codice-fiscale", codice_fiscale),
    ("cpf", cpf),
    ("dea", dea),
    ("dni", dni),
    ("iban", iban),
    ("kvnr", kvnr),
    ("luhn", |id| id.iter().all(u8::is_ascii_digit) && luhn(id)),
    ("medicare", medicare),
    ("mod-97-10", |id| mod_97_10(id.iter()) == Some(1)),
    ("nhs", nhs),
    ("nino", nino),
    ("nir", nir),
    ("npi", npi),
    ("nuss", nuss),
    ("pesel", pesel),
    ("routing", routing),
    ("ssn", ssn),
    ("steuer-id", steuer_id),
    ("tfn", tfn),
    ("verhoeff", verhoeff),
    ("vin", vin),
];

/// Letters and digits of the longest identifier that is checked.
const IDENTIFIER_BYTES_MAX: usize = 64;

/// Whether `check` holds for the letters and digits of `text`. Never without any, or with more than
/// [`IDENTIFIER_BYTES_MAX`].
pub(super) fn holds(check: Check, text: &str) -> bool {
    let mut id = [0; IDENTIFIER_BYTES_MAX];
    let mut length = 0;
    for byte in text.bytes().filter(u8::is_ascii_alphanumeric) {
        let Some(place) = id.get_mut(length) else { return false };
        *place = byte.to_ascii_uppercase();
        length += 1;
    }
    length > 0 && check(&id[..length])
}

/// The digits' values, or `None` when something else is among them.
fn digits<const N: usize>(id: &[u8]) -> Option<[u32; N]> {
    let mut values = [0; N];
    if id.len() != N {
        return None;
    }
    for (value, byte) in values.iter_mut().zip(id) {
        *value = char::from(*byte).to_digit(10)?;
    }
    Some(values)
}

/// `Σ digit × weight`.
fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// Whether all characters are the same: no issuer gives out such a number.
fn uniform(id: &[u8]) -> bool {
    id.windows(2).all(|pair| pair[0] == pair[1])
}

fn number(id: &[u8]) -> u64 {
    id.iter().fold(0, |sum, byte| sum.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')))
}

/// Luhn's formula (ISO/IEC 7812-1, annex B).
pub(super) fn luhn(id: &[u8]) -> bool {
    let sum: u32 = id
        .iter()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte - b'0');
            match (place % 2, digit * 2) {
                (0, _) => digit,
                (_, doubled) if doubled > 9 => doubled - 9,
                (_, doubled) => doubled,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// A payment card: an issuer's range (ISO/IEC 7812) with its lengths, and Luhn.
pub(super) fn card(id: &[u8]) -> bool {
    if id.len() < 12 || uniform(id) || !luhn(id) {
        return false;
    }
    let head = number(&id[..4]);
    match id.len() {
        12..=13 | 17..=19 => matches!(head, 4000..=4999 | 5000..=5099 | 5600..=5899 | 6000..=6999),
        14 => matches!(head, 3000..=3059 | 3095 | 3600..=3699 | 3800..=3999),
        15 => matches!(head, 3400..=3499 | 3700..=3799 | 1800 | 2131 | 2014 | 2149 | 5018..=5893),
        16 => matches!(
            head,
            2200..=2720 | 3000..=3099 | 3528..=3589 | 3600..=3699 | 3800..=3999 | 4000..=6999 | 8100..=8171
        ),
        _ => false,
    }
}

/// An IBAN: its country's length (SWIFT IBAN registry) and ISO 7064 MOD 97-10.
pub(super) fn iban(id: &[u8]) -> bool {
    if id.len() < 15 || iban_length(&id[..2]) != Some(id.len()) {
        return false;
    }
    mod_97_10(id[4..].iter().chain(&id[..4])) == Some(1)
}

/// The rest by 97, letters read as 10 to 35 (ISO 7064 MOD 97-10).
fn mod_97_10<'a>(mut id: impl Iterator<Item = &'a u8>) -> Option<u32> {
    id.try_fold(0, |rest, byte| {
        let value = char::from(*byte).to_digit(36)?;
        Some(if value < 10 { rest * 10 + value } else { rest * 100 + value } % 97)
    })
}

fn iban_length(country: &[u8]) -> Option<usize> {
    Some(match country {
        b"NO" => 15,
        b"BE" | b"BI" => 16,
        b"DK" | b"FI" | b"FO" | b"GL" | b"NL" | b"SD" | b"FK" => 18,
        b"MK" | b"SI" => 19,
        b"AT" | b"BA" | b"EE" | b"KZ" | b"LT" | b"LU" | b"XK" | b"MN" => 20,
        b"CH" | b"CR" | b"HR" | b"LI" | b"LV" => 21,
        b"BG" | b"BH" | b"DE" | b"GB" | b"GE" | b"IE" | b"ME" | b"RS" | b"VA" => 22,
        b"AE" | b"GI" | b"IL" | b"IQ" | b"TL" | b"SO" | b"OM" => 23,
        b"AD" | b"CZ" | b"ES" | b"MD" | b"PK" | b"RO" | b"SA" | b"SE" | b"SK" | b"TN" | b"VG" => 24,
        b"LY" | b"PT" | b"ST" => 25,
        b"IS" | b"TR" => 26,
        b"DJ" | b"FR" | b"GR" | b"IT" | b"MC" | b"MR" | b"SM" => 27,
        b"AL" | b"AZ" | b"BY" | b"CY" | b"DO" | b"GT" | b"HN" | b"HU" | b"LB" | b"NI" | b"PL"
        | b"SV" => 28,
        b"BR" | b"PS" | b"QA" | b"UA" => 29,
        b"JO" | b"KW" | b"MU" | b"YE" => 30,
        b"MT" | b"SC" => 31,
        b"LC" => 32,
        b"RU" => 33,
        _ => return None,
    })
}

/// A country's code (ISO 3166-1 alpha-2) where BIC puts it.
pub(super) fn bic(id: &[u8]) -> bool {
    const COUNTRIES: &[u8] = b"AD AE AF AG AI AL AM AO AR AT AU AW AZ BA BB BD BE BF BG BH BI BJ \
        BM BN BO BR BS BT BW BY BZ CA CD CF CG CH CI CL CM CN CO CR CU CV CY CZ DE DJ DK DM DO DZ \
        EC EE EG ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GT GU GW GY \
        HK HN HR HT HU ID IE IL IM IN IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA \
        LB LC LI LK LR LS LT LU LV LY MA MC MD ME MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX \
        MY MZ NA NC NE NG NI NL NO NP NR NZ OM PA PE PF PG PH PK PL PR PS PT PW PY QA RE RO RS RU \
        RW SA SB SC SD SE SG SI SK SL SM SN SO SR SS ST SV SY SZ TC TD TG TH TJ TL TM TN TO TR TT \
        TV TW TZ UA UG US UY UZ VA VC VE VG VI VN VU WS XK YE YT ZA ZM ZW";
    id.len() >= 8 && COUNTRIES.split(|byte| *byte == b' ').any(|country| country == &id[4..6])
}

/// An ABA routing number: Federal Reserve district and weights 3, 7, 1.
pub(super) fn routing(id: &[u8]) -> bool {
    digits::<9>(id).is_some_and(|d| {
        matches!(d[0] * 10 + d[1], 1..=12 | 21..=32 | 61..=72 | 80)
            && weighted(&d, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
    })
}

/// A social security number: the ranges that are never given out.
pub(super) fn ssn(id: &[u8]) -> bool {
    id.len() == 9
        && !matches!(number(&id[..3]), 0 | 666 | 900..)
        && &id[3..5] != b"00"
        && &id[5..] != b"0000"
        && id != b"078051120"
        && id != b"123456789"
        && !uniform(id)
}

/// An ITIN: 9, and the ranges of the middle group.
pub(super) fn itin(id: &[u8]) -> bool {
    id.len() == 9
        && id[0] == b'9'
        && matches!(number(&id[3..5]), 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// An NPI: Luhn over the card issuer prefix 80840 and the number.
pub(super) fn npi(id: &[u8]) -> bool {
    let mut full = *b"80840..........";
    id.len() == 10 && matches!(id[0], b'1' | b'2') && {
        full[5..].copy_from_slice(id);
        luhn(&full)
    }
}

/// A DEA registration: the last digit is that of `d1+d3+d5 + 2(d2+d4+d6)`.
pub(super) fn dea(id: &[u8]) -> bool {
    id.len() == 9
        && digits::<7>(&id[2..])
            .is_some_and(|d| weighted(&d, &[1, 2, 1, 2, 1, 2]) % 10 == d[6] && !uniform(&id[2..]))
}

/// An NHS number: modulus 11 with weights 10 to 2.
pub(super) fn nhs(id: &[u8]) -> bool {
    digits::<10>(id).is_some_and(|d| {
        let check = (11 - weighted(&d, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11;
        check == d[9] && !uniform(id)
    })
}

/// An Austrian social security number: its fourth digit is the others weighted, modulus 11; its last six are a
/// day of birth, whose month goes beyond 12 where numbers ran out.
pub(super) fn svnr(id: &[u8]) -> bool {
    digits::<10>(id).is_some_and(|d| {
        let check = weighted(&d, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11;
        let (day, month) = (10 * d[4] + d[5], 10 * d[6] + d[7]);
        check == d[3] && d[0] > 0 && matches!(day, 1..=31) && matches!(month, 1..=15)
    })
}

/// A Swiss AHV number: 756 before nine digits, and the check digit of EAN-13.
pub(super) fn ahv(id: &[u8]) -> bool {
    digits::<13>(id).is_some_and(|d| {
        id.starts_with(b"756")
            && weighted(&d, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
    })
}

/// A national insurance number: the prefixes that are never given out.
pub(super) fn nino(id: &[u8]) -> bool {
    id.len() == 9
        && !b"DFIQUV".contains(&id[0])
        && !b"DFIQUVO".contains(&id[1])
        && ![b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"].iter().any(|bad| *bad == &id[..2])
        && matches!(id[8], b'A'..=b'D')
}

/// ISO 7064 MOD 11,10 of the German tax number, and its rule on repeated digits.
pub(super) fn steuer_id(id: &[u8]) -> bool {
    digits::<11>(id).is_some_and(|d| {
        let product = d[..10].iter().fold(10, |product, digit| {
            let sum = (digit + product) % 10;
            (if sum == 0 { 10 } else { sum }) * 2 % 11
        });
        let mut times = [0; 10];
        d[..10].iter().for_each(|digit| times[*digit as usize] += 1);
        d[0] != 0 && (11 - product) % 10 == d[10] && times.iter().any(|n| matches!(n, 2 | 3))
    })
}

/// A German health insurance number: a letter, eight digits, a Luhn-like check digit.
pub(super) fn kvnr(id: &[u8]) -> bool {
    if id.len() != 10 || !id[0].is_ascii_uppercase() {
        return false;
    }
    let letter = u32::from(id[0] - b'A') + 1;
    digits::<9>(&id[1..]).is_some_and(|d| {
        let places = [letter / 10, letter % 10].into_iter().chain(d[..8].iter().copied());
        let sum: u32 = places
            .enumerate()
            .map(|(place, digit)| {
                let value = if place % 2 == 0 { digit } else { digit * 2 };
                value / 10 + value % 10
            })
            .sum();
        sum % 10 == d[8]
    })
}

/// A French NIR: `97 − number mod 97`, Corsican departments read as 19 and 18.
pub(super) fn nir(id: &[u8]) -> bool {
    if id.len() != 15 || !matches!(id[0], b'1' | b'2' | b'3' | b'4' | b'7' | b'8') {
        return false;
    }
    let mut body = [0; 13];
    body.copy_from_slice(&id[..13]);
    match &id[5..7] {
        b"2A" => body[5..7].copy_from_slice(b"19"),
        b"2B" => body[5..7].copy_from_slice(b"18"),
        _ => {}
    }
    let month = number(&id[3..5]);
    body.iter().all(u8::is_ascii_digit)
        && matches!(month, 1..=12 | 20..=42 | 50..=99)
        && 97 - number(&body) % 97 == number(&id[13..])
}

/// A Spanish DNI or NIE: the letter is the number's rest by 23.
pub(super) fn dni(id: &[u8]) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let Some((letter, body)) = id.split_last() else { return false };
    let mut value = [b'0'; 8];
    match body {
        [b'X'..=b'Z', rest @ ..] if rest.len() == 7 => {
            value[0] = body[0] - b'X' + b'0';
            value[1..].copy_from_slice(rest);
        }
        _ if body.len() == 8 => value.copy_from_slice(body),
        _ => return false,
    }
    value.iter().all(u8::is_ascii_digit)
        && !uniform(&value)
        && LETTERS.get((number(&value) % 23) as usize) == Some(letter)
}

/// A Spanish social security number: province, and the rest by 97.
pub(super) fn nuss(id: &[u8]) -> bool {
    if id.len() != 12 {
        return false;
    }
    let (province, serial) = (number(&id[..2]), number(&id[2..10]));
    let whole =
        if serial < 10_000_000 { serial + province * 10_000_000 } else { number(&id[..10]) };
    matches!(province, 1..=53 | 66) && whole % 97 == number(&id[10..])
}

/// An Italian tax code: month letter, day, and the sum of places modulo 26 (D.M. 23/12/1976).
pub(super) fn codice_fiscale(id: &[u8]) -> bool {
    const ODD: [u32; 36] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3,
        6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
    ];
    if id.len() != 16 {
        return false;
    }
    let sum = id[..15].iter().enumerate().try_fold(0, |sum, (place, byte)| {
        let value = char::from(*byte).to_digit(36)?;
        let even = if value < 10 { value } else { value - 10 };
        Some(sum + if place % 2 == 0 { ODD[value as usize] } else { even })
    });
    sum.is_some_and(|sum| sum % 26 == u32::from(id[15].wrapping_sub(b'A')))
}

/// A PESEL: weights 1, 3, 7, 9 and a month with its century.
pub(super) fn pesel(id: &[u8]) -> bool {
    digits::<11>(id).is_some_and(|d| {
        let check = (10 - weighted(&d, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10) % 10;
        let (month, day) = (d[2] % 2 * 10 + d[3], d[4] * 10 + d[5]);
        check == d[10] && matches!(month, 1..=12) && matches!(day, 1..=31)
    })
}

/// A Dutch BSN: the "eleven test" with the last weight −1.
pub(super) fn bsn(id: &[u8]) -> bool {
    digits::<9>(id).is_some_and(|d| {
        let sum = weighted(&d, &[9, 8, 7, 6, 5, 4, 3, 2]);
        !uniform(id) && sum % 11 == d[8] % 11
    })
}

/// An Aadhaar number: its first digit, and Verhoeff's scheme.
pub(super) fn aadhaar(id: &[u8]) -> bool {
    id.len() == 12 && !matches!(id[0], b'0' | b'1') && verhoeff(id)
}

/// Verhoeff's scheme over the dihedral group of order ten.
fn verhoeff(id: &[u8]) -> bool {
    const PERMUTATION: [[u8; 10]; 8] = [
        *b"\0\x01\x02\x03\x04\x05\x06\x07\x08\x09",
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    /// The product of the dihedral group D₅, rotations 0–4, reflections 5–9.
    fn product(a: u8, b: u8) -> u8 {
        match (a < 5, b < 5) {
            (true, true) => (a + b) % 5,
            (true, false) => 5 + (a + b) % 5,
            (false, true) => 5 + (a - b) % 5,
            (false, false) => (a + 5 - b) % 5,
        }
    }
    if !id.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let places = id.iter().rev().enumerate();
    places.fold(0, |sum, (place, byte)| {
        product(sum, PERMUTATION[place % 8][usize::from(byte - b'0')])
    }) == 0
}

/// An Australian tax file number: modulus 11.
pub(super) fn tfn(id: &[u8]) -> bool {
    digits::<9>(id).is_some_and(|d| {
        weighted(&d, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11) && !uniform(id)
    })
}

/// An Australian Medicare number: first digit 2 to 6, weights 1, 3, 7, 9, check digit in ninth place.
pub(super) fn medicare(id: &[u8]) -> bool {
    id.len() >= 10
        && digits::<10>(&id[..10]).is_some_and(|d| {
            matches!(d[0], 2..=6) && weighted(&d, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == d[8]
        })
}

/// A Brazilian CPF: two check digits modulo 11.
pub(super) fn cpf(id: &[u8]) -> bool {
    digits::<11>(id).is_some_and(|d| {
        let check = |sum: u32| (sum * 10 % 11) % 10;
        !uniform(id)
            && check(weighted(&d, &[10, 9, 8, 7, 6, 5, 4, 3, 2])) == d[9]
            && check(weighted(&d, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2])) == d[10]
    })
}

/// A vehicle identification number with the North American check digit (49 CFR 565).
pub(super) fn vin(id: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let value = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'H' => u32::from(byte - b'A') + 1,
        b'J'..=b'R' => u32::from(byte - b'J') + 1,
        b'S'..=b'Z' => u32::from(byte - b'S') + 2,
        _ => 0,
    };
    let sum: u32 = id.iter().zip(WEIGHTS).map(|(byte, weight)| value(*byte) * weight).sum();
    id.len() == 17
        && match sum % 11 {
            10 => id[8] == b'X',
            rest => u32::from(id[8]) == u32::from(b'0') + rest,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `valid` passes, and fails with its last character changed.
    #[track_caller]
    fn verify(check: fn(&[u8]) -> bool, valid: &str) {
        assert!(check(valid.as_bytes()), "{valid}");
        let mut wrong = valid.as_bytes().to_vec();
        let last = wrong.last_mut().unwrap();
        *last = match *last {
            b'9' => b'0',
            b'Z' => b'A',
            other => other + 1,
        };
        assert!(!check(&wrong), "{valid} with another last character");
    }

    #[test]
    fn published_examples_pass_and_fail_when_changed() {
        verify(card, "4111111111111111");
        verify(card, "378282246310005");
        verify(iban, "DE89370400440532013000");
        verify(iban, "GB29NWBK60161331926819");
        verify(iban, "NO9386011117947");
        verify(routing, "011000015");
        verify(npi, "1234567893");
        verify(dea, "AB1234563");
        verify(nhs, "9434765919");
        verify(steuer_id, "86095742719");
        verify(kvnr, "A123456780");
        verify(nir, "255081416802538");
        verify(dni, "12345678Z");
        verify(dni, "X1234567L");
        verify(codice_fiscale, "RSSMRA85T10A562S");
        verify(pesel, "44051401359");
        verify(bsn, "111222333");
        verify(aadhaar, "234123412346");
        verify(tfn, "123456782");
        verify(cpf, "52998224725");
    }

    #[test]
    fn check_digits_inside_the_number() {
        assert!(medicare(b"2428778132") && !medicare(b"2428778232"));
        assert!(vin(b"1M8GDM9AXKP042788") && !vin(b"1M8GDM9A1KP042788"));
        assert!(nuss(b"281234567840") && !nuss(b"281234567841"));
    }

    #[test]
    fn ranges_that_are_never_given_out() {
        assert!(ssn(b"536221234"));
        for bad in [&b"000221234"[..], b"666221234", b"536001234", b"536220000", b"912221234"] {
            assert!(!ssn(bad));
        }
        assert!(itin(b"912701234") && !itin(b"912011234"));
        assert!(nino(b"AB123456C") && !nino(b"BG123456C") && !nino(b"AB123456E"));
        assert!(bic(b"DEUTDEFF500") && !bic(b"DEUTXQFF"));
    }

    #[test]
    fn other_lengths_are_refused() {
        let checks: &[fn(&[u8]) -> bool] = &[
            card,
            iban,
            bic,
            routing,
            ssn,
            itin,
            npi,
            dea,
            nhs,
            nino,
            steuer_id,
            kvnr,
            nir,
            dni,
            nuss,
            codice_fiscale,
            pesel,
            bsn,
            aadhaar,
            tfn,
            medicare,
            cpf,
            vin,
        ];
        for check in checks {
            assert!(!check(b"") && !check(b"1") && !check(&[b'1'; 40]));
        }
    }
}
