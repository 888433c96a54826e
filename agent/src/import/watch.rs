//! Watched folders: files are imported once they have stopped changing.
//!
//! A look lists the folder. A file of which size and time of change are as they were at the look before
//! is imported, each content once; what is known of it is in the store, so that a killed agent goes on
//! where it was. (Between import and that note it may be killed, too: then the file is imported again,
//! which changes nothing.) What is bad stays where it is and is told in `status`; nothing is ever
//! deleted. Links are passed over, as are names that begin with a dot.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::Path;
use std::time::UNIX_EPOCH;

use insitu_protocol::ids::ProjectName;

use super::{LABEL_COLUMN, LabelsError, Report, Request};
use crate::config::{Source, Watch};
use crate::edge::EdgeError;
use crate::pipeline::redactors::Redactors;
use crate::source::folder::{self, Walk};
use crate::source::labeled::{Drafts, Format, Origin};
use crate::source::{self, ImportError, Rules, media};
use crate::store::orders::ProjectRow;
use crate::store::watched::{Outcome, Version, WatchedRow};
use crate::store::{Store, StoreError, explain};

/// Files whose names are held at once, and of which the first in order is imported first.
const LISTED_AT_ONCE: usize = 10_000;
/// Files imported in one look.
const AT_ONCE: usize = 100;
/// Files of which it is read at once what is known of them.
const KNOWN_AT_ONCE: usize = 256;
/// Bad records that are told of a file.
const TOLD_MAX: usize = 5;
/// Digits of its content's hash, in the name of a file whose own is taken where it is moved.
const HASH_DIGITS: usize = 8;

/// A watched folder.
#[derive(Debug)]
pub struct Watcher {
    source: Source,
    watch: Watch,
    format: Option<Format>,
    redactors: Redactors,
}

/// What does not change during a look.
struct Look<'a> {
    store: &'a Store,
    project: &'a ProjectRow,
    each_is_an_item: bool,
    reader: Option<i64>,
    drafts: Option<Drafts<'a>>,
    now: i64,
}

/// Why a folder cannot be watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// A format that there is not, or one of several files, of which nobody knows when they are all there.
    #[error("project {project}: watch.format = {format:?} is not a format of single files")]
    Format {
        /// The project.
        project: ProjectName,
        /// What was given.
        format: String,
    },
}

/// Why a look found nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookError {
    /// The folder cannot be listed.
    #[error("the watched folder cannot be read")]
    Folder(#[from] ImportError),
    /// There is no such person, or one who does not label.
    #[error("watch.reader names nobody who labels here")]
    Reader,
    /// The project's redaction settings are refused; the file is imported again once they are mended.
    #[error(
        "the project's redaction settings are refused: files with spans wait until the file that `redaction` \
         names is mended"
    )]
    Redaction,
    /// Too many labels wait; the file is imported again when they do not.
    #[error("the labels of a watched file cannot be kept yet")]
    Full(#[source] EdgeError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// What a look did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Files imported whole.
    pub imported: u64,
    /// Files in which something was bad.
    pub bad: u64,
    /// Files that could not be moved to where imported ones go.
    pub stuck: u64,
}

impl Watcher {
    /// The watched folders of these projects.
    ///
    /// # Errors
    /// [`WatchError`].
    pub fn open_all(
        projects: &[Source],
        redactors: impl Fn() -> Redactors,
    ) -> Result<Vec<Self>, WatchError> {
        let mut all = Vec::new();
        for source in projects {
            let Some(watch) = source.watch.clone() else { continue };
            let named = |name: &String| {
                Format::named(name).filter(|format| !format.endings().is_empty()).ok_or_else(|| {
                    WatchError::Format { project: source.name.clone(), format: name.clone() }
                })
            };
            let format = watch.format.as_ref().map(named).transpose()?;
            all.push(Self { source: source.clone(), watch, format, redactors: redactors() });
        }
        Ok(all)
    }

    /// The project.
    pub fn project(&self) -> &ProjectName {
        &self.source.name
    }

