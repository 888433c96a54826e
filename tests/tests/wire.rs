//! Golden byte vectors: the wire format, field by field.
//!
//! A failure here means that agents and coordinators of different versions no longer understand
//! each other. Never change a vector: append a variant, and a vector for it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "wire/evaluation.rs"]
mod evaluation;
#[path = "wire/labels.rs"]
mod labels;
#[path = "wire/updates.rs"]
mod updates;

use std::fmt::Debug;

use insitu_protocol::bytes::{Bytes, Fixed};
use insitu_protocol::enroll::{EnrollReply, EnrollRequest, Welcome};
use insitu_protocol::facts::{DeviceFacts, EngineKind};
use insitu_protocol::frame::{self, FrameError, Message};
use insitu_protocol::order::{BundleOrder, NumberedOrder, Order, RoundOrder};
use insitu_protocol::release::{Body, CHAIN_START, Release, Values, chain};
use insitu_protocol::request::Request;
use insitu_protocol::response::{HelloAnswer, Receipt, Refusal, Response};
use insitu_protocol::session::{Member, Part, Purpose, SessionAnswer, SessionOrder};

/// A message against its frame, given in pieces so that each piece can say which field it is.
#[track_caller]
fn golden<M: Message + PartialEq + Debug>(message: &M, pieces: &[&str]) {
    let frame = frame::encode(message).unwrap();
    assert_eq!(hex(&frame), pieces.concat());
    assert_eq!(&frame::decode::<M>(&frame[frame::PREFIX_BYTES..]).unwrap(), message);
}

#[test]
fn hello() {
    let facts = DeviceFacts {
        version: [0, 1, 7],
        uptime_days: 2,
        load_quarters: 3,
        memory_tenths: 4,
        disk_tenths: 5,
        temperature_tens: Some(6),
        engine: EngineKind::Tract,
    };
    golden(
        &Request::Hello(facts),
        &[
            "0b000000", // length
            "00",       // kind
            "000107",   // version
            "02",       // uptime_days
            "03",       // load_quarters
            "04",       // memory_tenths
            "05",       // disk_tenths
            "0106",     // temperature_tens: some, 60 °C
            "02",       // engine
        ],
    );
}

#[test]
fn submit_poll_fetch_renew() {
    golden(
        &Request::Submit { release: Bytes(vec![1, 2, 3]) },
        &[
            "05000000", "01",       // kind
            "03010203", // release
        ],
    );
    golden(&Request::Poll { after: 300 }, &["03000000", "02", "ac02" /* after, varint */]);
    golden(
        &Request::Fetch { object: Fixed([0xaa; 32]), offset: 65_536 },
        &[
            "24000000",
            "03",
            &"aa".repeat(32), // object
            "808004",         // offset
        ],
    );
    golden(&Request::Renew { signing_request: Bytes(vec![9]) }, &["03000000", "04", "0109"]);
}

#[test]
fn announce_and_session() {
    golden(
        &Request::Announce { verify_key: Fixed([4; 32]) },
        &["21000000", "05", &"04".repeat(32) /* verify_key */],
    );
    golden(
        &Request::Session { session: Fixed([6; 32]), stage: 3, body: Bytes(vec![8, 9]) },
        &[
            "25000000",
            "06",
            &"06".repeat(32), // session
            "03",             // stage
            "020809",         // body
        ],
    );
    golden(&Response::Announced, &["01000000", "06"]);
    let answers = [
        (SessionAnswer::Wait { retry_after_ms: 100 }, "0064"),
        (SessionAnswer::Ready(Bytes(vec![5])), "010105"),
        (SessionAnswer::Done, "02"),
        (SessionAnswer::Dropped, "03"),
        (SessionAnswer::Abandoned, "04"),
    ];
    for (answer, body) in answers {
        let length = format!("{:02x}000000", 1 + body.len() / 2);
        golden(&Response::Session(answer), &[&length, "07", body]);
    }
}

#[test]
fn session_orders() {
    let order = SessionOrder {
        purpose: Purpose::Statistics {
            project: "heart".parse().unwrap(),
            project_version: 2,
            collection: Fixed([1; 16]),
        },
        attempt: 3,
        members: vec![Member {
            site: "va".parse().unwrap(),
            agent: "a1".parse().unwrap(),
            verify_key: Fixed([4; 32]),
        }],
        threshold: 7,
        colluders: 1,
        parts: vec![Part { values: 4, scale_1024: 300 }],
        deadlines_unix_s: [1, 2, 3, 4, 5],
    };
    golden(
        &Response::Orders(vec![NumberedOrder { number: 9, order: Order::Session(order) }]),
        &[
            "4f000000",
            "020109",
            "04",             // variant: session
            "01",             // purpose: statistics
            "056865617274",   // project
            "02",             // project_version
            &"01".repeat(16), // collection
            "03",             // attempt
            "01",             // members: one
            "027661",         // site
            "026131",         // agent
            &"04".repeat(32), // verify_key
            "07",             // threshold
            "01",             // colluders
            "01",             // parts: one
            "04",             // values
            "ac02",           // scale_1024
            "020406080a",     // deadlines_unix_s, zigzag
        ],
    );
}

