//! The four hospitals' patients, with synthetic notes, split by seed into items to label and to hold out.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use insitu_protocol::project::{FieldKind, Project};

use super::notes::{self, Note};
use crate::draws::Draws;

/// The hospitals: name in certificates, name for people.
const HOSPITALS: [(&str, &str); 4] = [
    ("cleveland", "Cleveland"),
    ("hungary", "Hungary"),
    ("switzerland", "Switzerland"),
    ("va-long-beach", "VA Long Beach"),
];

const PATIENTS: &str = include_str!("../../../../models/bundles/heart-disease/patients.csv");
const PROJECT: &str = include_str!("../../../../models/bundles/heart-disease/project.toml");
/// Rows of Cleveland that the first bundle was trained on, and which are never held out.
const TRAINED_ON: &str = include_str!("../../../../models/bundles/heart-disease/trained-on.txt");

/// One hospital's data, which only its own agent ever sees.
#[derive(Debug)]
pub(crate) struct Hospital {
    /// The site's name.
    pub(crate) site: &'static str,
    /// For people.
    pub(crate) title: &'static str,
    /// Its patients.
    pub(crate) patients: Vec<Patient>,
}

/// One patient.
#[derive(Debug)]
pub(crate) struct Patient {
    id: String,
    /// Column and value, in the order of the source.
    values: Vec<(String, String)>,
    /// Diagnosis, as a position in the project's classes.
    pub(crate) diagnosis: usize,
    /// Measured on, never trained on.
    pub(crate) held_out: bool,
    /// Synthetic.
    pub(crate) note: Note,
}

/// The project as the demonstration runs it.
///
/// # Errors
/// When the shipped definition is not valid, which a test rules out.
pub(crate) fn project() -> Result<Project> {
    toml::from_str(PROJECT).context("the shipped project.toml")
}

/// The project's definition as text.
pub(crate) fn project_text() -> &'static str {
    PROJECT
}

/// The four hospitals' patients for a seed.
///
/// # Errors
/// When the shipped table is malformed, which a test rules out.
pub(crate) fn hospitals(seed: u64) -> Result<Vec<Hospital>> {
    let draws = Draws::new(seed);
    let project = project()?;
    let mut by_site: HashMap<String, Vec<Patient>> = HashMap::new();
    let mut table = csv::Reader::from_reader(PATIENTS.as_bytes());
    let columns = table.headers()?.clone();
    for row in table.records() {
        let row = row?;
        let values: HashMap<&str, &str> = columns.iter().zip(row.iter()).collect();
        let value = |column: &str| values.get(column).copied().context("a missing column");
        let (id, age) = (value("id")?, value("age")?);
        let label = value("label")?;
        let diagnosis = project.classes.iter().position(|class| class.name.as_str() == label);
        let patient = Patient {
            id: id.to_owned(),
            values: columns
                .iter()
                .zip(row.iter())
                .map(|(c, v)| (c.to_owned(), v.to_owned()))
                .collect(),
            diagnosis: diagnosis.context("a diagnosis outside the taxonomy")?,
            held_out: false,
            note: notes::write(draws, id, age),
        };
        by_site.entry(value("hospital")?.to_owned()).or_default().push(patient);
    }
    let mut hospitals = Vec::new();
    for (site, title) in HOSPITALS {
        let mut patients = by_site.remove(site).context("a hospital without patients")?;
        hold_out(draws, &mut patients);
        hospitals.push(Hospital { site, title, patients });
    }
    ensure!(by_site.is_empty(), "patients of a fifth hospital");
    Ok(hospitals)
}

/// Holds out a third of a hospital, drawn from the patients the first bundle was not trained on.
fn hold_out(draws: Draws, patients: &mut [Patient]) {
    let wanted = patients.len() / 3;
    let mut order: Vec<usize> = (0..patients.len())
        .filter(|index| !TRAINED_ON.lines().any(|line| line.trim() == patients[*index].id))
        .collect();
    order.sort_by_key(|index| draws.bits("hold-out", &patients[*index].id));
    for index in order.into_iter().take(wanted) {
        patients[index].held_out = true;
    }
}

impl Hospital {
    /// The table that the hospital's agent imports.
    ///
    /// # Errors
    /// None in practice: the table is written to memory.
    pub(crate) fn table(&self) -> Result<Vec<u8>> {
        let mut table = csv::Writer::from_writer(Vec::new());
        for (index, patient) in self.patients.iter().enumerate() {
            let columns = patient.clinical();
            if index == 0 {
                let names = columns.iter().map(|(column, _)| column.as_str());
                table.write_record(["id"].into_iter().chain(names).chain(["note", "use"]))?;
            }
            let values = columns.iter().map(|(_, value)| value.as_str());
            let usage = if patient.held_out { "hold-out" } else { "label" };
            let last = [patient.note.text.as_str(), usage];
            table.write_record([patient.id.as_str()].into_iter().chain(values).chain(last))?;
        }
        Ok(table.into_inner()?)
    }

