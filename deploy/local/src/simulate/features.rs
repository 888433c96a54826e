//! Where features come from: public encoding, or the backbone of a bundle or of a model's folder.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use insitu_models::bundle::{Bundle, MANIFEST_FILE};
use insitu_models::columns::{self, FieldValue};
use insitu_models::engine::{Engine, Library};
use insitu_models::head::{Head, HeadKind};
use insitu_models::manifest::Pooling;
use insitu_models::pack::{TextModel, named_head, spoken};
use insitu_models::predict::Predictor;
use insitu_models::text::Encoder as TextEncoder;
use insitu_models::text::words::Words;

use super::bounds;
use super::collect::Collector;
use super::encode::{self, Encoder, Range, Ranges};
use super::records::{Cell, Records};
use super::training::Site;

/// Of the loss, in thousandths: finding ranges that are not public.
const RANGES_SHARE: u64 = 100;
/// Most tokens of a text, for a model that says nothing of it.
pub(crate) const TOKENS: usize = 128;

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
    /// A backbone of texts that knows no classes; the rest once these are known.
    Model { model: Box<TextModel>, ready: Option<(Box<TextEncoder>, Head)> },
}

impl Source {
    /// The bundle or the model in the folder `bundle`, which reads the column `text` if that is what
    /// it is made for; or the public encoding of `columns` for `none`. A head of tokens needs words.
    ///
    /// # Errors
    /// When there is neither, or both, or the bundle does not load.
    pub(crate) fn open(
        bundle: &Path,
        columns: &[String],
        text: Option<&str>,
        head: HeadKind,
    ) -> Result<Self> {
        let words = head == HeadKind::Tokens;
        if bundle == Path::new("none") {
            ensure!(!words, "--head tokens needs a --bundle that makes features of words");
            ensure!(text.is_none(), "--text needs a --bundle that makes features of texts");
            ensure!(!columns.is_empty(), "--features names the columns to learn from");
            return Ok(Self { columns: columns.to_vec(), kind: Kind::Encoded(None) });
        }
        ensure!(columns.is_empty(), "a bundle names its columns itself: leave --features out");
        let place = || bundle.display().to_string();
        if !bundle.join(MANIFEST_FILE).exists() {
            let text = text.with_context(|| {
                format!("{} is no bundle; for a model of texts, --text names their column", place())
            })?;
            let pooling = if words { Pooling::Words } else { Pooling::Mean };
            let model = TextModel::open(bundle, TOKENS, pooling).with_context(place)?;
            let kind = Kind::Model { model: Box::new(model), ready: None };
            return Ok(Self { columns: vec![text.to_owned()], kind });
        }
        let bundle = Bundle::open(bundle).with_context(place)?;
        let manifest = bundle.manifest();
        ensure!(
            text.is_none() || manifest.text.is_some(),
            "{} makes features of columns, not of --text",
            place()
        );
        let of_words = manifest.kind == HeadKind::Tokens;
        ensure!(
            of_words == words,
            "{} has a {} head, which does not become a {head} head",
            place(),
            manifest.kind
        );
        let own = || manifest.columns.iter().map(|column| column.name.to_string()).collect();
        let columns = text.map_or_else(own, |text| vec![text.to_owned()]);
        let predictor = Predictor::load(&Engine::start(&Library::Search)?, &bundle)?;
        let kind = Kind::Bundle { bundle: Box::new(bundle), predictor: Box::new(predictor) };
        Ok(Self { columns, kind })
    }

