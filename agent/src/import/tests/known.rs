//! Ids that are known already, with what they came with first and with something else.

use super::*;

impl Site {
    /// Imports one record; what is wrong with it.
    fn import_one(&self, record: &Json) -> (Report, Vec<String>) {
        let path = self.files.path().join("one.jsonl");
        fs::write(&path, record.to_string()).unwrap();
        let report = self.import(Format::JsonLines, &path);
        let reasons = report.bad_lines.iter().map(|it| it.bad.reason.to_string()).collect();
        (report, reasons)
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.data.path().join(crate::store::FILE)).unwrap()
    }

    /// As items are that were imported before there were any.
    fn forget_fingerprints(&self) {
        self.database().execute("UPDATE items SET fingerprint = NULL", []).unwrap();
    }
}

const OTHER: &str = "the item of this id was imported with another \"it\", and keeps it: give what is new \
                     an id of its own, or erase that item first (`erase --id`, then `--allow`)";

#[test]
fn a_label_of_other_content_under_a_known_id_is_refused() {
    let site = Site::new("kind = \"class\"", "text");
    let first = "call Mary Miller at mary@example.org";
    assert_eq!(site.import_one(&json!({"id": 1, "it": first})).0.added, 1);
    let other = json!({"id": 1, "it": "call nobody", "label": "present"});
    let (report, reasons) = site.import_one(&other);
    assert_eq!(
        (report.known, report.readings, report.bad, reasons),
        (0, 0, 1, vec![OTHER.to_owned()])
    );
    let annotations = || site.store.read("test", |tx| tx.annotations_of(1)).unwrap().len();
    assert_eq!(annotations(), 0);
    // What it came with, what redaction made of that, and no content at all are the item.
    let row = site.store.read("test", |tx| tx.item(1)).unwrap().unwrap();
    let clean = CleanItem::load(&row).unwrap();
    let Some(Value::Text(clean)) = clean.value("it") else { panic!("no text") };
    assert_ne!(clean, first);
    for (text, label) in [(Some(first), "present"), (Some(clean), "absent"), (None, "present")] {
        let (report, reasons) = site.import_one(&json!({"id": 1, "it": text, "label": label}));
        assert_eq!((report.known, report.readings, reasons), (1, 1, vec![]), "{text:?}");
    }
    assert_eq!(annotations(), 1);
}

#[test]
fn a_draft_of_another_picture_under_a_known_id_is_refused() {
    let site = Site::new("kind = \"class\"", "image");
    let put = |side| fs::write(site.files.path().join("a.png"), picture(side, 3)).unwrap();
    put(4);
    assert_eq!(site.import_one(&json!({"id": 1, "it": "a.png"})).0.added, 1);
    let record = json!({"id": 1, "it": "a.png", "draft": "present"});
    let path = site.files.path().join("one.jsonl");
    fs::write(&path, record.to_string()).unwrap();
    let with_drafts = || {
        let rules = toml::from_str("name = \"heart\"\nid = \"id\"").unwrap();
        let request = Request {
            project: &site.row,
            rules: &rules,
            format: Format::JsonLines,
            folder: path.parent(),
            label: LABEL_COLUMN,
            drafts: Some(Drafts { model: "m 1", labels: false, results: None }),
            reader: None,
            now: 0,
        };
        let mut stream = BufReader::new(File::open(&path).unwrap());
        let origin = Origin::File(&mut stream);
        import(&site.store, &mut Redactors::new([].into()), &request, origin).0
    };
    put(5);
    let report = with_drafts();
    assert_eq!((report.known, report.drafts, report.bad), (0, 0, 1));
    put(4);
    let report = with_drafts();
    assert_eq!((report.known, report.drafts, report.bad), (1, 1, 0));
}

/// Nothing is known of what items from before fingerprints came with: they stay importable.
#[test]
fn an_item_without_a_fingerprint_is_known_by_its_id_alone() {
    let site = Site::new("kind = \"class\"", "text");
    site.import_one(&json!({"id": 1, "it": "pain"}));
    site.forget_fingerprints();
    let (report, reasons) = site.import_one(&json!({"id": 1, "it": "ache", "label": "present"}));
    assert_eq!((report.known, report.readings, reasons), (1, 1, vec![]));
}

#[test]
fn spans_of_a_text_that_redaction_makes_another_one_have_no_place() {
    let site = Site::new("kind = \"spans\"\nfield = \"it\"", "text");
    let label = json!({"spans": [{"start": 0, "end": 4, "class": 1}]});
    site.import_one(&json!({"id": 1, "it": "rash", "label": label}));
    site.forget_fingerprints();
    let (report, _) = site.import_one(&json!({"id": 1, "it": "pain", "label": label}));
    assert_eq!(report.bad_lines[0].bad.reason, LineError::RedactedOtherwise);
}

/// Who has the store's file alone learns neither a value nor who shares one.
#[test]
fn equal_values_have_different_fingerprints() {
    let site = Site::new("kind = \"class\"", "text");
    site.import_one(&json!({"id": 1, "it": "pain"}));
    site.import_one(&json!({"id": 2, "it": "pain"}));
    let database = site.database();
    let mut statement = database.prepare("SELECT DISTINCT fingerprint FROM items").unwrap();
    let found = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    let found: Vec<Vec<u8>> = found.map(Result::unwrap).collect();
    assert_eq!(found.len(), 2);
}
