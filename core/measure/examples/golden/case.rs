//! One case of a reference file: reading its input and comparing what it expects.

use std::collections::BTreeSet;
use std::error::Error;

use insitu_measure::{InvalidInput, MeasureError, Undefined};
use serde_json::{Value, json};

/// Why a case could not be computed to its end.
#[derive(Debug)]
pub(crate) struct Problem {
    text: String,
    /// The input is right, and what remains of the case has no value.
    undefined: bool,
}

impl<E: Error + 'static> From<E> for Problem {
    fn from(error: E) -> Self {
        let cause: &dyn Error = &error;
        let undefined = cause.is::<Undefined>()
            || matches!(cause.downcast_ref(), Some(MeasureError::Undefined(_)));
        Self { text: error.to_string(), undefined }
    }
}

/// A case and the differences found so far.
pub(crate) struct Case<'a> {
    case: &'a Value,
    compared: BTreeSet<String>,
    failures: Vec<String>,
    tolerance: f64,
}

/// Keys whose values are remarks, not results.
const REMARKS: &[&str] = &["note", "kl_note", "params", "rule", "arl_guarantee"];

impl<'a> Case<'a> {
    /// Computes a case and returns its differences.
    pub(crate) fn run(
        case: &'a Value,
        compute: fn(&mut Self) -> Result<(), Problem>,
    ) -> Vec<String> {
        let tolerance = case["tol"].as_f64().unwrap_or(0.0);
        let mut run = Self { case, compared: BTreeSet::new(), failures: Vec::new(), tolerance };
        let problem = compute(&mut run).err();
        for (key, value) in case["expected"].as_object().into_iter().flatten() {
            if run.compared.contains(key) || REMARKS.contains(&key.as_str()) {
                continue;
            }
            match &problem {
                Some(problem) if problem.undefined && value.is_null() => {}
                Some(problem) => run.failures.push(format!("{key}: {}", problem.text)),
                None => run.failures.push(format!("{key} is expected but not computed")),
            }
        }
        run.failures
    }

    /// A part of the input.
    pub(crate) fn input(&self, key: &str) -> &'a Value {
        &self.case["input"][key]
    }

    /// A part of the case beside input and expected values.
    pub(crate) fn beside(&self, key: &str) -> &'a Value {
        &self.case[key]
    }

    /// An expected value, `null` if there is none.
    pub(crate) fn expected(&self, key: &str) -> &'a Value {
        &self.case["expected"][key]
    }

    /// The expected keys with a prefix.
    pub(crate) fn keys(&self, prefix: &str) -> Vec<String> {
        let keys = self.case["expected"].as_object().into_iter().flat_map(|e| e.keys());
        keys.filter(|key| key.starts_with(prefix)).cloned().collect()
    }

    /// Compares with the case's tolerance, absolute below one and relative above, if the case
    /// expects the key.
    pub(crate) fn close(&mut self, key: &str, actual: impl Into<Value>) {
        self.close_within(key, actual, self.tolerance);
    }

    /// Compares with a tolerance that the file's notes give for this value.
    pub(crate) fn close_within(&mut self, key: &str, actual: impl Into<Value>, tolerance: f64) {
        if let Some(expected) = self.case["expected"].get(key) {
            self.same(key, expected, &actual.into(), tolerance);
        }
    }

    /// Compares with what the case expects in another form.
    pub(crate) fn close_to(&mut self, key: &str, expected: &Value, actual: impl Into<Value>) {
        self.same(key, expected, &actual.into(), self.tolerance);
    }

    fn same(&mut self, key: &str, expected: &Value, actual: &Value, tolerance: f64) {
        self.compared.insert(key.to_owned());
        compare(key, expected, actual, tolerance, &mut self.failures);
    }

    /// Leaves out a value that is not a result of this input.
    pub(crate) fn skip(&mut self, key: &str) {
        self.compared.insert(key.to_owned());
    }

    /// Counts the key as compared and, unless `holds`, records a failure.
    pub(crate) fn require(&mut self, key: &str, holds: bool, failure: impl FnOnce() -> String) {
        if self.case["expected"].get(key).is_some() {
            self.compared.insert(key.to_owned());
            if !holds {
                self.failures.push(format!("{key}: {}", failure()));
            }
        }
    }
}

