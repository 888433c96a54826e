//! Evaluations on the wire.

use insitu_protocol::order::{CALIBRATION_BYTES_MAX, Contender, EvaluationOrder, HEAD_BYTES_MAX};
use insitu_protocol::session::MEMBERS_MAX;

use super::*;

fn order() -> EvaluationOrder {
    let contender = |bundle, head| Contender {
        bundle: Fixed([bundle; 32]),
        head: Bytes(vec![head]),
        calibration: Bytes(vec![0x7b, 0x7d]),
    };
    EvaluationOrder {
        evaluation: Fixed([1; 16]),
        project: "p".parse().unwrap(),
        project_version: 2,
        backbone: Fixed([3; 32]),
        features: 4,
        current: contender(5, 6),
        candidate: contender(7, 8),
        nano_rho: 300,
        closes_unix_s: 64,
    }
}

/// As in an order and in a session.
fn pieces() -> String {
    [
        &"01".repeat(16), // evaluation
        "0170",           // project
        "02",             // project_version
        &"03".repeat(32), // backbone
        "04",             // features
        &"05".repeat(32), // current: bundle
        "0106",           // head
        "027b7d",         // calibration
        &"07".repeat(32), // candidate: bundle
        "0108",           // head
        "027b7d",         // calibration
        "ac02",           // nano_rho
        "8001",           // closes_unix_s, zigzag
    ]
    .concat()
}

#[test]
fn evaluation_orders() {
    golden(
        &Response::Orders(vec![NumberedOrder { number: 3, order: Order::Evaluation(order()) }]),
        &[
            "86000000",
            "020103",
            "07", // variant: evaluation
            &pieces(),
        ],
    );
    let session = SessionOrder {
        purpose: Purpose::Evaluation(order()),
        attempt: 0,
        members: vec![],
        threshold: 3,
        colluders: 0,
        parts: vec![],
        deadlines_unix_s: [0; 5],
    };
    golden(
        &Response::Orders(vec![NumberedOrder { number: 3, order: Order::Session(session) }]),
        &[
            "91000000",
            "020103",
            "04", // variant: session
            "02", // purpose: evaluation
            &pieces(),
            "00",         // attempt
            "00",         // members
            "0300",       // threshold, colluders
            "00",         // parts
            "0000000000", // deadlines_unix_s
        ],
    );
}

/// A candidate with a backbone of its own comes first, signed; the order that asks about it names
/// it only.
#[test]
fn candidates() {
    let candidate = BundleOrder {
        project: "p".parse().unwrap(),
        manifest: Bytes(vec![0x7b, 0x7d]),
        signature: Fixed([5; 64]),
    };
    golden(
        &Response::Orders(vec![NumberedOrder { number: 2, order: Order::Candidate(candidate) }]),
        &[
            "49000000",
            "020102",
            "09",             // variant: candidate
            "0170",           // project
            "027b7d",         // manifest
            &"05".repeat(64), // signature
        ],
    );
    let named = Contender {
        bundle: Fixed([7; 32]),
        head: Bytes(Vec::new()),
        calibration: Bytes(Vec::new()),
    };
    assert!(named.is_bundle() && !order().current.is_bundle());
    let asked = Order::Evaluation(EvaluationOrder { candidate: named, ..order() });
    let pieces = pieces();
    let (before, after) = pieces.split_at(pieces.find("0108027b7d").unwrap());
    golden(
        &Response::Orders(vec![NumberedOrder { number: 3, order: asked }]),
        &[
            "83000000",
            "020103",
            "07", // variant: evaluation
            before,
            "00", // head: none
            "00", // calibration: none
            &after["0108027b7d".len()..],
        ],
    );
}

#[test]
fn answers_to_evaluations() {
    let evaluation = Fixed([1; 16]);
    for (body, wanted) in [
        (Body::Evaluation { evaluation }, format!("09{}", "01".repeat(16))),
        (
            Body::MaskedEvaluation { evaluation, session: Fixed([2; 32]) },
            format!("0a{}{}", "01".repeat(16), "02".repeat(32)),
        ),
    ] {
        assert_eq!(hex(&postcard::to_allocvec(&body).unwrap()), wanted);
    }
}

/// What can be trained can be evaluated: two of the longest heads, in the largest session, are one
/// order that can be sent.
#[test]
fn the_longest_heads_fit_into_an_order() {
    let contender = |bundle| Contender {
        bundle: Fixed([bundle; 32]),
        head: Bytes(vec![0xff; HEAD_BYTES_MAX]),
        calibration: Bytes(vec![0xff; CALIBRATION_BYTES_MAX]),
    };
    let longest = "s".repeat(63);
    let member = |_| Member {
        site: longest.parse().unwrap(),
        agent: longest.parse().unwrap(),
        verify_key: Fixed([0xff; 32]),
    };
    let evaluation = EvaluationOrder { current: contender(1), candidate: contender(2), ..order() };
    let session = SessionOrder {
        purpose: Purpose::Evaluation(evaluation),
        attempt: u32::MAX,
        members: (0..MEMBERS_MAX).map(member).collect(),
        threshold: u8::MAX,
        colluders: u8::MAX,
        parts: vec![Part { values: u32::MAX, scale_1024: u64::MAX }],
        deadlines_unix_s: [i64::MAX; 5],
    };
    let orders = vec![NumberedOrder { number: u64::MAX, order: Order::Session(session) }];
    let sent = frame::encode(&Response::Orders(orders.clone())).unwrap();
    let got = frame::decode::<Response>(&sent[frame::PREFIX_BYTES..]).unwrap();
    assert_eq!(got, Response::Orders(orders));
}