    /// Looks once. Nothing happens before the project is known. Why a look failed is kept until one does
    /// not, for `status` to tell.
    ///
    /// # Errors
    /// [`LookError`]; what was imported before stays, and the next look goes on.
    pub fn look(&mut self, store: &Store, now: i64) -> Result<Looked, LookError> {
        let name = &self.source.name;
        let Some(project) = store.read("watch", |tx| tx.project(name))? else {
            return Ok(Looked::default());
        };
        let (key, looked) = (project.project, self.look_for(store, &project, now));
        let fault = looked.as_ref().err().map(|error| explain(error));
        if store.read("watch", |tx| tx.watch_fault(key))? != fault {
            store.tx("watch", |tx| tx.set_watch_fault(key, fault.as_deref()))?;
        }
        looked
    }

    fn look_for(
        &mut self,
        store: &Store,
        project: &ProjectRow,
        now: i64,
    ) -> Result<Looked, LookError> {
        let mut looked = Looked::default();
        let reader = match &self.watch.reader {
            None => None,
            Some(name) => {
                let named = store.read("watch", |tx| tx.person_named(name))?;
                let labels = named.filter(|person| person.role.labels());
                Some(labels.ok_or(LookError::Reader)?.person)
            }
        };
        let media = folder::media_field(&project.definition).is_some();
        let each_is_an_item = self.format.is_none() && media;
        let model = self.watch.drafts.clone();
        let drafts = model.as_deref().map(|model| Drafts { model, labels: false, results: None });
        let look = Look { store, project, each_is_an_item, reader, drafts, now };
        // What lies where imported files go is done.
        let done = self.watch.done.clone();
        let mut walk = Walk::new(&self.watch.folder, done.as_deref())?;
        let mut left = AT_ONCE;
        loop {
            let wanted = |path: &String| each_is_an_item || self.reads(path);
            let wanted = |path: &Result<String, ImportError>| path.as_ref().map_or(true, wanted);
            let paths = walk.by_ref().filter(wanted).take(LISTED_AT_ONCE);
            let mut paths = paths.collect::<Result<Vec<String>, ImportError>>()?;
            if paths.is_empty() {
                return Ok(looked);
            }
            paths.sort_unstable();
            for paths in paths.chunks(KNOWN_AT_ONCE) {
                self.look_at(&look, paths, &mut left, &mut looked)?;
                if left == 0 {
                    return Ok(looked);
                }
            }
        }
    }