    /// Gives a model that knows no classes those of the data: their names are public, and texts.
    ///
    /// # Errors
    /// When the model does not run.
    pub(crate) fn learn_classes(&mut self, classes: &[String]) -> Result<()> {
        let Kind::Model { model, ready } = &mut self.kind else { return Ok(()) };
        let engine = Engine::start(&Library::Search)?;
        if model.has_words() {
            let encoder = model.encoder(&engine)?;
            let head = Head::of_tokens(classes.len(), encoder.width())?;
            *ready = Some((Box::new(encoder), head));
            return Ok(());
        }
        let names: Vec<String> = classes.iter().map(|class| spoken(class)).collect();
        // Classes that are but numbers say nothing, and all the same.
        let said = names.iter().all(|name| name.chars().any(char::is_alphabetic));
        if said {
            model.centre_at(&engine, &names)?;
        }
        let mut encoder = model.encoder(&engine)?;
        let width = encoder.width();
        let head = if said {
            named_head(&encoder.features(&names)?, width)?
        } else {
            Head::new(names.len(), width, vec![0.0; names.len() * width])?
        };
        *ready = Some((Box::new(encoder), head));
        Ok(())
    }

    /// Columns that it reads.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The classes that it is made for, if any.
    pub(crate) fn classes(&self) -> Option<Vec<String>> {
        match &self.kind {
            Kind::Encoded(_) | Kind::Model { .. } => None,
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
            Kind::Model { ready, .. } => ready.as_ref().map_or(0, |(encoder, _)| encoder.width()),
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
            Kind::Bundle { bundle, predictor } if bundle.manifest().text.is_some() => {
                Ok(predictor.features_of_texts(&texts(records, &self.columns[0]))?)
            }
            Kind::Bundle { bundle, predictor } => {
                let mut rows = Vec::new();
                for row in 0..records.len() {
                    let field = |name: &str| match records.cell(row, name) {
                        Cell::Missing | Cell::Vector(_) => None,
                        Cell::Number(number) => Some(FieldValue::Number(*number)),
                        // Of no column's kind: it is refused, not missing.
                        Cell::Text(text) | Cell::Json(text) => Some(FieldValue::Text(text)),
                    };
                    let found = columns::row(&bundle.manifest().columns, field);
                    let found = found.map_err(|mut errors| errors.remove(0));
                    rows.extend(found.with_context(|| records.place(row))?);
                }
                Ok(predictor.features(&rows)?)
            }
            Kind::Model { ready, .. } => {
                let (encoder, _) = ready.as_mut().context("features before the classes")?;
                Ok(encoder.features(&texts(records, &self.columns[0]))?)
            }
        }
    }

    /// The words of every record's text, with their features.
    ///
    /// # Errors
    /// When there are no words, or the backbone does not run.
    pub(crate) fn words(&mut self, records: &Records) -> Result<Vec<Words>> {
        let texts = texts(records, &self.columns[0]);
        match &mut self.kind {
            Kind::Encoded(_) => bail!("columns have no words"),
            Kind::Bundle { predictor, .. } => {
                texts.iter().map(|text| Ok(predictor.words(text)?)).collect()
            }
            Kind::Model { ready, .. } => {
                let (encoder, _) = ready.as_mut().context("features before the classes")?;
                texts.iter().map(|text| Ok(encoder.words(text)?)).collect()
            }
        }
    }

    /// Where training starts: the bundle's head, the classes' names, or zeros.
    ///
    /// # Errors
    /// When there would be no weights.
    pub(crate) fn first_head(&self, classes: usize) -> Result<Head> {
        match &self.kind {
            Kind::Encoded(_) => {
                Ok(Head::new(classes, self.width(), vec![0.0; classes * self.width()])?)
            }
            Kind::Bundle { bundle, .. } => Ok(bundle.head().clone()),
            Kind::Model { ready, .. } => {
                let (_, head) = ready.as_ref().context("a head before the classes")?;
                Ok(head.clone())
            }
        }
    }
}

/// The texts of a column; a missing one is empty.
fn texts(records: &Records, column: &str) -> Vec<String> {
    let text = |row| match records.cell(row, column) {
        Cell::Text(text) => text.clone(),
        Cell::Number(number) => number.to_string(),
        Cell::Missing | Cell::Vector(_) | Cell::Json(_) => String::new(),
    };
    (0..records.len()).map(text).collect()
}
