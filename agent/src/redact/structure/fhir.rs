//! FHIR R4: elements cleaned by what the specification says they hold.
//!
//! Names, addresses, telecoms and identifiers are replaced wherever an element of such a data type
//! stands, in extensions as well; dates are moved, or cut to the year,
//! which FHIR allows; what refers to other resources is replaced alike everywhere, so that
//! references still lead; codes stay; attachments, photos, coordinates and the narrative (which
//! repeats what the elements say) are left out; every other string is read as text.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::kind::Kind;
use super::super::lines::LineError;
use super::super::profile::{Hints, Mode, Subject};
use super::json::{self, join};
use super::{Action, Cleaner, known};

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 100;

/// Elements that hold codes or what computers need, and no data of a person. Sorted.
const CODES: &[&str] = &[
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
const DROPPED: &[&str] = &[
    "contentReference",
    "data",
    "div",
    "hash",
    "latitude",
    "longitude",
    "photo",
    "signature",
    "source",
];
/// Elements with an instant, which has no shorter form: left out where dates are cut. Sorted.
const INSTANTS: &[&str] = &["issued", "lastUpdated", "recorded", "timestamp"];

/// Patients by what refers to them: the full addresses of their entries in a bundle, or their places
/// in the resource that contains them (`#p1`).
type Addresses = BTreeMap<String, String>;

/// Where an element stands.
#[derive(Clone, Copy)]
struct Place<'p> {
    /// The element that holds it: its data type where that is known, else its name.
    parent: &'p str,
    /// The patients of the bundle.
    addresses: &'p Addresses,
    /// The patients that the resource contains.
    contained: &'p Addresses,
    /// The resource's type.
    resource: &'p str,
    path: &'p str,
    depth: usize,
}

/// Whom a resource, or the first patient of a bundle, is about.
pub(super) fn subject(value: &Value) -> Option<String> {
    let kind = value.get("resourceType").and_then(Value::as_str)?;
    if kind == "Bundle" {
        let entries = value.get("entry")?.as_array()?;
        return entries.iter().find_map(|entry| subject(entry.get("resource")?));
    }
    if kind == "Patient" {
        return value.get("id").and_then(Value::as_str).map(str::to_owned);
    }
    let reference = reference_to(value)?;
    if reference.starts_with('#') {
        return contained(value).remove(reference);
    }
    Some(address(reference).to_owned())
}

/// The reference of a resource to whom it is about.
fn reference_to(resource: &Value) -> Option<&str> {
    let referred = ["subject", "patient", "beneficiary", "individual", "for"];
    referred.iter().find_map(|name| resource.get(name)?.get("reference")?.as_str())
}

/// The patients that a resource contains. Their ids tell them apart in there only, so that they are
/// known by their first number, or by what contains them, where that has a name.
fn contained(resource: &Value) -> Addresses {
    let inside = resource.get("contained").and_then(Value::as_array);
    let patients = inside.into_iter().flatten().filter(|one| one["resourceType"] == "Patient");
    let address = |patient: &Value| {
        let place = format!("#{}", patient["id"].as_str()?);
        let numbers = patient["identifier"].as_array().into_iter().flatten();
        let number = numbers.filter_map(|one| one["value"].as_str()).next().map(str::to_owned);
        let kind = resource["resourceType"].as_str()?;
        let named = || Some(format!("{kind}/{}{place}", resource["id"].as_str()?));
        let subject = number.or_else(named)?;
        Some((place, subject))
    };
    patients.filter_map(address).collect()
}

/// The name of what a reference leads to: the same as its `id`, so that a patient is one subject in
/// every resource and format.
fn address(reference: &str) -> &str {
    let plain = reference.split("/_history/").next().unwrap_or(reference);
    if plain.starts_with("urn:") { plain } else { plain.rsplit('/').next().unwrap_or(plain) }
}

/// The patients of a bundle by the addresses that refer to them there.
fn addresses(bundle: &Map<String, Value>) -> Addresses {
    let entries = bundle.get("entry").and_then(Value::as_array);
    let address = |entry: &Value| {
        let url = entry.get("fullUrl")?.as_str().filter(|url| url.starts_with("urn:"))?;
        let patient = entry.get("resource").filter(|one| one["resourceType"] == "Patient")?;
        Some((url.to_owned(), subject(patient)?))
    };
    entries.into_iter().flatten().filter_map(address).collect()
}

