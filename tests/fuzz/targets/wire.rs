//! Messages of the link: what was read is written so that it is read again as the same.

#![no_main]

use insitu_protocol::frame::{self, Message};
use insitu_protocol::release::Release;
use insitu_protocol::request::Request;
use insitu_protocol::response::Response;
use libfuzzer_sys::fuzz_target;

/// Bytes of a frame's length.
const LENGTH_BYTES: usize = 4;

fn through<M: Message>(bytes: &[u8]) {
    if let Ok(message) = frame::decode::<M>(bytes) {
        let written = frame::encode(&message).expect("what was read can be written");
        let again = frame::decode::<M>(&written[LENGTH_BYTES..]).expect("and be read again");
        assert_eq!(frame::encode(&again), Ok(written), "as the same message");
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (what, bytes) = input;
    match what % 3 {
        0 => through::<Request>(bytes),
        1 => through::<Response>(bytes),
        _ => {
            if let Ok(release) = Release::decode(bytes) {
                let written = release.encode().expect("what was read can be written");
                assert_eq!(Release::decode(&written), Ok(release), "and is read as the same");
            }
        }
    }
});
