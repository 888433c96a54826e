//! Compares the crate with reference results: `golden FILE…`.
//!
//! A file is `{"oracle", "cases": [{"name", "input", "expected", "tol"}]}`; `null` means undefined
//! or missing. Every expected value is compared, through the public API; one that is not computed
//! here is a failure, as is an oracle that is not known here. The last line is
//! `N passed, M failed`, and the exit code is 1 if anything failed.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

mod agreement;
mod calibration;
mod case;
mod consensus;
mod drift;
mod label_errors;
mod propagation;
mod regions;
mod sampling;
mod weak;

use std::{env, fs, process::ExitCode};

use case::{Case, Problem};
use serde_json::Value;

type Oracle = fn(&mut Case<'_>) -> Result<(), Problem>;

/// What an oracle's description begins with, and how its cases are computed here.
const ORACLES: &[(&str, Oracle)] = &[
    ("cohen_kappa_score", agreement::cohen),
    ("krippendorff.alpha", agreement::krippendorff),
    ("statsmodels combine_effects", agreement::pooled),
    ("statsmodels.stats.inter_rater.fleiss", agreement::fleiss),
    ("irrCAC", agreement::gwet),
    ("pycocotools", regions::boxes),
    ("seqeval", regions::spans),
    ("MS-TCN", regions::segments),
    ("motmetrics", regions::tracks),
    ("snorkel", weak::label_models),
    ("datasketch MinHash", propagation::near_duplicates),
    ("sklearn.semi_supervised", propagation::label_propagation),
    ("scipy.stats.entropy + numpy", sampling::scores),
    ("crowd-kit", consensus::models),
    ("cleanlab.multiannotator", consensus::crowdlab),
    ("cleanlab 2", label_errors::cleanlab),
    ("scipy bounded NLL temperature", calibration::calibration),
    ("Learn-then-Test", calibration::auto_accept),
    ("NannyML CBPE", calibration::without_labels),
    ("scipy.stats ks_2samp", drift::samples),
    ("river", drift::streams),
    ("scipy.stats/scipy.spatial; PSI", drift::histograms),
];

fn main() -> ExitCode {
    let (mut passed, mut failed) = (0, 0);
    for path in env::args().skip(1) {
        let file = match fs::read(&path).map_err(|e| e.to_string()).and_then(|bytes| {
            serde_json::from_slice::<Value>(&bytes).map_err(|error| error.to_string())
        }) {
            Ok(file) => file,
            Err(error) => {
                eprintln!("{path}: {error}");
                return ExitCode::from(2);
            }
        };
        let oracle = file["oracle"].as_str().unwrap_or("");
        let known = ORACLES.iter().find(|(prefix, _)| oracle.starts_with(prefix));
        for case in file["cases"].as_array().into_iter().flatten() {
            let failures = match known {
                Some((_, compute)) => Case::run(case, *compute),
                None => vec![format!("unknown oracle {oracle:?}")],
            };
            if failures.is_empty() {
                passed += 1
            } else {
                failed += 1
            }
            for failure in failures {
                println!("{path}: {}: {failure}", case["name"].as_str().unwrap_or("?"));
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