/// The data type of an object, by the element that it is or by what it holds.
fn data_type<'p>(parent: &'p str, fields: &Map<String, Value>) -> &'p str {
    let has = |name: &str| fields.contains_key(name);
    if parent.ends_with("HumanName") || has("family") || has("given") {
        return "name";
    }
    if parent.ends_with("Address") || has("postalCode") || has("line") && has("city") {
        return "address";
    }
    if parent.ends_with("ContactPoint") || Siblings::of(fields).telecom.is_some() && has("value") {
        return "telecom";
    }
    let coded = has("code") || has("unit");
    if parent.ends_with("Identifier") || parent == "requisition" && has("value") && !coded {
        return "identifier";
    }
    parent
}

/// Takes the names of people, and the numbers of patients, that `value` tells into `hints`.
pub(super) fn learn(hints: &mut Hints, value: &Value, depth: usize) {
    match value {
        Value::Object(fields) if depth > 0 => {
            let texts = |name: &str| match fields.get(name) {
                Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
                Some(Value::String(text)) => vec![text.as_str()],
                Some(_) | None => Vec::new(),
            };
            // A HumanName: no other data type has such elements.
            for part in texts("family").into_iter().chain(texts("given")) {
                known::learn_name(hints, part);
            }
            if fields.get("resourceType").and_then(Value::as_str) == Some("Patient") {
                let identifiers = fields.get("identifier").and_then(Value::as_array);
                for identifier in identifiers.into_iter().flatten() {
                    if let Some(number) = identifier.get("value").and_then(Value::as_str) {
                        known::learn_number(hints, number);
                    }
                }
            }
            fields.values().for_each(|value| learn(hints, value, depth - 1));
        }
        Value::Array(items) if depth > 0 => {
            items.iter().for_each(|item| learn(hints, item, depth - 1));
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {}
    }
}

/// A resource or bundle.
pub(super) fn resource(cleaner: &mut Cleaner<'_>, value: Value) -> Result<Value, LineError> {
    let contained = contained(&value);
    let Value::Object(fields) = value else {
        return Err(LineError::Malformed { reason: "not a FHIR resource: no JSON object" });
    };
    if !fields.get("resourceType").is_some_and(Value::is_string) {
        return Err(LineError::Malformed { reason: "not a FHIR resource: no resourceType" });
    }
    let addresses = addresses(&fields);
    let place = Place {
        parent: "",
        addresses: &addresses,
        contained: &contained,
        resource: "",
        path: "",
        depth: 0,
    };
    object(cleaner, fields, &place).map(Value::Object)
}

fn object(
    cleaner: &mut Cleaner<'_>,
    fields: Map<String, Value>,
    place: &Place<'_>,
) -> Result<Map<String, Value>, LineError> {
    if place.depth > DEPTH_MAX {
        return Err(LineError::Malformed { reason: "nested more than 100 levels deep" });
    }
    let own = fields.get("resourceType").and_then(Value::as_str).map(str::to_owned);
    if own.is_some() && place.depth > 0 {
        return about(cleaner, fields, place);
    }
    elements(cleaner, fields, place)
}

/// A resource inside another, whose dates move with those of its own subject.
fn about(
    cleaner: &mut Cleaner<'_>,
    fields: Map<String, Value>,
    place: &Place<'_>,
) -> Result<Map<String, Value>, LineError> {
    let value = Value::Object(fields);
    let own = own_subject(&value, place);
    let contained = contained(&value);
    let place = &Place { contained: &contained, ..*place };
    let Value::Object(fields) = value else { return Ok(Map::new()) };
    let Some(own) = own else { return elements(cleaner, fields, place) };
    let outer = std::mem::replace(&mut cleaner.hints.subject, Subject::Named(own));
    let clean = elements(cleaner, fields, place);
    cleaner.hints.subject = outer;
    clean
}

/// Whom a resource inside another is about, as the resources around it name that patient.
fn own_subject(resource: &Value, place: &Place<'_>) -> Option<String> {
    let of_bundle = |own: String| place.addresses.get(&own).cloned().unwrap_or(own);
    if !place.path.ends_with("contained") {
        return subject(resource).map(of_bundle);
    }
    let reference = match resource["resourceType"].as_str() {
        Some("Patient") => format!("#{}", resource["id"].as_str()?),
        Some(_) | None => reference_to(resource)?.to_owned(),
    };
    if reference.starts_with('#') {
        return place.contained.get(&reference).cloned();
    }
    Some(of_bundle(address(&reference).to_owned()))
}

fn elements(
    cleaner: &mut Cleaner<'_>,
    fields: Map<String, Value>,
    place: &Place<'_>,
) -> Result<Map<String, Value>, LineError> {
    let own = fields.get("resourceType").and_then(Value::as_str).map(str::to_owned);
    let resource = own.as_deref().unwrap_or(place.resource).to_owned();
    let siblings = Siblings::of(&fields);
    let parent = data_type(place.parent, &fields);
    let fields = if is_age(place.parent) { young(cleaner, fields) } else { fields };
    let mut clean = Map::new();
    for (name, value) in fields {
        if !is_element(&name) {
            return Err(LineError::Malformed { reason: "a name that no FHIR element can have" });
        }
        let path = join(place.path, &name);
        let inner = Place {
            parent,
            addresses: place.addresses,
            contained: place.contained,
            resource: &resource,
            path: &path,
            depth: place.depth + 1,
        };
        let is_resource_id = name == "id" && own.is_some();
        let value = if is_resource_id {
            value.as_str().map(|id| Value::String(cleaner.link(&resource, id)))
        } else {
            element(cleaner, &name, value, &inner, &siblings)?
        };
        if let Some(value) = value {
            clean.insert(name, value);
        }
    }
    Ok(clean)
}

/// Whether an element holds an age, in years or another unit: `onsetAge`, `valueAge`.
fn is_age(name: &str) -> bool {
    name == "age" || name.ends_with("Age")
}

/// An age over 89 years is 90, which is a number as well.
fn young(cleaner: &mut Cleaner<'_>, mut fields: Map<String, Value>) -> Map<String, Value> {
    let unit = ["code", "unit"].iter().find_map(|name| fields.get(*name)?.as_str());
    let years = unit.is_none_or(|unit| unit.starts_with(['a', 'y', 'Y', 'j', 'J']));
    let value =
        fields.get_mut("value").filter(|value| value.as_f64().is_some_and(|age| age > 89.0));
    if let Some(value) = value.filter(|_| years && !matches!(cleaner.records.mode, Mode::None)) {
        *value = Value::from(90);
        cleaner.account.found.push(Kind::Age);
    }
    fields
}

/// Whether the specification could give an element this name: what stands there as a name may
/// otherwise be a person's.
fn is_element(name: &str) -> bool {
    let name = name.strip_prefix('_').unwrap_or(name);
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What stands beside an element and says what it is.
struct Siblings {
    refers: bool,
    telecom: Option<Kind>,
}

impl Siblings {
    fn of(fields: &Map<String, Value>) -> Self {
        let telecom = match fields.get("system").and_then(Value::as_str) {
            Some("phone" | "pager" | "sms") => Some(Kind::Phone),
            Some("fax") => Some(Kind::Fax),
            Some("email") => Some(Kind::Email),
            Some("url") => Some(Kind::Url),
            Some(_) | None => None,
        };
        let refers = ["reference", "identifier"].iter().any(|name| fields.contains_key(*name));
        Self { refers, telecom }
    }
}

fn element(
    cleaner: &mut Cleaner<'_>,
    name: &str,
    value: Value,
    place: &Place<'_>,
    siblings: &Siblings,
) -> Result<Option<Value>, LineError> {
    let rule = cleaner.records.rules.action(place.path);
    let narrative = name == "text" && value.get("div").is_some();
    let dropped = rule.is_none() && (DROPPED.binary_search(&name).is_ok() || narrative);
    if rule == Some(Action::Drop) || dropped {
        return Ok(None);
    }
    match value {
        Value::Object(fields) => {
            let inner = Place { parent: name, ..*place };
            object(cleaner, fields, &inner).map(|fields| Some(Value::Object(fields)))
        }
        Value::Array(items) => {
            let mut clean = Vec::with_capacity(items.len());
            for item in items {
                clean.extend(element(cleaner, name, item, place, siblings)?);
            }
            Ok(Some(Value::Array(clean)))
        }
        Value::String(text) => {
            if let Some(rule) = rule {
                return json::scalar(cleaner, rule, name, Value::String(text));
            }
            string(cleaner, name, &text, place, siblings).map(|text| text.map(Value::String))
        }
        scalar @ (Value::Null | Value::Bool(_) | Value::Number(_)) => match rule {
            Some(rule) => json::scalar(cleaner, rule, name, scalar),
            None => Ok(Some(scalar)),
        },
    }
}

fn string(
    cleaner: &mut Cleaner<'_>,
    name: &str,
    text: &str,
    place: &Place<'_>,
    siblings: &Siblings,
) -> Result<Option<String>, LineError> {
    let birth = name == "birthDate" || place.path.split('.').any(|part| part == "_birthDate");
    if is_date(text) || name == "birthDate" {
        let instant = INSTANTS.binary_search(&name).is_ok();
        let moved = cleaner.date(text, birth);
        return Ok(moved.filter(|moved| !instant || moved.len() == text.len()));
    }
    let hidden = match (place.parent, name) {
        ("name" | "maidenName", "family" | "given" | "text") => Some(Kind::Name),
        ("address", "line" | "text" | "district") => Some(Kind::Address),
        ("address", "city") => Some(Kind::Location),
        ("address", "postalCode") => Some(Kind::Zip),
        ("telecom", "value") => Some(siblings.telecom.unwrap_or(Kind::Phone)),
        ("identifier", "value") => Some(Kind::Id),
        (_, "display") if siblings.refers => Some(Kind::Name),
        (_, "authorString" | "performerName") => Some(Kind::Name),
        (_, "name" | "alias") if matches!(place.resource, "Organization" | "Location") => {
            Some(Kind::Organization)
        }
        (_, "serialNumber" | "deviceIdentifier" | "udi" | "carrierHRF" | "lotNumber") => {
            Some(Kind::DeviceSerial)
        }
        _ => None,
    };
    if let Some(kind) = hidden {
        return Ok(Some(cleaner.hide(kind, text)));
    }
    if matches!(name, "reference" | "fullUrl") {
        return Ok(Some(reference(cleaner, text)));
    }
    let definition = name == "url" && matches!(place.parent, "extension" | "modifierExtension");
    let code = CODES.binary_search(&name).is_ok() && !text.contains(char::is_whitespace);
    if definition || code {
        return Ok(Some(text.to_owned()));
    }
    cleaner.text(name, text).map(Some)
}

/// `Patient/7`, `https://…/Patient/7` and `urn:uuid:…`: the kind of resource stays. Fragments name
/// what is contained, and stay.
fn reference(cleaner: &mut Cleaner<'_>, text: &str) -> String {
    if text.starts_with('#') {
        return text.to_owned();
    }
    if let Some(uuid) = text.strip_prefix("urn:uuid:") {
        let link = cleaner.link("uuid", uuid);
        let parts = (link.get(..8), link.get(8..12), link.get(12..16), link.get(16..20));
        return match (parts, link.get(20..32)) {
            ((Some(a), Some(b), Some(c), Some(d)), Some(e)) => {
                format!("urn:uuid:{a}-{b}-{c}-{d}-{e}")
            }
            _ => format!("urn:uuid:{link}"),
        };
    }
    let plain = text.split("/_history/").next().unwrap_or(text);
    let mut parts = plain.rsplit('/');
    let (id, kind) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let link = cleaner.link(kind, id);
    if kind.is_empty() { link } else { format!("{kind}/{link}") }
}

/// A date, dateTime or instant with a month at least: `2024-02`, `2024-02-29T12:30:00Z`.
fn is_date(text: &str) -> bool {
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
