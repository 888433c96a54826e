//! `watch` of a `[[project]]`: a folder whose files are imported as they come.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A folder, `watch = "in"`, or `watch = { folder = "in", done = "imported", reader = "ann" }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The folder; relative to the configuration file.
    pub folder: PathBuf,
    /// Where files go of which everything was imported; without it they stay where they are. Files in
    /// which something is bad always do.
    pub done: Option<PathBuf>,
    /// Whose first readings the files' labels are; without it labels are left where they are.
    pub reader: Option<String>,
    /// The files' format, by its name in commands; else what their names say.
    pub format: Option<String>,
    /// Whose drafts the files' predictions are, where the files do not say it; without it predictions
    /// are left where they are.
    pub drafts: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    folder: PathBuf,
    done: Option<PathBuf>,
    reader: Option<String>,
    format: Option<String>,
    drafts: Option<String>,
}

impl Watch {
    /// The same, with its folders below this one.
    pub(super) fn resolve(&mut self, folder: &Path) {
        self.folder = folder.join(&self.folder);
        self.done = self.done.take().map(|done| folder.join(done));
    }
}

impl<'de> Deserialize<'de> for Watch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Form)
    }
}

/// Either form: a `serde(untagged)` would not say what is wrong with the table.
struct Form;

impl<'de> Visitor<'de> for Form {
    type Value = Watch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a folder, or a table with `folder`")
    }

    fn visit_str<E>(self, folder: &str) -> Result<Watch, E> {
        Ok(Watch { folder: folder.into(), done: None, reader: None, format: None, drafts: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Watch, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        let Table { folder, done, reader, format, drafts } = table;
        Ok(Watch { folder, done, reader, format, drafts })
    }
}