    /// Imports those of these files that are ready, up to `left` of them.
    fn look_at(
        &mut self,
        look: &Look<'_>,
        paths: &[String],
        left: &mut usize,
        looked: &mut Looked,
    ) -> Result<(), LookError> {
        let known = look.store.read("watch", |tx| {
            let known = paths.iter().map(|path| tx.watched(look.project.project, path));
            known.collect::<Result<Vec<_>, StoreError>>()
        })?;
        for (path, known) in paths.iter().zip(known) {
            let Some(known) = self.ready(look, path, known)? else { continue };
            self.import(look, path, known, looked)?;
            *left -= 1;
            if *left == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Whether a file's name is one of the format's.
    fn reads(&self, path: &str) -> bool {
        let ending = path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        let endings: &[&str] = match self.format {
            None => &["csv", "tsv", "json", "jsonl", "ndjson", "parquet"],
            Some(format) => format.endings(),
        };
        ending.is_some_and(|ending| endings.contains(&ending.as_str()))
    }

    /// What is known of a file that is as it was at the look before, and was not imported as it is.
    fn ready(
        &self,
        look: &Look<'_>,
        path: &str,
        known: Option<WatchedRow>,
    ) -> Result<Option<WatchedRow>, LookError> {
        // Gone again since it was listed: so be it.
        let Some(version) = version(&self.watch.folder.join(path)) else { return Ok(None) };
        match known {
            Some(known) if known.version == version => {
                let moves = self.watch.done.is_some() && !known.bad;
                Ok(Some(known).filter(|known| !known.imported || moves))
            }
            Some(_) | None => {
                let key = look.project.project;
                look.store.tx("watch", |tx| tx.see_watched(key, path, version))?;
                Ok(None)
            }
        }
    }

    fn import(
        &mut self,
        look: &Look<'_>,
        path: &str,
        known: WatchedRow,
        looked: &mut Looked,
    ) -> Result<(), LookError> {
        let whole = self.watch.folder.join(path);
        let (store, key, now) = (look.store, look.project.project, look.now);
        let before = version(&whole);
        // What it holds tells whether it was imported under another name.
        let real = media::inside(&self.watch.folder, Path::new(path));
        let Some(content) = real.and_then(|real| hash(&real).ok()) else { return Ok(()) };
        if !known.imported {
            // Of two images that are alike each is an item.
            let twice = !look.each_is_an_item
                && store.read("watch", |tx| tx.knows_content(key, &content))?;
            let (report, fault) = match twice {
                true => (Report::default(), None),
                false => self.read(look, path)?,
            };
            if version(&whole) != before {
                return Ok(()); // it was not finished after all: the next look sees another version
            }
            let Report { read, bad, .. } = report;
            let fault = fault.or_else(|| told(&report));
            let outcome = Outcome { content, read, bad, fault: fault.as_deref() };
            store.tx("watch", |tx| tx.end_watched(key, path, &outcome, now))?;
            metrics::counter!("insitu_agent_watched_files_total", "outcome" => if fault.is_some() { "bad" } else { "imported" })
                .increment(1);
            if fault.is_some() {
                looked.bad += 1;
                return Ok(());
            }
            looked.imported += 1;
        }
        if let Some(done) = &self.watch.done
            && put_away(&whole, &done.join(path), &content).is_err()
        {
            looked.stuck += 1;
        }
        Ok(())
    }

    /// Imports a file; what its report says, and why it stopped, if it did.
    fn read(&mut self, look: &Look<'_>, path: &str) -> Result<(Report, Option<String>), LookError> {
        let Look { store, project, each_is_an_item, reader, drafts, now } = *look;
        let whole = self.watch.folder.join(path);
        let root = self.watch.folder.as_path();
        let rules = Rules { source: &self.source, made: None, folder: Some(root) };
        if each_is_an_item {
            return ended(source::import_one(store, project, rules, path).map(Report::from));
        }
        let folder = whole.parent().unwrap_or(root);
        let file = match File::open(&whole) {
            Ok(file) => file,
            Err(error) => return ended(Err(ImportError::Read(error))),
        };
        let format = self.format.unwrap_or_else(|| source::Format::of(&whole).into());
        if let (Some(plain), None, None) = (format.plain(), reader, drafts) {
            let rules = Rules { folder: Some(folder), ..rules };
            let report = match plain {
                source::Format::Parquet => source::import_table(store, project, rules, file),
                source::Format::Csv | source::Format::JsonLines => {
                    let file = BufReader::new(file);
                    source::import_file(store, project, rules, plain, file)
                }
            };
            return ended(report.map(Report::from));
        }
        let request = Request {
            project,
            rules: &self.source,
            format,
            folder: Some(folder),
            label: LABEL_COLUMN,
            drafts,
            reader,
            now,
        };
        let redactors = &mut self.redactors;
        let (report, done) = if format == Format::Parquet {
            super::import(store, redactors, &request, Origin::Table(file))
        } else {
            let mut file = BufReader::new(file);
            super::import(store, redactors, &request, Origin::File(&mut file))
        };
        match done {
            Ok(()) => Ok((report, None)),
            Err(LabelsError::Import(ImportError::Store(error))) => Err(LookError::Store(error)),
            Err(LabelsError::Labels(error)) => Err(LookError::Full(error)),
            Err(LabelsError::Redaction) => Err(LookError::Redaction),
            Err(error @ LabelsError::Import(_)) => Ok((report, Some(explain(&error)))),
        }
    }
}

/// A store that failed is tried again; a file that cannot be imported is one that says why.
fn ended(done: Result<Report, ImportError>) -> Result<(Report, Option<String>), LookError> {
    match done {
        Ok(report) => Ok((report, None)),
        Err(ImportError::Store(error)) => Err(LookError::Store(error)),
        Err(error) => Ok((Report::default(), Some(explain(&error)))),
    }
}

/// The first bad records of a report, in words.
fn told(report: &Report) -> Option<String> {
    if report.bad == 0 {
        return None;
    }
    let lines = report.bad_lines.iter().take(TOLD_MAX);
    let lines: Vec<String> =
        lines.map(|it| format!("line {}: {}", it.place(), it.bad.reason)).collect();
    Some(lines.join("; "))
}

fn version(path: &Path) -> Option<Version> {
    let metadata = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    let since = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    let changed_at = i64::try_from(since.as_nanos()).ok()?;
    Some(Version { bytes: metadata.len(), changed_at })
}

fn hash(path: &Path) -> io::Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    let mut file = File::open(path)?;
    io::copy(&mut file, &mut hasher)?;
    Ok(*hasher.finalize().as_bytes())
}

/// Moves a file, and overwrites none.
fn put_away(from: &Path, to: &Path, content: &[u8; 32]) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut to = to.to_owned();
    if to.exists() {
        let mut name = to.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}", &hex::encode(content)[..HASH_DIGITS]));
        to.set_file_name(name);
    }
    fs::rename(from, to)
}

