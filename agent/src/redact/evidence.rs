//! Evidence of a run: what was found and replaced, by what, and which records to look at. Signed,
//! and without anything that came from a record.

use std::collections::{BTreeMap, BinaryHeap};

use insitu_models::sign::{Domain, PublicKey, SigningKey};
use insitu_protocol::ids::Signature;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::clean::RESIDUE;
use super::lines::{Account, Failure};
use super::{Kind, Language, ModeName, Profile, RULES_VERSION, TEXT_BYTES_MAX};

/// Share of records with something left that the sample is to exclude.
const LEFT_SHARE: f64 = 0.01;
/// How sure it is to exclude it.
const CONFIDENCE: f64 = 0.95;
/// Records of the sample: `ln(1 − confidence) / ln(1 − share)`, rounded up. When none of so many
/// drawn records has anything left, a share of 1 % or more is excluded with 95 % confidence.
const SAMPLE_RECORDS: usize = 299;

/// Counts of a run.
#[derive(Debug)]
pub struct Evidence {
    seed: [u8; 32],
    records: u64,
    text_bytes: u64,
    found: BTreeMap<&'static str, u64>,
    shown_later: u64,
    failures: BTreeMap<&'static str, u64>,
    /// Those with the smallest draws; the largest of them on top.
    sample: BinaryHeap<(u64, u64)>,
}

/// What a report says beside its counts.
#[derive(Clone, Debug)]
pub struct Evident<'a> {
    /// When it was made.
    pub made_at: Timestamp,
    /// `lines`, `json`, `csv`, `fhir`, `hl7` or `dicom`.
    pub format: &'a str,
    /// What a format of files has beside: options, and what was done to how many attributes.
    pub files: Option<Value>,
    /// What replaced personal data.
    pub mode: ModeName,
    /// BLAKE3 digest of the settings file, if there was one.
    pub settings: Option<&'a str>,
    /// What was looked for, and how.
    pub profile: &'a Profile,
    /// BLAKE3 digests of the models that read names, as [`Engine::models`](super::Engine::models) has
    /// them.
    pub models: Vec<(&'static str, String)>,
    /// The texts' main language.
    pub language: Language,
}

/// Why a report proves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// Not a report and its signature, a line each.
    #[error("not a report with a signature")]
    Malformed,
    /// Something was changed, or another key signed.
    #[error("the signature is not by the report's key over this report")]
    Signature,
}

#[derive(Serialize, Deserialize)]
struct Signed {
    public_key: PublicKeyHex,
    signature: Signature,
}

type PublicKeyHex = insitu_protocol::bytes::Fixed<32>;

impl Evidence {
    /// Nothing yet. `seed` draws the sample; it is in the report, so that anyone can draw it again.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            records: 0,
            text_bytes: 0,
            found: BTreeMap::new(),
            shown_later: 0,
            failures: BTreeMap::new(),
            sample: BinaryHeap::new(),
        }
    }

    /// Counts a record.
    pub fn cleaned(&mut self, account: &Account) {
        self.records += 1;
        self.text_bytes += account.text_bytes as u64;
        self.shown_later += account.shown_later as u64;
        for kind in &account.found {
            *self.found.entry(kind.as_str()).or_default() += 1;
        }
        let mut hasher = blake3::Hasher::new_keyed(&self.seed);
        hasher.update(&account.line.to_le_bytes());
        let mut draw = [0; 8];
        hasher.finalize_xof().fill(&mut draw);
        self.sample.push((u64::from_le_bytes(draw), account.line));
        if self.sample.len() > SAMPLE_RECORDS {
            self.sample.pop();
        }
    }

    /// Counts a record that could not be cleaned.
    pub fn failed(&mut self, failure: &Failure) {
        *self.failures.entry(failure.reason.name()).or_default() += 1;
    }

    /// Records cleaned.
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// Bytes of text read.
    pub const fn text_bytes(&self) -> u64 {
        self.text_bytes
    }

    /// Records that could not be cleaned, and were not written.
    pub fn failures(&self) -> u64 {
        self.failures.values().sum()
    }

    /// How many of them, by reason.
    pub const fn reasons(&self) -> &BTreeMap<&'static str, u64> {
        &self.failures
    }

    /// Pieces of personal data found.
    pub fn found(&self) -> u64 {
        self.found.values().sum()
    }

    /// The signed report: a line of JSON, and a line with its signature.
    pub fn report(&self, evident: &Evident<'_>, key: &SigningKey) -> String {
        let profile = evident.profile;
        let left = self.failures.get(RESIDUE).copied().unwrap_or(0);
        let mut lines: Vec<u64> = self.sample.iter().map(|(_, line)| *line).collect();
        lines.sort_unstable();
        let report = json!({
            "report": "redaction",
            "made_at": evident.made_at.to_string(),
            "engine": {
                "version": env!("CARGO_PKG_VERSION"), "rules": RULES_VERSION,
                "tagger": profile.tagger,
                "models": evident.models.iter().map(|(name, digest)| ((*name).to_owned(), digest.clone().into()))
                    .collect::<serde_json::Map<_, _>>(),
                "settings": evident.settings, "min_score": profile.min_score,
                "profile": profile.coarse, "language": evident.language.code(),
                "types": profile.kinds.iter().map(Kind::as_str).collect::<Vec<_>>(),
                "text_bytes_max": TEXT_BYTES_MAX,
            },
            "format": evident.format, "files": evident.files, "mode": evident.mode,
            "records": self.records, "text_bytes": self.text_bytes,
            "found": self.found,
            "not_cleaned": { "records": self.failures(), "by_reason": self.failures },
            "residual_check": {
                "records_read_again": self.records + left, "found_only_then": self.shown_later,
                // These are not written: they are among `not_cleaned`.
                "left": left,
            },
            "sample": {
                "purpose": format!(
                    "when people find nothing in these records, less than {LEFT_SHARE:.0$} of all \
                     have anything left, with a confidence of {CONFIDENCE:.0$}", 2
                ),
                "seed": hex::encode(self.seed), "lines": lines,
            },
        });
        let report = report.to_string();
        let signed = Signed {
            public_key: key.public().0,
            signature: key.sign_in(Domain::Evidence, report.as_bytes()),
        };
        format!("{report}\n{}\n", json!(signed))
    }
}

