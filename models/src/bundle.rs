//! A whole bundle, verified: what is in memory is what the manifest names.

mod trainable;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use insitu_protocol::ids::{self, Digest};

use crate::calibration::Calibration;
use crate::check::{CheckError, check, check_text};
use crate::golden::{Golden, GoldenError};
use crate::head::{Head, HeadError};
use crate::manifest::{MANIFEST_BYTES_MAX, Manifest, ManifestError, Object, Pooling, Sentence};
pub use trainable::Trainable;

/// File of the manifest in a bundle's folder.
pub const MANIFEST_FILE: &str = "manifest.json";
const BACKBONE_FILE: &str = "backbone.onnx";
const HEAD_FILE: &str = "head.bin";
const GOLDEN_FILE: &str = "golden.json";
const TOKENIZER_FILE: &str = "tokenizer.json";

/// A verified bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    trainable: Trainable,
    backbone: Vec<u8>,
    tokenizer: Option<Vec<u8>>,
}

/// Why a bundle is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The manifest.
    #[error("the manifest is refused")]
    Manifest {
        /// What is wrong with it.
        source: ManifestError,
    },
    /// An object that nobody has.
    #[error("the {what} is missing")]
    Missing {
        /// Which object.
        what: &'static str,
    },
    /// An object of another length than the manifest says.
    #[error("{what} of {got} bytes where the manifest says {want}")]
    Length {
        /// Which object.
        what: &'static str,
        /// Bytes found.
        got: u64,
        /// Bytes promised.
        want: u64,
    },
    /// An object of another content than the manifest says.
    #[error("the {what}'s digest is {got} where the manifest says {want}")]
    Digest {
        /// Which object.
        what: &'static str,
        /// Digest found.
        got: Digest,
        /// Digest promised.
        want: Digest,
    },
    /// A backbone that no engine would be given.
    #[error("the backbone is refused")]
    Backbone {
        /// What is wrong with it.
        source: CheckError,
    },
    /// A backbone of texts whose vectors are not those of the manifest.
    #[error(
        "the backbone's vectors have {got} numbers, for each token or for the text, where the \
         manifest says {want} and a pooling by {pooling:?}"
    )]
    Vectors {
        /// Numbers found.
        got: usize,
        /// Numbers promised.
        want: usize,
        /// How the manifest makes features of vectors.
        pooling: Pooling,
    },
    /// The head.
    #[error("the head is refused")]
    Head {
        /// What is wrong with it.
        source: HeadError,
    },
    /// The golden outputs do not belong to the head, or are malformed.
    #[error("the golden outputs are refused")]
    Golden {
        /// What is wrong with them.
        source: GoldenError,
    },
    /// A bundle is there already.
    #[error("{} is a bundle already", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A bundle cannot have another successor: its version or lineage is at its limit.
    #[error("version {version} with {lineage} lines of lineage has no successor")]
    Last {
        /// Its version.
        version: u32,
        /// Its lines of lineage.
        lineage: usize,
    },
}

impl Bundle {
    /// Reads and verifies the bundle in the folder `dir`.
    ///
    /// # Errors
    /// [`BundleError`]; no file is read beyond the length that the manifest gives.
    pub fn open(dir: &Path) -> Result<Self, BundleError> {
        let manifest = read(&dir.join(MANIFEST_FILE), MANIFEST_BYTES_MAX as u64)?;
        let names = [BACKBONE_FILE, HEAD_FILE, GOLDEN_FILE, TOKENIZER_FILE];
        let objects = decode(&manifest)?.objects();
        let mut files = Vec::with_capacity(names.len());
        for (name, object) in names.iter().zip(objects) {
            files.push((object, read(&dir.join(name), object.bytes)?));
        }
        Self::from_objects(manifest, |object| {
            let index = files.iter().position(|(known, _)| known == object)?;
            Some(std::mem::take(&mut files[index].1))
        })
    }