#[cfg(test)]
mod tests {
    use insitu_protocol::project::Project;

    use super::*;
    use crate::source::media::tests::picture;
    use crate::store::tests::{Scratch, scratch};
    use crate::testing;

    /// A watched folder with somebody else's files beside it.
    struct Site {
        store: Store,
        row: ProjectRow,
        folder: tempfile::TempDir,
        watcher: Watcher,
        _data: tempfile::TempDir,
    }

    fn site(more: &str) -> Site {
        site_of(&testing::project(), more)
    }

    fn site_of(project: &Project, more: &str) -> Site {
        let Scratch { store, folder: data } = scratch();
        let row = testing::put(&store, project);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        let text = format!("[[project]]\nname = \"heart\"\nid = \"id\"\n{more}");
        fs::write(&path, text).unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        let config = crate::config::Config::read(&path).unwrap();
        let watcher = Watcher::open_all(&config.projects, || Redactors::of_config(&config))
            .unwrap()
            .remove(0);
        Site { store, row, folder, watcher, _data: data }
    }

    impl Site {
        fn put(&self, name: &str, text: &str) {
            let path = self.folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn look(&mut self) -> (u64, u64) {
            let Looked { imported, bad, stuck } = self.watcher.look(&self.store, 0).unwrap();
            assert_eq!(stuck, 0);
            (imported, bad)
        }

        fn items(&self) -> u64 {
            let counts = self.store.read("test", |tx| tx.stage_counts(self.row.project)).unwrap();
            counts.iter().sum()
        }
    }

    #[test]
    fn a_file_is_imported_once_when_it_has_stopped_changing() {
        let mut site = site("watch = \"in\"\n");
        site.put("in/a.csv", "id,age\n1,50\n");
        assert_eq!((site.look(), site.items()), ((0, 0), 0), "it may still be written");
        site.put("in/a.csv", "id,age\n1,50\n2,51\n");
        assert_eq!((site.look(), site.items()), ((0, 0), 0), "it was");
        assert_eq!((site.look(), site.items()), ((1, 0), 2));
        assert_eq!(site.look(), (0, 0));
        // The same under another name is the same; another thing under the same name is not.
        site.put("in/deep/b.csv", "id,age\n1,50\n2,51\n");
        site.look();
        assert_eq!((site.look(), site.items()), ((1, 0), 2));
        site.put("in/a.csv", "id,age\n3,52\n9,9\n8,8\n");
        site.look();
        assert_eq!((site.look(), site.items()), ((1, 0), 5));
    }

