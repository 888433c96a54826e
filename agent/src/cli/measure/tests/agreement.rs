//! `measure agreement` on ratings.

use serde_json::Value;

use super::{json, near, refused, run};

/// Krippendorff's example of four observers and twelve units (2011), with gaps.
const KRIPPENDORFF: &str = "\
unit,a,b,c,d
1,1,1,,1
2,2,2,3,2
3,3,3,3,3
4,3,3,3,3
5,2,2,2,2
6,1,2,3,4
7,4,4,4,4
8,1,1,2,1
9,2,2,2,2
10,,5,5,5
11,,,1,1
12,,,3,
";

#[test]
fn agreement_equals_what_krippendorff_and_gwet_published() {
    let of = |scale: &str| json(&format!("agreement --item unit --scale {scale}"), KRIPPENDORFF);
    let nominal = of("nominal");
    near(&nominal["krippendorff_alpha"], 0.743, 5e-4);
    near(&of("ordinal")["krippendorff_alpha"], 0.815, 5e-4);
    near(&of("interval")["krippendorff_alpha"], 0.849, 5e-4);
    near(&of("ratio")["krippendorff_alpha"], 0.797, 5e-4);
    // Gwet's handbook takes the same table: AC1 .77544, Fleiss .76117.
    near(&nominal["gwet_ac1"], 0.77544, 5e-6);
    near(&nominal["fleiss_kappa_with_gaps"], 0.76117, 5e-6);
    assert_eq!(nominal["fleiss_kappa"]["value"], Value::Null);
    assert_eq!(
        nominal["fleiss_kappa"]["reason"],
        "items have between 1 and 4 ratings, not the same number"
    );
    assert_eq!((&nominal["items"], &nominal["missing"]), (&12.into(), &7.into()));
    assert_eq!(nominal["cohen_kappa"].as_array().unwrap().len(), 6);
    let alpha = &nominal["krippendorff_alpha"];
    assert!(alpha["low"].as_f64().unwrap() < 0.743 && alpha["high"].as_f64().unwrap() > 0.743);
}

/// Reference: irrCAC 0.4.4.
#[test]
fn labels_stand_where_their_numbers_are() {
    let rows =
        ["1,1,2", "2,2,2", "5,5,2", "1,2,1", "5,5,5", "2,5,2", "1,1,1", "2,,1", "5,2,", "1,5,1"];
    let rows: String = (1..).zip(rows).map(|(at, row)| format!("{at},{row}\n")).collect();
    let content = format!("item,a,b,c\n{rows}");
    for (scale, expected) in [
        ("ordinal", 0.405_891_575_212),
        ("interval", 0.417_549_647_865),
        ("ratio", 0.417_549_647_865),
    ] {
        let found = json(&format!("agreement --scale {scale}"), &content);
        near(&found["gwet_ac2"], expected, 1e-9);
    }
}

#[test]
fn long_and_wide_forms_and_json_lines_give_the_same() {
    let wide = json("agreement", "item,a,b\n1,x,x\n2,y,x\n3,y,y\n4,x,x\n");
    let long = "id,worker,label\n2,a,y\n1,a,x\n1,b,x\n2,b,x\n3,a,y\n3,b,y\n4,a,x\n4,b,x\n";
    let lines = "{\"item\":1,\"annotator\":\"a\",\"label\":\"x\"}\n\
        {\"item\":1,\"annotator\":\"b\",\"label\":\"x\"}\n\
        {\"item\":2,\"annotator\":\"a\",\"label\":\"y\"}\n\
        {\"item\":2,\"annotator\":\"b\",\"label\":\"x\"}\n\
        {\"item\":3,\"annotator\":\"a\",\"label\":\"y\"}\n\
        {\"item\":3,\"annotator\":\"b\",\"label\":\"y\"}\n\
        {\"item\":4,\"annotator\":\"a\",\"label\":\"x\"}\n\
        {\"item\":4,\"annotator\":\"b\",\"label\":\"x\"}\n";
    near(&wide["cohen_kappa"][0]["kappa"], 0.5, 1e-12);
    for other in [json("agreement", long), json("agreement", lines)] {
        assert_eq!(other["cohen_kappa"], wide["cohen_kappa"]);
        assert_eq!(other["krippendorff_alpha"], wide["krippendorff_alpha"]);
    }
}

/// Cohen's κ of 20, 5, 10, 15 is .4, as every textbook has it.
#[test]
fn cohens_kappa_of_the_textbook() {
    let mut text = "item,a,b\n".to_owned();
    let cells = [("yes", "yes", 20), ("yes", "no", 5), ("no", "yes", 10), ("no", "no", 15)];
    let mut item = 0;
    for (a, b, count) in cells {
        for _ in 0..count {
            item += 1;
            text.push_str(&format!("{item},{a},{b}\n"));
        }
    }
    let found = json("agreement", &text);
    near(&found["cohen_kappa"][0]["kappa"], 0.4, 1e-12);
    near(&found["cohen_kappa"][0]["agreement"], 0.7, 1e-12);
    let seeded = |seed: u32| json(&format!("agreement --bootstrap 200 --seed {seed}"), &text);
    assert_eq!(seeded(1), seeded(1));
    assert_ne!(seeded(1)["krippendorff_alpha"], seeded(2)["krippendorff_alpha"]);
    let shown = run("agreement", &[text.as_bytes()]).unwrap();
    assert!(shown.contains("Krippendorff's α") && shown.contains("0.400"), "{shown}");
}

