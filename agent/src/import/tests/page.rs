//! Labels of a person who has answered on the review page.

use super::*;
use crate::review::{self, Annotation, Decision};

#[test]
fn what_somebody_said_on_the_page_stays_when_another_label_of_theirs_is_imported() {
    let site = Site::new("kind = \"class\"", "text");
    let path = site.files.path().join("two.csv");
    let import = |label: &str| {
        fs::write(&path, format!("id,it,label\n1,pain,{label}\n2,ache,{label}\n")).unwrap();
        let report = site.import(Format::Csv, &path);
        let reasons = report.bad_lines.iter().map(|it| it.bad.reason.to_string()).collect();
        (report.readings, reasons)
    };
    assert_eq!(import(""), (0, Vec::<String>::new()));
    let ann = site.store.read("test", |tx| tx.person_of(site.reader)).unwrap().unwrap();
    let answer = |item: i64, key: &str, class: Option<u16>| {
        let cards = review::next(&site.store, &ann, &site.row.definition.name, 50, 10).unwrap();
        let card = cards.iter().find(|card| card.row.item == item).unwrap();
        let annotation = Annotation {
            key: key.to_owned(),
            label: class.map(Label::Class),
            seconds: 4.0,
            decision: if class.is_some() { Decision::Correct } else { Decision::Skip },
            comment: None,
            looks_real: None,
            reason: None,
        };
        review::annotate(&site.store, &ann, &card.row.opaque, &annotation, 20).unwrap();
    };
    answer(1, "a", Some(0));
    answer(2, "b", None);
    let keys = |item| {
        let said = site.store.read("test", |tx| tx.annotations_of(item)).unwrap();
        said.into_iter().map(|said| said.key).collect::<Vec<_>>()
    };
    let (readings, reasons) = import("present");
    assert_eq!((readings, reasons.len()), (1, 1), "{reasons:?}");
    assert!(reasons[0].starts_with("the person has answered this item on the review page"));
    assert_eq!(keys(1), ["a"]);
    assert_eq!(keys(2), ["import-2-0"], "a skip says nothing of it");
    // The same as on the page changes nothing there, and what was imported is replaced as ever.
    assert_eq!(import("absent").1, Vec::<String>::new());
    assert_eq!(keys(1), ["a"]);
    assert_eq!((keys(2).len(), keys(2) == ["import-2-0"]), (1, false));
    let said = |text: &str| json!([text, null, "absent"]).to_string();
    assert_eq!(site.said(), [said("pain"), said("ache")].into());
}