    /// The held-out patients as JSON lines, without diagnosis, and their diagnoses by id.
    pub(crate) fn held_out(&self) -> (String, HashMap<String, usize>) {
        let mut lines = String::new();
        let mut truth = HashMap::new();
        for patient in self.patients.iter().filter(|patient| patient.held_out) {
            let mut line: serde_json::Map<String, serde_json::Value> = patient
                .clinical()
                .iter()
                .map(|(column, value)| (column.clone(), value.clone().into()))
                .collect();
            line.insert("id".to_owned(), patient.id.clone().into());
            lines.push_str(&serde_json::Value::Object(line).to_string());
            lines.push('\n');
            truth.insert(patient.id.clone(), patient.diagnosis);
        }
        (lines, truth)
    }

    /// Each patient by what an annotator sees of them: the clinical values in the project's order.
    ///
    /// Two pairs of patients look alike in all of them; their diagnoses do too.
    pub(crate) fn charts(&self, project: &Project) -> HashMap<String, &Patient> {
        let shown = project.fields.iter().filter(|field| field.kind != FieldKind::Text);
        let columns: Vec<&str> = shown.map(|field| field.name.as_str()).collect();
        let chart = |patient: &Patient| {
            let values = columns.iter().map(|column| patient.value(column)).map(normal);
            values.collect::<Vec<String>>().join("|")
        };
        self.patients.iter().map(|patient| (chart(patient), patient)).collect()
    }
}

impl Patient {
    /// What describes the patient, without who they are and what they have.
    fn clinical(&self) -> &[(String, String)] {
        let first = self.values.iter().position(|(column, _)| column == "age").unwrap_or(0);
        let end = self.values.iter().position(|(column, _)| column == "num");
        &self.values[first..end.unwrap_or(self.values.len())]
    }

    fn value(&self, column: &str) -> &str {
        let found = self.values.iter().find(|(name, _)| name == column);
        found.map_or("", |(_, value)| value.as_str())
    }
}

/// A value as text that does not depend on how a number was written.
pub(crate) fn normal(value: &str) -> String {
    value.parse::<f64>().map_or_else(|_| value.to_owned(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_table_is_the_four_hospitals() {
        let hospitals = hospitals(1).unwrap();
        let sizes: Vec<usize> = hospitals.iter().map(|hospital| hospital.patients.len()).collect();
        assert_eq!(sizes, [303, 294, 123, 200]);
        for hospital in &hospitals {
            let held_out = hospital.patients.iter().filter(|patient| patient.held_out).count();
            assert_eq!(held_out, hospital.patients.len() / 3, "{}", hospital.site);
        }
    }

    #[test]
    fn no_held_out_patient_was_trained_on() {
        for hospital in hospitals(7).unwrap() {
            for patient in hospital.patients.iter().filter(|patient| patient.held_out) {
                assert!(!TRAINED_ON.lines().any(|line| line == patient.id));
            }
        }
    }

    #[test]
    fn the_split_follows_the_seed() {
        let split = |seed| -> Vec<bool> {
            let hospitals = hospitals(seed).unwrap();
            hospitals.iter().flat_map(|h| h.patients.iter().map(|p| p.held_out)).collect()
        };
        assert_eq!(split(1), split(1));
        assert_ne!(split(1), split(2));
    }

    #[test]
    fn a_chart_never_means_two_diagnoses() {
        let project = project().unwrap();
        for hospital in hospitals(1).unwrap() {
            let charts = hospital.charts(&project);
            for patient in &hospital.patients {
                let same = charts.values().filter(|known| known.id == patient.id).count();
                assert!(same == 1 || charts.values().any(|k| k.diagnosis == patient.diagnosis));
            }
            assert!(charts.len() >= hospital.patients.len() - 1, "{}", hospital.site);
        }
    }

    #[test]
    fn an_imported_table_has_no_diagnosis() {
        for hospital in hospitals(1).unwrap() {
            let table = String::from_utf8(hospital.table().unwrap()).unwrap();
            let header = table.lines().next().unwrap();
            assert!(!header.contains("label") && !header.contains("num"), "{header}");
        }
    }
}