    /// Assembles and verifies a bundle from a manifest's bytes and its objects.
    ///
    /// `fetch` gives an object's bytes, in the order of [`Manifest::objects`]. A signature over the
    /// manifest is checked before this, with [`crate::sign::PublicKey::verify`].
    ///
    /// # Errors
    /// [`BundleError`] for anything that is not exactly what the manifest names.
    pub fn from_objects(
        manifest_bytes: Vec<u8>,
        mut fetch: impl FnMut(&Object) -> Option<Vec<u8>>,
    ) -> Result<Self, BundleError> {
        let manifest = decode(&manifest_bytes)?;
        let backbone = fetched(&mut fetch, "backbone", &manifest.backbone)?;
        let trainable = Trainable::of(manifest, manifest_bytes, &mut fetch)?;
        let text = trainable.manifest().text.as_ref();
        let tokenizer = text.map(|text| fetched(&mut fetch, "tokenizer", &text.tokenizer));
        let tokenizer = tokenizer.transpose()?;
        Ok(Self { trainable, backbone, tokenizer })
    }

    /// The next version: the same backbone under another head ([`Trainable::successor`]).
    ///
    /// # Errors
    /// As that.
    pub fn successor(&self, head: Head, lineage: Sentence) -> Result<Self, BundleError> {
        Ok(self.with(self.trainable.successor(head, lineage)?))
    }

    /// The same bundle, not yet published, under another calibration ([`Trainable::calibrated`]).
    ///
    /// # Errors
    /// As that.
    pub fn calibrated(&self, calibration: Calibration) -> Result<Self, BundleError> {
        Ok(self.with(self.trainable.calibrated(calibration)?))
    }

    fn with(&self, trainable: Trainable) -> Self {
        Self { trainable, backbone: self.backbone.clone(), tokenizer: self.tokenizer.clone() }
    }

    /// What training changes of it.
    pub fn trainable(&self) -> &Trainable {
        &self.trainable
    }

    /// BLAKE3 of the manifest's bytes.
    pub fn id(&self) -> Digest {
        self.trainable.id()
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        self.trainable.manifest()
    }

    /// The manifest's exact bytes: what is signed.
    pub fn manifest_bytes(&self) -> &[u8] {
        self.trainable.manifest_bytes()
    }

    /// The frozen network, ONNX.
    pub fn backbone(&self) -> &[u8] {
        &self.backbone
    }

    /// Reads the backbone as [`check`](crate::check) does before an engine is given it: whoever takes
    /// bundles from elsewhere can refuse one without an engine.
    ///
    /// # Errors
    /// [`BundleError::Backbone`], [`BundleError::Vectors`].
    pub fn check_backbone(&self) -> Result<(), BundleError> {
        let refused = |source| BundleError::Backbone { source };
        let Manifest { text, features, .. } = self.manifest();
        let Some(text) = text else {
            return check(&self.backbone, self.manifest().row_width(), *features).map_err(refused);
        };
        let output = check_text(&self.backbone, text.vocabulary).map_err(refused)?;
        let (pooling, got) = (text.pooling, output.features);
        let want = features.saturating_sub(pooling.beside());
        if got == want && output.each_token == (pooling != Pooling::Backbone) {
            Ok(())
        } else {
            Err(BundleError::Vectors { got, want, pooling })
        }
    }

    /// The tokenizer, for a bundle of texts.
    pub fn tokenizer(&self) -> Option<&[u8]> {
        self.tokenizer.as_deref()
    }

    /// The head.
    pub fn head(&self) -> &Head {
        self.trainable.head()
    }

    /// The golden outputs.
    pub fn golden(&self) -> &Golden {
        self.trainable.golden()
    }

    /// Every object with its bytes, in the order of [`Manifest::objects`].
    pub fn objects(&self) -> Vec<(Object, Vec<u8>)> {
        let [(_, head), (_, golden)] = self.trainable.objects();
        let bytes = [self.backbone.clone(), head, golden].into_iter().chain(self.tokenizer.clone());
        self.manifest().objects().into_iter().zip(bytes).collect()
    }

