//! Near-duplicates and labels that spread.

use std::collections::BTreeSet;

use insitu_measure::propagation::{
    Graph, Method, MinHasher, bands_for, difference_hash, hamming, jaccard, perceptual_hash,
    shingles, simhash, similarity, spread,
};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::case::{Case, Problem, columns, floats, ids, share_equal, size, table};

/// Words of a shingle, by all references.
const WORDS: usize = 3;

pub(crate) fn near_duplicates(case: &mut Case<'_>) -> Result<(), Problem> {
    let expects = |prefix: &str| !case.keys(prefix).is_empty();
    if expects("hashvalues") {
        minhash(case)
    } else if expects("values_hex") {
        let hash = |set: BTreeSet<String>| simhash(set.iter().map(|s| low_64_bits(s)));
        let values: Vec<String> =
            documents(case).into_iter().map(|set| format!("{:016x}", hash(set))).collect();
        case.close("values_hex", values);
        Ok(())
    } else if expects("phash") || expects("dhash") {
        images(case)
    } else {
        for key in case.keys("0.") {
            let (bands, rows) = bands_for(size(case.input("num_perm")), key.parse()?)?;
            case.close(&key, json!([bands, rows]));
        }
        Ok(())
    }
}

fn documents(case: &Case<'_>) -> Vec<BTreeSet<String>> {
    let texts = case.input("docs").as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.map(|text| shingles(text, WORDS)).collect()
}

fn low_64_bits(shingle: &str) -> u64 {
    let digest: [u8; 16] = Md5::digest(shingle).into();
    u64::from_be_bytes(digest[8..].try_into().unwrap_or_default())
}

fn first_32_bits(shingle: &str) -> u32 {
    let digest: [u8; 20] = Sha1::digest(shingle).into();
    u32::from_le_bytes(digest[..4].try_into().unwrap_or_default())
}

fn minhash(case: &mut Case<'_>) -> Result<(), Problem> {
    let rows = case.input("permutations_a_b");
    let functions = ids(&rows[0]).into_iter().zip(ids(&rows[1])).map(|(a, b)| [a, b]).collect();
    let hasher = MinHasher::with_functions(functions)?;
    let sets = documents(case);
    let signatures: Vec<Vec<u32>> =
        sets.iter().map(|set| hasher.signature(set.iter().map(|s| first_32_bits(s)))).collect();
    case.close("hashvalues", signatures.clone());
    let pairs = |f: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        (0..sets.len())
            .flat_map(|i| (0..sets.len()).map(move |j| (i, j)))
            .map(|(i, j)| f(i, j))
            .collect()
    };
    let truth = pairs(&|i, j| jaccard(&sets[i], &sets[j]));
    case.close("jaccard_true", table(&truth, sets.len()));
    let estimate = pairs(&|i, j| similarity(&signatures[i], &signatures[j]).unwrap_or(f64::NAN));
    case.close("jaccard_estimate", table(&estimate, sets.len()));
    Ok(())
}

fn images(case: &mut Case<'_>) -> Result<(), Problem> {
    let images: Vec<Vec<f64>> =
        case.input("images").as_array().into_iter().flatten().map(floats).collect();
    let hex = |hashes: &[u64]| hashes.iter().map(|h| format!("{h:016x}")).collect::<Vec<_>>();
    if !case.keys("dhash").is_empty() {
        let hashes: Result<Vec<u64>, _> =
            images.iter().map(|image| difference_hash(image)).collect();
        case.close("dhash", hex(&hashes?));
        return Ok(());
    }
    let hashes: Result<Vec<u64>, _> = images.iter().map(|image| perceptual_hash(image)).collect();
    let hashes = hashes?;
    case.close("phash", hex(&hashes));
    let distances: Vec<Vec<u32>> =
        hashes.iter().map(|a| hashes.iter().map(|b| hamming(*a, *b)).collect()).collect();
    case.close("hamming", distances);
    Ok(())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small classes")]
pub(crate) fn label_propagation(case: &mut Case<'_>) -> Result<(), Problem> {
    let (points, dimensions) = (floats(case.input("X")), columns(case.input("X")));
    let given = floats(case.input("y_minus1_unlabelled"));
    let labels: Vec<Option<u32>> =
        given.iter().map(|label| (*label >= 0.0).then_some(*label as u32)).collect();
    let categories = labels.iter().flatten().max().map_or(0, |top| *top as usize + 1);
    let graph = match case.input("kernel").as_str() {
        Some("rbf") => {
            let gamma = case.input("gamma").as_f64().unwrap_or(f64::NAN);
            Graph::gaussian(dimensions, &points, gamma)?
        }
        _ => Graph::nearest(dimensions, &points, size(case.input("n_neighbors")))?,
    };
    let truth = ids(case.beside("truth"));
    for (key, method) in [
        ("label_spreading_alpha.2", Method::Spreading { alpha: 0.2 }),
        ("label_propagation", Method::Propagation),
    ] {
        let drafts = spread(graph.clone(), &labels, categories, method)?;
        // An item that no label reaches has even shares here, and none at all in the reference.
        let reached = |row: &[f64]| row.iter().any(|share| share.to_bits() != row[0].to_bits());
        let row = |row: &[f64]| if reached(row) { row.to_vec() } else { vec![0.0; row.len()] };
        let shares: Vec<f64> = drafts.values().chunks(categories.max(1)).flat_map(row).collect();
        let value = json!({
            "label_distributions": table(&shares, categories),
            "transduction": drafts.labels(),
            "accuracy": share_equal(&drafts.labels(), &truth),
        });
        case.close(key, value);
    }
    Ok(())
}
