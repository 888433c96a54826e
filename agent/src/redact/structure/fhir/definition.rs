//! What elements hold, by the specification (R4).

use serde_json::{Map, Value};

use super::super::super::kind::Kind;
use super::super::is_of_age;

/// Elements that hold codes or what computers need, and no data of a person. Sorted.
pub(super) const CODES: &[&str] = &[
    "active",
    "code",
    "comparator",
    "contentType",
    "country",
    "currency",
    "gender",
    "intent",
    "kind",
    "language",
    "linkId",
    "mode",
    "priority",
    "profile",
    "rank",
    "resourceType",
    "severity",
    "state",
    "status",
    "system",
    "unit",
    "use",
    "userSelected",
    "version",
    "versionId",
];
/// Elements that are left out: what cannot be read, what is where, what repeats the rest. Sorted.
pub(super) const DROPPED: &[&str] = &[
    "carrierAIDC",
    "contentReference",
    "data",
    "div",
    "hash",
    "latitude",
    "longitude",
    "photo",
    "query",
    "signature",
    "source",
];
/// Elements with an instant, which has no shorter form: left out where dates are cut. Sorted.
pub(super) const INSTANTS: &[&str] = &["issued", "lastUpdated", "recorded", "timestamp"];

/// The data type of an object, by the element that it is or by what it holds.
pub(super) fn data_type<'p>(parent: &'p str, fields: &Map<String, Value>) -> &'p str {
    let has = |name: &str| fields.contains_key(name);
    if parent.ends_with("HumanName") || has("family") || has("given") {
        return "name";
    }
    if parent.ends_with("Address") || has("postalCode") || has("line") && has("city") {
        return "address";
    }
    if parent.ends_with("ContactPoint") || telecom(fields).is_some() && has("value") {
        return "telecom";
    }
    let coded = has("code") || has("unit");
    if parent.ends_with("Identifier") || parent == "requisition" && has("value") && !coded {
        return "identifier";
    }
    parent
}

/// Whether an element holds an age, in years or another unit: `onsetAge`, `valueAge`.
pub(super) fn is_age(name: &str) -> bool {
    name == "age" || name.ends_with("Age")
}

/// Whether the specification could give an element this name: what stands there as a name may
/// otherwise be a person's.
pub(super) fn is_element(name: &str) -> bool {
    let name = name.strip_prefix('_').unwrap_or(name);
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

pub(super) fn is_extension(name: &str) -> bool {
    matches!(name, "extension" | "modifierExtension")
}

/// Whether an element is a `value[x]`: `valueString`.
pub(super) fn is_value(name: &str) -> bool {
    name.strip_prefix("value")
        .is_some_and(|kind| kind.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// What an extension calls its value.
pub(super) fn called(extension: &Map<String, Value>) -> Option<&str> {
    extension.get("url")?.as_str()?.rsplit(['/', '#', ':']).next()
}

/// What the value of an extension is: a part of an address (ISO 21090) or of a name.
pub(super) fn extended(called: &str) -> Option<Kind> {
    if called.contains("ADXP-") {
        return Some(Kind::Address);
    }
    let named = called.starts_with("humanname-") || called.to_lowercase().ends_with("maidenname");
    named.then_some(Kind::Name)
}

/// Whether a CodeableConcept is an age.
fn is_concept_of_age(code: &Value) -> bool {
    let says = |value: &Value| value.as_str().is_some_and(is_of_age);
    let mut coded = code["coding"].as_array().into_iter().flatten();
    says(&code["text"]) || coded.any(|one| says(&one["code"]) || says(&one["display"]))
}

/// What a ContactPoint holds, by its system.
fn telecom(fields: &Map<String, Value>) -> Option<Kind> {
    match fields.get("system").and_then(Value::as_str) {
        Some("phone" | "pager" | "sms") => Some(Kind::Phone),
        Some("fax") => Some(Kind::Fax),
        Some("email") => Some(Kind::Email),
        Some("url") => Some(Kind::Url),
        Some(_) | None => None,
    }
}

/// Whether this may be a type of resources: `Patient`.
pub(super) fn is_type(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// What stands beside an element and says what it is.
pub(super) struct Siblings {
    pub(super) refers: bool,
    pub(super) telecom: Option<Kind>,
    /// Whether a value (`value[x]`) is an age.
    pub(super) of_age: bool,
    /// What an extension calls its value: the last part of its address, such as `birthTime`.
    called: Option<String>,
}

impl Siblings {
    /// Of the elements of `parent`.
    pub(super) fn of(parent: &str, fields: &Map<String, Value>) -> Self {
        let refers = ["reference", "identifier"].iter().any(|name| fields.contains_key(*name));
        let called = called(fields).filter(|_| is_extension(parent)).map(str::to_owned);
        let of_age = called.as_deref().is_some_and(is_of_age)
            || fields.get("code").is_some_and(is_concept_of_age);
        Self { refers, telecom: telecom(fields), of_age, called }
    }

    /// What the element `name` is called: a value by what the extension says that it is.
    pub(super) fn called<'n>(&'n self, name: &'n str) -> &'n str {
        self.called.as_deref().filter(|_| is_value(name)).unwrap_or(name)
    }
}

/// A date, dateTime or instant with a month at least: `2024-02`, `2024-02-29T12:30:00Z`.
pub(super) fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| {
        bytes.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let end = bytes.get(7).is_none_or(|sign| *sign == b'-');
    let day = bytes.len() == 7 || digits(8..10);
    let time = bytes.len() <= 10 || bytes.get(10) == Some(&b'T');
    text.is_ascii()
        && digits(0..4)
        && bytes.get(4) == Some(&b'-')
        && digits(5..7)
        && end
        && day
        && time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted() {
        assert!(CODES.is_sorted() && DROPPED.is_sorted() && INSTANTS.is_sorted());
    }

    #[test]
    fn dates_are_known_by_their_form() {
        for date in ["2024-02", "2024-02-29", "2024-02-29T12:30:00Z", "2024-02-29T12:30:00.5+01:00"]
        {
            assert!(is_date(date), "{date}");
        }
        for other in ["2024", "2024-2", "1234-56-78901", "2024-02-29 or so", "20240229"] {
            assert!(!is_date(other), "{other}");
        }
    }
}
