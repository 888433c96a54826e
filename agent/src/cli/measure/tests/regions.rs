//! `measure agreement`, `measure segments` and `measure tracks`: spans, boxes, time.

use super::{json, near, refused, run};

#[test]
fn segments_of_frames_and_of_times_agree() {
    let frames = "frame,truth,model\n0,a,a\n1,a,a\n2,b,a\n3,b,b\n4,,b\n";
    let times = "rater,start,end,label\ntruth,0,2,a\ntruth,2,4,b\nmodel,0,3,a\nmodel,3,5,b\n";
    let [frames, times] = [frames, times].map(|text| json("segments --overlap 0.3,0.5", text));
    assert_eq!(frames["pairs"], times["pairs"]);
    // a: 2 of 3 frames shared; b: 1 of 3.
    near(&frames["pairs"][0]["f1"][0]["f1"], 1.0, 1e-12);
    near(&frames["pairs"][0]["f1"][1]["f1"], 0.5, 1e-12);
    near(&frames["pairs"][0]["edit_score"], 1.0, 1e-12);
    near(&frames["pairs"][0]["agreement"], 3.0 / 5.0, 1e-12);
    refused("segments", "frame,a\n0,x\n", "FILE: 1 columns of labels, but 2 are needed");
    refused(
        "segments",
        "rater,start,end,label\na,5,2,x\n",
        "FILE:2: column \"end\" holds 2, outside 5 to 1000000000000",
    );
}

#[test]
fn tracks_are_scored_and_linked() {
    let mut text = "set,frame,track,x,y,width,height\n".to_owned();
    for frame in 0..10 {
        text.push_str(&format!("reference,{frame},car,{frame},0,10,10\n"));
        let track = if frame < 6 { "p" } else { "q" };
        text.push_str(&format!("found,{frame},{track},{frame},0,10,10\n"));
    }
    let found = json("tracks", &text);
    near(&found["mota"], 0.9, 1e-12);
    near(&found["identity_f1"], 0.6, 1e-12);
    assert_eq!((&found["switches"], &found["matches"]), (&1.into(), &10.into()));
    let boxes = "frame,x,y,width,height\n0,0,0,10,10\n2,2,0,10,10\n2,50,0,10,10\n";
    let drafts = json("tracks --link", boxes);
    assert_eq!(drafts["tracks"].as_array().unwrap().len(), 2);
    let middle = &drafts["tracks"][0]["boxes"][1];
    assert_eq!((&middle["x"], &middle["interpolated"]), (&1.0.into(), &true.into()));
    refused(
        "tracks --link",
        "frame,x,y,width,height\n1.5,0,0,1,1\n",
        "FILE:2: column \"frame\" holds \"1.5\"; it must be a whole number",
    );
    refused(
        "tracks",
        "set,frame,track,x,y,width,height\nfound,1,a,0,0,1,1\nfound,1,a,0,0,1,1\n",
        "FILE:3: track \"a\" has a second box in frame 1",
    );
}

#[test]
fn spans_agree_exactly_in_part_and_by_position() {
    let text = "item,rater,start,end,label\n\
        1,ada,0,4,drug\n1,ada,6,8,dose\n1,ben,0,4,drug\n1,ben,7,8,dose\n2,ada,,,\n2,ben,0,2,drug\n";
    let found = json("agreement", text);
    assert_eq!((&found["regions"], &found["items"]), (&"spans".into(), &2.into()));
    let pair = &found["pairs"][0];
    // One of ada's 2 spans and ben's 3 is equal; the dose overlaps.
    near(&pair["matches"][0]["f1"], 2.0 / 5.0, 1e-12);
    near(&pair["matches"][1]["recall"], 1.0, 1e-12);
    near(&pair["matches"][1]["precision"], 2.0 / 3.0, 1e-12);
    // 8 positions of item 1 with one apart, 2 of item 2 with both apart.
    near(&pair["same_label"], 7.0 / 10.0, 1e-12);
    refused(
        "agreement",
        "item,rater,start,end\n1,a,5,2\n",
        "FILE:2: a span ends at 2, before it starts at 5",
    );
    refused(
        "agreement",
        "item,rater,start,end\n1,a,1,2\n",
        "FILE: regions of 1 rater, but 2 are needed",
    );
}

#[test]
fn boxes_agree_by_overlap_and_label() {
    let text = "item,rater,x,y,width,height,label\n\
        1,ada,0,0,10,10,cat\n1,ada,50,50,10,10,dog\n\
        1,ben,0,0,10,10,cat\n1,ben,50,52,10,10,cat\n1,ben,90,90,5,5,dog\n";
    let found = json("agreement", text);
    let pair = &found["pairs"][0];
    let (coarse, fine) = (&pair["matches"][0], &pair["matches"][1]);
    // The second pair overlaps by 80 of 120.
    near(&coarse["f1"], 4.0 / 5.0, 1e-12);
    near(&coarse["precision"], 2.0 / 3.0, 1e-12);
    near(&coarse["mean_overlap"], (1.0 + 2.0 / 3.0) / 2.0, 1e-12);
    near(&fine["f1"], 2.0 / 5.0, 1e-12);
    near(&pair["same_label"], 0.5, 1e-12);
    let text = run("agreement", &[text.as_bytes()]).unwrap();
    assert!(text.contains("overlap 0.75") && text.contains("ben: 3 boxes"), "{text}");
    refused(
        "agreement",
        "rater,x,y,width,height\na,1,1,-1,1\n",
        "FILE:2: column \"width\" holds -1, outside 0 to 1000000000",
    );
}
