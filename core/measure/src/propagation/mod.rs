//! From labeled items to those like them. What this gives are drafts, never labels.
//!
//! Texts: [`shingles`], [`MinHasher`], [`near_duplicates`], [`simhash`]. Images:
//! [`perceptual_hash`], [`difference_hash`], [`near_images`]. Anything with features: [`Graph`]
//! and [`spread`]. Frames of a video: [`tracks`](crate::tracks).

mod image;
mod minhash;
mod spreading;
mod text;

pub use image::{difference_hash, hamming, near_images, perceptual_hash};
pub use minhash::{FUNCTIONS_MAX, MinHasher, bands_for, near_duplicates, similarity};
pub use spreading::{GRAPH_ITEMS_MAX, Graph, Method, spread};
pub use text::{jaccard, shingle_hash, shingles, simhash};