    #[test]
    fn what_is_bad_stays_and_is_told_and_the_rest_is_put_away() {
        let mut site = site("watch = { folder = \"in\", done = \"in/done\" }\n");
        site.put("in/good.csv", "id,age\n1,50\n");
        site.put("in/bad.csv", "id,age\n2,old\n");
        site.put("in/none.csv", "name,age\n2,50\n");
        site.put("in/.hidden.csv", "id,age\n3,50\n");
        site.put("in/scan.png", "picture");
        site.put("secret.csv", "id,age\n4,50\n");
        let root = site.folder.path().to_owned();
        std::os::unix::fs::symlink(root.join("secret.csv"), root.join("in/link.csv")).unwrap();
        site.look();
        assert_eq!((site.look(), site.items()), ((1, 2), 1));
        let kept = |name: &str| root.join(name).exists();
        assert!(kept("in/done/good.csv") && !kept("in/good.csv"));
        assert!(kept("in/bad.csv") && kept("in/none.csv") && kept("in/link.csv"));
        let mut bad = site.store.read("test", |tx| tx.bad_watched(site.row.project, 9)).unwrap();
        bad.sort_by(|a, b| a.path.cmp(&b.path));
        assert_eq!((bad[0].path.as_str(), bad[0].bad), ("bad.csv", 1));
        assert_eq!(bad[0].fault, "line 2: field \"age\" is not a number");
        assert_eq!(bad[1].fault, "the file has no column \"id\", which identifies the item");
        // Mended, it is imported; and a second good one of that name overwrites nothing.
        site.put("in/bad.csv", "id,age\n2,51\n");
        site.put("in/good.csv", "id,age\n7,50\n");
        site.look();
        assert_eq!((site.look(), site.items()), ((2, 0), 3));
        assert_eq!(fs::read_dir(root.join("in/done")).unwrap().count(), 3);
        assert_eq!(
            site.store.read("test", |tx| tx.bad_watched(site.row.project, 9)).unwrap().len(),
            1
        );
    }

    /// Labels of spans wait for a place, and are not given up.
    #[test]
    fn files_with_spans_wait_for_settings_that_are_not_refused() {
        let project = testing::project_with("[task]\nkind = \"spans\"\nfield = \"note\"\n");
        let mut site = site_of(
            &project,
            "redaction = \"r.toml\"\nwatch = { folder = \"in\", reader = \"ann\" }\n",
        );
        testing::person(&site.store, "ann", crate::store::labels::Role::Annotator);
        site.put("r.toml", "mode = \"nonsense\"\n");
        let spans = "{\"spans\": [{\"start\": 0, \"end\": 4, \"class\": 1}]}";
        site.put("in/a.jsonl", &format!("{{\"id\": 1, \"note\": \"pain\", \"label\": {spans}}}\n"));
        site.look();
        let refused = site.watcher.look(&site.store, 0).unwrap_err();
        assert!(matches!(refused, LookError::Redaction), "{refused}");
        let waiting = |site: &Site| site.store.read("test", |tx| tx.waiting_corrections()).unwrap();
        let fault =
            |site: &Site| site.store.read("test", |tx| tx.watch_fault(site.row.project)).unwrap();
        assert_eq!(waiting(&site), 0);
        assert!(fault(&site).unwrap().starts_with("the project's redaction settings are refused"));
        site.put("r.toml", "mode = \"mask\"\n");
        assert_eq!((site.look(), site.items(), waiting(&site)), ((1, 0), 1, 1));
        assert_eq!(fault(&site), None);
    }