    /// Writes the bundle into the folder `dir`, which is made when it is missing.
    ///
    /// The manifest is written last: a folder without one is not a bundle.
    ///
    /// # Errors
    /// [`BundleError::Exists`] or [`BundleError::File`].
    pub fn write_to(&self, dir: &Path) -> Result<(), BundleError> {
        let manifest = dir.join(MANIFEST_FILE);
        if manifest.exists() {
            return Err(BundleError::Exists { path: dir.to_owned() });
        }
        fs::create_dir_all(dir)
            .map_err(|source| BundleError::File { path: dir.to_owned(), source })?;
        let [(_, head), (_, golden)] = self.trainable.objects();
        let tokenizer = self.tokenizer().map(|bytes| (dir.join(TOKENIZER_FILE), bytes));
        let objects = [
            (dir.join(BACKBONE_FILE), self.backbone.as_slice()),
            (dir.join(HEAD_FILE), &head),
            (dir.join(GOLDEN_FILE), &golden),
        ];
        let last = (manifest, self.manifest_bytes());
        for (path, bytes) in objects.into_iter().chain(tokenizer).chain([last]) {
            fs::write(&path, bytes).map_err(|source| BundleError::File { path, source })?;
        }
        Ok(())
    }
}

fn decode(manifest: &[u8]) -> Result<Manifest, BundleError> {
    Manifest::decode(manifest).map_err(|source| BundleError::Manifest { source })
}

/// The object that `bytes` are.
pub(crate) fn object(bytes: &[u8]) -> Object {
    Object { digest: ids::digest(bytes), bytes: bytes.len() as u64 }
}

/// The bytes of an object that the manifest names.
fn fetched(
    fetch: &mut impl FnMut(&Object) -> Option<Vec<u8>>,
    what: &'static str,
    object: &Object,
) -> Result<Vec<u8>, BundleError> {
    let bytes = fetch(object).ok_or(BundleError::Missing { what })?;
    verify(what, object, &bytes)?;
    Ok(bytes)
}

fn verify(what: &'static str, want: &Object, bytes: &[u8]) -> Result<(), BundleError> {
    let got = bytes.len() as u64;
    if got != want.bytes {
        return Err(BundleError::Length { what, got, want: want.bytes });
    }
    let got = ids::digest(bytes);
    if got != want.digest {
        return Err(BundleError::Digest { what, got, want: want.digest });
    }
    Ok(())
}

