//! JSON values: every string and number under a site's rule, as what FHIR says it is, or as text.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};

use serde_json::{Map, Number, Value};

use super::super::lines::{Account, LineError, Observer, not_a_record};
use super::documents::Documents;
use super::{Action, Cleaner, Records, fhir, finish, known};

/// Deepest nesting that is read: as deep as serde_json goes, and said by us.
const DEPTH_MAX: usize = 100;

/// Cleans the JSON values of `reader`, one line each.
pub(super) fn run(
    records: &Records<'_>,
    reader: impl BufRead,
    mut writer: impl Write,
    observer: &mut impl Observer,
    is_fhir: bool,
) -> io::Result<()> {
    let mut documents = Documents::new(reader);
    while let Some((line, text)) = documents.next()? {
        let outcome = text.and_then(|text| clean(records, line, &text, is_fhir));
        finish(outcome, line, &mut writer, observer)?;
    }
    writer.flush()
}

fn clean(
    records: &Records<'_>,
    line: u64,
    text: &str,
    is_fhir: bool,
) -> Result<(Account, String), LineError> {
    let value: Value = serde_json::from_str(text).map_err(|error| not_a_record(&error))?;
    let own = records.rules.subject.as_deref().and_then(|path| at(&value, path));
    let subject = if is_fhir { own.or_else(|| fhir::subject(&value)) } else { own };
    let mut cleaner = records.cleaner(line, subject);
    let hints = &mut cleaner.hints;
    if is_fhir {
        fhir::learn(hints, &value, DEPTH_MAX);
    } else {
        known::learn_all(hints, records.rules, "", &value, DEPTH_MAX);
    }
    let clean = if is_fhir {
        fhir::resource(&mut cleaner, value)?
    } else {
        self::value(&mut cleaner, "", "", value, 0)?.unwrap_or(Value::Null)
    };
    Ok((cleaner.account, format!("{clean}\n")))
}

/// The scalar at a path of names, as text.
fn at(value: &Value, path: &str) -> Option<String> {
    let found = path.split('.').try_fold(value, |value, name| value.get(name))?;
    match found {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A value at `path`, under the name `name`; `None` when it is left out.
pub(super) fn value(
    cleaner: &mut Cleaner<'_>,
    path: &str,
    name: &str,
    value: Value,
    depth: usize,
) -> Result<Option<Value>, LineError> {
    if depth > DEPTH_MAX {
        return Err(LineError::Malformed { reason: "nested more than 100 levels deep" });
    }
    let action = cleaner.records.rules.action_or_usual(path);
    if action == Action::Drop {
        return Ok(None);
    }
    Ok(match value {
        Value::Object(fields) => {
            let mut clean = Map::new();
            let mut alike: HashMap<String, usize> = HashMap::new();
            for (name, field) in fields {
                let path = join(path, &name);
                let Some(field) = self::value(cleaner, &path, &name, field, depth + 1)? else {
                    continue;
                };
                // A name may be a person's; one that a rule names is known to be none.
                let known = cleaner.records.rules.action(&path).is_some();
                let name = if known { name } else { cleaner.field_name(&name)? };
                // Names that are alike when clean are numbered.
                let count = alike.entry(name.clone()).or_insert(0);
                let mut free = name.clone();
                while clean.contains_key(&free) {
                    *count += 1;
                    free = format!("{name} {}", *count + 1);
                }
                clean.insert(free, field);
            }
            Some(Value::Object(clean))
        }
        Value::Array(items) => {
            let mut clean = Vec::with_capacity(items.len());
            for item in items {
                clean.extend(self::value(cleaner, path, name, item, depth + 1)?);
            }
            Some(Value::Array(clean))
        }
        scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            self::scalar(cleaner, action, name, scalar)?
        }
    })
}

/// A string or number under a rule. A number whose digits are replaced stays one if it can.
pub(super) fn scalar(
    cleaner: &mut Cleaner<'_>,
    action: Action,
    name: &str,
    value: Value,
) -> Result<Option<Value>, LineError> {
    Ok(match value {
        Value::String(text) => cleaner.apply(action, name, &text)?.map(Value::String),
        Value::Number(number) => {
            let text = number.to_string();
            cleaner.apply(action, name, &text)?.map(|clean| {
                if clean == text {
                    return Value::Number(number);
                }
                match clean.parse::<u64>().map(Number::from) {
                    Ok(other) => Value::Number(other),
                    Err(_) => Value::String(clean),
                }
            })
        }
        other @ (Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => Some(other),
    })
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