    /// What was imported stays where it is, or where it was put, and stands in nobody's way.
    #[test]
    fn however_many_files_were_imported_a_new_one_is_found() {
        let mut site = site("watch = { folder = \"in\", done = \"in/done\" }\n");
        let old = LISTED_AT_ONCE + 1;
        site.put("in/done/a.csv", "id,age\n9,50\n");
        for at in 0..old {
            fs::write(site.folder.path().join(format!("in/{at}.csv")), "").unwrap();
        }
        // As one look after the other would leave them, with something bad in each.
        site.store
            .tx("test", |tx| {
                for at in 0..old {
                    let path = format!("{at}.csv");
                    let version = version(&site.folder.path().join("in").join(&path)).unwrap();
                    tx.see_watched(site.row.project, &path, version)?;
                    let outcome = Outcome { content: [0; 32], read: 1, bad: 1, fault: Some("bad") };
                    tx.end_watched(site.row.project, &path, &outcome, 0)?;
                }
                Ok::<_, StoreError>(())
            })
            .unwrap();
        // The last that is listed is another one now.
        let (folder, done) = (site.folder.path().join("in"), site.folder.path().join("in/done"));
        let last = Walk::new(&folder, Some(&done)).unwrap().last().unwrap().unwrap();
        fs::write(folder.join(last), "id,age\n1,50\n").unwrap();
        site.look();
        assert_eq!((site.look(), site.items()), ((1, 0), 1));
    }

    /// Of a folder of images each is an item, whose id is its path.
    #[test]
    fn a_picture_in_the_place_of_another_is_told_and_stays() {
        let project = testing::project_with(
            "[task]\nkind = \"class\"\n[[fields]]\nname = \"scan\"\ntitle = \"Scan\"\nkind = \"image\"\n",
        );
        let mut site = site_of(&project, "watch = { folder = \"in\", done = \"done\" }\n");
        let root = site.folder.path().to_owned();
        let put = |side| fs::write(root.join("in/7.png"), picture(side, 3)).unwrap();
        put(4);
        site.look();
        assert_eq!((site.look(), site.items()), ((1, 0), 1));
        put(5);
        site.look();
        assert_eq!((site.look(), site.items()), ((0, 1), 1));
        assert!(root.join("in/7.png").exists());
        let bad = site.store.read("test", |tx| tx.bad_watched(site.row.project, 9)).unwrap();
        assert!(bad[0].fault.starts_with("line 1: the item of this id was imported with another"));
        // What is half copied waits until it is whole.
        let whole = picture(6, 3);
        fs::write(root.join("in/8.png"), &whole[..whole.len() - 9]).unwrap();
        site.look();
        assert_eq!((site.look(), site.items()), ((0, 1), 1));
        fs::write(root.join("in/8.png"), &whole).unwrap();
        site.look();
        assert_eq!((site.look(), site.items()), ((1, 0), 2));
        // The same again is put away.
        put(4);
        site.look();
        assert_eq!((site.look(), site.items()), ((1, 0), 2));
        assert!(!root.join("in/7.png").exists());
    }

    #[test]
    fn labels_are_the_readers_and_a_reader_must_be_there() {
        let mut site = site("watch = { folder = \"in\", reader = \"ann\" }\n");
        site.put("in/a.jsonl", "{\"id\": 1, \"age\": 50, \"label\": \"present\"}\n");
        let refused = site.watcher.look(&site.store, 0).unwrap_err();
        assert!(matches!(refused, LookError::Reader), "{refused}");
        testing::person(&site.store, "ann", crate::store::labels::Role::Annotator);
        site.look();
        assert_eq!((site.look(), site.items()), ((1, 0), 1));
        assert_eq!(site.store.read("test", |tx| tx.waiting_corrections()).unwrap(), 1);
    }

    #[test]
    fn a_format_of_several_files_is_refused() {
        let source = |format: &str| -> Source {
            let watch = format!("watch = {{ folder = \"in\", format = \"{format}\" }}");
            toml::from_str(&format!("name = \"heart\"\nid = \"id\"\n{watch}")).unwrap()
        };
        let open =
            |format: &str| Watcher::open_all(&[source(format)], || Redactors::new([].into()));
        assert!(open("coco").is_ok());
        for format in ["yolo", "voc", "nonsense"] {
            assert!(matches!(open(format), Err(WatchError::Format { .. })), "{format}");
        }
    }
}
