//! Golden vectors of updates of one byte a coordinate.

use insitu_protocol::bytes::Fixed;
use insitu_protocol::coarse::coarsen;
use insitu_protocol::frame;
use insitu_protocol::order::{NumberedOrder, Order};
use insitu_protocol::release::{Body, CHAIN_START, Release};
use insitu_protocol::response::{Refusal, Response};

use super::{hex, round_order};

fn frame_of(order: Order) -> Vec<u8> {
    frame::encode(&Response::Orders(vec![NumberedOrder { number: 2, order }])).unwrap()
}

#[test]
fn the_order_differs_from_that_of_four_bytes_by_its_variant() {
    let (four, one) =
        (frame_of(Order::Round(round_order())), frame_of(Order::CoarseRound(round_order())));
    let differing: Vec<usize> = (0..four.len()).filter(|at| four[*at] != one[*at]).collect();
    assert_eq!(differing, [7]); // length, kind, one order, its number, variant
    assert_eq!((four[7], one[7], four.len()), (2, 5, one.len()));
    let order = Order::CoarseRound(round_order());
    let read = frame::decode::<Response>(&one[frame::PREFIX_BYTES..]).unwrap();
    assert_eq!(read, Response::Orders(vec![NumberedOrder { number: 2, order }]));
}

#[test]
fn the_update_holds_four_coordinates_in_a_value() {
    let (shift, values) = coarsen(&[1000, -1000, 8, 0, -4]);
    let release = Release {
        id: Fixed([9; 16]),
        sequence: 1,
        previous: CHAIN_START,
        project: "p".parse().unwrap(),
        project_version: 1,
        body: Body::CoarseUpdate { run: Fixed([2; 16]), round: 7, shift },
        nano_rho: 300,
        scale_1024: 1024,
        values,
    };
    let bytes = release.encode().unwrap();
    let pieces = [
        &"09".repeat(16), // id
        "01",             // sequence
        &"00".repeat(32), // previous
        "0170",           // project
        "01",             // project_version
        "08",             // variant: update of one byte a coordinate
        &"02".repeat(16), // run
        "07",             // round
        "03",             // shift: steps of 8
        "ac02",           // nano_rho
        "8008",           // scale_1024
        "08",             // values: 8 bytes
        "7d830100",       // 125, -125, 1, 0
        "ff000000",       // -1 (half a step goes away from zero), and nothing
    ];
    assert_eq!(hex(&bytes), pieces.concat());
    assert_eq!(Release::decode(&bytes).unwrap(), release);
    assert_eq!(release.coordinates(5), Some(vec![1000, -1000, 8, 0, -8]));
}

#[test]
fn what_is_too_long_is_refused_with_both_norms() {
    let refused = Response::Refused(Refusal::OverNorm { got_milli: 300, limit_milli: 2 });
    let bytes = frame::encode(&refused).unwrap();
    assert_eq!(bytes, [5, 0, 0, 0, 5, 12, 0xac, 0x02, 2]);
    assert_eq!(frame::decode::<Response>(&bytes[frame::PREFIX_BYTES..]), Ok(refused));
}
