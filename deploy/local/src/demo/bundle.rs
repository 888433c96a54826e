//! The bundle that ships with the product, as files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::data;

const FILES: [(&str, &[u8]); 4] = [
    ("manifest.json", include_bytes!("../../../../models/bundles/heart-disease/manifest.json")),
    ("backbone.onnx", include_bytes!("../../../../models/bundles/heart-disease/backbone.onnx")),
    ("head.bin", include_bytes!("../../../../models/bundles/heart-disease/head.bin")),
    ("golden.json", include_bytes!("../../../../models/bundles/heart-disease/golden.json")),
];

/// The shipped bundle and project, written out for the operator's commands.
#[derive(Debug)]
pub(crate) struct Shipped {
    /// The bundle's folder.
    pub(crate) bundle: PathBuf,
    /// The project's definition.
    pub(crate) project: PathBuf,
    /// The backbone's digest, which the stewards approve.
    pub(crate) backbone: String,
}

/// Writes the shipped bundle below `home`, and the project with `run_nano_rho` for training.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn write(home: &Path, run_nano_rho: Option<u64>) -> Result<Shipped> {
    let bundle = home.join("bundle");
    fs::create_dir_all(&bundle)?;
    for (name, bytes) in FILES {
        fs::write(bundle.join(name), bytes).with_context(|| name.to_owned())?;
    }
    let mut definition: toml::Table = data::project_text().parse()?;
    if let Some(nano_rho) = run_nano_rho {
        let training = definition.get_mut("training").and_then(toml::Value::as_table_mut);
        let training = training.context("training in project.toml")?;
        training.insert("run_nano_rho".to_owned(), i64::try_from(nano_rho)?.into());
    }
    let project = home.join("project.toml");
    fs::write(&project, definition.to_string())?;
    let manifest: Value = serde_json::from_slice(FILES[0].1)?;
    let backbone = manifest["backbone"]["digest"].as_str().context("the backbone's digest")?;
    Ok(Shipped { bundle, project, backbone: backbone.to_owned() })
}
