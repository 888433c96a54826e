//! Where the integers of a backbone of texts come from, and what they decide.
//!
//! A transformer needs what a table's backbone is denied: tokens index a table of vectors, and
//! shapes are computed from the length of a text. The danger is an index out of bounds, which
//! aborts the embedded engine, and a size without limit. So each value is one of the [`Kind`]s, and
//!
//! - tokens index only the rows of a constant table with at least as many rows as they have values;
//! - every other index, shape, axis or bound is made of constants and dimensions alone;
//! - integers are divided by constants alone: a dimension, or what is made of some, may be zero at
//!   one length and at no other;
//! - what makes a value larger than its inputs (`Expand`, `Range`, `ConstantOfShape`) does so by
//!   integers of at most [`EXTENT_MAX`], by interval arithmetic;
//! - integers are never made of floats, except by quantisation, whose integers only a
//!   multiplication may use.

use super::Node;
use super::tensor::Tensor;

/// Operators that only a backbone of texts may use.
pub(super) const OPERATORS: &[&str] = &[
    "ConstantOfShape",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "Expand",
    "GatherND",
    "MatMulInteger",
    "Range",
    "Shape",
];

/// Largest dimension that a backbone may make.
pub(super) const EXTENT_MAX: u64 = 4096;

/// What is in a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What the model alone decides.
    Constant {
        /// Rows of a table (two dimensions); 1 for a vector or a number, 0 when it is not known.
        rows: u64,
        /// Largest magnitude, of integers.
        most: Option<u64>,
    },
    /// Integers, or truths, made of dimensions and constants.
    Extent {
        /// Largest magnitude.
        most: u64,
    },
    /// Integers that the tokenizer decides.
    Tokens {
        /// They are below this, and not negative.
        below: u64,
    },
    /// Integers made of floats, to be multiplied.
    Quantised,
    /// Everything else.
    Data,
}

impl Kind {
    pub(super) fn of_tensor(tensor: &Tensor<'_>) -> Self {
        Self::Constant { rows: tensor.rows, most: tensor.most }
    }

    /// Largest magnitude of an integer that data does not decide.
    fn known(self) -> Option<u64> {
        match self {
            Self::Constant { most, .. } => most,
            Self::Extent { most } => Some(most),
            Self::Tokens { .. } | Self::Quantised | Self::Data => None,
        }
    }

    /// Rows of a constant.
    fn rows(self) -> Option<u64> {
        match self {
            Self::Constant { rows, .. } => Some(rows),
            Self::Extent { .. } | Self::Tokens { .. } | Self::Quantised | Self::Data => None,
        }
    }

    /// The same values in another arrangement, which constants, extents or data decide.
    fn rearranged(self) -> Self {
        match self {
            Self::Constant { most, .. } => Self::Constant { rows: 0, most },
            Self::Extent { .. } | Self::Tokens { .. } | Self::Quantised | Self::Data => self,
        }
    }
}

/// What a node makes of its inputs; `None` when data would decide a size or an index.
pub(super) fn follow(node: &Node<'_>, inputs: &[Option<Kind>]) -> Option<Kind> {
    let input = |position: usize| inputs.get(position).copied().flatten();
    // Left out is as good as constant.
    let known_from = |from: usize| inputs.iter().skip(from).flatten().all(|k| k.known().is_some());
    let all: Vec<Kind> = inputs.iter().flatten().copied().collect();
    match node.operator {
        "Constant" => Some(node.value.unwrap_or(Kind::Constant { rows: 0, most: None })),
        "Shape" => Some(Kind::Extent { most: EXTENT_MAX }),
        "ConstantOfShape" => making(input(0)?).then(|| match node.value.and_then(Kind::known) {
            Some(most) => Kind::Extent { most },
            None => Kind::Data,
        }),
        "Range" => {
            let most = all.iter().all(|kind| making(*kind)).then_some(EXTENT_MAX)?;
            Some(Kind::Extent { most })
        }
        "Expand" => making(input(1)?).then(|| decided(input(0).unwrap_or(Kind::Data))),
        "Gather" => gathered(input(0)?, input(1)?, node.axis),
        "GatherND" => input(1)?.known().map(|_| decided(input(0).unwrap_or(Kind::Data))),
        "Cast" => cast(input(0)?, node.to),
        "Identity" => input(0),
        "Reshape" | "Slice" | "Unsqueeze" | "Squeeze" | "Split" => {
            let result = if inputs.iter().skip(1).flatten().all(|kind| kind.rows().is_some()) {
                input(0)?.rearranged()
            } else {
                decided(input(0)?)
            };
            known_from(1).then_some(result)
        }
        "Transpose" | "Flatten" => input(0).map(Kind::rearranged),
        name if name.starts_with("Reduce") => {
            (known_from(1) && input(0)? != Kind::Quantised).then_some(Kind::Data)
        }
        "DynamicQuantizeLinear" | "MatMulInteger" => Some(Kind::Quantised),
        "DequantizeLinear" => {
            let rows = input(0)?.rows();
            Some(rows.map_or(Kind::Data, |rows| Kind::Constant { rows, most: None }))
        }
        _ => combined(node.operator, &all),
    }
}

