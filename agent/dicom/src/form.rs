//! The forms of ASCII values (PS3.5, table 6.2-1): what has not its form may be anything, and does not
//! stay.

use crate::vr::{Class, Shape, Vr};

/// Longest decimal number that is read: the standard's 16 characters are often exceeded.
const DECIMAL_BYTES_MAX: usize = 32;
/// The oldest age that is told (45 CFR 164.514(b)(2)(i)(C)).
const AGE_MAX: u32 = 90;

/// Whether one value of an ASCII representation has its form.
pub(crate) fn is_right(vr: Vr, value: &str) -> bool {
    let value = value.trim();
    if value.is_empty() {
        return true;
    }
    let Class::Ascii(shape) = vr.class() else { return false };
    let only = |set: fn(u8) -> bool| value.bytes().all(set);
    match shape {
        Shape::Age => {
            let digits = value.strip_suffix(['D', 'W', 'M', 'Y']).unwrap_or_default();
            matches!(digits.len(), 1..=3) && digits.bytes().all(|b| b.is_ascii_digit())
        }
        Shape::Code => {
            value.len() <= vr.limit() && only(|b| b.is_ascii_alphanumeric() || b" _-".contains(&b))
        }
        Shape::Decimal => {
            value.len() <= DECIMAL_BYTES_MAX
                && only(|b| b.is_ascii_digit() || b"+-.eE".contains(&b))
                && value.parse::<f64>().is_ok()
        }
        Shape::Integer => value.len() <= vr.limit() && value.parse::<i64>().is_ok(),
        Shape::Date => value.len() == 8 && only(|b| b.is_ascii_digit()),
        Shape::Time => {
            value.len() <= vr.limit() && only(|b| b.is_ascii_digit() || b":.".contains(&b))
        }
        Shape::DateTime => {
            value.len() <= vr.limit() && only(|b| b.is_ascii_digit() || b"+-.".contains(&b))
        }
        Shape::Uid => value.len() <= vr.limit() && only(|b| b.is_ascii_digit() || b == b'.'),
        Shape::Title | Shape::Link => false,
    }
}

/// An age, at most 90 years.
pub(crate) fn age(value: &str) -> String {
    let years = value.strip_suffix('Y').and_then(|years| years.parse::<u32>().ok());
    let old = years.is_some_and(|years| years > AGE_MAX);
    if old { format!("{AGE_MAX:03}Y") } else { value.to_owned() }
}

/// What stands where something must stand and nothing may be told.
pub(crate) const fn dummy(vr: Vr) -> &'static str {
    match vr.class() {
        Class::Ascii(Shape::Date) => "19000101",
        Class::Ascii(Shape::DateTime) => "19000101000000",
        Class::Ascii(Shape::Time) => "000000",
        Class::Ascii(Shape::Age) => "000Y",
        Class::Ascii(Shape::Decimal | Shape::Integer) => "0",
        Class::Ascii(Shape::Link) => "about:blank",
        Class::Text if matches!(vr, Vr::Pn) => "ANONYMOUS",
        Class::Ascii(Shape::Title | Shape::Code | Shape::Uid)
        | Class::Text
        | Class::Binary
        | Class::Sequence => "REMOVED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_those_of_the_standard() {
        for (vr, right, wrong) in [
            (Vr::As, &["075Y", "75Y", "003M"][..], &["Roe", "0075Y", "Y"][..]),
            (Vr::Cs, &["HEAD", "CT_SOM5 SEQ"], &["Roe, Jane", "ABCDEFGHIJKLMNOPQ", "a@b"]),
            (Vr::Ds, &["1.5", "-250.50199999556", "1E-3 "], &["inf", "nan", "1.5 mm", "1.2.3"]),
            (Vr::Is, &["-12", "+3"], &["1.5", "twelve"]),
            (Vr::Da, &["20240229"], &["2024.02.29", "Feb 2024"]),
            (Vr::Tm, &["112233.123456", "11:22"], &["noon"]),
            (Vr::Dt, &["20240229112233.1+0100"], &["yesterday"]),
            (Vr::Ui, &["1.2.840"], &["1.2.Roe"]),
        ] {
            assert!(right.iter().all(|value| is_right(vr, value)), "{vr:?} {right:?}");
            assert!(!wrong.iter().any(|value| is_right(vr, value)), "{vr:?} {wrong:?}");
            assert!(is_right(vr, dummy(vr)) || vr == Vr::Ui, "{vr:?}");
        }
    }

    #[test]
    fn ages_over_89_are_one_class() {
        assert_eq!(
            (age("102Y"), age("075Y"), age("103M")),
            ("090Y".into(), "075Y".into(), "103M".into())
        );
    }
}
