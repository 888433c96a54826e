//! A label's marks, each by itself.

use super::{Label, Spans};

impl Label {
    /// Each span, region or segment as a label of its own, in order; none of other kinds.
    pub(crate) fn each_mark(&self) -> Vec<Self> {
        match self {
            Self::Class(_) | Self::Classes(_) => Vec::new(),
            Self::Spans(Spans { spans, .. }) => spans
                .iter()
                .map(|span| Self::Spans(Spans { spans: vec![*span], relations: Vec::new() }))
                .collect(),
            Self::Regions(regions) => {
                regions.iter().map(|region| Self::Regions(vec![region.clone()])).collect()
            }
            Self::Segments(segments) => {
                segments.iter().map(|segment| Self::Segments(vec![*segment])).collect()
            }
        }
    }
}