/// Whether integers may say how large something becomes.
fn making(kind: Kind) -> bool {
    kind.known().is_some_and(|most| most <= EXTENT_MAX)
}

/// The same values, but how many there are is no longer the model's own affair.
fn decided(kind: Kind) -> Kind {
    match kind {
        Kind::Constant { most: Some(most), .. } => Kind::Extent { most },
        Kind::Constant { most: None, .. } => Kind::Data,
        Kind::Extent { .. } | Kind::Tokens { .. } | Kind::Quantised | Kind::Data => kind,
    }
}

fn gathered(table: Kind, index: Kind, axis: u64) -> Option<Kind> {
    match (table, index) {
        (Kind::Constant { rows, .. }, Kind::Tokens { below }) => {
            (axis == 0 && below <= rows).then_some(Kind::Data)
        }
        (_, Kind::Constant { most: Some(_), .. }) => Some(table.rearranged()),
        (_, Kind::Extent { .. }) => Some(decided(table)),
        _ => None,
    }
}

fn cast(kind: Kind, to: u64) -> Option<Kind> {
    let to_integer = matches!(to, 6 | 7); // int32, int64
    let to_float = matches!(to, 1 | 11); // float, double
    match kind {
        Kind::Constant { rows, most } => match most {
            Some(_) if to_integer => Some(kind),
            // Numbers below one and truths become integers of a size that is not known here.
            None if to_integer => Some(Kind::Constant { rows, most: Some(u64::MAX) }),
            _ => Some(Kind::Constant { rows, most: None }),
        },
        Kind::Extent { .. } | Kind::Tokens { .. } if to_integer => Some(kind),
        Kind::Extent { .. } if to == 9 => Some(Kind::Extent { most: 1 }),
        Kind::Extent { .. } | Kind::Tokens { .. } | Kind::Quantised | Kind::Data => {
            ((to_float || to == 9) && !(kind == Kind::Quantised && to == 9)).then_some(Kind::Data)
        }
    }
}

/// What operators make that work on each element, or join.
fn combined(operator: &str, inputs: &[Kind]) -> Option<Kind> {
    let compares = matches!(
        operator,
        "Equal"
            | "Greater"
            | "GreaterOrEqual"
            | "Less"
            | "LessOrEqual"
            | "Not"
            | "And"
            | "Or"
            | "Xor"
    );
    let constants: Option<Vec<u64>> = inputs.iter().map(|kind| kind.rows()).collect();
    if let Some(rows) = constants.filter(|rows| !rows.is_empty()) {
        // A table scaled by tables, vectors or numbers keeps its rows; nothing else surely does.
        let keeps = matches!(operator, "Add" | "Sub" | "Mul" | "Div") && !rows.contains(&0);
        let rows = if keeps { rows.into_iter().max().unwrap_or(0) } else { 0 };
        return Some(Kind::Constant { rows, most: arithmetic(operator, inputs) });
    }
    if operator == "Div" && matches!(inputs.get(1), Some(Kind::Extent { .. })) {
        return None;
    }
    if inputs.iter().all(|kind| kind.known().is_some()) {
        if compares {
            return Some(Kind::Extent { most: 1 });
        }
        return arithmetic(operator, inputs).map(|most| Kind::Extent { most });
    }
    if inputs.iter().any(|kind| matches!(kind, Kind::Tokens { .. })) {
        return compares.then_some(Kind::Data);
    }
    // Quantised numbers are multiplied as matrices and cast, and not divided by: some are zero.
    (!inputs.contains(&Kind::Quantised)).then_some(Kind::Data)
}

/// Largest magnitude of what integers give; `None` for floats, or for what makes no integers.
fn arithmetic(operator: &str, inputs: &[Kind]) -> Option<u64> {
    let known: Vec<u64> = inputs.iter().map(|kind| kind.known()).collect::<Option<_>>()?;
    let largest = known.iter().copied().max();
    match operator {
        "Add" | "Sub" => Some(known.iter().fold(0, |sum, most| u64::saturating_add(sum, *most))),
        "Mul" => Some(known.iter().fold(1, |product, most| u64::saturating_mul(product, *most))),
        "Abs" | "Concat" | "Div" | "Max" | "Min" | "Neg" | "Where" => largest,
        _ => None,
    }
}
