//! A few values by which people tell items apart.

use insitu_protocol::project::Project;
use serde::Serialize;

use crate::item::CleanItem;

/// Most values shown.
const VALUES_MAX: usize = 4;
/// Longest value shown, code points.
const VALUE_CHARS_MAX: usize = 90;

/// A value of an item, redacted as everything after import is.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    title: String,
    value: String,
    unit: String,
}

/// The first values that an item has, in the project's order of fields.
pub(super) fn preview(item: &CleanItem, project: &Project) -> Vec<Shown> {
    let shown = |field: &insitu_protocol::project::Field| {
        let value = item.shown(field).filter(|value| !value.is_empty())?;
        let mut short: String = value.chars().take(VALUE_CHARS_MAX).collect();
        if short.len() < value.len() {
            short.push('…');
        }
        let (title, unit) = (field.title.to_string(), field.unit.to_string());
        Some(Shown { title, value: short, unit })
    };
    project.fields.iter().filter_map(shown).take(VALUES_MAX).collect()
}
