//! `measure drift`: columns, vectors, streams.

use serde_json::Value;

use super::{json, near, refused, run};

#[test]
fn drift_is_found_and_noise_is_not() {
    let mut text = "set,age,kind\n".to_owned();
    for at in 0..400 {
        let kind = if at % 2 == 0 { "a" } else { "b" };
        text.push_str(&format!("reference,{},{kind}\n", at % 50));
        text.push_str(&format!("current,{},{kind}\n", at % 50 + 20));
    }
    let found = json("drift", &text);
    let [age, kind] = [&found["columns"][0], &found["columns"][1]];
    assert_eq!((&age["kind"], &age["drifted"]), (&"numeric".into(), &true.into()));
    near(&age["wasserstein"], 20.0, 1e-9);
    near(&age["kolmogorov_smirnov"]["statistic"], 0.4, 1e-12);
    assert_eq!((&kind["kind"], &kind["drifted"]), (&"categorical".into(), &false.into()));
    near(&kind["psi"], 0.0, 1e-12);
    assert_eq!(kind["wasserstein"]["reason"], "needs numbers");
    // PSI of 50/50 against 60/40, by hand.
    let side = |yes: usize| {
        let rows = (0..100).map(|at| if at < yes { "y\n" } else { "n\n" });
        format!("v\n{}", rows.collect::<String>())
    };
    let out = run("drift --json", &[side(50).as_bytes(), side(60).as_bytes()]).unwrap();
    let found: Value = serde_json::from_str(&out).unwrap();
    near(&found["columns"][0]["psi"], 0.1 * 1.2_f64.ln() - 0.1 * 0.8_f64.ln(), 1e-12);
}

#[test]
fn drift_knows_gaps_constants_and_nothing() {
    let found = json("drift", "set,a,b\nreference,1,\nreference,1,\ncurrent,,\ncurrent,2,\n");
    assert!(found["columns"][0]["psi"]["value"].as_f64().unwrap() > 1.0);
    assert_eq!(found["columns"][1]["drifted"], false);
    let found = json("drift", "set,a\nreference,1\n");
    assert_eq!(found["columns"][0]["psi"]["reason"], "no data");
    refused(
        "drift",
        "set,a\nbefore,1\n",
        "FILE:2: column \"set\" holds \"before\"; it must be reference or current",
    );
    refused("drift", "a\n1\n", "FILE: there is no column set; the columns are \"a\"");
}

#[test]
fn vectors_that_move_together_drift_where_no_column_does() {
    // Both columns keep their values; only how they go together changes.
    let mut text = String::new();
    for at in 0..200 {
        let (x, sign) = (f64::from(at % 20) - 9.5, if at % 10 == 0 { -1.0 } else { 1.0 });
        text.push_str(&format!("{{\"set\": \"reference\", \"v\": [{x}, {}]}}\n", x * sign));
        text.push_str(&format!("{{\"set\": \"current\", \"v\": [{x}, {}]}}\n", -x * sign));
    }
    let found = json("drift --features v", &text);
    assert_eq!((&found["columns"].as_array().unwrap().len(), &found["drifted"]), (&0, &0.into()));
    assert_eq!(
        (&found["features"]["features"], &found["features"]["drifted"]),
        (&2.into(), &true.into())
    );
    assert!(found["features"]["p"].as_f64().unwrap() <= 0.001);
    let out = run("drift --features v", &[text.as_bytes()]).unwrap();
    assert!(out.contains("drifted (p = 0.0010)"), "{out}");
    // No p of 9,999 exchanges is below 1e-4.
    let strict = &json("drift --features v --alarm 0.0001", &text)["features"];
    assert_eq!((&strict["drifted"], &strict["reason"]), (&true.into(), &Value::Null));
    let never = json("drift --features v --alarm 0.00001", &text);
    assert_eq!(never["features"]["drifted"], Value::Null);
    assert!(never["features"]["reason"].as_str().unwrap().starts_with("9999 exchanges"));
    let out = run("drift --features v --alarm 0.00001", &[text.as_bytes()]).unwrap();
    assert!(out.contains("undefined: 9999 exchanges"), "{out}");
    let same = json("drift --features a,b", "set,a,b\nreference,1,2\nreference,,3\ncurrent,1,2\n");
    assert_eq!(same["features"]["incomplete"], 1);
    assert_eq!(same["features"]["p"], Value::Null);
}

#[test]
fn streams_say_when_they_changed() {
    let mut text = "item,wrong\n".to_owned();
    for at in 0..1200 {
        let wrong = if at < 800 { at % 20 == 0 } else { at % 3 == 0 };
        text.push_str(&format!("i{at},{wrong}\n"));
    }
    let found = json("drift --stream wrong --run-length 10000", &text);
    let first = |at: usize| found["detectors"][at]["alarms"][0]["index"].as_u64();
    for at in [0, 1, 3] {
        assert!((800..900).contains(&first(at).unwrap()), "{at}: {:?}", first(at));
    }
    assert_eq!(first(2), None);
    let out = run("drift --stream wrong", &[text.as_bytes()]).unwrap();
    assert!(out.contains("e-detector, up"), "{out}");
    let found = json("drift --stream x", "x\n1.5\n\n2\nNA\n");
    assert_eq!(found["detectors"][3]["reason"], "needs a column of 0 and 1");
    assert_eq!(found["gaps"], 1);
    let never = json("drift --stream x", "x\n0\n0\n");
    assert!(never["detectors"][3]["reason"].as_str().unwrap().ends_with("give --rate"));
    refused("drift --stream x", "x\none\n", "FILE:2: column \"x\" holds \"one\", not a number");
    refused("drift --stream x", "x,y\n,1\n", "FILE: there are no records");
}
