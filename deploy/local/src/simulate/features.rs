//! Where features come from: public encoding, or a bundle's backbone.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use insitu_models::bundle::Bundle;
use insitu_models::columns::{self, FieldValue};
use insitu_models::engine::{Engine, Library};
use insitu_models::head::Head;
use insitu_models::predict::Predictor;

use super::bounds;
use super::collect::Collector;
use super::encode::{self, Encoder, Range, Ranges};
use super::records::{Cell, Records};
use super::training::Site;

/// Of the loss, in thousandths: finding ranges that are not public.
const RANGES_SHARE: u64 = 100;

/// A source of features.
#[derive(Debug)]
pub(crate) struct Source {
    columns: Vec<String>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Public encoding; known once the ranges are.
    Encoded(Option<Encoder>),
    /// A backbone.
    Bundle { bundle: Box<Bundle>, predictor: Box<Predictor> },
}

impl Source {
    /// The bundle in the folder `bundle`, or the public encoding of `columns` for `none`.
    ///
    /// # Errors
    /// When there is neither, or both, or the bundle does not load.
    pub(crate) fn open(bundle: &Path, columns: &[String]) -> Result<Self> {
        if bundle == Path::new("none") {
            ensure!(!columns.is_empty(), "--features names the columns to learn from");
            return Ok(Self { columns: columns.to_vec(), kind: Kind::Encoded(None) });
        }
        ensure!(columns.is_empty(), "a bundle names its columns itself: leave --features out");
        let bundle = Bundle::open(bundle).with_context(|| bundle.display().to_string())?;
        let predictor = Predictor::load(&Engine::start(&Library::Search)?, &bundle)?;
        let columns = bundle.manifest().columns.iter().map(|column| column.name.to_string());
        let columns = columns.collect();
        let kind = Kind::Bundle { bundle: Box::new(bundle), predictor: Box::new(predictor) };
        Ok(Self { columns, kind })
    }

    /// Columns that it reads.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The classes that it is made for, if any.
    pub(crate) fn classes(&self) -> Option<Vec<String>> {
        match &self.kind {
            Kind::Encoded(_) => None,
            Kind::Bundle { bundle, .. } => {
                Some(bundle.manifest().classes.iter().map(ToString::to_string).collect())
            }
        }
    }

    /// Settles the ranges of columns: public ones as they are, the others by a release.
    ///
    /// # Errors
    /// For a value that is not a number in a column without a range.
    pub(crate) fn learn_ranges(
        &mut self,
        mut ranges: Ranges,
        train: &Records,
        sites: &[Site],
        collector: &mut Collector,
    ) -> Result<()> {
        let Kind::Encoded(encoder) = &mut self.kind else {
            ensure!(ranges.is_empty(), "a bundle scales its columns itself: leave --ranges out");
            return Ok(());
        };
        let unknown: Vec<&String> = self
            .columns
            .iter()
            .filter(|name| !ranges.contains_key(*name))
            .filter(|name| encode::vector_length(train, name).is_none())
            .collect();
        if !unknown.is_empty() {
            // One record of a subject speaks for it, so that a subject counts once.
            let values = |subject: &Vec<usize>| {
                let number = |name: &&String| {
                    let place = || format!("{}, column {name:?}", train.place(subject[0]));
                    encode::number(train.cell(subject[0], name)).with_context(place)
                };
                unknown.iter().map(number).collect::<Result<Vec<_>>>()
            };
            let values: Vec<Vec<Vec<Option<f64>>>> = sites
                .iter()
                .map(|site| site.iter().map(values).collect::<Result<_>>())
                .collect::<Result<_>>()?;
            let rho = collector.share(RANGES_SHARE);
            let found = bounds::find(collector, &values, unknown.len(), rho)?;
            let found: Vec<(String, Range)> = unknown
                .iter()
                .zip(found)
                .map(|(name, range)| ((*name).clone(), Range::Numbers(range)))
                .collect();
            ranges.extend(found);
        }
        *encoder = Some(Encoder::new(&self.columns, &ranges, train)?);
        Ok(())
    }

    /// Length of a record's features.
    pub(crate) fn width(&self) -> usize {
        match &self.kind {
            Kind::Encoded(encoder) => encoder.as_ref().map_or(0, Encoder::width),
            Kind::Bundle { bundle, .. } => bundle.manifest().features,
        }
    }

    /// Features of every record, row-major.
    ///
    /// # Errors
    /// For a value that does not fit its column, before ranges are settled, or when the backbone
    /// does not run.
    pub(crate) fn features(&mut self, records: &Records) -> Result<Vec<f32>> {
        match &mut self.kind {
            Kind::Encoded(encoder) => {
                encoder.as_ref().context("features before their ranges")?.encode(records)
            }
            Kind::Bundle { bundle, predictor } => {
                let mut rows = Vec::new();
                for row in 0..records.len() {
                    let field = |name: &str| match records.cell(row, name) {
                        Cell::Missing | Cell::Vector(_) => None,
                        Cell::Number(number) => Some(FieldValue::Number(*number)),
                        Cell::Text(text) => Some(FieldValue::Text(text)),
                    };
                    let found = columns::row(&bundle.manifest().columns, field);
                    let found = found.map_err(|mut errors| errors.remove(0));
                    rows.extend(found.with_context(|| records.place(row))?);
                }
                Ok(predictor.features(&rows)?)
            }
        }
    }

    /// Where training starts: the bundle's head, or zeros.
    ///
    /// # Errors
    /// When there would be no weights.
    pub(crate) fn first_head(&self, classes: usize) -> Result<Head> {
        match &self.kind {
            Kind::Encoded(_) => {
                Ok(Head::new(classes, self.width(), vec![0.0; classes * self.width()])?)
            }
            Kind::Bundle { bundle, .. } => Ok(bundle.head().clone()),
        }
    }
}
