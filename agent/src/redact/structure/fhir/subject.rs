//! Whom resources are about.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Patients by what refers to them: the full addresses of their entries in a bundle, or their places
/// in the resource that contains them (`#p1`).
pub(super) type Addresses = BTreeMap<String, String>;

/// Whom a resource, or the first patient of a bundle, is about.
pub(in crate::redact::structure) fn subject(value: &Value) -> Option<String> {
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
pub(super) fn reference_to(resource: &Value) -> Option<&str> {
    let referred = ["subject", "patient", "beneficiary", "individual", "for"];
    referred.iter().find_map(|name| resource.get(name)?.get("reference")?.as_str())
}

/// The patients that a resource contains. Their ids tell them apart in there only, so that they are
/// known by their first number, or by what contains them, where that has a name.
pub(super) fn contained(resource: &Value) -> Addresses {
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
pub(super) fn address(reference: &str) -> &str {
    let plain = reference.split("/_history/").next().unwrap_or(reference);
    if plain.starts_with("urn:") { plain } else { plain.rsplit('/').next().unwrap_or(plain) }
}

/// The patients of a bundle by the addresses that refer to them there.
pub(super) fn addresses(bundle: &Map<String, Value>) -> Addresses {
    let entries = bundle.get("entry").and_then(Value::as_array);
    let address = |entry: &Value| {
        let url = entry.get("fullUrl")?.as_str().filter(|url| url.starts_with("urn:"))?;
        let patient = entry.get("resource").filter(|one| one["resourceType"] == "Patient")?;
        Some((url.to_owned(), subject(patient)?))
    };
    entries.into_iter().flatten().filter_map(address).collect()
}
