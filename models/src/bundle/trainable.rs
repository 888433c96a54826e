//! The part of a bundle that training changes.

use insitu_protocol::ids::{self, Digest};

use super::{BundleError, decode, fetched, object};
use crate::calibration::Calibration;
use crate::golden::Golden;
use crate::head::Head;
use crate::manifest::{LINES_MAX, Manifest, Object, Sentence};

/// Manifest, head and golden outputs of a bundle, verified.
///
/// Its backbone and tokenizer are what the manifest names by digest. A successor has the same ones:
/// whoever makes one need not read them, and they may be large.
#[derive(Clone, Debug, PartialEq)]
pub struct Trainable {
    manifest: Manifest,
    manifest_bytes: Vec<u8>,
    head: Head,
    golden: Golden,
    golden_bytes: Vec<u8>,
}

impl Trainable {
    /// Assembles and verifies it from a manifest's bytes; `fetch` gives the bytes of the head, then of
    /// the golden outputs.
    ///
    /// # Errors
    /// [`BundleError`] for anything that is not exactly what the manifest names.
    pub fn from_objects(
        manifest_bytes: Vec<u8>,
        mut fetch: impl FnMut(&Object) -> Option<Vec<u8>>,
    ) -> Result<Self, BundleError> {
        Self::of(decode(&manifest_bytes)?, manifest_bytes, &mut fetch)
    }

    /// [`Trainable::from_objects`], of a manifest that is decoded.
    pub(super) fn of(
        manifest: Manifest,
        manifest_bytes: Vec<u8>,
        fetch: &mut impl FnMut(&Object) -> Option<Vec<u8>>,
    ) -> Result<Self, BundleError> {
        let head = fetched(fetch, "head", &manifest.head)?;
        let golden_bytes = fetched(fetch, "golden outputs", &manifest.golden)?;
        let shape = manifest.shape();
        let head = shape.decode(&head).map_err(|source| BundleError::Head { source })?;
        let refused = |source| BundleError::Golden { source };
        let golden = Golden::decode(&golden_bytes, manifest.row_width(), shape).map_err(refused)?;
        let computed = golden.under(&head, &manifest.calibration).map_err(refused)?;
        golden.check_outputs(&computed).map_err(refused)?;
        Ok(Self { manifest, manifest_bytes, head, golden, golden_bytes })
    }

    /// The next version: the same backbone under another head, perhaps of another kind.
    ///
    /// A calibration says how often one head is right when it is sure; of another head it says
    /// nothing. Another head therefore comes without any ([`Calibration::identity`]).
    ///
    /// # Errors
    /// [`BundleError`] when the head does not fit or the version is the last.
    pub fn successor(&self, head: Head, lineage: Sentence) -> Result<Self, BundleError> {
        let last = || BundleError::Last {
            version: self.manifest.version,
            lineage: self.manifest.lineage.len(),
        };
        let mut manifest = self.manifest.clone();
        manifest.version = manifest.version.checked_add(1).ok_or_else(last)?;
        if manifest.lineage.len() >= LINES_MAX {
            return Err(last());
        }
        manifest.lineage.push(lineage);
        manifest.parent = Some(self.id());
        if head != self.head {
            manifest.calibration = Calibration::identity();
        }
        self.under(manifest, &head)
    }

    /// The same, not yet published, under another calibration.
    ///
    /// # Errors
    /// [`BundleError`] when it does not fit the head.
    pub fn calibrated(&self, calibration: Calibration) -> Result<Self, BundleError> {
        let manifest = Manifest { calibration, ..self.manifest.clone() };
        self.under(manifest, &self.head)
    }

    /// This manifest with another head, and golden outputs of its own.
    fn under(&self, mut manifest: Manifest, head: &Head) -> Result<Self, BundleError> {
        let refused = |source| BundleError::Golden { source };
        let golden = self.golden.under(head, &manifest.calibration).map_err(refused)?;
        let golden_bytes = golden.encode().map_err(refused)?;
        let head_bytes = head.encode();
        manifest.kind = head.shape().kind;
        manifest.head = object(&head_bytes);
        manifest.golden = object(&golden_bytes);
        let bytes = manifest.encode().map_err(|source| BundleError::Manifest { source })?;
        // Through the same door as any other bundle: what cannot be opened is not published.
        let mut given = [head_bytes, golden_bytes].into_iter();
        Self::from_objects(bytes, |_| given.next())
    }

    /// BLAKE3 of the manifest's bytes: the bundle's id.
    pub fn id(&self) -> Digest {
        ids::digest(&self.manifest_bytes)
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The manifest's exact bytes: what is signed.
    pub fn manifest_bytes(&self) -> &[u8] {
        &self.manifest_bytes
    }

    /// The head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The golden outputs.
    pub fn golden(&self) -> &Golden {
        &self.golden
    }

    /// Head and golden outputs, with their bytes.
    pub fn objects(&self) -> [(Object, Vec<u8>); 2] {
        let Manifest { head, golden, .. } = &self.manifest;
        [(*head, self.head.encode()), (*golden, self.golden_bytes.clone())]
    }
}
