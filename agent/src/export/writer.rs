//! The files of a snapshot: records, who said what of each, and what lies beside them.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Seek as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use insitu_protocol::project::Project;
use serde_json::{Value as Json, json};

use super::columns::{csv_cells, csv_header, csv_line, json_lines, values};
use super::format::{Format, label, said};
use super::parquet::Table;
use super::record::{People, Record, reading, time};
use super::snapshot::{self, Entry, Hashed, PARTS};
use super::{ExportError, label_studio, programs, regions, texts};
use crate::label::task_json;
use crate::prelabel::Prelabel;
use crate::review::Context;

/// Who said what of each item.
const PROVENANCE: &str = "provenance.jsonl";
/// How Label Studio shows the records.
const CONFIG: &str = "label-config.xml";
/// What the classes, relations and fields are to which labels refer that are not one class.
const TAXONOMY: &str = "taxonomy.json";
/// Where COCO's annotations wait until the list of its images ends.
const SPOOL: &str = "annotations.partial";

/// The file of records.
enum Records {
    Plain(Box<Hashed<BufWriter<File>>>),
    Table(Box<Table>),
}

/// Writes records and their provenance.
pub(super) struct Writer<'a> {
    project: &'a Project,
    format: Format,
    folder: PathBuf,
    records: Records,
    provenance: Hashed<BufWriter<File>>,
    /// What is written beside them once.
    extras: Vec<Entry>,
    /// The list of files in folders, once there is one.
    parts: Option<Hashed<BufWriter<File>>>,
    /// COCO's annotations, and how many there are.
    spool: Option<(File, u64)>,
    /// What files in folders there are, by folder and ending.
    pub(super) sets: BTreeSet<(String, String)>,
    written: u64,
}

impl<'a> Writer<'a> {
    /// Starts the files of `folder`.
    ///
    /// # Errors
    /// As writing.
    pub(super) fn create(folder: &Path, project: &'a Project, format: Format) -> io::Result<Self> {
        let mut records = Hashed::new(format.file(), create(&folder.join(format.file()))?);
        let (mut extras, mut spool) = (Vec::new(), None);
        match format {
            Format::LabelStudio => {
                records.write_all(b"[")?;
                let config = label_studio::config(project);
                extras.push(snapshot::put(folder, CONFIG, config.as_bytes())?);
            }
            Format::Csv => records.write_all(csv_line(&csv_header(project)).as_bytes())?,
            Format::Coco => {
                records.write_all(regions::coco_head(project).as_bytes())?;
                spool = Some((create_read(&folder.join(SPOOL))?, 0));
            }
            Format::JsonLines
            | Format::Prodigy
            | Format::Doccano
            | Format::GroundTruth
            | Format::Yolo
            | Format::Voc
            | Format::Conll
            | Format::Spacy
            | Format::Labelbox
            | Format::Parquet => {}
        }
        let records = if format == Format::Parquet {
            Records::Table(Box::new(Table::create(project, records)?))
        } else {
            Records::Plain(Box::new(records))
        };
        if !project.task.is_one_class() {
            extras.push(snapshot::put(folder, TAXONOMY, &taxonomy(project)?)?);
        }
        let provenance = Hashed::new(PROVENANCE, create(&folder.join(PROVENANCE))?);
        Ok(Self {
            project,
            format,
            folder: folder.to_owned(),
            records,
            provenance,
            extras,
            parts: None,
            spool,
            sets: BTreeSet::new(),
            written: 0,
        })
    }

    /// Writes a record and what was said about it.
    ///
    /// # Errors
    /// As writing; [`ExportError::Overlap`].
    pub(super) fn write(&mut self, record: &Record, people: &People) -> Result<(), ExportError> {
        let project = self.project;
        match self.format {
            Format::Csv => {
                self.records.write_all(csv_line(&csv_cells(project, record)).as_bytes())?;
            }
            Format::LabelStudio => {
                self.between()?;
                let mut task = label_studio::task(project, record, people);
                // Its converter wants the number that Label Studio gives each task.
                task["id"] = json!(self.written + 1);
                serde_json::to_writer(&mut self.records, &task).map_err(io::Error::from)?;
            }
            Format::Coco => self.coco(record)?,
            Format::Yolo => self.yolo(record)?,
            Format::Voc => self.voc(record)?,
            Format::Conll => {
                self.records.write_all(texts::conll(project, record)?.as_bytes())?;
            }
            Format::JsonLines => self.line(&json_lines(project, record))?,
            Format::Prodigy => self.line(&programs::prodigy(project, record))?,
            Format::Doccano => self.line(&programs::doccano(project, record))?,
            Format::GroundTruth => self.line(&programs::ground_truth(project, record))?,
            Format::Labelbox => self.line(&programs::labelbox(project, record))?,
            Format::Parquet => self.records.row(&values(project, record))?,
            Format::Spacy => self.line(&texts::spacy(project, record))?,
        }
        if let (Some(medium), true) =
            (&record.medium, !matches!(self.format, Format::Yolo | Format::Voc))
        {
            self.part(&medium.path(), &medium.bytes)?;
        }
        self.written += 1;
        let provenance = provenance(self.project, record, people);
        serde_json::to_writer(&mut self.provenance, &provenance).map_err(io::Error::from)?;
        Ok(self.provenance.write_all(b"\n")?)
    }