/// Fleiss' example of ten subjects, fourteen raters and five categories: κ is .210.
#[test]
fn fleiss_kappa_of_the_textbook() {
    let counts = [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ];
    let mut text = "item,rater,label\n".to_owned();
    for (item, row) in counts.iter().enumerate() {
        let labels = row.iter().enumerate().flat_map(|(l, &n)| std::iter::repeat_n(l, n));
        labels.enumerate().for_each(|(r, l)| text.push_str(&format!("{item},r{r},c{l}\n")));
    }
    let found = json("agreement", &text);
    near(&found["fleiss_kappa"], 0.210, 5e-4);
    near(&found["fleiss_kappa_with_gaps"], 0.210, 5e-4);
}

#[test]
fn agreement_that_is_undefined_says_why() {
    for (content, reason) in [
        ("item,a\n1,x\n2,y\n", "no data"),
        ("item,a,b\n1,x,x\n2,x,x\n", "all ratings are in one category"),
        ("item,a,b\n1,,\n2,NA,null\n", "no data"),
    ] {
        let found = json("agreement", content);
        let alpha = &found["krippendorff_alpha"];
        assert_eq!((&alpha["value"], alpha["reason"].as_str()), (&Value::Null, Some(reason)));
        let text = run("agreement", &[content.as_bytes()]).unwrap();
        assert!(text.contains(&format!("undefined: {reason}")), "{text}");
    }
    let same = json("agreement", "item,a,b\n1,x,x\n2,x,x\n");
    near(&same["observed_agreement"], 1.0, 0.0);
}

#[test]
fn agreement_survives_very_many_labels() {
    let mut text = "item,a,b\n".to_owned();
    (0..50_000).for_each(|at| text.push_str(&format!("{at},a{at},b{at}\n")));
    let found = json("agreement", &text);
    near(&found["krippendorff_alpha"], 0.0, 1e-9);
    assert_eq!(found["gwet_ac1"]["reason"], "100000 categories, more than the limit of 2048");
}

#[test]
fn agreement_refuses_what_makes_no_sense() {
    refused("agreement", "", "FILE: there are no records");
    refused("agreement", "item\n1\n", "FILE: there is no column of a rater besides the item's");
    refused(
        "agreement --scale interval",
        "item,a,b\n1,x,1\n",
        "FILE: this scale needs labels that are all numbers",
    );
    refused(
        "agreement --scale ordinal",
        "item,a,b\n1,low,high\n",
        "FILE: an ordinal scale needs numbers as labels, or --order",
    );
    refused(
        "agreement --order low,high",
        "item,a,b\n1,low,high\n2,mid,low\n",
        "FILE:3: column \"a\" holds \"mid\"; it must be one of the 2 labels given",
    );
    refused(
        "agreement --rater who",
        "item,a,b\n1,low,high\n",
        "FILE: there is no column who; the columns are \"item\", \"a\", \"b\"",
    );
    refused("agreement", "item,rater,label\n1,,x\n", "FILE:2: column \"rater\" has no value");
    assert_eq!(run("agreement /does/not/exist", &[]).unwrap_err(), {
        "/does/not/exist: cannot be read: No such file or directory (os error 2)"
    });
}

#[test]
fn the_last_label_of_a_rater_counts() {
    let text = "item,rater,label\n1,a,x\n1,b,y\n1,a,y\n2,a,x\n2,b,x\n";
    let found = json("agreement", text);
    near(&found["observed_agreement"], 1.0, 0.0);
    assert_eq!((&found["repeated"], &found["ratings"]), (&1.into(), &4.into()));
}

#[test]
fn sites_are_pooled_with_what_differs_between_them() {
    let mut text = "item,ada,ben,site\n".to_owned();
    for item in 0..120 {
        let site = ["north", "south", "west"][item % 3];
        let wrong = item % (4 + 5 * (item % 3)) == 0;
        let label = item / 3 % 2;
        text.push_str(&format!(
            "{item},{label},{},{site}\n",
            if wrong { 1 - label } else { label }
        ));
    }
    let found = json("agreement --site site", &text);
    assert_eq!(found["raters"], 2);
    let by_site = &found["by_site"];
    let sites = by_site["sites"].as_array().unwrap();
    assert_eq!(sites.len(), 3);
    near(&by_site["pooled"], found["krippendorff_alpha"]["value"].as_f64().unwrap(), 1e-12);
    let alpha = |at: usize| sites[at]["alpha"]["value"].as_f64().unwrap();
    let mean = by_site["paule_mandel"]["mean"]["value"].as_f64().unwrap();
    assert!((0..3).map(alpha).fold(f64::MAX, f64::min) < mean);
    assert!((0..3).map(alpha).fold(f64::MIN, f64::max) > mean);
    assert!(by_site["paule_mandel"]["mean"]["low"].as_f64().unwrap() < mean);
    let alone = json("agreement --site site", "item,a,b,site\n1,x,x,n\n2,y,x,n\n3,y,y,n\n");
    assert!(alone["by_site"]["paule_mandel"]["mean"]["value"].is_null());
    refused(
        "agreement --site place",
        "item,a,b\n1,x,x\n",
        "FILE: there is no column place; the columns are \"item\", \"a\", \"b\"",
    );
}