#[test]
fn hello_answer_and_receipt() {
    let receipt = Receipt { id: Fixed([1; 16]), sequence: 5, chain: Fixed([2; 32]) };
    let acknowledged = Some(receipt.clone());
    golden(
        &Response::Hello(HelloAnswer { now_unix_s: 1, acknowledged }),
        &[
            "34000000",
            "00",
            "02", // now_unix_s, zigzag
            "01", // acknowledged: some
            &"01".repeat(16),
            "05",
            &"02".repeat(32),
        ],
    );
    golden(
        &Response::Receipt(receipt),
        &[
            "32000000",
            "01",
            &"01".repeat(16), // id
            "05",             // sequence
            &"02".repeat(32), // chain
        ],
    );
}

#[test]
fn chunk_and_certificate() {
    golden(
        &Response::Chunk { total_bytes: 200, bytes: Bytes(vec![7, 8]) },
        &[
            "06000000", "03", "c801",   // total_bytes
            "020708", // bytes
        ],
    );
    golden(&Response::Certificate(Bytes(vec![0x30])), &["03000000", "04", "0130"]);
}

#[test]
fn refusals() {
    let vectors = [
        (Refusal::UnknownKind { kind: 9 }, "0009"),
        (Refusal::TooLong { got_bytes: 2, limit_bytes: 1 }, "010201"),
        (Refusal::Malformed, "02"),
        (Refusal::NotMember, "03"),
        (Refusal::Token, "04"),
        (Refusal::UnknownProject, "05"),
        (Refusal::UnknownObject, "06"),
        (Refusal::Chain { expected: 4, got: 3 }, "070403"),
        (Refusal::Busy { retry_after_ms: 100 }, "0864"),
        (Refusal::Failed, "09"),
    ];
    for (refusal, body) in vectors {
        let length = format!("{:02x}000000", 1 + body.len() / 2);
        golden(&Response::Refused(refusal), &[&length, "05", body]);
    }
}

#[test]
fn enrollment() {
    let redeem = EnrollRequest::Redeem {
        site: "va".parse().unwrap(),
        agent: "a1".parse().unwrap(),
        secret: Fixed([3; 32]),
        signing_request: Bytes(vec![0x30]),
    };
    golden(
        &redeem,
        &[
            "29000000",
            "00",
            "027661",         // site
            "026131",         // agent
            &"03".repeat(32), // secret
            "0130",           // signing_request
        ],
    );
    let welcome = Welcome {
        federation: "f".parse().unwrap(),
        certificate: Bytes(vec![1]),
        authority: Bytes(vec![2]),
        bundle_key: Fixed([4; 32]),
    };
    golden(
        &EnrollReply::Welcome(welcome),
        &[
            "27000000",
            "00",
            "0166",           // federation
            "0101",           // certificate
            "0102",           // authority
            &"04".repeat(32), // bundle_key
        ],
    );
    golden(&EnrollReply::Refused(Refusal::Token), &["02000000", "01", "04"]);
}

#[test]
fn orders() {
    let order = Order::Bundle(BundleOrder {
        project: "p".parse().unwrap(),
        manifest: Bytes(vec![0x7b]),
        signature: Fixed([5; 64]),
    });
    golden(
        &Response::Orders(vec![NumberedOrder { number: 1, order }]),
        &[
            "48000000",
            "02",             // kind
            "01",             // one order
            "01",             // number
            "01",             // variant: bundle
            "0170",           // project
            "017b",           // manifest
            &"05".repeat(64), // signature
        ],
    );
    let order = Order::Round(round_order());
    golden(
        &Response::Orders(vec![NumberedOrder { number: 2, order }]),
        &[
            "46000000",
            "020102",
            "02",             // variant: round
            &"06".repeat(16), // run
            "01",             // round
            "05",             // rounds
            "0170",           // project
            &"07".repeat(32), // backbone
            "040000803f",     // head
            "02",             // classes
            "03",             // features
            "f403",           // clip_milli
            "0c",             // fraction_bits
            "e807",           // nano_rho
            "8001",           // closes_unix_s, zigzag
        ],
    );
}

