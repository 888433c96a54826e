//! Which fragments are of which frame (PS3.5, A.4).

use std::borrow::Cow;

use crate::error::PixelError;

/// What each frame starts with, of JPEG or JPEG-LS, and of JPEG 2000.
const IMAGE_STARTS: [&[u8]; 2] = [b"\xff\xd8", b"\xff\x4f\xff\x51"];

/// The bytes of each of `count` frames: a fragment each, or all of them for one frame, or, where a
/// frame has several, from one start of an image to the next.
pub(super) fn of(
    fragments: Vec<Cow<'_, [u8]>>,
    count: usize,
) -> Result<Vec<Cow<'_, [u8]>>, PixelError> {
    if fragments.len() == count {
        return Ok(fragments);
    }
    if count == 1 && !fragments.is_empty() {
        return Ok(vec![Cow::Owned(fragments.concat())]);
    }
    let mut frames: Vec<Vec<u8>> = Vec::new();
    for fragment in fragments {
        if IMAGE_STARTS.iter().any(|start| fragment.starts_with(start)) {
            frames.push(fragment.into_owned());
        } else {
            frames.last_mut().ok_or(PixelError::Form)?.extend_from_slice(&fragment);
        }
    }
    if frames.len() == count {
        Ok(frames.into_iter().map(Cow::Owned).collect())
    } else {
        Err(PixelError::Form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_put_together() {
        let check = |fragments: &[&'static [u8]], count, frames: Option<&[&[u8]]>| {
            let fragments = fragments.iter().map(|bytes| Cow::Borrowed(*bytes)).collect();
            let found = of(fragments, count).ok();
            let found: Option<Vec<&[u8]>> =
                found.as_ref().map(|found| found.iter().map(|f| &**f).collect());
            assert_eq!(found.as_deref(), frames);
        };
        check(&[b"a", b"b"], 2, Some(&[b"a", b"b"]));
        check(&[b"a", b"b"], 1, Some(&[b"ab"]));
        check(&[b"\xff\xd8a", b"b", b"\xff\xd8c"], 2, Some(&[b"\xff\xd8ab", b"\xff\xd8c"]));
        check(
            &[b"\xff\x4f\xff\x51", b"\xff\xd7", b"\xff\x4f\xff\x51c"],
            2,
            Some(&[b"\xff\x4f\xff\x51\xff\xd7", b"\xff\x4f\xff\x51c"]),
        );
        check(&[b"a", b"b", b"c"], 2, None);
        check(&[], 1, None);
    }
}
