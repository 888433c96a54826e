//! FHIR R4: elements cleaned by what the specification says they hold.
//!
//! Names, addresses, telecoms and identifiers are replaced wherever an element of such a data type
//! stands; the values of extensions are what the last part of the extension's address calls them;
//! dates are moved, or cut to the year, which FHIR allows; what refers to other resources is replaced
//! alike everywhere, so that references still lead; codes and the values of quantities stay, but for
//! ages over 89; attachments, photos, other binary data, coordinates and the narrative (which repeats
//! what the elements say) are left out; every other string and number is read as text.

mod definition;
mod subject;

use definition::{
    CODES, DROPPED, INSTANTS, Siblings, data_type, extended, is_age, is_date, is_element,
    is_extension, is_type, is_value,
};
use serde_json::{Map, Number, Value};
pub(super) use subject::subject;
use subject::{Addresses, address, addresses, contained, reference_to};

use super::super::kind::Kind;
use super::super::lines::LineError;
use super::super::profile::{Hints, Mode, Subject};
use super::json::{self, join};
use super::{Action, Cleaner, known};

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 100;
/// In place of a kind of resource, for what is known inside of one resource only: references to it
/// do not say what it is.
const CONTAINED: &str = "#";

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
            if definition::called(fields).and_then(extended) == Some(Kind::Name) {
                texts("valueString").into_iter().for_each(|part| known::learn_name(hints, part));
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
    let siblings = Siblings::of(place.parent, &fields);
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
            let inside = place.path.ends_with("contained");
            let kind = if inside { CONTAINED } else { &resource };
            value.as_str().map(|id| Value::String(cleaner.link(kind, id)))
        } else {
            element(cleaner, &name, value, &inner, &siblings)?
        };
        if let Some(value) = value {
            clean.insert(name, value);
        }
    }
    Ok(clean)
}

/// The elements of an age: in years, or another unit.
fn young(cleaner: &mut Cleaner<'_>, mut fields: Map<String, Value>) -> Map<String, Value> {
    let unit = ["code", "unit"].iter().find_map(|name| fields.get(*name)?.as_str());
    let years = unit.is_none_or(|unit| unit.starts_with(['a', 'y', 'Y', 'j', 'J']));
    if let Some(Value::Number(number)) = fields.get("value").filter(|_| years) {
        let capped = aged(cleaner, number.clone());
        fields.insert("value".to_owned(), capped);
    }
    fields
}

/// An age in years: one over 89 is 90, which is a number as well.
fn aged(cleaner: &mut Cleaner<'_>, years: Number) -> Value {
    let old = years.as_f64().is_some_and(|years| years > 89.0);
    if old && !matches!(cleaner.records.mode, Mode::None) {
        cleaner.account.found.push(Kind::Age);
        return Value::from(90);
    }
    Value::Number(years)
}

fn element(
    cleaner: &mut Cleaner<'_>,
    name: &str,
    value: Value,
    place: &Place<'_>,
    siblings: &Siblings,
) -> Result<Option<Value>, LineError> {
    let rule = cleaner.records.rules.action(place.path);
    let called = siblings.called(name);
    let narrative = name == "text" && value.get("div").is_some();
    let unread = narrative || name.ends_with("Base64Binary");
    let dropped = rule.is_none() && (DROPPED.binary_search(&called).is_ok() || unread);
    if rule == Some(Action::Drop) || dropped {
        return Ok(None);
    }
    match value {
        Value::Object(fields) => {
            let age = siblings.of_age && name == "valueQuantity";
            let inner = Place { parent: if age { "valueAge" } else { name }, ..*place };
            let clean = object(cleaner, fields, &inner)?;
            // An extension without a value means nothing.
            let has_value = clean.keys().any(|name| name != "id" && name != "url");
            Ok((has_value || !is_extension(name)).then_some(Value::Object(clean)))
        }
        Value::Array(items) => {
            let mut clean = Vec::with_capacity(items.len());
            let any = !items.is_empty();
            for item in items {
                clean.extend(element(cleaner, name, item, place, siblings)?);
            }
            Ok((!any || !clean.is_empty()).then_some(Value::Array(clean)))
        }
        Value::String(text) => {
            if let Some(rule) = rule {
                return json::scalar(cleaner, rule, name, Value::String(text));
            }
            string(cleaner, name, &text, place, siblings).map(|text| text.map(Value::String))
        }
        Value::Number(number) => match rule {
            Some(rule) => json::scalar(cleaner, rule, name, Value::Number(number)),
            None => self::number(cleaner, name, number, place, siblings),
        },
        scalar @ (Value::Null | Value::Bool(_)) => Ok(Some(scalar)),
    }
}

