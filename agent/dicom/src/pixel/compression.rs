//! How the frames of an image are compressed (PS3.5, A.4), and what is made of them.

use super::form::{Form, Photometric};
use super::jpeg::{self, Stuffing};
use super::{jpeg_extended, jpeg_lossless, jpeg_ls, jpeg2000, rle};
use crate::error::Damage;

/// A compression that is decoded here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// Run lengths.
    Rle,
    /// JPEG with cosine transforms: baseline and extended.
    Jpeg,
    JpegLossless,
    JpegLs,
    Jpeg2000,
}

impl Compression {
    /// Of a transfer syntax, named by what follows the standard's root.
    pub(super) fn of(syntax: &str) -> Option<Self> {
        Some(match syntax {
            "5" => Self::Rle,
            "4.50" | "4.51" => Self::Jpeg,
            "4.57" | "4.70" => Self::JpegLossless,
            "4.80" | "4.81" => Self::JpegLs,
            "4.90" | "4.91" => Self::Jpeg2000,
            _ => return None,
        })
    }

    /// The frame, still compressed, without what is no image: comments, what applications add, what
    /// follows its end. Run lengths have no structure that tells.
    pub(super) fn stripped(self, frame: &[u8]) -> Result<Vec<u8>, Damage> {
        let stuffing = match self {
            Self::Rle => return Err(Damage::Unclear),
            Self::Jpeg | Self::JpegLossless => Stuffing::Byte,
            Self::JpegLs => Stuffing::Bit,
            Self::Jpeg2000 => return jpeg2000::Stream::of(frame).map(|stream| stream.bytes),
        };
        jpeg::without_comments(frame, stuffing).ok_or(Damage::Unclear)
    }

    /// One frame as its pixels, those of a pixel one after another, little endian.
    pub(super) fn decode(self, frame: &[u8], form: Form) -> Result<Vec<u8>, Damage> {
        match self {
            Self::Rle => rle::decode(frame, form).ok_or(Damage::Unclear),
            Self::Jpeg if form.allocated > 8 => jpeg_extended::decode(frame, form),
            Self::Jpeg => jpeg::decode(frame, form).ok_or(Damage::Unclear),
            Self::JpegLossless => jpeg_lossless::decode(frame, form),
            Self::JpegLs => jpeg_ls::decode(frame, form),
            Self::Jpeg2000 => jpeg2000::decode(frame, form),
        }
    }

    /// What the numbers of decoded pixels mean, when they are three.
    pub(super) fn colours(self, told: Photometric) -> Photometric {
        match (self, told) {
            (Self::Jpeg, _) | (Self::Jpeg2000, Photometric::Transformed) => Photometric::Rgb,
            (Self::Rle | Self::JpegLossless | Self::JpegLs | Self::Jpeg2000, told) => told,
        }
    }

    /// Whether decoding gives other pixels than there were before the frame was compressed.
    pub(super) fn is_lossy(self, frame: &[u8]) -> bool {
        match self {
            Self::Rle | Self::JpegLossless => false,
            Self::Jpeg => true,
            Self::JpegLs => jpeg_ls::is_near(frame),
            Self::Jpeg2000 => jpeg2000::Stream::of(frame).is_ok_and(|stream| stream.is_rounded()),
        }
    }
}
