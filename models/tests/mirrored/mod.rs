//! The shipped bundle over a backbone of its own: one that gives the negative of every feature.
#![allow(dead_code, reason = "each test uses a part of it")]

use insitu_models::bundle::Bundle;
use insitu_models::golden::Golden;
use insitu_models::head::Head;
use insitu_models::manifest::{Manifest, Object};
use insitu_protocol::ids::digest;

/// The tensors of which every feature is a sum, before it is divided by a length.
const LAST: [&[u8]; 2] = [b"placement", b"offset"];

/// The bundle of this head over such a backbone. Under the shipped head it always says the other one of
/// two classes, and under that head's negative what the shipped bundle says.
pub(crate) fn mirrored(shipped: &Bundle, head: &Head) -> Bundle {
    let mut backbone = shipped.backbone().to_vec();
    LAST.into_iter().for_each(|tensor| negate(&mut backbone, tensor));
    let features = shipped.golden().features.iter();
    let features = features.map(|row| row.iter().map(|feature| -feature).collect()).collect();
    let golden = Golden { features, ..shipped.golden().clone() };
    let golden = golden.under(head, &shipped.manifest().calibration).unwrap();
    of_parts(shipped.manifest(), [backbone, head.encode(), golden.encode().unwrap()])
}

/// The same with golden outputs that its backbone does not reproduce.
pub(crate) fn unlike_its_golden_outputs(shipped: &Bundle) -> Bundle {
    let backbone = mirrored(shipped, shipped.head()).backbone().to_vec();
    let golden = shipped.golden().encode().unwrap();
    of_parts(shipped.manifest(), [backbone, shipped.head().encode(), golden])
}

fn of_parts(manifest: &Manifest, parts: [Vec<u8>; 3]) -> Bundle {
    let [backbone, head, golden] =
        parts.each_ref().map(|bytes| Object { digest: digest(bytes), bytes: bytes.len() as u64 });
    let manifest = Manifest { version: 2, backbone, head, golden, ..manifest.clone() };
    let mut parts = parts.into_iter();
    Bundle::from_objects(manifest.encode().unwrap(), |_| parts.next()).unwrap()
}

/// Changes the sign of every number of a tensor: its bytes follow its name, after a tag and their
/// number.
fn negate(onnx: &mut [u8], tensor: &[u8]) {
    const RAW_DATA: u8 = 9 << 3 | 2;
    let named = |window: &[u8]| window.starts_with(tensor) && window[tensor.len()] == RAW_DATA;
    let at = onnx.windows(tensor.len() + 1).position(named).unwrap() + tensor.len() + 1;
    let length = onnx[at..].iter().position(|byte| *byte < 0x80).unwrap() + 1;
    let septets = onnx[at..at + length].iter().rev();
    let bytes = septets.fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f));
    let (numbers, rest) = onnx[at + length..][..bytes].as_chunks_mut::<4>();
    assert!(rest.is_empty());
    numbers.iter_mut().for_each(|number| number[3] ^= 0x80);
}