/// A number; `None` when nothing that could replace it is one.
fn number(
    cleaner: &mut Cleaner<'_>,
    name: &str,
    number: Number,
    place: &Place<'_>,
    siblings: &Siblings,
) -> Result<Option<Value>, LineError> {
    if siblings.of_age && is_value(name) {
        return Ok(Some(aged(cleaner, number)));
    }
    let action = match kind(name, place, siblings) {
        Some(kind) => Action::Hide(kind),
        // Of a quantity: what was measured or given.
        None if name == "value" => return Ok(Some(Value::Number(number))),
        None => Action::Text,
    };
    let clean = json::scalar(cleaner, action, siblings.called(name), Value::Number(number))?;
    Ok(clean.filter(Value::is_number))
}

fn string(
    cleaner: &mut Cleaner<'_>,
    name: &str,
    text: &str,
    place: &Place<'_>,
    siblings: &Siblings,
) -> Result<Option<String>, LineError> {
    let called = siblings.called(name);
    let birth = called.to_lowercase().contains("birth")
        || place.path.split('.').any(|part| part == "_birthDate");
    let dated = matches!(name, "birthDate" | "valueDate" | "valueDateTime");
    if is_date(text) || birth && dated {
        let instant = INSTANTS.binary_search(&name).is_ok();
        let moved = cleaner.date(text, birth);
        return Ok(moved.filter(|moved| !instant || moved.len() == text.len()));
    }
    if let Some(kind) = kind(name, place, siblings) {
        return Ok(Some(cleaner.hide(kind, text)));
    }
    match (place.parent, name) {
        // What a resource is added to.
        ("request", "url") if is_type(text) => return Ok(Some(text.to_owned())),
        (_, "reference" | "fullUrl")
        | ("request" | "link", "url")
        | ("request", "ifNoneExist")
        | ("response", "location") => return Ok(Some(reference(cleaner, text))),
        _ => {}
    }
    let definition = name == "url" && is_extension(place.parent);
    let code = definition || CODES.binary_search(&name).is_ok();
    if code && !text.contains(char::is_whitespace) {
        return Ok(Some(text.to_owned()));
    }
    cleaner.text(called, text).map(Some)
}

/// What all of an element is, if it is hidden whole.
fn kind(name: &str, place: &Place<'_>, siblings: &Siblings) -> Option<Kind> {
    match (place.parent, name) {
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
        _ if is_value(name) => extended(siblings.called(name)),
        _ => None,
    }
}

/// `Patient/7`, `https://…/Patient/7` and `urn:uuid:…`: the kind of resource stays. Of what is no
/// such address, as a search for a patient's number, nothing does.
fn reference(cleaner: &mut Cleaner<'_>, text: &str) -> String {
    if let Some((whole, place)) = text.split_once('#') {
        let whole = if whole.is_empty() { String::new() } else { reference(cleaner, whole) };
        return format!("{whole}#{}", cleaner.link(CONTAINED, place));
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
    if is_type(kind) {
        format!("{kind}/{}", cleaner.link(kind, id))
    } else {
        cleaner.link("", plain)
    }
}