/// The content of a report, and the key that signed it: compare that with what the site says.
///
/// # Errors
/// [`EvidenceError`].
pub fn verify_report(text: &str) -> Result<(Value, PublicKey), EvidenceError> {
    let (report, signature) = text.split_once('\n').ok_or(EvidenceError::Malformed)?;
    let signed: Signed =
        serde_json::from_str(signature.trim_end()).map_err(|_| EvidenceError::Malformed)?;
    let key = PublicKey(signed.public_key);
    key.verify_in(Domain::Evidence, report.as_bytes(), &signed.signature)
        .map_err(|_| EvidenceError::Signature)?;
    let value = serde_json::from_str(report).map_err(|_| EvidenceError::Malformed)?;
    Ok((value, key))
}

#[cfg(test)]
mod tests {
    use super::super::{Coarse, KindSet, LineError, Unclean};
    use super::*;

    fn evidence(records: u64) -> Evidence {
        let mut evidence = Evidence::new([1; 32]);
        for line in 1..=records {
            let found = vec![Kind::Name, Kind::Date];
            evidence.cleaned(&Account { line, found, text_bytes: 10, ..Account::default() });
        }
        evidence.failed(&Failure { line: records + 1, reason: LineError::TooLong });
        let reason = Unclean::Residue { readings: 17 }.into();
        evidence.failed(&Failure { line: records + 2, reason });
        evidence
    }

    fn report(evidence: &Evidence) -> String {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::create(&folder.path().join("key")).unwrap();
        let profile = Profile {
            kinds: KindSet::NONE.with(Kind::Name).with(Kind::Date),
            coarse: Coarse::SafeHarbor,
            ..Profile::default()
        };
        let evident = Evident {
            made_at: Timestamp::UNIX_EPOCH,
            format: "lines",
            files: None,
            mode: ModeName::Mask,
            settings: None,
            profile: &profile,
            models: vec![("tagger", "ab".to_owned())],
            language: Language::Spanish,
        };
        evidence.report(&evident, &key)
    }

    #[test]
    fn a_report_counts_and_samples() {
        let report = report(&evidence(1000));
        let (value, _) = verify_report(&report).unwrap();
        assert_eq!(value["records"], 1000);
        let engine = &value["engine"];
        assert_eq!(engine["models"], json!({"tagger": "ab"}));
        assert_eq!((&value["mode"], &engine["profile"]), (&"mask".into(), &"safe-harbor".into()));
        assert_eq!(
            (&engine["types"], &engine["language"]),
            (&json!(["NAME", "DATE"]), &json!("es"))
        );
        assert_eq!(value["found"]["NAME"], 1000);
        assert_eq!(value["not_cleaned"]["by_reason"]["too-long"], 1);
        let check = &value["residual_check"];
        assert_eq!((&check["records_read_again"], &check["left"]), (&1001.into(), &1.into()));
        let lines: Vec<u64> = serde_json::from_value(value["sample"]["lines"].clone()).unwrap();
        assert_eq!(lines.len(), SAMPLE_RECORDS);
        assert!(lines.is_sorted() && lines.iter().all(|line| (1..=1000).contains(line)));
        let late = lines.iter().filter(|line| **line > 500).count();
        assert!((100..200).contains(&late), "{late} of 299 in the second half");
    }

    #[test]
    fn a_changed_report_is_noticed() {
        let good = report(&evidence(3));
        assert!(matches!(
            verify_report(&good.replace("\"records\":3", "\"records\":4")),
            Err(EvidenceError::Signature)
        ));
        assert!(matches!(verify_report("{}"), Err(EvidenceError::Malformed)));
    }

    #[test]
    fn the_sample_is_as_large_as_it_must_be() {
        let needed = ((1.0 - CONFIDENCE).ln() / (1.0 - LEFT_SHARE).ln()).ceil();
        assert!((needed - SAMPLE_RECORDS as f64).abs() < 0.5);
    }
}