    /// Ends the files, durably.
    ///
    /// # Errors
    /// As writing.
    pub(super) fn finish(mut self) -> io::Result<Vec<Entry>> {
        if self.format == Format::LabelStudio {
            self.records.write_all(b"\n]\n")?;
        } else if self.format == Format::Coco {
            self.end_coco()?;
        } else if self.format == Format::Yolo {
            let has = |wanted: &str| self.sets.iter().any(|(folder, _)| folder == wanted);
            let data = regions::yolo_data(self.project, has);
            self.records.write_all(data.as_bytes())?;
        }
        let mut entries = vec![self.records.finish()?, self.provenance.finish()?];
        entries.extend(self.extras);
        if let Some(parts) = self.parts {
            entries.push(parts.finish()?);
        }
        Ok(entries)
    }

    fn line(&mut self, object: &Json) -> io::Result<()> {
        serde_json::to_writer(&mut self.records, object)?;
        self.records.write_all(b"\n")
    }

    /// Before an element of a JSON list.
    fn between(&mut self) -> io::Result<()> {
        self.records.write_all(if self.written == 0 { b"\n" } else { b",\n" })
    }

    fn coco(&mut self, record: &Record) -> io::Result<()> {
        let image = self.written + 1;
        let Some(found) = regions::coco_image(record, image) else { return Ok(()) };
        self.between()?;
        serde_json::to_writer(&mut self.records, &found)?;
        if let Some((spool, count)) = &mut self.spool {
            let mut lines = String::new();
            for annotation in regions::coco_annotations(record, image, *count) {
                lines.push_str(if *count == 0 { "\n" } else { ",\n" });
                lines.push_str(&annotation.to_string());
                *count += 1;
            }
            spool.write_all(lines.as_bytes())?;
        }
        Ok(())
    }

    fn end_coco(&mut self) -> io::Result<()> {
        self.records.write_all(b"\n], \"annotations\": [")?;
        if let Some((mut spool, _)) = self.spool.take() {
            spool.rewind()?;
            let mut block = vec![0; 64 * 1024];
            loop {
                let got = spool.read(&mut block)?;
                if got == 0 {
                    break;
                }
                self.records.write_all(&block[..got])?;
            }
            fs::remove_file(self.folder.join(SPOOL))?;
        }
        self.records.write_all(b"\n]}\n")
    }

    /// Held-out items are what a model is validated on there.
    fn yolo(&mut self, record: &Record) -> io::Result<()> {
        let Some(medium) = &record.medium else { return Ok(()) };
        let set = if record.holdout { "val" } else { "train" };
        self.part(&format!("{}/{}", regions::yolo_images(set), medium.name), &medium.bytes)?;
        let labels = regions::yolo_labels(self.project, record);
        self.part(&format!("labels/{set}/{}.txt", record.id), labels.as_bytes())
    }

    fn voc(&mut self, record: &Record) -> io::Result<()> {
        let Some(medium) = &record.medium else { return Ok(()) };
        writeln!(self.records, "{}", record.id)?;
        self.part(&format!("JPEGImages/{}", medium.name), &medium.bytes)?;
        let xml = regions::voc(self.project, record, medium);
        self.part(&format!("Annotations/{}.xml", record.id), xml.as_bytes())
    }

    /// A file in a folder, and its line in the list of them.
    fn part(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.folder.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        if let Some((folder, (_, ending))) =
            name.rsplit_once('/').and_then(|(folder, file)| Some((folder, file.rsplit_once('.')?)))
        {
            self.sets.insert((folder.to_owned(), ending.to_owned()));
        }
        let entry = snapshot::put_part(&path, name, bytes)?;
        let list = match &mut self.parts {
            Some(list) => list,
            None => self.parts.insert(Hashed::new(PARTS, create(&self.folder.join(PARTS))?)),
        };
        serde_json::to_writer(&mut *list, &entry)?;
        list.write_all(b"\n")
    }
}

impl Records {
    fn row(&mut self, row: &[Json]) -> io::Result<()> {
        match self {
            Self::Table(table) => table.write(row),
            Self::Plain(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn finish(self) -> io::Result<Entry> {
        match self {
            Self::Table(table) => table.finish(),
            Self::Plain(file) => file.finish(),
        }
    }
}

impl Write for Records {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(bytes),
            Self::Table(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.flush(),
            Self::Table(_) => Ok(()),
        }
    }
}

/// A new file that only its owner can read.
pub(super) fn create(path: &Path) -> io::Result<BufWriter<File>> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(BufWriter::new)
}

fn create_read(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

fn taxonomy(project: &Project) -> io::Result<Vec<u8>> {
    let taxonomy = json!({
        "project": project.name, "version": project.version, "task": task_json(&project.task),
        "classes": project.classes, "fields": project.fields,
    });
    let mut bytes = serde_json::to_vec_pretty(&taxonomy)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn provenance(project: &Project, record: &Record, people: &People) -> Json {
    let draft = |prelabel: &Prelabel| {
        json!({
            "label": said(project, prelabel.label()),
            "confidence": prelabel.confidence(), "bundle": prelabel.bundle(),
            "model": record.model_of(prelabel),
        })
    };
    let annotations: Vec<Json> = record
        .past
        .iter()
        .zip(&record.contexts)
        .map(|(past, context)| {
            json!({
                "by": people.name(past.person), "at": time(past.made_at),
                "reading": reading(past.read.reading), "verdict": past.read.verdict.name(),
                "label": past.label().map(|label| said(project, label)),
                "seconds": past.seconds, "comment": past.comment, "reason": past.reason,
                "project_version": past.made.as_ref().map(|made| made.project_version),
                "tool": past.made.as_ref().map(|made| &made.tool),
                "answers": past.prelabel.as_ref().map(draft),
                "context": context.as_ref().map(Context::recorded),
            })
        })
        .collect();
    json!({
        "id": record.id, "label": label(project, record),
        "label_by": record.label.as_ref().map(|label| label.by.name()), "annotations": annotations,
        "prelabel": record.prelabel.as_ref().map(draft),
    })
}
