//! `measure consensus` and `measure label-errors`: who is wrong.

use serde_json::Value;

use super::{json, near, refused, run};

#[test]
fn consensus_finds_who_is_wrong() {
    let mut text = "item,a,b,c\n".to_owned();
    for item in 0..40 {
        let (truth, other) = if item % 2 == 0 { ("x", "y") } else { ("y", "x") };
        let careless = if item % 3 == 0 { other } else { truth };
        text.push_str(&format!("{item},{truth},{truth},{careless}\n"));
    }
    for method in ["majority", "dawid-skene", "one-coin", "mace", "glad"] {
        let found = json(&format!("consensus --method {method}"), &text);
        let items = found["items"].as_array().unwrap();
        for (at, item) in items.iter().enumerate() {
            assert_eq!(item["label"], if at % 2 == 0 { "x" } else { "y" }, "{method}");
        }
        near(&found["raters"][0]["rate"], 1.0, 0.0);
        near(&found["raters"][2]["rate"], 26.0 / 40.0, 1e-12);
        assert!(found["raters"][2]["high"].as_f64().unwrap() < 0.9);
    }
    let shown = run("consensus", &[text.as_bytes()]).unwrap();
    assert!(shown.contains("Method: dawid-skene") && shown.contains("0.650"), "{shown}");
}

#[test]
fn a_model_is_one_more_voice() {
    let mut text = "item,a,b,p_x,p_y\n".to_owned();
    for item in 0..20 {
        let (label, p) = if item % 2 == 0 { ("x", 0.9) } else { ("y", 0.1) };
        let other = if item == 4 { "y" } else { label };
        text.push_str(&format!("{item},{label},{other},{p},{}\n", 1.0 - p));
    }
    let found = json("consensus", &text);
    assert_eq!(found["method"], "crowdlab");
    assert_eq!(found["items"][4]["label"], "x");
    assert!(found["model_weight"].as_f64().unwrap() > 0.0);
    refused(
        "consensus --method crowdlab",
        "item,a,b\n1,x,y\n",
        "FILE: crowdlab needs class probabilities: columns p_CLASS for each class",
    );
    refused(
        "consensus",
        "item,a,b,p_x,p_y\n1,x,y,0.5,0.6\n",
        "FILE:2: the 2 class probabilities sum to 1.1, not 1 within 0.005",
    );
    refused(
        "consensus",
        "item,a,b,p_x,p_y\n1,x,z,0.5,0.5\n",
        "FILE: label \"z\" is none of the model's 2 classes",
    );
}

#[test]
fn consensus_of_nothing_is_undefined() {
    let found = json("consensus", "item,a,b\n1,,\n");
    assert_eq!((&found["reason"], &found["items"]), (&"no data".into(), &Value::Array(vec![])));
    let found = json("consensus --method crowdlab", "item,a,p_x,p_y\n1,x,0.5,0.5\n");
    assert!(found["reason"].is_string(), "{found}");
}

#[test]
fn label_errors_find_the_planted_one() {
    let text = "id,label,p_a,p_b\nu,a,0.9,0.1\nv,a,0.8,0.2\nw,b,0.1,0.9\nx,b,0.2,0.8\n\
        y,a,0.05,0.95\n";
    for filter in ["noise-rate", "class", "both", "confident", "predicted", "prune_by_class"] {
        let found = json(&format!("label-errors --filter {filter}"), text);
        let issues = found["issues"].as_array().unwrap();
        assert_eq!(issues.len(), 1, "{filter}");
        assert_eq!((&issues[0]["item"], &issues[0]["index"]), (&"y".into(), &4.into()));
        assert_eq!(issues[0]["suggested"], "b");
        near(&issues[0]["score"], 0.05, 1e-12);
        assert_eq!(found["scores"].as_array().unwrap().len(), 5);
    }
    let list = "{\"label\":1,\"probabilities\":[0.2,0.8]}\n{\"label\":0,\"probabilities\":[1,0]}\n";
    assert_eq!(json("label-errors", list)["issues"].as_array().unwrap().len(), 0);
    let named = "{\"label\":\"b\",\"probabilities\":[0.2,0.8]}\n";
    assert_eq!(json("label-errors --classes a,b", named)["classes"][1]["labels"], 1);
    let shown = run("label-errors", &[text.as_bytes()]).unwrap();
    assert!(shown.contains("Labels to look at, worst first"), "{shown}");
}

#[test]
fn label_errors_refuse_bad_probabilities() {
    let refuse = |rows: &str, reason: &str| {
        refused("label-errors", &format!("label,p_a,p_b\na,0.5,0.5\n{rows}\n"), reason);
    };
    refuse("a,0.5,0.6", "FILE:3: the 2 class probabilities sum to 1.1, not 1 within 0.005");
    refuse("a,NaN,0.5", "FILE:3: column \"p_a\" holds \"NaN\", not a number");
    refuse("a,1.5,-0.5", "FILE:3: column \"p_a\" holds 1.5, outside 0 to 1");
    refuse("a,,1", "FILE:3: column \"p_a\" has no value");
    refuse(
        "c,0.5,0.5",
        "FILE:3: column \"label\" holds \"c\"; it must be one of the 2 classes \"a\", \"b\"",
    );
    refused(
        "label-errors",
        "label,x\na,1\n",
        "FILE: there is no column p_CLASS for each class (or probabilities, in JSON); the columns \
         are \"label\", \"x\"",
    );
}

#[test]
fn near_duplicates_that_disagree_are_found_without_a_model() {
    let same = "the patient has a runny nose and a light cough since monday morning";
    let text = format!(
        "id,label,note\n1,cold,{same}\n2,cold,{same}\n3,flu,{same} .\n4,flu,quite another note\n5,,x\n"
    );
    let found = json("label-errors --text note --similarity 0.7", &text);
    assert_eq!((&found["items"], &found["groups"]), (&4.into(), &1.into()));
    let group = &found["conflicts"][0];
    assert_eq!(group["majority"], "cold");
    let suspects: Vec<_> =
        group["items"].as_array().unwrap().iter().filter(|i| i["suspect"] == true).collect();
    assert_eq!((suspects.len(), &suspects[0]["item"]), (1, &"3".into()));
    let out = run("label-errors --text note", &[b"label,note\na,x\na,x\n"]).unwrap();
    assert!(out.contains("of which 0 disagree"), "{out}");
}
