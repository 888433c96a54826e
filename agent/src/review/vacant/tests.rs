use super::*;
use crate::config::Review;
use crate::label::Label;
use crate::review::{Annotation, Decision, annotate, next, set_up_stages};
use crate::store::labels::{Reading, Terms};
use crate::store::tests::{Scratch, scratch};
use crate::testing;

/// A site with an item each for `items`, of whose labels `overlap` thousandths are read twice.
fn site(items: u32, overlap: u16, stages: &str) -> (Scratch, ProjectRow) {
    let scratch = scratch();
    let mut project = testing::project();
    project.routing.overlap = overlap;
    let row = testing::put(&scratch.store, &project);
    testing::add_items(&scratch.store, &row, 0..items, items);
    testing::prelabel(&scratch.store, &row, |_| 0.7);
    let stages: Option<Review> = (!stages.is_empty()).then(|| toml::from_str(stages).unwrap());
    set_up_stages(&scratch.store, &row, stages.as_ref()).unwrap();
    (scratch, row)
}

fn say(scratch: &Scratch, row: &ProjectRow, person: &Person, class: u16, now: i64) -> Reading {
    let card = next(&scratch.store, person, &row.definition.name, 1, now).unwrap().remove(0);
    let annotation = Annotation {
        key: format!("{}-{now}", person.name),
        label: Some(Label::Class(class)),
        seconds: 1.0,
        decision: Decision::Correct,
        comment: None,
        looks_real: None,
        reason: None,
    };
    annotate(&scratch.store, person, &card.row.opaque, &annotation, now).unwrap();
    card.lease.reading
}

#[track_caller]
fn check(scratch: &Scratch, row: &ProjectRow, now: i64, expected: &[&str]) {
    let found = scratch.store.read("test", |tx| vacancies(tx, row, now)).unwrap();
    for vacancy in &found {
        let role = vacancy.shown()["role"].as_str().unwrap().to_owned();
        assert!(vacancy.remedy().contains(&format!("--role {role}")), "{vacancy:?}");
    }
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(told, expected);
}

#[test]
fn a_stage_that_nobody_may_review_is_told_with_what_to_do() {
    let stages = "[[stages]]\nrole = \"annotator\"\n[[stages]]\nrole = \"expert\"\n";
    let (scratch, row) = site(1, 0, stages);
    let person = |name, role| testing::person(&scratch.store, name, role);
    testing::person(&scratch.store, "viewer", Role::Application);
    check(
        &scratch,
        &row,
        1,
        &[
            "labels of heart will wait for review, stage 1 (annotator), and nobody may take them",
            "labels of heart will wait for review, stage 2 (expert), and nobody may take them",
        ],
    );
    let terms = Terms { expert_until: Some(50), ..Terms::default() };
    let eve = testing::person_until(&scratch.store, "eve", Role::Expert, terms);
    let ann = person("ann", Role::Annotator);
    check(&scratch, &row, 1, &[]);
    assert_eq!(say(&scratch, &row, &ann, 0, 10), Reading::First);
    check(&scratch, &row, 11, &[]);
    let lapsed = "labels of heart will wait for review, stage 2 (expert), and nobody may take them any \
                  more: 1 could once";
    let read = "1 label of heart waits for review, stage 1 (annotator), and the only one who may take it has \
                read it";
    // Whose time as an expert is over reads as annotators do, until it is over altogether.
    check(&scratch, &row, 60, &[lapsed]);
    scratch.store.tx("test", |tx| tx.retire(eve.person, &[9; 32], 60)).unwrap();
    check(&scratch, &row, 60, &[read, lapsed]);
    let bob = person("bob", Role::Annotator);
    check(&scratch, &row, 60, &[lapsed]);
    assert_eq!(say(&scratch, &row, &bob, 0, 70), Reading::Review);
    check(
        &scratch,
        &row,
        80,
        &[
            "1 label of heart waits for review, stage 2 (expert), and nobody may take it any more: 1 could once",
        ],
    );
    assert_eq!(say(&scratch, &row, &person("lea", Role::Lead), 0, 90), Reading::Review);
    check(&scratch, &row, 90, &[]);
}

#[test]
fn reviewers_who_are_the_annotators_are_told_of() {
    let (scratch, row) = site(3, 0, "[[stages]]\nrole = \"expert\"\n");
    let person = |name| testing::person(&scratch.store, name, Role::Expert);
    let (eve, fay) = (person("eve"), person("fay"));
    assert_eq!(say(&scratch, &row, &eve, 0, 10), Reading::First);
    check(&scratch, &row, 11, &[]);
    // Only who is there counts.
    scratch.store.tx("test", |tx| tx.retire(fay.person, &[9; 32], 20)).unwrap();
    check(
        &scratch,
        &row,
        20,
        &[
            "1 label of heart waits for review, stage 1 (expert), and the only one who may take it has read it",
        ],
    );
}

#[test]
fn readers_and_experts_who_are_missing_are_told_of_where_anybody_labels() {
    let (scratch, row) = site(1, 1000, "");
    testing::person(&scratch.store, "viewer", Role::Application);
    check(&scratch, &row, 1, &[]);
    let ann = testing::person(&scratch.store, "ann", Role::Annotator);
    say(&scratch, &row, &ann, 0, 10);
    check(
        &scratch,
        &row,
        11,
        &[
            "1 item of heart waits for a second reader, and the only one who may take it has read it",
        ],
    );
    let bob = testing::person(&scratch.store, "bob", Role::Annotator);
    check(&scratch, &row, 11, &[]);
    say(&scratch, &row, &bob, 1, 20);
    check(&scratch, &row, 21, &["1 item of heart waits for an expert, and nobody may take it"]);
}