#[test]
fn release() {
    let release = |body| Release {
        id: Fixed([9; 16]),
        sequence: 1,
        previous: CHAIN_START,
        project: "p".parse().unwrap(),
        project_version: 1,
        body,
        nano_rho: 300,
        scale_1024: 1024,
        values: Values(vec![1, -1]),
    };
    let bodies = [
        (Body::Confusion { window: 1 }, "0001".to_owned()),
        (Body::Coincidence { window: 2 }, "0102".to_owned()),
        (Body::Calibration { window: 3 }, "0203".to_owned()),
        (Body::Drift { window: 4 }, "0304".to_owned()),
        (Body::Campaign { campaign: Fixed([1; 16]) }, format!("04{}", "01".repeat(16))),
        (Body::Update { run: Fixed([2; 16]), round: 7 }, format!("05{}07", "02".repeat(16))),
        (
            Body::MaskedUpdate { run: Fixed([2; 16]), round: 7, session: Fixed([3; 32]) },
            format!("06{}07{}", "02".repeat(16), "03".repeat(32)),
        ),
        (
            Body::MaskedStatistics { window: 5, session: Fixed([3; 32]) },
            format!("0705{}", "03".repeat(32)),
        ),
    ];
    for (body, body_hex) in bodies {
        let release = release(body);
        let bytes = release.encode().unwrap();
        let pieces = [
            &"09".repeat(16),     // id
            "01",                 // sequence
            &"00".repeat(32),     // previous
            "0170",               // project
            "01",                 // project_version
            &body_hex,            // body
            "ac02",               // nano_rho
            "8008",               // scale_1024
            "0801000000ffffffff", // values: 8 bytes
        ];
        assert_eq!(hex(&bytes), pieces.concat());
        assert_eq!(Release::decode(&bytes).unwrap(), release);
    }
}

#[test]
fn the_chain_is_blake3_of_the_release_under_its_own_context() {
    assert_eq!(
        chain(b"release").to_hex(),
        "dc65202ae5932e9cac34d64bf0ad4b1dac1e61e875948140b8144d35408e4103"
    );
    assert_ne!(chain(b"release"), insitu_protocol::ids::digest(b"release"));
}

#[test]
fn what_is_no_message_is_refused_with_numbers() {
    let decode = |bytes: &[u8]| frame::decode::<Request>(bytes).unwrap_err();
    assert_eq!(decode(&[]), FrameError::Empty);
    assert_eq!(decode(&[9]), FrameError::UnknownKind { kind: 9 });
    assert_eq!(decode(&[2, 1, 0]), FrameError::Trailing { extra_bytes: 1 });
    assert!(matches!(decode(&[2]), FrameError::Malformed { got_bytes: 1, .. }));
    let long = vec![2; 17];
    let too_long = FrameError::TooLong { kind: 2, got_bytes: 17, limit_bytes: 16 };
    assert_eq!(decode(&long), too_long);
}

/// A hostile length inside a body must not allocate what it announces.
#[test]
fn announced_lengths_do_not_allocate() {
    let mut body = vec![1]; // submit
    body.extend([0xff, 0xff, 0xff, 0xff, 0x0f]); // a release of 4 GiB
    assert!(matches!(
        frame::decode::<Request>(&body),
        Err(FrameError::Malformed { got_bytes: 6, .. })
    ));
}

#[test]
fn a_round_without_a_head_asks_for_sums_by_class() {
    let order = RoundOrder { head: Bytes(Vec::new()), ..round_order() };
    assert!(order.asks_for_class_sums() && !round_order().asks_for_class_sums());
    assert_eq!((order.parameters(), round_order().parameters()), (6, 1));
    let bytes = postcard::to_allocvec(&order).unwrap();
    let pieces = [
        "06060606060606060606060606060606", // run
        "01",                               // round
        "05",                               // rounds
        "0170",                             // project
        &"07".repeat(32),                   // backbone
        "00",                               // head: none
        "02",                               // classes
        "03",                               // features
        "f403",                             // clip_milli
        "0c",                               // fraction_bits
        "e807",                             // nano_rho
        "8001",                             // closes_unix_s
    ];
    assert_eq!(hex(&bytes), pieces.concat());
    assert_eq!(postcard::from_bytes::<RoundOrder>(&bytes).unwrap(), order);
    // No more than a head that could be ordered: nobody draws noise for what no bundle has.
    let vast = RoundOrder { classes: 255, features: u32::MAX, ..order };
    assert_eq!(vast.parameters(), 0);
}

fn round_order() -> RoundOrder {
    RoundOrder {
        run: Fixed([6; 16]),
        round: 1,
        rounds: 5,
        project: "p".parse().unwrap(),
        backbone: Fixed([7; 32]),
        head: Bytes(vec![0, 0, 128, 63]),
        classes: 2,
        features: 3,
        clip_milli: 500,
        fraction_bits: 12,
        nano_rho: 1000,
        closes_unix_s: 64,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