/// Reads at most one byte more than `limit`, which is enough to see that a file is too long.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, BundleError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|source| BundleError::File { path: path.to_owned(), source })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::HeadKind;

    fn shipped() -> Bundle {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundles/heart-disease");
        Bundle::open(&dir).unwrap()
    }

    #[test]
    fn a_written_bundle_reads_back_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("bundle");
        shipped().write_to(&at).unwrap();
        assert_eq!(Bundle::open(&at).unwrap(), shipped());
        assert!(matches!(shipped().write_to(&at), Err(BundleError::Exists { .. })));
    }

    #[test]
    fn a_bent_object_is_refused_by_name() {
        for (index, name) in ["backbone", "head", "golden outputs"].into_iter().enumerate() {
            let bundle = shipped();
            let with = |bend: &dyn Fn(&mut Vec<u8>)| {
                let mut objects = bundle.objects();
                bend(&mut objects[index].1);
                Bundle::from_objects(bundle.manifest_bytes().to_vec(), |object| {
                    objects.iter().find(|(known, _)| known == object).map(|(_, b)| b.clone())
                })
            };
            let flipped = with(&|bytes| bytes[0] ^= 1);
            assert!(matches!(flipped, Err(BundleError::Digest { what, .. }) if what == name));
            let longer = with(&|bytes| bytes.push(0));
            assert!(matches!(longer, Err(BundleError::Length { what, .. }) if what == name));
        }
        let nothing = Bundle::from_objects(shipped().manifest_bytes().to_vec(), |_| None);
        assert!(matches!(nothing, Err(BundleError::Missing { what: "backbone" })));
    }

    #[test]
    fn a_head_without_its_golden_outputs_is_refused() {
        let bundle = shipped();
        let mut weights = bundle.head().weights().to_vec();
        weights[0] += 1.0;
        let head = Head::new(2, 34, weights).unwrap().encode();
        let mut manifest = bundle.manifest().clone();
        manifest.head = object(&head);
        let mut objects = bundle.objects();
        objects[1].1 = head;
        let mut given = objects.into_iter().map(|(_, bytes)| bytes);
        let mixed = Bundle::from_objects(manifest.encode().unwrap(), |_| given.next());
        assert!(matches!(mixed, Err(BundleError::Golden { source: GoldenError::Differs { .. } })));
    }

    #[test]
    fn a_successor_names_its_parent_and_keeps_the_backbone() {
        let first = shipped();
        let head = Head::new(2, 34, vec![0.0; 68]).unwrap();
        let next = first.successor(head.clone(), Sentence::new("for a test").unwrap()).unwrap();
        assert_eq!(next.manifest().parent, Some(first.id()));
        assert_eq!(next.manifest().version, 2);
        assert_eq!(next.head(), &head);
        assert_eq!(next.manifest().backbone, first.manifest().backbone);
        assert!(next.golden().probabilities.iter().flatten().all(|p| (p - 0.5).abs() < 1e-6));
        let wrong = first.successor(Head::new(2, 33, vec![0.0; 66]).unwrap(), Sentence::default());
        assert!(matches!(wrong, Err(BundleError::Golden { .. })));
    }

    #[test]
    fn a_calibration_does_not_outlive_the_head_that_it_was_fitted_for() {
        let first = shipped();
        let fitted = &first.manifest().calibration;
        assert_ne!(*fitted, Calibration::identity());
        let why = || Sentence::new("for a test").unwrap();
        let same = first.successor(first.head().clone(), why()).unwrap();
        assert_eq!(same.manifest().calibration, *fitted);
        let weights = first.head().weights().iter().map(|weight| weight * 3.0).collect();
        let other = first.successor(Head::new(2, 34, weights).unwrap(), why()).unwrap();
        assert_eq!(other.manifest().calibration, Calibration::identity());
    }

    #[test]
    fn a_head_with_a_hidden_layer_has_golden_outputs_of_its_own() {
        let first = shipped();
        let adapter = Head::adapter(first.head(), 16).unwrap();
        let next = first.successor(adapter.clone(), Sentence::new("for a test").unwrap()).unwrap();
        assert_eq!(
            (next.head(), next.manifest().kind),
            (&adapter, HeadKind::Adapter { units: 16 })
        );
        assert_ne!(next.golden().probabilities, first.golden().probabilities);
        let dir = tempfile::tempdir().unwrap();
        next.write_to(dir.path()).unwrap();
        assert_eq!(Bundle::open(dir.path()).unwrap(), next);
        // The same weights under another kind are another head, and not this bundle's.
        let mut manifest = next.manifest().clone();
        manifest.kind = HeadKind::Softmax;
        assert!(matches!(manifest.encode(), Err(ManifestError::Range { what: "head bytes", .. })));
    }

    #[test]
    fn a_file_longer_than_promised_is_not_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        shipped().write_to(dir.path()).unwrap();
        let path = dir.path().join(HEAD_FILE);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(1 << 40).unwrap(); // sparse
        let got = Bundle::open(dir.path());
        assert!(matches!(got, Err(BundleError::Length { what: "head", got: 273, want: 272 })));
        fs::remove_file(&path).unwrap();
        assert!(matches!(Bundle::open(dir.path()), Err(BundleError::File { .. })));
    }
}