fn compare(at: &str, expected: &Value, actual: &Value, tolerance: f64, out: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Number(e), Value::Number(a)) => {
            let (e, a) = (e.as_f64().unwrap_or(f64::NAN), a.as_f64().unwrap_or(f64::NAN));
            let difference = (e - a).abs();
            if difference.is_nan() || difference > tolerance * e.abs().max(1.0) {
                out.push(format!("{at} is {a}, expected {e}: difference {difference:e}"));
            }
        }
        (Value::Array(e), Value::Array(a)) => {
            if e.len() != a.len() {
                out.push(format!("{at} has length {}, expected {}", a.len(), e.len()));
            }
            for (index, (e, a)) in e.iter().zip(a).enumerate() {
                compare(&format!("{at}[{index}]"), e, a, tolerance, out);
            }
        }
        (Value::Object(e), Value::Object(a)) => {
            for (key, e) in e.iter().filter(|(key, _)| !REMARKS.contains(&key.as_str())) {
                match a.get(key) {
                    Some(a) => compare(&format!("{at}.{key}"), e, a, tolerance, out),
                    None => out.push(format!("{at}.{key} is expected but not computed")),
                }
            }
        }
        (e, a) if e == a => {}
        (e, a) => out.push(format!("{at} is {a}, expected {e}")),
    }
}

/// A measure's value, `null` where it is undefined.
pub(crate) fn defined(result: Result<f64, impl Into<MeasureError>>) -> Result<Value, InvalidInput> {
    match result.map_err(Into::into) {
        Ok(value) => Ok(json!(value)),
        Err(MeasureError::Undefined(_)) => Ok(Value::Null),
        Err(MeasureError::Invalid(invalid)) => Err(invalid),
    }
}

/// The numbers of a (nested) array, in order; missing ones are skipped.
pub(crate) fn floats(value: &Value) -> Vec<f64> {
    match value.as_array() {
        Some(values) => values.iter().flat_map(floats).collect(),
        None => value.as_f64().into_iter().collect(),
    }
}

/// The identifiers of a (nested) array, in order.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small identifiers")]
pub(crate) fn ids(value: &Value) -> Vec<u32> {
    floats(value).into_iter().map(|id| id as u32).collect()
}

/// The flags of an array of 0 and 1.
pub(crate) fn flags(value: &Value) -> Vec<bool> {
    floats(value).into_iter().map(|flag| flag > 0.5).collect()
}

/// A number of the input that is used as a size.
#[expect(clippy::cast_possible_truncation, reason = "small sizes")]
pub(crate) fn size(value: &Value) -> usize {
    value.as_u64().unwrap_or(0) as usize
}

/// A row-major table as the nested array that files have.
pub(crate) fn table<T: Clone + Into<Value>>(values: &[T], columns: usize) -> Value {
    values.chunks(columns.max(1)).map(|row| Value::from(row.to_vec())).collect()
}

/// Length of the first row of a nested array.
pub(crate) fn columns(value: &Value) -> usize {
    value.get(0).and_then(Value::as_array).map_or(0, Vec::len)
}

/// Position of the greatest number, the first of equals.
pub(crate) fn argmax(row: &[f64]) -> usize {
    (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0)
}

/// Share of positions at which two sequences are equal.
#[expect(clippy::cast_precision_loss, reason = "small cases")]
pub(crate) fn share_equal<T: PartialEq>(a: &[T], b: &[T]) -> f64 {
    let equal = a.iter().zip(b).filter(|(a, b)| a == b).count();
    equal as f64 / a.len().max(b.len()).max(1) as f64
}

/// Spearman's rank correlation.
#[expect(clippy::cast_precision_loss, reason = "small cases")]
pub(crate) fn rank_correlation(a: &[f64], b: &[f64]) -> f64 {
    let rank = |values: &[f64], x: f64| values.iter().filter(|v| **v < x).count() as f64;
    let centre = (a.len() as f64 - 1.0) / 2.0;
    let pairs = a.iter().zip(b).map(|(x, y)| (rank(a, *x) - centre, rank(b, *y) - centre));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    pairs.for_each(|(x, y)| {
        xy += x * y;
        xx += x * x;
        yy += y * y;
    });
    xy / (xx * yy).sqrt()
}
